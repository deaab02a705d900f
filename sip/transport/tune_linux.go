package transport

import (
	"net"
	"syscall"
	"time"
)

const (
	// tcpUserTimeout is TCP_USER_TIMEOUT of linux/tcp.h, which package syscall does not know.
	tcpUserTimeout = 18
	// unacknowledged is how long sent data may wait for its acknowledgement before the connection counts as dead
	// (RFC 5482). The kernel's own patience is a quarter of an hour; a request's ends after 32 s (timer F).
	unacknowledged = 20 * time.Second
)

// tune makes the kernel notice a dead peer in time.
func tune(conn net.Conn) {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { // a wish: keep-alives and transactions find a dead peer too
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(unacknowledged/time.Millisecond))
	})
}
