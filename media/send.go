package media

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/media/codec"
	"github.com/peregrine-softphone/peregrine/media/dtmf"
	"github.com/peregrine-softphone/peregrine/media/resample"
)

const (
	deviceRate    = 48000
	deviceSamples = deviceRate / 100 // 10 ms
	frameTime     = 10 * time.Millisecond

	rtpHeader = 12 // bytes, without extensions or contributing sources (RFC 3550 5.1)

	// digitLength and digitPause: 100 ms is above the 40 ms that every detector takes (ITU-T Q.24), 60 ms too.
	digitLength = 100 * time.Millisecond
	digitPause  = 60 * time.Millisecond

	maxDigits = 64 // waiting to be sent

	maxQuiet = 2 // bytes: a packet of a pause that need not be sent (codec.Encoder)
)

// outgoing says how to send: the part of an agreement that the sender needs.
type outgoing struct {
	codec      codec.Codec
	payload    uint8
	encoder    codec.Encoder
	down       *resample.Resampler // nil: the codec is at 48 kHz
	packet     int                 // samples of a packet at the codec's rate
	fmtp       string              // what the peer says about its decoder
	send       bool                // the peer wants to hear us
	eventType  uint8
	eventClock int // ticks per second of telephone events; 0: the peer takes none
}

// digit is one digit to send; done is closed behind the last one of its string.
type digit struct {
	code uint8
	done chan struct{}
}

// sender makes RTP packets of recorded frames. Frames come from the recorder's goroutine or, while that is silent,
// from the pacer's; the mutex orders them.
type sender struct {
	mu   sync.Mutex
	emit func(packet []byte) // writes to the network

	now     outgoing
	next    *outgoing // takes over at the next packet boundary
	tuning  tuning    // what the network needs
	frame   int       // samples of a packet in force
	muted   bool
	pcm     []int16 // collected for the next packet, at the codec's rate
	scratch []int16 // of one device frame when muted
	packet  []byte
	last    []byte // the packet sent last; empty: none

	ssrc   uint32
	seq    uint16
	ts     uint32
	marker bool // the next packet begins a talk spurt (RFC 3551 4.1)

	digits  []digit
	digit   dtmf.Sender
	digitTS uint32
	current digit
	pause   int // packets until the next digit may begin

	packets, octets uint64
	stamp           time.Duration // when ts was, for sender reports
	level           meter
	tap             func(frame []int16) // gets what is sent; nil: nobody
}

func newSender(ssrc uint32, emit func([]byte)) *sender {
	return &sender{
		emit: emit, ssrc: ssrc, seq: uint16(randomInt(1 << 15)), ts: randomUint32(), //nolint:gosec // in range.
		marker: true, scratch: make([]int16, deviceSamples),
	}
}

// newOutgoing prepares an encoder for ms milliseconds a packet.
func newOutgoing(c codec.Codec, payload uint8, ms int) (*outgoing, error) {
	enc, err := c.NewEncoder()
	if err != nil {
		return nil, fmt.Errorf("encoder of %s: %w", c.Name, err)
	}
	o := &outgoing{codec: c, payload: payload, encoder: enc, packet: c.Samples(ms)}
	if c.SampleRate != deviceRate {
		if o.down, err = resample.New(deviceRate, c.SampleRate); err != nil {
			return nil, fmt.Errorf("encoder of %s: %w", c.Name, err)
		}
	}
	return o, nil
}

// configure takes a new agreement. The same codec goes on with its encoder as it is.
func (s *sender) configure(o *outgoing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = o
}

// same reports whether o would continue what is being sent.
func (s *sender) same(c codec.Codec, payload uint8, ms int) (*outgoing, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.now
	if s.next != nil {
		o = *s.next
	}
	if o.encoder == nil || !o.codec.Same(c) || o.payload != payload || o.packet != c.Samples(ms) {
		return nil, false
	}
	return &o, true
}

func (s *sender) setMuted(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.muted = on
}

// push takes one frame of the device at a time.
func (s *sender) push(frame []int16, now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next != nil && (len(s.pcm) == 0 || s.now.encoder == nil) {
		s.adopt()
	}
	if s.muted {
		clear(s.scratch)
		frame = s.scratch
	}
	s.level.put(frame)
	if s.tap != nil {
		s.tap(frame)
	}
	if s.now.encoder == nil {
		return
	}
	if s.now.down == nil {
		s.pcm = append(s.pcm, frame...)
	} else {
		at := len(s.pcm)
		s.pcm = slices.Grow(s.pcm, s.now.down.MaxOutput(len(frame)))
		_, n := s.now.down.Process(frame, s.pcm[at:cap(s.pcm)])
		s.pcm = s.pcm[:at+n]
	}
	for len(s.pcm) >= s.frame {
		n := s.frame
		s.send(s.pcm[:n], now)
		s.pcm = s.pcm[:copy(s.pcm, s.pcm[n:])]
	}
}

