package transport

import (
	"encoding/binary"
	"net/netip"
)

// The part of STUN (RFC 8489) that keep-alives need: a binding request without attributes, and the address in its
// answer.
const (
	stunHeader       = 20
	stunCookie       = 0x2112A442 // RFC 8489 5
	stunBinding      = 0x0001
	stunSuccess      = 0x0101
	stunFailure      = 0x0111
	stunMapped       = 0x0001
	stunXORMapped    = 0x0020
	stunFamilyIPv4   = 1
	stunFamilyIPv6   = 2
	maxSTUN          = 1500 // bytes; an answer has fewer than 100
	maxSTUNAttribute = 32
)

// stunID is a transaction ID: 96 random bits.
type stunID [12]byte

// isSTUN tells STUN from SIP: its first two bits are 0, and the cookie follows (RFC 5626 8, RFC 8489 5).
func isSTUN(data []byte) bool {
	return len(data) >= stunHeader && data[0]&0xc0 == 0 && binary.BigEndian.Uint32(data[4:]) == stunCookie
}

func stunRequest(id stunID) []byte {
	b := make([]byte, 0, stunHeader)
	b = binary.BigEndian.AppendUint16(b, stunBinding)
	b = binary.BigEndian.AppendUint16(b, 0) // no attributes
	b = binary.BigEndian.AppendUint32(b, stunCookie)
	return append(b, id[:]...)
}

// stunAnswer reads the answer to a binding request: its ID, and our address as the server saw it, zero when it does not
// say or refused. ok is false for anything else.
func stunAnswer(data []byte) (id stunID, mapped netip.AddrPort, ok bool) {
	if !isSTUN(data) || len(data) > maxSTUN {
		return id, mapped, false
	}
	kind := binary.BigEndian.Uint16(data)
	length := int(binary.BigEndian.Uint16(data[2:]))
	if kind != stunSuccess && kind != stunFailure || length%4 != 0 || stunHeader+length > len(data) {
		return id, mapped, false
	}
	copy(id[:], data[8:])
	if kind == stunFailure {
		return id, mapped, true
	}
	rest := data[stunHeader : stunHeader+length]
	for n := 0; len(rest) >= 4 && n < maxSTUNAttribute; n++ {
		attribute, size := binary.BigEndian.Uint16(rest), int(binary.BigEndian.Uint16(rest[2:]))
		padded := (size + 3) &^ 3
		if 4+padded > len(rest) {
			return id, netip.AddrPort{}, false
		}
		value := rest[4 : 4+size]
		switch attribute {
		case stunXORMapped:
			return id, stunAddress(value, data[4:stunHeader]), true
		case stunMapped: // of servers from before RFC 5389
			mapped = stunAddress(value, make([]byte, 16))
		}
		rest = rest[4+padded:]
	}
	return id, mapped, true
}

// stunAddress reads (XOR-)MAPPED-ADDRESS (RFC 8489 14.1, 14.2); mask is cookie and ID, or zeros.
func stunAddress(v, mask []byte) netip.AddrPort {
	if len(v) < 4 {
		return netip.AddrPort{}
	}
	size := 0
	switch v[1] {
	case stunFamilyIPv4:
		size = 4
	case stunFamilyIPv6:
		size = 16
	}
	if size == 0 || len(v) != 4+size {
		return netip.AddrPort{}
	}
	port := binary.BigEndian.Uint16(v[2:]) ^ binary.BigEndian.Uint16(mask)
	raw := make([]byte, size)
	for i := range raw {
		raw[i] = v[4+i] ^ mask[i]
	}
	ip, _ := netip.AddrFromSlice(raw) // 4 or 16 bytes: never fails
	return netip.AddrPortFrom(ip, port)
}
