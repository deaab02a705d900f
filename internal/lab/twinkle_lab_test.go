//go:build lab

package lab

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/score"
)

type twinkleTalker struct {
	p     *Twinkle
	mark  int64 // of its console
	heard int64
}

var _ talker = (*twinkleTalker)(nil)

func (p *twinkleTalker) address() string { return p.p.AOR }

func (p *twinkleTalker) listen() error {
	p.mark, p.heard = p.p.OutputSize(), p.p.HeardSize()
	return nil
}

// dial repeats the command until it calls: a line whose call has just ended takes none, without a word.
func (p *twinkleTalker) dial(ctx context.Context, address string) error {
	mark := p.p.OutputSize()
	return poll(ctx, 500*time.Millisecond, func() (bool, error) {
		if strings.Contains(fileFrom(p.p.proc.log, mark), ": received 1") {
			return true, nil
		}
		return false, p.p.Command("call " + address)
	})
}

// established: it prints the first when it has called, the second when it was called.
func (p *twinkleTalker) established(ctx context.Context) error {
	_, err := p.p.WaitOutput(ctx, p.mark, `far end answered call|call established`)
	return err
}

func (p *twinkleTalker) hangup(context.Context) error { return p.p.Command("bye") }

func (p *twinkleTalker) closed(ctx context.Context) error {
	_, err := p.p.WaitOutput(ctx, p.mark, `far end ended call|call ended`)
	return err
}

func (p *twinkleTalker) hold(context.Context) error   { return p.p.Command("hold") }
func (p *twinkleTalker) resume(context.Context) error { return p.p.Command("retrieve") }

func (p *twinkleTalker) recorded(t *testing.T) string {
	t.Helper()
	path := filepath.Join(p.p.Dir, "heard.wav")
	must(t, os.WriteFile(path, score.Encode(p.p.Heard(p.heard)), 0o644))
	return path
}

// startTwinkle starts it on the i-th correspondent. Its SIP trace is printed when the test failed.
func startTwinkle(t *testing.T, l *Lab, i int, cfg TwinkleConfig) *twinkleTalker {
	t.Helper()
	cfg.Domain = Info
	p, err := l.Correspondent(i).StartTwinkle(t.Context(), cfg)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("console of %s:\n%s\nits trace:\n%s", p.AOR, tail(p.proc.output(0), 2000), tail(p.Trace(), 8000))
		}
	})
	return &twinkleTalker{p: p}
}

// TestTwinkle: everything a call and its parties may do, with twinkle-console as the other.
func TestTwinkle(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	files := suiteSpeech(t)
	bob := startTwinkle(t, l, 0, TwinkleConfig{User: "bob"})
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
		"audio.input": "file:" + files.Wide, "audio.output": "none", "codecs": "PCMU",
	}})
	t.Run("call", func(t *testing.T) { twinkleIsCalled(t, alice, bob, files) })
	t.Run("called", func(t *testing.T) { twinkleCalls(t, alice, bob) })
	t.Run("hold", func(t *testing.T) {
		c := startInCall(t, alice, bob)
		c.ourHold(t)
		c.peersHold(t)
		c.bothHold(t)
		must(t, alice.Do(t.Context(), "hangup", c.id))
		must(t, bob.closed(within(t, 5*time.Second)))
	})
	t.Run("DTMF", func(t *testing.T) { twinkleHearsTones(t, alice, bob) })
	t.Run("messages", func(t *testing.T) { twinkleWrites(t, alice, bob) })
	noLiveCall(t, alice)
}

// twinkleIsCalled: the speech arrives there, and its tone here.
func twinkleIsCalled(t *testing.T, alice *Phone, bob *twinkleTalker, files score.SpeechFiles) {
	c := startInCall(t, alice, bob)
	time.Sleep(8 * time.Second)
	must(t, alice.Do(t.Context(), "hangup", c.id))
	must(t, bob.closed(within(t, 5*time.Second)))
	judge(t, "heard by "+bob.address(), files.Wide, bob.recorded(t), 7*time.Second)
}

func twinkleCalls(t *testing.T, alice *Phone, bob *twinkleTalker) {
	capture, err := alice.Host.Capture()
	must(t, err)
	must(t, alice.Do(t.Context(), "set", "autoanswer", "on"))
	defer func() { must(t, alice.Do(t.Context(), "set", "autoanswer", "off")) }()
	must(t, bob.listen())
	mark := alice.Mark()
	must(t, bob.dial(within(t, 5*time.Second), alice.AOR))
	call, err := alice.WaitCall(within(t, 10*time.Second), mark, "", "established")
	must(t, err)
	must(t, bob.established(within(t, 5*time.Second)))
	c := &inCall{phone: alice, peer: bob, capture: capture, id: call.ID}
	c.flows(t, "after our answer", time.Now(), sound, sound)
	must(t, bob.hangup(t.Context()))
	_, err = alice.WaitCall(within(t, 5*time.Second), mark, call.ID, "ended")
	must(t, err)
}

