package presence

import (
	"container/heap"
	"time"
)

// timerHeap orders the buddies by the time of their next timer. A buddy stands in it at most once.
type timerHeap[S any] []*buddy[S]

func (h timerHeap[S]) Len() int           { return len(h) }
func (h timerHeap[S]) Less(i, j int) bool { return h[i].wakeAt.Before(h[j].wakeAt) }
func (h timerHeap[S]) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}

// Push implements heap.Interface.
func (h *timerHeap[S]) Push(x any) {
	if b, ok := x.(*buddy[S]); ok {
		b.heapIndex = len(*h)
		*h = append(*h, b)
	}
}

// Pop implements heap.Interface.
func (h *timerHeap[S]) Pop() any {
	last := len(*h) - 1
	b := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	b.heapIndex = -1
	return b
}

// set puts a buddy at the earlier of its two timers, or takes it out when it has none.
func (h *timerHeap[S]) set(b *buddy[S]) {
	at := b.due
	if at.IsZero() || !b.graceUntil.IsZero() && b.graceUntil.Before(at) {
		at = b.graceUntil
	}
	b.wakeAt = at
	switch {
	case at.IsZero() && b.heapIndex >= 0:
		heap.Remove(h, b.heapIndex)
	case at.IsZero():
	case b.heapIndex >= 0:
		heap.Fix(h, b.heapIndex)
	default:
		heap.Push(h, b)
	}
}

// expired gives a buddy whose timer is due, nil when there is none. The step that follows sets its timer anew.
func (h *timerHeap[S]) expired(now time.Time) *buddy[S] {
	if len(*h) == 0 || (*h)[0].wakeAt.After(now) {
		return nil
	}
	return (*h)[0]
}

// next is the time of the earliest timer; zero when there is none.
func (h *timerHeap[S]) next() time.Time {
	if len(*h) == 0 {
		return time.Time{}
	}
	return (*h)[0].wakeAt
}
