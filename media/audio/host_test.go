package audio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// plugged is a machine with a default device and one on a plug.
type plugged struct {
	fakeHardware
	mu     sync.Mutex
	there  bool
	opened []string
}

func (h *plugged) open(d direction, device, stream string, l *line) (func(), error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.opened = append(h.opened, device)
	if device != "" && !h.there {
		return nil, ErrNoDevice
	}
	hw := &fakeHardware{}
	gone := make(chan struct{})
	var once sync.Once
	stop, err := hw.open(d, device, stream, l)
	if device != "" {
		go func() { // an unplugged device falls silent
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for {
				select {
				case <-gone:
					return
				case <-tick.C:
				}
				h.mu.Lock()
				there := h.there
				h.mu.Unlock()
				if !there {
					once.Do(stop)
					return
				}
			}
		}()
	}
	return func() { close(gone); once.Do(stop) }, err
}

func (h *plugged) devices() ([]DeviceInfo, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := []DeviceInfo{{Name: "Built-in", ID: "card", Input: true, Output: true, Default: true}}
	if h.there {
		list = append(list, DeviceInfo{Name: "Headset", ID: "usb", Output: true})
	}
	return list, nil
}

func (h *plugged) plug(in bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.there = in
}

func (h *plugged) takeOpened() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.opened
	h.opened = nil
	return list
}

// TestUnplugged: the headset that was chosen is pulled out and put in again.
func TestUnplugged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &plugged{there: true}
		var told []string
		p, err := OpenPlayer("device:headset", Options{hardware: h, Missing: func(device string, missing bool) {
			told = append(told, fmt.Sprint(device, " ", missing))
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		var last time.Time
		longest := time.Duration(0)
		go func() {
			done <- p.Play(ctx, func([]int16) {
				if now := time.Now(); !last.IsZero() {
					longest = max(longest, now.Sub(last))
				}
				last = time.Now()
			})
		}()
		time.Sleep(5 * time.Second)
		if got := h.takeOpened(); !slices.Equal(got, []string{"headset"}) {
			t.Errorf("opened %q", got)
		}
		h.plug(false)
		time.Sleep(time.Second)
		if got := h.takeOpened(); !slices.Equal(got, []string{"headset", ""}) {
			t.Errorf("unplugged: opened %q", got)
		}
		if time.Since(last) > 20*time.Millisecond || longest > time.Second {
			t.Errorf("a second after it was unplugged: last frame %v ago, the longest gap %v", time.Since(last), longest)
		}
		time.Sleep(time.Minute)
		if got := h.takeOpened(); len(got) > 0 {
			t.Errorf("while it is away: opened %q", got)
		}
		longest = 0
		h.plug(true)
		time.Sleep(time.Second)
		if got := h.takeOpened(); !slices.Equal(got, []string{"headset"}) {
			t.Errorf("plugged in again: opened %q", got)
		}
		if longest > 100*time.Millisecond {
			t.Errorf("to go back took %v", longest)
		}
		if want := []string{"headset false", "headset true", "headset false"}; !slices.Equal(told, want) {
			t.Errorf("told %q, want %q", told, want)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// Without anybody to tell, a device that is not there is an error; so is a recorder of what only plays.
func TestNotPlugged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &plugged{}
		p, _ := OpenPlayer("device:headset", Options{hardware: h})
		if err := p.Play(t.Context(), func([]int16) {}); !errors.Is(err, ErrNoDevice) {
			t.Errorf("error %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		away := 0
		r, _ := OpenRecorder("device:headset", Options{hardware: h, Missing: func(_ string, missing bool) {
			if missing {
				away++
			}
		}})
		frames := 0
		go func() { time.Sleep(2 * time.Second); h.plug(true) }()
		h.fakeHardware = fakeHardware{}
		if err := r.Record(ctx, func([]int16) { frames++ }); err != nil || frames < 990 || away != 1 {
			t.Errorf("%v with %d frames from the default, told %d times", err, frames, away)
		}
	})
}

// A server that hangs keeps one goroutine however often it is tried, also by different devices of a Host.
func TestHangingServerOfHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, host := &fakeHardware{hang: true, release: make(chan struct{})}, new(Host)
		for range 20 {
			p, _ := OpenPlayer("default", Options{hardware: h, Host: host})
			if err := p.Play(t.Context(), func([]int16) {}); !errors.Is(err, ErrNoAnswer) {
				t.Errorf("error %v", err)
			}
		}
		close(h.release)
		synctest.Wait()
		if n := h.openings.Load(); n != 1 {
			t.Errorf("%d openings", n)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		frames := 0
		p, _ := OpenPlayer("default", Options{hardware: h, Host: host})
		if err := p.Play(ctx, func([]int16) { frames++ }); err != nil || frames < 95 {
			t.Errorf("when it answers again: %v with %d frames", err, frames)
		}
	})
}
