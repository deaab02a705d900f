package sip

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	// decideTime is how long the application may think about a SUBSCRIBE; timer F of the subscriber is 32 s.
	decideTime = 30 * time.Second
	// lastWord is how long the application has for the NOTIFY that ends an unsubscribed subscription.
	lastWord = 2 * time.Second
	// defaultSubscription is the time of a SUBSCRIBE without Expires (RFC 3856 6.4).
	defaultSubscription = time.Hour
	// maxSubscription bounds what a subscriber may ask for.
	maxSubscription = 24 * time.Hour
)

// NotifyOut is a NOTIFY to send.
type NotifyOut struct {
	State       string // "active", "pending" or "terminated"; empty: active
	Reason      string // of "terminated": "deactivated", "probation", "rejected", "timeout", "noresource", …
	RetryAfter  time.Duration
	ContentType string
	Body        []byte
}

// The reasons that OnEnd is given.
const (
	SubscriptionExpired      = "expired"      // not refreshed in time
	SubscriptionUnsubscribed = "unsubscribed" // by the subscriber, also after a fetch
	SubscriptionTerminated   = "terminated"   // by our own NOTIFY
	SubscriptionUnreachable  = "unreachable"  // a NOTIFY was refused or not answered
	SubscriptionRejected     = "rejected"     // by Reject
	SubscriptionClosed       = "closed"       // the UA stopped
)

// ServerSubscription is somebody's subscription to our state. Methods may be called from any goroutine.
//
//	          Accept                Notify terminated, Expires 0 + last Notify, NOTIFY refused, expired
//	deciding --------> subscribed ----------------------------------------------------------------------> over
//	    |  Reject, 30 s                                                                                     ^
//	    +---------------------------------------------------------------------------------------------------+
type ServerSubscription struct {
	ua      *UA
	account *Account
	in      *inbound // the first SUBSCRIBE
	d       *dialog
	inbox   *loop
	notices *loop         // OnRefresh and OnEnd, in order
	turn    chan struct{} // one NOTIFY at a time (RFC 6665 4.2.2)
	poke    chan struct{} // until changed
	done    chan struct{}

	mu        sync.Mutex
	decided   bool
	over      bool
	last      bool // Expires 0: the next NOTIFY is the last one
	until     time.Time
	asked     time.Duration
	onRefresh func(time.Duration)
	onEnd     func(string)
	reason    string
}

// incomingSubscribe takes a SUBSCRIBE outside a dialog. Runs on a socket's reader.
func (u *UA) incomingSubscribe(in *inbound) {
	event := eventName(headerValue(in.req, "Event", "o"))
	if !slices.Contains(u.cfg.EventPackages, event) {
		u.answer(in, 489, Header{"Allow-Events", u.allowEvents()}) // RFC 6665 4.2.1.1
		return
	}
	if _, ok := contactURI(in.req); !ok {
		u.answer(in, 400)
		return
	}
	a := u.accountFor(in)
	if a == nil {
		u.answer(in, 404)
		return
	}
	s := &ServerSubscription{
		ua: u, account: a, in: in, d: newIncoming(in.req, in.tx.tag), inbox: newLoop(), notices: newLoop(),
		turn: make(chan struct{}, 1), poke: make(chan struct{}, 1), done: make(chan struct{}), asked: askedFor(in.req),
	}
	if !u.dialogs.add(s.d.key(), s) {
		u.answer(in, 503, Header{"Retry-After", "60"})
		return
	}
	u.wg.Go(s.inbox.run)
	u.wg.Go(s.notices.run)
	u.wg.Go(s.keep)
	u.wg.Go(func() { u.cfg.Handler.IncomingSubscribe(s) })
}

func askedFor(req *sipmsg.Request) time.Duration {
	d, ok := headerSeconds(req, "Expires")
	if !ok {
		d = defaultSubscription
	}
	return min(d, maxSubscription)
}

// Account gives the account that was subscribed to.
func (s *ServerSubscription) Account() *Account { return s.account }

// Origin tells where the subscriber's request came from, as the shield saw it.
func (s *ServerSubscription) Origin() Origin { return s.in.origin }

// From gives the subscriber.
func (s *ServerSubscription) From() uri.Address { return s.d.remote }

// To gives what the subscriber asked for.
func (s *ServerSubscription) To() uri.Address { return s.d.local }

// Event gives the event package, in lower case, without parameters.
func (s *ServerSubscription) Event() string { return eventName(headerValue(s.in.req, "Event", "o")) }

// AcceptTypes gives the content types the subscriber understands; nil: those usual for the event.
func (s *ServerSubscription) AcceptTypes() []string { return headerList(s.in.req, "Accept") }

// Body gives the body of the first SUBSCRIBE (a filter); usually nil.
func (s *ServerSubscription) Body() []byte { return s.in.req.Body() }

