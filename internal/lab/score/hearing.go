package score

import (
	"fmt"
	"math"
	"math/cmplx"
	"slices"
	"time"
)

// Hearing says what became of speech on its way from a mouth to an ear.
type Hearing struct {
	Delays  []time.Duration // from mouth to ear, for each half second with speech, in order
	At      []time.Duration // the places of those in the sound
	Speech  int             // 20 ms frames in which the mouth spoke
	Damaged int             // of those, the ones that were silence or another sound at the ear
}

const (
	// hearingRate is enough for what is compared, and tells fricatives apart.
	hearingRate = 16000
	// A frame's spectrum is taken from 20 ms, filled up to a power of two.
	spectrumSize = 512
	// bands between lowest and highest, the band that every codec has.
	bands, lowest, highest = 16, 200.0, 3400.0
	// finest is the step in which the ear's frames are looked at, and around how far around the delay of that moment:
	// within it a jitter buffer may have stretched or shortened the sound.
	finest, around = 4, 120
	// beside is how many frames before and behind one tell where it is.
	beside = 7
	// quietest is 35 dB below a sound's loudest frames: below that, all is alike.
	quietest = 3e-4
	// spoken is 26 dB below them: only such frames are judged.
	spoken = 1 / 400.0
	// tonal is the share of its power that a tone has in three bands.
	tonal = 0.97
	// differs is the mean difference of two spectra, in dB, from which on a frame is another sound. Codecs at 24 kbit/s
	// and more make 1 to 5, unrelated frames of the same talker 10 to 20.
	differs = 7.0
	// window, hop and longest of the delay's measurement, in ms.
	window, hop, longest = 1500, 500, 1500
	// plain is the least correlation of envelopes that counts.
	plain = 0.6
)

// PerMille is how many of a thousand frames of speech were damaged.
func (h Hearing) PerMille() float64 {
	if h.Speech == 0 {
		return math.NaN()
	}
	return 1000 * float64(h.Damaged) / float64(h.Speech)
}

// Delay is the delay that percent of the measurements do not exceed; 0 when there are none.
func (h Hearing) Delay(percent int) time.Duration {
	if len(h.Delays) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(h.Delays))
	return sorted[(len(sorted)-1)*percent/100]
}

// String is the hearing in one line.
func (h Hearing) String() string {
	return fmt.Sprintf("%d of %d speech frames damaged, delay p50 %v p95 %v",
		h.Damaged, h.Speech, h.Delay(50), h.Delay(95))
}

// Hear compares what was said with what was heard. Both sounds begin at the same moment; the heard one should go on
// for a second longer. Delays are 0 to 1.5 s.
func Hear(said, heard Sound) (Hearing, error) {
	var h Hearing
	src, rec := envelope(said), envelope(heard)
	delayAt := func(from int, low, high int) (int, bool) {
		best, found := plain, -1
		for lag := low; lag <= high && from+lag+window <= len(rec); lag++ {
			if lag < 0 {
				continue
			}
			c := correlation(func(i int) float64 { return src[i] }, rec[lag:], from, from+window)
			if c > best {
				best, found = c, lag
			}
		}
		return found, found >= 0
	}
	speaks := peakLevel(src) * speechBelowPeak
	type measured struct{ from, lag int }
	var rough []measured
	for from := 0; from+window <= len(src); from += hop {
		if peakLevel(src[from:from+window]) < 4*speaks {
			continue
		}
		if lag, ok := delayAt(from, 0, longest); ok {
			rough = append(rough, measured{from, lag})
		}
	}
	if len(rough) == 0 {
		return h, fmt.Errorf("%w: no delay within %d ms fits", ErrNoMatch, longest)
	}
	// A word may come again within the reach of the search: the delays of all windows lie close to each other.
	all := make([]int, len(rough))
	for i, m := range rough {
		all[i] = m.lag
	}
	slices.Sort(all)
	middle := all[len(all)/2]
	for _, m := range rough {
		if m.lag < middle-hop || m.lag > middle+hop {
			continue
		}
		h.Delays, h.At = append(h.Delays, ms(m.lag)), append(h.At, ms(m.from))
	}
	h.countDamage(said, heard)
	return h, nil
}

// countDamage compares the spectra of the frames.
func (h *Hearing) countDamage(said, heard Sound) {
	from, to := spectra(said, frame), spectra(heard, finest)
	peak := inDecibels(from)
	inDecibels(to)
	nearest := func(i int) int { // place in to of frame i
		at, best := ms(i*frame), 0
		for k, place := range h.At {
			if (place + ms(window/2) - at).Abs() < (h.At[best] + ms(window/2) - at).Abs() {
				best = k
			}
		}
		return (i*frame + int(h.Delays[best]/time.Millisecond)) / finest
	}
	middles := make([]int, len(from))
	for i := range from {
		middles[i] = nearest(i)
	}
	// What the whole way does to each band is no damage: it is found from all frames first.
	var tilt [bands]float64
	for _, limit := range []float64{math.Inf(1), differs} {
		distances := make([][]float64, len(from)) // of each frame, at each place around its delay
		for i, s := range from {
			first := middles[i] - around/finest
			if s.power < spoken*peak || s.pure || first < 0 || first+2*around/finest >= len(to) {
				continue
			}
			for k := range 2*around/finest + 1 {
				distances[i] = append(distances[i], s.distance(&to[first+k], &tilt))
			}
		}
		tilt = h.judge(from, to, distances, middles, limit)
	}
}

