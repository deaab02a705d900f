package mix

import "sync"

const (
	// speakerFrames bounds the queue: twice the longest device period of 40 ms.
	speakerFrames = 8
	// lookBack is how many frames the queue is watched for before it is held to be too long: 200 ms, five periods.
	lookBack = 20
)

// speaker is the queue between the rounds and the speaker, whose clocks differ by some ten parts in a million and
// whose periods do not fit. It holds no more than the periods need: when every frame taken in a while has left one
// behind that nobody needed, two are blended into one.
type speaker struct {
	mu                 sync.Mutex
	frames             [speakerFrames][frameSamples]int16
	at, n              int
	watched, least     int   // frames taken, and the fewest that were left
	last               int16 // sample that was played
	starved            bool  // it was silence for want of a frame
	underruns, dropped uint64
}

// put appends a frame. When there is no room, nobody plays, and the oldest goes.
func (s *speaker) put(frame *[frameSamples]int16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == speakerFrames {
		s.at = (s.at + 1) % speakerFrames
		s.n--
		s.dropped++
	}
	s.frames[(s.at+s.n)%speakerFrames] = *frame
	s.n++
}

// take fills a frame: the oldest, or silence.
func (s *speaker) take(out []int16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n == 0 {
		s.underruns++
		s.watched, s.least = 0, speakerFrames
		settle(out, s.last)
		s.last, s.starved = 0, true
		return
	}
	copy(out, s.frames[s.at][:])
	if s.starved {
		rise(out)
		s.starved = false
	}
	s.next()
	if s.watched == 0 {
		s.least = speakerFrames
	}
	s.watched++
	s.least = min(s.least, s.n)
	if s.watched >= lookBack {
		if s.least > 0 {
			blend(out, &s.frames[s.at])
			s.next()
			s.dropped++
		}
		s.watched = 0
	}
	s.last = out[len(out)-1]
}

func (s *speaker) next() {
	s.at = (s.at + 1) % speakerFrames
	s.n--
}

func (s *speaker) counts() (underruns, dropped uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.underruns, s.dropped
}

// settle is silence that begins where the sound ended: 1 ms down to nothing.
func settle(out []int16, from int16) {
	clear(out)
	for i := range min(attack, len(out)) {
		out[i] = int16(int(from) * (attack - i - 1) / attack) //nolint:gosec // smaller than from
	}
}

// rise is the opposite: 1 ms from nothing to the sound.
func rise(out []int16) {
	for i := range min(attack, len(out)) {
		out[i] = int16(int(out[i]) * (i + 1) / attack) //nolint:gosec // smaller than it was
	}
}

// blend goes from one frame over to the next within its length.
func blend(out []int16, next *[frameSamples]int16) {
	for i := range min(len(out), frameSamples) {
		a, b := int32(out[i]), int32(next[i])
		out[i] = int16(a + (b-a)*int32(i)/frameSamples) //nolint:gosec // between the two
	}
}
