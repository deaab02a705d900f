package media

import (
	"net/netip"
	"time"
)

const (
	// strangerWait is the silence of the present sender after which another one is believed: an announcement server
	// that takes over without a word in SDP, or a peer behind a NAT that gave it another port. It is the time after
	// which package jitter takes a source for gone, too.
	strangerWait = 200 * time.Millisecond

	// successorWait is the same for a stream that goes on with the number of the present one (SSRC) from elsewhere:
	// a peer that moved and whose re-INVITE is still on its way. Three packets of 20 ms: one lost is no silence.
	successorWait = 60 * time.Millisecond

	// farewell is how long packets that were on their way by the old path are still taken after the peer moved.
	farewell = 2 * time.Second
)

// guard keeps foreign packets out of a call. Without SRTP nobody can tell a forged packet by its contents, so the
// sender that is being heard stays the only one until it falls silent; but an address that signalling has named, or
// that the latch has learnt, is heard at once. The guard is not safe for concurrent use.
type guard struct {
	heard    netip.AddrPort // the present sender; not valid: none yet
	expected bool           // it was named by signalling or learnt
	ssrc     uint32         // of its stream
	last     time.Duration  // its last packet

	former      netip.AddrPort // the sender before it
	formerUntil time.Duration
}

// admits reports whether a packet may be looked at. expected says that its address is named or learnt.
func (g *guard) admits(from netip.AddrPort, ssrc uint32, expected bool, now time.Duration) bool {
	silence := now - g.last
	switch {
	case expected, from == g.heard, !g.heard.IsValid():
		return true
	case silence > strangerWait:
		return true
	case ssrc != g.ssrc:
		return false
	case silence > successorWait:
		return true
	}
	return from == g.former && now < g.formerUntil
}

// took notes a packet that turned out to be one of the call.
func (g *guard) took(from netip.AddrPort, ssrc uint32, expected bool, now time.Duration) {
	switch {
	case from == g.former && !expected && now < g.formerUntil:
		return // the rear of the old path
	case from == g.heard:
		expected = expected || g.expected // once is enough: signalling may be ahead of the packets
	case g.expected && expected:
		g.former, g.formerUntil = g.heard, now+farewell
	default:
		g.former = netip.AddrPort{}
	}
	g.heard, g.expected, g.ssrc, g.last = from, expected, ssrc, now
}
