package sip

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// trio is alice in a call with bob, and carol: three LAN phones 20 ms apart. Bob does what he is asked to, with consent.
type trio struct {
	alice, bob, carol *phone
	a, b              *Account
	call              *Call // alice's, with bob
}

func newTrio(t *testing.T, l *lab) *trio {
	t.Helper()
	r := &trio{alice: l.phone("10.0.0.1", nil), bob: l.phone("10.0.0.2", nil), carol: l.phone("10.0.0.3", nil)}
	r.a, r.b = r.alice.lan("alice"), r.bob.lan("bob")
	r.carol.lan("carol")
	answer := func(name string) func(*Call) {
		return func(c *Call) {
			must(t, c.Ring(t.Context()))
			time.Sleep(100 * ms)
			must(t, c.Answer(t.Context(), &talk{name: name}))
		}
	}
	r.bob.onCall, r.carol.onCall = answer("bob"), answer("carol")
	r.bob.onRefer = obey(t, r.b)
	r.call = r.dial(t, bobURI())
	return r
}

func (r *trio) dial(t *testing.T, to uri.URI) *Call {
	t.Helper()
	c, err := r.a.Invite(t.Context(), to, &talk{name: "alice"}, CallOptions{})
	must(t, err)
	time.Sleep(time.Second)
	if c.State() != Established {
		t.Fatalf("call to %s is %v", to, c.State())
	}
	return c
}

// obey accepts a referral, calls the target and reports.
func obey(t *testing.T, a *Account) func(*ReferRequest) {
	return func(r *ReferRequest) {
		must(t, r.Accept(t.Context()))
		o := r.InviteOptions()
		o.Observer = func(c *Call) {
			switch c.State() {
			case Calling, Incoming:
			case Ringing:
				_ = r.Notify(180, "")
			case Established:
				_ = r.Notify(200, "")
			case Ended:
				_ = r.Notify(max(CodeOf(c.EndCause().Err), 300), "")
			}
		}
		_, err := a.Invite(t.Context(), r.Target(), &talk{name: "bob"}, o)
		must(t, err)
	}
}

func carolURI() uri.URI { return uri.New("carol", "10.0.0.3", 0) }

// codes collects what a transfer reports.
type codes struct {
	mu sync.Mutex
	s  []string
}

func (c *codes) see(code int, _ string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.s = append(c.s, fmt.Sprint(code))
}

func (c *codes) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.s, " ")
}

func isDone(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// idle checks that nothing is left of calls after all have been hung up.
func idle(t *testing.T, phones ...*phone) {
	t.Helper()
	for _, p := range phones {
		for _, c := range p.Calls() {
			must(t, c.Hangup(t.Context()))
		}
	}
	time.Sleep(3 * lingerTime)
	for _, p := range phones {
		if s := p.Stats(); s.Dialogs != 0 || s.Calls != 0 || s.Transactions != 0 {
			t.Errorf("%s keeps %+v", p.Accounts()[0].ID(), s)
		}
	}
}

func TestBlindTransfer(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		r := newTrio(t, l)
		var seen codes
		ref, err := r.call.Refer(t.Context(), carolURI(), ReferOptions{OnProgress: seen.see})
		must(t, err)
		time.Sleep(time.Second)
		if !isDone(ref.Done()) || ref.Err() != nil || ref.Code() != 200 {
			t.Fatalf("outcome %v, %v, code %d", isDone(ref.Done()), ref.Err(), ref.Code())
		}
		if got, want := seen.String(), "100 180 200"; got != want {
			t.Errorf("progress %q, want %q", got, want)
		}
		if r.call.State() != Established {
			t.Errorf("the transferor's call is %v before it hangs up", r.call.State())
		}
		must(t, r.call.Hangup(t.Context()))
		time.Sleep(time.Second)
		if got := len(r.bob.Calls()); got != 1 {
			t.Errorf("bob has %d calls, want the one with carol", got)
		}
		if got := r.carol.call(0).State(); got != Established {
			t.Errorf("carol's call is %v", got)
		}
		got := headerValue(r.carol.call(0).in.req, "Referred-By")
		if want := "<sip:alice@10.0.0.1>"; got != want {
			t.Errorf("Referred-By %q, want %q", got, want)
		}
		idle(t, r.alice, r.bob, r.carol)
	})
}

func TestBlindTransferToBusy(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		r := newTrio(t, l)
		r.carol.onCall = func(c *Call) { must(t, c.Decline(t.Context(), 486)) }
		ref, err := r.call.Refer(t.Context(), carolURI(), ReferOptions{})
		must(t, err)
		<-ref.Done()
		wantCode(t, ref.Err(), 486)
		if r.call.State() != Established {
			t.Errorf("the call is %v; it must stay when the transfer fails", r.call.State())
		}
		must(t, r.call.Reinvite(t.Context())) // back from hold
		idle(t, r.alice, r.bob, r.carol)
	})
}

