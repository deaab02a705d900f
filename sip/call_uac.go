package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	// maxRedirects bounds the targets tried after 3xx responses.
	maxRedirects = 5
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
	c.media, c.options, c.observer = m, o, o.Observer
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
	queue := []uri.URI{to}
	visited := map[string]bool{to.String(): true}
	last := ErrTransport
	for len(queue) > 0 {
		target := queue[0]
		if offer == nil && !c.options.NoOffer {
			var err error
			if offer, err = c.media.Offer(c.ua.life); err != nil {
				c.endWith(fmt.Errorf("%w: %w", ErrMedia, err))
				return
			}
		}
		out := c.inviteTarget(target, offer)
		switch {
		case out.hung:
			return
		case out.moved: // same target, from the new address, as a new call leg
			c.media.Rollback()
			offer = nil
			c.renew(to)
			continue
		case out.err != nil:
			last = out.err
		case out.res.IsSuccess():
			c.answered(out)
			return
		case out.res.IsRedirection():
			last = statusError(out.res)
			fresh := c.redirections(out.res, visited)
			if len(fresh) == 0 {
				last = fmt.Errorf("%w: %w", ErrRedirectLoop, last)
			}
			queue = append(queue[:1:1], append(fresh, queue[1:]...)...)
		default:
			last = statusError(out.res)
			if out.res.StatusCode >= 600 { // RFC 3261 21.6: no other place will do either
				queue = queue[:1]
			}
		}
		queue = queue[1:]
	}
	c.endWith(last)
}

// redirections gives the new targets of a 3xx, best first.
func (c *Call) redirections(res *sipmsg.Response, visited map[string]bool) []uri.URI {
	cs := contacts(res)
	slices.SortStableFunc(cs, func(a, b uri.Address) int { return cmp.Compare(quality(b), quality(a)) })
	var out []uri.URI
	for _, t := range cs {
		key := t.URI.String()
		if visited[key] || len(visited) > maxRedirects { // the first target is in there too
			continue
		}
		visited[key] = true
		out = append(out, t.URI)
	}
	return out
}

// quality reads the q of a Contact; absent counts as 1 (RFC 3261 20.10 leaves it open).
func quality(a uri.Address) float64 {
	q, err := strconv.ParseFloat(a.Params.Get("q"), 64)
	if err != nil {
		return 1
	}
	return q
}

// renew begins a new dialog for a call whose old INVITE was given up.
func (c *Call) renew(to uri.URI) {
	d := c.account.outgoing(to)
	if !c.own(d) {
		return // the old one serves too, with a higher CSeq
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.d, c.half, c.answerTag, c.answerSDP = d, d, "", nil
}

// inviteTarget sends INVITE to one Request-URI, by whichever of its servers answers.
func (c *Call) inviteTarget(target uri.URI, offer []byte) outcome {
	c.mu.Lock()
	d := c.d
	c.mu.Unlock()
	d.mu.Lock()
	d.target = target
	d.mu.Unlock()
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
		limit := time.Duration(0)
		if i < len(ts)-1 {
			limit = silentLimit
		}
		out = c.inviteServer(ctx, e, d, t, limit)
		if out.hung || out.moved || (out.err == nil && out.res.StatusCode != 503) {
			return out
		}
		c.ua.bad.mark(targetKey(t), badFor)
	}
	return out
}

