//go:build !cgo

package speex

import "errors"

var errNoSpeex = errors.New("Speex: this program was built without libspeex (CGO_ENABLED=0)")

// Available reports whether this build has libspeex.
func Available() bool { return false }

// Encoder is what NewEncoder would make.
type Encoder struct{}

// Decoder is what NewDecoder would make.
type Decoder struct{}

// NewEncoder fails: this build has no libspeex.
func NewEncoder(bool) (*Encoder, error) { return nil, errNoSpeex }

// NewDecoder fails: this build has no libspeex.
func NewDecoder(bool) (*Decoder, error) { return nil, errNoSpeex }

// Frame is 0.
func (*Encoder) Frame() int { return 0 }

// Frame is 0.
func (*Decoder) Frame() int { return 0 }

// SetQuality does nothing.
func (*Encoder) SetQuality(int) {}

// Encode fails.
func (*Encoder) Encode([]int16, []byte) (int, error) { return 0, errNoSpeex }

// Decode fails.
func (*Decoder) Decode([]byte, []int16) (int, error) { return 0, errNoSpeex }

// Conceal does nothing.
func (*Decoder) Conceal([]int16) {}
