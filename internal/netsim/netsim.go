// Package netsim is an in-memory IP network for tests. Its only clock is package time, so it runs
// inside a testing/synctest bubble: latency costs virtual time, and a test of a 32 s timeout takes
// microseconds.
//
// Order of calls: New a Network inside the bubble, add a Host per computer, give the hosts (they
// implement sip.Network) to the code under test, move them with Host.SetAddrs, and Close the
// Network at the end. It starts no goroutine of its own: deliveries are timers, and none is left
// after Close.
//
// What it imitates, because mobile code depends on it:
//   - a socket bound to the unspecified address lives on when addresses come and go, and its packets
//     leave from the address the host has at that moment;
//   - a socket bound to one address cannot send once that address is gone (ENETUNREACH), nor can any
//     when the host has no address (link down);
//   - a packet is judged on arrival: it is lost when its destination has moved away meanwhile;
//   - a TCP stream whose address is gone falls silent for good, and neither end is told;
//   - datagrams sent at one instant over one path arrive in the order sent, unless the Path says
//     otherwise. Draws are made per direction from the seed, so a lossy run repeats exactly.
//
// All methods of all types may be called from any goroutine of the bubble.
package netsim

import (
	"container/heap"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// Path is what a packet meets on its way from one address to another, in one direction.
// The zero Path delivers everything at once.
type Path struct {
	Latency time.Duration // one way
	Jitter  time.Duration // 0 to Jitter is added to each packet, evenly; later packets may overtake

	Loss      float64 // share of packets lost, 0 to 1; a stream delays the chunk by 200 ms instead
	Duplicate float64 // share of datagrams that arrive twice, 0 to 1
	Reorder   float64 // share of datagrams held back by ReorderBy, 0 to 1

	ReorderBy time.Duration // 0: 20 ms, one frame of speech
	Down      bool          // nothing gets through
}

// Verdict is a Filter's word on a datagram.
type Verdict int

// The verdicts.
const (
	Deliver Verdict = iota // as the Path says
	Drop                   // lost
	Twice                  // delivered and duplicated
)

// Datagram is what a Filter sees. Data must be neither kept nor changed.
type Datagram struct {
	From, To netip.AddrPort
	Data     []byte
}

// Filter judges each datagram when it is sent, before the Path's own chances. It is called from the
// sender's goroutine without locks held.
type Filter func(Datagram) Verdict

// Stats counts datagrams since New.
type Stats struct {
	Sent       uint64 // accepted from senders, not counting duplicates
	Delivered  uint64 // put into a receiver's queue
	Lost       uint64 // by Filter, Path.Loss or Path.Down
	Unroutable uint64 // nobody there on arrival: no such address, or no socket on the port
	Overflow   uint64 // receiver's queue full
}

// Config describes a Network. The zero value is a perfect network without delay.
type Config struct {
	Seed    uint64 // of the draws for loss, jitter, duplicates and reordering
	Default Path   // between addresses without a path of their own
}

// Network connects Hosts. Make one with New.
type Network struct {
	seed uint64

	mu     sync.Mutex
	def    Path
	paths  map[pair]Path
	draws  map[pair]*rand.Rand
	hosts  map[netip.Addr]*Host
	filter Filter
	stats  Stats

	pending events
	seq     uint64
	timer   *time.Timer
	sockets map[socket]struct{}
	closed  bool
}

type pair struct{ from, to netip.Addr }

// socket is what Network.Close ends; shut is called with Network.mu held, and may be called twice.
type socket interface{ shut() }

// New makes a network without hosts. Inside a synctest bubble, call it there.
func New(c Config) *Network {
	return &Network{
		seed:    c.Seed,
		def:     c.Default,
		paths:   make(map[pair]Path),
		draws:   make(map[pair]*rand.Rand),
		hosts:   make(map[netip.Addr]*Host),
		sockets: make(map[socket]struct{}),
	}
}

// SetDefault changes the path between addresses that have none of their own. Packets under way
// keep the delay they left with.
func (n *Network) SetDefault(p Path) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.def = p
}

// SetPath changes the path of packets from one address to another; the way back is another path.
// It panics when an address does not parse.
func (n *Network) SetPath(from, to string, p Path) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.paths[pair{netip.MustParseAddr(from), netip.MustParseAddr(to)}] = p
}

