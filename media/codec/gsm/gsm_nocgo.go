//go:build !cgo

package gsm

import "errors"

var errNoGSM = errors.New("GSM: this program was built without libgsm (CGO_ENABLED=0)")

// Available reports whether this build has libgsm.
func Available() bool { return false }

// Coder is what New would make.
type Coder struct{}

// New fails: this build has no libgsm.
func New() (*Coder, error) { return nil, errNoGSM }

// Encode does nothing; there is no Coder to call it on.
func (*Coder) Encode(*[FrameSamples]int16, *[FrameBytes]byte) {}

// Decode reports failure; there is no Coder to call it on.
func (*Coder) Decode(*[FrameBytes]byte, *[FrameSamples]int16) bool { return false }
