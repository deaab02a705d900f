// Package resample converts a stream of mono PCM from one sample rate to another, and follows clock drift.
//
// Package media uses it between the 48 kHz of the sound devices and the rate of a codec, package audio for WAV files
// of any rate. A [Resampler] is made once per stream with [New]; [Resampler.Process] is called for each frame and
// allocates nothing; [Resampler.SetDrift] may change the ratio by up to half a percent at any time without a click.
//
// It is a polyphase filter: a sinc windowed after Kaiser, tabulated at a few hundred phases and interpolated between
// them, so that every ratio costs the same. The figures that a test keeps: passband to 0.42 of the lower rate (3.3 kHz
// of 8) within 0.1 dB, images and aliases from 0.52 of it (4.2 kHz) on below -60 dB, delay 2.5 ms at 8 kHz,
// 1.25 ms at 16 kHz.
package resample

import (
	"fmt"
	"math"
)

const (
	// MinRate is the lowest sample rate in Hz that New takes.
	MinRate = 4000
	// MaxRate is the highest.
	MaxRate = 384000
	// MaxDrift is the largest change of the ratio, half a percent: no sound card is off by more than 0.1 %, and a
	// change of pitch of half a percent is not heard.
	MaxDrift = 0.005

	// taps at the lower of the two rates: 40 make the delay of 2.5 ms at 8 kHz and the transition band of 0.1.
	taps = 40
	// cutoff is the middle of the transition band as a part of the lower rate.
	cutoff = 0.47
	// beta shapes the Kaiser window for 65 dB of stopband: 0.1102*(65-8.7).
	beta = 6.2
	// phases between two input samples: linear interpolation between 256 of them errs below -90 dB.
	phases = 256
	// fine is the number of bits below one tick of the position, for the resolution of the drift: 2^-20, 1 ppm.
	fine = 20
	// chunk is how many input samples are worked on at once: 10 ms at 48 kHz.
	chunk = 480
)

// Resampler is one stream's state. It is not safe for concurrent use.
type Resampler struct {
	inRate, outRate int

	// Positions count in units of 1/(outRate<<fine) of an input sample, so that without drift a step is a whole
	// number and 160 samples at 8 kHz are exactly 960 at 48 kHz for ever.
	unit     uint64 // one input sample
	step     uint64 // one output sample at the present drift
	position uint64 // of the next output sample, from the first sample not yet consumed

	length int       // taps of one phase
	count  int       // phases
	table  []float32 // count+1 phases of length taps, latest input first in time order
	buffer []float32 // length-1 consumed samples, then up to chunk new ones
}

// New makes a resampler from inRate to outRate, both in Hz from MinRate to MaxRate, with silence as its past.
func New(inRate, outRate int) (*Resampler, error) {
	for _, rate := range []int{inRate, outRate} {
		if rate < MinRate || rate > MaxRate {
			return nil, fmt.Errorf("resample: %d Hz is not between %d and %d", rate, MinRate, MaxRate)
		}
	}
	r := &Resampler{inRate: inRate, outRate: outRate}
	r.unit, r.step = uint64(outRate)<<fine, uint64(inRate)<<fine //nolint:gosec // positive
	low := min(inRate, outRate)
	r.length = (taps*inRate + low - 1) / low
	r.count = phaseCount(inRate, outRate)
	r.table = kernel(r.length, r.count, cutoff*float64(low)/float64(inRate))
	r.buffer = make([]float32, r.length-1+chunk)
	return r, nil
}