// adopt switches to the next configuration between two packets.
func (s *sender) adopt() {
	if s.next.payload != s.now.payload || s.next.encoder != s.now.encoder {
		s.marker = true
	}
	if s.next.fmtp != s.now.fmtp || s.next.encoder != s.now.encoder {
		// An encoder that does not take it goes on as it is: the peer can decode all of them.
		_ = codec.Tune(s.next.encoder, s.next.fmtp)
	}
	s.now, s.next = *s.next, nil
	s.retune()
	s.pcm = s.pcm[:0]
	if n := rtpHeader + s.now.codec.MaxPayload(); cap(s.packet) < n {
		s.packet = make([]byte, 0, n)
		s.last = make([]byte, 0, n)
	}
	if s.now.eventClock == 0 {
		s.dropDigits()
	}
}

// send makes one packet of pcm, or of the digit being sent, and moves the timestamp on.
func (s *sender) send(pcm []int16, now time.Duration) {
	ticks := s.now.codec.Ticks(len(pcm))
	defer func() { s.ts += ticks }()
	s.stamp = now
	if !s.now.send {
		s.marker = true // RFC 3551 4.1: the first packet after the pause
		return
	}
	if s.sendDigit(len(pcm)) {
		return
	}
	buf := s.packet[:cap(s.packet)]
	n, err := s.now.encoder.Encode(pcm, buf[rtpHeader:])
	if err != nil || n == 0 || n <= maxQuiet && s.tuning.dtx {
		s.marker = s.marker || n <= maxQuiet // RFC 7587 4.1: the marker bit is for the first packet after the pause
		return                               // the codec has nothing to say; the timestamp shows the pause
	}
	s.write(buf[:rtpHeader+n], s.now.payload, s.ts, s.marker)
	s.marker = false
}

// write completes the header and sends.
func (s *sender) write(packet []byte, payload uint8, ts uint32, marker bool) {
	packet[0] = 2 << 6 // RFC 3550 5.1: version 2, no padding, no extension, no contributing sources
	packet[1] = payload & 0x7f
	if marker {
		packet[1] |= 0x80
	}
	binary.BigEndian.PutUint16(packet[2:], s.seq)
	binary.BigEndian.PutUint32(packet[4:], ts)
	binary.BigEndian.PutUint32(packet[8:], s.ssrc)
	s.seq++
	s.last = append(s.last[:0], packet...)
	s.packets++
	s.octets += uint64(len(packet) - rtpHeader) //nolint:gosec // never negative.
	s.emit(packet)
}

// sendDigit sends the packet of a digit in place of sound, when there is one.
func (s *sender) sendDigit(samples int) bool {
	clock := s.now.eventClock
	if clock == 0 {
		return false
	}
	if !s.digit.Active() {
		if s.pause > 0 {
			s.pause--
			return false
		}
		if len(s.digits) == 0 {
			return false
		}
		s.current, s.digits = s.digits[0], s.digits[1:]
		s.digitTS = s.ts
		s.digit.Start(s.current.code, uint16(digitLength*time.Duration(clock)/time.Second)) //nolint:gosec // 4800.
	}
	e, first := s.digit.Next(uint32(samples * clock / s.now.codec.SampleRate)) //nolint:gosec // one packet.
	buf := e.Append(s.packet[:rtpHeader])
	s.write(buf, s.now.eventType, s.digitTS, first)
	if !s.digit.Active() {
		length := time.Duration(samples) * time.Second / time.Duration(s.now.codec.SampleRate)
		s.pause = int(digitPause / length)
		s.marker = true
		if s.current.done != nil {
			close(s.current.done)
			s.current.done = nil
		}
	}
	return true
}

// queueDigits appends digits; the channel is closed when the last of them has been sent or dropped.
func (s *sender) queueDigits(codes []uint8) (<-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clock := s.now.eventClock
	if s.next != nil {
		clock = s.next.eventClock
	}
	if clock == 0 {
		return nil, ErrNoDTMF
	}
	if len(s.digits)+len(codes) > maxDigits {
		return nil, fmt.Errorf("more than %d digits waiting", maxDigits)
	}
	done := make(chan struct{})
	for i, c := range codes {
		d := digit{code: c}
		if i == len(codes)-1 {
			d.done = done
		}
		s.digits = append(s.digits, d)
	}
	return done, nil
}

func (s *sender) dropDigits() {
	for _, d := range append(s.digits, s.current) {
		if d.done != nil {
			close(d.done)
		}
	}
	s.digits, s.current, s.digit = nil, digit{}, dtmf.Sender{}
}

// sending reports whether packets leave regularly.
func (s *sender) sending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now.send
}

// repeat sends the last packet again. A receiver drops the copy; a router, an ARP cache and a peer that follows its
// packets' source learn the new path from it.
func (s *sender) repeat() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.now.send || len(s.last) == 0 {
		return false
	}
	s.emit(s.last)
	return true
}

// report returns what a sender report says at the moment now (RFC 3550 6.4.1).
func (s *sender) report(now time.Duration) (ts uint32, packets, octets uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	elapsed := uint32(0)
	if c := s.now.codec; c.ClockRate > 0 && now > s.stamp {
		elapsed = uint32((now - s.stamp).Seconds() * float64(c.ClockRate)) // wraps as timestamps do
	}
	return s.ts + elapsed, s.packets, s.octets
}
