//go:build lab

package lab

import (
	"maps"
	"strings"
	"testing"
	"time"
)

// transferWorld is alice (ours), bob (a foreign program) and carol (another one), all at one proxy.
type transferWorld struct {
	lab   *Lab
	alice *Phone
	bob   talker
	carol talker
}

// newTransferWorld starts baresip and linphonec; swapped says that carol is baresip.
func newTransferWorld(t *testing.T, swapped bool, set map[string]string) *transferWorld {
	t.Helper()
	w := &transferWorld{lab: newLab(t, Config{Correspondents: 2})}
	files := suiteSpeech(t)
	baresip, linphone := "bob", "carol"
	if swapped {
		baresip, linphone = linphone, baresip
	}
	b, err := w.lab.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{
		User: baresip, Domain: Info, Codecs: []string{"pcmu"}, Source: "aufile," + files.Narrow,
	})
	must(t, err)
	p, err := w.lab.Correspondent(1).StartLinphone(t.Context(), LinphoneConfig{User: linphone, Domain: Info, Play: files.Wide})
	must(t, err)
	w.bob, w.carol = talker(&baresipTalker{b: b}), talker(&linphoneTalker{p: p})
	if swapped {
		w.bob, w.carol = w.carol, w.bob
	}
	all := map[string]string{"audio.input": "file:" + files.Wide, "audio.output": "none"}
	maps.Copy(all, set)
	w.alice = newPhone(t, &w.lab.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: all})
	return w
}

// call lets alice call somebody and waits until both are in the call.
func (w *transferWorld) call(t *testing.T, with talker) string {
	t.Helper()
	must(t, with.listen())
	mark := w.alice.Mark()
	id, err := w.alice.Call(t.Context(), with.address())
	must(t, err)
	_, err = w.alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	must(t, with.established(within(t, 10*time.Second)))
	return id
}

// transferred waits until a call of alice's has ended because its peer talks to somebody else now. That it does may be
// told after the end of the call: the NOTIFY and the BYE are sent together, and proxies swap them.
func (w *transferWorld) transferred(t *testing.T, mark int64, id string) {
	t.Helper()
	_, err := w.alice.WaitEvent(within(t, 15*time.Second), mark, "a transfer that is done", func(e PhoneEvent) bool {
		return e.Call != nil && e.Call.ID == id && e.Call.State == "ended" && e.Call.Transfer != nil && e.Call.Transfer.State == "done"
	})
	must(t, err)
}

// TestTransfers: alice hands bob on to carol, blind and attended, whichever program they use.
func TestTransfers(t *testing.T) {
	for _, swapped := range []bool{false, true} {
		name := map[bool]string{false: "baresip to linphonec", true: "linphonec to baresip"}[swapped]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTransferWorld(t, swapped, nil)
			t.Run("blind", func(t *testing.T) {
				id := w.call(t, w.bob)
				must(t, w.carol.listen())
				mark := w.alice.Mark()
				must(t, w.alice.Do(t.Context(), "transfer", id, "carol"))
				w.transferred(t, mark, id)
				must(t, w.carol.established(within(t, 10*time.Second)))
				must(t, w.carol.hangup(t.Context()))
				must(t, w.carol.closed(within(t, 5*time.Second)))
			})
			t.Run("blind to nobody", func(t *testing.T) {
				id := w.call(t, w.bob)
				mark := w.alice.Mark()
				_ = w.alice.Do(t.Context(), "transfer", id, "dave") // the peer may say no at once
				e, err := w.alice.WaitEvent(within(t, 15*time.Second), mark, "the end of the transfer", func(e PhoneEvent) bool {
					return e.Call != nil && e.Call.Transfer != nil && e.Call.Transfer.State == "failed" ||
						e.Call != nil && e.Call.State == "ended"
				})
				must(t, err)
				t.Logf("the call is %s, the transfer %+v", e.Call.State, e.Call.Transfer)
				if e.Call.State != "ended" {
					sentence(t, e.Call.Transfer.Reason)
					must(t, w.alice.Do(t.Context(), "hangup", id))
				}
			})
		})
	}
}

// newLinphoneWorld has linphonec for bob and carol: of the programs here it is the one that knows Replaces.
func newLinphoneWorld(t *testing.T, set map[string]string) *transferWorld {
	t.Helper()
	w := &transferWorld{lab: newLab(t, Config{Correspondents: 2})}
	files := suiteSpeech(t)
	var peers []talker
	for i, user := range []string{"bob", "carol"} {
		p, err := w.lab.Correspondent(i).StartLinphone(t.Context(), LinphoneConfig{User: user, Domain: Info, Play: files.Wide})
		must(t, err)
		peers = append(peers, &linphoneTalker{p: p})
	}
	w.bob, w.carol = peers[0], peers[1]
	all := map[string]string{"audio.input": "file:" + files.Wide, "audio.output": "none"}
	maps.Copy(all, set)
	w.alice = newPhone(t, &w.lab.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: all})
	return w
}

