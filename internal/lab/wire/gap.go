package wire

import (
	"net/netip"
	"time"
)

// Handover is a move as JudgeMove must know it.
type Handover struct {
	Down     time.Time // the old address is about to go
	Up       time.Time // the new address works
	Old, New netip.Addr
	Overlap  bool // make before break: the old address works on after Down
}

// Gap is what a move did to one direction of a stream, judged where its packets arrive.
type Gap struct {
	LastOld  time.Time     // last packet of the old address; zero: none seen
	FirstNew time.Time     // first packet of the new address; zero: the stream never came back
	Silence  time.Duration // longest time without a useful packet, from the last one before the move on
	SinceUp  time.Duration // Up to FirstNew
	Lost     int           // packets missing between LastOld and FirstNew by RTP sequence number; -1: another stream
}

// lookBack is how long before a move its judgement begins; in a stream that flows, the last packet
// is 20 to 60 ms old, even over a slow line.
const lookBack = 2 * time.Second

// Back tells whether the stream came back at the new address.
func (g Gap) Back() bool { return !g.FirstNew.IsZero() }

// JudgeMove measures one direction. packets are those that arrived at the judged end, in order of
// time; mobileIsSource says whether the mobile host sent them. A packet for the old address after
// the move is of no use, even when it still arrives at the old link: it does not count.
func JudgeMove(packets []RTP, h Handover, mobileIsSource bool) Gap {
	var gap Gap
	var previous, lastOld RTP
	for _, p := range packets {
		if p.At.Before(h.Down.Add(-lookBack)) {
			continue
		}
		address := p.Dst.Addr()
		if mobileIsSource {
			address = p.Src.Addr()
		}
		// The host may have had the new address in an earlier stay: only what comes after the move counts.
		isNew := address == h.New && p.At.After(h.Down) && (h.Old != h.New || p.At.After(h.Up))
		// From the mobile, packets sent before Down may arrive later: they were on the way.
		isOld := !isNew && address == h.Old && (h.Overlap || mobileIsSource || p.At.Before(h.Down))
		switch {
		case isNew && gap.FirstNew.IsZero():
			gap.FirstNew, gap.SinceUp = p.At, p.At.Sub(h.Up)
			gap.Lost = missing(lastOld, p)
		case isOld:
			gap.LastOld, lastOld = p.At, p
		case !isNew:
			continue
		}
		// Silence before the last packet before the move is not the move's doing.
		if !previous.At.IsZero() && p.At.After(h.Down) {
			gap.Silence = max(gap.Silence, p.At.Sub(previous.At))
		}
		previous = p
	}
	return gap
}

// missing counts the packets between two of one stream.
func missing(last, first RTP) int {
	if last.At.IsZero() || last.SSRC != first.SSRC {
		return -1
	}
	return max(int(int16(first.Sequence-last.Sequence))-1, 0)
}
