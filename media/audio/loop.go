package audio

import (
	"context"
	"sync"
	"time"
)

const (
	// LoopDelay suits an echo service: long enough to hear that it is an echo, short enough to talk against.
	LoopDelay = 200 * time.Millisecond
	// loopLeast leaves the player's goroutine two frames of lateness, loopMost bounds the memory to about 1 MB.
	loopLeast = 2 * FrameTime
	loopMost  = 10 * time.Second
)

// Loop joins a player and a recorder: every frame played is recorded once, unchanged, a fixed delay later. Where
// nothing was played, silence is recorded. It serves one player and one recorder at a time, which may come and go in
// any order; give every call a Loop of its own.
type Loop struct {
	epoch time.Time // both sides count their frames from here
	delay int64     // frames

	mu    sync.Mutex
	slots []loopSlot
}

// loopSlot holds the frame that was played at tick k.
type loopSlot struct {
	k     int64
	frame [FrameSamples]int16
}

// NewLoop makes a loop of that delay, rounded to whole frames, from 20 ms to 10 s; 0 is LoopDelay.
func NewLoop(delay time.Duration) *Loop {
	if delay == 0 {
		delay = LoopDelay
	}
	delay = max(loopLeast, min(delay, loopMost))
	l := &Loop{epoch: time.Now(), delay: int64((delay + FrameTime/2) / FrameTime)}
	// As many slots again as the delay: the reader may be as late as the writer.
	l.slots = make([]loopSlot, 2*l.delay+2)
	l.forget()
	return l
}

// Player returns the side that plays into the loop.
func (l *Loop) Player() Player { return loopPlayer{l} }

// Recorder returns the side that records from the loop.
func (l *Loop) Recorder() Recorder { return loopRecorder{l} }

type loopPlayer struct{ loop *Loop }

type loopRecorder struct{ loop *Loop }

// Play implements Player.
func (p loopPlayer) Play(ctx context.Context, pull func(frame []int16)) error {
	frame := make([]int16, FrameSamples)
	p.loop.forget() // the end of what an earlier call played is nobody's business
	return pace(ctx, p.loop.epoch, func(k int64) error {
		pull(frame)
		p.loop.put(k, frame)
		return nil
	})
}

// Record implements Recorder.
func (r loopRecorder) Record(ctx context.Context, push func(frame []int16)) error {
	frame := make([]int16, FrameSamples)
	return pace(ctx, r.loop.epoch, func(k int64) error {
		r.loop.take(k-r.loop.delay, frame)
		push(frame)
		return nil
	})
}

func (l *Loop) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.slots {
		l.slots[i].k = -1
	}
}

func (l *Loop) put(k int64, frame []int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slot := &l.slots[k%int64(len(l.slots))]
	slot.k = k
	copy(slot.frame[:], frame)
}

// take copies the frame of tick k, or silence when there is none.
func (l *Loop) take(k int64, frame []int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k >= 0 {
		if slot := &l.slots[k%int64(len(l.slots))]; slot.k == k {
			copy(frame, slot.frame[:])
			return
		}
	}
	clear(frame)
}
