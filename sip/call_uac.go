package sip

import (
	"context"
	"errors"
	"fmt"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/session"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	// cancelPatience is how long a moved call waits for its CANCEL before it calls again.
	cancelPatience = 500 * time.Millisecond
	// cancelTimeout is how long a cancelled INVITE may take to end: 64*T1 (RFC 3261 9.1).
	cancelTimeout = 32 * time.Second
)

// Invite calls somebody. It returns at once with a call in state Calling; what becomes of it is told to
// the observer. ctx bounds only the start.
func (a *Account) Invite(ctx context.Context, to uri.URI, m MediaSession, o CallOptions) (*Call, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if to.Host == "" || m == nil {
		return nil, errors.New("invite: a target and a media session are needed")
	}
	c := a.ua.newCall(a, a.outgoing(to), Calling)
	c.media, c.options, c.observer = &oneAtATime{session: m}, o, o.Observer
	if err := a.ua.admit(c); err != nil {
		return nil, fmt.Errorf("invite %s: %w", to, err)
	}
	c.background(&c.goodbyes, func() {
		c.callOut(to)
	})
	if o.Observer != nil {
		c.notices.offer(func() { o.Observer(c) })
	}
	return c, nil
}

// outcome is how one INVITE went.
type outcome struct {
	res   *sipmsg.Response // final response, or nil
	err   error            // when there is none
	tx    *clientTx
	h     hop
	d     *dialog
	moved bool // given up because the address changed
	hung  bool // given up because the user hung up
}

// callOut sends INVITEs until one is answered or none is left to send: over challenges, redirections,
// dead servers and moves.
func (c *Call) callOut(to uri.URI) {
	var offer []byte
	way := newItinerary(to)
	last := ErrTransport
	for {
		next, ok := way.next()
		if !ok {
			break
		}
		if offer == nil && !c.options.NoOffer {
			var err error
			if offer, err = c.media.Offer(c.ua.life); err != nil {
				c.endWith(fmt.Errorf("%w: %w", ErrMedia, err))
				return
			}
			c.stepOffer(session.Send)
		}
		out := c.inviteTarget(next, offer)
		switch {
		case out.hung:
			return
		case out.moved: // same target, from the new address, as a new call leg
			c.media.Rollback()
			c.stepOffer(session.Refused)
			offer = nil
			c.renew(to)
			way.again(next)
		case out.err != nil:
			last = out.err
		case out.res.IsSuccess():
			c.answered(out)
			return
		case out.res.StatusCode == 488 && otherKeys(c.media):
			c.stepOffer(session.Refused)
			offer = nil
			way.again(next)
		default:
			last = way.refused(next, out.res)
		}
	}
	c.endWith(last)
}

// renew begins a new dialog for a call whose old INVITE was given up.
func (c *Call) renew(to uri.URI) {
	d := c.account.outgoing(to)
	if !c.own(d) {
		return // the old one serves too, with a higher CSeq
	}
	c.mu.Lock()
	heard := c.answerSDP != nil
	c.d, c.half, c.branches, c.answerTag, c.answerSDP = d, d, nil, "", nil
	c.mu.Unlock()
	if heard {
		c.tell()
	}
}

// inviteTarget sends INVITE to one Request-URI, by whichever of its servers answers.
func (c *Call) inviteTarget(to place, offer []byte) outcome {
	c.mu.Lock()
	d := c.d
	c.mu.Unlock()
	to.aim(d)
	e := c.inviteExchange(d, offer)
	ctx, cancel := context.WithCancel(c.ua.life)
	defer cancel()
	go func() { // a hang-up ends look-ups and dialling too
		select {
		case <-c.hang:
			cancel()
		case <-ctx.Done():
		}
	}()
	ts, err := c.ua.targets(ctx, e)
	if err != nil {
		return outcome{err: err, hung: c.isHung()}
	}
	out := outcome{err: fmt.Errorf("%w: no address for %s", ErrTransport, e.next.HostPort())}
	for i, t := range ts {
		if weaker(out.err, t) {
			continue
		}
		e.limit = c.ua.patience(ts, i)
		d.stay(t) // the dialogs that this makes are with t
		out = c.inviteServer(ctx, e, d, t, e.limit)
		if out.hung || out.moved || (out.err == nil && out.res.StatusCode != 503) {
			return out
		}
		c.ua.blame(e, t, out.res)
	}
	return out
}

