//go:build cgo

package gsm

// The macros are those of libgsm's own Makefile: >> keeps the sign, prototypes are ANSI's. Its assertions are off,
// for they would end the program.

// #cgo CFLAGS: -I${SRCDIR} -DSASR -DNeedFunctionPrototypes=1 -DNDEBUG -Wno-comment -fvisibility=hidden
// #cgo noescape gsm_encode
// #cgo nocallback gsm_encode
// #cgo noescape gsm_decode
// #cgo nocallback gsm_decode
// #include "gsm.h"
import "C"

import (
	"errors"
	"runtime"
	"unsafe"
)

// Available reports whether this build has libgsm.
func Available() bool { return true }

// Coder is the state of one direction: it either encodes or decodes, never both. It belongs to one goroutine at a time.
type Coder struct{ state C.gsm }

// New makes a Coder at the start of its state. Its memory is outside Go's and goes with it.
func New() (*Coder, error) {
	state := C.gsm_create()
	if state == nil {
		return nil, errors.New("libgsm: out of memory")
	}
	c := &Coder{state: state}
	runtime.AddCleanup(c, func(s C.gsm) { C.gsm_destroy(s) }, state)
	return c, nil
}

// Encode encodes the FrameSamples of pcm into the FrameBytes of out. It allocates nothing.
func (c *Coder) Encode(pcm *[FrameSamples]int16, out *[FrameBytes]byte) {
	C.gsm_encode(c.state, (*C.gsm_signal)(unsafe.Pointer(pcm)), (*C.gsm_byte)(unsafe.Pointer(out)))
	runtime.KeepAlive(c)
}

// Decode decodes the FrameBytes of frame into the FrameSamples of pcm. It is false, and pcm as it was, when the frame
// does not begin with the mark of GSM 06.10. It allocates nothing.
func (c *Coder) Decode(frame *[FrameBytes]byte, pcm *[FrameSamples]int16) bool {
	failed := C.gsm_decode(c.state, (*C.gsm_byte)(unsafe.Pointer(frame)), (*C.gsm_signal)(unsafe.Pointer(pcm)))
	runtime.KeepAlive(c)
	return failed == 0
}
