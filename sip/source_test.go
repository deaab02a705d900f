package sip

import (
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/trace"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Whoever overhears a request can answer it only from where it went: from anywhere else its answer changes nothing.
func TestResponsesFromElsewhere(t *testing.T) {
	for _, status := range []string{"200 OK", "401 Unauthorized", "302 Moved Temporarily", "503 Service Unavailable", "603 Decline"} {
		t.Run(status, func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				alice := l.phone("10.0.0.1", nil)
				a := alice.lan("alice")
				p, mallory := l.peer("10.0.0.2:5060"), l.peer("10.0.0.66:5060")
				code := make(chan int, 1)
				go func() {
					c, _ := a.Options(t.Context(), bobURI())
					code <- c
				}()
				req := p.next("OPTIONS")
				mallory.reply(req, status, "evil", "", "Contact: <sip:evil@10.0.0.66>", `WWW-Authenticate: Digest realm="x", nonce="y"`)
				time.Sleep(200 * ms)
				p.reply(req, "486 Busy Here", "good", "")
				if got := <-code; got != 486 {
					t.Errorf("code %d, want 486", got)
				}
				if s := alice.Stats(); s.Spoofed != 1 {
					t.Errorf("%d spoofed", s.Spoofed)
				}
			})
		})
	}
}

// The same for a call, where one exception holds: who rang, and so knows the tag of the dialog, may answer from the
// network he has moved to.
func TestAnswerFromElsewhere(t *testing.T) {
	for _, tag := range []string{"guessed", "early"} {
		t.Run(tag, func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				alice := l.phone("10.0.0.1", nil)
				a := alice.lan("alice")
				p, other := l.peer("10.0.0.2:5060"), l.peer("10.0.0.66:5060")
				c, err := a.Invite(t.Context(), bobURI(), &talk{name: "alice"}, CallOptions{})
				must(t, err)
				inv := p.next("INVITE")
				p.reply(inv, "180 Ringing", "early", "", p.contact())
				time.Sleep(time.Second)
				other.reply(inv, "200 OK", tag, "v=0\r\n", other.contact())
				time.Sleep(time.Second)
				if got, want := c.State() == Established, tag == "early"; got != want {
					t.Errorf("established: %v, want %v", got, want)
				}
				if tag == "early" {
					other.await("ACK")
				}
			})
		})
	}
}

// A response to a request that went over a stream must come back on it.
func TestResponseByAnotherWay(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		alice := l.phone("10.0.0.1", nil)
		a := alice.lan("alice")
		p := l.peer("10.0.0.2:5060")
		ln, err := p.host.Listen(t.Context(), "tcp", ":5060")
		must(t, err)
		code := make(chan int, 1)
		go func() {
			c, _ := a.Options(t.Context(), bobURI().WithParam("transport", "tcp"))
			code <- c
		}()
		conn, err := ln.Accept()
		must(t, err)
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		must(t, err)
		req := wireMessage{string(buf[:n]), "10.0.0.1:5060"}
		p.reply(req, "200 OK", "x", "") // from the right address, but as a datagram
		time.Sleep(time.Second)
		select {
		case c := <-code:
			t.Errorf("a datagram answered with %d", c)
		default:
		}
		var text string
		p.send = func(_, s string) { text = s }
		p.reply(req, "404 Not Found", "x", "")
		_, err = conn.Write([]byte(text))
		must(t, err)
		if c := <-code; c != 404 || alice.Stats().Spoofed != 1 {
			t.Errorf("code %d, %d spoofed", c, alice.Stats().Spoofed)
		}
		must(t, conn.Close())
		must(t, ln.Close())
	})
}

// Calls over IPv6, by datagrams and streams: addresses stand in brackets wherever a URI or a Via has them, and a trace
// shows the call without the secrets of its SDP.
func TestCallOverIPv6(t *testing.T) {
	for _, proto := range []string{"udp", "tcp"} {
		t.Run(proto, func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				alice, bob := l.phone("fd00::1", nil), l.phone("fd00::2", nil)
				a := alice.lan("alice")
				bob.lan("bob")
				var mu sync.Mutex
				var seen []string
				alice.Trace(func(e trace.Entry) {
					mu.Lock()
					defer mu.Unlock()
					seen = append(seen, e.String())
				}, true)
				bob.onCall = func(c *Call) { must(t, c.Answer(t.Context(), &talk{name: "bob"})) }
				to := uri.New("bob", "fd00::2", 5060).WithParam("transport", proto)
				c, err := a.Invite(t.Context(), to, &talk{name: "alice"}, CallOptions{})
				must(t, err)
				time.Sleep(time.Second)
				if c.State() != Established {
					t.Fatalf("state %v", c.State())
				}
				must(t, bob.call(0).Reinvite(t.Context()))
				must(t, c.Hangup(t.Context()))
				if got := bob.call(0).EndCause().Reason; got != EndedByPeer {
					t.Errorf("ended as %v", got)
				}
				synctest.Wait()
				mu.Lock()
				defer mu.Unlock()
				all := strings.Join(seen, "")
				for _, want := range []string{
					"Via: SIP/2.0/" + strings.ToUpper(proto) + " [fd00::1]:5060;branch=", "Contact: <sip:alice@[fd00::1]:5060",
					"Contact: <sip:bob@[fd00::2]:5060", "INVITE sip:bob@[fd00::2]:5060", "INVITE sip:alice@[fd00::1]:5060",
				} {
					if !strings.Contains(all, want) {
						t.Errorf("no %q in:\n%s", want, all)
					}
				}
				if strings.Contains(all, "received=[") || strings.Contains(all, "@fd00") {
					t.Errorf("brackets:\n%s", all)
				}
			})
		})
	}
}
