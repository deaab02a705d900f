package resample

import (
	"math"
	"math/rand/v2"
	"testing"
)

func mustNew(t testing.TB, in, out int) *Resampler {
	t.Helper()
	r, err := New(in, out)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sine(n, rate int, hz, amplitude float64) []int16 {
	pcm := make([]int16, n)
	for i := range pcm {
		pcm[i] = int16(math.Round(amplitude * math.Sin(2*math.Pi*hz*float64(i)/float64(rate))))
	}
	return pcm
}

// fit returns the amplitude of the sine of hz in pcm, and the RMS of all the rest.
func fit(pcm []int16, rate int, hz float64) (amplitude, rest float64) {
	var s, c, total float64
	for i, x := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / float64(rate))
		s, c = s+float64(x)*sin, c+float64(x)*cos
		total += float64(x) * float64(x)
	}
	n := float64(len(pcm))
	s, c = 2*s/n, 2*c/n
	return math.Hypot(s, c), math.Sqrt(max(0, total/n-(s*s+c*c)/2))
}

func db(ratio float64) float64 { return 20 * math.Log10(max(ratio, 1e-9)) }

// convert passes a whole signal through in frames of 10 ms.
func convert(t testing.TB, r *Resampler, in []int16) []int16 {
	t.Helper()
	out := make([]int16, 0, r.MaxOutput(len(in)))
	frame := r.inRate / 100
	buffer := make([]int16, r.MaxOutput(frame))
	for at := 0; at < len(in); at += frame {
		part := in[at:min(len(in), at+frame)]
		c, p := r.Process(part, buffer)
		if c != len(part) {
			t.Fatalf("consumed %d of %d", c, len(part))
		}
		out = append(out, buffer[:p]...)
	}
	return out
}

// TestFrequencyResponse measures what the package comment promises, by sines at many frequencies.
func TestFrequencyResponse(t *testing.T) {
	const amplitude = 16000
	for _, tt := range []struct{ in, out int }{
		{8000, 48000}, {16000, 48000}, {48000, 8000}, {48000, 16000}, {44100, 48000}, {11025, 48000}, {48000, 48000},
	} {
		low := min(tt.in, tt.out)
		worstPass, worstImage, worstStop := 0.0, -200.0, -200.0
		for part := 0.02; part < 0.5*float64(tt.in)/float64(low); part += 0.04 {
			hz := math.Round(part * float64(low))
			got := convert(t, mustNew(t, tt.in, tt.out), sine(tt.in*5/4, tt.in, hz, amplitude))
			a, rest := fit(got[len(got)-tt.out:], tt.out, hz) // one second holds whole periods
			if part <= 0.42 {
				worstPass = max(worstPass, math.Abs(db(a/amplitude)))
			}
			switch {
			case part <= 0.48: // from here the image lies at 0.52 and more
				worstImage = max(worstImage, db(rest*math.Sqrt2/amplitude))
			case part >= 0.52:
				worstStop = max(worstStop, db(math.Hypot(a, rest)*math.Sqrt2/amplitude))
			}
		}
		t.Logf("%d -> %d Hz: passband %.3f dB, images and noise %.1f dB, stopband %.1f dB",
			tt.in, tt.out, worstPass, worstImage, worstStop)
		if worstPass > 0.1 || worstImage > -60 || worstStop > -60 {
			t.Errorf("%d -> %d Hz: passband %.3f dB, images and noise %.1f dB, stopband %.1f dB",
				tt.in, tt.out, worstPass, worstImage, worstStop)
		}
	}
}

func TestExactFrames(t *testing.T) {
	for _, tt := range []struct{ in, out, frame, want int }{
		{8000, 48000, 80, 480},
		{48000, 8000, 480, 80},
		{16000, 48000, 160, 480},
		{48000, 16000, 480, 160},
		{48000, 48000, 480, 480},
		{44100, 48000, 441, 480},
	} {
		r := mustNew(t, tt.in, tt.out)
		in, out := make([]int16, tt.frame), make([]int16, r.MaxOutput(tt.frame))
		for k := range 2000 {
			if c, p := r.Process(in, out); c != tt.frame || p != tt.want {
				t.Fatalf("%d -> %d Hz, frame %d: consumed %d, produced %d", tt.in, tt.out, k, c, p)
			}
		}
	}
}

// TestSplit feeds the same signal in random pieces into random room: the result must not depend on them.
func TestSplit(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, rates := range [][2]int{{8000, 48000}, {48000, 8000}, {44100, 48000}, {48000, 48000}, {384000, 4000}} {
		in := sine(20000, rates[0], 440, 20000)
		want := convert(t, mustNew(t, rates[0], rates[1]), in)
		r := mustNew(t, rates[0], rates[1])
		var got []int16
		for at := 0; at < len(in); {
			piece := in[at:min(len(in), at+1+rng.IntN(1200))]
			out := make([]int16, rng.IntN(900))
			c, p := r.Process(piece, out)
			at += c
			got = append(got, out[:p]...)
		}
		if len(got) != len(want) {
			t.Fatalf("%v: %d samples, want %d", rates, len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i] {
				t.Fatalf("%v: sample %d = %d, want %d", rates, i, got[i], want[i])
			}
		}
	}
}

