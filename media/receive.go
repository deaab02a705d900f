package media

import (
	"net/netip"
	"sync"
	"time"

	"github.com/pion/rtp"

	"github.com/peregrine-softphone/peregrine/media/codec"
	"github.com/peregrine-softphone/peregrine/media/dtmf"
	"github.com/peregrine-softphone/peregrine/media/jitter"
)

// maxDatagram is more than any packet of a call: L16 at 16 kHz with 60 ms is 1932 bytes.
const maxDatagram = 4096

// payloadKind is what a payload type carries.
type payloadKind uint8

const (
	payloadNone payloadKind = iota
	payloadAudio
	payloadEvent
	payloadNoise
)

// payloadType is how to treat packets of one payload type.
type payloadType struct {
	kind    payloadKind
	codec   codec.Codec
	clock   int
	decoder jitter.Decoder // made with the first packet
}

// receiver takes datagrams from the RTP socket's goroutine and gives sound to the player's.
type receiver struct {
	mu      sync.Mutex
	types   [128]payloadType
	buffer  *jitter.Buffer
	latch   latch
	guard   guard
	source  source
	digits  dtmf.Receiver
	packet  rtp.Packet // reused
	codec   string     // of the packet received last
	deaf    bool       // hold: play silence
	level   meter
	packets uint64
	octets  uint64
	garbage uint64
	loss    lossWindow

	tap func(frame []int16) // gets what is played; nil: nobody
}

// received is what became of one datagram.
type received struct {
	valid  bool           // RTP of this call
	moved  netip.AddrPort // valid: send there from now on
	digit  rune           // not 0: a digit was heard
	change bool           // another codec than before
}

// set replaces the meaning of the payload types of an agreement; those it does not name stay, since packets of them
// may still be on their way, and since a peer may go back without asking (RFC 3264 8.3.2).
func (r *receiver) set(types map[uint8]payloadType) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for pt, t := range types {
		old := &r.types[pt&0x7f]
		if old.kind == t.kind && old.clock == t.clock && old.codec.Same(t.codec) {
			continue // keep the decoder's state
		}
		*old = t
	}
}

func (r *receiver) describe(remote netip.AddrPort, byPeer, deaf bool) netip.AddrPort {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaf = deaf
	r.latch.describe(remote, byPeer)
	return r.latch.remote
}

// take handles one RTP packet. proof is what SRTP says of it.
func (r *receiver) take(data []byte, from netip.AddrPort, proof trust, now time.Duration) received {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.packet
	p.CSRC, p.Extensions = p.CSRC[:0], p.Extensions[:0]
	if len(data) < rtpHeader || data[0]>>6 != 2 || p.Unmarshal(data) != nil {
		r.garbage++
		return received{}
	}
	expected := proof == proven || from == r.latch.sdp || from == r.latch.remote
	t := &r.types[p.PayloadType&0x7f]
	if !r.guard.admits(from, p.SSRC, expected, now) || t.kind == payloadNone || !r.prepare(t) {
		r.garbage++
		return received{}
	}
	verdict := r.buffer.Put(&jitter.Packet{
		SSRC: p.SSRC, Seq: p.SequenceNumber, Timestamp: p.Timestamp, Marker: p.Marker,
		ClockRate: r.clock(t), Decoder: t.decoder, Payload: p.Payload,
	}, now)
	if verdict == jitter.Refused || verdict == jitter.Pending {
		r.garbage++
		return received{}
	}
	r.guard.took(from, p.SSRC, expected, now)
	result := received{valid: true}
	if verdict != jitter.Duplicate {
		r.packets++
		r.octets += uint64(len(p.Payload))
		if t.kind != payloadEvent {
			// The timestamp of an event stands still while it lasts: no measure of jitter (RFC 4733 2.5.1.2).
			r.source.put(p.SSRC, p.SequenceNumber, p.Timestamp, p.Marker, t.clock, now)
		} else {
			r.source.count(p.SSRC, p.SequenceNumber)
		}
	}
	moved := false
	switch proof {
	case proven:
		moved = r.latch.authentic(from, p.SSRC, p.SequenceNumber)
	case unproven:
		moved = r.latch.packet(from, p.SSRC, p.SequenceNumber, now)
	case formerly: // that was before
	}
	if moved {
		result.moved = r.latch.remote
	}
	switch t.kind {
	case payloadEvent:
		result.digit = r.event()
	case payloadAudio:
		if r.codec != t.codec.Name {
			r.codec, result.change = t.codec.Name, true
		}
	case payloadNoise, payloadNone:
	}
	return result
}

// clock returns the clock rate of a packet. Events share the sequence of the audio beside them; many peers number
// their timestamps as that audio does even where the event says 8000.
func (r *receiver) clock(t *payloadType) int {
	if t.kind == payloadEvent && r.source.clock != 0 {
		return r.source.clock
	}
	return t.clock
}

// prepare makes the decoder of a payload type with its first packet.
func (r *receiver) prepare(t *payloadType) bool {
	switch {
	case t.decoder != nil || t.kind == payloadEvent:
		return true
	case t.kind == payloadNoise:
		t.decoder = &comfortNoise{}
		return true
	}
	d, err := newDecoder(t.codec)
	if err != nil {
		t.kind = payloadNone
		return false
	}
	t.decoder = d
	return true
}

func (r *receiver) event() rune {
	e, err := dtmf.Parse(r.packet.Payload)
	if err != nil {
		r.garbage++
		return 0
	}
	digit, _ := r.digits.Put(r.packet.SSRC, r.packet.Timestamp, e)
	return digit
}

// pull fills one frame for the player.
func (r *receiver) pull(frame []int16, now time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.buffer.Pull(frame, now)
	if r.deaf {
		clear(frame)
	}
	r.level.put(frame)
	if r.tap != nil {
		r.tap(frame)
	}
}

// lossWindow is the share of packets lost over the last ten seconds.
type lossWindow struct {
	expected, lost [11]uint64 // counts at the last full seconds, a ring
	at             int
	n              int
	last           time.Duration
}

// due reports whether a second has passed since the last tick.
func (w *lossWindow) due(now time.Duration) bool { return w.n == 0 || now-w.last >= time.Second }

// tick notes the counts; it is called once a second.
func (w *lossWindow) tick(expected, lost uint64, now time.Duration) {
	w.last = now
	w.expected[w.at], w.lost[w.at] = expected, lost
	w.at = (w.at + 1) % len(w.expected)
	w.n = min(w.n+1, len(w.expected))
}

// percent compares with the oldest count kept.
func (w *lossWindow) percent(expected, lost uint64) float64 {
	if w.n == 0 {
		return 0
	}
	oldest := (w.at - w.n + len(w.expected)) % len(w.expected)
	if expected <= w.expected[oldest] || lost <= w.lost[oldest] {
		return 0
	}
	e, l := expected-w.expected[oldest], lost-w.lost[oldest]
	return min(100*float64(l)/float64(e), 100)
}
