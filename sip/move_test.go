package sip

import (
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// A move in mid-call: the re-INVITE leaves from the new address with a new Via and Contact, in the same
// dialog; the peer's later requests come to the new address.
func TestMoveInMidCall(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		alice, bob, a := pair(l)
		bob.onCall = func(c *Call) { must(t, c.Answer(t.Context(), &talk{name: "bob"})) }
		c, err := a.Invite(t.Context(), bobURI(), &talk{name: "alice"}, CallOptions{})
		must(t, err)
		time.Sleep(time.Second)
		alice.host.SetAddrs("10.5.0.1")
		alice.NetworkChanged(t.Context())
		start := time.Now()
		must(t, c.Reinvite(t.Context()))
		if d := time.Since(start); d != 20*ms {
			t.Errorf("re-INVITE took %v, want one round trip", d)
		}
		must(t, bob.call(0).Reinvite(t.Context())) // to the new target
		bob.host.SetAddrs("10.6.0.2")
		bob.NetworkChanged(t.Context())
		must(t, bob.call(0).Reinvite(t.Context()))
		must(t, c.Hangup(t.Context()))
		if got := bob.call(0).EndCause().Reason; got != EndedByPeer {
			t.Errorf("BYE did not reach the second new address: %v", got)
		}
	})
}

func TestMoveOnTheWire(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		alice := l.phone("10.0.0.1", nil)
		a := alice.lan("alice")
		p := l.peer("10.0.0.2:5060")
		c, err := a.Invite(t.Context(), bobURI(), &talk{name: "alice"}, CallOptions{})
		must(t, err)
		inv := p.next("INVITE")
		rr := "Record-Route: <sip:10.0.0.2:5060;lr;ftag=1>"
		p.reply(inv, "200 OK", "b", "v=0\r\no=b\r\n", p.contact(), rr)
		ack := p.next("ACK sip:peer@10.0.0.2:5060 SIP/2.0")
		if got := ack.field("Route"); got != "<sip:10.0.0.2:5060;lr;ftag=1>" {
			t.Errorf("Route of the ACK %q", got)
		}
		alice.host.SetAddrs("10.5.0.1")
		go func() { must(t, c.Reinvite(t.Context())) }()
		re := p.next("INVITE sip:peer@10.0.0.2:5060 SIP/2.0")
		if re.from != "10.5.0.1:5060" || !strings.HasPrefix(re.field("Via"), "SIP/2.0/UDP 10.5.0.1:5060;branch=z9hG4bK") || !strings.Contains(re.field("Via"), ";rport") {
			t.Errorf("Via %q from %s", re.field("Via"), re.from)
		}
		if got := re.field("Contact"); got != "<sip:alice@10.5.0.1:5060>" {
			t.Errorf("Contact %q", got)
		}
		for _, h := range []string{"From", "Call-ID"} {
			if re.field(h) != inv.field(h) {
				t.Errorf("%s changed from %q to %q", h, inv.field(h), re.field(h))
			}
		}
		if got := re.field("CSeq"); got != "2 INVITE" {
			t.Errorf("CSeq %q", got)
		}
		if got := re.field("Route"); got != "<sip:10.0.0.2:5060;lr;ftag=1>" {
			t.Errorf("Route %q", got)
		}
		p.reply(re, "200 OK", "b", "v=0\r\no=b\r\n", "Contact: <sip:elsewhere@10.0.0.2:5060>", "Record-Route: <sip:10.0.0.99;lr>")
		p.next("ACK sip:elsewhere@10.0.0.2:5060 SIP/2.0") // target refreshed
		time.Sleep(ms)
		go func() {
			bye := p.next("BYE sip:elsewhere@10.0.0.2:5060 SIP/2.0")
			if got := bye.field("Route"); got != "<sip:10.0.0.2:5060;lr;ftag=1>" {
				t.Errorf("Route %q: a re-INVITE must not change the route set", got)
			}
			p.reply(bye, "200 OK", "", "")
		}()
		must(t, c.Hangup(t.Context()))
	})
}

