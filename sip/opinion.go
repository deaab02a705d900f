package sip

import (
	"context"
	"net/netip"
	"slices"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// opinionTime is how long the known address of a peer may take to say that it is still there: three datagrams (0, 0.5,
// 1.5 s) and a round trip. A phone that moved while it rings must not make ours ring longer than that.
const opinionTime = 1800 * time.Millisecond

// The second opinion. Call-ID and tags are secrets that travel in clear text: who saw one packet has them. So a request
// inside a dialog is obeyed at once only from where the dialog is. One from elsewhere is what a peer does that went
// from one network to another, and what a thief does. We ask at the old address, inside the dialog (OPTIONS,
// RFC 3261 11): a peer that answers there has not moved, and its BYE was not its own. Silence, a closed port and 481
// mean that it has. Peers behind a route set do not move that way: their proxy stays.
//
//	from elsewhere | call                     | subscription of ours | subscription to us
//	re-INVITE      | obeyed, taken back if no | silence              | silence
//	BYE, UPDATE    | obeyed if moved          | silence              | silence
//	CANCEL         | obeyed if moved          | -                    | -
//	NOTIFY         | silence                  | obeyed if moved      | silence
//	SUBSCRIBE      | silence                  | silence              | obeyed if moved
//	other          | silence                  | silence              | silence
//
// A re-INVITE does not wait: the user would hear nothing meanwhile. When it turns out to be a thief's, after one round
// trip, the talk goes back by a re-INVITE of ours, and from then on this dialog takes nothing on trust.

// doubt is what a request from elsewhere has to wait for.
type doubt int

const (
	certain doubt = iota // from where the dialog is
	onTrust              // obeyed now, perhaps taken back
	waits                // obeyed when the second opinion agrees
	refuted              // silence
)

// doubts is the table above.
func doubts(o owner, method sipmsg.RequestMethod, hasBody, fooled bool) doubt {
	switch o.(type) {
	case *Call:
		switch method {
		case sipmsg.INVITE:
			if fooled || !hasBody { // without an offer there is no hurry
				return waits
			}
			return onTrust
		case sipmsg.BYE, sipmsg.UPDATE:
			return waits
		}
	case *Subscription:
		if method == sipmsg.NOTIFY {
			return waits
		}
	case *ServerSubscription:
		if method == sipmsg.SUBSCRIBE {
			return waits
		}
	}
	return refuted
}

// dialogOf gives the dialog of an owner as it is now.
func dialogOf(o owner) *dialog {
	switch o := o.(type) {
	case *Call:
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.d
	case *Subscription:
		return o.d
	case *ServerSubscription:
		return o.d
	}
	return nil
}

// place tells where requests of ours in a dialog go: to the target, or by a route.
func (d *dialog) place() (target uri.URI, next uri.URI, routed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.routes) > 0 {
		return d.target, d.routes[0].URI, true
	}
	return d.target, d.target, false
}

// inquire finds out whether the peer of a dialog has moved to where in came from, and calls f with the answer, on a
// goroutine of its own. False: nobody is asked now, and f is not called.
func (u *UA) inquire(k dialogKey, o owner, in *inbound, f func(moved bool)) bool {
	newcomer := in.remote.Addr().Unmap()
	last, first, ok := u.dialogs.homes.park(k, newcomer, f)
	if !ok {
		return false
	}
	if !first {
		return true
	}
	d := dialogOf(o)
	_, next, routed := d.place()
	question := d.request(sipmsg.OPTIONS, d.nextSeq()) // now: an obeyed re-INVITE changes the target
	now := sourceOf(in)
	u.wg.Go(func() {
		ctx, cancel := context.WithTimeout(u.life, opinionTime)
		defer cancel()
		ways, err := u.targets(ctx, exchange{account: o.owner(), next: next, inDialog: true})
		moved := err == nil && leadsTo(ways, newcomer)
		if !moved && !routed {
			moved = !u.stillThere(ctx, o, question, oldPlaces(o.owner(), ways, last), newcomer)
		}
		if u.life.Err() != nil {
			moved = false
		}
		u.log.Info("request from another address than the dialog's",
			"call_id", k.callID, "method", string(in.req.Method),
			"remote", in.remote, "moved", moved)
		u.dialogs.homes.decide(k, now, moved, time.Now())
	})
	return true
}

