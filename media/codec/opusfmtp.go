package codec

import (
	"errors"
	"strconv"
	"strings"
)

const (
	opusRate    = 48000
	opusBitrate = 32000 // fullband speech with FEC; RFC 7587 3.1.1 calls 28 to 40 kbit/s its sweet spot
	opusLoss    = 10    // percent assumed until the network is known; at 5 libopus makes no FEC below 35 kbit/s
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

// opusParams is what an encoder takes from a=fmtp.
type opusParams struct {
	bitrate      int // bits per second
	playbackRate int // Hz
	loss         int // percent to protect against
}

func parseOpusFmtp(fmtp string) opusParams {
	p := opusParams{bitrate: opusBitrate, playbackRate: opusRate} // RFC 7587 6.1: useinbandfec is 0 unless said
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
				p.bitrate = min(p.bitrate, int(n))
			}
		case "maxplaybackrate":
			if n >= 8000 {
				p.playbackRate = min(p.playbackRate, int(n))
			}
		case "useinbandfec":
			if n == 1 {
				p.loss = opusLoss
			}
		}
	}
	return p
}
