package codec

import (
	"fmt"

	"github.com/peregrine-softphone/peregrine/media/codec/gsm"
)

// GSM 06.10: frames of 20 ms, any number of them in a packet (RFC 3551 4.5.8). libgsm has no concealment, ours serves.

type gsmEncoder struct{ coder *gsm.Coder }

type gsmDecoder struct {
	coder *gsm.Coder
	plc   *concealer
}

var (
	_ Encoder = (*gsmEncoder)(nil)
	_ Decoder = (*gsmDecoder)(nil)
)

func gsmCodecs() []Codec {
	if !gsm.Available() {
		return nil
	}
	return []Codec{{Name: "GSM", PayloadType: 3, ClockRate: 8000, SampleRate: 8000, Channels: 1, FrameMS: 20}}
}

func newGSMEncoder() (Encoder, error) {
	coder, err := gsm.New()
	if err != nil {
		return nil, fmt.Errorf("gsm encoder: %w", err)
	}
	return &gsmEncoder{coder: coder}, nil
}

func newGSMDecoder() (Decoder, error) {
	coder, err := gsm.New()
	if err != nil {
		return nil, fmt.Errorf("gsm decoder: %w", err)
	}
	return &gsmDecoder{coder: coder, plc: newConcealer(8000)}, nil
}

// Encode implements Encoder: any number of whole frames.
func (e *gsmEncoder) Encode(pcm []int16, out []byte) (int, error) {
	frames := len(pcm) / gsm.FrameSamples
	switch {
	case frames == 0 || len(pcm)%gsm.FrameSamples != 0:
		return 0, ErrFrameSize
	case len(out) < frames*gsm.FrameBytes:
		return 0, ErrShortBuffer
	}
	for i := range frames {
		e.coder.Encode((*[gsm.FrameSamples]int16)(pcm[i*gsm.FrameSamples:]),
			(*[gsm.FrameBytes]byte)(out[i*gsm.FrameBytes:]))
	}
	return frames * gsm.FrameBytes, nil
}

// Decode implements Decoder. A frame without the mark makes the whole packet invalid, before the state is touched.
func (d *gsmDecoder) Decode(payload []byte, pcm []int16) (int, error) {
	frames := len(payload) / gsm.FrameBytes
	if frames == 0 || len(payload)%gsm.FrameBytes != 0 {
		return 0, ErrPayload
	}
	for i := range frames {
		// RFC 3551 4.5.8.1: every frame begins with the signature 0xD.
		if payload[i*gsm.FrameBytes]>>4 != 0xd {
			return 0, ErrPayload
		}
	}
	n := frames * gsm.FrameSamples
	if len(pcm) < n {
		return 0, ErrShortBuffer
	}
	for i := range frames {
		if !d.coder.Decode((*[gsm.FrameBytes]byte)(payload[i*gsm.FrameBytes:]),
			(*[gsm.FrameSamples]int16)(pcm[i*gsm.FrameSamples:])) {
			return 0, ErrPayload
		}
	}
	d.plc.good(pcm[:n])
	return n, nil
}

// Conceal implements Decoder.
func (d *gsmDecoder) Conceal(pcm []int16) (int, error) {
	d.plc.lost(pcm)
	return len(pcm), nil
}

// DecodeFEC implements Decoder: GSM has no copies.
func (d *gsmDecoder) DecodeFEC(_ []byte, pcm []int16) (int, error) { return d.Conceal(pcm) }

// HasFEC implements Decoder.
func (d *gsmDecoder) HasFEC([]byte) bool { return false }
