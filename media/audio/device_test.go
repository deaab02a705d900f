package audio

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fakeHardware is a sound card in virtual time: a goroutine calls back every period.
type fakeHardware struct {
	period   time.Duration // 0 is FrameTime
	samples  int           // per period, 0 is FrameSamples
	diesAt   time.Duration // after the opening, 0 is never
	lives    int           // openings that work; 0 is all
	hang     bool          // open never returns before release
	release  chan struct{}
	openings atomic.Int32
	active   atomic.Int32 // devices open now
	played   []int16
}

func (h *fakeHardware) open(d direction, _, _ string, l *line) (func(), error) {
	if h.hang {
		<-h.release
	}
	if n := int(h.openings.Add(1)); h.lives > 0 && n > h.lives {
		return nil, ErrNoSound
	}
	h.active.Add(1)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { h.run(d, l, stop) })
	return func() { close(stop); wg.Wait(); h.active.Add(-1) }, nil
}

func (h *fakeHardware) run(d direction, l *line, stop chan struct{}) {
	period, samples := h.period, h.samples
	if period == 0 {
		period = FrameTime
	}
	if samples == 0 {
		samples = FrameSamples
	}
	buffer := make([]byte, 2*samples)
	begin, number := time.Now(), 0
	ticker := time.NewTicker(period)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		if h.diesAt > 0 && time.Since(begin) > h.diesAt {
			continue
		}
		if d == capture {
			for i := range samples {
				number++
				binary.NativeEndian.PutUint16(buffer[2*i:], uint16(number))
			}
			l.onCapture(buffer)
			continue
		}
		l.onPlayback(buffer)
		for i := range samples {
			h.played = append(h.played, int16(binary.NativeEndian.Uint16(buffer[2*i:])))
		}
	}
}

func (h *fakeHardware) devices() ([]DeviceInfo, error) { return nil, ErrNoSound }

func TestDeviceRecords(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHardware{samples: 441, period: 441 * time.Second / Rate} // not our frame size
		r, err := OpenRecorder("default", Options{hardware: h})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		next, frames := int16(1), 0
		if err := r.Record(ctx, func(f []int16) {
			frames++
			for _, x := range f {
				if x != next {
					t.Fatalf("sample %d, want %d", x, next)
				}
				next++
			}
		}); err != nil {
			t.Fatal(err)
		}
		if frames < 995 || h.active.Load() != 0 {
			t.Errorf("%d frames in 10 s; %d devices left open", frames, h.active.Load())
		}
	})
}

func TestDevicePlays(t *testing.T) {
	for name, samples := range map[string]int{"our frames": 480, "small": 128, "large": 1024} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := &fakeHardware{samples: samples, period: time.Duration(samples) * time.Second / Rate}
				p, err := OpenPlayer("default", Options{hardware: h})
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				n := int16(0)
				if err := p.Play(ctx, func(f []int16) {
					for i := range f {
						n++
						f[i] = n
					}
				}); err != nil {
					t.Fatal(err)
				}
				gaps := 0
				for i := Rate; i < len(h.played); i++ { // the first second may adapt
					if h.played[i] != h.played[i-1]+1 {
						gaps++
					}
				}
				if gaps != 0 || len(h.played) < 9*Rate {
					t.Errorf("%d gaps in %d samples", gaps, len(h.played))
				}
			})
		})
	}
}

// TestDeviceDies: a device that falls silent is opened again; when that fails, the error names the cause, all within
// the watchdog's time and a quarter.
func TestDeviceDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHardware{diesAt: 3 * time.Second, lives: 2}
		r, _ := OpenRecorder("default", Options{hardware: h})
		begin, frames := time.Now(), 0
		err := r.Record(t.Context(), func([]int16) { frames++ })
		if !errors.Is(err, ErrNoSound) || h.openings.Load() != 3 {
			t.Errorf("%v after %d openings, want ErrNoSound after 3", err, h.openings.Load())
		}
		if took := time.Since(begin); took > 2*(3*time.Second+watchdogTime*5/4) || frames < 595 {
			t.Errorf("%v, %d frames", took, frames)
		}
	})
}

func TestDeviceNeverWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHardware{diesAt: time.Nanosecond}
		p, _ := OpenPlayer("default", Options{hardware: h})
		if err := p.Play(t.Context(), func([]int16) {}); !errors.Is(err, ErrStopped) || h.openings.Load() != 1 {
			t.Errorf("%v after %d openings, want ErrStopped after one", err, h.openings.Load())
		}
	})
}

