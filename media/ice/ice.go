// Package ice finds the way that the media of one call takes: Interactive Connectivity Establishment (RFC 8445, as
// SIP uses it: RFC 8839), with server-reflexive addresses by STUN (RFC 8489) and relayed ones by TURN (RFC 8656). The
// checks themselves are those of pion/ice; this package puts them on the sockets that the call has anyway, speaks SDP,
// and adds the second component that peers without rtcp-mux need.
//
// It is for package media, which owns the sockets. The order of calls is [New], then for each offer or answer
// [Agent.Prepare] (which may wait), [Agent.Describe], and when the peer has described itself either [Agent.Start] or
// [Agent.Plain]. [Agent.Handle] takes STUN messages from the sockets all the time, [Agent.Write] sends once
// [Agent.Path] says that there is a way. [Agent.Moved] makes the next Prepare begin anew (ICE restart, RFC 8445 9).
// [Agent.Close] ends everything, and [Agent.Wait] waits for that. All methods may be called from any goroutine.
package ice

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v3"

	"github.com/peregrine-softphone/peregrine/media/sdp"
)

const (
	// gatherWait bounds how long a call waits for STUN and TURN servers before its description leaves.
	gatherWait = 1500 * time.Millisecond

	// Components of a media stream (RFC 8445 2.1 and 13): RTP, and RTCP where it has a port of its own.
	rtpComponent  = 1
	rtcpComponent = 2
	components    = 2

	// settleTime after the selection an offer may name it: libre's checks go on for up to 7 s, and an offer in the
	// middle of them ends them.
	settleTime = 10 * time.Second

	maxRestarts = 2 // of a call, because checks failed: what two did not find is not there
)

// Config is what the user chose, and what the system has. The zero value does ICE with host candidates.
type Config struct {
	STUN     string // "host", "host:port" or "stun:host:port"; empty: none
	TURN     string // "turn:host[:port][?transport=udp|tcp]", "turns:…" or "host[:port]"; empty: none
	User     string // of the TURN server: long-term credentials (RFC 8489 9.2)
	Password string

	Wait   time.Duration // bound of gathering; 0: 1.5 s
	Toward netip.Addr    // where signalling goes: stands for a peer of unknown address; not valid: anywhere

	// Addresses lists the addresses of this host that may carry media, best first. nil: those of its interfaces that
	// are up, without loopback and link-local ones.
	Addresses func() []netip.Addr
	// Source is the address that packets to remote leave from; not valid: no way there. nil: the kernel is asked.
	Source func(remote netip.Addr) netip.Addr

	// OnProblem is told what is wrong with a server, from any goroutine; it must not block. nil: ignored
	OnProblem func(Problem)
}

// Problem is what is wrong with a server.
type Problem uint8

// The problems.
const (
	ProblemSTUN     Problem = iota + 1 // the STUN server did not answer
	ProblemTURN                        // the TURN server cannot be used
	ProblemPassword                    // the TURN server refused user or password
)

func (p Problem) String() string {
	return [...]string{"none", "stun server silent", "turn server unusable", "turn password refused"}[p]
}

// Transport is the session that an agent works for. Components count from 1: RTP, RTCP.
type Transport struct {
	Logger *slog.Logger // nil: nothing is logged
	Ports  [2]int       // local ports of both sockets; 0: there is no such socket

	// Send writes a datagram by a component's socket.
	Send func(component int, data []byte, to netip.AddrPort) error
	// Deliver takes what came through a relay. data is only valid during the call.
	Deliver func(component int, data []byte, from netip.AddrPort)
	// Changed says that Path or Failed may have changed. It is called without locks held and must not block.
	Changed func()
}

// ErrNoPath says that no path is known yet.
var ErrNoPath = errors.New("ice: no path yet")

// Kind is what a path leads over.
type Kind string

// The kinds.
const (
	Direct Kind = "direct" // from host to host
	NAT    Kind = "nat"    // through an address translator of either side
	Relay  Kind = "relay"  // through a TURN server of either side
)

// Path is the way that was selected for a component. The zero value says that there is none.
type Path struct {
	Kind   Kind
	Remote netip.AddrPort
	Local  netip.AddrPort // what the peer sees: own address, that of the NAT, or that of the relay
}

// Agent does ICE for one call.
type Agent struct {
	cfg     Config
	tr      Transport
	log     *slog.Logger
	servers servers

	mu      sync.Mutex
	present *generation // described to the peer last; nil: none yet
	former  *generation // carries the media until present has found its way; nil: none
	stale   bool        // the next description begins anew
	plain   bool        // the peer does not do ICE
	closed  bool
	told    map[Problem]bool

	restarts int           // because checks failed
	chosen   time.Time     // when the last path was selected
	settle   time.Duration // settleTime

	live   atomic.Pointer[[]*generation] // former and present, for Handle
	paths  [components]atomic.Pointer[route]
	failed atomic.Bool
	probes probes
	work   sync.WaitGroup
}

