package transport

import (
	"context"
	"fmt"
	"net"
	"net/netip"
)

// Network is the part of the operating system that a Layer needs. OSNetwork is the real one;
// internal/netsim has one in memory. Methods may be called from any goroutine.
type Network interface {
	// ListenPacket and Listen are as in package net.
	ListenPacket(ctx context.Context, network, addr string) (net.PacketConn, error)
	Listen(ctx context.Context, network, addr string) (net.Listener, error)
	// DialContext opens a stream to a numeric address.
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	// Source gives the address that packets to dst leave from now.
	Source(dst netip.AddrPort) (netip.Addr, error)
}

// OSNetwork is the network of this computer.
type OSNetwork struct{}

var _ Network = OSNetwork{}

// ListenPacket opens a datagram socket.
func (OSNetwork) ListenPacket(ctx context.Context, network, addr string) (net.PacketConn, error) {
	var lc net.ListenConfig
	return lc.ListenPacket(ctx, network, addr)
}

// Listen opens a stream listener.
func (OSNetwork) Listen(ctx context.Context, network, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, network, addr)
}

// DialContext opens a stream.
func (OSNetwork) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

// Source asks the kernel's routing table by connecting a datagram socket, which sends nothing.
func (OSNetwork) Source(dst netip.AddrPort) (netip.Addr, error) {
	if dst.Port() == 0 {
		dst = netip.AddrPortFrom(dst.Addr(), 5060) // some systems refuse to connect to port 0
	}
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(dst))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("source address toward %s: %w", dst.Addr(), err)
	}
	defer func() { _ = c.Close() }() // nothing was sent; nothing can be lost
	local, ok := c.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}, fmt.Errorf("source address toward %s: unexpected %T", dst.Addr(), c.LocalAddr())
	}
	return local.AddrPort().Addr().Unmap(), nil
}
