package secure

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/transport/v4/replaydetector"
)

// MaxGrowth is more than any packet grows by: tag, SRTCP index, and an MKI of 8 bytes.
const MaxGrowth = 16 + 4 + 8

const (
	rtpHeader  = 12
	rtcpHeader = 8

	// maxPacket is more than any packet of a call.
	maxPacket = 4096
)

// errSize says that a packet is no RTP, or larger than any.
var errSize = errors.New("no packet of a call")

// Sealer protects what one side sends. RTP comes from one goroutine at a time, RTCP from another.
type Sealer struct {
	rtp, rtcp *srtp.Context

	header  rtp.Header
	control rtcp.Header
	plain   []byte // the packet protected last
	sealed  []byte // what it became
	report  []byte

	ssrc    uint32
	highest uint16
	started bool
}

// NewSealer makes the state of what we send with a key. One key must have one Sealer for ever: a second one would
// begin to count anew (RFC 3711 9.1).
func NewSealer(m Master) (*Sealer, error) {
	s := &Sealer{
		plain: make([]byte, 0, maxPacket), sealed: make([]byte, 0, maxPacket+MaxGrowth),
		report: make([]byte, 0, maxPacket+MaxGrowth),
	}
	var err error
	if s.rtp, err = m.context(); err != nil {
		return nil, err
	}
	if s.rtcp, err = m.context(); err != nil { // the same keys: each of the two uses its half
		return nil, err
	}
	return s, nil
}

// RTP protects a packet. The result is valid until the next call. The packet of the last call gives the same bytes
// again; another one with an old sequence number, or of another source, is refused with ErrReused: two packets
// encrypted with one index give both away (RFC 3711 9.1).
func (s *Sealer) RTP(packet []byte) ([]byte, error) {
	if len(packet) < rtpHeader || len(packet) > maxPacket {
		return nil, errSize
	}
	if s.started && bytes.Equal(packet, s.plain) {
		return s.sealed, nil
	}
	seq, ssrc := binary.BigEndian.Uint16(packet[2:]), binary.BigEndian.Uint32(packet[8:])
	if s.started && (ssrc != s.ssrc || int16(seq-s.highest) <= 0) { //nolint:gosec // modulo 2^16 is meant.
		return nil, ErrReused
	}
	out, err := s.rtp.EncryptRTP(s.sealed[:0], packet, &s.header)
	if err != nil {
		return nil, fmt.Errorf("protect rtp: %w", err)
	}
	s.started, s.ssrc, s.highest = true, ssrc, seq
	s.plain, s.sealed = append(s.plain[:0], packet...), out
	return out, nil
}

// RTCP protects a compound packet. The result is valid until the next call.
func (s *Sealer) RTCP(packet []byte) ([]byte, error) {
	if len(packet) < rtcpHeader || len(packet) > maxPacket {
		return nil, errSize
	}
	out, err := s.rtcp.EncryptRTCP(s.report[:0], packet, &s.control)
	if err != nil {
		return nil, fmt.Errorf("protect rtcp: %w", err)
	}
	s.report = out
	return out, nil
}

const (
	// maxStreams is how many sources of one peer are known at a time, in either of RTP and RTCP; a call has one, and
	// another one after a transfer or announcement.
	maxStreams = 8
	// maxStrangers is how many packets of unknown sources may turn out forged before what they left behind goes.
	maxStrangers = 64
)

// Opener checks and decrypts what the other side sends, each source with a roll-over counter and a window against
// replays of its own (RFC 3711 3.2.3, 3.3.2). It is safe for concurrent use.
type Opener struct {
	mu      sync.Mutex
	master  Master
	header  rtp.Header
	control rtcp.Header
	rtp     lane
	rtcp    lane
}

// NewOpener makes the state of what we receive with a key.
func NewOpener(m Master) (*Opener, error) {
	if _, err := m.context(); err != nil {
		return nil, err
	}
	return &Opener{master: m}, nil
}

// stream is the state of one source.
type stream struct {
	ssrc   uint32
	ctx    *srtp.Context
	window *window
	used   uint64 // by the lane's count
}

// lane is RTP or RTCP. A source counts as known from its first authentic packet; until then its packets meet the
// stranger, which keeps a state for each number it sees and is thrown away before forged numbers fill the memory.
type lane struct {
	streams   [maxStreams]stream
	stranger  stream
	strangers int
	count     uint64
}

