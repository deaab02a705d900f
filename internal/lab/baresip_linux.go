package lab

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/score"
)

const (
	baresipModules = "/usr/lib/baresip/modules"
	// baresipControlPort is in the peer's own namespace; several baresips on one host count up.
	baresipControlPort = 4444
	// peerStart bounds how long a foreign peer may take to register.
	peerStart = 20 * time.Second
)

// BaresipConfig says how a baresip behaves.
type BaresipConfig struct {
	User   string
	Domain Domain
	LAN    bool     // no server: it is User at its host's address; Domain is not used
	Manual bool     // do not answer calls by itself
	Codecs []string // baresip's names with rates ("pcmu", "opus/48000/2"); empty: all it has
	// Source is "aufile,PATH" in the codec's own rate and channels (Opus: 48 kHz stereo) or "ausine,440".
	// Empty: a tone.
	Source   string
	Outbound string   // proxy for requests outside dialogs: "sip:10.77.0.10:5070"
	Buddies  []string // addresses whose presence it watches and to whom it sends messages
	Interval int      // re-registration in seconds; 0: 600
	Quiet    bool     // print no messages: WaitLog does not see them, and none costs time
	Player   string   // "alsa,ear"; empty: nobody hears it, but it is recorded
	Lines    []string // more lines of its configuration
	Env      []string // more of its environment: that of a SoundServer
	TLS      bool     // registers by TLS; the lab's authority is believed
	Params   string   // more parameters of its account: ";medianat=ice"
}

// Baresip is a running baresip on a host.
type Baresip struct {
	Host *Host
	Dir  string // its configuration, log (with a SIP trace) and recordings
	AOR  string // sip:user@domain
	proc *process

	mu      sync.Mutex
	conn    net.Conn
	replies map[string]chan string
	events  []BaresipEvent
	tokens  int
}

// BaresipEvent is what baresip tells of by itself, for example CALL_ESTABLISHED.
type BaresipEvent struct {
	At    time.Time `json:"-"`
	Type  string    `json:"type"`
	Class string    `json:"class"`
	Peer  string    `json:"peeruri"`
	Param string    `json:"param"`
}

// StartBaresip starts baresip on the host and waits until it is registered, or without a server until it
// runs. At most one per host and user.
func (h *Host) StartBaresip(ctx context.Context, cfg BaresipConfig) (*Baresip, error) {
	b := &Baresip{
		Host: h, Dir: h.dir("baresip-" + cfg.User), AOR: "sip:" + cfg.User + "@" + cfg.Domain.Name,
		replies: map[string]chan string{},
	}
	if cfg.LAN {
		cfg.Domain = Domain{Name: h.Addr().String()}
		b.AOR = "sip:" + cfg.User + "@" + cfg.Domain.Name
	}
	if err := cfg.chooseSource(b.Dir); err != nil {
		return nil, err
	}
	data := map[string]any{
		"Name": cfg.User, "Source": cfg.Source, "Modules": baresipModules, "Dir": b.Dir,
		"ControlPort": baresipControlPort, "Presence": true, "Player": cfg.Player, "Lines": cfg.Lines,
	}
	if err := fill("baresip.config.tmpl", filepath.Join(b.Dir, "config"), data); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(b.Dir, "accounts"), []byte(cfg.account()), 0o600); err != nil {
		return nil, fmt.Errorf("start baresip: %w", err)
	}
	if err := os.WriteFile(filepath.Join(b.Dir, "contacts"), []byte(cfg.contacts()), 0o600); err != nil {
		return nil, fmt.Errorf("start baresip: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, peerStart)
	defer cancel()
	var err error
	argv := []string{"stdbuf", "-oL", "-eL", "baresip", "-f", b.Dir}
	if !cfg.Quiet {
		argv = append(argv, "-s")
	}
	if b.proc, err = startProcess(h.ns, "baresip "+cfg.User, b.Dir, nil, cfg.Env, argv...); err != nil {
		return nil, err
	}
	h.lab.adopt(b.proc)
	if err := b.connect(ctx); err != nil {
		return nil, err
	}
	if cfg.LAN { // the control connection comes after its SIP sockets
		return b, nil
	}
	if _, err := b.WaitLog(ctx, 0, `200 OK.*\[\d+ binding|registered successfully`); err != nil {
		return nil, err
	}
	return b, nil
}

// chooseSource gives a baresip without one a tone. Its own has 48 kHz only, which Opus takes; for
// G.711 the tone is a file of two minutes.
func (c *BaresipConfig) chooseSource(dir string) error {
	if c.Source != "" {
		return nil
	}
	c.Source = "ausine,440"
	if len(c.Codecs) == 0 || !strings.HasPrefix(strings.ToLower(c.Codecs[0]), "pcm") {
		return nil
	}
	const rate = 8000
	tone := score.Sound{Rate: rate, Samples: make([]float32, 120*rate)}
	for i := range tone.Samples {
		tone.Samples[i] = float32(0.3 * math.Sin(2*math.Pi*440*float64(i)/rate))
	}
	path := filepath.Join(dir, "tone8.wav")
	c.Source = "aufile," + path
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("start baresip: %w", err)
	}
	return os.WriteFile(path, score.Encode(tone), 0o644)
}

