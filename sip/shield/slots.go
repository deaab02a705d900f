package shield

import (
	"net/netip"
	"sync"
)

// Slots bounds how many places of a table each source holds, and keeps a part of the table for those we know.
type Slots struct {
	mu        sync.Mutex
	limits    SlotLimits
	held      map[netip.Addr]int
	strangers int // places of those we do not know
}

// SlotLimits are the numbers of Slots.
type SlotLimits struct {
	Known   int // places of one known source
	Unknown int // places of one other source
	Others  int // places of all unknown sources together
}

// NewSlots makes an empty one.
func NewSlots(l SlotLimits) *Slots { return &Slots{limits: l, held: map[netip.Addr]int{}} }

// Take takes a place. release gives it back, once, however often it is called; ok is false when there is none.
func (s *Slots) Take(source netip.Addr, known bool) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.limits.Unknown
	if known {
		limit = s.limits.Known
	}
	if s.held[source] >= limit || !known && s.strangers >= s.limits.Others {
		return nil, false
	}
	s.held[source]++
	if !known {
		s.strangers++
	}
	return sync.OnceFunc(func() { s.release(source, known) }), true
}

func (s *Slots) release(source netip.Addr, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held[source]--; s.held[source] <= 0 {
		delete(s.held, source)
	}
	if !known {
		s.strangers--
	}
}

// Len counts the sources that hold a place.
func (s *Slots) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.held)
}
