package audio

import (
	"context"
	"time"
)

// lateLimit is how far behind its deadline a synthetic device may fall and still make up for it frame by frame;
// after a longer stop (the machine slept) it goes on from the present.
const lateLimit = 500 * time.Millisecond

// pace calls tick once every FrameTime with the number of frames since epoch, until ctx ends or tick fails.
// Deadlines are absolute, epoch plus a whole number of frames, so that the mean rate is exact and two devices with
// the same epoch stay in step for ever. A tick that comes late is followed by the next at once.
func pace(ctx context.Context, epoch time.Time, tick func(k int64) error) error {
	k := int64(time.Since(epoch)/FrameTime) + 1
	timer := time.NewTimer(time.Until(epoch.Add(time.Duration(k) * FrameTime)))
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
		wait := time.Until(epoch.Add(time.Duration(k) * FrameTime))
		if wait < -lateLimit {
			k = int64(time.Since(epoch)/FrameTime) + 1
			wait = time.Until(epoch.Add(time.Duration(k) * FrameTime))
		}
		timer.Reset(max(wait, 0))
	}
}
