package sip

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const ms = time.Millisecond

// pair is two LAN phones 20 ms apart.
func pair(l *lab) (alice, bob *phone, a *Account) {
	alice, bob = l.phone("10.0.0.1", nil), l.phone("10.0.0.2", nil)
	bob.lan("bob")
	return alice, bob, alice.lan("alice")
}

func bobURI() uri.URI { return uri.New("bob", "10.0.0.2", 0) }

func TestCallBothEnds(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		bobMedia := &talk{name: "bob"}
		var bobStates states
		bob.onCall = func(c *Call) {
			c.SetObserver(bobStates.see)
			must(t, c.Ring(t.Context()))
			time.Sleep(time.Second)
			must(t, c.Answer(t.Context(), bobMedia))
		}
		media := &talk{name: "alice"}
		var seen states
		c, err := a.Invite(t.Context(), bobURI(), media, CallOptions{Observer: seen.see})
		must(t, err)
		time.Sleep(2 * time.Second)
		if got := c.State(); got != Established {
			t.Fatalf("state %v, want established", got)
		}
		if got, want := media.String(), "offer 1; accept bob answer to alice offer 1"; got != want {
			t.Errorf("caller's media: %s, want %s", got, want)
		}
		must(t, c.Hangup(t.Context()))
		time.Sleep(time.Second)
		if got, want := seen.String(), "calling ringing established ended"; got != want {
			t.Errorf("caller saw %q, want %q", got, want)
		}
		if got, want := bobStates.String(), "established ended"; got != want {
			t.Errorf("callee saw %q, want %q", got, want)
		}
		if got := bob.call(0).EndCause().Reason; got != EndedByPeer {
			t.Errorf("callee's end reason %v, want %v", got, EndedByPeer)
		}
		if got := c.EndCause().Reason; got != EndedLocally {
			t.Errorf("caller's end reason %v, want %v", got, EndedLocally)
		}
		time.Sleep(2 * lingerTime)
		for name, u := range map[string]*UA{"alice": a.ua, "bob": bob.UA} {
			if s := u.Stats(); s.Dialogs != 0 || s.Calls != 0 || s.Transactions != 0 {
				t.Errorf("%s keeps %+v after the call", name, s)
			}
		}
	})
}

func TestReinviteBothWaysAndHangupByCallee(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		bobMedia := &talk{name: "bob"}
		bob.onCall = func(c *Call) { must(t, c.Answer(t.Context(), bobMedia)) }
		media := &talk{name: "alice"}
		c, err := a.Invite(t.Context(), bobURI(), media, CallOptions{})
		must(t, err)
		time.Sleep(time.Second)
		must(t, c.Reinvite(t.Context()))
		time.Sleep(time.Second)
		must(t, bob.call(0).Reinvite(t.Context()))
		want := "offer 1; accept bob answer to alice offer 1; offer 2; accept bob answer to alice offer 2; answer to bob offer 1"
		if got := media.String(); got != want {
			t.Errorf("alice's media:\n %s, want\n %s", got, want)
		}
		must(t, bob.call(0).Hangup(t.Context()))
		time.Sleep(time.Second)
		if c.State() != Ended || c.EndCause().Reason != EndedByPeer {
			t.Errorf("state %v, cause %+v", c.State(), c.EndCause())
		}
	})
}

func TestOfferInAnswerBothWays(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		bobMedia := &talk{name: "bob"}
		bob.onCall = func(c *Call) { must(t, c.Answer(t.Context(), bobMedia)) }
		media := &talk{name: "alice"}
		c, err := a.Invite(t.Context(), bobURI(), media, CallOptions{NoOffer: true})
		must(t, err)
		time.Sleep(time.Second)
		if got, want := media.String(), "answer to bob offer 1"; got != want {
			t.Errorf("caller's media: %s, want %s", got, want)
		}
		if got, want := bobMedia.String(), "offer 1; accept alice answer to bob offer 1"; got != want {
			t.Errorf("callee's media: %s, want %s", got, want)
		}
		must(t, c.Hangup(t.Context()))
	})
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		name string
		act  func(t *testing.T, c *Call)
		want EndReason
		code int
	}{
		{"busy", func(t *testing.T, c *Call) { must(t, c.Decline(t.Context(), 486)) }, EndedRefused, 486},
		{"no", func(t *testing.T, c *Call) { must(t, c.Decline(t.Context(), 0)) }, EndedRefused, 603},
		{"no codec in common", func(t *testing.T, c *Call) {
			wantErr(t, c.Answer(t.Context(), &talk{fail: errors.New("no codec")}), ErrMedia)
		}, EndedRefused, 488},
		{"nobody home", func(*testing.T, *Call) {}, EndedNoAnswer, 408},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				_, bob, a := pair(l)
				bob.onCall = func(c *Call) { tt.act(t, c) }
				c, err := a.Invite(t.Context(), bobURI(), &talk{name: "alice"}, CallOptions{})
				must(t, err)
				<-c.Done()
				cause := c.EndCause()
				if cause.Reason != tt.want {
					t.Errorf("reason %v (%v), want %v", cause.Reason, cause.Err, tt.want)
				}
				wantCode(t, cause.Err, tt.code)
			})
		})
	}
}

