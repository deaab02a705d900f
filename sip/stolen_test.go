package sip

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// stolen is a call of our phone with a scripted peer, whose identifiers a thief at another address has. The peer
// answers OPTIONS while it is alive, and counts what else it gets.
type stolen struct {
	u        *phone
	p, thief *peer
	media    *talk
	to, from string // as the peer writes them
	c        *Call
}

// overheard makes the call. Established unless ringing.
func overheard(t *testing.T, l *lab, ringing bool) *stolen {
	t.Helper()
	s := &stolen{u: l.phone("10.0.0.1", nil), p: l.peer("10.0.0.2:5060"), thief: l.peer("10.0.0.66:5060"), media: &talk{name: "alice"}}
	s.u.lan("alice")
	s.u.onCall = func(c *Call) {
		must(t, c.Ring(t.Context()))
		if !ringing {
			must(t, c.Answer(t.Context(), s.media))
		}
	}
	s.from, s.to = "From: <sip:bob@10.0.0.2>;tag=b", "To: <sip:alice@10.0.0.1>"
	s.p.request("10.0.0.1:5060", "INVITE sip:alice@10.0.0.1", "i", "v=0\r\no=bob\r\n", s.from, s.to, "Call-ID: c", "CSeq: 1 INVITE", s.p.contact())
	if ringing {
		s.to = "To: " + s.p.await("SIP/2.0 180").field("To")
	} else {
		s.to = "To: " + s.p.await("SIP/2.0 200").field("To")
		s.inside(s.p, "ACK", "1", "ack", "")
	}
	time.Sleep(10 * ms)
	s.p.drain()
	s.c = s.u.call(0)
	return s
}

// inside sends a request with everything that names the dialog.
func (s *stolen) inside(from *peer, method, seq, branch, body string, more ...string) {
	from.request("10.0.0.1:5060", method+" sip:alice@10.0.0.1", branch, body, append([]string{
		s.from, s.to, "Call-ID: c", "CSeq: " + seq + " " + method, from.contact(),
	}, more...)...)
}

// alive makes the peer answer OPTIONS for a while.
func (s *stolen) alive(f func()) (questions int) {
	done, over := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for {
			select {
			case m := <-s.p.in:
				switch {
				case strings.HasPrefix(m.text, "OPTIONS"):
					n++
					s.p.reply(m, "200 OK", "", "")
				case strings.HasPrefix(m.text, "INVITE"):
					s.p.reply(m, "200 OK", "", "v=0\r\no=bob back\r\n", s.p.contact())
				}
			case <-done:
				over <- n
				return
			}
		}
	}()
	f()
	close(done)
	return <-over
}

