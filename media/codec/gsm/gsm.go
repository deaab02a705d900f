// Package gsm is the speech codec GSM 06.10 full rate at 13 kbit/s (RFC 3551 4.5.8): a binding of libgsm, whose source
// lies beside it, unmodified, with its licence in COPYRIGHT. It is for package codec, which knows packets.
//
// Order of calls: [Available], [New] for each direction, then Encode or Decode for each frame. Without cgo there is no
// codec and New fails.
package gsm

const (
	// FrameSamples is the sound of one frame: 20 ms at 8 kHz.
	FrameSamples = 160
	// FrameBytes is a frame on the wire: the mark 0xD and 260 bits, the most significant first (RFC 3551 4.5.8.1).
	FrameBytes = 33
)
