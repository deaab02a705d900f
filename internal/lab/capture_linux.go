package lab

import (
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

const (
	// captureLimit bounds a capture: 20 minutes of three calls.
	captureLimit = 400_000
	// captureSnap is more than any packet on the lab's links.
	captureSnap = 2048
	// captureWake is how often a capture looks whether it shall end.
	captureWake = 50 * time.Millisecond
	// soTimestampNS is SO_TIMESTAMPNS and the type of its control message.
	soTimestampNS = 35
	// packetOutgoing is PACKET_OUTGOING of linux/if_packet.h.
	packetOutgoing = 4
)

// Capture records the UDP packets that a host sends and receives, on all its interfaces but
// loopback, with the kernel's time stamps.
type Capture struct {
	fd      int
	ending  atomic.Bool
	done    chan struct{}
	mu      sync.Mutex
	packets []wire.Packet
	full    bool
}

// Capture starts recording on the host. The caller must Stop it.
func (h *Host) Capture() (*Capture, error) {
	c := &Capture{done: make(chan struct{})}
	err := inNamespace(h.ns, func() error {
		// SOCK_DGRAM: the kernel takes the Ethernet header off.
		fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, syscall.ETH_P_ALL<<8)
		if err != nil {
			return err
		}
		c.fd = fd
		if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, soTimestampNS, 1); err != nil {
			return err
		}
		if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, 8<<20); err != nil {
			return err
		}
		timeout := syscall.NsecToTimeval(captureWake.Nanoseconds())
		return syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &timeout)
	})
	if err != nil {
		if c.fd > 0 {
			_ = syscall.Close(c.fd)
		}
		return nil, fmt.Errorf("capture on %s: %w", h.name, err)
	}
	go c.run()
	return c, nil
}

func (c *Capture) run() {
	defer close(c.done)
	defer func() { _ = syscall.Close(c.fd) }()
	buffer := make([]byte, captureSnap)
	control := make([]byte, syscall.CmsgSpace(int(unsafe.Sizeof(syscall.Timespec{}))))
	for !c.ending.Load() {
		n, controlLen, _, from, err := syscall.Recvmsg(c.fd, buffer, control, 0)
		if err != nil {
			continue // a time-out, or an interface went down: the capture covers the others
		}
		link, ok := from.(*syscall.SockaddrLinklayer)
		if !ok || link.Hatype != syscall.ARPHRD_ETHER {
			continue
		}
		packet, err := wire.ParseIPv4(buffer[:n])
		if err != nil {
			continue
		}
		packet.At, packet.Outgoing = kernelTime(control[:controlLen]), link.Pkttype == packetOutgoing
		c.mu.Lock()
		if len(c.packets) < captureLimit {
			c.packets = append(c.packets, packet)
		} else {
			c.full = true
		}
		c.mu.Unlock()
	}
}

// kernelTime reads the time stamp of a packet; the present time when there is none.
func kernelTime(control []byte) time.Time {
	messages, err := syscall.ParseSocketControlMessage(control)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		if m.Header.Type == soTimestampNS && len(m.Data) >= int(unsafe.Sizeof(syscall.Timespec{})) {
			stamp := *(*syscall.Timespec)(unsafe.Pointer(&m.Data[0]))
			return time.Unix(stamp.Sec, stamp.Nsec)
		}
	}
	return time.Now()
}

// Packets is what was seen so far, in order.
func (c *Capture) Packets() []wire.Packet {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]wire.Packet(nil), c.packets...)
}

// Stop ends the capture and returns what it saw. It may be called again. An error says that the
// capture was full and packets are missing.
func (c *Capture) Stop() ([]wire.Packet, error) {
	c.ending.Store(true)
	<-c.done
	if c.full {
		return c.packets, fmt.Errorf("capture: more than %d packets", captureLimit)
	}
	return c.packets, nil
}

// Handover tells the packet judge of the move.
func (m Move) Handover() wire.Handover {
	return wire.Handover{Down: m.Down, Up: m.Up, Old: m.Old, New: m.New, Overlap: m.Kind == "mbb"}
}
