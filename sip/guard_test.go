package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/sip/shield"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// socket is a scripted party on a host that has one already.
func (l *lab) socket(host *netsim.Host, addr string) *peer {
	l.t.Helper()
	_, port, _ := strings.Cut(addr, ":")
	p := &peer{t: l.t, host: host, addr: addr, in: make(chan wireMessage, 4096)}
	conn, err := host.ListenPacket(context.Background(), "udp", ":"+port)
	must(l.t, err)
	p.send = func(to, text string) {
		dst := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(to))
		if _, err := conn.WriteTo([]byte(text), dst); err != nil {
			l.t.Errorf("peer %s sends: %v", addr, err)
		}
	}
	go func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			select {
			case p.in <- wireMessage{string(buf[:n]), from.String()}:
			default: // nobody reads
			}
		}
	}()
	l.stops = append(l.stops, func() { _ = conn.Close() })
	return p
}

// told are the suspects the application heard of, notified the NOTIFYs nobody asked for.
func (p *phone) told() []Suspect {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.suspects)
}

func (p *phone) notified() []UnsolicitedNotify {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.notifies)
}

// outside sends a request outside any dialog.
func (p *peer) outside(method, target, id string, more ...string) {
	body := ""
	if method == "INVITE" {
		body = "v=0\r\no=" + id + "\r\n"
	}
	p.request("10.0.0.1:5060", method+" "+target, id, body, append([]string{
		"From: <sip:x@" + p.addr + ">;tag=" + id, "To: <" + target + ">", "Call-ID: " + id, "CSeq: 1 " + method, p.contact(),
	}, more...)...)
}

// first is the code of the first answer within two seconds; "" for silence. 100 does not count.
func (p *peer) first() string {
	limit := time.After(2 * time.Second)
	for {
		select {
		case m := <-p.in:
			if code := strings.Fields(m.text)[1]; code != "100" {
				return code
			}
		case <-limit:
			return ""
		}
	}
}

// The table of package shield on the wire: who, to whom, what comes of it.
func TestWhoMayRing(t *testing.T) {
	const server, trusted, neighbour, stranger = "192.0.2.9", "198.51.100.7", "10.0.0.2", "203.0.113.5"
	const contact, aor, nobody = "sip:k7p2x@10.0.0.1", "sip:alice@info.test", "sip:100@10.0.0.1"
	tests := []struct {
		from, to string
		lan      bool   // our account is one without a server
		want     string // first answer
		origin   Origin // when it rings
		suspect  bool
	}{
		{server, contact, false, "180", FromServer, false},
		{server, aor, false, "180", FromServer, false},
		{server, nobody, false, "404", 0, false},
		{trusted, contact, false, "180", FromTrusted, false},
		{trusted, nobody, false, "404", 0, false},
		{neighbour, contact, false, "", 0, true},
		{neighbour, aor, false, "", 0, false},
		{neighbour, nobody, false, "", 0, false},
		{stranger, contact, false, "", 0, true},
		{stranger, aor, false, "", 0, false},
		{stranger, nobody, false, "", 0, false},
		{trusted, "sip:alice@10.0.0.1", true, "180", FromTrusted, false},
		{neighbour, "sip:alice@10.0.0.1", true, "180", FromLAN, false},
		{neighbour, nobody, true, "404", 0, false},
		{stranger, "sip:alice@10.0.0.1", true, "", 0, false},
		{stranger, nobody, true, "", 0, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s to %s, lan %v", tt.from, tt.to, tt.lan), func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				srv := l.registrar(server+":5060", "secret")
				u := l.phone("10.0.0.1", func(c *Config) { c.Shield.Trusted = []netip.Prefix{netip.MustParsePrefix(trusted + "/32")} })
				u.onCall = func(c *Call) { must(t, c.Ring(t.Context())) }
				if tt.lan {
					u.lan("alice")
				} else {
					cfg := infoAccount("secret")
					cfg.ContactUser = "k7p2x"
					u.account(cfg)
				}
				time.Sleep(time.Second)
				host := srv.host
				if tt.from != server {
					host = l.net.NewHost(tt.from)
				}
				p := l.socket(host, tt.from+":5080")
				p.outside("INVITE", tt.to, "i")
				if got := p.first(); got != tt.want {
					t.Errorf("answer %q, want %q", got, tt.want)
				}
				if tt.want == "180" {
					if got := u.call(0).Origin(); got != tt.origin {
						t.Errorf("origin %s, want %s", got, tt.origin)
					}
				}
				if got := len(u.told()) == 1; got != tt.suspect {
					t.Errorf("suspects %+v", u.told())
				}
				s := u.Stats()
				if tt.want == "" && (s.Silenced == 0 || s.Transactions != 0 || s.Dialogs != 0) {
					t.Errorf("silence left %+v", s)
				}
			})
		})
	}
}

