//go:build lab

package lab

import (
	"strings"
	"testing"
	"time"
)

// TestFailover: of the two servers of two.test the better one says nothing. The account is registered within seconds all
// the same, and what comes after does not wait again.
func TestFailover(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{User: "bob", Domain: Info})
	must(t, err)
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{})
	since, mark := time.Now(), alice.Mark()
	_ = alice.AddAccount(t.Context(), "alice@two.test", Password("alice"), "") // it waits 4 s, and this may take longer
	_, err = alice.WaitEvent(within(t, 12*time.Second), mark, "registered", func(e PhoneEvent) bool {
		return e.Account != nil && e.Account.State == "registered"
	})
	must(t, err)
	t.Logf("registered after %v", time.Since(since).Round(time.Millisecond))
	if took := time.Since(since); took > 6*time.Second {
		t.Errorf("a dead first server cost %v, want a few seconds", took)
	}
	if a := account(t, alice, "alice@two.test"); !strings.Contains(a.Server, "10.77.0.10") {
		t.Errorf("registered at %q", a.Server)
	}
	since, mark = time.Now(), alice.Mark()
	id, err := alice.Call(t.Context(), "bob")
	must(t, err)
	_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	t.Logf("called within %v", time.Since(since).Round(time.Millisecond))
	if took := time.Since(since); took > 2*time.Second {
		t.Errorf("the call took %v: the dead server was asked again", took)
	}
	must(t, alice.Do(t.Context(), "hangup", id))
	_, err = bob.WaitEvent(within(t, 5*time.Second), since, "CALL_CLOSED")
	must(t, err)
}
