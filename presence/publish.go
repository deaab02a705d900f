package presence

import (
	"context"
	"strings"
	"sync"
	"time"
)

// The pace of notifications and of their repetition.
const (
	paceGap    = 250 * time.Millisecond // a call set up and refused at once is one change
	paceBurst  = 8                      // changes a user may make in a row before the long-run pace holds
	paceRefill = 5 * time.Second        // presence: RFC 3856 6.10, not faster than once every five seconds

	notifyRetry = 10 * time.Second // after a NOTIFY without answer; doubles
	notifyTries = 3

	// goodbyeLimit caps the last NOTIFYs: as long as the BYEs of the calls get.
	goodbyeLimit = 2 * time.Second
)

// pace is a token bucket with a least gap.
type pace struct {
	refill time.Duration // time for one token
	tokens float64
	filled time.Time // when tokens was last computed; zero: full
	last   time.Time
}

// next gives the time at which the next change may go out; not after now means at once.
func (p *pace) next(now time.Time) time.Time {
	if p.filled.IsZero() {
		p.tokens, p.filled = paceBurst, now
	}
	p.tokens = min(paceBurst, p.tokens+float64(now.Sub(p.filled))/float64(p.refill))
	p.filled = now
	at := now
	if p.tokens < 1 {
		at = now.Add(time.Duration((1 - p.tokens) * float64(p.refill)))
	}
	if gap := p.last.Add(paceGap); gap.After(at) {
		at = gap
	}
	return at
}

func (p *pace) take(now time.Time) {
	p.tokens--
	p.last = now
}

// Run sends what watchers are to know. It blocks until ctx ends; then it says good-bye to every watcher, for at most 2
// s, waits for its goroutines and returns nil. End it while the SIP stack still runs. Run a
// Notifier once.
//
// The good-bye is one NOTIFY per watcher with a closed document and "terminated;reason=deactivated": whoever shows
// documents shows us offline. Of the reasons RFC 6665 4.1.3 offers, deactivated makes every client subscribe again soon
// (baresip after 5 s; noresource and rejected would keep it away for an hour, giveup and probation for five minutes),
// so it sees us again soon after our return. In between it meets the 404 of the proxy, or our own 480 until we have
// un-registered, and those end its trying as its own rules say; our own watcher keeps its SUBSCRIBE then and costs
// nothing.
func (a *Notifier[S]) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	sendCtx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // the good-byes outlive ctx
	defer cancel()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next := a.round(sendCtx, &wg)
		if !next.IsZero() {
			timer.Reset(max(0, time.Until(next)))
		}
		select {
		case <-ctx.Done():
			a.goodbye(sendCtx, cancel, &wg)
			return nil
		case <-a.wake:
		case <-timer.C:
		}
	}
}

// round starts the NOTIFYs that are due and gives the time of the next thing to do.
func (a *Notifier[S]) round(ctx context.Context, wg *sync.WaitGroup) (next time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	earliest := func(t time.Time) {
		if next.IsZero() || t.Before(next) {
			next = t
		}
	}
	if !a.offer.Same(a.shown, a.state) {
		if at := a.pace.next(now); at.After(now) {
			earliest(at)
		} else {
			a.pace.take(now)
			a.shown = a.state
			for w := range a.watchers {
				if w.retryAt.IsZero() {
					a.enqueue(w)
				}
			}
		}
	}
	for w := range a.watchers {
		switch {
		case w.retryAt.IsZero() || w.sending:
		case w.retryAt.After(now):
			earliest(w.retryAt)
		default:
			w.retryAt = time.Time{}
			a.enqueue(w)
		}
	}
	ready := a.ready
	a.ready = nil
	for _, w := range ready {
		w.queued = false
		a.send(ctx, wg, w)
	}
	return next
}

// send starts the NOTIFY of one watcher when there is something new for it. Notifier.mu is held.
func (a *Notifier[S]) send(ctx context.Context, wg *sync.WaitGroup, w *watcher[S]) {
	shown := a.shown
	if w.force || w.ending {
		shown = a.state // RFC 6665 4.2.1.2: who asks now is told what is true now; the pace is for changes
	}
	if w.gone || w.sending {
		return
	}
	n, plain, ok := w.next(shown)
	if !ok {
		return
	}
	w.sending, w.force = true, false
	wg.Go(func() {
		err := w.in.Notify(ctx, n)
		if err != nil {
			a.log.InfoContext(ctx, "watcher not notified", "remote", w.from.URI.String(), "error", err)
		}
		a.mu.Lock()
		w.sending = false
		over := w.outcome(n, plain, err, time.Now())
		if over {
			w.gone = true
			delete(a.watchers, w)
		} else if w.retryAt.IsZero() {
			a.enqueue(w) // what changed meanwhile
		}
		a.signal()
		a.mu.Unlock()
		if over {
			a.listChanged()
		}
	})
}

// goodbye tells every watcher that there is nothing to see any more and ends its subscription.
func (a *Notifier[S]) goodbye(ctx context.Context, cancel context.CancelFunc, wg *sync.WaitGroup) {
	a.mu.Lock()
	a.closed = true
	a.state = a.offer.Hidden(time.Now())
	a.shown = a.state
	for w := range a.watchers {
		w.ending, w.retryAt = true, time.Time{}
		if w.endReason == "" {
			w.endReason = ReasonDeactivated
		}
		a.enqueue(w)
	}
	a.mu.Unlock()
	stop := time.AfterFunc(goodbyeLimit, cancel)
	defer stop.Stop()
	for ctx.Err() == nil {
		a.round(ctx, wg)
		a.mu.Lock()
		left := len(a.watchers)
		a.mu.Unlock()
		if left == 0 {
			return
		}
		select {
		case <-a.wake: // a NOTIFY has ended
		case <-ctx.Done():
		}
	}
}

// accepts reports whether the Accept header of a SUBSCRIBE admits our documents. Without one the default of the event
// package holds, which is what we send (RFC 3856 6.7, RFC 4235 3.5).
func accepts(types []string, contentType string) bool {
	if len(types) == 0 {
		return true
	}
	for _, line := range types {
		for entry := range strings.SplitSeq(line, ",") {
			mediaType, params, _ := strings.Cut(entry, ";")
			switch strings.ToLower(strings.TrimSpace(mediaType)) {
			case contentType, "*/*", "application/*":
				if !excluded(params) {
					return true
				}
			case "":
				if len(types) == 1 && strings.TrimSpace(line) == "" {
					return true
				}
			}
		}
	}
	return false
}

// excluded reports a quality of zero, which means "not this one" (RFC 2616 3.9, for SIP by RFC 3261 20.1).
func excluded(params string) bool {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(param, "=")
		if strings.TrimSpace(strings.ToLower(name)) == "q" {
			return strings.Trim(strings.TrimSpace(value), "0.") == ""
		}
	}
	return false
}
