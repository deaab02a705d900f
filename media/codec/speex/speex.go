// Package speex is the speech codec Speex, narrowband at 8 kHz and wideband at 16 kHz (RFC 5574): a binding of
// libspeex, whose source lies beside it, unmodified, with its licence in COPYING. Ours are the Go files,
// peregrine_speex and the integer types that a configure script would write. It is for package codec.
//
// Order of calls: [Available], then [NewEncoder] and Encode, or [NewDecoder] and Decode or Conceal, once per packet.
// Without cgo there is no codec and both constructors fail.
package speex

import "errors"

var (
	// ErrPayload says that a payload is not Speex or is damaged.
	ErrPayload = errors.New("speex: invalid payload")
	// ErrRoom says that the output has no room for the result.
	ErrRoom = errors.New("speex: output too small")
)

// MaxPayload is the longest payload Decode reads, in bytes: what libspeex's bit buffer holds without growing.
const MaxPayload = 2000

// DefaultQuality makes 27.8 kbit/s in wideband and 15 kbit/s in narrowband, where Speex stops sounding coded.
const DefaultQuality = 8
