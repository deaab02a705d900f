package mobility

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

// world answers the Machine's requests in whatever order a fuzzer chooses, and keeps the rules of the
// package comment.
type world struct {
	t        *testing.T
	m        *Machine
	now      time.Time
	path     Path
	accounts map[string]bool
	calls    map[string]bool
	flight   map[string]request // by account or call
	told     map[string]Path    // by account or call: the path of the last request answered 2xx
	starts   map[string][]time.Time
	timer    time.Time
}

type request struct {
	job     uint64
	path    Path
	aborted bool
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{
		t: t, m: NewMachine(), now: epoch, path: wifi1,
		accounts: map[string]bool{}, calls: map[string]bool{},
		flight: map[string]request{}, told: map[string]Path{}, starts: map[string][]time.Time{},
	}
}

func (w *world) step(ev Event) {
	w.t.Helper()
	for _, a := range w.m.Step(w.now, ev) {
		switch a := a.(type) {
		case Reinvite:
			w.start("call "+a.Call, w.calls[a.Call], request{job: a.Job, path: a.Path})
		case Register:
			w.start("account "+a.Account, w.accounts[a.Account], request{job: a.Job, path: a.Path})
		case Abort:
			w.abort(a)
		case MoveMedia:
			if !w.calls[a.Call] || !a.Path.Up() {
				w.t.Errorf("%+v for a call that is not, or by no path", a)
			}
		case SetTimer:
			w.timer = a.At
			if !a.At.IsZero() && !a.At.After(w.now) {
				w.t.Errorf("timer at %v, now %v: it would spin", a.At, w.now)
			}
		}
	}
}

func (w *world) start(who string, known bool, r request) {
	w.t.Helper()
	if !known {
		w.t.Errorf("request for %s, which is not", who)
	}
	if old, busy := w.flight[who]; busy && !old.aborted {
		w.t.Errorf("%s: request %d while %d is in flight", who, r.job, old.job)
	}
	if r.path != w.path || !r.path.Up() {
		w.t.Errorf("%s: request by %v, the way is %v", who, r.path, w.path)
	}
	w.flight[who] = r
	w.starts[who] = append(w.starts[who], w.now)
	const second = paceBurst + int(time.Second/paceEvery)
	if s := w.starts[who]; len(s) > second && s[len(s)-1].Sub(s[len(s)-1-second]) < time.Second {
		w.t.Errorf("%s: storm, %d requests within a second", who, second+1)
	}
}

func (w *world) abort(a Abort) {
	who := "call " + a.Call
	if a.Account != "" {
		who = "account " + a.Account
	}
	r, busy := w.flight[who]
	if !busy || r.job != a.Job || r.aborted {
		w.t.Errorf("abort of %s %d, in flight is %+v", who, a.Job, r)
	}
	r.aborted = true
	w.flight[who] = r
}

// move changes the truth and tells it; alive keeps the old address.
func (w *world) move(p Path, alive, resumed bool) {
	e := network(p)
	if alive {
		e.Local = append(e.Local, w.path.Source)
	}
	e.Resumed = resumed
	w.path = p
	w.step(e)
}

// answer ends the request of one account or call.
func (w *world) answer(kind, name string, code int) {
	who := kind + " " + name
	r, busy := w.flight[who]
	if !busy {
		return
	}
	delete(w.flight, who)
	if ok(code) {
		w.told[who] = r.path
	}
	if kind == "call" {
		w.step(ReinviteDone{Call: name, Job: r.job, Code: code})
		return
	}
	w.step(RegisterDone{Account: name, Job: r.job, Code: code})
}

