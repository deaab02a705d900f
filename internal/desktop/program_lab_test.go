//go:build lab && linux

package desktop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestMain refuses to pretend: without root the packets cannot be seen.
func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "These tests look at the packets on loopback and need root: sudo -E make smoke")
		os.Exit(1)
	}
	os.Exit(func() int {
		var err error
		if builtDir, err = os.MkdirTemp("", "peregrine-desktop-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(builtDir)
		return m.Run()
	}())
}

// builtDir is a folder for the programs; made by TestMain before the tests start.
var builtDir string

// programs is the folder with peregrine and peregrinectl.
var programs = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("PEREGRINE_BIN"); dir != "" {
		return filepath.Abs(dir)
	}
	// The project's flags, so that the build cache serves.
	cmd := exec.Command("go", "build", "-tags", "gles nolibopusfile", "-o", builtDir, "../..", "../../cmd/peregrinectl")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build: %w: %s", err, out)
	}
	return builtDir, nil
})

// program is a running Peregrine: the window, or the headless engine.
type program struct {
	t       *testing.T
	bin     string // folder of the programs
	env     []string
	profile string
	temp    string // its TMPDIR
	cmd     *exec.Cmd
	port    int // for SIP
	log     *log
}

// log is what a program wrote.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// bad is what must not be in the log of a program. Fyne reports what it dislikes as "Fyne error" and
// calls from the wrong goroutine as "Error in Fyne call thread".
var bad = regexp.MustCompile(`panic:|fatal error:|DATA RACE|[Ff]yne error:.*|Fyne call thread|wrong thread|goroutine \d+ \[`)

// forgivable are complaints of Fyne that are right or nobody's fault: there is no message bus here to
// ask for the system's theme, and when it ends, Fyne 2.8.1 writes its preferences (we have none) and
// sometimes reads them itself, by its own watch of the file, in the moment in which they are empty.
var forgivable = []string{"Fyne error:  failed to watch theme settings", "Fyne error:  Preferences load error:"}

// launch runs a program with a new profile until the test ends, whose last word is the check of its
// log. Neither a home nor a message bus of this machine is to be found.
func launch(t *testing.T, env []string, name string, words ...string) *program {
	t.Helper()
	bin, err := programs()
	must(t, err)
	home := t.TempDir()
	p := &program{t: t, bin: bin, profile: filepath.Join(home, "profile"), temp: filepath.Join(home, "tmp"), log: &log{}}
	runtime := filepath.Join(home, "run")
	for _, dir := range []string{p.temp, p.profile, runtime, filepath.Join(home, ".cache")} { // as on any desktop
		must(t, os.Mkdir(dir, 0o700))
	}
	p.port = freePort(t)
	settings := fmt.Sprintf(`{"sip.port":"%d"}`, p.port) // it counts from the start on
	must(t, os.WriteFile(filepath.Join(p.profile, "settings.json"), []byte(settings), 0o600))
	p.env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+filepath.Join(home, "config"), "TMPDIR="+p.temp, "XDG_RUNTIME_DIR="+runtime, "PULSE_SERVER=",
		"LANG=C.UTF-8", "LC_ALL=", "LIBGL_ALWAYS_SOFTWARE=1", "WAYLAND_DISPLAY=", "DISPLAY=", noBus)
	p.env = append(p.env, env...)
	p.cmd = exec.Command(filepath.Join(bin, name), append([]string{"--profile", p.profile}, words...)...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.env, p.log, p.log
	t.Cleanup(p.checkLog) // runs after the program has ended
	start(t, p.cmd)
	return p
}

// freePort is a port that nobody uses now.
func freePort(t *testing.T) int {
	t.Helper()
	c, err := net.ListenUDP("udp", &net.UDPAddr{})
	must(t, err)
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).Port
}

func (p *program) checkLog() {
	text := p.log.String()
	for _, found := range bad.FindAllString(text, -1) {
		if !slices.Contains(forgivable, found) {
			p.t.Errorf("%q is in the log of %s", found, filepath.Base(p.cmd.Path))
		}
	}
	if p.t.Failed() && text != "" {
		p.t.Logf("log of %s:\n%s", filepath.Base(p.cmd.Path), text[max(0, len(text)-20000):])
	}
}

// verb runs peregrinectl and reads its answer into result, unless that is nil.
func (p *program) verb(result any, words ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(p.bin, "peregrinectl"), append([]string{"--profile", p.profile}, words...)...)
	cmd.Env = p.env
	out, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return fmt.Errorf("peregrinectl %v: %w: %s", words, err, exit.Stderr)
	}
	if err != nil || result == nil {
		return err
	}
	return json.Unmarshal(out, result)
}

