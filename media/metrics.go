package media

import (
	"math"
	"time"

	"github.com/pion/rtcp"

	"github.com/peregrine-softphone/peregrine/media/jitter"
	"github.com/peregrine-softphone/peregrine/media/quality"
)

const (
	recentReports = 16                     // sender reports of ours that a peer may still refer to
	leastReport   = 400 * time.Millisecond // between two reports that count: nobody needs to send more
	staleSeq      = 3000                   // packets, a minute: a report about older ones is none of now
)

// say notes a sender report that is about to leave.
func (r *reports) say(wall time.Time, now time.Duration) {
	copy(r.said[1:], r.said[:])
	r.said[0] = senderTime{uint32(ntp(wall) >> 16), now} //nolint:gosec // the middle 32 bits are meant.
}

// senderTime is a sender report as others refer to it.
type senderTime struct {
	lsr uint32
	at  time.Duration
}

// saidAt reports whether a sender report is one of ours. Anything else in its place is damage or forgery, and would
// make up a round trip.
func (r *reports) saidAt(lsr uint32) bool {
	for _, s := range r.said {
		if lsr != 0 && s.lsr == lsr {
			return true
		}
	}
	return false
}

// believes reports whether a block about our stream can be true: it tells of packets that we sent lately, none older
// than those told of before. Who does not see our packets can hardly forge that. next is our next sequence number.
func (r *reports) believes(b rtcp.ReceptionReport, next uint16, now time.Duration) bool {
	seq := uint16(b.LastSequenceNumber) //nolint:gosec // the cycles are the peer's own count.
	if behind := next - 1 - seq; behind > staleSeq {
		return false
	}
	if r.up.Reports == 0 {
		return true
	}
	return seq-r.upSeq < 1<<15 && now-r.upAt >= leastReport
}

// path is what is heard of the peer, for the E-model. s.rx.mu is held.
func (r *receiver) path(b jitter.Stats, codec string, rtt time.Duration) quality.Path {
	return quality.Path{
		Codec: codec, Loss: r.loss.percent(b.Received+b.Lost, b.Lost), BurstR: r.source.bursts.Ratio(),
		OneWay: rtt/2 + internalDelay(b),
	}
}

// internalDelay is what this end and the other's devices add: jitter buffer, a packet, and both devices twice.
func internalDelay(b jitter.Stats) time.Duration {
	return b.Delay + packetMS*time.Millisecond + 2*deviceDelay
}

// metrics makes the VoIP metrics about the peer's stream (RFC 3611 4.7), none before the first packet. s.rep.mu is
// held.
func (s *Session) metrics() (rtcp.ReportBlock, bool) {
	s.rx.mu.Lock()
	defer s.rx.mu.Unlock()
	b := s.rx.buffer.Stats()
	if !s.rx.source.started || b.Received == 0 {
		return nil, false
	}
	late := 0.0
	p := s.rx.path(b, s.rx.codec, s.rep.rtt)
	if b.Lost > 0 {
		late = p.Loss * math.Min(float64(b.Late)/float64(b.Lost), 1)
	}
	return quality.Received{
		SSRC: s.rx.source.ssrc, Path: p, Discarded: late, Gaps: s.rx.source.bursts.Gaps(packetMS * time.Millisecond),
		RTT: s.rep.rtt, Internal: internalDelay(b), Nominal: b.Delay, Maximum: max(b.Target, b.Delay),
	}.Block(), true
}

// takeMetrics reads what the peer hears of us.
func (s *Session) takeMetrics(x *rtcp.ExtendedReport) {
	s.rep.mu.Lock()
	defer s.rep.mu.Unlock()
	for _, report := range x.Reports {
		if b, ok := report.(*rtcp.VoIPMetricsReportBlock); ok && b.SSRC == s.tx.ssrc {
			s.rep.heard, s.rep.heardX = quality.Read(b), true
		}
	}
}
