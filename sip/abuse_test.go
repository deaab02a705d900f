package sip

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/shield"
)

// Odd and hostile requests of a neighbour: each with its answer, none with an effect.
func TestHostileRequests(t *testing.T) {
	routes := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "Record-Route: <sip:10.9.%d.%d;lr>\r\n", i/250, i%250)
		}
		return strings.TrimSuffix(b.String(), "\r\n")
	}
	tests := []struct {
		name, start, method string
		more                string
		want                string
	}{
		{"Contact: *", "INVITE sip:alice@10.0.0.1", "INVITE", "Contact: *", "400"},
		{"Max-Forwards 0 is for proxies", "OPTIONS sip:alice@10.0.0.1", "OPTIONS", "", "200"},
		{"200 proxies on the way", "OPTIONS sip:alice@10.0.0.1", "OPTIONS", routes(200), "200"},
		{"1,000 proxies", "OPTIONS sip:alice@10.0.0.1", "OPTIONS", routes(1000), ""},
		{"a loop through ourselves", "OPTIONS sip:alice@10.0.0.1", "OPTIONS", "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKours", "200"},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				u := l.phone("10.0.0.1", nil)
				u.lan("alice")
				p := l.peer("10.0.0.2:5060")
				lines := []string{"From: <sip:p@10.0.0.2>;tag=p", "To: <sip:alice@10.0.0.1>", fmt.Sprint("Call-ID: ", i), "CSeq: 1 " + tt.method}
				if tt.more != "" {
					lines = append(lines, strings.Split(tt.more, "\r\n")...)
				}
				if strings.HasPrefix(tt.name, "Max") {
					p.send("10.0.0.1:5060", tt.start+" SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bKm\r\nMax-Forwards: 0\r\n"+
						strings.Join(lines, "\r\n")+"\r\nContent-Length: 0\r\n\r\n")
				} else {
					p.request("10.0.0.1:5060", tt.start, fmt.Sprint("h", i), "", lines...)
				}
				if got := p.first(); got != tt.want {
					t.Errorf("answer %q, want %q", got, tt.want)
				}
				if n := len(u.Calls()); n != 0 {
					t.Errorf("%d calls", n)
				}
			})
		})
	}
}

// A dialog keeps no more routes than maxRoutes, whatever the peer's INVITE brings.
func TestRouteSetIsBounded(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		u := l.phone("10.0.0.1", nil)
		u.lan("alice")
		p := l.peer("10.0.0.2:5060")
		var lines []string
		for i := range 100 {
			lines = append(lines, fmt.Sprintf("Record-Route: <sip:10.9.0.%d;lr>", i))
		}
		p.outside("INVITE", "sip:alice@10.0.0.1", "r", lines...)
		time.Sleep(time.Second)
		d := dialogOf(u.call(0))
		if n := len(d.routes); n > maxRoutes {
			t.Errorf("%d routes", n)
		}
		must(t, u.call(0).Decline(t.Context(), 486))
	})
}

// Nobody makes us wait for 136 years.
func TestPausesOfOthersAreBounded(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		a := l.phone("10.0.0.1", nil).lan("alice")
		p := l.peer("10.0.0.2:5060")
		go func() { p.reply(p.next("MESSAGE"), "480 Later", "p", "", "Retry-After: 4294967295") }()
		_, err := a.Message(t.Context(), bobURI(), "text/plain", []byte("hi"))
		s, ok := err.(*StatusError) //nolint:errorlint // as documented
		if !ok || s.RetryAfter != maxPause {
			t.Errorf("%v", err)
		}
	})
}

// One neighbour cannot make more than a few calls ring, nor hold more than a few subscriptions: others still can.
func TestOneNeighbourIsNotAll(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		u := l.phone("10.0.0.1", nil)
		u.lan("alice")
		u.onCall = func(c *Call) { must(t, c.Ring(t.Context())) }
		u.onSub = func(s *ServerSubscription) { _ = s.Accept(t.Context(), 202, 0) }
		p, q := l.socket(l.net.NewHost("10.0.0.66"), "10.0.0.66:5060"), l.peer("10.0.0.2:5060")
		for i := range 10 {
			p.outside("INVITE", "sip:alice@10.0.0.1", fmt.Sprint("p", i))
		}
		for i := range 200 {
			p.outside("SUBSCRIBE", "sip:alice@10.0.0.1", fmt.Sprint("s", i), "Event: presence")
		}
		time.Sleep(time.Second)
		if n := len(u.Calls()); n != maxRingingOf {
			t.Errorf("%d calls ring", n)
		}
		if n := u.Stats().Dialogs; n > maxOfNeighbour {
			t.Errorf("%d dialogs", n)
		}
		q.outside("INVITE", "sip:alice@10.0.0.1", "q")
		if got := q.first(); got != "180" {
			t.Errorf("another neighbour's call: %q", got)
		}
	})
}

// What fills the table of transactions leaves room for those we know.
func TestRoomForServers(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		srv := l.registrar("192.0.2.9:5060", "secret")
		u := l.phone("10.0.0.1", func(c *Config) {
			c.Shield.PeerRates.Other = shield.Rate{Burst: 1 << 20, PerSecond: 1 << 20}
		})
		u.account(infoAccount("secret"))
		u.lan("alice")
		time.Sleep(time.Second)
		for i := range 12 {
			addr := fmt.Sprintf("10.0.1.%d", i+1)
			p := l.socket(l.net.NewHost(addr), addr+":5060")
			for n := range maxTransactions / 16 * 2 {
				p.outside("OPTIONS", "sip:alice@10.0.0.1", fmt.Sprint(i, "-", n))
				if n%64 == 0 {
					time.Sleep(100 * ms)
				}
			}
		}
		time.Sleep(100 * ms)
		if n := u.Stats().Transactions; n > maxTransactions/2+10 || n < maxTransactions/8 {
			t.Errorf("%d transactions", n)
		}
		s := l.socket(srv.host, "192.0.2.9:5080")
		s.outside("OPTIONS", "sip:alice@info.test", "s")
		if got := s.first(); got != "200" {
			t.Errorf("the server heard %q", got)
		}
	})
}

// The peer of a live call asks on and on, and acknowledges nothing: it costs us little, and a call from elsewhere rings.
func TestHostilePeerInACall(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		s := overheard(t, l, false)
		s.p = l.socket(s.p.host, "10.0.0.2:5090") // one that drops what it does not read
		before := runtime.NumGoroutine()
		for i := range 3000 {
			s.inside(s.p, "INVITE", fmt.Sprint(10+2*i), fmt.Sprint("r", i), "v=0\r\no=bob\r\n")
			s.inside(s.p, "INFO", fmt.Sprint(11+2*i), fmt.Sprint("n", i), "")
			if i%4 == 0 {
				time.Sleep(ms)
			}
		}
		if n := runtime.NumGoroutine(); n > before+100 {
			t.Errorf("%d goroutines, %d before", n, before)
		}
		if n := s.u.Stats().Transactions; n > maxTransactions/8+10 {
			t.Errorf("%d transactions", n)
		}
		s.thief.outside("INVITE", "sip:alice@10.0.0.1", "q") // here an honest neighbour
		if got := s.thief.first(); got != "180" {
			t.Errorf("another call: %q", got)
		}
		time.Sleep(2 * time.Minute)
	})
}
