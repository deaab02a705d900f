package record

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// memory is a sink that keeps what it gets.
type memory struct {
	left, right []int16
	fail        error
	block       chan struct{} // nil: does not wait
	closed      int
}

func (m *memory) write(left, right []int16) error {
	if m.block != nil {
		<-m.block
	}
	if m.fail != nil {
		return m.fail
	}
	m.left, m.right = append(m.left, left...), append(m.right, right...)
	return nil
}

func (m *memory) close() error { m.closed++; return nil }

// level is a frame of one value.
func level(v int16) []int16 {
	f := make([]int16, frameSamples)
	for i := range f {
		f[i] = v
	}
	return f
}

// loud returns the first and last place of samples other than 0, and how many are 0 between them.
func loud(pcm []int16) (first, last, holes int) {
	first, last = -1, -1
	for i, x := range pcm {
		if x == 0 {
			continue
		}
		if first < 0 {
			first = i
		} else {
			holes += i - last - 1
		}
		last = i
	}
	return first, last, holes
}

// record runs a recording into memory for as long as talk does.
func record(t *testing.T, m *memory, talk func(r *Recording)) error {
	t.Helper()
	r := newRecording("test", m)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	talk(r)
	cancel()
	return <-done
}

func TestSidesLieWhereTheyWere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		err := record(t, m, func(r *Recording) {
			for k := range 500 {
				time.Sleep(10 * time.Millisecond)
				if k >= 100 && k < 300 {
					r.Sent(level(100))
				}
				if k >= 200 && k < 400 {
					r.Heard(level(200))
				}
			}
		})
		if err != nil || m.closed != 1 {
			t.Errorf("Run: %v, closed %d times", err, m.closed)
		}
		if len(m.left) != 5*rate || len(m.right) != 5*rate {
			t.Errorf("%d and %d samples in 5 s", len(m.left), len(m.right))
		}
		for name, side := range map[string]struct {
			pcm      []int16
			from, to float64
		}{"sent": {m.left, 1, 3}, "heard": {m.right, 2, 4}} {
			first, last, holes := loud(side.pcm)
			if math.Abs(float64(first)/rate-side.from) > 0.02 || math.Abs(float64(last)/rate-side.to) > 0.02 || holes > 0 {
				t.Errorf("%s: from %d to %d with %d samples of silence, want %v s to %v s", name, first, last, holes, side.from, side.to)
			}
		}
	})
}

// A stumble of the device or of this program loses nothing and moves nothing.
func TestStumble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{}
		if err := record(t, m, func(r *Recording) {
			for k := range 600 {
				time.Sleep(10 * time.Millisecond)
				r.Heard(level(200))
				switch {
				case k >= 270 && k < 300:
				case k == 300:
					for range 31 {
						r.Sent(level(100))
					}
				default:
					r.Sent(level(100))
				}
			}
		}); err != nil {
			t.Fatal(err)
		}
		for name, pcm := range map[string][]int16{"sent": m.left, "heard": m.right} {
			if first, last, holes := loud(pcm); first > 1000 || last < len(pcm)-1000 || holes > 0 {
				t.Errorf("%s: from %d to %d of %d with %d samples of silence", name, first, last, len(pcm), holes)
			}
		}
	})
}

// TestNoDrift puts an hour of frames from clocks that run 100 ppm fast and slow, in the bursts of a sound server, with
// a mark every ten seconds, and looks where the marks lie.
func TestNoDrift(t *testing.T) {
	const hour = 3600
	sides := map[string]float64{"fast": 1 + 100e-6, "slow": 1 - 100e-6}
	marks := map[string][]float64{}
	out := make([]int16, rate/10)
	for name, speed := range sides {
		s := &side{}
		from, frames := int64(0), 0
		marked := -1
		for now := int64(0); now < hour*rate; now += 4 * frameSamples { // a burst every 40 ms
			for ; float64(frames)*frameSamples < float64(now)*speed; frames++ {
				f := level(1)
				if tens := int(float64(frames) * frameSamples / speed / (10 * rate)); tens > marked {
					marked = tens
					f[0] = 20000
				}
				s.put(f, now, from)
			}
			for ; from < now-lag; from += int64(len(out)) {
				s.take(out, from)
				for i, x := range out {
					if x > 10000 && (i == 0 || out[i-1] <= 10000) {
						marks[name] = append(marks[name], float64(from+int64(i))/rate)
					}
				}
			}
		}
		if s.lost != 0 {
			t.Errorf("%s: %d samples lost", name, s.lost)
		}
	}
	if n := len(marks["fast"]); n < hour/10-1 || len(marks["slow"]) != n {
		t.Fatalf("%d and %d marks", n, len(marks["slow"]))
	}
	worst := 0.0
	for i, at := range marks["fast"] {
		worst = max(worst, math.Abs(at-marks["slow"][i]))
	}
	t.Logf("the sides are apart by %.1f ms at the most", 1000*worst)
	if worst > 0.05 { // a mark lies anywhere in its burst of 40 ms
		t.Errorf("the sides are apart by %.1f ms", 1000*worst)
	}
	first, last := marks["fast"][1]-marks["slow"][1], marks["fast"][hour/10-2]-marks["slow"][hour/10-2]
	if math.Abs(last-first) > 0.041 {
		t.Errorf("apart by %.1f ms at the start and %.1f ms after an hour", 1000*first, 1000*last)
	}
}

