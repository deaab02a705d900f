package sip

import (
	"bytes"
	"context"
	"fmt"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/session"
	"github.com/peregrine-softphone/peregrine/sip/transport"
)

// maxForks bounds the 2xx of one INVITE that get an ACK and a BYE.
const maxForks = 16

// ackKey names a 2xx: the fork it came from and the INVITE it answers.
type ackKey struct {
	tag string
	seq uint32
}

// answered takes the 2xx that makes the call.
func (c *Call) answered(out outcome) {
	res, seq := out.res, out.res.CSeq().SeqNo
	d := c.confirm(out.d, res)
	c.mu.Lock()
	hung := c.hungUp
	if !hung {
		c.d = d
	}
	c.mu.Unlock()
	defer func() {
		c.background(&c.wg, func() {
			c.watchForks(out.tx, out.d)
		})
	}()
	if hung { // it crossed the hang-up
		c.refuseAnswer(out.d, out.tx, res)
		return
	}
	c.noteWay(out.h)
	body, err := c.describe(res)
	c.acknowledge(d, seq, out.tx.req, body)
	if err == nil && !c.options.NoOffer {
		err = c.takeFinalAnswer(res)
	}
	switch {
	case err != nil:
		c.endWith(fmt.Errorf("%w: %w", ErrMedia, err))
		c.sayBye(d)
	case c.setState(Established, EndCause{}):
		c.startSessionTimer(res, false)
	default:
		c.sayBye(d) // ended meanwhile
	}
}

// describe makes the answer for an offer that came in a 2xx, nil when it has gone with a PRACK.
func (c *Call) describe(res *sipmsg.Response) ([]byte, error) {
	if !c.options.NoOffer {
		return nil, nil
	}
	tag := tagOf(res.To())
	c.mu.Lock()
	e, current := c.earlyOf(tag), c.answerTag == tag
	c.mu.Unlock()
	if e != nil && e.agreed {
		if current {
			return nil, nil
		}
		_, err := c.media.Answer(e.sdp) // another phone's offer was answered since
		return nil, err
	}
	if bodyType(res) != sdpType || len(res.Body()) == 0 {
		return nil, fmt.Errorf("2xx without an offer")
	}
	c.stepOffer(session.Receive)
	defer c.stepOffer(session.Answer)
	return c.media.Answer(res.Body())
}

// takeFinalAnswer gives the answer in a 2xx to the media session, unless it is the one taken before.
// RFC 3261 13.2.1 wants both alike in one dialog; gateways that play announcements differ.
func (c *Call) takeFinalAnswer(res *sipmsg.Response) error {
	sdp := res.Body()
	c.mu.Lock()
	early, tag := c.answerSDP, c.answerTag
	c.answerSDP, c.answerTag = nil, ""
	fork := c.earlyOf(tagOf(res.To()))
	c.mu.Unlock()
	defer c.stepOffer(session.Answered)
	if len(sdp) == 0 || bodyType(res) != sdpType {
		switch {
		case early != nil && tag == tagOf(res.To()):
			return nil
		case fork != nil && fork.sdp != nil: // its answer was kept, but another phone was heard
			return c.media.Accept(fork.sdp)
		}
		return fmt.Errorf("2xx without an answer")
	}
	if early != nil && bytes.Equal(early, sdp) {
		return nil
	}
	return c.media.Accept(sdp)
}

// acknowledge sends the ACK for a 2xx and remembers it for when the 2xx comes again.
func (c *Call) acknowledge(d *dialog, seq uint32, invite *sipmsg.Request, body []byte) {
	send := func() {
		if err := c.sendAck(d, seq, invite, body); err != nil {
			c.ua.log.Info("ACK not sent", "call_id", c.id, "err", err)
		}
	}
	c.mu.Lock()
	if len(c.lastAck) >= maxForks {
		clear(c.lastAck)
	}
	c.lastAck[ackKey{d.peerTag(), seq}] = send
	c.mu.Unlock()
	send()
}

// sendAck sends an ACK for a 2xx, a request of its own (RFC 3261 13.2.2.4), with the credentials of the
// INVITE (22.1).
func (c *Call) sendAck(d *dialog, seq uint32, invite *sipmsg.Request, body []byte) error {
	ctx, cancel := context.WithTimeout(c.ua.life, transport.DialTimeout)
	defer cancel()
	e := exchange{account: c.account, next: d.nextHop(), d: d, inDialog: true}
	ts, err := c.ua.targets(ctx, e)
	if err != nil {
		return err
	}
	for _, t := range ts {
		var h hop
		if h, err = c.ua.hop(ctx, c.account, t); err != nil {
			continue
		}
		req := d.request(sipmsg.ACK, seq)
		for _, name := range []string{"Authorization", "Proxy-Authorization"} {
			sipmsg.CopyHeaders(name, invite, req)
		}
		if body != nil {
			req.AppendHeader(sipmsg.NewHeader("Content-Type", sdpType))
		}
		req.SetBody(body)
		c.ua.stamp(req, h)
		if err = h.conn.WriteMsg(req); err == nil {
			return nil
		}
	}
	return err
}

