package sip

import (
	"errors"
	"math/rand/v2"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/session"
)

// deliver takes a request inside the dialog. Runs on a socket's reader.
func (c *Call) deliver(in *inbound) bool {
	if in.req.Method == sipmsg.ACK {
		c.gotAck(in.req) // never behind a media session that takes its time
		return true
	}
	return c.inbox.offer(func() { c.handle(in) })
}

// handle answers a request inside the dialog, on the call's goroutine.
//
//	             | before the 2xx                   | Established          | Ended
//	BYE          | 200, Ended (incoming: 487)       | 200, Ended           | 481
//	INVITE       | 491 ours, 500 theirs             | 200, 422, 488, 491, 500 | 481
//	UPDATE       | as Established, once the first offer has its answer; else 500, 491 | 200, 422, 488, 491, 500 | 481
//	PRACK        | 200 for the response that waits for one, else 481 | same    | 481
//	INFO, OPTIONS, MESSAGE | answered               | answered             | 481
//	REFER        | 491                              | 202 or refused       | 481
//	NOTIFY       | of a referral of ours, in any state: answered
//	other        | 405                              | 405                  | 481
func (c *Call) handle(in *inbound) {
	state, d := c.dialogOf(tagOf(in.req.From()))
	notify := in.req.Method == sipmsg.NOTIFY // a subscription outlives the call it shares the dialog with
	if state == Ended && !notify || d == nil {
		c.ua.answer(in, 481)
		return
	}
	// RFC 3261 12.2.2; but the last NOTIFY about a transfer and the BYE behind it are sent together, and a proxy that
	// handles datagrams side by side swaps them.
	if !d.inOrder(in.req.CSeq().SeqNo) && (state != Ended || !notify) {
		c.ua.answer(in, 500)
		return
	}
	switch in.req.Method {
	case sipmsg.BYE:
		c.peerBye(in)
	case sipmsg.INVITE, sipmsg.UPDATE:
		c.peerOffer(in, d, state)
	case sipmsg.PRACK:
		c.peerPrack(in)
	case sipmsg.INFO:
		c.peerInfo(in)
	case sipmsg.OPTIONS:
		c.ua.answer(in, 200, Header{"Allow", allowed}, Header{"Accept", sdpType}, Header{"Supported", supported})
	case sipmsg.MESSAGE:
		c.ua.inbox.put(in)
	case sipmsg.REFER:
		c.peerRefer(in, d, state)
	case sipmsg.NOTIFY:
		c.peerNotify(in)
	case sipmsg.SUBSCRIBE:
		c.peerUnsubscribes(in)
	default:
		c.ua.answer(in, 405, Header{"Allow", allowed})
	}
}

// dialogOf finds the dialog of a request by the peer's tag: before our INVITE is answered, there may be several. nil:
// the peer is none of them.
func (c *Call) dialogOf(tag string) (CallState, *dialog) {
	c.mu.Lock()
	defer c.mu.Unlock()
	state := c.state
	up := c.callee.State() == session.CalleeAnswered || c.callee.State() == session.Confirmed
	if state == Incoming && up {
		state = Established // the 200 is out; Answer has not come to say so yet
	}
	if state == Calling || state == Ringing {
		if e := c.earlyOf(tag); e != nil {
			return state, e.d
		}
	}
	if !c.d.remoteTagIs(tag) {
		return state, nil
	}
	return state, c.d
}

// peerBye ends the call. A BYE before the 2xx, which RFC 3261 15 leaves to callers, ends one early dialog of
// ours; the call ends with the last.
func (c *Call) peerBye(in *inbound) {
	text, _ := reasonText(in.req)
	if s := c.State(); s == Calling || s == Ringing {
		c.ua.answer(in, 200)
		if c.drop(tagOf(in.req.From())) > 0 {
			return
		}
		c.mu.Lock()
		c.hangUp() // the INVITE is still open: a CANCEL ends it
		c.mu.Unlock()
		c.setState(Ended, EndCause{Reason: EndedByPeer, Text: text})
		return
	}
	if c.incoming && c.stepCallee(session.Bye) == session.Refuse {
		c.setState(Ended, EndCause{Reason: EndedByPeer, Text: text})
		c.ua.answer(in, 200)
		_ = c.in.tx.respond(487) // RFC 3261 15.1.2; the caller has left, and nobody minds a failure
		return
	}
	c.setState(Ended, EndCause{Reason: EndedByPeer, Text: text})
	c.ua.answer(in, 200)
}

