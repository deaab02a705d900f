//go:build !cgo

package speexdsp

import "errors"

var errNone = errors.New("voice processing: this program was built without libspeexdsp (CGO_ENABLED=0)")

// Available reports whether this build has libspeexdsp.
func Available() bool { return false }

// State is what New would make.
type State struct{}

// New fails: this build has no libspeexdsp.
func New(Config) (*State, error) { return nil, errNone }

// Set does nothing.
func (*State) Set(bool, int) {}

// Reset does nothing.
func (*State) Reset() {}

// Run does nothing.
func (*State) Run([]int16, []int16) int { return 0 }
