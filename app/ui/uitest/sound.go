package uitest

import (
	"context"

	"github.com/peregrine-softphone/peregrine/app"
)

// Record begins to record a call.
func (e *Engine) Record(_ context.Context, id, path string) (string, error) {
	if path == "" {
		path = "/home/alice/Recordings/2026-11-24 14-05 Bob Keller.wav"
	}
	return path, e.onCall(id, "Record", func(c *app.Call) { c.Recording = path })
}

// StopRecording ends the recording of a call.
func (e *Engine) StopRecording(_ context.Context, id string) error {
	return e.onCall(id, "StopRecording", func(c *app.Call) { c.Recording = "" })
}

// SoundTest begins a sound test, or ends it.
func (e *Engine) SoundTest(context.Context) error {
	return e.verb(func(s *app.Snapshot) {
		if s.Audio.Test == "" {
			s.Audio.Test = "recording"
			return
		}
		s.Audio.Test, s.Audio.Level = "", 0
	}, "SoundTest")
}

// Testing tells where the sound test is, and how loud.
func (e *Engine) Testing(state string, level float64) {
	e.Change(func(s *app.Snapshot) { s.Audio.Test, s.Audio.Level = state, level })
}

// PlayTone notes what is to be heard.
func (e *Engine) PlayTone(_ context.Context, what string) error {
	return e.verb(nil, "PlayTone %s", what)
}

// Plug changes which devices there are.
func (e *Engine) Plug(devices []app.Device) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.devices = devices
}
