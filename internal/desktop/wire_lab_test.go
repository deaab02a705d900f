//go:build lab && linux

package desktop

import (
	"bytes"
	"net"
	"regexp"
	"slices"
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
			continue // TCP
		}
		packet.At = time.Now()
		c.mu.Lock()
		if len(c.packets) < mostPackets {
			c.packets = append(c.packets, packet)
		}
		c.mu.Unlock()
	}
}

func (c *capture) all() []wire.Packet {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]wire.Packet(nil), c.packets...)
}

// requests counts the SIP requests of a method that a program sent, repeats once.
func (c *capture) requests(by *program, method string) int {
	ids := regexp.MustCompile(`(?im)^(?:Call-ID|CSeq): *(.*?)\r$`)
	seen := map[string]bool{}
	for _, p := range c.all() {
		if !bytes.HasPrefix(p.Payload, []byte(method+" ")) || int(p.Src.Port()) != by.port {
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

// digits are the telephone events (RFC 4733) that were sent from a port with one of the payload types,
// one per key pressed.
func (c *capture) digits(from int, payloadTypes []uint8) string {
	const keys = "0123456789*#ABCD"
	var pressed []byte
	last := uint32(0)
	for _, p := range c.all() {
		rtp, ok := wire.ParseRTP(p)
		if !ok || int(p.Src.Port()) != from || !slices.Contains(payloadTypes, rtp.PayloadType) || len(rtp.Audio) < 4 {
			continue
		}
		// All packets of an event have its timestamp (RFC 4733 2.5.1.2).
		if int(rtp.Audio[0]) < len(keys) && (len(pressed) == 0 || rtp.Timestamp != last) {
			pressed = append(pressed, keys[rtp.Audio[0]])
		}
		last = rtp.Timestamp
	}
	return string(pressed)
}

// telephoneEvents is what the first INVITE of a program said of them: the payload types, and the port
// from which they come.
func (c *capture) telephoneEvents(by *program) (from int, payloadTypes []uint8) {
	kind := regexp.MustCompile(`a=rtpmap:(\d+) telephone-event/`)
	media := regexp.MustCompile(`m=audio (\d+) `)
	for _, p := range c.all() {
		m := media.FindSubmatch(p.Payload)
		if !bytes.HasPrefix(p.Payload, []byte("INVITE ")) || m == nil || int(p.Src.Port()) != by.port {
			continue
		}
		from, _ = strconv.Atoi(string(m[1]))
		for _, k := range kind.FindAllSubmatch(p.Payload, -1) {
			if n, err := strconv.ParseUint(string(k[1]), 10, 7); err == nil {
				payloadTypes = append(payloadTypes, uint8(n))
			}
		}
		return from, payloadTypes
	}
	return 0, nil
}
