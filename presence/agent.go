package presence

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Bounds of an Agent.
const (
	// DefaultMaxWatchers bounds the subscriptions to us: 1,000 buddies with two devices each.
	DefaultMaxWatchers = 2000
	// maxPerWatcher bounds the subscriptions of one address: a person with several devices, plus the dead dialogs of
	// programs that crashed. The next one replaces the oldest.
	maxPerWatcher = 8
	// maxGranted is the longest subscription granted: RFC 3856 6.4 gives 3600 s as the default.
	maxGranted = time.Hour
)

// Decision is what the user lets a watcher see (RFC 3856 6.6.2, RFC 5025 3.2.1).
type Decision int

// The decisions.
const (
	Allow       Decision = iota // sees the true state
	Pending                     // 202, learns nothing until the user decides
	Block                       // 403
	PoliteBlock                 // is accepted and sees offline for ever
)

// NotifierConfig is what a Notifier needs.
type NotifierConfig[S any] struct {
	Offer  Offer[S]
	Logger *slog.Logger // nil: nothing is logged
	// Authorize decides about a new subscription; nil allows all. Called on the goroutine of Handle or Reauthorize.
	Authorize func(from uri.URI) Decision
	// OnSubscribed is called after a new, allowed subscription or fetch was accepted; wire it to
	// Follower.PeerSubscribed. It is not called for others: a SUBSCRIBE of ours would tell them that we are there. nil:
	// not told.
	OnSubscribed func(from uri.URI)
	// OnWatchers is called, without order, when the list of Watchers has changed. It must not block. nil: not told.
	OnWatchers func()
	// MaxWatchers bounds the subscriptions; 0 means DefaultMaxWatchers.
	MaxWatchers int
}

// Notifier accepts subscriptions to the user's state in one event package and notifies the watchers of every change.
// Until the first Set it shows Offer.Hidden. All methods may be called from any goroutine; only Handle blocks.
//
// How often watchers are notified: the first change at once, then up to paceBurst changes at least paceGap apart, in
// the long run one every Offer.Pace; of changes in between the last one counts, and what a watcher has already is not
// sent again.
type Notifier[S any] struct {
	cfg   NotifierConfig[S]
	offer Offer[S]
	log   *slog.Logger
	wake  chan struct{}

	mu       sync.Mutex
	state    S // what the user wants to show
	shown    S // what watchers are told; follows state at the allowed pace
	pace     pace
	watchers map[*watcher[S]]struct{}
	ready    []*watcher[S] // with something to send and no NOTIFY under way
	closed   bool
}

// NewNotifier makes a Notifier that shows Offer.Hidden.
func NewNotifier[S any](cfg NotifierConfig[S]) *Notifier[S] {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Authorize == nil {
		cfg.Authorize = func(uri.URI) Decision { return Allow }
	}
	if cfg.MaxWatchers <= 0 {
		cfg.MaxWatchers = DefaultMaxWatchers
	}
	hidden := cfg.Offer.Hidden(time.Time{})
	return &Notifier[S]{
		cfg: cfg, offer: cfg.Offer, log: cfg.Logger, wake: make(chan struct{}, 1),
		state: hidden, shown: hidden, watchers: make(map[*watcher[S]]struct{}), pace: pace{refill: cfg.Offer.Pace},
	}
}

// AgentConfig is what an Agent needs; the fields are those of NotifierConfig.
type AgentConfig struct {
	Logger       *slog.Logger
	Authorize    func(from uri.URI) Decision
	OnSubscribed func(from uri.URI)
	OnWatchers   func()
	MaxWatchers  int
}

// Agent is the edge presence agent. Set with Offline is "appear offline": the subscriptions stay and are told that we
// are closed. Unknown is nothing a user can be and counts as offline. A zero Since is set to now.
type Agent = Notifier[State]

// NewAgent makes an Agent that shows the user offline.
func NewAgent(cfg AgentConfig) *Agent {
	return NewNotifier(NotifierConfig[State]{
		Offer: presenceOffer(), Logger: cfg.Logger, Authorize: cfg.Authorize, OnSubscribed: cfg.OnSubscribed,
		OnWatchers: cfg.OnWatchers, MaxWatchers: cfg.MaxWatchers,
	})
}

// WatcherInfo is one subscription to our presence.
type WatcherInfo struct {
	From     uri.Address
	Since    time.Time
	Decision Decision
}

// Set changes what watchers see.
func (a *Notifier[S]) Set(s S) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s = a.offer.Normal(s, time.Now())
	if a.offer.Same(a.state, s) {
		return
	}
	a.state = s
	a.signal()
}

