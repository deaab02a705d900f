package mix

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/media/audio"
)

// gear is a microphone or a speaker with a clock of its own, that works in periods of some frames and can fail.
type gear struct {
	period time.Duration // of so many frames
	frames int
	sound  func(frame []int16) // of a microphone
	fail   error               // what it returns at once
	stall  func() bool         // tells to do nothing for now

	mu    sync.Mutex
	heard []int16
	runs  int
}

func (g *gear) run(ctx context.Context, frame func()) error {
	g.mu.Lock()
	g.runs++
	fail := g.fail
	g.mu.Unlock()
	if fail != nil {
		return fail
	}
	tick := time.NewTicker(g.period)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if g.stall != nil && g.stall() {
			continue
		}
		for range g.frames {
			frame()
		}
	}
}

func (g *gear) Record(ctx context.Context, push func([]int16)) error {
	buf := make([]int16, frameSamples)
	return g.run(ctx, func() { g.sound(buf); push(buf) })
}

func (g *gear) Play(ctx context.Context, pull func([]int16)) error {
	buf := make([]int16, frameSamples)
	return g.run(ctx, func() {
		pull(buf)
		g.mu.Lock()
		defer g.mu.Unlock()
		g.heard = append(g.heard, buf...)
	})
}

func (g *gear) flush() []int16 {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.heard
	g.heard = nil
	return out
}

// running runs a mixer until the returned function is called.
func running(t *testing.T, cfg Config) (*Mixer, func()) {
	t.Helper()
	m := New(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- m.Run(ctx) }()
	return m, func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
	}
}

// Whatever the devices, a call hears the user and the other call at full rate, and the user hears the calls.
func TestClocks(t *testing.T) {
	const d = frameTime
	mic := func(period time.Duration, frames int) Recorder {
		return &gear{period: period, frames: frames, sound: tone(440, 6000)}
	}
	ear := func(period time.Duration, frames int) *gear { return &gear{period: period, frames: frames} }
	broken := &gear{fail: errors.New("unplugged")}
	tests := []struct {
		name  string
		mic   Recorder
		ear   *gear
		hears []float64 // the calls' tones and the user's at the first call
	}{
		{"both", mic(d, 1), ear(d, 1), []float64{440, 1300}},
		{"periods of 20 and 40 ms", mic(2*d, 2), ear(4*d, 4), []float64{440, 1300}},
		{"no microphone", nil, ear(d, 1), []float64{1300}},
		{"microphone fails", broken, ear(2*d, 2), []float64{1300}},
		{"no speaker", mic(d, 1), nil, []float64{440, 1300}},
		{"neither", nil, nil, []float64{1300}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				cfg := Config{Recorder: test.mic}
				if test.ear != nil {
					cfg.Player = test.ear
				}
				m, end := running(t, cfg)
				a, b := join(t, m, tone(700, 6000)), join(t, m, tone(1300, 6000))
				time.Sleep(time.Second)
				a.flush()
				if test.ear != nil {
					test.ear.flush()
				}
				time.Sleep(2 * time.Second)
				all := []float64{440, 700, 1300}
				pcm := a.flush()
				if got := len(pcm) / frameSamples; got < 196 || got > 204 {
					t.Errorf("a call got %d frames in 2 s", got)
				}
				wantTones(t, "call", pcm[:190*frameSamples], all, 6000, test.hears...)
				if test.ear != nil {
					wantTones(t, "user", test.ear.flush()[:190*frameSamples], all, 6000, 700, 1300)
				}
				s := m.Stats()
				// A few of the beginning; which of two that wake at the same instant goes first is chance.
				if s.Dropped > 8 && test.ear != nil || s.Underruns > 8 {
					t.Errorf("%+v", s)
				}
				a.leave()
				b.leave()
				end()
			})
		})
	}
}

// Speaker and microphone that differ by half a percent, which no real pair does: what is left over is dropped, what is
// missing is silence, and the delay stays.
func TestDrift(t *testing.T) {
	for name, period := range map[string]time.Duration{"slow speaker": 10050 * time.Microsecond, "fast speaker": 9950 * time.Microsecond} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				out := &gear{period: period, frames: 1}
				m, end := running(t, Config{Recorder: &gear{period: frameTime, frames: 1, sound: quiet}, Player: out})
				a := join(t, m, tone(530, 8000))
				time.Sleep(time.Minute)
				s := m.Stats()
				missed := uint64(30) // of 6000
				if name == "slow speaker" && (s.Dropped < missed-5 || s.Dropped > missed+5 || s.Underruns > 3) {
					t.Errorf("%+v, want %d dropped", s, missed)
				}
				if name == "fast speaker" && (s.Underruns < missed-5 || s.Underruns > missed+5 || s.Dropped > 3) {
					t.Errorf("%+v, want %d underruns", s, missed)
				}
				m.out.mu.Lock()
				n := m.out.n
				m.out.mu.Unlock()
				if n > 3 {
					t.Errorf("%d frames wait", n)
				}
				if step := steepest(out.flush()); step > 1200 { // a sine of 530 Hz and 8000 moves by 555
					t.Errorf("a step of %d", step)
				}
				a.leave()
				end()
			})
		})
	}
}

