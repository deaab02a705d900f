package app

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/sip"
)

func TestEndTone(t *testing.T) {
	refused := func(code int) sip.EndCause {
		return sip.EndCause{Reason: sip.EndedRefused, Err: &sip.StatusError{Code: code}}
	}
	for name, tt := range map[string]struct {
		cause              sip.EndCause
		answered, incoming bool
		want               tone
	}{
		"the user hung up":          {cause: sip.EndCause{Reason: sip.EndedLocally}, answered: true, want: toneNone},
		"the user gave up":          {cause: sip.EndCause{Reason: sip.EndedLocally}, want: toneNone},
		"the caller gave up":        {cause: sip.EndCause{Reason: sip.EndedCancelled}, incoming: true, want: toneNone},
		"answered elsewhere":        {cause: sip.EndCause{Reason: sip.EndedElsewhere}, incoming: true, want: toneNone},
		"nobody took a call here":   {cause: sip.EndCause{Reason: sip.EndedNoAnswer}, incoming: true, want: toneNone},
		"the other side hung up":    {cause: sip.EndCause{Reason: sip.EndedByPeer}, answered: true, want: toneEnded},
		"the connection was lost":   {cause: sip.EndCause{Reason: sip.EndedFailed}, answered: true, incoming: true, want: toneEnded},
		"busy":                      {cause: refused(486), want: toneBusy},
		"busy everywhere":           {cause: refused(600), want: toneBusy},
		"declined":                  {cause: refused(603), want: toneBusy},
		"nobody of that name":       {cause: refused(404), want: toneInformation},
		"half a number":             {cause: refused(484), want: toneInformation},
		"the server is overloaded":  {cause: refused(503), want: toneCongestion},
		"not allowed":               {cause: refused(403), want: toneCongestion},
		"nobody answers over there": {cause: sip.EndCause{Reason: sip.EndedNoAnswer, Err: errors.New("timeout")}, want: toneCongestion},
		"no network":                {cause: sip.EndCause{Reason: sip.EndedFailed, Err: errors.New("down")}, want: toneCongestion},
	} {
		if got := endTone(tt.cause, tt.answered, tt.incoming); got != tt.want {
			t.Errorf("%s: tone %d, want %d", name, got, tt.want)
		}
	}
}

// TestToneOfEnd follows which tone is wanted after a call was refused, and after one was hung up on.
func TestToneOfEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &Engine{}
		e.ringer = newRinger(e)
		c := &call{rec: Call{State: CallRinging}}
		e.calls = []*call{c}
		wanted := func(length time.Duration) []tone {
			var list []tone
			for begun := time.Now(); time.Since(begun) < length; time.Sleep(measureEvery) { // as measure does
				e.soundLocked()
				list = append(list, <-e.ringer.want)
			}
			return slices.Compact(list)
		}
		if got := wanted(time.Second); !slices.Equal(got, []tone{toneRingback}) {
			t.Errorf("while it rings: %v", got)
		}
		e.toneOfEndLocked(c, sip.EndCause{Reason: sip.EndedRefused, Err: &sip.StatusError{Code: 486}})
		c.rec.State = CallEnded
		if got := wanted(4 * time.Second); !slices.Equal(got, []tone{toneBusy}) {
			t.Errorf("refused: %v", got)
		}
		if got := wanted(4 * time.Second); !slices.Equal(got, []tone{toneBusy, toneNone}) {
			t.Errorf("seconds later: %v", got)
		}
		e.toneOfEndLocked(c, sip.EndCause{Reason: sip.EndedRefused, Err: &sip.StatusError{Code: 503}})
		e.calls = append(e.calls, &call{rec: Call{State: CallCalling}})
		if got := wanted(time.Second); !slices.Equal(got, []tone{toneNone}) {
			t.Errorf("the next call begins: %v", got)
		}
		e.calls = e.calls[:1]
		if got := wanted(time.Second); !slices.Equal(got, []tone{toneNone}) {
			t.Errorf("the tone of the call before the last comes back: %v", got)
		}
		c.rec.AnsweredAt = time.Now()
		e.toneOfEndLocked(c, sip.EndCause{Reason: sip.EndedByPeer})
		if got := wanted(3 * time.Second); !slices.Equal(got, []tone{toneEnded, toneNone}) {
			t.Errorf("hung up on: %v", got)
		}
	})
}

func TestLocale(t *testing.T) {
	for _, tt := range []struct {
		name string
		env  map[string]string
		want string
	}{
		{"nothing", nil, ""},
		{"the language alone", map[string]string{"LANG": "de_AT.UTF-8"}, "de_AT.UTF-8"},
		{"telephones of their own", map[string]string{"LANG": "en_US.UTF-8", "LC_TELEPHONE": "de_AT.UTF-8"}, "de_AT.UTF-8"},
		{"one for all", map[string]string{"LC_ALL": "fr_FR", "LC_TELEPHONE": "de_AT", "LANG": "en_US"}, "fr_FR"},
		{"empty is not set", map[string]string{"LC_ALL": "", "LANG": "en_US"}, "en_US"},
	} {
		if got := Locale(func(name string) string { return tt.env[name] }); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
