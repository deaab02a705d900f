package sip

import (
	"errors"
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
				var asked *ReferRequest
				r.bob.onRefer = func(q *ReferRequest) { asked = q; test.say(t, q) }
				start := time.Now()
				_, err := r.call.Refer(t.Context(), carolURI(), ReferOptions{})
				wantCode(t, err, test.code)
				if took := time.Since(start); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
				time.Sleep(time.Second)
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
		var asked *ReferRequest
		r.bob.onRefer = func(q *ReferRequest) { asked = q }
		outcome := make(chan error, 1)
		go func() {
			_, err := r.call.Refer(t.Context(), carolURI(), ReferOptions{})
			outcome <- err
		}()
		time.Sleep(time.Second)
		must(t, r.call.Hangup(t.Context()))
		wantCode(t, <-outcome, 487)
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

// scripted is alice in a call with a peer that plays the transferee by hand.
type scripted struct {
	p    *peer
	call *Call
	inv  wireMessage
	seq  int
}

func newScripted(t *testing.T, l *lab) *scripted {
	t.Helper()
	alice := l.phone("10.0.0.1", nil)
	a := alice.lan("alice")
	s := &scripted{p: l.peer("10.0.0.2:5060"), seq: 10}
	var err error
	s.call, err = a.Invite(t.Context(), bobURI(), &talk{name: "alice"}, CallOptions{})
	must(t, err)
	s.inv = s.p.next("INVITE")
	s.p.reply(s.inv, "200 OK", "b", "v=0\r\no=b\r\n", s.p.contact())
	s.p.next("ACK")
	return s
}

// send sends a request of the peer inside the dialog.
func (s *scripted) send(method, body string, lines ...string) {
	s.sendAs("b", method, body, lines...)
}

func (s *scripted) sendAs(tag, method, body string, lines ...string) {
	s.seq++
	from := strings.Replace(s.inv.field("To"), ">", ">;tag="+tag, 1)
	head := []string{
		"From: " + from, "To: " + s.inv.field("From"), "Call-ID: " + s.inv.field("Call-ID"),
		fmt.Sprintf("CSeq: %d %s", s.seq, method), s.p.contact(),
	}
	s.p.request("10.0.0.1:5060", method+" sip:alice@10.0.0.1", fmt.Sprintf("x%d", s.seq), body, append(head, lines...)...)
}

func (s *scripted) notify(event, state, frag string) {
	lines := []string{"Event: " + event, "Subscription-State: " + state}
	if frag != "" {
		lines = append(lines, "Content-Type: message/sipfrag;version=2.0")
	}
	s.send("NOTIFY", frag, lines...)
}

// refer lets alice refer and gives what the peer got and what becomes of it.
func (s *scripted) refer(t *testing.T, o ReferOptions) (wireMessage, <-chan *Referral, <-chan error) {
	t.Helper()
	refs, errs := make(chan *Referral, 1), make(chan error, 1)
	go func() {
		r, err := s.call.Refer(t.Context(), carolURI(), o)
		refs <- r
		errs <- err
	}()
	return s.p.next("REFER"), refs, errs
}

func TestReferOnTheWire(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		s := newScripted(t, l)
		req, refs, _ := s.refer(t, ReferOptions{})
		for name, want := range map[string]string{
			"Refer-To": "<sip:carol@10.0.0.3>", "Referred-By": "<sip:alice@10.0.0.1>", "Contact": "<sip:alice@10.0.0.1:5060>",
			"Supported": supported, "CSeq": "2 REFER",
		} {
			if got := req.field(name); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		s.notify("refer", "active;expires=60", "SIP/2.0 100 Trying\r\n") // overtakes the 202
		s.p.next("SIP/2.0 200")
		s.p.reply(req, "202 Accepted", "", "", s.p.contact())
		ref := <-refs
		_, more, _ := s.refer(t, ReferOptions{})
		second := "refer;id=3"
		s.p.reply(wireMessage{strings.Replace(req.text, "CSeq: 2", "CSeq: 3", 1), req.from}, "100 Trying", "", "")
		s.notify(second, "active", "SIP/2.0 180 Ringing\r\n")
		s.p.next("SIP/2.0 200")
		s.notify("refer;id=77", "active", "SIP/2.0 180 Ringing\r\n")
		s.p.next("SIP/2.0 481") // no such referral
		s.notify("presence", "active", "")
		s.p.next("SIP/2.0 489")
		s.send("NOTIFY", "<x/>", "Event: refer", "Subscription-State: active", "Content-Type: text/xml")
		s.p.next("SIP/2.0 415")
		s.notify(second, "terminated;reason=noresource", "SIP/2.0 486 Busy Here\r\n")
		s.p.await("SIP/2.0 200")
		if isDone(ref.Done()) {
			t.Error("the first referral ended by what was said of the second")
		}
		s.notify("refer;id=2", "terminated;reason=noresource", "SIP/2.0 200 OK\r\n")
		s.p.await("SIP/2.0 200")
		<-ref.Done()
		must(t, ref.Err())
		s.notify("refer;id=2", "terminated", "SIP/2.0 503 No\r\n")
		if m := s.p.await("SIP/2.0"); !strings.HasPrefix(m.text, "SIP/2.0 481") && ref.Err() != nil {
			t.Errorf("a late NOTIFY changed the outcome to %v", ref.Err())
		}
		go func() {
			for {
				m := s.p.await("REFER")
				s.p.reply(m, "202 Accepted", "", "", s.p.contact())
				return
			}
		}()
		other := <-more
		<-other.Done()
		wantCode(t, other.Err(), 486)
		must(t, s.call.Hangup(testEnd(t)))
	})
}

