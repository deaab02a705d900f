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
		s.put(5, seq+n, ts+uint32(n)*160, false, 8000, time.Duration(n)*20*time.Millisecond)
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
		s.put(5, seq+n, ts+uint32(n)*160, false, 8000, time.Duration(n)*20*time.Millisecond+time.Duration(n%2)*10*time.Millisecond)
	}
	if math.Abs(s.jitter-80) > 2 || s.jitterTime() < 9*time.Millisecond || s.jitterTime() > 11*time.Millisecond {
		t.Errorf("jitter %g ticks, %v", s.jitter, s.jitterTime())
	}
	s.put(6, 1, 1, false, 8000, time.Minute)
	if s.expected() != 1 || s.received != 1 {
		t.Errorf("another source: expected %d", s.expected())
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
