package buddies

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const (
	lockWait = 5 * time.Second // an edit of another Peregrine takes milliseconds
	lockTry  = 10 * time.Millisecond
)

// lockFile takes a lock between processes: a file beside the list that is made anew and removed after the edit. Windows
// removes no open file, so a file that can be removed belongs to a process that has died.
func lockFile(ctx context.Context, path string) (unlock func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	tick := time.NewTicker(lockTry)
	defer tick.Stop()
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err == nil {
			return func() { _ = errors.Join(f.Close(), os.Remove(path)) }, nil
		}
		if os.Remove(path) == nil {
			continue
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("lock buddy list: %w", err)
		}
	}
}
