package adapt

import (
	"math"
	"time"
)

// verdict is what one direction of the network is worth.
type verdict uint8

const (
	unknown   verdict = iota // nothing has been heard
	clear                    // nothing is wrong
	busy                     // not good enough to try more, not bad enough to do something
	lossy                    // packets are lost, and no queue: a radio, not a bottleneck
	congested                // more is sent than goes through
)

const (
	// queueSome, a frame and a half at both ends of a Wi-Fi, is what a healthy path may wait; queueLong never is one:
	// 200 ms and the rest of the way exceed the 150 ms of ITU-T G.114.
	queueClear = 50 * time.Millisecond
	queueSome  = 60 * time.Millisecond
	queueLong  = 200 * time.Millisecond

	lossClear  = 0.02 // less is not heard with concealment
	lossQueued = 0.10 // with a queue: the bottleneck drops
	lossGross  = 0.35 // without one, smoothed: no radio loses as much for long, but a policer does

	lossMuch = 0.20 // of a radio, seldom

	baseWindow = 30 * time.Second // half of the minute over which the least round trip counts
	stale      = 15 * time.Second // three intervals of RTCP (RFC 3550 6.2): then the last report says nothing more
)

// judge tells a bottleneck from a radio that loses packets: a bottleneck has a queue before it drops.
func judge(loss, smooth float64, queue time.Duration) verdict {
	switch {
	case queue >= queueLong, loss >= lossQueued && (queue >= queueSome || smooth >= lossGross):
		return congested
	case loss >= lossClear:
		return lossy
	case queue >= queueClear:
		return busy
	default:
		return clear
	}
}

// link is one direction.
type link struct {
	verdict  verdict
	loss     float64 // of the last report or second
	smooth   float64 // loss, smoothed
	random   float64 // the same, of what no queue explains
	queue    time.Duration
	count    int           // verdicts in a row that were congested
	since    time.Duration // of the first of them
	lossFrom time.Duration // of the first in a row with loss that is heard
	lossy    bool          // lossFrom counts
	capacity int           // bit/s that went through while congested; 0: not known
	at       time.Duration // of the last measurement; 0: none
	from     time.Duration // what it covers begins there
}

// audibleLoss is where a codec without copies suffers: G.711 with concealment falls below "satisfied" (ITU-T G.113).
const audibleLoss = 0.05

// take judges a new measurement. through is the bit/s that arrived at the other end.
func (l *link) take(now time.Duration, loss float64, queue time.Duration, through int) {
	l.loss, l.queue = loss, queue
	span := time.Second
	if l.at > 0 {
		span = now - l.at
	}
	l.from, l.at = now-span, now
	l.smooth = follow(l.smooth, loss, span)
	l.verdict = judge(loss, l.smooth, queue)
	chance := 0.0
	if l.verdict == lossy {
		chance = loss
	}
	l.random = follow(l.random, chance, span)
	if l.verdict == congested {
		if l.count == 0 {
			l.since, l.capacity = now, through
		}
		l.count++
		l.capacity = (l.capacity + through) / 2
	} else {
		l.count = 0
	}
	if l.smooth < audibleLoss || loss < lossClear {
		l.lossy = false
	} else if !l.lossy {
		l.lossy, l.lossFrom = true, now
	}
}

// follow smooths a value over some seconds: quick to fear, slow to trust. What was measured over a long span counts for
// more.
func follow(old, value float64, span time.Duration) float64 {
	settle := 6 * time.Second
	if value > old {
		settle = 2 * time.Second
	}
	return old + (value-old)*(1-math.Exp(-span.Seconds()/settle.Seconds()))
}

// forget drops what leads to decisions, after a change of the session or of the path.
func (l *link) forget() { *l = link{smooth: l.smooth, random: l.random, at: l.at, from: l.from} }

// base is the least round trip of the last minute, in two windows.
type base struct {
	least, before time.Duration // 0: none
	began         time.Duration
}

func (b *base) take(now, value time.Duration) time.Duration {
	if now-b.began >= baseWindow {
		b.before, b.least, b.began = b.least, 0, now
	}
	if b.least == 0 || value < b.least {
		b.least = value
	}
	if b.before != 0 {
		return min(b.least, b.before)
	}
	return b.least
}
