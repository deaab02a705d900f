package lab

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/score"
)

// TwinkleConfig says how a twinkle-console behaves.
type TwinkleConfig struct {
	User     string
	Domain   Domain
	Manual   bool   // do not answer calls by itself
	Reliable string // "disabled", "supported", "preferred" or "required" (RFC 3262); empty: "supported"
}

// twinkleRate is the rate of Twinkle's sound devices in Hz: that of G.711, which it uses.
const twinkleRate = 8000

// twinkleTone is what Twinkle's microphone hears, in Hz.
const twinkleTone = 440

// Twinkle is a running twinkle-console on a host. Its sound devices are those of a PulseAudio of its own: a
// microphone that hears a tone, a speaker whose sound is kept.
type Twinkle struct {
	Host  *Host
	Dir   string // its home, console ("log"), sound
	AOR   string
	proc  *process
	stdin *os.File
}

// StartTwinkle starts twinkle-console on the host and waits until it is registered. At most one per host.
func (h *Host) StartTwinkle(ctx context.Context, cfg TwinkleConfig) (*Twinkle, error) {
	p := &Twinkle{Host: h, Dir: h.dir("twinkle-" + cfg.User), AOR: "sip:" + cfg.User + "@" + cfg.Domain.Name}
	ctx, cancel := context.WithTimeout(ctx, peerStart)
	defer cancel()
	if err := p.configure(cfg); err != nil {
		return nil, fmt.Errorf("start twinkle: %w", err)
	}
	if err := p.startSound(ctx); err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start twinkle: %w", err)
	}
	defer func() { _ = read.Close() }()
	p.stdin = write
	env := append(p.soundEnv(), "HOME="+p.Dir, "DISPLAY=", "ALSA_CONFIG_PATH=")
	p.proc, err = startProcess(h.ns, "twinkle "+cfg.User, p.Dir, read, env,
		"stdbuf", "-oL", "twinkle-console", cfg.User+".cfg")
	if err != nil {
		return nil, err
	}
	h.lab.adopt(p.proc)
	_, err = p.WaitOutput(ctx, 0, `registration succeeded`)
	return p, err
}