// Whatever a thief sends with the secrets of the dialog, from his own address, the call and its sound stay with the
// peer, and he hears nothing.
func TestStolenDialog(t *testing.T) {
	tests := []struct {
		method, body string
		asked        int // questions put to the peer
		more         string
	}{
		{"BYE", "", 1, ""},
		{"UPDATE", "v=0\r\no=thief\r\n", 1, ""},
		{"INVITE", "", 1, ""},
		{"INFO", "Signal=1\r\n", 0, "Content-Type: application/dtmf-relay"},
		{"MESSAGE", "hi", 0, "Content-Type: text/plain"},
		{"REFER", "", 0, "Refer-To: <sip:premium@203.0.113.9>"},
		{"NOTIFY", "SIP/2.0 200 OK\r\n", 0, "Event: refer\r\nSubscription-State: terminated\r\nContent-Type: message/sipfrag"},
		{"SUBSCRIBE", "", 0, "Event: refer"},
		{"OPTIONS", "", 0, ""},
		{"PRACK", "", 0, "RAck: 1 1 INVITE"},
		{"ACK", "v=0\r\no=thief\r\n", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.method+tt.body, func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				s := overheard(t, l, false)
				before := s.media.String()
				asked := s.alive(func() {
					for i := range 3 { // retransmitted, as UDP wants
						s.inside(s.thief, tt.method, "2", "thief", tt.body, strings.Split(strings.TrimSuffix("X: 1\r\n"+tt.more, "\r\n"), "\r\n")...)
						time.Sleep(time.Duration(i) * time.Second)
					}
					time.Sleep(30 * time.Second)
				})
				if s.c.State() != Established || s.media.String() != before {
					t.Errorf("the call is %s (%v), media %s", s.c.State(), s.c.EndCause(), s.media)
				}
				for len(s.thief.in) > 0 {
					if m := <-s.thief.in; !strings.HasPrefix(m.text, "SIP/2.0 100") {
						t.Errorf("the thief got %s", firstLine(m.text))
					}
				}
				if asked != tt.asked || len(s.u.received()) != 0 {
					t.Errorf("the peer was asked %d times, want %d", asked, tt.asked)
				}
				if s.u.guard.spoofed.Load() == 0 {
					t.Error("not counted")
				}
				go s.inside(s.p, "BYE", "9", "bye", "")
				s.p.await("SIP/2.0 200")
				if got := s.c.EndCause().Reason; got != EndedByPeer {
					t.Errorf("the peer's own BYE: %v", got)
				}
				time.Sleep(time.Minute)
				if st := s.u.Stats(); st.Transactions != 0 || st.Dialogs != 0 {
					t.Errorf("left %+v", st)
				}
			})
		})
	}
}

// A thief's re-INVITE is obeyed, as a peer's would be that moved, and taken back one round trip later: the talk
// returns to the peer. The second one waits for the peer's opinion and never comes that far.
func TestStolenReinvite(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		s := overheard(t, l, false)
		asked := s.alive(func() {
			s.inside(s.thief, "INVITE", "2", "t1", "v=0\r\no=thief\r\n")
			ok := s.thief.await("SIP/2.0 200")
			s.inside(s.thief, "ACK", "2", "t2", "")
			time.Sleep(time.Second)
			if got := s.media.String(); !strings.HasSuffix(got, "accept bob back") {
				t.Errorf("media %s", got)
			}
			if got := tagIn(ok.field("To")); !strings.HasSuffix(s.to, got) {
				t.Errorf("answered by another dialog: %s", got)
			}
			time.Sleep(2 * warySpan)
			before := s.media.String()
			s.inside(s.thief, "INVITE", "3", "t3", "v=0\r\no=thief again\r\n")
			s.inside(s.thief, "BYE", "4", "t4", "")
			time.Sleep(30 * time.Second)
			if got := s.media.String(); got != before {
				t.Errorf("the second time: media %s", got)
			}
		})
		if asked < 2 || s.c.State() != Established {
			t.Errorf("asked %d times, call %s %v", asked, s.c.State(), s.c.EndCause())
		}
		go func() { s.p.reply(s.p.await("BYE sip:peer@10.0.0.2"), "200 OK", "", "") }()
		must(t, s.c.Hangup(t.Context()))
	})
}

// A CANCEL with the branch of the INVITE, from elsewhere, stops no ringing while the caller is there; an ACK and a
// repeat of the INVITE change nothing either.
func TestStolenCancel(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		s := overheard(t, l, true)
		const to = "To: <sip:alice@10.0.0.1>"
		asked := s.alive(func() {
			s.thief.addr = s.p.addr // in Via, as overheard
			s.thief.request("10.0.0.1:5060", "CANCEL sip:alice@10.0.0.1", "i", "", s.from, to, "Call-ID: c", "CSeq: 1 CANCEL")
			s.thief.request("10.0.0.1:5060", "INVITE sip:alice@10.0.0.1", "i", "v=0\r\n", s.from, to, "Call-ID: c", "CSeq: 1 INVITE", s.thief.contact())
			s.thief.request("10.0.0.1:5060", "ACK sip:alice@10.0.0.1", "i", "", s.from, to, "Call-ID: c", "CSeq: 1 ACK")
			time.Sleep(10 * time.Second)
		})
		if s.c.State() != Incoming || asked != 1 || len(s.thief.in) != 0 {
			t.Errorf("call %s, asked %d times, the thief heard %d messages", s.c.State(), asked, len(s.thief.in))
		}
		s.p.request("10.0.0.1:5060", "CANCEL sip:alice@10.0.0.1", "i", "", s.from, to, "Call-ID: c", "CSeq: 1 CANCEL")
		s.p.await("SIP/2.0 487")
		if got := s.c.EndCause().Reason; got != EndedCancelled {
			t.Errorf("the caller's own CANCEL: %v", got)
		}
	})
}

