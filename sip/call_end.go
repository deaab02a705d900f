package sip

import (
	"context"
	"errors"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

// finish hangs up for the end of the UA or account.
func (c *Call) finish(ctx context.Context) {
	_ = c.Hangup(ctx) // it has ended, one way or another
	c.goodbyes.Wait(ctx)
}

// Hangup ends the call in any state: it cancels, declines (603) or sends BYE. The state is Ended at once;
// Hangup returns when the BYE is answered or ctx ends.
func (c *Call) Hangup(ctx context.Context) error {
	c.mu.Lock()
	state := c.state
	if state == Calling || state == Ringing {
		c.hangUp()
	}
	d := c.d
	c.mu.Unlock()
	switch state {
	case Calling, Ringing:
		c.setState(Ended, EndCause{Reason: EndedLocally}) // the INVITE's goroutine cancels it
		return nil
	case Incoming:
		return c.Decline(ctx, 603)
	case Established:
		if !c.setState(Ended, EndCause{Reason: EndedLocally}) {
			return nil
		}
		sent := make(chan struct{})
		c.background(&c.goodbyes, func() { c.sayBye(d); close(sent) })
		select {
		case <-sent:
		case <-ctx.Done():
		}
		return nil
	case Ended:
		return nil
	}
	return nil
}

// hangUp makes the goroutine of our INVITE give it up. c.mu is held.
func (c *Call) hangUp() {
	if !c.hungUp {
		c.hungUp = true
		close(c.hang)
	}
}

// sayBye sends BYE and waits for the answer. A callee first waits for the ACK of its 2xx (RFC 3261 15).
func (c *Call) sayBye(d *dialog) {
	c.mu.Lock()
	var waits []*awaitedAck
	for _, w := range c.acks {
		waits = append(waits, w)
	}
	c.mu.Unlock()
	for _, w := range waits {
		select {
		case <-w.over:
		case <-c.ua.life.Done():
			return
		}
	}
	if err := c.bye(c.ua.life, d); err != nil {
		c.ua.log.Info("BYE not answered", "call_id", c.id, "err", err)
	}
}

// insist repeats a goodbye while there is no network, or a proxy is being restarted, for 64*T1: a phone between two
// networks must not leave the peer talking to nobody.
func (c *Call) insist(send func() error) error {
	const pause = time.Second
	give := time.Now().Add(cancelTimeout)
	for {
		err := send()
		passing := errors.Is(err, ErrTransport) || errors.Is(err, ErrPortClosed)
		if !passing || time.Now().After(give) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-c.ua.life.Done():
			return err
		}
	}
}

func (c *Call) bye(ctx context.Context, d *dialog) error {
	return c.insist(func() error {
		res, _, err := c.ua.roundTrip(ctx, c.inDialog(d, sipmsg.BYE, "", nil))
		return final(res, err)
	})
}

// endWith ends the call for an error.
func (c *Call) endWith(err error) {
	var s *StatusError
	switch {
	case errors.As(err, &s) && (s.Code == 408 || s.Code == 487):
		c.setState(Ended, EndCause{Reason: EndedNoAnswer, Err: err})
	case errors.As(err, &s):
		c.setState(Ended, EndCause{Reason: EndedRefused, Err: err})
	case errors.Is(err, ErrNoAnswer):
		c.setState(Ended, EndCause{Reason: EndedNoAnswer, Err: err})
	default:
		c.setState(Ended, EndCause{Reason: EndedFailed, Err: err})
	}
}

// reasonText reads the text of a Reason header and whether it says "answered elsewhere" (RFC 3326 2).
func reasonText(msg sipmsg.Message) (text string, elsewhere bool) {
	v := headerValue(msg, "Reason")
	protocol, params, _ := strings.Cut(v, ";")
	bySIP := strings.EqualFold(strings.TrimSpace(protocol), "SIP")
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		switch {
		case strings.EqualFold(name, "text"):
			text = strings.Trim(value, `"`)
		case bySIP && strings.EqualFold(name, "cause") && strings.TrimSpace(value) == "200":
			elsewhere = true
		}
	}
	return text, elsewhere
}
