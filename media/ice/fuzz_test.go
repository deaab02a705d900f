package ice

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/pion/stun/v3"

	"github.com/peregrine-softphone/peregrine/media/sdp"
)

// good is a description with ICE as baresip writes it: credentials at session level.
const good = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n" +
	"a=ice-ufrag:q1w2\r\na=ice-pwd:0123456789abcdefghijkl\r\n" +
	"m=audio 5000 RTP/AVP 0\r\n" +
	"a=candidate:1 1 UDP 2113929471 192.0.2.1 5000 typ host\r\n" +
	"a=candidate:1 2 UDP 2113929470 192.0.2.1 5001 typ host\r\n" +
	"a=candidate:2 1 UDP 1677721855 198.51.100.7 61000 typ srflx raddr 192.0.2.1 rport 5000\r\n"

// FuzzCandidate reads the ICE lines of descriptions by strangers: no panic, and what is taken is within bounds.
func FuzzCandidate(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte("v=0\r\nm=audio 9 RTP/AVP 0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdefghijkl\r\n" +
		"a=ice-lite\r\na=candidate:0 1 tcp 1 ::1 9 typ host tcptype active\r\na=candidate:0 1 udp 1 a.local 9 typ host\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := sdp.Parse(text)
		if err != nil {
			return
		}
		for i := range d.Media {
			r, mismatch := ParseRemote(d, &d.Media[i])
			if r == nil {
				continue
			}
			if mismatch || len(r.of(1)) == 0 || len(r.of(1))+len(r.of(2)) > maxCandidates {
				t.Errorf("mismatch %v, %d and %d candidates", mismatch, len(r.of(1)), len(r.of(2)))
			}
			for _, c := range slices.Concat(r.of(1), r.of(2)) {
				addr, err := candidateAddr(c)
				if err != nil || addr.Port() == 0 || addr.Addr().IsUnspecified() || addr.Addr().IsMulticast() {
					t.Errorf("candidate %v at %v: %v", c, addr, err)
				}
			}
		}
	})
}

// quiet is an agent whose sockets lead nowhere, in a call with a peer that is not there.
func quiet(tb testing.TB) (*Agent, credentials) {
	tb.Helper()
	a, err := New(Config{
		Addresses: func() []netip.Addr { return []netip.Addr{netip.MustParseAddr("192.0.2.9")} },
		Source:    func(netip.Addr) netip.Addr { return netip.MustParseAddr("192.0.2.9") },
	}, Transport{
		Ports: [2]int{4000, 4001}, Send: func(int, []byte, netip.AddrPort) error { return nil },
		Deliver: func(int, []byte, netip.AddrPort) { tb.Error("something was delivered that came through no relay") },
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		a.Close()
		a.Wait()
	})
	if err := a.Prepare(nil); err != nil {
		tb.Fatal(err)
	}
	d, err := sdp.Parse([]byte(good))
	if err != nil {
		tb.Fatal(err)
	}
	r, _ := ParseRemote(d, &d.Media[0])
	if err := a.Start(r, true, false); err != nil {
		tb.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a, a.present.local
}

// FuzzSTUN gives datagrams to an agent as a stranger may send them, and, with the right password, as a bad peer may: no
// panic, nothing remembered beyond the bounds, and no time lost.
func FuzzSTUN(f *testing.F) {
	a, local := quiet(f)
	check := func(set ...stun.Setter) []byte {
		m, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.BindingRequest}, set...)...)
		if err != nil {
			f.Fatal(err)
		}
		return m.Raw
	}
	user := stun.NewUsername(local.ufrag + ":q1w2")
	f.Add(check(), uint16(5000), true)
	f.Add(check(user, stun.NewShortTermIntegrity(local.pwd), stun.Fingerprint), uint16(5000), false)
	f.Add(check(user, stun.RawAttribute{Type: stun.AttrUseCandidate}, stun.NewShortTermIntegrity(local.pwd)), uint16(1), false)
	f.Add([]byte{1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, uint16(7), true)
	f.Fuzz(func(t *testing.T, data []byte, port uint16, rtcp bool) {
		component := rtpComponent
		if rtcp {
			component = rtcpComponent
		}
		from := netip.AddrPortFrom(netip.MustParseAddr("198.51.100.9"), port)
		kept := slices.Clone(data)
		began := time.Now()
		a.Handle(component, data, from)
		if took := time.Since(began); took > time.Second {
			t.Errorf("%d bytes took %v", len(data), took)
		}
		if !slices.Equal(kept, data) {
			t.Error("the datagram was written to")
		}
		for _, c := range (*a.live.Load())[0].list {
			c.mu.Lock()
			if len(c.sources) > maxSources || len(c.seen) > maxSources {
				t.Errorf("%d sources and %d mappings are remembered", len(c.sources), len(c.seen))
			}
			c.mu.Unlock()
		}
	})
}
