//go:build lab && linux

package desktop

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

// capture is what went over loopback by UDP since it began, from all programs on this machine.
type capture struct {
	mu      sync.Mutex
	packets []wire.Packet
}

// mostPackets bounds a capture: ten minutes of a call.
const mostPackets = 100_000

// newCapture records until the test ends.
func newCapture(t *testing.T) *capture {
	t.Helper()
	lo, err := net.InterfaceByName("lo")
	must(t, err)
	const protocol = syscall.ETH_P_IP<<8&0xff00 | syscall.ETH_P_IP>>8 // in network order
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, protocol)
	must(t, err)
	must(t, syscall.Bind(fd, &syscall.SockaddrLinklayer{Protocol: protocol, Ifindex: lo.Index}))
	timeout := syscall.NsecToTimeval(lookEvery.Nanoseconds())
	must(t, syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &timeout))
	c := &capture{}
	ending, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer syscall.Close(fd)
		c.run(fd, ending)
	}()
	t.Cleanup(func() {
		close(ending)
		<-ended
	})
	return c
}

func (c *capture) run(fd int, ending <-chan struct{}) {
	buffer := make([]byte, 1<<16) // of loopback
	for {
		select {
		case <-ending:
			return
		default:
		}
		n, _, err := syscall.Recvfrom(fd, buffer, 0)
		if err != nil {
			continue // the time-out
		}
		packet, err := wire.ParseIPv4(buffer[:n])
		if err != nil {
			var ok bool
			if packet, ok = segment(buffer[:n]); !ok {
				continue
			}
		}
		packet.At = time.Now()
		c.mu.Lock()
		if len(c.packets) < mostPackets {
			c.packets = append(c.packets, packet)
		}
		c.mu.Unlock()
	}
}

// segment reads what a TCP segment carries: the long messages of SIP (RFC 3261 18.1.1).
func segment(ip []byte) (p wire.Packet, ok bool) {
	const tcp = 6
	if len(ip) < 40 || ip[9] != tcp {
		return p, false
	}
	header, total := int(ip[0]&0x0f)*4, int(binary.BigEndian.Uint16(ip[2:]))
	if total > len(ip) || header+20 > total {
		return p, false
	}
	body := ip[header:total]
	data := int(body[12]>>4) * 4
	if data >= len(body) {
		return p, false
	}
	address := func(b []byte) netip.Addr { a, _ := netip.AddrFromSlice(b); return a }
	p.Src = netip.AddrPortFrom(address(ip[12:16]), binary.BigEndian.Uint16(body))
	p.Dst = netip.AddrPortFrom(address(ip[16:20]), binary.BigEndian.Uint16(body[2:]))
	p.Payload = bytes.Clone(body[data:])
	return p, true
}

func (c *capture) all() []wire.Packet {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]wire.Packet(nil), c.packets...)
}

// requests counts the SIP requests of a method that a program sent, repeats once.
func (c *capture) requests(by *program, method string) int {
	ids := regexp.MustCompile(`(?im)^(?:Call-ID|CSeq): *(.*?)\r$`)
	via := regexp.MustCompile(`(?im)^(?:Via|v): *SIP/2\.0/\w+ [^\r;]*:(\d+)`) // by TCP the port of the packet is any
	seen := map[string]bool{}
	for _, p := range c.all() {
		sender := via.FindSubmatch(p.Payload)
		if !bytes.HasPrefix(p.Payload, []byte(method+" ")) || sender == nil || string(sender[1]) != strconv.Itoa(by.port) {
			continue
		}
		id := ""
		for _, m := range ids.FindAllSubmatch(p.Payload, -1) {
			id += string(m[1]) + " "
		}
		seen[id] = true
	}
	return len(seen)
}

// stream is RTP packets of one kind from one port.
type stream struct {
	from        int
	payloadType uint8
}

// mostEvent is the longest payload of a telephone event on the wire: its own 4 bytes (RFC 4733 2.3) and
// the tag of SRTP (RFC 7714 14.2).
const mostEvent = 4 + 16

// events are the streams that could be telephone events, each with how many: all packets of one event
// have its timestamp (RFC 4733 2.5.1.2). Which keys they were the two ends alone know: they are encrypted.
func (c *capture) events() map[stream]int {
	seen := map[stream]map[uint32]bool{}
	for _, p := range c.all() {
		rtp, ok := wire.ParseRTP(p)
		if !ok || len(rtp.Audio) > mostEvent {
			continue
		}
		s := stream{int(p.Src.Port()), rtp.PayloadType}
		if seen[s] == nil {
			seen[s] = map[uint32]bool{}
		}
		seen[s][rtp.Timestamp] = true
	}
	count := make(map[stream]int, len(seen))
	for s, stamps := range seen {
		count[s] = len(stamps)
	}
	return count
}
