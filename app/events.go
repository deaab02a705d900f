package app

import (
	"context"
	"time"
)

// Event is something that happened, in the order it happened: what `peregrinectl run` and `watch`
// print, one JSON object a line. Exactly one of the pointers is set, named like Kind.
type Event struct {
	Kind    EventKind `json:"event"`
	At      time.Time `json:"at"`
	Account *Account  `json:"account,omitempty"`
	Buddy   *Buddy    `json:"buddy,omitempty"`
	Call    *Call     `json:"call,omitempty"`
	HandOff *HandOff  `json:"hand_off,omitempty"` // Call is set too
	Message *Message  `json:"message,omitempty"`
	Notice  *Notice   `json:"notice,omitempty"`
	Self    *Self     `json:"self,omitempty"`
	Network *Network  `json:"network,omitempty"`
	Request *Request  `json:"request,omitempty"`
	Record  *Record   `json:"record,omitempty"`
	Dropped uint64    `json:"dropped,omitempty"` // events lost before this one because the reader was slow
}

// EventKind is a word of the control contract.
type EventKind string

// The kinds of event.
const (
	EventStarted EventKind = "started" // the engine runs; Self is set
	EventAccount EventKind = "account" // registration state changed
	EventBuddy   EventKind = "buddy"   // presence or entry changed
	EventCall    EventKind = "call"    // state changed
	EventHandOff EventKind = "hand_off"
	EventMessage EventKind = "message" // received, or the state of one changed
	EventNotice  EventKind = "notice"
	EventSelf    EventKind = "self"    // own presence changed
	EventNetwork EventKind = "network" // gone, back or moved
	EventRequest EventKind = "request" // somebody wants something the user decides about
	EventRecord  EventKind = "record"  // a call is over and in the history
	EventStopped EventKind = "stopped"
)

// eventQueue is how many events wait for a slow reader before the oldest news is dropped and
// counted: ten seconds of a very busy phone.
const eventQueue = 1024

type eventReader struct {
	ch      chan Event
	dropped uint64
}

// Events gives everything that happens from now on. The channel closes when ctx ends or the engine
// has stopped. A reader slower than eventQueue events loses some and is told how many.
func (e *Engine) Events(ctx context.Context) <-chan Event {
	r := &eventReader{ch: make(chan Event, eventQueue)}
	e.mu.Lock()
	if e.stopped {
		close(r.ch)
	} else {
		e.readers[r] = struct{}{}
	}
	e.mu.Unlock()
	context.AfterFunc(ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if _, ok := e.readers[r]; ok {
			delete(e.readers, r)
			close(r.ch)
		}
	})
	return r.ch
}

// emit tells the readers. The caller holds e.mu, so that the order of events is that of the changes.
func (e *Engine) emit(ev Event) {
	ev.At = time.Now()
	for r := range e.readers {
		out := ev
		out.Dropped = r.dropped
		select {
		case r.ch <- out:
			r.dropped = 0
		default:
			r.dropped++
		}
	}
}

// Watch gives the present state, then the state after each change. Latest wins: a slow reader skips
// states and never blocks the engine. The channel closes when ctx ends or the engine has stopped.
func (e *Engine) Watch(ctx context.Context) <-chan Snapshot {
	out := make(chan Snapshot)
	go func() {
		defer close(out)
		for {
			e.mu.Lock()
			next, stopped := e.next, e.stopped
			e.mu.Unlock()
			select {
			case out <- e.Snapshot():
			case <-ctx.Done():
				return
			}
			if stopped {
				return
			}
			select {
			case <-next:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// changed says that the state differs from the last snapshot. The caller does not hold e.mu.
func (e *Engine) changed() {
	e.mu.Lock()
	e.changedLocked()
	e.mu.Unlock()
}

// changedLocked is changed for a caller that holds e.mu.
func (e *Engine) changedLocked() {
	e.stale = true
	close(e.next)
	e.next = make(chan struct{})
}
