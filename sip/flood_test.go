package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/sip/shield"
	"github.com/peregrine-softphone/peregrine/sip/transport"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// floodPacket is the n-th packet of a flood: valid requests, scanners, probing, junk, stray answers, requests inside
// dialogs that never were.
func floodPacket(n int, from, user string) string {
	id := fmt.Sprintf("%s-%d", from, n)
	head := func(method, to, more string) string {
		return method + " " + to + " SIP/2.0\r\nVia: SIP/2.0/UDP " + from + ":5060;branch=z9hG4bK" + id + ";rport\r\nMax-Forwards: 70\r\n" +
			"From: <sip:x@" + from + ">;tag=" + id + "\r\nTo: <" + to + ">" + more + "\r\nCall-ID: " + id + "\r\nCSeq: 1 " + method +
			"\r\nContact: <sip:x@" + from + ">\r\n"
	}
	const end = "Content-Length: 0\r\n\r\n"
	to := "sip:" + user + "@10.0.0.1"
	switch n % 10 {
	case 0:
		return head("INVITE", to, "") + end
	case 1:
		return head("REGISTER", "sip:10.0.0.1", "") + "User-Agent: friendly-scanner\r\n" + end
	case 2:
		return head("INVITE", fmt.Sprintf("sip:900%d@10.0.0.1", n), "") + end
	case 3:
		return strings.Repeat("\x00\xff", 300)
	case 4:
		return "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK" + id + "\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: " + id + "\r\nCSeq: 1 INVITE\r\n" + end
	case 5:
		return head("BYE", to, ";tag=guess") + end
	case 6:
		return head("MESSAGE", to, "") + "Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nspam"
	case 7:
		return head("SUBSCRIBE", to, "") + "Event: presence\r\nExpires: 3600\r\n" + end
	case 8:
		return "INVITE " + to + " SIP/2.0\r\nVia: SIP/2.0/UDP ;branch=\r\nCSeq: x\r\n\r\n"
	default:
		return head("OPTIONS", to, "") + end
	}
}

// 2,000 packets a second for ten seconds, from forty strangers and two neighbours: the live call goes on, another
// call from the server and one of an honest neighbour ring meanwhile, and afterwards nothing is left of it.
func TestFlood(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		srv := l.registrar("192.0.2.9:5060", "secret")
		u := l.phone("10.0.0.1", nil)
		cfg := infoAccount("secret")
		cfg.ContactUser = "k7p2x"
		u.account(cfg)
		u.lan("alice")
		u.onCall = func(c *Call) {
			if c.Remote().URI.User != "honest" {
				time.Sleep(time.Second)
				_ = c.Decline(t.Context(), 486)
				return
			}
			must(t, c.Ring(t.Context()))
			must(t, c.Answer(t.Context(), &talk{name: "alice"}))
		}
		u.onSub = func(s *ServerSubscription) { _ = s.Reject(t.Context(), 403) }
		time.Sleep(time.Second)
		call := func(p *peer, to, id string) func(method, seq string) string {
			from := "From: <sip:honest@x.test>;tag=" + id
			p.request("10.0.0.1:5060", "INVITE "+to, id, "v=0\r\no=h\r\n", from, "To: <"+to+">", "Call-ID: "+id, "CSeq: 1 INVITE", p.contact())
			tagged := "To: " + p.await("SIP/2.0 200").field("To")
			inside := func(method, seq string) string {
				p.request("10.0.0.1:5060", method+" "+to, id+seq, "", from, tagged, "Call-ID: "+id, "CSeq: "+seq+" "+method, p.contact())
				if method == "ACK" {
					return ""
				}
				return p.first()
			}
			inside("ACK", "1")
			return inside
		}
		server := l.socket(srv.host, "192.0.2.9:5080")
		live := call(server, "sip:k7p2x@10.0.0.1", "live")
		goroutines := runtime.NumGoroutine()
		stop := flood(l, 2000)
		for i := range 10 {
			time.Sleep(time.Second)
			if got := live("INFO", fmt.Sprint(2+i)); got != "200" {
				t.Fatalf("second %d: INFO in the live call %q", i, got)
			}
		}
		second := call(l.socket(srv.host, "192.0.2.9:5081"), "sip:k7p2x@10.0.0.1", "second")
		third := call(l.peer("10.0.0.5:5060"), "sip:alice@10.0.0.1", "third")
		s := u.Stats()
		if s.Silenced < 6000 || s.Limited < 500 || s.Transactions > maxTransactions/2 {
			t.Errorf("under the flood %+v", s)
		}
		stop()
		for _, inside := range []func(string, string) string{live, second, third} {
			if got := inside("BYE", "99"); got != "200" {
				t.Errorf("BYE %q", got)
			}
		}
		time.Sleep(2 * time.Minute)
		s = u.Stats()
		if s.Transactions != 0 || s.Dialogs != 0 || s.Calls != 0 || u.guard.slots.Len() != 0 || u.guard.buckets.Len() > maxBuckets {
			t.Errorf("left %+v, %d sources with places, %d buckets", s, u.guard.slots.Len(), u.guard.buckets.Len())
		}
		if n := runtime.NumGoroutine(); n > goroutines+44 { // 42 + 2 sockets of the test's own
			t.Errorf("%d goroutines, %d before", n, goroutines)
		}
	})
}

