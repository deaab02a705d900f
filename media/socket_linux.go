package media

import (
	"net"
	"syscall"
)

// expedited is the DSCP EF, 46, in the upper six bits of the traffic class (RFC 3246).
const expedited = 46 << 2

// markExpedited sets the traffic class of both IP versions; a system that refuses sends as best it can.
func markExpedited(conn *net.UDPConn) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_TOS, expedited)
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS, expedited)
	})
}
