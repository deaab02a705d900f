package netsim

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
)

const (
	// queueLen is the receive queue in datagrams: what Linux's default 212,992 bytes hold of full ones.
	queueLen = 256
	// maxDatagram is the largest UDP payload over IPv4 (65,535 less 28 bytes of headers).
	maxDatagram = 65507
	// reorderBy is how long a reordered datagram is held when the Path does not say.
	reorderBy = 20 * time.Millisecond
)

// PacketConn is a UDP socket of a Host. It implements net.PacketConn; addresses are *net.UDPAddr.
type PacketConn struct {
	host    *Host
	network string
	local   netip.AddrPort

	// Guarded by Network.mu.
	queue    []received
	changed  gate
	deadline time.Time
	closed   bool
}

type received struct {
	data []byte
	from netip.AddrPort
}

var _ net.PacketConn = (*PacketConn)(nil)

// ReadFrom waits for a datagram. Past the read deadline the error is a timeout
// (os.ErrDeadlineExceeded), after Close net.ErrClosed. A datagram longer than p is cut.
func (c *PacketConn) ReadFrom(p []byte) (int, net.Addr, error) {
	n, from, err := c.ReadFromUDPAddrPort(p)
	if err != nil {
		return 0, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromUDPAddrPort is ReadFrom without the allocation of an address.
func (c *PacketConn) ReadFromUDPAddrPort(p []byte) (int, netip.AddrPort, error) {
	mu := &c.host.n.mu
	for {
		mu.Lock()
		var err error
		switch {
		case c.closed:
			err = net.ErrClosed
		case past(c.deadline):
			err = os.ErrDeadlineExceeded
		case len(c.queue) > 0:
			first := c.queue[0]
			c.queue = slices.Delete(c.queue, 0, 1)
			mu.Unlock()
			return copy(p, first.data), first.from, nil
		}
		wait, deadline := c.changed.wait(), c.deadline
		mu.Unlock()
		if err != nil {
			return 0, netip.AddrPort{}, c.fail("read", netip.AddrPort{}, err)
		}
		sleep(wait, deadline)
	}
}

// WriteTo sends a datagram and never blocks. It fails when the host has no way to addr, or no longer
// the address the socket is bound to (ENETUNREACH); whether somebody is there is not known.
func (c *PacketConn) WriteTo(p []byte, addr net.Addr) (int, error) {
	to, ok := addr.(*net.UDPAddr)
	if !ok {
		return 0, c.fail("write", netip.AddrPort{}, syscall.EINVAL)
	}
	return c.WriteToUDPAddrPort(p, to.AddrPort())
}

// WriteToUDPAddrPort is WriteTo without the allocation of an address.
func (c *PacketConn) WriteToUDPAddrPort(p []byte, to netip.AddrPort) (int, error) {
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	n := c.host.n
	if len(p) > maxDatagram {
		return 0, c.fail("write", to, syscall.EMSGSIZE)
	}
	n.mu.Lock()
	from, err := c.route(to)
	filter := n.filter
	n.mu.Unlock()
	if err != nil {
		return 0, c.fail("write", to, err)
	}
	verdict := Deliver
	if filter != nil {
		verdict = filter(Datagram{From: from, To: to, Data: p})
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.send(c.host, received{data: slices.Clone(p), from: from}, to, verdict)
	return len(p), nil
}

// route chooses the source of a datagram to to; n.mu is held.
func (c *PacketConn) route(to netip.AddrPort) (netip.AddrPort, error) {
	switch {
	case c.closed:
		return netip.AddrPort{}, net.ErrClosed
	case !to.IsValid() || to.Port() == 0:
		return netip.AddrPort{}, syscall.EINVAL
	case !c.local.Addr().IsUnspecified():
		if !c.host.owns(c.local.Addr()) {
			return netip.AddrPort{}, syscall.ENETUNREACH
		}
		return c.local, nil
	}
	a, err := c.host.source(to.Addr())
	if err != nil {
		return netip.AddrPort{}, syscall.ENETUNREACH
	}
	return netip.AddrPortFrom(a, c.local.Port()), nil
}

// send puts a datagram on its way; n.mu is held.
func (n *Network) send(h *Host, d received, to netip.AddrPort, verdict Verdict) {
	n.stats.Sent++
	from := d.from.Addr()
	p := n.path(from, to.Addr())
	if verdict == Drop || p.Down || n.chance(from, to.Addr(), p.Loss) {
		n.stats.Lost++
		return
	}
	copies := 1
	if verdict == Twice || n.chance(from, to.Addr(), p.Duplicate) {
		copies = 2
	}
	for range copies {
		wait := n.delay(from, to.Addr(), p)
		if n.chance(from, to.Addr(), p.Reorder) {
			if wait += p.ReorderBy; p.ReorderBy == 0 {
				wait += reorderBy
			}
		}
		n.after(wait, func() { n.arrive(h, d, to) })
	}
}

// arrive gives a datagram to the socket that is there now; n.mu is held.
func (n *Network) arrive(sender *Host, d received, to netip.AddrPort) {
	h := sender.at(to.Addr())
	if h == nil {
		n.stats.Unroutable++
		return
	}
	i := slices.IndexFunc(h.udp, func(c *PacketConn) bool { return accepts(c.network, c.local, to) })
	if i < 0 {
		n.stats.Unroutable++
		return
	}
	c := h.udp[i]
	if len(c.queue) >= queueLen {
		n.stats.Overflow++
		return
	}
	n.stats.Delivered++
	c.queue = append(c.queue, d)
	c.changed.open()
}

// Close ends waiting reads. A second Close returns net.ErrClosed.
func (c *PacketConn) Close() error {
	n := c.host.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return c.fail("close", netip.AddrPort{}, net.ErrClosed)
	}
	c.shut()
	return nil
}

// shut is Close with n.mu held.
func (c *PacketConn) shut() {
	c.closed = true
	c.queue = nil
	c.host.udp = slices.DeleteFunc(c.host.udp, func(o *PacketConn) bool { return o == c })
	delete(c.host.n.sockets, c)
	c.changed.open()
}

// LocalAddr returns a *net.UDPAddr: where the socket was bound, unspecified IP included.
func (c *PacketConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// SetDeadline is SetReadDeadline: writes never block.
func (c *PacketConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline ends present and future reads at t; the zero time never.
func (c *PacketConn) SetReadDeadline(t time.Time) error {
	n := c.host.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return c.fail("set", netip.AddrPort{}, net.ErrClosed)
	}
	c.deadline = t
	c.changed.open()
	return nil
}

// SetWriteDeadline does nothing: writes never block.
func (c *PacketConn) SetWriteDeadline(time.Time) error { return nil }

// SetReadBuffer is accepted and ignored; the queue holds 256 datagrams.
func (c *PacketConn) SetReadBuffer(int) error { return nil }

// SetWriteBuffer is accepted and ignored.
func (c *PacketConn) SetWriteBuffer(int) error { return nil }

// fail makes the error package net would return.
func (c *PacketConn) fail(op string, to netip.AddrPort, err error) error {
	e := &net.OpError{Op: op, Net: c.network, Source: c.LocalAddr(), Err: err}
	if errno, ok := err.(syscall.Errno); ok { //nolint:errorlint // made here, never wrapped
		e.Err = os.NewSyscallError(op+"to", errno)
	}
	if to.IsValid() {
		e.Addr = net.UDPAddrFromAddrPort(to)
	}
	return e
}