// Expires gives the time asked for before Accept, the time left after it. 0: a fetch.
func (s *ServerSubscription) Expires() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.decided {
		return s.asked
	}
	return max(time.Until(s.until), 0)
}

// Done is closed when the subscription is over.
func (s *ServerSubscription) Done() <-chan struct{} { return s.done }

// OnRefresh makes f be called after each refresh with the time granted, 0 when the subscriber leaves. A
// NOTIFY is due each time (RFC 6665 4.2.1.2). f runs on a goroutine of the subscription and may block.
func (s *ServerSubscription) OnRefresh(f func(expires time.Duration)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onRefresh = f
}

// OnEnd makes f be called once when the subscription is over, with one of the Subscription… words.
func (s *ServerSubscription) OnEnd(f func(reason string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.onEnd = f
	if s.over {
		go f(s.reason) // rare: it ended before the application was ready to hear of it
	}
}

// Accept answers the SUBSCRIBE with 200, or 202 while the user is asked. expires shortens the time the subscriber
// wants; 0 leaves it. A NOTIFY is due at once.
func (s *ServerSubscription) Accept(_ context.Context, code int, expires time.Duration) error {
	if code != 200 && code != 202 {
		return fmt.Errorf("accept with %d: %w", code, ErrState)
	}
	if !s.decide() {
		return fmt.Errorf("accept: %w", ErrState)
	}
	s.mu.Lock()
	granted := s.asked
	if expires > 0 {
		granted = min(granted, expires)
	}
	s.last = granted == 0
	s.mu.Unlock()
	s.lapse(granted)
	if err := s.in.tx.respond(code, s.headers(s.in, granted)...); err != nil {
		s.end(SubscriptionUnreachable)
		return fmt.Errorf("accept: %w", err)
	}
	return nil
}

// Reject refuses the SUBSCRIBE with a code of 300 to 699.
func (s *ServerSubscription) Reject(_ context.Context, code int) error {
	if code < 300 || code > 699 {
		return fmt.Errorf("reject with %d: %w", code, ErrState)
	}
	if !s.decide() {
		return fmt.Errorf("reject: %w", ErrState)
	}
	err := s.in.tx.respond(code, s.ua.serverHeaders(nil)...)
	s.end(SubscriptionRejected)
	return err
}

func (s *ServerSubscription) decide() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := !s.decided && !s.over
	s.decided = true
	return first
}

func (s *ServerSubscription) headers(in *inbound, granted time.Duration) []Header {
	h := s.account.contactHeader(s.ua.responseHop(in))
	return s.ua.serverHeaders([]Header{{h.Name(), h.Value()}, {"Expires", secondsText(granted)}})
}

func (s *ServerSubscription) lapse(in time.Duration) {
	s.mu.Lock()
	s.until = time.Now().Add(in)
	s.mu.Unlock()
	select {
	case s.poke <- struct{}{}:
	default:
	}
}

// keep ends the subscription when its time is over.
func (s *ServerSubscription) keep() {
	timer := time.NewTimer(decideTime)
	defer timer.Stop()
	for {
		select {
		case <-s.poke:
			s.mu.Lock()
			left := time.Until(s.until)
			if s.last {
				left = lastWord
			}
			s.mu.Unlock()
			timer.Reset(max(left, 0))
		case <-timer.C:
			s.expire()
			return
		case <-s.done:
			return
		case <-s.ua.life.Done():
			s.end(SubscriptionClosed)
			return
		}
	}
}

func (s *ServerSubscription) expire() {
	if s.decide() { // nobody decided
		_ = s.in.tx.respond(480, s.ua.serverHeaders(nil)...) // the subscriber tries again
		s.end(SubscriptionRejected)
		return
	}
	s.mu.Lock()
	reason := SubscriptionExpired
	if s.last {
		reason = SubscriptionUnsubscribed
	}
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(s.ua.life, timerN)
	defer cancel()
	if err := s.send(ctx, NotifyOut{State: "terminated", Reason: "timeout"}); err != nil {
		s.ua.log.Debug("last NOTIFY not answered", "to", s.d.remote.URI, "err", err)
	}
	s.end(reason)
}

// Notify sends a NOTIFY from the present address and waits for its answer. NOTIFYs go out one at a time, in the
// order Notify was called. After Expires 0 the NOTIFY is the last one whatever n.State says. One that is
// refused or not answered ends the subscription (RFC 6665 4.2.2), unless our own address changed meanwhile.
func (s *ServerSubscription) Notify(ctx context.Context, n NotifyOut) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-s.done:
		return ErrEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	s.mu.Lock()
	over, decided, last := s.over, s.decided, s.last
	s.mu.Unlock()
	switch {
	case over:
		return ErrEnded
	case !decided:
		return fmt.Errorf("notify: %w", ErrState)
	case last && n.State != "terminated":
		n.State, n.Reason = "terminated", "timeout"
	}
	err := s.send(ctx, n)
	switch {
	case last:
		s.end(SubscriptionUnsubscribed)
	case n.State == "terminated":
		s.end(SubscriptionTerminated)
	case err != nil && s.lost(err):
		s.end(SubscriptionUnreachable)
	}
	return err
}