func TestCancelByCaller(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		bob.onCall = func(c *Call) { must(t, c.Ring(t.Context())) }
		c, err := a.Invite(t.Context(), bobURI(), &talk{name: "alice"}, CallOptions{})
		must(t, err)
		time.Sleep(time.Second)
		must(t, c.Hangup(t.Context()))
		time.Sleep(100 * ms)
		if got := bob.call(0).EndCause().Reason; got != EndedCancelled {
			t.Errorf("callee's reason %v, want %v", got, EndedCancelled)
		}
		wantErr(t, bob.call(0).Answer(t.Context(), &talk{name: "bob"}), ErrEnded)
		time.Sleep(2 * lingerTime)
		if s := bob.Stats(); s.Transactions != 0 || s.Dialogs != 0 {
			t.Errorf("callee keeps %+v", s)
		}
	})
}

// A hang-up that crosses the 200 on its way: the 200 is acknowledged and the call ended by BYE.
func TestCancelCrosses200(t *testing.T) {
	bubble(t, 100*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		bob.onCall = func(c *Call) {
			must(t, c.Ring(t.Context()))
			time.Sleep(time.Second)
			must(t, c.Answer(t.Context(), &talk{name: "bob"}))
		}
		c, err := a.Invite(t.Context(), bobURI(), &talk{name: "alice"}, CallOptions{})
		must(t, err)
		time.Sleep(1150 * ms) // bob answered at 1100, the 200 arrives at 1200
		must(t, c.Hangup(t.Context()))
		time.Sleep(time.Second)
		if got := bob.call(0).EndCause().Reason; got != EndedByPeer {
			t.Errorf("callee's reason %v, want %v", got, EndedByPeer)
		}
		if got := c.EndCause().Reason; got != EndedLocally {
			t.Errorf("caller's reason %v, want %v", got, EndedLocally)
		}
	})
}

func TestForked200(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		a := l.phone("10.0.0.1", nil).lan("alice")
		p := l.peer("10.0.0.2:5060")
		c, err := a.Invite(t.Context(), bobURI(), &talk{name: "alice"}, CallOptions{})
		must(t, err)
		inv := p.next("INVITE")
		p.reply(inv, "180 Ringing", "one", "", p.contact())
		p.reply(inv, "200 OK", "one", "v=0\r\no=one\r\n", p.contact())
		ack := p.next("ACK")
		if got := tagIn(ack.field("To")); got != "one" {
			t.Errorf("first ACK for %q", got)
		}
		p.reply(inv, "200 OK", "two", "v=0\r\no=two\r\n", p.contact())
		ack = p.next("ACK")
		if got := tagIn(ack.field("To")); got != "two" {
			t.Errorf("second ACK for %q", got)
		}
		bye := p.next("BYE")
		if got := tagIn(bye.field("To")); got != "two" {
			t.Errorf("BYE for %q, want the second fork", got)
		}
		p.reply(bye, "200 OK", "", "")
		p.reply(inv, "200 OK", "one", "v=0\r\no=one\r\n", p.contact()) // our ACK was lost
		ack = p.next("ACK")
		if got := tagIn(ack.field("To")); got != "one" {
			t.Errorf("repeated ACK for %q", got)
		}
		if c.State() != Established {
			t.Errorf("state %v, want established", c.State())
		}
		time.Sleep(40 * time.Second) // past timer M: nothing knows the transaction any more
		p.reply(inv, "200 OK", "three", "v=0\r\no=three\r\n", p.contact())
		if got := tagIn(p.next("ACK").field("To")); got != "three" {
			t.Errorf("late ACK for %q", got)
		}
		bye = p.next("BYE")
		p.reply(bye, "200 OK", "", "")
		go func() { p.reply(p.await("BYE"), "200 OK", "", "") }()
		must(t, c.Hangup(t.Context()))
	})
}

func TestRedirection(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		bob.onCall = func(c *Call) { must(t, c.Answer(t.Context(), &talk{name: "bob"})) }
		p := l.peer("10.0.0.3:5060")
		c, err := a.Invite(t.Context(), uri.New("carol", "10.0.0.3", 0), &talk{name: "alice"}, CallOptions{})
		must(t, err)
		inv := p.next("INVITE")
		p.reply(inv, "302 Moved Temporarily", "x", "",
			"Contact: <sip:gone@10.0.0.3:5060>;q=0.1, <sip:bob@10.0.0.2:5060>;q=0.9", "Contact: <mailto:x@y>")
		p.next("ACK")
		time.Sleep(time.Second)
		if c.State() != Established {
			t.Fatalf("state %v (%v), want established", c.State(), c.EndCause().Err)
		}
		must(t, c.Hangup(t.Context()))
	})
}

