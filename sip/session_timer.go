package sip

import (
	"context"
	"errors"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/session"
)

const (
	// refreshTimeout bounds a session refresh: 64*T1, and a challenge.
	refreshTimeout = 40 * time.Second
	// timerTag is the option tag of RFC 4028.
	timerTag = "timer"
	// maxRaised bounds the 422s obeyed in one call: each proxy on the way may send one.
	maxRaised = 8
)

// sessionTimer keeps a call alive for proxies and finds out when the peer is gone (RFC 4028). The lock of the call
// guards it.
type sessionTimer struct {
	machine  session.Timer
	clock    *time.Timer   // nil: not set
	interval time.Duration // Session-Expires: agreed, or what we ask for
	least    time.Duration // Min-SE: the largest that anybody on the way has asked for
	deadline time.Time     // when the session expires unless it is refreshed
	raised   int           // times a 422 was obeyed
	abort    func()        // ends the refresh under way; nil: there is none
}

func newSessionTimer() sessionTimer {
	return sessionTimer{interval: session.DefaultInterval, least: session.MinInterval}
}

// sessionHeaders are those of RFC 4028 for a request of ours: a first INVITE asks for a timer that we keep;
// later ones keep what was agreed, and in whose hands it is (RFC 4028 7.4).
func (c *Call) sessionHeaders(first bool) []Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.timer
	refresher := "uac"
	if t.machine.State() == session.TheirTurn {
		refresher = "uas"
	}
	if !first && t.machine.State() == session.Off {
		return nil
	}
	hs := []Header{{"Session-Expires", secondsText(t.interval) + ";refresher=" + refresher}}
	if t.least > session.MinInterval {
		hs = append(hs, Header{"Min-SE", secondsText(t.least)})
	}
	if !first {
		hs = append(hs, Header{"Supported", timerTag})
	}
	return hs
}

// lengthen takes a 422 (RFC 4028 7.3) and tells whether the request should be sent again, with a longer interval.
func (c *Call) lengthen(res *sipmsg.Response) bool {
	if res == nil || res.StatusCode != 422 {
		return false
	}
	least, ok := headerSeconds(res, "Min-SE")
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.timer
	if !ok || !session.Usable(least) || least <= t.interval || t.raised >= maxRaised {
		return false
	}
	t.least, t.interval = least, least
	t.raised++
	return true
}

// tooShort tells whether a request asks for a session timer below the least there is, and understands a 422
// (RFC 4028 9).
func tooShort(req *sipmsg.Request) bool {
	interval, ok := headerSeconds(req, "Session-Expires", "x")
	return ok && interval < session.MinInterval && hasTag(req, timerTag, "Supported", "k", "Require")
}

func minSE() Header { return Header{"Min-SE", secondsText(session.MinInterval)} }

// sessionExpires answers a Session-Expires (RFC 4028 9, table 2): the caller refreshes if it can and leaves us the
// choice; otherwise we do.
func sessionExpires(req *sipmsg.Request) []Header {
	v := headerValue(req, "Session-Expires", "x")
	interval, ok := seconds(v)
	if !ok || !session.Usable(interval) {
		return nil
	}
	able := hasTag(req, timerTag, "Supported", "k", "Require")
	if !able {
		return []Header{{"Session-Expires", secondsText(interval) + ";refresher=uas"}}
	}
	refresher := "uac"
	if strings.Contains(strings.ToLower(v), "refresher=uas") {
		refresher = "uas"
	}
	return []Header{{"Session-Expires", secondsText(interval) + ";refresher=" + refresher}, {"Require", timerTag}}
}

