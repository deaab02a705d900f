package presence

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Bounds of a Watcher.
const (
	MaxBuddies = 10000 // as many as buddies.xml may hold

	// maxInFlight bounds the requests without an answer. One to a dead LAN peer is 32 s in flight (RFC 3261 timer F),
	// so a few of those must not hold up the rest; through a proxy all answers come within a round trip.
	maxInFlight = 128

	// closeLimit caps the un-subscriptions at the end of Run.
	closeLimit = 2 * time.Second
)

// FollowerConfig is what a Follower needs.
type FollowerConfig[S any] struct {
	Package    Package[S]
	Subscriber Subscriber   // required; subscribes to the package's event
	Logger     *slog.Logger // nil: nothing is logged
	// OnChange tells the new state of a buddy. It is called on the goroutine of Run, one call at a time; of several
	// changes in quick succession only the last may be told. It may call back into the Follower. nil: not told.
	OnChange func(target uri.URI, s S)
}

// Follower follows the state of the buddies in one event package: one subscription each, kept alive through refusals,
// losses and moves by the state machine of follow.go. All methods may be called from any goroutine, before, during and
// after Run, and do not block.
type Follower[S any] struct {
	cfg  FollowerConfig[S]
	pkg  Package[S]
	log  *slog.Logger
	wake chan struct{} // holds one token: something to do for Run

	mu       sync.Mutex
	buddies  map[string]*buddy[S] // by AOR
	timers   timerHeap[S]
	ready    []*buddy[S] // due, waiting for a free slot
	changed  []*buddy[S] // with a state to tell
	closing  []Subscription
	inFlight int
	nextGen  uint64
}

// NewFollower makes a Follower that does nothing until Run.
func NewFollower[S any](cfg FollowerConfig[S]) *Follower[S] {
	log := cfg.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Follower[S]{
		cfg: cfg, pkg: cfg.Package, log: log, wake: make(chan struct{}, 1), buddies: make(map[string]*buddy[S]),
	}
}

// WatcherConfig is what a Watcher needs; the fields are those of FollowerConfig.
type WatcherConfig struct {
	Subscriber Subscriber
	Logger     *slog.Logger
	OnChange   func(target uri.URI, s State)
}

// Watcher follows the presence of the buddies.
type Watcher = Follower[State]

// NewWatcher makes a Watcher that does nothing until Run.
func NewWatcher(cfg WatcherConfig) *Watcher {
	return NewFollower(FollowerConfig[State]{
		Package: presencePackage(), Subscriber: cfg.Subscriber, Logger: cfg.Logger, OnChange: cfg.OnChange,
	})
}

// Watch begins to follow a buddy; one that is followed already stays as it is. It reports false when MaxBuddies are
// followed.
func (w *Follower[S]) Watch(target uri.URI) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := target.AOR().String()
	if key == "" || len(w.buddies) >= MaxBuddies {
		return w.buddies[key] != nil
	}
	if w.buddies[key] == nil {
		now := time.Now()
		b := &buddy[S]{target: target, key: key, plain: withoutPort(target), heapIndex: -1, since: now}
		b.state = w.pkg.Unclear(WhyNotYet, now)
		w.buddies[key] = b
		w.step(b, now, event[S]{kind: evWatch})
	}
	return true
}

// Unwatch ends the following of a buddy and un-subscribes.
func (w *Follower[S]) Unwatch(target uri.URI) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := target.AOR().String()
	if b := w.buddies[key]; b != nil {
		w.drop(b)
		delete(w.buddies, key)
		b.due, b.graceUntil = time.Time{}, time.Time{}
		w.timers.set(b)
	}
}

// PeerSubscribed tells that a new SUBSCRIBE has come from somebody: the kept SUBSCRIBE to that buddy is sent again
// (thesis 7.3.3), and a subscription of ours that is older than the peer's program is found out. Call it for new
// subscriptions only, not for their refreshes.
func (w *Follower[S]) PeerSubscribed(from uri.URI) { w.tell(from, evPeerSubscribed) }

