package mix

// voice is a source of sound with a level that changes without a click: over one frame.
type voice struct {
	frame       [frameSamples]int16
	level, want float32 // 0..1, at the end of the last frame and of the next
	muted       bool
}

func (v *voice) mute(on bool) {
	v.muted, v.want = on, 1
	if on {
		v.want = 0
	}
}

// take copies a frame at the voice's level; nil is silence.
func (v *voice) take(frame []int16) {
	if len(frame) < frameSamples {
		clear(v.frame[:])
		v.level = v.want
		return
	}
	copy(v.frame[:], frame)
	v.fade(v.frame[:])
}

// fade brings a frame from the present level to the wanted one.
func (v *voice) fade(frame []int16) {
	if v.level == 1 && v.want == 1 {
		return
	}
	if v.level == 0 && v.want == 0 {
		clear(frame)
		return
	}
	step := (v.want - v.level) / float32(len(frame))
	g := v.level
	for i, x := range frame {
		g += step
		frame[i] = int16(float32(x) * g)
	}
	v.level = v.want
}

const (
	// ceiling is the peak up to which voices are simply added: -1.4 dB of full scale. One voice never reaches the
	// limiter, two or three seldom do.
	ceiling = 28000
	// headroom is what is left above for the first millisecond of a peak.
	headroom = 32767 - ceiling
	// attack is how fast the gain falls: 1 ms, too short to be heard as a click.
	attack = 48
	// recovery is how much of the way back the gain goes in a frame: 300 ms in all, slower than syllables.
	recovery = 0.033
)

// limiter keeps a sum of voices below full scale: the gain falls fast and comes back slowly, and what sticks out
// before it has fallen is bent, never wrapped.
type limiter struct{ gain float32 }

func newLimiter() limiter { return limiter{gain: 1} }

// apply writes total without one of its voices.
func (l *limiter) apply(out *[frameSamples]int16, total *[frameSamples]int32, without *[frameSamples]int16) {
	peak := int32(0)
	for i, t := range total {
		x := t - int32(without[i])
		peak = max(peak, x, -x)
	}
	if peak <= ceiling && l.gain == 1 {
		for i, t := range total {
			out[i] = int16(t - int32(without[i])) //nolint:gosec // below the ceiling
		}
		return
	}
	want, ramp := float32(1), frameSamples
	if peak > ceiling {
		want = ceiling / float32(peak)
	}
	if want < l.gain {
		ramp = attack
	} else if want = l.gain + (want-l.gain)*recovery; want > 0.999 {
		want = 1
	}
	g, step := l.gain, (want-l.gain)/float32(ramp)
	for i, t := range total {
		if i < ramp {
			g += step
		}
		out[i] = bend(float32(t-int32(without[i])) * g)
	}
	l.gain = want
}

// bend maps what is above the ceiling into the headroom: a smooth knee that never reaches full scale.
func bend(x float32) int16 {
	switch {
	case x > ceiling:
		over := x - ceiling
		return int16(ceiling + headroom*over/(over+headroom))
	case x < -ceiling:
		over := -x - ceiling
		return int16(-ceiling - headroom*over/(over+headroom))
	}
	return int16(x)
}