// phaseCount chooses the number of phases: about 256 of the lower rate, and where that is possible a multiple of the
// phases that occur without drift, which then need no interpolation.
func phaseCount(inRate, outRate int) int {
	want := phases
	if inRate > outRate {
		want = max(8, phases*outRate/inRate) // the wider kernel is as much smoother
	}
	occurring := outRate / gcd(inRate, outRate)
	if occurring > 1024 {
		return want
	}
	return (want + occurring - 1) / occurring * occurring
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// kernel tabulates the windowed sinc with its transition around fc (a part of the input rate), each phase with a
// gain of one for a constant signal.
func kernel(length, count int, fc float64) []float32 {
	table := make([]float32, (count+1)*length)
	half := float64(length) / 2
	row := make([]float64, length)
	for phase := range count + 1 {
		var sum float64
		for i := range row {
			// Tap i belongs to the input sample length-1-i before the newest; the output lies half behind that.
			x := float64(i) - half + 1 - float64(phase)/float64(count)
			row[i] = sinc(2*fc*x) * kaiser(x/half)
			sum += row[i]
		}
		for i, v := range row {
			table[phase*length+i] = float32(v / sum)
		}
	}
	return table
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// kaiser is the Kaiser window at x from -1 to 1.
func kaiser(x float64) float64 {
	if x <= -1 || x >= 1 {
		return 0
	}
	return bessel(beta*math.Sqrt(1-x*x)) / bessel(beta)
}

// bessel is the modified Bessel function of the first kind and order zero, by its power series.
func bessel(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > sum*1e-12; k++ {
		term *= x / (2 * k) * x / (2 * k)
		sum += term
	}
	return sum
}

// SetDrift changes the ratio from the next sample on: the input clock runs faster than nominal by that part of one,
// so input is used up faster. Values outside ±MaxDrift are brought inside; NaN is no drift.
func (r *Resampler) SetDrift(drift float64) {
	if math.IsNaN(drift) {
		drift = 0
	}
	drift = max(-MaxDrift, min(drift, MaxDrift))
	r.step = uint64(math.Round(float64(uint64(r.inRate)<<fine) * (1 + drift))) //nolint:gosec // positive
}

// Process converts samples of in to out until either in is used up or out is full. It returns how many samples it
// consumed and produced; those not consumed must come again at the start of the next call.
// With len(out) at least MaxOutput(len(in)) it consumes all. in and out must not overlap.
func (r *Resampler) Process(in, out []int16) (consumed, produced int) {
	for consumed < len(in) && produced < len(out) {
		block := in[consumed:min(len(in), consumed+chunk)]
		c, p := r.block(block, out[produced:])
		consumed, produced = consumed+c, produced+p
	}
	return consumed, produced
}

// Need returns how many input samples Process must get to produce that many output samples, at least 0.
func (r *Resampler) Need(samples int) int {
	if samples <= 0 {
		return 0
	}
	return int((r.position+uint64(samples-1)*r.step)/r.unit) + 1 //nolint:gosec // of the size of samples
}

// MaxOutput returns the largest number of samples that Process can produce of that many input samples.
func (r *Resampler) MaxOutput(samples int) int {
	slowest := float64(r.inRate) * (1 - MaxDrift)
	return int(math.Ceil(float64(samples)*float64(r.outRate)/slowest)) + 1
}

// Delay returns the delay of the filter in input samples.
func (r *Resampler) Delay() float64 { return float64(r.length) / 2 }

// Reset forgets the past, as after New. The drift stays.
func (r *Resampler) Reset() {
	clear(r.buffer)
	r.position = 0
}

// block does the work of Process for at most chunk input samples.
func (r *Resampler) block(in, out []int16) (consumed, produced int) {
	past := r.length - 1
	fresh := r.buffer[past : past+len(in)]
	for i, x := range in {
		fresh[i] = float32(x)
	}
	end := uint64(len(in)) * r.unit
	for r.position < end && produced < len(out) {
		index := int(r.position / r.unit) //nolint:gosec // below len(in)
		out[produced] = round(r.sample(index, r.position%r.unit))
		produced++
		r.position += r.step
	}
	consumed = min(len(in), int(r.position/r.unit)) //nolint:gosec // a few above len(in) at most
	r.position -= uint64(consumed) * r.unit
	copy(r.buffer, r.buffer[consumed:consumed+past])
	return consumed, produced
}

// sample computes one output sample from the length inputs that end with the fresh sample index.
func (r *Resampler) sample(index int, fraction uint64) float32 {
	window := r.buffer[index : index+r.length]
	scaled := fraction * uint64(r.count)             //nolint:gosec // positive
	phase, rest := int(scaled/r.unit), scaled%r.unit //nolint:gosec // below r.count
	a := dot(window, r.table[phase*r.length:(phase+1)*r.length])
	if rest == 0 {
		return a
	}
	b := dot(window, r.table[(phase+1)*r.length:(phase+2)*r.length])
	return a + (b-a)*float32(float64(rest)/float64(r.unit))
}

// dot is the inner product; four sums at once keep the processor's adder busy.
func dot(x, h []float32) float32 {
	h = h[:len(x)]
	var s0, s1, s2, s3 float32
	i := 0
	for ; i+4 <= len(x); i += 4 {
		s0 += x[i] * h[i]
		s1 += x[i+1] * h[i+1]
		s2 += x[i+2] * h[i+2]
		s3 += x[i+3] * h[i+3]
	}
	for ; i < len(x); i++ {
		s0 += x[i] * h[i]
	}
	return s0 + s1 + s2 + s3
}

func round(v float32) int16 {
	switch {
	case v >= math.MaxInt16:
		return math.MaxInt16
	case v <= math.MinInt16:
		return math.MinInt16
	case v < 0:
		return int16(v - 0.5)
	default:
		return int16(v + 0.5)
	}
}