func (p *program) do(words ...string) {
	p.t.Helper()
	must(p.t, p.verb(nil, words...))
}

// The JSON of peregrinectl, as far as these tests look at it (docs/control.md).
type (
	account struct {
		Address string `json:"address"`
		State   string `json:"state"`
		Contact string `json:"contact"`
	}
	buddy struct {
		Address string `json:"address"`
		Name    string `json:"name"`
		Status  string `json:"status"`
		Note    string `json:"note"`
		Unread  int    `json:"unread"`
	}
	message struct {
		Text     string `json:"text"`
		Outgoing bool   `json:"outgoing"`
		State    string `json:"state"`
	}
	call struct {
		ID       string   `json:"id"`
		Peer     string   `json:"peer"`
		Incoming bool     `json:"incoming"`
		State    string   `json:"state"`
		HeldBy   string   `json:"held_by"`
		Muted    bool     `json:"muted"`
		Codec    string   `json:"codec"`
		Codecs   []string `json:"codecs"`
		Reason   string   `json:"reason"`
		Quality  struct {
			PacketsSent     int     `json:"packets_sent"`
			PacketsReceived int     `json:"packets_received"`
			Lost            int     `json:"lost"`
			JitterMS        float64 `json:"jitter_ms"`
			DelayMS         float64 `json:"delay_ms"`
		} `json:"quality"`
	}
)

// ready waits until the program answers.
func (p *program) ready() {
	p.t.Helper()
	await(p.t, "an answer of "+filepath.Base(p.cmd.Path), func() bool { return p.verb(nil, "status") == nil })
}

func (p *program) accounts() (list []account) {
	p.t.Helper()
	must(p.t, p.verb(&list, "account", "list"))
	return list
}

// contact adds an account without a server and returns the address at which it is to be reached on
// this machine.
func (p *program) contact(name string) string {
	p.t.Helper()
	p.do("account", "add", name, "--lan")
	return fmt.Sprintf("sip:%s@127.0.0.1:%d", name, p.port)
}

// buddyNamed is the buddy with that name.
func (p *program) buddyNamed(name string) (b buddy, ok bool) {
	p.t.Helper()
	var list []buddy
	must(p.t, p.verb(&list, "buddy", "list"))
	for _, b := range list {
		if b.Name == name {
			return b, true
		}
	}
	return buddy{}, false
}

func (p *program) messages(address string) (list []message) {
	p.t.Helper()
	must(p.t, p.verb(&list, "messages", address))
	return list
}

// calls are the calls, live ones first.
func (p *program) calls() (list []call) {
	p.t.Helper()
	must(p.t, p.verb(&list, "calls"))
	return list
}

// record is a call of the history.
type record struct {
	Peer     string `json:"peer"`
	Incoming bool   `json:"incoming"`
	Missed   bool   `json:"missed"`
}

// history is the calls that are over, newest first.
func (p *program) history() (list []record) {
	p.t.Helper()
	must(p.t, p.verb(&list, "history"))
	return list
}

// awaitCall waits until the first call is as ok wants it.
func (p *program) awaitCall(what string, ok func(call) bool) (c call) {
	p.t.Helper()
	await(p.t, what, func() bool {
		list := p.calls()
		if len(list) == 0 {
			return false
		}
		c = list[0]
		return ok(c)
	})
	return c
}

// quickly is how long a program may take to end: BYE and un-REGISTER are answered in milliseconds here.
const quickly = 3 * time.Second

// ended waits for the end of the program and returns how long it took. When it takes longer than it
// may, the log gets the stacks of its goroutines.
func (p *program) ended() (took time.Duration) {
	p.t.Helper()
	began := time.Now()
	dump := time.AfterFunc(quickly, func() { _ = p.cmd.Process.Signal(syscall.SIGQUIT) })
	defer dump.Stop()
	killer := time.AfterFunc(patience, func() { _ = p.cmd.Process.Kill() })
	defer killer.Stop()
	err := p.cmd.Wait()
	took = time.Since(began)
	if err != nil || took > quickly {
		p.t.Errorf("%s ended after %v with %v", filepath.Base(p.cmd.Path), took, err)
	}
	left, err := filepath.Glob(filepath.Join(p.temp, "*"))
	if err != nil || len(left) > 0 {
		p.t.Errorf("temporary files left behind: %v %v", left, err)
	}
	return took
}
