// Package codec is the registry of Peregrine's audio codecs and their encoders and decoders.
//
// It is for package media: the session offers what [Available] lists, and once a codec is agreed it calls
// [Codec.NewEncoder] and [Codec.NewDecoder], then one Encode per frame sent and one Decode, DecodeFEC or Conceal
// per frame played. PCM is always mono signed 16 bit at [Codec.SampleRate]; bringing it to the 48 kHz of the sound
// devices is the work of package resample.
//
// Encoders and decoders belong to one goroutine at a time. Their frame methods allocate nothing.
package codec

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// MaxPacketMS is the longest packet any decoder accepts, in milliseconds: the largest Opus packet (RFC 6716 3.2.5).
// A PCM buffer of [Codec.MaxSamples] is therefore large enough for every Decode.
const MaxPacketMS = 120

var (
	// ErrShortBuffer says that the output slice cannot hold the result. Nothing was written.
	ErrShortBuffer = errors.New("codec: output buffer too small")
	// ErrPayload says that a payload is not of this codec: empty, too long, or damaged.
	ErrPayload = errors.New("codec: invalid payload")
	// ErrFrameSize says that the number of PCM samples is not one the codec can take.
	ErrFrameSize = errors.New("codec: invalid number of samples")
)

// Codec describes one codec as SDP names it (RFC 8866 6.6) and makes its encoders and decoders.
// Two Codecs are the same codec when their Name, ClockRate and Channels agree, whatever the payload type.
type Codec struct {
	Name        string // encoding name as IANA registered it; compared without regard to case
	PayloadType uint8  // static (RFC 3551 table 4) or our suggestion of a dynamic one (96 to 127)
	ClockRate   int    // ticks of the RTP timestamp per second; for G722 not the sample rate (RFC 3551 4.5.2)
	SampleRate  int    // PCM samples per second that the encoder takes and the decoder gives
	Channels    int    // as in rtpmap; PCM is mono all the same. Opus always says 2 (RFC 7587 7)
	Fmtp        string // our format parameters for a=fmtp, "" for none
	FrameMS     int    // the packet time we prefer, in milliseconds
}

// Encoder turns PCM into payloads. It is not safe for concurrent use.
type Encoder interface {
	// Encode encodes one packet's worth of PCM into out and returns the number of bytes written.
	// It fails with ErrFrameSize or ErrShortBuffer; [Codec.MaxPayload] is always enough.
	// An Adaptive encoder with DTX may return at most 2 bytes: such a packet need not be sent.
	Encode(pcm []int16, out []byte) (int, error)
}

// Decoder turns payloads into PCM and bridges lost ones. It is not safe for concurrent use.
// It accepts hostile input: anything the codec cannot read is an error, never a panic.
type Decoder interface {
	// Decode decodes one payload into pcm and returns the number of samples written.
	// A failed Decode leaves the decoder usable; the caller conceals the frame.
	Decode(payload []byte, pcm []int16) (int, error)
	// Conceal fills pcm with an estimate of lost sound. Its length is that of the gap (for Opus rounded down to a
	// multiple of 2.5 ms, RFC 6716 4.4) and at most MaxPacketMS. It returns the samples written.
	Conceal(pcm []int16) (int, error)
	// DecodeFEC recovers the packet lost just before next, into pcm, whose length is the missing duration.
	// Where next carries no copy (see HasFEC) it conceals. Decode(next) follows it. It returns the samples written.
	DecodeFEC(next []byte, pcm []int16) (int, error)
	// HasFEC reports whether next carries a copy of the packet before it.
	HasFEC(next []byte) bool
}

// Adaptive is an encoder whose rate can follow the network; Opus is one. Calls come from the encoding goroutine.
type Adaptive interface {
	Encoder
	// SetBitrate sets the target in bits per second, 6000 to 510000; values outside are brought inside.
	SetBitrate(bps int) error
	// SetFEC turns in-band forward error correction on for an expected loss of 1 to 100 percent; 0 turns it off.
	SetFEC(lossPercent int) error
	// SetDTX turns discontinuous transmission on or off.
	SetDTX(on bool) error
	// SetBandwidth limits the audio bandwidth to that of a PCM rate of 8000, 12000, 16000, 24000 or 48000 Hz,
	// the meaning of Opus's maxplaybackrate (RFC 7587 6.1). Rates between are rounded down, to 8000 at least.
	SetBandwidth(sampleRate int) error
}

