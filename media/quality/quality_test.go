package quality

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/rtcp"
)

// TestMOS: the pairs of ITU-T G.109 and of G.107 annex B.
func TestMOS(t *testing.T) {
	for _, tt := range []struct{ r, want float64 }{
		{0, 1},
		{3, 1},
		{50, 2.58},
		{60, 3.10},
		{70, 3.60},
		{80, 4.02},
		{90, 4.34},
		{93.2, 4.41},
		{100, 4.5},
		{120, 4.5},
		{-5, 1},
	} {
		if got := MOS(tt.r); math.Abs(got-tt.want) > 0.01 {
			t.Errorf("R %g: MOS %.3f, want %.2f", tt.r, got, tt.want)
		}
	}
}

func TestR(t *testing.T) {
	ms := time.Millisecond
	for _, tt := range []struct {
		name string
		path Path
		want float64
	}{
		{"nothing wrong", Path{Codec: "PCMU"}, 93.2},
		{"unknown codec", Path{Codec: "x"}, 93.2},
		// G.113: Ie,eff of G.711 with concealment: 95*2/(2+25.1) = 7.0 and 95*5/30.1 = 15.8.
		{"2 % lost", Path{Codec: "PCMA", Loss: 2}, 86.2},
		{"5 % lost", Path{Codec: "PCMU", Loss: 5}, 77.4},
		{"GSM", Path{Codec: "gsm"}, 73.2},
		{"GSM, 3 % lost", Path{Codec: "GSM", Loss: 3}, 68.3},
		{"all lost", Path{Codec: "PCMU", Loss: 100}, 17.3},
		{"twice as bursty", Path{Codec: "PCMU", Loss: 5, BurstR: 2}, 76.0},
		{"150 ms", Path{Codec: "PCMU", OneWay: 150 * ms}, 89.6},
		{"400 ms", Path{Codec: "PCMU", OneWay: 400 * ms}, 59.1},
		{"an hour", Path{Codec: "PCMU", OneWay: time.Hour}, 0},
		{"senseless", Path{Codec: "PCMU", Loss: math.NaN(), BurstR: math.NaN(), OneWay: -time.Hour}, 93.2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.path.R(); math.Abs(got-tt.want) > 0.1 {
				t.Errorf("R %.2f, want %.1f", got, tt.want)
			}
			if tt.path.ListeningR() < tt.path.R() {
				t.Error("delay improves listening")
			}
		})
	}
}

// pattern puts packets numbered from 65000 on, 1 received, 0 lost, and enough behind them for all to be judged.
func pattern(b *Bursts, came []bool) {
	seq := uint16(65000)
	for _, c := range came {
		if c {
			b.Put(seq)
		}
		seq++
	}
	for range window {
		b.Put(seq)
		seq++
	}
}

func repeat(n int, came bool) []bool {
	out := make([]bool, n)
	for i := range out {
		out[i] = came
	}
	return out
}

func TestBursts(t *testing.T) {
	join := func(parts ...[]bool) (out []bool) {
		for _, p := range parts {
			out = append(out, p...)
		}
		return out
	}
	const packet = 20 * time.Millisecond
	t.Run("nothing lost", func(t *testing.T) {
		var b Bursts
		pattern(&b, repeat(500, true))
		if g := b.Gaps(packet); b.lost != 0 || b.Ratio() != 1 || g.BurstDensity != 0 || g.GapDensity != 0 || g.BurstDuration != 0 ||
			g.GapDuration < 9*time.Second {
			t.Errorf("%d lost, %+v", b.lost, g)
		}
	})
	t.Run("one burst of ten", func(t *testing.T) {
		var b Bursts
		pattern(&b, join(repeat(200, true), repeat(10, false), repeat(200, true)))
		g := b.Gaps(packet)
		if b.lost != 10 || b.Ratio() < 9 || g.BurstDensity < 0.99 || g.GapDensity > 0.01 {
			t.Errorf("%d lost, ratio %.1f, %+v", b.lost, b.Ratio(), g)
		}
		if g.BurstDuration < 150*time.Millisecond || g.BurstDuration > 250*time.Millisecond {
			t.Errorf("burst of %v, want about 200 ms", g.BurstDuration)
		}
	})
	t.Run("every second of a stretch", func(t *testing.T) {
		var b Bursts
		came := repeat(200, true)
		for i := range 40 {
			came = append(came, i%2 == 0)
		}
		pattern(&b, join(came, repeat(200, true)))
		if g := b.Gaps(packet); b.lost != 20 || g.BurstDensity < 0.45 || g.BurstDensity > 0.55 || b.Ratio() > 1.01 {
			t.Errorf("%d lost, ratio %.2f, %+v", b.lost, b.Ratio(), g)
		}
	})
	t.Run("out of order and twice", func(t *testing.T) {
		var b Bursts
		seq := uint16(65500)
		for range 100 {
			for _, n := range []uint16{3, 0, 2, 1, 1} {
				b.Put(seq + n)
			}
			seq += 4
		}
		if b.lost != 0 {
			t.Errorf("%d lost of those that only came out of order", b.lost)
		}
	})
	t.Run("chance", func(t *testing.T) {
		var b Bursts
		random := rand.New(rand.NewPCG(1, 2))
		var came []bool
		for range 20000 {
			came = append(came, random.Float64() >= 0.1)
		}
		pattern(&b, came)
		if r := b.Ratio(); r > 1.06 {
			t.Errorf("ratio %.2f of losses by chance", r)
		}
	})
}