// What the peer itself has sent before, sent again from its address: by then its number is used up.
func TestReplayInsideACall(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		s := overheard(t, l, false)
		s.inside(s.p, "INVITE", "2", "r", "v=0\r\no=bob 2\r\n")
		s.p.await("SIP/2.0 200")
		s.inside(s.p, "ACK", "2", "ra", "")
		s.inside(s.p, "INFO", "3", "n", "")
		s.p.await("SIP/2.0 200")
		time.Sleep(5 * time.Minute) // the transactions are forgotten
		s.p.drain()
		before := s.media.String()
		s.inside(s.p, "INVITE", "1", "x1", "v=0\r\no=bob\r\n")
		s.inside(s.p, "INVITE", "2", "r", "v=0\r\no=bob 2\r\n")
		s.inside(s.p, "INFO", "3", "n", "")
		s.inside(s.p, "BYE", "3", "x2", "") // made up with an old number
		time.Sleep(time.Minute)
		if s.c.State() != Established || s.media.String() != before {
			t.Errorf("call %s, media %s", s.c.State(), s.media)
		}
		for len(s.p.in) > 0 {
			if m := <-s.p.in; !strings.HasPrefix(m.text, "SIP/2.0 500") && !strings.HasPrefix(m.text, "SIP/2.0 100") {
				t.Errorf("answered %s", firstLine(m.text))
			}
		}
	})
}

// A peer that really moved is believed: nobody answers at its old address, or it says itself where it is.
func TestMovedPeerIsBelieved(t *testing.T) {
	moves := map[string]func(s *stolen, m wireMessage){
		"gone":                  nil,
		"knows of no such call": func(s *stolen, m wireMessage) { s.p.reply(m, "481 Gone", "", "") },
		"names its new address": func(s *stolen, m wireMessage) {
			s.p.reply(m, "200 OK", "", "", "Contact: <sip:peer@10.0.0.66:5060>")
		},
	}
	for name, answer := range moves {
		for _, method := range []string{"BYE", "UPDATE"} {
			t.Run(method+" "+name, func(t *testing.T) {
				bubble(t, ms, func(t *testing.T, l *lab) {
					s := overheard(t, l, false)
					body := ""
					if method == "UPDATE" {
						body = "v=0\r\no=bob moved\r\n"
					}
					s.inside(s.thief, method, "2", "m", body) // here an honest one
					if answer != nil {
						answer(s, s.p.await("OPTIONS"))
					}
					s.thief.await("SIP/2.0 200")
					if method == "BYE" {
						if got := s.c.EndCause().Reason; got != EndedByPeer {
							t.Errorf("the call ended as %v", got)
						}
						return
					}
					s.inside(s.thief, "INFO", "3", "n", "") // it lives there now
					s.thief.await("SIP/2.0 200")
					go func() { s.thief.reply(s.thief.await("BYE"), "200 OK", "", "") }()
					must(t, s.c.Hangup(t.Context()))
				})
			})
		}
	}
}

