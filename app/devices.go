package app

import (
	"context"
	"errors"
	"sync"

	"github.com/peregrine-softphone/peregrine/media/audio"
)

// follower is a value of a setting that live sound follows: when it changes, whoever uses it opens
// the new device in place of the old one.
type follower struct {
	mu      sync.Mutex
	changed chan struct{} // closed at the next change
}

func newFollower() *follower { return &follower{changed: make(chan struct{})} }

func (f *follower) tell() {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.changed)
	f.changed = make(chan struct{})
}

// run calls use with a context that ends at the next change, again and again until ctx ends or use
// fails while nothing changed.
func (f *follower) run(ctx context.Context, use func(context.Context) error) error {
	for {
		f.mu.Lock()
		changed := f.changed
		f.mu.Unlock()
		err := f.once(ctx, changed, use)
		if ctx.Err() != nil {
			return nil
		}
		select {
		case <-changed:
			continue
		default:
			return err
		}
	}
}

func (f *follower) once(ctx context.Context, changed <-chan struct{}, use func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-changed:
			cancel()
		case <-done:
		}
	}()
	return use(ctx)
}

// recorder is the microphone that the settings name, also when they change during a call.
type recorder struct{ e *Engine }

// Record implements media.Recorder.
func (r recorder) Record(ctx context.Context, push func(frame []int16)) error {
	return r.e.inputs.run(ctx, func(ctx context.Context) error {
		d, err := r.e.cfg.Devices.OpenRecorder(r.e.setting(SettingInput))
		if err != nil {
			return deviceError(err)
		}
		return deviceError(d.Record(ctx, push))
	})
}

// player is the speaker that the settings name, also when they change during a call.
type player struct{ e *Engine }

// Play implements media.Player.
func (p player) Play(ctx context.Context, pull func(frame []int16)) error {
	return p.e.outputs.run(ctx, func(ctx context.Context) error {
		d, err := p.e.cfg.Devices.OpenPlayer(p.e.setting(SettingOutput))
		if err != nil {
			return deviceError(err)
		}
		return deviceError(d.Play(ctx, pull))
	})
}

// deviceError says what is wrong with a sound device in a sentence with the next step.
func deviceError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, audio.ErrNoSound), errors.Is(err, audio.ErrSilentDevice):
		return &UserError{Sentence: "no sound server is running. Start one, or choose another device in the settings.", Err: err}
	case errors.Is(err, audio.ErrNoDevice):
		return &UserError{Sentence: "the chosen device is not there. Plug it in, or choose another in the settings.", Err: err}
	case errors.Is(err, audio.ErrStopped):
		return &UserError{Sentence: "the device stopped. Peregrine tries it again.", Err: err}
	}
	return err
}

// settingChanged makes a new value take effect at once.
func (e *Engine) settingChanged(key string) {
	switch key {
	case SettingInput:
		e.inputs.tell()
	case SettingOutput:
		e.outputs.tell()
		e.ringer.outputs.tell()
	case SettingRinger:
		e.ringer.outputs.tell()
	case SettingOnPhone:
		e.showPresence()
	}
}
