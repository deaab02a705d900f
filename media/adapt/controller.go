package adapt

import (
	"slices"
	"strings"
	"time"
)

const (
	// enough is how many reports in a row must tell of a bottleneck: one alone may be a moment's trouble, or forged.
	enoughReports = 2
	// enoughTime is how long our own measurement must: a radio's stall is over by then.
	enoughTime = 1500 * time.Millisecond
	// ownTime is how long a peer has to help itself, by fewer bits or longer packets, before it is asked to.
	ownTime = 10 * time.Second
	// enoughLoss is how long a codec without copies suffers before another one is asked for.
	enoughLoss = 8 * time.Second

	// dwell is the least time between two changes in the same direction, and between there and back.
	dwell    = time.Minute
	maxDwell = 16 * time.Minute // to which it doubles while returns fail
	// settled is how long the codec of Home must have worked for the next trouble to be a new one.
	settled = 5 * time.Minute

	calmTime   = 10 * time.Second // nothing wrong, before anything more is tried
	probeHead  = 30 * time.Second // probing begins this long before the dwell is over
	probeTime  = 5 * time.Second  // at the top, to pass
	probeLimit = 90 * time.Second // for all of it
	probeStep  = 1.6              // factor of the bitrate: some steps from the least to the most
	probePause = 2 * time.Second  // between steps where nobody reports

	// silence is how long nothing at all may come after a change: some phones take another codec and then send nothing.
	// Pauses of speech are shorter on the wire: Opus sends something every 400 ms (RFC 7587 3.1.3).
	silence = 3 * time.Second

	outcomeLimit = 90 * time.Second // a re-INVITE with its repetitions ends within 32 s (RFC 3261 17.1.1.2)
)

// Controller is the control of one call. The zero value is ready for use.
type Controller struct {
	state      State
	home       string // the codec to go back to
	need       int    // bit/s of home, with headers
	wish       Wish   // the last one
	wishedFrom string // the codec in use then
	tight      bool   // then what we sent did not fit
	reply      *bool  // to it; nil: not yet

	codec   string // of the last report
	changed time.Duration
	up      link
	down    link
	trip    base
	reports uint64
	heard   time.Duration // the last report of the peer
	heardAt time.Duration // the last sound
	loud    bool          // there was some before the last wish
	banned  bool          // the peer falls silent with other codecs
	calm    time.Duration // since when nothing is wrong
	isCalm  bool

	asked, left, returned stamp         // the last Wish away, the last arrival Away, the last Wish to return
	rich                  stamp         // the last change to a codec of more bits, by whomever
	hold                  time.Duration // dwell in force
	tryProbe              time.Duration // no earlier
	probeHold             time.Duration
	probe                 probing

	rate rate
	out  []Action
}

// stamp is a moment that may never have been.
type stamp struct {
	at   time.Duration
	done bool
}

// passed reports whether d has gone by since, or nothing ever was.
func (s stamp) passed(now, d time.Duration) bool { return !s.done || now-s.at >= d }

// Step takes what is known at now, a time that never goes back, and returns what to do. The slice is valid until the
// next call.
func (c *Controller) Step(now time.Duration, r Report) []Action {
	c.out = c.out[:0]
	if c.hold == 0 {
		c.hold, c.probeHold = dwell, probeHead
	}
	if r.Codec == "" || !r.Active {
		c.pause(now)
		return nil
	}
	c.follow(now, r)
	c.measure(now, r)
	switch c.state {
	case Home:
		c.atHome(now, r)
	case Away:
		c.whileAway(now, r)
	case Probing:
		c.whileProbing(now, r)
	case Asking, Returning:
		if now-c.changed > outcomeLimit {
			c.settle(now, refused)
		}
	case states:
	}
	c.out = c.rate.step(now, r, c, c.out)
	return c.out
}

// Outcome says how the last Wish ended: true when the peer agreed and the codec is in use. It counts from the next
// Step on.
func (c *Controller) Outcome(ok bool) { c.reply = &ok }

// Moved says that the path to the peer is another one: what was learnt of delays does not hold.
func (c *Controller) Moved() {
	c.trip = base{}
	c.up.forget()
	c.down.forget()
	c.isCalm = false
}

// Situation is what is in force.
func (c *Controller) Situation() Situation {
	s := Situation{State: c.state, Bitrate: c.rate.bitrate, FEC: c.rate.fec, PacketMS: c.rate.packetMS}
	switch c.state {
	case Away, Probing, Returning:
		s.Codec, s.Home, s.Reason, s.Limit = c.wish.Codec, c.home, c.wish.Reason, c.wish.Limit
		if c.state == Returning {
			s.Codec = c.codec
		}
	case Home, Asking, states:
		s.Reason = c.rate.reason
	}
	return s
}

