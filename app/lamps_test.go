package app

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/presence"
	"github.com/peregrine-softphone/peregrine/presence/dialoginfo"
)

// patience bounds each wait of the tests with real sockets on loopback, which take milliseconds.
const patience = 20 * time.Second

// freePort gives a port that is free for UDP and TCP now.
func freePort(t *testing.T) int {
	t.Helper()
	for range 20 {
		udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := net.SplitHostPort(udp.LocalAddr().String())
		port, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		tcp, err := net.Listen("tcp4", udp.LocalAddr().String())
		_ = udp.Close()
		if err == nil {
			_ = tcp.Close()
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}

// startEngine runs an engine on a port until the test ends, or until stop.
func startEngine(t *testing.T, profile string, port int) (e *Engine, stop func()) {
	t.Helper()
	e, err := New(t.Context(), Config{Profile: profile, Keyring: noKeyring{}})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range map[string]string{
		SettingPort: strconv.Itoa(port), SettingInput: "none", SettingOutput: "none", SettingRinger: "none",
	} {
		if err := e.Set(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	e.Close()
	if e, err = New(t.Context(), Config{Profile: profile, Keyring: noKeyring{}}); err != nil { // the port counts from a start
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	ended := false
	stop = func() {
		cancel()
		if ended {
			return
		}
		ended = true
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("engine ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("engine did not end")
		}
	}
	t.Cleanup(stop)
	return e, stop
}

// noKeyring stands for a system without one.
type noKeyring struct{}

func (noKeyring) Get(string) (string, error) { return "", os.ErrNotExist }
func (noKeyring) Set(string, string) error   { return os.ErrNotExist }
func (noKeyring) Delete(string) error        { return os.ErrNotExist }

// awaitSnapshot waits until the state is as ok wants it.
func awaitSnapshot(t *testing.T, e *Engine, what string, ok func(Snapshot) bool) Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last Snapshot
	for last = range e.Watch(ctx) {
		if ok(last) {
			return last
		}
	}
	t.Fatalf("waited in vain for: %s\nbuddies: %+v\naccounts: %+v\ncalls: %+v", what, last.Buddies, last.Accounts, last.Calls)
	return last
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lampIs waits until the first buddy's lamp has a word.
func lampIs(t *testing.T, e *Engine, want Lamp) {
	t.Helper()
	awaitSnapshot(t, e, "lamp "+string(want), func(s Snapshot) bool { return len(s.Buddies) > 0 && s.Buddies[0].Lamp == want })
}

// TestLamps: Alice watches Bob, who calls and is called by Carol. Her lamp follows, from the moment he allows it to the
// moment he goes.
func TestLamps(t *testing.T) {
	ports := map[string]int{"alice": freePort(t), "bob": freePort(t), "carol": freePort(t)}
	address := func(name string) string { return "sip:" + name + "@127.0.0.1:" + strconv.Itoa(ports[name]) }
	profile := t.TempDir()
	alice, _ := startEngine(t, profile, ports["alice"])
	bob, stopBob := startEngine(t, t.TempDir(), ports["bob"])
	carol, _ := startEngine(t, t.TempDir(), ports["carol"])
	ctx := t.Context()
	for name, e := range map[string]*Engine{"alice": alice, "bob": bob, "carol": carol} {
		must(t, e.AddAccount(ctx, AccountSpec{Address: name, Kind: AccountLAN}))
		awaitSnapshot(t, e, "account", func(s Snapshot) bool { return len(s.Accounts) == 1 && s.Accounts[0].Contact != "" })
	}
	if err := alice.SetLamp(ctx, address("bob"), true, false); err == nil {
		t.Error("a lamp for somebody who is not on the list")
	}
	must(t, bob.AddBuddy(ctx, address("alice"), "Alice", ""))
	must(t, alice.AddBuddy(ctx, address("bob"), "Bob", ""))
	must(t, alice.SetLamp(ctx, address("bob"), true, false))
	awaitSnapshot(t, alice, "Bob's presence", func(s Snapshot) bool { return s.Buddies[0].Status == PresenceOnline })
	lampIs(t, alice, LampUnknown) // Bob has not allowed it

	must(t, bob.SetLamp(ctx, address("alice"), false, true))
	lampIs(t, alice, LampIdle)
	if b := bob.Snapshot().Buddies[0]; !b.Shared || b.Lamp != "" {
		t.Errorf("Bob's view of Alice: %+v", b)
	}
	_, err := carol.Call(ctx, address("bob"), CallOptions{})
	must(t, err)
	lampIs(t, alice, LampRinging)
	s := awaitSnapshot(t, bob, "Carol's call", func(s Snapshot) bool { return len(s.Calls) == 1 && s.Calls[0].State == CallIncoming })
	must(t, bob.Answer(ctx, s.Calls[0].ID))
	lampIs(t, alice, LampBusy)
	must(t, bob.Hangup(ctx, s.Calls[0].ID))
	lampIs(t, alice, LampIdle)

	must(t, bob.SetPresence(ctx, PresenceOffline, ""))
	id, err := bob.Call(ctx, address("carol"), CallOptions{})
	must(t, err)
	awaitSnapshot(t, bob, "a call out", func(s Snapshot) bool { return s.Calls[0].State == CallRinging })
	if b, err := alice.Buddy(address("bob")); err != nil || b.Lamp != LampIdle {
		t.Errorf("lamp of one who appears offline: %+v, %v", b, err)
	}
	must(t, bob.SetPresence(ctx, PresenceOnline, ""))
	lampIs(t, alice, LampBusy)
	must(t, bob.Hangup(ctx, id))
	lampIs(t, alice, LampIdle)

	must(t, bob.SetLamp(ctx, address("alice"), false, false))
	lampIs(t, alice, LampUnknown)
	must(t, bob.SetLamp(ctx, address("alice"), false, true))
	lampIs(t, alice, LampIdle)
	data, err := os.ReadFile(filepath.Join(profile, fileBuddies))
	if err != nil || !strings.Contains(string(data), "<watch-lamp>true</watch-lamp>") || strings.Contains(string(data), "share") {
		t.Errorf("buddies.xml: %v\n%s", err, data)
	}
	stopBob()
	must(t, alice.SetLamp(ctx, address("bob"), false, false))
	lampIs(t, alice, "")
}

// TestLampRefused: somebody who is not on the list is refused.
func TestLampRefused(t *testing.T) {
	e := newIdle(t, t.TempDir())
	write(t, filepath.Join(e.cfg.Profile, fileBuddies), `<buddies>
	<buddy><address>sip:friend@info.test</address><share-lamp>1</share-lamp></buddy>
	<buddy><address>sip:lan@192.0.2.1:5070</address><share-lamp>1</share-lamp></buddy>
	<buddy><address>sip:other@info.test</address></buddy></buddies>`)
	e.Close()
	e = newIdle(t, e.cfg.Profile)
	e.watchBuddies()
	tests := []struct {
		from string
		want presence.Decision
	}{
		{"sip:friend@info.test", presence.Allow},
		{"sip:friend@INFO.test;transport=tcp", presence.Allow},
		{"sip:lan@192.0.2.1", presence.Allow},
		{"sip:other@info.test", presence.Pending},
		{"sip:mallory@info.test", presence.Block},
		{"sip:friend@evil.test", presence.Block},
	}
	for _, tt := range tests {
		u, err := e.peerOf(tt.from)
		must(t, err)
		if got := e.mayWatchLamp(u); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.from, got, tt.want)
		}
	}
}

// TestLampTold: what goes over the wire to a foreign phone. A stranger gets 403, a buddy who is not allowed 202 and
// nothing real, one who is allowed the lamp and nothing but it.
func TestLampTold(t *testing.T) {
	p := newPBX(t, 489)
	e := startAlice(t, p)
	for who, share := range map[string]bool{"friend@info.test": true, "other@info.test": false} {
		must(t, e.AddBuddy(t.Context(), who, "", ""))
		must(t, e.SetLamp(t.Context(), who, false, share))
	}
	for _, tt := range []struct{ who, want string }{
		{"mallory@evil.test", " 403 "}, {"other@info.test", " 202 "}, {"friend@info.test", " 200 "},
	} {
		cseq := p.watch(tt.who)
		p.await("an answer to "+tt.who, func() bool { return strings.Contains(p.answers[cseq], tt.want) })
	}
	notify := func(who, state string) string {
		var found string
		p.await("NOTIFY "+state+" to "+who, func() bool {
			for _, n := range p.notified {
				if strings.Contains(header(n, "To"), who) && strings.Contains(n, state) && header(n, "Event") == "dialog" {
					found = n
				}
			}
			return found != ""
		})
		return found
	}
	if n := notify("other@", "pending"); !strings.HasPrefix(header(n, "Subscription-State"), "pending") || header(n, "Content-Type") != "" {
		t.Errorf("to one who waits:\n%s", n)
	}
	n := notify("friend@", "terminated</state>")
	if header(n, "Content-Type") != dialoginfo.ContentType || !strings.HasPrefix(header(n, "Subscription-State"), "active;expires=") ||
		!strings.Contains(n, `version="0" state="full" entity="sip:alice@info.test"`) {
		t.Errorf("first document:\n%s", n)
	}
	_, err := e.Call(t.Context(), "secret@info.test", CallOptions{})
	must(t, err)
	if n = notify("friend@", "confirmed</state>"); strings.Contains(n, "secret") || !strings.Contains(n, `version="1" state="full"`) {
		t.Errorf("in a call:\n%s", n)
	}
}

// TestOwnLamp: how our calls are reduced.
func TestOwnLamp(t *testing.T) {
	tests := []struct {
		name   string
		states []CallState
		want   dialoginfo.Lamp
	}{
		{"none", nil, dialoginfo.Idle},
		{"ended", []CallState{CallEnded}, dialoginfo.Idle},
		{"rings here", []CallState{CallEnded, CallIncoming}, dialoginfo.Ringing},
		{"we call", []CallState{CallCalling}, dialoginfo.Busy},
		{"it rings there", []CallState{CallRinging}, dialoginfo.Busy},
		{"talking", []CallState{CallEstablished}, dialoginfo.Busy},
		{"on hold", []CallState{CallHeld}, dialoginfo.Busy},
		{"call waiting", []CallState{CallIncoming, CallEstablished, CallIncoming}, dialoginfo.Busy},
	}
	for _, tt := range tests {
		e := &Engine{}
		for _, s := range tt.states {
			c := &call{}
			c.rec.State = s
			e.calls = append(e.calls, c)
		}
		if got := e.ownLampLocked(); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
