package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// BuildTags are those the project is built with, so that the build cache serves the lab too.
const BuildTags = "gles nolibopusfile"

// BuildPhone compiles peregrinectl into dir and returns the program's path. When the environment
// variable PEREGRINECTL names a program, that is used as it is.
func BuildPhone(ctx context.Context, dir string) (string, error) {
	if path := os.Getenv("PEREGRINECTL"); path != "" {
		return filepath.Abs(path)
	}
	path := filepath.Join(dir, "peregrinectl")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", BuildTags, "-o", path,
		"github.com/peregrine-softphone/peregrine/cmd/peregrinectl")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("build peregrinectl: %w:\n%s", err, tail(stderr.String(), 3000))
	}
	return path, nil
}

// PhoneConfig says how a Peregrine starts.
type PhoneConfig struct {
	Binary  string            // from BuildPhone
	Name    string            // of its folder on the host; empty: the user's, or "phone"
	User    string            // registers User at Domain; empty: no account
	Domain  Domain            //
	Proxy   string            // for the account; empty: by DNS
	Account []string          // more words for `account add`: "--transport", "tcp"
	Set     map[string]string // settings: "audio.input": "file:…"
	Profile map[string]string // files put into the profile before the start, by name
	Env     []string          // more of its environment: that of a SoundServer
}

// Phone is a running headless Peregrine on a host, driven by peregrinectl as scripts would.
type Phone struct {
	Host   *Host
	Dir    string // its profile
	AOR    string // of the account of PhoneConfig
	binary string
	env    []string
	proc   *process
	quit   bool // Stop or Kill was called
}

// VerbError is a verb that peregrinectl refused.
type VerbError struct {
	Words    []string
	Sentence string // what it said on standard error
	Code     int    // exit code
}

// Error implements error.
func (e *VerbError) Error() string {
	return fmt.Sprintf("peregrinectl %s: exit code %d: %s", strings.Join(e.Words, " "), e.Code, e.Sentence)
}

