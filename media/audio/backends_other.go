//go:build cgo && !linux && !windows && !darwin

package audio

import "github.com/gen2brain/malgo"

// backends lists what the other Unix systems may have.
func backends() []malgo.Backend {
	return []malgo.Backend{malgo.BackendPulseaudio, malgo.BackendSndio, malgo.BackendAudio4, malgo.BackendOss}
}
