package adapt

import "time"

const (
	easePause = 2 * time.Second // between two cuts: a round trip and a report must pass to see what one did
	// easeSettle is how long after a cut what a report covers must begin, or it tells of the time before.
	easeSettle = 500 * time.Millisecond
	risePause  = 5 * time.Second // without trouble, before more bits are sent again
	riseStep   = 1.10
	risePace   = time.Second
	// kneeHold is how long the rate stays below the one at which trouble began; it doubles with each repetition.
	kneeHold    = 20 * time.Second
	maxKneeHold = 2 * time.Minute
	kneeAgain   = 15 * time.Second // trouble so soon after a step up was made by it

	usualFEC = 10 // percent: at 5 libopus makes no copies below 35 kbit/s
	maxFEC   = 40
	fecPace  = 3 * time.Second // between steps down

	longFrom, longest   = 16000, 11000 // bit/s: below them packets of 40 and 60 ms
	pauses, pausesOver  = 10000, 14000 // bit/s: below it nothing is sent in pauses
	shortPacket         = 10           // ms
	longPacket, maxTime = 40, 60       // ms
	timeHold            = 30 * time.Second
	drainTime           = 6 * time.Second // for a queue of 300 ms, by the twentieth that is left over
)

// rate is the first means: bitrate, copies, bandwidth, packet time. Zero fields have not been set for this codec.
type rate struct {
	bitrate, fec, bandwidth, packetMS int
	dtx                               bool
	reason                            Reason

	cut      time.Duration // the last one
	rose     time.Duration
	fecDown  time.Duration
	knee     int // bit/s; 0: none
	kneeHold time.Duration
	radio    bool // a cut did not help: the loss is no bottleneck's
	lossAt   float64
	reports  uint64
	before   int // bitrate before probing; 0: no probing
	short    bool
	constant bool

	stretch      int // ms wished for a codec of fixed rate; 0: as agreed
	stretchSince time.Duration
	stretchHold  time.Duration
}

// begin starts with a codec.
func (q *rate) begin(now time.Duration, r Report, c *Controller) {
	knee, hold := q.knee, q.kneeHold
	*q = rate{cut: now, rose: now, knee: knee, kneeHold: hold}
	if !kindOf(r.Codec).adaptive {
		return
	}
	q.bitrate = min(r.Usual, r.Most)
	if b := c.wish.Bitrate; b > 0 && (c.state == Asking || c.state == Away) {
		q.bitrate = within(b, q.bitrate)
		q.reason = Slow
		if c.tight {
			q.knee, q.kneeHold = int(float64(b)/margin), kneeHold
		}
	}
}

// forget drops what a codec that is no longer in use has taught.
func (q *rate) forget() { q.knee, q.kneeHold = 0, 0 }

// step appends what is to be changed.
func (q *rate) step(now time.Duration, r Report, c *Controller, out []Action) []Action {
	fresh := q.reports != c.reports
	q.reports = c.reports
	if !kindOf(r.Codec).adaptive {
		return q.times(now, r, c, out)
	}
	was := *q
	top := min(r.Usual, r.Most)
	if q.bitrate == 0 {
		q.bitrate = top
	}
	if c.up.smooth < audibleLoss {
		q.radio, q.lossAt = false, 0
	}
	switch {
	case c.state == Probing:
	case c.up.verdict == congested:
		if fresh && now-q.cut >= easePause && c.up.from >= q.cut+easeSettle {
			q.ease(now, c)
		}
	case c.calmFor(now) >= risePause || c.up.verdict == lossy && now-q.cut >= risePause:
		q.rise(now, top)
	}
	if c.state != Probing {
		q.bitrate = within(q.bitrate, max(top, MinBitrate))
	}
	q.protect(now, r, c)
	q.shape(r)
	if q.bitrate >= top {
		q.reason = NoReason
		if q.fec > usualFEC {
			q.reason = Lossy
		}
	}
	return q.tell(was, out)
}

// calmFor is for how long nothing has been wrong.
func (c *Controller) calmFor(now time.Duration) time.Duration {
	if !c.isCalm {
		return 0
	}
	return now - c.calm
}

// ease sends less: what went through, or a fifth less where only the queue grows.
func (q *rate) ease(now time.Duration, c *Controller) {
	byLoss := c.up.queue < queueSome
	if byLoss && q.radio {
		return
	}
	if byLoss && q.lossAt > 0 && c.up.loss > 0.7*q.lossAt {
		q.radio = true // as much is lost of less: more copies, not fewer bits
		q.knee = 0
		return
	}
	q.lossAt = c.up.loss
	if now-q.rose < kneeAgain { // we had risen too far
		q.kneeHold = min(2*q.kneeHold, maxKneeHold)
	} else if now-q.cut > kneeAgain {
		q.kneeHold = kneeHold
	}
	q.kneeHold = max(q.kneeHold, kneeHold)
	q.cut, q.reason = now, Slow
	less := q.bitrate * 4 / 5
	q.knee = q.bitrate * 9 / 10
	if c.up.loss >= lossClear {
		q.knee = c.up.capacity - overhead(q.packetMS)
		less = min(less, fit(c.up.capacity, q.packetMS))
	}
	q.bitrate = within(less, q.bitrate)
}

// rise sends more, step by step, and is slow where trouble began.
func (q *rate) rise(now time.Duration, top int) {
	if q.bitrate >= top || now-q.rose < risePace {
		return
	}
	to := min(int(float64(q.bitrate)*riseStep)+1, top)
	if q.knee > 0 && to > q.knee {
		if now-q.cut < q.kneeHold {
			return
		}
		q.knee = 0
	}
	q.bitrate, q.rose = to, now
}

