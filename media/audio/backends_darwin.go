//go:build cgo

package audio

import "github.com/gen2brain/malgo"

// backends lists what this system may have.
func backends() []malgo.Backend { return []malgo.Backend{malgo.BackendCoreaudio} }
