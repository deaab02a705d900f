package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/app"
)

// patience bounds each wait of these tests, which take milliseconds.
const patience = 20 * time.Second

// noKeyring stands for a system without one.
type noKeyring struct{}

func (noKeyring) Get(string) (string, error) { return "", errors.New("no keyring") }
func (noKeyring) Set(string, string) error   { return errors.New("no keyring") }
func (noKeyring) Delete(string) error        { return errors.New("no keyring") }

// serve runs an engine with its socket until the test ends, and gives the profile and what ends when it does.
func serve(t *testing.T) (profile string, ended <-chan error) {
	t.Helper()
	profile = t.TempDir()
	log := slog.New(slog.DiscardHandler)
	e, err := app.New(t.Context(), app.Config{Profile: profile, Logger: log, Keyring: noKeyring{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	events := e.Events(ctx)
	go func() {
		defer close(done)
		done <- RunWith(ctx, e, profile, log)
	}()
	select {
	case <-events: // "started": the socket is there, too
	case <-time.After(patience):
		t.Fatal("the engine did not start")
	}
	t.Cleanup(func() {
		stop()
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("the engine did not end")
		}
	})
	return profile, done
}

func connect(t *testing.T, profile string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), profile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func TestVerbs(t *testing.T) {
	profile, _ := serve(t)
	c := connect(t, profile)
	tests := []struct {
		name, verb string
		args       Args
		want       string // in the result, or in the sentence when wrong
		wrong      bool
	}{
		{"set", "set", Args{"key": "audio.input", "value": "none"}, `"none"`, false},
		{"get", "get", Args{"key": "audio.input"}, `"value":"none"`, false},
		{"get what is not", "get", Args{"key": "colour"}, "no setting", true},
		{"status", "status", nil, `"settings"`, false},
		{
			"buddy without an account",
			"buddy add",
			Args{"address": "bob@info.test", "name": "Bob", "group": "Team"},
			`"name":"Bob"`,
			false,
		},
		{"buddy list", "buddy list", nil, `"group":"Team"`, false},
		{"buddy with an impossible address", "buddy add", Args{"address": "sip:@@"}, "", true},
		{"lamps", "buddy lamp", Args{"address": "bob@info.test", "mode": "both"}, `"lamp":"unknown","lamp_shared":true`, false},
		{"lamp watched", "buddy lamp", Args{"address": "bob@info.test", "mode": "watch"}, `"lamp":"unknown"`, false},
		{"no such lamp", "buddy lamp", Args{"address": "bob@info.test", "mode": "blink"}, "", true},
		{"lamp of a stranger", "buddy lamp", Args{"address": "eve@info.test", "mode": "watch"}, "", true},
		{"buddy remove", "buddy remove", Args{"address": "bob@info.test"}, "{}", false},
		{"buddy remove again", "buddy remove", Args{"address": "bob@info.test"}, "", true},
		{"presence", "presence set", Args{"status": "lunch", "note": "soup"}, `"status":"lunch"`, false},
		{"presence nobody has", "presence set", Args{"status": "asleep"}, "", true},
		{"call without an account", "call", Args{"address": "bob@info.test"}, "no account", true},
		{
			"password without a keyring",
			"account add",
			Args{"address": "alice@info.test", "password": "x"},
			"--password-store file",
			true,
		},
		{"hang up nothing", "hangup", nil, "no call", true},
		{"transfer nothing", "transfer", Args{"call": "1", "address": "x"}, "no call 1", true},
		{"redial nobody", "redial", nil, "not called anybody", true},
		{"accept nothing", "request accept", nil, "gone already", true},
		{"no verb", "fly", nil, "no verb", true},
		{"no call of that number", "codec", Args{"call": "7", "name": "opus"}, "no call 7", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			result, err := c.Do(t.Context(), tt.verb, tt.args)
			var refused *Error
			switch {
			case tt.wrong && !errors.As(err, &refused):
				t.Fatalf("err = %v, result = %s; want an *Error", err, result)
			case tt.wrong && !strings.Contains(refused.Sentence, tt.want):
				t.Errorf("sentence %q, want %q in it", refused.Sentence, tt.want)
			case tt.name == "status":
				var got map[string]any
				if err := json.Unmarshal(result, &got); err != nil || got["profile"] != profile {
					t.Errorf("status %s, %v", result, err)
				}
			case !tt.wrong && (err != nil || !strings.Contains(string(result), tt.want)):
				t.Errorf("result %s, %v; want %s in it", result, err, tt.want)
			}
		})
	}
}

func TestLANAccount(t *testing.T) {
	profile, _ := serve(t)
	c := connect(t, profile)
	result, err := c.Do(t.Context(), "account add", Args{"address": "alice", "lan": "true"})
	if err != nil {
		t.Fatal(err)
	}
	var account app.Account
	if err := json.Unmarshal(result, &account); err != nil {
		t.Fatal(err)
	}
	if account.Kind != app.AccountLAN || !strings.HasPrefix(account.Address, "sip:alice") {
		t.Errorf("account %+v, want a LAN account of alice", account)
	}
	if _, err := c.Do(t.Context(), "account remove", Args{"address": "alice"}); err != nil {
		t.Errorf("remove by name: %v", err)
	}
}

func TestQuit(t *testing.T) {
	profile, ended := serve(t)
	if _, err := connect(t, profile).Do(t.Context(), "quit", nil); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("quit did not end the engine")
	}
	if _, err := Dial(t.Context(), profile); !errors.Is(err, ErrNotRunning) {
		t.Errorf("dial after quit: %v, want ErrNotRunning", err)
	}
}

