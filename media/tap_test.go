package media

import (
	"slices"
	"testing"
	"time"
)

// A listener hears what goes out, silence when muted, and what comes in; and nothing once it is gone.
func TestTap(t *testing.T) {
	inCall(t, []string{"PCMU"}, func(t *testing.T, _ *wire, a, _ *phone) {
		time.Sleep(2 * time.Second)
		var sent, heard, loudSent int
		loud := func(frame []int16) bool {
			return slices.ContainsFunc(frame, func(x int16) bool { return x > 100 || x < -100 })
		}
		a.SetTap(func(f []int16) {
			sent++
			if loud(f) {
				loudSent++
			}
		}, func(f []int16) {
			if len(f) == deviceSamples && loud(f) {
				heard++
			}
		})
		time.Sleep(time.Second)
		if sent < 99 || sent > 101 || loudSent < 50 || heard < 50 {
			t.Errorf("in a second %d frames sent, %d of them and %d heard with sound", sent, loudSent, heard)
		}
		a.SetMuted(true)
		time.Sleep(20 * time.Millisecond)
		sent, loudSent = 0, 0
		time.Sleep(time.Second)
		if sent < 99 || loudSent > 0 {
			t.Errorf("muted: %d frames sent, %d of them with sound", sent, loudSent)
		}
		a.SetTap(nil, nil)
		sent = 0
		time.Sleep(time.Second)
		if sent > 0 {
			t.Errorf("%d frames after the listener went", sent)
		}
	})
}