// pause forgets what leads to decisions while no sound flows.
func (c *Controller) pause(now time.Duration) {
	c.up.forget()
	c.down.forget()
	c.isCalm = false
	if c.state == Probing {
		c.move(now, relapsed)
	}
}

func (c *Controller) move(now time.Duration, e event) {
	to := next(c.state, e)
	if to == c.state {
		return
	}
	if c.state == Probing {
		c.rate.retreat()
	}
	c.state, c.changed = to, now
	if to == Away && e == granted {
		c.left = stamp{now, true}
	}
	if to == Probing {
		c.probe = probing{}
	}
}

// follow notices answers to wishes, and changes that were none of ours.
func (c *Controller) follow(now time.Duration, r Report) {
	if reply := c.reply; reply != nil {
		c.reply = nil
		in := strings.EqualFold(r.Codec, c.wish.Codec)
		switch {
		case *reply && in:
			c.settle(now, granted)
		case in && !strings.EqualFold(c.wish.Codec, c.wishedFrom):
			c.settle(now, replaced) // the peer had the same wish, and was quicker
		default:
			c.settle(now, refused)
		}
	}
	if !strings.EqualFold(r.Codec, c.codec) {
		if c.codec != "" && (c.state == Home || c.state == Away || c.state == Probing) && !c.expected(r.Codec) {
			c.move(now, replaced)
		}
		c.note(now, c.codec, r.Codec)
		c.codec = r.Codec
		c.up.forget()
		c.down.forget()
		c.isCalm = false
		c.rate.begin(now, r, c)
	}
	if r.Pinned && (c.state == Away || c.state == Probing) {
		c.move(now, replaced)
	}
}

// note learns from any change of the codec, by whomever: when the way back was too early, everybody waits longer.
func (c *Controller) note(now time.Duration, from, to string) {
	a, b := kindOf(from), kindOf(to)
	switch {
	case from == "" || a.rate == b.rate:
	case a.rate < b.rate:
		c.rich = stamp{now, true}
	case c.rich.done && now-c.rich.at < settled:
		c.hold = min(2*c.hold, maxDwell)
	}
}

// expected reports whether a codec is the one our machine has led to.
func (c *Controller) expected(codec string) bool {
	if c.state == Home {
		return strings.EqualFold(codec, c.home) // back by our own wish
	}
	return strings.EqualFold(codec, c.wish.Codec)
}

// settle ends Asking or Returning.
func (c *Controller) settle(now time.Duration, e event) {
	from := c.state
	c.move(now, e)
	switch {
	case from == Asking && e == refused, from == Returning && e == refused:
		c.hold = min(2*c.hold, maxDwell) // asking more often would not change the peer's mind
	case from == Returning && e == granted:
		c.rate.forget()
	}
}

// measure judges both directions.
func (c *Controller) measure(now time.Duration, r Report) {
	if r.Down.Load > 0 {
		c.heardAt = now
	}
	c.down.take(now, r.Down.Loss, r.Down.Queue, r.Down.Load)
	if r.Up.Reports != c.reports {
		c.reports, c.heard = r.Up.Reports, now
		queue := time.Duration(0)
		if r.Up.RTT > 0 {
			// The report itself waited in the queue toward us.
			queue = max(r.Up.RTT-c.trip.take(now, r.Up.RTT)-r.Down.Queue, 0)
		}
		c.up.take(now, r.Up.Loss, queue, int(float64(r.Up.Load)*(1-r.Up.Loss)))
	} else if now-c.heard > stale && c.up.verdict != unknown {
		c.up.forget()
	}
	calm := c.down.verdict == clear && (c.up.verdict == clear || c.up.verdict == unknown)
	if calm && !c.isCalm {
		c.calm = now
	}
	c.isCalm = calm
}

// atHome looks for reasons to leave.
func (c *Controller) atHome(now time.Duration, r Report) {
	if c.rich.passed(now, settled) && c.returned.passed(now, settled) && c.asked.passed(now, settled) {
		c.hold, c.probeHold = dwell, probeHead
	}
	reason, uplink := c.trouble(now)
	if uplink && c.rate.draining(now) {
		return
	}
	if reason == NoReason || r.Pinned || !c.asked.passed(now, max(dwell, c.refusal())) {
		return
	}
	if reason == Slow && uplink && !c.downStrained(now) && c.rate.longer(r, c.up.capacity) {
		c.up.forget()
		return // longer packets will do
	}
	if reason == Slow && !uplink && now-c.down.since < ownTime && fitsLonger(r, c.down.capacity) {
		return // the peer may do the same
	}
	w, ok := c.compose(now, r, reason)
	if !ok || c.banned {
		return
	}
	if w.Codec == r.Codec && c.returned.done && now-c.returned.at < settled {
		c.hold = min(2*c.hold, maxDwell) // as note does for codecs
	}
	c.wishedFrom, c.home, c.need = r.Codec, r.Codec, max(r.Up.Load, r.Down.Load, rateOf(r.Codec)+overhead(r.PacketMS))
	c.wish, c.asked, c.loud = w, stamp{now, true}, r.Down.Load > 0
	c.move(now, strained)
	c.out = append(c.out, w)
}

