package ice

import (
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestChecksAreBounded: a peer that names many addresses does not make us flood them, and answers are never held back.
func TestChecksAreBounded(t *testing.T) {
	own := netip.MustParseAddr("192.0.2.1")
	sent := 0
	m := newMux([]netip.Addr{own}, 4000, func(netip.Addr) netip.Addr { return own },
		func([]byte, netip.AddrPort) error { sent++; return nil })
	conn, err := m.GetConn("", &net.UDPAddr{IP: own.AsSlice(), Port: 4000})
	if err != nil {
		t.Fatal(err)
	}
	write := func(n int, class ...byte) {
		t.Helper()
		for range n {
			if _, err := conn.WriteTo(class, &net.UDPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 9}); err != nil {
				t.Fatal(err)
			}
		}
	}
	write(1000, 0, 1) // Binding request
	if sent < checkBurst || sent > checkBurst+10 {
		t.Errorf("of 1000 checks at once %d left, want %d", sent, checkBurst)
	}
	sent = 0
	write(1000, 1, 1) // Binding success response
	if sent != 1000 {
		t.Errorf("of 1000 answers %d left", sent)
	}
	m.filled = time.Now().Add(-time.Hour)
	sent = 0
	write(1000, 0, 1)
	if sent < checkBurst || sent > checkBurst+10 {
		t.Errorf("after an hour %d checks left at once, want %d", sent, checkBurst)
	}
}

// TestChecksLeaveByTheirAddress: the kernel sends by one address only, so the pairs of the others are not tried.
func TestChecksLeaveByTheirAddress(t *testing.T) {
	wifi, cable := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1")
	var sent []netip.AddrPort
	m := newMux([]netip.Addr{wifi, cable}, 4000, func(netip.Addr) netip.Addr { return cable },
		func(_ []byte, to netip.AddrPort) error { sent = append(sent, to); return nil })
	conns := map[netip.Addr]net.PacketConn{}
	for _, addr := range m.GetListenAddresses() {
		conn, err := m.GetConn("", addr)
		if err != nil {
			t.Fatal(err)
		}
		conns[addr.(*net.UDPAddr).AddrPort().Addr().Unmap()] = conn
	}
	peer := &net.UDPAddr{IP: net.IPv4(203, 0, 113, 1), Port: 9}
	for _, conn := range conns {
		if _, err := conn.WriteTo([]byte{0, 1}, peer); err != nil {
			t.Fatal(err)
		}
	}
	if len(sent) != 1 {
		t.Errorf("%d checks left, want that of the address the kernel chooses", len(sent))
	}
	m.deliver([]byte{0, 1}, peer.AddrPort())
	if got := conns[cable].(*hostConn); len(got.in) != 1 {
		t.Error("what the peer sent did not come to the candidate that talks to it")
	}
}
