package ui

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"fyne.io/fyne/v2"

	"github.com/peregrine-softphone/peregrine/app"
)

// tickEvery is how often clocks move on. A clock in whole seconds needs no more.
const tickEvery = time.Second

// verbTimeout ends a verb that the engine does not come back from: 32 s is how long a SIP request
// is repeated (RFC 3261 17.1.1.2, 64*T1); a REGISTER with a challenge takes two of them.
const verbTimeout = 70 * time.Second

// binder is the one way from other goroutines onto the UI thread, and from the UI thread to verbs
// that run elsewhere. Of the engine's snapshots at most one waits to be shown; the latest wins.
type binder struct {
	ctx  context.Context //nolint:containedctx // verbs are started from callbacks that have none
	post func(func())    // runs a function on the UI thread later; fyne.Do
	wg   sync.WaitGroup

	mu     sync.Mutex
	latest app.Snapshot
	queued bool
	closed bool
}

// newBinder returns a binder whose functions run on the UI thread by post, until ctx ends.
func newBinder(ctx context.Context, post func(func())) *binder {
	return &binder{ctx: ctx, post: func(f func()) {
		post(func() {
			if ctx.Err() == nil { // after its loop has ended Fyne would run f on the wrong goroutine
				f()
			}
		})
	}}
}

// newUIBinder returns the binder of a running application.
func newUIBinder(ctx context.Context) *binder { return newBinder(ctx, fyne.Do) }

// quitWith closes the application when ctx ends, unless the function it returns was called before.
func quitWith(ctx context.Context, a fyne.App) (stop func() bool) {
	return context.AfterFunc(ctx, func() { fyne.Do(a.Quit) })
}

// start shows every snapshot of the engine and moves the clocks, until the context ends.
func (b *binder) start(e Engine, show func(app.Snapshot), tick func()) {
	b.spawn(func() { b.watch(e, show) })
	b.spawn(func() { b.clock(tick) })
}

// spawn runs f on a goroutine that wait waits for, unless the window is gone.
func (b *binder) spawn(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	b.wg.Go(f)
}

// wait returns when no goroutine is left. The context must have ended.
func (b *binder) wait() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.wg.Wait()
}

func (b *binder) watch(e Engine, show func(app.Snapshot)) {
	for s := range e.Watch(b.ctx) {
		b.mu.Lock()
		b.latest = s
		first := !b.queued
		b.queued = true
		b.mu.Unlock()
		if first {
			b.post(func() { show(b.take()) })
		}
		if b.ctx.Err() != nil {
			return
		}
	}
}

func (b *binder) take() app.Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queued = false
	return b.latest
}

func (b *binder) clock(tick func()) {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	var pending sync.Mutex // held while a tick waits for the UI thread
	for {
		select {
		case <-b.ctx.Done():
			return
		case <-t.C:
			if !pending.TryLock() {
				continue
			}
			b.post(func() {
				pending.Unlock()
				tick()
			})
		}
	}
}

// How the trace comes to the UI thread: in batches, so that hundreds of messages a second cost five
// drawings, and no more than a batch holds; the others are counted.
const (
	traceEvery = 200 * time.Millisecond
	traceBatch = 500
)

// trace shows the messages of the engine's trace, with how many were left out, until ctx ends.
func (b *binder) trace(ctx context.Context, entries <-chan app.TraceEntry, show func([]app.TraceEntry, int)) {
	b.spawn(func() {
		t := time.NewTicker(traceEvery)
		defer t.Stop()
		var batch []app.TraceEntry
		var busy atomic.Bool // a batch waits for the UI thread
		left := 0
		for {
			select {
			case <-ctx.Done():
				return
			case e, ok := <-entries:
				switch {
				case !ok:
					return
				case len(batch) < traceBatch:
					batch = append(batch, e)
				default:
					left++
				}
			case <-t.C:
				if len(batch)+left == 0 || !busy.CompareAndSwap(false, true) {
					continue
				}
				ready, out := batch, left
				batch, left = nil, 0
				b.post(func() {
					busy.Store(false)
					if ctx.Err() == nil {
						show(ready, out)
					}
				})
			}
		}
	})
}

// verb runs a verb of the engine off the UI thread and gives its error back on it.
func (b *binder) verb(f func(context.Context) error, done func(error)) {
	b.spawn(func() {
		ctx, cancel := context.WithTimeout(b.ctx, verbTimeout)
		defer cancel()
		err := f(ctx)
		if b.ctx.Err() != nil {
			return // the window is going away
		}
		b.post(func() { done(err) })
	})
}
