package adapt

import "strings"

// kind is what the controller knows about a codec.
type kind struct {
	name     string
	rate     int  // bit/s of payload; of an adaptive one the least
	adaptive bool // bitrate and copies follow the network
}

// kinds are the codecs of package codec, the one that does best on a bad network first. An unknown one counts as fixed
// at 64 kbit/s.
//
//nolint:gochecknoglobals // never changed
var kinds = [...]kind{
	{"opus", MinBitrate, true},
	{"speex", 27800, false}, // RFC 5574: wideband, quality 8
	{"GSM", 13200, false},   // RFC 3551 4.5.8
	{"G722", 64000, false},
	{"PCMU", 64000, false},
	{"PCMA", 64000, false},
	{"L16", 256000, false},
}

func kindOf(codec string) kind {
	for _, k := range kinds {
		if strings.EqualFold(k.name, codec) {
			return k
		}
	}
	return kind{name: codec, rate: 64000}
}

func rateOf(codec string) int { return kindOf(codec).rate }

// lean is the codec to ask for, and whether its rate is fixed; empty: there is none that would help. An adaptive one
// in use is its own answer: the peer can be asked to send less.
func lean(r Report, reason Reason, budget int) (codec string, fixed bool) {
	now := kindOf(r.Codec)
	if now.adaptive {
		return r.Codec, false
	}
	best := kind{}
	for _, name := range r.Codecs {
		k := kindOf(name)
		if k.adaptive {
			return name, false
		}
		if reason == Lossy || k.rate >= now.rate {
			continue // no better with losses
		}
		fits := k.rate+overhead(r.PacketMS) <= budget
		bestFits := best.name != "" && best.rate+overhead(r.PacketMS) <= budget
		switch { // the richest that fits, else the leanest
		case best.name == "", fits && !bestFits, fits && k.rate > best.rate, !fits && !bestFits && k.rate < best.rate:
			k.name = name
			best = k
		}
	}
	return best.name, best.name != ""
}

// fit is the bitrate of an adaptive codec that leaves some room in a capacity with headers.
func fit(capacity, packetMS int) int {
	return within(int(margin*float64(capacity))-overhead(packetMS), MaxBitrate)
}

// margin keeps the bottleneck's queue short: what is left drains it, and carries RTCP and signalling.
const margin = 0.85

// within keeps a bitrate above the least and below most.
func within(bitrate, most int) int { return max(MinBitrate, min(bitrate, most)) }
