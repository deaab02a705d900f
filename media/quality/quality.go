// Package quality turns what is measured about a received stream into what a listener would say of it: the E-model
// (ITU-T G.107) reduced to what a VoIP end can know, statistics of bursts and gaps, and the VoIP metrics block of RTCP
// XR (RFC 3611 4.7). It is for package media. It is pure, and nothing in it allocates.
package quality

import (
	"math"
	"strings"
	"time"
)

// Path is what is known about a stream as it is heard.
type Path struct {
	Codec  string
	Loss   float64       // percent of packets that were not played, 0 to 100
	BurstR float64       // how much burstier losses are than chance makes them (G.107 3.5): 1: not; below 1 counts as 1
	OneWay time.Duration // mouth to ear
}

// impairment is how much a codec loses by itself, and how well it bears losses.
type impairment struct {
	name    string
	ie, bpl float64
}

// impairments are from ITU-T G.113 appendix I, tables I.1 and I.3, as far as they have the codec. For Opus there are no
// published values on this scale: at our bitrates it is no worse than G.711, and we do not count its in-band copies,
// since played losses are counted behind them. G.722 and L16 likewise lose nothing by themselves on a narrow-band
// scale. Speex (11, 25) is an estimate beside iLBC (11, 32).
//
//nolint:gochecknoglobals // never changed
var impairments = [...]impairment{
	{"PCMU", 0, 25.1}, {"PCMA", 0, 25.1}, // G.711 with concealment (appendix I of G.711)
	{"GSM", 20, 43}, // full rate
	{"speex", 11, 25}, {"opus", 0, 25.1}, {"G722", 0, 25.1}, {"L16", 0, 25.1},
}

func impairmentOf(codec string) impairment {
	for _, i := range impairments {
		if strings.EqualFold(i.name, codec) {
			return i
		}
	}
	return impairments[0]
}

// basic is Ro - Is with all of G.107's defaults (G.107 table 2 and clause 7.7: R = 93.2 without delay and loss).
const basic = 93.2

// R is the transmission rating factor, 0 to 100, of conversation; delay counts.
func (p Path) R() float64 { return clamp(p.listening() - p.delay()) }

// ListeningR is R without the delay, which a listener does not notice.
func (p Path) ListeningR() float64 { return clamp(p.listening()) }

func (p Path) listening() float64 {
	i := impairmentOf(p.Codec)
	loss := math.Max(math.Min(p.Loss, 100), 0)
	if math.IsNaN(loss) {
		loss = 0
	}
	burst := math.Max(p.BurstR, 1)
	if math.IsNaN(burst) {
		burst = 1
	}
	// G.107 equation 7-29.
	return basic - i.ie - (95-i.ie)*loss/(loss/burst+i.bpl)
}

// delay is the impairment Id, in the approximation of Cole and Rosenbluth (Voice over IP Performance Monitoring, 2001)
// to G.107 clause 7.4.
func (p Path) delay() float64 {
	d := math.Max(p.OneWay.Seconds(), 0) * 1000
	id := 0.024 * d
	if d > 177.3 {
		id += 0.11 * (d - 177.3)
	}
	return id
}

func clamp(r float64) float64 { return math.Max(math.Min(r, 100), 0) }

// MOS is the mean opinion score, 1 to 4.5, that belongs to an R (G.107 annex B, B-4).
func MOS(r float64) float64 {
	r = clamp(r)
	// The polynomial dips below 1 for R under 6.5, which the annex forbids.
	return math.Max(1+0.035*r+r*(r-60)*(100-r)*7e-6, 1)
}
