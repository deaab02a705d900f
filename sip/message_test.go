package sip

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
)

func TestMessage(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		alice, bob, a := pair(l)
		code, err := a.Message(t.Context(), bobURI(), "text/plain;charset=UTF-8", []byte("grüß dich"), Header{"Imdn-Id", "7"})
		if code != 200 || err != nil {
			t.Fatalf("%d, %v", code, err)
		}
		m := bob.received()[0]
		if string(m.Body) != "grüß dich" || m.ContentType != "text/plain;charset=UTF-8" || m.From.URI.String() != "sip:alice@10.0.0.1" || m.Account.ID() != "lan-bob" {
			t.Errorf("got %+v", m)
		}
		bob.setMsg(func(IncomingMessage) (int, string) { return 415, "" })
		_, err = a.Message(t.Context(), bobURI(), "image/png", []byte("x"))
		wantCode(t, err, 415)
		_, err = a.Message(t.Context(), mustURI(t, "sip:nobody@10.0.0.2"), "text/plain", []byte("x"))
		wantCode(t, err, 404)
		bob.host.SetAddrs()
		start := time.Now()
		code, err = a.Message(t.Context(), bobURI(), "text/plain", []byte("x"))
		wantErr(t, err, ErrNoAnswer)
		if code != 408 || time.Since(start) != 32*time.Second {
			t.Errorf("code %d after %v", code, time.Since(start))
		}
		alice.host.SetAddrs()
		code, err = a.Message(t.Context(), bobURI(), "text/plain", []byte("x"))
		wantErr(t, err, ErrTransport)
		if code != 503 {
			t.Errorf("code %d without a network", code)
		}
	})
}

// A burst through a lossless network arrives in order, whatever the handler's pace.
func TestMessagesKeepTheirOrder(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		bob := l.phone("10.0.0.2", nil)
		bob.lan("bob")
		p := l.peer("10.0.0.1:5060")
		const n = 50
		for i := range n {
			p.request("10.0.0.2:5060", "MESSAGE sip:bob@10.0.0.2", fmt.Sprint(i), fmt.Sprint(i),
				"From: <sip:a@10.0.0.1>;tag=a", "To: <sip:bob@10.0.0.2>", fmt.Sprintf("Call-ID: c%d", i), "CSeq: 1 MESSAGE", "Content-Type: text/plain")
		}
		time.Sleep(time.Second)
		got := bob.received()
		if len(got) != n {
			t.Fatalf("%d messages, want %d", len(got), n)
		}
		for i, m := range got {
			if string(m.Body) != fmt.Sprint(i) {
				t.Fatalf("message %d is %q", i, m.Body)
			}
		}
	})
}

func TestMessageThroughLoss(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		l.net.SetDefault(netsim.Path{Latency: 10 * ms, Loss: 0.4})
		for i := range 20 {
			if _, err := a.Message(t.Context(), bobURI(), "text/plain", []byte(fmt.Sprint(i))); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
		}
		if n := len(bob.received()); n != 20 {
			t.Errorf("%d messages, want 20: none lost, none doubled", n)
		}
	})
}

// RFC 3261 18.1.1: large requests go by TCP, and by UDP when the peer has none.
func TestLargeMessage(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		text := strings.Repeat("x", 5000)
		start := time.Now()
		code, err := a.Message(t.Context(), bobURI(), "text/plain", []byte(text))
		if code != 200 || err != nil {
			t.Fatalf("%d, %v", code, err)
		}
		if d := time.Since(start); d != 40*ms {
			t.Errorf("took %v, want two round trips: TCP", d)
		}
		if m := bob.received()[0]; string(m.Body) != text {
			t.Errorf("%d bytes arrived", len(m.Body))
		}
		p := l.peer("10.0.0.5:5060") // UDP only
		go func() { p.reply(p.next("MESSAGE"), "200 OK", "x", "") }()
		code, err = a.Message(t.Context(), mustURI(t, "sip:peer@10.0.0.5"), "text/plain", []byte(text))
		if code != 200 || err != nil {
			t.Errorf("without TCP: %d, %v", code, err)
		}
	})
}

func TestMessageByTCPSurvivesAMove(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		alice, bob, a := pair(l)
		to := bobURI().WithParam("transport", "tcp")
		send := func(text string) {
			t.Helper()
			if code, err := a.Message(t.Context(), to, "text/plain", []byte(text)); code != 200 || err != nil {
				t.Fatalf("%s: %d, %v", text, code, err)
			}
		}
		send("one")
		send("two")
		alice.host.SetAddrs("10.7.0.1")
		alice.NetworkChanged(t.Context())
		start := time.Now()
		send("three")
		if d := time.Since(start); d != 40*ms {
			t.Errorf("took %v, want a new connection and one round trip", d)
		}
		if n := len(bob.received()); n != 3 {
			t.Errorf("%d messages", n)
		}
	})
}
