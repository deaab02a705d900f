package netsim

import (
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"
)

// window is how many bytes may be under way or unread in one direction before Write blocks.
const window = 1 << 20

// Stream is one end of a TCP-like connection. It implements net.Conn; addresses are *net.TCPAddr.
// Bytes keep their order whatever the Path says. When an end has lost its address the stream falls
// silent, and neither end is told.
type Stream struct {
	host          *Host
	network       string
	local, remote netip.AddrPort
	peer          *Stream

	// Guarded by Network.mu.
	in            []byte // arrived, unread
	underway      int    // bytes we wrote that the peer has not read
	lastDue       time.Time
	changed       gate
	readDeadline  time.Time
	writeDeadline time.Time
	eof           bool // the peer closed
	reset         bool // the peer was gone when we wrote
	silent        bool // one of our segments was lost on leaving: what follows cannot be read either
	deaf          bool // one was lost on arriving here
	closed        bool
}

var _ net.Conn = (*Stream)(nil)

// newStreams makes both ends; n.mu is held.
func newStreams(d *dialing, peer *Host) (ours, theirs *Stream) {
	ours = &Stream{host: d.host, network: d.network, local: d.local, remote: d.to}
	theirs = &Stream{host: peer, network: d.network, local: d.to, remote: d.local, peer: ours}
	ours.peer = theirs
	d.host.n.sockets[ours] = struct{}{}
	d.host.n.sockets[theirs] = struct{}{}
	return ours, theirs
}

// Read waits for bytes, the end of the stream (io.EOF), the read deadline or Close.
func (s *Stream) Read(p []byte) (int, error) {
	mu := &s.host.n.mu
	for {
		mu.Lock()
		var err error
		switch {
		case s.closed:
			err = s.fail("read", net.ErrClosed)
		case past(s.readDeadline):
			err = s.fail("read", os.ErrDeadlineExceeded)
		case len(s.in) > 0 || len(p) == 0:
			n := copy(p, s.in)
			s.in = slices.Delete(s.in, 0, n)
			s.peer.underway -= n
			s.peer.changed.open()
			mu.Unlock()
			return n, nil
		case s.reset:
			err = s.fail("read", syscall.ECONNRESET)
		case s.eof:
			err = io.EOF
		}
		wait, deadline := s.changed.wait(), s.readDeadline
		mu.Unlock()
		if err != nil {
			return 0, err
		}
		sleep(wait, deadline)
	}
}

// Write queues all of p; it blocks while a megabyte is under way or unread.
func (s *Stream) Write(p []byte) (int, error) {
	mu := &s.host.n.mu
	written := 0
	for {
		mu.Lock()
		var err error
		switch {
		case s.closed:
			err = net.ErrClosed
		case past(s.writeDeadline):
			err = os.ErrDeadlineExceeded
		case s.reset:
			err = syscall.EPIPE
		}
		if room := window - s.underway; err == nil && room > 0 {
			chunk := p[written:min(len(p), written+room)]
			s.underway += len(chunk)
			s.transmit(slices.Clone(chunk), false)
			written += len(chunk)
		}
		wait, deadline := s.changed.wait(), s.writeDeadline
		mu.Unlock()
		if err != nil {
			return written, s.fail("write", err)
		}
		if written == len(p) {
			return written, nil
		}
		sleep(wait, deadline)
	}
}

// transmit carries one segment, and the end of the stream with it if fin; n.mu is held.
func (s *Stream) transmit(data []byte, fin bool) {
	n := s.host.n
	wait, ok := n.carry(s.local.Addr(), s.remote.Addr())
	if !ok || s.silent || !s.host.owns(s.local.Addr()) {
		s.silent = true
		return
	}
	now := time.Now()
	if due := now.Add(wait); due.Before(s.lastDue) {
		wait = s.lastDue.Sub(now) // a stream keeps its order
	}
	s.lastDue = now.Add(wait)
	n.after(wait, func() { s.peer.arrive(data, fin) })
}

// arrive is a segment from the peer; n.mu is held.
func (s *Stream) arrive(data []byte, fin bool) {
	if s.deaf || !s.host.owns(s.local.Addr()) {
		s.deaf = true
		return
	}
	if s.closed {
		if len(data) > 0 { // RFC 9293 3.10.7.1: data for a closed connection is answered by RST
			wait, ok := s.host.n.carry(s.local.Addr(), s.remote.Addr())
			if ok {
				s.host.n.after(wait, s.peer.abort)
			}
		}
		return
	}
	s.in = append(s.in, data...)
	s.eof = s.eof || fin
	s.changed.open()
}

// abort is the arrival of a RST; n.mu is held.
func (s *Stream) abort() {
	if s.host.owns(s.local.Addr()) {
		s.reset = true
		s.changed.open()
	}
}

// Close ends both directions; bytes already written still arrive. A second Close returns net.ErrClosed.
func (s *Stream) Close() error {
	s.host.n.mu.Lock()
	defer s.host.n.mu.Unlock()
	if s.closed {
		return s.fail("close", net.ErrClosed)
	}
	s.shut()
	return nil
}

// shut is Close with n.mu held.
func (s *Stream) shut() {
	if s.closed {
		return
	}
	s.closed = true
	s.in = nil
	delete(s.host.n.sockets, s)
	s.transmit(nil, true)
	s.changed.open()
}

// LocalAddr returns a *net.TCPAddr with the address the stream was made with, gone or not.
func (s *Stream) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(s.local) }

// RemoteAddr returns a *net.TCPAddr.
func (s *Stream) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(s.remote) }

// SetDeadline sets both deadlines.
func (s *Stream) SetDeadline(t time.Time) error {
	return s.set(func() { s.readDeadline, s.writeDeadline = t, t })
}

// SetReadDeadline ends present and future reads at t; the zero time never.
func (s *Stream) SetReadDeadline(t time.Time) error {
	return s.set(func() { s.readDeadline = t })
}

// SetWriteDeadline ends present and future writes at t; the zero time never.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	return s.set(func() { s.writeDeadline = t })
}

func (s *Stream) set(change func()) error {
	s.host.n.mu.Lock()
	defer s.host.n.mu.Unlock()
	if s.closed {
		return s.fail("set", net.ErrClosed)
	}
	change()
	s.changed.open()
	return nil
}

// fail makes the error package net would return.
func (s *Stream) fail(op string, err error) error {
	if errno, ok := err.(syscall.Errno); ok { //nolint:errorlint // made here, never wrapped
		err = os.NewSyscallError(op, errno)
	}
	return &net.OpError{Op: op, Net: s.network, Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: err}
}
