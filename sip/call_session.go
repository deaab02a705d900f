package sip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

const (
	// maxGlare bounds the tries of a re-INVITE that meets 491.
	maxGlare = 5
	// minSession is the least session interval (RFC 4028 4).
	minSession = 90 * time.Second
	// refreshTimeout bounds a session refresh.
	refreshTimeout = 40 * time.Second
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
//	             | before the 2xx            | Established          | Ended
//	BYE          | 200, Ended (incoming: 487)| 200, Ended           | 481
//	INVITE       | 500 Retry-After           | 200, 488, 491, 500   | 481
//	UPDATE       | 200 without, 500 with SDP | 200, 488, 491        | 481
//	INFO, OPTIONS, MESSAGE | answered        | answered             | 481
//	REFER        | 491                       | 202 or refused       | 481
//	NOTIFY       | of a referral of ours, in any state: answered
//	other        | 405                       | 405                  | 481
func (c *Call) handle(in *inbound) {
	c.mu.Lock()
	state, d := c.state, c.d
	c.mu.Unlock()
	if state == Incoming && c.in.tx.answered()/100 == 2 {
		state = Established // the 200 is out; Answer has not come to say so yet
	}
	notify := in.req.Method == sipmsg.NOTIFY // a subscription outlives the call it shares the dialog with
	if state == Ended && !notify || !d.remoteTagIs(tagOf(in.req.From())) {
		c.ua.answer(in, 481)
		return
	}
	if !d.inOrder(in.req.CSeq().SeqNo) {
		c.ua.answer(in, 500) // RFC 3261 12.2.2
		return
	}
	switch in.req.Method {
	case sipmsg.BYE:
		c.peerBye(in)
	case sipmsg.INVITE, sipmsg.UPDATE:
		c.peerOffer(in, d, state)
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

func (c *Call) peerBye(in *inbound) {
	text, _ := reasonText(in.req)
	c.setState(Ended, EndCause{Reason: EndedByPeer, Text: text})
	c.ua.answer(in, 200)
	if c.incoming && c.in.tx.answered() == 0 { // RFC 3261 15.1.2
		_ = c.in.tx.respond(487) // the caller has left; nobody minds
	}
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
	noSession := req.Method == sipmsg.UPDATE && len(req.Body()) == 0 // only refreshes
	if state != Established && !noSession {
		c.ua.answer(in, 500, Header{"Retry-After", retryAfter()})
		return
	}
	if !noSession {
		c.mu.Lock()
		ours, theirs := c.offering, c.taking && !c.onlyAckMissing()
		if !ours && !theirs {
			c.taking = true
		}
		c.mu.Unlock()
		switch {
		case ours:
			c.ua.answer(in, 491) // glare
			return
		case theirs:
			c.ua.answer(in, 500, Header{"Retry-After", retryAfter()})
			return
		}
	}
	var body []byte
	if !noSession {
		var err error
		if body, err = c.counter(c.ua.life, req); err != nil {
			c.ua.log.Info("offer refused", "call_id", c.id, "err", err)
			c.release()
			c.ua.answer(in, 488, c.dialogHeaders(in)...)
			return
		}
	}
	d.refresh(req)
	c.acceptOffer(in, body)
}

// acceptOffer sends the 200 to a re-INVITE or UPDATE and waits for what it still needs.
func (c *Call) acceptOffer(in *inbound, body []byte) {
	res := c.sessionResponse(in, body)
	seq := in.req.CSeq().SeqNo
	if in.req.Method == sipmsg.UPDATE {
		c.release()
		if err := in.tx.send(res); err != nil {
			c.ua.log.Debug("200 to UPDATE not sent", "call_id", c.id, "err", err)
		}
		c.startSessionTimer(res, true)
		return
	}
	w := c.expectAck(seq, len(in.req.Body()) == 0, len(in.req.Body()) == 0)
	if err := in.tx.send(res); err != nil {
		c.ua.log.Debug("200 to re-INVITE not sent", "call_id", c.id, "err", err)
		if errors.Is(err, ErrState) { // cancelled: no ACK to wait for
			c.forgetAck(seq, w)
			if w.isAnswer {
				c.media.Rollback()
			}
			c.release()
			return
		}
	}
	if !w.isAnswer {
		c.release() // offer and answer are through; the ACK only stops the repeats
	}
	c.startSessionTimer(res, true)
	c.background(&c.wg, func() {
		c.untilAck(in.tx, res, w, seq)
	})
}

// onlyAckMissing tells whether the peer's last offer is answered and nothing but the ACK is on its way: who
// sends a new INVITE has seen our 2xx, and a proxy may have let the two overtake each other. c.mu is held.
func (c *Call) onlyAckMissing() bool {
	for _, w := range c.acks {
		if w.holds && !w.isAnswer {
			return true
		}
	}
	return false
}

func (c *Call) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taking = false
}

// retryAfter is the pause asked of a peer whose offer came too early (RFC 3261 14.2: 0 to 10 s at random).
func retryAfter() string {
	return secondsText(time.Duration(rand.IntN(10)+1) * time.Second) //nolint:gosec // no secret
}

// Reinvite sends a re-INVITE with a new offer of the media session, from the present address. It
// returns nil when the peer agreed; a *StatusError when it refused, and the session stays as it was
// (Rollback); an error wrapping ErrNoAnswer or ErrTransport when nobody answered. None of these ends the
// call: the caller decides. 491 is tried again by the clock of RFC 3261 14.1. A second Reinvite waits
// for the first. When ctx ends, the re-INVITE is cancelled.
func (c *Call) Reinvite(ctx context.Context) error {
	select {
	case c.mine <- struct{}{}:
		defer func() { <-c.mine }()
	case <-c.done:
		return ErrEnded
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	for try := 1; ; try++ {
		err := c.reinviteOnce(ctx)
		var s *StatusError
		if !errors.As(err, &s) || s.Code != 491 || try >= maxGlare {
			return err
		}
		select {
		case <-time.After(c.glarePause()):
		case <-c.done:
			return ErrEnded
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// glarePause is the wait after a 491: RFC 3261 14.1, in steps of 10 ms.
func (c *Call) glarePause() time.Duration {
	const step = 10 * time.Millisecond
	if c.incoming { // the peer owns the Call-ID
		return time.Duration(rand.IntN(201)) * step //nolint:gosec // 0 to 2 s, no secret
	}
	return 2100*time.Millisecond + time.Duration(rand.IntN(191))*step //nolint:gosec // 2.1 to 4 s, no secret
}

// claim reserves the right to offer; a peer's offer in hand comes first.
func (c *Call) claim(ctx context.Context) (*dialog, error) {
	const look = 20 * time.Millisecond // how long a media session takes to answer an offer
	for {
		c.mu.Lock()
		free := !c.taking && !c.offering
		if free && c.state == Established {
			c.offering = true
			d := c.d
			c.mu.Unlock()
			return d, nil
		}
		c.mu.Unlock()
		if _, err := c.established(); err != nil {
			return nil, err
		}
		select {
		case <-time.After(look):
		case <-c.done:
			return nil, ErrEnded
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (c *Call) reinviteOnce(ctx context.Context) error {
	d, err := c.claim(ctx)
	if err != nil {
		return err
	}
	defer func() {
		c.mu.Lock()
		c.offering = false
		c.mu.Unlock()
	}()
	offer, err := c.media.Offer(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMedia, err)
	}
	tx, res, err := c.reinviteOffer(ctx, d, offer)
	if err == nil && !res.IsSuccess() {
		err = statusError(res)
	}
	if err != nil {
		c.media.Rollback()
		return err
	}
	d.refresh(res)
	c.acknowledge(d, res.CSeq().SeqNo, tx.req, nil)
	c.background(&c.wg, func() {
		c.watchForks(tx, d)
	})
	if len(res.Body()) == 0 || bodyType(res) != sdpType {
		c.media.Rollback()
		return fmt.Errorf("%w: answer without a session description", ErrMedia)
	}
	if err := c.media.Accept(res.Body()); err != nil {
		return fmt.Errorf("%w: %w", ErrMedia, err)
	}
	c.startSessionTimer(res, false)
	return nil
}

// reinviteOffer sends the re-INVITE and follows it to its final response.
func (c *Call) reinviteOffer(ctx context.Context, d *dialog, offer []byte) (*clientTx, *sipmsg.Response, error) {
	e := c.inDialog(d, sipmsg.INVITE, sdpType, offer)
	ts, err := c.ua.targets(ctx, e)
	if err != nil {
		return nil, nil, err
	}
	lastErr := ErrTransport
	for i, t := range ts {
		limit := time.Duration(0)
		if i < len(ts)-1 {
			limit = silentLimit
		}
		for try := 1; ; try++ {
			tx, h, err := c.ua.start(ctx, e, t)
			if err != nil {
				lastErr = err
				break
			}
			res, err := c.follow(ctx, tx, h, d, limit)
			if err == nil && try < maxAuthTries && c.ua.challenged(e, tx.req, h, res) {
				continue
			}
			if err == nil {
				return tx, res, nil
			}
			lastErr = err
			break
		}
		if ctx.Err() != nil || c.State() == Ended {
			break
		}
	}
	return nil, nil, lastErr
}

// follow waits for the final response to a re-INVITE. An INVITE past its first 1xx has no timer of its
// own, so it ends with ctx, or with the call.
func (c *Call) follow(
	ctx context.Context, tx *clientTx, h hop, d *dialog, limit time.Duration,
) (*sipmsg.Response, error) {
	var silence <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		silence = timer.C
	}
	provisional := false
	// 64*T1 again after the last sign of life: a re-INVITE rings nobody, so a peer that said 100 and then
	// nothing has gone.
	quiet := time.NewTimer(cancelTimeout)
	defer quiet.Stop()
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
			provisional, silence = true, nil
			quiet.Reset(cancelTimeout)
			continue
		case <-tx.Done():
			return nil, tx.failure()
		case <-tx.broken():
			tx.Terminate()
			return nil, fmt.Errorf("%w: connection lost", ErrTransport)
		case <-silence:
			tx.Terminate()
			return nil, fmt.Errorf("%w from %s", ErrNoAnswer, h.target.Addr)
		case <-quiet.C:
			c.giveUpReinvite(tx, h, d, provisional)
			return nil, fmt.Errorf("%w to a re-INVITE", ErrNoAnswer)
		case <-c.done:
			c.giveUpReinvite(tx, h, d, provisional)
			return nil, ErrEnded
		case <-ctx.Done():
			c.giveUpReinvite(tx, h, d, provisional)
			return nil, context.Cause(ctx)
		}
	}
}

// giveUpReinvite cancels a re-INVITE. Should a 2xx come all the same, it is acknowledged: the call goes on.
func (c *Call) giveUpReinvite(tx *clientTx, h hop, d *dialog, provisional bool) {
	c.background(&c.wg, func() {
		if provisional {
			c.ua.wg.Go(func() { c.sendCancel(tx, h) })
		}
		limit := time.NewTimer(cancelTimeout)
		defer limit.Stop()
		for {
			select {
			case res := <-tx.Responses():
				if res.IsSuccess() {
					c.acknowledge(d, res.CSeq().SeqNo, tx.req, nil)
				}
				if !res.IsProvisional() {
					return
				}
			case <-tx.Done():
				return
			case <-limit.C:
				tx.Terminate()
				return
			case <-c.ua.life.Done():
				tx.Terminate()
				return
			}
		}
	})
}

// sessionExpires answers a Session-Expires (RFC 4028 9): the caller refreshes if it can and leaves us the
// choice; otherwise we do.
func sessionExpires(req *sipmsg.Request) []Header {
	v := headerValue(req, "Session-Expires", "x")
	interval, ok := seconds(v)
	if !ok || interval < minSession {
		return nil
	}
	able := false
	for _, tag := range append(headerList(req, "Supported", "k"), headerList(req, "Require")...) {
		able = able || strings.EqualFold(tag, "timer")
	}
	if strings.Contains(strings.ToLower(v), "refresher=uas") || !able {
		return []Header{{"Session-Expires", secondsText(interval) + ";refresher=uas"}}
	}
	return []Header{{"Session-Expires", secondsText(interval) + ";refresher=uac"}, {"Require", "timer"}}
}

// startSessionTimer obeys the Session-Expires of a 2xx when the refreshing falls to us: a re-INVITE at half the
// interval. server tells that the 2xx is ours.
func (c *Call) startSessionTimer(res *sipmsg.Response, server bool) {
	v := strings.ToLower(headerValue(res, "Session-Expires", "x"))
	interval, ok := seconds(v)
	if !ok {
		return
	}
	c.stopSessionTimer()
	if interval < minSession || server != strings.Contains(v, "refresher=uas") {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != Established {
		return
	}
	c.refresh = time.AfterFunc(interval/2, func() {
		c.background(&c.wg, c.refreshSession)
	})
}

func (c *Call) refreshSession() {
	ctx, cancel := context.WithTimeout(c.ua.life, refreshTimeout)
	defer cancel()
	if err := c.Reinvite(ctx); err != nil {
		c.ua.log.InfoContext(ctx, "session not refreshed", "call_id", c.id, "err", err)
	}
}

func (c *Call) stopSessionTimer() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refresh != nil {
		c.refresh.Stop()
		c.refresh = nil
	}
}
