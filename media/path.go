package media

import (
	"errors"
	"net/netip"

	"github.com/peregrine-softphone/peregrine/media/sdp"
)

// path is how datagrams of a session leave. Its methods may be called from any goroutine and must not block.
type path interface {
	// write sends one datagram to the peer: on the component of RTCP when rtcp is set and the two are not
	// multiplexed. errNowhere says that no way is known yet. The packet is only valid during the call.
	write(packet []byte, rtcp bool) error
}

// errNowhere says that the peer's address is not known yet, or that it wants nothing.
var errNowhere = errors.New("no remote address")

// stunHandler takes a STUN message (RFC 8489) that came on the component of RTP or, with rtcp, on that of RTCP.
// data is only valid during the call.
type stunHandler func(data []byte, from netip.AddrPort, rtcp bool)

// pathfinder looks for better paths than the addresses of the SDP. Its methods are called with s.mu held, except
// prepare and wait: they must not call the session, except usePath and takeSTUN.
type pathfinder interface {
	// prepare gets ready for describe. It may wait, for servers.
	prepare(offer *sdp.Description)
	// describe completes what we are about to write: an answer to offer, or an offer when that is nil. It may change
	// the address and ports, and append to Extra.
	describe(local *sdp.Local, offer *sdp.Description)
	// agreed takes note of an agreement. byPeer says that the peer made the offer.
	agreed(a sdp.Agreement, byPeer bool)

	kind() string // of the path in use: "direct", "nat" or "relay"; empty: that of the SDP
	moved()       // this host has other addresses
	close()       // ends the search, without waiting; wait does that
	wait()
}

// plainPath writes by the session's sockets to the addresses of the SDP, or to those learnt from packets.
type plainPath struct{ s *Session }

var _ path = plainPath{}

func (p plainPath) write(packet []byte, rtcp bool) error {
	s := p.s
	if !rtcp {
		to := s.remote.Load()
		if to == nil {
			return errNowhere
		}
		return s.rtp.write(packet, *to)
	}
	s.rep.mu.Lock()
	to, mux := s.rep.remote, s.rep.mux
	s.rep.mu.Unlock()
	switch {
	case !to.IsValid():
		return errNowhere
	case mux:
		return s.rtp.write(packet, to)
	}
	return s.rtcp.write(packet, to)
}

// usePath lets everything that is sent leave by p from now on; nil: by the sockets, to the addresses of the SDP.
func (s *Session) usePath(p path) {
	if p == nil {
		p = plainPath{s}
	}
	s.way.Store(&p)
}

// takeSTUN gives STUN messages to take from now on; nil: to nobody.
func (s *Session) takeSTUN(take stunHandler) {
	if take == nil {
		s.stun.Store(nil)
		return
	}
	s.stun.Store(&take)
}

// emit sends a datagram as it is. What the system refuses is counted and forgotten: during an outage that is every
// packet.
func (s *Session) emit(packet []byte, rtcp bool) bool {
	err := (*s.way.Load()).write(packet, rtcp)
	if err != nil && !errors.Is(err, errNowhere) {
		s.sendErrors.Add(1)
	}
	return err == nil
}

// kind is what a datagram is by its first byte (RFC 7983 7).
type kind uint8

const (
	kindUnknown kind = iota
	kindSTUN
	kindDTLS
	kindMedia
)

func classify(data []byte) kind {
	if len(data) == 0 {
		return kindUnknown
	}
	switch b := data[0]; {
	case b <= 3:
		return kindSTUN
	case b >= 20 && b <= 63:
		return kindDTLS
	case b >= 128 && b <= 191:
		return kindMedia
	}
	return kindUnknown
}

// receive takes one datagram of the peer, from the sockets or from wherever a path ends: of the component of RTP or,
// with rtcp, of RTCP. It may be called from several goroutines. data is only valid during the call.
func (s *Session) receive(data []byte, from netip.AddrPort, rtcp bool) {
	now := s.now()
	switch classify(data) {
	case kindSTUN:
		if take := s.stun.Load(); take != nil {
			(*take)(data, from, rtcp)
			return
		}
		s.reject()
	case kindMedia:
		s.receiveMedia(data, from, rtcp, now)
	case kindDTLS:
		s.receiveHandshake(data, from, rtcp)
	case kindUnknown:
		s.reject()
	}
}

// reject counts a datagram that is nothing of this call.
func (s *Session) reject() {
	s.rep.mu.Lock()
	defer s.rep.mu.Unlock()
	s.rep.garbage++
}