func (c BaresipConfig) account() string {
	interval := c.Interval
	if interval == 0 {
		interval = 600
	}
	if c.LAN {
		interval = 0 // it never registers
	}
	transport := "udp"
	if c.TLS {
		transport = "tls"
	}
	account := fmt.Sprintf("<sip:%s@%s;transport=%s>;auth_user=%s;auth_pass=%s;regint=%d",
		c.User, c.Domain.Name, transport, c.User, Password(c.User), interval)
	if !c.Manual {
		account += ";answermode=auto"
	}
	if len(c.Codecs) > 0 {
		account += ";audio_codecs=" + strings.Join(c.Codecs, ",")
	}
	if c.Outbound != "" {
		account += `;outbound="` + c.Outbound + `"`
	}
	return account + c.Params + "\n"
}

func (c BaresipConfig) contacts() string {
	var out strings.Builder
	for _, buddy := range c.Buddies {
		fmt.Fprintf(&out, "%q <%s>;presence=p2p\n", userOf(buddy), buddy)
	}
	return out.String()
}

// userOf is the user part of sip:user@host.
func userOf(address string) string {
	user, _, _ := strings.Cut(strings.TrimPrefix(address, "sip:"), "@")
	return user
}

// connect opens the control connection, once baresip listens.
func (b *Baresip) connect(ctx context.Context) error {
	address := fmt.Sprintf("127.0.0.1:%d", baresipControlPort)
	err := poll(ctx, 30*time.Millisecond, func() (bool, error) {
		if !b.proc.running() {
			return false, errEnded
		}
		err := inNamespace(b.Host.ns, func() error {
			dialer := net.Dialer{Timeout: time.Second}
			conn, err := dialer.DialContext(ctx, "tcp4", address)
			b.conn = conn
			return err
		})
		return err == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%s: control connection: %w; its output ends with:\n%s",
			b.proc.name, err, tail(b.proc.output(0), 1500))
	}
	go b.read(b.conn)
	return nil
}

// read takes answers and events until the connection ends, which it does with baresip.
func (b *Baresip) read(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	r := bufio.NewReader(conn)
	for {
		data, err := readNetstring(r)
		if err != nil {
			return
		}
		var message struct {
			BaresipEvent
			Event    bool   `json:"event"`
			Response bool   `json:"response"`
			Data     string `json:"data"`
			Token    string `json:"token"`
		}
		if json.Unmarshal(data, &message) != nil {
			continue // baresip 1.0 does not escape everything it quotes; such an event is of no use
		}
		b.mu.Lock()
		if reply := b.replies[message.Token]; message.Response && reply != nil {
			delete(b.replies, message.Token)
			reply <- message.Data
		} else if message.Event {
			message.At = time.Now()
			b.events = append(b.events, message.BaresipEvent)
		}
		b.mu.Unlock()
	}
}

