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
	return retry(ctx, r.report, push, r.recorder.Record, noneDevice{}.Record)
}

// Play implements Player.
func (p *retryPlayer) Play(ctx context.Context, pull func(frame []int16)) error {
	return retry(ctx, p.report, pull, p.player.Play, noneDevice{}.Play)
}

// retry runs device, and standIn for retryTime after each failure, until ctx ends.
func retry(ctx context.Context, report func(error), handle func([]int16),
	device, standIn func(context.Context, func([]int16)) error,
) error {
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
		pause, cancel := context.WithTimeout(ctx, retryTime)
		err = standIn(pause, handle)
		cancel()
		if err != nil || ctx.Err() != nil {
			return err
		}
	}
}
