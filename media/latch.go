package media

import (
	"net/netip"
	"time"
)

const (
	// latchPackets in sequence, from one source and one address, move our sending there: 80 ms of stream. Forging
	// them takes knowing the payload type and being there before the peer.
	latchPackets = 4
	// latchWindow after the first packet is the time in which the peer's address may still be learnt.
	latchWindow = 10 * time.Second
)

// latch decides where RTP goes: to the address of the SDP, or when the peer sits behind a NAT to where its packets
// come from (comedia, RFC 4145 by analogy; symmetric RTP, RFC 4961). Without SRTP nobody can tell a forged packet
// from a peer that moved, so learning is confined to the start of a stream: until packets in sequence came either from
// the address of the SDP, which ends it, or from one other address while none came from that of the SDP. A new
// description by the peer takes its address first and begins anew. With SRTP see authentic. It is not safe for
// concurrent use.
type latch struct {
	sdp    netip.AddrPort
	remote netip.AddrPort // where to send; not valid: nowhere
	open   bool
	first  time.Duration // of the first packet since opened
	any    bool

	candidate run
	described run // packets from the address of the SDP

	newest run // of authentic packets: the stream and its highest sequence number
}

// run counts packets in sequence of one stream.
type run struct {
	from  netip.AddrPort
	ssrc  uint32
	seq   uint16
	count int
}

func (r *run) put(from netip.AddrPort, ssrc uint32, seq uint16) int {
	if r.count > 0 && r.from == from && r.ssrc == ssrc && seq == r.seq+1 {
		r.count++
	} else {
		r.count = 1
	}
	r.from, r.ssrc, r.seq = from, ssrc, seq
	return r.count
}

// describe takes the address of a description; byPeer says that the peer began the exchange, which may mean that it
// moved behind its NAT without knowing another address.
func (l *latch) describe(addr netip.AddrPort, byPeer bool) {
	if !addr.IsValid() {
		return // hold by c=0.0.0.0: nothing is sent, and the address will be wanted again
	}
	if addr != l.sdp {
		*l = latch{sdp: addr, remote: addr, open: true, newest: l.newest}
		return
	}
	if byPeer {
		l.open, l.any = true, false
		l.candidate, l.described = run{}, run{}
	}
}

// packet takes note of a valid RTP packet and reports whether the remote address changed.
func (l *latch) packet(from netip.AddrPort, ssrc uint32, seq uint16, now time.Duration) bool {
	if !l.open || !l.sdp.IsValid() {
		return false
	}
	if !l.any {
		l.any, l.first = true, now
	}
	if now-l.first > latchWindow {
		l.open = false
		return false
	}
	if from == l.sdp {
		l.candidate = run{}
		if l.described.put(from, ssrc, seq) >= latchPackets-1 {
			l.open = false
			return l.move(from)
		}
		return false
	}
	addr := from.Addr()
	if from.Port() == 0 || addr.IsUnspecified() || addr.IsMulticast() || l.described.count > 0 {
		return false
	}
	if l.candidate.put(from, ssrc, seq) < latchPackets {
		return false
	}
	l.open = false
	return l.move(from)
}

// authenticPackets from one address, each newer than all before, move our sending there: the first could be a copy that
// overtook the original, the others in a row cannot unless all of the stream goes by there.
const authenticPackets = 3

// authentic is packet for SRTP, which tells forged and replayed packets from the peer's: its address is followed at any
// time, to a packet newer than all before and two more in a row.
func (l *latch) authentic(from netip.AddrPort, ssrc uint32, seq uint16) bool {
	n := &l.newest
	if n.count > 0 && n.ssrc == ssrc && int16(seq-n.seq) <= 0 { //nolint:gosec // modulo 2^16 is meant.
		return false
	}
	*n = run{from: from, ssrc: ssrc, seq: seq, count: 1}
	addr := from.Addr()
	if from == l.remote || !l.sdp.IsValid() || from.Port() == 0 || addr.IsUnspecified() || addr.IsMulticast() {
		l.candidate = run{}
		return false
	}
	if l.candidate.from != from {
		l.candidate = run{from: from}
	}
	if l.candidate.count++; l.candidate.count < authenticPackets {
		return false
	}
	l.candidate = run{}
	return l.move(from)
}

func (l *latch) move(to netip.AddrPort) bool {
	moved := l.remote != to
	l.remote = to
	return moved
}
