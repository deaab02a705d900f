package ice

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"

	pion "github.com/pion/ice/v4"
	"github.com/pion/stun/v3"
)

// component is one generation's part of a socket.
type component struct {
	g       *generation
	id      int
	mux     *mux
	ice     *pion.Agent
	network *system
	conn    atomic.Pointer[pion.Conn]
	wanted  atomic.Bool // the peer does this component
	route   atomic.Pointer[route]

	mu       sync.Mutex
	mapped   netip.AddrPort // by the STUN server
	relay    netip.AddrPort
	password bool // was refused by the TURN server
	seen     map[netip.AddrPort]netip.AddrPort
	sources  map[netip.AddrPort]bool
}

// route is a path and how to send by it.
type route struct {
	Path
	relay *component // begins at our relay there; nil: by the socket
	base  netip.AddrPort
}

// make makes the agent of pion/ice.
func (c *component) make() error {
	a := c.g.agent
	watch := &watcher{log: a.log, refused: func() {
		c.mu.Lock()
		c.password = true
		c.mu.Unlock()
	}}
	network, err := newSystem(c.g.life)
	if err != nil {
		return err
	}
	c.network = network
	kinds := []pion.CandidateType{pion.CandidateTypeHost}
	var urls []*stun.URI
	if a.servers.turn != nil {
		kinds, urls = append(kinds, pion.CandidateTypeRelay), []*stun.URI{a.servers.turn}
	}
	c.ice, err = pion.NewAgentWithOptions(
		pion.WithLoggerFactory(watch), pion.WithNet(network), pion.WithUDPMux(c.mux),
		pion.WithLocalCredentials(c.g.local.ufrag, c.g.local.pwd),
		pion.WithNetworkTypes([]pion.NetworkType{pion.NetworkTypeUDP4, pion.NetworkTypeUDP6}),
		pion.WithTURNTransportProtocols([]pion.NetworkType{pion.NetworkTypeUDP4, pion.NetworkTypeTCP4}),
		pion.WithMulticastDNSMode(pion.MulticastDNSModeDisabled), pion.WithDisableActiveTCP(),
		pion.WithCandidateTypes(kinds), pion.WithUrls(urls), pion.WithMaxBindingRequests(maxChecks),
		pion.WithKeepaliveInterval(consentEvery), pion.WithDisconnectedTimeout(disconnected),
		pion.WithFailedTimeout(lost), pion.WithSrflxAcceptanceMinWait(reflexiveWait),
		pion.WithPrflxAcceptanceMinWait(peerReflexiveWait), pion.WithRelayAcceptanceMinWait(relayWait),
	)
	if err != nil {
		return fmt.Errorf("make agent: %w", err)
	}
	if err = c.ice.OnSelectedCandidatePairChange(c.choose); err != nil {
		return fmt.Errorf("make agent: %w", err)
	}
	err = c.ice.OnConnectionStateChange(func(s pion.ConnectionState) {
		if s == pion.ConnectionStateFailed && c.wanted.Load() {
			c.route.Store(nil)
			a.failure(c.g, c.id)
		}
	})
	if err != nil {
		return fmt.Errorf("make agent: %w", err)
	}
	return nil
}

// gather lets pion take the host candidates, which is done at once, and ask the TURN server for a relay.
func (c *component) gather() {
	complete := make(chan struct{})
	var once sync.Once
	err := c.ice.OnCandidate(func(cand pion.Candidate) {
		if cand == nil {
			once.Do(func() { close(complete) })
			return
		}
		if cand.Type() != pion.CandidateTypeRelay {
			return
		}
		if addr, err := netip.ParseAddr(cand.Address()); err == nil {
			c.mu.Lock()
			c.relay = netip.AddrPortFrom(addr.Unmap(), uint16(cand.Port())) //nolint:gosec // a port.
			c.mu.Unlock()
		}
	})
	if err == nil {
		err = c.ice.GatherCandidates()
	}
	if err != nil {
		c.g.agent.log.Warn("cannot gather candidates", "error", err)
		return
	}
	select {
	case <-complete:
	case <-c.g.life.Done():
		return
	}
	if c.g.agent.servers.turn == nil {
		return
	}
	c.mu.Lock()
	have := c.relay.IsValid()
	c.mu.Unlock()
	if !have {
		c.relayProblem()
	}
}

