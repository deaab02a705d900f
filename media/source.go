package media

import (
	"time"

	"github.com/peregrine-softphone/peregrine/media/quality"
)

// source keeps the figures of RFC 3550 A.1, A.3 and A.8 about one received synchronisation source.
type source struct {
	ssrc    uint32
	started bool
	clock   int

	base     uint32 // extended sequence number of the first packet
	highest  uint32 // extended
	received uint64

	expectedPrior, receivedPrior uint64

	jitter  float64 // ticks
	transit float64 // ticks
	arrived bool    // transit is valid

	lastSR     uint32 // middle 32 bits of the NTP time of the last sender report
	lastSRTime time.Duration
	haveSR     bool

	bursts quality.Bursts
	least  float64 // seconds: the smallest transit since takeLeast
	some   bool    // there was one
	jumped bool    // the peer's timestamps did, at a marker bit
}

// jump is a change of the transit that a talk spurt may begin with: its peer's timestamps stood still in the pause.
const jump = 100 * time.Millisecond

// count takes the sequence number of a packet that the jitter buffer accepted.
func (s *source) count(ssrc uint32, seq uint16) {
	if !s.started || s.ssrc != ssrc {
		// RFC 3550 A.1: a new source begins anew.
		*s = source{ssrc: ssrc, started: true, base: uint32(seq), highest: uint32(seq), clock: s.clock}
	}
	delta := int16(seq - uint16(s.highest)) //nolint:gosec // modulo 2^16 is meant.
	if delta > 3000 || delta < -100 {       // RFC 3550 A.1: MAX_DROPOUT, MAX_MISORDER
		s.base, s.highest, s.received = uint32(seq), uint32(seq), 0
		s.expectedPrior, s.receivedPrior = 0, 0
		delta = 0
	}
	if delta > 0 {
		s.highest += uint32(delta)
	}
	s.received++
	s.bursts.Put(seq)
}

// put counts a packet whose timestamp tells the time it was made.
func (s *source) put(ssrc uint32, seq uint16, ts uint32, marker bool, clock int, now time.Duration) {
	s.count(ssrc, seq)
	// RFC 3550 A.8.
	transit := now.Seconds()*float64(clock) - float64(ts)
	if s.arrived && s.clock == clock {
		d := transit - s.transit
		// The timestamp wraps; a difference beyond a minute is that, or a new origin, and no jitter.
		if limit := float64(60 * clock); d > -limit && d < limit {
			if d < 0 {
				d = -d
			}
			s.jitter += (d - s.jitter) / 16
			if marker && d > jump.Seconds()*float64(clock) {
				s.jumped, s.some = true, false
			}
		}
	}
	if s.clock != clock {
		s.jitter = s.jitter * float64(clock) / float64(max(s.clock, 1))
	}
	s.transit, s.arrived, s.clock = transit, true, clock
	if seconds := transit / float64(clock); !s.some || seconds < s.least {
		s.least, s.some = seconds, true
	}
}

// takeLeast returns the smallest transit since the last call, on a clock with an unknown origin; known is false when
// there was none. anew says that the origin may be another one than before.
func (s *source) takeLeast() (least time.Duration, known, anew bool) {
	least, known, anew = time.Duration(s.least*float64(time.Second)), s.some, s.jumped
	s.some, s.jumped = false, false
	return least, known, anew
}

func (s *source) expected() uint64 {
	if !s.started {
		return 0
	}
	return uint64(s.highest-s.base) + 1
}

// lost is the cumulative number of packets lost; duplicates are not counted, so it is never below 0 for long.
func (s *source) lost() uint64 {
	if e := s.expected(); e > s.received {
		return e - s.received
	}
	return 0
}

// interval returns the fraction lost since the last call, in 1/256 (RFC 3550 A.3).
func (s *source) interval() uint8 {
	expected, received := s.expected(), s.received
	e := int64(expected - s.expectedPrior) //nolint:gosec // counts of packets.
	r := int64(received - s.receivedPrior) //nolint:gosec // counts of packets.
	s.expectedPrior, s.receivedPrior = expected, received
	if e <= 0 || e <= r {
		return 0
	}
	return uint8(min((e-r)*256/e, 255)) //nolint:gosec // bounded here.
}

func (s *source) jitterTime() time.Duration {
	if s.clock == 0 {
		return 0
	}
	return time.Duration(s.jitter / float64(s.clock) * float64(time.Second))
}
