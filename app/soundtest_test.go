package app

import (
	"context"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// testEngine is as much of an engine as the sound needs, in a bubble.
func testEngine(t *testing.T, input, output string) *Engine {
	t.Helper()
	e := &Engine{
		log: slog.New(slog.DiscardHandler), work: make(chan func(context.Context)), closing: make(chan struct{}),
		next: make(chan struct{}), readers: map[*eventReader]struct{}{}, running: true,
	}
	e.cfg.Devices = systemDevices{log: e.log}
	e.ringer = newRinger(e)
	var err error
	e.settings, err = openSettings(t.TempDir())
	must(t, err)
	must(t, e.settings.setAll(map[string]string{SettingInput: input, SettingOutput: output}))
	go func() {
		for {
			select {
			case f := <-e.work:
				go f(t.Context())
			case <-t.Context().Done():
				return
			}
		}
	}()
	return e
}

// stages looks at the sound test ten times a second until it is over.
func stages(e *Engine) (list []string, loudest float64) {
	for {
		time.Sleep(100 * time.Millisecond)
		e.mu.Lock()
		t := e.test
		if t == nil {
			e.mu.Unlock()
			return list, loudest
		}
		list, loudest = append(list, t.stage), max(loudest, t.level)
		e.mu.Unlock()
	}
}

func TestSoundTest(t *testing.T) {
	heard := filepath.Join(t.TempDir(), "heard.wav")
	synctest.Test(t, func(t *testing.T) {
		e := testEngine(t, "tone:440", "file:"+heard)
		must(t, e.SoundTest(t.Context()))
		list, level := stages(e)
		if n := len(list); n < 60 || n > 65 || !slices.Equal(slices.Compact(list), []string{testRecording, testPlaying}) {
			t.Errorf("%d tenths of a second: %v", n, slices.Compact(list))
		}
		if level < 0.7 || level > 1 {
			t.Errorf("the tone has the level %.2f", level)
		}

		must(t, e.SoundTest(t.Context()))
		time.Sleep(time.Second)
		must(t, e.SoundTest(t.Context())) // ends it
		if list, _ := stages(e); len(list) > 1 {
			t.Errorf("after its end it went on for %d tenths of a second", len(list))
		}

		must(t, e.SoundTest(t.Context()))
		e.mu.Lock()
		e.calls = []*call{{rec: Call{State: CallIncoming}}}
		e.soundLocked()
		e.mu.Unlock()
		if list, _ := stages(e); len(list) > 1 {
			t.Errorf("while a call came in it went on for %d tenths of a second", len(list))
		}
		if err := e.SoundTest(t.Context()); err == nil {
			t.Error("a test while it rings")
		}
		e.calls = nil
		must(t, e.settings.set(SettingInput, "file:/nowhere/at/all.wav"))
		if err := e.SoundTest(t.Context()); err == nil {
			t.Error("a microphone that is not there")
		}
		stages(e)
	})
	if tail := wavTail(t, heard, 100*time.Millisecond); tail == nil {
		t.Error("nothing was played")
	}
}

func TestPlayTone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := testEngine(t, "none", "none")
		must(t, e.PlayTone(t.Context(), "ringtone"))
		if got := <-e.ringer.want; got != toneRinging {
			t.Errorf("tone %d", got)
		}
		time.Sleep(sampleTime)
		e.soundLocked()
		if got := <-e.ringer.want; got != toneNone {
			t.Errorf("after its time tone %d", got)
		}
		if err := e.PlayTone(t.Context(), "the blues"); err == nil {
			t.Error("a sound that is none")
		}
	})
}
