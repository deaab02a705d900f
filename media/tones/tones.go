// Package tones makes the sounds of telephony that no network sends any more: ringback, busy, and the ringtone.
//
// A [Source]'s Pull fills frames of mono signed 16-bit PCM at 48 kHz without end; it is made for
// audio.Player.Play. [In] gives the tones of a country, [Ringtone] and [Load] what announces a call.
// A Source belongs to one goroutine and allocates nothing in Pull.
package tones

import (
	"math"
	"time"
)

const (
	rate = 48000 // Hz, as in package audio
	// callLevel is the peak of the tones in the ear: -20 dB of full scale, near the -10 dBm0 of E.180.
	callLevel = 3277
	// ringLevel is the peak of the ringtone, which has to be heard across a room: -8 dB.
	ringLevel = 13000
	// edge is the length of the raised-cosine flanks: 5 ms, soft enough not to click.
	edge = 5 * time.Millisecond
)

// note is one stretch of a cadence.
type note struct {
	length time.Duration
	hz     [2]float64    // frequencies sounding together; 0 is none, both 0 is silence
	swell  float64       // how often a second the first one swells and fades; 0: not at all
	decay  time.Duration // time to fall to a third, like a struck bell; 0 holds the level
}

// swellDepth is how much of a tone that swells goes away between: 90 %.
const swellDepth = 0.9

// Source is an endless repetition of a cadence, or of a piece of sound.
type Source struct {
	pcm   []int16 // repeated as it is; nil: notes are
	notes []note
	level float64
	index int // of the note that sounds
	at    int // samples of it, or of pcm, already given
}

// Ringtone announces a call: two bells a third apart (E5 and C5, each with its octave), twice, then two seconds of
// silence.
func Ringtone() *Source {
	const e5, c5 = 659.26, 523.25
	high := note{length: 220 * time.Millisecond, hz: [2]float64{e5, 2 * e5}, decay: 180 * time.Millisecond}
	low := note{length: 420 * time.Millisecond, hz: [2]float64{c5, 2 * c5}, decay: 260 * time.Millisecond}
	return &Source{level: ringLevel, notes: []note{
		high, low, {length: 160 * time.Millisecond}, high, low, {length: 2 * time.Second},
	}}
}

// Pull fills the frame, of any length, with the next samples.
func (s *Source) Pull(frame []int16) {
	for s.pcm != nil && len(frame) > 0 {
		n := copy(frame, s.pcm[s.at:])
		frame, s.at = frame[n:], (s.at+n)%len(s.pcm)
	}
	for i := range frame {
		n := s.notes[s.index]
		frame[i] = int16(math.Round(s.level * n.value(s.at)))
		if s.at++; s.at >= samples(n.length) {
			s.at, s.index = 0, (s.index+1)%len(s.notes)
		}
	}
}

// Reset goes back to the start of the cadence.
func (s *Source) Reset() { s.index, s.at = 0, 0 }

// Length returns the duration of one repetition.
func (s *Source) Length() time.Duration {
	sum := time.Duration(len(s.pcm)) * time.Second / rate
	for _, n := range s.notes {
		sum += n.length
	}
	return sum
}

// value returns sample at of the note, from -1 to 1.
func (n note) value(at int) float64 {
	if n.hz[0] == 0 && n.hz[1] == 0 {
		return 0
	}
	t := float64(at) / rate
	v := math.Sin(2 * math.Pi * n.hz[0] * t)
	if n.hz[1] != 0 {
		first := 0.5
		if n.decay > 0 {
			first = 0.7 // the second partial of a bell is weaker
		}
		v = first*v + (1-first)*math.Sin(2*math.Pi*n.hz[1]*t)
	}
	if n.swell > 0 {
		v *= (1 - swellDepth*math.Cos(2*math.Pi*n.swell*t)) / (1 + swellDepth)
	}
	if n.decay > 0 {
		v *= math.Exp(-t / n.decay.Seconds())
	}
	// The flanks at both ends.
	near := min(at, samples(n.length)-1-at)
	if flank := samples(edge); near < flank {
		v *= 0.5 - 0.5*math.Cos(math.Pi*float64(near)/float64(flank))
	}
	return v
}

func samples(d time.Duration) int { return int(d * rate / time.Second) }