func TestRedirectionLoop(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		a := l.phone("10.0.0.1", nil).lan("alice")
		p := l.peer("10.0.0.3:5060")
		c, err := a.Invite(t.Context(), uri.New("u0", "10.0.0.3", 0), &talk{name: "alice"}, CallOptions{})
		must(t, err)
		invites := 0
		for c.State() != Ended {
			select {
			case m := <-p.in:
				if strings.HasPrefix(m.text, "INVITE") {
					invites++
					p.reply(m, "302 Moved", "x", "", "Contact: <sip:u"+string(rune('0'+invites))+"@10.0.0.3>")
				}
			case <-c.Done():
			}
		}
		if invites != maxRedirects+1 {
			t.Errorf("%d INVITEs, want %d", invites, maxRedirects+1)
		}
		wantErr(t, c.EndCause().Err, ErrRedirectLoop)
	})
}

// Both re-INVITE at once; RFC 3261 14.1's timers sort it out.
func TestGlare(t *testing.T) {
	bubble(t, 50*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		bob.onCall = func(c *Call) { must(t, c.Answer(t.Context(), &talk{name: "bob"})) }
		c, err := a.Invite(t.Context(), bobURI(), &talk{name: "alice"}, CallOptions{})
		must(t, err)
		time.Sleep(time.Second)
		start := time.Now()
		results := make(chan error, 2)
		go func() { results <- c.Reinvite(t.Context()) }()
		go func() { results <- bob.call(0).Reinvite(t.Context()) }()
		must(t, <-results)
		must(t, <-results)
		if d := time.Since(start); d < 2100*ms || d > 8*time.Second {
			t.Errorf("glare took %v", d)
		}
		if c.State() != Established || bob.call(0).State() != Established {
			t.Errorf("states %v and %v", c.State(), bob.call(0).State())
		}
		must(t, c.Hangup(t.Context()))
	})
}

func TestRefusedReinviteKeepsTheCall(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		bobMedia := &talk{name: "bob"}
		bob.onCall = func(c *Call) { must(t, c.Answer(t.Context(), bobMedia)) }
		media := &talk{name: "alice"}
		c, err := a.Invite(t.Context(), bobURI(), media, CallOptions{})
		must(t, err)
		time.Sleep(time.Second)
		bobMedia.refuse(errors.New("no"))
		err = c.Reinvite(t.Context())
		wantCode(t, err, 488)
		if c.State() != Established || !strings.HasSuffix(media.String(), "offer 2; rollback") {
			t.Errorf("state %v, media %s", c.State(), media)
		}
		must(t, c.Hangup(t.Context()))
	})
}

func TestDeadPeer(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		bob.onCall = func(c *Call) { must(t, c.Answer(t.Context(), &talk{name: "bob"})) }
		c, err := a.Invite(t.Context(), bobURI(), &talk{name: "alice"}, CallOptions{})
		must(t, err)
		time.Sleep(time.Second)
		bob.host.SetAddrs()
		start := time.Now()
		wantErr(t, c.Reinvite(t.Context()), ErrNoAnswer)
		if d := time.Since(start); d != 32*time.Second {
			t.Errorf("gave up after %v, want 32s", d)
		}
		if c.State() != Established {
			t.Errorf("state %v: a dead peer must not end the call by itself", c.State())
		}
		bob.host.SetAddrs("10.0.0.2")
		must(t, c.Hangup(t.Context()))
	})
}

// The callee's 200 is lost again and again, and so are some ACKs.
func TestLossyAnswer(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		a := l.phone("10.0.0.1", nil)
		a.lan("alice")
		a.onCall = func(c *Call) { must(t, c.Answer(t.Context(), &talk{name: "alice"})) }
		p := l.peer("10.0.0.2:5060")
		lines := []string{"From: <sip:bob@10.0.0.2>;tag=b", "To: <sip:alice@10.0.0.1>", "Call-ID: lossy", "CSeq: 7 INVITE", p.contact()}
		p.request("10.0.0.1:5060", "INVITE sip:alice@10.0.0.1", "1", "v=0\r\no=bob\r\n", lines...)
		start := time.Now()
		p.await("SIP/2.0 200")
		var times []time.Duration
		for range 4 {
			p.await("SIP/2.0 200")
			times = append(times, time.Since(start).Round(100*ms))
		}
		if want := []time.Duration{500 * ms, 1500 * ms, 3500 * ms, 7500 * ms}; !equal(times, want) {
			t.Errorf("200 repeated at %v, want %v", times, want)
		}
		bye := p.await("BYE")
		if d := time.Since(start).Round(100 * ms); d != 32*time.Second {
			t.Errorf("BYE after %v, want 32s", d)
		}
		p.reply(bye, "200 OK", "", "")
		if got := a.call(0).EndCause(); got.Reason != EndedNoAnswer {
			t.Errorf("cause %+v", got)
		}
	})
}

func equal[T comparable](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
