package app

import (
	"cmp"
	"context"
	"errors"
	"strings"
	"time"

	"github.com/peregrine-softphone/peregrine/media/audio"
	"github.com/peregrine-softphone/peregrine/media/tones"
	"github.com/peregrine-softphone/peregrine/sip"
)

// tone is what the user hears of calls that carry no sound.
type tone int

const (
	toneNone        tone = iota
	toneRinging          // a call comes in
	toneRingback         // the other side rings
	toneWaiting          // a call comes in while the user talks
	toneBusy             // the other side does not want to, or talks to somebody else
	toneCongestion       // the call did not get through
	toneInformation      // there is nobody of that address
	toneEnded            // the other side has hung up
)

const (
	// failureTime is how long the tone of a call that failed lasts.
	failureTime = 5 * time.Second
	// endedTime lets the three beeps of the end out.
	endedTime = time.Second
	// sampleTime is how long PlayTone plays.
	sampleTime = 3 * time.Second
)

// ringer plays the tone that fits the calls.
type ringer struct {
	e     *Engine
	want  chan tone     // holds the newest
	again chan struct{} // holds one: the device is another one now

	// Engine.mu guards what follows.
	after  tone // what became of the call that ended last
	until  time.Time
	sample time.Time // until then the ringtone is played for the user to hear it
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

// play begins a tone and returns what ends it and waits for its end. A device that fails is tried again, so that a call
// is heard when it comes back.
func (r *ringer) play(ctx context.Context, t tone) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		d, err := r.e.cfg.Devices.OpenPlayer(r.device(t), nil)
		if err == nil {
			source := r.source(t)
			err = audio.RetryPlayer(d, func(err error) {
				if err != nil {
					r.e.log.InfoContext(ctx, "tone not played", "err", err)
				}
			}).Play(ctx, source.Pull)
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

// source makes the sound of a tone, as the settings have it.
func (r *ringer) source(t tone) *tones.Source {
	country := r.e.setting(SettingTones)
	if country == "auto" {
		country = tones.Region(r.e.cfg.Locale)
	}
	national := tones.In(country)
	switch t {
	case toneRinging:
		return r.ringtone()
	case toneWaiting:
		return national.Waiting()
	case toneBusy:
		return national.Busy()
	case toneCongestion:
		return national.Congestion()
	case toneInformation:
		return national.Information()
	case toneEnded:
		return national.Ended()
	case toneRingback, toneNone:
	}
	return national.Ringback()
}

// ringtoneTrouble is what the user is told about a ringtone that cannot be played.
const ringtoneTrouble = "Your ringtone cannot be played, the built-in one stands in. " +
	"Choose another WAV file in the settings."

// ringtone is the one of the settings, or the built-in one.
func (r *ringer) ringtone() *tones.Source {
	path := r.e.setting(SettingRingtone)
	if path == "" {
		return tones.Ringtone()
	}
	s, err := tones.Load(path)
	if err != nil {
		r.e.addNotice(ringtoneTrouble, err.Error())
		return tones.Ringtone()
	}
	r.e.dropNotice(ringtoneTrouble)
	return s
}

// device is where a tone is played: ringing has a device of its own if the user wants one. A file
// gets no tones, it would lose the call that follows.
func (r *ringer) device(t tone) string {
	spec := r.e.setting(SettingOutput)
	if ring := r.e.setting(SettingRinger); t == toneRinging && ring != "same" {
		return ring
	}
	if strings.HasPrefix(spec, "file:") || spec == "loop" {
		return "none"
	}
	return spec
}

// PlayTone lets the user hear a sound of the settings: "ringtone", for three seconds, by the device that rings. It is
// silent while a call rings or is talked on.
func (e *Engine) PlayTone(_ context.Context, what string) error {
	if what != "ringtone" {
		return userErrorf("There is no sound %q. There is ringtone.", what)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.running {
		return errNotRunning
	}
	if e.liveCallsLocked() > 0 {
		return userErrorf("The ringtone can be tried when no call is up.")
	}
	e.ringer.sample = time.Now().Add(sampleTime)
	e.ringer.reopen() // the settings may have changed since it was played last
	e.soundLocked()
	return nil
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
	if e.liveCallsLocked() > 0 {
		e.ringer.after, e.ringer.sample = toneNone, time.Time{}
		e.endTestLocked()
	}
	now := time.Now()
	switch {
	case want != toneNone:
	case now.Before(e.ringer.until) && e.ringer.after != toneNone:
		want = e.ringer.after
	case now.Before(e.ringer.sample):
		want = toneRinging
	}
	e.ringer.set(want)
}

// toneOfEndLocked remembers what a call that ended makes to be heard: nothing if it was the user who ended it. The
// caller holds e.mu.
func (e *Engine) toneOfEndLocked(c *call, cause sip.EndCause) {
	t := endTone(cause, !c.rec.AnsweredAt.IsZero(), c.rec.Incoming)
	handedOn := c.rec.Transfer != nil && c.rec.Transfer.State != TransferFailed
	if t == toneNone || handedOn || c.successor != nil {
		return
	}
	e.ringer.after, e.ringer.until = t, time.Now().Add(failureTime)
	if t == toneEnded {
		e.ringer.until = time.Now().Add(endedTime)
	}
}

// endTone is the tone for the end of a call, by the guidance of ITU-T E.182: busy when the other side could not or did
// not want to, special information when the address leads to nobody, else congestion.
func endTone(cause sip.EndCause, answered, incoming bool) tone {
	switch cause.Reason {
	case sip.NotEnded, sip.EndedLocally, sip.EndedCancelled, sip.EndedElsewhere:
		return toneNone
	case sip.EndedByPeer, sip.EndedNoAnswer, sip.EndedRefused, sip.EndedFailed:
	}
	switch {
	case answered:
		return toneEnded
	case incoming, cause.Reason == sip.EndedByPeer:
		return toneNone
	}
	status, ok := errors.AsType[*sip.StatusError](cause.Err)
	if !ok {
		return toneCongestion
	}
	switch status.Code {
	case 480, 486, 600, 603: // RFC 3261 21.4.18, 21.4.24, 21.6.1, 21.6.2
		return toneBusy
	case 404, 410, 416, 484, 485, 604: // not found, gone, unknown scheme, incomplete, ambiguous, nowhere
		return toneInformation
	}
	return toneCongestion
}

// Locale is an environment's locale for telephones, for Config: that of LC_ALL, else of the category's own variable,
// else of LANG (POSIX.1-2024 XBD 8.2). getenv is os.Getenv.
func Locale(getenv func(string) string) string {
	return cmp.Or(getenv("LC_ALL"), getenv("LC_TELEPHONE"), getenv("LANG"))
}

// earlySoundLocked tells whether the other side sends sound before it answers, such as an
// announcement or a ringback of its own. The caller holds e.mu.
func (e *Engine) earlySoundLocked(c *call) bool {
	return c.media != nil && c.media.Stats().PacketsReceived > 0
}