func (c *Call) inviteExchange(d *dialog, offer []byte) exchange {
	return exchange{account: c.account, next: d.nextHop(), build: func(h hop) *sipmsg.Request {
		c.account.localize(d, h)
		req := d.request(sipmsg.INVITE, d.nextSeq())
		req.AppendHeader(c.account.contactHeader(h))
		req.AppendHeader(sipmsg.NewHeader("Allow", allowed))
		req.AppendHeader(sipmsg.NewHeader("Accept", sdpType))
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

// inviteServer sends INVITE to one server and answers its challenges.
func (c *Call) inviteServer(ctx context.Context, e exchange, d *dialog, t resolve.Target, limit time.Duration) outcome {
	for try := 1; ; try++ {
		tx, h, err := c.ua.start(ctx, e, t)
		if err != nil {
			return outcome{err: err, d: d, hung: c.isHung()}
		}
		out := c.watch(tx, h, d, limit)
		if out.err == nil && out.res != nil && try < maxAuthTries && c.ua.challenged(e, tx.req, h, out.res) {
			continue
		}
		return out
	}
}

// watch follows one INVITE transaction until its final response, or until it is given up.
func (c *Call) watch(tx *clientTx, h hop, d *dialog, limit time.Duration) outcome {
	out := outcome{tx: tx, h: h, d: d}
	var silence <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		silence = timer.C
	}
	ring := time.NewTimer(time.Until(c.started.Add(c.ua.cfg.RingTime)))
	defer ring.Stop()
	broken := tx.broken()
	provisional := false
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				out.res = res
				return out
			}
			provisional, silence = true, nil
			c.progress(res)
		case <-tx.Done():
			out.err = tx.failure()
			return out
		case <-broken:
			if !provisional {
				tx.Terminate()
				out.err = fmt.Errorf("%w: connection lost", ErrTransport)
				return out
			}
			broken = nil // the answer may come over a new connection (RFC 3261 18.2.2)
		case <-silence:
			tx.Terminate()
			out.err = fmt.Errorf("%w from %s", ErrNoAnswer, h.target.Addr)
			return out
		case <-ring.C:
			c.giveUp(tx, h, d, provisional)
			out.err = fmt.Errorf("%w within %s", ErrNoAnswer, c.ua.cfg.RingTime)
			out.hung = true
			c.endWith(out.err)
			return out
		case <-c.hang:
			c.giveUp(tx, h, d, provisional)
			out.hung = true
			return out
		case <-c.moved:
			src, err := c.ua.cfg.Network.Source(h.target.Addr)
			if err != nil || src == h.local.Addr() {
				continue // no way out yet: the next change tells; or still the same address
			}
			c.awaitCancel(c.giveUp(tx, h, d, provisional))
			out.moved = true
			return out
		case <-c.ua.life.Done():
			tx.Terminate()
			out.err, out.hung = ErrClosed, true
			return out
		}
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

// progress takes a provisional response.
func (c *Call) progress(res *sipmsg.Response) {
	if res.StatusCode == 100 {
		return
	}
	c.setState(Ringing, EndCause{})
	if tagOf(res.To()) == "" || len(res.Body()) == 0 || bodyType(res) != sdpType || c.options.NoOffer {
		return
	}
	c.takeAnswer(tagOf(res.To()), res.Body())
}

// giveUp cancels an INVITE and sees it to its end in the background. The result is closed when the CANCEL is
// answered, or was not sent.
func (c *Call) giveUp(tx *clientTx, h hop, d *dialog, provisional bool) <-chan struct{} {
	cancelled := make(chan struct{})
	c.background(&c.goodbyes, func() {
		c.settle(tx, h, d, provisional, cancelled)
	})
	return cancelled
}

// settle waits for the end of an INVITE we no longer want. RFC 3261 9.1: CANCEL only after a provisional
// response; if the 2xx was faster, the call is ended by BYE.
func (c *Call) settle(tx *clientTx, h hop, d *dialog, provisional bool, cancelled chan struct{}) {
	sent := false
	cancel := func() {
		if sent {
			return
		}
		sent = true
		c.ua.wg.Go(func() {
			defer close(cancelled)
			c.sendCancel(tx, h)
		})
	}
	if provisional {
		cancel()
	}
	defer func() {
		if !sent {
			close(cancelled)
		}
	}()
	limit := time.NewTimer(cancelTimeout)
	defer limit.Stop()
	for {
		select {
		case res := <-tx.Responses():
			switch {
			case res.IsProvisional():
				cancel()
			case res.IsSuccess():
				c.refuseAnswer(d, tx, res)
				return
			default:
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
		now, err := c.ua.hop(ctx, h.target) // the same connection, or a new one to the same place
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
