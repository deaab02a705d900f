package media

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/pion/rtcp"

	"github.com/peregrine-softphone/peregrine/media/adapt"
	"github.com/peregrine-softphone/peregrine/media/quality"
)

const (
	// RFC 3550 6.2: 5 s, spread over 0.5 to 1.5 of it, half for the first. Ours begin sooner, for the user who looks
	// at the quality of a call that has just begun: two packets of 100 bytes are far below the 5 % of RTCP.
	reportInterval = 5 * time.Second
	firstReport    = time.Second
	secondReport   = 2 * time.Second

	// soonReport is the pause while there is trouble, plus up to a half. It is below the 360/kbit/s of RFC 3550 6.2
	// (4.5 s for G.711), as RFC 4585 3.4 allows for two parties, and keeps within 5 % of the call: 170 bytes a second
	// are 1.4 kbit/s. The control of a call cannot wait for five seconds.
	soonReport = time.Second

	maxReports = 16 // RTCP packets read from one datagram; ours and our peers' have 2 or 3

	ntpEpoch = 2208988800 // seconds from 1900 to 1970

	roughDelay = 65536 / 50 // in 1/65536 s: 20 ms, by which a peer's count of its delay may be too long
)

// reports is the RTCP side of a session.
type reports struct {
	mu         sync.Mutex
	remote     netip.AddrPort // not valid: nowhere
	mux        bool
	rtt        time.Duration
	remoteLoss float64 // percent, of our packets
	sent       uint64  // packets sent at the last report
	garbage    uint64
	bye        bool

	hurry  chan struct{}             // the peer should hear of trouble soon
	said   [recentReports]senderTime // our last sender reports
	up     adapt.Up                  // what the peer has told that can be believed
	upAt   time.Duration
	upSeq  uint16        // the highest of our sequence numbers it has told of
	heard  quality.Heard // by its XR; meant only when heardX
	heardX bool
}

// ntp is the 64-bit NTP time (RFC 3550 4).
func ntp(t time.Time) uint64 {
	seconds := uint64(t.Unix() + ntpEpoch)                   //nolint:gosec // positive until 2036 wraps it as NTP does.
	fraction := uint64(t.Nanosecond()) << 32 / 1_000_000_000 //nolint:gosec // below 2^32.
	return seconds<<32 | fraction
}

// pause waits until the next report is due, or until there is trouble to tell of.
func (r *reports) pause(ctx context.Context, n int) {
	interval := reportInterval
	if n < 2 {
		interval = [...]time.Duration{firstReport, secondReport}[n]
	}
	// RFC 3550 6.2, 6.3.1: spread, so that reports of many calls do not meet.
	due := time.NewTimer(time.Duration((0.5 + rand.Float64()) * float64(interval)))    //nolint:gosec // no secret.
	soon := time.NewTimer(time.Duration((1 + rand.Float64()/2) * float64(soonReport))) //nolint:gosec // no secret.
	defer due.Stop()
	defer soon.Stop()
	select {
	case <-ctx.Done():
		return
	case <-due.C:
		return
	case <-soon.C:
	}
	select {
	case <-r.hurry: // of before; there may be more
	default:
	}
	select {
	case <-ctx.Done():
	case <-due.C:
	case <-r.hurry:
	}
}

// runReports sends a compound packet every few seconds until ctx ends, and then says goodbye.
func (s *Session) runReports(ctx context.Context) {
	select {
	case <-ctx.Done():
		return
	case <-s.ready:
	}
	for n := 0; ; n++ {
		s.rep.pause(ctx, n)
		if ctx.Err() != nil {
			s.sendReport(true)
			return
		}
		s.sendReport(false)
	}
}

// sendReport sends one compound packet: SR or RR, SDES, and BYE at the end (RFC 3550 6.1).
func (s *Session) sendReport(bye bool) {
	data, err := s.report(bye)
	if err != nil {
		s.log.Warn("cannot write rtcp", "error", err)
		return
	}
	if err := s.protect.sealReport(data, func(sealed []byte) { s.emit(sealed, true) }); err != nil {
		s.log.Debug("rtcp not sent", "error", err)
	}
}

// report makes the compound packet.
func (s *Session) report(bye bool) ([]byte, error) {
	s.rep.mu.Lock()
	defer s.rep.mu.Unlock()
	wall, now := time.Now(), s.now()
	ts, packets, octets := s.tx.report(now)
	blocks := s.receptionReports(now)
	var first rtcp.Packet = &rtcp.ReceiverReport{SSRC: s.tx.ssrc, Reports: blocks}
	if packets > s.rep.sent {
		// The counters have 32 bits and wrap (RFC 3550 6.4.1).
		s.rep.say(wall, now)
		first = &rtcp.SenderReport{
			SSRC: s.tx.ssrc, NTPTime: ntp(wall), RTPTime: ts,
			PacketCount: uint32(packets), OctetCount: uint32(octets), Reports: blocks, //nolint:gosec // see above.
		}
	}
	s.rep.sent = packets
	compound := []rtcp.Packet{first, rtcp.NewCNAMESourceDescription(s.tx.ssrc, s.cname)}
	if block, ok := s.metrics(); ok {
		compound = append(compound, &rtcp.ExtendedReport{SenderSSRC: s.tx.ssrc, Reports: []rtcp.ReportBlock{block}})
	}
	if bye {
		compound = append(compound, &rtcp.Goodbye{Sources: []uint32{s.tx.ssrc}})
	}
	return rtcp.Marshal(compound)
}

