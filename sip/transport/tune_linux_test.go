package transport

import (
	"net"
	"syscall"
	"testing"
	"time"
)

// The kernel has been told how long it may wait for a dead peer.
func TestUserTimeout(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = ln.Close() }()
	conn, err := OSNetwork{}.DialContext(t.Context(), "tcp", ln.Addr().String())
	must(t, err)
	defer func() { _ = conn.Close() }()
	tune(conn)
	c, ok := conn.(syscall.Conn)
	if !ok {
		t.Fatal("no descriptor")
	}
	raw, err := c.SyscallConn()
	must(t, err)
	var got int
	must(t, raw.Control(func(fd uintptr) { got, err = syscall.GetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout) }))
	must(t, err)
	if time.Duration(got)*time.Millisecond != unacknowledged {
		t.Errorf("%d ms", got)
	}
}
