package app

import (
	"context"
	"errors"

	"github.com/peregrine-softphone/peregrine/media/audio"
)

// recorder is the microphone that the settings name at the moment it begins to record.
type recorder struct {
	e     *Engine
	sound *sound // of the call
}

// Record implements media.Recorder.
func (r recorder) Record(ctx context.Context, push func(frame []int16)) error {
	spec := r.e.setting(SettingInput)
	d, err := r.e.cfg.Devices.OpenRecorder(spec, r.sound.loop)
	if err != nil {
		return deviceError(err)
	}
	if room(spec) {
		d = r.e.voice(r.sound).Wrap(d)
	}
	return deviceError(d.Record(ctx, push))
}

// player is the speaker that the settings name at the moment it begins to play.
type player struct {
	e     *Engine
	sound *sound // of the call
}

// Play implements media.Player.
func (p player) Play(ctx context.Context, pull func(frame []int16)) error {
	spec := p.e.setting(SettingOutput)
	d, err := p.e.cfg.Devices.OpenPlayer(spec, p.sound.loop)
	if err != nil {
		return deviceError(err)
	}
	if room(spec) {
		d = p.e.voice(p.sound).WrapPlayer(d)
	}
	return deviceError(d.Play(ctx, pull))
}

// deviceError says what is wrong with a sound device in a sentence with the next step.
func deviceError(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, audio.ErrNoSound), errors.Is(err, audio.ErrSilentDevice):
		return &UserError{
			Sentence: "no sound server is running. Start one, or choose another device in the settings.",
			Err:      err,
		}
	case errors.Is(err, audio.ErrNoDevice):
		return &UserError{
			Sentence: "the chosen device is not there. Plug it in, or choose another in the settings.",
			Err:      err,
		}
	case errors.Is(err, audio.ErrStopped):
		return &UserError{Sentence: "the device stopped. Peregrine tries it again.", Err: err}
	}
	return err
}

// settingChanged makes a new value take effect at once, in live calls too.
func (e *Engine) settingChanged(key string) {
	if key == SettingInput || key == SettingOutput || key == SettingRinger {
		e.forgetMissing()
	}
	switch key {
	case SettingInput:
		e.reopen(func(c *call) { c.media.SetRecorder(recorder{e, c.sound}) })
		e.reopenConference(func(conf *conference) { conf.mixer.SetRecorder(recorder{e, conf.sound}) })
	case SettingOutput:
		e.reopen(func(c *call) { c.media.SetPlayer(player{e, c.sound}) })
		e.reopenConference(func(conf *conference) { conf.mixer.SetPlayer(player{e, conf.sound}) })
		e.ringer.reopen()
	case SettingEcho, SettingNoise, SettingGain:
		e.voiceChanged()
	case SettingRinger:
		e.ringer.reopen()
	case SettingAdaptation:
		e.adaptAll()
	case SettingShield, SettingTrusted:
		e.ua.SetShield(e.policy())
	case SettingOnPhone, SettingStatus, SettingNote:
		e.showPresence()
	}
}

// reopen lets every live call open a device anew.
func (e *Engine) reopen(swap func(*call)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.trouble = "" // the next sound tells anew
	for _, c := range e.calls {
		if c.live() && c.media != nil && !c.rec.Conference {
			swap(c)
		}
	}
}
