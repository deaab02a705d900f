package voice

import "math"

const (
	factor = 3              // 48 kHz to 16 kHz and back
	taps   = 73             // of the low-pass filter: its transition band is 2.2 kHz wide
	delay  = (taps - 1) / 2 // of the filter, in samples at 48 kHz
	cutOff = 7200.0         // Hz: half of 16 kHz less a little more than half the transition band
	late   = frameSamples   // what the processing below takes
	whole  = 2*delay + late // samples at 48 kHz from in to out

	// The gain of the upper part goes up in a frame and down in 1 ms, as parts of it a sample.
	rise float32 = 1.0 / frameSamples
	fall float32 = 1.0 / 48
)

// decimator brings 48 kHz to 16 kHz.
type decimator struct {
	filter *[taps]float32
	line   [taps - 1 + frameSamples]float32 // what came in, the newest last
}

// splitter parts a signal at 7.2 kHz, lets the lower part be processed, and joins them. It takes turns: down, the
// processing of what it returned in place, up.
type splitter struct {
	filter [taps]float32 // the low-pass filter, sum 1
	in     decimator
	past   [whole + frameSamples]float32 // what came in, for the upper part, the newest last

	low    [lowSamples]int16                     // the lower part, processed in place
	before [2][lowSamples]int16                  // the lower part unprocessed, of this frame and the one before
	joined [(taps-1)/factor + lowSamples]float32 // the difference that processing makes, before interpolation
	gain   float32                               // of the upper part, at the end of the frame before
	top    struct{ before, after [2]float32 }    // the last samples, for the difference filter
}

func newSplitter() *splitter {
	s := &splitter{gain: 1}
	sum := 0.0
	for i := range s.filter {
		x := float64(i - delay)
		v := 2 * cutOff / 48000
		if x != 0 {
			v = math.Sin(2*math.Pi*cutOff/48000*x) / (math.Pi * x)
		}
		// Hamming's window: side lobes 53 dB down.
		v *= 0.54 + 0.46*math.Cos(math.Pi*x/(delay+1))
		s.filter[i] = float32(v)
		sum += v
	}
	for i := range s.filter {
		s.filter[i] /= float32(sum)
	}
	s.in.filter = &s.filter
	return s
}

func (s *splitter) reset() {
	clear(s.in.line[:])
	clear(s.past[:])
	clear(s.joined[:])
	s.before = [2][lowSamples]int16{}
	s.gain, s.top.before, s.top.after = 1, [2]float32{}, [2]float32{}
}

// down takes a frame at 48 kHz and returns its lower part, to be processed in place.
func (s *splitter) down(frame []int16) []int16 {
	copy(s.past[:], s.past[frameSamples:])
	for i, x := range frame {
		s.past[whole+i] = float32(x)
	}
	s.before[0] = s.before[1]
	s.in.run(frame, s.low[:])
	s.before[1] = s.low
	return s.low[:]
}

// run makes 160 samples of 480.
func (d *decimator) run(frame, out []int16) {
	copy(d.line[:], d.line[frameSamples:])
	for i, x := range frame {
		d.line[taps-1+i] = float32(x)
	}
	for n := range out {
		stretch := d.line[factor*n : factor*n+taps]
		var sum float32
		for i, h := range d.filter { // symmetric: no need to turn it round
			sum += h * stretch[i]
		}
		out[n] = round16(sum)
	}
}

// up makes a frame at 48 kHz of the processed lower part, which is of the frame before, and the upper part: of all that
// came in, and of the difference between the processed and the unprocessed lower part. echo: the loudspeaker is heard.
func (s *splitter) up(out []int16, echo bool) {
	old, next := s.gain, s.upper()
	if echo {
		next *= next // no canceller works up there
	}
	s.gain = next
	ramp := rise
	if next < old {
		ramp = fall
	}
	const history = (taps - 1) / factor
	copy(s.joined[:], s.joined[lowSamples:])
	for n := range lowSamples {
		g := old + (next-old)*min(1, float32(factor*n)*ramp)
		s.joined[history+n] = float32(s.low[n]) - g*float32(s.before[0][n])
	}
	for m := range out {
		// Zeros stand between the samples: only every third tap meets one. The newest is at or before m.
		newest, phase := history+m/factor, m%factor
		var sum float32
		for k, j := phase, newest; k < taps; k, j = k+factor, j-1 {
			sum += s.filter[k] * s.joined[j]
		}
		g := old + (next-old)*min(1, float32(m)*ramp)
		out[m] = round16(g*s.past[m] + factor*sum)
	}
}

// upper finds the gain of the upper part: that of the top of the lower part, by what a second difference, which passes
// 4 to 8 kHz, lets through of it before and after processing.
func (s *splitter) upper() float32 {
	in := topEnergy(s.before[0][:], &s.top.before)
	out := topEnergy(s.low[:], &s.top.after)
	// What rounding to 16 bits leaves in a second difference: 6/12 a sample.
	const rounding = 0.5 * lowSamples
	g := float32(math.Sqrt(float64((out + rounding) / (in + rounding))))
	return min(g, 1)
}

func topEnergy(pcm []int16, last *[2]float32) float32 {
	var sum float32
	a, b := last[0], last[1]
	for _, x := range pcm {
		c := float32(x)
		d := a - 2*b + c
		sum += d * d
		a, b = b, c
	}
	last[0], last[1] = a, b
	return sum
}

func round16(v float32) int16 {
	return int16(max(math.MinInt16, min(math.MaxInt16, math.Floor(float64(v)+0.5))))
}
