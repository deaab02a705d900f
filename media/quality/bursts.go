package quality

import "time"

// gmin is how many packets in a row must be received for a burst of losses to be over (RFC 3611 4.7.2: 16).
const gmin = 16

// window is for how many packets one that is missing may still come, out of order.
const window = 32

// Bursts counts losses the way RFC 3611 A.2 does. The zero value is ready for use.
type Bursts struct {
	head    uint16 // the newest sequence number
	seen    uint32 // bit n: head-n has come
	known   int    // how many bits of seen mean something
	packets uint64 // judged
	lost    uint64
	runs    uint64 // of losses

	c11, c13, c14, c22, c23, c33 uint64 // transitions, named as in the RFC
	pkt                          uint64 // received since the last loss
	run                          uint64 // lost in the present burst
	after                        bool   // the packet before was lost
}

// Put takes the sequence number of a packet that came. Copies count once; one that comes after 32 newer ones is lost.
func (b *Bursts) Put(seq uint16) {
	if b.known == 0 {
		b.head, b.seen, b.known = seq, 1, 1
		return
	}
	ahead := int16(seq - b.head) //nolint:gosec // modulo 2^16 is meant.
	switch {
	case ahead <= 0 && ahead > -window:
		b.seen |= 1 << -ahead
	case ahead > 0 && ahead <= 3000: // RFC 3550 A.1: MAX_DROPOUT
		for range ahead {
			if b.known == window {
				b.judge(b.seen>>(window-1) == 1)
			} else {
				b.known++
			}
			b.seen <<= 1
		}
		b.seen |= 1
		b.head = seq
	default: // another numbering: what went before stays counted
		b.head, b.seen, b.known = seq, 1, 1
	}
}

// judge counts one packet, in order.
func (b *Bursts) judge(came bool) {
	b.packets++
	if came {
		b.pkt++
		b.after = false
		return
	}
	b.lost++
	if !b.after {
		b.runs++
	}
	b.after = true
	switch {
	case b.pkt >= gmin:
		if b.run == 1 {
			b.c14++
		} else {
			b.c13++
		}
		b.run = 1
		b.c11 += b.pkt
	case b.pkt == 0:
		b.run++
		b.c33++
	default:
		b.run++
		b.c23++
		b.c22 += b.pkt - 1
	}
	b.pkt = 0
}

// Ratio is how much burstier the losses are than chance makes them (BurstR of G.107 3.5): the mean length of a run of
// losses over what it would be, 1/(1-loss). 1 when nothing was lost.
func (b *Bursts) Ratio() float64 {
	if b.runs == 0 || b.packets == 0 {
		return 1
	}
	loss := float64(b.lost) / float64(b.packets)
	return max(float64(b.lost)/float64(b.runs)*(1-loss), 1)
}

// Gaps are the densities of losses and the mean lengths of bursts and of the gaps between them.
type Gaps struct {
	BurstDensity, GapDensity   float64 // share of packets lost within, 0 to 1
	BurstDuration, GapDuration time.Duration
}

// Gaps computes what the counts mean for packets of some length (RFC 3611 A.2).
func (b *Bursts) Gaps(packet time.Duration) Gaps {
	f := func(n uint64) float64 { return float64(n) }
	c11 := b.c11 + b.pkt // the gap that has not ended
	c31, c32 := b.c13, b.c23
	total := f(c11 + b.c14 + b.c13 + b.c22 + b.c23 + c31 + c32 + b.c33)
	var g Gaps
	if b.c13 == 0 && b.c23 == 0 && b.c33 == 0 { // no burst at all
		if n := c11 + b.c14; n > 0 {
			g.GapDensity = f(b.c14) / f(n)
		}
		g.GapDuration = time.Duration(total * float64(packet))
		return g
	}
	p32, p23 := 0.0, 1.0
	if n := c31 + c32 + b.c33; n > 0 {
		p32 = f(c32) / f(n)
	}
	if n := b.c22 + b.c23; n > 0 {
		p23 = 1 - f(b.c22)/f(n)
	}
	if p23+p32 > 0 {
		g.BurstDensity = p23 / (p23 + p32)
	}
	if n := c11 + b.c14; n > 0 {
		g.GapDensity = f(b.c14) / f(n)
	}
	bursts := f(max(b.c13, 1))
	gap := f(c11+b.c14+b.c13) / bursts
	g.GapDuration = time.Duration(gap * float64(packet))
	g.BurstDuration = time.Duration(max(total/bursts-gap, 0) * float64(packet))
	return g
}
