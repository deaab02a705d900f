package sip

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// ReferRequest is the wish of a call's peer that we call somebody else: a transfer. Nothing happens before the
// application says Accept; then it calls Target with InviteOptions and reports with Notify how that goes. Methods may
// be called from any goroutine.
//
//	          Accept                 Notify 2xx..6xx, NOTIFY refused, unsubscribed, time over
//	deciding --------> reporting ---------------------------------------------------------------> over
//	    |  Reject, 30 s without a word, BYE                                                          ^
//	    +--------------------------------------------------------------------------------------------+
type ReferRequest struct {
	call  *Call
	in    *inbound
	d     *dialog
	to    referTo
	by    string // Referred-By as it came
	event string // Event of the NOTIFYs
	quiet bool   // no reports wanted (RFC 4488)

	poke chan struct{} // pending or until changed
	done chan struct{}

	mu      sync.Mutex
	state   referRequestState
	pending []fragment
	last    fragment
	until   time.Time
}

type referRequestState int

const (
	referDeciding referRequestState = iota
	referReporting
	referOver
)

// fragment is a status to report.
type fragment struct {
	code   int
	reason string
}

func (f fragment) String() string {
	return "SIP/2.0 " + strconv.Itoa(f.code) + " " + f.reason + "\r\n"
}

const (
	// firstReportPause is the time before a report is sent again that met another request; it doubles up to
	// lastReportPause. A re-INVITE takes a few round trips.
	firstReportPause = 250 * time.Millisecond
	lastReportPause  = 4 * time.Second
)

// maxFragments bounds the reports that wait to be sent; of more than that only the newest count.
const maxFragments = 8

// peerRefer takes a REFER inside the call. Runs on the call's goroutine.
func (c *Call) peerRefer(in *inbound, d *dialog, state CallState) {
	to, code := parseReferTo(in.req)
	switch {
	case hasReplaces(in.req):
		code = 400 // RFC 3891 3
	case code != 0:
	case state != Established:
		code = 491
	case c.ua.leadsBack(to.target):
		code = 482
	}
	if code != 0 {
		c.ua.answer(in, code)
		return
	}
	r := &ReferRequest{
		call: c, in: in, d: d, to: to, by: referredBy(in.req), event: "refer",
		quiet: strings.EqualFold(headerValue(in.req, "Refer-Sub"), "false"),
		poke:  make(chan struct{}, 1), done: make(chan struct{}), last: fragment{100, ReasonPhrase(100)},
	}
	c.transfers.mu.Lock()
	busy := c.transfers.open != nil
	if c.transfers.got++; c.transfers.got > 1 { // RFC 3515 2.4.6: the second and all that follow must have an id
		r.event += ";id=" + strconv.FormatUint(uint64(in.req.CSeq().SeqNo), 10)
	}
	if !busy {
		c.transfers.open = r
	}
	c.transfers.mu.Unlock()
	if busy {
		c.ua.answer(in, 491) // one question to the user at a time
		return
	}
	c.background(&c.wg, r.run)
	c.ua.wg.Go(func() { c.ua.cfg.Handler.IncomingRefer(r) })
}

// referredBy reads a Referred-By that can be passed on: one, readable, of bounded length.
func referredBy(req *sipmsg.Request) string {
	v := headerValue(req, "Referred-By", "b")
	if _, err := uri.ParseAddress(v); err != nil {
		return ""
	}
	return cleanText(v)
}

// peerUnsubscribes answers a SUBSCRIBE of the peer to our reports: it can only end them early (RFC 3515 2.4.4).
func (c *Call) peerUnsubscribes(in *inbound) {
	c.transfers.mu.Lock()
	r := c.transfers.open
	c.transfers.mu.Unlock()
	event := headerValue(in.req, "Event", "o")
	switch {
	case eventName(event) != "refer":
		c.ua.answer(in, 489, Header{"Allow-Events", c.ua.allowEvents()})
		return
	case r == nil || !r.is(event):
		c.ua.answer(in, 481)
		return
	}
	left := max(time.Until(r.deadline()), 0)
	if asked, ok := headerSeconds(in.req, "Expires"); ok {
		left = min(left, asked)
	}
	c.ua.answer(in, 200, append(c.dialogHeaders(in), Header{"Expires", secondsText(left)})...)
	r.mu.Lock()
	r.until = time.Now().Add(left)
	r.mu.Unlock()
	r.wake()
}

