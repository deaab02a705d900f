package jitter

import "math"

const (
	minLag = 5 * millisecond / 2 // shortest period removed or repeated: 400 Hz
	maxLag = 15 * millisecond    // longest: 67 Hz

	// historySize is the played sound kept before head: one period to repeat.
	historySize = maxLag

	coarse = 12 // the search begins at 4 kHz

	// A delay this much above the target is left alone: it costs only time, and repeating a period overshoots by up
	// to one. Too little costs packets: nothing but the estimator's margin may be missing.
	slackHigh = 13 * millisecond
	slackLow  = margin
	// In silence the excess can be taken out to the sample, so less of it is left.
	slackFaint = 3 * millisecond

	// pace is the sound between two changes of speed: with periods of 5 to 10 ms, 8 to 17 % faster or slower.
	pace = 60 * millisecond
	// hurry is the excess above which every frame may be shortened: speech at up to twice the speed.
	hurry = 80 * millisecond

	// similar is the normalised correlation of two periods that can be swapped unheard; alike is enough in a hurry.
	similar = 0.8
	alike   = 0.5
	// silenceOnly is no correlation that sound can have.
	silenceOnly = 2

	// faint is the mean square below which any two stretches are alike: -56 dBFS.
	faint = 50 * 50
)

// scaler finds the period of a stretch of sound.
type scaler struct {
	low [(2*maxLag)/coarse + 1]float32
}

// adjust brings the delay nearer to the target by one period, when that can be done unheard. n samples are about to
// be played.
func (b *Buffer) adjust(n int) {
	p := &b.play
	if p.filled < settled || p.cooldown > 0 {
		return
	}
	excess := p.held(&b.delay) - b.delay.target
	switch {
	case excess > slackFaint:
		for p.tail-p.head < n+2*maxLag && p.gap+p.copied == 0 {
			q := b.upcoming()
			if q == nil || q.ext != b.next || q.decoder == nil || q.media-p.end > tolerance {
				break
			}
			b.consume(q)
		}
		b.accelerate(excess, n)
	case excess < -slackLow && p.tail-p.head >= minLag:
		b.expand()
	}
}

// accelerate removes one period of at most excess samples, leaving n.
func (b *Buffer) accelerate(excess int64, n int) {
	p := &b.play
	threshold := similar
	switch {
	case excess > hurry:
		threshold = alike
	case excess <= slackHigh:
		threshold = silenceOnly
	}
	x := p.pcm[p.head:p.tail]
	lag, ok := p.scale.period(x, min(maxLag, int(excess), len(x)-n), threshold)
	if !ok {
		return
	}
	// From x[0] fade to x[lag]: what follows it goes on as it was.
	crossfade(x[lag:2*lag], x[:lag], x[lag:2*lag])
	p.head += lag
	// The history before head is now what was removed; put the sound really played there.
	copy(p.pcm[p.head-historySize:p.head], p.pcm[p.head-lag-historySize:p.head-lag])
	p.shift(-int64(lag))
	b.stats.Accelerated += duration(int64(lag))
	p.cooldown = pace
	if excess > hurry {
		p.cooldown = 0
	}
}

// expand repeats one period.
func (b *Buffer) expand() {
	p := &b.play
	limit := min(maxLag, p.tail-p.head)
	x := p.pcm[p.head-limit : p.head+limit]
	lag, ok := p.scale.period(x, limit, similar)
	if !ok {
		return
	}
	p.room(lag)
	// After the sound played last, go from its continuation back to one period earlier, then on as it was.
	copy(p.pcm[p.head+lag:p.tail+lag], p.pcm[p.head:p.tail])
	p.tail += lag
	x = p.pcm[p.head-lag : p.head+2*lag]
	crossfade(x[lag:2*lag], x[2*lag:], x[:lag])
	p.shift(int64(lag))
	b.stats.Expanded += duration(int64(lag))
	p.cooldown = pace
}

// crossfade writes the sound that begins as from and ends as to. dst may be one of them.
func crossfade(dst, from, to []int16) {
	n := len(dst)
	for i := range n {
		w := int32(i) * 1024 / int32(n) //nolint:gosec // below one period.
		dst[i] = int16((int32(from[i])*(1024-w) + int32(to[i])*w) / 1024)
	}
}

// period finds the lag, minLag to limit, at which x[0:lag] and x[lag:2*lag] are most alike.
func (s *scaler) period(x []int16, limit int, threshold float64) (int, bool) {
	limit = min(limit, len(x)/2)
	if limit < minLag {
		return 0, false
	}
	if threshold == silenceOnly {
		return limit, power(x[:2*limit]) < faint
	}
	if power(x[:2*limit]) < faint {
		return limit, true
	}
	m := 2 * limit / coarse
	for i := range m {
		var sum int32
		for _, v := range x[i*coarse : (i+1)*coarse] {
			sum += int32(v)
		}
		s.low[i] = float32(sum) / coarse
	}
	best, lag := -1.0, 0
	for l := (minLag + coarse - 1) / coarse; 2*l <= m; l++ {
		if c := correlation(s.low[:l], s.low[l:2*l]); c > best {
			best, lag = c, l
		}
	}
	if best < threshold {
		return 0, false
	}
	return refine(x, lag*coarse, limit), true
}

// power is the mean square of a stretch, from every fourth sample.
func power(x []int16) float64 {
	var sum float64
	for i := 0; i < len(x); i += 4 {
		sum += float64(x[i]) * float64(x[i])
	}
	return sum * 4 / float64(len(x))
}

// refine finds the best lag to the sample around one found at the coarse rate.
func refine(x []int16, near, limit int) int {
	best, lag := -1.0, near
	for l := max(near-coarse, minLag); l <= min(near+coarse, limit); l++ {
		var xy, xx, yy float64
		for i := 0; i < l; i += 3 {
			a, c := float64(x[i]), float64(x[i+l])
			xy += a * c
			xx += a * a
			yy += c * c
		}
		if c := normalise(xy, xx, yy); c > best {
			best, lag = c, l
		}
	}
	return lag
}

func correlation(a, c []float32) float64 {
	var xy, xx, yy float64
	for i := range a {
		x, y := float64(a[i]), float64(c[i])
		xy += x * y
		xx += x * x
		yy += y * y
	}
	return normalise(xy, xx, yy)
}

func normalise(xy, xx, yy float64) float64 {
	if xx == 0 || yy == 0 {
		return 0
	}
	return xy / math.Sqrt(xx*yy)
}
