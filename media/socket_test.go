package media

import (
	"net/netip"
	"testing"
)

func TestListenPair(t *testing.T) {
	seen := map[int]bool{}
	for range 5 {
		rtp, rtcp, err := ListenPair(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = rtp.Close(); _ = rtcp.Close() })
		a, b := newSocket(rtp).port(), newSocket(rtcp).port()
		if a%2 != 0 || b != a+1 || seen[a] {
			t.Errorf("ports %d and %d", a, b)
		}
		seen[a] = true
	}
	if _, _, err := ListenPair(5000, 5000); err == nil {
		t.Error("a pair in one port")
	}
}

func TestSocket(t *testing.T) {
	a, b, err := ListenPair(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	from, to := newSocket(a), newSocket(b)
	t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
	dst := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(to.port()))
	if err := from.write([]byte("hello"), dst); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	n, src, err := to.read(buf)
	// A dual-stack socket reports a mapped address; ours is plain.
	if err != nil || string(buf[:n]) != "hello" || src.Addr() != dst.Addr() || int(src.Port()) != from.port() {
		t.Errorf("%q from %v, %v", buf[:n], src, err)
	}
	_ = b.Close()
	if _, _, err := to.read(buf); !isClosed(err) {
		t.Errorf("closed: %v", err)
	}
}
