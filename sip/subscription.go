package sip

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	// timerN is how long the first NOTIFY may take after the SUBSCRIBE was accepted: 64*T1 (RFC 6665 4.1.2.4).
	timerN = 32 * time.Second
	// byeNotify is how long Close waits for the last NOTIFY.
	byeNotify = 2 * time.Second
	// refreshRetry is the pause after a refresh that failed for a reason that may pass. It doubles up to
	// refreshRetryMax while the subscription lives.
	refreshRetry    = 5 * time.Second
	refreshRetryMax = time.Minute
)

// SubscribeRequest says what to subscribe to.
type SubscribeRequest struct {
	Target  uri.URI
	Event   string        // event package with parameters, such as "presence"
	Accept  []string      // content types understood in NOTIFY; may be nil
	Expires time.Duration // asked for; 0 fetches the state once (RFC 6665 4.4.3)
	// OnNotify takes each NOTIFY, in order, one at a time. It may be called before Subscribe returns.
	OnNotify func(Notify)
}

// Notify is what a NOTIFY says.
type Notify struct {
	State       string        // "active", "pending" or "terminated"
	Reason      string        // of "terminated": "deactivated", "timeout", "rejected", …; may be empty
	RetryAfter  time.Duration // of "terminated"; 0 when absent
	Expires     time.Duration // time left; 0 when absent
	ContentType string
	Body        []byte
	From        uri.Address
}

// TerminatedError says that the notifier ended a subscription (RFC 6665 4.1.3).
type TerminatedError struct {
	Reason     string // may be empty
	RetryAfter time.Duration
}

func (e *TerminatedError) Error() string {
	if e.Reason == "" {
		return "subscription terminated"
	}
	return "subscription terminated: " + e.Reason
}

// Subscription is our view of somebody's state. It refreshes itself until Close, or until the notifier or
// the network ends it. Methods may be called from any goroutine.
//
//	            2xx, or NOTIFY before it            NOTIFY terminated, 481, expired unrefreshed, Close
//	notify-wait ------------------------> active --------------------------------------------> over
//	     |  no NOTIFY for timer N, refused                                                        ^
//	     +----------------------------------------------------------------------------------------+
type Subscription struct {
	ua      *UA
	account *Account
	req     SubscribeRequest
	d       *dialog
	inbox   *loop
	turn    chan struct{} // one SUBSCRIBE at a time
	poke    chan struct{} // expiry changed
	done    chan struct{}

	mu       sync.Mutex
	over     bool
	closing  bool // by Close: whatever ends it now is no error
	err      error
	notified bool
	until    time.Time // when the subscription lapses
	interval time.Duration
	failed   int // refreshes in a row
}

// Subscribe subscribes and waits until it is accepted. The error is a *StatusError, or wraps ErrNoAnswer or
// ErrTransport; nothing is left of the subscription then.
func (a *Account) Subscribe(ctx context.Context, r SubscribeRequest) (*Subscription, error) {
	s := &Subscription{
		ua: a.ua, account: a, req: r, d: a.outgoing(r.Target), inbox: newLoop(), interval: r.Expires,
		turn: make(chan struct{}, 1), poke: make(chan struct{}, 1), done: make(chan struct{}),
	}
	a.ua.mu.Lock()
	live := a.ua.running && !a.ua.stopping
	if live {
		a.ua.wg.Go(s.inbox.run)
	}
	a.ua.mu.Unlock()
	if !live {
		return nil, fmt.Errorf("subscribe %s: %w", r.Target, ErrClosed)
	}
	if !a.ua.dialogs.add(s.d.key(), s) {
		s.inbox.end()
		return nil, fmt.Errorf("subscribe %s: %w", r.Target, ErrTooMany)
	}
	if err := s.subscribe(ctx, r.Expires); err != nil {
		s.end(err)
		return nil, fmt.Errorf("subscribe %s: %w", r.Target, err)
	}
	a.ua.wg.Go(s.keep)
	return s, nil
}

// Done is closed when the subscription is over; Err says why.
func (s *Subscription) Done() <-chan struct{} { return s.done }

// Err is nil while the subscription lives and after Close or a fetch; else a *TerminatedError, a
// *StatusError, or an error wrapping ErrNoNotify, ErrNoAnswer, ErrTransport or ErrClosed.
func (s *Subscription) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Target gives what is subscribed to.
func (s *Subscription) Target() uri.URI { return s.req.Target }

func (s *Subscription) owner() *Account { return s.account }

func (s *Subscription) finish(ctx context.Context) { _ = s.Close(ctx) } // over in any case

func (s *Subscription) end(err error) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return
	}
	s.over = true
	if !s.closing {
		s.err = err
	}
	s.mu.Unlock()
	close(s.done)
	s.ua.dialogs.remove(s.d.key())
	s.inbox.end()
}

