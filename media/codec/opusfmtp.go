package codec

import (
	"errors"
	"strconv"
	"strings"
)

// UsualBitrate is what an Adaptive encoder sends on a good network, in bit/s: fullband speech with FEC; RFC 7587 3.1.1
// calls 28 to 40 kbit/s its sweet spot.
const UsualBitrate = 32000

const (
	opusRate    = 48000
	opusBitrate = UsualBitrate
	opusMost    = 510000 // bit/s
	opusLoss    = 10     // percent assumed until the network is known; at 5 libopus makes no FEC below 35 kbit/s
)

// Tune brings an encoder to what the peer says about its decoder in a=fmtp (RFC 7587 6.1 for Opus, RFC 5574 4.1.1 for
// Speex; other codecs have nothing to tune): no more bits and bandwidth than it wants, and copies for lost packets only
// when it uses them. It is called on the encoding goroutine. Parameters that cannot be read are left out, as RFC 8866
// 6.15 allows.
func Tune(e Encoder, fmtp string) error {
	if s, ok := e.(*speexEncoder); ok {
		s.tune(fmtp)
		return nil
	}
	a, ok := e.(Adaptive)
	if !ok {
		return nil
	}
	p := parseOpusFmtp(fmtp)
	return errors.Join(a.SetBitrate(p.bitrate), a.SetBandwidth(p.playbackRate), a.SetFEC(p.loss))
}

// Steady is an Adaptive encoder that can also send at a constant rate.
type Steady interface {
	Adaptive
	// SetConstant makes every packet as large as the bitrate says, also in pauses.
	SetConstant(on bool) error
}

// Limits are what a peer says about its decoder of an adaptive codec in a=fmtp (RFC 7587 6.1).
type Limits struct {
	Bitrate int  // bit/s on average at the most
	FEC     bool // it uses copies of lost packets
	DTX     bool // it would like nothing to be sent in pauses
}

// ReadLimits reads the a=fmtp of an Opus decoder. What cannot be read counts as not said.
func ReadLimits(fmtp string) Limits {
	p := parseOpusFmtp(fmtp)
	return Limits{Bitrate: p.most, FEC: p.loss > 0, DTX: p.dtx}
}

// opusParams is what an encoder takes from a=fmtp.
type opusParams struct {
	bitrate      int // bits per second
	playbackRate int // Hz
	loss         int // percent to protect against
	most         int // bits per second, what the peer allows
	dtx          bool
}

func parseOpusFmtp(fmtp string) opusParams {
	// RFC 7587 6.1: useinbandfec is 0 unless said.
	p := opusParams{bitrate: opusBitrate, playbackRate: opusRate, most: opusMost}
	for param := range strings.SplitSeq(fmtp, ";") {
		name, value, _ := strings.Cut(param, "=")
		n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31)
		if err != nil {
			continue
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "maxaveragebitrate":
			// RFC 7587 6.1: 6000 to 510000; a smaller one cannot be meant.
			if n >= 6000 {
				p.bitrate, p.most = min(p.bitrate, int(n)), min(p.most, int(n))
			}
		case "maxplaybackrate":
			if n >= 8000 {
				p.playbackRate = min(p.playbackRate, int(n))
			}
		case "useinbandfec":
			if n == 1 {
				p.loss = opusLoss
			}
		case "usedtx":
			p.dtx = n == 1
		}
	}
	return p
}
