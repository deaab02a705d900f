package netsim

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
)

const (
	// backlog is how many connections may wait for Accept; more are refused.
	backlog = 128
	// dialTimeout is when Linux gives up connecting (tcp_syn_retries=6: 1+2+4+8+16+32+64 s).
	dialTimeout = 127 * time.Second
)

// Listener accepts TCP-like streams on a Host. It implements net.Listener.
type Listener struct {
	host    *Host
	network string
	local   netip.AddrPort

	// Guarded by Network.mu.
	queue   []*Stream
	changed gate
	closed  bool
}

var _ net.Listener = (*Listener)(nil)

// Listen opens a stream listener; network is tcp, tcp4 or tcp6, addr as for ListenPacket.
func (h *Host) Listen(ctx context.Context, network, addr string) (net.Listener, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("listen %s %s: %w", network, addr, err)
	}
	local, err := parseLocal(network, "tcp", addr)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Err: err}
	}
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	used := func(port uint16) bool {
		return slices.ContainsFunc(h.tcp, func(l *Listener) bool { return overlap(l.local, local.Addr(), port) })
	}
	if local, err = h.claim(local, used); err != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: net.TCPAddrFromAddrPort(local), Err: err}
	}
	l := &Listener{host: h, network: network, local: local}
	h.tcp = append(h.tcp, l)
	h.n.sockets[l] = struct{}{}
	return l, nil
}

// Accept waits for a stream (a *Stream), or for Close (net.ErrClosed).
func (l *Listener) Accept() (net.Conn, error) {
	mu := &l.host.n.mu
	for {
		mu.Lock()
		switch {
		case l.closed:
			mu.Unlock()
			return nil, &net.OpError{Op: "accept", Net: l.network, Addr: l.Addr(), Err: net.ErrClosed}
		case len(l.queue) > 0:
			s := l.queue[0]
			l.queue = slices.Delete(l.queue, 0, 1)
			mu.Unlock()
			return s, nil
		}
		wait := l.changed.wait()
		mu.Unlock()
		sleep(wait, time.Time{})
	}
}

// Close ends Accept and resets the streams nobody accepted. A second Close returns net.ErrClosed.
func (l *Listener) Close() error {
	n := l.host.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.closed {
		return &net.OpError{Op: "close", Net: l.network, Addr: l.Addr(), Err: net.ErrClosed}
	}
	l.shut()
	return nil
}

// shut is Close with n.mu held.
func (l *Listener) shut() {
	l.closed = true
	for _, s := range l.queue {
		s.shut()
	}
	l.queue = nil
	l.host.tcp = slices.DeleteFunc(l.host.tcp, func(o *Listener) bool { return o == l })
	delete(l.host.n.sockets, l)
	l.changed.open()
}

// Addr returns a *net.TCPAddr.
func (l *Listener) Addr() net.Addr { return net.TCPAddrFromAddrPort(l.local) }

// DialContext connects a stream to an IP address and port and takes one round trip. Where nobody
// listens it fails with ECONNREFUSED; into a black hole with ctx's error, or ETIMEDOUT after 127 s.
func (h *Host) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	to, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	fail := func(err error) error {
		if errno, ok := err.(syscall.Errno); ok { //nolint:errorlint // made here, never wrapped
			err = os.NewSyscallError("connect", errno)
		}
		return &net.OpError{Op: "dial", Net: network, Addr: net.TCPAddrFromAddrPort(to), Err: err}
	}
	h.n.mu.Lock()
	src, err := h.source(to.Addr())
	if err != nil || h.n.closed {
		h.n.mu.Unlock()
		return nil, fail(syscall.ENETUNREACH)
	}
	local, err := h.claim(netip.AddrPortFrom(src, 0), func(uint16) bool { return false })
	if err != nil {
		h.n.mu.Unlock()
		return nil, fail(err)
	}
	d := &dialing{host: h, network: network, local: local, to: to}
	d.start()
	wait := d.changed.wait()
	h.n.mu.Unlock()
	t := time.NewTimer(dialTimeout)
	defer t.Stop()
	select {
	case <-wait:
	case <-ctx.Done():
		return nil, fail(d.abandon(ctx.Err()))
	case <-t.C:
		return nil, fail(d.abandon(syscall.ETIMEDOUT))
	}
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	if d.err != nil {
		return nil, fail(d.err)
	}
	return d.stream, nil
}

// dialing is a stream on its way to being one. Its methods but abandon are called with Network.mu held.
type dialing struct {
	host      *Host
	network   string
	local, to netip.AddrPort
	changed   gate
	stream    *Stream
	err       error
	abandoned bool
}

// start sends the SYN. To a gate that is already open nobody waits, so the first wait is made here.
func (d *dialing) start() {
	d.changed.wait()
	n := d.host.n
	there, ok := n.carry(d.local.Addr(), d.to.Addr())
	if !ok {
		return
	}
	n.after(there, d.arrive)
}

// arrive is the SYN at the other end, which answers.
func (d *dialing) arrive() {
	n := d.host.n
	back, ok := n.carry(d.to.Addr(), d.local.Addr())
	peer := d.host.at(d.to.Addr())
	if peer == nil || !ok {
		return // nobody answers
	}
	i := slices.IndexFunc(peer.tcp, func(l *Listener) bool { return accepts(l.network, l.local, d.to) })
	if i < 0 || len(peer.tcp[i].queue) >= backlog {
		n.after(back, func() { d.finish(nil, syscall.ECONNREFUSED) })
		return
	}
	ours, theirs := newStreams(d, peer)
	l := peer.tcp[i]
	l.queue = append(l.queue, theirs)
	l.changed.open()
	n.after(back, func() { d.finish(ours, nil) })
}

// finish is the answer back at the caller. If the caller has moved away meanwhile it is never heard.
func (d *dialing) finish(s *Stream, err error) {
	if s != nil && d.abandoned {
		s.shut()
		return
	}
	if !d.host.owns(d.local.Addr()) {
		return
	}
	d.stream, d.err = s, err
	d.changed.open()
}

func (d *dialing) abandon(err error) error {
	d.host.n.mu.Lock()
	defer d.host.n.mu.Unlock()
	d.abandoned = true
	if d.stream != nil {
		d.stream.shut()
	}
	return err
}

// carry returns how long a segment takes, and false when none gets through; n.mu is held. A lost
// segment is sent again after 200 ms, Linux's least retransmission timeout.
func (n *Network) carry(from, to netip.Addr) (time.Duration, bool) {
	p := n.path(from, to)
	if p.Down || p.Loss >= 1 {
		return 0, false
	}
	d := n.delay(from, to, p)
	for n.chance(from, to, p.Loss) {
		d += 200 * time.Millisecond
	}
	return d, true
}