// The phone moves while the other side rings: the INVITE is cancelled and sent again from the new address;
// the call itself lives on.
func TestMoveWhileRinging(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		alice, bob, a := pair(l)
		bob.onCall = func(c *Call) {
			must(t, c.Ring(t.Context()))
			time.Sleep(3 * time.Second)
			_ = c.Answer(t.Context(), &talk{name: "bob"}) // the first one is cancelled by then
		}
		media := &talk{name: "alice"}
		var seen states
		c, err := a.Invite(t.Context(), bobURI(), media, CallOptions{Observer: seen.see})
		must(t, err)
		id := c.ID()
		time.Sleep(time.Second)
		alice.host.SetAddrs("10.5.0.1")
		alice.NetworkChanged(t.Context())
		time.Sleep(5 * time.Second)
		if c.State() != Established || c.ID() != id {
			t.Fatalf("state %v (%v)", c.State(), c.EndCause().Err)
		}
		if got, want := seen.String(), "calling ringing established"; got != want {
			t.Errorf("observer saw %q, want %q", got, want)
		}
		if got, want := media.String(), "offer 1; rollback; offer 2; accept bob answer to alice offer 2"; got != want {
			t.Errorf("media %q, want %q", got, want)
		}
		if got := bob.call(0).EndCause().Reason; got != EndedCancelled {
			t.Errorf("first leg: %v", got)
		}
		must(t, c.Hangup(t.Context()))
	})
}

// The called phone moves while it rings: its answer goes out from the new address.
func TestCalleeMovesWhileRinging(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		bob.onCall = func(c *Call) { must(t, c.Ring(t.Context())) }
		c, err := a.Invite(t.Context(), bobURI(), &talk{name: "alice"}, CallOptions{})
		must(t, err)
		time.Sleep(time.Second)
		bob.host.SetAddrs("10.5.0.2")
		bob.NetworkChanged(t.Context())
		must(t, bob.call(0).Answer(t.Context(), &talk{name: "bob"}))
		time.Sleep(time.Second)
		must(t, c.Hangup(t.Context()))
		if got := bob.call(0).EndCause().Reason; got != EndedByPeer {
			t.Errorf("the BYE did not find the new address: %v", got)
		}
	})
}

// An INVITE whose network died after 100: hanging up and giving up both work.
func TestDeadInvite(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		alice, _, a := pair(l)
		p := l.peer("10.0.0.3:5060")
		to := uri.New("x", "10.0.0.3", 0)
		c, err := a.Invite(t.Context(), to, &talk{name: "alice"}, CallOptions{})
		must(t, err)
		p.reply(p.next("INVITE"), "100 Trying", "", "")
		time.Sleep(time.Second)
		alice.host.SetAddrs()
		must(t, c.Hangup(t.Context()))
		if c.State() != Ended {
			t.Errorf("state %v", c.State())
		}
		time.Sleep(2 * time.Minute)
		if s := alice.Stats(); s.Transactions != 0 || s.Dialogs != 0 {
			t.Errorf("left %+v", s)
		}
	})
}

func TestEarlyMediaIsAcceptedOnce(t *testing.T) {
	tests := []struct{ name, tag, sdp, want string }{
		{"same again", "e", "early", "offer 1; accept early"},
		{"the gateway changed its mind", "e", "final", "offer 1; accept early; accept final"},
		{"another phone", "f", "final", "offer 1; accept early; accept final"},
		{"none in the 200", "e", "", "offer 1; accept early"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				a := l.phone("10.0.0.1", nil).lan("alice")
				p := l.peer("10.0.0.2:5060")
				media := &talk{name: "alice"}
				c, err := a.Invite(t.Context(), bobURI(), media, CallOptions{})
				must(t, err)
				inv := p.next("INVITE")
				p.reply(inv, "183 Session Progress", "e", "v=0\r\no=early\r\n", p.contact())
				p.reply(inv, "183 Session Progress", "g", "v=0\r\no=other\r\n", p.contact())
				sdp := ""
				if tt.sdp != "" {
					sdp = "v=0\r\no=" + tt.sdp + "\r\n"
				}
				time.Sleep(time.Second)
				p.reply(inv, "200 OK", tt.tag, sdp, p.contact())
				p.next("ACK")
				time.Sleep(ms)
				if got := media.String(); got != tt.want {
					t.Errorf("media %q, want %q", got, tt.want)
				}
				go func() { p.reply(p.await("BYE"), "200 OK", "", "") }()
				must(t, c.Hangup(t.Context()))
			})
		})
	}
}