// What strangers send otherwise hears nothing either, by UDP; malformed or not.
func TestSilence(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		l.registrar("192.0.2.9:5060", "secret")
		u := l.phone("10.0.0.1", nil)
		cfg := infoAccount("secret")
		cfg.ContactUser = "k7p2x"
		u.account(cfg)
		u.lan("zoe")
		time.Sleep(time.Second)
		p := l.peer("203.0.113.5:5060")
		for i, method := range []string{"INVITE", "OPTIONS", "REGISTER", "MESSAGE", "SUBSCRIBE", "NOTIFY", "BYE", "CANCEL", "REFER", "DANCE", "PRACK"} {
			for j, to := range []string{"sip:10.0.0.1", "sip:alice@info.test", "sip:k7p2x@10.0.0.1", "sip:zoe@10.0.0.1", "sip:100@10.0.0.1"} {
				id := fmt.Sprintf("%d-%d", i, j)
				p.outside(method, to, id, "Event: presence", "User-Agent: friendly-scanner")
				p.outside(method, to, "tag"+id, "Require: teleport")
			}
			p.send("10.0.0.1:5060", method+" sip:k7p2x@10.0.0.1 SIP/7.0\r\nVia: SIP/2.0/UDP 203.0.113.5\r\nf: a\r\nt: b\r\ni: c\r\nCSeq: x\r\n\r\n")
			p.send("10.0.0.1:5060", method+" sip:k7p2x@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 203.0.113.5\r\nf: a\r\nt: b\r\ni: c\r\nCSeq: x\r\n\r\n")
		}
		time.Sleep(time.Minute)
		if len(p.in) != 0 {
			t.Errorf("%d answers, the first %s", len(p.in), (<-p.in).text)
		}
		if n := len(u.told()); n < 1 || n > 6 {
			t.Errorf("%d suspects told", n)
		}
		if s := u.Stats(); s.Transactions != 0 || s.Calls != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// A stranger's connection is closed at its first word; a neighbour's is served.
func TestSilenceOnStreams(t *testing.T) {
	for from, want := range map[string]string{"203.0.113.5": "closed", "10.0.0.2": "SIP/2.0 200 OK"} {
		bubble(t, ms, func(t *testing.T, l *lab) {
			u := l.phone("10.0.0.1", nil)
			u.lan("alice")
			conn, err := l.net.NewHost(from).DialContext(t.Context(), "tcp", "10.0.0.1:5060")
			must(t, err)
			defer func() { _ = conn.Close() }()
			_, err = fmt.Fprintf(conn, "OPTIONS sip:alice@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP %s;branch=z9hG4bKo\r\nMax-Forwards: 70\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:alice@10.0.0.1>\r\nCall-ID: o\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n", from)
			must(t, err)
			must(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
			buf := make([]byte, 1000)
			n, err := conn.Read(buf)
			got := firstLine(string(buf[:n]))
			if ne, ok := err.(net.Error); err != nil && (!ok || !ne.Timeout()) { //nolint:errorlint // netsim's own
				got = "closed"
			}
			if got != want {
				t.Errorf("%s: %q, want %q (%v)", from, got, want, err)
			}
		})
	}
}

func TestSetShield(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		u := l.phone("10.0.0.1", nil)
		u.lan("alice")
		p := l.peer("203.0.113.5:5060")
		q := l.peer("10.0.0.2:5060")
		steps := []struct {
			policy  shield.Policy
			p, q    string
			comment string
		}{
			{shield.Policy{}, "", "200", "on"},
			{shield.Policy{Off: true}, "200", "200", "off"},
			{shield.Policy{NoLAN: true}, "", "", "no neighbours"},
			{shield.Policy{NoLAN: true, Trusted: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}}, "200", "", "trusted"},
		}
		for i, s := range steps {
			u.SetShield(s.policy)
			p.outside("OPTIONS", "sip:alice@10.0.0.1", fmt.Sprint("p", i))
			q.outside("OPTIONS", "sip:alice@10.0.0.1", fmt.Sprint("q", i))
			if gotP, gotQ := p.first(), q.first(); gotP != s.p || gotQ != s.q {
				t.Errorf("%s: stranger %q, neighbour %q; want %q, %q", s.comment, gotP, gotQ, s.p, s.q)
			}
		}
	})
}

