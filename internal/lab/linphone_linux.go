package lab

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// LinphoneConfig says how a linphonec behaves.
type LinphoneConfig struct {
	User     string
	Domain   Domain
	LAN      bool   // no server: it is User at its host's address; Domain is not used
	Manual   bool   // do not answer calls by itself
	Play     string // WAV file it sends instead of a microphone; empty: silence
	Codecs   []LinphoneCodec
	Interval int      // re-registration in seconds; 0: 600
	Lines    []string // more of its configuration: sections with their lines
	Sound    []string // environment of a SoundServer: it uses the sound card, and Play and its recording do not count
}

// LinphoneCodec is one allowed audio codec; with an empty list linphonec uses all it has.
type LinphoneCodec struct {
	Name     string // "opus", "PCMU"
	Rate     int
	Channels int
}

// Linphone is a running linphonec on a host, told what to do through a FIFO.
type Linphone struct {
	Host   *Host
	Dir    string // configuration, console ("log"), SIP trace ("trace"), recording ("rec.wav")
	AOR    string
	proc   *process
	stdin  *os.File
	tracer string
}

// StartLinphone starts linphonec on the host and waits until it is registered, or without a server until it
// runs. At most one per host.
func (h *Host) StartLinphone(ctx context.Context, cfg LinphoneConfig) (*Linphone, error) {
	if cfg.Interval == 0 {
		cfg.Interval = 600
	}
	p := &Linphone{Host: h, Dir: h.dir("linphone-" + cfg.User), AOR: "sip:" + cfg.User + "@" + cfg.Domain.Name}
	if cfg.LAN {
		cfg.Domain = Domain{Name: h.Addr().String()}
		p.AOR = "sip:" + cfg.User + "@" + cfg.Domain.Name
	}
	p.tracer = filepath.Join(p.Dir, "trace")
	home := filepath.Join(p.Dir, "home")
	// linphonec never registers unless its data folder exists.
	for _, folder := range []string{".local/share/linphone", ".config/linphone"} {
		if err := os.MkdirAll(filepath.Join(home, folder), 0o755); err != nil {
			return nil, fmt.Errorf("start linphonec: %w", err)
		}
	}
	data := map[string]any{
		"Domain": cfg.Domain, "User": cfg.User, "Password": Password(cfg.User), "Interval": cfg.Interval,
		"Codecs": cfg.Codecs, "LAN": cfg.LAN, "UUID": randomUUID(), "Lines": cfg.Lines,
	}
	config := filepath.Join(p.Dir, "rc")
	if err := fill("linphonerc.tmpl", config, data); err != nil {
		return nil, err
	}
	read, err := p.makeFIFO()
	if err != nil {
		return nil, err
	}
	defer func() { _ = read.Close() }()
	// linphonec 5.1 may spin when a call of its own has moved; at the lab's priority, or in real time, it would starve
	// all others.
	argv := []string{
		"chrt", "--other", "0", "nice", "-n", strconv.Itoa(-niceness),
		"stdbuf", "-oL", "linphonec", "-c", config, "-d", "6", "-l", p.tracer,
	}
	if !cfg.Manual {
		argv = append(argv, "-a")
	}
	env := append([]string{"HOME=" + home}, cfg.Sound...)
	if p.proc, err = startProcess(h.ns, "linphonec "+cfg.User, p.Dir, read, env, argv...); err != nil {
		return nil, err
	}
	h.lab.adopt(p.proc)
	ctx, cancel := context.WithTimeout(ctx, peerStart)
	defer cancel()
	return p, p.settle(ctx, cfg)
}

// makeFIFO opens both ends of the command pipe: ours stays open, or linphonec would read an end of
// file and quit.
func (p *Linphone) makeFIFO() (*os.File, error) {
	path := filepath.Join(p.Dir, "in")
	if err := syscall.Mkfifo(path, 0o600); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("start linphonec: %w", err)
	}
	both, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("start linphonec: %w", err)
	}
	p.stdin = both
	return os.OpenFile(path, os.O_RDONLY, 0)
}

func (p *Linphone) settle(ctx context.Context, cfg LinphoneConfig) error {
	ready := `to \[?LinphoneRegistrationOk`
	if cfg.LAN {
		ready = `listening point .*transport=TCP`
	}
	if _, err := p.WaitTrace(ctx, 0, ready); err != nil {
		return err
	}
	if cfg.Sound != nil {
		return nil
	}
	commands := []string{"soundcard use files"}
	if cfg.Play != "" {
		commands = append(commands, "play "+cfg.Play)
	}
	for _, command := range append(commands, "record "+p.Recording()) {
		if err := p.Command(command); err != nil {
			return err
		}
	}
	return nil
}

func randomUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (package documentation)
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// Command types a line into linphonec's console; its effect shows in Output or Trace.
func (p *Linphone) Command(line string) error {
	if _, err := p.stdin.WriteString(line + "\n"); err != nil {
		return fmt.Errorf("%s: %s: %w", p.proc.name, line, err)
	}
	return nil
}

// Message sends an instant message.
func (p *Linphone) Message(address, text string) error {
	return p.Command("chat " + address + " " + text)
}

// Recording is the WAV file of what linphonec heard.
func (p *Linphone) Recording() string { return filepath.Join(p.Dir, "rec.wav") }

// OutputSize and TraceSize are marks for WaitOutput and WaitTrace.
func (p *Linphone) OutputSize() int64 { return fileSize(p.proc.log) }

// TraceSize is a mark for WaitTrace.
func (p *Linphone) TraceSize() int64 { return fileSize(p.tracer) }

// WaitOutput waits until the console shows the pattern after the mark.
func (p *Linphone) WaitOutput(ctx context.Context, mark int64, pattern string) ([]string, error) {
	return p.proc.waitFile(ctx, p.proc.log, mark, pattern)
}

// WaitTrace waits until the debug log, which has all SIP messages, shows the pattern after the mark.
func (p *Linphone) WaitTrace(ctx context.Context, mark int64, pattern string) ([]string, error) {
	return p.proc.waitFile(ctx, p.tracer, mark, pattern)
}

// Stop un-registers and ends linphonec.
func (p *Linphone) Stop() error {
	defer func() { _ = p.stdin.Close() }()
	if err := p.Command("quit"); err != nil {
		return err
	}
	return p.proc.waitOrKill(4 * time.Second)
}

// Kill ends linphonec at once, without a word to anybody.
func (p *Linphone) Kill() error {
	defer func() { _ = p.stdin.Close() }()
	return p.proc.stop(0)
}
