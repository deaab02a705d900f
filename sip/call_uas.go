package sip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/session"
)

// ringAgain is the pause between repeats of 180, so that proxies do not give the call up (RFC 3261 13.3.1.1).
const ringAgain = time.Minute

// incomingInvite takes an INVITE outside a dialog. Runs on a socket's reader.
func (u *UA) incomingInvite(in *inbound) {
	if len(in.req.Body()) > 0 && bodyType(in.req) != sdpType {
		u.answer(in, 415, Header{"Accept", sdpType})
		return
	}
	if _, ok := contactURI(in.req); !ok {
		u.answer(in, 400) // RFC 3261 8.1.1.8: a dialog needs it
		return
	}
	if tooShort(in.req) {
		u.answer(in, 422, minSE())
		return
	}
	a := u.accountFor(in)
	if a == nil {
		u.answer(in, 404)
		return
	}
	old, code := u.replaced(in)
	if code != 0 {
		u.answer(in, code)
		return
	}
	c := u.newCall(a, newIncoming(in.req, in.tx.tag), Incoming)
	c.in, c.transfers.replaces = in, old
	c.open = true
	c.offers.Step(session.Receive) // an INVITE without SDP wants our offer, which counts as much
	c.noteWay(c.responseHop(in))
	if err := u.admit(c); err != nil {
		if errors.Is(err, ErrClosed) {
			u.answer(in, 480)
		} else {
			u.answer(in, 486)
		}
		return
	}
	_ = in.tx.respond(100) // sent again by the state machine when the INVITE is repeated
	in.tx.onCancel(func(cancel *sipmsg.Request) {
		text, elsewhere := reasonText(cancel)
		reason := EndedCancelled
		if elsewhere {
			reason = EndedElsewhere
		}
		c.stepCallee(session.Cancelled)
		c.setState(Ended, EndCause{Reason: reason, Text: text})
	})
	u.wg.Go(c.limitRinging)
	u.wg.Go(func() { u.cfg.Handler.IncomingCall(c) })
}

// limitRinging refuses a call that nobody answers, and keeps it alive until then.
func (c *Call) limitRinging() {
	limit := time.NewTimer(c.ua.cfg.RingTime)
	defer limit.Stop()
	tick := time.NewTicker(ringAgain)
	defer tick.Stop()
	for c.State() == Incoming {
		select {
		case <-limit.C:
			err := fmt.Errorf("%w within %s", ErrNoAnswer, c.ua.cfg.RingTime)
			c.refuse(session.TooLong, 480, EndCause{Reason: EndedNoAnswer, Err: err})
			return
		case <-tick.C:
			if err := c.Ring(c.ua.life); err != nil {
				return
			}
		case <-c.done:
			return
		case <-c.ua.life.Done():
			return
		}
	}
}

// responseHop is our address as the peer of an incoming request sees it.
func (c *Call) responseHop(in *inbound) hop { return c.ua.responseHop(in) }

func (u *UA) responseHop(in *inbound) hop {
	h := hop{target: resolve.Target{Transport: strings.ToLower(in.req.Transport()), Addr: in.remote}, conn: in.conn}
	src, err := u.cfg.Network.Source(in.remote)
	if err != nil {
		src = in.conn.Local().Addr() // no way out just now; the answer will not leave either
	}
	h.local = netip.AddrPortFrom(src.Unmap(), u.tp.Port())
	return h
}

// dialogHeaders are what every response that makes or keeps a dialog carries.
func (c *Call) dialogHeaders(in *inbound) []Header {
	h := c.account.contactHeader(c.responseHop(in))
	return c.ua.serverHeaders([]Header{{h.Name(), h.Value()}, {"Allow", allowed}, {"Supported", supported}})
}

// Ring sends 180, reliably when the caller insists. The state stays Incoming.
func (c *Call) Ring(context.Context) error {
	if c.stepCallee(session.RingIt) != session.Alert {
		return fmt.Errorf("ring: %w", ErrState)
	}
	return c.alert(180, nil)
}

