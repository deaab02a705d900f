package media

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

func TestGuard(t *testing.T) {
	const ms = time.Millisecond
	var (
		peer    = netip.MustParseAddrPort("192.0.2.1:4000")
		moved   = netip.MustParseAddrPort("192.0.2.99:4000")
		foreign = netip.MustParseAddrPort("198.51.100.66:5")
	)
	type step struct {
		at       time.Duration
		from     netip.AddrPort
		ssrc     uint32
		expected bool
		want     bool
	}
	tests := map[string][]step{
		"the first one whoever it is": {{0, foreign, 9, false, true}},
		"the expected one at once":    {{0, foreign, 9, false, true}, {1 * ms, peer, 7, true, true}, {2 * ms, foreign, 9, false, false}},
		"a foreign source":            {{0, peer, 7, true, true}, {200 * ms, foreign, 9, false, false}, {201 * ms, foreign, 9, false, true}},
		"a foreign one of our number": {{0, peer, 7, true, true}, {60 * ms, foreign, 7, false, false}, {61 * ms, foreign, 7, false, true}},
		"another source at the peer":  {{0, peer, 7, true, true}, {1 * ms, peer, 8, true, true}, {30 * ms, foreign, 7, false, false}},
		"after a move": {
			{0, peer, 7, true, true},
			{20 * ms, peer, 7, false, true}, // the re-INVITE came before the last packets
			{25 * ms, moved, 7, true, true},
			{26 * ms, peer, 7, false, true}, // they were slower
			{27 * ms, peer, 9, false, false},
			{28 * ms, foreign, 7, false, false},
			{30 * ms, moved, 7, true, true},
			{3000 * ms, moved, 7, true, true},
			{3010 * ms, peer, 7, false, false},
		},
		"a forger is no former sender": {
			{0, foreign, 7, false, true}, {10 * ms, peer, 7, true, true}, {11 * ms, foreign, 7, false, false},
		},
	}
	for name, steps := range tests {
		t.Run(name, func(t *testing.T) {
			var g guard
			for i, s := range steps {
				got := g.admits(s.from, s.ssrc, s.expected, s.at)
				if got != s.want {
					t.Errorf("step %d: admitted %v", i, got)
				}
				if got {
					g.took(s.from, s.ssrc, s.expected, s.at)
				}
			}
		})
	}
}

// forger floods a phone with well-formed RTP of the call's payload type. It knows the timestamps by heart.
type forger struct {
	end  *end
	to   *end
	rng  *rand.Rand
	sent int
}

func (f *forger) send(t *testing.T, payload uint8, ssrc uint32, seq uint16, ts uint32) {
	t.Helper()
	data := make([]byte, rtpHeader+160)
	data[0], data[1] = 0x80, payload
	binary.BigEndian.PutUint16(data[2:], seq)
	binary.BigEndian.PutUint32(data[4:], ts)
	binary.BigEndian.PutUint32(data[8:], ssrc)
	for i := rtpHeader; i < len(data); i++ {
		data[i] = byte(f.rng.Uint32())
	}
	if _, err := f.end.WriteTo(data, f.to.LocalAddr()); err != nil {
		t.Fatal(err)
	}
	f.sent++
}

// TestForeignStreams floods a call with streams from elsewhere: of random numbers, of the right source with guessed
// sequence numbers, and with exactly the packets that come next.
func TestForeignStreams(t *testing.T) {
	for name, forge := range map[string]func(t *testing.T, f *forger, n int, victim *sender){
		"random": func(t *testing.T, f *forger, _ int, _ *sender) {
			ssrc, seq, ts := f.rng.Uint32(), uint16(f.rng.Uint32()), f.rng.Uint32()
			for k := range 3 { // in sequence, as a new source would come
				f.send(t, 0, ssrc, seq+uint16(k), ts+160*uint32(k))
			}
		},
		"right source, guessed sequence": func(t *testing.T, f *forger, n int, victim *sender) {
			for k := range 3 {
				f.send(t, 0, victim.ssrc, uint16(3*n+k)*97, f.rng.Uint32())
			}
		},
		"the very next packets": func(t *testing.T, f *forger, _ int, victim *sender) {
			victim.mu.Lock()
			seq, ts := victim.seq, victim.ts
			victim.mu.Unlock()
			for k := range 3 {
				f.send(t, 0, victim.ssrc, seq+uint16(k), ts+160*uint32(k))
			}
		},
		"digits": func(t *testing.T, f *forger, _ int, victim *sender) {
			victim.mu.Lock()
			seq, ts := victim.seq, victim.ts
			victim.mu.Unlock()
			f.send(t, 101, victim.ssrc, seq, ts)
		},
	} {
		t.Run(name, func(t *testing.T) {
			inCall(t, []string{"PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
				time.Sleep(time.Second)
				f := &forger{end: w.listen("10.6.6.6:666"), to: b.rtp, rng: rand.New(rand.NewPCG(6, 6))}
				before := b.Stats()
				for n := range 2500 {
					forge(t, f, n, a.tx)
					time.Sleep(2 * time.Millisecond)
				}
				time.Sleep(time.Second)
				st := b.Stats()
				listen(t, a, b, 2, 0.6, 0.98)
				listen(t, a, b, 4.6, 0.6, 0.98)
				if n := st.Garbage - before.Garbage; n != uint64(f.sent) {
					t.Errorf("%d of %d forged packets refused", n, f.sent)
				}
				// One packet more or less is in flight at the two moments.
				if n := st.PacketsReceived - before.PacketsReceived; n < 299 || n > 301 {
					t.Errorf("%d packets received, want 300", n)
				}
				if st.Lost != 0 || st.Concealed != before.Concealed ||
					st.Remote != a.rtp.addr || st.Delay > before.Delay || len(b.digits) > 0 {
					t.Errorf("before %+v\nafter %+v", before, st)
				}
			})
		})
	}
}

// TestForeignReports sends a goodbye and figures of a call from elsewhere.
func TestForeignReports(t *testing.T) {
	inCall(t, []string{"PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
		time.Sleep(3 * time.Second)
		data, err := rtcp.Marshal([]rtcp.Packet{
			&rtcp.ReceiverReport{SSRC: a.tx.ssrc, Reports: []rtcp.ReceptionReport{{SSRC: b.tx.ssrc, FractionLost: 255}}},
			&rtcp.Goodbye{Sources: []uint32{a.tx.ssrc}},
		})
		if err != nil {
			t.Fatal(err)
		}
		evil := w.listen("10.6.6.6:666")
		for _, to := range []*end{b.rtp, b.rtcp} {
			if _, err := evil.WriteTo(data, to.LocalAddr()); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(50 * time.Millisecond)
		if st := b.Stats(); st.RemoteLossPercent != 0 || st.Garbage != 2 {
			t.Errorf("loss %g, garbage %d", st.RemoteLossPercent, st.Garbage)
		}
		b.rep.mu.Lock()
		defer b.rep.mu.Unlock()
		if b.rep.bye {
			t.Error("a foreign goodbye was believed")
		}
	})
}

// TestPeerMovesWithoutAWord lets a's packets come from elsewhere, with their numbers: they are heard again after the
// wait of a successor.
func TestPeerMovesWithoutAWord(t *testing.T) {
	inCall(t, []string{"PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
		time.Sleep(3 * time.Second)
		w.rebind(a.rtp, "10.0.9.9:4000")
		time.Sleep(2 * time.Second)
		st := b.Stats()
		if st.Lost > 3 || st.Garbage > 3 || st.PacketsReceived < 240 {
			t.Errorf("%+v", st)
		}
		listen(t, a, b, 4, 0.6, 0.95)
	})
}
