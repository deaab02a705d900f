package ice

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/peregrine-softphone/peregrine/media/sdp"
)

// Type preferences (RFC 8445 5.1.2.2).
const (
	hostPreference          = 126
	peerReflexivePreference = 110
	reflexivePreference     = 100
	relayPreference         = 0
	topPreference           = 65535
)

// describe completes a description. Agent.mu is held.
func (g *generation) describe(d *Described, host, toward netip.Addr, source func(netip.Addr) netip.Addr) {
	if g.selected() && g.started && !g.retired {
		g.describeSelected(d)
		return
	}
	var lines []sdp.Attribute
	for i, c := range g.list {
		if c == nil {
			continue
		}
		c.mu.Lock()
		mapped, relay := c.mapped, c.relay
		c.mu.Unlock()
		base := host
		if g.agent.servers.stun != nil && mapped.IsValid() {
			if seen := source(mapped.Addr()); seen.IsValid() && seen.Is4() == mapped.Addr().Is4() && c.has(seen) {
				base = seen
			}
		}
		if mapped.IsValid() && mapped.Addr() != base && beyond(toward, mapped.Addr(), base) {
			d.Default[i] = mapped
		}
		lines = append(lines, c.lines(base, mapped, relay)...)
	}
	d.Attributes = append(g.credentialLines(), lines...)
}

// beyond decides which address a peer without ICE needs: that of the NAT when the NAT lies between us and it
// (RFC 8445 5.1.4). It does not when the peer has a private address and the NAT's is a public one, or when the peer is
// in our own network.
func beyond(toward, mapped, own netip.Addr) bool {
	if !toward.IsValid() {
		return true
	}
	if toward.IsLoopback() || private(toward) && !private(mapped) {
		return false
	}
	bits := 24 // the usual size of a home's network
	if own.Is6() {
		bits = 64
	}
	if network, err := own.Prefix(bits); err == nil && network.Contains(toward) {
		return false
	}
	return true
}

func private(addr netip.Addr) bool {
	return addr.IsPrivate() || addr.IsLinkLocalUnicast() || addr.IsLoopback()
}

func (c *component) has(addr netip.Addr) bool { return slices.Contains(c.mux.addresses, addr) }

// lines are the candidates of a component.
func (c *component) lines(base netip.Addr, mapped, relay netip.AddrPort) []sdp.Attribute {
	var list []sdp.Attribute
	for i, addr := range c.mux.addresses {
		list = append(list, candidateLine(candidateText{
			foundation: fmt.Sprintf("H%d", i), component: c.id, preference: hostPreference, local: topPreference - i,
			addr: netip.AddrPortFrom(addr, c.mux.port), kind: "host",
		}))
	}
	own := netip.AddrPortFrom(base, c.mux.port)
	if mapped.IsValid() && mapped != own {
		list = append(list, candidateLine(candidateText{
			foundation: "S", component: c.id, preference: reflexivePreference, local: topPreference,
			addr: mapped, kind: "srflx", related: own,
		}))
	}
	if relay.IsValid() {
		related := mapped
		if !related.IsValid() {
			related = own
		}
		list = append(list, candidateLine(candidateText{
			foundation: "R", component: c.id, preference: relayPreference, local: topPreference,
			addr: relay, kind: "relay", related: related,
		}))
	}
	return list
}

type candidateText struct {
	foundation        string
	component         int
	preference, local int
	addr, related     netip.AddrPort
	kind              string
}

// candidateLine writes a candidate (RFC 8839 5.1) with the priority of RFC 8445 5.1.2.1.
func candidateLine(t candidateText) sdp.Attribute {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d UDP %d %s %d typ %s", t.foundation, t.component,
		t.preference<<24|t.local<<8|(256-t.component), t.addr.Addr(), t.addr.Port(), t.kind)
	if t.related.IsValid() {
		fmt.Fprintf(&b, " raddr %s rport %d", t.related.Addr(), t.related.Port())
	}
	return sdp.Attribute{Key: "candidate", Value: b.String()}
}

func (g *generation) credentialLines() []sdp.Attribute {
	return []sdp.Attribute{
		{Key: "ice-options", Value: "ice2"}, // RFC 8839 5.6: no aggressive nomination
		{Key: "ice-ufrag", Value: g.local.ufrag}, {Key: "ice-pwd", Value: g.local.pwd},
	}
}

// describeSelected writes a description after the checks have ended: the selected candidates alone, and on the
// controlling side those of the peer (RFC 8839 4.4.1.2.2).
func (g *generation) describeSelected(d *Described) {
	d.Attributes = g.credentialLines()
	var remote []string
	for i, c := range g.list {
		if c == nil {
			continue
		}
		r := c.route.Load()
		if r == nil {
			continue // multiplexed
		}
		d.Default[i] = r.Local
		t := candidateText{
			foundation: "H0", component: c.id, preference: hostPreference, local: topPreference, addr: r.Local,
			kind: "host",
		}
		switch {
		case r.relay != nil:
			t.foundation, t.preference, t.kind, t.related = "R", relayPreference, "relay", r.base
		case r.Local != r.base && r.Local == c.mappedAddress():
			t.foundation, t.preference, t.kind, t.related = "S", reflexivePreference, "srflx", r.base
		case r.Local != r.base:
			t.foundation, t.preference, t.kind, t.related = "P", peerReflexivePreference, "prflx", r.base
		}
		d.Attributes = append(d.Attributes, candidateLine(t))
		remote = append(remote, fmt.Sprintf("%d %s %d", c.id, r.Remote.Addr(), r.Remote.Port()))
	}
	if g.controlling && len(remote) > 0 {
		d.Attributes = append(d.Attributes, sdp.Attribute{Key: "remote-candidates", Value: strings.Join(remote, " ")})
	}
}
