package sip

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
)

const (
	// maxPlaces bounds the addresses of one dialog: those of a peer that moves and of the proxies on the way.
	maxPlaces = 4
	// maxParked bounds the requests of one dialog that wait for a second opinion.
	maxParked = 4
	// warySpan is how long nobody is asked again after a second opinion that said no.
	warySpan = 5 * time.Second
)

// homes remembers where each dialog is: the addresses its requests have come from and gone to. A request with the
// right Call-ID and tags from anywhere else is of a peer that moved, or of a thief; see opinion.go.
//
//	            request from elsewhere            no answer, 481
//	settled --------------------------> asking ------------------> settled, at the new address
//	   ^                                   |  still there
//	   +-----------------------------------+  (and wary for warySpan)
type homes struct {
	mu sync.Mutex
	m  map[dialogKey]*home
	at map[netip.Addr]int // how many dialogs are at an address
	// wanted counts those that the user wants: calls of ours, calls answered, subscriptions of ours. Who merely rings,
	// or watches us, is known no better for it.
	wanted map[netip.Addr]int
}

// home is where one dialog is.
type home struct {
	addrs    []netip.Addr   // the latest first
	last     resolve.Target // where the peer was reached or came from last
	newcomer netip.Addr     // asking about this address; zero: settled
	parked   []func(moved bool)
	wary     time.Time // no questions before
	fooled   bool      // once a move turned out to be none: nothing is taken on trust any more
	wanted   bool      // counts in homes.wanted
}

// add begins to watch a dialog, remove forgets it.
func (h *homes) add(k dialogKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.m == nil {
		h.m, h.at, h.wanted = map[dialogKey]*home{}, map[netip.Addr]int{}, map[netip.Addr]int{}
	}
	if h.m[k] == nil {
		h.m[k] = &home{}
	}
}

func (h *homes) remove(k dialogKey) {
	h.mu.Lock()
	p := h.m[k]
	if p == nil {
		h.mu.Unlock()
		return
	}
	delete(h.m, k)
	for _, a := range p.addrs {
		h.left(p, a)
	}
	parked := p.parked
	h.mu.Unlock()
	for _, f := range parked {
		f(false)
	}
}

// left counts one dialog less at an address; h.mu is held.
func (h *homes) left(p *home, a netip.Addr) {
	if h.at[a]--; h.at[a] <= 0 {
		delete(h.at, a)
	}
	if !p.wanted {
		return
	}
	if h.wanted[a]--; h.wanted[a] <= 0 {
		delete(h.wanted, a)
	}
}

// want says that the user wants a dialog.
func (h *homes) want(k dialogKey) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.m[k]
	if p == nil || p.wanted {
		return
	}
	p.wanted = true
	for _, a := range p.addrs {
		h.wanted[a]++
	}
}

// note adds an address that a dialog is at, as its latest.
func (h *homes) note(k dialogKey, t resolve.Target) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p := h.m[k]; p != nil {
		h.settle(p, t)
	}
}

// settle makes an address the latest of a home; h.mu is held.
func (h *homes) settle(p *home, t resolve.Target) {
	a := t.Addr.Addr().Unmap()
	p.last = t
	if i := slices.Index(p.addrs, a); i >= 0 {
		p.addrs = slices.Delete(p.addrs, i, i+1)
	} else {
		h.at[a]++
		if p.wanted {
			h.wanted[a]++
		}
	}
	p.addrs = slices.Insert(p.addrs, 0, a)
	for len(p.addrs) > maxPlaces {
		h.left(p, p.addrs[maxPlaces])
		p.addrs = p.addrs[:maxPlaces]
	}
}

// has tells whether any dialog that the user wants is at an address.
func (h *homes) has(a netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.wanted[a] > 0
}

// count is the number of dialogs at an address.
func (h *homes) count(a netip.Addr) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at[a]
}

// is tells whether a dialog is at an address. A dialog nobody has been heard of yet is anywhere.
func (h *homes) is(k dialogKey, a netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.m[k]
	return p == nil || len(p.addrs) == 0 || slices.Contains(p.addrs, a)
}

// asking tells whether it is being found out if the peer of a dialog has moved to an address.
func (h *homes) asking(k dialogKey, a netip.Addr) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.m[k]
	return p != nil && p.newcomer == a
}

// mayAsk tells whether a question about an address is under way or may be put now.
func (h *homes) mayAsk(k dialogKey, a netip.Addr, now time.Time) (ok, fooled bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.m[k]
	if p == nil || now.Before(p.wary) || p.newcomer.IsValid() && p.newcomer != a || len(p.parked) >= maxParked {
		return false, false
	}
	return true, p.fooled
}

// park queues f for the answer to the question whether the peer has moved to an address. first: the caller must put
// it, to whom is in last, and call decide.
func (h *homes) park(k dialogKey, a netip.Addr, f func(moved bool)) (last resolve.Target, first, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.m[k]
	if p == nil || p.newcomer.IsValid() && p.newcomer != a || len(p.parked) >= maxParked {
		return last, false, false
	}
	first = !p.newcomer.IsValid()
	p.newcomer = a
	p.parked = append(p.parked, f)
	return p.last, first, true
}

// decide ends a question, and calls those who wait for the answer.
func (h *homes) decide(k dialogKey, newcomer resolve.Target, moved bool, now time.Time) {
	h.mu.Lock()
	p := h.m[k]
	if p == nil { // the dialog is over, and remove has told them
		h.mu.Unlock()
		return
	}
	parked := p.parked
	p.parked, p.newcomer = nil, netip.Addr{}
	if moved {
		h.settle(p, newcomer)
	} else {
		p.wary, p.fooled = now.Add(warySpan), true
	}
	h.mu.Unlock()
	for _, f := range parked {
		f(moved)
	}
}
