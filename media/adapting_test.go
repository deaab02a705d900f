package media

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/peregrine-softphone/peregrine/media/codec"
)

// TestReportsThatCannotBeTrue: forged and absurd reports of the peer change nothing.
func TestReportsThatCannotBeTrue(t *testing.T) {
	const ours, next = 7, 50000
	block := func(change func(*rtcp.ReceptionReport)) rtcp.ReceptionReport {
		b := rtcp.ReceptionReport{SSRC: ours, FractionLost: 128, LastSequenceNumber: next - 5}
		change(&b)
		return b
	}
	for _, tt := range []struct {
		name string
		b    rtcp.ReceptionReport
		from string
		want bool
	}{
		{"true", block(func(*rtcp.ReceptionReport) {}), "192.0.2.1", true},
		{"with cycles", block(func(b *rtcp.ReceptionReport) { b.LastSequenceNumber |= 3 << 16 }), "192.0.2.1", true},
		{"about another stream", block(func(b *rtcp.ReceptionReport) { b.SSRC = 8 }), "192.0.2.1", false},
		{"from elsewhere", block(func(*rtcp.ReceptionReport) {}), "192.0.2.9", false},
		{"of what was not sent", block(func(b *rtcp.ReceptionReport) { b.LastSequenceNumber = next }), "192.0.2.1", false},
		{"of long ago", block(func(b *rtcp.ReceptionReport) { b.LastSequenceNumber = next - 4000 }), "192.0.2.1", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &Session{tx: newSender(ours, func([]byte) {})}
			s.tx.seq = next
			s.rx.describe(netip.MustParseAddrPort("192.0.2.1:4000"), true, false)
			data, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ReceiverReport{SSRC: 9, Reports: []rtcp.ReceptionReport{tt.b}}})
			if err != nil {
				t.Fatal(err)
			}
			s.takeReport(data, netip.MustParseAddr(tt.from), unproven, time.Second)
			if got := s.rep.up.Reports == 1; got != tt.want || got && s.rep.up.Loss != 0.5 {
				t.Errorf("%+v, want it taken: %v", s.rep.up, tt.want)
			}
			if s.rep.up.RTT != 0 {
				t.Errorf("a round trip of %v to a report that was never sent", s.rep.up.RTT)
			}
			s.takeReport(data, netip.MustParseAddr(tt.from), unproven, time.Second+time.Millisecond)
			if s.rep.up.Reports > 1 {
				t.Error("repeated at once, it counts twice")
			}
		})
	}
}

// TestRoughDelay: a peer that says it kept our report a little longer than the whole round trip took is near; one that
// says much longer has a clock that was set.
func TestRoughDelay(t *testing.T) {
	const ours, next, lsr = 7, 50000, 1 << 20
	for _, tt := range []struct {
		name  string
		delay uint32 // 1/65536 s, of an arrival a second after the report
		want  time.Duration
	}{
		{"half a second away", 1 << 15, 500 * time.Millisecond},
		{"rough", 1<<16 + 300, time.Microsecond},
		{"set", 1<<16 + 1<<15, 0},
	} {
		s := &Session{tx: newSender(ours, func([]byte) {})}
		s.rep.said[0] = senderTime{lsr, 0}
		b := rtcp.ReceptionReport{SSRC: ours, LastSequenceNumber: next - 5, LastSenderReport: lsr, Delay: tt.delay}
		s.tx.seq = next
		s.takeBlocks([]rtcp.ReceptionReport{b}, lsr+1<<16, time.Second)
		if s.rep.rtt != tt.want {
			t.Errorf("%s: a round trip of %v, want %v", tt.name, s.rep.rtt, tt.want)
		}
	}
}

// TestPacketTimeChanges: packets of another length follow without a gap and without a lost sample.
func TestPacketTimeChanges(t *testing.T) {
	c, _ := codec.Find("PCMU")
	var stamps, lengths []uint32
	tx := newSender(7, func(p []byte) {
		stamps = append(stamps, binary.BigEndian.Uint32(p[4:]))
		lengths = append(lengths, uint32(len(p)-rtpHeader))
	})
	out, err := newOutgoing(c, 0, 20)
	if err != nil {
		t.Fatal(err)
	}
	out.send = true
	tx.configure(out)
	frame := make([]int16, deviceSamples)
	for i := range 300 {
		switch i {
		case 51, 153: // in the middle of a packet
			tx.tune(func(t *tuning) { t.packetMS = 60 })
		case 100, 201:
			tx.tune(func(t *tuning) { t.packetMS = 40 })
		case 250:
			tx.tune(func(t *tuning) { t.packetMS = 0 })
		}
		tx.push(frame, time.Duration(i)*frameTime)
	}
	seen := map[uint32]int{}
	for i := range stamps {
		seen[lengths[i]]++
		if i > 0 && stamps[i]-stamps[i-1] != lengths[i-1] {
			t.Errorf("packet %d: %d samples after one of %d", i, stamps[i]-stamps[i-1], lengths[i-1])
		}
	}
	if seen[160] < 20 || seen[320] < 10 || seen[480] < 10 {
		t.Errorf("packets of %v samples", seen)
	}
}

