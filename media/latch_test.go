package media

import (
	"net/netip"
	"testing"
	"time"
)

func TestLatch(t *testing.T) {
	var (
		sdp    = netip.MustParseAddrPort("192.168.1.5:4000")
		nat    = netip.MustParseAddrPort("203.0.113.1:31000")
		forger = netip.MustParseAddrPort("198.51.100.66:5")
		moved  = netip.MustParseAddrPort("192.168.7.7:4000")
	)
	type step struct {
		from  netip.AddrPort
		ssrc  uint32
		seq   uint16
		count int // packets in sequence
	}
	tests := []struct {
		name  string
		steps []step
		after time.Duration // before the last step
		want  netip.AddrPort
	}{
		{"nothing came", nil, 0, sdp},
		{"as described", []step{{sdp, 1, 10, 50}, {nat, 1, 60, 50}}, 0, sdp},
		{"behind a NAT", []step{{nat, 1, 65534, 4}}, 0, nat},
		{"too few", []step{{nat, 1, 10, 3}}, 0, sdp},
		{"not in sequence", []step{{nat, 1, 10, 3}, {nat, 1, 99, 3}, {nat, 2, 102, 3}}, 0, sdp},
		{"mixed with the described one", []step{{sdp, 1, 10, 1}, {forger, 1, 11, 50}}, 0, sdp},
		{"forged after latching", []step{{nat, 1, 10, 4}, {forger, 1, 14, 50}}, 0, nat},
		{"too late", []step{{nat, 1, 10, 2}, {nat, 1, 12, 50}}, latchWindow + time.Second, sdp},
		{"no port", []step{{netip.AddrPortFrom(nat.Addr(), 0), 1, 10, 50}}, 0, sdp},
		{"multicast", []step{{netip.MustParseAddrPort("224.0.0.1:9"), 1, 10, 50}}, 0, sdp},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var l latch
			if l.packet(nat, 1, 1, 0) {
				t.Error("moved before there was a description")
			}
			l.describe(sdp, true)
			now := time.Duration(0)
			for i, s := range tt.steps {
				if i == len(tt.steps)-1 {
					now += tt.after
				}
				for k := range s.count {
					l.packet(s.from, s.ssrc, s.seq+uint16(k), now)
				}
			}
			if l.remote != tt.want {
				t.Errorf("sends to %v, want %v", l.remote, tt.want)
			}
			// A new description goes first.
			l.describe(moved, true)
			if l.remote != moved {
				t.Errorf("after a new description to %v", l.remote)
			}
		})
	}
}

func TestLatchKeepsWhatItLearnt(t *testing.T) {
	sdp, nat := netip.MustParseAddrPort("192.168.1.5:4000"), netip.MustParseAddrPort("203.0.113.1:31000")
	other := netip.MustParseAddrPort("203.0.113.2:777")
	var l latch
	l.describe(sdp, true)
	for k := range uint16(4) {
		l.packet(nat, 1, k, 0)
	}
	l.describe(sdp, false) // the answer to our own re-INVITE
	l.describe(netip.AddrPort{}, true)
	if l.remote != nat || l.open {
		t.Errorf("sends to %v, open %v", l.remote, l.open)
	}
	// The peer's own re-INVITE with the same private address may mean another NAT.
	l.describe(sdp, true)
	for k := range uint16(4) {
		l.packet(other, 1, 4+k, time.Minute)
	}
	if l.remote != other {
		t.Errorf("sends to %v", l.remote)
	}
}