// configure writes its profile, its system settings and where ALSA finds its devices.
func (p *Twinkle) configure(cfg TwinkleConfig) error {
	folder := filepath.Join(p.Dir, ".twinkle")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if cfg.Reliable == "" {
		cfg.Reliable = "supported"
	}
	profile := []string{
		"user_name=" + cfg.User, "user_domain=" + cfg.Domain.Name,
		"auth_name=" + cfg.User, "auth_pass=" + Password(cfg.User),
		"codecs=g711u", "registration_time=600", "register_at_startup=yes", "ext_100rel=" + cfg.Reliable,
		"ext_replaces=yes", "allow_refer=yes", "ask_user_to_refer=no", "attended_refer_to_aor=yes",
		"pres_publish_startup=no", "mwi_sollicited=no",
		// A steady tone is noise to it, which it would not send.
		"speex_dsp_vad=no", "speex_dsp_agc=no", "speex_dsp_aec=no", "speex_dsp_nrd=no",
	}
	system := []string{
		"dev_ringtone=alsa:ear", "dev_speaker=alsa:ear", "dev_mic=alsa:mouth", "validate_audio_dev=no",
		"log_show_sip=yes", "sip_port=5060", "alsa_capture_period_size=160", "alsa_play_period_size=160",
		"play_ringtone=no", "play_ringback=no",
	}
	service := []string{"dnd=no", "auto_answer=yes"}
	if cfg.Manual {
		service[1] = "auto_answer=no"
	}
	device := func(of, name string) string {
		return fmt.Sprintf("pcm.%s { type pulse server %q device %q }", of, "unix:"+p.pulse(), name)
	}
	for name, lines := range map[string][]string{
		".twinkle/" + cfg.User + ".cfg": profile,
		".twinkle/" + cfg.User + ".svc": service,
		".twinkle/twinkle.sys":          system,
		".asoundrc":                     {device("mouth", "microphone.monitor"), device("ear", "speaker")},
	} {
		if err := os.WriteFile(filepath.Join(p.Dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (p *Twinkle) pulse() string { return filepath.Join(p.Dir, "pulse", "native") }

func (p *Twinkle) soundEnv() []string {
	dir := filepath.Dir(p.pulse())
	return []string{
		"XDG_RUNTIME_DIR=" + dir, "PULSE_RUNTIME_PATH=" + dir, "PULSE_STATE_PATH=" + dir,
		"PULSE_COOKIE=" + filepath.Join(dir, "cookie"),
		"PULSE_SERVER=unix:" + p.pulse(), "DBUS_SESSION_BUS_ADDRESS=",
	}
}

// startSound starts the PulseAudio with two sinks that play to nobody, and what keeps the speaker's sound. Who listens
// also keeps a sink awake: one that nobody listens to sleeps for two seconds at a time, as PulseAudio's own tone
// source does.
func (p *Twinkle) startSound(ctx context.Context) error {
	format := fmt.Sprintf("channels=1 rate=%d", twinkleRate)
	server, err := startProcess(p.Host.ns, "pulseaudio", filepath.Dir(p.pulse()), nil, p.soundEnv(),
		"pulseaudio", "-n", "--daemonize=no", "--system=false", "--use-pid-file=false", "--exit-idle-time=-1",
		"--realtime=no", // in real time the kernel ends it when the machine is busy
		"--log-level=error", "--log-target=stderr",
		"-L", "module-null-sink sink_name=speaker "+format, "-L", "module-null-sink sink_name=microphone "+format,
		"-L", fmt.Sprintf("module-sine sink=microphone frequency=%d", twinkleTone),
		"-L", "module-native-protocol-unix auth-anonymous=1 socket="+p.pulse())
	if err != nil {
		return err
	}
	p.Host.lab.adopt(server)
	if err := poll(ctx, 20*time.Millisecond, func() (bool, error) {
		_, err := os.Stat(p.pulse())
		return err == nil, nil
	}); err != nil {
		return fmt.Errorf("start twinkle: PulseAudio: %w; its output ends with:\n%s", err, tail(server.output(0), 1500))
	}
	said := filepath.Join(p.Dir, "said.raw")
	for sink, file := range map[string]string{"speaker": p.heard(), "microphone": said} {
		listener, err := startProcess(p.Host.ns, "parec "+sink, filepath.Join(p.Dir, sink), nil, p.soundEnv(), "parec",
			"-d", sink+".monitor", "--raw", "--latency-msec=20", "--format=s16le", "--channels=1",
			fmt.Sprintf("--rate=%d", twinkleRate), file)
		if err != nil {
			return err
		}
		p.Host.lab.adopt(listener)
	}
	return poll(ctx, 20*time.Millisecond, func() (bool, error) {
		return fileSize(said) > 0 && fileSize(p.heard()) > 0, nil
	})
}

func (p *Twinkle) heard() string { return filepath.Join(p.Dir, "heard.raw") }

// HeardSize is a mark for Heard.
func (p *Twinkle) HeardSize() int64 { return fileSize(p.heard()) }

// Heard is what its speaker has played since the mark, the silence between calls included.
func (p *Twinkle) Heard(mark int64) score.Sound {
	raw := []byte(fileFrom(p.heard(), mark&^1))
	pcm := make([]int16, len(raw)/2)
	for i := range pcm {
		pcm[i] = int16(binary.LittleEndian.Uint16(raw[2*i:])) // signed samples
	}
	return score.FromPCM(twinkleRate, pcm)
}

// Command types a line into the console; its effect shows in the output or the trace.
func (p *Twinkle) Command(line string) error {
	if _, err := p.stdin.WriteString(line + "\n"); err != nil {
		return fmt.Errorf("%s: %s: %w", p.proc.name, line, err)
	}
	return nil
}

// Message sends an instant message.
func (p *Twinkle) Message(address, text string) error {
	return p.Command(fmt.Sprintf("message %s %q", address, text))
}

// OutputSize is a mark for WaitOutput.
func (p *Twinkle) OutputSize() int64 { return fileSize(p.proc.log) }

// WaitOutput waits until the console shows the pattern after the mark.
func (p *Twinkle) WaitOutput(ctx context.Context, mark int64, pattern string) ([]string, error) {
	return p.proc.waitFile(ctx, p.proc.log, mark, pattern)
}

// Trace is its log, with all SIP messages.
func (p *Twinkle) Trace() string { return fileFrom(filepath.Join(p.Dir, ".twinkle", "twinkle.log"), 0) }

// Stop un-registers and ends it.
func (p *Twinkle) Stop() error {
	defer func() { _ = p.stdin.Close() }()
	if err := p.Command("quit"); err != nil {
		return err
	}
	return p.proc.waitOrKill(4 * time.Second)
}
