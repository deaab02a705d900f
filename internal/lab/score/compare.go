package score

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Report says how well a recording matches its source.
type Report struct {
	Offset      time.Duration // place in the source that the first sample of the recording would have
	Started     time.Duration // place in the recording where sound begins
	Compared    time.Duration // length of the stretch that was compared
	Speech      int           // 20 ms frames of that stretch in which the source speaks
	Silent      int           // of those, the silent ones in the recording
	LongestHole time.Duration // longest run of silent frames
	FirstHole   time.Duration // place of the first silent frame in the recording; meaningless when Silent is 0
	Steps       time.Duration // how much the delay changed within the stretch: latest minus earliest
	DriftPPM    float64       // slope of the delay: how much faster the recording's clock runs
	Match       float64       // correlation of the envelopes, 0 to 1; below 0.5 the source was not found
}

// String is the report in one line.
func (r Report) String() string {
	return fmt.Sprintf("%d of %d speech frames silent, longest hole %v, match %.2f, "+
		"%v compared from %v on, delay varied by %v, drift %.0f ppm",
		r.Silent, r.Speech, r.LongestHole, r.Match,
		r.Compared.Round(time.Millisecond), r.Started.Round(time.Millisecond), r.Steps, r.DriftPPM)
}

// ErrNoMatch says that the source was not found in the recording.
var ErrNoMatch = errors.New("the source was not found in the recording")

const (
	// envelopes have one value per millisecond.
	perSecond = 1000
	// coarse envelopes have one value per 10 ms.
	coarse = 10
	// frame is the length in which holes are counted, as RTP usually carries it.
	frame = 20
	// segment is the length over which the delay is measured anew: two seconds of speech hold
	// enough syllables for one clear maximum.
	segment = 2000
	// reach is how far the delay of a segment may lie from that of the one before.
	reach = 120
	// minMatch is the least correlation that counts as found; unrelated speech gives 0.2 to 0.4.
	minMatch = 0.5
	// A source frame speaks when its level is within 26 dB of the loudest ones, and a recorded
	// one is silent when it is another 20 dB below that. Speech fades in between: no verdict.
	speechBelowPeak = 0.05
	silentBelow     = 0.1
)

