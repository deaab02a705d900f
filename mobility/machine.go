package mobility

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// probes are the times after a move at which a Probe goes out. The first resolves the address of the
// new link's router; the later ones replace what was dropped while that went on.
//
//nolint:gochecknoglobals // never changed
var probes = [...]time.Duration{5 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond}

// Machine decides what to do when the network changes. It has no clock and sends nothing: Step is a
// function of its state, the time and the event. One goroutine owns it.
type Machine struct {
	generation uint64 // of the truth about the network: grows with every difference
	serial     uint64 // of the last request
	def        Path
	local      []netip.Addr
	up         bool
	since      time.Time // of up
	started    bool      // the first NetworkChanged has come

	accounts map[string]*account
	calls    map[string]*call
	probed   time.Time // start of the present series of probes
	probes   int       // how many of them are out
	timer    time.Time // of the last SetTimer

	out []Action
}

type account struct {
	id        string
	registers bool
	to        netip.AddrPort
	path      Path
	lostAt    time.Time
	job       job
	move      Move
	news      bool // move has changed since its last Report
}

type call struct {
	id            string
	confirmed     bool
	signal, media netip.AddrPort
	signalPath    Path
	mediaPath     Path
	lostAt        time.Time
	job           job
	move          Move
	news          bool
}

// NewMachine returns a Machine that knows of nothing. It takes the network for up until told.
func NewMachine() *Machine {
	return &Machine{up: true, accounts: make(map[string]*account), calls: make(map[string]*call)}
}

// Generation returns the number of changes of the network so far.
func (m *Machine) Generation() uint64 { return m.generation }

// Destinations returns what a NetworkChanged should tell the paths to, sorted, each once.
func (m *Machine) Destinations() []netip.AddrPort {
	set := make(map[netip.AddrPort]struct{})
	for _, a := range m.accounts {
		set[a.to] = struct{}{}
	}
	for _, c := range m.calls {
		set[c.signal] = struct{}{}
		set[c.media] = struct{}{}
	}
	delete(set, netip.AddrPort{})
	return slices.SortedFunc(maps.Keys(set), netip.AddrPort.Compare)
}

// Step takes one event and returns what is to be done, most urgent first. The slice is valid until
// the next Step.
func (m *Machine) Step(now time.Time, ev Event) []Action {
	m.out = m.out[:0]
	switch e := ev.(type) {
	case NetworkChanged:
		m.networkChanged(now, e)
	case AccountChanged:
		m.accountChanged(now, e)
	case AccountRemoved:
		delete(m.accounts, e.Account)
	case CallChanged:
		m.callChanged(now, e)
	case CallEnded:
		delete(m.calls, e.Call)
	case RegisterDone:
		m.registerDone(now, e)
	case ReinviteDone:
		m.reinviteDone(now, e)
	case MediaOut:
		m.mediaSeen(e.Call, e.Generation, cmp.Or(e.At, now), func(v *Move) *time.Time { return &v.FirstOut })
	case MediaIn:
		m.mediaSeen(e.Call, e.Generation, cmp.Or(e.At, now), func(v *Move) *time.Time { return &v.FirstIn })
	case TimerFired:
		m.timer = time.Time{} // it is gone: ask again for what is still to come
	}
	m.advance(now)
	return m.finish()
}

// emit adds an action; finish sorts them.
func (m *Machine) emit(a Action) { m.out = append(m.out, a) }

// networkChanged compares the ways with those known and starts the moves.
func (m *Machine) networkChanged(now time.Time, e NetworkChanged) {
	at := cmp.Or(e.At, now)
	m.local = e.Local
	m.generation++
	gained, differs := false, e.Default != m.def
	look := func(to netip.AddrPort, old Path) Path {
		if !to.IsValid() {
			return e.Default
		}
		if p, ok := e.Paths[to]; ok {
			return p
		}
		return old
	}
	for _, c := range sorted(m.calls) {
		signal, media := look(c.signal, c.signalPath), c.mediaPath
		if c.media.IsValid() {
			media = look(c.media, c.mediaPath)
		}
		if signal == c.signalPath && media == c.mediaPath && (!e.Resumed || !signal.Up()) {
			continue
		}
		differs = true
		gained = m.moveCall(now, at, c, signal, media) || gained
	}
	for _, a := range sorted(m.accounts) {
		path := look(a.to, a.path)
		if path == a.path && (!e.Resumed || !path.Up()) {
			continue
		}
		differs = true
		gained = m.moveAccount(now, at, a, path) || gained
	}
	m.def = e.Default
	m.tellState(at)
	switch {
	case gained:
		m.emit(SwitchSignalling{Generation: m.generation})
		m.probed, m.probes = now, 0
	case !differs && !e.Resumed:
		m.generation-- // the same truth again
	}
}

// moveCall records a call's new ways and reports whether there is one for its signalling.
func (m *Machine) moveCall(now, at time.Time, c *call, signal, media Path) bool {
	from, to := c.signalPath, signal
	if media != c.mediaPath {
		from, to = c.mediaPath, media
	}
	mediaMoves := c.media.IsValid() && media.Up() && (media != c.mediaPath || signal == c.signalPath)
	c.move = nextMove(c.move, &c.lostAt, m.generation, at, from, to, signal.Up())
	c.news = true
	alive := slices.Contains(m.local, c.signalPath.Source)
	c.signalPath, c.mediaPath = signal, media
	if mediaMoves {
		m.emit(MoveMedia{Call: c.id, Generation: m.generation, Path: media})
	}
	if c.job.changed(now, signal.Up(), alive) {
		m.emit(Abort{Call: c.id, Job: c.job.serial})
	}
	return signal.Up()
}