// more raises the bitrate toward what home needs; false: it is there.
func (q *rate) more(r Report, need int) bool {
	most := within(min(need-overhead(r.PacketMS), r.Most), MaxBitrate)
	if q.before == 0 {
		q.before = q.bitrate
	}
	q.constant = true
	if q.bitrate >= most {
		// Where the peer allows no more bits, headers make up for some of them.
		again := !q.short && q.bitrate+overhead(q.packetMS) < need*9/10
		q.short = q.short || again
		return again
	}
	q.bitrate = min(int(float64(q.bitrate)*probeStep), most)
	return true
}

// retreat ends probing.
func (q *rate) retreat() {
	if q.before > 0 {
		q.bitrate, q.before = q.before, 0
	}
	q.short, q.constant = false, false
}

// protect makes copies for the loss there is.
func (q *rate) protect(now time.Duration, r Report, c *Controller) {
	if !r.FEC {
		q.fec = 0
		return
	}
	want := usualFEC
	for _, p := range [...]int{15, 20, 30, maxFEC} {
		if c.up.random*100 >= 0.7*float64(p) {
			want = p
		}
	}
	switch {
	case want > q.fec:
		q.fec, q.fecDown = want, now
	case want < q.fec && now-q.fecDown >= fecPace:
		q.fec, q.fecDown = max(want, q.fec-10), now
	}
}

// shape makes the best of the bitrate.
func (q *rate) shape(r Report) {
	switch b := q.bitrate; {
	case b >= 20000:
		q.bandwidth = 48000
	case b >= 14000:
		q.bandwidth = 24000
	default:
		q.bandwidth = 16000
	}
	ms := r.PacketMS
	limit := maxTime
	if r.MaxPacketMS > 0 {
		limit = r.MaxPacketMS
	}
	wide := func(bound int) int { // hysteresis: a quarter
		if q.packetMS > ms {
			return bound * 5 / 4
		}
		return bound
	}
	switch {
	case q.bitrate < wide(longest) && limit >= maxTime:
		ms = max(ms, maxTime)
	case q.bitrate < wide(longFrom) && limit >= longPacket:
		ms = max(ms, longPacket)
	}
	if q.short {
		ms = shortPacket
	}
	q.packetMS = ms
	switch {
	case q.bitrate < pauses:
		q.dtx = true
	case q.bitrate >= pausesOver:
		q.dtx = false
	}
}

// tell appends what differs from before.
func (q *rate) tell(was rate, out []Action) []Action {
	if q.bitrate != was.bitrate || was.fec == 0 && was.bandwidth == 0 {
		out = append(out, SetBitrate{q.bitrate})
	}
	if q.fec != was.fec {
		out = append(out, SetFEC{q.fec})
	}
	if q.bandwidth != was.bandwidth {
		out = append(out, SetBandwidth{q.bandwidth})
	}
	if q.constant != was.constant {
		out = append(out, SetConstant{q.constant})
	}
	if q.dtx != was.dtx {
		out = append(out, SetDTX{q.dtx})
	}
	if q.packetMS != was.packetMS {
		out = append(out, SetPacketTime{q.packetMS})
	}
	return out
}

// longer decides on longer packets of a codec of fixed rate; false: they would not help enough.
func (q *rate) longer(r Report, capacity int) bool {
	limit := maxTime
	if r.MaxPacketMS > 0 {
		limit = min(limit, r.MaxPacketMS)
	}
	have := max(q.stretch, r.PacketMS)
	for _, ms := range [...]int{longPacket, maxTime} {
		if ms > have && ms <= limit && roomy(r.Codec, ms, capacity) {
			q.stretch = ms
			return true
		}
	}
	return false
}

// roomy reports whether a codec of fixed rate goes through with packets of some length; it needs no more room than
// measuring needs.
func roomy(codec string, ms, capacity int) bool {
	return float64(rateOf(codec)+overhead(ms)) <= 0.95*float64(capacity)
}

// fitsLonger reports whether the longest packets would do.
func fitsLonger(r Report, capacity int) bool {
	return !kindOf(r.Codec).adaptive && roomy(r.Codec, maxTime, capacity)
}

// draining reports whether packets have been made longer just now: the queue needs time.
func (q *rate) draining(now time.Duration) bool {
	return q.stretch > 0 && now-q.stretchSince < drainTime
}

// times sets and takes back the packet time of a codec of fixed rate.
func (q *rate) times(now time.Duration, r Report, c *Controller, out []Action) []Action {
	was := q.packetMS
	switch {
	case q.stretch > max(was, r.PacketMS):
		if q.stretchSince > 0 && now-q.stretchSince < timeHold { // taken back too early
			q.stretchHold = min(2*q.stretchHold, maxDwell)
		}
		q.stretchHold = max(q.stretchHold, timeHold)
		q.packetMS, q.stretchSince, q.reason = q.stretch, now, Slow
	case q.stretch > 0 && c.calmFor(now) >= q.stretchHold:
		q.stretch, q.packetMS, q.stretchSince, q.reason = 0, r.PacketMS, now, NoReason
	case q.packetMS == 0 || q.stretch == 0:
		q.packetMS = r.PacketMS
	}
	if q.packetMS != was {
		out = append(out, SetPacketTime{q.packetMS})
	}
	return out
}