// New makes an agent. It fails when the addresses of the servers make no sense.
func New(cfg Config, tr Transport) (*Agent, error) {
	list, err := parseServers(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.Wait <= 0 {
		cfg.Wait = gatherWait
	}
	if cfg.Addresses == nil {
		cfg.Addresses = Addresses
	}
	if cfg.Source == nil {
		cfg.Source = systemSource
	}
	if cfg.OnProblem == nil {
		cfg.OnProblem = func(Problem) {}
	}
	if tr.Logger == nil {
		tr.Logger = slog.New(slog.DiscardHandler)
	}
	if tr.Changed == nil {
		tr.Changed = func() {}
	}
	a := &Agent{cfg: cfg, tr: tr, log: tr.Logger, servers: list, told: map[Problem]bool{}, settle: settleTime}
	a.live.Store(&[]*generation{})
	return a, nil
}

// Prepare gathers candidates where they are wanted: for the first description, after Moved, and for an offer that
// restarts ICE. remote is that offer's side of it, nil when the description will be an offer. It waits until the
// servers have answered, at most Config.Wait.
func (a *Agent) Prepare(remote *Remote) error {
	a.mu.Lock()
	g := a.present
	if remote != nil {
		a.plain = false
	}
	switch {
	case a.closed:
		a.mu.Unlock()
		return ErrNoPath
	case g == nil, remote == nil && (a.stale || a.failed.Load()), remote != nil && g.otherPeer(remote):
		// RFC 8839 4.4.3.1.1: an answer restarts ICE only when the offer does; after a move our own offer will.
		var err error
		if g, err = newGeneration(a, credentials{}); err != nil {
			a.mu.Unlock()
			return fmt.Errorf("ice: %w", err)
		}
		a.replaceLocked(g)
	}
	a.mu.Unlock()
	timer := time.NewTimer(time.Until(g.born.Add(a.cfg.Wait))) // a further offer does not wait again
	defer timer.Stop()
	select {
	case <-g.gathered:
	case <-g.life.Done():
	case <-timer.C:
		g.late()
	}
	return nil
}

// replaceLocked makes g the present generation. One that carries media stays until g has found its way.
func (a *Agent) replaceLocked(g *generation) {
	if old := a.present; old != nil {
		if old.selected() {
			a.closeLocked(a.former)
			a.former = old
		} else {
			a.closeLocked(old)
		}
	}
	a.present, a.stale = g, false
	a.failed.Store(false)
	a.listLocked()
}

func (a *Agent) listLocked() {
	list := make([]*generation, 0, components)
	for _, g := range []*generation{a.present, a.former} {
		if g != nil {
			list = append(list, g)
		}
	}
	a.live.Store(&list)
}

func (a *Agent) closeLocked(g *generation) {
	if g != nil {
		a.work.Go(g.close)
	}
}

// Described is our side of a description.
type Described struct {
	Default    [2]netip.AddrPort // for c=, m= and a=rtcp of a peer without ICE; not valid: no such socket
	Attributes []sdp.Attribute   // of the media line
}

// Describe gives what to write into a description. host is the address that the description would have without us,
// toward an address of the peer or on the way to it. Without a Prepare before it the default alone is given.
func (a *Agent) Describe(host, toward netip.Addr) Described {
	a.mu.Lock()
	defer a.mu.Unlock()
	var d Described
	for i, port := range a.tr.Ports {
		if port != 0 {
			d.Default[i] = netip.AddrPortFrom(host, uint16(port)) //nolint:gosec // a port.
		}
	}
	if a.present == nil {
		return d
	}
	plain := d.Default
	if !toward.IsValid() {
		toward = a.cfg.Toward
	}
	a.present.describe(&d, host, toward, a.cfg.Source)
	if a.plain {
		d.Attributes = nil
	}
	if a.stale {
		d.Default = plain // the selected pair is that of before the move
	}
	a.present.described = d.Default
	return d
}

// WantsOffer tells, once for each run of the checks, that a further offer should leave: we are the controlling side,
// and the pair that was selected is not the one that the descriptions name (RFC 8839 4.4.1.2.2), which boxes on the way
// may go by; or no pair answers any more, and a restart may find one (RFC 7675 5.1).
func (a *Agent) WantsOffer() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.present
	if g == nil || a.plain || a.stale || !g.started || !g.controlling || g.asked {
		return false
	}
	if a.failed.Load() && a.restarts < maxRestarts {
		a.restarts++
		g.asked = true
		return true
	}
	if !g.selected() || time.Since(a.chosen) < a.settle {
		return false
	}
	for i, c := range g.list {
		if c == nil || !c.wanted.Load() {
			continue
		}
		if r := c.route.Load(); r != nil && r.Local != g.described[i] {
			g.asked = true
			return true
		}
	}
	return false
}

// Start begins checks with the peer's candidates, or adds those of a further description to them. controlling says
// that we made the offer (RFC 8445 6.1.1). mux says that RTCP goes with RTP.
func (a *Agent) Start(remote *Remote, controlling, mux bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.present
	if g == nil || a.closed {
		return ErrNoPath
	}
	a.plain = false
	if g.otherPeer(remote) {
		// Our offer was answered by another branch of a fork: the same credentials, other checks.
		fresh, err := newGeneration(a, g.local)
		if err != nil {
			return fmt.Errorf("ice: %w", err)
		}
		a.closeLocked(g)
		fresh.inherit(g)
		a.present = fresh
		a.listLocked()
		g = fresh
	}
	return g.start(remote, controlling || remote.Lite, mux)
}

