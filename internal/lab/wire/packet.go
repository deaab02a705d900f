// Package wire reads what the lab's captures saw: UDP packets, RTP in them, and the gap that a move
// tore into a stream. It is pure; package lab does the capturing.
//
// Order of calls: ParseIPv4 per packet, Streams to find the RTP, JudgeMove per direction.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Packet is one UDP packet seen on a host.
type Packet struct {
	At       time.Time // when the kernel saw it
	Outgoing bool      // sent by the host, not received
	Src, Dst netip.AddrPort
	Payload  []byte
}

// errNotUDP says that a packet is not a complete UDP packet over IPv4.
var errNotUDP = errors.New("no complete UDP packet over IPv4")

const (
	ipv4HeaderLen = 20
	udpHeaderLen  = 8
	protocolUDP   = 17
)

// ParseIPv4 reads an IPv4 packet that holds UDP (RFC 791, RFC 768). The payload is a copy.
// Fragments are refused: the lab's peers send none to each other.
func ParseIPv4(data []byte) (Packet, error) {
	if len(data) < ipv4HeaderLen || data[0]>>4 != 4 {
		return Packet{}, errNotUDP
	}
	headerLen := int(data[0]&0x0f) * 4
	total := int(binary.BigEndian.Uint16(data[2:]))
	fragment := binary.BigEndian.Uint16(data[6:]) & 0x3fff // more-fragments bit and offset
	whole := headerLen >= ipv4HeaderLen && total >= headerLen+udpHeaderLen && total <= len(data) && fragment == 0
	if !whole || data[9] != protocolUDP {
		return Packet{}, errNotUDP
	}
	udp := data[headerLen:total]
	length := int(binary.BigEndian.Uint16(udp[4:]))
	if length < udpHeaderLen || length > len(udp) {
		return Packet{}, fmt.Errorf("%w: UDP length %d of %d bytes", errNotUDP, length, len(udp))
	}
	src := netip.AddrFrom4([4]byte(data[12:16]))
	dst := netip.AddrFrom4([4]byte(data[16:20]))
	return Packet{
		Src:     netip.AddrPortFrom(src, binary.BigEndian.Uint16(udp)),
		Dst:     netip.AddrPortFrom(dst, binary.BigEndian.Uint16(udp[2:])),
		Payload: append([]byte(nil), udp[udpHeaderLen:length]...),
	}, nil
}

// RTP is one RTP packet (RFC 3550 5.1) with where and when it was seen.
type RTP struct {
	Packet
	PayloadType uint8
	Marker      bool
	Sequence    uint16
	Timestamp   uint32
	SSRC        uint32
	Audio       []byte // payload without header, extension and padding
}

const rtpHeaderLen = 12

// ParseRTP tells whether the packet is RTP with a payload, and reads it. RTCP on the same port is
// none (RFC 5761 4: packet types 64 to 95 with the marker bit).
func ParseRTP(p Packet) (RTP, bool) {
	b := p.Payload
	if len(b) <= rtpHeaderLen || b[0]>>6 != 2 {
		return RTP{}, false
	}
	kind := b[1] & 0x7f
	if kind >= 64 && kind <= 95 {
		return RTP{}, false
	}
	start := rtpHeaderLen + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 { // header extension
		if len(b) < start+4 {
			return RTP{}, false
		}
		start += 4 + 4*int(binary.BigEndian.Uint16(b[start+2:]))
	}
	end := len(b)
	if b[0]&0x20 != 0 { // padding
		end -= int(b[end-1])
	}
	if start >= end {
		return RTP{}, false
	}
	return RTP{
		Packet: p, PayloadType: kind, Marker: b[1]&0x80 != 0,
		Sequence: binary.BigEndian.Uint16(b[2:]), Timestamp: binary.BigEndian.Uint32(b[4:]),
		SSRC: binary.BigEndian.Uint32(b[8:]), Audio: b[start:end],
	}, true
}

// Direction picks the RTP that a host sent (outgoing) or received.
func Direction(packets []Packet, outgoing bool) []RTP {
	var out []RTP
	for _, p := range packets {
		if p.Outgoing != outgoing || p.Src.Port() == 5060 || p.Dst.Port() == 5060 {
			continue
		}
		if rtp, ok := ParseRTP(p); ok {
			out = append(out, rtp)
		}
	}
	return out
}

// DecodePCMU turns PCMU packets (payload type 0, 8 kHz) into one stretch of sound, each packet at
// the place of its RTP timestamp; what is missing is silence. start is when the first sample left
// or came. Packets of other streams than the first one's are left out. Not more than ten minutes.
func DecodePCMU(packets []RTP) (start time.Time, samples []int16) {
	const limit = 10 * 60 * 8000
	var first RTP
	found := false
	for _, p := range packets {
		if p.PayloadType != 0 {
			continue
		}
		if !found {
			first, found = p, true
		}
		at := int(int32(p.Timestamp - first.Timestamp))
		if p.SSRC != first.SSRC || at < 0 || at+len(p.Audio) > limit {
			continue
		}
		for len(samples) < at+len(p.Audio) {
			samples = append(samples, 0)
		}
		for i, code := range p.Audio {
			samples[at+i] = muLaw(code)
		}
	}
	return first.At, samples
}

// muLaw expands one byte of G.711 µ-law (ITU-T G.711, table 2a) to 16 bits.
func muLaw(code byte) int16 {
	code = ^code
	exponent, mantissa := (code>>4)&7, int16(code&0x0f)
	value := (mantissa<<3+0x84)<<exponent - 0x84
	if code&0x80 != 0 {
		return -value
	}
	return value
}
