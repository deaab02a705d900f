//go:build cgo

package speexdsp

// libspeexdsp in floating point with its small FFT, arrays on the stack, silent.

// #cgo CFLAGS: -I${SRCDIR} -I${SRCDIR}/include -O3 -DFLOATING_POINT -DUSE_SMALLFT -DVAR_ARRAYS -DEXPORT=
// #cgo CFLAGS: -DDISABLE_WARNINGS -DDISABLE_NOTIFICATIONS -fvisibility=hidden
// #cgo LDFLAGS: -lm
// #cgo noescape peregrine_speexdsp_run
// #cgo nocallback peregrine_speexdsp_run
// #include "peregrine_speexdsp.h"
import "C"

import (
	"errors"
	"runtime"
	"unsafe"
)

// Available reports whether this build has libspeexdsp.
func Available() bool { return true }

// State is one microphone with its loudspeaker. It belongs to one goroutine at a time.
type State struct {
	state *C.peregrine_speexdsp
	frame int
}

// New makes a State. Its memory is outside Go's and goes with it.
func New(cfg Config) (*State, error) {
	state := C.peregrine_speexdsp_new(C.int(cfg.Rate), C.int(cfg.Frame), C.int(cfg.Tail))
	if state == nil {
		return nil, errors.New("libspeexdsp: out of memory")
	}
	s := &State{state: state, frame: cfg.Frame}
	runtime.AddCleanup(s, func(p *C.peregrine_speexdsp) { C.peregrine_speexdsp_free(p) }, state)
	return s, nil
}

// Set chooses what Run does. noise is how much steady noise is lowered, in decibels, 0 for not at all.
func (s *State) Set(echo bool, noise int) {
	on := C.int(0)
	if echo {
		on = 1
	}
	C.peregrine_speexdsp_set(s.state, on, C.int(max(0, noise)))
	runtime.KeepAlive(s)
}

// Reset forgets the way from loudspeaker to microphone: one of them is another now.
func (s *State) Reset() {
	C.peregrine_speexdsp_reset(s.state)
	runtime.KeepAlive(s)
}

// Run cleans a frame of the microphone in place, given what the loudspeaker played, both of Config.Frame samples. What
// comes out is one frame late. It returns how likely the frame is speech, in percent, and allocates nothing.
func (s *State) Run(microphone, loudspeaker []int16) int {
	if len(microphone) < s.frame || len(loudspeaker) < s.frame {
		return 0
	}
	n := C.peregrine_speexdsp_run(s.state, (*C.short)(unsafe.Pointer(&microphone[0])),
		(*C.short)(unsafe.Pointer(&loudspeaker[0])))
	runtime.KeepAlive(s)
	return int(n)
}
