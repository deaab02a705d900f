package sip

import (
	"bytes"
	"fmt"
	"slices"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/session"
)

// early is an early dialog of our INVITE (RFC 3261 12.1): there is one for each phone it rings at.
type early struct {
	tag   string // the peer's
	d     *dialog
	order session.Order
	// sdp is its first session description, which counts (RFC 3261 13.2.1), until a reliable one takes its place.
	sdp      []byte
	reliable bool // sdp came reliably: it is the answer, and the 2xx needs none
	agreed   bool // sdp was its offer, and our answer went with the PRACK
}

// EarlySound tells whether the called side sends sound before it answers, such as its own ring-back or an
// announcement: no ring-back of ours should be heard then. The observer is told when it begins and ends.
func (c *Call) EarlySound() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return (c.state == Calling || c.state == Ringing) && c.answerSDP != nil
}

// earlyDialog finds or makes the early dialog of a provisional response; nil when there are too many.
func (c *Call) earlyDialog(half *dialog, res *sipmsg.Response) *early {
	tag := tagOf(res.To())
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.branches, func(e *early) bool { return e.tag == tag })
	if i >= 0 {
		c.branches[i].d.learn(res)
		return c.branches[i]
	}
	if tag == "" || len(c.branches) >= maxForks {
		return nil
	}
	e := &early{tag: tag, d: half.fork(res)}
	c.branches = append(c.branches, e)
	return e
}

// earlyOf gives the early dialog with a tag of the peer's, nil when there is none. c.mu is held.
func (c *Call) earlyOf(tag string) *early {
	for _, e := range c.branches {
		if e.tag == tag {
			return e
		}
	}
	return nil
}

// confirm gives the dialog of a 2xx: the early one it grew from, whose route set it settles (RFC 3261 13.2.2.4), or a
// new one.
func (c *Call) confirm(half *dialog, res *sipmsg.Response) *dialog {
	c.mu.Lock()
	e := c.earlyOf(tagOf(res.To()))
	c.mu.Unlock()
	if e == nil {
		return half.fork(res)
	}
	e.d.establish(res)
	return e.d
}

// progress takes a provisional response other than 100. An error says that there can be no session.
func (c *Call) progress(half *dialog, res *sipmsg.Response) error {
	e := c.earlyDialog(half, res)
	rseq, reliable := rseqOf(res)
	reliable = reliable && e != nil // a peer that forgot its tag has no dialog to send PRACK in
	if reliable && !c.takes(&e.order, rseq) {
		return nil
	}
	c.setState(Ringing, EndCause{})
	if e == nil || len(res.Body()) == 0 || bodyType(res) != sdpType {
		if reliable {
			c.prack(e.d, res, rseq, nil)
		}
		return nil
	}
	if c.options.NoOffer {
		if !reliable {
			return nil // RFC 3262 5: an offer comes reliably or not at all
		}
		answer, err := c.earlyOffer(e, res.Body())
		c.prack(e.d, res, rseq, answer)
		return err
	}
	if reliable {
		c.prack(e.d, res, rseq, nil)
	}
	c.mu.Lock()
	fresh := e.sdp == nil || reliable && !e.reliable
	if fresh {
		e.sdp, e.reliable = res.Body(), reliable
	}
	c.mu.Unlock()
	if fresh {
		c.takeEarly(e)
	}
	return nil
}

// earlyOffer answers the offer of a reliable provisional response, the first of its dialog.
func (c *Call) earlyOffer(e *early, offer []byte) ([]byte, error) {
	if e.agreed {
		return nil, nil
	}
	c.stepOffer(session.Receive)
	answer, err := c.media.Answer(offer)
	if err != nil {
		c.stepOffer(session.Refused)
		return nil, fmt.Errorf("%w: %w", ErrMedia, err)
	}
	c.stepOffer(session.Answer)
	c.mu.Lock()
	e.sdp, e.agreed = offer, true
	c.answerTag, c.answerSDP = e.tag, offer
	c.mu.Unlock()
	c.tell()
	return answer, nil
}

// takeEarly gives early media to the media session: of the first phone that has any, until that one drops out. Two
// announcements at once cannot be heard.
func (c *Call) takeEarly(e *early) {
	c.mu.Lock()
	sdp := e.sdp
	take := c.answerSDP == nil || c.answerTag == e.tag && !bytes.Equal(c.answerSDP, sdp)
	if take {
		c.answerTag, c.answerSDP = e.tag, sdp
	}
	final := e.reliable && c.answerTag == e.tag
	c.mu.Unlock()
	if take {
		if err := c.media.Accept(sdp); err != nil {
			c.ua.log.Info("early media not understood", "call_id", c.id, "err", err)
			c.mu.Lock()
			c.answerTag, c.answerSDP = "", nil // the final answer gets its own chance
			c.mu.Unlock()
			return
		}
	}
	if final {
		c.stepOffer(session.Answered) // RFC 3262 5: a reliable answer is as good as one in a 2xx
	}
	if take {
		c.tell()
	}
}

// prune forgets an early dialog that a 199 says has ended (RFC 6228), and turns to another one's sound.
func (c *Call) prune(half *dialog, res *sipmsg.Response) {
	tag := tagOf(res.To())
	if rseq, reliable := rseqOf(res); reliable && tag != "" {
		if e := c.earlyDialog(half, res); e != nil && c.takes(&e.order, rseq) {
			c.prack(e.d, res, rseq, nil)
		}
	}
	c.drop(tag)
}

// drop forgets an early dialog; left tells how many there are still.
func (c *Call) drop(tag string) (left int) {
	c.mu.Lock()
	c.branches = slices.DeleteFunc(c.branches, func(e *early) bool { return e.tag == tag })
	left = len(c.branches)
	heard := c.answerSDP != nil && c.answerTag == tag
	var next *early
	if heard {
		c.answerTag, c.answerSDP = "", nil
		for _, e := range c.branches {
			if e.sdp != nil {
				next = e // the latest one: calls that are forwarded ring one after the other
			}
		}
	}
	c.mu.Unlock()
	switch {
	case next != nil && !c.options.NoOffer:
		c.takeEarly(next)
	case heard:
		c.tell()
	}
	return left
}

// tell lets the observer look again.
func (c *Call) tell() {
	c.mu.Lock()
	f, over := c.observer, c.state == Ended
	c.mu.Unlock()
	if f != nil && !over && !c.notices.offer(func() { f(c) }) {
		c.ua.log.Warn("observer of a call is stuck", "call_id", c.id)
	}
}
