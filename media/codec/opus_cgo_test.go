//go:build cgo

package codec

import (
	"errors"
	"math"
	"testing"
)

// opusStream encodes frames of voice and returns the packets.
func opusStream(t *testing.T, enc Encoder, frames int) (pcm []int16, packets [][]byte) {
	t.Helper()
	pcm = make([]int16, frames*960)
	voice(pcm, 48000, 0)
	for i, x := range pcm { // four syllables a second, or the encoder takes it for noise
		pcm[i] = int16(float64(x) * max(0, math.Sin(2*math.Pi*4*float64(i)/48000)))
	}
	out := make([]byte, 8000)
	for k := range frames {
		n, err := enc.Encode(pcm[k*960:(k+1)*960], out)
		if err != nil {
			t.Fatal(err)
		}
		packets = append(packets, append([]byte(nil), out[:n]...))
	}
	return pcm, packets
}

// likeness returns the largest normalised cross-correlation of the differentiated signals within 20 ms: 1 is the
// same sound at some delay. Differentiated, because Opus's high-pass filter turns the phase of the lowest partials.
func likeness(a, b []int16) float64 {
	best := 0.0
	for lag := -960; lag <= 960; lag++ {
		var dot, ea, eb float64
		for i := max(1, 1-lag); i < min(len(a), len(b)-lag); i++ {
			x, y := float64(a[i])-float64(a[i-1]), float64(b[i+lag])-float64(b[i+lag-1])
			dot, ea, eb = dot+x*y, ea+x*x, eb+y*y
		}
		best = max(best, dot/math.Sqrt(ea*eb+1))
	}
	return best
}

func TestOpusDescription(t *testing.T) {
	c, ok := Find("OPUS")
	// RFC 7587 7: the rtpmap is always opus/48000/2.
	if !ok || c.Rtpmap() != "opus/48000/2" || c.Fmtp != "useinbandfec=1" || Available()[0] != c {
		t.Fatalf("Find(OPUS) = %+v, %v", c, ok)
	}
}

func TestOpusSpeech(t *testing.T) {
	_, enc, dec := open(t, "opus")
	want, packets := opusStream(t, enc, 50)
	got := make([]int16, len(want))
	size := 0
	for k, p := range packets {
		size += len(p)
		if n, err := dec.Decode(p, got[k*960:]); err != nil || n != 960 {
			t.Fatalf("Decode = %d, %v", n, err)
		}
	}
	if l := likeness(want[9600:38400], got[9600:38400]); l < 0.93 {
		t.Errorf("likeness %.3f, want 0.93", l)
	}
	if rate := size * 8; rate > 45000 || rate < 12000 {
		t.Errorf("%d bit/s at a target of %d", rate, opusBitrate)
	}
}

func TestOpusFEC(t *testing.T) {
	_, enc, dec := open(t, "opus")
	if err := enc.(Adaptive).SetFEC(20); err != nil {
		t.Fatal(err)
	}
	if err := enc.(Adaptive).SetBitrate(24000); err != nil {
		t.Fatal(err)
	}
	_, packets := opusStream(t, enc, 60)
	_, _, whole := open(t, "opus")
	want, got := make([]int16, 960), make([]int16, 960)
	copies := 0
	var likely float64
	for k := 0; k < len(packets); k++ {
		if _, err := whole.Decode(packets[k], want); err != nil {
			t.Fatal(err)
		}
		if k > 10 && k%4 == 0 && k+1 < len(packets) && dec.HasFEC(packets[k+1]) {
			copies++
			if n, err := dec.DecodeFEC(packets[k+1], got); err != nil || n != 960 {
				t.Fatalf("DecodeFEC = %d, %v", n, err)
			}
			likely += likeness(want, got)
			continue
		}
		if _, err := dec.Decode(packets[k], got); err != nil {
			t.Fatal(err)
		}
	}
	if copies < 3 {
		t.Fatalf("only %d packets carried a copy", copies)
	}
	if likely /= float64(copies); likely < 0.9 {
		t.Errorf("recovered frames are %.3f like the original, want 0.9", likely)
	}
	if err := enc.(Adaptive).SetFEC(0); err != nil {
		t.Fatal(err)
	}
	_, packets = opusStream(t, enc, 20)
	if dec.HasFEC(packets[19]) {
		t.Error("a copy although FEC is off")
	}
}

