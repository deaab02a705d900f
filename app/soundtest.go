package app

import (
	"context"
	"time"

	"github.com/peregrine-softphone/peregrine/media"
	"github.com/peregrine-softphone/peregrine/media/audio"
)

// The stages of a sound test, words of Audio.Test.
const (
	testRecording = "recording"
	testPlaying   = "playing"
)

const (
	// testTime is how long is recorded: a sentence.
	testTime = 3 * time.Second
	// testTail lets the last of the sound out of the speaker's buffers.
	testTail = 200 * time.Millisecond
	// testStart is how long a device may take to begin before SoundTest returns: opening takes 3 s at the most.
	testStart = 4 * time.Second
	// testMeter is how many frames a level is measured over: ten levels a second.
	testMeter = int(100 * time.Millisecond / audio.FrameTime)
)

// soundTest is the user hearing himself. Engine.mu guards it.
type soundTest struct {
	stage string
	level float64
	stop  context.CancelFunc // nil: not begun yet
	over  bool
}

// SoundTest records three seconds from the microphone of the settings, then plays them by the speaker of the settings;
// Snapshot.Audio shows how far it is and how loud. It returns when the microphone works, or does not: the error says
// why. While a test runs, it ends that test and returns nil. There is none while a call is up.
func (e *Engine) SoundTest(ctx context.Context) error {
	e.mu.Lock()
	if e.test != nil {
		e.test.end()
		e.mu.Unlock()
		return nil
	}
	if e.liveCallsLocked() > 0 {
		e.mu.Unlock()
		return userErrorf("The sound can be tested when no call is up. In a call its levels are shown.")
	}
	t := &soundTest{stage: testRecording}
	e.test = t
	e.changedLocked()
	e.mu.Unlock()
	heard := make(chan error, 1) // the fate of the microphone
	if !e.spawn(func(ctx context.Context) { e.runTest(ctx, t, heard) }) {
		e.endTest(t)
		return errNotRunning
	}
	limit := time.NewTimer(testStart)
	defer limit.Stop()
	select {
	case err := <-heard:
		return err
	case <-limit.C:
	case <-ctx.Done():
	}
	return nil
}

// end stops the test. The caller holds Engine.mu.
func (t *soundTest) end() {
	if t.over = true; t.stop != nil {
		t.stop()
	}
}

// endTestLocked ends the test, if one runs: a call needs the devices and the ears. The caller holds e.mu.
func (e *Engine) endTestLocked() {
	if e.test != nil {
		e.test.end()
	}
}

// endTest takes a test away that is over.
func (e *Engine) endTest(t *soundTest) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.test == t {
		e.test = nil
	}
	e.changedLocked()
}

// show says how far the test is.
func (e *Engine) showTest(t *soundTest, stage string, level float64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	t.stage, t.level = stage, level
	e.changedLocked()
}

// runTest carries a test out. heard gets one value.
func (e *Engine) runTest(ctx context.Context, t *soundTest, heard chan<- error) {
	defer e.endTest(t)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	e.mu.Lock()
	t.stop = cancel
	if t.over {
		cancel()
	}
	e.mu.Unlock()
	pcm, err := e.testRecord(ctx, t, heard)
	if err != nil || ctx.Err() != nil {
		var failed error
		if err != nil {
			failed = problem(err, "The microphone does not work: %v", err)
		}
		select {
		case heard <- failed:
		default: // it had begun well
		}
		return
	}
	if err := e.testPlay(ctx, t, pcm); err != nil {
		e.log.InfoContext(ctx, "sound test failed", "err", err)
		e.addNotice("The speaker does not work: "+err.Error(), "")
	}
}

// testRecord records until there is enough, and tells heard with the first frame.
func (e *Engine) testRecord(ctx context.Context, t *soundTest, heard chan<- error) ([]int16, error) {
	full, cancel := context.WithCancel(ctx)
	defer cancel()
	const enough = int(testTime / audio.FrameTime * audio.FrameSamples)
	pcm := make([]int16, 0, enough)
	err := recorder{e, newSound()}.Record(full, func(frame []int16) {
		if len(pcm) == 0 {
			heard <- nil // the first of two at most, there is room
		}
		pcm = append(pcm, frame[:min(len(frame), enough-len(pcm))]...)
		if n := testMeter * audio.FrameSamples; len(pcm)%n == 0 && len(pcm) > 0 {
			e.showTest(t, testRecording, media.Level(pcm[len(pcm)-n:]))
		}
		if len(pcm) == enough {
			cancel()
		}
	})
	return pcm, err
}

// testPlay plays what was recorded.
func (e *Engine) testPlay(ctx context.Context, t *soundTest, pcm []int16) error {
	e.showTest(t, testPlaying, 0)
	played, cancel := context.WithCancel(ctx)
	defer cancel()
	at, tail := 0, int(testTail/audio.FrameTime)
	return player{e, newSound()}.Play(played, func(frame []int16) {
		n := copy(frame, pcm[at:])
		clear(frame[n:])
		at += n
		if n := testMeter * audio.FrameSamples; n <= at && at%n == 0 && tail == int(testTail/audio.FrameTime) {
			e.showTest(t, testPlaying, media.Level(pcm[at-n:at]))
		}
		if at == len(pcm) {
			if tail--; tail <= 0 {
				cancel()
			}
		}
	})
}
