package app

import (
	"context"

	"github.com/peregrine-softphone/peregrine/media/tones"
)

// tone is what the user hears of calls that carry no sound yet.
type tone int

const (
	toneNone     tone = iota
	toneRinging       // a call comes in
	toneRingback      // the other side rings
	toneWaiting       // a call comes in while the user talks
)

// ringer plays the tone that fits the calls.
type ringer struct {
	e     *Engine
	want  chan tone     // holds the newest
	again chan struct{} // holds one: the device is another one now
}

func newRinger(e *Engine) *ringer {
	return &ringer{e: e, want: make(chan tone, 1), again: make(chan struct{}, 1)}
}

// set asks for a tone; it does not block. The caller holds Engine.mu, so that the newest wins.
func (r *ringer) set(t tone) {
	select {
	case <-r.want:
	default:
	}
	r.want <- t
}

// reopen asks for the present tone to go on by the device that the settings name now.
func (r *ringer) reopen() {
	select {
	case r.again <- struct{}{}:
	default:
	}
}

// run plays what is asked for until ctx ends.
func (r *ringer) run(ctx context.Context) error {
	now := toneNone
	stop := func() {}
	defer func() { stop() }()
	for {
		next := now
		select {
		case next = <-r.want:
			if next == now {
				continue
			}
		case <-r.again:
		case <-ctx.Done():
			return nil
		}
		stop()
		now, stop = next, func() {}
		if next != toneNone {
			stop = r.play(ctx, next)
		}
	}
}

// play begins a tone and returns what ends it and waits for its end.
func (r *ringer) play(ctx context.Context, t tone) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		d, err := r.e.cfg.Devices.OpenPlayer(r.device(t), nil)
		if err == nil {
			err = d.Play(ctx, t.source().Pull)
		}
		if err != nil {
			r.e.log.InfoContext(ctx, "tone not played", "err", err)
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

func (t tone) source() *tones.Source {
	switch t {
	case toneRinging:
		return tones.Ringtone()
	case toneWaiting:
		return tones.Waiting()
	case toneRingback, toneNone:
	}
	return tones.Ringback()
}

// device is where a tone is played: ringing has a device of its own if the user wants one. A file
// gets no tones, it would lose the call that follows.
func (r *ringer) device(t tone) string {
	spec := r.e.setting(SettingOutput)
	if ring := r.e.setting(SettingRinger); t == toneRinging && ring != "same" {
		return ring
	}
	if len(spec) >= 5 && spec[:5] == "file:" || spec == "loop" {
		return "none"
	}
	return spec
}

// callsChangedLocked lets everything follow that depends on the calls as a whole: the tone, and what
// buddies see. The caller holds e.mu.
func (e *Engine) callsChangedLocked() {
	e.soundLocked()
	e.spawn(func(context.Context) { e.showPresence() })
}

// soundLocked chooses the tone. The caller holds e.mu.
func (e *Engine) soundLocked() {
	want, talking := toneNone, e.talkingLocked()
	for _, c := range e.calls {
		switch {
		case c.rec.State == CallIncoming && !talking:
			want = toneRinging
		case c.rec.State == CallIncoming && want != toneRinging:
			want = toneWaiting
		case c.rec.State == CallRinging && want == toneNone && !e.earlySoundLocked(c):
			want = toneRingback
		}
	}
	e.ringer.set(want)
}

// earlySoundLocked tells whether the other side sends sound before it answers, such as an
// announcement or a ringback of its own. The caller holds e.mu.
func (e *Engine) earlySoundLocked(c *call) bool {
	return c.media != nil && c.media.Stats().PacketsReceived > 0
}
