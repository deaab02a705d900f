package codec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/peregrine-softphone/peregrine/media/codec/speex"
)

// Speex (RFC 5574): frames of 20 ms, any number of them in a packet, at any rate the peer likes.

const speexWide = 16000

type speexEncoder struct {
	enc  *speex.Encoder
	wide bool
}

// speexDecoder conceals by libspeex, a frame at a time; what a gap does not need of the last one waits for the rest.
type speexDecoder struct {
	dec   *speex.Decoder
	frame []int16
	spare []int16 // made up and not asked for yet: the end of frame
}

var (
	_ Encoder = (*speexEncoder)(nil)
	_ Decoder = (*speexDecoder)(nil)
)

func speexCodecs() []Codec {
	if !speex.Available() {
		return nil
	}
	return []Codec{
		{Name: "speex", PayloadType: 112, ClockRate: speexWide, SampleRate: speexWide, Channels: 1, FrameMS: 20},
		{Name: "speex", PayloadType: 113, ClockRate: 8000, SampleRate: 8000, Channels: 1, FrameMS: 20},
	}
}

func newSpeexEncoder(rate int) (Encoder, error) {
	wide := rate == speexWide
	enc, err := speex.NewEncoder(wide)
	if err != nil {
		return nil, fmt.Errorf("speex encoder: %w", err)
	}
	return &speexEncoder{enc: enc, wide: wide}, nil
}

func newSpeexDecoder(rate int) (Decoder, error) {
	dec, err := speex.NewDecoder(rate == speexWide)
	if err != nil {
		return nil, fmt.Errorf("speex decoder: %w", err)
	}
	return &speexDecoder{dec: dec, frame: make([]int16, dec.Frame())}, nil
}

// Encode implements Encoder: any number of whole frames.
func (e *speexEncoder) Encode(pcm []int16, out []byte) (int, error) {
	if len(pcm) == 0 || len(pcm)%e.enc.Frame() != 0 {
		return 0, ErrFrameSize
	}
	n, err := e.enc.Encode(pcm, out)
	if err != nil {
		return 0, ErrShortBuffer
	}
	return n, nil
}

// tune takes the peer's favourite mode (RFC 5574 4.1.1: mode is a list of those it decodes, the best first). Its vbr
// and cng say what it would send or understand; a constant rate and no comfort noise suit every decoder.
func (e *speexEncoder) tune(fmtp string) {
	e.enc.SetQuality(speexQuality(fmtp, e.wide))
}

// speexQuality gives the quality whose sub-mode the parameters ask for, or ours.
func speexQuality(fmtp string, wide bool) int {
	for param := range strings.SplitSeq(fmtp, ";") {
		name, value, _ := strings.Cut(param, "=")
		if !strings.EqualFold(strings.TrimSpace(name), "mode") {
			continue
		}
		first, _, _ := strings.Cut(strings.Trim(strings.TrimSpace(value), `"`), ",")
		mode, err := strconv.ParseUint(strings.TrimSpace(first), 10, 8)
		switch {
		case err != nil: // "any"
			return speex.DefaultQuality
		case wide && mode <= 10: // RFC 5574 table 2: the mode is the quality
			return int(mode)
		case !wide && mode >= 1 && mode <= 8:
			// RFC 5574 table 1, by the quality that libspeex maps to each narrowband mode.
			return [...]int{1: 0, 2: 2, 3: 4, 4: 6, 5: 8, 6: 9, 7: 10, 8: 1}[mode]
		}
	}
	return speex.DefaultQuality
}

// Decode implements Decoder.
func (d *speexDecoder) Decode(payload []byte, pcm []int16) (int, error) {
	d.spare = nil
	n, err := d.dec.Decode(payload, pcm)
	switch {
	case errors.Is(err, speex.ErrRoom):
		return 0, ErrShortBuffer
	case err != nil:
		return 0, ErrPayload
	}
	return n, nil
}

// Conceal implements Decoder: any number of samples will do.
func (d *speexDecoder) Conceal(pcm []int16) (int, error) {
	for done := 0; done < len(pcm); {
		if len(d.spare) == 0 {
			d.dec.Conceal(d.frame)
			d.spare = d.frame
		}
		n := copy(pcm[done:], d.spare)
		d.spare = d.spare[n:]
		done += n
	}
	return len(pcm), nil
}

// DecodeFEC implements Decoder: Speex has no copies.
func (d *speexDecoder) DecodeFEC(_ []byte, pcm []int16) (int, error) { return d.Conceal(pcm) }

// HasFEC implements Decoder.
func (d *speexDecoder) HasFEC([]byte) bool { return false }
