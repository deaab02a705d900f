package media

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/peregrine-softphone/peregrine/media/ice"
	"github.com/peregrine-softphone/peregrine/media/sdp"
)

// icePath lets ICE choose the way of a session. Until a pair is selected, and again when all have failed, media goes
// to the address of the SDP as without ICE: a deviation from RFC 8445 12.1, which wants silence until then, for those
// whose first words it would cost.
type icePath struct {
	s     *Session
	agent *ice.Agent

	mux atomic.Bool // RTCP goes with RTP

	// Of the offer in hand, guarded by s.mu.
	remote   *ice.Remote // nil: it has no ICE
	mismatch bool        // answer with a=ice-mismatch
}

var (
	_ path       = (*icePath)(nil)
	_ pathfinder = (*icePath)(nil)
)

// findPaths begins to use ICE; before the session is known to anybody.
func (s *Session) findPaths(cfg ice.Config) error {
	p := &icePath{s: s}
	addresses := cfg.Addresses
	cfg.Addresses = func() []netip.Addr { return p.addresses(addresses) }
	agent, err := ice.New(cfg, ice.Transport{
		Logger: s.log, Ports: [2]int{s.rtp.port(), s.rtcp.port()},
		Send: func(component int, data []byte, to netip.AddrPort) error {
			if component == 2 {
				return s.rtcp.write(data, to)
			}
			return s.rtp.write(data, to)
		},
		Deliver: func(component int, data []byte, from netip.AddrPort) { s.receive(data, from, component == 2) },
		Changed: p.changed,
	})
	if err != nil {
		return fmt.Errorf("new media session: %w", err)
	}
	p.agent = agent
	s.finder = p
	s.usePath(p)
	s.takeSTUN(func(data []byte, from netip.AddrPort, rtcp bool) { agent.Handle(componentOf(rtcp), data, from) })
	return nil
}

func componentOf(rtcp bool) int {
	if rtcp {
		return 2
	}
	return 1
}

// addresses puts the address that descriptions name before those of the system.
func (p *icePath) addresses(system func() []netip.Addr) []netip.Addr {
	var first, list []netip.Addr
	if p.s.cfg.LocalAddr != nil {
		if own := p.s.cfg.LocalAddr(netip.Addr{}).Unmap(); own.IsValid() && !own.IsUnspecified() {
			first = append(first, own)
		}
	}
	if system == nil {
		system = ice.Addresses
	}
	for _, addr := range system() {
		if !slices.Contains(first, addr) {
			list = append(list, addr)
		}
	}
	return append(first, list...)
}

// prepare gathers candidates for a description, before s.mu is taken: it may wait for servers. offer is what is to be
// answered; nil: an offer of ours.
func (p *icePath) prepare(offer *sdp.Description) {
	var remote *ice.Remote
	if offer != nil {
		// Without it the peer still needs our address on its side of the NAT.
		remote, _ = ice.ParseRemote(offer, audioOf(offer))
	}
	if err := p.agent.Prepare(remote); err != nil && !errors.Is(err, ice.ErrNoPath) {
		p.s.log.Warn("no candidates", "error", err)
	}
}

// audioOf guesses the audio line that will be answered: with a second one ICE is not used.
func audioOf(d *sdp.Description) *sdp.Media {
	for i := range d.Media {
		if d.Media[i].Kind == "audio" && d.Media[i].Port != 0 {
			return &d.Media[i]
		}
	}
	return nil
}

// describe writes our candidates, and the address for a peer that has none. s.mu is held.
func (p *icePath) describe(local *sdp.Local, offer *sdp.Description) {
	p.remote, p.mismatch = nil, false
	toward := p.s.agreement.Remote.Addr()
	if offer != nil {
		line := audioOf(offer)
		if line != nil {
			toward = offer.Connection(line)
		}
		p.remote, p.mismatch = ice.ParseRemote(offer, line)
	}
	d := p.agent.Describe(local.Addr, toward)
	if d.Default[0].IsValid() {
		local.Addr, local.Port = d.Default[0].Addr(), int(d.Default[0].Port())
	}
	if d.Default[1].IsValid() {
		local.RTCPPort = int(d.Default[1].Port())
	}
	switch {
	case p.mismatch: // RFC 8839 4.2.5
		local.Extra = append(local.Extra, sdp.Attribute{Key: "ice-mismatch"})
	case offer == nil || p.remote != nil:
		local.Extra = append(local.Extra, d.Attributes...)
	}
}

// agreed begins the checks. s.mu is held.
func (p *icePath) agreed(a sdp.Agreement, byPeer bool) {
	if a.Refused || a.Line == nil {
		return
	}
	remote := p.remote
	if !byPeer {
		var mismatch bool
		if remote, mismatch = ice.ParseRemote(a.Description, a.Line); mismatch {
			p.s.log.Info("ice not used: something on the way changes descriptions")
		}
	}
	p.mux.Store(a.Mux)
	if remote == nil {
		p.agent.Plain()
		return
	}
	if err := p.agent.Start(remote, !byPeer, a.Mux); err != nil {
		p.s.log.Warn("checks not begun", "error", err)
		p.agent.Plain()
	}
	p.follow() // the description has put its own address in the place of the path's
}

// changed is told by the agent that the path may be another one.
func (p *icePath) changed() {
	if p.follow() {
		p.s.changed()
	}
}

// follow lets the rest of the session know where the path leads, and tells whether there is one. s.mu may be held.
func (p *icePath) follow() bool {
	s := p.s
	to := p.agent.Path(1)
	if to.Kind == "" {
		return false
	}
	s.rx.settle(to.Remote)
	s.setRemote(to.Remote)
	if rtcp := p.agent.Path(componentOf(!p.mux.Load())); rtcp.Remote.IsValid() {
		s.rep.mu.Lock()
		s.rep.remote = rtcp.Remote
		s.rep.mu.Unlock()
	}
	return true
}

// settle ends learning the peer's address from its packets: ICE knows it.
func (r *receiver) settle(to netip.AddrPort) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.latch.remote, r.latch.open = to, false
}

// write sends by the selected pair, and without one as if there were no ICE.
func (p *icePath) write(packet []byte, rtcp bool) error {
	err := p.agent.Write(componentOf(rtcp && !p.mux.Load()), packet)
	if errors.Is(err, ice.ErrNoPath) {
		return plainPath{p.s}.write(packet, rtcp)
	}
	return err
}

// kind is what Stats says of the path.
func (p *icePath) kind() string { return string(p.agent.Path(1).Kind) }

// WantsOffer tells, once, that ICE has selected another pair than the descriptions name and that it is for us to send
// an offer that names it (RFC 8839 4.4.1.2.2).
func (s *Session) WantsOffer() bool {
	p, ok := s.finder.(*icePath)
	return ok && p.agent.WantsOffer()
}

// moved lets the next description restart ICE.
func (p *icePath) moved() { p.agent.Moved() }

// close ends the checks; wait waits for that.
func (p *icePath) close() {
	p.s.takeSTUN(nil)
	p.agent.Close()
}

func (p *icePath) wait() { p.agent.Wait() }
