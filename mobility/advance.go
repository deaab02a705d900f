package mobility

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// advance does what the clock and the states ask for: it starts what is due and gives up what is
// overdue. It runs after every event.
func (m *Machine) advance(now time.Time) {
	for _, c := range sorted(m.calls) {
		if m.expire(now, &c.job, c.signalPath.Up()) {
			m.emit(Abort{Call: c.id, Job: c.job.serial})
		}
		if c.confirmed && startable(now, &c.job) {
			m.serial++
			c.job.start(now, m.serial)
			sent(&c.move, now)
			c.news = true
			m.emit(Reinvite{
				Call: c.id, Job: m.serial, Generation: m.generation,
				Attempt: c.job.attempts, Path: c.signalPath,
			})
		}
	}
	for _, a := range sorted(m.accounts) {
		if m.expire(now, &a.job, a.path.Up()) {
			m.emit(Abort{Account: a.id, Job: a.job.serial})
		}
		if a.registers && startable(now, &a.job) {
			m.serial++
			a.job.start(now, m.serial)
			sent(&a.move, now)
			a.news = true
			m.emit(Register{
				Account: a.id, Job: m.serial, Generation: m.generation,
				Attempt: a.job.attempts, Path: a.path,
			})
		}
	}
	m.probe(now)
}

// expire handles the timers of one request; it reports whether the request is to be aborted.
func (m *Machine) expire(now time.Time, j *job, up bool) (abort bool) {
	switch j.state {
	case settled, held, due:
	case waiting:
		if !now.Before(j.until) {
			j.state = due
		}
	case running:
		if !now.Before(j.until) {
			j.abort(now)
			return true
		}
	case aborting:
		if !now.Before(j.until) {
			j.answered(now, 0, 0, up)
		}
	}
	return false
}

// startable tells whether a request is due and its pace allows it.
func startable(now time.Time, j *job) bool {
	return j.state == due && !now.Before(j.allowed())
}

// sent notes a request in the record of its move.
func sent(v *Move, now time.Time) {
	if v.Sent.IsZero() {
		v.Sent = now
	}
	v.Progress = Moving
	v.Attempts++
}

// probe sends the small packets that are due to every signalling destination still untold.
func (m *Machine) probe(now time.Time) {
	count := 0
	for ; m.probes < len(probes) && !m.probed.IsZero(); m.probes++ {
		if now.Before(m.probed.Add(probes[m.probes])) {
			break
		}
		count++
	}
	if count == 0 {
		return
	}
	var untold []netip.AddrPort
	for _, c := range m.calls {
		if c.job.state == running {
			untold = append(untold, c.signal)
		}
	}
	for _, a := range m.accounts {
		if a.job.state == running && a.to.IsValid() {
			untold = append(untold, a.to)
		}
	}
	slices.SortFunc(untold, netip.AddrPort.Compare)
	for _, to := range slices.Compact(untold) {
		m.emit(Probe{To: to}) // one, however many are overdue
	}
}

// finish adds reports and the timer and orders the step's actions by urgency.
func (m *Machine) finish() []Action {
	for _, c := range sorted(m.calls) {
		if c.news {
			c.news = false
			m.emit(Report{Call: c.id, Move: c.move})
		}
	}
	for _, a := range sorted(m.accounts) {
		if a.news {
			a.news = false
			m.emit(Report{Account: a.id, Move: a.move})
		}
	}
	if at := m.wake(); !at.Equal(m.timer) {
		m.timer = at
		m.emit(SetTimer{At: at})
	}
	slices.SortStableFunc(m.out, func(a, b Action) int { return cmp.Compare(a.rank(), b.rank()) })
	return m.out
}

// wake is when the Machine next needs to look at the clock; zero: not until the next event.
func (m *Machine) wake() time.Time {
	var at time.Time
	busy := false
	for _, c := range m.calls {
		at = earlier(at, c.job.next(c.confirmed))
		busy = busy || c.job.state == running
	}
	for _, a := range m.accounts {
		at = earlier(at, a.job.next(a.registers))
		busy = busy || a.job.state == running
	}
	if busy && m.probes < len(probes) && !m.probed.IsZero() {
		at = earlier(at, m.probed.Add(probes[m.probes]))
	}
	return at
}
