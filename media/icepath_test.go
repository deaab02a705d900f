package media

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/media/codec"
	"github.com/peregrine-softphone/peregrine/media/ice"
)

// iceCall runs f in a bubble with two phones in a call, of which those that are asked to do ICE.
func iceCall(t *testing.T, first, second bool, f func(t *testing.T, w *wire, a, b *phone)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(1)
		a, b := icePhone(t, w, "10.0.0.1", first), icePhone(t, w, "10.0.0.2", second)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, p := range []*phone{a, b} {
			wg.Go(func() {
				if err := p.Run(ctx); err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		}
		connect(t, a, b)
		f(t, w, a, b)
		cancel()
		wg.Wait()
	})
}

func icePhone(t *testing.T, w *wire, host string, on bool) *phone {
	t.Helper()
	if !on {
		return newPhone(t, w, host, "PCMU")
	}
	p := &phone{
		singer: &singer{}, ear: &ear{}, digits: make(chan rune, 64), host: &host,
		rtp: w.listen(host + ":4000"), rtcp: w.listen(host + ":4001"),
	}
	pcmu, _ := codec.Find("PCMU")
	own := func(netip.Addr) netip.Addr { return netip.MustParseAddr(*p.host) }
	s, err := New(Config{
		Listen:    func() (net.PacketConn, net.PacketConn, error) { return p.rtp, p.rtcp, nil },
		LocalAddr: own, Codecs: []codec.Codec{pcmu}, Recorder: p.singer, Player: p.ear,
		ICE: &ice.Config{Addresses: func() []netip.Addr { return nil }, Source: own},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Session = s
	return p
}

func TestICE(t *testing.T) {
	iceCall(t, true, true, func(t *testing.T, _ *wire, a, b *phone) {
		time.Sleep(6 * time.Second)
		for _, p := range []*phone{a, b} {
			if st := p.Stats(); st.Path != "direct" || st.Symmetric || st.Lost != 0 || st.RTT == 0 || st.Garbage != 0 {
				t.Errorf("stats %+v", st)
			}
		}
		listen(t, a, b, 0.2, 0.6, 0.98) // the first words, too
		listen(t, b, a, 4, 1, 0.98)
	})
}

// TestICEMoves gives a another address: both hear each other over it after the next offer, which restarts ICE.
func TestICEMoves(t *testing.T) {
	iceCall(t, true, true, func(t *testing.T, w *wire, a, b *phone) {
		time.Sleep(3 * time.Second)
		before, err := a.Offer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a.Rollback()
		w.rebind(a.rtp, "10.0.9.9:4000")
		w.rebind(a.rtcp, "10.0.9.9:4001")
		*a.host = "10.0.9.9"
		a.Moved(time.Now())
		time.Sleep(60 * time.Millisecond) // signalling
		connect(t, a, b)
		time.Sleep(5 * time.Second)
		if st := b.Stats(); st.Remote.String() != "10.0.9.9:4000" || st.Path != "direct" {
			t.Errorf("b sends to %v by %q", st.Remote, st.Path)
		}
		if st := a.Stats(); st.Path != "direct" {
			t.Errorf("a sends by %q", st.Path)
		}
		listen(t, a, b, 6, 1, 0.98)
		listen(t, b, a, 6, 1, 0.98)
		after, err := a.Offer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		a.Rollback()
		if ufrag(before) == ufrag(after) || ufrag(after) == "" {
			t.Errorf("ICE was not restarted: %q before, %q after", ufrag(before), ufrag(after))
		}
	})
}

func ufrag(description []byte) string {
	_, rest, _ := strings.Cut(string(description), "a=ice-ufrag:")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

// TestICEWithPlainPeers: whoever does not do ICE hears and is heard as ever.
func TestICEWithPlainPeers(t *testing.T) {
	for name, who := range map[string][2]bool{"caller": {true, false}, "callee": {false, true}} {
		t.Run(name, func(t *testing.T) {
			iceCall(t, who[0], who[1], func(t *testing.T, _ *wire, a, b *phone) {
				time.Sleep(4 * time.Second)
				listen(t, a, b, 2, 1, 0.98)
				listen(t, b, a, 2, 1, 0.98)
				for _, p := range []*phone{a, b} {
					if st := p.Stats(); st.Path != "" {
						t.Errorf("path %q without ICE", st.Path)
					}
				}
			})
		})
	}
}

// TestICEMismatch: a description whose address is that of no candidate was changed on the way. The answer says so, and
// the media goes by SDP.
func TestICEMismatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire(1)
		a, b := icePhone(t, w, "10.0.0.1", true), icePhone(t, w, "10.0.0.2", true)
		offer, err := a.Offer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		changed := strings.Replace(string(offer), "c=IN IP4 10.0.0.1", "c=IN IP4 10.0.0.99", 1)
		answer, err := b.Answer([]byte(changed))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(answer), "a=ice-mismatch\r\n") || strings.Contains(string(answer), "a=candidate") {
			t.Errorf("the answer does not say that ICE cannot be used:\n%s", answer)
		}
		if err := a.Accept(answer); err != nil {
			t.Fatal(err)
		}
		offer, err = a.Offer(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(offer), "a=ice") {
			t.Errorf("a further offer still speaks of ICE:\n%s", offer)
		}
		a.Close()
		b.Close()
		a.finder.wait()
		b.finder.wait()
	})
}

// TestICEWantsOffer: as long as the descriptions name the selected pair, no further one has to.
func TestICEWantsOffer(t *testing.T) {
	iceCall(t, true, true, func(t *testing.T, _ *wire, a, b *phone) {
		time.Sleep(2 * time.Second)
		if a.WantsOffer() || b.WantsOffer() {
			t.Errorf("a wants an offer: %v, b: %v", a.WantsOffer(), b.WantsOffer())
		}
	})
}
