package netsim

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
)

// firstEphemeral is where ports for ":0" begin: the dynamic range of RFC 6335, section 6.
const firstEphemeral = 49152

// Host is one computer: some addresses and the sockets on it. It implements sip.Network. Loopback
// addresses (127.0.0.0/8, ::1) are always there and are the host's own.
type Host struct {
	n *Network

	// Guarded by Network.mu.
	addrs     []netip.Prefix
	udp       []*PacketConn
	tcp       []*Listener
	ephemeral uint16
}

// NewHost adds a host. An address is "10.0.0.2" or, with the subnet it is attached to,
// "10.0.0.2/24"; see Source. It panics when an address does not parse.
func (n *Network) NewHost(addrs ...string) *Host {
	h := &Host{n: n, ephemeral: firstEphemeral}
	h.SetAddrs(addrs...)
	return h
}

// SetAddrs moves the host: these are its addresses from now on. None at all means its link is down.
// When two hosts claim one address the later claim gets the packets. Sockets stay open. It panics
// when an address does not parse.
func (h *Host) SetAddrs(addrs ...string) {
	prefixes := make([]netip.Prefix, len(addrs))
	for i, s := range addrs {
		if strings.Contains(s, "/") {
			prefixes[i] = netip.MustParsePrefix(s)
			continue
		}
		a := netip.MustParseAddr(s)
		prefixes[i] = netip.PrefixFrom(a, a.BitLen())
	}
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	for _, p := range h.addrs {
		if h.n.hosts[p.Addr()] == h {
			delete(h.n.hosts, p.Addr())
		}
	}
	h.addrs = prefixes
	for _, p := range prefixes {
		h.n.hosts[p.Addr()] = h
	}
}

// Addrs returns the present addresses, in the order of SetAddrs.
func (h *Host) Addrs() []netip.Addr {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	out := make([]netip.Addr, len(h.addrs))
	for i, p := range h.addrs {
		out[i] = p.Addr()
	}
	return out
}

// Source returns the address packets to dst leave from: the one whose subnet holds dst, else the
// first of dst's family (the default route). The error is a *net.OpError with syscall.ENETUNREACH.
func (h *Host) Source(dst netip.AddrPort) (netip.Addr, error) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	return h.source(dst.Addr().Unmap())
}

// source is Source with n.mu held.
func (h *Host) source(dst netip.Addr) (netip.Addr, error) {
	if dst.IsLoopback() {
		return dst, nil
	}
	var first netip.Addr
	for _, p := range h.addrs {
		switch {
		case p.Addr().Is4() != dst.Is4():
		case p.Addr() == dst || p.Bits() < p.Addr().BitLen() && p.Contains(dst):
			return p.Addr(), nil
		case !first.IsValid():
			first = p.Addr()
		}
	}
	if !first.IsValid() {
		to := net.UDPAddrFromAddrPort(netip.AddrPortFrom(dst, 0))
		return netip.Addr{}, &net.OpError{Op: "route", Net: "ip", Addr: to, Err: syscall.ENETUNREACH}
	}
	return first, nil
}

// owns tells whether a is an address of this host now; n.mu is held.
func (h *Host) owns(a netip.Addr) bool {
	return a.IsLoopback() || slices.ContainsFunc(h.addrs, func(p netip.Prefix) bool { return p.Addr() == a })
}

// at returns the host that has address a, as seen from h; n.mu is held.
func (h *Host) at(a netip.Addr) *Host {
	if a.IsLoopback() {
		return h
	}
	return h.n.hosts[a]
}

// ListenPacket opens a datagram socket. network is udp, udp4 or udp6; addr is ":5060" (all
// addresses, also later ones), "10.0.0.2:5060", or with port 0 for any. The connection is a
// *PacketConn.
func (h *Host) ListenPacket(ctx context.Context, network, addr string) (net.PacketConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("listen %s %s: %w", network, addr, err)
	}
	local, err := parseLocal(network, "udp", addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	used := func(port uint16) bool {
		return slices.ContainsFunc(h.udp, func(c *PacketConn) bool { return overlap(c.local, local.Addr(), port) })
	}
	if local, err = h.claim(local, used); err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.UDPAddrFromAddrPort(local), Err: err}
	}
	c := &PacketConn{host: h, network: network, local: local}
	h.udp = append(h.udp, c)
	h.n.sockets[c] = struct{}{}
	return c, nil
}

// claim checks that local can be bound and chooses its port if it is 0; n.mu is held.
func (h *Host) claim(local netip.AddrPort, used func(port uint16) bool) (netip.AddrPort, error) {
	if h.n.closed {
		return local, net.ErrClosed
	}
	if !local.Addr().IsUnspecified() && !h.owns(local.Addr()) {
		return local, syscall.EADDRNOTAVAIL
	}
	if local.Port() != 0 {
		if used(local.Port()) {
			return local, syscall.EADDRINUSE
		}
		return local, nil
	}
	for range 1<<16 - firstEphemeral {
		port := h.ephemeral
		if h.ephemeral++; h.ephemeral < firstEphemeral {
			h.ephemeral = firstEphemeral
		}
		if !used(port) {
			return netip.AddrPortFrom(local.Addr(), port), nil
		}
	}
	return local, syscall.EADDRINUSE
}

// overlap tells whether a socket at bound keeps another from taking port at addr.
func overlap(bound netip.AddrPort, addr netip.Addr, port uint16) bool {
	return bound.Port() == port &&
		(bound.Addr() == addr || bound.Addr().IsUnspecified() || addr.IsUnspecified())
}

// parseLocal reads the address of a listener; proto is udp or tcp.
func parseLocal(network, proto, addr string) (netip.AddrPort, error) {
	wild := netip.IPv6Unspecified() // as package net shows a socket of both families
	switch network {
	case proto, proto + "6":
	case proto + "4":
		wild = netip.IPv4Unspecified()
	default:
		return netip.AddrPort{}, net.UnknownNetworkError(network)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return netip.AddrPort{}, err
	}
	if host == "" {
		host = wild.String()
	}
	local, err := netip.ParseAddrPort(net.JoinHostPort(host, port))
	if err != nil {
		return netip.AddrPort{}, err
	}
	return netip.AddrPortFrom(local.Addr().Unmap(), local.Port()), nil
}

// accepts tells whether a socket bound to local takes a packet for to.
func accepts(network string, local, to netip.AddrPort) bool {
	if local.Port() != to.Port() {
		return false
	}
	if !local.Addr().IsUnspecified() {
		return local.Addr() == to.Addr()
	}
	switch network[len(network)-1] {
	case '4':
		return to.Addr().Is4()
	case '6':
		return to.Addr().Is6()
	}
	return true
}