// is compares an Event with ours; a missing id means the first.
func (r *ReferRequest) is(event string) bool {
	id, named := eventID(event)
	return !named || id == strconv.FormatUint(uint64(r.in.req.CSeq().SeqNo), 10)
}

func (r *ReferRequest) deadline() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.until
}

// Call is the call whose peer asks.
func (r *ReferRequest) Call() *Call { return r.call }

// Target is whom the peer wants us to call. Its Headers hold the Replaces of an attended transfer.
func (r *ReferRequest) Target() uri.URI { return r.to.target }

// Attended tells that the target expects us: the peer is talking to it.
func (r *ReferRequest) Attended() bool { return r.to.replaces != "" }

// ReferredBy is who sends us, in his own words (RFC 3892); zero when he does not say.
func (r *ReferRequest) ReferredBy() uri.Address {
	a, err := uri.ParseAddress(r.by)
	if err != nil {
		return uri.Address{}
	}
	return a
}

// Done is closed when the request is over: decided against, withdrawn, or reported to the end.
func (r *ReferRequest) Done() <-chan struct{} { return r.done }

// InviteOptions are those of the call to Target: with its Replaces and Referred-By.
func (r *ReferRequest) InviteOptions() CallOptions {
	var o CallOptions
	if r.to.replaces != "" {
		o.Headers = append(o.Headers, Header{"Replaces", r.to.replaces})
		if r.to.mustMatch {
			o.Headers = append(o.Headers, Header{"Require", "replaces"}) // RFC 5589 7.3
		}
	}
	if r.by != "" {
		o.Headers = append(o.Headers, Header{"Referred-By", r.by}) // RFC 3892 2.2
	}
	return o
}

// Accept answers 202 and reports 100: the user agrees. ErrState: it has been decided or withdrawn.
func (r *ReferRequest) Accept(context.Context) error {
	if !r.move(referDeciding, referReporting) {
		return fmt.Errorf("accept transfer: %w", ErrState)
	}
	extra := r.call.dialogHeaders(r.in)
	if r.quiet {
		extra = append(extra, Header{"Refer-Sub", "false"}) // RFC 4488 4
	}
	if err := r.in.tx.respond(202, extra...); err != nil {
		r.end()
		return fmt.Errorf("accept transfer: %w", err)
	}
	return r.report(r.last) // RFC 3515 2.4.4: one NOTIFY at once
}

// Reject refuses with a code of 300 to 699; 0 means 603.
func (r *ReferRequest) Reject(_ context.Context, code int) error {
	if code == 0 {
		code = 603
	}
	if code < 300 || code > 699 {
		return fmt.Errorf("reject transfer with %d: %w", code, ErrState)
	}
	if !r.refuse(code) {
		return fmt.Errorf("reject transfer: %w", ErrState)
	}
	return nil
}

func (r *ReferRequest) refuse(code int) bool {
	if !r.move(referDeciding, referOver) {
		return false
	}
	r.call.ua.answer(r.in, code)
	r.leave()
	return true
}

// Notify reports how the call to the target goes: a status code of 100 to 699 and a phrase (empty: the usual one). The
// first one of 200 or more is the last. It does not wait. ErrState: not accepted; ErrEnded: over.
func (r *ReferRequest) Notify(code int, reason string) error {
	if code < 100 || code > 699 {
		return fmt.Errorf("report %d: %w", code, ErrState)
	}
	if reason == "" {
		reason = ReasonPhrase(code)
	}
	return r.report(fragment{code, cleanText(reason)})
}

func (r *ReferRequest) report(f fragment) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.state {
	case referDeciding:
		return fmt.Errorf("report: %w", ErrState)
	case referOver:
		return ErrEnded
	case referReporting:
	}
	if n := len(r.pending); n > 0 && r.pending[n-1].code >= 200 {
		return ErrEnded
	}
	if len(r.pending) >= maxFragments {
		r.pending = r.pending[1:]
	}
	r.pending = append(r.pending, f)
	r.wake()
	return nil
}

func (r *ReferRequest) wake() {
	select {
	case r.poke <- struct{}{}:
	default:
	}
}