// Over the rate a server is asked to wait, a neighbour hears nothing; people the user knows get through; other methods
// and other sources are not touched.
func TestRates(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		srv := l.registrar("192.0.2.9:5060", "secret")
		u := l.phone("10.0.0.1", func(c *Config) {
			c.Shield = shield.Policy{
				PeerRates:   shield.Rates{Message: shield.Rate{Burst: 3, PerSecond: 0.1}},
				ServerRates: shield.Rates{Message: shield.Rate{Burst: 5, PerSecond: 0.1}},
				Known:       func(u uri.URI) bool { return u.User == "friend" },
			}
		})
		u.account(infoAccount("secret"))
		u.lan("alice")
		time.Sleep(time.Second)
		codes := func(p *peer, to, id string, n int, more ...string) string {
			var out []string
			for i := range n {
				from := "From: <sip:x@x.test>;tag=f"
				if len(more) > 0 {
					from = more[0]
				}
				p.request("10.0.0.1:5060", "MESSAGE "+to, fmt.Sprint(id, i), "hi", from, "To: <"+to+">",
					fmt.Sprintf("Call-ID: %s%d", id, i), "CSeq: 1 MESSAGE", "Content-Type: text/plain")
				out = append(out, p.first())
			}
			return strings.Join(out, " ")
		}
		fromServer := l.socket(srv.host, "192.0.2.9:5080")
		if got, want := codes(fromServer, "sip:alice@info.test", "s", 7), "200 200 200 200 200 503 503"; got != want {
			t.Errorf("server: %s, want %s", got, want)
		}
		if got := codes(fromServer, "sip:alice@info.test", "k", 2, "From: <sip:friend@x.test>;tag=f"); got != "200 200" {
			t.Errorf("a friend behind a flood: %s", got)
		}
		n := l.peer("10.0.0.2:5060")
		if got, want := codes(n, "sip:alice@10.0.0.1", "n", 5), "200 200 200  "; got != want {
			t.Errorf("neighbour: %q, want %q", got, want)
		}
		n.outside("OPTIONS", "sip:alice@10.0.0.1", "o")
		if got := n.first(); got != "200" {
			t.Errorf("another method: %q", got)
		}
		if got := codes(l.peer("10.0.0.3:5060"), "sip:alice@10.0.0.1", "m", 1); got != "200" {
			t.Errorf("another neighbour: %q", got)
		}
		time.Sleep(30 * time.Second)
		if got := codes(n, "sip:alice@10.0.0.1", "l", 1); got != "200" {
			t.Errorf("neighbour after a while: %q", got)
		}
		if u.Stats().Limited < 4 {
			t.Errorf("%+v", u.Stats())
		}
	})
}

