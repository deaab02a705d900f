package shield

import (
	"net/netip"
	"sync"
)

// Standing is how well a source is known.
type Standing int

// The standings, from the least.
const (
	Unknown   Standing = iota
	Neighbour          // on the LAN, where that counts
	Peer               // at the other end of a dialog the user wants
	Server             // our own, or trusted
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
	Server int // places of one server
	Peer   int // places of one peer
	Other  int // places of one other source
	Others int // places of all others together
}

// NewSlots makes an empty one.
func NewSlots(l SlotLimits) *Slots { return &Slots{limits: l, held: map[netip.Addr]int{}} }

// Take takes a place. release gives it back, once, however often it is called; ok is false when there is none.
func (s *Slots) Take(source netip.Addr, as Standing) (release func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit, known := s.limits.Other, as >= Peer
	switch as {
	case Server:
		limit = s.limits.Server
	case Peer:
		limit = s.limits.Peer
	case Unknown, Neighbour:
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
