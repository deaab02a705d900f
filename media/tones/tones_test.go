package tones

import (
	"math"
	"testing"
	"time"
)

// strength returns the amplitude of the sine of hz in pcm.
func strength(pcm []int16, hz float64) float64 {
	var s, c float64
	for i, x := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / rate)
		s, c = s+float64(x)*sin, c+float64(x)*cos
	}
	return 2 * math.Hypot(s, c) / float64(len(pcm))
}

func loudest(pcm []int16) int {
	peak := 0
	for _, x := range pcm {
		peak = max(peak, int(x), -int(x))
	}
	return peak
}

func TestCadences(t *testing.T) {
	for name, tt := range map[string]struct {
		source  *Source
		on, off time.Duration
	}{
		"ringback":   {In("").Ringback(), time.Second, 4 * time.Second},
		"busy":       {In("").Busy(), 500 * time.Millisecond, 500 * time.Millisecond},
		"congestion": {In("").Congestion(), 250 * time.Millisecond, 250 * time.Millisecond},
	} {
		if got := tt.source.Length(); got != tt.on+tt.off {
			t.Errorf("%s: one repetition takes %v", name, got)
		}
		for round := range 2 {
			on, off := make([]int16, samples(tt.on)), make([]int16, samples(tt.off))
			for at := 0; at < len(on); at += 480 {
				tt.source.Pull(on[at : at+480])
			}
			tt.source.Pull(off)
			if s := strength(on, 425); s < 0.95*callLevel || s > callLevel || loudest(on) > callLevel {
				t.Errorf("%s, round %d: 425 Hz at %.0f, peak %d", name, round, s, loudest(on))
			}
			if loudest(off) != 0 {
				t.Errorf("%s, round %d: the pause sounds at %d", name, round, loudest(off))
			}
		}
	}
}

func TestRingtone(t *testing.T) {
	s := Ringtone()
	pcm := make([]int16, samples(s.Length()))
	s.Pull(pcm)
	if peak := loudest(pcm); peak < ringLevel/2 || peak > ringLevel {
		t.Errorf("peak %d", peak)
	}
	if high := strength(pcm[:samples(200*time.Millisecond)], 659.26); high < ringLevel/5 {
		t.Errorf("the first bell has its pitch at %.0f", high)
	}
	low := pcm[samples(220*time.Millisecond):samples(600*time.Millisecond)]
	if l := strength(low, 523.25); l < ringLevel/5 {
		t.Errorf("the second bell has its pitch at %.0f", l)
	}
	if tail := loudest(pcm[len(pcm)-samples(2*time.Second):]); tail != 0 {
		t.Errorf("the pause sounds at %d", tail)
	}
	first := pcm[1000]
	s.Pull(pcm[:100])
	s.Reset()
	again := make([]int16, 1001)
	s.Pull(again)
	if again[1000] != first {
		t.Error("Reset does not go back to the start")
	}
}

// TestNoClicks asks that no step from sample to sample is larger than the highest partial makes.
func TestNoClicks(t *testing.T) {
	for name, tt := range map[string]struct {
		source *Source
		level  float64
		hz     float64
	}{
		"ringback": {In("").Ringback(), callLevel, 425}, "busy": {In("").Busy(), callLevel, 425},
		"two frequencies": {In("gb").Ringback(), callLevel, 450}, "swelling": {In("in").Ringback(), callLevel, 440},
		"steps": {In("us").Information(), callLevel, 1800}, "end": {In("us").Ended(), callLevel, 620},
		"ringtone": {Ringtone(), ringLevel, 1100},
	} {
		pcm := make([]int16, 2*samples(min(tt.source.Length(), 10*time.Second)))
		tt.source.Pull(pcm)
		limit := tt.level*2*math.Pi*tt.hz/rate + 2
		for i := 1; i < len(pcm); i++ {
			if step := math.Abs(float64(pcm[i]) - float64(pcm[i-1])); step > limit {
				t.Errorf("%s: a step of %.0f at %d, limit %.0f", name, step, i, limit)
				break
			}
		}
	}
}

func TestPullAllocatesNothing(t *testing.T) {
	s, frame := Ringtone(), make([]int16, 480)
	if a := testing.AllocsPerRun(100, func() { s.Pull(frame) }); a != 0 {
		t.Errorf("%.1f allocations a frame", a)
	}
}

func BenchmarkPull(b *testing.B) {
	s, frame := Ringtone(), make([]int16, 480)
	b.ReportAllocs()
	for b.Loop() {
		s.Pull(frame)
	}
}
