// Package dtmf is the telephone-event payload of RFC 4733: its wire form, and the two state machines that send and
// receive digits. It is for package media and does no I/O.
package dtmf

import (
	"encoding/binary"
	"errors"
	"strings"
)

// Size is the length of the payload in bytes (RFC 4733 2.3).
const Size = 4

// ErrShort says that a payload has fewer than Size bytes.
var ErrShort = errors.New("dtmf: payload too short")

const digits = "0123456789*#ABCD" // RFC 4733 3.2: events 0 to 15

// Event is one telephone-event payload.
type Event struct {
	Code     uint8 // 0-9, 10 is *, 11 is #, 12-15 are A-D; others are not digits
	End      bool
	Volume   uint8  // -dBm0, 0 to 63
	Duration uint16 // since the beginning of the event, in ticks of the payload type's clock
}

// Code returns the event of a digit, in either letter case.
func Code(digit rune) (uint8, bool) {
	if digit >= 'a' && digit <= 'd' {
		digit -= 'a' - 'A'
	}
	i := strings.IndexRune(digits, digit)
	if i < 0 {
		return 0, false
	}
	return uint8(i), true //nolint:gosec // below 16.
}

// Digit returns the digit of an event code.
func Digit(code uint8) (rune, bool) {
	if int(code) >= len(digits) {
		return 0, false
	}
	return rune(digits[code]), true
}

// Parse reads a payload. What follows the first event is ignored: nobody packs several (RFC 4733 2.5.1.3).
func Parse(payload []byte) (Event, error) {
	if len(payload) < Size {
		return Event{}, ErrShort
	}
	return Event{
		Code:     payload[0],
		End:      payload[1]&0x80 != 0,
		Volume:   payload[1] & 0x3f,
		Duration: binary.BigEndian.Uint16(payload[2:]),
	}, nil
}

// Append writes the payload behind b.
func (e Event) Append(b []byte) []byte {
	flags := e.Volume & 0x3f
	if e.End {
		flags |= 0x80
	}
	return binary.BigEndian.AppendUint16(append(b, e.Code, flags), e.Duration)
}

// endPackets is how often the final packet is sent (RFC 4733 2.5.1.4: a total of three).
const endPackets = 3

// volume of sent events: -10 dBm0, as most phones send.
const volume = 10

// Sender sends one digit: one packet per packet time of the audio it replaces.
type Sender struct {
	event  Event
	length uint32 // wanted duration in ticks
	played uint32
	ends   int
	active bool
}

// Start begins a digit of the given length in ticks. It must be below 65536 (RFC 4733 2.5.1.3 splits longer ones).
func (s *Sender) Start(code uint8, length uint16) {
	*s = Sender{event: Event{Code: code, Volume: volume}, length: uint32(length), active: true}
}

// Active reports whether there is still something to send.
func (s *Sender) Active() bool { return s.active }

// Next returns the payload for the packet that covers step ticks more, and whether it is the digit's first, which
// carries the marker (RFC 4733 2.5.1.2). It may be called while Active.
func (s *Sender) Next(step uint32) (e Event, first bool) {
	first = s.played == 0
	if s.ends == 0 {
		s.played = min(s.played+step, s.length)
		s.event.Duration = uint16(min(s.played, 0xffff))
	}
	if s.played >= s.length {
		s.event.End = true
		s.ends++
		s.active = s.ends < endPackets
	}
	return s.event, first
}

// Receiver tells digits from the repeated packets of each event.
type Receiver struct {
	started   bool
	ssrc      uint32
	timestamp uint32
}

// Put takes the event of a packet with the packet's RTP timestamp, and returns its digit when it is a new one.
// All packets of an event share the timestamp of its beginning (RFC 4733 2.5.1.2), so that one packet of them is
// enough, in whatever order they come.
func (r *Receiver) Put(ssrc, timestamp uint32, e Event) (rune, bool) {
	older := int32(timestamp-r.timestamp) <= 0 //nolint:gosec // RTP timestamps compare modulo 2^32.
	if r.started && r.ssrc == ssrc && older {
		return 0, false // the same event again, or one overtaken by its successor
	}
	digit, ok := Digit(e.Code)
	if !ok {
		return 0, false
	}
	r.started, r.ssrc, r.timestamp = true, ssrc, timestamp
	return digit, true
}
