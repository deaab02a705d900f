package buddies

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	settleTime = 150 * time.Millisecond // an editor's save is several events
	secondLook = time.Second            // at a file that seems damaged: it may be half written
	pollTime   = 5 * time.Second        // for file systems that tell nothing (network shares)
)

// Run follows the file and takes over what others write into it, within about 0.2 s. It blocks until ctx ends and
// returns nil. Where the system cannot watch the folder it looks every 5 s, which it does anyway.
func (b *Book) Run(ctx context.Context) error {
	events, failures, stop := b.watch()
	defer stop()
	settle := time.NewTimer(0) // what has changed since Open
	defer settle.Stop()
	poll := time.NewTicker(pollTime)
	defer poll.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case ev, ok := <-events:
			if !ok {
				events = nil
				continue
			}
			if b.concerns(ev.Name) {
				settle.Reset(settleTime)
			}
		case err, ok := <-failures:
			if !ok {
				failures = nil
				continue
			}
			b.log.WarnContext(ctx, "watching the buddy list failed", "error", err) // an overflow, say: look now
			settle.Reset(settleTime)
		case <-settle.C:
			if b.reload() {
				settle.Reset(secondLook)
			}
		case <-poll.C:
			if b.reload() {
				settle.Reset(secondLook)
			}
		}
	}
}

// watch starts the watching of the folder, because editors replace the file. Nil channels: it cannot be watched.
func (b *Book) watch() (<-chan fsnotify.Event, <-chan error, func()) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		b.log.Warn("folder of the buddy list not watched", "error", err)
		return nil, nil, func() {}
	}
	for _, dir := range []string{filepath.Dir(b.path), filepath.Dir(b.target())} {
		if err := w.Add(dir); err != nil {
			b.log.Warn("folder of the buddy list not watched", "folder", dir, "error", err)
		}
	}
	return w.Events, w.Errors, func() {
		if err := w.Close(); err != nil {
			b.log.Debug("folder watch not closed", "error", err)
		}
	}
}

func (b *Book) concerns(name string) bool {
	base := filepath.Base(name)
	return base == filepath.Base(b.path) || base == filepath.Base(b.target())
}