// move goes from one state to the next.
func (r *ReferRequest) move(from, to referRequestState) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.state != from {
		return false
	}
	r.state = to
	if to == referReporting {
		r.until = time.Now().Add(r.call.ua.cfg.RingTime + timerN)
		r.wake()
	}
	return true
}

// end makes it over from any state.
func (r *ReferRequest) end() {
	r.mu.Lock()
	was := r.state
	r.state = referOver
	r.mu.Unlock()
	if was != referOver {
		r.leave()
	}
}

func (r *ReferRequest) leave() {
	t := &r.call.transfers
	t.mu.Lock()
	if t.open == r {
		t.open = nil
	}
	t.mu.Unlock()
	close(r.done)
}

// run keeps the clock of the decision, and sends the reports after it.
func (r *ReferRequest) run() {
	timer := time.NewTimer(decideTime)
	defer timer.Stop()
	ended := r.call.done
	for {
		select {
		case <-r.poke:
			if over := r.flush(); over {
				return
			}
			timer.Reset(max(time.Until(r.deadline()), 0))
		case <-timer.C:
			if r.refuse(603) {
				return
			}
			if left := time.Until(r.deadline()); left > 0 { // accepted at the last moment
				timer.Reset(left)
				continue
			}
			r.lapse()
			return
		case <-ended:
			ended = nil
			if r.refuse(487) { // RFC 3261 15.1.2: what the BYE left unanswered
				return
			}
		case <-r.done:
			return
		case <-r.call.ua.life.Done():
			r.refuse(480)
			r.end()
			return
		}
	}
}

// flush sends what is to be reported. True: nothing will follow.
func (r *ReferRequest) flush() bool {
	for {
		r.mu.Lock()
		if r.state != referReporting || len(r.pending) == 0 {
			over := r.state == referOver
			r.mu.Unlock()
			return over
		}
		f := r.pending[0]
		r.pending, r.last = r.pending[1:], f
		r.mu.Unlock()
		var err error
		switch {
		case r.quiet:
		case f.code >= 200:
			err = r.send(f, "terminated;reason=noresource") // RFC 3515 2.4.7
		default:
			err = r.send(f, "active;expires="+secondsText(max(time.Until(r.deadline()), 0)))
		}
		if err != nil {
			r.call.ua.log.Info("report of a transfer not taken", "call_id", r.call.id, "code", f.code, "err", err)
		}
		if err != nil || f.code >= 200 { // RFC 6665 4.2.2: who refuses a NOTIFY wants none
			r.end()
			return true
		}
	}
}

// lapse ends the reports when their time is over.
func (r *ReferRequest) lapse() {
	r.mu.Lock()
	f := r.last
	r.mu.Unlock()
	if !r.quiet {
		if err := r.send(f, "terminated;reason=timeout"); err != nil {
			r.call.ua.log.Debug("last report of a transfer not taken", "call_id", r.call.id, "err", err)
		}
	}
	r.end()
}

func (r *ReferRequest) send(f fragment, state string) error {
	c := r.call
	e := exchange{account: c.account, next: r.d.nextHop(), d: r.d, inDialog: true, build: func(h hop) *sipmsg.Request {
		req := r.d.request(sipmsg.NOTIFY, r.d.nextSeq())
		req.AppendHeader(c.account.contactHeader(h))
		req.AppendHeader(sipmsg.NewHeader("Event", r.event))
		req.AppendHeader(sipmsg.NewHeader("Subscription-State", state))
		req.AppendHeader(sipmsg.NewHeader("Content-Type", sipfrag+";version=2.0"))
		req.SetBody([]byte(f.String()))
		return req
	}}
	ctx, cancel := context.WithTimeout(c.ua.life, timerN)
	defer cancel()
	for pause := firstReportPause; ; pause *= 2 {
		res, _, err := c.ua.roundTrip(ctx, e)
		err = final(res, err)
		if !passing(err) || pause > lastReportPause {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return err
		}
	}
}

// passing tells refusals that are none of the subscription: linphone says 491 to a NOTIFY while a re-INVITE is under
// way in the same dialog.
func passing(err error) bool {
	var s *StatusError
	return errors.As(err, &s) && (s.Code == 491 || (s.Code == 500 || s.Code == 503) && s.RetryAfter > 0)
}