// A neighbour who tries all names hears 404 a few times, then nothing.
func TestProbingNeighbour(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		u := l.phone("10.0.0.1", nil)
		u.lan("alice")
		p := l.socket(l.net.NewHost("10.0.0.2"), "10.0.0.2:5060")
		for i := range 200 {
			p.outside("OPTIONS", fmt.Sprintf("sip:%d@10.0.0.1", i), fmt.Sprint("p", i))
			time.Sleep(10 * ms)
		}
		time.Sleep(time.Second)
		if n := len(p.in); n < 1 || n > packetRates.probe.Burst+1 {
			t.Errorf("%d answers", n)
		}
		p.drain()
		p.outside("OPTIONS", "sip:alice@10.0.0.1", "ok")
		if got := p.first(); got != "200" {
			t.Errorf("the right name: %q", got)
		}
	})
}

func TestUnsolicitedNotify(t *testing.T) {
	tests := []struct {
		name, event string
		server      bool
		want        string
	}{
		{"mailbox", "message-summary", true, "200"},
		{"other event", "presence", true, "481"},
		{"mailbox of a neighbour", "message-summary", false, "481"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				srv := l.registrar("192.0.2.9:5060", "secret")
				u := l.phone("10.0.0.1", nil)
				a := u.account(infoAccount("secret"))
				u.lan("alice")
				time.Sleep(time.Second)
				p, to := l.socket(srv.host, "192.0.2.9:5080"), "sip:alice@info.test"
				if !tt.server {
					p, to = l.peer("10.0.0.2:5060"), "sip:alice@10.0.0.1"
				}
				p.request("10.0.0.1:5060", "NOTIFY "+to, "n", "Messages-Waiting: yes\r\n", "From: <sip:vm@info.test>;tag=v", "To: <"+to+">",
					"Call-ID: n", "CSeq: 1 NOTIFY", "Event: "+tt.event, "Subscription-State: active", "Content-Type: application/simple-message-summary", p.contact())
				if got := p.first(); got != tt.want {
					t.Errorf("answer %q, want %q", got, tt.want)
				}
				if tt.want != "200" {
					if got := u.notified(); len(got) != 0 {
						t.Errorf("told %+v", got)
					}
					return
				}
				n := u.notified()[0]
				if n.Account != a || n.Event != "message-summary" || n.ContentType != "application/simple-message-summary" || string(n.Body) != "Messages-Waiting: yes\r\n" {
					t.Errorf("told %+v", n)
				}
			})
		})
	}
}

// Who forges the address of a neighbour cannot make us send him much more than was sent.
func TestAmplification(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		u := l.phone("10.0.0.1", nil)
		u.lan("alice")
		u.onCall = func(c *Call) { _ = c.Decline(t.Context(), 486) }
		p := l.socket(l.net.NewHost("10.0.0.2"), "10.0.0.2:5060")
		sent := invitation("UDP", "i", "Content-Type: application/sdp\r\n", "v=0\r\n")
		p.send("10.0.0.1:5060", sent)
		time.Sleep(time.Minute)
		got, last := 0, 0
		for len(p.in) > 0 {
			last = len((<-p.in).text)
			got += last
		}
		if got == 0 || got > amplification*len(sent)+last {
			t.Errorf("%d bytes for %d", got, len(sent))
		}
	})
}

// A neighbour whose short INVITE rang for long is told that nobody answered.
func TestRefusalAfterLongRinging(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		u := l.phone("10.0.0.1", nil)
		u.lan("alice")
		u.onCall = func(c *Call) {
			must(t, c.Ring(t.Context()))
			time.Sleep(150 * time.Second) // 180 is repeated every minute
			_ = c.Decline(t.Context(), 486)
		}
		p := l.socket(l.net.NewHost("10.0.0.2"), "10.0.0.2:5060")
		p.send("10.0.0.1:5060", invitation("UDP", "i", "Content-Type: application/sdp\r\n", "v=0\r\n"))
		time.Sleep(160 * time.Second)
		last := ""
		for len(p.in) > 0 {
			last = (<-p.in).text
		}
		if !strings.HasPrefix(last, "SIP/2.0 486") {
			t.Errorf("the last that came is %q", last)
		}
	})
}
