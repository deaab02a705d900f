package app

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/peregrine-softphone/peregrine/media/ice"
)

// TestServersOfAPolicy: an address that cannot be right is refused with a sentence that shows how to write one.
func TestServersOfAPolicy(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy MediaPolicy
		want   string // in the sentence; empty: fine
	}{
		{"nothing", MediaPolicy{}, ""},
		{"hosts", MediaPolicy{STUN: "stun.example.org", TURN: "turn.example.org", TURNUser: "u"}, ""},
		{"URIs", MediaPolicy{STUN: "stun:192.0.2.1:3478", TURN: "turns:turn.example.org", TURNUser: "u"}, ""},
		{"no STUN server", MediaPolicy{STUN: "two words"}, "stun.example.org"},
		{"no TURN server", MediaPolicy{TURN: "http://turn.example.org", TURNUser: "u"}, "turns:turn.example.org"},
		{"no user", MediaPolicy{TURN: "turn.example.org"}, "a user and a password"},
	} {
		err := checkMedia(c.policy)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want a sentence with %q", c.name, err, c.want)
		}
	}
}

// TestTURNPassword: it is kept beside the account's own, reaches the calls of that account, and goes with it.
func TestTURNPassword(t *testing.T) {
	p := newPBX(t, 200)
	e, _ := startEngine(t, t.TempDir(), freePort(t))
	spec := AccountSpec{
		Address: "alice@info.test", Proxy: p.conn.LocalAddr().String(), Transport: "udp", Password: "own",
		PasswordStore: "file", TURNPassword: "relay",
		MediaPolicy: MediaPolicy{ICE: true, STUN: "192.0.2.1", TURN: "192.0.2.1", TURNUser: "u"},
	}
	must(t, e.AddAccount(t.Context(), spec))
	awaitSnapshot(t, e, "registration", func(s Snapshot) bool {
		return len(s.Accounts) == 1 && s.Accounts[0].State == AccountRegistered
	})
	toward := netip.MustParseAddr("192.0.2.7")
	c := &call{account: "sip:alice@info.test"}
	got := e.iceOf(c, toward)
	if got == nil || got.STUN != "192.0.2.1" || got.User != "u" || got.Password != "relay" || got.Toward != toward {
		t.Fatalf("a call looks for its path with %+v", got)
	}
	if other := e.iceOf(&call{account: "sip:bob@info.test"}, toward); other != nil {
		t.Errorf("a call of another account looks for its path with %+v", other)
	}
	for range 2 {
		got.OnProblem(ice.ProblemPassword)
	}
	if n := e.Snapshot().Notices; len(n) != 1 || !strings.HasPrefix(n[0].Text, "The TURN server 192.0.2.1 did not accept") {
		t.Errorf("notices %+v, want one about the password", n)
	}
	secrets := filepath.Join(e.cfg.Profile, fileSecrets)
	if text, err := os.ReadFile(secrets); err != nil || !strings.Contains(string(text), `"sip:alice@info.test#turn": "relay"`) {
		t.Errorf("secrets %s (%v)", text, err)
	}
	accounts, err := os.ReadFile(filepath.Join(e.cfg.Profile, fileAccounts))
	if err != nil || strings.Contains(string(accounts), "relay") {
		t.Errorf("the list of accounts holds the password: %s (%v)", accounts, err)
	}
	without := spec
	without.TURNPassword, without.MediaPolicy = "", MediaPolicy{}
	must(t, e.AddAccount(t.Context(), without))
	if text, err := os.ReadFile(secrets); err != nil || strings.Contains(string(text), "relay") ||
		!strings.Contains(string(text), "own") {
		t.Errorf("without its TURN server the account's secrets are %s (%v)", text, err)
	}
	must(t, e.AddAccount(t.Context(), spec))
	must(t, e.RemoveAccount(t.Context(), "alice@info.test"))
	if text, err := os.ReadFile(secrets); err != nil || strings.Contains(string(text), "relay") {
		t.Errorf("after the account was removed its secrets are %s (%v)", text, err)
	}
}
