package ice

import (
	"crypto/rand"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v3"
)

const (
	// consentEvery is how often the peer is asked whether it still wants our media (RFC 7675 5.1: 5 s, spread by a
	// fifth), and disconnected plus lost is when we stop without its answer: 30 s.
	consentEvery = 4 * time.Second
	disconnected = 15 * time.Second
	lost         = 15 * time.Second

	// The controlling side waits this long for a better pair before it takes one of these kinds. pion's own waits,
	// up to 2 s for a relay, are heard as silence at the start of a call.
	reflexiveWait     = 100 * time.Millisecond
	peerReflexiveWait = 200 * time.Millisecond
	relayWait         = 500 * time.Millisecond

	// maxChecks of a pair, one every 200 ms: 10 s, since the peer may begin that much later, when somebody answers.
	maxChecks = 50

	maxAddresses = 8  // of this host
	maxSources   = 64 // addresses that checks of one component may come from
)

// credentials are those of one side (RFC 8445 5.3).
type credentials struct{ ufrag, pwd string }

// newCredentials makes random ones: 24 bits at least and 128 bits at least.
func newCredentials() credentials {
	text := rand.Text() + rand.Text() // 52 characters of base32
	return credentials{ufrag: text[:8], pwd: text[8:40]}
}

// generation is one run of ICE, from gathering to the selected pairs. A restart makes another.
type generation struct {
	agent *Agent
	local credentials
	list  [components]*component // nil: there is no such socket

	remote      atomic.Pointer[credentials]
	controlling bool // as all below guarded by Agent.mu
	started     bool
	retired     bool
	described   [2]netip.AddrPort // defaults of the last description
	asked       bool              // for another one

	born     time.Time
	gathered chan struct{}
	life     life // ends with close
	end      func()
}

// newGeneration begins to gather. Empty credentials are replaced by new ones. Agent.mu is held.
func newGeneration(a *Agent, local credentials) (*generation, error) {
	if local == (credentials{}) {
		local = newCredentials()
	}
	g := &generation{agent: a, local: local, born: time.Now(), gathered: make(chan struct{})}
	g.life, g.end = newLife()
	addresses := usable(a.cfg.Addresses())
	for i, port := range a.tr.Ports {
		if port == 0 {
			continue
		}
		c := &component{g: g, id: i + 1, seen: map[netip.AddrPort]netip.AddrPort{}, sources: map[netip.AddrPort]bool{}}
		c.wanted.Store(true)
		send := func(b []byte, to netip.AddrPort) error { return a.tr.Send(c.id, b, to) }
		c.mux = newMux(addresses, uint16(port), a.cfg.Source, send) //nolint:gosec // a port.
		if err := c.make(); err != nil {
			g.close()
			return nil, err
		}
		g.list[i] = c
	}
	a.work.Go(g.gather)
	return g, nil
}

// usable leaves out what cannot be a candidate.
func usable(list []netip.Addr) []netip.Addr {
	var out []netip.Addr
	for _, addr := range list {
		addr = addr.Unmap().WithZone("")
		if addr.IsValid() && !addr.IsUnspecified() && !addr.IsMulticast() && !slices.Contains(out, addr) &&
			len(out) < maxAddresses {
			out = append(out, addr)
		}
	}
	return out
}

// gather asks all servers at once, and closes gathered when they have answered or will not. Then it keeps the NAT's
// bindings until the checks do that.
func (g *generation) gather() {
	var all sync.WaitGroup
	for _, c := range g.list {
		if c != nil {
			all.Go(c.gather)
			all.Go(func() { c.askServer(g.life) })
		}
	}
	all.Wait()
	close(g.gathered)
	tick := time.NewTicker(keepBinding)
	defer tick.Stop()
	for {
		select {
		case <-g.life.Done():
			return
		case <-tick.C:
		}
		if g.selected() {
			return
		}
		for _, c := range g.list {
			if c != nil && c.mappedAddress().IsValid() {
				c.askServer(g.life)
			}
		}
	}
}