// State is what was last Set.
func (a *Notifier[S]) State() S {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// Refresh notifies every watcher from our new address, changed state or not: the NOTIFY is the target refresh of its
// dialog (RFC 6665 4.4.1). It never says "closed" because of a move.
func (a *Notifier[S]) Refresh() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for w := range a.watchers {
		w.force, w.failures, w.retryAt = true, 0, time.Time{}
		a.enqueue(w)
	}
}

// Watchers lists the subscriptions, in no order.
func (a *Notifier[S]) Watchers() []WatcherInfo {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make([]WatcherInfo, 0, len(a.watchers))
	for w := range a.watchers {
		if !w.ending {
			out = append(out, WatcherInfo{From: w.from, Since: w.since, Decision: w.decision})
		}
	}
	return out
}

// Reauthorize asks Authorize again about every watcher, after the user has changed a decision.
func (a *Notifier[S]) Reauthorize() {
	for _, info := range a.Watchers() {
		decision := a.cfg.Authorize(info.From.URI)
		a.mu.Lock()
		for w := range a.watchers {
			if w.ending || w.decision == decision || w.from.URI.String() != info.From.URI.String() {
				continue
			}
			w.decision = decision
			if decision == Block {
				w.ending, w.endReason = true, ReasonRejected
			}
			a.enqueue(w)
		}
		a.mu.Unlock()
	}
	a.listChanged()
}

// Handle answers one new incoming SUBSCRIBE and keeps the subscription. It blocks until the answer was sent; the NOTIFY
// follows at once from Run.
func (a *Notifier[S]) Handle(ctx context.Context, in Incoming) {
	from := in.From()
	a.mu.Lock()
	closed, full := a.closed, len(a.watchers) >= a.cfg.MaxWatchers
	a.mu.Unlock()
	switch {
	case closed:
		// We are leaving: what the proxy will say in a moment. Our own kind keeps its SUBSCRIBE on this answer.
		a.reject(ctx, in, 480)
		return
	case !accepts(in.AcceptTypes(), a.offer.ContentType):
		a.reject(ctx, in, 406) // RFC 3261 21.4.7; the type is all we can produce
		return
	case full:
		a.log.WarnContext(ctx, "subscription refused: too many watchers", "remote", from.URI.String())
		a.reject(ctx, in, 503)
		return
	}
	decision := a.cfg.Authorize(from.URI)
	if decision == Block {
		a.reject(ctx, in, 403) // RFC 3856 6.6.2
		return
	}
	a.accept(ctx, in, decision)
}

func (a *Notifier[S]) accept(ctx context.Context, in Incoming, decision Decision) {
	expires := min(in.Expires(), maxGranted)
	w := &watcher[S]{
		offer: &a.offer, in: in, from: in.From(), entity: in.To().URI, since: time.Now(), decision: decision,
		force: true,
	}
	if expires <= 0 {
		// RFC 6665 4.4.3: a fetch is a subscription that ends with its first NOTIFY.
		w.ending, w.endReason = true, ReasonTimeout
	}
	in.OnRefresh(func(expires time.Duration) { a.refreshed(w, expires) })
	in.OnEnd(func(reason string) { a.ended(w, reason) })
	code := 200
	if decision == Pending {
		code = 202 // RFC 3856 6.6.1: accepted, not yet authorised
	}
	if err := in.Accept(ctx, code, expires); err != nil {
		a.log.InfoContext(ctx, "subscription not accepted", "remote", w.from.URI.String(), "error", err)
		return
	}
	a.mu.Lock()
	if !w.gone { // it may have ended while it was being accepted
		a.watchers[w] = struct{}{}
		a.limitDevices(w)
		a.enqueue(w)
	}
	a.mu.Unlock()
	a.listChanged()
	if decision == Allow && a.cfg.OnSubscribed != nil {
		a.cfg.OnSubscribed(w.from.URI)
	}
}

func (a *Notifier[S]) reject(ctx context.Context, in Incoming, code int) {
	if err := in.Reject(ctx, code); err != nil {
		a.log.InfoContext(ctx, "subscription refusal not sent", "remote", in.From().URI.String(), "error", err)
	}
}

// limitDevices ends the oldest subscription of an address that has too many.
func (a *Notifier[S]) limitDevices(newest *watcher[S]) {
	key := newest.from.URI.AOR().String()
	var oldest *watcher[S]
	count := 0
	for w := range a.watchers {
		if w.ending || w.from.URI.AOR().String() != key {
			continue
		}
		count++
		if w != newest && (oldest == nil || w.since.Before(oldest.since)) {
			oldest = w
		}
	}
	if count > maxPerWatcher && oldest != nil {
		oldest.ending, oldest.endReason = true, ReasonDeactivated
		a.enqueue(oldest)
	}
}

