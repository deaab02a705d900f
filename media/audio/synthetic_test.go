package audio

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestSpecs(t *testing.T) {
	loop := NewLoop(0)
	for _, tt := range []struct {
		spec     string
		in, out  bool
		withLoop bool
	}{
		{spec: "default", in: true, out: true},
		{spec: "", in: true, out: true},
		{spec: "device:Built-in Audio: Analog", in: true, out: true},
		{spec: "device:"},
		{spec: "tone:440", in: true},
		{spec: "tone:0.5"},
		{spec: "tone:NaN"},
		{spec: "tone:1e9"},
		{spec: "tone:"},
		{spec: "file:/tmp/a:b.wav", in: true, out: true},
		{spec: "file:"},
		{spec: "none", in: true, out: true},
		{spec: "none:1"},
		{spec: "loop"},
		{spec: "loop", in: true, out: true, withLoop: true},
		{spec: "speaker"},
	} {
		var o Options
		if tt.withLoop {
			o.Loop = loop
		}
		if r, err := OpenRecorder(tt.spec, o); (err == nil) != tt.in || (r != nil) != tt.in {
			t.Errorf("OpenRecorder(%q) = %v, %v", tt.spec, r, err)
		}
		if p, err := OpenPlayer(tt.spec, o); (err == nil) != tt.out || (p != nil) != tt.out {
			t.Errorf("OpenPlayer(%q) = %v, %v", tt.spec, p, err)
		}
	}
	if _, err := OpenRecorder("speaker", Options{}); !errors.Is(err, ErrSpec) {
		t.Errorf("OpenRecorder(speaker): %v, want ErrSpec", err)
	}
}

// TestPaceIsExact runs a synthetic device for an hour whose consumer is late now and then.
func TestPaceIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour+FrameTime/2)
		defer cancel()
		frames := 0
		err := noneDevice{}.Record(ctx, func([]int16) {
			if frames++; frames%1000 == 0 {
				time.Sleep(7 * FrameTime)
			}
		})
		if want := int(time.Hour / FrameTime); err != nil || frames != want {
			t.Errorf("%d frames in an hour, want %d; %v", frames, want, err)
		}
	})
}

func TestPaceSkipsLongStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute+FrameTime/2)
		defer cancel()
		frames, burst, largest, last := 0, 0, 0, time.Now()
		if err := (noneDevice{}).Play(ctx, func([]int16) {
			if now := time.Now(); now.Equal(last) {
				burst++
			} else {
				last, burst = now, 1
			}
			largest = max(largest, burst)
			if frames++; frames == 100 {
				time.Sleep(30 * time.Second)
				last = time.Now()
			}
		}); err != nil {
			t.Fatal(err)
		}
		if frames != 100+2900 || largest > int(beat/FrameTime) {
			t.Errorf("%d frames with %d at once after 30 s of sleep, want 3000 and 2", frames, largest)
		}
	})
}

// TestBeatsMeet starts two devices at different moments: they wake up together.
func TestBeatsMeet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		times := make(chan time.Time, 300)
		note := func([]int16) { times <- time.Now() }
		var devices sync.WaitGroup
		for _, d := range []toneRecorder{{hz: 440}, {hz: 523.25}} {
			time.Sleep(7 * time.Millisecond)
			devices.Go(func() {
				if err := d.Record(ctx, note); err != nil {
					t.Error(err)
				}
			})
		}
		devices.Wait()
		close(times)
		moments := map[time.Time]int{}
		for at := range times {
			moments[at]++
		}
		if len(moments) > 50 {
			t.Errorf("%d wake-ups in a second, want 50 at most", len(moments))
		}
	})
}

func TestTone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := OpenRecorder("tone:440", Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second+FrameTime/2)
		defer cancel()
		var got []int16
		if err := r.Record(ctx, func(f []int16) { got = append(got, f...) }); err != nil {
			t.Fatal(err)
		}
		if len(got) != Rate {
			t.Fatalf("%d samples in a second", len(got))
		}
		for i, x := range got {
			want := toneLevel * math.Sin(2*math.Pi*440*float64(i)/Rate)
			if math.Abs(float64(x)-want) > 1 {
				t.Fatalf("sample %d = %d, want %.0f", i, x, want)
			}
		}
	})
}