func twinkleHearsTones(t *testing.T, alice *Phone, bob *twinkleTalker) {
	c := startInCall(t, alice, bob)
	const digits = "159D*#0"
	must(t, alice.Do(t.Context(), "dtmf", c.id, digits))
	var got strings.Builder
	err := poll(within(t, 8*time.Second), 50*time.Millisecond, func() (bool, error) {
		got.Reset()
		for _, m := range regexp.MustCompile(`DTMF detected: (\S)`).FindAllStringSubmatch(fileFrom(bob.p.proc.log, bob.mark), -1) {
			got.WriteString(m[1])
		}
		return got.Len() >= len(digits), nil
	})
	if err != nil || got.String() != digits {
		t.Errorf("twinkle got the tones %q, want %q", got.String(), digits)
	}
	must(t, alice.Do(t.Context(), "hangup", c.id))
	must(t, bob.closed(within(t, 5*time.Second)))
}

func twinkleWrites(t *testing.T, alice *Phone, bob *twinkleTalker) {
	mark := alice.Mark()
	must(t, bob.p.Message(alice.AOR, "hello from twinkle"))
	_, err := alice.WaitMessage(within(t, 5*time.Second), mark, "hello from twinkle")
	must(t, err)
	console := bob.p.OutputSize()
	sent, err := alice.Message(t.Context(), bob.address(), "hello from alice")
	must(t, err)
	if sent.State != "delivered" && sent.State != "sent" {
		t.Errorf("our message is %s: %s", sent.State, sent.Reason)
	}
	_, err = bob.p.WaitOutput(within(t, 5*time.Second), console, `hello from alice`)
	must(t, err)
}

// TestTwinkleReliable: it insists on reliable provisional responses, from us and to us (RFC 3262).
func TestTwinkleReliable(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	bob := startTwinkle(t, l, 0, TwinkleConfig{User: "bob", Manual: true, Reliable: "required"})
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info})
	capture, err := alice.Host.Capture()
	must(t, err)
	prack := func(outgoing bool) (n int) {
		for _, p := range capture.Packets() {
			if p.Outgoing == outgoing && strings.HasPrefix(string(p.Payload), "PRACK ") {
				n++
			}
		}
		return n
	}
	t.Run("we call", func(t *testing.T) {
		must(t, bob.listen())
		mark := alice.Mark()
		id, err := alice.Call(t.Context(), bob.address())
		must(t, err)
		_, err = alice.WaitCall(within(t, 5*time.Second), mark, id, "ringing")
		must(t, err)
		must(t, poll(within(t, 5*time.Second), 20*time.Millisecond, func() (bool, error) { return prack(true) > 0, nil }))
		must(t, bob.p.Command("answer"))
		_, err = alice.WaitCall(within(t, 5*time.Second), mark, id, "established")
		must(t, err)
		must(t, alice.Do(t.Context(), "hangup", id))
		must(t, bob.closed(within(t, 5*time.Second)))
	})
	t.Run("we are called", func(t *testing.T) {
		must(t, bob.listen())
		mark := alice.Mark()
		must(t, bob.dial(within(t, 5*time.Second), alice.AOR))
		call, err := alice.WaitCall(within(t, 5*time.Second), mark, "", "incoming")
		must(t, err)
		must(t, poll(within(t, 5*time.Second), 20*time.Millisecond, func() (bool, error) { return prack(false) > 0, nil }))
		must(t, alice.Do(t.Context(), "answer", call.ID))
		must(t, bob.established(within(t, 5*time.Second)))
		must(t, bob.hangup(t.Context()))
		_, err = alice.WaitCall(within(t, 5*time.Second), mark, call.ID, "ended")
		must(t, err)
	})
}

// newTwinkleWorld has Twinkle for bob. Carol is another one, or linphonec.
func newTwinkleWorld(t *testing.T, carol string, set map[string]string) *transferWorld {
	t.Helper()
	w := &transferWorld{lab: newLab(t, Config{Correspondents: 2})}
	w.bob = startTwinkle(t, w.lab, 0, TwinkleConfig{User: "bob"})
	if carol == "twinkle" {
		w.carol = startTwinkle(t, w.lab, 1, TwinkleConfig{User: "carol"})
	} else {
		p, err := w.lab.Correspondent(1).StartLinphone(t.Context(), LinphoneConfig{User: "carol", Domain: Info})
		must(t, err)
		w.carol = &linphoneTalker{p: p}
	}
	all := map[string]string{"audio.input": "tone:660", "audio.output": "none", "codecs": "PCMU"}
	maps.Copy(all, set)
	w.alice = newPhone(t, &w.lab.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: all})
	return w
}