// moveAccount records an account's new way and reports whether there is one.
func (m *Machine) moveAccount(now, at time.Time, a *account, path Path) bool {
	a.move = nextMove(a.move, &a.lostAt, m.generation, at, a.path, path, path.Up())
	a.news = true
	alive := slices.Contains(m.local, a.path.Source)
	a.path = path
	if !a.registers {
		if path.Up() { // nobody to tell first
			a.move.Progress = Settled
			m.refresh(a)
		}
		return path.Up()
	}
	if a.job.changed(now, path.Up(), alive) {
		m.emit(Abort{Account: a.id, Job: a.job.serial})
	}
	return path.Up()
}

// nextMove begins the record of a move. A move that ends an outage keeps what the outage began with.
func nextMove(last Move, lostAt *time.Time, generation uint64, at time.Time, from, to Path, up bool) Move {
	next := Move{Generation: generation, From: from, To: to, At: at, Progress: Moving}
	if !from.Up() && last.Progress == Held && last.From.Up() {
		next.From = last.From
	}
	next.Lost = *lostAt
	switch {
	case up:
		*lostAt = time.Time{}
	case lostAt.IsZero():
		*lostAt = at
		next.Lost = at
	}
	if !up {
		next.Progress = Held
	}
	return next
}

// tellState emits NetworkState when the network as a whole came or went. The demo domain on loopback
// does not count as a network.
func (m *Machine) tellState(at time.Time) {
	outside := func(p Path) bool { return p.Up() && !p.Source.IsLoopback() }
	up := m.def.Up()
	for _, c := range m.calls {
		up = up || outside(c.signalPath) || outside(c.mediaPath)
	}
	for _, a := range m.accounts {
		up = up || outside(a.path)
	}
	if m.started && up == m.up {
		return
	}
	m.started, m.up, m.since = true, up, at
	m.emit(NetworkState{Up: up, Path: m.def, Since: at})
}

func (m *Machine) accountChanged(now time.Time, e AccountChanged) {
	a := m.accounts[e.Account]
	if a == nil {
		a = &account{id: e.Account, path: e.Path, to: e.To}
		m.accounts[e.Account] = a
		if !e.Path.Up() {
			a.job.state = held
			a.lostAt = now
			a.move = Move{Generation: m.generation, Progress: Held, Lost: now, At: now}
			a.news = true
		}
	}
	if a.to != e.To {
		a.to, a.path = e.To, e.Path
		a.job.rerouted(e.Path.Up())
	}
	a.registers = e.Registers
}

func (m *Machine) callChanged(now time.Time, e CallChanged) {
	c := m.calls[e.Call]
	if c == nil {
		c = &call{id: e.Call, signal: e.Signal, signalPath: e.SignalPath}
		m.calls[e.Call] = c
		if !e.SignalPath.Up() {
			c.job.state = held
			c.lostAt = now
			c.move = Move{Generation: m.generation, Progress: Held, Lost: now, At: now}
			c.news = true
		}
	}
	if c.signal != e.Signal {
		c.signal, c.signalPath = e.Signal, e.SignalPath
		c.job.rerouted(e.SignalPath.Up())
	}
	if c.media != e.Media {
		c.media, c.mediaPath = e.Media, e.MediaPath
	}
	c.confirmed = c.confirmed || e.Confirmed
}

func (m *Machine) registerDone(now time.Time, e RegisterDone) {
	a := m.accounts[e.Account]
	if a == nil || e.Job == 0 || a.job.serial != e.Job {
		return
	}
	fresh := !a.job.again
	a.job.answered(now, e.Code, e.RetryAfter, a.path.Up())
	if fresh {
		record(&a.move, a.job.state, now, e.Code)
		a.news = true
		m.afterRegister(a, e.Code)
	}
}

// afterRegister lets presence and messages follow. Presence need not wait for a registrar that
// fails: its dialogs have ways of their own.
func (m *Machine) afterRegister(a *account, code int) {
	switch {
	case ok(code):
		m.refresh(a)
	case a.move.Attempts == 1 && a.path.Up():
		m.emit(RefreshPresence{Account: a.id})
	}
}

func (m *Machine) refresh(a *account) {
	m.emit(RefreshPresence{Account: a.id})
	m.emit(RetryOutbox{Account: a.id})
}

func (m *Machine) reinviteDone(now time.Time, e ReinviteDone) {
	c := m.calls[e.Call]
	if c == nil || e.Job == 0 || c.job.serial != e.Job {
		return
	}
	fresh := !c.job.again
	c.job.answered(now, e.Code, e.RetryAfter, c.signalPath.Up())
	if fresh {
		record(&c.move, c.job.state, now, e.Code)
		c.news = true
	}
}

// record notes an answer in the record of the move it belongs to.
func record(v *Move, state jobState, now time.Time, code int) {
	v.Code = code
	switch {
	case ok(code):
		v.Answered, v.Progress = now, Settled
	case state == settled:
		v.Progress = Refused
	}
}

// mediaSeen notes the first packet of a direction.
func (m *Machine) mediaSeen(id string, generation uint64, at time.Time, field func(*Move) *time.Time) {
	c := m.calls[id]
	if c == nil || c.move.Generation != generation {
		return
	}
	if f := field(&c.move); f.IsZero() {
		*f = at
		c.news = true
	}
}

// sorted returns the values in the order of their keys, so that a step is the same in every run.
func sorted[T any](all map[string]*T) []*T {
	out := make([]*T, 0, len(all))
	for _, k := range slices.Sorted(maps.Keys(all)) {
		out = append(out, all[k])
	}
	return out
}
