package app

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/peregrine-softphone/peregrine/media"
	"github.com/peregrine-softphone/peregrine/media/mix"
)

// conference is the conversation of several calls: their sessions have ports of a mixer in place of the devices, which
// are the mixer's. Engine.mu guards it. There is one at a time.
type conference struct {
	mixer *mix.Mixer
	sound *sound
	stop  context.CancelFunc // ends the mixer's Run; nil: it has not begun
	ports map[*call]*mix.Port
	muted bool // the user's microphone, for all
}

// Conference makes the calls one conversation: everybody hears everybody. Without ids it is all answered calls; who is
// in the conference stays. Calls that the user holds are taken off hold, others are put on hold. The error tells that a
// call could not be taken off hold; it is in the conference all the same.
func (e *Engine) Conference(ctx context.Context, ids ...string) error {
	calls, err := e.conferees(ids)
	if err != nil {
		return err
	}
	if err := e.meet(ctx, calls); err != nil {
		return err
	}
	e.holdOthers(ctx, calls[0])
	errs := make([]error, len(calls))
	var wg sync.WaitGroup
	for i, c := range calls {
		wg.Go(func() { errs[i] = e.Resume(ctx, c.id) })
	}
	wg.Wait()
	i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
	if i < 0 {
		return nil
	}
	return errs[i] // one sentence is enough
}

// Split takes a call out of the conference and puts it on hold; the others talk on.
func (e *Engine) Split(ctx context.Context, id string) error {
	c, _, err := e.session(id)
	if err != nil {
		return err
	}
	e.mu.Lock()
	in := c.rec.Conference
	e.mu.Unlock()
	if !in {
		return userErrorf("%s is not in a conference.", c.rec.PeerName)
	}
	if err := e.Hold(ctx, id); err != nil {
		return err
	}
	e.leaveConference(c)
	return nil
}

// conferees are the calls of a conference to be: the named ones, or all that are answered, and those who are in it.
func (e *Engine) conferees(ids []string) ([]*call, error) {
	var calls []*call
	for _, id := range ids {
		c, _, err := e.session(id)
		if err != nil {
			return nil, err
		}
		calls = append(calls, c)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.calls {
		answered := c.live() && c.media != nil && c.sip != nil && !c.rec.AnsweredAt.IsZero()
		if answered && (len(ids) == 0 || c.rec.Conference) && !slices.Contains(calls, c) {
			calls = append(calls, c)
		}
	}
	calls = slices.CompactFunc(calls, func(a, b *call) bool { return a == b })
	if len(calls) < 2 {
		return nil, userErrorf("A conference needs two answered calls. Call somebody else first.")
	}
	return calls, nil
}

// meet gives the calls their places in the conference, which begins with them if there is none.
func (e *Engine) meet(ctx context.Context, calls []*call) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	conf := e.conf
	if conf == nil {
		if conf = e.beginConferenceLocked(); conf == nil {
			return errNotRunning
		}
	}
	for _, c := range calls {
		if conf.ports[c] != nil || !c.live() {
			continue
		}
		port, err := conf.mixer.Port()
		if err != nil {
			e.log.WarnContext(ctx, "call not joined", "call", c.id, "err", err)
			return userErrorf("A conference has room for %d calls.", mix.MaxPorts)
		}
		conf.ports[c] = port
		c.rec.Conference = true
		if c.rec.Muted {
			conf.muted = true
			e.unmuteAt(c, port)
		}
		c.media.SetRecorder(port)
		c.media.SetPlayer(port)
	}
	if len(conf.ports) < 2 { // one of them has ended just now
		for c := range conf.ports {
			e.partLocked(c)
		}
		return userErrorf("That call has ended.")
	}
	e.muteConferenceLocked(conf.muted)
	return nil
}

// beginConferenceLocked makes a conference without calls; nil: the engine is ending. The caller holds e.mu.
func (e *Engine) beginConferenceLocked() *conference {
	conf := &conference{sound: newSound(), ports: map[*call]*mix.Port{}}
	conf.mixer = mix.New(mix.Config{
		Logger: e.log, Recorder: recorder{e, conf.sound}, Player: player{e, conf.sound}, OnChange: e.conferenceChanged,
	})
	started := e.spawn(func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		e.mu.Lock()
		if e.conf != conf {
			e.mu.Unlock()
			return
		}
		conf.stop = cancel
		e.mu.Unlock()
		if err := conf.mixer.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			e.log.WarnContext(ctx, "conference failed", "err", err)
		}
	})
	if !started {
		return nil
	}
	e.conf = conf
	return conf
}