// Subscriptions, both ways: a NOTIFY or SUBSCRIBE of a thief changes nothing, one of a party that moved does.
func TestStolenSubscription(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		u := l.phone("10.0.0.1", nil)
		a := u.lan("alice")
		p, thief := l.peer("10.0.0.2:5060"), l.peer("10.0.0.66:5060")
		var n notes
		go func() {
			m := p.next("SUBSCRIBE")
			p.reply(m, "200 OK", "p", "", p.contact(), "Expires: 3600")
		}()
		s, err := a.Subscribe(t.Context(), presence(t, "sip:bob@10.0.0.2", time.Hour, &n))
		must(t, err)
		k := s.d.key()
		notify := func(from *peer, seq int, state, body string) {
			from.request("10.0.0.1:5060", "NOTIFY sip:alice@10.0.0.1", fmt.Sprint(from.addr, seq), body, "From: <sip:bob@10.0.0.2>;tag=p",
				"To: <sip:alice@10.0.0.1>;tag="+k.localTag, "Call-ID: "+k.callID, fmt.Sprintf("CSeq: %d NOTIFY", seq), from.contact(),
				"Event: presence", "Subscription-State: "+state, "Content-Type: application/pidf+xml")
		}
		notify(p, 1, "active", "here")
		p.await("SIP/2.0 200")
		go func() { p.reply(p.await("OPTIONS"), "405 No", "", "") }()
		notify(thief, 2, "terminated", "gone")
		time.Sleep(10 * time.Second)
		if got := n.String(); got != "active here" || len(thief.in) != 0 {
			t.Errorf("notes %q, the thief heard %d messages", got, len(thief.in))
		}
		notify(p, 1, "terminated", "replayed") // after its transaction is over
		time.Sleep(time.Minute)
		p.drain()
		notify(p, 1, "terminated", "replayed")
		p.await("SIP/2.0 500")
		if got := n.String(); got != "active here" {
			t.Errorf("notes %q after a replay", got)
		}
		notify(thief, 3, "active", "moved") // the old address is silent now
		thief.await("SIP/2.0 200")
		if got := n.String(); got != "active here, active moved" {
			t.Errorf("notes %q", got)
		}
		go func() { thief.reply(thief.await("SUBSCRIBE"), "481 Over", "", "") }()
		_ = s.Close(t.Context())
	})
}

// Behind a route set it is the proxy that speaks: another address of its name may, any other address may not, and the
// peer is not asked.
func TestRoutedDialog(t *testing.T) {
	for from, want := range map[string]EndReason{"10.0.0.10:5060": EndedByPeer, "10.0.0.66:5060": NotEnded} {
		bubble(t, ms, func(t *testing.T, l *lab) {
			u := l.phone("10.0.0.1", nil)
			u.lan("alice")
			u.onCall = func(c *Call) { must(t, c.Answer(t.Context(), &talk{name: "alice"})) }
			l.names["edge.test"] = append(at("udp", "10.0.0.9:5060"), at("udp", "10.0.0.10:5060")...)
			p := l.peer("10.0.0.9:5060")
			p.outside("INVITE", "sip:alice@10.0.0.1", "r", "Record-Route: <sip:edge.test;lr>")
			to := "To: " + p.await("SIP/2.0 200").field("To")
			names := []string{"From: <sip:x@10.0.0.9:5060>;tag=r", to, "Call-ID: r"}
			p.request("10.0.0.1:5060", "ACK sip:alice@10.0.0.1", "a", "", append(names, "CSeq: 1 ACK")...)
			q := l.peer(from)
			q.request("10.0.0.1:5060", "BYE sip:alice@10.0.0.1", "b", "", append(names, "CSeq: 2 BYE")...)
			time.Sleep(5 * time.Second)
			if got := u.call(0).EndCause().Reason; got != want {
				t.Errorf("BYE from %s: %v, want %v", from, got, want)
			}
			for len(p.in) > 0 {
				if m := <-p.in; strings.HasPrefix(m.text, "OPTIONS") {
					t.Error("the proxy was asked")
				}
			}
			if want == NotEnded {
				p.request("10.0.0.1:5060", "BYE sip:alice@10.0.0.1", "c", "", append(names, "CSeq: 3 BYE")...)
				p.await("SIP/2.0 200")
			}
		})
	}
}
