package mobility

import "time"

// The limits of one request. All are per account or call.
const (
	// overdue is when an unanswered request is given up: 64*T1 = 32 s (RFC 3261 17.1.1.2), a 491's
	// wait of 4 s (14.1), and a margin for the authentication round.
	overdue = 40 * time.Second
	// overlap is how long a request already on its way may finish when its source address lives on
	// beside the new one: T1, in which a path that works has answered.
	overlap = 500 * time.Millisecond
	// abortWait is how long the Done event of an aborted request is waited for.
	abortWait = time.Second
	// Back-off doubles from the first to the last value: quick, for a listener who waits.
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = 8 * time.Second
	// longestWait bounds a Retry-After while a hand-off hangs on it.
	longestWait = time.Minute
	// paceEvery and paceBurst keep a flapping link from becoming a storm: three requests at once,
	// then four a second.
	paceEvery = 250 * time.Millisecond
	paceBurst = 3
)

type jobState int

const (
	settled  jobState = iota // the other side knows where we are, or will not hear of it
	held                     // no path
	due                      // to be sent as soon as possible
	running                  // sent, unanswered
	aborting                 // sent, given up, its Done event awaited
	waiting                  // failed, back-off running
)

// job is the one request an account or call may have in flight. See the diagram in the package
// comment. Its methods change state only; Machine emits the actions.
type job struct {
	state    jobState
	serial   uint64    // of the request running or aborting
	again    bool      // running or aborting: what it says is out of date
	until    time.Time // running, aborting: given up then; waiting: tried again then
	attempts int       // since the last move
	tat      time.Time // theoretical arrival time of the pacing (GCRA)
}

// changed: the path is another one. It reports whether the running request must be aborted.
func (j *job) changed(now time.Time, up, sourceAlive bool) (abort bool) {
	if !up {
		return j.lost(now)
	}
	return j.moved(now, sourceAlive)
}

// moved: the path is another one and up.
func (j *job) moved(now time.Time, sourceAlive bool) (abort bool) {
	switch j.state {
	case settled, held, due, waiting:
		j.state = due
		j.attempts = 0
	case running:
		j.again = true
		if sourceAlive {
			j.until = earlier(j.until, now.Add(overlap))
			return false
		}
		j.abort(now)
		return true
	case aborting:
		j.again = true
	}
	return false
}

// lost: there is no path anymore.
func (j *job) lost(now time.Time) (abort bool) {
	switch j.state {
	case settled, held, due, waiting:
		j.state = held
	case running:
		j.again = true
		j.abort(now)
		return true
	case aborting:
		j.again = true
	}
	return false
}

// rerouted: the destination is another one, which alone tells nobody anything new.
func (j *job) rerouted(up bool) {
	switch j.state {
	case held:
		if up {
			j.state = due
		}
	case due, waiting:
		if !up {
			j.state = held
		}
	case settled, running, aborting:
	}
}

// abort marks the running request as given up.
func (j *job) abort(now time.Time) {
	j.state = aborting
	j.until = now.Add(abortWait)
}

// start marks a due request as sent.
func (j *job) start(now time.Time, serial uint64) {
	j.state = running
	j.serial = serial
	j.again = false
	j.until = now.Add(overdue)
	j.attempts++
	if j.tat.Before(now) {
		j.tat = now
	}
	j.tat = j.tat.Add(paceEvery)
}

// allowed is when a due request may be sent: GCRA (ITU-T I.371) with a burst.
func (j *job) allowed() time.Time { return j.tat.Add(-(paceBurst - 1) * paceEvery) }

// answered: the request in flight ended with code. up tells whether there is a path now.
func (j *job) answered(now time.Time, code int, retryAfter time.Duration, up bool) {
	given := j.state == aborting
	j.serial = 0
	switch {
	case !up:
		j.state = held
	case j.again:
		j.state = due
		j.attempts = 0
	case ok(code) || !given && !retryable(code):
		j.state = settled
	default:
		j.state = waiting
		j.until = now.Add(backoff(j.attempts, retryAfter))
	}
	j.again = false
}

// next is when the state needs a timer; zero: never.
func (j *job) next(ready bool) time.Time {
	switch j.state {
	case settled, held:
		return time.Time{}
	case due:
		if !ready {
			return time.Time{}
		}
		return j.allowed()
	case running, aborting, waiting:
		return j.until
	}
	return time.Time{}
}

// ok tells a 2xx.
func ok(code int) bool { return code >= 200 && code < 300 }

// retryable tells whether the same request may succeed later. A call's 481 is among them: the peer's
// proxy may have lost its way to the dialog, and the sound may well flow.
func retryable(code int) bool {
	switch code {
	case 0, 408, 480, 481, 491:
		return true
	case 501, 505, 513: // the server never will: RFC 3261 21.5
		return false
	}
	return code >= 500 && code < 600
}

// backoff returns the wait after the given number of attempts.
func backoff(attempts int, retryAfter time.Duration) time.Duration {
	d := firstBackoff
	for i := 1; i < attempts && d < lastBackoff; i++ {
		d *= 2
	}
	return max(min(d, lastBackoff), min(retryAfter, longestWait))
}

// earlier returns the earlier of two times, of which a zero one never comes.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
