package presence

import (
	"time"

	"github.com/peregrine-softphone/peregrine/presence/xmltext"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Package is an event package (RFC 6665 section 7) as a Follower needs it. S is what is shown of one followed address.
// All functions are required; they run on any goroutine, with the Follower's lock held, and must not block.
type Package[S any] struct {
	Event  string   // name, for the Subscriber and the log
	Accept []string // types of the documents, for the Subscriber

	// Unclear is the state of an address of which nothing is known, or no longer, and why.
	Unclear func(why Why, since time.Time) S
	// Absent is the state of one that is not there: the server says so, or its documents are empty.
	Absent func(since time.Time) S
	Kind   func(S) Kind
	Same   func(a, b S) bool // the user would see no difference

	// NewReader begins the documents of one subscription. What it gives is called for every NOTIFY with a body, in
	// order, without the lock.
	NewReader func() func(n Notification, now time.Time) Reading[S]

	RefusedWait time.Duration // until a refused SUBSCRIBE is tried again; 0: 4 h
	AbsentWait  time.Duration // until one to an absent address is; 0: not before it is heard of
}

// Reading is what a NOTIFY says.
type Reading[S any] struct {
	State S
	Found bool  // State is set
	Again bool  // something was missed: a full document is wanted
	Err   error // why the body could not be read; for the log
}

// Kind is what the state machine must know of a state.
type Kind int

// The kinds of state.
const (
	Clear   Kind = iota // something is known
	Absent              // the address is not there
	Unclear             // nothing is known
)

// Why is the cause of an unclear state, for a sentence to the user.
type Why int

// The causes.
const (
	WhyNotYet        Why = iota // no answer so far
	WhyForbidden                // 403, 603, 607, terminated;reason=rejected
	WhyPending                  // the other user has not decided
	WhyNoAnswer                 // no answer, 5xx; it is tried again
	WhyAccount                  // 401, 407
	WhyNoSupport                // 405, 406, 415, 420, 489, 501
	WhyOdd                      // refused otherwise
	WhyLost                     // the subscription ended; it is renewed
	WhyNotUnderstood            // its documents cannot be read
)

// Offer is an event package as a Notifier needs it. S is what is shown of us. All of it is required; the
// functions run on any goroutine, with the Notifier's lock held, and must not block.
type Offer[S any] struct {
	ContentType string // of the documents
	// Encode writes the complete state of an entity. version counts the documents of one subscription from 0.
	Encode func(entity uri.URI, s S, version uint32) []byte
	// Hidden is what is shown before the first Set, after the end, and to one who is blocked politely.
	Hidden func(since time.Time) S
	Same   func(a, b S) bool
	Normal func(s S, now time.Time) S // makes what was Set fit to be shown
	Pace   time.Duration              // between changes told, in the long run
}

// presenceOffer is event "presence" (RFC 3856).
func presenceOffer() Offer[State] {
	return Offer[State]{
		ContentType: ContentType,
		Encode:      func(entity uri.URI, s State, _ uint32) []byte { return Encode(entity, s) },
		Hidden:      func(since time.Time) State { return State{Status: Offline, Since: since} },
		Same:        State.same,
		Normal: func(s State, now time.Time) State {
			s.Reason, s.Note = "", xmltext.Line(s.Note, MaxNote)
			if s.Status == Unknown || s.Status == "" {
				s.Status = Offline
			}
			if s.Since.IsZero() {
				s.Since = now
			}
			return s
		},
		Pace: paceRefill,
	}
}

// presencePackage is event "presence" (RFC 3856).
func presencePackage() Package[State] {
	return Package[State]{
		Event: "presence", Accept: []string{ContentType},
		Unclear: func(why Why, since time.Time) State {
			return State{Status: Unknown, Since: since, Reason: why.presenceSentence()}
		},
		Absent: func(since time.Time) State { return State{Status: Offline, Since: since} },
		Kind: func(s State) Kind {
			switch s.Status {
			case Offline:
				return Absent
			case Unknown:
				return Unclear
			case Online, Away, Busy, OnThePhone, Lunch:
				return Clear
			}
			return Clear
		},
		Same:      State.same,
		NewReader: func() func(Notification, time.Time) Reading[State] { return readPresence },
	}
}

// readPresence decodes the body of a NOTIFY. Every document is complete by itself.
func readPresence(n Notification, now time.Time) Reading[State] {
	if !readable(n.ContentType) {
		return Reading[State]{}
	}
	doc, err := Decode(n.Body)
	if err != nil {
		return Reading[State]{Err: err}
	}
	return Reading[State]{State: Compose(doc, now), Found: true}
}

const (
	reasonForbidden     = "This person does not share their status with you."
	reasonPending       = "This person has not yet allowed you to see their status."
	reasonNoAnswer      = "No answer from this person's program or server. Peregrine keeps trying."
	reasonAccount       = "The server did not accept your account for this. Check the account's password."
	reasonNoSupport     = "This person's program cannot tell its status."
	reasonOdd           = "This person's server refused to tell their status."
	reasonLost          = "The connection to this person's status was lost. It is being renewed."
	reasonNotUnderstood = "The other program's status could not be understood."
)

// presenceSentence is what the user is told.
func (w Why) presenceSentence() string {
	switch w {
	case WhyNotYet:
		return ""
	case WhyForbidden:
		return reasonForbidden
	case WhyPending:
		return reasonPending
	case WhyNoAnswer:
		return reasonNoAnswer
	case WhyAccount:
		return reasonAccount
	case WhyNoSupport:
		return reasonNoSupport
	case WhyOdd:
		return reasonOdd
	case WhyLost:
		return reasonLost
	case WhyNotUnderstood:
		return reasonNotUnderstood
	}
	return ""
}