// PeerSeen tells of another sign of life, a call or a message from somebody: the kept SUBSCRIBE is sent again.
func (w *Follower[S]) PeerSeen(from uri.URI) { w.tell(from, evPeerSeen) }

// Refresh tells that our address has changed: every subscription is refreshed in its dialog from the new one (RFC 6665
// 4.4.1 target refresh), and what failed for want of a network is tried now.
func (w *Follower[S]) Refresh() { w.tellAll(evMoved) }

// RetryAll tells that the network is back after an outage or a sleep: whatever is not active is tried now, the kept
// ones too, because the buddy's own SUBSCRIBE may have been missed; the active ones are refreshed.
func (w *Follower[S]) RetryAll() { w.tellAll(evNetworkBack) }

// State is the present state of a buddy; ok is false when it is not followed.
func (w *Follower[S]) State(target uri.URI) (s S, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b := w.find(target); b != nil {
		return b.state, true
	}
	return w.pkg.Unclear(WhyNotYet, time.Time{}), false
}

func (w *Follower[S]) tell(from uri.URI, kind eventKind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b := w.find(from); b != nil {
		w.step(b, time.Now(), event[S]{kind: kind})
	}
}

func (w *Follower[S]) tellAll(kind eventKind) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for _, b := range w.buddies {
		w.step(b, now, event[S]{kind: kind})
	}
}

// find gives the buddy of an address: the one with the same AOR, else the only one with the same user and host, because
// on a LAN the port of a From differs from the port a user typed.
func (w *Follower[S]) find(who uri.URI) *buddy[S] {
	if b := w.buddies[who.AOR().String()]; b != nil {
		return b
	}
	plain := withoutPort(who)
	var found *buddy[S]
	for _, b := range w.buddies {
		if b.plain == plain {
			if found != nil {
				return nil
			}
			found = b
		}
	}
	return found
}

func withoutPort(u uri.URI) string {
	u = u.AOR()
	u.Port = 0
	return u.String()
}

// Run carries out what the state machine decides. It blocks until ctx ends, then un-subscribes everywhere, for at most
// 2 s, waits for its goroutines and returns nil. Run a Watcher once.
func (w *Follower[S]) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		next := w.round(ctx, &wg)
		if !next.IsZero() {
			timer.Reset(max(0, time.Until(next)))
		}
		select {
		case <-ctx.Done():
			w.closeAll(ctx)
			return nil
		case <-w.wake:
		case <-timer.C:
		}
	}
}

// round starts what is due, tells what has changed, and gives the time of the next timer.
func (w *Follower[S]) round(ctx context.Context, wg *sync.WaitGroup) time.Time {
	w.mu.Lock()
	now := time.Now()
	for b := w.timers.expired(now); b != nil; b = w.timers.expired(now) {
		w.step(b, now, event[S]{kind: evTimer})
	}
	for len(w.ready) > 0 && w.inFlight < maxInFlight {
		b := w.ready[0]
		w.ready = w.ready[1:]
		b.queued = false
		w.start(ctx, wg, b, now)
	}
	closing := w.closing
	w.closing = nil
	next := w.timers.next()
	changed := w.takeChanged()
	w.mu.Unlock()

	for _, sub := range closing {
		wg.Go(func() { w.close(ctx, sub) })
	}
	if w.cfg.OnChange != nil {
		for _, c := range changed {
			w.cfg.OnChange(c.target, c.state)
		}
	}
	return next
}

type change[S any] struct {
	target uri.URI
	state  S
}

func (w *Follower[S]) takeChanged() []change[S] {
	out := make([]change[S], 0, len(w.changed))
	for _, b := range w.changed {
		b.dirty = false
		if w.buddies[b.key] == b {
			out = append(out, change[S]{b.target, b.state})
		}
	}
	w.changed = nil
	return out
}

