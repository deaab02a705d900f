package audio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// driverTime is the longest that opening or closing a device may take; some tens of milliseconds are usual.
	driverTime = 3 * time.Second
	// lookEvery is how often a device that is away is looked for: it sounds within a second of its return.
	lookEvery = 500 * time.Millisecond
	// maxLeft bounds the goroutines that a sound server which hangs keeps.
	maxLeft = 4
)

// Host is the sound of this machine, shared by all who open devices of it, so that a sound server that hangs keeps a
// few goroutines and not one for every try. The zero value is ready. Its methods may be called from any goroutine.
type Host struct{ gate gate }

// gate bounds the time that opening and closing a device take. The driver waits without limit for a sound server
// that hangs, and cannot be interrupted: such a call is left behind on its goroutine, and until it returns the gate
// opens nothing more.
type gate struct{ left atomic.Int32 }

// open runs the driver's open. What comes after the time limit or the end of ctx is closed again.
func (g *gate) open(ctx context.Context, open func() (func(), error)) (func(), error) {
	if g.left.Load() >= maxLeft {
		return nil, ErrNoAnswer
	}
	type result struct {
		stop func()
		err  error
	}
	results, gone := make(chan result), make(chan int32, 1)
	limit, cancel := context.WithTimeout(ctx, driverTime)
	defer cancel()
	go func() {
		stop, err := open()
		select {
		case results <- result{stop, err}:
		case weight := <-gone:
			if err == nil {
				stop()
			}
			g.left.Add(-weight)
		}
	}()
	select {
	case r := <-results:
		return r.stop, r.err
	case <-limit.Done():
		weight := int32(1) // nobody wants it any more; it may well be quick
		if ctx.Err() == nil {
			weight = maxLeft
		}
		g.leave(gone, weight)
		return nil, ErrNoAnswer
	}
}

// close runs what open returned.
func (g *gate) close(stop func()) {
	done, gone := make(chan struct{}), make(chan int32, 1)
	go func() {
		stop()
		select {
		case done <- struct{}{}:
		case weight := <-gone:
			g.left.Add(-weight)
		}
	}()
	timer := time.NewTimer(driverTime)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		g.leave(gone, maxLeft)
	}
}

// leave counts a call of the driver that is left behind, and lets it know. gone has room for that.
func (g *gate) leave(gone chan<- int32, weight int32) {
	g.left.Add(weight)
	gone <- weight
}

// run opens the device and keeps it open: when it stops, it is opened again at once, which finds the new default
// after a device was unplugged. While a chosen device is not there the default stands in, if Options say so. When
// opening fails, or the device stops again before it has worked for a second, the error goes to the caller. each is
// called once per opening and gives what is to be done per wake-up.
//
// PulseAudio, PipeWire, WASAPI and Core Audio move what plays by default when the user chooses another default; ALSA
// and the other Unix drivers have a default that never changes. So the default itself needs no watching.
func (o Options) run(ctx context.Context, d direction, device string, each func(*line) func()) error {
	name := "audio input"
	if d == playback {
		name = "audio output"
	}
	log := o.Logger.With(slog.String("direction", name), slog.String("device", cmp.Or(device, "default")))
	fail := func(err error) error { return fmt.Errorf("%s %q: %w", name, cmp.Or(device, "default"), err) }
	away := false
	for {
		opened := time.Now()
		err := o.once(ctx, d, device, away, each, log)
		switch {
		case err == nil || ctx.Err() != nil:
			return nil //nolint:nilerr // ended on request
		case errors.Is(err, errReturned):
			away = false
		case errors.Is(err, ErrNoDevice) && device != "" && !away && o.Missing != nil:
			away = true
			o.Missing(device, true)
		case !errors.Is(err, ErrStopped) || errors.Is(err, errAsleep) || time.Since(opened) < time.Second+watchdogTime:
			return fail(err)
		default:
			log.WarnContext(ctx, "audio device stopped, opening again")
		}
	}
}

// once opens the device, or the default while that is away, and works until ctx ends (nil), the device stops, or the
// one that is away is back (errReturned).
func (o Options) once(
	ctx context.Context, d direction, device string, away bool, each func(*line) func(), log *slog.Logger,
) error {
	l := newLine()
	work := each(l)
	target := device
	if away {
		target = ""
	}
	stop, err := o.Host.gate.open(ctx, func() (func(), error) { return o.hardware.open(d, target, o.Stream, l) })
	if err != nil {
		return err
	}
	if device != "" && !away && o.Missing != nil {
		o.Missing(device, false)
	}
	watch, cancel := context.WithCancel(ctx)
	var back chan struct{}
	var watcher sync.WaitGroup
	if away {
		back = make(chan struct{})
		watcher.Go(func() {
			if o.lookFor(watch, d, device) {
				close(back)
			}
		})
	}
	err = l.attend(ctx, back, work)
	cancel()
	watcher.Wait()
	o.Host.gate.close(stop)
	if missed := l.missed.Load(); missed > 0 {
		log.InfoContext(ctx, "audio device lost samples", slog.Uint64("samples", missed))
	}
	return err
}

// lookFor waits until a device is there, or ctx ends: false.
func (o Options) lookFor(ctx context.Context, d direction, device string) bool {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
		list, err := o.Host.list(ctx, o.hardware)
		if err == nil && slices.ContainsFunc(list, func(i DeviceInfo) bool {
			kind := i.Input
			if d == playback {
				kind = i.Output
			}
			return kind && (strings.EqualFold(i.Name, device) || strings.EqualFold(i.ID, device))
		}) {
			return true
		}
	}
}

// Devices lists the sound devices of the system, first the outputs, then the inputs. It asks the sound server and
// may take some milliseconds. The error is ErrNoSound or ErrNoDriver where there is nothing to list.
func (h *Host) Devices(ctx context.Context) ([]DeviceInfo, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return h.list(ctx, systemHardware())
}

func (h *Host) list(ctx context.Context, hw hardware) ([]DeviceInfo, error) {
	var list []DeviceInfo
	done, err := h.gate.open(ctx, func() (func(), error) {
		found, err := hw.devices()
		return func() { list = found }, err
	})
	if err != nil {
		return nil, err
	}
	done()
	return list, nil
}
