package sip

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

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
		again, refs2, _ := s.refer(t, ReferOptions{})
		second := "refer;id=3"
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
		s.p.await("SIP/2.0 481") // that subscription is over
		must(t, ref.Err())
		s.p.reply(again, "202 Accepted", "", "", s.p.contact())
		other := <-refs2
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
		{"BYE while it rings, success a minute later", func(s *scripted) {
			s.notify("refer", "active", "SIP/2.0 180 Ringing\r\n")
			s.p.next("SIP/2.0 200")
			s.send("BYE", "")
			time.Sleep(time.Minute)
			s.notify("refer", "terminated;reason=noresource", "SIP/2.0 200 OK\r\n")
		}, nil, 200, time.Minute, time.Minute + time.Second},
		{"success, overtaken by the BYE behind it", func(s *scripted) {
			s.seq++
			s.send("BYE", "")
			time.Sleep(100 * ms)
			s.seq -= 2
			s.notify("refer", "terminated;reason=noresource", "SIP/2.0 200 OK\r\n")
		}, nil, 200, 0, time.Second},
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

// Where an attended transfer sends the peer.
func TestReferTarget(t *testing.T) {
	tests := []struct {
		name                 string
		register             bool
		remote, contact, ask string
		want                 string // before Replaces
		require              bool
	}{
		{"registered", true, "sip:carol@info.test", "sip:x@192.0.2.9:5061", "", "sip:carol@info.test", true},
		{"registered, by address", true, "sip:carol@info.test", "sip:x@192.0.2.9:5061", "sip:carol@info.test", "sip:carol@info.test", false},
		{"registered, GRUU", true, "sip:carol@info.test", "sip:carol@info.test;gr=1", "", "sip:carol@info.test;gr=1", false},
		{"registered, hidden", true, "sip:anonymous@anonymous.invalid", "sip:x@192.0.2.9", "sip:anonymous@anonymous.invalid", "sip:x@192.0.2.9", false},
		{"registered, elsewhere", true, "sip:carol@info.test", "sip:x@192.0.2.9", "sip:boss@info.test", "sip:boss@info.test", false},
		{"LAN", false, "sip:carol@10.0.0.3", "sip:carol@10.0.0.3:5070", "sip:carol@10.0.0.3", "sip:carol@10.0.0.3:5070", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d := &dialog{callID: "c", localTag: "ours", remoteTag: "theirs", target: mustURI(t, test.contact)}
			c := &Call{
				account: &Account{cfg: AccountConfig{Register: test.register}}, state: Established, d: d,
				remote: uri.Address{URI: mustURI(t, test.remote)},
			}
			var ask uri.URI
			if test.ask != "" {
				ask = mustURI(t, test.ask)
			}
			got, err := referTarget(ask, c)
			must(t, err)
			want := test.want + "?Replaces=c%3Bto-tag%3Dtheirs%3Bfrom-tag%3Dours"
			if test.require {
				want += "&Require=replaces"
			}
			if got.String() != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
	if _, err := referTarget(uri.URI{}, nil); !errors.Is(err, ErrState) {
		t.Errorf("a blind transfer to nobody: %v", err)
	}
}
