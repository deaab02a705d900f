package sip

import (
	"context"
	"sync"
)

// loopDepth is how many tasks wait at one owner. A dialog sees a handful of requests at a time; more
// than this is an attack, and is answered 503.
const loopDepth = 64

// loop is the queue of the one goroutine that owns the state of a call, subscription or account.
// Tasks run in the order they were posted.
type loop struct {
	tasks chan func()
	over  chan struct{} // closed by end
	once  sync.Once
}

func newLoop() *loop {
	return &loop{tasks: make(chan func(), loopDepth), over: make(chan struct{})}
}

// run executes tasks until end is called. What is still queued then runs too, so that a request
// already taken in is answered.
func (l *loop) run() {
	for {
		select {
		case f := <-l.tasks:
			f()
		case <-l.over:
			for {
				select {
				case f := <-l.tasks:
					f()
				default:
					return
				}
			}
		}
	}
}

// end lets run return. Any goroutine; more than once is harmless.
func (l *loop) end() { l.once.Do(func() { close(l.over) }) }

// offer queues f without waiting. It reports false when the queue is full or the loop has ended.
func (l *loop) offer(f func()) bool {
	select {
	case <-l.over:
		return false
	default:
	}
	select {
	case l.tasks <- f:
		return true
	default:
		return false
	}
}

// crew counts goroutines like sync.WaitGroup, but one may join at any time, also while somebody waits: calls
// come and go as the application likes.
type crew struct {
	mu    sync.Mutex
	n     int
	empty chan struct{} // closed when n falls to 0; nil before the first
}

// Go runs f on a goroutine of its own.
func (w *crew) Go(f func()) {
	w.mu.Lock()
	if w.n == 0 {
		w.empty = make(chan struct{})
	}
	w.n++
	w.mu.Unlock()
	go func() {
		defer w.leave()
		f()
	}()
}

func (w *crew) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.n--; w.n == 0 {
		close(w.empty)
	}
}

// Wait returns when nobody is there at some moment, or ctx ends.
func (w *crew) Wait(ctx context.Context) {
	w.mu.Lock()
	empty := w.empty
	w.mu.Unlock()
	if empty == nil {
		return
	}
	select {
	case <-empty:
	case <-ctx.Done():
	}
}
