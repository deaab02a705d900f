package app

import (
	"strings"
	"sync"

	"github.com/peregrine-softphone/peregrine/media/audio"
	"github.com/peregrine-softphone/peregrine/media/voice"
)

// sound is what the microphone and the loudspeaker of a call or a conference have in common.
type sound struct {
	loop *audio.Loop // for the setting "loop"

	mu        sync.Mutex
	processor *voice.Processor // nil: no real device so far
}

func newSound() *sound { return &sound{loop: audio.NewLoop(0)} }

// room reports whether a setting names a device that people speak into and listen to. Only such a one has echo and
// noise: who chooses a tone, a file or the loop wants its sound as it is.
func room(spec string) bool {
	return spec == "" || spec == "default" || strings.HasPrefix(spec, "device:")
}

// voiceSettings are the switches as they are set.
func (e *Engine) voiceSettings() voice.Config {
	return voice.Config{
		Echo:  e.setting(SettingEcho) == "on",
		Noise: e.setting(SettingNoise) == "on",
		Gain:  e.setting(SettingGain) == "on",
	}
}

// voice gives the processor of s, made when it is first needed.
func (e *Engine) voice(s *sound) *voice.Processor {
	cfg := e.voiceSettings()
	s.mu.Lock()
	if s.processor == nil {
		s.processor = voice.New(cfg)
	}
	p := s.processor
	s.mu.Unlock()
	s.switches(cfg) // it may be of an earlier device
	return p
}

// switches brings the processor, if there is one, to what is set.
func (s *sound) switches(cfg voice.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.processor; p != nil {
		p.SetEcho(cfg.Echo)
		p.SetNoise(cfg.Noise)
		p.SetGain(cfg.Gain)
	}
}

// voiceChanged brings the processors of calls and conference to what is set now.
func (e *Engine) voiceChanged() {
	cfg := e.voiceSettings()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.calls {
		c.sound.switches(cfg)
	}
	if e.conf != nil {
		e.conf.sound.switches(cfg)
	}
}
