package codec

import (
	"errors"
	"math"
	"testing"
)

// voice fills pcm with a vowel-like sound: ten harmonics of a pitch that glides slowly, with a slow swell.
// It starts at sample offset from of an endless signal.
func voice(pcm []int16, rate, from int) {
	for i := range pcm {
		t := float64(from+i) / float64(rate)
		phase := 2 * math.Pi * (120*t + 5*math.Sin(2*math.Pi*0.7*t))
		var v float64
		for h := 1.0; h <= 10; h++ {
			v += math.Sin(h*phase) / h
		}
		pcm[i] = int16(6000 * v * (0.7 + 0.3*math.Sin(2*math.Pi*1.3*t)))
	}
}

func power(pcm []int16) float64 {
	var sum float64
	for _, x := range pcm {
		sum += float64(x) * float64(x)
	}
	return sum / float64(max(len(pcm), 1))
}

// snr returns the ratio of want to its difference from got, in decibels.
func snr(want, got []int16) float64 {
	var noise float64
	for i := range want {
		d := float64(want[i]) - float64(got[i])
		noise += d * d
	}
	return 10 * math.Log10(power(want)*float64(len(want))/max(noise, 1e-9))
}

func open(t testing.TB, name string) (Codec, Encoder, Decoder) {
	t.Helper()
	c, ok := Find(name)
	if !ok {
		t.Fatalf("no codec %s", name)
	}
	enc, dec := both(t, c)
	return c, enc, dec
}

func both(t testing.TB, c Codec) (Encoder, Decoder) {
	t.Helper()
	enc, err := c.NewEncoder()
	if err != nil {
		t.Fatal(err)
	}
	dec, err := c.NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	return enc, dec
}

func TestRegistry(t *testing.T) {
	seen := map[uint8]string{}
	for _, c := range Available() {
		if old := seen[c.PayloadType]; old != "" {
			t.Errorf("%s and %s share payload type %d", old, c.Name, c.PayloadType)
		}
		seen[c.PayloadType] = c.Name
		if got, ok := Match(c.Name, c.ClockRate, c.Channels, 101); !ok || got.PayloadType != 101 || !got.Same(c) {
			t.Errorf("Match(%s) = %+v, %v", c.Rtpmap(), got, ok)
		}
		if c.Samples(c.FrameMS) == 0 || c.Ticks(c.Samples(20)) != uint32(c.ClockRate/50) {
			t.Errorf("%s: %d samples, %d ticks", c.Name, c.Samples(c.FrameMS), c.Ticks(c.Samples(20)))
		}
	}
}

func TestMatch(t *testing.T) {
	tests := []struct {
		name            string
		clock, channels int
		want            bool
	}{
		{"PCMU", 8000, 0, true},
		{"pcma", 8000, 1, true},
		{"PCMU", 16000, 1, false},
		{"PCMU", 8000, 2, false},
		{"G729", 8000, 1, false},
		{"", 0, 0, false},
	}
	for _, tt := range tests {
		if _, ok := Match(tt.name, tt.clock, tt.channels, 96); ok != tt.want {
			t.Errorf("Match(%q, %d, %d) = %v, want %v", tt.name, tt.clock, tt.channels, ok, tt.want)
		}
	}
	if c, ok := Static(8); !ok || c.Name != "PCMA" {
		t.Errorf("Static(8) = %v, %v", c.Name, ok)
	}
	if c, ok := Static(118); ok {
		t.Errorf("Static(118) = %v: a dynamic payload type means nothing without rtpmap", c.Name)
	}
	if _, err := (Codec{Name: "G729"}).NewDecoder(); err == nil {
		t.Error("a decoder for G729 out of nothing")
	}
}

