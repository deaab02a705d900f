package jitter

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestWeather is the grid of the benchmark against the other programs (docs/benchmarks.md), without them: packets that
// the network loses, or delays by chance within ±jitter while it keeps their order. Frames that had to be made up, of a
// thousand, must stay near what was lost; packets that come too late are the buffer's own fault. Ten seconds after the
// weather the delay is back.
func TestWeather(t *testing.T) {
	for _, loss := range []int{0, 2, 5, 10, 20} {
		for _, jitter := range []int{0, 20, 60} {
			for _, fec := range []bool{false, true} {
				t.Run(fmt.Sprintf("%d %%, ±%d ms, copies %v", loss, jitter, fec), func(t *testing.T) {
					t.Parallel()
					weatherCase(t, loss, jitter, fec)
				})
			}
		}
	}
}

func weatherCase(t *testing.T, loss, jitter int, fec bool) {
	t.Helper()
	const calm, stormy = 250, 3000 // packets
	rng := rand.New(rand.NewPCG(uint64(loss), uint64(jitter)))
	s := newSim()
	s.d.fec = fec
	lost, last := 0, time.Duration(0)
	delay := func(n int) time.Duration {
		d := 60 * time.Millisecond
		if n >= calm && n < calm+stormy {
			if rng.IntN(100) < loss {
				lost++
				return -1
			}
			if jitter > 0 {
				d += time.Duration((rng.Float64()*2 - 1) * float64(jitter) * float64(time.Millisecond))
			}
		}
		at := max(time.Duration(n)*20*time.Millisecond+d, last) // one path keeps the order
		last = at
		return at - time.Duration(n)*20*time.Millisecond
	}
	s.stream(0, calm, delay)
	s.run(calm * 20 * time.Millisecond)
	before := s.b.Stats()
	s.stream(calm, calm+stormy, delay)
	s.run((calm + stormy) * 20 * time.Millisecond)
	storm := s.b.Stats()
	s.stream(calm+stormy, calm+stormy+550, delay)
	s.run((calm + stormy + 500) * 20 * time.Millisecond)
	after := s.b.Stats()

	made := 1000 * (storm.Concealed - before.Concealed).Seconds() / (stormy * 0.02)
	bound := 1000*float64(lost)/stormy + 12 // 1 % may come too late, and the delay is found out by that
	if fec {
		bound = bound*(float64(loss)/100) + 30 // two in a row have no copy, nor has one while that is not known to pay
	}
	late := storm.Late - before.Late
	if made > bound || late > stormy*15/1000 {
		t.Errorf("%.1f frames of 1,000 made up, %d of %d packets late, want %.1f and %d at most",
			made, late, stormy, bound, stormy*15/1000)
	}
	// The whole spread, a frame of the device, a packet to wait for copies, and a period of the voice above the target.
	if most := time.Duration(2*jitter+60) * time.Millisecond; storm.Delay > most {
		t.Errorf("delay %v in the storm, want %v at most", storm.Delay, most)
	}
	if after.Delay > before.Delay+15*time.Millisecond {
		t.Errorf("delay %v before, %v ten seconds after", before.Delay, after.Delay)
	}
	t.Logf("%.1f of 1,000 made up (lost %.1f, late %d), delay %v, %v, %v, target %v, %v, %v", made, 1000*float64(lost)/stormy,
		late, before.Delay, storm.Delay, after.Delay, before.Target, storm.Target, after.Target)
}