// receptionReports makes the block about the peer's stream (RFC 3550 6.4.1), none before the first packet.
func (s *Session) receptionReports(now time.Duration) []rtcp.ReceptionReport {
	s.rx.mu.Lock()
	defer s.rx.mu.Unlock()
	src := &s.rx.source
	if !src.started {
		return nil
	}
	block := rtcp.ReceptionReport{
		SSRC:               src.ssrc,
		FractionLost:       src.interval(),
		TotalLost:          uint32(min(src.lost(), 0x7fffff)), // 24 bits, signed
		LastSequenceNumber: src.highest,
		Jitter:             uint32(src.jitter),
	}
	if src.haveSR {
		block.LastSenderReport = src.lastSR
		block.Delay = uint32((now - src.lastSRTime).Seconds() * 65536)
	}
	return []rtcp.ReceptionReport{block}
}

// isRTCP tells RTCP from RTP on one port (RFC 5761 4).
func isRTCP(data []byte) bool {
	return len(data) >= 8 && data[0]>>6 == 2 && data[1] >= 192 && data[1] <= 223
}

// reporter reports whether the peer's RTCP may come from an address: its RTP does, or its SDP says so.
func (s *Session) reporter(from netip.Addr) bool {
	s.rx.mu.Lock()
	known := from == s.rx.latch.sdp.Addr() || from == s.rx.latch.remote.Addr() || from == s.rx.guard.heard.Addr()
	s.rx.mu.Unlock()
	s.rep.mu.Lock()
	defer s.rep.mu.Unlock()
	return known || from == s.rep.remote.Addr()
}

// takeReport reads a datagram from the peer's RTCP. Damaged and foreign ones are counted; with a proof
// it is the peer's wherever it comes from.
func (s *Session) takeReport(data []byte, from netip.Addr, proof trust, now time.Duration) {
	if !isRTCP(data) || proof == unproven && !s.reporter(from) {
		s.rep.mu.Lock()
		s.rep.garbage++
		s.rep.mu.Unlock()
		return
	}
	packets, err := rtcp.Unmarshal(data)
	if err != nil || len(packets) > maxReports {
		s.rep.mu.Lock()
		s.rep.garbage++
		s.rep.mu.Unlock()
		return
	}
	arrival := uint32(ntp(time.Now()) >> 16) //nolint:gosec // the middle 32 bits are meant.
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.SenderReport:
			s.takeSender(p, now)
			s.takeBlocks(p.Reports, arrival, now)
		case *rtcp.ReceiverReport:
			s.takeBlocks(p.Reports, arrival, now)
		case *rtcp.ExtendedReport:
			s.takeMetrics(p)
		case *rtcp.Goodbye:
			s.rep.mu.Lock()
			s.rep.bye = true
			s.rep.mu.Unlock()
		}
	}
}

func (s *Session) takeSender(p *rtcp.SenderReport, now time.Duration) {
	s.rx.mu.Lock()
	defer s.rx.mu.Unlock()
	if src := &s.rx.source; src.started && src.ssrc == p.SSRC {
		src.lastSR, src.lastSRTime, src.haveSR = uint32(p.NTPTime>>16), now, true //nolint:gosec // middle 32 bits.
	}
}

// takeBlocks reads what the peer reports about our stream.
func (s *Session) takeBlocks(blocks []rtcp.ReceptionReport, arrival uint32, now time.Duration) {
	seq := s.tx.carrying().seq
	s.rep.mu.Lock()
	defer s.rep.mu.Unlock()
	for _, b := range blocks {
		if b.SSRC != s.tx.ssrc {
			continue
		}
		if !s.rep.believes(b, seq, now) {
			s.rep.garbage++
			continue
		}
		s.rep.remoteLoss = 100 * float64(b.FractionLost) / 256
		s.rep.up.Loss = float64(b.FractionLost) / 256
		s.rep.up.Reports++
		s.rep.upAt, s.rep.upSeq = now, uint16(b.LastSequenceNumber) //nolint:gosec // modulo 2^16 is meant.
		if !s.rep.saidAt(b.LastSenderReport) {
			continue
		}
		// RFC 3550 6.4.1: A - LSR - DLSR, in 1/65536 s, modulo 2^32. Clock steps make senseless values. Phones that
		// count the delay roughly (baresip 1.0) come out below nothing when they are near: that is nothing.
		trip := int32(arrival - b.LastSenderReport - b.Delay) //nolint:gosec // modulo 2^32 is meant.
		if trip >= -roughDelay && trip < 60<<16 {
			s.rep.rtt = max(time.Duration(trip)*time.Second/65536, time.Microsecond)
			s.rep.up.RTT = s.rep.rtt
		}
	}
}
