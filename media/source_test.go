package media

import (
	"math"
	"testing"
	"time"
)

func TestSource(t *testing.T) {
	var s source
	seq, ts := uint16(65500), uint32(0xffffff00)
	for n := range uint16(200) {
		if n%10 == 3 {
			continue // lost
		}
		s.put(5, seq+n, ts+uint32(n)*160, 8000, time.Duration(n)*20*time.Millisecond)
	}
	if s.expected() != 200 || s.lost() != 20 || s.received != 180 {
		t.Errorf("expected %d, lost %d, received %d", s.expected(), s.lost(), s.received)
	}
	if s.highest != 65500+199 {
		t.Errorf("highest %d: the cycle is not counted", s.highest)
	}
	if f := s.interval(); f != 25 { // 20/200 in 1/256
		t.Errorf("fraction %d", f)
	}
	if f := s.interval(); f != 0 {
		t.Errorf("fraction of nothing %d", f)
	}
	if s.jitter > 1 {
		t.Errorf("jitter %g of an even stream", s.jitter)
	}
	// Every other packet 10 ms late: |D| is 80 ticks each time.
	for n := uint16(200); n < 600; n++ {
		s.put(5, seq+n, ts+uint32(n)*160, 8000, time.Duration(n)*20*time.Millisecond+time.Duration(n%2)*10*time.Millisecond)
	}
	if math.Abs(s.jitter-80) > 2 || s.jitterTime() < 9*time.Millisecond || s.jitterTime() > 11*time.Millisecond {
		t.Errorf("jitter %g ticks, %v", s.jitter, s.jitterTime())
	}
	s.put(6, 1, 1, 8000, time.Minute)
	if s.expected() != 1 || s.received != 1 {
		t.Errorf("another source: expected %d", s.expected())
	}
}

func TestMOS(t *testing.T) {
	// The figures of the formula's source: no impairment is 4.41, and MOS falls with loss and delay.
	if got := mos("PCMU", 0, 0); math.Abs(got-4.41) > 0.01 {
		t.Errorf("best %g", got)
	}
	last := 5.0
	for _, loss := range []float64{0, 1, 2, 5, 10, 20, 50, 100} {
		got := mos("PCMU", loss, 100*time.Millisecond)
		if got >= last || got < 1 {
			t.Errorf("loss %g: %g after %g", loss, got, last)
		}
		last = got
	}
	if a, b := mos("PCMU", 0, 150*time.Millisecond), mos("PCMU", 0, 400*time.Millisecond); a-b < 0.5 {
		t.Errorf("delay: %g and %g", a, b)
	}
}

func TestMeter(t *testing.T) {
	var m meter
	frame := make([]int16, deviceSamples)
	m.put(frame)
	if m.value != 0 {
		t.Errorf("silence %g", m.value)
	}
	for i := range frame {
		frame[i] = 32767
	}
	m.put(frame)
	if math.Abs(m.value-1) > 0.001 {
		t.Errorf("full scale %g", m.value)
	}
	clear(frame)
	for range 100 { // 26 dB a second
		m.put(frame)
	}
	if want := 1 - 26.0/60; math.Abs(m.value-want) > 0.01 {
		t.Errorf("after a second %g, want %g", m.value, want)
	}
}
