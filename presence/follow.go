package presence

import (
	"cmp"
	"context"
	"math/rand/v2"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// The state machine of one followed buddy, the same for every event package. "Shown" in the tables is what the package
// makes of it: presence shows offline for absent, a lamp that is not there stays dark.
//
//	           Watch                     2xx
//	(none) ──────────▶ waiting ──▶ subscribing ──▶ active ──┐ NOTIFY: show it
//	                    ▲   ▲ due     │   │  ▲      │   ▲───┘ SUBSCRIBE from the buddy: refresh in the dialog
//	     no answer, 5xx │   │         │   │  │      │
//	     refused: long  └───│─────────┘   │  │      │ 481, terminated: again at once
//	     wait               └─────────────│──│──────┘ lost, probation, …: back-off
//	                            404, 480  ▼  │ the buddy is heard of, the network is back
//	                                     kept
//
// What an answer means:
//
//	answer to SUBSCRIBE or its refresh   shown                        next SUBSCRIBE
//	2xx                                  as notified                  refreshed by the SIP stack
//	404, 410, 480, 604                   offline                      kept: when the buddy is heard of (thesis 7.3.3);
//	                                                                  at 0.25, 1, 4, 16 s when it had just been
//	481 to a refresh                     last, 30 s, then unknown     at once, as a new subscription
//	403, 603, 607                        unknown: not allowed         4 h, or when the buddy subscribes
//	405, 406, 415, 420, 489, 501         unknown: cannot tell         4 h, or when the buddy subscribes
//	401, 407                             unknown: our account         5 min
//	408, 5xx, no answer, no network      last, 30 s, then unknown     5 s doubling to 15 min, or Retry-After
//	other                                unknown: refused             30 min
//
// What a terminated NOTIFY means (RFC 6665 4.1.3; a closed document in it is shown as offline for good):
//
//	deactivated, timeout                 last, 30 s, then unknown     at once; after 2 s when the document is closed
//	probation, giveup, others            last, 30 s, then unknown     Retry-After, else 30 s, 5 min, 30 s
//	rejected                             unknown: not allowed         4 h, or when the buddy subscribes
//	noresource                           offline                      kept
//	invariant                            last                         kept
//
// All times are spread by ±25 % so that the buddies of one list, and the lists of many users, do not act in step.
const (
	graceTime   = 30 * time.Second // a loss is repaired in seconds or not soon; this hides the former
	backoffBase = 5 * time.Second
	backoffMax  = 15 * time.Minute
	refusedWait = 4 * time.Hour    // the answer depends on a person's decision or a program's version
	accountWait = 5 * time.Minute  // the user may be mending the password
	oddWait     = 30 * time.Minute // answers that should not come
	leavingWait = 2 * time.Second  // the buddy's program is going: let it un-register, then the proxy says 404
	probation   = 30 * time.Second
	giveUpWait  = 5 * time.Minute
	shortLife   = 10 * time.Second // a subscription ended sooner counts as a failure: no loop with a broken notifier

	// minGap is the least time between two SUBSCRIBEs that a peer can provoke: nobody turns us into an amplifier. Those
	// of our own accord do not count: of two clients that start together the second has its answer at once.
	minGap = 2 * time.Second

	// confirmWindow: two clients that start together subscribe to each other within a round trip; a SUBSCRIBE that
	// comes so soon after a proof that ours lives does not mean that the peer has started anew.
	confirmWindow = time.Second

	// checkTime is how long a peer that has just sent SUBSCRIBE may take to answer a refresh before our dialog counts
	// as one with its dead predecessor (whose port may be closed: no 481 comes). One retransmission of a lost packet
	// fits in.
	checkTime   = 2 * time.Second
	recheckWait = 30 * time.Second // after such a verdict: on a path slower than checkTime it may have been wrong
	refreshTime = 8 * time.Second  // for a refresh after a move: ARP, DHCP, a slow proxy
)

// doubtDelays are the retries of a 404 that contradicts a sign of life: the buddy's REGISTER may come after its
// SUBSCRIBE, usually by a round trip or two.
func doubtDelays() []time.Duration {
	return []time.Duration{250 * time.Millisecond, time.Second, 4 * time.Second, 16 * time.Second}
}

type phase int

const (
	phaseWaiting     phase = iota // for its turn or a timer
	phaseSubscribing              // SUBSCRIBE sent
	phaseActive                   // 2xx came
	phaseKept                     // the buddy is absent
)

type eventKind int

const (
	evWatch eventKind = iota
	evTimer
	evPeerSubscribed
	evPeerSeen
	evMoved
	evNetworkBack
	evAccepted  // 2xx: sub
	evFailed    // SUBSCRIBE had another end: err
	evNotify    // notification, document when found
	evRefreshed // a refresh of ours had this end: err
	evEnded     // the subscription has ended: err
)

type event[S any] struct {
	kind         eventKind
	sub          Subscription
	err          error
	notification Notification
	reading      Reading[S]
}

// buddy is one followed address. The Follower's mutex guards it.
type buddy[S any] struct {
	target uri.URI
	key    string // AOR
	plain  string // AOR without its port

	phase    phase
	due      time.Time // next SUBSCRIBE or check; zero: none planned
	want     bool      // a SUBSCRIBE or check is to be sent as soon as a slot is free
	queued   bool      // stands in Follower.ready
	started  time.Time // last SUBSCRIBE
	attempts int       // failures in a row
	refused  bool      // waiting because somebody said no: the network has nothing to do with it
	provoked time.Time // last SUBSCRIBE that a sign of life caused, or will cause at due
	heard    bool      // a sign of life came while the SUBSCRIBE was under way
	doubts   int       // retries left of a 404 that contradicts a sign of life

	gen           uint64 // which subscription the outcomes belong to
	cancel        context.CancelFunc
	sub           Subscription
	accepted      time.Time
	notified      bool          // the present subscription has brought a NOTIFY
	confirmed     time.Time     // last proof that the peer holds our subscription
	checking      bool          // a refresh is under way
	again         bool          // and another is wanted after it
	gap           bool          // its documents have one: a refresh is wanted
	checkLimit    time.Duration // for the answer to the next refresh
	noCheckBefore time.Time

	state      S
	since      time.Time // when state was first shown
	dirty      bool      // stands in Follower.changed
	graceUntil time.Time
	graceWhy   Why

	wakeAt    time.Time
	heapIndex int
}

// step is the machine: one event for one buddy. Follower.mu is held.
func (w *Follower[S]) step(b *buddy[S], now time.Time, ev event[S]) {
	if ev.kind == evTimer {
		w.graceOver(b, now)
	}
	switch b.phase {
	case phaseWaiting:
		w.stepWaiting(b, now, ev)
	case phaseKept:
		w.stepKept(b, now, ev)
	case phaseSubscribing:
		w.stepSubscribing(b, now, ev)
	case phaseActive:
		w.stepActive(b, now, ev)
	}
	w.timers.set(b)
	w.signal()
}

func (w *Follower[S]) stepWaiting(b *buddy[S], now time.Time, ev event[S]) {
	switch ev.kind {
	case evWatch, evNetworkBack:
		b.attempts = 0
		w.send(b)
	case evTimer:
		w.dueNow(b, now)
	case evPeerSubscribed:
		w.heardOf(b, now)
	case evPeerSeen:
		if !b.refused {
			w.heardOf(b, now)
		}
	case evMoved:
		if !b.refused {
			b.attempts = 0
			w.send(b)
		}
	case evAccepted, evFailed, evNotify, evRefreshed, evEnded: // of a subscription given up: never come here
	}
}

func (w *Follower[S]) stepKept(b *buddy[S], now time.Time, ev event[S]) {
	switch ev.kind {
	case evTimer:
		w.dueNow(b, now)
	case evPeerSubscribed, evPeerSeen:
		w.heardOf(b, now)
	case evNetworkBack, evWatch:
		w.send(b)
	case evMoved: // our address says nothing about the buddy's absence
	case evAccepted, evFailed, evNotify, evRefreshed, evEnded: // as in stepWaiting
	}
}

func (w *Follower[S]) stepSubscribing(b *buddy[S], now time.Time, ev event[S]) {
	switch ev.kind {
	case evAccepted:
		b.phase, b.sub, b.accepted, b.confirmed = phaseActive, ev.sub, now, now
		b.doubts, b.refused = 0, false
		if b.gap {
			w.askAgain(b, now)
		}
	case evFailed, evEnded:
		w.failed(b, now, ev.err)
	case evNotify:
		w.notified(b, now, ev)
	case evPeerSubscribed, evPeerSeen:
		b.heard = true
	case evMoved, evNetworkBack:
		// The transaction repeats itself from the old address and ever more slowly: a new one is sooner answered.
		if now.Sub(b.started) > confirmWindow/2 {
			w.drop(b)
			b.attempts = 0
			w.become(b, phaseWaiting)
			w.send(b)
		}
	case evWatch, evTimer, evRefreshed: // nothing is planned while an answer is awaited
		b.due = time.Time{}
	}
}

func (w *Follower[S]) stepActive(b *buddy[S], now time.Time, ev event[S]) {
	switch ev.kind {
	case evNotify:
		w.notified(b, now, ev)
	case evTimer:
		w.dueNow(b, now)
	case evPeerSubscribed:
		w.check(b, now)
	case evMoved, evNetworkBack:
		b.checkLimit = refreshTime
		if b.checking {
			b.again = true
		} else {
			w.send(b)
		}
	case evRefreshed:
		b.checking = false
		switch {
		case ev.err != nil:
			w.failed(b, now, ev.err)
		case b.again:
			b.again, b.confirmed = false, now
			w.send(b)
		default:
			b.confirmed = now
		}
	case evEnded:
		w.failed(b, now, ev.err)
	case evWatch, evPeerSeen, evAccepted, evFailed:
	}
}

// check finds out whether the peer that has just subscribed still knows our subscription.
func (w *Follower[S]) check(b *buddy[S], now time.Time) {
	if b.checking || now.Sub(b.confirmed) < confirmWindow {
		return
	}
	b.checkLimit = checkTime
	if now.Before(b.noCheckBefore) {
		b.due = b.noCheckBefore
		return
	}
	w.send(b)
}

// heardOf sends the SUBSCRIBE of a buddy that gave a sign of life. A further sign within minGap brings one more, later.
func (w *Follower[S]) heardOf(b *buddy[S], now time.Time) {
	if at := b.provoked.Add(minGap); now.Before(at) {
		if b.due.IsZero() || at.Before(b.due) {
			b.due, b.provoked = at, at
		}
		return
	}
	b.provoked, b.doubts = now, len(doubtDelays())
	w.send(b)
}

// dueNow acts when the planned time has come.
func (w *Follower[S]) dueNow(b *buddy[S], now time.Time) {
	if !b.due.IsZero() && !b.due.After(now) {
		w.send(b)
	}
}

// send asks Run for a slot.
func (w *Follower[S]) send(b *buddy[S]) {
	b.due, b.want = time.Time{}, true
	if !b.queued {
		b.queued = true
		w.ready = append(w.ready, b)
	}
}

// become changes the phase; what was planned in the old one is forgotten.
func (w *Follower[S]) become(b *buddy[S], p phase) {
	b.phase, b.due, b.want = p, time.Time{}, false
}

// drop gives the present subscription up: its outcomes count no more, and it is closed when there is one.
func (w *Follower[S]) drop(b *buddy[S]) {
	if b.cancel != nil {
		b.cancel()
	}
	if b.sub != nil {
		w.closing = append(w.closing, b.sub)
		w.signal()
	}
	w.nextGen++
	b.gen, b.sub, b.cancel = w.nextGen, nil, nil
	b.checking, b.again, b.notified, b.gap = false, false, false, false
}

// failed acts on the end of a SUBSCRIBE or of a subscription that was no terminated NOTIFY. err nil: it ended without a
// word.
func (w *Follower[S]) failed(b *buddy[S], now time.Time, err error) {
	wasActive := b.phase == phaseActive
	if wasActive && now.Sub(b.accepted) > shortLife {
		b.attempts = 0
	}
	heard := b.heard
	w.drop(b)
	v := judge(err, w.pkg.RefusedWait)
	b.refused = v.refused
	switch {
	case v.absent:
		b.attempts = 0
		w.become(b, phaseKept)
		w.show(b, w.pkg.Absent(now), now)
		w.planDoubt(b, now, heard, v.after)
		return
	case v.refused:
		w.become(b, phaseWaiting)
		w.unknown(b, now, v.why)
		b.due = now.Add(spread(v.after))
		return
	}
	w.become(b, phaseWaiting)
	w.lose(b, now, v.why)
	if wasActive && b.attempts == 0 && v.after == 0 {
		b.attempts = 1
		b.noCheckBefore = now.Add(recheckWait)
		w.send(b)
		return
	}
	b.attempts++
	b.due = now.Add(max(spread(backoff(b.attempts)), v.after))
}

// planDoubt plans the retry of a 404: none, unless the buddy was heard of or the answer names a time.
func (w *Follower[S]) planDoubt(b *buddy[S], now time.Time, heard bool, after time.Duration) {
	delays := doubtDelays()
	if heard {
		b.doubts = len(delays)
	}
	switch {
	case b.doubts > 0:
		b.due = now.Add(delays[len(delays)-b.doubts])
		b.doubts--
	case max(after, w.pkg.AbsentWait) > 0:
		b.due = now.Add(spread(max(after, w.pkg.AbsentWait)))
	}
}

// notified acts on a NOTIFY.
func (w *Follower[S]) notified(b *buddy[S], now time.Time, ev event[S]) {
	first := !b.notified
	b.notified, b.confirmed = true, now
	n, r := ev.notification, ev.reading
	switch n.State {
	case SubPending:
		w.unknown(b, now, WhyPending)
	case SubTerminated:
		if r.Found {
			w.show(b, r.State, now)
		}
		w.terminated(b, now, n, r.Found && w.pkg.Kind(r.State) == Absent)
	case SubActive:
		fallthrough
	default: // RFC 6665 4.1.3: a state we do not know is treated like active
		switch {
		case r.Found:
			w.show(b, r.State, now)
		case !first: // nothing new; the last document stands
		case len(n.Body) == 0:
			w.show(b, w.pkg.Absent(now), now) // the agent was asked and knows of no device
		default:
			w.unknown(b, now, WhyNotUnderstood)
		}
		if b.gap = b.gap || r.Again; b.gap && b.phase == phaseActive {
			w.askAgain(b, now)
		}
	}
}

// askAgain refreshes a subscription whose documents have a gap: the NOTIFY that follows is complete. A notifier cannot
// make us send more than one such SUBSCRIBE every minGap.
func (w *Follower[S]) askAgain(b *buddy[S], now time.Time) {
	b.gap, b.checkLimit = false, refreshTime
	if at := b.provoked.Add(minGap); now.Before(at) {
		if b.due.IsZero() || at.Before(b.due) {
			b.due, b.provoked = at, at
		}
		return
	}
	b.provoked = now
	if b.checking {
		b.again = true
		return
	}
	w.send(b)
}

// terminated plans what follows a terminated NOTIFY (RFC 6665 4.1.3).
func (w *Follower[S]) terminated(b *buddy[S], now time.Time, n Notification, left bool) {
	if b.phase == phaseActive && now.Sub(b.accepted) > shortLife {
		b.attempts = 0
	}
	w.drop(b)
	b.refused = false
	after := min(n.RetryAfter, refusedWait)
	if !left && n.Reason != ReasonInvariant {
		w.lose(b, now, WhyLost)
	}
	wait := func(d time.Duration) {
		w.become(b, phaseWaiting)
		b.attempts++
		b.due = now.Add(max(spread(d), after))
	}
	switch n.Reason {
	case ReasonDeactivated, ReasonTimeout:
		switch {
		case left:
			wait(leavingWait)
		case b.attempts > 0:
			wait(backoff(b.attempts))
		default:
			w.become(b, phaseWaiting)
			b.attempts = 1
			w.send(b)
		}
	case ReasonRejected:
		wait(cmp.Or(w.pkg.RefusedWait, refusedWait))
		b.refused = true
		w.unknown(b, now, WhyForbidden)
	case ReasonNoResource:
		w.become(b, phaseKept)
		w.show(b, w.pkg.Absent(now), now)
		w.planDoubt(b, now, false, 0)
	case ReasonInvariant:
		w.become(b, phaseKept)
	case ReasonGiveUp:
		wait(giveUpWait)
	default: // probation, and reasons we do not know
		wait(max(probation, backoff(b.attempts)))
	}
}

func backoff(attempts int) time.Duration {
	d := backoffBase
	for range min(attempts-1, 10) {
		d *= 2
	}
	return min(d, backoffMax)
}

// spread varies a time by ±25 %.
func spread(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.75 + rand.Float64()/2)) //nolint:gosec // no secret
}
