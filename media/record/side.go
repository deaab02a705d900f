package record

const (
	// kept is the room for each side, 1.4 s: lag, and a second for a disk that is slow. A power of two.
	kept = 1 << 16
	// window is how many frames are looked at before a side is moved against the clock: half a second, more than any
	// device holds back.
	window = 50
	// astray is how far a side may be from the clock before it is moved at once: 15 ms. Below that it is moved by a
	// sample a frame, 0.2 %, which nobody hears.
	astray = 15 * rate / 1000
)

// side is one side's sound of the last moments, in its place on the clock. Frames come by the clock of a device, which
// runs fast or slow by some ten parts in a million, and in bursts. The zero value is a side that has said nothing.
// Positions are samples since the recording began. Where nothing was put there is silence.
type side struct {
	ring  [kept]int16 // zero but where a frame was put and not taken yet
	at    int64       // place of the next frame
	begun bool
	lost  int64 // samples that found no room

	frames           int   // of the window
	low, high, total int64 // how late its frames were, against the clock
	adjust           int   // samples by which the next frames are to be made longer; negative: shorter
	skip             int64 // samples to be left out
}

// put takes a frame that was made just now. from is the first sample not taken yet.
func (s *side) put(frame []int16, now, from int64) {
	if len(frame) != frameSamples {
		return
	}
	if !s.begun || s.at < from { // nothing came for long: it goes on from now
		s.begun, s.at = true, max(now, from)
		s.frames, s.adjust, s.skip = 0, 0, 0
	}
	s.watch(now - s.at)
	if s.skip >= frameSamples {
		s.skip -= frameSamples
		return
	}
	n := frameSamples
	switch {
	case s.adjust > 0:
		n++
		s.adjust--
	case s.adjust < 0:
		n--
		s.adjust++
	}
	if s.at+int64(n) > from+kept {
		s.lost += frameSamples
		s.at += int64(n)
		return
	}
	for i := range n {
		x := frame[min(i, frameSamples-1)]
		if n != frameSamples { // linear, between the two samples where it falls
			at := i * (frameSamples - 1)
			k, part := at/(n-1), int32(at%(n-1)) //nolint:gosec // below 480
			x = frame[k]
			if part > 0 {
				step := int32(frame[k+1]) - int32(x)
				x = int16(int32(x) + step*part/int32(n-1)) //nolint:gosec // between two samples
			}
		}
		s.ring[(s.at+int64(i))%kept] = x
	}
	s.at += int64(n)
}

// watch looks at how late frames are. Frames that come in bursts are early and late by turns; a side of which all
// frames of a window are on one side has lost sound, or got sound twice.
func (s *side) watch(late int64) {
	if s.frames == 0 {
		s.low, s.high, s.total = late, late, 0
	}
	s.low, s.high, s.total = min(s.low, late), max(s.high, late), s.total+late
	if s.frames++; s.frames < window {
		return
	}
	mean := s.total / window
	s.frames, s.adjust = 0, 0
	switch {
	case s.low > astray:
		s.at += s.low
	case s.high < -astray:
		s.skip = -s.high
	default:
		s.adjust = int(max(-window, min(mean/2, window)))
	}
}

// take moves the samples from a place on out, silence where there are none.
func (s *side) take(out []int16, from int64) {
	for i := range out {
		k := (from + int64(i)) % kept
		out[i], s.ring[k] = s.ring[k], 0
	}
}