// TestRoundTrip passes two seconds of voice through every codec and compares what comes out, at the codec's delay.
func TestRoundTrip(t *testing.T) {
	limits := map[string]struct {
		delay int     // samples
		snr   float64 // dB; waveform SNR says nothing about Opus, whose test is TestOpusSpeech
	}{"PCMU": {0, 36}, "PCMA": {0, 36}, "L16": {0, 90}, "G722": {22, 20}}
	for _, c := range Available() {
		limit, ok := limits[c.Name]
		if !ok {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			enc, dec := both(t, c)
			want := make([]int16, 2*c.SampleRate)
			voice(want, c.SampleRate, 0)
			got := make([]int16, len(want)+limit.delay)
			out := make([]byte, c.MaxPayload())
			step := c.Samples(20)
			for at := 0; at < len(want); at += step {
				n, err := enc.Encode(want[at:at+step], out)
				if err != nil {
					t.Fatal(err)
				}
				if n, err = dec.Decode(out[:n], got[at:at+step]); err != nil || n != step {
					t.Fatalf("Decode = %d, %v", n, err)
				}
			}
			if r := snr(want[:len(want)-limit.delay], got[limit.delay:len(want)]); r < limit.snr {
				t.Errorf("SNR %.1f dB, want at least %.0f", r, limit.snr)
			}
		})
	}
}

