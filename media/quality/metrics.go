package quality

import (
	"math"
	"time"

	"github.com/pion/rtcp"
)

// unavailable is the value of a metric that is not measured (RFC 3611 4.7.4, 4.7.5).
const unavailable = 127

// Received is what a report says about a stream.
type Received struct {
	SSRC      uint32
	Path      Path
	Discarded float64 // percent of packets that came too late; Path.Loss has them too
	Gaps      Gaps
	RTT       time.Duration // 0: not known
	Internal  time.Duration // what this end adds: jitter buffer, packet, devices (RFC 3611 4.7.3)
	Nominal   time.Duration // jitter buffer now
	Maximum   time.Duration // and at the most it will hold
}

// Block writes the VoIP metrics (RFC 3611 4.7).
func (r Received) Block() *rtcp.VoIPMetricsReportBlock {
	share := func(x float64) uint8 { return uint8(math.Max(0, math.Min(x*256, 255))) }
	ms := func(d time.Duration) uint16 {
		return uint16(max(0, min(d.Milliseconds(), math.MaxUint16)))
	}
	score := func(mos float64) uint8 { return uint8(math.Round(max(1, min(mos, 5)) * 10)) }
	lost := math.Max(r.Path.Loss-r.Discarded, 0)
	return &rtcp.VoIPMetricsReportBlock{
		SSRC: r.SSRC, LossRate: share(lost / 100), DiscardRate: share(r.Discarded / 100),
		BurstDensity: share(r.Gaps.BurstDensity), GapDensity: share(r.Gaps.GapDensity),
		BurstDuration: ms(r.Gaps.BurstDuration), GapDuration: ms(r.Gaps.GapDuration),
		RoundTripDelay: ms(r.RTT), EndSystemDelay: ms(r.Internal),
		SignalLevel: unavailable, NoiseLevel: unavailable, RERL: unavailable, Gmin: gmin,
		RFactor: uint8(math.Round(r.Path.R())), ExtRFactor: unavailable,
		MOSLQ: score(MOS(r.Path.ListeningR())), MOSCQ: score(MOS(r.Path.R())),
		// RFC 3611 4.7.6: enhanced concealment (11), adaptive jitter buffer (11), rate not told (0).
		RXConfig: 0xf0, JBNominal: ms(r.Nominal), JBMaximum: ms(r.Maximum), JBAbsMax: ms(r.Maximum),
	}
}

// Heard is what a peer says about what it hears of us. Negative values: it does not say.
type Heard struct {
	LossPercent, DiscardPercent float64
	R                           float64
	ListeningMOS                float64
	ConversationMOS             float64
}

// Read takes the peer's word for what it hears. Values out of their ranges count as not said.
func Read(b *rtcp.VoIPMetricsReportBlock) Heard {
	h := Heard{LossPercent: 100 * float64(b.LossRate) / 256, DiscardPercent: 100 * float64(b.DiscardRate) / 256}
	rating := func(v, least, most uint8, scale float64) float64 {
		if v < least || v > most { // 127, too
			return -1
		}
		return float64(v) / scale
	}
	h.R = rating(b.RFactor, 0, 100, 1)
	h.ListeningMOS, h.ConversationMOS = rating(b.MOSLQ, 10, 50, 10), rating(b.MOSCQ, 10, 50, 10)
	return h
}
