package score

import (
	"errors"
	"math"
	"testing"
	"time"
)

func TestHearFindsTheDelay(t *testing.T) {
	said := babble(48000, 12*time.Second, 1)
	for _, delay := range []time.Duration{0, 37 * time.Millisecond, 250 * time.Millisecond, 1200 * time.Millisecond} {
		heard := cut(said, 0, 12*time.Second, delay)
		heard.Samples = append(heard.Samples, make([]float32, 48000)...)
		h, err := Hear(said, heard)
		if err != nil {
			t.Fatal(err)
		}
		if (h.Delay(50)-delay).Abs() > 2*time.Millisecond || h.Damaged > 0 || h.Speech < 200 {
			t.Errorf("delay %v: %v", delay, h)
		}
	}
}

func TestHearFollowsTheDelay(t *testing.T) {
	said := babble(16000, 20*time.Second, 5)
	a, b := cut(said, 0, 10*time.Second, 50*time.Millisecond), cut(said, 10*time.Second, 10*time.Second, 80*time.Millisecond)
	h, err := Hear(said, Sound{Rate: 16000, Samples: append(a.Samples, b.Samples...)})
	if err != nil {
		t.Fatal(err)
	}
	first, last := h.Delays[0], h.Delays[len(h.Delays)-1]
	if (first-50*time.Millisecond).Abs() > 2*time.Millisecond || (last-130*time.Millisecond).Abs() > 2*time.Millisecond {
		t.Errorf("delay from %v to %v, want 50 ms to 130 ms", first, last)
	}
	if h.PerMille() > 20 { // around the step
		t.Error(h)
	}
}

func TestHearCountsDamage(t *testing.T) {
	said := babble(16000, 20*time.Second, 3)
	tests := []struct {
		name  string
		spoil func(frame []float32, i int)
	}{
		{"silence", func(frame []float32, _ int) { clearFloats(frame) }},
		{"a tone", func(frame []float32, _ int) {
			for k := range frame {
				frame[k] = float32(0.2 * math.Sin(float64(k)))
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			heard := cut(said, 0, 20*time.Second, 100*time.Millisecond)
			const every, length = 16000 / 5, 16000 / 25 // 40 ms of each 200
			for i := 0; i+length <= len(heard.Samples); i += every {
				test.spoil(heard.Samples[i:i+length], i)
			}
			h, err := Hear(said, heard)
			if err != nil {
				t.Fatal(err)
			}
			// A frame that is damaged in part may pass for its neighbour.
			if h.PerMille() < 70 || h.PerMille() > 320 {
				t.Errorf("%v: %.0f in a thousand, want about 200", h, h.PerMille())
			}
		})
	}
}

func clearFloats(x []float32) {
	for i := range x {
		x[i] = 0
	}
}

func TestHearForgivesLevelAndTilt(t *testing.T) {
	said := babble(16000, 15*time.Second, 4)
	heard := Sound{Rate: 16000}
	last := float32(0)
	for _, v := range said.Samples {
		last += 0.6 * (v - last) // darker
		heard.Samples = append(heard.Samples, last/3)
	}
	h, err := Hear(said, heard)
	if err != nil || h.PerMille() > 10 {
		t.Errorf("%v, %v", h, err)
	}
}

func TestHearRefusesOtherSound(t *testing.T) {
	h, err := Hear(babble(16000, 10*time.Second, 6), Sound{Rate: 16000, Samples: make([]float32, 160000)})
	if !errors.Is(err, ErrNoMatch) {
		t.Errorf("silence: %v, %v", h, err)
	}
	if _, err := Hear(Sound{Rate: 16000}, Sound{Rate: 16000}); !errors.Is(err, ErrNoMatch) {
		t.Errorf("nothing: %v", err)
	}
}