// TestConcealment drops every tenth 20 ms packet and asks that the bridge is closer to the truth than silence,
// keeps the level, and clicks at neither end.
func TestConcealment(t *testing.T) {
	for name, tt := range map[string]struct {
		delay int     // of the codec, in samples
		snr   float64 // dB
		step  float64 // largest step as a multiple of the original's: more would be a click
	}{"PCMU": {0, 6, 1.5}, "PCMA": {0, 6, 1.5}, "G722": {22, 6, 1.5}, "L16": {0, 6, 1.5}} {
		t.Run(name, func(t *testing.T) {
			c, enc, dec := open(t, name)
			step := c.Samples(20)
			want, got := make([]int16, 100*step), make([]int16, 100*step)
			voice(want, c.SampleRate, 0)
			out := make([]byte, c.MaxPayload())
			var natural, worst int
			for i := 1; i < len(want); i++ {
				natural = max(natural, abs(int(want[i])-int(want[i-1])))
			}
			var lostWant, lostGot []int16
			for k := range 100 {
				frame := got[k*step : (k+1)*step]
				n, err := enc.Encode(want[k*step:(k+1)*step], out)
				if err != nil {
					t.Fatal(err)
				}
				if k%10 == 9 {
					_, err = dec.Conceal(frame)
					lostWant = append(lostWant, want[k*step-tt.delay:(k+1)*step-tt.delay]...)
					lostGot = append(lostGot, frame...)
				} else {
					_, err = dec.Decode(out[:n], frame)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			for i := 1; i < len(got); i++ {
				worst = max(worst, abs(int(got[i])-int(got[i-1])))
			}
			if r := snr(lostWant, lostGot); r < tt.snr {
				t.Errorf("concealed sound at %.1f dB SNR, want %.0f", r, tt.snr)
			}
			level := 10 * math.Log10(power(lostGot)/power(lostWant))
			if level < -3 || level > 1 {
				t.Errorf("concealed sound is %.1f dB off in level", level)
			}
			if float64(worst) > tt.step*float64(natural) {
				t.Errorf("largest step %d, in the original %d: a click", worst, natural)
			}
		})
	}
}

func TestConcealmentFades(t *testing.T) {
	c, _, dec := open(t, "PCMU")
	pcm := make([]int16, c.Samples(20))
	for k := range 10 {
		voice(pcm, c.SampleRate, k*len(pcm))
		enc, _ := c.NewEncoder()
		out := make([]byte, len(pcm))
		if _, err := enc.Encode(pcm, out); err != nil {
			t.Fatal(err)
		}
		if _, err := dec.Decode(out, pcm); err != nil {
			t.Fatal(err)
		}
	}
	before := power(pcm)
	for k := range 6 {
		if _, err := dec.Conceal(pcm); err != nil {
			t.Fatal(err)
		}
		level := power(pcm)
		switch {
		case k == 0 && level < before/3:
			t.Errorf("the first 20 ms already faded: %.0f of %.0f", level, before)
		case k >= 3 && level != 0: // 10 ms full, 50 ms of fade
			t.Errorf("still sounding after %d ms", k*20)
		}
	}
}

func TestConcealBeforeAnything(t *testing.T) {
	for _, c := range Available() {
		_, dec := both(t, c)
		pcm := make([]int16, c.MaxSamples())
		pcm[5] = 99
		if n, err := dec.Conceal(pcm); err != nil || n != len(pcm) || power(pcm) > 1 {
			t.Errorf("%s: Conceal of nothing = %d, %v, power %g", c.Name, n, err, power(pcm))
		}
	}
}

func TestBadInput(t *testing.T) {
	for _, c := range Available() {
		enc, dec := both(t, c)
		pcm := make([]int16, c.MaxSamples())
		if _, err := dec.Decode(nil, pcm); !errors.Is(err, ErrPayload) {
			t.Errorf("%s: empty payload: %v", c.Name, err)
		}
		out := make([]byte, c.MaxPayload())
		n, err := enc.Encode(pcm[:c.Samples(20)], out)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = dec.Decode(out[:n], pcm[:c.Samples(20)-1]); !errors.Is(err, ErrShortBuffer) {
			t.Errorf("%s: short PCM buffer: %v", c.Name, err)
		}
		if _, err = enc.Encode(pcm[:c.Samples(20)], nil); !errors.Is(err, ErrShortBuffer) {
			t.Errorf("%s: no output buffer: %v", c.Name, err)
		}
	}
}

func TestFramesAllocateNothing(t *testing.T) {
	for _, c := range Available() {
		enc, dec := both(t, c)
		pcm := make([]int16, c.Samples(c.FrameMS))
		voice(pcm, c.SampleRate, 0)
		out := make([]byte, c.MaxPayload())
		big := make([]int16, c.MaxSamples())
		var n int
		steps := map[string]func(){
			"Encode":    func() { n, _ = enc.Encode(pcm, out) },
			"Decode":    func() { _, _ = dec.Decode(out[:n], big) },
			"Conceal":   func() { _, _ = dec.Conceal(pcm) },
			"DecodeFEC": func() { _, _ = dec.DecodeFEC(out[:n], pcm) },
		}
		steps["Encode"]()
		for what, f := range steps {
			if a := testing.AllocsPerRun(50, f); a != 0 {
				t.Errorf("%s.%s: %.1f allocations a frame", c.Name, what, a)
			}
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{0xff}, uint16(160))
	f.Add([]byte{0x78, 1, 2, 3}, uint16(960))
	f.Add([]byte{0xff, 0x41, 0xff}, uint16(5760))
	f.Fuzz(func(t *testing.T, payload []byte, size uint16) {
		for _, c := range Available() {
			dec, err := c.NewDecoder()
			if err != nil {
				t.Fatal(err)
			}
			pcm := make([]int16, int(size)%(c.MaxSamples()+1))
			for range 2 {
				if n, err := dec.Decode(payload, pcm); err == nil && (n <= 0 || n > len(pcm)) {
					t.Fatalf("%s: Decode = %d of %d", c.Name, n, len(pcm))
				}
				if n, err := dec.DecodeFEC(payload, pcm); err == nil && n > len(pcm) {
					t.Fatalf("%s: DecodeFEC = %d of %d", c.Name, n, len(pcm))
				}
				dec.HasFEC(payload)
				if n, err := dec.Conceal(pcm); err == nil && n > len(pcm) {
					t.Fatalf("%s: Conceal = %d of %d", c.Name, n, len(pcm))
				}
			}
		}
	})
}

func BenchmarkFrames(b *testing.B) {
	for _, c := range Available() {
		enc, dec := both(b, c)
		pcm := make([]int16, c.Samples(20))
		voice(pcm, c.SampleRate, 0)
		out := make([]byte, c.MaxPayload())
		n, err := enc.Encode(pcm, out)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(c.Rtpmap()+"/encode", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = enc.Encode(pcm, out)
			}
		})
		b.Run(c.Rtpmap()+"/decode", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = dec.Decode(out[:n], pcm)
			}
		})
		b.Run(c.Rtpmap()+"/conceal", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = dec.Decode(out[:n], pcm)
				_, _ = dec.Conceal(pcm)
			}
		})
	}
}

func abs(x int) int { return max(x, -x) }