// agreeInterval is sessionExpires for a request inside a call: one that does not mention a timer which runs, from a
// peer that knows timers, has only forgotten to (RFC 4028 9 lets us put in our own).
func (c *Call) agreeInterval(req *sipmsg.Request) []Header {
	if hs := sessionExpires(req); hs != nil || !hasTag(req, timerTag, "Supported", "k") {
		return hs
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	refresher := "uas"
	switch c.timer.machine.State() {
	case session.Off, session.Finished:
		return nil
	case session.TheirTurn:
		refresher = "uac"
	case session.OurTurn, session.Refreshing, session.Retrying:
	}
	value := secondsText(c.timer.interval) + ";refresher=" + refresher
	return []Header{{"Session-Expires", value}, {"Require", timerTag}}
}

// startSessionTimer obeys the Session-Expires of a 2xx to INVITE or UPDATE, or its absence. server tells that the 2xx
// is ours.
func (c *Call) startSessionTimer(res *sipmsg.Response, server bool) {
	v := strings.ToLower(headerValue(res, "Session-Expires", "x"))
	interval, ok := seconds(v)
	switch {
	case !ok || !session.Usable(interval):
		c.timerEvent(session.AgreedNone, 0)
	case server == strings.Contains(v, "refresher=uas"):
		c.timerEvent(session.AgreedOurs, interval)
	default:
		c.timerEvent(session.AgreedTheirs, interval)
	}
}

// timerEvent steps the machine and sets the clock. interval is that of an agreement.
func (c *Call) timerEvent(e session.TimerEvent, interval time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.timer
	do := t.machine.Step(e)
	if interval > 0 && do != session.Leave {
		t.interval, t.deadline = interval, time.Now().Add(interval)
	}
	switch do {
	case session.Leave:
		return
	case session.Refresh:
		c.background(&c.wg, c.refreshSession)
		return
	case session.EndCall:
		c.background(&c.goodbyes, c.expire)
		return
	case session.Stop, session.ArmHalf, session.ArmExpiry, session.ArmRetry:
	}
	if t.clock != nil {
		t.clock.Stop()
		t.clock = nil
	}
	if do != session.Stop {
		t.clock = time.AfterFunc(session.Pause(do, t.interval), func() { c.timerEvent(session.Due, 0) })
	}
}

// refreshSession refreshes the session, as the one whose turn it is or because the peer has let it pass, and judges
// the outcome. A 2xx has set the timer anew by then.
func (c *Call) refreshSession() {
	ctx, cancel := context.WithTimeout(c.ua.life, refreshTimeout)
	defer cancel()
	c.setAbort(cancel)
	err := c.sendRefresh(ctx)
	c.setAbort(nil)
	if err == nil || c.State() != Established {
		return
	}
	c.ua.log.InfoContext(ctx, "session not refreshed", "call_id", c.id, "err", err)
	switch {
	case !c.seemsGone(err):
		c.timerEvent(session.Failed, 0)
	case c.ua.cfg.KeepCall != nil && c.ua.cfg.KeepCall(c):
		c.timerEvent(session.GoneButHeard, 0)
	default:
		c.timerEvent(session.Gone, 0)
	}
}

// setAbort remembers how to end the refresh under way.
func (c *Call) setAbort(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timer.abort = f
}

// abortRefresh ends a refresh under way: its answer goes to an address that is ours no more, and its silence must
// neither count against the peer nor keep the re-INVITE of the move waiting. The refresh is tried again later.
func (c *Call) abortRefresh() {
	c.mu.Lock()
	abort := c.timer.abort
	c.mu.Unlock()
	if abort != nil {
		abort()
	}
}

// sendRefresh sends UPDATE where the peer takes it, which needs no session description (RFC 4028 7.4), else re-INVITE.
func (c *Call) sendRefresh(ctx context.Context) error {
	d, err := c.established()
	if err != nil {
		return err
	}
	if !d.allows("UPDATE") {
		return c.Reinvite(ctx)
	}
	for {
		res, _, err := c.ua.roundTrip(ctx, c.inDialog(d, sipmsg.UPDATE, "", nil))
		switch {
		case err == nil && c.lengthen(res):
			continue
		case err == nil && (res.StatusCode == 405 || res.StatusCode == 501):
			return c.Reinvite(ctx) // it promised too much
		case final(res, err) != nil:
			return final(res, err)
		}
		d.refresh(res)
		c.startSessionTimer(res, false)
		return nil
	}
}

// seemsGone tells whether a failed refresh says that the peer is there no more (RFC 4028 10, RFC 5057 5.1): it does
// not know the call, or says nothing. Without a network of our own that cannot be told before the session expires.
func (c *Call) seemsGone(err error) bool {
	code := CodeOf(err)
	if errors.Is(err, ErrTransport) || errors.Is(err, ErrPortClosed) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return time.Now().After(c.timer.deadline)
	}
	return code == 408 || code == 481 || errors.Is(err, context.DeadlineExceeded)
}

// expire ends a call whose peer is gone.
func (c *Call) expire() {
	c.mu.Lock()
	d := c.d
	c.mu.Unlock()
	err := errors.New("the session was not refreshed")
	if c.setState(Ended, EndCause{Reason: EndedNoAnswer, Err: errors.Join(ErrNoAnswer, err)}) {
		c.sayBye(d)
	}
}
