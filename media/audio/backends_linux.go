//go:build cgo

package audio

import (
	"path/filepath"

	"github.com/gen2brain/malgo"
)

// backends lists what this system has: PulseAudio, which PipeWire also answers as, then bare ALSA where the kernel
// knows a sound card. Without one, ALSA only writes a page of complaints to stderr.
func backends() []malgo.Backend {
	list := []malgo.Backend{malgo.BackendPulseaudio}
	if cards, err := filepath.Glob("/dev/snd/pcmC*"); err == nil && len(cards) > 0 {
		list = append(list, malgo.BackendAlsa)
	}
	return list
}