// Available lists the codecs of this build, the one we like best first. Opus, Speex and GSM are there only when built
// with cgo.
func Available() []Codec {
	var list []Codec
	if opus, ok := opusCodec(); ok {
		list = append(list, opus)
	}
	list = append(list,
		// RFC 3551 4.5.2: the clock rate of G722 is 8000 by an old mistake, its samples are at 16 kHz.
		Codec{Name: "G722", PayloadType: 9, ClockRate: 8000, SampleRate: 16000, Channels: 1, FrameMS: 20},
		Codec{Name: "PCMU", PayloadType: 0, ClockRate: 8000, SampleRate: 8000, Channels: 1, FrameMS: 20},
		Codec{Name: "PCMA", PayloadType: 8, ClockRate: 8000, SampleRate: 8000, Channels: 1, FrameMS: 20},
	)
	list = append(list, speexCodecs()...)
	list = append(list, gsmCodecs()...)
	// RFC 3551 4.5.11; 16 kHz keeps a 20 ms packet at 640 bytes, well below any MTU.
	return append(list,
		Codec{Name: "L16", PayloadType: 118, ClockRate: 16000, SampleRate: 16000, Channels: 1, FrameMS: 20})
}

// Find returns the codec of that encoding name, in any letter case, of this build: the best of them, for Speex has two.
func Find(name string) (Codec, bool) {
	for _, c := range Available() {
		if strings.EqualFold(c.Name, name) {
			return c, true
		}
	}
	return Codec{}, false
}

// Match returns our codec for a peer's rtpmap, with the peer's payload type. channels 0 means that the rtpmap has
// no encoding parameter, which is one channel (RFC 8866 6.6).
func Match(name string, clockRate, channels int, payloadType uint8) (Codec, bool) {
	for _, c := range Available() {
		if strings.EqualFold(c.Name, name) && c.ClockRate == clockRate && c.Channels == max(channels, 1) {
			c.PayloadType = payloadType
			return c, true
		}
	}
	return Codec{}, false
}

// Static returns our codec of a static payload type that came without rtpmap (RFC 3551 6).
func Static(payloadType uint8) (Codec, bool) {
	for _, c := range Available() {
		if c.PayloadType == payloadType && payloadType < 96 {
			return c, true
		}
	}
	return Codec{}, false
}

// Same reports whether c and d are the same codec, whatever their payload types and parameters.
func (c Codec) Same(d Codec) bool {
	return strings.EqualFold(c.Name, d.Name) && c.ClockRate == d.ClockRate && max(c.Channels, 1) == max(d.Channels, 1)
}

// Rtpmap returns the encoding as a=rtpmap writes it after the payload type, such as "opus/48000/2".
func (c Codec) Rtpmap() string {
	s := c.Name + "/" + strconv.Itoa(c.ClockRate)
	if c.Channels > 1 {
		s += "/" + strconv.Itoa(c.Channels)
	}
	return s
}

// Samples returns the PCM samples of a packet of ms milliseconds.
func (c Codec) Samples(ms int) int { return c.SampleRate / 1000 * ms }

// Ticks returns the RTP timestamp units of that many PCM samples.
func (c Codec) Ticks(samples int) uint32 {
	return uint32(samples * c.ClockRate / c.SampleRate) //nolint:gosec // samples are bounded by MaxSamples.
}

// MaxSamples returns the PCM samples of the longest packet a decoder gives.
func (c Codec) MaxSamples() int { return c.Samples(MaxPacketMS) }

// MaxPayload returns the size in bytes of an output buffer that every Encode fits in.
func (c Codec) MaxPayload() int {
	// An Opus frame is at most 1275 bytes (RFC 6716 3.2.1) and a packet we make has at most 6 (120 ms): 7650 bytes
	// and 2 of framing each, above the raw 3840 bytes of 120 ms of L16 at 16 kHz.
	return 6*(1275+2) + 2
}

// NewEncoder makes an encoder at the start of its state. It fails when this build does not have the codec.
func (c Codec) NewEncoder() (Encoder, error) {
	switch strings.ToLower(c.Name) {
	case "opus":
		return newOpusEncoder()
	case "pcmu":
		return &g711Encoder{law: encodeULaw}, nil
	case "pcma":
		return &g711Encoder{law: encodeALaw}, nil
	case "g722":
		return newG722Encoder(), nil
	case "speex":
		return newSpeexEncoder(c.SampleRate)
	case "gsm":
		return newGSMEncoder()
	case "l16":
		return l16Encoder{}, nil
	default:
		return nil, fmt.Errorf("codec %q: not in this build", c.Name)
	}
}

// NewDecoder makes a decoder at the start of its state. It fails when this build does not have the codec.
func (c Codec) NewDecoder() (Decoder, error) {
	switch strings.ToLower(c.Name) {
	case "opus":
		return newOpusDecoder()
	case "pcmu":
		return newG711Decoder(decodeULaw), nil
	case "pcma":
		return newG711Decoder(decodeALaw), nil
	case "g722":
		return newG722Decoder(), nil
	case "speex":
		return newSpeexDecoder(c.SampleRate)
	case "gsm":
		return newGSMDecoder()
	case "l16":
		return newL16Decoder(c.SampleRate), nil
	default:
		return nil, fmt.Errorf("codec %q: not in this build", c.Name)
	}
}
