package sip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/transport"
)

const (
	// retryFirst and retryLast bound the pause after a failed registration (RFC 5626 4.5, base-time and max-time). Its
	// 30 s and 30 min may be configured; a person who waits for a call does not wait that long.
	retryFirst = 2 * time.Second
	retryLast  = 2 * time.Minute
	// retryRefused is the pause after the server refused us for good (403, a wrong password): a server may
	// block those who insist.
	retryRefused = 10 * time.Minute
	// silencePatience is how long the user is told that we are signing in, while nobody answers. The transaction goes
	// on for 32 s (timer F).
	silencePatience = 8 * time.Second
	// flowProven is how long a flow must have lived for its end to be no sign of a server that cannot hold it.
	flowProven = 2 * time.Minute
	// maxExpires bounds what a registrar may make us ask for (423).
	maxExpires = 24 * time.Hour
	// unregisterTimeout caps the goodbye.
	unregisterTimeout = 2 * time.Second
)

// registration keeps one account registered; register_machine.go is its machine. Its own goroutine runs run, and one
// more the REGISTER under way; force may be called from any.
type registration struct {
	a     *Account
	wake  chan *forced  // a caller of Register waits
	doubt chan struct{} // a request to the server we are registered at failed
	clock clockWatch

	// Owned by run.
	state   regState
	waiting []*forced
	lease   lease          // what the last 2xx gave
	err     error          // why the last REGISTER failed
	failed  int            // failures in a row
	flaps   int            // short lives of flows in a row
	flow    transport.Conn // that of lease; nil once it has failed
	began   time.Time      // when flow did
	retryAt time.Time
	keeper  keeper

	stop                <-chan struct{} // nil once heeded
	broken              <-chan struct{} // of the flow that we are registered by; nil: none, or heeded
	due, silence, lapse timer
	result              chan outcomeOfRegister // of the REGISTER under way; nil: none
	giveUp              context.CancelFunc     // of the same

	// Owned by the REGISTER under way, by run in between.
	registrant registrant
}

// forced is a waiting caller of Register.
type forced struct{ done chan error }

type outcomeOfRegister struct {
	lease lease
	err   error
}

// timer is a time.Timer that may be off; the zero value is. Only one goroutine may use it.
type timer struct{ t *time.Timer }

func (t *timer) set(d time.Duration) {
	t.off()
	t.t = time.NewTimer(d)
}

func (t *timer) off() {
	if t.t != nil {
		t.t.Stop()
	}
	t.t = nil
}

func (t *timer) c() <-chan time.Time {
	if t.t == nil {
		return nil
	}
	return t.t.C
}

func newRegistration(a *Account) *registration {
	return &registration{
		a: a, wake: make(chan *forced, 16), doubt: make(chan struct{}, 1),
		clock: newClockWatch(), registrant: newRegistrant(a),
	}
}