// The JSON of peregrinectl, as far as the suite looks at it (docs/control.md). The lab keeps its own
// copy: a changed key must break the suite, as it would break a user's script.
type (
	// PhoneCall is one call.
	PhoneCall struct {
		ID       string         `json:"id"`
		Peer     string         `json:"peer"`
		Incoming bool           `json:"incoming"`
		State    string         `json:"state"`
		HeldBy   string         `json:"held_by"`
		Muted    bool           `json:"muted"`
		Codec    string         `json:"codec"`
		Codecs   []string       `json:"codecs"`
		Reason   string         `json:"reason"`
		Detail   string         `json:"detail"`
		Quality  PhoneQuality   `json:"quality"`
		HandOffs []PhoneHandOff `json:"hand_offs"`

		Adaptation string         `json:"adaptation"`
		Secure     bool           `json:"secure"`
		Path       string         `json:"path"`
		Encryption string         `json:"encryption"`
		Cipher     string         `json:"cipher"`
		EarlySound bool           `json:"early_sound"`
		Conference bool           `json:"conference"`
		Transfer   *PhoneTransfer `json:"transfer"`
		ReferredBy string         `json:"referred_by"`
	}
	// PhoneTransfer is how handing a call on goes.
	PhoneTransfer struct {
		To     string `json:"to"`
		State  string `json:"state"`
		Reason string `json:"reason"`
		Detail string `json:"detail"`
	}
	// PhoneRequest is what somebody wants and the user decides about.
	PhoneRequest struct {
		ID    string `json:"id"`
		Kind  string `json:"kind"`
		From  string `json:"from"`
		Text  string `json:"text"`
		Count int    `json:"count"`
		Call  string `json:"call"`
	}
	// PhoneRecord is a call of the history.
	PhoneRecord struct {
		Peer     string `json:"peer"`
		Incoming bool   `json:"incoming"`
		Missed   bool   `json:"missed"`
		Reason   string `json:"reason"`
	}
	// PhoneDiagnostics are figures for whoever looks into a problem.
	PhoneDiagnostics struct {
		Goroutines   int    `json:"goroutines"`
		HeapBytes    uint64 `json:"heap_bytes"`
		Files        int    `json:"files"`
		Dialogs      int    `json:"dialogs"`
		Calls        int    `json:"calls"`
		Transactions int    `json:"transactions"`
	}
	// PhoneQuality is how a call's sound does.
	PhoneQuality struct {
		PacketsSent     uint64  `json:"packets_sent"`
		PacketsReceived uint64  `json:"packets_received"`
		Lost            uint64  `json:"lost"`
		JitterMS        float64 `json:"jitter_ms"`
		RTTMS           float64 `json:"rtt_ms"`
		DelayMS         float64 `json:"delay_ms"`
		MOS             float64 `json:"mos"`
	}
	// PhoneHandOff is what the program itself measured of one move.
	PhoneHandOff struct {
		From       string  `json:"from"`
		To         string  `json:"to"`
		FirstOutMS float64 `json:"first_out_ms"`
		FirstInMS  float64 `json:"first_in_ms"`
		GapOutMS   float64 `json:"gap_out_ms"`
		GapInMS    float64 `json:"gap_in_ms"`
		InviteMS   float64 `json:"invite_ms"`
		RegisterMS float64 `json:"register_ms"`
	}
	// PhoneMessage is one instant message.
	PhoneMessage struct {
		ID       string `json:"id"`
		Peer     string `json:"peer"`
		Outgoing bool   `json:"outgoing"`
		Text     string `json:"text"`
		State    string `json:"state"`
		Reason   string `json:"reason"`
		Detail   string `json:"detail"`
	}
	// PhoneBuddy is one entry of the buddy list.
	PhoneBuddy struct {
		Address string `json:"address"`
		Name    string `json:"name"`
		Status  string `json:"status"`
		Note    string `json:"note"`
		Reason  string `json:"reason"`
		Lamp    string `json:"lamp"`
	}
	// PhoneAccount is one account.
	PhoneAccount struct {
		Address string `json:"address"`
		State   string `json:"state"`
		Reason  string `json:"reason"`
		Detail  string `json:"detail"`
		Contact string `json:"contact"`
		Server  string `json:"server"`
		Pin     string `json:"pin"`

		Voicemail struct {
			Waiting bool `json:"waiting"`
			New     int  `json:"new"`
			Old     int  `json:"old"`
		} `json:"voicemail"`
	}
	// PhoneNotice is a sentence for the user.
	PhoneNotice struct {
		Level string `json:"level"`
		Text  string `json:"text"`
	}
	// PhoneStatus is the answer to the verb status.
	PhoneStatus struct {
		Accounts []PhoneAccount `json:"accounts"`
		Audio    struct {
			Input   string `json:"input"`
			Output  string `json:"output"`
			Problem string `json:"problem"`
		} `json:"audio"`
		Calls   int           `json:"calls"`
		Notices []PhoneNotice `json:"notices"`
	}
	// PhoneEvent is one line that `peregrinectl run` printed.
	PhoneEvent struct {
		Kind    string        `json:"event"`
		At      time.Time     `json:"at"`
		Account *PhoneAccount `json:"account"`
		Buddy   *PhoneBuddy   `json:"buddy"`
		Call    *PhoneCall    `json:"call"`
		HandOff *PhoneHandOff `json:"hand_off"`
		Message *PhoneMessage `json:"message"`
		Notice  *PhoneNotice  `json:"notice"`
		Request *PhoneRequest `json:"request"`
		Record  *PhoneRecord  `json:"record"`
	}
)