// TestAttendedTransfer: alice talks to both and connects them.
func TestAttendedTransfer(t *testing.T) {
	t.Parallel()
	w := newLinphoneWorld(t, nil)
	first := w.call(t, w.bob)
	second := w.call(t, w.carol)
	mark := w.alice.Mark()
	must(t, w.alice.Do(t.Context(), "connect", first, second))
	w.transferred(t, mark, first)
	_, err := w.alice.WaitCall(within(t, 10*time.Second), mark, second, "ended")
	must(t, err)
	noLiveCall(t, w.alice)
}

// TestAttendedTransferWithout: bob's baresip knows nothing of Replaces, so alice leaves carol and hands bob on to her.
func TestAttendedTransferWithout(t *testing.T) {
	t.Parallel()
	w := newTransferWorld(t, false, nil)
	first := w.call(t, w.bob)
	second := w.call(t, w.carol)
	must(t, w.carol.listen())
	mark := w.alice.Mark()
	must(t, w.alice.Do(t.Context(), "connect", first, second))
	w.transferred(t, mark, first)
	must(t, w.carol.established(within(t, 10*time.Second)))
	noLiveCall(t, w.alice)
}

// TestTransferAskedOfUs: bob hands alice on. Nothing happens before she agrees; then she talks to carol.
func TestTransferAskedOfUs(t *testing.T) {
	t.Parallel()
	w := newTransferWorld(t, true, nil) // bob is linphonec
	linphone := w.bob.(*linphoneTalker).p
	t.Run("refused", func(t *testing.T) {
		id := w.call(t, w.bob)
		mark := w.alice.Mark()
		must(t, linphone.Command("transfer "+w.carol.address()))
		e, err := w.alice.WaitEvent(within(t, 10*time.Second), mark, "a request", func(e PhoneEvent) bool { return e.Request != nil })
		must(t, err)
		if e.Request.Kind != "transfer" || e.Request.Call != id || !strings.Contains(e.Request.Text, "carol") {
			t.Errorf("request %+v", e.Request)
		}
		must(t, w.alice.Do(t.Context(), "request", "refuse", e.Request.ID))
		time.Sleep(500 * time.Millisecond)
		if calls, err := w.alice.Calls(t.Context()); err != nil || len(calls) != 1 || calls[0].State == "ended" {
			t.Errorf("after a refused transfer the calls are %+v (%v)", calls, err)
		}
		must(t, w.alice.Do(t.Context(), "hangup", id))
		must(t, w.bob.closed(within(t, 5*time.Second)))
	})
	t.Run("accepted", func(t *testing.T) {
		id := w.call(t, w.bob)
		must(t, w.carol.listen())
		mark := w.alice.Mark()
		must(t, linphone.Command("transfer "+w.carol.address()))
		e, err := w.alice.WaitEvent(within(t, 10*time.Second), mark, "a request", func(e PhoneEvent) bool { return e.Request != nil })
		must(t, err)
		must(t, w.alice.Do(t.Context(), "request", "accept", e.Request.ID))
		must(t, w.carol.established(within(t, 10*time.Second)))
		_, err = w.alice.WaitCall(within(t, 10*time.Second), mark, id, "ended")
		must(t, err)
		calls, err := w.alice.Calls(t.Context())
		must(t, err)
		if len(calls) == 0 || calls[0].State != "established" || !strings.Contains(calls[0].Peer, "carol") {
			t.Errorf("alice's calls are %+v, want one with carol", calls)
		}
		must(t, w.alice.Do(t.Context(), "hangup"))
	})
}

// TestForeignAttendedTransfer: bob talks to alice and to carol and connects them. Whether his program asks carol's to
// call alice in his place, or alice to call carol: alice ends up with carol.
func TestForeignAttendedTransfer(t *testing.T) {
	for name, command := range map[string]string{
		"we are the target": "transfer 2 --to-call 1", "we are handed on": "transfer 1 --to-call 2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newLinphoneWorld(t, map[string]string{"autoanswer": "on", "transfers": "allow"})
			linphone := w.bob.(*linphoneTalker).p
			must(t, w.bob.listen())
			mark := w.alice.Mark()
			must(t, w.bob.dial(t.Context(), w.alice.AOR))
			first, err := w.alice.WaitCall(within(t, 10*time.Second), mark, "", "established")
			must(t, err)
			must(t, w.bob.established(within(t, 10*time.Second)))
			console := linphone.OutputSize()
			must(t, linphone.Command("pause"))
			_, err = linphone.WaitOutput(within(t, 10*time.Second), console, "is now paused")
			must(t, err)
			must(t, w.carol.listen())
			must(t, w.bob.dial(t.Context(), w.carol.address()))
			must(t, w.carol.established(within(t, 10*time.Second)))
			time.Sleep(500 * time.Millisecond)
			must(t, linphone.Command(command))
			next, err := w.alice.WaitEvent(within(t, 15*time.Second), mark, "another call", func(e PhoneEvent) bool {
				return e.Call != nil && e.Call.ID != first.ID && e.Call.State == "established"
			})
			must(t, err)
			if !strings.Contains(next.Call.Peer, "carol") {
				t.Errorf("alice talks to %s, want carol", next.Call.Peer)
			}
			_, err = w.alice.WaitCall(within(t, 10*time.Second), mark, first.ID, "ended")
			must(t, err)
			must(t, w.alice.Do(t.Context(), "hangup", next.Call.ID))
		})
	}
}
