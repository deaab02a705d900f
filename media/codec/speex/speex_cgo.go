//go:build cgo

package speex

// libspeex in floating point, arrays on the stack, silent: its only outputs are meant for those who develop it.

// #cgo CFLAGS: -I${SRCDIR} -I${SRCDIR}/include -DFLOATING_POINT -DVAR_ARRAYS -DEXPORT=
// #cgo CFLAGS: -DDISABLE_WARNINGS -DDISABLE_NOTIFICATIONS -fvisibility=hidden
// #cgo LDFLAGS: -lm
// #cgo noescape peregrine_speex_encode
// #cgo nocallback peregrine_speex_encode
// #cgo noescape peregrine_speex_decode
// #cgo nocallback peregrine_speex_decode
// #cgo noescape peregrine_speex_conceal
// #cgo nocallback peregrine_speex_conceal
// #include "peregrine_speex.h"
import "C"

import (
	"errors"
	"runtime"
	"unsafe"
)

// What C answers instead of samples.
const (
	damaged = -1
	noRoom  = -2
)

// Available reports whether this build has libspeex.
func Available() bool { return true }

// Encoder encodes frames of 20 ms. It belongs to one goroutine at a time.
type Encoder struct {
	state *C.peregrine_speex
	frame int // samples
}

// Decoder decodes packets and makes up lost ones. It belongs to one goroutine at a time.
type Decoder struct {
	state *C.peregrine_speex
	frame int // samples
}

// NewEncoder makes an encoder of DefaultQuality. Its memory is outside Go's and goes with it.
func NewEncoder(wide bool) (*Encoder, error) {
	state := C.peregrine_speex_encoder(flag(wide), DefaultQuality)
	if state == nil {
		return nil, errors.New("libspeex: out of memory")
	}
	e := &Encoder{state: state, frame: frameSamples(wide)}
	runtime.AddCleanup(e, free, state)
	return e, nil
}

// NewDecoder makes a decoder. Its memory is outside Go's and goes with it.
func NewDecoder(wide bool) (*Decoder, error) {
	state := C.peregrine_speex_decoder(flag(wide))
	if state == nil {
		return nil, errors.New("libspeex: out of memory")
	}
	d := &Decoder{state: state, frame: frameSamples(wide)}
	runtime.AddCleanup(d, free, state)
	return d, nil
}

// Frame is the number of samples of a frame, 20 ms.
func (e *Encoder) Frame() int { return e.frame }

// Frame is the number of samples of a frame, 20 ms.
func (d *Decoder) Frame() int { return d.frame }

// SetQuality sets 0, the worst, to 10.
func (e *Encoder) SetQuality(quality int) {
	C.peregrine_speex_quality(e.state, C.int(max(0, min(quality, 10))))
	runtime.KeepAlive(e)
}

// Encode encodes pcm, one or more whole frames, as one packet into out and returns its bytes. It allocates nothing.
func (e *Encoder) Encode(pcm []int16, out []byte) (int, error) {
	if len(pcm) < e.frame || len(out) == 0 {
		return 0, ErrRoom
	}
	n := C.peregrine_speex_encode(e.state, (*C.short)(unsafe.Pointer(&pcm[0])), C.int(len(pcm)/e.frame),
		(*C.char)(unsafe.Pointer(&out[0])), C.int(len(out)))
	runtime.KeepAlive(e)
	if n < 0 {
		return 0, ErrRoom
	}
	return int(n), nil
}

// Decode decodes a packet of one or more frames into pcm and returns the samples. It allocates nothing.
func (d *Decoder) Decode(payload []byte, pcm []int16) (int, error) {
	switch {
	case len(payload) == 0 || len(payload) > MaxPayload:
		return 0, ErrPayload
	case len(pcm) < d.frame:
		return 0, ErrRoom
	}
	n := C.peregrine_speex_decode(d.state, (*C.char)(unsafe.Pointer(&payload[0])), C.int(len(payload)),
		(*C.short)(unsafe.Pointer(&pcm[0])), C.int(len(pcm)))
	runtime.KeepAlive(d)
	switch n {
	case damaged:
		return 0, ErrPayload
	case noRoom:
		return 0, ErrRoom
	}
	return int(n), nil
}

// Conceal makes up one frame of lost sound into pcm, which has at least Frame samples. It allocates nothing.
func (d *Decoder) Conceal(pcm []int16) {
	if len(pcm) < d.frame {
		return
	}
	C.peregrine_speex_conceal(d.state, (*C.short)(unsafe.Pointer(&pcm[0])))
	runtime.KeepAlive(d)
}

func free(s *C.peregrine_speex) { C.peregrine_speex_free(s) }

func flag(on bool) C.int {
	if on {
		return 1
	}
	return 0
}

func frameSamples(wide bool) int {
	if wide {
		return 320
	}
	return 160
}