// compose makes the wish that helps; false: there is none.
func (c *Controller) compose(now time.Duration, r Report, reason Reason) (Wish, bool) {
	codec, fixed := lean(r, reason, c.budget(now))
	w := Wish{Codec: codec, Reason: reason, Now: !fixed}
	if !fixed && reason == Slow && c.downStrained(now) {
		w.Limit = fit(c.down.capacity, r.PacketMS)
	}
	c.tight = reason == Slow && c.up.count > 0
	switch {
	case codec == "":
		return w, false
	case codec == r.Codec: // an adaptive one: bitrate and copies are our part of it
		w.Now = false
		return w, w.Limit > 0 && now-c.down.since >= ownTime
	case !fixed && reason == Slow:
		// A line that has become narrow one way has often become so both ways, and of ours we know it later.
		w.Bitrate = fit(c.budget(now), r.PacketMS)
	case !fixed && c.up.loss >= lossMuch:
		w.Bitrate = fit(int(float64(r.Up.Load)*(1-c.up.loss)), r.PacketMS) // should it be a bottleneck after all
	}
	return w, true
}

// refusal is how long nothing is asked again after a refusal.
func (c *Controller) refusal() time.Duration {
	if c.asked.done && (!c.left.done || c.left.at < c.asked.at) { // the last wish was not granted
		return c.hold
	}
	return 0
}

// trouble says what is wrong enough for another codec, and whether what we send is to blame.
func (c *Controller) trouble(now time.Duration) (Reason, bool) {
	upStrained := c.up.count >= enoughReports
	switch {
	case upStrained || c.downStrained(now):
		return Slow, upStrained || c.up.count > 0
	case c.up.count > 0 || c.down.count > 0: // it is about to be known for a bottleneck
	case c.up.lossy && now-c.up.lossFrom >= enoughLoss, c.down.lossy && now-c.down.lossFrom >= enoughLoss:
		return Lossy, false
	}
	return NoReason, false
}

func (c *Controller) downStrained(now time.Duration) bool {
	return c.down.count > 0 && now-c.down.since >= enoughTime
}

// budget is what goes through both ways, in bit/s with headers.
func (c *Controller) budget(now time.Duration) int {
	b := 1 << 30
	if c.up.count > 0 {
		b = min(b, c.up.capacity)
	}
	if c.downStrained(now) {
		b = min(b, c.down.capacity)
	}
	return b
}

// whileAway waits for better times.
func (c *Controller) whileAway(now time.Duration, r Report) {
	if c.loud && now-max(c.heardAt, c.left.at) >= silence {
		c.banned = true
		c.goBack(now, r, silenced)
		return
	}
	possible := slices.ContainsFunc(r.Codecs, func(s string) bool { return strings.EqualFold(s, c.home) })
	if possible && c.isCalm && now-c.calm >= calmTime && now >= c.tryProbe && c.left.passed(now, c.hold-probeHead) {
		c.move(now, healed)
		c.probe.since, c.probe.reports = now, c.reports
	}
}

// probing is the state of an attempt to send as much as Home needs.
type probing struct {
	since   time.Duration // of the last step
	reports uint64        // at that step
	top     stamp         // when the most was reached
	good    int           // reports since then that told of nothing wrong
}

// whileProbing sends more step by step.
func (c *Controller) whileProbing(now time.Duration, r Report) {
	bad := func(l *link) bool { return l.verdict == congested || l.verdict == lossy && l.loss >= audibleLoss }
	if bad(&c.up) || bad(&c.down) || now-c.changed > probeLimit {
		c.tryProbe = now + c.probeHold
		c.probeHold = min(2*c.probeHold, maxDwell)
		c.move(now, relapsed)
		return
	}
	p := &c.probe
	told := c.reports != p.reports
	if c.up.verdict == unknown {
		told = now-p.since >= probePause
	}
	if told && c.up.verdict != busy {
		p.reports, p.since = c.reports, now
		switch {
		case p.top.done:
			p.good++
		case !c.rate.more(r, c.need): // as much as there is
			p.top = stamp{now, true}
		}
	}
	done := p.top.done && p.good >= enoughReports && now-p.top.at >= probeTime
	if done && c.left.passed(now, c.hold) && c.returned.passed(now, dwell) && !r.Pinned {
		c.goBack(now, r, passed)
	}
}

// goBack asks for the codec of Home.
func (c *Controller) goBack(now time.Duration, r Report, e event) {
	c.wish, c.wishedFrom = Wish{Codec: c.home, Return: true, Reason: c.wish.Reason}, r.Codec
	c.returned = stamp{now, true}
	c.move(now, e)
	c.out = append(c.out, c.wish)
}