// flood begins one of that many packets a second; the function returned ends it.
func flood(l *lab, perSecond int) (stop func()) {
	var froms []*peer
	for i := range 42 {
		addr := fmt.Sprintf("203.0.113.%d", i+1)
		if i >= 40 {
			addr = fmt.Sprintf("10.0.0.%d", 60+i)
		}
		froms = append(froms, l.socket(l.net.NewHost(addr), addr+":5060"))
	}
	done, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		tick := time.NewTicker(10 * ms)
		defer tick.Stop()
		for n := 0; ; {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			for range perSecond / 100 {
				p := froms[n%len(froms)]
				if n%2 == 0 { // half of it from the neighbours
					p = froms[40+n/2%2]
				}
				p.send("10.0.0.1:5060", floodPacket(n/2, strings.TrimSuffix(p.addr, ":5060"), "alice"))
				n++
			}
		}
	}()
	return func() { close(done); <-over }
}

// The same through the system's sockets, as fast as they go: bounded, and the memory comes back.
func TestFloodOnLoopback(t *testing.T) {
	h := &phone{}
	h.onCall = func(c *Call) { _ = c.Decline(context.Background(), 486) }
	h.onSub = func(s *ServerSubscription) { _ = s.Reject(context.Background(), 403) }
	u, err := New(context.Background(), Config{Handler: h, Resolver: names{}, EventPackages: []string{"presence"}})
	must(t, err)
	_, err = u.AddAccount(AccountConfig{ID: "a", AOR: mustURI(t, "sip:alice@x")})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	<-u.Ready()
	defer func() {
		cancel()
		must(t, <-ended)
	}()
	conn, err := net.DialUDP("udp", nil, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: u.Port()})
	must(t, err)
	defer func() { _ = conn.Close() }()
	packet := func(n int, from string) []byte {
		return []byte(strings.ReplaceAll(floodPacket(n, from, "alice"), "@10.0.0.1", fmt.Sprintf("@127.0.0.1:%d", u.Port())))
	}
	before := runtime.NumGoroutine()
	for n := range 20_000 {
		_, _ = conn.Write(packet(n, "127.0.0.1")) // a full socket loses some, as it should
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	s := u.Stats()
	if m.HeapAlloc > 64<<20 || s.Transactions > maxTransactions/16 || s.Calls > maxCalls {
		t.Errorf("%d MB, %+v", m.HeapAlloc>>20, s)
	}
	if n := runtime.NumGoroutine(); n > before+1000 {
		t.Errorf("%d goroutines, %d before", n, before)
	}
	other, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)}, &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: u.Port()})
	must(t, err)
	defer func() { _ = other.Close() }()
	buf := make([]byte, 2000)
	n := 0
	for range 60 { // repeated, as UDP wants: the socket may be full still
		_, err = other.Write(packet(9, "127.0.0.2"))
		must(t, err)
		must(t, other.SetReadDeadline(time.Now().Add(500*time.Millisecond)))
		if n, err = other.Read(buf); err == nil {
			break
		}
	}
	if err != nil || !strings.HasPrefix(string(buf[:n]), "SIP/2.0 200") {
		t.Errorf("another neighbour heard %q, %v", firstLine(string(buf[:n])), err)
	}
}

// swallow is a stream that swallows: its transactions end with their answer.
type swallow struct{ nowhere }

func (swallow) Transport() string                         { return "tcp" }
func (s swallow) Answers(_ uint16, _ bool) transport.Conn { return s }

// BenchmarkFlood measures what one packet costs the reader of the socket: one that is dropped unparsed (a stranger's
// INVITE, a neighbour's over his rate) and one that is parsed, admitted and answered.
func BenchmarkFlood(b *testing.B) {
	u, err := New(context.Background(), Config{Handler: &phone{}, Resolver: names{}, Network: netsim.New(netsim.Config{}).NewHost("10.0.0.1")})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := u.AddAccount(AccountConfig{ID: "a", AOR: uri.New("alice", "x", 0)}); err != nil {
		b.Fatal(err)
	}
	parse := newParser()
	take := func(from netip.AddrPort, stream bool, raw []byte) {
		if !u.guard.Admit(from, stream, raw) {
			return
		}
		msg, err := parse(raw)
		if err != nil {
			return
		}
		msg.SetTransport("TCP")
		msg.SetSource(from.String())
		u.tx.receive(transport.Received{Msg: msg, Raw: raw, Conn: swallow{}, Remote: from})
	}
	const kinds = 4096
	for _, bb := range []struct {
		name, from string
		n          int
		rate       float64
	}{
		{"stranger silenced", "203.0.113.5:5060", 0, 0},
		{"neighbour over the rate", "10.0.0.2:5060", 9, 0},
		{"neighbour answered", "10.0.0.2:5060", 9, 1e9},
	} {
		b.Run(bb.name, func(b *testing.B) {
			from := netip.MustParseAddrPort(bb.from)
			if bb.rate > 0 {
				r := shield.Rate{Burst: 1 << 30, PerSecond: bb.rate}
				u.SetShield(shield.Policy{ServerRates: shield.Rates{Other: r}, Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
				defer u.SetShield(shield.Policy{})
			}
			var packets [kinds][]byte
			for i := range packets {
				packets[i] = []byte(floodPacket(10*i+bb.n, from.Addr().String(), "alice"))
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				take(from, bb.rate > 0, packets[i%kinds])
				i++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
		})
	}
}