// unmuteAt lets a muted call's session send again once it has the mixer's sound in place of the microphone's: from then
// on the mixer keeps the user silent, and the call hears the others.
func (e *Engine) unmuteAt(c *call, port *mix.Port) {
	m, s := c.media, c.sip
	e.spawn(func(ctx context.Context) {
		select {
		case <-port.Recording():
			m.SetMuted(false)
		case <-s.Done():
		case <-ctx.Done():
		}
	})
}

// leaveConference takes a call out. The last one leaves with it: it is an ordinary call again.
func (e *Engine) leaveConference(c *call) {
	e.mu.Lock()
	conf := e.conf
	if conf == nil || conf.ports[c] == nil {
		e.mu.Unlock()
		return
	}
	leaving := []*call{c}
	if len(conf.ports) <= 2 {
		leaving = leaving[:0]
		for o := range conf.ports {
			leaving = append(leaving, o)
		}
	}
	muted := conf.muted
	e.mu.Unlock()
	if muted {
		for _, o := range leaving {
			o.media.SetMuted(true) // before it gets the microphone
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, o := range leaving {
		e.partLocked(o)
	}
}

// partLocked gives a call its devices back, and ends a conference that nobody is left in. The caller holds e.mu.
func (e *Engine) partLocked(c *call) {
	conf := e.conf
	if conf == nil || conf.ports[c] == nil {
		return
	}
	port := conf.ports[c]
	delete(conf.ports, c)
	c.rec.Conference = false
	c.media.SetRecorder(recorder{e, c.sound})
	c.media.SetPlayer(player{e, c.sound})
	port.Close()
	if c.live() {
		e.emitCallLocked(c)
	}
	e.changedLocked()
	if len(conf.ports) > 0 {
		return
	}
	e.conf = nil
	if conf.stop != nil {
		conf.stop()
	}
}

// othersInLocked are the calls that a call of the conference is together with. The caller holds e.mu.
func (e *Engine) othersInLocked(c *call) []string {
	if e.conf == nil || e.conf.ports[c] == nil {
		return nil
	}
	var out []string
	for o := range e.conf.ports {
		if o != c {
			out = append(out, o.id)
		}
	}
	return out
}

// muteConference mutes the user for all calls of the conference; false: the call is in none.
func (e *Engine) muteConference(c *call, on bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conf == nil || e.conf.ports[c] == nil {
		return false
	}
	e.muteConferenceLocked(on)
	return true
}

// muteConferenceLocked is muteConference for all members. The caller holds e.mu.
func (e *Engine) muteConferenceLocked(on bool) {
	e.conf.muted = on
	e.conf.mixer.SetMuted(on)
	for c := range e.conf.ports {
		c.rec.Muted = on
		e.emitCallLocked(c)
	}
	e.changedLocked()
}

// conferLocked puts into the figures of a call what the mixer knows better than its session: whether the user is muted,
// and how the devices are. A peer that holds the call may play music, which the others are spared. The caller holds
// e.mu.
func (e *Engine) conferLocked(c *call, st media.Stats) media.Stats {
	if e.conf == nil || e.conf.ports[c] == nil {
		return st
	}
	e.conf.ports[c].SetMuted(st.RemoteHold)
	st.Muted = e.conf.muted
	st.RecorderProblem, st.PlayerProblem = e.conf.mixer.Problems()
	return st
}

// conferenceChanged is told that a device of the mixer failed or is well again.
func (e *Engine) conferenceChanged() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conf == nil {
		return
	}
	for c := range e.conf.ports {
		e.refreshMediaLocked(c)
		return // one of them tells it for all
	}
}

// reopenConference lets the mixer open a device anew.
func (e *Engine) reopenConference(swap func(*conference)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conf != nil {
		swap(e.conf)
	}
}
