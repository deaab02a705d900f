package wire

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

var (
	oldAddr  = netip.MustParseAddr("10.77.1.100")
	newAddr  = netip.MustParseAddr("10.77.2.100")
	peerAddr = netip.MustParseAddr("10.77.3.10")
	base     = time.Unix(1000, 0)
)

func ipv4(payload []byte) []byte {
	b := make([]byte, 28+len(payload))
	b[0], b[9] = 0x45, 17
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], []byte{10, 77, 1, 100})
	copy(b[16:], []byte{10, 77, 3, 10})
	binary.BigEndian.PutUint16(b[20:], 4000)
	binary.BigEndian.PutUint16(b[22:], 5000)
	binary.BigEndian.PutUint16(b[24:], uint16(8+len(payload)))
	copy(b[28:], payload)
	return b
}

func rtpBytes(seq uint16, audio []byte) []byte {
	b := make([]byte, 12, 12+len(audio))
	b[0] = 0x80
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], uint32(seq)*160)
	return append(b, audio...)
}

func TestParseIPv4(t *testing.T) {
	good := ipv4([]byte("hello"))
	padded := append(bytes.Clone(good), 0, 0, 0) // Ethernet pads short frames
	fragment := bytes.Clone(good)
	fragment[6] = 0x20
	tcp := bytes.Clone(good)
	tcp[9] = 6
	long := bytes.Clone(good)
	binary.BigEndian.PutUint16(long[24:], 200)
	tests := []struct {
		name string
		in   []byte
		want string
		bad  bool
	}{
		{"plain", good, "hello", false},
		{"padded", padded, "hello", false},
		{"empty", nil, "", true},
		{"cut", good[:25], "", true},
		{"fragment", fragment, "", true},
		{"tcp", tcp, "", true},
		{"UDP length beyond the packet", long, "", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := ParseIPv4(test.in)
			if (err != nil) != test.bad || string(p.Payload) != test.want {
				t.Fatalf("got %q, %v; want %q, error %v", p.Payload, err, test.want, test.bad)
			}
			if !test.bad && (p.Src.String() != "10.77.1.100:4000" || p.Dst.String() != "10.77.3.10:5000") {
				t.Errorf("addresses %v to %v", p.Src, p.Dst)
			}
		})
	}
}

func TestParseRTP(t *testing.T) {
	extended := append([]byte{0x90, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xbe, 0xde, 0, 1, 1, 2, 3, 4}, 7, 8)
	padded := append(rtpBytes(1, []byte{7, 8}), 0, 2)
	padded[0] |= 0x20
	rtcp := rtpBytes(1, []byte{1, 2})
	rtcp[1] = 200
	tests := []struct {
		name string
		in   []byte
		want []byte // nil: no RTP
	}{
		{"plain", rtpBytes(1, []byte{7, 8}), []byte{7, 8}},
		{"extension", extended, []byte{7, 8}},
		{"padding", padded, []byte{7, 8}},
		{"rtcp", rtcp, nil},
		{"no audio", rtpBytes(1, nil), nil},
		{"sip", []byte("OPTIONS sip:a@b SIP/2.0\r\n\r\n"), nil},
		{"extension beyond the end", []byte{0x90, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1}, nil},
		{"padding beyond the start", append([]byte{0xa0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 200), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, ok := ParseRTP(Packet{Payload: test.in})
			if ok != (test.want != nil) || !bytes.Equal(got.Audio, test.want) {
				t.Errorf("got %v %v, want %v", got.Audio, ok, test.want)
			}
		})
	}
}

func TestDecodePCMU(t *testing.T) {
	one := RTP{Packet: Packet{At: base}, Timestamp: 1000, Audio: []byte{0xff, 0x00, 0x80}}
	three := RTP{Packet: Packet{At: base.Add(time.Second)}, Timestamp: 1005, Audio: []byte{0x7f}}
	start, got := DecodePCMU([]RTP{one, three})
	want := []int16{0, -32124, 32124, 0, 0, 0} // 0xff and 0x7f are +0 and -0
	if !start.Equal(base) || len(got) != len(want) {
		t.Fatalf("start %v, samples %v; want %v, %v", start, got, base, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("sample %d is %d, want %d", i, got[i], want[i])
		}
	}
}