func TestNullDeviceIsRecognised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHardware{period: FrameTime * 10 / 34} // miniaudio's null device: 3.4 times too fast
		p, _ := OpenPlayer("default", Options{hardware: h})
		begin := time.Now()
		if err := p.Play(t.Context(), func([]int16) {}); !errors.Is(err, ErrSilentDevice) {
			t.Errorf("%v, want ErrSilentDevice", err)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("recognised after %v", took)
		}
	})
}

// TestNothingIsPulledInVain: a device that does not open must not use up sound, nor look like one that works.
func TestNothingIsPulledInVain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHardware{diesAt: 2 * time.Second, lives: 1}
		p, _ := OpenPlayer("default", Options{hardware: h})
		var reports []error
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		frames := 0
		retry := RetryPlayer(p, func(err error) { reports = append(reports, err) })
		if err := retry.Play(ctx, func([]int16) { frames++ }); err != nil {
			t.Fatal(err)
		}
		if len(reports) != 1 || !errors.Is(reports[0], ErrNoSound) {
			t.Errorf("reports %v, want one failure", reports)
		}
		// Of the 1000 frames in 10 s only those are lost that the watchdog waits for, and one at either end.
		if least := 1000 - int(watchdogTime*5/4/FrameTime) - 3; frames < least || frames > 1002 {
			t.Errorf("%d frames pulled in 10 s, want %d to 1002", frames, least)
		}
	})
}

func TestHangingServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHardware{hang: true, release: make(chan struct{})}
		p, _ := OpenPlayer("default", Options{hardware: h})
		for range 2 { // the second must not leave another goroutine behind
			if err := p.Play(t.Context(), func([]int16) {}); !errors.Is(err, ErrNoAnswer) {
				t.Errorf("%v, want ErrNoAnswer", err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Play(ctx, func([]int16) {}); err != nil {
			t.Errorf("%v from a cancelled Play, want nil", err)
		}
		close(h.release)
		synctest.Wait()
		if h.openings.Load() != 1 || h.active.Load() != 0 {
			t.Errorf("%d openings, %d still open: what comes late is to be closed", h.openings.Load(), h.active.Load())
		}
	})
}

// TestCallbacksNeverWait calls back without anybody on the other side: no allocation, no waiting, the surplus counted.
func TestCallbacksNeverWait(t *testing.T) {
	l := newLine()
	buffer := make([]byte, 2*FrameSamples)
	if a := testing.AllocsPerRun(1000, func() { l.onCapture(buffer) }); a != 0 {
		t.Errorf("onCapture: %.1f allocations", a)
	}
	if l.ring.length() != ringSamples || l.missed.Load() != 1001*FrameSamples-ringSamples {
		t.Errorf("%d samples queued, %d missed", l.ring.length(), l.missed.Load())
	}
	l = newLine()
	buffer[0] = 1
	if a := testing.AllocsPerRun(1000, func() { l.onPlayback(buffer) }); a != 0 {
		t.Errorf("onPlayback: %.1f allocations", a)
	}
	if buffer[0] != 0 || l.missed.Load() != 1001*FrameSamples {
		t.Errorf("no silence from an empty queue; %d missed", l.missed.Load())
	}
	if a := testing.AllocsPerRun(100, l.onStop); a != 0 {
		t.Errorf("onStop: %.1f allocations", a)
	}
}

// TestRing moves two million numbers between two goroutines in uneven pieces.
func TestRing(t *testing.T) {
	const total = 2_000_000
	r := &ring{}
	go func() {
		piece := make([]int16, 700)
		for n := 0; n < total; {
			size := min(1+n%700, total-n)
			for i := range size {
				piece[i] = int16(n + i)
			}
			for done := 0; done < size; {
				done += r.put(piece[done:size])
			}
			n += size
		}
	}()
	piece := make([]byte, 2*333)
	for n := 0; n < total; {
		got := r.takeBytes(piece)
		for i := range got {
			if x := int16(binary.NativeEndian.Uint16(piece[2*i:])); x != int16(n+i) {
				t.Fatalf("number %d is %d", n+i, x)
			}
		}
		n += got
	}
}

func TestDevicesWithoutSound(t *testing.T) {
	if list, err := new(Host).list(t.Context(), &fakeHardware{}); !errors.Is(err, ErrNoSound) || list != nil {
		t.Errorf("%v, %v", list, err)
	}
}