func FuzzBursts(f *testing.F) {
	f.Add([]byte{1, 1, 1, 200, 1, 0, 255})
	f.Fuzz(func(t *testing.T, steps []byte) {
		var b Bursts
		seq := uint16(0)
		for _, s := range steps {
			seq += uint16(int16(int8(s))) * 3
			b.Put(seq)
		}
		g := b.Gaps(20 * time.Millisecond)
		if b.lost > b.packets || b.Ratio() < 1 || g.BurstDensity < 0 || g.BurstDensity > 1 || g.GapDensity < 0 ||
			g.GapDensity > 1 || g.BurstDuration < 0 || g.GapDuration < 0 {
			t.Errorf("%+v, %+v", b, g)
		}
		p := Path{Codec: "opus", Loss: 100 * float64(b.lost) / float64(max(b.packets, 1)), BurstR: b.Ratio()}
		if m := MOS(p.R()); m < 1 || m > 4.5 {
			t.Errorf("MOS %g", m)
		}
	})
}

// TestBlock: what is written can be read again, and absurd figures stay within their fields.
func TestBlock(t *testing.T) {
	r := Received{
		SSRC: 7, Path: Path{Codec: "PCMU", Loss: 12.5, BurstR: 1, OneWay: 100 * time.Millisecond}, Discarded: 5,
		Gaps: Gaps{BurstDensity: 0.5, BurstDuration: time.Hour}, RTT: 80 * time.Millisecond,
	}
	data, err := rtcp.Marshal([]rtcp.Packet{&rtcp.ExtendedReport{SenderSSRC: 9, Reports: []rtcp.ReportBlock{r.Block()}}})
	if err != nil || len(data) != 8+36 {
		t.Fatalf("%d bytes, %v", len(data), err)
	}
	packets, err := rtcp.Unmarshal(data)
	if err != nil {
		t.Fatal(err)
	}
	b := packets[0].(*rtcp.ExtendedReport).Reports[0].(*rtcp.VoIPMetricsReportBlock)
	h := Read(b)
	if b.SSRC != 7 || b.BurstDuration != math.MaxUint16 || b.RoundTripDelay != 80 || b.Gmin != 16 {
		t.Errorf("%+v", b)
	}
	if math.Abs(h.LossPercent-7.5) > 0.5 || math.Abs(h.DiscardPercent-5) > 0.5 || math.Abs(h.R-r.Path.R()) > 1 ||
		math.Abs(h.ListeningMOS-MOS(r.Path.ListeningR())) > 0.06 || h.ConversationMOS > h.ListeningMOS {
		t.Errorf("%+v of %+v", h, r.Path)
	}
	if h := Read(&rtcp.VoIPMetricsReportBlock{RFactor: 127, MOSLQ: 127, MOSCQ: 255}); h.R != -1 || h.ListeningMOS != -1 || h.ConversationMOS != -1 {
		t.Errorf("not measured, yet %+v", h)
	}
}
