package linkemu

import (
	"fmt"
	"net"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

const (
	// packetIgnoreOutgoing is PACKET_IGNORE_OUTGOING of linux/if_packet.h (Linux 4.20): do not
	// hand us what we sent ourselves.
	packetIgnoreOutgoing = 23
	// receiveBuffer is 8 MiB: 5000 full frames arrive before one is lost while we are not scheduled.
	receiveBuffer = 8 << 20
	// burst bounds the frames read from one side before due ones are sent again.
	burst = 64
	// idle is how long to sleep when nothing is due.
	idle = 100 * time.Millisecond
)

// Run passes frames between the interfaces a and b of the present network namespace until an
// error; it does not return otherwise. ready is called once both interfaces are open. What comes from changes counts
// for the frames from then on, at the latest after 100 ms; nil is no change.
func Run(a, b string, impairment Impairment, changes <-chan Impairment, ready func()) error {
	if err := impairment.validate(); err != nil {
		return err
	}
	// select(2) on a thread of its own wakes within the kernel's timer slack of 50 µs; Go's own
	// timers round up to a millisecond when the process is idle.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var sides [2]int
	for i, name := range []string{a, b} {
		fd, err := open(name)
		if err != nil {
			return fmt.Errorf("delay box: open %s: %w", name, err)
		}
		defer func() { _ = syscall.Close(fd) }()
		sides[i] = fd
	}
	ready()
	box := box{sides: sides, buffer: make([]byte, 65536+64), start: time.Now()}
	for i := range box.queues {
		box.queues[i] = newQueue(impairment, uint64(i)+1)
	}
	box.set(impairment)
	for {
		select {
		case changed := <-changes:
			box.set(changed)
		default:
		}
		if err := box.step(); err != nil {
			return fmt.Errorf("delay box: %w", err)
		}
	}
}

// open makes a raw packet socket that sees every frame arriving at the interface.
func open(name string) (int, error) {
	iface, err := net.InterfaceByName(name)
	if err != nil {
		return 0, err
	}
	fd, err := syscall.Socket(syscall.AF_PACKET, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC, int(htons(syscall.ETH_P_ALL)))
	if err != nil {
		return 0, err
	}
	address := syscall.SockaddrLinklayer{Protocol: htons(syscall.ETH_P_ALL), Ifindex: iface.Index}
	if err := syscall.Bind(fd, &address); err != nil {
		_ = syscall.Close(fd)
		return 0, err
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_PACKET, packetIgnoreOutgoing, 1); err != nil {
		_ = syscall.Close(fd)
		return 0, err
	}
	if err := promiscuous(fd, iface.Index); err != nil {
		_ = syscall.Close(fd)
		return 0, err
	}
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_RCVBUFFORCE, receiveBuffer); err != nil {
		_ = syscall.Close(fd)
		return 0, err
	}
	return fd, nil
}

// promiscuous makes the interface take frames for other stations too: the box has no address.
func promiscuous(fd, ifindex int) error {
	request := struct { // struct packet_mreq of linux/if_packet.h
		ifindex int32
		kind    uint16
		length  uint16
		address [8]byte
	}{ifindex: int32(ifindex), kind: syscall.PACKET_MR_PROMISC}
	_, _, errno := syscall.Syscall6(syscall.SYS_SETSOCKOPT, uintptr(fd), syscall.SOL_PACKET,
		syscall.PACKET_ADD_MEMBERSHIP, uintptr(unsafe.Pointer(&request)), unsafe.Sizeof(request), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

func htons(v uint16) uint16 { return v<<8 | v>>8 }

// box is the running delay box: queue i holds what came in at side i.
type box struct {
	sides  [2]int
	queues [2]*queue
	buffer []byte
	start  time.Time
}

// set changes what is done to the frames to come.
func (b *box) set(i Impairment) {
	for side, rate := range [2]int{i.Down, i.Up} {
		b.queues[side].impairment, b.queues[side].rate = i, rate
	}
}

func (b *box) now() time.Duration { return time.Since(b.start) }

// step sends what is due, sleeps until the next frame is due or arrives, and reads what arrived.
func (b *box) step() error {
	wake := b.now() + idle
	for i, q := range b.queues {
		for {
			data, ok := q.pop(b.now())
			if !ok {
				break
			}
			// A cable that is down loses the frame; so do we.
			_, _ = syscall.Write(b.sides[1-i], data)
		}
		if due, ok := q.next(); ok {
			wake = min(wake, due)
		}
	}
	readable, err := b.sleep(max(wake-b.now(), 0))
	if err != nil {
		return err
	}
	for i, q := range b.queues {
		if !readable[i] {
			continue
		}
		for range burst {
			n, _, err := syscall.Recvfrom(b.sides[i], b.buffer, syscall.MSG_DONTWAIT)
			if err != nil || n <= 0 {
				break // nothing more, or the interface is down for now
			}
			q.push(b.now(), b.buffer[:n])
		}
	}
	return nil
}

// sleep blocks until a side has frames or d has passed.
func (b *box) sleep(d time.Duration) (readable [2]bool, err error) {
	var set syscall.FdSet
	for _, fd := range b.sides {
		set.Bits[fd/64] |= 1 << (uint(fd) % 64)
	}
	timeout := syscall.NsecToTimeval(int64(d))
	n, err := syscall.Select(max(b.sides[0], b.sides[1])+1, &set, nil, nil, &timeout)
	if err == syscall.EINTR {
		return readable, nil
	}
	if err != nil || n == 0 {
		return readable, err
	}
	for i, fd := range b.sides {
		readable[i] = set.Bits[fd/64]&(1<<(uint(fd)%64)) != 0
	}
	return readable, nil
}
