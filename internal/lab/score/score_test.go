package score

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// babble is a stand-in for speech: noise in syllables of irregular length and loudness.
func babble(rate int, d time.Duration, seed uint64) Sound {
	random := rand.New(rand.NewPCG(seed, 2))
	n := int(d.Seconds() * float64(rate))
	s := Sound{Rate: rate, Samples: make([]float32, 0, n)}
	for len(s.Samples) < n {
		length := rate * (80 + random.IntN(250)) / 1000
		loud := 0.05 + 0.4*random.Float64()
		if random.IntN(5) == 0 {
			loud = 0
		}
		for i := range length {
			shape := math.Sin(math.Pi * float64(i) / float64(length))
			s.Samples = append(s.Samples, float32(loud*(0.3+0.7*shape)*(2*random.Float64()-1)))
		}
	}
	s.Samples = s.Samples[:n]
	return s
}

// cut is the part of s from place from on, for d, after a silent lead.
func cut(s Sound, from, d, lead time.Duration) Sound {
	at := func(t time.Duration) int { return int(t.Seconds() * float64(s.Rate)) }
	out := make([]float32, at(lead), at(lead)+at(d))
	return Sound{Rate: s.Rate, Samples: append(out, s.Samples[at(from):at(from+d)]...)}
}

func silence(s Sound, from, d time.Duration) Sound {
	out := Sound{Rate: s.Rate, Samples: append([]float32(nil), s.Samples...)}
	for i := int(from.Seconds() * float64(s.Rate)); i < int((from+d).Seconds()*float64(s.Rate)); i++ {
		out.Samples[i] = 0
	}
	return out
}

// resample changes the clock: ratio > 1 gives more samples for the same sound.
func resample(s Sound, ratio float64) Sound {
	out := Sound{Rate: s.Rate, Samples: make([]float32, int(float64(len(s.Samples))*ratio)-1)}
	for i := range out.Samples {
		place := float64(i) / ratio
		k := int(place)
		f := float32(place - float64(k))
		out.Samples[i] = s.Samples[k]*(1-f) + s.Samples[min(k+1, len(s.Samples)-1)]*f
	}
	return out
}

func TestCompareFindsTheOffset(t *testing.T) {
	source := babble(8000, 40*time.Second, 1)
	for _, from := range []time.Duration{0, 1234 * time.Millisecond, 20 * time.Second} {
		r, err := Compare(source, cut(source, from, 10*time.Second, 700*time.Millisecond), false)
		if err != nil {
			t.Fatal(err)
		}
		if want := from - 700*time.Millisecond; (r.Offset - want).Abs() > 2*time.Millisecond {
			t.Errorf("from %v: offset %v, want %v", from, r.Offset, want)
		}
		if r.Silent != 0 || r.Speech < 200 || r.Match < 0.95 || r.Steps > 2*time.Millisecond {
			t.Errorf("from %v: %v", from, r)
		}
	}
}

func TestCompareOfALoopedSource(t *testing.T) {
	source := babble(8000, 20*time.Second, 2)
	twice := Sound{Rate: 8000, Samples: append(append([]float32(nil), source.Samples...), source.Samples...)}
	r, err := Compare(source, cut(twice, 15*time.Second, 10*time.Second, 0), true)
	if err != nil {
		t.Fatal(err)
	}
	if (r.Offset-15*time.Second).Abs() > 2*time.Millisecond || r.Silent != 0 {
		t.Errorf("offset %v, %v", r.Offset, r)
	}
}

func TestCompareAcrossRates(t *testing.T) {
	wide := babble(48000, 20*time.Second, 3)
	narrow := Sound{Rate: 8000}
	for i := 0; i+6 <= len(wide.Samples); i += 6 {
		sum := float32(0)
		for _, v := range wide.Samples[i : i+6] {
			sum += v
		}
		narrow.Samples = append(narrow.Samples, sum/6)
	}
	r, err := Compare(wide, cut(narrow, 3*time.Second, 8*time.Second, 100*time.Millisecond), false)
	if err != nil {
		t.Fatal(err)
	}
	if (r.Offset-2900*time.Millisecond).Abs() > 2*time.Millisecond || r.Silent != 0 {
		t.Errorf("offset %v, %v", r.Offset, r)
	}
}