// TestCodecOrder: what is in use comes first in later offers; another codec of the agreement can be sent at once.
func TestCodecOrder(t *testing.T) {
	inCall(t, []string{"PCMU", "G722", "PCMA"}, func(t *testing.T, _ *wire, a, b *phone) {
		time.Sleep(time.Second)
		if err := b.SetCodecs([]string{"PCMA", "PCMU"}); err != nil {
			t.Fatal(err)
		}
		connect(t, b, a)
		if a.Stats().Codec != "PCMA" || a.CodecOrder() != nil {
			t.Fatalf("%s, order %v", a.Stats().Codec, a.CodecOrder())
		}
		if err := b.SetCodecs(nil); err != nil {
			t.Fatal(err)
		}
		connect(t, a, b) // as for a hold, or after a move
		connect(t, b, a)
		if a.Stats().Codec != "PCMA" || b.Stats().Codec != "PCMA" {
			t.Errorf("an offer for another reason led to %s and %s", a.Stats().Codec, b.Stats().Codec)
		}
		undo, ok := a.SendNow("pcmu")
		time.Sleep(time.Second)
		if !ok || a.Stats().Codec != "PCMU" || b.Stats().ReceiveCodec != "PCMU" || a.Agreed() != "PCMA" {
			t.Errorf("%v: sends %s, %s arrives", ok, a.Stats().Codec, b.Stats().ReceiveCodec)
		}
		undo()
		time.Sleep(time.Second)
		if b.Stats().ReceiveCodec != "PCMA" || b.Stats().Lost > 0 {
			t.Errorf("afterwards %s, %d lost", b.Stats().ReceiveCodec, b.Stats().Lost)
		}
		if _, ok := a.SendNow("L16"); ok {
			t.Error("sends what was never agreed on")
		}
	})
}

// TestMetricsAreExchanged: each side knows what the other hears.
func TestMetricsAreExchanged(t *testing.T) {
	inCall(t, []string{"PCMU"}, func(t *testing.T, w *wire, a, b *phone) {
		w.set(func(w *wire) { w.loss = 0.1 })
		time.Sleep(20 * time.Second)
		st := a.Stats()
		if st.RemoteMOS < 2 || st.RemoteMOS > 4.2 || st.RemoteLossPercent < 3 || st.RTT < 35*time.Millisecond || st.Bitrate < 61000 || st.Bitrate > 67000 {
			t.Errorf("MOS %g, %g %% lost there, RTT %v, %d bit/s", st.RemoteMOS, st.RemoteLossPercent, st.RTT, st.Bitrate)
		}
		if here := b.Stats().MOS; here < 1.5 || here > 4 {
			t.Errorf("MOS %g with 10 %% lost", here)
		}
	})
}

// TestTroubleIsToldSoon: a peer hears of losses within a second and a half, not with the next regular report.
func TestTroubleIsToldSoon(t *testing.T) {
	inCall(t, []string{"PCMU"}, func(t *testing.T, w *wire, a, _ *phone) {
		time.Sleep(12 * time.Second)
		w.set(func(w *wire) { w.loss = 0.2 })
		before := a.network(a.now()).Up.Reports
		time.Sleep(10 * time.Second)
		if n := a.network(a.now()).Up.Reports - before; n < 4 || n > 11 {
			t.Errorf("%d reports in 10 s of trouble", n)
		}
	})
}

func TestArrivals(t *testing.T) {
	ms := time.Millisecond
	var a arrivals
	one, two := stream{1, 8000}, stream{1, 48000}
	for _, tt := range []struct {
		name        string
		at          time.Duration
		s           stream
		least, want time.Duration
		anew        bool
	}{
		{"the first", 0, one, 500 * ms, 0, false},
		{"a queue", time.Second, one, 620 * ms, 120 * ms, false},
		{"a quicker one", 2 * time.Second, one, 490 * ms, 0, false},
		{"a minute later the least still counts", 50 * time.Second, one, 540 * ms, 50 * ms, false},
		{"then no longer", 150 * time.Second, one, 540 * ms, 0, false},
		{"another clock", 201 * time.Second, two, 5 * time.Hour, 0, false},
		{"its queue", 202 * time.Second, two, 5*time.Hour + 80*ms, 80 * ms, false},
		{"absurd", 203 * time.Second, two, 6 * time.Hour, 0, false},
		{"timestamps that stood still in a pause", 204 * time.Second, two, 6*time.Hour + time.Second, 0, true},
	} {
		if got := a.queue(tt.at, tt.s, tt.least, tt.anew); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	for i, n := range []uint64{0, 50, 100} {
		want := 0.0
		if i > 0 {
			want = 0.2
		}
		if got := a.loss(1, n, n*8/10); got != want {
			t.Errorf("loss %g at %d, want %g", got, n, want)
		}
	}
	if got := a.loss(1, 20, 10); got != 0 {
		t.Errorf("loss %g after the count began anew", got)
	}
}

// TestLimitIsAskedFor: the peer of an Opus call is told how much may come.
func TestLimitIsAskedFor(t *testing.T) {
	s := &Session{}
	list := []codec.Codec{{Name: "PCMU"}, {Name: "opus", Fmtp: "useinbandfec=1"}}
	if before := s.SetLimit(18000); before != 0 {
		t.Errorf("limit %d before", before)
	}
	got := s.limited(list)
	if got[1].Fmtp != "useinbandfec=1;maxaveragebitrate=18000" || got[0].Fmtp != "" || strings.Contains(list[1].Fmtp, "max") {
		t.Errorf("%+v of %+v", got, list)
	}
	if l := codec.ReadLimits(got[1].Fmtp); l.Bitrate != 18000 || !l.FEC {
		t.Errorf("%+v", l)
	}
	if s.SetLimit(0) != 18000 || s.limited(list)[1].Fmtp != "useinbandfec=1" {
		t.Error("the limit stays")
	}
}