func (c *Call) peerInfo(in *inbound) {
	c.mu.Lock()
	f := c.info
	c.mu.Unlock()
	switch {
	case f != nil:
		code := f(headerValue(in.req, "Content-Type"), in.req.Body())
		if code < 200 || code > 699 {
			code = 500
		}
		c.ua.answer(in, code)
	case len(in.req.Body()) == 0:
		c.ua.answer(in, 200) // RFC 6086: a keep-alive
	default:
		c.ua.answer(in, 415, Header{"Accept", ""})
	}
}

// peerOffer answers a re-INVITE or UPDATE (RFC 3261 14.2, RFC 3311 5.2).
func (c *Call) peerOffer(in *inbound, d *dialog, state CallState) {
	req := in.req
	if len(req.Body()) > 0 && bodyType(req) != sdpType {
		c.ua.answer(in, 415, Header{"Accept", sdpType})
		return
	}
	if tooShort(req) {
		c.ua.answer(in, 422, minSE())
		return
	}
	if req.Method == sipmsg.UPDATE && len(req.Body()) == 0 { // only refreshes
		d.refresh(req)
		c.acceptOffer(in, nil)
		return
	}
	if state != Established && !c.earlyUpdate(in) {
		return
	}
	if !c.admitOffer(in) {
		return
	}
	body, err := c.counter(c.ua.life, req)
	if err != nil {
		c.ua.log.Info("offer refused", "call_id", c.id, "err", err)
		c.stepOffer(session.Refused)
		c.ua.answer(in, 488, c.dialogHeaders(in)...)
		return
	}
	d.refresh(req)
	c.acceptOffer(in, body)
}

// earlyUpdate tells whether an offer inside an early dialog may be looked at; if not, it is refused.
func (c *Call) earlyUpdate(in *inbound) bool {
	c.mu.Lock()
	// An INVITE of ours is under way. Its early dialogs share one media session: the one that is heard may change it.
	elsewhere := !c.incoming && c.answerTag != tagOf(in.req.From())
	none := c.media == nil
	c.mu.Unlock()
	switch {
	case in.req.Method == sipmsg.INVITE && !c.incoming:
		c.ua.answer(in, 491) // RFC 3261 14.2
	case in.req.Method == sipmsg.INVITE, none:
		c.ua.answer(in, 500, Header{"Retry-After", retryAfter()})
	case elsewhere:
		c.ua.answer(in, 491) // RFC 3311 5.2: our own offer is open there
	default:
		return true
	}
	return false
}

// admitOffer takes an offer of the peer's if none is open, and otherwise refuses it.
func (c *Call) admitOffer(in *inbound) bool {
	switch c.stepOffer(session.Receive) {
	case session.Go:
		return true
	case session.Pending:
		c.ua.answer(in, 491) // glare
	case session.Busy, session.Wait, session.Ignore:
		c.ua.answer(in, 500, Header{"Retry-After", retryAfter()})
	}
	return false
}

func (c *Call) stepOffer(e session.OfferEvent) session.Verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offers.Step(e)
}

// acceptOffer sends the 200 to a re-INVITE or UPDATE and waits for what it still needs.
func (c *Call) acceptOffer(in *inbound, body []byte) {
	res := c.sessionResponse(in, body)
	seq := in.req.CSeq().SeqNo
	asks := len(in.req.Body()) == 0
	if in.req.Method == sipmsg.UPDATE {
		if !asks {
			c.stepOffer(session.Answer)
		}
		if err := in.tx.send(res); err != nil {
			c.ua.log.Debug("200 to UPDATE not sent", "call_id", c.id, "err", err)
		}
		c.startSessionTimer(res, true)
		return
	}
	w := c.expectAck(seq, asks)
	if asks {
		c.stepOffer(session.Ask)
	}
	if err := in.tx.send(res); err != nil {
		c.ua.log.Debug("200 to re-INVITE not sent", "call_id", c.id, "err", err)
		if errors.Is(err, ErrState) { // cancelled: no ACK to wait for
			c.forgetAck(seq, w)
			if asks {
				c.media.Rollback()
			}
			c.stepOffer(session.Refused)
			return
		}
	}
	if !asks {
		c.stepOffer(session.Answer) // offer and answer are through; the ACK only stops the repeats
	}
	c.startSessionTimer(res, true)
	c.background(&c.wg, func() {
		c.untilAck(in.tx, res, w, seq)
	})
}

// retryAfter is the pause asked of a peer whose offer came too early (RFC 3261 14.2: 0 to 10 s at random).
func retryAfter() string {
	return secondsText(time.Duration(rand.IntN(10)+1) * time.Second) //nolint:gosec // no secret
}
