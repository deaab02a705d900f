package audio

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// watchdogTime without a callback means that the device is gone: unplugging one gives no other sign.
	watchdogTime = 500 * time.Millisecond
	// awakeTime is how long a device may take to its first callback: a Bluetooth headset needs a second or two.
	awakeTime = 3 * time.Second
	// settleTime after the start, in which a device may ask for much at once to fill its buffers.
	settleTime = 300 * time.Millisecond
	// tooFast is how many times real time a device must run to be a null device: miniaudio's runs at 3.4.
	tooFast = 2
	// calmTime without an under-run lets the player go back to a smaller buffer.
	calmTime = 20 * time.Second
	// minTarget and maxTarget bound the player's buffer: 12.5 ms, a period and what PulseAudio was seen to ask for
	// above it now and then, and 60 ms.
	minTarget = FrameSamples + FrameSamples/4
	maxTarget = 6 * FrameSamples
)

// direction tells recording from playing.
type direction int

const (
	capture direction = iota
	playback
)

// hardware is the driver for sound devices; systemHardware returns the build's own.
type hardware interface {
	// open starts a device, "" for the system's default, with the line's callbacks.
	open(d direction, device, stream string, l *line) (stop func(), err error)
	devices() ([]DeviceInfo, error)
}

// line is what the real-time callbacks of one device and one ordinary goroutine share. The callbacks onCapture,
// onPlayback and onStop allocate nothing, take no lock, log nothing and never wait.
type line struct {
	ring    ring
	wake    chan struct{} // one pending wake-up; sent without waiting
	calls   atomic.Uint64 // callbacks so far
	samples atomic.Uint64 // samples asked for or given so far
	largest atomic.Int64  // largest number of samples asked for at once
	missed  atomic.Uint64 // samples that found the queue full (capture) or empty (playback)
	stopped atomic.Bool
}

func newLine() *line { return &line{wake: make(chan struct{}, 1)} }

// onCapture takes recorded samples in the machine's byte order.
func (l *line) onCapture(pcm []byte) {
	n := len(pcm) / 2
	if kept := l.ring.putBytes(pcm); kept < n {
		l.missed.Add(uint64(n - kept)) //nolint:gosec // not negative
	}
	l.called(n)
}

// onPlayback fills pcm with samples in the machine's byte order, and with silence what is missing.
func (l *line) onPlayback(pcm []byte) {
	n := len(pcm) / 2
	if got := l.ring.takeBytes(pcm); got < n {
		clear(pcm[2*got:])
		l.missed.Add(uint64(n - got)) //nolint:gosec // not negative
	}
	if int64(n) > l.largest.Load() {
		l.largest.Store(int64(n))
	}
	l.called(n)
}

// onStop notes that the driver stopped the device.
func (l *line) onStop() {
	l.stopped.Store(true)
	l.signal()
}

func (l *line) called(n int) {
	l.samples.Add(uint64(n)) //nolint:gosec // not negative
	l.calls.Add(1)
	l.signal()
}

func (l *line) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// deviceRecorder records from a sound device, "" for the system's default.
type deviceRecorder struct {
	device  string
	options Options
}

// devicePlayer plays to a sound device, "" for the system's default.
type devicePlayer struct {
	device  string
	options Options
}

var (
	_ Recorder = (*deviceRecorder)(nil)
	_ Player   = (*devicePlayer)(nil)
)

// Record implements Recorder.
func (r *deviceRecorder) Record(ctx context.Context, push func(frame []int16)) error {
	return r.options.run(ctx, capture, r.device, func(l *line) func() {
		frame := make([]int16, FrameSamples)
		return func() {
			for l.ring.length() >= FrameSamples {
				l.ring.take(frame)
				push(frame)
			}
		}
	})
}

// Play implements Player.
func (p *devicePlayer) Play(ctx context.Context, pull func(frame []int16)) error {
	return p.options.run(ctx, playback, p.device, func(l *line) func() {
		f := feeder{line: l, pull: pull, started: time.Now(), target: minTarget}
		// The device starts on silence: nothing is pulled before it has shown that it works.
		l.ring.put(make([]int16, minTarget))
		return f.fill
	})
}

// errAsleep says that a device never gave or took any sound.
var errAsleep = fmt.Errorf("%w: it never began", ErrStopped)

// errReturned ends the work with a device that stood in for another.
var errReturned = errors.New("the chosen sound device is back")

// attend calls work at every wake-up until ctx ends, back is closed, or the device stops or turns out to be none.
func (l *line) attend(ctx context.Context, back <-chan struct{}, work func()) error {
	const checks = 4 // per watchdogTime, so that the watchdog is late by a quarter at most
	ticker := time.NewTicker(watchdogTime / checks)
	defer ticker.Stop()
	var guard speedGuard
	calls, idle := uint64(0), 0
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-back:
			return errReturned
		case <-l.wake:
			if l.stopped.Load() {
				return ErrStopped
			}
			work()
		case now := <-ticker.C:
			idle++
			if c := l.calls.Load(); c != calls {
				calls, idle = c, 0
			}
			switch {
			case calls > 0 && idle >= checks:
				return ErrStopped
			case idle >= checks*int(awakeTime/watchdogTime):
				return errAsleep
			}
			if guard.tooFast(now, l.samples.Load()) {
				return ErrSilentDevice
			}
		}
	}
}

// speedGuard notices a device that takes or gives sound much faster than real time.
type speedGuard struct {
	begin time.Time // of the measurement; the first interval is left out, for it may hold the filling of buffers
	base  uint64
}

// tooFast judges the number of samples so far; it makes up its mind within a second.
func (g *speedGuard) tooFast(now time.Time, samples uint64) bool {
	if g.begin.IsZero() {
		g.begin, g.base = now, samples
		return false
	}
	elapsed := now.Sub(g.begin)
	if elapsed < watchdogTime {
		return false
	}
	// Half a second more is allowed for the backlog after a stop of the whole machine.
	return float64(samples-g.base) > tooFast*elapsed.Seconds()*Rate+Rate/2
}

// feeder keeps just so much sound in the line that the device finds what it asks for.
type feeder struct {
	line    *line
	pull    func(frame []int16)
	frame   [FrameSamples]int16
	started time.Time
	target  int       // samples to keep in the queue
	missed  uint64    // of line.missed, seen so far
	calm    time.Time // since when nothing was missed
}

// fill pulls frames until the target is reached. An under-run raises the target by 5 ms, a long calm lowers it.
func (f *feeder) fill() {
	now := time.Now()
	if missed := f.line.missed.Load(); missed != f.missed {
		f.missed, f.calm = missed, now
		if now.Sub(f.started) > settleTime {
			f.target = min(f.target+FrameSamples/2, maxTarget)
		}
	} else if now.Sub(f.calm) > calmTime {
		f.calm = now
		f.target = max(f.target-FrameSamples/2, minTarget)
	}
	target := max(f.target, min(int(f.line.largest.Load()), maxTarget))
	for f.line.ring.length() < target {
		f.pull(f.frame[:])
		f.line.ring.put(f.frame[:])
	}
}
