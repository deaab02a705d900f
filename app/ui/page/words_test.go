package page

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/app"
)

func TestLooksDialable(t *testing.T) {
	for in, want := range map[string]bool{
		"bob@info.test": true, "sip:bob@10.0.0.1:5070": true, "sip:bob": true, "+49 30 1234": true, "112": true, "*21#": true, "(030) 12-34": true,
		"bob": false, "": false, " ": false, "@": false, "bob@": false, "@info": false, "a b@c": false, "7": false, "sip:": false, "4 apples": false,
	} {
		if got := LooksDialable(in); got != want {
			t.Errorf("LooksDialable(%q): got %v, want %v", in, got, want)
		}
	}
}

func TestSentence(t *testing.T) {
	for in, want := range map[string]string{
		"network gone, holding": "Network gone, holding", "élodie is busy.": "Élodie is busy.", "": "", "busy.": "Busy.",
		"pbx.example shows another key.": "pbx.example shows another key.", "bob@info.test is busy": "bob@info.test is busy",
	} {
		if got := sentence(in); got != want {
			t.Errorf("sentence(%q): got %q, want %q", in, got, want)
		}
	}
}

func TestUserPart(t *testing.T) {
	for in, want := range map[string]string{
		"Alice": "alice", "Alice Keller": "alice.keller", "  Björn  Ö ": "bjrn", "李": "", "a..b": "a.b", "o'neil_2": "oneil_2", "...": "",
	} {
		if got := userPart(in); got != want {
			t.Errorf("userPart(%q): got %q, want %q", in, got, want)
		}
	}
}

func TestAgoAndDay(t *testing.T) {
	now := time.Date(2026, time.November, 24, 0, 30, 0, 0, time.UTC)
	tests := []struct {
		name, ago, day string
		at             time.Time
	}{
		{"minutes ago", "00:10", "Today", now.Add(-20 * time.Minute)},
		{"an hour ago, before midnight", "Yesterday", "Yesterday", now.Add(-time.Hour)},
		{"this week", "Friday", "Friday, 20 November", now.AddDate(0, 0, -4)},
		{"this year", "2026-06-01", "Monday, 1 June", time.Date(2026, time.June, 1, 12, 0, 0, 0, time.UTC)},
		{"long ago", "2024-02-29", "Thursday, 29 February 2024", time.Date(2024, time.February, 29, 12, 0, 0, 0, time.UTC)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ago(tt.at, now); got != tt.ago {
				t.Errorf("ago: got %q, want %q", got, tt.ago)
			}
			if got := day(tt.at, now); got != tt.day {
				t.Errorf("day: got %q, want %q", got, tt.day)
			}
		})
	}
}

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "00:00", 207 * time.Second: "03:27", time.Hour + 207*time.Second: "1:03:27", 59*time.Minute + 59*time.Second: "59:59",
	} {
		if got := duration(d); got != want {
			t.Errorf("duration(%v): got %q, want %q", d, got, want)
		}
	}
}

func TestSame(t *testing.T) {
	if !Same("sip:Bob@Info.test", "bob@info.test:5060") || Same("sip:bob@info.test", "sip:bob@enst.test") {
		t.Error("addresses are compared wrongly")
	}
}

func TestErrorText(t *testing.T) {
	err := fmt.Errorf("call: %w", &app.UserError{Sentence: "Bob is busy.", Detail: "486 Busy Here"})
	if text, detail := ErrorText(err); text != "Bob is busy." || detail != "486 Busy Here" {
		t.Errorf("got %q, %q", text, detail)
	}
	if text, _ := ErrorText(errors.New("dial udp: boom")); text != "That did not work. Try again." {
		t.Errorf("a program's error is shown to the user: %q", text)
	}
}

func TestCallState(t *testing.T) {
	now := time.Date(2026, time.November, 24, 14, 0, 0, 0, time.UTC)
	c := app.Call{PeerName: "Bob", AnsweredAt: now.Add(-65 * time.Second)}
	for state, want := range map[app.CallState]string{
		app.CallCalling: "Calling", app.CallRinging: "Ringing", app.CallIncoming: "Incoming call", app.CallEstablished: "01:05",
	} {
		c.State = state
		if got := callState(c, now); got != want {
			t.Errorf("%s: got %q, want %q", state, got, want)
		}
	}
	c.State, c.HeldBy = app.CallHeld, "peer"
	if got := callState(c, now); got != "01:05 · Put on hold by Bob" {
		t.Errorf("held by the peer: got %q", got)
	}
}
