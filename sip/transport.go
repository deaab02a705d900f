package sip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
)

const (
	maxDatagram = 65535
	// pathMTULimit is the largest request sent over UDP when the path MTU is unknown (RFC 3261 18.1.1).
	pathMTULimit = 1300
	// dialTimeout bounds the opening of a TCP connection. A reachable server answers within a second;
	// Linux retransmits its SYN after 1 and 3 s.
	dialTimeout = 5 * time.Second
	// reopenDelay is the pause before a failed socket is opened again.
	reopenDelay = 500 * time.Millisecond
	// readBuffer asks the kernel for room for a burst: at 1 kB a message, 1 MiB is 1,000 messages.
	readBuffer = 1 << 20
)

// received is a message as it came from a socket.
type received struct {
	msg    sipmsg.Message
	conn   sipmsg.Connection // answers go this way
	remote netip.AddrPort
}

// transports owns the sockets of a UA: one datagram socket and one listener, both on the wildcard
// address and the same port, which live as long as the UA, and the TCP connections. sipgo's transport
// layer is not used: it opens sockets of its own, resolves names its own way, grows with every
// source address and gives each message a goroutine, which loses their order.
type transports struct {
	log     *slog.Logger
	net     Network
	parser  *sipmsg.Parser
	receive func(received) // called in the order of arrival per socket; must not block
	refused func([]byte)   // the beginning of a datagram of ours met a closed port; must not block

	life context.Context //nolint:containedctx // that of the UA: answers outlive the calls that caused them

	junk, oversized atomic.Uint64
	refusals        refusals

	mu       sync.Mutex
	udp      net.PacketConn
	listener net.Listener
	port     uint16
	flows    map[flowKey]*flow
	closed   bool
	wg       sync.WaitGroup
}

// open binds the sockets. With port 0 it looks for a number that is free for both.
func (t *transports) open(ctx context.Context, port int) error {
	const attempts = 20
	var last error
	for range attempts {
		pc, err := t.net.ListenPacket(ctx, "udp", ":"+strconv.Itoa(port))
		if err != nil {
			return fmt.Errorf("open UDP port %d: %w", port, err)
		}
		got := addrPort(pc.LocalAddr()).Port()
		ln, err := t.net.Listen(ctx, "tcp", ":"+strconv.Itoa(int(got)))
		if err == nil {
			prepare(pc)
			t.mu.Lock()
			t.udp, t.listener, t.port = pc, ln, got
			t.mu.Unlock()
			return nil
		}
		_ = pc.Close() // not used yet
		last = fmt.Errorf("open TCP port %d: %w", got, err)
		if port != 0 {
			break
		}
	}
	return last
}

func prepare(pc net.PacketConn) {
	wantRefusals(pc)
	if c, ok := pc.(interface{ SetReadBuffer(int) error }); ok {
		_ = c.SetReadBuffer(readBuffer) // a wish; the system's own size works too
	}
}

// serve reads from the sockets until close. It returns when all reading has ended.
func (t *transports) serve(ctx context.Context) {
	t.wg.Go(func() { t.serveDatagrams(ctx) })
	t.wg.Go(func() { t.serveListener(ctx) })
	t.wg.Wait()
}

// close closes every socket; serve returns soon after.
func (t *transports) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.udp != nil {
		_ = t.udp.Close() // what was sent is sent
	}
	if t.listener != nil {
		_ = t.listener.Close()
	}
	for _, f := range t.flows {
		f.shut()
	}
}

func (t *transports) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

// serveDatagrams reads the UDP socket and, should it fail for good, opens it again on the same port.
func (t *transports) serveDatagrams(ctx context.Context) {
	for {
		t.mu.Lock()
		pc := t.udp
		t.mu.Unlock()
		err := t.readDatagrams(pc)
		if t.isClosed() {
			return
		}
		t.log.WarnContext(ctx, "UDP socket failed, opening it again", "err", err)
		_ = pc.Close() // failed already
		if !t.reopen(ctx, func() error {
			n, err := t.net.ListenPacket(ctx, "udp", ":"+strconv.Itoa(int(t.port)))
			if err != nil {
				return err
			}
			prepare(n)
			t.mu.Lock()
			defer t.mu.Unlock()
			t.udp = n
			if t.closed {
				return n.Close()
			}
			return nil
		}) {
			return
		}
	}
}

// reopen calls open until it succeeds; false when the UA closed meanwhile.
func (t *transports) reopen(ctx context.Context, open func() error) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(reopenDelay):
		}
		if t.isClosed() {
			return false
		}
		err := open()
		if err == nil {
			return true
		}
		t.log.WarnContext(ctx, "cannot open socket", "err", err)
	}
}