// do carries out one operation of the fuzzer.
func (w *world) do(op, arg byte) {
	name := fmt.Sprint(arg % 3)
	paths := []Path{wifi1, wifi2, {netip.MustParseAddr("10.3.0.2"), "eth0"}, {}}
	codes := []int{200, 0, 408, 481, 491, 488, 403, 503, 501, 603, 202}
	switch op % 10 {
	case 0, 1:
		w.move(paths[arg%4], arg&16 != 0, arg&32 != 0 && arg&64 != 0)
	case 2:
		w.accounts[name] = true
		w.step(AccountChanged{Account: name, Registers: true, To: registrar, Path: w.path})
	case 3:
		w.calls[name] = true
		w.step(CallChanged{
			Call: name, Confirmed: arg&8 != 0, Signal: peerSIP, SignalPath: w.path, Media: peerRTP, MediaPath: w.path,
		})
	case 4:
		w.answer("call", name, codes[int(arg/3)%len(codes)])
	case 5:
		w.answer("account", name, codes[int(arg/3)%len(codes)])
	case 6: // time, with the timer kept
		w.elapse(time.Duration(arg) * time.Duration(arg) * time.Millisecond)
	case 7: // a stale answer
		w.settleStale("call "+name, uint64(arg), int(arg%2) == 1)
		w.step(ReinviteDone{Call: name, Job: uint64(arg), Code: 200 * int(arg%2)})
	case 8:
		if arg&128 != 0 {
			w.forget(name)
			return
		}
		w.step(TimerFired{})
	case 9:
		w.step(MediaIn{Call: name, Generation: uint64(arg)})
		w.step(MediaOut{Call: name, Generation: uint64(arg)})
	}
}

// settleStale keeps the books when the invented answer happened to be the right one.
func (w *world) settleStale(who string, job uint64, good bool) {
	if r, busy := w.flight[who]; busy && r.job == job {
		delete(w.flight, who)
		if good {
			w.told[who] = r.path
		}
	}
}

// forget ends a call and removes an account.
func (w *world) forget(name string) {
	for _, who := range []string{"call " + name, "account " + name} {
		delete(w.flight, who)
		delete(w.told, who)
		delete(w.starts, who)
	}
	delete(w.calls, name)
	delete(w.accounts, name)
	w.step(CallEnded{Call: name})
	w.step(AccountRemoved{Account: name})
}

// elapse lets time pass and fires the timer when asked.
func (w *world) elapse(d time.Duration) {
	w.t.Helper()
	end := w.now.Add(d)
	for fired := 0; !w.timer.IsZero() && !w.timer.After(end); fired++ {
		if fired > 10_000 {
			w.t.Fatal("the timer spins")
		}
		if w.timer.After(w.now) {
			w.now = w.timer
		}
		w.timer = time.Time{}
		w.step(TimerFired{})
	}
	w.now = end
}

// converge gives the network rest and answers everything, and looks at the result.
func (w *world) converge() {
	w.t.Helper()
	for name := range w.calls { // all may be told by now
		w.step(CallChanged{
			Call: name, Confirmed: true, Signal: peerSIP, SignalPath: w.path, Media: peerRTP, MediaPath: w.path,
		})
	}
	rest := Path{netip.MustParseAddr("10.4.0.2"), "rest"}
	w.move(rest, false, false)
	for range 20 {
		for name := range w.calls {
			w.answer("call", name, 200)
		}
		for name := range w.accounts {
			w.answer("account", name, 200)
		}
		w.elapse(time.Second)
	}
	for kind, all := range map[string]map[string]bool{"call": w.calls, "account": w.accounts} {
		for name := range all {
			who := kind + " " + name
			if w.told[who] != rest {
				w.t.Errorf("%s was last told %v, the way is %v", who, w.told[who], rest)
			}
			if r, busy := w.flight[who]; busy {
				w.t.Errorf("%s: request %d never ends", who, r.job)
			}
		}
	}
	if !w.timer.IsZero() {
		w.t.Errorf("at rest a timer is set for %v", w.timer)
	}
}

func FuzzMachine(f *testing.F) {
	f.Add([]byte{2, 0, 3, 8, 0, 1, 4, 0, 5, 0})                    // one move, answered
	f.Add([]byte{2, 0, 3, 8, 0, 1, 0, 0, 0, 1, 4, 0, 6, 200})      // moves while in flight
	f.Add([]byte{3, 8, 0, 3, 6, 100, 0, 1, 4, 9, 6, 30})           // outage, then 481
	f.Add([]byte{3, 0, 0, 1, 3, 8, 6, 200, 6, 255, 6, 255})        // answered after a move, overdue
	f.Add([]byte{2, 1, 3, 9, 0, 17, 0, 18, 6, 30, 6, 255, 8, 129}) // overlap, then forgotten
	f.Fuzz(func(t *testing.T, ops []byte) {
		w := newWorld(t)
		w.step(network(w.path))
		for i := 0; i+1 < len(ops) && i < 600; i += 2 {
			w.do(ops[i], ops[i+1])
		}
		w.converge()
	})
}