// movedError wraps a time-out during which our own address changed.
type movedError struct{ error }

func (e movedError) Unwrap() error { return e.error }

// lost tells whether an error means that the subscriber is gone.
func (s *ServerSubscription) lost(err error) bool {
	var moved movedError
	var status *StatusError
	switch {
	case errors.As(err, &moved):
		return false
	case errors.Is(err, ErrPortClosed) && s.account.cfg.Register:
		return false // the proxy is away for a moment, which says nothing about the subscriber
	case errors.As(err, &status):
		return status.RetryAfter == 0 && !slices.Contains([]int{401, 407, 491, 500}, status.Code)
	default:
		return errors.Is(err, ErrNoAnswer)
	}
}

// send sends one NOTIFY.
func (s *ServerSubscription) send(ctx context.Context, n NotifyOut) error {
	e := exchange{account: s.account, next: s.d.nextHop(), d: s.d, inDialog: true, build: func(h hop) *sipmsg.Request {
		req := s.d.request(sipmsg.NOTIFY, s.d.nextSeq())
		req.AppendHeader(s.account.contactHeader(h))
		req.AppendHeader(sipmsg.NewHeader("Event", headerValue(s.in.req, "Event", "o"))) // with its id
		req.AppendHeader(sipmsg.NewHeader("Subscription-State", s.stateHeader(n)))
		if len(n.Body) > 0 {
			req.AppendHeader(contentTypeHeader(n.ContentType))
			req.SetBody(n.Body)
		}
		return req
	}}
	res, h, err := s.ua.roundTrip(ctx, e)
	if errors.Is(err, ErrNoAnswer) && h.local.IsValid() {
		if src, sErr := s.ua.cfg.Network.Source(h.target.Addr); sErr != nil || src != h.local.Addr() {
			return movedError{err}
		}
	}
	return final(res, err)
}

func (s *ServerSubscription) stateHeader(n NotifyOut) string {
	state := n.State
	if state == "" {
		state = "active"
	}
	if state != "terminated" {
		return cleanText(state) + ";expires=" + secondsText(s.Expires())
	}
	if n.Reason != "" {
		state += ";reason=" + cleanText(n.Reason)
	}
	if n.RetryAfter > 0 {
		state += ";retry-after=" + secondsText(n.RetryAfter)
	}
	return state
}

func (s *ServerSubscription) owner() *Account { return s.account }

// finish tells the subscriber that we leave and may be back.
func (s *ServerSubscription) finish(ctx context.Context) {
	if s.decide() {
		_ = s.in.tx.respond(480, s.ua.serverHeaders(nil)...) // it is over either way
	} else {
		_ = s.Notify(ctx, NotifyOut{State: "terminated", Reason: "probation"})
	}
	s.end(SubscriptionClosed)
}

func (s *ServerSubscription) end(reason string) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return
	}
	s.over, s.reason = true, reason
	f := s.onEnd
	s.mu.Unlock()
	close(s.done)
	s.ua.dialogs.remove(s.d.key())
	if f != nil {
		s.notices.offer(func() { f(reason) })
	}
	s.notices.end()
	s.inbox.end()
}

// deliver takes a SUBSCRIBE inside the dialog. Runs on a socket's reader.
func (s *ServerSubscription) deliver(in *inbound) bool {
	return s.inbox.offer(func() { s.handle(in) })
}

func (s *ServerSubscription) handle(in *inbound) {
	s.mu.Lock()
	over, decided := s.over, s.decided
	s.mu.Unlock()
	switch {
	case in.req.Method == sipmsg.ACK:
		return
	case over || !s.d.remoteTagIs(tagOf(in.req.From())):
		s.ua.answer(in, 481)
		return
	case in.req.Method != sipmsg.SUBSCRIBE:
		s.ua.answer(in, 405, Header{"Allow", "SUBSCRIBE"})
		return
	case !decided:
		s.ua.answer(in, 500, Header{"Retry-After", "5"})
		return
	case eventName(headerValue(in.req, "Event", "o")) != s.Event():
		s.ua.answer(in, 481) // RFC 6665 4.2.1: another subscription
		return
	case !s.d.inOrder(in.req.CSeq().SeqNo):
		s.ua.answer(in, 500)
		return
	}
	s.d.refresh(in.req)
	granted := askedFor(in.req)
	s.mu.Lock()
	s.last = granted == 0
	f := s.onRefresh
	s.mu.Unlock()
	s.lapse(granted)
	s.ua.answer(in, 200, s.headers(in, granted)...)
	if f != nil {
		s.notices.offer(func() { f(granted) })
	}
}
