//go:build lab

package lab

import (
	"context"
	"testing"
	"time"
)

// within bounds one step of a test.
func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// must fails the test on an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestForeignPeersMeet proves the lab itself: two foreign programs register, call and chat.
func TestForeignPeersMeet(t *testing.T) {
	l := newLab(t, Config{})
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{
		User: "bob", Domain: Info, Buddies: []string{"sip:carol@info.test", "sip:alice@info.test"},
	})
	must(t, err)
	alice, err := l.Mobile(0).StartLinphone(t.Context(), LinphoneConfig{User: "alice", Domain: Info})
	must(t, err)
	bindings, err := l.Bindings(t.Context(), Info, "alice")
	must(t, err)
	t.Logf("alice's bindings: %v", bindings)
	if len(bindings) != 1 {
		t.Errorf("alice has the bindings %v, want one", bindings)
	}

	since := time.Now()
	must(t, alice.Command("call "+bob.AOR))
	event, err := bob.WaitEvent(within(t, 10*time.Second), since, "CALL_ESTABLISHED")
	must(t, err)
	t.Logf("linphonec calls baresip: established after %v", event.At.Sub(since))
	must(t, bob.Hangup(t.Context()))
	_, err = bob.WaitEvent(within(t, 5*time.Second), since, "CALL_CLOSED")
	must(t, err)

	mark := bob.LogSize()
	must(t, alice.Message(bob.AOR, "hello from linphonec"))
	_, err = bob.WaitLog(within(t, 5*time.Second), mark, `hello from linphonec`)
	must(t, err)
	mark = alice.OutputSize()
	must(t, bob.Message(t.Context(), alice.AOR, "hello from baresip"))
	_, err = alice.WaitOutput(within(t, 5*time.Second), mark, `hello from baresip`)
	must(t, err)
}