// EarlyMedia sends 183 with a session description, so that the caller hears us before we answer, such as an
// announcement; Answer must be given the same media session. It goes reliably when the caller can (RFC 3262 5), and
// then waits for the PRACK of a 180 before it.
// A caller that wants our offer and cannot take it reliably hears nothing: that is no error. A media session that
// cannot agree refuses the call with 488, and the error wraps ErrMedia.
func (c *Call) EarlyMedia(ctx context.Context, m MediaSession) error {
	if c.stepCallee(session.RingIt) != session.Alert {
		return fmt.Errorf("early media: %w", ErrState)
	}
	req := c.in.req
	reliable := hasTag(req, reliableTag, "Require", "Supported", "k")
	if len(req.Body()) == 0 && !reliable {
		return nil // RFC 3262 5: an offer comes reliably or not at all
	}
	c.mu.Lock()
	busy := c.media != nil
	if !busy {
		c.media = &oneAtATime{session: m}
	}
	c.mu.Unlock()
	if busy {
		return fmt.Errorf("early media: %w", ErrState)
	}
	body, err := c.counter(ctx, req)
	if err != nil {
		c.refuse(session.NoPrack, 488, EndCause{Reason: EndedFailed, Err: err})
		return fmt.Errorf("early media: %w", err)
	}
	c.mu.Lock()
	c.earlyBody = body
	c.mu.Unlock()
	return c.alert(183, body)
}

// Answer picks up with 200. A media session that cannot agree refuses the call with 488, and the error wraps
// ErrMedia. ErrEnded: the caller had hung up. While the caller owes us the PRACK for an early description, Answer
// waits for it (RFC 3262 3).
func (c *Call) Answer(ctx context.Context, m MediaSession) error {
	if c.stepCallee(session.PickUp) != session.Prepare {
		if c.State() == Ended {
			return ErrEnded
		}
		return fmt.Errorf("answer: call is %s: %w", c.State(), ErrState)
	}
	req := c.in.req
	body, err := c.finalBody(ctx, m)
	if err != nil {
		c.refuse(session.NotAgreed, 488, EndCause{Reason: EndedFailed, Err: err})
		return fmt.Errorf("answer: %w", err)
	}
	if !c.awaitPrack() || c.stepCallee(session.Agreed) != session.SendOK {
		return ErrEnded
	}
	if !c.opened() {
		body = nil // offer and answer went before
	}
	res := c.sessionResponse(c.in, body)
	asks := c.opened() && len(req.Body()) == 0
	w := c.expectAck(req.CSeq().SeqNo, asks)
	if err := c.in.tx.send(res); err != nil {
		c.forgetAck(req.CSeq().SeqNo, w)
		if errors.Is(err, ErrState) || c.State() == Ended { // a CANCEL was faster
			return ErrEnded
		}
		c.endWith(fmt.Errorf("%w: %w", ErrTransport, err))
		return fmt.Errorf("answer: %w", err)
	}
	c.answerSent(asks)
	up := c.setState(Established, EndCause{})
	c.background(&c.wg, func() {
		c.untilAck(c.in.tx, res, w, req.CSeq().SeqNo)
	})
	if !up { // hung up between: whoever did that says BYE
		return ErrEnded
	}
	c.endReplaced()
	c.startSessionTimer(res, true)
	return nil
}

// finalBody gives the description for the 2xx: the early one, or a new one.
func (c *Call) finalBody(ctx context.Context, m MediaSession) ([]byte, error) {
	c.mu.Lock()
	early := c.earlyBody
	if c.media == nil {
		c.media = &oneAtATime{session: m}
	}
	c.mu.Unlock()
	if early != nil {
		return early, nil // RFC 3261 13.2.1: the same again
	}
	return c.counter(ctx, c.in.req)
}

// answerSent notes that the 2xx with our description is out.
func (c *Call) answerSent(asks bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open && asks {
		c.offers.Step(session.Ask)
	} else if c.open {
		c.offers.Step(session.AnswerUnacked)
	}
	c.open = false
}

// opened tells whether the first offer of an incoming call still waits for its answer.
func (c *Call) opened() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

