package audio

import (
	"context"
	"time"
)

// lateLimit is how far behind its deadline a synthetic device may fall and still make up for it frame by frame;
// after a longer stop (the machine slept) it goes on from the present.
const lateLimit = 500 * time.Millisecond

// beat is how often a device without a clock or a listener of its own works, two frames at a time: the usual packet
// time. Waking up costs a process more than the sound does.
const beat = 2 * FrameTime

// beats calls frame twice every beat, for devices whose phase is nobody's business: all of them work at the same
// moments of the wall clock, so that one wake-up serves them all.
func beats(ctx context.Context, frame func() error) error {
	now := time.Now()
	phase := now.Sub(now.Truncate(beat))
	return paceEvery(ctx, now.Add(-phase), beat, func(int64) error {
		for range beat / FrameTime {
			if err := frame(); err != nil {
				return err
			}
		}
		return nil
	})
}

// pace calls tick once every FrameTime with the number of frames since epoch, until ctx ends or tick fails.
// Deadlines are absolute, epoch plus a whole number of frames, so that the mean rate is exact and two devices with
// the same epoch stay in step for ever. A tick that comes late is followed by the next at once.
func pace(ctx context.Context, epoch time.Time, tick func(k int64) error) error {
	return paceEvery(ctx, epoch, FrameTime, tick)
}

// paceEvery is pace for another period.
func paceEvery(ctx context.Context, epoch time.Time, period time.Duration, tick func(k int64) error) error {
	k := int64(time.Since(epoch)/period) + 1
	timer := time.NewTimer(time.Until(epoch.Add(time.Duration(k) * period)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if ctx.Err() != nil { // both were ready
			return nil
		}
		if err := tick(k); err != nil {
			return err
		}
		k++
		wait := time.Until(epoch.Add(time.Duration(k) * period))
		if wait < -lateLimit {
			k = int64(time.Since(epoch)/period) + 1
			wait = time.Until(epoch.Add(time.Duration(k) * period))
		}
		timer.Reset(max(wait, 0))
	}
}