// relayProblem tells why there is no relay.
func (c *component) relayProblem() {
	c.mu.Lock()
	refused := c.password
	c.mu.Unlock()
	if refused {
		c.g.agent.problem(ProblemPassword)
		return
	}
	c.g.agent.problem(ProblemTURN)
}

func (c *component) begin(remote *Remote, controlling bool) error {
	begin := c.ice.StartAccept
	if controlling {
		begin = c.ice.StartDial
	}
	conn, err := begin(remote.ufrag, remote.pwd)
	if err != nil {
		return fmt.Errorf("ice: begin checks: %w", err)
	}
	c.conn.Store(conn)
	c.g.agent.work.Go(func() { c.read(conn) })
	return nil
}

// read takes what comes through our relay until the agent is closed; what comes on the sockets goes past pion.
func (c *component) read(conn *pion.Conn) {
	buf := make([]byte, maxMessage)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return // closed
		}
		var from netip.AddrPort
		if r := c.route.Load(); r != nil {
			from = r.Remote
		}
		c.g.agent.tr.Deliver(c.id, buf[:n], from)
	}
}

// giveUp ends a component that the peer does not use.
func (c *component) giveUp() {
	if c.wanted.Swap(false) {
		c.g.agent.work.Go(c.close)
	}
}

// close ends the agent of pion. Its question to a TURN server that does not answer ends with the socket; a relay is
// given back by that socket.
func (c *component) close() {
	c.mu.Lock()
	have := c.relay.IsValid()
	c.mu.Unlock()
	if !have {
		c.network.close()
	}
	_ = c.ice.GracefulClose() // it has no error to tell
}

// choose takes the pair that pion selected.
func (c *component) choose(local, remote pion.Candidate) {
	to, err := candidateAddr(remote)
	if err != nil {
		return
	}
	base, err := candidateAddr(local)
	if err != nil {
		return
	}
	r := &route{Path: Path{Kind: Direct, Remote: to, Local: base}, base: base}
	c.mu.Lock()
	if seen, ok := c.seen[to]; ok && local.Type() != pion.CandidateTypeRelay {
		r.Local = seen
	}
	c.mu.Unlock()
	switch {
	case local.Type() == pion.CandidateTypeRelay:
		r.Kind, r.relay = Relay, c
	case remote.Type() == pion.CandidateTypeRelay:
		r.Kind = Relay
	case r.Local != base || remote.Type() != pion.CandidateTypeHost:
		r.Kind = NAT
	}
	c.route.Store(r)
	c.g.agent.selected(c.g, c.id, r)
}

// write sends by our relay.
func (c *component) write(data []byte) error {
	conn := c.conn.Load()
	if conn == nil {
		return ErrNoPath
	}
	_, err := conn.Write(data)
	return err
}

func candidateAddr(c pion.Candidate) (netip.AddrPort, error) {
	addr, err := netip.ParseAddr(c.Address())
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(addr.Unmap().WithZone(""), uint16(c.Port())), nil //nolint:gosec // a port.
}

func (c *component) admits(from netip.AddrPort) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sources[from]
}

func (c *component) admit(from netip.AddrPort) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.sources) < maxSources {
		c.sources[from] = true
	}
}

// saw notes the address that the peer at from sees us at.
func (c *component) saw(from netip.AddrPort, mapped stun.XORMappedAddress) {
	addr, ok := netip.AddrFromSlice(mapped.IP)
	if !ok || mapped.Port <= 0 || mapped.Port > 65535 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.seen[from]; known || len(c.seen) < maxSources {
		c.seen[from] = netip.AddrPortFrom(addr.Unmap(), uint16(mapped.Port))
	}
}
