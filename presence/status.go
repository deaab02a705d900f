package presence

import (
	"time"
)

// Status is one of the six statuses of the thesis (6.1.3), or unknown. The words are those of the control contract.
type Status string

// The presence words.
const (
	Online     Status = "online"
	Away       Status = "away"
	Busy       Status = "busy"
	OnThePhone Status = "on_the_phone"
	Lunch      Status = "lunch"
	Offline    Status = "offline"
	Unknown    Status = "unknown"
)

// ParseStatus reads a presence word; ok is false for any other text.
func ParseStatus(word string) (s Status, ok bool) {
	switch s := Status(word); s {
	case Online, Away, Busy, OnThePhone, Lunch, Offline, Unknown:
		return s, true
	default:
		return Unknown, false
	}
}

// State is what is known of one person.
type State struct {
	Status Status
	Note   string    // the person's own words, at most MaxNote bytes, one line, without control characters
	Since  time.Time // when Status or Note came to be, as far as known
	Reason string    // a sentence: why Status is unknown; empty otherwise
}

// MaxNote bounds a note, in bytes: two long sentences; longer ones are cut at a character.
const MaxNote = 500

// same reports whether a user would see no difference between two states. Since does not count.
func (s State) same(o State) bool {
	return s.Status == o.Status && s.Note == o.Note && s.Reason == o.Reason
}