// judge counts the frames that differ by more than limit, and returns the mean difference of the good ones in each
// band.
func (h *Hearing) judge(
	from, to []spectrum, distances [][]float64, middles []int, limit float64,
) (tilt [bands]float64) {
	h.Speech, h.Damaged = 0, 0
	good := 0.0
	for i, own := range distances {
		if own == nil {
			continue
		}
		at := settle(distances, middles, i)
		h.Speech++
		for k := max(at-1, 0); k <= min(at+1, len(own)-1); k++ {
			if own[k] < own[at] {
				at = k
			}
		}
		if own[at] > limit {
			h.Damaged++
			continue
		}
		heard := to[middles[i]-around/finest+at]
		for b := range bands {
			tilt[b] += heard.bands[b] - from[i].bands[b]
		}
		good++
	}
	for b := range bands {
		tilt[b] /= max(good, 1)
	}
	return tilt
}

// settle finds the place at which frame i and those around it fit best: one frame alone would fit its neighbour.
func settle(distances [][]float64, middles []int, i int) int {
	best, at := math.Inf(1), 0
	for k := range distances[i] {
		sum, n := 0.0, 0
		for j := max(i-beside, 0); j <= min(i+beside, len(distances)-1); j++ {
			moved := k + middles[i] - middles[j] + (j-i)*frame/finest
			if distances[j] != nil && moved >= 0 && moved < len(distances[j]) {
				sum += min(distances[j][moved], 2*differs)
				n++
			}
		}
		if mean := sum / float64(max(n, 1)); mean < best {
			best, at = mean, k
		}
	}
	return at
}

// spectrum is that of one frame.
type spectrum struct {
	bands [bands]float64 // power, later in dB
	power float64
	pure  bool // a tone, as the chirps are: what a codec adds to it is below hearing, but far above nothing
}

// inDecibels turns the bands into dB and returns the power of the loudest frames.
func inDecibels(list []spectrum) (peak float64) {
	loud := make([]float64, len(list))
	for i, s := range list {
		loud[i] = s.power
	}
	peak = peakLevel(loud)
	for i := range list {
		for b := range bands {
			list[i].bands[b] = 10 * math.Log10(list[i].bands[b]+quietest*peak+1e-20)
		}
	}
	return peak
}

// distance is the mean difference in dB, after the tilt of the way is taken off.
func (s *spectrum) distance(other *spectrum, tilt *[bands]float64) float64 {
	sum := 0.0
	for b := range bands {
		d := other.bands[b] - s.bands[b] - tilt[b]
		sum += d * d
	}
	return math.Sqrt(sum / bands)
}

// spectra gives the spectrum of 20 ms of sound, every step ms.
func spectra(s Sound, step int) []spectrum {
	pcm := at16k(s)
	const length = hearingRate * frame / 1000
	var out []spectrum
	var line [spectrumSize]complex128
	for from := 0; from+length <= len(pcm); from += step * hearingRate / 1000 {
		line = [spectrumSize]complex128{}
		for i := range length {
			hann := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/length)
			line[i] = complex(float64(pcm[from+i])*hann, 0)
		}
		transform(line[:])
		var one spectrum
		for b := range bands {
			for k := bin(b); k < bin(b+1); k++ {
				one.bands[b] += real(line[k])*real(line[k]) + imag(line[k])*imag(line[k])
			}
			one.power += one.bands[b]
		}
		for b := 1; b+1 < bands; b++ {
			one.pure = one.pure || one.bands[b-1]+one.bands[b]+one.bands[b+1] > tonal*one.power
		}
		for b := range bands { // so that one base serves all
			one.bands[b] *= bands
		}
		out = append(out, one)
	}
	return out
}

// bin is where band b begins: narrow ones below, as ears have them.
func bin(b int) int {
	mel := func(hz float64) float64 { return math.Log(1 + hz/700) }
	at := mel(lowest) + (mel(highest)-mel(lowest))*float64(b)/bands
	return int(math.Round(700 * (math.Exp(at) - 1) * spectrumSize / hearingRate))
}

// at16k brings a sound to hearingRate, by means over what falls into one sample.
func at16k(s Sound) []float32 {
	n := len(s.Samples) * hearingRate / max(s.Rate, 1)
	out := make([]float32, n)
	for i := range out {
		from := i * s.Rate / hearingRate
		to := min(max((i+1)*s.Rate/hearingRate, from+1), len(s.Samples))
		for _, v := range s.Samples[from:to] {
			out[i] += v
		}
		out[i] /= float32(to - from)
	}
	return out
}

// transform is the Fourier transform of x in place; its length is a power of two.
func transform(x []complex128) {
	n := len(x)
	for i, j := 1, 0; i < n; i++ {
		bit := n >> 1
		for ; j&bit != 0; bit >>= 1 {
			j ^= bit
		}
		j ^= bit
		if i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	for length := 2; length <= n; length <<= 1 {
		root := cmplx.Rect(1, -2*math.Pi/float64(length))
		for i := 0; i < n; i += length {
			w := complex(1, 0)
			for k := i; k < i+length/2; k++ {
				u, v := x[k], x[k+length/2]*w
				x[k], x[k+length/2] = u+v, u-v
				w *= root
			}
		}
	}
}