// leadsTo tells whether an address is one of a next hop's: a server that is many speaks from any of them.
func leadsTo(ways []resolve.Target, addr netip.Addr) bool {
	return slices.ContainsFunc(ways, func(t resolve.Target) bool { return t.Addr.Addr().Unmap() == addr })
}

// oldPlaces are where the peer was: where our requests to it go, and, if that is another address and not a server that
// only helped to find it, where its packets came from (a Contact behind a NAT leads nowhere).
func oldPlaces(a *Account, ways []resolve.Target, last resolve.Target) []resolve.Target {
	var out []resolve.Target
	if len(ways) > 0 {
		out = append(out, ways[0])
	}
	from := last.Addr.Addr().Unmap()
	if last.Addr.IsValid() && !leadsTo(out, from) && !a.fromServer(from) {
		out = append(out, last)
	}
	return out
}

// stillThere asks at the old addresses, all at once.
func (u *UA) stillThere(
	ctx context.Context, o owner, question *sipmsg.Request, places []resolve.Target, newcomer netip.Addr,
) bool {
	answers := make(chan bool, len(places))
	for _, p := range places {
		u.wg.Go(func() { answers <- u.answersAt(ctx, o, question, p, newcomer) })
	}
	for range places {
		if <-answers {
			return true
		}
	}
	return false
}

func (u *UA) answersAt(
	ctx context.Context, o owner, question *sipmsg.Request, place resolve.Target, newcomer netip.Addr,
) bool {
	e := exchange{account: o.owner(), inDialog: true, build: func(hop) *sipmsg.Request { return question.Clone() }}
	h, err := u.hop(ctx, e.account, place)
	if err != nil {
		return false
	}
	tx, err := u.tx.start(u.complete(e, h), h.conn) // not by start: an answer must not make that address a home
	if err != nil {
		return false
	}
	defer tx.Terminate()
	res, err := u.await(ctx, tx, 0)
	if err != nil || res.StatusCode == 481 || res.StatusCode == 408 {
		return false
	}
	if from, err := netip.ParseAddrPort(res.Source()); err == nil && from.Addr().Unmap() == newcomer {
		return false // it answers from the new address itself
	}
	if c, ok := contactURI(res); ok {
		if ip, numeric := c.IP(); numeric && ip.Unmap() == newcomer {
			return false // it can be reached by both, and says which one counts
		}
	}
	return true
}

// secondHand takes a request from elsewhere that admit let in.
func (u *UA) secondHand(in *inbound, k dialogKey, o owner) {
	switch in.doubt {
	case onTrust:
		c, _ := o.(*Call)
		target, _, _ := dialogOf(o).place()
		seq := in.req.CSeq().SeqNo
		if u.inquire(k, o, in, func(moved bool) {
			if !moved {
				u.guard.spoofed.Add(1)
				c.takeBack(seq, target)
			}
		}) {
			u.deliver(in, o)
			return
		}
	case waits:
		if u.inquire(k, o, in, func(moved bool) {
			if moved {
				u.deliver(in, o)
				return
			}
			u.guard.spoofed.Add(1)
			in.tx.Terminate()
		}) {
			return
		}
	case certain, refuted:
	}
	u.guard.spoofed.Add(1)
	in.tx.Terminate()
}

// takeBack undoes a re-INVITE of somebody else than the peer: its 200 is not repeated, the old target counts again,
// and a re-INVITE of ours gives the peer its sound back.
func (c *Call) takeBack(seq uint32, target uri.URI) {
	c.mu.Lock()
	d, w := c.d, c.acks[seq]
	c.mu.Unlock()
	d.mu.Lock()
	d.target = target
	d.mu.Unlock()
	if w != nil {
		select {
		case w.got <- sipmsg.NewRequest(sipmsg.ACK, sipmsg.Uri{}): // nobody's: it ends the wait
		default:
		}
	}
	c.background(&c.wg, func() {
		ctx, cancel := context.WithTimeout(c.ua.life, refreshTimeout)
		defer cancel()
		if err := c.Reinvite(ctx); err != nil {
			c.ua.log.InfoContext(ctx, "stolen call not brought back", "call_id", c.id, "err", err)
		}
	})
}
