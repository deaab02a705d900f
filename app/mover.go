package app

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/peregrine-softphone/peregrine/mobility"
	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// moverQueue is how many events may wait for the mover. They are few: a handful per call and move.
const moverQueue = 256

// mover owns the mobility machine: it feeds it with what happens, and carries out what it decides.
type mover struct {
	e       *Engine
	machine *mobility.Machine
	watcher mobility.Watcher
	events  chan mobility.Event
	jobs    map[uint64]context.CancelFunc // requests in flight, by their serial; of run's goroutine alone
}

func newMover(e *Engine, w mobility.Watcher) *mover {
	return &mover{
		e: e, machine: mobility.NewMachine(), watcher: w,
		events: make(chan mobility.Event, moverQueue), jobs: map[uint64]context.CancelFunc{},
	}
}

// post tells the machine of an event. The caller does not hold Engine.mu.
func (m *mover) post(ev mobility.Event) {
	select {
	case m.events <- ev:
	case <-m.e.closing:
	}
}

// run works until ctx ends.
func (m *mover) run(ctx context.Context) error {
	changed := make(chan struct{}, 1)
	watched := make(chan error, 1)
	go func() { watched <- m.watcher.Watch(ctx, changed) }()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	m.step(ctx, timer, m.survey(time.Now()))
	for {
		select {
		case <-changed:
			m.step(ctx, timer, m.survey(time.Now()))
		case ev := <-m.events:
			m.step(ctx, timer, ev)
		case <-timer.C:
			m.step(ctx, timer, mobility.TimerFired{})
		case <-ctx.Done():
			return <-watched
		}
	}
}

// survey asks for the ways to everybody the machine knows.
func (m *mover) survey(at time.Time) mobility.Event {
	return mobility.Survey(at, m.machine.Destinations(), m.e.source, mobility.Link)
}

// path is the present way to one destination.
func (m *mover) path(to netip.AddrPort) mobility.Path {
	a, err := m.e.source(to)
	if err != nil {
		return mobility.Path{}
	}
	return mobility.Path{Source: a, Link: mobility.Link(a)}
}

// step feeds one event and starts what follows from it, the most urgent first.
func (m *mover) step(ctx context.Context, timer *time.Timer, ev mobility.Event) {
	now := time.Now()
	refreshed := false
	for _, a := range m.machine.Step(now, ev) {
		switch a := a.(type) {
		case mobility.MoveMedia:
			m.moveMedia(ev, a)
		case mobility.Abort:
			if cancel := m.jobs[a.Job]; cancel != nil {
				cancel()
			}
		case mobility.SwitchSignalling:
			m.e.ua.NetworkChanged(ctx)
		case mobility.Register:
			m.register(a)
		case mobility.Reinvite:
			m.reinvite(a)
		case mobility.Probe:
			m.probe(ctx, a.To)
		case mobility.RefreshPresence:
			if !refreshed { // they serve all accounts
				m.e.refreshSubscriptions()
				refreshed = true
			}
		case mobility.RetryOutbox:
			m.e.chats.NetworkBack()
		case mobility.NetworkState:
			m.e.networkState(a)
		case mobility.Report:
			m.e.moved(a)
		case mobility.SetTimer:
			setTimer(timer, now, a.At)
		}
	}
	m.forget(ev)
}

// probe wakes a fresh link. What it costs when it fails is what the request behind it costs anyway.
func (m *mover) probe(ctx context.Context, to netip.AddrPort) {
	if err := m.e.ua.Probe(to); err != nil {
		m.e.log.DebugContext(ctx, "probe not sent", "remote", to, "err", err)
	}
}

// forget drops the handle of a request that was answered.
func (m *mover) forget(ev mobility.Event) {
	var job uint64
	switch ev := ev.(type) {
	case mobility.RegisterDone:
		job = ev.Job
	case mobility.ReinviteDone:
		job = ev.Job
	default:
		return
	}
	if cancel := m.jobs[job]; cancel != nil {
		cancel()
		delete(m.jobs, job)
	}
}

// setTimer sets timer to at; the zero time stops it.
func setTimer(timer *time.Timer, now, at time.Time) {
	if at.IsZero() {
		timer.Stop()
		return
	}
	timer.Reset(max(0, at.Sub(now)))
}

// moveMedia is carried out in the step itself: it only wakes the media's own goroutines.
func (m *mover) moveMedia(ev mobility.Event, a mobility.MoveMedia) {
	at := time.Now()
	if changed, ok := ev.(mobility.NetworkChanged); ok {
		at = changed.At
	}
	c, err := m.e.liveCall(a.Call)
	if err != nil {
		return
	}
	m.e.mu.Lock()
	session := c.media
	m.e.mu.Unlock()
	if session != nil {
		session.Moved(at)
	}
}

// register sends a REGISTER and tells the machine of its answer.
func (m *mover) register(a mobility.Register) {
	m.job(a.Job, func(ctx context.Context) {
		err := m.e.registerNow(ctx, a.Account)
		code, after := answer(err)
		m.post(mobility.RegisterDone{Account: a.Account, Job: a.Job, Code: code, RetryAfter: after})
	})
}

