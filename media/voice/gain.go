package voice

import "math"

const (
	wantDB   = -20.0 // loudness of speech, in decibels of full scale: of its loud frames, as people speak into headsets
	mostDB   = 26.0  // largest gain
	leastDB  = -12.0 // smallest gain
	noiseTop = -50.0 // no gain lifts the noise above this

	riseDB = 0.08 // of gain a frame: 8 dB a second, slow enough not to be heard
	fallDB = 0.20

	speechLikely = 55    // percent, from libspeexdsp
	speechAbove  = 9.0   // dB over the noise
	speechLeast  = -62.0 // dBFS: below is nobody
	farSpeech    = -50.0 // dBFS: the loudspeaker talks
	farHang      = 25    // frames after which its echo has died

	peak = 29000 // 1 dB below full scale

	noiseRise = 0.02 // dB a frame: 2 a second
	silence   = -96.0
)

// leveller brings speech to an even loudness. The gain changes only while somebody speaks here and nobody there: in
// silence, noise and echo it stays, so it never pumps.
type leveller struct {
	gain    float64 // dB, in force
	level   float64 // dB of speech as it comes in
	heard   int     // frames of speech so far, at most 100
	noise   float64 // dB of what is always there
	far     int     // frames until the loudspeaker's echo has died
	limit   float32 // factor, 1: the peaks fit
	applied float32 // factor at the end of the frame before
}

func newLeveller() leveller { return leveller{noise: silence, limit: 1, applied: 1} }

// process changes a frame in place. speech is how likely it is speech, in percent; far says that the loudspeaker talks.
func (l *leveller) process(frame []int16, speech int, far bool) {
	level := loudness(frame)
	if far {
		l.far = farHang
	} else if l.far > 0 {
		l.far--
	}
	l.floor(level)
	if speech >= speechLikely && level > l.noise+speechAbove && level > speechLeast && l.far == 0 {
		l.adapt(level)
	}
	l.apply(frame)
}

// floor follows the noise: down at once, up slowly.
func (l *leveller) floor(level float64) {
	switch {
	case level <= silence: // digital silence says nothing of the room
	case l.noise <= silence, level < l.noise:
		l.noise = level
	default:
		l.noise += noiseRise
	}
}

// adapt takes a frame of speech into account. The mean is one of power over the last second of speech.
func (l *leveller) adapt(level float64) {
	l.heard = min(l.heard+1, 100)
	power := math.Pow(10, l.level/10)
	power += (math.Pow(10, level/10) - power) / float64(l.heard)
	l.level = 10 * math.Log10(power)
	if l.heard < 10 {
		return // 100 ms are no sentence
	}
	want := max(leastDB, min(wantDB-l.level, mostDB, max(0, noiseTop-l.noise)))
	l.gain += max(-fallDB, min(want-l.gain, riseDB))
}

// apply scales the frame, from the factor of the frame before to the new one; peaks are kept below full scale.
func (l *leveller) apply(frame []int16) {
	factor := float32(math.Pow(10, l.gain/20))
	top := float32(1)
	for _, x := range frame {
		top = max(top, float32(x), -float32(x))
	}
	l.limit = min(1, l.limit*1.06) // back by half a decibel a frame
	if top*factor*l.limit > peak {
		l.limit = peak / (top * factor)
	}
	to := factor * l.limit
	from := l.applied
	l.applied = to
	if from == 1 && to == 1 {
		return
	}
	// Downwards within 1 ms: the peak may be early in the frame.
	ramp := float32(len(frame))
	if to < from {
		ramp = float32(len(frame)) / 10
	}
	for i, x := range frame {
		w := min(1, float32(i+1)/ramp)
		frame[i] = round16((from + (to-from)*w) * float32(x))
	}
}

// loudness is the power of a frame in decibels of full scale, at least silence.
func loudness(pcm []int16) float64 {
	var sum float64
	for _, x := range pcm {
		sum += float64(x) * float64(x)
	}
	return max(silence, 10*math.Log10(sum/float64(max(len(pcm), 1))/(32768*32768)+1e-12))
}