// watchForks acknowledges what else comes for an answered INVITE, until timer M: the same 2xx again, or
// those of other phones that picked up too, which get a BYE.
func (c *Call) watchForks(tx *clientTx, half *dialog) {
	for {
		select {
		case res := <-tx.again:
			c.anotherAnswer(res, tx, half)
		case <-tx.Responses(): // nothing comes here after a 2xx, but the state machine must never block
		case <-tx.Done():
			return
		case <-c.ua.life.Done():
			return
		}
	}
}

func (c *Call) anotherAnswer(res *sipmsg.Response, tx *clientTx, half *dialog) {
	c.mu.Lock()
	ack := c.lastAck[ackKey{tagOf(res.To()), res.CSeq().SeqNo}]
	c.mu.Unlock()
	if ack != nil {
		ack()
		return
	}
	c.refuseAnswer(half, tx, res)
}

// refuseAnswer ends a call nobody wants: ACK, then BYE.
func (c *Call) refuseAnswer(half *dialog, tx *clientTx, res *sipmsg.Response) {
	c.mu.Lock()
	full := len(c.lastAck) >= maxForks
	c.mu.Unlock()
	if full {
		return
	}
	d := c.confirm(half, res)
	c.acknowledge(d, res.CSeq().SeqNo, tx.req, nil)
	c.background(&c.goodbyes, func() {
		if err := c.bye(c.ua.life, d); err != nil {
			c.ua.log.Info("BYE to a second answer failed", "call_id", c.id, "err", err)
		}
	})
}

// lateAnswer takes a 2xx that came after its transaction was over. Runs on a socket's reader.
func (c *Call) lateAnswer(res *sipmsg.Response) bool {
	return c.inbox.offer(func() {
		c.mu.Lock()
		half := c.half
		c.mu.Unlock()
		invite := sipmsg.NewRequest(sipmsg.INVITE, sipmsg.Uri{}) // only its credentials are wanted, and they are stale
		c.anotherAnswer(res, &clientTx{req: invite}, half)
	})
}

// awaitedAck is a 2xx of ours on its way to an ACK.
type awaitedAck struct {
	over     chan struct{}        // closed when the ACK came or the wait ended
	got      chan *sipmsg.Request // one ACK
	isAnswer bool                 // our 2xx had an offer, the ACK brings the answer
}

// await2xx sends our 2xx again and again until its ACK comes (RFC 3261 13.3.1.4): every T1, doubling to
// T2, for 64*T1. It returns the ACK, or nil when none came.
func (c *Call) await2xx(tx *serverTx, res *sipmsg.Response, w *awaitedAck, seq uint32) *sipmsg.Request {
	const t1, t2 = 500 * time.Millisecond, 4 * time.Second
	defer c.forgetAck(seq, w)
	limit := time.NewTimer(64 * t1)
	defer limit.Stop()
	for pause := t1; ; pause = min(2*pause, t2) {
		again := time.NewTimer(pause)
		select {
		case ack := <-w.got:
			again.Stop()
			return ack
		case ack := <-tx.Acks(): // a peer of RFC 2543 that uses the branch of its INVITE
			again.Stop()
			return ack
		case <-again.C:
			if err := tx.send(res); err != nil {
				c.ua.log.Debug("2xx not sent again", "call_id", c.id, "err", err)
			}
		case <-limit.C:
			again.Stop()
			return nil
		case <-c.ua.life.Done():
			again.Stop()
			return nil
		}
	}
}

// expectAck registers a 2xx before it is sent.
func (c *Call) expectAck(seq uint32, isAnswer bool) *awaitedAck {
	w := &awaitedAck{over: make(chan struct{}), got: make(chan *sipmsg.Request, 1), isAnswer: isAnswer}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.acks[seq] = w
	return w
}

// forgetAck ends the wait for an ACK, once for each 2xx.
func (c *Call) forgetAck(seq uint32, w *awaitedAck) {
	c.mu.Lock()
	delete(c.acks, seq)
	c.mu.Unlock()
	close(w.over)
}

// gotAck hands an ACK to the 2xx that waits for it.
func (c *Call) gotAck(req *sipmsg.Request) {
	c.mu.Lock()
	w := c.acks[req.CSeq().SeqNo]
	c.mu.Unlock()
	if w == nil {
		return // the ACK of an ACKed 2xx
	}
	select {
	case w.got <- req:
	default:
	}
}