// late tells of the servers that a call has waited for in vain.
func (g *generation) late() {
	for _, c := range g.list {
		if c == nil {
			continue
		}
		c.mu.Lock()
		mapped, relay := c.mapped.IsValid(), c.relay.IsValid()
		c.mu.Unlock()
		if g.agent.servers.own && !mapped {
			g.agent.problem(ProblemSTUN)
		}
		if g.agent.servers.turn != nil && !relay {
			c.relayProblem()
		}
	}
}

// otherPeer tells whether remote has other credentials than those the checks of g are made with: a restart by the peer,
// or another peer. Called with or without Agent.mu.
func (g *generation) otherPeer(remote *Remote) bool {
	have := g.remote.Load()
	return have != nil && *have != remote.credentials
}

// start begins the checks, or adds candidates to running ones. Agent.mu is held.
func (g *generation) start(remote *Remote, controlling, mux bool) error {
	first := !g.started
	g.remote.Store(&remote.credentials)
	if first {
		g.controlling, g.started = controlling, true
	}
	for _, c := range g.list {
		if c == nil {
			continue
		}
		list := remote.of(c.id)
		if c.id == rtcpComponent && (mux || len(list) == 0) {
			c.giveUp()
			continue
		}
		for _, cand := range list {
			if err := c.ice.AddRemoteCandidate(cand); err != nil {
				g.agent.log.Debug("candidate of the peer not taken", "error", err)
			}
		}
		if first {
			if err := c.begin(remote, g.controlling); err != nil {
				return err
			}
		}
	}
	return nil
}

// selected tells whether all components that the peer uses have their path.
func (g *generation) selected() bool {
	for _, c := range g.list {
		if c != nil && c.wanted.Load() && c.route.Load() == nil {
			return false
		}
	}
	return true
}

// inherit takes over what servers told of the sockets.
func (g *generation) inherit(old *generation) {
	for i, c := range g.list {
		if c != nil && old.list[i] != nil {
			addr := old.list[i].mappedAddress()
			c.mu.Lock()
			c.mapped = addr
			c.mu.Unlock()
		}
	}
}

// retire ends the checks and gives relays back; what was gathered stays known. Agent.mu is held.
func (g *generation) retire() {
	if g.retired {
		return
	}
	g.retired = true
	g.remote.Store(&credentials{}) // no peer has these
	for _, c := range g.list {
		if c != nil {
			c.giveUp()
		}
	}
}

// close ends a generation and waits for it.
func (g *generation) close() {
	g.end()
	for _, c := range g.list {
		if c != nil {
			c.wanted.Store(false)
			c.close()
		}
	}
}

// handle takes a STUN message if it is of this generation.
func (g *generation) handle(id int, m *stun.Message, from netip.AddrPort) bool {
	c := g.list[index(id)]
	if c == nil || m.Type.Method != stun.MethodBinding {
		return false
	}
	switch m.Type.Class {
	case stun.ClassRequest:
		var user stun.Username
		if user.GetFrom(m) != nil || !forUser(user, g.local.ufrag) {
			return false
		}
		// pion keeps an address for each source of a request; only so many, and only of who knows our password.
		if !c.admits(from) && stun.MessageIntegrity(g.local.pwd).Check(m) == nil {
			c.admit(from)
		}
		if c.admits(from) {
			c.mux.deliver(m.Raw, from)
		}
		return true
	case stun.ClassSuccessResponse:
		remote := g.remote.Load()
		if remote == nil || remote.pwd == "" || stun.MessageIntegrity(remote.pwd).Check(m) != nil {
			return false
		}
		var mapped stun.XORMappedAddress
		if mapped.GetFrom(m) == nil {
			c.saw(from, mapped)
		}
		c.mux.deliver(m.Raw, from)
		return true
	case stun.ClassErrorResponse, stun.ClassIndication:
	}
	return false // pion has no use for the others
}

// forUser tells whether a USERNAME of a request is "ours:theirs" (RFC 8445 7.2.2).
func forUser(user stun.Username, ufrag string) bool {
	return len(user) > len(ufrag) && string(user[:len(ufrag)]) == ufrag && user[len(ufrag)] == ':'
}