// Plain says that the peer does not do ICE: its media goes by SDP, and our relays are given back.
func (a *Agent) Plain() {
	a.mu.Lock()
	a.plain = true
	if a.closed {
		a.mu.Unlock()
		return
	}
	for _, g := range []*generation{a.former, a.present} {
		if g != nil {
			g.retire()
		}
	}
	a.closeLocked(a.former)
	a.former = nil
	a.listLocked()
	for i := range a.paths {
		a.paths[i].Store(nil)
	}
	a.mu.Unlock()
	a.tr.Changed()
}

// Moved says that this host has other addresses now: the next Prepare restarts ICE. The path stays until then.
func (a *Agent) Moved() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stale = true
}

// Running tells whether ICE was agreed with the peer.
func (a *Agent) Running() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return !a.plain && a.present != nil && a.present.started
}

// Failed tells that all checks failed, or that the peer stopped answering them for 30 s (RFC 7675 5.1).
func (a *Agent) Failed() bool { return a.failed.Load() }

// Path is the way selected for a component; the zero Path as long as there is none.
func (a *Agent) Path(component int) Path {
	if r := a.paths[index(component)].Load(); r != nil {
		return r.Path
	}
	return Path{}
}

// Write sends a datagram by the path of a component; with RTCP multiplexed that is always 1. Nothing is allocated
// unless the path begins at our own relay.
func (a *Agent) Write(component int, data []byte) error {
	r := a.paths[index(component)].Load()
	if r == nil {
		return ErrNoPath
	}
	if r.relay != nil {
		if len(data) == 0 {
			return nil // the refreshes of the allocation keep the NAT open
		}
		return r.relay.write(data)
	}
	return a.tr.Send(component, data, r.Remote)
}

func index(component int) int {
	if component == rtcpComponent {
		return 1
	}
	return 0
}

// Handle takes a STUN message that came on a component's socket. Whatever it is, Handle neither blocks nor keeps data.
func (a *Agent) Handle(component int, data []byte, from netip.AddrPort) {
	if len(data) > maxMessage || !stun.IsMessage(data) {
		return
	}
	m := &stun.Message{Raw: slices.Clone(data)}
	if m.Decode() != nil || a.probes.answered(m) {
		return
	}
	for _, g := range *a.live.Load() {
		if g.handle(component, m, from) {
			return
		}
	}
}

// selected is told by a generation that a component has found its way.
func (a *Agent) selected(g *generation, component int, r *route) {
	a.mu.Lock()
	if a.closed || a.plain || g != a.present && g != a.former {
		a.mu.Unlock()
		return
	}
	if g == a.former && a.present.selected() {
		a.mu.Unlock()
		return
	}
	a.paths[index(component)].Store(r)
	a.chosen = time.Now()
	if g == a.present {
		a.failed.Store(false)
		if a.former != nil && g.selected() {
			a.closeLocked(a.former)
			a.former = nil
			a.listLocked()
		}
	}
	a.mu.Unlock()
	a.log.Info("path of media selected", "component", component, "path", r.Kind, "remote", r.Remote)
	a.tr.Changed()
}

// failure is told by a generation that a component has lost its way or found none.
func (a *Agent) failure(g *generation, component int) {
	a.mu.Lock()
	if a.closed {
		a.mu.Unlock()
		return
	}
	if g != a.present {
		if g == a.former {
			a.closeLocked(g)
			a.former = nil
			a.listLocked()
			for i, c := range a.present.list { // what it has, if anything
				if c != nil {
					a.paths[i].Store(c.route.Load())
				}
			}
		}
		a.mu.Unlock()
		return
	}
	if component == rtpComponent {
		a.failed.Store(true)
	}
	if a.former == nil {
		a.paths[index(component)].Store(nil)
	}
	a.mu.Unlock()
	a.log.Info("no path of media answers", "component", component)
	a.tr.Changed()
}

// problem tells the user once for each call.
func (a *Agent) problem(p Problem) {
	a.mu.Lock()
	told := a.told[p] || a.closed
	a.told[p] = true
	a.mu.Unlock()
	if !told {
		a.log.Warn("trouble with a server", "problem", p.String())
		a.cfg.OnProblem(p)
	}
}

// Close gives relays back and ends everything. It does not wait: see Wait.
func (a *Agent) Close() {
	a.mu.Lock()
	if !a.closed {
		a.closed = true
		a.closeLocked(a.former)
		a.closeLocked(a.present)
		a.live.Store(&[]*generation{})
		for i := range a.paths {
			a.paths[i].Store(nil)
		}
	}
	a.mu.Unlock()
}

// Wait waits, after Close, for the end of what the agent started: up to 2 s where a TURN server is silent.
func (a *Agent) Wait() { a.work.Wait() }
