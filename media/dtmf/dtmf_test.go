package dtmf

import (
	"bytes"
	"testing"
)

func TestWire(t *testing.T) {
	// RFC 4733 2.3: event 9, E set, volume 7, duration 1600.
	wire := []byte{9, 0x87, 0x06, 0x40}
	e, err := Parse(wire)
	if err != nil || e != (Event{Code: 9, End: true, Volume: 7, Duration: 1600}) {
		t.Errorf("got %+v, %v", e, err)
	}
	if got := e.Append(nil); !bytes.Equal(got, wire) {
		t.Errorf("got %x", got)
	}
	if _, err := Parse(wire[:3]); err == nil {
		t.Error("3 bytes were taken")
	}
}

func TestDigits(t *testing.T) {
	for i, d := range "0123456789*#ABCD" {
		code, ok := Code(d)
		back, known := Digit(code)
		if !ok || !known || int(code) != i || back != d {
			t.Errorf("%c: %d, %c", d, code, back)
		}
	}
	if c, ok := Code('b'); !ok || c != 13 {
		t.Errorf("b: %d", c)
	}
	for _, d := range "x é" {
		if _, ok := Code(d); ok {
			t.Errorf("%q is a digit", d)
		}
	}
	if _, ok := Digit(16); ok {
		t.Error("flash is a digit")
	}
}

func TestSender(t *testing.T) {
	var s Sender
	s.Start(5, 800)
	var durations []uint16
	ends, firsts := 0, 0
	for s.Active() {
		e, first := s.Next(160)
		if first {
			firsts++
		}
		if e.End {
			ends++
		}
		if e.Code != 5 {
			t.Errorf("code %d", e.Code)
		}
		durations = append(durations, e.Duration)
	}
	// RFC 4733 2.5.1.4: the last packet three times.
	want := []uint16{160, 320, 480, 640, 800, 800, 800}
	if len(durations) != len(want) || ends != 3 || firsts != 1 {
		t.Fatalf("durations %v, %d ends, %d firsts", durations, ends, firsts)
	}
	for i := range want {
		if durations[i] != want[i] {
			t.Errorf("durations %v", durations)
		}
	}
}

func TestReceiver(t *testing.T) {
	var r Receiver
	type packet struct {
		ssrc, ts uint32
		e        Event
		want     rune
	}
	for i, p := range []packet{
		{1, 0xfffffff0, Event{Code: 1}, '1'},
		{1, 0xfffffff0, Event{Code: 1, End: true}, 0},
		{1, 0x10, Event{Code: 1, End: true}, '1'}, // only its end came; the timestamp has wrapped
		{1, 0xfffffff0, Event{Code: 1, End: true}, 0},
		{1, 0x400, Event{Code: 11}, '#'},
		{1, 0x800, Event{Code: 16}, 0},  // flash
		{2, 0x10, Event{Code: 12}, 'A'}, // another source
	} {
		if got, _ := r.Put(p.ssrc, p.ts, p.e); got != p.want {
			t.Errorf("packet %d: %q, want %q", i, got, p.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte{9, 0x87, 0x06, 0x40}, uint32(1))
	f.Fuzz(func(t *testing.T, payload []byte, ts uint32) {
		e, err := Parse(payload)
		if err != nil {
			return
		}
		var r Receiver
		if d, ok := r.Put(1, ts, e); ok {
			if c, known := Code(d); !known || c != e.Code {
				t.Errorf("digit %q of event %d", d, e.Code)
			}
		}
	})
}