// Refresh subscribes again in the dialog, from the present address, which also tells the notifier the
// new one. A 481 ends the subscription.
func (s *Subscription) Refresh(ctx context.Context) error {
	err := s.subscribe(ctx, s.wanted())
	if fatal(err) {
		s.end(err)
	}
	return err
}

// Close unsubscribes and waits a moment for the last NOTIFY.
func (s *Subscription) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	err := s.subscribe(ctx, 0)
	if err == nil {
		select {
		case <-s.done:
		case <-ctx.Done():
		case <-time.After(byeNotify):
		}
	}
	s.end(nil)
	if errors.Is(err, ErrEnded) {
		return nil
	}
	return err
}

func (s *Subscription) wanted() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.interval
}

// subscribe sends one SUBSCRIBE, again with a longer interval after 423.
func (s *Subscription) subscribe(ctx context.Context, expires time.Duration) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-s.done:
		return ErrEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select { // both may have been ready
	case <-s.done:
		return ErrEnded
	default:
	}
	const maxIntervals = 3
	for try := 0; ; try++ {
		res, err := s.send(ctx, expires)
		if err != nil {
			return err
		}
		if res.StatusCode == 423 && try < maxIntervals && expires > 0 {
			if least, ok := headerSeconds(res, "Min-Expires"); ok && least > expires && least <= maxExpires {
				expires = least
				s.mu.Lock()
				s.interval = least
				s.mu.Unlock()
				continue
			}
		}
		if err := final(res, nil); err != nil {
			return err
		}
		s.accepted(res, expires)
		return nil
	}
}

func (s *Subscription) send(ctx context.Context, expires time.Duration) (*sipmsg.Response, error) {
	e := exchange{account: s.account, next: s.d.nextHop(), d: s.d, inDialog: s.d.peerTag() != ""}
	e.build = func(h hop) *sipmsg.Request {
		s.account.localize(s.d, h)
		req := s.d.request(sipmsg.SUBSCRIBE, s.d.nextSeq())
		req.AppendHeader(s.account.contactHeader(h))
		req.AppendHeader(sipmsg.NewHeader("Event", cleanText(s.req.Event)))
		req.AppendHeader(sipmsg.NewHeader("Expires", secondsText(expires)))
		if len(s.req.Accept) > 0 {
			req.AppendHeader(sipmsg.NewHeader("Accept", cleanText(strings.Join(s.req.Accept, ", "))))
		}
		req.AppendHeader(sipmsg.NewHeader("Allow-Events", cleanText(strings.SplitN(s.req.Event, ";", 2)[0])))
		return req
	}
	res, _, err := s.ua.roundTrip(ctx, e)
	return res, err
}

// accepted takes a 2xx: the dialog, unless a NOTIFY made it before, and the time granted.
func (s *Subscription) accepted(res *sipmsg.Response, asked time.Duration) {
	if s.d.peerTag() == "" {
		s.d.establish(res)
	} else {
		s.d.refresh(res)
	}
	granted := asked
	if d, ok := headerSeconds(res, "Expires"); ok && d < granted {
		granted = d // RFC 6665 4.1.2.1: shorter, never longer
	}
	s.lapse(granted)
}

