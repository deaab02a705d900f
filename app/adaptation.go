package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/peregrine-softphone/peregrine/media"
	"github.com/peregrine-softphone/peregrine/media/adapt"
)

// codecAuto gives the choice of the codec back to the program.
const codecAuto = "auto"

const (
	// wishTime bounds a re-INVITE that nobody asked for: with what it repeats of itself it ends within 32 s
	// (RFC 3261 17.1.1.2), and a pair of 491 costs up to four more.
	wishTime = 40 * time.Second
	// yield is how long the called side waits before it acts on a wish: in a call of two Peregrines both may have the
	// same one at the same time, and a glare costs up to 4 s (RFC 3261 14.1).
	yield = 1200 * time.Millisecond
)

// codecChange is the state of changes of a call's codec. Engine.mu guards it.
type codecChange struct {
	turn chan struct{}      // who may change holds it; made with the first change
	stop context.CancelFunc // ends the program's own change; nil: there is none
}

// takeTurn waits until nobody else changes the codec of a call; a change of the program's own gives way.
func (e *Engine) takeTurn(ctx context.Context, c *call) (give func(), err error) {
	e.mu.Lock()
	if c.codecs.turn == nil {
		c.codecs.turn = make(chan struct{}, 1)
	}
	turn, stop := c.codecs.turn, c.codecs.stop
	e.mu.Unlock()
	if stop != nil {
		stop()
	}
	select {
	case turn <- struct{}{}:
		return func() { <-turn }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Codec changes the codec of a call by re-INVITE; the old one goes on until the other side agrees, and for good when
// it does not. The program does not change what the user chose, until the choice is given back to it by "auto".
func (e *Engine) Codec(ctx context.Context, id, name string) error {
	c, m, err := e.session(id)
	if err != nil {
		return err
	}
	auto := strings.EqualFold(name, codecAuto)
	if !auto && !slices.ContainsFunc(m.Stats().Codecs, named(name)) {
		return userErrorf(
			"%s and you have these in common: %s. Choose one of them, or auto.",
			c.rec.PeerName, strings.Join(m.Stats().Codecs, ", "),
		)
	}
	m.SetPinned(true) // from now on the program has no wishes
	give, err := e.takeTurn(ctx, c)
	if err != nil {
		m.SetPinned(m.CodecOrder() != nil)
		return explain(aboutCall, c.rec.PeerName, err)
	}
	defer give()
	before := m.CodecOrder()
	if auto {
		name = e.bestCodec(c, m)
	}
	if err := e.changeCodec(ctx, c, m, name, 0); err != nil {
		m.SetPinned(before != nil)
		return unchanged(c.rec.PeerName, err)
	}
	if auto {
		if err := m.SetCodecs(nil); err != nil {
			e.log.WarnContext(ctx, "order of codecs not given back", "call", c.id, "err", err)
		}
	}
	m.SetPinned(!auto)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refreshMediaLocked(c)
	return nil
}

func named(name string) func(string) bool {
	return func(s string) bool { return strings.EqualFold(s, name) }
}

// bestCodec is what the settings prefer of what both sides can do.
func (e *Engine) bestCodec(c *call, m *media.Session) string {
	st := m.Stats()
	for _, k := range codecOrder(e.codecsOf(c)) {
		if slices.ContainsFunc(st.Codecs, named(k.Name)) {
			return k.Name
		}
	}
	return st.Codec
}

// errKeptCodec says that the other side answered a re-INVITE with another codec than the one that was wished for.
var errKeptCodec = errors.New("the answer prefers another codec")

// changeCodec asks the other side for a codec, which stays the first in what we offer. limit is what it is asked to
// send at the most; 0: no limit. After an error everything is as it was. The caller has the turn.
func (e *Engine) changeCodec(ctx context.Context, c *call, m *media.Session, name string, limit int) error {
	st, before := m.Stats(), m.CodecOrder()
	i := slices.IndexFunc(st.Codecs, named(name))
	if i < 0 {
		return fmt.Errorf("codec %s: %w", name, media.ErrNoCommonCodec)
	}
	order := slices.Concat(st.Codecs[i:i+1], st.Codecs[:i], st.Codecs[i+1:])
	if err := m.SetCodecs(order); err != nil {
		return err
	}
	old := m.SetLimit(limit)
	if strings.EqualFold(m.Agreed(), name) && old == limit {
		return nil // it is in use, and stays
	}
	err := c.sip.Reinvite(ctx)
	if err == nil && !strings.EqualFold(m.Stats().Codec, name) {
		err = errKeptCodec
	}
	if err != nil {
		m.SetLimit(old)
		if serr := m.SetCodecs(before); serr != nil {
			e.log.WarnContext(ctx, "order of codecs not put back", "call", c.id, "err", serr)
		}
	}
	return err
}

// wished is told that the media of a call wishes for another codec. It does not block.
func (e *Engine) wished(c *call, w adapt.Wish) {
	e.mu.Lock()
	m := c.media
	e.mu.Unlock()
	started := m != nil && e.spawn(func(ctx context.Context) {
		err := e.grant(ctx, c, m, w)
		if err != nil {
			e.log.InfoContext(ctx, "codec stays", "call", c.id, "wish", w.Codec, "return", w.Return, "err", err)
		}
		m.WishDone(err == nil)
		e.mu.Lock()
		defer e.mu.Unlock()
		e.refreshMediaLocked(c)
	})
	if m != nil && !started {
		m.WishDone(false)
	}
}

// errNotNow says that a wish came at a moment when something else happens to the call.
var errNotNow = errors.New("not now")

// grant carries out a wish.
func (e *Engine) grant(ctx context.Context, c *call, m *media.Session, w adapt.Wish) error {
	ctx, cancel := context.WithTimeout(ctx, wishTime)
	defer cancel()
	from := m.Stats().Codec
	if w.Now {
		// What we send may no longer fit: the re-INVITE itself would not get through.
		if undo, ok := m.SendNow(w.Codec); ok {
			defer undo() // nothing, once there is a new agreement
		}
	}
	if err := e.yieldTo(ctx, c); err != nil {
		return err
	}
	give, err := e.takeTurn(ctx, c)
	if err != nil {
		return err
	}
	defer give()
	e.mu.Lock()
	quiet := c.rec.State == CallEstablished && c.rec.Network == "" &&
		(c.rec.Transfer == nil || c.rec.Transfer.State == TransferFailed)
	c.codecs.stop = cancel
	e.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		c.codecs.stop = nil
	}()
	before := m.CodecOrder()
	switch {
	case !quiet || before != nil: // the user has chosen meanwhile
		return errNotNow
	case !strings.EqualFold(m.Agreed(), from) && !strings.EqualFold(from, w.Codec):
		return errNotNow // the other side had the same wish
	}
	if err := e.changeCodec(ctx, c, m, w.Codec, w.Limit); err != nil {
		return err
	}
	// Later offers begin with what is in use, and answers follow the other side: it was no user's choice.
	return m.SetCodecs(nil)
}

// yieldTo lets the calling side go first.
func (e *Engine) yieldTo(ctx context.Context, c *call) error {
	if !c.rec.Incoming {
		return nil
	}
	timer := time.NewTimer(yield)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// adaptation says in a sentence what was changed for the network's sake; empty: nothing.
func adaptation(st media.Stats) string {
	s := st.Adaptation
	why := "the network is slow"
	if s.Reason == adapt.Lossy {
		why = "the network loses sound"
	}
	name := s.Codec
	if strings.EqualFold(name, "opus") {
		name = "Opus"
	}
	switch s.State {
	case adapt.Away, adapt.Probing:
		if s.Limit > 0 && s.Reason == adapt.Slow && strings.EqualFold(s.Home, s.Codec) {
			return "Asked the other side to send less: " + why + "."
		}
		return "Switched to " + name + ": " + why + "."
	case adapt.Returning:
		return "The network is better: going back to " + s.Home + "."
	case adapt.Asking, adapt.Home:
	}
	switch s.Reason {
	case adapt.Slow:
		return "Sending less: " + why + "."
	case adapt.Lossy:
		return "Protecting the sound: " + why + "."
	case adapt.NoReason:
	}
	return ""
}

// adaptAll turns the fitting to the network on or off in live calls.
func (e *Engine) adaptAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	on := e.settings.value(SettingAdaptation) == "on"
	for _, c := range e.calls {
		if c.live() && c.media != nil {
			c.media.SetAdapt(on)
		}
	}
}
