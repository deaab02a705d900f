package jitter

import "slices"

const (
	// window is the number of packets whose transit is remembered: 6 s of 20 ms packets, so that after the jitter has
	// ended the delay is back within 10 s. Older ones than memory do not count even when packets are few.
	window = 300
	memory = 20 * Rate

	// percent of the packets shall be in time; the rest is cheaper to conceal than to wait for.
	percent = 99

	// margin is added, so that the delay may be off by as much without harm.
	margin = 2 * millisecond

	// every how many packets the percentile is computed: sorting costs some 10 µs.
	every = 10

	// experience is the number of packets before the measured target may go below the initial one.
	experience = 50
)

// A copy in the next packet helps only when that packet is here in time. Two that came too late within copyWithin make
// the buffer wait one packet longer for copyFor: that costs less than the concealment of every tenth packet. Both let
// the delay be back ten seconds after the last loss.
const (
	copyWithin = 5 * Rate
	copyFor    = 7 * Rate
)

// estimator finds how long packets must wait, from how long they travelled.
type estimator struct {
	initial, min, max int64

	transit [window]int64
	times   [window]int64
	n       int // entries valid
	at      int // next entry to write
	since   int // packets since the last computation
	total   int // packets in all, up to experience
	scratch [window]int64

	missed    int64 // when a copy came too late, 0: never
	copyUntil int64 // wait for copies until then
	packet    int64 // the duration of one packet

	base   int64 // smallest transit in the window
	target int64 // playout delay wanted over base
}

func (e *estimator) add(transit, now int64) {
	if e.n == 0 {
		e.base, e.target = transit, e.initial
	}
	e.transit[e.at], e.times[e.at] = transit, now
	e.at = (e.at + 1) % window
	e.n = min(e.n+1, window)
	e.total = min(e.total+1, experience)
	e.base = min(e.base, transit)
	e.since++
	if e.since >= every {
		e.compute(now)
	}
}

// refresh makes the next packet recompute: something came too late.
func (e *estimator) refresh() { e.since = every }

// copyMissed notes that a lost packet's copy came after it had been concealed.
func (e *estimator) copyMissed(now, packet int64) {
	if e.missed != 0 && now-e.missed < copyWithin {
		e.copyUntil, e.packet = now+copyFor, packet
		e.refresh()
	}
	e.missed = now
}

func (e *estimator) compute(now int64) {
	e.since = 0
	list := e.scratch[:0]
	for i := range e.n {
		if now-e.times[i] <= memory {
			list = append(list, e.transit[i])
		}
	}
	if len(list) == 0 {
		return
	}
	slices.Sort(list)
	e.base = list[0]
	// A frame of the device is asked for as a whole: its last sample must be there when its first is due.
	want := list[(len(list)-1)*percent/100] - e.base + quantum + margin
	if e.total < experience {
		want = max(want, e.initial)
	}
	if now < e.copyUntil {
		want += e.packet
	}
	e.target = min(max(want, e.min), e.max)
}