// count fills frames with the numbers 1, 2, 3, …, one per frame.
func count() func([]int16) {
	n := int16(0)
	return func(f []int16) {
		n++
		for i := range f {
			f[i] = n
		}
	}
}

// TestLoop plays and records at the same time, in either order of start: every frame comes once, LoopDelay later.
func TestLoop(t *testing.T) {
	for name, head := range map[string]time.Duration{"recorder first": -55 * time.Millisecond, "player first": 55 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				loop := NewLoop(0)
				time.Sleep(3 * time.Millisecond) // not in phase with the loop
				ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
				defer cancel()
				var playedAt, heardAt time.Time
				done := make(chan error)
				go func() {
					time.Sleep(max(0, -head))
					number := count()
					done <- loop.Player().Play(ctx, func(f []int16) {
						number(f)
						if f[0] == 1 {
							playedAt = time.Now()
						}
						if f[0]%20 == 0 {
							time.Sleep(15 * time.Millisecond) // late, but within the delay
						}
					})
				}()
				time.Sleep(max(0, head))
				var got []int16
				if err := loop.Recorder().Record(ctx, func(f []int16) {
					if f[0] != f[FrameSamples-1] {
						t.Errorf("a frame from %d to %d", f[0], f[FrameSamples-1])
					}
					if f[0] == 1 {
						heardAt = time.Now()
					}
					if f[0] != 0 || len(got) > 0 {
						got = append(got, f[0])
					}
				}); err != nil {
					t.Error(err)
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
				if d := heardAt.Sub(playedAt); d != LoopDelay {
					t.Errorf("delay %v, want %v", d, LoopDelay)
				}
				for i, x := range got {
					if int(x) != i+1 {
						t.Fatalf("frame %d is number %d", i+1, x)
					}
				}
				if len(got) < 260 {
					t.Errorf("%d frames heard", len(got))
				}
			})
		})
	}
}

func TestLoopKeepsCallsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop := NewLoop(100 * time.Millisecond)
		play := func(fill func([]int16)) []int16 {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			done := make(chan error)
			go func() { done <- loop.Player().Play(ctx, fill) }()
			synctest.Wait()
			var got []int16
			if err := loop.Recorder().Record(ctx, func(f []int16) { got = append(got, f...) }); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			return got
		}
		if got := play(count()); !slices.Contains(got, 20) {
			t.Error("the first call did not hear itself")
		}
		if got := play(func(f []int16) { clear(f) }); slices.ContainsFunc(got, func(x int16) bool { return x != 0 }) {
			t.Error("the second call heard the end of the first")
		}
	})
}

// failing is a recorder and player that fails at its first runs.
type failing struct {
	runs, failures int
}

var errBroken = errors.New("broken")

func (f *failing) Record(ctx context.Context, push func([]int16)) error {
	if f.runs++; f.runs <= f.failures {
		return errBroken
	}
	return toneRecorder{hz: 1000}.Record(ctx, push)
}

func (f *failing) Play(ctx context.Context, pull func([]int16)) error {
	if f.runs++; f.runs <= f.failures {
		return errBroken
	}
	return noneDevice{}.Play(ctx, pull)
}

func TestRetry(t *testing.T) {
	for _, direction := range []string{"record", "play"} {
		t.Run(direction, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				defer cancel()
				f := &failing{failures: 3}
				var reports []error
				report := func(err error) { reports = append(reports, err) }
				frames := 0
				handle := func([]int16) { frames++ }
				var err error
				if direction == "record" {
					err = RetryRecorder(f, report).Record(ctx, handle)
				} else {
					err = RetryPlayer(f, report).Play(ctx, handle)
				}
				if err != nil || f.runs != 4 {
					t.Errorf("%v after %d runs, want nil after 4", err, f.runs)
				}
				if frames < 495 || frames > 500 {
					t.Errorf("%d frames in 5 s, want 500: sound goes on all the time", frames)
				}
				if len(reports) != 2 || !errors.Is(reports[0], errBroken) || reports[1] != nil {
					t.Errorf("reports %v, want one failure and one recovery", reports)
				}
			})
		})
	}
}
