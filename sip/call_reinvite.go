package sip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/session"
)

const (
	// maxGlare bounds the tries of a re-INVITE that meets 491 or a 500 that asks to wait.
	maxGlare = 5
	// maxRetryAfter is how long such a 500 may ask us to wait: RFC 3261 14.2 has it say 10 s at most.
	maxRetryAfter = 10 * time.Second
)

// Reinvite sends a re-INVITE with a new offer of the media session, from the present address. It
// returns nil when the peer agreed; a *StatusError when it refused, redirected, or does not know the call (408,
// 481), and the session stays as it was (Rollback); an error wrapping ErrNoAnswer or ErrTransport when nobody
// answered. None of these ends the call: the caller decides. 491 is tried again by the clock of RFC 3261 14.1, 500 with
// a short Retry-After after that, 422 at once with the interval asked for. A second Reinvite waits
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
		pause, again := c.tryAgain(err)
		if !again || try >= maxGlare {
			return err
		}
		select {
		case <-time.After(pause):
		case <-c.done:
			return ErrEnded
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// tryAgain tells whether a refused re-INVITE is worth another try, and when.
func (c *Call) tryAgain(err error) (pause time.Duration, again bool) {
	var s *StatusError
	if !errors.As(err, &s) {
		return 0, false
	}
	switch {
	case s.Code == 491:
		return c.glarePause(), true
	case s.Code == 500 && s.RetryAfter > 0 && s.RetryAfter <= maxRetryAfter:
		return s.RetryAfter, true
	}
	return 0, false
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
		if c.state == Established && c.offers.Step(session.Send) == session.Go {
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
	verdict := session.Refused
	defer func() { c.stepOffer(verdict) }()
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
	c.startSessionTimer(res, false)
	if len(res.Body()) == 0 || bodyType(res) != sdpType {
		c.media.Rollback()
		return fmt.Errorf("%w: answer without a session description", ErrMedia)
	}
	if err := c.media.Accept(res.Body()); err != nil {
		return fmt.Errorf("%w: %w", ErrMedia, err)
	}
	verdict = session.Answered
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
		e.limit = c.ua.patience(ts, i)
		for try := 1; ; try++ {
			tx, h, err := c.ua.start(ctx, e, t)
			if err != nil {
				lastErr = err
				break
			}
			res, err := c.follow(ctx, tx, h, d, e.limit)
			if err == nil && (c.lengthen(res) || try < maxAuthTries && c.ua.challenged(e, tx.req, h, res)) {
				continue
			}
			if err == nil {
				c.noteWay(h)
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
	var order session.Order
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
			if rseq, reliable := rseqOf(res); reliable && c.takes(&order, rseq) {
				c.prack(d, res, rseq, nil) // we have not offered 100rel here, but some send it all the same
			}
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