// What a transferee that keeps silent, or leaves, tells of the outcome.
func TestOutcome(t *testing.T) {
	tests := []struct {
		name  string
		after func(s *scripted) // the 202
		want  error
		code  int
		least time.Duration
		most  time.Duration
	}{
		{"never a NOTIFY", func(*scripted) {}, ErrNoNotify, 408, timerN, timerN + time.Second},
		{"BYE at once", func(s *scripted) { s.send("BYE", "") }, ErrOutcomeUnknown, 0, timerN, timerN + time.Second},
		{"BYE, then success", func(s *scripted) {
			s.send("BYE", "")
			time.Sleep(time.Second)
			s.notify("refer", "terminated;reason=noresource", "SIP/2.0 200 OK\r\n")
		}, nil, 200, time.Second, 2 * time.Second},
		{"success, then BYE", func(s *scripted) {
			s.notify("refer", "terminated;reason=noresource", "SIP/2.0 200 OK\r\n")
			s.send("BYE", "")
		}, nil, 200, 0, time.Second},
		{"success in an active NOTIFY", func(s *scripted) {
			s.notify("refer", "active;expires=10", "SIP/2.0 200 OK\r\n")
		}, nil, 200, 0, time.Second},
		{"terminated without a word", func(s *scripted) {
			s.notify("refer", "terminated;reason=timeout", "")
		}, ErrOutcomeUnknown, 0, 0, time.Second},
		{"terminated while it rings", func(s *scripted) {
			s.notify("refer", "terminated;reason=timeout", "SIP/2.0 180 Ringing\r\n")
		}, ErrOutcomeUnknown, 180, 0, time.Second},
		{"rings for ever", func(s *scripted) {
			s.notify("refer", "active", "SIP/2.0 180 Ringing\r\n")
		}, ErrOutcomeUnknown, 180, defaultRingTime, defaultRingTime + 2*timerN},
		{"junk in the body", func(s *scripted) {
			s.notify("refer", "active", "HTTP/1.1 200 OK\r\n")
			s.notify("refer", "terminated", "SIP/2.0 486 \xffBusy\r\n")
		}, nil, 486, 0, time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				s := newScripted(t, l)
				req, refs, _ := s.refer(t, ReferOptions{})
				s.p.reply(req, "202 Accepted", "", "", s.p.contact())
				ref := <-refs
				start := time.Now()
				test.after(s)
				<-ref.Done()
				if took := time.Since(start); took < test.least || took > test.most {
					t.Errorf("took %v, want %v to %v", took, test.least, test.most)
				}
				switch {
				case test.want != nil:
					wantErr(t, ref.Err(), test.want)
					wantErr(t, ref.Err(), ErrOutcomeUnknown)
				case test.code >= 300:
					wantCode(t, ref.Err(), test.code)
				default:
					must(t, ref.Err())
				}
				if test.code != 408 && ref.Code() != test.code {
					t.Errorf("code %d, want %d", ref.Code(), test.code)
				}
				must(t, s.call.Hangup(testEnd(t)))
			})
		})
	}
}

func TestReferRefused(t *testing.T) {
	for _, code := range []string{"405 Method Not Allowed", "503 Service Unavailable", "603 Decline"} {
		t.Run(code, func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				s := newScripted(t, l)
				req, _, errs := s.refer(t, ReferOptions{})
				s.p.reply(req, code, "", "")
				err := <-errs
				var status *StatusError
				if !errors.As(err, &status) || !strings.HasPrefix(code, fmt.Sprint(status.Code)) {
					t.Errorf("error %v, want %s", err, code)
				}
				if s.call.State() != Established {
					t.Errorf("call is %v", s.call.State())
				}
				must(t, s.call.Hangup(testEnd(t)))
			})
		})
	}
	t.Run("491 is tried again", func(t *testing.T) {
		bubble(t, 10*ms, func(t *testing.T, l *lab) {
			s := newScripted(t, l)
			req, refs, _ := s.refer(t, ReferOptions{})
			s.p.reply(req, "491 Request Pending", "", "")
			s.p.reply(s.p.next("REFER"), "202 Accepted", "", "", s.p.contact())
			ref := <-refs
			s.notify("refer;id=3", "terminated;reason=noresource", "SIP/2.0 200 OK\r\n")
			<-ref.Done()
			must(t, ref.Err())
			must(t, s.call.Hangup(testEnd(t)))
		})
	})
}