func TestAttendedTransfer(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		r := newTrio(t, l)
		r.carol.onCall = func(c *Call) { must(t, c.Answer(t.Context(), &talk{name: "carol"})) }
		ask := r.dial(t, carolURI())
		ref, err := r.call.Refer(t.Context(), uri.URI{}, ReferOptions{Replaces: ask})
		must(t, err)
		<-ref.Done()
		must(t, ref.Err())
		time.Sleep(time.Second)
		if ask.State() != Ended || ask.EndCause().Reason != EndedByPeer {
			t.Errorf("alice's call with carol is %v %+v, want ended by carol", ask.State(), ask.EndCause())
		}
		old, fresh := r.carol.call(0), r.carol.call(1)
		if fresh.Replaces() != old || old.ReplacedBy() != fresh {
			t.Errorf("carol's second call replaces %v, the first one is replaced by %v", fresh.Replaces(), old.ReplacedBy())
		}
		if fresh.State() != Established {
			t.Errorf("carol's call with bob is %v", fresh.State())
		}
		must(t, r.call.Hangup(t.Context()))
		idle(t, r.alice, r.bob, r.carol)
	})
}

// The target has left in the meantime, or never knew the dialog.
func TestAttendedTransferToNobody(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		r := newTrio(t, l)
		ask := r.dial(t, carolURI())
		to := carolURI()
		to.Headers = "Replaces=" + escapeHeader("unknown;to-tag=1;from-tag=2")
		ref, err := r.call.Refer(t.Context(), to, ReferOptions{})
		must(t, err)
		<-ref.Done()
		wantCode(t, ref.Err(), 481)
		if r.call.State() != Established || ask.State() != Established {
			t.Errorf("calls are %v and %v, want both up", r.call.State(), ask.State())
		}
		must(t, ask.Hangup(t.Context()))
		_, err = r.call.Refer(t.Context(), uri.URI{}, ReferOptions{Replaces: ask})
		wantErr(t, err, ErrEnded)
		idle(t, r.alice, r.bob, r.carol)
	})
}

func TestConsent(t *testing.T) {
	tests := []struct {
		name string
		say  func(t *testing.T, r *ReferRequest)
		code int
		took time.Duration
	}{
		{"refused", func(t *testing.T, r *ReferRequest) { must(t, r.Reject(t.Context(), 0)) }, 603, 20 * ms},
		{"busy", func(t *testing.T, r *ReferRequest) { must(t, r.Reject(t.Context(), 486)) }, 486, 20 * ms},
		{"without a word", func(*testing.T, *ReferRequest) {}, 603, decideTime + 20*ms},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				r := newTrio(t, l)
				requests := make(chan *ReferRequest, 1)
				r.bob.onRefer = func(q *ReferRequest) { requests <- q; test.say(t, q) }
				start := time.Now()
				_, err := r.call.Refer(t.Context(), carolURI(), ReferOptions{})
				wantCode(t, err, test.code)
				if took := time.Since(start); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
				time.Sleep(time.Second)
				asked := <-requests
				if !isDone(asked.Done()) {
					t.Error("the request is not over")
				}
				wantErr(t, asked.Accept(t.Context()), ErrState)
				wantErr(t, asked.Notify(200, ""), ErrEnded)
				if len(r.carol.calls) != 0 {
					t.Error("carol was called without consent")
				}
				idle(t, r.alice, r.bob, r.carol)
			})
		})
	}
}

// The transferor loses patience before the transferee's user has decided.
func TestHangupDuringConsent(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		r := newTrio(t, l)
		requests := make(chan *ReferRequest, 1)
		r.bob.onRefer = func(q *ReferRequest) { requests <- q }
		outcome := make(chan error, 1)
		go func() {
			_, err := r.call.Refer(t.Context(), carolURI(), ReferOptions{})
			outcome <- err
		}()
		time.Sleep(time.Second)
		must(t, r.call.Hangup(t.Context()))
		wantCode(t, <-outcome, 487)
		asked := <-requests
		wantErr(t, asked.Accept(t.Context()), ErrState)
		idle(t, r.alice, r.bob, r.carol)
	})
}

// Who hangs up right after 202 still hears how it went: the subscription outlives the call.
func TestHangupAfterAccepted(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		r := newTrio(t, l)
		ref, err := r.call.Refer(t.Context(), carolURI(), ReferOptions{})
		must(t, err)
		must(t, r.call.Hangup(t.Context()))
		<-ref.Done()
		must(t, ref.Err())
		idle(t, r.alice, r.bob, r.carol)
	})
}

func TestQuietTransfer(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		r := newTrio(t, l)
		var seen codes
		ref, err := r.call.Refer(t.Context(), carolURI(), ReferOptions{Quiet: true, OnProgress: seen.see})
		must(t, err)
		<-ref.Done()
		wantErr(t, ref.Err(), ErrOutcomeUnknown)
		time.Sleep(time.Second)
		if seen.String() != "" {
			t.Errorf("reports %q, want none", seen.String())
		}
		if r.carol.call(0).State() != Established {
			t.Errorf("carol's call is %v", r.carol.call(0).State())
		}
		idle(t, r.alice, r.bob, r.carol)
	})
}