// Command gives a long command ("dial", "hangup", "contacts") and returns what it prints.
func (b *Baresip) Command(ctx context.Context, command, params string) (string, error) {
	b.mu.Lock()
	b.tokens++
	token := fmt.Sprintf("t%d", b.tokens)
	reply := make(chan string, 1)
	b.replies[token] = reply
	data, err := json.Marshal(map[string]string{"command": command, "params": params, "token": token})
	if err == nil {
		err = writeNetstring(b.conn, data)
	}
	b.mu.Unlock()
	if err != nil {
		return "", fmt.Errorf("%s: %s: %w", b.proc.name, command, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	select {
	case text := <-reply:
		return text, nil
	case <-ctx.Done():
		return "", fmt.Errorf("%s: %s %s: no answer: %w", b.proc.name, command, params, ctx.Err())
	}
}

// Dial calls an address.
func (b *Baresip) Dial(ctx context.Context, address string) error {
	_, err := b.Command(ctx, "dial", address)
	return err
}

// Hangup ends the present call.
func (b *Baresip) Hangup(ctx context.Context) error {
	_, err := b.Command(ctx, "hangup", "")
	return err
}

// Message sends text to one of the configured buddies: baresip 1.0 only sends to its current
// contact, so that is moved along the list until it is the right one.
func (b *Baresip) Message(ctx context.Context, buddy, text string) error {
	for range 20 { // more contacts than any test has
		list, err := b.Command(ctx, "contacts", "")
		if err != nil {
			return err
		}
		if currentContact(list) == buddy {
			_, err := b.Command(ctx, "message", text)
			return err
		}
		if _, err := b.Command(ctx, "contact_next", ""); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: %s is not among its contacts", b.proc.name, buddy)
}

var (
	currentLine = regexp.MustCompile(`(?m)^>.*<([^>]*)>`)
	colours     = regexp.MustCompile("\x1b\\[[0-9;]*m")
)

func currentContact(list string) string {
	match := currentLine.FindStringSubmatch(colours.ReplaceAllString(list, ""))
	if match == nil {
		return ""
	}
	address, _, _ := strings.Cut(match[1], ";")
	return address
}

// BuddyStatus is the presence baresip shows for a contact: "Online", "Offline", "Busy", "Unknown".
func (b *Baresip) BuddyStatus(ctx context.Context, buddy string) (string, error) {
	list, err := b.Command(ctx, "contacts", "")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(colours.ReplaceAllString(list, "")) {
		if strings.Contains(line, "<"+buddy) {
			fields := strings.Fields(strings.TrimLeft(line, "> "))
			if len(fields) > 0 {
				return fields[0], nil
			}
		}
	}
	return "", fmt.Errorf("%s: %s is not in its contacts: %q", b.proc.name, buddy, list)
}

// WaitBuddy waits until baresip shows the status for a contact.
func (b *Baresip) WaitBuddy(ctx context.Context, buddy, status string) error {
	last := ""
	err := poll(ctx, 50*time.Millisecond, func() (bool, error) {
		var err error
		last, err = b.BuddyStatus(ctx, buddy)
		return last == status, err
	})
	if err != nil {
		return fmt.Errorf("%s: wait until %s is %s (is %q): %w", b.proc.name, buddy, status, last, err)
	}
	return nil
}

// WaitEvent waits for the first event of the type at or after since.
func (b *Baresip) WaitEvent(ctx context.Context, since time.Time, kind string) (BaresipEvent, error) {
	var found BaresipEvent
	err := poll(ctx, 10*time.Millisecond, func() (bool, error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, e := range b.events {
			if e.Type == kind && !e.At.Before(since) {
				found = e
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		return found, fmt.Errorf("%s: wait for %s: %w; its output ends with:\n%s",
			b.proc.name, kind, err, tail(b.proc.output(0), 2500))
	}
	return found, nil
}

// LogSize is a mark for WaitLog.
func (b *Baresip) LogSize() int64 { return fileSize(b.proc.log) }

// WaitLog waits until what baresip printed since the mark matches the pattern.
func (b *Baresip) WaitLog(ctx context.Context, mark int64, pattern string) ([]string, error) {
	return b.proc.waitFile(ctx, b.proc.log, mark, pattern)
}

// Log is everything baresip printed since the mark.
func (b *Baresip) Log(mark int64) string { return b.proc.output(mark) }

// Recordings are the WAV files of what baresip heard, oldest call first; complete after the call.
func (b *Baresip) Recordings() ([]string, error) {
	return filepath.Glob(filepath.Join(b.Dir, "dump-*-dec.wav"))
}

// Stop un-registers and ends baresip.
func (b *Baresip) Stop() error { return b.proc.stop(4 * time.Second) }

// Kill ends baresip at once, without a word to anybody.
func (b *Baresip) Kill() error { return b.proc.stop(0) }