func TestNeed(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, rates := range [][2]int{{8000, 48000}, {48000, 8000}, {48000, 48000}, {44100, 48000}} {
		r := mustNew(t, rates[0], rates[1])
		in, out := make([]int16, 20000), make([]int16, 480)
		for range 1000 {
			r.SetDrift((rng.Float64() - 0.5) / 100)
			n := 1 + rng.IntN(480)
			need := r.Need(n)
			if c, p := r.Process(in[:need], out[:n]); p != n || c > need {
				t.Fatalf("%v: Need(%d) = %d, produced %d", rates, n, need, p)
			}
		}
		if r.Need(0) != 0 {
			t.Errorf("Need(0) = %d", r.Need(0))
		}
	}
}

func TestDrift(t *testing.T) {
	for _, tt := range []struct{ set, want float64 }{
		{0.005, 0.005}, {-0.005, -0.005}, {0.0001, 0.0001}, {1, MaxDrift}, {-1, -MaxDrift}, {math.NaN(), 0},
	} {
		r := mustNew(t, 48000, 48000)
		r.SetDrift(tt.set)
		in := sine(480000, 48000, 1000, 16000)
		got := convert(t, r, in)
		if want := float64(len(in)) / (1 + tt.want); math.Abs(float64(len(got))-want) > 1 {
			t.Errorf("drift %g: %d samples, want %.0f", tt.set, len(got), want)
		}
		// The tone is as much higher as the input is used up faster, and clean.
		got = got[4800 : 4800+48000]
		a, rest := fit(got, 48000, 1000*(1+tt.want))
		if math.Abs(db(a/16000)) > 0.1 || db(rest/16000) > -60 {
			t.Errorf("drift %g: level %.2f dB, noise %.1f dB", tt.set, db(a/16000), db(rest/16000))
		}
	}
}

func TestDriftChangesWithoutClick(t *testing.T) {
	r := mustNew(t, 48000, 48000)
	in := sine(480, 48000, 300, 16000) // three periods a frame
	out := make([]int16, r.MaxOutput(len(in)))
	last, largest := int16(0), 0
	for k := range 200 {
		r.SetDrift([]float64{0.005, -0.005, 0}[k%3])
		_, n := r.Process(in, out)
		for _, x := range out[:n] {
			if k > 0 { // the first frame has the ringing of the tone's own start
				largest = max(largest, int(x)-int(last), int(last)-int(x))
			}
			last = x
		}
	}
	const limit = 643 // 2π * 300 / 48000 * 16000, 2 % for the drift and rounding
	if largest > limit {
		t.Errorf("largest step %d, of the tone itself %d", largest, limit)
	}
}

func TestFullScaleDoesNotWrap(t *testing.T) {
	r := mustNew(t, 8000, 48000)
	in := make([]int16, 8000)
	for i := range in {
		in[i] = 32767
		if i/20%2 == 1 {
			in[i] = -32768
		}
	}
	got := convert(t, r, in)
	for i := 1; i < len(got); i++ {
		if d := int(got[i]) - int(got[i-1]); d > 40000 || d < -40000 {
			t.Fatalf("sample %d jumps by %d", i, d)
		}
	}
}

func TestRates(t *testing.T) {
	for _, bad := range [][2]int{{0, 48000}, {48000, 0}, {-1, 8000}, {48000, 1 << 30}} {
		if _, err := New(bad[0], bad[1]); err == nil {
			t.Errorf("New(%d, %d): no error", bad[0], bad[1])
		}
	}
}

func TestProcessAllocatesNothing(t *testing.T) {
	r := mustNew(t, 8000, 48000)
	r.SetDrift(0.001)
	in, out := sine(80, 8000, 440, 9000), make([]int16, 600)
	if a := testing.AllocsPerRun(100, func() { r.Process(in, out) }); a != 0 {
		t.Errorf("%.1f allocations a frame", a)
	}
}

func BenchmarkProcess(b *testing.B) {
	for name, rates := range map[string][2]int{"8to48": {8000, 48000}, "48to8": {48000, 8000}, "48to16": {48000, 16000}} {
		for _, drift := range []float64{0, 0.001} {
			b.Run(name+map[bool]string{true: "drift"}[drift != 0], func(b *testing.B) {
				r := mustNew(b, rates[0], rates[1])
				r.SetDrift(drift)
				in := make([]int16, rates[0]/50)
				out := make([]int16, r.MaxOutput(len(in)))
				b.ReportAllocs()
				for b.Loop() {
					r.Process(in, out)
				}
			})
		}
	}
}
