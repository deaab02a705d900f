// Package audio is the seam between Peregrine's media sessions and the sound hardware, with stand-ins for the
// hardware that users can choose as well as tests: a tone, a WAV file, nothing, and a loop.
//
// A media session gets a [Recorder] and a [Player] from [OpenRecorder] and [OpenPlayer], runs Record and Play in two
// goroutines of its own, and ends both by cancelling their context. PCM is mono, signed 16 bit, 48 kHz, in frames of
// 10 ms. Nothing is opened before Record or Play runs, and both may run again after they returned.
//
// The drivers need cgo. Without it the specs "default" and "device:NAME" give [ErrNoDriver]; all others work.
package audio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
)

const (
	// Rate is the sample rate of all PCM in this package, in Hz.
	Rate = 48000
	// FrameSamples is the length of every frame: 10 ms, the period of the sound devices.
	FrameSamples = 480
	// FrameTime is the duration of a frame.
	FrameTime = 10 * time.Millisecond
)

var (
	// ErrNoSound says that the machine has no sound server and no sound card: nothing can be played or recorded.
	ErrNoSound = errors.New("no sound server: neither PulseAudio nor PipeWire answers, and there is no sound card")
	// ErrNoDevice says that the chosen device is not there.
	ErrNoDevice = errors.New("the sound device is not there")
	// ErrStopped says that a device stopped giving or taking sound: it was unplugged, or the sound server ended.
	ErrStopped = errors.New("the sound device stopped working")
	// ErrNoAnswer says that the sound server hangs.
	ErrNoAnswer = errors.New("the sound server does not answer")
	// ErrSilentDevice says that a device runs faster than real time: a null device that discards all sound.
	ErrSilentDevice = errors.New("the sound device discards all sound (a null device)")
	// ErrNoDriver says that this build has no driver for sound devices.
	ErrNoDriver = errors.New("this program was built without sound devices (CGO_ENABLED=0)")
	// ErrSpec says that a device setting cannot be understood.
	ErrSpec = errors.New("not an audio setting: use default, device:NAME, tone:HZ, file:PATH or none")
)

// Recorder is a source of sound: a microphone, or something that stands for one.
type Recorder interface {
	// Record calls push for every frame, paced by the source's own clock, on the goroutine that called Record,
	// until ctx ends, when it returns nil, or the source fails. The frame is valid only during the call.
	Record(ctx context.Context, push func(frame []int16)) error
}

// Player is a sink of sound: a loudspeaker, or something that stands for one.
type Player interface {
	// Play calls pull for every frame it needs, paced by the sink's own clock, on the goroutine that called Play,
	// until ctx ends, when it returns nil, or the sink fails. pull fills the whole frame without waiting.
	Play(ctx context.Context, pull func(frame []int16)) error
}

// Options are what OpenRecorder and OpenPlayer may need besides the spec. The zero value is good for all specs but
// "loop".
type Options struct {
	Logger *slog.Logger // nil logs nothing
	Loop   *Loop        // for the spec "loop": recorder and player of the same Loop belong together
	Stream string       // what the system's mixer shows for the stream, such as "Call"; "" is "Peregrine"
	Host   *Host        // this machine's, one for the whole program; nil is one for this device alone
	// Missing is told that a chosen device is not there, and that it is (again). As long as it is not, the default
	// device stands in. It is called on the goroutine of Record or Play and must not wait. nil: Record and Play fail
	Missing func(device string, missing bool)

	hardware hardware // tests put theirs here; nil is the build's driver
}

// DeviceInfo describes a sound device of the system.
type DeviceInfo struct {
	Name    string // what the system calls it; "device:"+Name chooses it
	ID      string // the driver's own name; "device:"+ID chooses it too
	Input   bool   // it records
	Output  bool   // it plays
	Default bool   // it is what the spec "default" means now
}

// OpenRecorder returns the recorder that spec names: "default", "device:NAME", "tone:HZ", "file:PATH" (a WAV file,
// from its start again at its end), "none" (silence) or "loop" (what the loop's player plays, later).
// An error is a sentence for people. Whether a device really works shows in Record.
func OpenRecorder(spec string, o Options) (Recorder, error) {
	o = o.filled()
	kind, arg, _ := strings.Cut(spec, ":")
	switch {
	case spec == "default" || spec == "":
		return &deviceRecorder{options: o}, nil
	case kind == "device" && arg != "":
		return &deviceRecorder{device: arg, options: o}, nil
	case kind == "tone":
		hz, err := strconv.ParseFloat(arg, 64)
		if err != nil || !(hz >= 1 && hz <= Rate/2) {
			return nil, fmt.Errorf("audio input %q: a tone has from 1 to %d Hz", spec, Rate/2)
		}
		return toneRecorder{hz: hz}, nil
	case kind == "file" && arg != "":
		return fileRecorder{path: arg}, nil
	case spec == "none":
		return noneDevice{}, nil
	case spec == "loop" && o.Loop != nil:
		return o.Loop.Recorder(), nil
	}
	return nil, fmt.Errorf("audio input %q: %w", spec, ErrSpec)
}

// OpenPlayer returns the player that spec names: "default", "device:NAME", "file:PATH" (a WAV file, written anew by
// each Play, valid at every moment), "none" (sound is asked for in real time and discarded) or "loop".
func OpenPlayer(spec string, o Options) (Player, error) {
	o = o.filled()
	kind, arg, _ := strings.Cut(spec, ":")
	switch {
	case spec == "default" || spec == "":
		return &devicePlayer{options: o}, nil
	case kind == "device" && arg != "":
		return &devicePlayer{device: arg, options: o}, nil
	case kind == "file" && arg != "":
		return filePlayer{path: arg, logger: o.Logger}, nil
	case spec == "none":
		return noneDevice{}, nil
	case spec == "loop" && o.Loop != nil:
		return o.Loop.Player(), nil
	}
	return nil, fmt.Errorf("audio output %q: %w", spec, ErrSpec)
}

func (o Options) filled() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Stream == "" {
		o.Stream = "Peregrine"
	}
	if o.Host == nil {
		o.Host = new(Host)
	}
	if o.hardware == nil {
		o.hardware = systemHardware()
	}
	return o
}