// SetFilter installs f for all datagrams; nil removes it.
func (n *Network) SetFilter(f Filter) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.filter = f
}

// Stats returns the counts so far.
func (n *Network) Stats() Stats {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.stats
}

// Close drops what is under way and closes every socket, listener and stream. It may be called twice.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	n.pending = nil
	if n.timer != nil {
		n.timer.Stop()
	}
	for s := range n.sockets {
		s.shut()
	}
}

// path returns the path of one packet; n.mu is held. Packets a host sends itself meet nothing.
func (n *Network) path(from, to netip.Addr) Path {
	if from == to || to.IsLoopback() {
		return Path{}
	}
	if p, ok := n.paths[pair{from, to}]; ok {
		return p
	}
	return n.def
}

// chance draws from the direction's own source, so that traffic elsewhere does not change it.
// n.mu is held.
func (n *Network) chance(from, to netip.Addr, share float64) bool {
	return share > 0 && n.draw(from, to).Float64() < share
}

func (n *Network) draw(from, to netip.Addr) *rand.Rand {
	key := pair{from, to}
	r := n.draws[key]
	if r == nil {
		r = rand.New(rand.NewPCG(n.seed, fold(key))) //nolint:gosec // chances of a simulation, not secrets
		n.draws[key] = r
	}
	return r
}

// fold hashes a direction the same way in every run (FNV-1a).
func fold(k pair) uint64 {
	h := uint64(14695981039346656037)
	for _, a := range []netip.Addr{k.from, k.to} {
		for _, b := range a.As16() {
			h = (h ^ uint64(b)) * 1099511628211
		}
	}
	return h
}

// delay is the time one packet takes over p; n.mu is held.
func (n *Network) delay(from, to netip.Addr, p Path) time.Duration {
	d := p.Latency
	if p.Jitter > 0 {
		d += time.Duration(n.draw(from, to).Int64N(int64(p.Jitter) + 1))
	}
	return d
}

// event happens at its due time; events due together happen in the order they were planned.
type event struct {
	due time.Time
	seq uint64
	run func() // with Network.mu held
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	if c := e[i].due.Compare(e[j].due); c != 0 {
		return c < 0
	}
	return e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

// after plans run; n.mu is held, and held again when run is called.
func (n *Network) after(d time.Duration, run func()) {
	if n.closed {
		return
	}
	now := time.Now()
	if d <= 0 && (len(n.pending) == 0 || n.pending[0].due.After(now)) {
		run()
		return
	}
	n.seq++
	heap.Push(&n.pending, event{due: now.Add(d), seq: n.seq, run: run})
	n.arm(now)
}

// arm sets the one timer to the next event; n.mu is held.
func (n *Network) arm(now time.Time) {
	if len(n.pending) == 0 {
		return
	}
	wait := n.pending[0].due.Sub(now)
	if n.timer == nil {
		n.timer = time.AfterFunc(wait, n.fire)
		return
	}
	n.timer.Reset(wait)
}

// fire runs all events that are due, in order.
func (n *Network) fire() {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	for len(n.pending) > 0 && !n.pending[0].due.After(now) {
		heap.Pop(&n.pending).(event).run()
	}
	n.arm(now)
}

// gate lets goroutines wait for a change of the state that Network.mu guards.
type gate struct{ ch chan struct{} }

// wait returns a channel that is closed by the next open; Network.mu is held.
func (g *gate) wait() <-chan struct{} {
	if g.ch == nil {
		g.ch = make(chan struct{})
	}
	return g.ch
}

// open wakes all who wait; Network.mu is held.
func (g *gate) open() {
	if g.ch != nil {
		close(g.ch)
		g.ch = nil
	}
}

// sleep waits for ch or the deadline, whichever is first; a zero deadline never comes.
func sleep(ch <-chan struct{}, deadline time.Time) {
	if deadline.IsZero() {
		<-ch
		return
	}
	t := time.NewTimer(time.Until(deadline))
	defer t.Stop()
	select {
	case <-ch:
	case <-t.C:
	}
}

// past tells whether a deadline is set and reached.
func past(deadline time.Time) bool {
	return !deadline.IsZero() && !time.Now().Before(deadline)
}
