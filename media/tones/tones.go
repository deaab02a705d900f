// Package tones makes the sounds of telephony that no network sends any more: ringback, busy, and the ringtone.
//
// A [Source]'s Pull fills frames of mono signed 16-bit PCM at 48 kHz without end; it is made for
// audio.Player.Play. Cadences are the country-neutral 425 Hz of ITU-T E.180, the most common in the world.
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
	decay  time.Duration // time to fall to a third, like a struck bell; 0 holds the level
}

// Source is an endless repetition of a cadence.
type Source struct {
	notes []note
	level float64
	index int // of the note that sounds
	at    int // samples of it already given
}

// Ringback is what a caller hears while it rings at the other end: 1 s of tone, 4 s of silence.
func Ringback() *Source {
	return &Source{level: callLevel, notes: []note{
		{length: time.Second, hz: [2]float64{425}},
		{length: 4 * time.Second},
	}}
}

// Busy says that the other end is engaged: half a second of tone, half a second of silence.
func Busy() *Source {
	return &Source{level: callLevel, notes: []note{
		{length: 500 * time.Millisecond, hz: [2]float64{425}},
		{length: 500 * time.Millisecond},
	}}
}

// Congestion says that the call failed on its way: the busy tone twice as fast.
func Congestion() *Source {
	return &Source{level: callLevel, notes: []note{
		{length: 250 * time.Millisecond, hz: [2]float64{425}},
		{length: 250 * time.Millisecond},
	}}
}

// Waiting tells somebody who talks that another call comes in: two short tones every five seconds, in the ear.
func Waiting() *Source {
	beep := note{length: 200 * time.Millisecond, hz: [2]float64{425}}
	return &Source{level: callLevel, notes: []note{
		beep, {length: 600 * time.Millisecond}, beep, {length: 4 * time.Second},
	}}
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
	var sum time.Duration
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
		v = 0.7*v + 0.3*math.Sin(2*math.Pi*n.hz[1]*t)
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
