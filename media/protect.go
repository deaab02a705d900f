package media

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peregrine-softphone/peregrine/media/secure"
)

// protection is the encryption of a session: what was agreed, and the state that packets meet.
type protection struct {
	policy      secure.Policy
	exchange    secure.Exchange
	signalling  func() bool // it is secured: keys may stand in it
	certificate *secure.Certificate

	// Guarded by Session.mu.
	rung   int                      // of the ladder: how the next offer asks for encryption
	own    map[secure.Suite]*ownKey // those we write into descriptions
	party  string                   // whom they are for: the o= line of the peer
	offer  map[secure.Exchange]bool // ways in our last offer
	strict bool                     // our last offer named an encrypted profile
	agreed security

	shield  atomic.Pointer[shield] // nil: packets are plain
	control sync.Mutex             // orders RTCP through the shield
	forged  atomic.Uint64          // packets that were not the peer's
	unkeyed atomic.Uint64          // packets, either way, dropped because keys were not there yet
	shakes  handshakes
}

// ownKey is a key that we send with. It has one sealer for ever.
type ownKey struct {
	master secure.Master
	sealer *secure.Sealer
}

// shield is what packets meet at one time. It is replaced, never changed.
type shield struct {
	way    secure.Exchange
	suite  secure.Suite
	sealer *secure.Sealer // nil: no keys yet, nothing leaves
	opener *secure.Opener // nil: no keys yet, nothing is believed

	// split says that RTCP has a port and an association of its own (RFC 5764 5.1.1), with these keys.
	split         bool
	controlSealer *secure.Sealer
	controlOpener *secure.Opener

	// former opens what was on its way when the peer changed its key.
	former *secure.Opener
	until  time.Duration
}

// ready reports whether media may be sent.
func (h *shield) ready() bool { return h == nil || h.sealer != nil }

// errNoKeys says that packets cannot be protected yet.
var errNoKeys = errors.New("no keys yet")

// seal protects an RTP packet; it is called with the sender's lock held. The result is valid until the next call.
func (p *protection) seal(packet []byte) ([]byte, error) {
	h := p.shield.Load()
	switch {
	case h == nil:
		return packet, nil
	case h.sealer == nil:
		p.unkeyed.Add(1)
		return nil, errNoKeys
	}
	return h.sealer.RTP(packet)
}

// sealReport protects an RTCP packet and sends it.
func (p *protection) sealReport(packet []byte, send func([]byte)) error {
	h := p.shield.Load()
	if h == nil {
		send(packet)
		return nil
	}
	sealer := h.sealer
	if h.split {
		sealer = h.controlSealer
	}
	if sealer == nil {
		return errNoKeys
	}
	p.control.Lock()
	defer p.control.Unlock()
	sealed, err := sealer.RTCP(packet)
	if err != nil {
		return fmt.Errorf("protect report: %w", err)
	}
	send(sealed)
	return nil
}

// open checks and decrypts a datagram into buf. control says that it is RTCP, rtcp that it came by the component of
// RTCP. The trust is unproven when it is to be dropped; it has been counted then.
func (p *protection) open(h *shield, buf, data []byte, control, rtcp bool, now time.Duration) ([]byte, trust) {
	opener := h.opener
	if rtcp && h.split {
		opener = h.controlOpener
	}
	if opener == nil {
		p.unkeyed.Add(1)
		return nil, unproven
	}
	take := func(o *secure.Opener) ([]byte, error) {
		if control {
			return o.RTCP(buf, data)
		}
		return o.RTP(buf, data)
	}
	plain, err := take(opener)
	proof := proven
	if errors.Is(err, secure.ErrForged) && h.former != nil && now < h.until {
		plain, err = take(h.former)
		proof = formerly
	}
	switch {
	case err == nil:
		return plain, proof
	case errors.Is(err, secure.ErrReplayed):
		return nil, unproven // networks repeat packets, and peers that move do
	}
	p.forged.Add(1)
	return nil, unproven
}

// trust is what SRTP says of a packet.
type trust uint8

const (
	unproven trust = iota // nothing: it came in the clear
	formerly              // it has the key that was the peer's until lately, or that of another branch of a call
	proven                // the peer made it
)

// buffers for decrypted packets: datagrams come by several goroutines at once.
type buffers struct{ pool sync.Pool }

func (b *buffers) get() *[maxDatagram]byte {
	if buf, ok := b.pool.Get().(*[maxDatagram]byte); ok {
		return buf
	}
	return new([maxDatagram]byte)
}

func (b *buffers) put(buf *[maxDatagram]byte) { b.pool.Put(buf) }

// receiveMedia takes a datagram of RTP or RTCP. What is encrypted passes the shield before anything else looks at it.
func (s *Session) receiveMedia(data []byte, from netip.AddrPort, rtcp bool, now time.Duration) {
	control := rtcp || isRTCP(data) // RFC 5761 4
	h := s.protect.shield.Load()
	if h == nil {
		s.dispatch(data, from, control, rtcp, unproven, now)
		return
	}
	buf := s.buffers.get()
	defer s.buffers.put(buf)
	if plain, proof := s.protect.open(h, buf[:], data, control, rtcp, now); proof != unproven {
		s.dispatch(plain, from, control, rtcp, proof, now)
	}
}

// dispatch hands a plain packet on.
func (s *Session) dispatch(data []byte, from netip.AddrPort, control, rtcp bool, proof trust, now time.Duration) {
	if !control {
		s.takePacket(data, from, proof, now)
		return
	}
	if rtcp {
		s.learnRTCP(data, from)
	}
	s.takeReport(data, from.Addr(), proof, now)
}

// securityStats completes a Stats.
func (p *protection) stats(st *Stats) {
	st.Encryption = "none"
	st.AuthFailures = p.forged.Load()
	h := p.shield.Load()
	if h == nil {
		return
	}
	st.Encryption = map[secure.Exchange]string{secure.SDES: "sdes", secure.DTLS: "dtls"}[h.way]
	st.Cipher = h.suite.String()
}
