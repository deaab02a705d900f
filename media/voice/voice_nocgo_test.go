//go:build !cgo

package voice

import (
	"context"
	"testing"
)

type silent struct{}

func (silent) Record(context.Context, func([]int16)) error { return nil }
func (silent) Play(context.Context, func([]int16)) error   { return nil }

func TestWithoutCgoDevicesPass(t *testing.T) {
	p := New(Config{Echo: true, Noise: true, Gain: true})
	if Available() || p.Wrap(silent{}) != Recorder(silent{}) || p.WrapPlayer(silent{}) != Player(silent{}) {
		t.Error("devices are wrapped for nothing")
	}
}
