package media

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// The ports ListenPair chooses from when its bounds are 0: those of RFC 6335's dynamic range that Linux does not
// hand out by itself lie above 60999; elsewhere a busy port is tried and passed over.
const (
	lowPort  = 61000
	highPort = 65535
)

// pairTries bounds the search for a free pair of ports.
const pairTries = 200

// ListenPair opens UDP sockets for RTP on an even port between lo and hi and for RTCP on the next one
// (RFC 3550 11), bound to the wildcard address of both IP versions. Bounds of 0 mean any. The sockets ask for
// expedited forwarding (RFC 4594 4.1), as far as the system allows.
func ListenPair(lo, hi int) (rtp, rtcp net.PacketConn, err error) {
	if lo <= 0 {
		lo = lowPort
	}
	if hi <= 0 || hi > highPort {
		hi = highPort
	}
	lo += lo & 1
	if lo+1 > hi {
		return nil, nil, fmt.Errorf("listen for media: no even port between %d and %d", lo, hi)
	}
	pairs := (hi - lo + 1) / 2
	start := randomInt(pairs)
	var last error
	for i := range min(pairs, pairTries) {
		port := lo + 2*((start+i)%pairs)
		if rtp, last = listenUDP(port); last != nil {
			continue
		}
		if rtcp, last = listenUDP(port + 1); last == nil {
			return rtp, rtcp, nil
		}
		_ = rtp.Close()
	}
	return nil, nil, fmt.Errorf("listen for media: %w", last)
}

func listenUDP(port int) (net.PacketConn, error) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{Port: port})
	if err != nil {
		return nil, err
	}
	markExpedited(conn)
	return conn, nil
}

// addrPortConn is what *net.UDPConn has beyond net.PacketConn; it needs no allocation per packet.
type addrPortConn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, addr netip.AddrPort) (int, error)
}

// socket is a packet conn that speaks netip.
type socket struct {
	conn net.PacketConn
	fast addrPortConn // nil: not a UDP socket of the system
}

func newSocket(conn net.PacketConn) socket {
	fast, _ := conn.(addrPortConn)
	return socket{conn, fast}
}

func (s socket) read(b []byte) (int, netip.AddrPort, error) {
	if s.fast != nil {
		n, from, err := s.fast.ReadFromUDPAddrPort(b)
		return n, unmap(from), err
	}
	n, from, err := s.conn.ReadFrom(b)
	if err != nil {
		return n, netip.AddrPort{}, err
	}
	return n, addrPort(from), nil
}

func (s socket) write(b []byte, to netip.AddrPort) error {
	if s.fast != nil {
		_, err := s.fast.WriteToUDPAddrPort(b, to)
		return err
	}
	_, err := s.conn.WriteTo(b, net.UDPAddrFromAddrPort(to))
	return err
}

func (s socket) port() int { return int(addrPort(s.conn.LocalAddr()).Port()) }

func addrPort(a net.Addr) netip.AddrPort {
	if u, ok := a.(interface{ AddrPort() netip.AddrPort }); ok {
		return unmap(u.AddrPort())
	}
	if a == nil {
		return netip.AddrPort{}
	}
	ap, _ := netip.ParseAddrPort(a.String())
	return unmap(ap)
}

func unmap(a netip.AddrPort) netip.AddrPort { return netip.AddrPortFrom(a.Addr().Unmap(), a.Port()) }

func isClosed(err error) bool { return errors.Is(err, net.ErrClosed) }
