package voice

import "math"

// The finder works on the band from 1 to 2 kHz, where voices are strong and every loudspeaker works, brought to 2 kHz:
// sampling it so turns it round, which is the same for both.
const (
	bandFactor = lowRate / 2000
	bandFrame  = lowSamples / bandFactor
	bandTaps   = 64
	// longest delay that is found: 300 ms. Sound servers take 250 at worst.
	longest = 600
	// perMS turns places of the band into milliseconds.
	perMS = 2

	// lookFrames between two looks at what was learnt; delayLooks in a row have to agree.
	lookFrames = 25
	delayLooks = 2
	// alike is how far two looks may differ, in samples of the band, 4 ms.
	alike = 4 * perMS
	// before is how much earlier than the loudest of an echo the canceller begins, 16 ms: a room may have a weaker path
	// that is shorter.
	before = 16 * perMS
	// The delay is left as it is while the loudest of the echo is from 6 to 50 ms into the canceller.
	earliest = 6 * perMS
	latest   = 30 * perMS
	// clear of the rest is a peak whose 20 ms hold such a part of all that was learnt.
	peakHalf = 10 * perMS
	peakPart = 0.35

	learnRate = 0.5
	// quiet is the power of a band sample below which there is nothing to learn: -66 dBFS.
	quiet = 16 * 16
)

// finder finds how long the sound takes from loudspeaker to microphone, by an adaptive filter over a narrow band
// (NLMS).
type finder struct {
	filter [bandTaps]float32
	far    [bandTaps - 1 + lowSamples]float32 // at 16 kHz, as the filter needs them, the newest last
	near   [bandTaps - 1 + lowSamples]float32

	heard  [longest - 1 + bandFrame]float32 // of the loudspeaker, in the band, the newest last
	said   [bandFrame]float32               // of the microphone
	learnt [longest]float32                 // the response, the latest first, as heard lies
	age    int                              // frames since the last look, with something to learn
	seen   int                              // place of the peak at the last look
	times  int                              // it was seen there
	shift  int                              // samples of the band that the loudspeaker is delayed by
}

func newFinder() *finder {
	f := &finder{}
	for i := range f.filter {
		x := float64(i) - (bandTaps-1)/2.0
		// A low-pass of 450 Hz, brought to 1500 Hz, under Hamming's window.
		v := math.Sin(2*math.Pi*450/lowRate*x) / (math.Pi * x) * 2 * math.Cos(2*math.Pi*1500/lowRate*x)
		f.filter[i] = float32(v * (0.54 + 0.46*math.Cos(2*math.Pi*x/bandTaps)))
	}
	return f
}

// reset forgets what was found: the devices are others.
func (f *finder) reset() {
	clear(f.learnt[:])
	f.age, f.times, f.shift = 0, 0, 0
}

// back is how many samples at 16 kHz earlier than the loudspeaker's newest the canceller should have its sound.
func (f *finder) back() int { return f.shift * bandFactor }

// find takes a frame of both at 16 kHz. moved says that back is another from now on. It allocates nothing.
func (f *finder) find(loudspeaker, microphone []int16) (moved bool) {
	copy(f.heard[:], f.heard[bandFrame:])
	f.band(&f.far, loudspeaker, f.heard[longest-1:])
	f.band(&f.near, microphone, f.said[:])
	if f.learn() {
		if f.age++; f.age >= lookFrames {
			f.age = 0
			moved = f.look()
		}
	}
	return moved
}

// band filters a frame and takes every eighth sample.
func (f *finder) band(line *[bandTaps - 1 + lowSamples]float32, frame []int16, out []float32) {
	copy(line[:], line[lowSamples:])
	for i, x := range frame {
		line[bandTaps-1+i] = float32(x)
	}
	for n := range bandFrame {
		stretch := line[bandFactor*n : bandFactor*n+bandTaps]
		var sum float32
		for i, h := range f.filter {
			sum += h * stretch[i]
		}
		out[n] = sum
	}
}

// learn adapts the filter to a frame. It is false when the loudspeaker is silent.
func (f *finder) learn() bool {
	var power float32
	for _, x := range f.heard[:longest] {
		power += x * x
	}
	if power < quiet*longest/10 {
		return false
	}
	for n, said := range f.said {
		x := f.heard[n : n+longest]
		var guess float32
		for i, w := range f.learnt {
			guess += w * x[i]
		}
		step := learnRate * (said - guess) / (power + quiet*longest/20)
		for i, v := range x {
			f.learnt[i] += step * v
		}
		if n+longest < len(f.heard) {
			power += f.heard[n+longest]*f.heard[n+longest] - f.heard[n]*f.heard[n]
		}
	}
	return true
}

// look reads the delay off the filter and takes it when it is clear, was the same the last time and is not what the
// canceller can deal with as it is.
func (f *finder) look() (moved bool) {
	best, top, all := 0, float32(0), float32(0)
	for i, w := range f.learnt {
		all += w * w
		if w*w > top {
			best, top = i, w*w
		}
	}
	var near float32
	for i := max(0, best-peakHalf); i < min(longest, best+peakHalf); i++ {
		near += f.learnt[i] * f.learnt[i]
	}
	if near < peakPart*all || all == 0 {
		f.times = 0
		return false
	}
	place := longest - 1 - best
	if place-f.seen > alike || f.seen-place > alike {
		f.times = 0
	}
	f.seen = place
	if f.times++; f.times < delayLooks {
		return false
	}
	into := place - f.shift
	if into >= latest || into < earliest && f.shift > 0 {
		shift := max(0, place-before)
		moved, f.shift = shift != f.shift, shift
	}
	return moved
}
