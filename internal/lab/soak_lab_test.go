//go:build lab

package lab

import (
	"testing"
	"time"
)

// The soak of the acceptance criteria.
const soakCalls = 1000

// TestSoak sets up and takes down a thousand calls, with hold, codec changes, transfers and calls given up while they
// ring mixed in, and looks for what they left.
func TestSoak(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{Correspondents: 3})
	var peers []*Baresip
	for i, user := range []string{"bob", "carol"} {
		b, err := l.Correspondent(i).StartBaresip(t.Context(), BaresipConfig{User: user, Domain: Info, Codecs: []string{"pcmu", "pcma"}})
		must(t, err)
		peers = append(peers, b)
	}
	ringing, err := l.Correspondent(2).StartBaresip(t.Context(), BaresipConfig{User: "dave", Domain: Info, Manual: true})
	must(t, err)
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
		"audio.input": "tone:440", "audio.output": "none", "codecs": "PCMU,PCMA",
	}})
	for n := range 10 { // what is made once is made now
		soakCall(t, alice, peers[0], peers[1], ringing, n)
	}
	time.Sleep(40 * time.Second) // their dialogs are kept for 64*T1
	before, err := alice.Diagnostics(t.Context())
	must(t, err)
	began := time.Now()
	for n := 0; n < soakCalls && !t.Failed(); n++ {
		soakCall(t, alice, peers[n/10%2], peers[(n/10+1)%2], ringing, n)
	}
	t.Logf("%d calls in %v", soakCalls, time.Since(began).Round(time.Second))
	settled(t, alice, before)
}

// soakCall is one call of the soak; n decides what happens in it.
func soakCall(t *testing.T, alice *Phone, peer, other, ringing *Baresip, n int) {
	t.Helper()
	report := func(err error) bool {
		if err != nil {
			t.Errorf("call %d: %v", n, err)
		}
		return err == nil
	}
	ctx := within(t, 30*time.Second)
	mark := alice.Mark()
	if n%10 == 9 { // given up while it rings
		id, err := alice.Call(ctx, ringing.AOR)
		if !report(err) {
			return
		}
		_, err = alice.WaitCall(ctx, mark, id, "ringing")
		report(err)
		report(alice.Do(ctx, "hangup", id))
		return
	}
	id, err := alice.Call(ctx, peer.AOR)
	if !report(err) {
		return
	}
	if _, err = alice.WaitCall(ctx, mark, id, "established"); !report(err) {
		return
	}
	switch n % 10 {
	case 0: // handed on
		if report(alice.Do(ctx, "transfer", id, other.AOR)) {
			_, err = alice.WaitCall(ctx, mark, id, "ended")
			report(err)
			report(peer.Hangup(ctx)) // the two would talk for ever
		}
		return
	case 1, 2, 3:
		report(alice.Do(ctx, "hold", id))
		report(alice.Do(ctx, "resume", id))
	case 4, 5:
		report(alice.Do(ctx, "codec", id, "PCMA"))
	case 6:
		report(alice.Do(ctx, "dtmf", id, "1"))
	}
	report(alice.Do(ctx, "hangup", id))
}
