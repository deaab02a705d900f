package ice

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	pion "github.com/pion/ice/v4"
)

const (
	maxMessage = 1500 // bytes of a STUN message, and of what comes through a relay (RFC 8445 14.3)
	queueSize  = 32   // STUN messages waiting for one host candidate; more are dropped, and come again
	maxRoutes  = 256  // remembered answers of the kernel

	// Checks of one component in a second, and at once: pion asks about every pair five times a second, and a peer
	// could name 64 victims for them (RFC 8445 19.5.1). Those left out come again.
	checkRate  = 50
	checkBurst = 50
)

// mux gives pion a connection for each address of this host, all of them on one socket of the call that is bound to
// none of them. The kernel decides by which address a datagram leaves, so a check from another address than that is not
// sent: its pair fails, and the one that remains is the truth (RFC 8445 6.1.2.4 prunes pairs of one base likewise).
type mux struct {
	addresses []netip.Addr
	port      uint16
	source    func(netip.Addr) netip.Addr
	send      func([]byte, netip.AddrPort) error

	mu     sync.Mutex
	conns  []*hostConn
	routes map[netip.Addr]netip.Addr
	budget float64   // checks that may be sent
	filled time.Time // budget was right then
}

var _ pion.UDPMux = (*mux)(nil)

func newMux(
	addresses []netip.Addr, port uint16, source func(netip.Addr) netip.Addr, send func([]byte, netip.AddrPort) error,
) *mux {
	return &mux{
		addresses: addresses, port: port, source: source, send: send, routes: map[netip.Addr]netip.Addr{},
		budget: checkBurst, filled: time.Now(),
	}
}

// GetListenAddresses lists the host candidates.
func (m *mux) GetListenAddresses() []net.Addr {
	list := make([]net.Addr, len(m.addresses))
	for i, addr := range m.addresses {
		list[i] = net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, m.port))
	}
	return list
}

// GetConn makes the connection of a host candidate.
func (m *mux) GetConn(_ string, addr net.Addr) (net.PacketConn, error) {
	udp, ok := addr.(*net.UDPAddr)
	if !ok {
		return nil, net.UnknownNetworkError(addr.Network())
	}
	local := udp.AddrPort()
	c := &hostConn{
		mux: m, local: netip.AddrPortFrom(local.Addr().Unmap(), local.Port()),
		in: make(chan datagram, queueSize), closed: make(chan struct{}),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns = append(m.conns, c)
	return c, nil
}

// RemoveConnByUfrag forgets all connections: a mux serves one generation only.
func (m *mux) RemoveConnByUfrag(string) { _ = m.Close() }

// Close closes the connections; the socket is the call's.
func (m *mux) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.conns {
		c.end()
	}
	m.conns = nil
	return nil
}

// route is the address of this host that datagrams to remote leave from.
func (m *mux) route(remote netip.Addr) netip.Addr {
	m.mu.Lock()
	local, ok := m.routes[remote]
	m.mu.Unlock()
	if ok {
		return local
	}
	local = m.source(remote).Unmap().WithZone("")
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.routes) >= maxRoutes {
		clear(m.routes)
	}
	m.routes[remote] = local
	return local
}

// deliver gives a STUN message to the candidate it was meant for.
func (m *mux) deliver(data []byte, from netip.AddrPort) {
	local := m.route(from.Addr())
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.conns, func(c *hostConn) bool { return c.local.Addr() == local })
	if i < 0 {
		i = slices.IndexFunc(m.conns, func(c *hostConn) bool { return c.local.Addr().Is4() == from.Addr().Is4() })
	}
	if i < 0 {
		return
	}
	select {
	case m.conns[i].in <- datagram{data, from}:
	default: // it will come again
	}
}

// mayCheck takes a check from the budget.
func (m *mux) mayCheck(now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.budget = min(m.budget+checkRate*now.Sub(m.filled).Seconds(), checkBurst)
	m.filled = now
	if m.budget < 1 {
		return false
	}
	m.budget--
	return true
}

type datagram struct {
	data []byte
	from netip.AddrPort
}

// hostConn is what pion takes for the socket of a host candidate.
type hostConn struct {
	mux    *mux
	local  netip.AddrPort
	in     chan datagram
	closed chan struct{}
	once   sync.Once
}

var _ net.PacketConn = (*hostConn)(nil)

func (c *hostConn) end() { c.once.Do(func() { close(c.closed) }) }

// ReadFrom waits for a STUN message.
func (c *hostConn) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case <-c.closed:
		return 0, nil, net.ErrClosed
	case d := <-c.in:
		return copy(b, d.data), net.UDPAddrFromAddrPort(d.from), nil
	}
}

// WriteTo sends a STUN message, if it leaves from this candidate's address.
func (c *hostConn) WriteTo(b []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, net.UnknownNetworkError(to.Network())
	}
	remote := udp.AddrPort()
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	if local := c.mux.route(remote.Addr()); local.IsValid() && local != c.local.Addr() {
		return len(b), nil
	}
	if isRequest(b) && !c.mux.mayCheck(time.Now()) {
		return len(b), nil
	}
	if err := c.mux.send(b, remote); err != nil {
		return 0, err
	}
	return len(b), nil
}

// isRequest tells a check from an answer by the class of the message (RFC 8489 5).
func isRequest(b []byte) bool { return len(b) > 1 && b[0]&1 == 0 && b[1]&0x10 == 0 }

// Close ends reading.
func (c *hostConn) Close() error {
	c.end()
	return nil
}

// LocalAddr is the address of the host candidate.
func (c *hostConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// SetDeadline does nothing: reading ends with Close, and writing does not wait.
func (c *hostConn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (c *hostConn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (c *hostConn) SetWriteDeadline(time.Time) error { return nil }