// inviteExchange is short where it may be: a request above 1300 bytes has to go by TCP (RFC 3261 18.1.1). Without
// Accept the peer knows that we take SDP (RFC 3261 20.1).
func (c *Call) inviteExchange(d *dialog, offer []byte) exchange {
	return exchange{account: c.account, next: d.nextHop(), build: func(h hop) *sipmsg.Request {
		c.account.localize(d, h)
		req := d.request(sipmsg.INVITE, d.nextSeq())
		req.AppendHeader(c.account.contactHeader(h))
		req.AppendHeader(sipmsg.NewHeader("Allow", allowed))
		req.AppendHeader(sipmsg.NewHeader("Supported", supported+",199")) // RFC 6228 5: we listen to 199
		for _, x := range c.sessionHeaders(true) {
			req.AppendHeader(sipmsg.NewHeader(x.Name, x.Value))
		}
		for _, x := range c.options.Headers {
			req.AppendHeader(sipmsg.NewHeader(cleanText(x.Name), cleanText(x.Value)))
		}
		if offer != nil {
			req.AppendHeader(sipmsg.NewHeader("Content-Type", sdpType))
			req.SetBody(offer)
		}
		return req
	}}
}

func (c *Call) isHung() bool {
	select {
	case <-c.hang:
		return true
	default:
		return false
	}
}

// inviteServer sends INVITE to one server and answers its challenges, and its wish for a longer session interval.
func (c *Call) inviteServer(ctx context.Context, e exchange, d *dialog, t resolve.Target, limit time.Duration) outcome {
	for try := 1; ; try++ {
		tx, h, err := c.ua.start(ctx, e, t)
		if err != nil {
			return outcome{err: err, d: d, hung: c.isHung()}
		}
		c.noteWay(h)
		out := c.watch(tx, h, d, limit)
		if out.err != nil || out.res == nil {
			return out
		}
		if c.lengthen(out.res) || try < maxAuthTries && c.ua.challenged(e, tx.req, h, out.res) {
			continue
		}
		return out
	}
}

// attempt is one INVITE transaction under way.
type attempt struct {
	c       *Call
	machine session.Caller
	out     outcome
}

// watch follows one INVITE transaction until its final response, or until it is given up.
func (c *Call) watch(tx *clientTx, h hop, d *dialog, limit time.Duration) outcome {
	a := &attempt{c: c, out: outcome{tx: tx, h: h, d: d}}
	var silence <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		silence = timer.C
	}
	ring := time.NewTimer(time.Until(c.started.Add(c.ua.cfg.RingTime)))
	defer ring.Stop()
	broken := tx.broken()
	for {
		var event session.CallerEvent
		var res *sipmsg.Response
		select {
		case res = <-tx.Responses():
			event = session.Judge(res.StatusCode, tagOf(res.To()) != "")
		case <-tx.Done():
			event = session.TimedOut
		case <-broken:
			event, broken = session.Lost, nil
		case <-silence:
			event, silence = session.Silent, nil
		case <-ring.C:
			event = session.RingOver
		case <-c.hang:
			event = session.HungUp
		case <-c.moved:
			src, err := c.ua.cfg.Network.Source(h.target.Addr)
			if err != nil || src == h.local.Addr() {
				continue // no way out yet: the next change tells; or still the same address
			}
			event = session.Moved
		case <-c.ua.life.Done():
			event = session.ShutDown
		}
		if a.happen(event, res) {
			return a.out
		}
	}
}

// happen does what an event asks for; true ends the watch.
func (a *attempt) happen(event session.CallerEvent, res *sipmsg.Response) bool {
	c, out := a.c, &a.out
	switch do := a.machine.Step(event); do {
	case session.Nothing:
		return false
	case session.Ring, session.Branch:
		if err := c.progress(out.d, res); err != nil {
			a.machine.Step(session.HungUp)
			out.err, out.hung = err, true
			c.endWith(err)
			a.leave(true)
			return true
		}
		return false
	case session.Prune:
		c.prune(out.d, res)
		return false
	case session.Take, session.Report:
		out.res = res
	case session.Fail:
		out.err = out.tx.failure()
	case session.Drop:
		out.tx.Terminate()
		out.err = fmt.Errorf("%w from %s", ErrNoAnswer, out.h.target.Addr)
		if event == session.Lost {
			out.err = fmt.Errorf("%w: connection lost", ErrTransport)
		}
	case session.Cancel, session.CancelLater:
		a.giveUp(event, do == session.Cancel)
	case session.Abandon, session.Goodbye: // the latter only when given up
		out.tx.Terminate()
		out.err, out.hung = ErrClosed, true
	}
	return true
}