// TestHostileClients: junk on the socket closes that connection and nothing else.
func TestHostileClients(t *testing.T) {
	profile, _ := serve(t)
	path, err := SocketPath(profile)
	if err != nil {
		t.Fatal(err)
	}
	for _, junk := range []string{"\n", "{\n", "[1,2]\n", "\x00\xff\n", strings.Repeat("x", maxLine+2) + "\n", `{"id":1,"verb":7}` + "\n"} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Write([]byte(junk)) // the other side may close before it has read all
		var res response
		if err := readLine(bufio.NewReader(conn), &res); err == nil && res.Error == nil {
			t.Errorf("junk %.10q was answered with %+v", junk, res)
		}
		conn.Close()
	}
	if _, err := connect(t, profile).Do(t.Context(), "status", nil); err != nil {
		t.Errorf("after the junk: %v", err)
	}
}

func TestWatch(t *testing.T) {
	profile, _ := serve(t)
	watching := connect(t, profile)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var first string
	err := watching.Stream(ctx, "watch", nil, func(line json.RawMessage) error {
		var ev struct {
			Event string `json:"event"`
			Self  *struct {
				Note string `json:"note"`
			} `json:"self"`
		}
		if err := json.Unmarshal(line, &ev); err != nil {
			return err
		}
		if first == "" {
			first = ev.Event
			//nolint:contextcheck // a connection of its own
			_, err := connect(t, profile).Do(ctx, "presence set", Args{"status": "away", "note": "tea"})
			return err
		}
		if ev.Event == "self" && ev.Self.Note == "tea" {
			return errSeen
		}
		return nil
	})
	if !errors.Is(err, errSeen) || first != "snapshot" {
		t.Errorf("watch began with %q and ended with %v", first, err)
	}
}

var errSeen = errors.New("seen")

func TestSocketPath(t *testing.T) {
	short, err := SocketPath("/home/alice/.config/peregrine")
	if err != nil || short != "/home/alice/.config/peregrine/control.sock" {
		t.Errorf("short: %q, %v", short, err)
	}
	long := filepath.Join(t.TempDir(), strings.Repeat("deep/", 30))
	path, err := SocketPath(long)
	if err != nil || len(path) > maxSocketPath {
		t.Errorf("long: %q (%d bytes), %v", path, len(path), err)
	}
	other, err := SocketPath(long + "er")
	if err != nil || other == path {
		t.Error("two profiles share a socket")
	}
}

func TestOwnFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shared")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil { // whatever the umask took away
		t.Fatal(err)
	}
	if err := ownFolder(dir); err == nil {
		t.Error("a folder that others may write to was accepted")
	}
}
