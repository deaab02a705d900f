package shield

import (
	"net/netip"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Policy says how strict to be. Its zero value is the shield as it should be: on, neighbours may reach accounts
// without a server, nobody else is trusted.
type Policy struct {
	// Off lets everybody in, as a phone without a shield would; rates and tables stay bounded.
	Off bool
	// Trusted are addresses whose requests pass as if they came from a server: a second PBX, a VPN.
	Trusted []netip.Prefix
	// NoLAN refuses neighbours too: accounts without a server are reached only from Trusted.
	NoLAN bool
	// Known tells people the user knows, such as buddies: their requests have buckets of their own, so that a flood of
	// others cannot crowd them out. It must be quick, and safe from any goroutine. nil: nobody.
	Known func(uri.URI) bool
	// ServerRates bound what each server and trusted address may ask; PeerRates each other address. The zero
	// value of a Rate is its default.
	ServerRates, PeerRates Rates
}

// Rate is a token bucket: so many at once, then so many a second.
type Rate struct {
	Burst     int
	PerSecond float64
}

// Rates are those of one source.
type Rates struct {
	Invite, Message, Subscribe Rate
	Other                      Rate // OPTIONS, unsolicited NOTIFY and the rest
}

// DefaultServerRates suit a PBX that forwards the calls of a whole office; a SUBSCRIBE burst is what a restarted
// presence server makes.
func DefaultServerRates() Rates {
	return Rates{
		Invite: Rate{40, 5}, Message: Rate{400, 50}, Subscribe: Rate{2048, 100}, Other: Rate{200, 20},
	}
}

// DefaultPeerRates suit a neighbour: nobody dials forty times at once.
func DefaultPeerRates() Rates {
	return Rates{
		Invite: Rate{40, 5}, Message: Rate{400, 20}, Subscribe: Rate{200, 20}, Other: Rate{100, 10},
	}
}

// Trusts tells whether an address is in Trusted.
func (p Policy) Trusts(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, t := range p.Trusted {
		if t.Contains(a) {
			return true
		}
	}
	return false
}

// Rate gives the bucket of a method for an origin.
func (p Policy) Rate(o Origin, method string) Rate {
	rates, defaults := p.PeerRates, DefaultPeerRates()
	if o == FromServer || o == FromTrusted {
		rates, defaults = p.ServerRates, DefaultServerRates()
	}
	r, d := rates.Other, defaults.Other
	switch method {
	case "INVITE":
		r, d = rates.Invite, defaults.Invite
	case "MESSAGE":
		r, d = rates.Message, defaults.Message
	case "SUBSCRIBE":
		r, d = rates.Subscribe, defaults.Subscribe
	}
	if r == (Rate{}) {
		return d
	}
	return r
}

// Local tells addresses that no router of the Internet brings here: loopback, private (RFC 1918, RFC 4193)
// and link-local. Shared address space (RFC 6598) is not among them: those are other customers of the provider.
func Local(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsLoopback() || a.IsPrivate() || a.IsLinkLocalUnicast()
}

// Source is the part of an address that counts as one party: whole, but of a global IPv6 address the /64, which
// one computer can have all of.
func Source(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() || Local(a) {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}
