package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Transfer hands a call on: its peer is asked to call the address (RFC 3515), and is on hold meanwhile. It returns
// when the peer has agreed to try; the call's Transfer tells the rest. When the target answers, this call ends; when
// not, it stays on hold.
func (e *Engine) Transfer(ctx context.Context, id, address string) error {
	c, _, err := e.session(id)
	if err != nil {
		return err
	}
	to, _, err := e.route(address, c.account)
	if err != nil {
		return err
	}
	if err := e.Hold(ctx, id); err != nil {
		e.log.InfoContext(ctx, "call not put on hold for a transfer", "call", id, "err", err)
	}
	return e.refer(ctx, c, uri.Address{URI: to}, nil)
}

// Connect lets the peers of two answered calls talk to each other (an attended transfer, RFC 5589 7) and leaves both
// when they do. If one of the phones cannot be put in our place (it does not know Replaces), the other call is ended
// and its peer called anew by the first one's.
func (e *Engine) Connect(ctx context.Context, id, otherID string) error {
	c, _, err := e.session(id)
	if err != nil {
		return err
	}
	other, _, err := e.session(otherID)
	if err != nil {
		return err
	}
	if c == other {
		return userErrorf("Say two calls that are to be connected.")
	}
	for _, each := range []*call{c, other} {
		if err := e.Hold(ctx, each.id); err != nil {
			e.log.InfoContext(ctx, "call not put on hold for a transfer", "call", each.id, "err", err)
		}
	}
	switch {
	case mayReplace(c, other):
		return e.refer(ctx, c, other.sip.Remote(), other)
	case mayReplace(other, c):
		return e.refer(ctx, other, c.sip.Remote(), c)
	case !c.sip.Allows("REFER") && other.sip.Allows("REFER"):
		c, other = other, c
	}
	// RFC 5589 7.6: without Replaces the target is called anew, so it must be free.
	to := other.sip.Remote()
	if err := e.Hangup(ctx, other.id); err != nil {
		return err
	}
	return e.refer(ctx, c, to, nil)
}

// mayReplace tells whether the peer of c can be asked to take our place in the call other.
func mayReplace(c, other *call) bool {
	const extension = "replaces" // RFC 3891 6.1
	return c.sip.Allows("REFER") && c.sip.Supports(extension) && other.sip.Supports(extension)
}

// refer asks the peer of c to call to, in the place of the call other when that is not nil.
func (e *Engine) refer(ctx context.Context, c *call, to uri.Address, other *call) error {
	o := sip.ReferOptions{OnProgress: func(code int, _ string) { e.transferProgress(c, code) }}
	if other != nil {
		o.Replaces = other.sip
	}
	e.mu.Lock()
	c.rec.Transfer = &Transfer{To: to.URI.AOR().String(), Name: e.nameOfLocked(to), State: TransferAsked}
	e.emitCallLocked(c)
	e.mu.Unlock()
	r, err := c.sip.Refer(ctx, to.URI, o)
	if err != nil {
		why := transferRefused(c.rec.PeerName, err)
		e.setTransfer(c, TransferFailed, why)
		return why
	}
	e.spawn(func(ctx context.Context) {
		select {
		case <-r.Done():
			e.transferred(ctx, c, r.Err())
		case <-ctx.Done():
		}
	})
	return nil
}

// transferRefused says why the other side would not carry out a transfer.
func transferRefused(who string, err error) *UserError {
	s, ok := errors.AsType[*sip.StatusError](err)
	if !ok {
		return explain(aboutCall, who, err)
	}
	sentence := fmt.Sprintf("%s's phone refused the transfer. The call is on hold.", who)
	if s.Code == 405 || s.Code == 501 || s.Code == 420 {
		sentence = fmt.Sprintf("%s's phone cannot be transferred. The call is on hold.", who)
	}
	return &UserError{Sentence: sentence, Detail: s.Error(), Err: err}
}

// transferProgress follows what the peer tells of its call to the target.
func (e *Engine) transferProgress(c *call, code int) {
	switch {
	case code == 180 || code == 181 || code == 182 || code == 183:
		e.setTransfer(c, TransferRinging, nil)
	case code < 200:
		e.setTransfer(c, TransferTrying, nil)
	}
}

// transferred takes the outcome of a transfer of ours.
func (e *Engine) transferred(ctx context.Context, c *call, err error) {
	if err == nil {
		e.setTransfer(c, TransferDone, nil)
		if herr := e.Hangup(ctx, c.id); herr != nil {
			e.log.DebugContext(ctx, "transferred call had ended", "call", c.id, "err", herr)
		}
		return
	}
	e.mu.Lock()
	target := ""
	if c.rec.Transfer != nil {
		target = c.rec.Transfer.Name
	}
	e.mu.Unlock()
	switch {
	case errors.Is(err, sip.ErrOutcomeUnknown) || errors.Is(err, sip.ErrEnded):
		e.setTransfer(c, TransferFailed, problem(err, "Nobody told how the transfer to %s went.", target))
	default:
		e.setTransfer(c, TransferFailed, explain(aboutCall, target, err))
	}
}