func (c *Call) setOpened(open bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = open
}

func (c *Call) stepCallee(e session.CalleeEvent) session.CalleeAction {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.callee.Step(e)
}

// counter makes our side of the session for an INVITE: an answer to its offer, or an offer when it has none.
func (c *Call) counter(ctx context.Context, req *sipmsg.Request) ([]byte, error) {
	var body []byte
	var err error
	if len(req.Body()) > 0 {
		body, err = c.media.Answer(req.Body())
	} else {
		body, err = c.media.Offer(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMedia, err)
	}
	return body, nil
}

// sessionResponse builds the 200 to an INVITE or UPDATE.
func (c *Call) sessionResponse(in *inbound, body []byte) *sipmsg.Response {
	extra := append(c.dialogHeaders(in), c.agreeInterval(in.req)...)
	if len(body) > 0 {
		extra = append(extra, Header{"Content-Type", sdpType})
	}
	return in.tx.response(200, "", body, extra...)
}

// untilAck sees a 2xx of ours to its ACK. Without one the call is over (RFC 3261 13.3.1.4).
func (c *Call) untilAck(tx *serverTx, res *sipmsg.Response, w *awaitedAck, seq uint32) {
	ack := c.await2xx(tx, res, w, seq)
	c.mu.Lock()
	media, d := c.media, c.d
	first := tx == c.inviteTx()
	if first && ack != nil {
		c.callee.Step(session.Acked)
	}
	if first {
		c.offers.Step(session.Ack)
	}
	c.mu.Unlock()
	var err error
	switch {
	case ack == nil:
		err = fmt.Errorf("%w: no ACK for our answer", ErrNoAnswer)
	case w.isAnswer && len(ack.Body()) == 0:
		err = fmt.Errorf("%w: ACK without an answer", ErrMedia)
	case w.isAnswer:
		if err = media.Accept(ack.Body()); err != nil {
			err = fmt.Errorf("%w: %w", ErrMedia, err)
		}
	}
	if w.isAnswer && err == nil {
		c.stepOffer(session.Answered)
	} else if w.isAnswer {
		c.stepOffer(session.Refused)
	}
	if err == nil || c.ua.life.Err() != nil {
		return
	}
	if first {
		c.stepCallee(session.NotAcked)
	}
	if c.State() == Ended {
		return // whoever ended it sends the BYE
	}
	c.endWith(err)
	c.sayBye(d)
}

// inviteTx is the transaction that began an incoming call; nil for one of ours.
func (c *Call) inviteTx() *serverTx {
	if c.in == nil {
		return nil
	}
	return c.in.tx
}

// Decline refuses an incoming call: 486 busy, 480 not now, 603 no. 0 means 603.
func (c *Call) Decline(_ context.Context, code int) error {
	if code == 0 {
		code = 603
	}
	if code < 300 || code > 699 {
		return fmt.Errorf("decline with %d: %w", code, ErrState)
	}
	if !c.incoming || c.State() != Incoming {
		return fmt.Errorf("decline: call is %s: %w", c.State(), ErrState)
	}
	c.refuse(session.Decline, code, EndCause{Reason: EndedLocally})
	return nil
}

// refuse ends an incoming call that is not up: by a final response or, when our 2xx is out already, by BYE.
func (c *Call) refuse(why session.CalleeEvent, code int, cause EndCause) {
	c.mu.Lock()
	do := c.callee.Step(why)
	if do == session.Refuse {
		c.provisional.machine.Step(session.SendFailure)
		c.provisional.settle()
	}
	d := c.d
	c.mu.Unlock()
	switch do { //nolint:exhaustive // nothing is left to do for the others
	case session.Refuse:
		if !c.setState(Ended, cause) {
			return
		}
		if err := c.in.tx.respond(code, c.ua.serverHeaders(nil)...); err != nil {
			c.ua.log.Debug("refusal not sent", "call_id", c.id, "err", err)
		}
	case session.SayBye:
		if c.setState(Ended, cause) {
			c.background(&c.goodbyes, func() { c.sayBye(d) })
		}
	}
}
