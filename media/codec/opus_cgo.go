//go:build cgo

package codec

import (
	"errors"
	"fmt"
	"slices"

	"github.com/hraban/opus"
)

// Opus (RFC 6716, RTP: RFC 7587) by libopus.

const (
	opusComplexity = 5 // 0.57 ms of CPU per 20 ms; 10 costs twice that for a difference few hear at these rates
	opusUnit       = opusRate / 400
)

type opusEncoder struct{ enc *opus.Encoder }

type opusDecoder struct{ dec *opus.Decoder }

var (
	_ Steady  = (*opusEncoder)(nil)
	_ Decoder = (*opusDecoder)(nil)
)

func opusCodec() (Codec, bool) {
	return Codec{
		Name: "opus", PayloadType: 111, ClockRate: opusRate, SampleRate: opusRate, Channels: 2,
		Fmtp: "useinbandfec=1", FrameMS: 20,
	}, true
}

func newOpusEncoder() (Encoder, error) {
	enc, err := opus.NewEncoder(opusRate, 1, opus.AppVoIP)
	if err != nil {
		return nil, fmt.Errorf("opus encoder: %w", err)
	}
	e := &opusEncoder{enc: enc}
	err = errors.Join(enc.SetComplexity(opusComplexity), e.SetBitrate(opusBitrate), e.SetFEC(opusLoss))
	if err != nil {
		return nil, fmt.Errorf("opus encoder: %w", err)
	}
	return e, nil
}

func newOpusDecoder() (Decoder, error) {
	dec, err := opus.NewDecoder(opusRate, 1)
	if err != nil {
		return nil, fmt.Errorf("opus decoder: %w", err)
	}
	return &opusDecoder{dec: dec}, nil
}

// Encode implements Encoder: 2.5, 5, 10, 20, 40 or 60 ms of PCM.
func (e *opusEncoder) Encode(pcm []int16, out []byte) (int, error) {
	switch len(pcm) {
	case opusUnit, 2 * opusUnit, 4 * opusUnit, 8 * opusUnit, 16 * opusUnit, 24 * opusUnit:
	default:
		return 0, ErrFrameSize
	}
	if len(out) == 0 {
		return 0, ErrShortBuffer
	}
	// The binding takes the capacity for the length: cut it.
	n, err := e.enc.Encode(pcm, slices.Clip(out))
	if err != nil {
		return 0, fmt.Errorf("opus encode: %w", err)
	}
	return n, nil
}

// SetBitrate implements Adaptive.
func (e *opusEncoder) SetBitrate(bps int) error {
	return e.enc.SetBitrate(max(6000, min(bps, 510000))) // RFC 7587 6.1: maxaveragebitrate
}

// SetFEC implements Adaptive.
func (e *opusEncoder) SetFEC(lossPercent int) error {
	lossPercent = max(0, min(lossPercent, 100))
	if err := e.enc.SetPacketLossPerc(lossPercent); err != nil {
		return err
	}
	return e.enc.SetInBandFEC(lossPercent > 0)
}

// SetDTX implements Adaptive.
func (e *opusEncoder) SetDTX(on bool) error { return e.enc.SetDTX(on) }

// SetConstant makes every packet as large as the bitrate says, also in pauses.
func (e *opusEncoder) SetConstant(on bool) error { return e.enc.SetVBR(!on) }

// SetBandwidth implements Adaptive.
func (e *opusEncoder) SetBandwidth(sampleRate int) error {
	bandwidth := opus.Fullband
	switch {
	case sampleRate < 12000:
		bandwidth = opus.Narrowband
	case sampleRate < 16000:
		bandwidth = opus.Mediumband
	case sampleRate < 24000:
		bandwidth = opus.Wideband
	case sampleRate < 48000:
		bandwidth = opus.SuperWideband
	}
	return e.enc.SetMaxBandwidth(bandwidth)
}

// Decode implements Decoder.
func (d *opusDecoder) Decode(payload []byte, pcm []int16) (int, error) {
	samples, ok := opusSamples(payload)
	switch {
	case !ok:
		return 0, ErrPayload
	case len(pcm) < samples:
		return 0, ErrShortBuffer
	}
	n, err := d.dec.Decode(payload, slices.Clip(pcm))
	if err != nil {
		return 0, ErrPayload
	}
	return n, nil
}

// Conceal implements Decoder.
func (d *opusDecoder) Conceal(pcm []int16) (int, error) {
	n, err := opusGap(pcm)
	if err != nil {
		return 0, err
	}
	if err := d.dec.DecodePLC(pcm[:n:n]); err != nil {
		return 0, fmt.Errorf("opus conceal: %w", err)
	}
	return n, nil
}

// DecodeFEC implements Decoder. libopus itself falls back to concealment when next has no copy.
func (d *opusDecoder) DecodeFEC(next []byte, pcm []int16) (int, error) {
	if _, ok := opusSamples(next); !ok {
		return d.Conceal(pcm)
	}
	n, err := opusGap(pcm)
	if err != nil {
		return 0, err
	}
	if err := d.dec.DecodeFEC(next, pcm[:n:n]); err != nil {
		return d.Conceal(pcm)
	}
	return n, nil
}

// HasFEC implements Decoder.
func (d *opusDecoder) HasFEC(next []byte) bool { return opusHasFEC(next) }

// opusGap returns how many samples of pcm libopus can conceal at once: multiples of 2.5 ms up to 120 ms.
func opusGap(pcm []int16) (int, error) {
	n := min(len(pcm), opusRate*MaxPacketMS/1000) / opusUnit * opusUnit
	if n == 0 {
		return 0, ErrFrameSize
	}
	return n, nil
}
