package ice

import (
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"
)

// TestNothingIsLeft ends agents in every state and counts goroutines: none outlives Wait.
func TestNothingIsLeft(t *testing.T) {
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	dead := Config{
		STUN: silent.LocalAddr().String(), TURN: "turn:" + silent.LocalAddr().String(), User: "u", Password: "p",
		Wait: 50 * time.Millisecond,
	}
	relay := Config{TURN: startTURN(t), User: "u", Password: "p"}
	var all []*phone
	run := func(name string, f func(t *testing.T)) {
		t.Run(name, f)
	}
	before := runtime.NumGoroutine()
	run("calls", func(t *testing.T) {
		never := newPhone(t, dead)
		gathering := newPhone(t, dead)
		if err := gathering.Prepare(nil); err != nil {
			t.Fatal(err)
		}
		plain := newPhone(t, dead)
		if err := plain.Prepare(nil); err != nil {
			t.Fatal(err)
		}
		plain.Plain()
		a, b := newPhone(t, relay), newPhone(t, dead)
		connect(t, a, b, false)
		a.Moved()
		if err := a.Prepare(nil); err != nil { // a restart that nobody answers
			t.Fatal(err)
		}
		all = []*phone{never, gathering, plain, a, b}
	})
	for _, p := range all { // closed by the clean-up of the test above
		if err := p.Prepare(nil); err == nil {
			t.Error("a closed agent gathers")
		}
		if err := p.Write(1, []byte{0x80}); err == nil {
			t.Error("a closed agent sends")
		}
		p.Handle(1, []byte{0, 1, 0, 0}, netip.AddrPort{})
	}
	// The TURN server of the test forgets allocations a moment later than the client.
	deadline := time.Now().Add(5 * time.Second)
	for runtime.NumGoroutine() > before+2 && time.Now().Before(deadline) {
		time.Sleep(20 * time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before+2 {
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before:\n%s", n, before, buf[:runtime.Stack(buf, true)])
	}
}