// force asks run for a registration now and waits for it.
func (r *registration) force(ctx context.Context) error {
	f := &forced{done: make(chan error, 1)}
	select {
	case r.wake <- f:
	case <-r.a.notify.over:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-f.done:
		return err
	case <-r.a.notify.over:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run registers, refreshes and retries until ctx ends, then un-registers.
func (r *registration) run(ctx context.Context) {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	defer r.keeper.end()
	r.stop = ctx.Done()
	r.clock.begin()
	r.apply(ctx, regStart)
	for r.state != regGone {
		r.apply(ctx, r.next(tick.C))
	}
	r.tell(ErrClosed)
}

// next waits for what happens.
func (r *registration) next(tick <-chan time.Time) regEvent {
	for {
		select {
		case f := <-r.wake:
			r.waiting = append(r.waiting, f)
			return regForced
		case out := <-r.result:
			r.ended()
			return r.finished(out)
		case <-r.due.c():
			r.due.off()
			return regDue
		case <-r.silence.c():
			r.silence.off()
			return regSilence
		case <-r.lapse.c():
			r.lapse.off()
			return regLapsed
		case <-r.broken:
			r.broken = nil
			return r.flowEnded()
		case <-r.doubt:
			return regSuspected
		case <-r.keeper.moved():
			return r.flowEnded()
		case <-tick:
			if r.clock.jumped() {
				return regJumped
			}
		case <-r.stop:
			r.stop = nil
			return regStop
		}
	}
}

// finished takes the outcome of a REGISTER.
func (r *registration) finished(out outcomeOfRegister) regEvent {
	switch {
	case r.state == regLeaving:
		return regLeft
	case out.err != nil:
		r.err = fmt.Errorf("register %s: %w", r.a.cfg.AOR, out.err)
		return regRefused
	}
	r.lease, r.err = out.lease, nil
	return regAccepted
}

// flowEnded judges the end of the flow: the first one is recovered from at once, those that follow too soon wait
// longer and longer (RFC 5626 4.5), or a server that drops every connection would get thousands.
func (r *registration) flowEnded() regEvent {
	src, err := r.a.ua.cfg.Network.Source(r.lease.way.target.Addr)
	moved := err != nil || src.Unmap() != r.lease.way.local.Addr()
	if moved || time.Since(r.began) >= flowProven {
		r.flaps = 0
	}
	r.flow = nil
	if r.flaps++; r.flaps == 1 {
		return regBroken
	}
	r.err, r.failed = fmt.Errorf("register %s: %w: connection lost", r.a.cfg.AOR, ErrTransport), r.flaps-1
	return regFlapped
}

// apply makes a step of the machine and does what it asks for.
func (r *registration) apply(ctx context.Context, e regEvent) {
	before := r.state
	m := before.step(e)
	r.state = m.next
	if e == regLapsed {
		r.a.take(way{})
	}
	switch m.do {
	case regSend:
		r.begin(ctx)
		r.show(before)
	case regRest:
		r.rest()
		r.show(before)
		r.tell(nil)
	case regPause:
		r.backOff(e == regRefused)
		r.show(before)
		r.tell(r.err)
	case regUnregister:
		r.unregister(ctx)
		r.show(before)
	case regNothing:
		if m.next != before { // nobody answers
			r.err = fmt.Errorf("register %s: %w", r.a.cfg.AOR, ErrNoAnswer)
			r.show(before)
			r.tell(r.err)
		}
	case regEnd:
	}
}

// show tells the application where we stand, unless it is where we stood.
func (r *registration) show(before regState) {
	s := AccountState{Registration: r.state.shown()}
	switch r.state {
	case regBound:
		s = r.lease.state()
	case regTrying, regWaiting, regRetrying:
		if l := r.lease; l.until.After(time.Now()) { // the registrar still knows us at the old place
			s = l.state()
			s.Registration = r.state.shown()
		}
		if s.Registration == Failed {
			s.Err = r.err
		}
		if r.state == regWaiting {
			s.RetryAt = r.retryAt
		}
	case regRefreshing, regDoubting:
		return // the user sees no difference
	case regLeaving:
	case regIdle, regGone, regStates:
		return
	}
	if r.state == regTrying && before == regTrying {
		return // begun anew: no news
	}
	r.a.setState(s)
}

// tell answers those who wait in Register.
func (r *registration) tell(err error) {
	for _, f := range r.waiting {
		f.done <- err
	}
	r.waiting = nil
}

// begin starts a REGISTER; one under way is given up.
func (r *registration) begin(ctx context.Context) {
	r.abandon()
	r.due.off()
	r.silence.off()
	if r.state == regTrying || r.state == regDoubting {
		r.silence.set(silencePatience)
	}
	// After a move or a lost flow there is no time to look for a better server.
	hurry := r.state == regDoubting || r.state == regTrying
	if r.state == regDoubting || r.state == regTrying {
		r.registrant.fresh()
	}
	r.launch(ctx, func(ctx context.Context) outcomeOfRegister {
		l, err := r.registrant.register(ctx, hurry)
		return outcomeOfRegister{l, err}
	})
}

// launch runs a REGISTER on a goroutine of its own, which ended or abandon waits for.
func (r *registration) launch(ctx context.Context, f func(context.Context) outcomeOfRegister) {
	ctx, r.giveUp = context.WithCancel(ctx)
	result := make(chan outcomeOfRegister, 1)
	r.result = result
	go func() { result <- f(ctx) }()
}

// abandon ends the REGISTER under way.
func (r *registration) abandon() {
	if r.result == nil {
		return
	}
	r.giveUp()
	<-r.result
	r.ended()
}

func (r *registration) ended() {
	r.giveUp()
	r.result, r.giveUp = nil, nil
}

// rest waits for the end of the life that the registrar granted.
func (r *registration) rest() {
	l := &r.lease
	r.failed = 0
	if r.flow == nil || !r.flow.Same(l.way.conn) {
		r.flow, r.began = l.way.conn, time.Now()
	}
	l.until = time.Now().Add(l.granted)
	r.silence.off()
	r.lapse.set(l.granted)
	r.due.set(max(l.granted-margin(l.granted), time.Second))
	r.broken = l.way.conn.Broken()
	last := r.a.present()
	l.way.proven = last.proven && last.gruu.Equal(l.way.gruu)
	r.a.take(l.way)
	if g := l.way.gruu; !g.IsZero() && !last.gruu.Equal(g) {
		r.a.ua.wg.Go(func() { r.a.prove(r.a.ua.life, g) })
	}
	r.keeper.keep(r.a, *l)
}

// backOff waits before the next try.
func (r *registration) backOff(count bool) {
	if count {
		r.failed++
	}
	r.abandon()
	r.silence.off()
	pause := r.pause(r.err)
	r.due.set(pause)
	r.retryAt = time.Now().Add(pause)
}

// pause is the time until the next REGISTER after a failure: a growing back-off with jitter so that a server coming
// back is not met by all its phones at once.
func (r *registration) pause(err error) time.Duration {
	if s, ok := errors.AsType[*StatusError](err); ok {
		switch {
		case s.RetryAfter > 0:
			return min(s.RetryAfter, time.Hour)
		case s.Code == 401 || s.Code == 407 || s.Code == 403 || s.Code == 404:
			return retryRefused
		}
	}
	d := min(retryFirst<<min(max(r.failed-1, 0), 10), retryLast)
	return d/2 + rand.N(d/2+1) //nolint:gosec // RFC 5626 4.5: 50 to 100 %; no secret
}

// margin is how long before its end something is refreshed: room for a lost packet and a slow
// server (timer F is 32 s), yet no more than half of a short life.
func margin(life time.Duration) time.Duration {
	return min(max(life/10, 40*time.Second), life/2)
}

// unregister removes our Contact. ctx has ended already; what it says goodbye with lives for unregisterTimeout.
func (r *registration) unregister(ctx context.Context) {
	r.abandon()
	r.due.off()
	r.silence.off()
	r.lapse.off()
	r.broken = nil
	r.keeper.end()
	r.a.take(way{})
	ctx = context.WithoutCancel(ctx)
	r.launch(ctx, func(ctx context.Context) outcomeOfRegister {
		ctx, cancel := context.WithTimeout(ctx, unregisterTimeout)
		defer cancel()
		if err := r.registrant.remove(ctx); err != nil {
			r.a.ua.log.InfoContext(ctx, "not un-registered", "account", r.a.cfg.ID, "err", err)
		}
		return outcomeOfRegister{}
	})
}