func (e *Engine) setTransfer(c *call, state TransferState, why *UserError) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.rec.Transfer == nil || c.rec.Transfer.State == state && why == nil {
		return
	}
	t := *c.rec.Transfer // snapshots hold the old one
	t.State, t.Reason, t.Detail = state, "", ""
	if why != nil {
		t.Reason, t.Detail = why.Sentence, why.Detail
	}
	c.rec.Transfer = &t
	e.emitCallLocked(c)
}

// incomingRefer is told that the other side of a call wants us to call somebody. Nothing happens without the user's
// word, or that of the setting "transfers".
func (e *Engine) incomingRefer(ctx context.Context, r *sip.ReferRequest) {
	const decline = 603
	refuse := func(context.Context) {
		if err := r.Reject(ctx, decline); err != nil {
			e.log.DebugContext(ctx, "transfer was over before it was refused", "err", err)
		}
	}
	c := e.callOf(r.Call())
	if c == nil {
		refuse(ctx)
		return
	}
	switch e.setting(SettingTransfers) {
	case transfersRefuse:
		refuse(ctx)
		return
	case transfersAllow:
		if err := e.followRefer(ctx, c, r); err != nil {
			e.log.InfoContext(ctx, "transfer not carried out", "call", c.id, "err", err)
		}
		return
	}
	target := r.Target()
	e.mu.Lock()
	name := e.nameOfLocked(uri.Address{URI: target})
	e.mu.Unlock()
	id := e.ask(RequestTransfer, c.sip.Remote(), name, c.id,
		func(ctx context.Context) error { return e.followRefer(ctx, c, r) }, refuse)
	e.spawn(func(ctx context.Context) {
		select {
		case <-r.Done(): // withdrawn, too late, or decided
		case <-ctx.Done():
		}
		e.dropRequest(id)
	})
}

// callOf finds the record of a call; nil when there is none.
func (e *Engine) callOf(s *sip.Call) *call {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.calls {
		if c.sip == s {
			return c
		}
	}
	return nil
}

// followRefer calls whom the peer of c wants us to call, and reports to the peer how that goes.
func (e *Engine) followRefer(ctx context.Context, c *call, r *sip.ReferRequest) error {
	if err := r.Accept(ctx); err != nil {
		return problem(err, "The transfer is no longer asked for.")
	}
	o := r.InviteOptions()
	report := func(code int) {
		if err := r.Notify(code, ""); err != nil {
			e.log.DebugContext(ctx, "transfer not reported", "code", code, "err", err)
		}
	}
	o.Observer = func(s *sip.Call) {
		switch s.State() {
		case sip.Ringing:
			report(180)
		case sip.Established:
			report(200)
		case sip.Ended:
			report(endCode(s.EndCause()))
		case sip.Calling, sip.Incoming:
		}
	}
	by := c.rec.PeerName
	if _, err := e.startCall(ctx, r.Target(), c.sip.Account(), o, by); err != nil {
		report(503)
		return err
	}
	return nil
}

// endCode is the status that says how a call ended which was never answered; after 200 nothing is reported.
func endCode(cause sip.EndCause) int {
	if s, ok := errors.AsType[*sip.StatusError](cause.Err); ok {
		return s.Code
	}
	switch {
	case cause.Reason == sip.EndedLocally:
		return 487
	case errors.Is(cause.Err, sip.ErrNoAnswer):
		return 408
	}
	return 503
}

// takeOver answers a call that takes the place of another one, as a transfer makes it: the user talks on, with somebody
// else (RFC 3891). What the user held stays on hold, and who was in the conference is followed by who comes.
func (e *Engine) takeOver(ctx context.Context, s, old *sip.Call) {
	before := e.callOf(old)
	held, together := false, []string(nil)
	e.mu.Lock()
	c := e.newCallLocked(s.Remote(), s.Account().ID(), true)
	c.sip = s
	if before != nil {
		c.rec.ReferredBy = before.rec.PeerName
		before.successor = c
		held = before.rec.HeldBy == heldByUs || before.rec.HeldBy == heldByBoth
		together = e.othersInLocked(before)
	}
	e.emitCallLocked(c)
	e.mu.Unlock()
	s.SetObserver(func(s *sip.Call) { e.callChanged(c, s) })
	e.callChanged(c, s)
	if !held && len(together) == 0 {
		e.holdOthers(ctx, c)
	}
	err := e.pickUp(ctx, c, s, held)
	if err == nil && !held && len(together) > 0 {
		e.callChanged(c, s) // the observer may not have been told yet
		err = e.Conference(ctx, append(together, c.id)...)
	}
	if err != nil {
		e.log.InfoContext(ctx, "call that takes another's place not answered", "call_id", s.ID(), "err", err)
	}
}