func TestOpusBitrate(t *testing.T) {
	size := func(bps int) (n int) {
		_, enc, _ := open(t, "opus")
		if err := enc.(Adaptive).SetBitrate(bps); err != nil {
			t.Fatal(err)
		}
		_, packets := opusStream(t, enc, 50)
		for _, p := range packets {
			n += len(p)
		}
		return n
	}
	if low, high := size(8000), size(64000); low*3 > high {
		t.Errorf("one second is %d bytes at 8 kbit/s and %d at 64", low, high)
	}
}

func TestOpusDTX(t *testing.T) {
	_, enc, _ := open(t, "opus")
	if err := enc.(Adaptive).SetDTX(true); err != nil {
		t.Fatal(err)
	}
	if err := enc.(Adaptive).SetBandwidth(16000); err != nil {
		t.Fatal(err)
	}
	pcm, out := make([]int16, 960), make([]byte, 1500)
	small := 0
	for range 50 {
		n, err := enc.Encode(pcm, out)
		if err != nil {
			t.Fatal(err)
		}
		if n <= 2 {
			small++
		}
	}
	if small < 25 {
		t.Errorf("%d of 50 silent frames need not be sent, want most", small)
	}
}

func TestOpusFrameSize(t *testing.T) {
	_, enc, dec := open(t, "opus")
	if _, err := enc.Encode(make([]int16, 959), make([]byte, 100)); !errors.Is(err, ErrFrameSize) {
		t.Errorf("Encode of 959 samples: %v", err)
	}
	if n, err := dec.Conceal(make([]int16, 1000)); n != 960 || err != nil {
		t.Errorf("Conceal of 1000 samples = %d, %v, want whole units of 2.5 ms", n, err)
	}
	if _, err := dec.Conceal(make([]int16, 100)); !errors.Is(err, ErrFrameSize) {
		t.Errorf("Conceal of 100 samples: %v", err)
	}
}

func TestOpusTune(t *testing.T) {
	for _, tt := range []struct {
		fmtp   string
		copies bool
		most   int // bits per second
	}{
		{"useinbandfec=1", true, 40000},
		{"", false, 40000},
		{"maxaveragebitrate=12000", false, 14000},
	} {
		t.Run(tt.fmtp, func(t *testing.T) {
			_, enc, _ := open(t, "opus")
			if err := Tune(enc, tt.fmtp); err != nil {
				t.Fatal(err)
			}
			_, packets := opusStream(t, enc, 100)
			size, copies := 0, 0
			for _, p := range packets {
				size += len(p)
				if opusHasFEC(p) {
					copies++
				}
			}
			if rate := size * 8 * 50 / len(packets); rate > tt.most {
				t.Errorf("%d bit/s, want %d at most", rate, tt.most)
			}
			if (copies > 10) != tt.copies {
				t.Errorf("%d of %d packets with a copy", copies, len(packets))
			}
		})
	}
}

func TestOpusConstant(t *testing.T) {
	_, enc, _ := open(t, "opus")
	if err := errors.Join(enc.(Steady).SetConstant(true), enc.(Steady).SetBitrate(64000)); err != nil {
		t.Fatal(err)
	}
	pcm, out := make([]int16, 960), make([]byte, 1500)
	for range 50 { // silence
		if n, err := enc.Encode(pcm, out); err != nil || n != 160 {
			t.Fatalf("%d bytes in 20 ms at 64 kbit/s, %v", n, err)
		}
	}
}