// readDatagrams reads until the socket fails. Linux and Windows report an ICMP error of an earlier packet on
// the next read, so a single error means nothing; many in a row mean a dead socket.
func (t *transports) readDatagrams(pc net.PacketConn) error {
	const tolerated = 100
	buf := make([]byte, maxDatagram)
	for failures := 0; ; {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			if t.heed(pc) || errors.Is(err, syscall.ECONNREFUSED) {
				continue
			}
			failures++
			if errors.Is(err, net.ErrClosed) || failures > tolerated {
				return err
			}
			continue
		}
		failures = 0
		remote := addrPort(from)
		if !remote.IsValid() || !looksLikeSIP(buf[:n]) {
			if len(bytes.Trim(buf[:n], "\r\n\x00")) > 0 {
				t.junk.Add(1)
			} // else a keep-alive (RFC 5626 3.5), which wants no answer on UDP
			continue
		}
		msg, err := t.parser.ParseSIP(buf[:n])
		if err != nil {
			t.junk.Add(1)
			t.log.Debug("message not understood", "remote", remote, "bytes", n)
			t.refuse(buf[:n], remote)
			continue
		}
		msg.SetTransport("UDP")
		msg.SetSource(remote.String())
		t.receive(received{msg: msg, conn: &datagramPath{t: t, remote: remote}, remote: remote})
	}
}

// refuse answers a request that cannot be parsed, where it has at least what an answer repeats.
func (t *transports) refuse(raw []byte, remote netip.AddrPort) {
	answer, to := refuseMalformed(raw, remote)
	if answer == nil || !t.refusals.allow(time.Now()) {
		return
	}
	if err := t.writeTo(answer, to); err != nil {
		t.log.Debug("refusal not sent", "remote", to, "err", err)
	}
}

// heed tells the transactions whose datagrams met a closed port. It reports whether the socket had any error to tell.
func (t *transports) heed(pc net.PacketConn) bool {
	datagrams, found := readRefusals(pc)
	for _, d := range datagrams {
		t.refused(d)
	}
	return found
}

// writeTo sends one datagram. A socket that is told of ICMP errors reports one that is waiting instead of sending,
// whatever the destination, so another try is due. When they do not end, the datagram counts as lost on the way: its
// own destination cannot have refused it yet.
func (t *transports) writeTo(data []byte, to netip.AddrPort) error {
	t.mu.Lock()
	pc := t.udp
	t.mu.Unlock()
	if pc == nil {
		return ErrClosed
	}
	const tries, triesOfOwn = 16, 3 // the reader may have taken the waiting error off the queue
	var err error
	for try := 1; try <= tries; try++ {
		_, err = pc.WriteTo(data, net.UDPAddrFromAddrPort(to))
		if err == nil {
			return nil
		}
		waiting := t.heed(pc) || errors.Is(err, syscall.ECONNREFUSED)
		if !waiting && try >= triesOfOwn || errors.Is(err, net.ErrClosed) {
			break
		}
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	return fmt.Errorf("%w: send to %s: %w", ErrTransport, to, err)
}

// looksLikeSIP tells SIP from junk, STUN and keep-alives by the first line alone.
func looksLikeSIP(data []byte) bool {
	line, _, found := bytes.Cut(data, []byte("\n"))
	if !found {
		return false
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	return bytes.HasPrefix(line, []byte("SIP/")) || bytes.Contains(line, []byte(" SIP/"))
}

// datagramPath is the way to one address over the UDP socket, whichever socket that is at the moment.
type datagramPath struct {
	t      *transports
	remote netip.AddrPort
}

var _ sipmsg.Connection = (*datagramPath)(nil)

// LocalAddr gives the wildcard address of the socket.
func (p *datagramPath) LocalAddr() net.Addr {
	p.t.mu.Lock()
	defer p.t.mu.Unlock()
	return p.t.udp.LocalAddr()
}

// WriteMsg sends one datagram.
func (p *datagramPath) WriteMsg(msg sipmsg.Message) error {
	data := []byte(msg.String())
	if len(data) > maxDatagram-28 { // IPv4 and UDP header
		p.t.oversized.Add(1)
		return fmt.Errorf("%w: message of %d bytes does not fit a datagram", ErrTransport, len(data))
	}
	return p.t.writeTo(data, p.remote)
}

// probe sends the keep-alive of RFC 5626 4.4.1, which nobody has to answer.
func (t *transports) probe(to netip.AddrPort) error { return t.writeTo([]byte("\r\n\r\n"), to) }

// Ref, TryClose and Close do nothing: the socket belongs to the UA.
func (p *datagramPath) Ref(int) int            { return 1 }
func (p *datagramPath) TryClose() (int, error) { return 1, nil }
func (p *datagramPath) Close() error           { return nil }

// path gives the way to a target, opening a connection when there is none.
func (t *transports) path(ctx context.Context, target resolve.Target) (sipmsg.Connection, error) {
	switch target.Transport {
	case "udp", "":
		return &datagramPath{t: t, remote: target.Addr}, nil
	case "tcp":
		return t.flow(ctx, target)
	default:
		return nil, fmt.Errorf("%w: transport %q is not supported", ErrTransport, target.Transport)
	}
}

// addrPort reads an address of package net; the zero value when it is of no known kind.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.TCPAddr:
		ap = a.AddrPort()
	default:
		if a == nil {
			return ap
		}
		ap, _ = netip.ParseAddrPort(a.String()) // zero on failure, as promised
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
