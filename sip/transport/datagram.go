package transport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/trace"
)

func prepare(pc net.PacketConn) {
	wantRefusals(pc)
	if c, ok := pc.(interface{ SetReadBuffer(int) error }); ok {
		_ = c.SetReadBuffer(readBuffer) // a wish; the system's own size works too
	}
}

// serveDatagrams reads the UDP socket and, should it fail for good, opens it again on the same port.
func (l *Layer) serveDatagrams(ctx context.Context) {
	for {
		l.mu.Lock()
		pc := l.udp
		l.mu.Unlock()
		err := l.readDatagrams(pc)
		if l.isClosed() {
			return
		}
		l.log.WarnContext(ctx, "UDP socket failed, opening it again", "err", err)
		_ = pc.Close() // failed already
		if !l.reopen(ctx, func() error { return l.reopenDatagrams(ctx) }) {
			return
		}
	}
}

func (l *Layer) reopenDatagrams(ctx context.Context) error {
	pc, err := l.net.ListenPacket(ctx, "udp", ":"+strconv.Itoa(int(l.Port())))
	if err != nil {
		return err
	}
	prepare(pc)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.udp = pc
	if l.closed {
		return pc.Close()
	}
	return nil
}

// readDatagrams reads until the socket fails. Linux and Windows report an ICMP error of an earlier packet on
// the next read, so a single error means nothing; many in a row mean a dead socket.
func (l *Layer) readDatagrams(pc net.PacketConn) error {
	const tolerated = 100
	buf := make([]byte, maxDatagram)
	for failures := 0; ; {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			if l.heed(pc) || errors.Is(err, syscall.ECONNREFUSED) {
				continue
			}
			failures++
			if errors.Is(err, net.ErrClosed) || failures > tolerated {
				return err
			}
			continue
		}
		failures = 0
		l.datagram(buf[:n], addrPort(from))
	}
}

// datagram takes one datagram.
func (l *Layer) datagram(data []byte, remote netip.AddrPort) {
	from := &datagrams{l: l, remote: remote}
	switch {
	case len(bytes.Trim(data, "\r\n\x00")) == 0: // a keep-alive (RFC 5626 3.5), which wants no answer on UDP
		return
	case remote.IsValid() && isSTUN(data) && l.bound(data, remote):
		return
	case !remote.IsValid(), !LooksLikeSIP(data):
		l.junk.Add(1)
		l.traceIn(from, data, trace.Junk)
		return
	}
	if !l.cfg.Admit(remote, false, data) {
		l.traceIn(from, data, trace.Silenced)
		return
	}
	msg, err := l.cfg.Parse(data)
	l.traceIn(from, data, fateOf(err))
	if err != nil {
		l.junk.Add(1)
		l.log.Debug("message not understood", "remote", remote, "bytes", len(data))
		if answer, to := l.cfg.Malformed(data, remote); answer != nil {
			l.traceOut(&datagrams{l: l, remote: to}, answer)
			if err := l.writeTo(answer, to); err != nil {
				l.log.Debug("refusal not sent", "remote", to, "err", err)
			}
		}
		return
	}
	msg.SetTransport("UDP")
	msg.SetSource(source(remote))
	l.cfg.Receive(Received{Msg: msg, Raw: data, Conn: from, Remote: remote})
}

// source is an address as sipgo puts it into Via: without a zone, which means nothing to others (RFC 4007 11.2).
func source(remote netip.AddrPort) string {
	return netip.AddrPortFrom(remote.Addr().WithZone(""), remote.Port()).String()
}

// heed tells the transactions whose datagrams met a closed port. It reports whether the socket had any error to tell.
func (l *Layer) heed(pc net.PacketConn) bool {
	refused, found := readRefusals(pc)
	for _, d := range refused {
		l.cfg.Refused(d)
	}
	return found
}

// writeTo sends one datagram. A socket that is told of ICMP errors reports one that is waiting instead of sending,
// whatever the destination, so another try is due. When they do not end, the datagram counts as lost on the way: its
// own destination cannot have refused it yet.
func (l *Layer) writeTo(data []byte, to netip.AddrPort) error {
	l.mu.Lock()
	pc := l.udp
	l.mu.Unlock()
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
		waiting := l.heed(pc) || errors.Is(err, syscall.ECONNREFUSED)
		if !waiting && try >= triesOfOwn || errors.Is(err, net.ErrClosed) {
			break
		}
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	return fmt.Errorf("%w: send to %s: %w", ErrFailed, to, err)
}

// Probe sends the keep-alive of RFC 5626 4.4.1, which nobody has to answer.
func (l *Layer) Probe(to netip.AddrPort) error { return l.writeTo([]byte("\r\n\r\n"), to) }

// LooksLikeSIP tells SIP from junk, STUN and keep-alives by the first line alone.
func LooksLikeSIP(data []byte) bool {
	line, _, found := bytes.Cut(data, []byte("\n"))
	if !found {
		return false
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	return bytes.HasPrefix(line, []byte("SIP/")) || bytes.Contains(line, []byte(" SIP/"))
}

// datagrams is the way to one address over the UDP socket, whichever socket that is at the moment.
type datagrams struct {
	l      *Layer
	remote netip.AddrPort
}

var _ Conn = (*datagrams)(nil)

// WriteMsg sends one datagram.
func (d *datagrams) WriteMsg(msg sipmsg.Message) error {
	data := []byte(msg.String())
	if len(data) > maxDatagram-28 { // IPv4 and UDP header
		d.l.oversized.Add(1)
		return fmt.Errorf("%w: message of %d bytes does not fit a datagram", ErrFailed, len(data))
	}
	d.l.traceOut(d, data)
	return d.l.writeTo(data, d.remote)
}

// LocalAddr gives the wildcard address of the socket.
func (d *datagrams) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(d.Local()) }

func (d *datagrams) Local() netip.AddrPort {
	return netip.AddrPortFrom(netip.IPv6Unspecified(), d.l.Port())
}

func (d *datagrams) Transport() string          { return "udp" }
func (d *datagrams) Remote() netip.AddrPort     { return d.remote }
func (d *datagrams) Broken() <-chan struct{}    { return nil }
func (d *datagrams) SilentSince(time.Time) bool { return false }
func (d *datagrams) Shut()                      {}
func (d *datagrams) PeerKey() string            { return "" }
func (d *datagrams) Ref(int) int                { return 1 }
func (d *datagrams) TryClose() (int, error)     { return 1, nil }
func (d *datagrams) Close() error               { return nil }

func (d *datagrams) Same(other Conn) bool {
	o, ok := other.(*datagrams)
	return ok && o.l == d.l && o.remote == d.remote
}

func (d *datagrams) Answers(port uint16, rport bool) Conn {
	if rport {
		return d
	}
	return &datagrams{l: d.l, remote: netip.AddrPortFrom(d.remote.Addr(), port)}
}
