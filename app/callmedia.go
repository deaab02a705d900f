package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/peregrine-softphone/peregrine/media"
	"github.com/peregrine-softphone/peregrine/sip"
)

// startMedia opens sockets and devices of a call and lets its session run until the call ends. toward is
// where its signalling goes, if that is known.
func (e *Engine) startMedia(c *call, toward netip.Addr) (*media.Session, error) {
	m, err := e.newSession(c, toward)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	if c.media != nil || !c.live() {
		e.mu.Unlock()
		m.Close()
		return nil, userErrorf("That call is being answered or has ended.")
	}
	c.media = m
	e.mu.Unlock()
	started := e.spawn(func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		e.mu.Lock()
		if !c.live() {
			e.mu.Unlock()
			return
		}
		c.stop = cancel
		e.mu.Unlock()
		if err := m.Run(ctx); err != nil && !errors.Is(err, media.ErrClosed) {
			e.log.WarnContext(ctx, "media session failed", "call", c.id, "err", err)
		}
	})
	if !started {
		m.Close()
		return nil, errNotRunning
	}
	return m, nil
}

// session gives the media of a call in which something can be changed: one that is established.
func (e *Engine) session(id string) (*call, *media.Session, error) {
	c, err := e.liveCall(id)
	if err != nil {
		return nil, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.media == nil || c.sip == nil || c.rec.AnsweredAt.IsZero() {
		return nil, nil, userErrorf("Nobody has answered that call yet.")
	}
	return c, c.media, nil
}

// Hold puts a call on hold: the other side is told, and no sound flows.
func (e *Engine) Hold(ctx context.Context, id string) error { return e.hold(ctx, id, true) }

// Resume takes a call off hold; others are put on hold.
func (e *Engine) Resume(ctx context.Context, id string) error { return e.hold(ctx, id, false) }

func (e *Engine) hold(ctx context.Context, id string, on bool) error {
	c, m, err := e.session(id)
	if err != nil {
		return err
	}
	if m.Stats().LocalHold == on {
		return nil
	}
	if !on {
		e.holdOthers(ctx, c)
	}
	m.SetHold(on)
	if err := c.sip.Reinvite(ctx); err != nil {
		if sip.CodeOf(err) != 0 && !errors.Is(err, sip.ErrTransport) {
			m.SetHold(!on) // the peer said no: things are as they were
		}
		return unchanged(c.rec.PeerName, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refreshMediaLocked(c)
	return nil
}

// holdOthers puts every other established call on hold, so that one is heard at a time.
func (e *Engine) holdOthers(ctx context.Context, but *call) {
	e.mu.Lock()
	var others []string
	for _, c := range e.calls {
		together := c.rec.Conference && but.rec.Conference
		if c == but || c.successor == but || together {
			continue
		}
		if c.rec.State == CallEstablished || c.rec.State == CallHeld && c.rec.HeldBy == heldByPeer {
			others = append(others, c.id)
		}
	}
	e.mu.Unlock()
	for _, id := range others {
		if err := e.Hold(ctx, id); err != nil {
			e.log.InfoContext(ctx, "other call not put on hold", "call", id, "err", err)
		}
	}
}

// Mute sends silence in place of the microphone, or stops doing so.
func (e *Engine) Mute(_ context.Context, id string, on bool) error {
	c, m, err := e.session(id)
	if err != nil {
		return err
	}
	if e.muteConference(c, on) {
		return nil
	}
	m.SetMuted(on)
	e.mu.Lock()
	defer e.mu.Unlock()
	c.rec.Muted = on
	e.emitCallLocked(c)
	return nil
}

// unchanged tells that the other side did not want a change of the session; the call goes on as it was.
func unchanged(who string, err error) error {
	detail := ""
	if status, ok := errors.AsType[*sip.StatusError](err); ok {
		detail = status.Error()
	}
	if detail != "" || errors.Is(err, errKeptCodec) {
		return &UserError{
			Sentence: fmt.Sprintf("%s's phone did not agree to the change. The call goes on as it was.", who),
			Detail:   detail, Err: err,
		}
	}
	return explain(aboutCall, who, err)
}

// DTMF sends digits (0-9 * # A-D) as telephone events (RFC 4733), or by INFO when the other side
// does not take them.
func (e *Engine) DTMF(ctx context.Context, id, digits string) error {
	digits = strings.ToUpper(digits)
	if digits == "" || len(digits) > 64 || strings.Trim(digits, "0123456789*#ABCD") != "" {
		return userErrorf("Tones are the digits 0 to 9, *, # and A to D.")
	}
	c, m, err := e.session(id)
	if err != nil {
		return err
	}
	err = m.DTMF(ctx, digits)
	if !errors.Is(err, media.ErrNoDTMF) {
		if err != nil {
			return explain(aboutCall, c.rec.PeerName, err)
		}
		return nil
	}
	for _, d := range digits {
		body := "Signal=" + string(d) + "\r\nDuration=160\r\n"
		if err := c.sip.Info(ctx, "application/dtmf-relay", []byte(body)); err != nil {
			return explain(aboutCall, c.rec.PeerName, err)
		}
	}
	return nil
}

// Who holds a call.
const (
	heldByUs   = "us"
	heldByPeer = "peer"
	heldByBoth = "both"
)

// refreshMediaLocked copies what the media knows into the record of an answered call. The caller holds e.mu.
func (e *Engine) refreshMediaLocked(c *call) {
	if c.media == nil || !c.live() {
		return
	}
	st := e.conferLocked(c, c.media.Stats())
	before, heldBefore, codecBefore, fitBefore := c.rec.State, c.rec.HeldBy, c.rec.Codec, c.rec.Adaptation
	c.rec.Adaptation = adaptation(st)
	c.rec.Codec, c.rec.Codecs, c.rec.Chosen, c.rec.Muted = st.Codec, st.Codecs, st.Pinned, st.Muted
	encryptionBefore := c.rec.Encryption + c.rec.Cipher
	c.rec.Path, c.rec.Encryption, c.rec.Cipher = st.Path, st.Encryption, st.Cipher
	e.namePathLocked(c)
	if st.PacketsReceived != c.rec.Quality.PacketsReceived {
		c.heardAt = time.Now()
	}
	c.rec.Quality = quality(st)
	c.rec.HandOffs = handOffs(c.moves, st.HandOffs)
	if !c.rec.AnsweredAt.IsZero() {
		c.rec.State, c.rec.HeldBy = CallEstablished, ""
		switch {
		case st.LocalHold && st.RemoteHold:
			c.rec.State, c.rec.HeldBy = CallHeld, heldByBoth
		case st.LocalHold:
			c.rec.State, c.rec.HeldBy = CallHeld, heldByUs
		case st.RemoteHold:
			c.rec.State, c.rec.HeldBy = CallHeld, heldByPeer
		}
	}
	e.tellBackLocked(c)
	e.noteDevicesLocked(st)
	if before != c.rec.State || heldBefore != c.rec.HeldBy || codecBefore != c.rec.Codec ||
		fitBefore != c.rec.Adaptation || encryptionBefore != c.rec.Encryption+c.rec.Cipher {
		e.emitCallLocked(c)
		e.callsChangedLocked()
	}
}

// soundFresh is for how long after a packet the sound of a call counts as flowing: codecs that send nothing in silence
// still send comfort noise or RTCP within it.
const soundFresh = 5 * time.Second

// stillSounds is asked before a call is ended because its session was not refreshed: while sound comes, it stays.
func (e *Engine) stillSounds(s *sip.Call) bool {
	c := e.callOf(s)
	if c == nil {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return c.live() && !c.heardAt.IsZero() && time.Since(c.heardAt) < soundFresh
}

// noteDevicesLocked turns trouble with microphone or speaker into a sentence. The caller holds e.mu.
func (e *Engine) noteDevicesLocked(st media.Stats) {
	trouble := ""
	switch {
	case st.RecorderProblem != "" && st.PlayerProblem != "":
		trouble = "Microphone and speaker do not work: " + st.PlayerProblem
	case st.RecorderProblem != "":
		trouble = "The microphone does not work: " + st.RecorderProblem
	case st.PlayerProblem != "":
		trouble = "The speaker does not work: " + st.PlayerProblem
	}
	if trouble != e.trouble {
		e.trouble = trouble
		e.changedLocked()
	}
}

func quality(st media.Stats) Quality {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return Quality{
		PacketsSent: st.PacketsSent, PacketsReceived: st.PacketsReceived, Lost: st.Lost, LossPercent: st.LossPercent,
		JitterMS: ms(st.Jitter), RTTMS: ms(st.RTT), DelayMS: ms(st.Delay), MOS: st.MOS, Bars: bars(st.MOS),
		LevelIn: st.LevelIn, LevelOut: st.LevelOut,
		RemoteLossPercent: st.RemoteLossPercent, ConcealedMS: ms(st.Concealed), TargetDelayMS: ms(st.TargetDelay),
		BitrateKbps: float64(st.Bitrate) / 1000,
	}
}

// bars shows an estimated MOS as bars, at the borders of ITU-T G.109's categories (best 4.34, high
// 4.03, medium 3.60, low 3.10), moved down a little since narrow-band codecs end at 4.4.
func bars(mos float64) int {
	switch {
	case mos == 0:
		return 0
	case mos >= 4:
		return 4
	case mos >= 3.6:
		return 3
	case mos >= 3.1:
		return 2
	}
	return 1
}

// measureEvery is how often the figures of live calls are looked at; levels move as quickly as an eye follows.
const measureEvery = 250 * time.Millisecond

// measure keeps the figures of live calls fresh until ctx ends.
func (e *Engine) measure(ctx context.Context) error {
	tick := time.NewTicker(measureEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			e.refreshQuality()
		case <-ctx.Done():
			return nil
		}
	}
}

func (e *Engine) refreshQuality() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.calls {
		if c.live() && c.media != nil {
			e.refreshMediaLocked(c)
			e.changedLocked()
		}
	}
	e.soundLocked() // the other side may have begun to send sound of its own
}