// reinvite sends a re-INVITE and tells the machine of its answer.
func (m *mover) reinvite(a mobility.Reinvite) {
	m.job(a.Job, func(ctx context.Context) {
		err := m.e.reinviteNow(ctx, a.Call)
		code, after := answer(err)
		m.post(mobility.ReinviteDone{Call: a.Call, Job: a.Job, Code: code, RetryAfter: after})
	})
}

// job runs a request of the machine on a goroutine of its own, where Abort finds it.
func (m *mover) job(serial uint64, f func(context.Context)) {
	cancelled := make(chan struct{})
	m.jobs[serial] = func() {
		select {
		case <-cancelled:
		default:
			close(cancelled)
		}
	}
	m.e.spawn(func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			select {
			case <-cancelled:
				cancel()
			case <-stop:
			}
		}()
		f(ctx)
	})
}

// answer is what the machine wants to know of the end of a request.
func answer(err error) (code int, retryAfter time.Duration) {
	var status *sip.StatusError
	switch {
	case err == nil:
		return 200, 0
	case errors.As(err, &status):
		return status.Code, status.RetryAfter
	}
	return 0, 0
}

// registerNow sends a REGISTER of an account.
func (e *Engine) registerNow(ctx context.Context, id string) error {
	e.mu.Lock()
	var s *sip.Account
	for _, a := range e.accounts {
		if a.id() == id {
			s = a.sip
		}
	}
	e.mu.Unlock()
	if s == nil {
		return sip.ErrClosed
	}
	return s.Register(ctx)
}

// reinviteNow tells the peer of a call where we are now.
func (e *Engine) reinviteNow(ctx context.Context, id string) error {
	c, err := e.liveCall(id)
	if err != nil {
		return err
	}
	e.mu.Lock()
	s := c.sip
	e.mu.Unlock()
	if s == nil {
		return sip.ErrState
	}
	return s.Reinvite(ctx)
}

// accountStarted tells the machine of an account.
func (m *mover) accountStarted(a *account) {
	to := m.e.serverOf(a)
	ev := mobility.AccountChanged{Account: a.id(), Registers: a.entry.Kind != AccountLAN, To: to}
	if to.IsValid() {
		ev.Path = m.path(to)
	} else {
		ev.Path = mobility.Survey(time.Time{}, nil, m.e.source, mobility.Link).Default
	}
	m.post(ev)
}

// serverOf is the server of an account: the one it registered at, or one known without DNS; else the
// zero value, which stands for the Internet at large.
func (e *Engine) serverOf(a *account) netip.AddrPort {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a.server.IsValid() {
		return a.server
	}
	if a.proxy.Host != "" {
		return numeric(a.proxy)
	}
	return numeric(a.aor)
}

// numeric is the destination of a URI whose host is an IP address; the zero value for a name.
func numeric(u uri.URI) netip.AddrPort {
	addr, err := netip.ParseAddr(u.Host)
	if err != nil {
		return netip.AddrPort{}
	}
	port := u.Port
	if port == 0 {
		port = defaultPort
	}
	return netip.AddrPortFrom(addr, uint16(port))
}

func (m *mover) accountStopped(id string) { m.post(mobility.AccountRemoved{Account: id}) }

// callChanged tells the machine of a call: from the first INVITE on, when it is answered, and when its media moves.
func (m *mover) callChanged(c *call) {
	m.e.mu.Lock()
	s, session, confirmed, live := c.sip, c.media, !c.rec.AnsweredAt.IsZero(), c.live()
	known := c.known
	m.e.mu.Unlock()
	if s == nil || !live {
		return
	}
	now := callWays{confirmed: confirmed, signal: numeric(s.Remote().URI)}
	if a := m.e.accountOf(s); a != nil && a.entry.Kind != AccountLAN {
		now.signal = m.e.serverOf(a)
	}
	if session != nil {
		now.media = session.Stats().Remote
	}
	if now == known {
		return
	}
	m.e.mu.Lock()
	c.known = now
	m.e.mu.Unlock()
	ev := mobility.CallChanged{Call: c.id, Confirmed: confirmed, Signal: now.signal, Media: now.media}
	ev.SignalPath = mobility.Survey(time.Time{}, nil, m.e.source, mobility.Link).Default
	if now.signal.IsValid() {
		ev.SignalPath = m.path(now.signal)
	}
	if now.media.IsValid() {
		ev.MediaPath = m.path(now.media)
	}
	m.post(ev)
}

// callWays is what the machine was last told of a call.
type callWays struct {
	confirmed     bool
	signal, media netip.AddrPort
}

func (m *mover) callEnded(id string) { m.post(mobility.CallEnded{Call: id}) }

// source asks for the address that packets to a destination leave from.
func (e *Engine) source(to netip.AddrPort) (netip.Addr, error) { return e.cfg.Network.Source(to) }