// downlink is a stream of one packet every 20 ms: to the old address until down, then, from the
// packet after back on, to the new one.
func downlink(down, back time.Duration) []RTP {
	var out []RTP
	for i := range 200 {
		at := time.Duration(i) * 20 * time.Millisecond
		dst := oldAddr
		if at >= back {
			dst = newAddr
		} else if at >= down {
			continue
		}
		out = append(out, RTP{Packet: Packet{At: base.Add(at), Dst: netip.AddrPortFrom(dst, 4000), Src: netip.AddrPortFrom(peerAddr, 5000)}, Sequence: uint16(i + 65500)})
	}
	return out
}

// stay is n packets to an address, from place first in the stream on.
func stay(dst netip.Addr, first, n int) []RTP {
	var out []RTP
	for i := first; i < first+n; i++ {
		at := base.Add(time.Duration(i) * 20 * time.Millisecond)
		out = append(out, RTP{Packet: Packet{At: at, Dst: netip.AddrPortFrom(dst, 4000)}, Sequence: uint16(i + 65500)})
	}
	return out
}

func TestJudgeMove(t *testing.T) {
	at := func(ms int) time.Time { return base.Add(time.Duration(ms) * time.Millisecond) }
	tests := []struct {
		name    string
		packets []RTP
		h       Handover
		silence time.Duration
		sinceUp time.Duration
		lost    int
		back    bool
	}{
		{"break before make", downlink(1010*time.Millisecond, 1100*time.Millisecond), Handover{Down: at(1010), Up: at(1020), Old: oldAddr, New: newAddr}, 100 * time.Millisecond, 80 * time.Millisecond, 4, true},
		{"never back", downlink(1010*time.Millisecond, time.Hour), Handover{Down: at(1010), Up: at(1020), Old: oldAddr, New: newAddr}, 0, 0, 0, false},
		{"late packets to the old address are of no use", downlink(1500*time.Millisecond, 1500*time.Millisecond), Handover{Down: at(1010), Up: at(1020), Old: oldAddr, New: newAddr}, 500 * time.Millisecond, 480 * time.Millisecond, 24, true},
		{"make before break", downlink(1500*time.Millisecond, 1500*time.Millisecond), Handover{Down: at(1010), Up: at(1020), Old: oldAddr, New: newAddr, Overlap: true}, 20 * time.Millisecond, 480 * time.Millisecond, 0, true},
		{"an earlier stay at the new address", append(stay(newAddr, 0, 20), downlink(1010*time.Millisecond, 1100*time.Millisecond)[20:]...), Handover{Down: at(1010), Up: at(1020), Old: oldAddr, New: newAddr}, 100 * time.Millisecond, 80 * time.Millisecond, 4, true},
		{"flap", downlink(1010*time.Millisecond, time.Hour)[:50], Handover{Down: at(505), Up: at(510), Old: oldAddr, New: oldAddr}, 20 * time.Millisecond, 10 * time.Millisecond, 0, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := JudgeMove(test.packets, test.h, false)
			if g.Silence != test.silence || g.SinceUp != test.sinceUp || g.Lost != test.lost || g.Back() != test.back {
				t.Errorf("got silence %v, since up %v, lost %d, back %v; want %v, %v, %d, %v",
					g.Silence, g.SinceUp, g.Lost, g.Back(), test.silence, test.sinceUp, test.lost, test.back)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(ipv4(rtpBytes(3, []byte{1, 2, 3})))
	f.Fuzz(func(t *testing.T, in []byte) {
		p, err := ParseIPv4(in)
		if err != nil {
			p = Packet{Payload: in}
		}
		rtp, ok := ParseRTP(p)
		if ok && len(rtp.Audio) == 0 {
			t.Error("RTP without audio")
		}
		if _, samples := DecodePCMU([]RTP{rtp}); len(samples) > len(in) {
			t.Errorf("%d samples from %d bytes", len(samples), len(in))
		}
	})
}
