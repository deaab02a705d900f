package audio

import (
	"context"
	"errors"
	"time"
)

// retryTime is how often a failed device is tried again: a device that comes back is heard again within a second.
// Asking in vain costs less than a millisecond.
const retryTime = time.Second / 2

// RetryRecorder returns a recorder that never fails: while r does not work it gives silence in real time and tries r
// again twice a second. report is called with the error when r begins to fail, and with nil when it works again after
// that; it is called on Record's goroutine and must not wait. nil is no report.
func RetryRecorder(r Recorder, report func(err error)) Recorder { return &retryRecorder{r, report} }

// RetryPlayer is RetryRecorder for a player: while p does not work, sound is asked for in real time and discarded.
func RetryPlayer(p Player, report func(err error)) Player { return &retryPlayer{p, report} }

type retryRecorder struct {
	recorder Recorder
	report   func(error)
}

type retryPlayer struct {
	player Player
	report func(error)
}

// Record implements Recorder.
func (r *retryRecorder) Record(ctx context.Context, push func(frame []int16)) error {
	return retry(ctx, r.report, push, r.recorder.Record)
}

// Play implements Player.
func (p *retryPlayer) Play(ctx context.Context, pull func(frame []int16)) error {
	return retry(ctx, p.report, pull, p.player.Play)
}

// errRetry ends a silence, it is time to try the device again.
var errRetry = errors.New("retry")

// retry runs device, and silence for retryTime after each failure, until ctx ends. The silence is counted in frames
// from one epoch, so that none is lost between two tries.
func retry(ctx context.Context, report func(error), handle func([]int16),
	device func(context.Context, func([]int16)) error,
) error {
	epoch := time.Now()
	frame := make([]int16, FrameSamples)
	failing := ""
	tell := func(err error) {
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != failing && report != nil {
			report(err)
		}
		failing = text
	}
	for {
		err := device(ctx, func(frame []int16) {
			tell(nil)
			handle(frame)
		})
		if ctx.Err() != nil {
			return nil //nolint:nilerr // ended on request
		}
		if err == nil {
			err = errors.New("the sound device ended")
		}
		tell(err)
		left := int(retryTime / FrameTime)
		err = pace(ctx, epoch, func(int64) error {
			clear(frame)
			handle(frame)
			if left--; left > 0 {
				return nil
			}
			return errRetry
		})
		if !errors.Is(err, errRetry) {
			return err
		}
	}
}
