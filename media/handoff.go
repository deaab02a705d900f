package media

import (
	"slices"
	"sync"
	"time"
)

const (
	// handOffWindow after a move belongs to it: a fresh link's first packets may take seconds (ARP, DAD).
	handOffWindow = 5 * time.Second
	maxHandOffs   = 32
)

// handOffs measures moves. Its clock is that of the session.
type handOffs struct {
	mu              sync.Mutex
	lastOut, lastIn time.Duration
	sent, received  bool
	list            []HandOff
	moments         []time.Duration // of list, on the session's clock
}

func (h *handOffs) moved(at time.Time, now time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.list) == maxHandOffs {
		h.list, h.moments = slices.Delete(h.list, 0, 1), slices.Delete(h.moments, 0, 1)
	}
	h.list = append(h.list, HandOff{At: at, FirstOut: -1, FirstIn: -1})
	h.moments = append(h.moments, now)
}

func (h *handOffs) out(now time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m, age := h.present(now); m != nil {
		if m.FirstOut < 0 {
			m.FirstOut = age
		}
		if h.sent {
			m.GapOut = max(m.GapOut, now-h.lastOut)
		}
	}
	h.lastOut, h.sent = now, true
}

func (h *handOffs) in(now time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m, age := h.present(now); m != nil {
		if m.FirstIn < 0 {
			m.FirstIn = age
		}
		if h.received {
			m.GapIn = max(m.GapIn, now-h.lastIn)
		}
	}
	h.lastIn, h.received = now, true
}

// present returns the last move while packets still belong to it: within the window, or the first of a direction.
func (h *handOffs) present(now time.Duration) (*HandOff, time.Duration) {
	if len(h.list) == 0 {
		return nil, 0
	}
	i := len(h.list) - 1
	age := max(now-h.moments[i], 0)
	m := &h.list[i]
	if age > handOffWindow && m.FirstIn >= 0 && m.FirstOut >= 0 {
		return nil, 0
	}
	return m, age
}

func (h *handOffs) snapshot() []HandOff {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.list)
}