// StartPhone starts Peregrine on the host, applies the settings and, when a user is given, adds the
// account and waits until it is registered.
func (h *Host) StartPhone(ctx context.Context, cfg PhoneConfig) (*Phone, error) {
	if cfg.Name == "" {
		cfg.Name = "phone" + cfg.User
	}
	p := &Phone{
		Host: h, Dir: h.dir(cfg.Name), binary: cfg.Binary, env: cfg.Env,
		AOR: "sip:" + cfg.User + "@" + cfg.Domain.Name,
	}
	if err := os.MkdirAll(p.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("start phone: %w", err)
	}
	for name, content := range cfg.Profile {
		if err := os.WriteFile(filepath.Join(p.Dir, name), []byte(content), 0o600); err != nil {
			return nil, fmt.Errorf("start phone: %w", err)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, peerStart)
	defer cancel()
	if err := p.Restart(ctx); err != nil {
		return nil, err
	}
	for key, value := range cfg.Set {
		if _, err := p.Verb(ctx, "", "set", key, value); err != nil {
			return nil, err
		}
	}
	if cfg.User == "" {
		return p, nil
	}
	address := cfg.User + "@" + cfg.Domain.Name
	if err := p.AddAccount(ctx, address, Password(cfg.User), cfg.Proxy, cfg.Account...); err != nil {
		return nil, err
	}
	_, err := p.WaitEvent(ctx, 0, "registered", func(e PhoneEvent) bool {
		return e.Account != nil && e.Account.State == "registered"
	})
	return p, err
}

// Restart starts the program with its profile as it is; it must not run.
func (p *Phone) Restart(ctx context.Context) error {
	logs := p.Dir + "-log"
	var err error
	// Neither a session bus nor a sound server of the machine may be found: HOME is the profile's.
	env := []string{
		"HOME=" + p.Dir, "DBUS_SESSION_BUS_ADDRESS=", "XDG_RUNTIME_DIR=" + logs,
		"PULSE_SERVER=unix:/nonexistent", "ALSA_CONFIG_PATH=/dev/null", "DISPLAY=",
	}
	env = append(env, p.env...)
	mark := fileSize(filepath.Join(logs, "log"))
	argv := []string{p.binary, "--verbose", "--profile", p.Dir, "run"}
	p.proc, err = startProcess(p.Host.ns, "peregrinectl "+p.AOR, logs, nil, env, argv...)
	if err != nil {
		return err
	}
	p.quit = false
	p.Host.lab.adopt(p.proc)
	_, err = p.WaitEvent(ctx, mark, "started", func(e PhoneEvent) bool { return e.Kind == "started" })
	return err
}

// Verb gives a verb to the running program and returns what it printed. A refusal is a *VerbError.
func (p *Phone) Verb(ctx context.Context, stdin string, words ...string) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	argv := append([]string{"netns", "exec", p.Host.ns, p.binary, "--profile", p.Dir}, words...)
	cmd := exec.CommandContext(ctx, "ip", argv...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil, &VerbError{Words: words, Sentence: strings.TrimSpace(stderr.String()), Code: exit.ExitCode()}
	}
	if err != nil {
		return nil, fmt.Errorf("peregrinectl %s: %w", strings.Join(words, " "), err)
	}
	return stdout.Bytes(), nil
}

// ask gives a verb and reads its answer.
func ask[T any](ctx context.Context, p *Phone, words ...string) (T, error) {
	var out T
	data, err := p.Verb(ctx, "", words...)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("peregrinectl %s: answer %q: %w", strings.Join(words, " "), tail(string(data), 300), err)
	}
	return out, nil
}

// AddAccount adds an account with its password in the profile's file: namespaces have no keyring.
// more are further words of the verb.
func (p *Phone) AddAccount(ctx context.Context, address, password, proxy string, more ...string) error {
	words := []string{"account", "add", address, "--password-stdin", "--password-store", "file"}
	if proxy != "" {
		words = append(words, "--proxy", proxy)
	}
	_, err := p.Verb(ctx, password+"\n", append(words, more...)...)
	return err
}

// Status of the program.
func (p *Phone) Status(ctx context.Context) (PhoneStatus, error) {
	return ask[PhoneStatus](ctx, p, "status")
}

// Call calls an address and returns the call's id at once.
func (p *Phone) Call(ctx context.Context, address string) (string, error) {
	call, err := ask[PhoneCall](ctx, p, "call", address)
	return call.ID, err
}

// Calls lists the calls.
func (p *Phone) Calls(ctx context.Context) ([]PhoneCall, error) {
	return ask[[]PhoneCall](ctx, p, "calls")
}

// CallOf returns the call with the id.
func (p *Phone) CallOf(ctx context.Context, id string) (PhoneCall, error) {
	calls, err := p.Calls(ctx)
	if err != nil {
		return PhoneCall{}, err
	}
	for _, c := range calls {
		if c.ID == id {
			return c, nil
		}
	}
	return PhoneCall{}, fmt.Errorf("%s: no call %s among %v", p.proc.name, id, calls)
}

// Diagnostics of the program.
func (p *Phone) Diagnostics(ctx context.Context) (PhoneDiagnostics, error) {
	return ask[PhoneDiagnostics](ctx, p, "diagnostics")
}

// Do gives a verb whose answer does not matter.
func (p *Phone) Do(ctx context.Context, words ...string) error {
	_, err := p.Verb(ctx, "", words...)
	return err
}

// Message sends an instant message and returns it as it stands after the first answer.
func (p *Phone) Message(ctx context.Context, address, text string) (PhoneMessage, error) {
	return ask[PhoneMessage](ctx, p, "message", address, text)
}

// Messages is the conversation with an address, oldest first.
func (p *Phone) Messages(ctx context.Context, address string) ([]PhoneMessage, error) {
	return ask[[]PhoneMessage](ctx, p, "messages", address)
}