func (l *lane) find(ssrc uint32, m Master) (*stream, error) {
	l.count++
	for i := range l.streams {
		if s := &l.streams[i]; s.ctx != nil && s.ssrc == ssrc {
			s.used = l.count
			return s, nil
		}
	}
	if l.stranger.ctx != nil && l.strangers < maxStrangers {
		l.strangers++
		return &l.stranger, nil
	}
	w := &window{}
	ctx, err := m.context(
		srtp.SRTPReplayDetectorFactory(func() replaydetector.ReplayDetector { w.reset(); return w }),
		srtp.SRTCPReplayDetectorFactory(func() replaydetector.ReplayDetector { w.reset(); return w }),
	)
	if err != nil {
		return nil, err
	}
	l.stranger, l.strangers = stream{ctx: ctx, window: w}, 1
	return &l.stranger, nil
}

// keep makes the stranger a known source, in place of the one unheard for longest.
func (l *lane) keep(ssrc uint32) {
	oldest := &l.streams[0]
	for i := range l.streams {
		if s := &l.streams[i]; s.used < oldest.used {
			oldest = s
		}
	}
	*oldest = l.stranger
	oldest.ssrc, oldest.used = ssrc, l.count
	l.stranger, l.strangers = stream{}, 0
}

// RTP checks and decrypts a packet into dst, which must not overlap it and have room for it, and returns the plain
// packet. It fails with ErrReplayed or ErrForged.
func (o *Opener) RTP(dst, packet []byte) ([]byte, error) {
	if len(packet) < rtpHeader || len(packet) > maxPacket+MaxGrowth {
		return nil, ErrForged
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	ssrc := binary.BigEndian.Uint32(packet[8:])
	return o.open(&o.rtp, ssrc, func(c *srtp.Context) ([]byte, error) {
		return c.DecryptRTP(dst[:0], packet, &o.header)
	})
}

// RTCP is RTP for a compound packet.
func (o *Opener) RTCP(dst, packet []byte) ([]byte, error) {
	if len(packet) < rtcpHeader || len(packet) > maxPacket+MaxGrowth {
		return nil, ErrForged
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	ssrc := binary.BigEndian.Uint32(packet[4:])
	return o.open(&o.rtcp, ssrc, func(c *srtp.Context) ([]byte, error) {
		return c.DecryptRTCP(dst[:0], packet, &o.control)
	})
}

func (o *Opener) open(l *lane, ssrc uint32, decrypt func(*srtp.Context) ([]byte, error)) ([]byte, error) {
	s, err := l.find(ssrc, o.master)
	if err != nil {
		return nil, err
	}
	s.window.refused = false
	plain, err := decrypt(s.ctx)
	switch {
	case err == nil:
		if s == &l.stranger {
			l.keep(ssrc)
		}
		return plain, nil
	case s.window.refused:
		return nil, ErrReplayed
	}
	return nil, ErrForged
}

// window is the list of packets received of RFC 3711 3.3.2, four times as long as the least it asks for: a path that
// changes may deliver a second late. It allocates nothing per packet.
type window struct {
	bits    [windowSize / 64]uint64 // bit i%windowSize of index i
	highest uint64
	any     bool
	checked uint64
	refused bool // by the last Check
	mark    func() bool
}

const windowSize = 256

var _ replaydetector.ReplayDetector = (*window)(nil)

func (w *window) reset() {
	mark := w.mark
	*w = window{mark: mark}
	if w.mark == nil {
		w.mark = w.accept
	}
}

// Check implements replaydetector.ReplayDetector.
func (w *window) Check(index uint64) (func() bool, bool) {
	w.checked = index
	w.refused = w.any && index <= w.highest &&
		(w.highest-index >= windowSize || w.bits[index/64%uint64(len(w.bits))]>>(index%64)&1 != 0)
	return w.mark, !w.refused
}

// accept notes the packet checked last.
func (w *window) accept() bool {
	index := w.checked
	latest := !w.any || index > w.highest
	if latest {
		if !w.any || index-w.highest >= windowSize {
			w.bits = [len(w.bits)]uint64{}
		} else {
			for i := w.highest + 1; i < index; i++ {
				w.bits[i/64%uint64(len(w.bits))] &^= 1 << (i % 64)
			}
		}
		w.highest, w.any = index, true
	}
	w.bits[index/64%uint64(len(w.bits))] |= 1 << (index % 64)
	return latest
}