// giveUp leaves an INVITE for a reason.
func (a *attempt) giveUp(why session.CallerEvent, now bool) {
	c, out := a.c, &a.out
	cancelled := a.leave(now)
	switch why { //nolint:exhaustive // the table has a CANCEL for these three
	case session.Moved:
		c.awaitCancel(cancelled)
		out.moved = true
	case session.RingOver:
		out.err = fmt.Errorf("%w within %s", ErrNoAnswer, c.ua.cfg.RingTime)
		out.hung = true
		c.endWith(out.err)
	default:
		out.hung = true
	}
}

// awaitCancel lets a CANCEL overtake the INVITE that follows it.
func (c *Call) awaitCancel(cancelled <-chan struct{}) {
	select {
	case <-cancelled:
	case <-time.After(cancelPatience):
	case <-c.hang:
	case <-c.ua.life.Done():
	}
}

// leave cancels an INVITE and sees it to its end in the background. The result is closed when the CANCEL is
// answered, or was not sent.
func (a *attempt) leave(now bool) <-chan struct{} {
	cancelled := make(chan struct{})
	a.c.background(&a.c.goodbyes, func() {
		a.settle(now, cancelled)
	})
	return cancelled
}

// settle waits for the end of an INVITE we no longer want. RFC 3261 9.1: CANCEL only after a provisional
// response; if the 2xx was faster, the call is ended by BYE.
func (a *attempt) settle(now bool, cancelled chan struct{}) {
	c, tx := a.c, a.out.tx
	sent := false
	cancel := func() {
		if sent {
			return
		}
		sent = true
		c.ua.wg.Go(func() {
			defer close(cancelled)
			c.sendCancel(tx, a.out.h)
		})
	}
	if now {
		cancel()
	}
	defer func() {
		if !sent {
			close(cancelled)
		}
	}()
	limit := time.NewTimer(cancelTimeout)
	defer limit.Stop()
	for a.machine.State() != session.Done {
		var event session.CallerEvent
		var res *sipmsg.Response
		select {
		case res = <-tx.Responses():
			event = session.Judge(res.StatusCode, tagOf(res.To()) != "")
		case <-tx.Done():
			event = session.TimedOut
		case <-limit.C:
			event = session.Overdue
		case <-c.ua.life.Done():
			event = session.ShutDown
		}
		switch a.machine.Step(event) { //nolint:exhaustive // the others do not come from Leaving
		case session.Cancel:
			cancel()
		case session.Goodbye:
			c.refuseAnswer(a.out.d, tx, res)
		case session.Abandon:
			tx.Terminate()
		}
	}
}

// sendCancel cancels an INVITE (RFC 3261 9.1): same branch, number and route.
func (c *Call) sendCancel(tx *clientTx, h hop) {
	invite := tx.req
	req := sipmsg.NewRequest(sipmsg.CANCEL, invite.Recipient)
	req.AppendHeader(invite.Via().Clone())
	for _, name := range []string{"Route", "Max-Forwards", "From", "To", "Call-ID"} {
		sipmsg.CopyHeaders(name, invite, req)
	}
	req.AppendHeader(&sipmsg.CSeqHeader{SeqNo: invite.CSeq().SeqNo, MethodName: sipmsg.CANCEL})
	req.SetBody(nil)
	req.SetTransport(invite.Transport())
	req.SetDestination(invite.Destination())
	ctx, stop := context.WithTimeout(c.ua.life, cancelTimeout)
	defer stop()
	err := c.insist(func() error {
		now, err := c.ua.hop(ctx, c.account, h.target) // the same connection, or a new one to the same place
		if err != nil {
			return err
		}
		cancelTx, err := c.ua.tx.start(req, now.conn)
		if err != nil {
			return err
		}
		defer cancelTx.Terminate()
		_, err = c.ua.await(ctx, cancelTx, 0)
		return err
	})
	if err != nil {
		c.ua.log.Info("CANCEL not answered", "call_id", c.id, "err", err)
	}
}
