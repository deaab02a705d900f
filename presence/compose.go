package presence

import (
	"slices"
	"time"
)

// Compose makes one state of a document. The rule:
//
//  1. An open tuple beats a closed one, a closed one beats one that says neither; among equals the higher contact
//     priority wins, then the later timestamp, then the one that stands first.
//  2. Closed is offline, whatever else the document says.
//  3. Else the activities of the newest person decide, else those of the winning tuple: on the phone, busy, lunch,
//     away, in this order when there are several (what holds the person most firmly first).
//  4. No activity known: an open tuple is online; no tuple at all and no person is offline, because the agent was
//     asked and knows of no device; all else is unknown.
//  5. The note is the person's, else the winning tuple's, else the document's.
//
// now stands for a timestamp that is absent or lies in the future.
func Compose(d *Document, now time.Time) State {
	tuple, found := bestTuple(d.Tuples)
	person := newestPerson(d.Persons)
	s := State{Status: Unknown, Since: now, Note: firstNonEmpty(person.Note, tuple.Note, d.Note)}
	activities := person.Activities
	if len(activities) == 0 {
		activities = tuple.Activities
	}
	activity, known := statusOf(activities)
	switch {
	case tuple.Basic == Closed:
		s.Status = Offline
	case known:
		s.Status = activity
	case tuple.Basic == Open:
		s.Status = Online
	case !found && len(d.Persons) == 0:
		s.Status = Offline
	default:
		s.Reason = "The other program did not say whether this person is there."
	}
	for _, at := range []time.Time{person.Timestamp, tuple.Timestamp} {
		if !at.IsZero() && at.Before(now) {
			s.Since = at
			break
		}
	}
	return s
}

func bestTuple(tuples []Tuple) (best Tuple, found bool) {
	rank := func(b Basic) int {
		switch b {
		case Open:
			return 2
		case Closed:
			return 1
		default:
			return 0
		}
	}
	for i, t := range tuples {
		r, b := rank(t.Basic), rank(best.Basic)
		better := r > b ||
			r == b && t.Priority > best.Priority ||
			r == b && t.Priority == best.Priority && t.Timestamp.After(best.Timestamp)
		if i == 0 || better {
			best = t
		}
	}
	return best, len(tuples) > 0
}

func newestPerson(persons []Person) (newest Person) {
	for i, p := range persons {
		if i == 0 || p.Timestamp.After(newest.Timestamp) {
			newest = p
		}
	}
	return newest
}

// statusOf maps the activities of RFC 4480 3.2, and the sub-statuses of Windows Messenger, to the six statuses.
func statusOf(activities []string) (Status, bool) {
	table := []struct {
		status Status
		names  []string
	}{
		{OnThePhone, []string{"on-the-phone", "onthephone"}},
		{Busy, []string{
			"busy", "meeting", "appointment", "presentation", "performance",
			"steering", "worship", "working",
		}},
		{Lunch, []string{"meal", "breakfast", "dinner", "lunch", "outtolunch"}},
		{Away, []string{
			"away", "berightback", "idle", "sleeping", "vacation", "holiday", "permanent-absence",
			"travel", "in-transit", "shopping", "tv", "playing", "spectator", "looking-for-work",
		}},
		{Online, []string{"available", "online"}}, // not registered, yet sent by some clients
	}
	for _, row := range table {
		if slices.ContainsFunc(activities, func(a string) bool { return slices.Contains(row.names, a) }) {
			return row.status, true
		}
	}
	return Unknown, false
}

func firstNonEmpty(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