// AddBuddy adds a buddy.
func (p *Phone) AddBuddy(ctx context.Context, address string) error {
	return p.Do(ctx, "buddy", "add", address)
}

// Mark is a place in the program's events; waits from it on see only later ones.
func (p *Phone) Mark() int64 { return fileSize(p.proc.log) }

// Events since the mark.
func (p *Phone) Events(mark int64) []PhoneEvent {
	var events []PhoneEvent
	for line := range strings.Lines(p.proc.output(mark)) {
		var e PhoneEvent
		whole := strings.HasPrefix(line, `{"event"`) && strings.HasSuffix(line, "\n")
		if whole && json.Unmarshal([]byte(line), &e) == nil {
			events = append(events, e)
		}
	}
	return events
}

// Log is the program's log and its events since the mark.
func (p *Phone) Log(mark int64) string { return p.proc.output(mark) }

// WaitEvent waits for the first event after the mark that f accepts; what names it in errors.
func (p *Phone) WaitEvent(ctx context.Context, mark int64, what string, f func(PhoneEvent) bool) (PhoneEvent, error) {
	var found PhoneEvent
	err := poll(ctx, 10*time.Millisecond, func() (bool, error) {
		for _, e := range p.Events(mark) {
			if f(e) {
				found = e
				return true, nil
			}
		}
		if !p.proc.running() {
			return false, errors.Join(errEnded, p.proc.err)
		}
		return false, nil
	})
	if err != nil {
		return found, fmt.Errorf("%s: wait for %s: %w; its output ends with:\n%s",
			p.proc.name, what, err, tail(p.proc.output(mark), 4000))
	}
	return found, nil
}

// WaitCall waits until a call that began or changed after the mark has the state. The id may be
// empty: any call.
func (p *Phone) WaitCall(ctx context.Context, mark int64, id, state string) (PhoneCall, error) {
	e, err := p.WaitEvent(ctx, mark, "a call that is "+state, func(e PhoneEvent) bool {
		return e.Call != nil && e.Call.State == state && (id == "" || e.Call.ID == id)
	})
	if err != nil {
		return PhoneCall{}, err
	}
	return *e.Call, nil
}

// WaitMessage waits for a received message with the text.
func (p *Phone) WaitMessage(ctx context.Context, mark int64, text string) (PhoneMessage, error) {
	e, err := p.WaitEvent(ctx, mark, "the message "+text, func(e PhoneEvent) bool {
		return e.Message != nil && !e.Message.Outgoing && e.Message.Text == text
	})
	if err != nil {
		return PhoneMessage{}, err
	}
	return *e.Message, nil
}

// WaitBuddy waits until a buddy has the status, now or later.
func (p *Phone) WaitBuddy(ctx context.Context, address, status string) (PhoneBuddy, error) {
	var last PhoneBuddy
	err := poll(ctx, 50*time.Millisecond, func() (bool, error) {
		buddies, err := ask[[]PhoneBuddy](ctx, p, "buddy", "list")
		if err != nil {
			return false, err
		}
		for _, b := range buddies {
			if strings.TrimPrefix(b.Address, "sip:") == strings.TrimPrefix(address, "sip:") {
				last = b
			}
		}
		return last.Status == status, nil
	})
	if err != nil {
		return last, fmt.Errorf("%s: wait until %s is %s (is %q, %q): %w; its output ends with:\n%s",
			p.proc.name, address, status, last.Status, last.Reason, err, tail(p.proc.output(0), 3000))
	}
	return last, nil
}

// Crashed tells whether the program has ended without being asked to. Not while Stop runs.
func (p *Phone) Crashed() bool { return !p.quit && !p.proc.running() }

// Kill ends the program at once (SIGKILL), as a power cut would. Restart starts it again.
func (p *Phone) Kill() error {
	p.quit = true
	return p.proc.stop(0)
}

// Stop asks the program to quit, as a user would, and waits for its end.
func (p *Phone) Stop(ctx context.Context) error {
	if err := p.Do(ctx, "quit"); err != nil {
		return err
	}
	p.quit = true
	if err := p.proc.waitOrKill(5 * time.Second); err != nil {
		return err
	}
	if p.proc.err != nil {
		return fmt.Errorf("%s ended badly: %w; its output ends with:\n%s",
			p.proc.name, p.proc.err, tail(p.proc.output(0), 2000))
	}
	return nil
}
