package app

import (
	"context"

	"github.com/peregrine-softphone/peregrine/sip"
)

// Answers to calls that are not put through.
const (
	codeUnavailable = 480 // Temporarily Unavailable: a blocked caller cannot tell it from a phone that is off
	codeBusy        = 486 // Busy Here
	// Not Acceptable Here: no way of encryption or no codec is common (RFC 3261 13.3.1.3).
	codeNotAcceptable = 488
)

// incomingCall is told by the user agent of a call to us.
func (e *Engine) incomingCall(ctx context.Context, s *sip.Call) {
	old := s.Replaces()
	e.mu.Lock()
	from := e.callerLocked(s.Remote().URI)
	full := e.liveCallsLocked() >= maxLiveCalls
	dnd := e.settings.value(SettingDND)
	strangers := e.settings.value(SettingStrangers)
	e.mu.Unlock()
	switch {
	case old != nil && !from.blocked:
		e.takeOver(ctx, s, old)
		return
	case full:
		e.turnAway(ctx, s, codeBusy)
		return
	}
	switch admit(from, dnd == "on", strangers) {
	case verdictRing:
		e.ringFor(ctx, s)
	case verdictMissed:
		e.turnAway(ctx, s, codeUnavailable)
		e.missed(s, "This call came while you did not want to be disturbed.")
	case verdictAsk:
		e.turnAway(ctx, s, codeUnavailable)
		e.missed(s, "You do not know this caller, so nothing rang.")
		e.ask(RequestCall, s.Remote(), "", "", nil, nil)
	case verdictSilent:
		e.turnAway(ctx, s, codeUnavailable)
	}
}

// turnAway refuses a call that the user is not told of while it rings.
func (e *Engine) turnAway(ctx context.Context, s *sip.Call, code int) {
	if err := s.Decline(ctx, code); err != nil {
		e.log.InfoContext(ctx, "call not declined", "call_id", s.ID(), "err", err)
	}
}

// missed keeps a call that never rang.
func (e *Engine) missed(s *sip.Call, why string) {
	e.mu.Lock()
	c := e.newCallLocked(s.Remote(), s.Account().ID(), true)
	c.missed = true
	e.mu.Unlock()
	e.endCall(c, userErrorf("%s", why))
}

// ringFor puts a call through to the user, or answers it when he wants that.
func (e *Engine) ringFor(ctx context.Context, s *sip.Call) {
	anyCodec, err := e.fits(s)
	if err != nil {
		e.turnAway(ctx, s, codeNotAcceptable)
		e.mu.Lock()
		who := e.nameOfLocked(s.Remote())
		e.mu.Unlock()
		e.missed(s, explain(aboutCall, who, err).Sentence)
		return
	}
	e.mu.Lock()
	auto := e.settings.value(SettingAutoAnswer)
	alone := e.liveCallsLocked() == 0
	c := e.newCallLocked(s.Remote(), s.Account().ID(), true)
	c.sip, c.anyCodec, c.rec.Waiting = s, anyCodec, e.talkingLocked()
	e.emitCallLocked(c)
	e.mu.Unlock()
	s.SetObserver(func(s *sip.Call) { e.callChanged(c, s) })
	if err := s.Ring(ctx); err != nil {
		e.log.InfoContext(ctx, "caller not told that it rings", "call_id", s.ID(), "err", err)
	}
	e.callChanged(c, s) // it may have ended before the observer was there
	if auto == "on" && alone {
		if err := e.Answer(ctx, c.id); err != nil {
			e.log.InfoContext(ctx, "call not answered by itself", "call_id", s.ID(), "err", err)
		}
	}
}
