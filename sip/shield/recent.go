package shield

import (
	"container/list"
	"net/netip"
	"sync"
	"time"
)

// Recent remembers addresses for a while: those we sent a request to and expect an answer from.
type Recent struct {
	mu   sync.Mutex
	max  int
	stay time.Duration
	m    map[netip.Addr]*list.Element
	lru  *list.List // of seen, the most recent first
}

type seen struct {
	addr netip.Addr
	at   time.Time
}

// NewRecent makes a memory of at most limit addresses, each for stay after its last Note.
func NewRecent(limit int, stay time.Duration) *Recent {
	return &Recent{max: max(limit, 1), stay: stay, m: map[netip.Addr]*list.Element{}, lru: list.New()}
}

// Note remembers an address from now on.
func (r *Recent) Note(a netip.Addr, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.m[a]; e != nil {
		e.Value = seen{a, now}
		r.lru.MoveToFront(e)
		return
	}
	for e := r.lru.Back(); e != nil; e = r.lru.Back() {
		s, _ := e.Value.(seen)
		if len(r.m) < r.max && now.Sub(s.at) <= r.stay {
			break
		}
		r.lru.Remove(e)
		delete(r.m, s.addr)
	}
	r.m[a] = r.lru.PushFront(seen{a, now})
}

// Has tells whether an address is remembered.
func (r *Recent) Has(a netip.Addr, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.m[a]
	if e == nil {
		return false
	}
	s, _ := e.Value.(seen)
	return now.Sub(s.at) <= r.stay
}

// Len counts the addresses in memory.
func (r *Recent) Len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.m)
}