func TestCompareCountsHoles(t *testing.T) {
	// Without pauses of its own, so that every hole is in speech.
	source := Sound{Rate: 8000}
	for seed := uint64(1); len(source.Samples) < 20*8000; seed++ {
		for _, v := range babble(8000, 100*time.Millisecond, seed).Samples {
			source.Samples = append(source.Samples, v+0.04*float32(math.Sin(float64(len(source.Samples)))))
		}
	}
	for _, hole := range []time.Duration{40 * time.Millisecond, 200 * time.Millisecond, time.Second} {
		recording := silence(cut(source, time.Second, 10*time.Second, 0), 5*time.Second, hole)
		r, err := Compare(source, recording, false)
		if err != nil {
			t.Fatal(err)
		}
		// The envelope reaches 5 ms into a hole from each side, and frames start anywhere.
		if r.LongestHole > hole || r.LongestHole < hole-40*time.Millisecond || r.Silent == 0 && hole > 40*time.Millisecond {
			t.Errorf("hole of %v: found %v, %d frames", hole, r.LongestHole, r.Silent)
		}
	}
}

func TestCompareMeasuresDriftAndSteps(t *testing.T) {
	source := babble(8000, 60*time.Second, 5)
	r, err := Compare(source, resample(source, 1.001), false)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(r.DriftPPM+1000) > 150 {
		t.Errorf("drift %.0f ppm, want -1000", r.DriftPPM)
	}
	// 60 ms are inserted in the middle: the jitter buffer grew.
	a, b := cut(source, 0, 10*time.Second, 0), cut(source, 10*time.Second, 10*time.Second, 60*time.Millisecond)
	grown := Sound{Rate: 8000, Samples: append(a.Samples, b.Samples...)}
	if r, err = Compare(source, grown, false); err != nil || (r.Steps-60*time.Millisecond).Abs() > 4*time.Millisecond {
		t.Errorf("steps %v (%v), want 60 ms", r.Steps, err)
	}
}

func TestCompareRefusesOtherSound(t *testing.T) {
	if r, err := Compare(babble(8000, 30*time.Second, 6), babble(8000, 10*time.Second, 7), false); !errors.Is(err, ErrNoMatch) {
		t.Errorf("got %v, %v", r, err)
	}
	quiet := Sound{Rate: 8000, Samples: make([]float32, 80000)}
	if r, err := Compare(babble(8000, 30*time.Second, 6), quiet, false); !errors.Is(err, ErrNoMatch) {
		t.Errorf("silence: got %v, %v", r, err)
	}
	if _, err := Compare(babble(8000, time.Second, 6), Sound{Rate: 8000}, false); !errors.Is(err, ErrNoMatch) {
		t.Errorf("empty: got %v", err)
	}
}

func TestParseWAV(t *testing.T) {
	want := Sound{Rate: 16000, Samples: []float32{0, 0.5, -0.5}}
	good := Encode(want)
	broken := func(place int, values ...byte) []byte {
		b := append([]byte(nil), good...)
		copy(b[place:], values)
		return b
	}
	tests := []struct {
		name string
		in   []byte
		n    int // samples; -1: an error
	}{
		{"plain", good, 3},
		{"unfinished header", broken(40, 0, 0, 0, 0), 3},
		{"length beyond the end", broken(40, 0xff, 0xff), 3},
		{"cut in a sample", good[:len(good)-1], 2},
		{"empty", nil, -1},
		{"only the magic", good[:12], -1},
		{"µ-law", broken(20, 7), -1},
		{"8 bits", broken(34, 8), -1},
		{"no channels", broken(22, 0), -1},
		{"not RIFF", broken(0, 'X'), -1},
		{"no data", broken(36, 'j'), -1},
		{"stereo", broken(22, 2), 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse(test.in)
			if (err != nil) != (test.n < 0) || err == nil && len(got.Samples) != test.n {
				t.Fatalf("got %d samples, %v; want %d", len(got.Samples), err, test.n)
			}
			if err == nil && got.Rate != want.Rate {
				t.Errorf("rate %d", got.Rate)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(Encode(Sound{Rate: 8000, Samples: []float32{0, 1}}))
	f.Fuzz(func(t *testing.T, in []byte) {
		s, err := Parse(in)
		if err == nil && 2*len(s.Samples) > len(in) {
			t.Errorf("%d samples from %d bytes", len(s.Samples), len(in))
		}
	})
}

// BenchmarkCompare is one call of ten seconds against a source of a minute.
func BenchmarkCompare(b *testing.B) {
	source := babble(8000, time.Minute, 1)
	recording := cut(source, 5*time.Second, 10*time.Second, 0)
	for b.Loop() {
		if _, err := Compare(source, recording, true); err != nil {
			b.Fatal(err)
		}
	}
}
