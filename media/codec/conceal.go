package codec

import "math"

// concealer hides lost packets of a codec without its own concealment, in the spirit of ITU-T G.711 Appendix I:
// the last pitch period is found in the past output and repeated, fading from the second 10 ms on, and the first
// good packet after the gap is cross-faded with what the repetition would have gone on to be. Unlike the Appendix
// it adds no delay: the step at the start of a gap is removed by an offset that decays instead of by holding back
// 3.75 ms. It allocates only in newConcealer.
type concealer struct {
	rate    int
	minLag  int       // samples of the shortest pitch period, 5 ms (Appendix I: 40 samples at 8 kHz)
	maxLag  int       // samples of the longest pitch period, 15 ms (120 samples)
	history []float32 // the last 50 ms of output, oldest first; Appendix I keeps 48.75 ms

	past     []float32 // the history as it was at the start of the gap: what is repeated
	lag      int       // pitch period found then
	periods  int       // how many periods the repetition cycles through: 1, then 2, then 3
	cycle    []float32 // the repeated stretch; the first lag*periods samples are valid
	position int       // next sample within cycle
	tail     []float32 // what the shorter cycle would have gone on with: cross-faded after a change, a quarter lag
	tailAt   int       // next sample within tail; lag/4 when none is left
	offset   float32   // the step at the start of the gap, faded to nothing within a quarter lag
	gap      int       // samples concealed since the last good packet, 0 outside a gap
}

const (
	concealHistoryMS = 50
	concealStepMS    = 10 // full level and one period this long; 2 periods after it, 3 after twice that
	concealFadeMS    = 50 // from then on linearly to silence: 20 % per 10 ms
)

func newConcealer(rate int) *concealer {
	c := &concealer{rate: rate, minLag: rate * 5 / 1000, maxLag: rate * 15 / 1000}
	c.history = make([]float32, rate*concealHistoryMS/1000)
	c.past = make([]float32, len(c.history))
	c.cycle = make([]float32, 3*c.maxLag)
	c.tail = make([]float32, c.maxLag/4)
	return c
}

// good takes note of a decoded packet and, after a gap, cross-fades its beginning in place.
func (c *concealer) good(pcm []int16) {
	if c.gap > 0 {
		// Appendix I: a quarter of the period, and 4 ms more per 10 ms of gap, at most 10 ms.
		gapMS := c.gap * 1000 / c.rate
		n := min(c.lag/4+c.rate*4/1000*(gapMS/10), c.rate/100, len(pcm))
		for i := range n {
			w := float32(i+1) / float32(n+1)
			pcm[i] = clip16(w*float32(pcm[i]) + (1-w)*c.next())
		}
		c.gap = 0
	}
	c.remember(pcm)
}

// lost fills pcm with the estimate of lost sound.
func (c *concealer) lost(pcm []int16) {
	if c.gap == 0 {
		c.begin()
	}
	for i := range pcm {
		pcm[i] = clip16(c.next())
	}
	c.remember(pcm)
}

// begin finds the pitch and prepares the cycle of one period.
func (c *concealer) begin() {
	copy(c.past, c.history)
	c.lag = c.pitch()
	c.position = 0
	c.tailAt = c.lag / 4
	end := len(c.past)
	c.offset = c.past[end-1] - c.past[end-1-c.lag]
	c.build(1)
}

// build makes the cycle from the last n periods before the gap; its last quarter period is cross-faded with the
// samples before the stretch, so that its end flows into its beginning.
func (c *concealer) build(n int) {
	c.periods = n
	length, quarter := n*c.lag, c.lag/4
	start := len(c.past) - length
	copy(c.cycle, c.past[start:])
	for i := range quarter {
		w := float32(i+1) / float32(quarter+1)
		at := length - quarter + i
		c.cycle[at] = (1-w)*c.cycle[at] + w*c.past[start-quarter+i]
	}
}

// lengthen goes over to a cycle of n periods: a single period repeated for long sounds like a buzzer. It starts at
// the same phase, in the earliest period, and is cross-faded from what the shorter cycle would have given.
func (c *concealer) lengthen(n int) {
	for i := range c.lag / 4 {
		c.tail[i] = c.cycle[(c.position+i)%(c.lag*c.periods)]
	}
	c.tailAt = 0
	c.position %= c.lag
	c.build(n)
}

// next returns the next concealed sample and steps on.
func (c *concealer) next() float32 {
	step, fade := c.rate*concealStepMS/1000, c.rate*concealFadeMS/1000
	if c.gap == step || c.gap == 2*step {
		c.lengthen(c.periods + 1)
	}
	v := c.cycle[c.position]
	c.position = (c.position + 1) % (c.lag * c.periods)
	quarter := c.lag / 4
	if c.tailAt < quarter {
		w := float32(c.tailAt+1) / float32(quarter+1)
		v = w*v + (1-w)*c.tail[c.tailAt]
		c.tailAt++
	}
	if c.gap < quarter {
		v += c.offset * float32(quarter-c.gap) / float32(quarter+1)
	}
	if over := c.gap - step; over > 0 {
		v *= max(0, 1-float32(over)/float32(fade))
	}
	c.gap = min(c.gap+1, step+fade) // silent from there on, however long the gap
	return v
}

// pitch returns the lag with the largest normalised cross-correlation between the last 20 ms and the sound that
// far before (Appendix I).
func (c *concealer) pitch() int {
	window := c.rate * 20 / 1000
	end := len(c.history)
	recent := c.history[end-window:]
	best, bestScore := c.maxLag, float32(0)
	for lag := c.minLag; lag <= c.maxLag; lag++ {
		earlier := c.history[end-window-lag : end-lag]
		var product, energy float32
		for i, x := range recent {
			product += x * earlier[i]
			energy += earlier[i] * earlier[i]
		}
		if product <= 0 || energy == 0 {
			continue
		}
		// A small advantage for short lags keeps a multiple of the period from winning by rounding.
		score := product * product / energy
		if score > bestScore*1.001 {
			best, bestScore = lag, score
		}
	}
	return best
}

// remember appends output to the history; only real packets and the concealed sound since, so that a second gap
// soon after the first still has something to repeat.
func (c *concealer) remember(pcm []int16) {
	n := len(pcm)
	size := len(c.history)
	if n >= size {
		pcm = pcm[n-size:]
		n = size
	}
	copy(c.history, c.history[n:])
	for i, x := range pcm {
		c.history[size-n+i] = float32(x)
	}
}

func clip16(v float32) int16 {
	return int16(max(math.MinInt16, min(math.MaxInt16, math.Round(float64(v)))))
}