// start sends the SUBSCRIBE or the refresh that a buddy has waited for.
func (w *Follower[S]) start(ctx context.Context, wg *sync.WaitGroup, b *buddy[S], now time.Time) {
	if w.buddies[b.key] != b || !b.want {
		return
	}
	b.want, b.due = false, time.Time{}
	w.timers.set(b)
	switch b.phase {
	case phaseWaiting, phaseKept:
		w.nextGen++
		b.gen, b.phase, b.started, b.heard = w.nextGen, phaseSubscribing, now, false
		sub, gen := b.target, b.gen
		subCtx, cancel := context.WithCancel(ctx)
		b.cancel = cancel
		w.inFlight++
		wg.Go(func() {
			defer cancel()
			w.subscribe(subCtx, b, gen, sub)
		})
	case phaseActive:
		if b.checking || b.sub == nil {
			return
		}
		b.checking = true
		sub, gen, limit := b.sub, b.gen, b.checkLimit
		w.inFlight++
		wg.Go(func() { w.refresh(ctx, b, gen, sub, limit) })
	case phaseSubscribing:
	}
}

// subscribe sends one SUBSCRIBE and, when it is accepted, stays until the subscription ends.
func (w *Follower[S]) subscribe(ctx context.Context, b *buddy[S], gen uint64, target uri.URI) {
	read := w.pkg.NewReader()
	sub, err := w.cfg.Subscriber.Subscribe(ctx, target, func(n Notification) {
		ev := event[S]{kind: evNotify, notification: n}
		if n.State != SubPending && len(n.Body) > 0 {
			ev.reading = read(n, time.Now())
			if err := ev.reading.Err; err != nil {
				w.log.InfoContext(ctx, "document not understood",
					"event", w.pkg.Event, "peer", target.String(), "error", err)
			}
		}
		w.happened(b, gen, ev)
	})
	w.mu.Lock()
	w.inFlight--
	stale := b.gen != gen || w.buddies[b.key] != b
	if stale && sub != nil {
		w.closing = append(w.closing, sub)
	}
	w.signal()
	w.mu.Unlock()
	if stale {
		return
	}
	if err != nil {
		w.happened(b, gen, event[S]{kind: evFailed, err: err})
		return
	}
	w.happened(b, gen, event[S]{kind: evAccepted, sub: sub})
	select {
	case <-sub.Done():
		w.happened(b, gen, event[S]{kind: evEnded, err: sub.Err()})
	case <-ctx.Done():
	}
}

// refresh sends one SUBSCRIBE in the dialog.
func (w *Follower[S]) refresh(ctx context.Context, b *buddy[S], gen uint64, sub Subscription, limit time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := sub.Refresh(ctx)
	w.mu.Lock()
	w.inFlight--
	w.signal()
	w.mu.Unlock()
	w.happened(b, gen, event[S]{kind: evRefreshed, err: err})
}

// happened feeds the outcome of a request to the machine, unless the subscription it belongs to is no longer the
// buddy's.
func (w *Follower[S]) happened(b *buddy[S], gen uint64, ev event[S]) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if b.gen == gen && w.buddies[b.key] == b {
		w.step(b, time.Now(), ev)
	}
}

func (w *Follower[S]) close(ctx context.Context, sub Subscription) {
	ctx, cancel := context.WithTimeout(ctx, 8*time.Second) // a few retransmissions; nothing depends on it
	defer cancel()
	if err := sub.Close(ctx); err != nil {
		w.log.DebugContext(ctx, "un-subscribe failed", "error", err)
	}
}

// closeAll un-subscribes everywhere at the end of Run.
func (w *Follower[S]) closeAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeLimit)
	defer cancel()
	w.mu.Lock()
	subs := w.closing
	for _, b := range w.buddies {
		if b.sub != nil {
			subs = append(subs, b.sub)
		}
		b.sub = nil
		w.nextGen++
		b.gen = w.nextGen // what still comes belongs to nobody
	}
	w.closing = nil
	w.mu.Unlock()
	var wg sync.WaitGroup
	for _, sub := range subs {
		wg.Go(func() { w.close(ctx, sub) })
	}
	wg.Wait()
}

// signal wakes Run.
func (w *Follower[S]) signal() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}
