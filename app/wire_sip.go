package app

import (
	"context"

	"github.com/peregrine-softphone/peregrine/sip"
)

// sipHandler takes what comes in from the network.
type sipHandler struct{ e *Engine }

var _ sip.Handler = sipHandler{}

// IncomingCall implements sip.Handler.
func (h sipHandler) IncomingCall(c *sip.Call) {
	h.e.spawn(func(ctx context.Context) { h.e.incomingCall(ctx, c) })
}

// IncomingMessage implements sip.Handler.
func (h sipHandler) IncomingMessage(ctx context.Context, m sip.IncomingMessage) (code int, reason string) {
	return h.e.incomingMessage(ctx, m), ""
}

// IncomingSubscribe implements sip.Handler.
func (h sipHandler) IncomingSubscribe(s *sip.ServerSubscription) {
	h.e.spawn(func(ctx context.Context) {
		h.e.mu.Lock()
		from := h.e.callerLocked(s.From().URI)
		h.e.mu.Unlock()
		if from.blocked {
			const decline = 603
			_ = s.Reject(ctx, decline) // ErrState: it is over
			return
		}
		h.e.incomingSubscribe(ctx, s)
	})
}

// IncomingRefer implements sip.Handler.
func (h sipHandler) IncomingRefer(r *sip.ReferRequest) {
	h.e.spawn(func(ctx context.Context) { h.e.incomingRefer(ctx, r) })
}

// IncomingNotify implements sip.Handler.
func (h sipHandler) IncomingNotify(n sip.UnsolicitedNotify) int {
	return h.e.mailboxTold(n.Account.ID(), n.ContentType, n.Body)
}

// Suspect implements sip.Handler.
func (h sipHandler) Suspect(s sip.Suspect) { h.e.suspect(s) }

// AccountChanged implements sip.Handler.
func (h sipHandler) AccountChanged(a *sip.Account) { h.e.accountChanged(a) }

// accountOf is the account a call belongs to; nil when it was removed.
func (e *Engine) accountOf(c *sip.Call) *account {
	owner := c.Account()
	if owner == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.accounts {
		if a.id() == owner.ID() {
			return a
		}
	}
	return nil
}
