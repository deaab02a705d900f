// Package speexdsp takes the echo of a loudspeaker and steady noise out of the sound of a microphone: a binding of the
// echo canceller and the preprocessor of libspeexdsp, whose source lies beside it, unmodified, with its licence in
// COPYING. Ours are the Go files, peregrine_speexdsp and the integer types that a configure script would write. It is
// for package voice.
//
// Order of calls: [Available], [New], then Run for each frame. Without cgo there is none and New fails.
package speexdsp

// Config describes a State.
type Config struct {
	Rate  int // samples a second, 8000 to 48000; 16000 is what libspeexdsp is tuned for
	Frame int // samples of a frame, 10 or 20 ms
	Tail  int // samples of echo that are looked for: the delay between loudspeaker and microphone, and the room
}