// TestTwinkleTransfers: we hand bob on to carol, and bob hands us on, blind and attended. Carol is linphonec where an
// INVITE with Replaces is meant for her: Twinkle hangs at one.
func TestTwinkleTransfers(t *testing.T) {
	for _, tt := range []struct {
		name, carol string
		run         func(t *testing.T, w *transferWorld)
	}{
		{"blind", "twinkle", func(t *testing.T, w *transferWorld) {
			id := w.call(t, w.bob)
			must(t, w.carol.listen())
			mark := w.alice.Mark()
			must(t, w.alice.Do(t.Context(), "transfer", id, "carol"))
			w.transferred(t, mark, id)
			must(t, w.carol.established(within(t, 10*time.Second)))
		}},
		{"attended", "linphonec", func(t *testing.T, w *transferWorld) {
			first := w.call(t, w.bob)
			second := w.call(t, w.carol)
			mark := w.alice.Mark()
			must(t, w.alice.Do(t.Context(), "connect", first, second))
			w.transferred(t, mark, first)
			_, err := w.alice.WaitCall(within(t, 10*time.Second), mark, second, "ended")
			must(t, err)
			noLiveCall(t, w.alice)
		}},
		{"blind, asked of us", "twinkle", func(t *testing.T, w *transferWorld) {
			id := w.call(t, w.bob)
			mark := w.alice.Mark()
			must(t, w.bob.(*twinkleTalker).p.Command("transfer "+w.carol.address()))
			w.handedOn(t, mark, id)
		}},
		{"attended, asked of us", "linphonec", func(t *testing.T, w *transferWorld) { w.consulted(t, "transfer -c ", "transfer -c") }},
		{"we are taken over", "twinkle", func(t *testing.T, w *transferWorld) { w.consulted(t, "call ", "transfer -l") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, newTwinkleWorld(t, tt.carol, map[string]string{"transfers": "allow"}))
		})
	}
}

// consulted: bob calls carol by one command while he talks to alice, and connects the two by another.
func (w *transferWorld) consulted(t *testing.T, call, connect string) {
	t.Helper()
	bob := w.bob.(*twinkleTalker).p
	id := w.call(t, w.bob)
	mark, console := w.alice.Mark(), bob.OutputSize()
	if strings.HasPrefix(call, "call") {
		must(t, bob.Command("line 2"))
	}
	must(t, bob.Command(call+w.carol.address()))
	_, err := bob.WaitOutput(within(t, 10*time.Second), console, `far end answered call`)
	must(t, err)
	must(t, bob.Command(connect))
	w.handedOn(t, mark, id)
}

// handedOn waits until alice talks to carol instead of bob, and ends that call.
func (w *transferWorld) handedOn(t *testing.T, mark int64, id string) {
	t.Helper()
	next, err := w.alice.WaitEvent(within(t, 15*time.Second), mark, "another call", func(e PhoneEvent) bool {
		return e.Call != nil && e.Call.ID != id && e.Call.State == "established"
	})
	must(t, err)
	if !strings.Contains(next.Call.Peer, "carol") {
		t.Errorf("alice talks to %s, want carol", next.Call.Peer)
	}
	_, err = w.alice.WaitCall(within(t, 10*time.Second), mark, id, "ended")
	must(t, err)
	must(t, w.alice.Do(t.Context(), "hangup", next.Call.ID))
}

// TestTwinkleConference: in ours it hears everybody but itself; in its own we are a party like any other.
func TestTwinkleConference(t *testing.T) {
	t.Parallel()
	w := newTwinkleWorld(t, "twinkle", nil)
	bob, carol := w.bob.(*twinkleTalker), w.carol.(*twinkleTalker)
	t.Run("ours", func(t *testing.T) {
		ids := []string{w.call(t, w.bob), w.call(t, w.carol)}
		must(t, w.alice.Do(t.Context(), "conference"))
		time.Sleep(4 * time.Second)
		for _, p := range []*twinkleTalker{bob, carol} {
			hears(t, p.address(), p.p.Heard(p.heard), []float64{660, twinkleTone}, nil)
		}
		for i, p := range []talker{w.bob, w.carol} {
			must(t, w.alice.Do(t.Context(), "hangup", ids[i]))
			must(t, p.closed(within(t, 5*time.Second)))
		}
	})
	t.Run("its own", func(t *testing.T) {
		capture, err := w.alice.Host.Capture()
		must(t, err)
		id := w.call(t, w.bob)
		must(t, w.carol.listen())
		must(t, bob.p.Command("line 2"))
		must(t, bob.p.Command("call "+carol.address()))
		must(t, w.carol.established(within(t, 10*time.Second)))
		must(t, bob.p.Command("conference"))
		c := &inCall{phone: w.alice, peer: w.bob, capture: capture, id: id}
		c.state(t, "established", "")
		time.Sleep(4 * time.Second)
		hears(t, carol.address(), carol.p.Heard(carol.heard), []float64{660, twinkleTone}, nil)
		c.flows(t, "in its conference", time.Now(), sound, sound)
		must(t, w.alice.Do(t.Context(), "hangup", id))
		must(t, w.carol.hangup(t.Context()))
	})
	noLiveCall(t, w.alice)
}
