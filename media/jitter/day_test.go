package jitter

import (
	"testing"
	"time"
)

// hum plays the tone of toneDecoder without looking at the payload, quickly enough for a day of it.
type hum struct {
	period [384 + frame]int16
	at     int
}

func newHum() *hum {
	h := &hum{}
	for i := range h.period {
		h.period[i] = tone(uint32(i))
	}
	return h
}

func (h *hum) fill(pcm []int16) {
	for len(pcm) > 0 {
		n := copy(pcm, h.period[h.at:h.at+min(len(pcm), frame)])
		h.at = (h.at + n) % 384
		pcm = pcm[n:]
	}
}

func (h *hum) Decode(_ []byte, pcm []int16) (int, error) {
	h.fill(pcm[:frame])
	return frame, nil
}

func (h *hum) Conceal(pcm []int16)          { h.fill(pcm) }
func (h *hum) Recover([]byte, []int16) bool { return false }
func (h *hum) Carries([]byte) bool          { return false }

// TestDriftForADay plays for 24 hours on a clock that is wrong by 100 ppm, 8.64 s in all: no sound is missing, the delay
// does not grow, and the sum of what was left out or repeated is what the clocks differ by.
func TestDriftForADay(t *testing.T) {
	for _, test := range []struct {
		name string
		ppm  int64
	}{{"the device is slow", 100}, {"the device is fast", -100}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			const day = 24 * time.Hour
			b, d, out := New(Config{}), newHum(), make([]int16, quantum)
			period := 10*time.Millisecond + time.Duration(10*test.ppm)*time.Nanosecond
			pull, settled, most := 3*time.Millisecond, Stats{}, time.Duration(0)
			for n := 0; ; n++ {
				at := time.Duration(n) * 20 * time.Millisecond
				if at >= day {
					break
				}
				for ; pull < at; pull += period {
					b.Pull(out, pull)
				}
				b.Put(&Packet{
					SSRC: 7, Seq: uint16(n), Timestamp: uint32(n) * 160, ClockRate: 8000, Decoder: d, Payload: payload[:],
				}, at)
				if at == time.Minute {
					settled = b.Stats()
				}
				if at > time.Minute && n%50 == 0 {
					most = max(most, b.Stats().Delay)
				}
			}
			st := b.Stats()
			if st.Concealed != settled.Concealed || st.Lost+st.Late+st.Overflowed > 0 {
				t.Errorf("concealed %v after the first minute, lost %d, late %d, thrown out %d, want none",
					st.Concealed-settled.Concealed, st.Lost, st.Late, st.Overflowed)
			}
			if most > 45*time.Millisecond {
				t.Errorf("delay up to %v, want at most 45 ms", most)
			}
			scaled := st.Accelerated - st.Expanded
			if want := day / 1_000_000 * time.Duration(test.ppm); (scaled - want).Abs() > 100*time.Millisecond {
				t.Errorf("left out %v and repeated %v, want a difference of %v", st.Accelerated, st.Expanded, want)
			}
			t.Logf("delay at most %v, left out %v, repeated %v", most, st.Accelerated, st.Expanded)
		})
	}
}
