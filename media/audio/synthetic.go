package audio

import (
	"context"
	"math"
)

// toneLevel is the amplitude of the tone: -12 dB of full scale, loud and far from clipping in any codec.
const toneLevel = 8231

// toneRecorder is a steady sine.
type toneRecorder struct{ hz float64 }

// noneDevice records silence and plays into nothing, in real time.
type noneDevice struct{}

var (
	_ Recorder = toneRecorder{}
	_ Recorder = noneDevice{}
	_ Player   = noneDevice{}
)

// Record implements Recorder.
func (t toneRecorder) Record(ctx context.Context, push func(frame []int16)) error {
	frame := make([]int16, FrameSamples)
	phase, perFrame := 0.0, t.hz*FrameSamples/Rate // in turns, kept below 1 so that it never loses precision
	stepSin, stepCos := math.Sincos(2 * math.Pi * t.hz / Rate)
	return beats(ctx, func() error {
		// A turning pointer, set anew for each frame: a sine per sample would cost as much as a codec.
		y, x := math.Sincos(2 * math.Pi * phase)
		for i := range frame {
			frame[i] = int16(math.Round(toneLevel * y))
			x, y = x*stepCos-y*stepSin, y*stepCos+x*stepSin
		}
		phase += perFrame
		phase -= math.Floor(phase)
		push(frame)
		return nil
	})
}

// Record implements Recorder.
func (noneDevice) Record(ctx context.Context, push func(frame []int16)) error {
	frame := make([]int16, FrameSamples)
	return beats(ctx, func() error {
		clear(frame) // push may have written into it
		push(frame)
		return nil
	})
}

// Play implements Player.
func (noneDevice) Play(ctx context.Context, pull func(frame []int16)) error {
	frame := make([]int16, FrameSamples)
	return beats(ctx, func() error {
		pull(frame)
		return nil
	})
}
