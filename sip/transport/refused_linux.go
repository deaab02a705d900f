package transport

import (
	"encoding/binary"
	"net"
	"syscall"
)

const (
	// maxRefusals bounds the errors read at a time; what is left comes with the next.
	maxRefusals = 64
	// From linux/errqueue.h: struct sock_extended_err and who made the error.
	extendedErrLen = 16
	originOffset   = 4
	originICMP     = 2
	originICMP6    = 3
)

// wantRefusals makes the kernel keep the ICMP errors that come for datagrams of this socket (ip(7), IP_RECVERR). An
// unconnected socket does not learn of them otherwise.
func wantRefusals(pc net.PacketConn) {
	withFD(pc, func(fd int) {
		// A wildcard socket of both families needs both; one of IPv4 alone refuses the second. Without, requests to
		// a closed port time out.
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IP, syscall.IP_RECVERR, 1)
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_IPV6, syscall.IPV6_RECVERR, 1)
	})
}

// readRefusals empties the socket's error queue and gives the beginnings of those datagrams that met a closed port.
// found tells whether there was any error at all. It does not block.
func readRefusals(pc net.PacketConn) (datagrams [][]byte, found bool) {
	withFD(pc, func(fd int) {
		control := make([]byte, 256)
		for range maxRefusals {
			data := make([]byte, 576) // what routers quote (RFC 1812 4.3.2.3)
			n, c, _, _, err := syscall.Recvmsg(fd, data, control, syscall.MSG_ERRQUEUE|syscall.MSG_DONTWAIT)
			if err != nil {
				return
			}
			found = true
			if saysPortClosed(control[:c]) {
				datagrams = append(datagrams, data[:n])
			}
		}
	})
	return datagrams, found
}

func saysPortClosed(control []byte) bool {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return false
	}
	for _, m := range messages {
		four := m.Header.Level == syscall.IPPROTO_IP && m.Header.Type == syscall.IP_RECVERR
		six := m.Header.Level == syscall.IPPROTO_IPV6 && m.Header.Type == syscall.IPV6_RECVERR
		if !four && !six || len(m.Data) < extendedErrLen {
			continue
		}
		origin := m.Data[originOffset]
		if binary.NativeEndian.Uint32(m.Data) == uint32(syscall.ECONNREFUSED) &&
			(origin == originICMP || origin == originICMP6) {
			return true
		}
	}
	return false
}

// withFD runs f with the descriptor of a socket of the system; on any other packet conn it does nothing.
func withFD(pc net.PacketConn, f func(fd int)) {
	c, ok := pc.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { f(int(fd)) }) // an error: it is closed already
}