func (s *Subscription) lapse(in time.Duration) {
	s.mu.Lock()
	s.until = time.Now().Add(in)
	s.mu.Unlock()
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// keep watches over the times of a subscription until it is over.
func (s *Subscription) keep() {
	first := time.NewTimer(timerN)
	defer first.Stop()
	firstC := first.C
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	renewed := make(chan time.Duration, 1)
	for {
		select {
		case <-s.poke:
			timer.Reset(s.nextRefresh())
		case <-firstC:
			s.mu.Lock()
			missing := !s.notified
			s.mu.Unlock()
			if missing {
				s.end(ErrNoNotify)
			}
			firstC = nil
		case <-timer.C:
			s.ua.wg.Go(func() { renewed <- s.renew() })
		case pause := <-renewed:
			timer.Reset(pause)
		case <-s.done:
			return
		case <-s.ua.life.Done():
			s.end(ErrClosed)
			return
		}
	}
}

// nextRefresh is the time until the subscription should be refreshed.
func (s *Subscription) nextRefresh() time.Duration {
	s.mu.Lock()
	left := time.Until(s.until)
	fetch := s.req.Expires == 0
	s.mu.Unlock()
	if fetch {
		return time.Hour // ends with its NOTIFY, or timer N
	}
	return max(left-margin(left), time.Second)
}

// renew refreshes; it returns the pause until the next try.
func (s *Subscription) renew() time.Duration {
	s.mu.Lock()
	until := s.until
	s.mu.Unlock()
	ctx, cancel := context.WithDeadline(s.ua.life, later(until, time.Now().Add(timerN)))
	go func() { // what ends the subscription ends its refresh
		select {
		case <-s.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := s.subscribe(ctx, s.wanted())
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%w to the refresh", ErrNoAnswer)
	}
	cancel()
	switch {
	case err == nil:
		s.mu.Lock()
		s.failed = 0
		s.mu.Unlock()
		return s.nextRefresh()
	case errors.Is(err, ErrEnded):
		return time.Hour // keep ends
	}
	pause := s.retryPause(err, time.Until(until))
	if fatal(err) || time.Now().Add(pause).After(until) {
		s.end(err)
		return time.Hour
	}
	s.ua.log.Info("subscription not refreshed, trying again", "target", s.req.Target, "err", err)
	return pause
}

// retryPause is the time until the next refresh after one that failed: what the other side asks for, else growing, yet
// with another try before the end of what is left.
func (s *Subscription) retryPause(err error, left time.Duration) time.Duration {
	s.mu.Lock()
	pause := min(refreshRetry<<min(s.failed, 10), refreshRetryMax)
	s.failed++
	s.mu.Unlock()
	var status *StatusError
	if errors.As(err, &status) && status.RetryAfter > 0 {
		return status.RetryAfter
	}
	return max(min(pause, left/2), refreshRetry)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// fatal tells a refusal that ends a subscription from one that may pass (RFC 6665 4.1.2.2).
func fatal(err error) bool {
	var s *StatusError
	if !errors.As(err, &s) {
		return false
	}
	switch s.Code {
	case 404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604:
		return true
	}
	return false
}

// awaitsNotifier tells whether nobody has notified yet.
func (s *Subscription) awaitsNotifier() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.notified && !s.over
}

// deliver takes a NOTIFY. Runs on a socket's reader.
func (s *Subscription) deliver(in *inbound) bool {
	return s.inbox.offer(func() { s.handle(in) })
}

func (s *Subscription) handle(in *inbound) {
	req := in.req
	if req.Method != sipmsg.NOTIFY {
		if req.Method != sipmsg.ACK {
			s.ua.answer(in, 405, Header{"Allow", "NOTIFY"})
		}
		return
	}
	s.mu.Lock()
	over := s.over
	s.mu.Unlock()
	// Another fork of the SUBSCRIBE: one notifier is enough (RFC 6665 4.1.4 lets us send 481).
	if over || !s.d.remoteTagIs(tagOf(req.From())) {
		s.ua.answer(in, 481)
		return
	}
	if !strings.EqualFold(eventName(headerValue(req, "Event", "o")), eventName(s.req.Event)) {
		s.ua.answer(in, 489, Header{"Allow-Events", eventName(s.req.Event)})
		return
	}
	n, ok := readNotify(req)
	if !ok {
		s.ua.answer(in, 400)
		return
	}
	s.d.adopt(req)
	if !s.d.inOrder(req.CSeq().SeqNo) {
		s.ua.answer(in, 500)
		return
	}
	s.d.refresh(req)
	s.mu.Lock()
	s.notified = true
	s.mu.Unlock()
	s.ua.answer(in, 200)
	if n.State != "terminated" && n.Expires > 0 && s.req.Expires > 0 {
		s.lapse(min(n.Expires, maxExpires))
	}
	if s.req.OnNotify != nil {
		s.req.OnNotify(n)
	}
	if n.State == "terminated" {
		if s.req.Expires == 0 {
			s.end(nil)
		} else {
			s.end(&TerminatedError{Reason: n.Reason, RetryAfter: n.RetryAfter})
		}
	}
}

// eventName is the package of an Event value without parameters.
func eventName(v string) string {
	name, _, _ := strings.Cut(v, ";")
	return strings.ToLower(strings.TrimSpace(name))
}

// readNotify reads Subscription-State (RFC 6665 4.1.3) and the body.
func readNotify(req *sipmsg.Request) (Notify, bool) {
	state, params, _ := strings.Cut(headerValue(req, "Subscription-State"), ";")
	n := Notify{
		State: strings.ToLower(strings.TrimSpace(state)), ContentType: headerValue(req, "Content-Type"),
		Body: req.Body(), From: party(req, "From"),
	}
	if n.State == "" {
		return n, false
	}
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "expires":
			n.Expires, _ = seconds(strings.TrimSpace(value))
		case "retry-after":
			n.RetryAfter, _ = seconds(strings.TrimSpace(value))
			n.RetryAfter = min(n.RetryAfter, maxPause)
		case "reason":
			n.Reason = strings.ToLower(strings.TrimSpace(value))
		}
	}
	return n, true
}