// From a call to the speaker and from the microphone to a call.
func TestDelay(t *testing.T) {
	for _, frames := range []int{1, 2} {
		bubble(t, func(t *testing.T) {
			period := time.Duration(frames) * frameTime
			var spoke, reached, asked, told time.Time
			loud := func(at *time.Time) func([]int16) {
				return func(frame []int16) {
					clear(frame)
					if time.Now().Second() >= 5 && at.IsZero() {
						*at = time.Now()
						frame[0] = 9999
					}
				}
			}
			in := &gear{period: period, frames: frames, sound: loud(&spoke)}
			m, end := running(t, Config{Recorder: in, Player: played(period, frames, &told)})
			a := join(t, m, loud(&asked))
			b := join(t, m, quiet)
			b.stop()
			b.over.Wait()
			ctx, stop := context.WithCancel(t.Context())
			p, err := m.Port()
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				_ = p.Record(ctx, func(frame []int16) {
					if frame[0] != 0 && reached.IsZero() {
						reached = time.Now()
					}
				})
			})
			time.Sleep(10 * time.Second)
			stop()
			wg.Wait()
			a.leave()
			end()
			if d := reached.Sub(spoke); reached.IsZero() || d != 0 {
				t.Errorf("periods of %d: microphone to call takes %v", frames, d)
			}
			if d := told.Sub(asked); told.IsZero() || d > 20*time.Millisecond {
				t.Errorf("periods of %d: call to speaker takes %v", frames, d)
			}
		})
	}
}

// played notes when the first sound comes.
func played(period time.Duration, frames int, at *time.Time) Player {
	return playerFunc(func(ctx context.Context, pull func([]int16)) error {
		g := &gear{period: period, frames: frames}
		buf := make([]int16, frameSamples)
		return g.run(ctx, func() {
			if pull(buf); buf[0] != 0 && at.IsZero() {
				*at = time.Now()
			}
		})
	})
}

type playerFunc func(context.Context, func([]int16)) error

func (f playerFunc) Play(ctx context.Context, pull func([]int16)) error { return f(ctx, pull) }

// A microphone that stops for a while and then gives all at once leaves the calls in step.
func TestStall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		held := 0
		in := &gear{period: frameTime, frames: 1, sound: quiet}
		m := New(Config{Player: &gear{period: frameTime, frames: 1}})
		m.SetRecorder(recorderFunc(func(ctx context.Context, push func([]int16)) error {
			buf := make([]int16, frameSamples)
			return in.run(ctx, func() {
				if d := time.Since(start); d > time.Second && d < 1300*time.Millisecond {
					held++
					return
				}
				for ; held > 0; held-- {
					push(buf)
				}
				push(buf)
			})
		}))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = m.Run(ctx) }()
		a := join(t, m, quiet)
		time.Sleep(3 * time.Second)
		if got := len(a.flush()) / frameSamples; got < 293 || got > 307 {
			t.Errorf("%d frames in 3 s", got)
		}
		a.leave()
		cancel()
		<-done
	})
}

type recorderFunc func(context.Context, func([]int16)) error

func (f recorderFunc) Record(ctx context.Context, push func([]int16)) error { return f(ctx, push) }

// A device that fails is named, tried again, and replaced in mid-talk.
func TestDeviceTrouble(t *testing.T) {
	bubble(t, func(t *testing.T) {
		changes := 0
		broken := &gear{fail: errors.New("unplugged")}
		var m *Mixer
		m, end := running(t, Config{Recorder: broken, Player: &gear{period: frameTime, frames: 1}, OnChange: func() { changes++ }})
		a := join(t, m, quiet)
		time.Sleep(1100 * time.Millisecond)
		if rec, play := m.Problems(); rec != "unplugged" || play != "" {
			t.Errorf("problems %q and %q", rec, play)
		}
		if broken.runs != 5 { // every 250 ms
			t.Errorf("tried %d times in 1.1 s, want 5", broken.runs)
		}
		m.SetRecorder(&gear{period: frameTime, frames: 1, sound: tone(440, 6000)})
		time.Sleep(time.Second)
		if rec, _ := m.Problems(); rec != "" || changes != 2 {
			t.Errorf("problem %q after %d changes", rec, changes)
		}
		a.flush()
		time.Sleep(time.Second)
		wantTones(t, "call", a.flush()[:90*frameSamples], []float64{440}, 6000, 440)
		m.SetPlayer(nil)
		time.Sleep(time.Second)
		a.leave()
		end()
	})
}

// The stand-ins that users can choose.
func TestSyntheticDevices(t *testing.T) {
	bubble(t, func(t *testing.T) {
		mic, err := audio.OpenRecorder("tone:440", audio.Options{})
		if err != nil {
			t.Fatal(err)
		}
		path := t.TempDir() + "/heard.wav"
		ear, err := audio.OpenPlayer("file:"+path, audio.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m, end := running(t, Config{Recorder: mic, Player: ear})
		a, b := join(t, m, tone(700, 6000)), join(t, m, tone(1300, 6000))
		time.Sleep(500 * time.Millisecond)
		a.flush()
		time.Sleep(time.Second)
		pcm := a.flush()[:90*frameSamples]
		wantTones(t, "call", pcm, []float64{700, 1300}, 6000, 1300)
		wantTones(t, "call", pcm, []float64{440}, 8231, 440)
		a.leave()
		b.leave()
		end()
		// Half a second of silence while nobody is there cannot be told from the rest; the file is heard as a microphone.
		back, err := audio.OpenRecorder("file:"+path, audio.Options{})
		if err != nil {
			t.Fatal(err)
		}
		m, end = running(t, Config{Recorder: back})
		c := join(t, m, quiet)
		time.Sleep(500 * time.Millisecond)
		c.flush()
		time.Sleep(500 * time.Millisecond)
		wantTones(t, "the recorded user", c.flush()[:40*frameSamples], []float64{440, 700, 1300}, 6000, 700, 1300)
		c.leave()
		end()
	})
}