// Compare looks for the recording in the source. Holes are counted from the first sound in the
// recording to its last one, against the source from which the recorded stretch comes; loop says
// that the source was played again and again.
func Compare(source, recording Sound, loop bool) (Report, error) {
	src, rec := envelope(source), envelope(recording)
	first, last := soundRange(rec)
	if last-first < segment {
		return Report{}, fmt.Errorf("%w: only %d ms of sound in %v", ErrNoMatch, last-first, recording.Duration())
	}
	at := func(i int) float64 { // source envelope at any place
		if loop {
			i = ((i % len(src)) + len(src)) % len(src)
		}
		if i < 0 || i >= len(src) {
			return 0
		}
		return src[i]
	}
	lag, match := coarseLag(src, rec[first:last], loop)
	r := Report{Started: ms(first), Compared: ms(last - first), Match: match, Offset: ms(lag - first)}
	if match < minMatch {
		return r, fmt.Errorf("%w: best correlation %.2f", ErrNoMatch, match)
	}
	lags := segmentLags(at, rec, first, last, lag-first)
	r.Offset = ms(lags[0])
	r.Steps = ms(slices.Max(lags) - slices.Min(lags))
	r.DriftPPM = slope(lags) / segment * 1e6
	countHoles(&r, at, rec, first, last, lags)
	return r, nil
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// envelope is the level (root mean square over 10 ms) at every millisecond.
func envelope(s Sound) []float64 {
	n := len(s.Samples) * perSecond / max(s.Rate, 1)
	squares := make([]float64, len(s.Samples)+1)
	for i, v := range s.Samples {
		squares[i+1] = squares[i] + float64(v)*float64(v)
	}
	out := make([]float64, n)
	for i := range out {
		from := max((i-5)*s.Rate/perSecond, 0)
		to := min((i+5)*s.Rate/perSecond, len(s.Samples))
		if to > from {
			out[i] = math.Sqrt(max(squares[to]-squares[from], 0) / float64(to-from))
		}
	}
	return out
}

// peakLevel is the level that the loudest 5 % exceed.
func peakLevel(env []float64) float64 {
	if len(env) == 0 {
		return 0
	}
	sorted := slices.Clone(env)
	slices.Sort(sorted)
	return sorted[len(sorted)*95/100]
}

// soundRange is where the first and the last sound is.
func soundRange(env []float64) (first, last int) {
	threshold := peakLevel(env) * speechBelowPeak
	first = -1
	for i, v := range env {
		if v > threshold && v > 1e-4 {
			if first < 0 {
				first = i
			}
			last = i + 1
		}
	}
	return max(first, 0), last
}

// coarseLag finds the place in the source (ms) from which the recorded stretch most likely comes,
// by the first twelve seconds of it.
func coarseLag(src, rec []float64, loop bool) (lag int, match float64) {
	const most = 12000
	source, part := decimate(src), decimate(rec[:min(len(rec), most)])
	n := len(source)
	if loop {
		source = append(source, source[:min(n, len(part))]...)
	}
	best := -1.0
	for start := -len(part) / 2; start < n; start++ {
		from, to := max(-start, 0), min(len(part), len(source)-start)
		if to-from < len(part)/2 {
			continue
		}
		if c := correlation(func(i int) float64 { return source[start+i] }, part, from, to); c > best {
			best, lag = c, start*coarse
		}
	}
	return lag, best
}

// decimate gives the square roots of the levels per 10 ms: loud vowels shall not decide alone, nor
// shall a hole, which logarithms would make the strongest feature of all.
func decimate(env []float64) []float64 {
	out := make([]float64, len(env)/coarse)
	for i := range out {
		sum := 0.0
		for _, v := range env[i*coarse : (i+1)*coarse] {
			sum += v
		}
		out[i] = math.Sqrt(sum / coarse)
	}
	return out
}

// correlation is Pearson's, between a(i) and b[i] for from ≤ i < to.
func correlation(a func(int) float64, b []float64, from, to int) float64 {
	var sa, sb, saa, sbb, sab float64
	for i := from; i < to; i++ {
		x, y := a(i), b[i]
		sa, sb, saa, sbb, sab = sa+x, sb+y, saa+x*x, sbb+y*y, sab+x*y
	}
	n := float64(to - from)
	va, vb := saa-sa*sa/n, sbb-sb*sb/n
	if n < 2 || va <= 0 || vb <= 0 {
		return 0
	}
	return (sab - sa*sb/n) / math.Sqrt(va*vb)
}

// segmentLags measures, for every two seconds of the recording, what must be added to a place in
// the recording to get the place in the source (ms). A segment without a clear maximum keeps the
// lag of the one before.
func segmentLags(at func(int) float64, rec []float64, first, last, lag int) []int {
	var lags []int
	for start := first; start+segment <= last; start += segment {
		best, found := 0.6, lag
		for candidate := lag - reach; candidate <= lag+reach; candidate++ {
			c := correlation(func(i int) float64 { return at(i + candidate) }, rec, start, start+segment)
			if c > best {
				best, found = c, candidate
			}
		}
		lag = found
		lags = append(lags, lag)
	}
	return lags
}

// slope is that of the regression line through the values, per step.
func slope(values []int) float64 {
	n := float64(len(values))
	if n < 2 {
		return 0
	}
	var sx, sy, sxx, sxy float64
	for i, v := range values {
		x, y := float64(i), float64(v)
		sx, sy, sxx, sxy = sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}

// countHoles counts the frames in which the source speaks all through and the recording is silent
// all through. The frames before and after must speak too: the delay is known to some
// milliseconds only, and edges of words prove nothing.
func countHoles(r *Report, at func(int) float64, rec []float64, first, last int, lags []int) {
	level := func(from, to int, f func(int) float64, better func(a, b float64) bool) float64 {
		v := f(from)
		for i := from + 1; i < to; i++ {
			if w := f(i); better(w, v) {
				v = w
			}
		}
		return v
	}
	less, more := func(a, b float64) bool { return a < b }, func(a, b float64) bool { return a > b }
	var peak []float64
	for i := first; i < last; i++ {
		peak = append(peak, at(i+lags[0]))
	}
	speaks := peakLevel(peak) * speechBelowPeak
	silent := peakLevel(rec[first:last]) * speechBelowPeak * silentBelow
	run := 0
	for start := first; start+frame <= last; start += frame {
		lag := lags[min((start-first)/segment, len(lags)-1)]
		if level(start+lag-frame, start+lag+2*frame, at, less) < speaks {
			run = 0
			continue
		}
		r.Speech++
		if level(start, start+frame, func(i int) float64 { return rec[i] }, more) >= silent {
			run = 0
			continue
		}
		if r.Silent == 0 {
			r.FirstHole = ms(start)
		}
		r.Silent++
		run++
		r.LongestHole = max(r.LongestHole, ms(run*frame))
	}
}
