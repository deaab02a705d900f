package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"
)

// PBX is a Kamailio that does what the lab's domains leave to the phones: it watches the calls of its users and tells
// their lamps (RFC 4235), and keeps a mailbox for each (RFC 3842). Its users are those of the lab.
type PBX struct {
	Domain Domain // known to its phones alone, by Proxy
	Proxy  string // address and port
	lab    *Lab
	proc   *process
}

const (
	pbxPort = 5080
	// dbtext are the empty tables that Kamailio's presence server cannot do without.
	dbtext = "/usr/share/kamailio/dbtext/kamailio"
)

// StartPBX starts one beside the domains' proxies. At most one per lab; it ends with the lab.
func (l *Lab) StartPBX(ctx context.Context) (*PBX, error) {
	ctx, cancel := context.WithTimeout(ctx, serverStart)
	defer cancel()
	b := &PBX{Domain: Domain{Name: "pbx.test", IP: Info.IP}, lab: l}
	b.Proxy = fmt.Sprintf("%s:%d", Info.IP, pbxPort)
	dir, socket := l.kamailioDir(b.Domain), l.controlSocket(b.Domain)
	tables := filepath.Join(dir, "db")
	if err := copyTables(tables); err != nil {
		return nil, fmt.Errorf("start PBX: %w", err)
	}
	config := filepath.Join(dir, "kamailio.cfg")
	data := map[string]any{
		"Name": b.Domain.Name, "IP": Info.IP, "Port": pbxPort, "Socket": socket, "DB": tables, "Debug": l.cfg.Debug,
	}
	if err := fill("kamailio-pbx.cfg.tmpl", config, data); err != nil {
		return nil, err
	}
	p, err := startProcess(l.ns("core"), "kamailio "+b.Domain.Name, dir, nil, nil,
		"kamailio", "-DD", "-E", "-m", "64", "-M", "8", "-f", config, "-P", filepath.Join(dir, "pid"), "-Y", dir)
	if err != nil {
		return nil, err
	}
	b.proc = p
	l.adopt(p)
	err = poll(ctx, 50*time.Millisecond, func() (bool, error) {
		if !p.running() {
			return false, errEnded
		}
		_, missing := os.Stat(socket)
		if missing == nil {
			_, missing = run(ctx, "", "kamcmd", "-s", "unix:"+socket, "core.uptime")
		}
		return missing == nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("the PBX did not start: %w; its output ends with:\n%s", err, tail(p.output(0), 1500))
	}
	return b, nil
}

func copyTables(to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	err := os.CopyFS(to, os.DirFS(dbtext))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: `make deps` installs it", err)
	}
	return err
}

// Leave puts a voice message summary into the mailbox of a user, as a voice mail program would (RFC 3903).
func (b *PBX) Leave(ctx context.Context, user string, fresh, old int) error {
	return inNamespace(b.lab.ns("core"), func() error {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "udp4", b.Proxy)
		if err != nil {
			return fmt.Errorf("leave a message: %w", err)
		}
		defer func() { _ = conn.Close() }()
		if deadline, ok := ctx.Deadline(); ok {
			if err = conn.SetDeadline(deadline); err != nil {
				return fmt.Errorf("leave a message: %w", err)
			}
		}
		waiting := "no"
		if fresh > 0 {
			waiting = "yes"
		}
		body := fmt.Sprintf("Messages-Waiting: %s\r\nMessage-Account: sip:*97@%s\r\nVoice-Message: %d/%d (0/0)\r\n",
			waiting, b.Domain.Name, fresh, old)
		id := time.Now().UnixNano()
		_, err = fmt.Fprintf(conn, "PUBLISH sip:%[1]s@%[2]s SIP/2.0\r\nVia: SIP/2.0/UDP %[3]s;branch=z9hG4bK%[4]d\r\n"+
			"Max-Forwards: 70\r\nFrom: <sip:voicemail@%[2]s>;tag=vm\r\nTo: <sip:%[1]s@%[2]s>\r\nCall-ID: %[4]d\r\n"+
			"CSeq: 1 PUBLISH\r\nEvent: message-summary\r\nExpires: 600\r\n"+
			"Content-Type: application/simple-message-summary\r\nContent-Length: %[5]d\r\n\r\n%[6]s",
			user, b.Domain.Name, conn.LocalAddr(), id, len(body), body)
		if err != nil {
			return fmt.Errorf("leave a message: %w", err)
		}
		answer := make([]byte, 4096)
		n, err := conn.Read(answer)
		if err != nil {
			return fmt.Errorf("leave a message: %w", err)
		}
		if got := string(answer[:min(n, 11)]); got != "SIP/2.0 200" {
			return fmt.Errorf("leave a message: the PBX answered %q", got)
		}
		return nil
	})
}
