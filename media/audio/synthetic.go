package audio

import (
	"context"
	"math"
	"time"
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
	phase, step := 0.0, t.hz/Rate // in turns, kept below 1 so that it never loses precision
	return pace(ctx, time.Now(), func(int64) error {
		for i := range frame {
			frame[i] = int16(math.Round(toneLevel * math.Sin(2*math.Pi*phase)))
			phase += step
			phase -= math.Floor(phase)
		}
		push(frame)
		return nil
	})
}

// Record implements Recorder.
func (noneDevice) Record(ctx context.Context, push func(frame []int16)) error {
	frame := make([]int16, FrameSamples)
	return pace(ctx, time.Now(), func(int64) error {
		clear(frame) // push may have written into it
		push(frame)
		return nil
	})
}

// Play implements Player.
func (noneDevice) Play(ctx context.Context, pull func(frame []int16)) error {
	frame := make([]int16, FrameSamples)
	return pace(ctx, time.Now(), func(int64) error {
		pull(frame)
		return nil
	})
}