// A side whose device was away comes back in its place, and one that gets everything twice is put right.
func TestGapAndDouble(t *testing.T) {
	s := &side{}
	now, from := int64(0), int64(0)
	for range 100 {
		now += frameSamples
		s.put(level(1), now, from)
	}
	now += 15 * frameSamples // 150 ms lost: less than lag
	for range 200 {
		now += frameSamples
		s.put(level(1), now, from)
		from = max(from, now-lag)
	}
	if late := now - s.at; late < -frameSamples || late > 0 {
		t.Errorf("after a gap the side is late by %d samples", late)
	}
	for range 20 {
		s.put(level(1), now, from) // as after a device that stood in
	}
	for range 300 {
		now += frameSamples
		s.put(level(1), now, from)
		from = max(from, now-lag)
	}
	if late := now - s.at; late < -2*frameSamples || late > frameSamples {
		t.Errorf("after doubled sound the side is late by %d samples", late)
	}
	now += 10 * rate // away for 10 s
	from = now - lag
	s.put(level(1), now, from)
	if s.at != now+frameSamples {
		t.Errorf("after ten seconds the next frame is at %d, want %d", s.at-frameSamples, now)
	}
}

func TestSlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{block: make(chan struct{})}
		var lost time.Duration
		if err := record(t, m, func(r *Recording) {
			for k := range 800 {
				time.Sleep(10 * time.Millisecond)
				r.Sent(level(100))
				r.Heard(level(200))
				if k == 400 {
					close(m.block)
				}
			}
			lost = r.Stats().Lost
		}); err != nil {
			t.Fatal(err)
		}
		if lost < 4*time.Second || lost > 8*time.Second { // of both sides
			t.Errorf("%v lost behind a disk that took nothing for 4 s", lost)
		}
		if len(m.left) != 8*rate {
			t.Errorf("%d samples in 8 s: the rest is not where it was", len(m.left))
		}
		if _, last, _ := loud(m.left); last < 8*rate-2*frameSamples {
			t.Errorf("nothing after %d", last)
		}
	})
}

func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &memory{fail: syscall.ENOSPC}
		r := newRecording("test", m)
		if err := r.Run(t.Context()); !errors.Is(err, syscall.ENOSPC) || m.closed != 1 {
			t.Errorf("Run: %v, closed %d times", err, m.closed)
		}
		for range 500 { // who does not know yet goes on
			r.Sent(level(1))
		}
	})
}

func TestFrameAllocatesNothing(t *testing.T) {
	r, f := newRecording("test", &memory{}), level(1)
	if a := testing.AllocsPerRun(100, func() { r.Sent(f); r.Heard(f) }); a != 0 {
		t.Errorf("%.1f allocations a frame", a)
	}
}

func TestWAVFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "call.wav")
	synctest.Test(t, func(t *testing.T) {
		r, err := New(path, WAV)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		for range 200 {
			time.Sleep(10 * time.Millisecond)
			r.Sent(level(100))
			r.Heard(level(200))
		}
		if b, err := os.ReadFile(path); err != nil || len(b) < 4*rate || int(binary.LittleEndian.Uint32(b[40:])) > len(b)-44 {
			t.Errorf("while it is written: %d bytes, %v", len(b), err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if _, err := New(path, WAV); !errors.Is(err, os.ErrExist) {
			t.Errorf("a second recording to the same file: %v", err)
		}
	})
	b, err := os.ReadFile(path)
	if err != nil || len(b) != 44+2*rate*4 || !bytes.Equal(b[len(b)-4:], []byte{100, 0, 200, 0}) {
		t.Errorf("%d bytes, the last %v, %v", len(b), b[max(0, len(b)-4):], err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v, %v", info.Mode(), err)
	}
}