// refreshed: RFC 6665 4.2.1.2: every SUBSCRIBE in the dialog is followed by a NOTIFY, changed state or not.
func (a *Notifier[S]) refreshed(w *watcher[S], expires time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.force, w.failures, w.retryAt = true, 0, time.Time{}
	if expires <= 0 && !w.ending {
		w.ending, w.endReason = true, ReasonTimeout // RFC 6665 4.2.1.4
	}
	a.enqueue(w)
}

func (a *Notifier[S]) ended(w *watcher[S], reason string) {
	a.mu.Lock()
	w.gone = true
	delete(a.watchers, w)
	a.mu.Unlock()
	a.log.Debug("watcher gone", "remote", w.from.URI.String(), "reason", reason)
	a.listChanged()
}

func (a *Notifier[S]) listChanged() {
	if a.cfg.OnWatchers != nil {
		a.cfg.OnWatchers()
	}
}

// enqueue asks Run to send to a watcher. Notifier.mu is held.
func (a *Notifier[S]) enqueue(w *watcher[S]) {
	if !w.queued && !w.sending && !w.gone {
		w.queued = true
		a.ready = append(a.ready, w)
	}
	a.signal()
}

func (a *Notifier[S]) signal() {
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// watcher is one subscription to us. Notifier.mu guards it.
type watcher[S any] struct {
	offer    *Offer[S]
	in       Incoming
	from     uri.Address
	entity   uri.URI
	since    time.Time
	decision Decision

	force     bool // send even when nothing has changed
	queued    bool // stands in Notifier.ready
	sending   bool // a NOTIFY is under way
	gone      bool
	ending    bool // the next NOTIFY is the last
	endReason string
	sent      []byte   // body the peer has, but for its version; nil: none yet
	sentState SubState // with it
	version   uint32   // of the next document
	failures  int      // NOTIFYs without answer in a row
	retryAt   time.Time
}

// next is what a watcher should be told now; ok is false when it knows it already. plain is the body without its
// version.
func (w *watcher[S]) next(shown S) (n Notification, plain []byte, ok bool) {
	n = Notification{State: SubActive}
	switch w.decision {
	case Allow, PoliteBlock:
		if w.decision == PoliteBlock {
			shown = w.offer.Hidden(time.Time{})
		}
		n.ContentType = w.offer.ContentType
		plain = w.offer.Encode(w.entity, shown, 0)
	case Pending:
		n.State = SubPending // RFC 3856 6.6.2: nothing real for one who waits
	case Block:
	}
	if w.ending {
		n.State, n.Reason = SubTerminated, w.endReason
	}
	ok = w.force || w.ending || w.sentState != n.State || !bytes.Equal(w.sent, plain)
	if ok && plain != nil {
		n.Body = w.offer.Encode(w.entity, shown, w.version)
		w.version++ // of every new document, RFC 4235 4.1.1
	}
	return n, plain, ok
}

// outcome notes the end of a NOTIFY; it reports whether the subscription is over.
func (w *watcher[S]) outcome(n Notification, plain []byte, err error, now time.Time) (over bool) {
	var refused *RefusedError
	switch {
	case n.State == SubTerminated:
		return true
	case err == nil:
		w.sent, w.sentState, w.failures = plain, n.State, 0
		return false
	case errors.As(err, &refused):
		if refused.RetryAfter == 0 && !momentary(refused.Code) {
			return true // RFC 6665 4.2.2
		}
		w.failed(now, max(notifyRetry<<w.failures, refused.RetryAfter))
		return false
	default:
		// No answer: the watcher or we are moving. RFC 6665 4.2.2 would end it here; a few tries save the subscription
		// of a peer that comes back, and cost a dead one's state for a few minutes.
		w.failed(now, notifyRetry<<w.failures)
		return false
	}
}

// momentary tells refusals that are about the moment (RFC 6665 4.2.2, "implied further action"): credentials, a
// collision, a NOTIFY that overtook another.
func momentary(code int) bool { return code == 401 || code == 407 || code == 491 || code == 500 }

// failed plans the next try. After the last one it makes the next NOTIFY a terminated one, which ends the subscription
// on the SIP side too, whether or not anybody hears it.
func (w *watcher[S]) failed(now time.Time, wait time.Duration) {
	w.failures++
	w.force = true
	w.retryAt = now.Add(min(wait, maxGranted))
	if w.failures > notifyTries {
		w.ending, w.endReason, w.retryAt = true, ReasonTimeout, time.Time{}
	}
}
