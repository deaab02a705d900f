package linkemu

import (
	"math/rand/v2"
	"time"
)

// queueLimit bounds the frames on the way in one direction: 8192 frames of 20 ms RTP are 160 s of
// one call.
const queueLimit = 8192

// queue holds the frames of one direction until they are due. Not safe for concurrent use.
type queue struct {
	impairment Impairment
	random     *rand.Rand
	frames     []frame // ring
	head, n    int
	last       time.Duration // due time of the newest frame
	rate       int           // bit/s of the bottleneck; 0: none
	free       time.Duration // when the bottleneck has sent what waits before it
	dropped    uint64        // lost on purpose or because the queue was full
}

type frame struct {
	due  time.Duration
	data []byte
}

func newQueue(i Impairment, seed uint64) *queue {
	return &queue{impairment: i, random: rand.New(rand.NewPCG(seed, 1)), frames: make([]frame, queueLimit)}
}

// push takes a frame that arrived at now; data is copied.
func (q *queue) push(now time.Duration, data []byte) {
	if q.n == len(q.frames) || q.impairment.Loss > 0 && q.random.Float64() < q.impairment.Loss {
		q.dropped++
		return
	}
	sent := now
	if q.rate > 0 {
		if q.free = max(q.free, now); q.free-now > Depth {
			q.dropped++
			return
		}
		q.free += time.Duration(len(data)) * 8 * time.Second / time.Duration(q.rate)
		sent = q.free
	}
	due := sent + q.impairment.Delay
	if j := q.impairment.Jitter; j > 0 {
		due += time.Duration((q.random.Float64()*2 - 1) * float64(j))
	}
	// One path keeps the order of its packets; netem without reordering does the same.
	due = max(due, q.last, now)
	q.last = due
	slot := &q.frames[(q.head+q.n)%len(q.frames)]
	slot.due, slot.data = due, append(slot.data[:0], data...)
	q.n++
}

// pop gives the oldest frame that is due at now, valid until the next push.
func (q *queue) pop(now time.Duration) ([]byte, bool) {
	if q.n == 0 || q.frames[q.head].due > now {
		return nil, false
	}
	data := q.frames[q.head].data
	q.head = (q.head + 1) % len(q.frames)
	q.n--
	return data, true
}

// next is when the oldest frame is due; false when there is none.
func (q *queue) next() (time.Duration, bool) {
	if q.n == 0 {
		return 0, false
	}
	return q.frames[q.head].due, true
}
