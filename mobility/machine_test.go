package mobility

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// The cast of the tests.
var (
	registrar = netip.MustParseAddrPort("10.9.0.3:5060")
	peerSIP   = netip.MustParseAddrPort("10.9.0.2:5060")
	peerRTP   = netip.MustParseAddrPort("10.9.0.2:6000")
	wifi1     = Path{netip.MustParseAddr("10.1.0.2"), "wlan0"}
	wifi2     = Path{netip.MustParseAddr("10.2.0.2"), "wlan1"}
	epoch     = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
)

// scene drives a Machine and keeps its clock.
type scene struct {
	t   *testing.T
	m   *Machine
	now time.Time
}

// newScene has one account, registered, and one established call, both by wifi1.
func newScene(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, m: NewMachine(), now: epoch}
	s.step(AccountChanged{Account: "a", Registers: true, To: registrar, Path: wifi1})
	s.step(CallChanged{Call: "c", Confirmed: true, Signal: peerSIP, SignalPath: wifi1, Media: peerRTP, MediaPath: wifi1})
	s.step(network(wifi1))
	return s
}

// network is a NetworkChanged with one way to everybody. The address is the only one there is.
func network(p Path) NetworkChanged {
	e := NetworkChanged{Default: p, Paths: map[netip.AddrPort]Path{registrar: p, peerSIP: p, peerRTP: p}}
	if p.Up() {
		e.Local = []netip.Addr{p.Source}
	}
	return e
}

// beside is a NetworkChanged to p while the address of old lives on.
func beside(p, old Path) NetworkChanged {
	e := network(p)
	e.Local = append(e.Local, old.Source)
	return e
}

func (s *scene) step(ev Event) []Action { return slices.Clone(s.m.Step(s.now, ev)) }

// wait lets time pass, with the timer firing whenever it was asked for, and returns all actions.
func (s *scene) wait(d time.Duration) (out []Action) {
	end := s.now.Add(d)
	for {
		at := s.m.timer
		if at.IsZero() || at.After(end) {
			s.now = end
			return out
		}
		if at.After(s.now) {
			s.now = at
		}
		out = append(out, s.step(TimerFired{})...)
	}
}

// brief writes actions short: "reinvite 1 by 10.2.0.2". Reports and timers are left out.
func brief(actions []Action) string {
	var out []string
	for _, a := range actions {
		switch a := a.(type) {
		case MoveMedia:
			out = append(out, fmt.Sprintf("media %s", a.Path.Source))
		case Abort:
			out = append(out, fmt.Sprintf("abort %d", a.Job))
		case SwitchSignalling:
			out = append(out, "switch")
		case Reinvite:
			out = append(out, fmt.Sprintf("reinvite %d by %s try %d", a.Job, a.Path.Source, a.Attempt))
		case Register:
			out = append(out, fmt.Sprintf("register %d by %s try %d", a.Job, a.Path.Source, a.Attempt))
		case Probe:
			out = append(out, "probe")
		case RefreshPresence:
			out = append(out, "presence")
		case RetryOutbox:
			out = append(out, "outbox")
		case NetworkState:
			out = append(out, fmt.Sprintf("up=%v", a.Up))
		case Report, SetTimer:
		}
	}
	return strings.Join(out, ", ")
}

func (s *scene) want(what string, got []Action, want string) {
	s.t.Helper()
	if b := brief(got); b != want {
		s.t.Errorf("%s at %v:\n got %s\nwant %s", what, s.now.Sub(epoch), b, want)
	}
}

// report returns the last Report about a call ("c") or account ("a") among actions.
func (s *scene) report(actions []Action, id string) Move {
	s.t.Helper()
	for _, a := range slices.Backward(actions) {
		if r, is := a.(Report); is && r.Call+r.Account == id {
			return r.Move
		}
	}
	s.t.Fatalf("no report about %s in %v", id, actions)
	return Move{}
}

const moved = "media 10.2.0.2, switch, reinvite 1 by 10.2.0.2 try 1, register 2 by 10.2.0.2 try 1"

func TestMoveTellsEverybodyAtOnce(t *testing.T) {
	s := newScene(t)
	s.want("same truth", s.step(network(wifi1)), "")
	s.want("move", s.step(network(wifi2)), moved)
	s.want("probes", s.wait(20*time.Millisecond), "probe, probe, probe, probe") // two to the peer, two to the registrar
	s.want("invite answered", s.step(ReinviteDone{Call: "c", Job: 1, Code: 200}), "")
	s.want("register answered", s.step(RegisterDone{Account: "a", Job: 2, Code: 200}), "presence, outbox")
	s.want("rest", s.wait(time.Hour), "")
	s.want("same truth again", s.step(network(wifi2)), "")
	if !s.m.timer.IsZero() {
		t.Errorf("a timer is left at %v", s.m.timer)
	}
}

func TestEveryAddressMayMoveAlone(t *testing.T) {
	for _, tt := range []struct {
		name                      string
		registrar, signal, media  Path
		want                      string
		reportedFrom, reportedTo  Path
		reportsCall, reportsOther bool
	}{
		{"nothing", wifi1, wifi1, wifi1, "", Path{}, Path{}, false, false},
		{"registrar", wifi2, wifi1, wifi1, "switch, register 1 by 10.2.0.2 try 1", Path{}, Path{}, false, true},
		{"signalling", wifi1, wifi2, wifi1, "switch, reinvite 1 by 10.2.0.2 try 1", wifi1, wifi2, true, false},
		{"media", wifi1, wifi1, wifi2, "media 10.2.0.2, switch, reinvite 1 by 10.1.0.2 try 1", wifi1, wifi2, true, false},
		{"registrar gone", Path{}, wifi1, wifi1, "", Path{}, Path{}, false, true},
		{"peer gone", wifi1, Path{}, Path{}, "", wifi1, Path{}, true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScene(t)
			got := s.step(NetworkChanged{Default: wifi1, Paths: map[netip.AddrPort]Path{
				registrar: tt.registrar, peerSIP: tt.signal, peerRTP: tt.media,
			}})
			s.want("step", got, tt.want)
			if tt.reportsCall {
				if v := s.report(got, "c"); v.From != tt.reportedFrom || v.To != tt.reportedTo {
					t.Errorf("reported from %v to %v", v.From, v.To)
				}
			}
			if tt.reportsOther {
				s.report(got, "a")
			}
		})
	}
}

func TestLinkWithTheSameAddressIsAMove(t *testing.T) {
	s := newScene(t)
	other := Path{wifi1.Source, "eth0"} // two home networks, one favourite address
	s.want("other link", s.step(network(other)),
		"media 10.1.0.2, switch, reinvite 1 by 10.1.0.2 try 1, register 2 by 10.1.0.2 try 1")
}

func TestOutageHoldsEverythingAndTellsSinceWhen(t *testing.T) {
	s := newScene(t)
	s.now = epoch.Add(time.Second)
	got := s.step(network(Path{}))
	s.want("gone", got, "up=false")
	if v := s.report(got, "c"); v.Progress != Held || !v.Lost.Equal(s.now) || v.From != wifi1 {
		t.Errorf("report of the outage %+v", v)
	}
	s.want("long wait", s.wait(24*time.Hour), "")
	back := s.now
	got = s.step(network(wifi2))
	s.want("back", got, moved+", up=true")
	v := s.report(got, "c")
	if v.Outage() != 24*time.Hour || v.From != wifi1 || v.To != wifi2 || v.Progress != Moving || !v.At.Equal(back) {
		t.Errorf("report of the return %+v, outage %v", v, v.Outage())
	}
	s.step(network(wifi1))
	if v := s.report(s.step(network(wifi2)), "c"); v.Outage() != 0 {
		t.Errorf("outage %v in a move without one", v.Outage())
	}
}

func TestSameAddressBackAfterAnOutageIsAMove(t *testing.T) {
	s := newScene(t)
	s.step(network(Path{}))
	s.want("back", s.step(network(wifi1)),
		"media 10.1.0.2, switch, reinvite 1 by 10.1.0.2 try 1, register 2 by 10.1.0.2 try 1, up=true")
}

func TestResumeDoubtsEverything(t *testing.T) {
	s := newScene(t)
	e := network(wifi1)
	e.Resumed = true
	s.want("resumed", s.step(e),
		"media 10.1.0.2, switch, reinvite 1 by 10.1.0.2 try 1, register 2 by 10.1.0.2 try 1")
	asleep := newScene(t)
	e = network(Path{})
	e.Resumed = true
	asleep.want("resumed without network", asleep.step(e), "up=false")
}

// TestRequestInEveryState sends each event into each state of a call's request.
func TestRequestInEveryState(t *testing.T) {
	fail := ReinviteDone{Call: "c", Job: 1, Code: 503}
	into := map[jobState]func(*scene){
		settled:  func(*scene) {},
		held:     func(s *scene) { s.step(network(Path{})) },
		running:  func(s *scene) { s.step(network(wifi2)) },
		aborting: func(s *scene) { s.step(network(wifi2)); s.step(network(wifi1)) },
		waiting:  func(s *scene) { s.step(network(wifi2)); s.step(fail) },
		due: func(s *scene) {
			s.step(CallChanged{Call: "c", Signal: peerSIP, SignalPath: wifi1, Media: peerRTP, MediaPath: wifi1})
			s.step(network(wifi2))
		},
	}
	wifi3 := Path{netip.MustParseAddr("10.3.0.2"), "eth0"}
	for _, tt := range []struct {
		name  string
		from  jobState
		ev    Event
		state jobState
		want  string
	}{
		{"settled, move", settled, network(wifi3), running, "media 10.3.0.2, switch, reinvite 1 by 10.3.0.2 try 1"},
		{"settled, gone", settled, network(Path{}), held, "up=false"},
		{"settled, answer", settled, fail, settled, ""},
		{"settled, timer", settled, TimerFired{}, settled, ""},
		{"held, move", held, network(wifi3), running, "media 10.3.0.2, switch, reinvite 1 by 10.3.0.2 try 1, up=true"},
		{"held, gone", held, network(Path{}), held, ""},
		{"held, answer", held, fail, held, ""},
		{"held, timer", held, TimerFired{}, held, ""},
		{"running, move", running, network(wifi3), aborting, "media 10.3.0.2, abort 1, switch"},
		{"running, move, old address alive", running, beside(wifi3, wifi2), running, "media 10.3.0.2, switch"},
		{"running, gone", running, network(Path{}), aborting, "abort 1, up=false"},
		{"running, 200", running, ReinviteDone{Call: "c", Job: 1, Code: 200}, settled, ""},
		{"running, 481", running, ReinviteDone{Call: "c", Job: 1, Code: 481}, waiting, ""},
		{"running, 408", running, ReinviteDone{Call: "c", Job: 1, Code: 408}, waiting, ""},
		{"running, no answer", running, ReinviteDone{Call: "c", Job: 1}, waiting, ""},
		{"running, 500", running, ReinviteDone{Call: "c", Job: 1, Code: 500}, waiting, ""},
		{"running, 488", running, ReinviteDone{Call: "c", Job: 1, Code: 488}, settled, ""},
		{"running, 603", running, ReinviteDone{Call: "c", Job: 1, Code: 603}, settled, ""},
		{"running, another's answer", running, ReinviteDone{Call: "c", Job: 7, Code: 200}, running, ""},
		{"running, timer", running, TimerFired{}, running, ""},
		{"aborting, move", aborting, network(wifi3), aborting, "media 10.3.0.2, switch"},
		{"aborting, gone", aborting, network(Path{}), aborting, "up=false"},
		{"aborting, answer", aborting, fail, running, "reinvite 2 by 10.1.0.2 try 1"},
		{"aborting, crossing 200", aborting, ReinviteDone{Call: "c", Job: 1, Code: 200}, running, "reinvite 2 by 10.1.0.2 try 1"},
		{"aborting, timer", aborting, TimerFired{}, aborting, ""},
		{"waiting, move", waiting, network(wifi3), running, "media 10.3.0.2, switch, reinvite 2 by 10.3.0.2 try 1"},
		{"waiting, gone", waiting, network(Path{}), held, "up=false"},
		{"waiting, same answer again", waiting, fail, waiting, ""},
		{"waiting, timer", waiting, TimerFired{}, waiting, ""},
		{"due, move", due, network(wifi3), due, "media 10.3.0.2, switch"},
		{"due, gone", due, network(Path{}), held, "up=false"},
		{"due, answer", due, fail, due, ""},
		{"due, timer", due, TimerFired{}, due, ""},
		{"due, confirmed", due, CallChanged{
			Call: "c", Confirmed: true, Signal: peerSIP, SignalPath: wifi1, Media: peerRTP, MediaPath: wifi1,
		}, running, "reinvite 1 by 10.2.0.2 try 1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &scene{t: t, m: NewMachine(), now: epoch}
			s.step(CallChanged{
				Call: "c", Confirmed: tt.from != due,
				Signal: peerSIP, SignalPath: wifi1, Media: peerRTP, MediaPath: wifi1,
			})
			s.step(network(wifi1))
			into[tt.from](s)
			if got := s.m.calls["c"].job.state; got != tt.from {
				t.Fatalf("the scene is in state %d, want %d", got, tt.from)
			}
			s.want("step", s.step(tt.ev), tt.want)
			if got := s.m.calls["c"].job.state; got != tt.state {
				t.Errorf("state %d, want %d", got, tt.state)
			}
			s.step(CallEnded{Call: "c"})
			if got := brief(append(s.step(network(wifi1)), s.step(network(wifi3))...)); strings.Contains(got, "reinvite") {
				t.Errorf("after the call: %s", got)
			}
		})
	}
}

func TestBackOffDoublesToItsBound(t *testing.T) {
	s := newScene(t)
	s.step(network(wifi2))
	s.step(RegisterDone{Account: "a", Job: 2, Code: 200})
	job := uint64(1)
	for i, ms := range []int{250, 500, 1000, 2000, 4000, 8000, 8000, 8000} {
		want := time.Duration(ms) * time.Millisecond
		s.step(ReinviteDone{Call: "c", Job: job, Code: 481})
		start := s.now
		for s.m.calls["c"].job.state == waiting {
			s.now = s.m.timer
			for _, a := range s.step(TimerFired{}) {
				if r, is := a.(Reinvite); is {
					job = r.Job
				}
			}
		}
		if got := s.now.Sub(start); got != want {
			t.Errorf("wait %d is %v, want %v", i+1, got, want)
		}
	}
	s.step(network(wifi1)) // a move forgets the back-off
	if got := s.m.calls["c"].job.state; got != aborting {
		t.Fatalf("state %d", got)
	}
	s.want("move", s.step(ReinviteDone{Call: "c", Job: job}), fmt.Sprintf("reinvite %d by 10.1.0.2 try 1", job+2))
}

func TestRetryAfterIsObeyedWithinBounds(t *testing.T) {
	for _, tt := range []struct{ asked, want time.Duration }{
		{0, firstBackoff}, {3 * time.Second, 3 * time.Second}, {time.Hour, longestWait}, {-time.Second, firstBackoff},
	} {
		if got := backoff(1, tt.asked); got != tt.want {
			t.Errorf("Retry-After %v waits %v, want %v", tt.asked, got, tt.want)
		}
	}
}

func TestFailedRegisterTouchesNoCall(t *testing.T) {
	s := newScene(t)
	s.step(network(wifi2))
	s.want("503", s.step(RegisterDone{Account: "a", Job: 2, Code: 503}), "presence")
	s.want("again", s.wait(250*time.Millisecond), "probe, probe, probe, register 3 by 10.2.0.2 try 2")
	s.want("503 again", s.step(RegisterDone{Account: "a", Job: 3, Code: 503}), "")
	s.want("in time", s.step(ReinviteDone{Call: "c", Job: 1, Code: 200}), "")
	s.want("third", s.wait(500*time.Millisecond), "register 4 by 10.2.0.2 try 3")
	got := s.step(RegisterDone{Account: "a", Job: 4, Code: 403})
	s.want("refused", got, "")
	if v := s.report(got, "a"); v.Progress != Refused || v.Code != 403 || v.Attempts != 3 {
		t.Errorf("report %+v", v)
	}
	s.want("rest", s.wait(time.Hour), "")
	s.want("next move", s.step(network(wifi1)),
		"media 10.1.0.2, switch, reinvite 5 by 10.1.0.2 try 1, register 6 by 10.1.0.2 try 1")
}

func TestMovesInFlightCoalesceAndTheNewestWins(t *testing.T) {
	s := newScene(t)
	s.step(network(wifi2))
	for i := range 9 {
		s.step(network([]Path{wifi1, wifi2}[i%2]))
	}
	s.want("answer of the first", s.step(ReinviteDone{Call: "c", Job: 1, Code: 200}), "reinvite 3 by 10.1.0.2 try 1")
	s.want("answer of the old one again", s.step(ReinviteDone{Call: "c", Job: 1, Code: 200}), "")
	got := s.step(ReinviteDone{Call: "c", Job: 3, Code: 200})
	s.want("answer of the new one", got, "")
	if v := s.report(got, "c"); v.To != wifi1 || v.Progress != Settled || v.Attempts != 1 {
		t.Errorf("report %+v", v)
	}
}

func TestRequestOnALivingAddressMayFinishWithinTheOverlap(t *testing.T) {
	s := newScene(t)
	s.step(network(wifi2))
	s.want("make before break", s.step(beside(wifi1, wifi2)), "media 10.1.0.2, switch")
	s.now = s.now.Add(20 * time.Millisecond)
	s.want("answered", s.step(ReinviteDone{Call: "c", Job: 1, Code: 200}), "reinvite 3 by 10.1.0.2 try 1, probe, probe")
	s.want("register too late", s.wait(overlap-20*time.Millisecond), "probe, probe, abort 2")
	s.want("register again", s.step(RegisterDone{Account: "a", Job: 2}), "register 4 by 10.1.0.2 try 1")
}

func TestUnansweredRequestIsGivenUpAndTriedAgain(t *testing.T) {
	s := newScene(t)
	s.step(network(wifi2))
	s.step(RegisterDone{Account: "a", Job: 2, Code: 200})
	s.wait(overdue - time.Millisecond)
	s.want("overdue", s.wait(time.Millisecond), "abort 1")
	s.want("no word of the abort", s.wait(abortWait), "")
	s.want("late answer", s.step(ReinviteDone{Call: "c", Job: 1, Code: 200}), "")
	s.want("second try", s.wait(firstBackoff), "reinvite 3 by 10.2.0.2 try 2")
}

func TestFlappingLinkIsPaced(t *testing.T) {
	s := newScene(t)
	requests := 0
	for i := range 200 { // a change every 10 ms for 2 s, each request answered at once
		s.now = epoch.Add(time.Duration(i+1) * 10 * time.Millisecond)
		actions := s.step(network([]Path{wifi2, wifi1}[i%2]))
		actions = append(actions, s.step(TimerFired{})...)
		for len(actions) > 0 {
			a := actions[0]
			actions = actions[1:]
			switch a := a.(type) {
			case Reinvite:
				requests++
				actions = append(actions, s.step(ReinviteDone{Call: "c", Job: a.Job, Code: 200})...)
			case Register:
				actions = append(actions, s.step(RegisterDone{Account: "a", Job: a.Job, Code: 200})...)
			}
		}
	}
	if requests < 8 || requests > 11 { // 3 at once and 4 a second
		t.Errorf("%d re-INVITEs in 2 s, want 8 to 11", requests)
	}
	last := brief(s.wait(time.Second))
	if !strings.HasPrefix(last, "reinvite 21 by 10.1.0.2 try 1, register 22 by 10.1.0.2 try 1, probe") {
		t.Errorf("the last word is %s", last)
	}
}

func TestLANAccountHasNobodyToTell(t *testing.T) {
	s := &scene{t: t, m: NewMachine(), now: epoch}
	s.step(AccountChanged{Account: "lan", Path: wifi1})
	s.want("move", s.step(network(wifi2)), "switch, presence, outbox, up=true")
	s.want("gone", s.step(network(Path{})), "up=false")
	s.step(AccountRemoved{Account: "lan"})
	s.want("removed", s.step(network(wifi1)), "up=true")
}

func TestDemoOnLoopbackIsNoNetwork(t *testing.T) {
	s := &scene{t: t, m: NewMachine(), now: epoch}
	local := netip.MustParseAddrPort("127.0.0.1:15060")
	lo := Path{netip.MustParseAddr("127.0.0.1"), "lo"}
	s.step(AccountChanged{Account: "demo", Registers: true, To: local, Path: lo})
	s.want("no network", s.step(NetworkChanged{Paths: map[netip.AddrPort]Path{local: lo}}), "up=false")
	s.want("network", s.step(NetworkChanged{Default: wifi1, Paths: map[netip.AddrPort]Path{local: lo}}), "up=true")
}

func TestStartWithoutNetworkRegistersWhenItComes(t *testing.T) {
	s := &scene{t: t, m: NewMachine(), now: epoch}
	s.step(network(Path{}))
	got := s.step(AccountChanged{Account: "a", Registers: true, To: registrar})
	if v := s.report(got, "a"); v.Progress != Held {
		t.Errorf("report %+v", v)
	}
	s.want("comes", s.step(network(wifi1)), "switch, register 1 by 10.1.0.2 try 1, up=true")
}

func TestCallRingingThroughAMoveIsRepairedWhenAnswered(t *testing.T) {
	s := &scene{t: t, m: NewMachine(), now: epoch}
	ringing := CallChanged{Call: "c", Signal: peerSIP, SignalPath: wifi1}
	s.step(ringing)
	s.want("move while it rings", s.step(network(wifi2)), "switch, up=true")
	if !s.m.timer.IsZero() {
		t.Error("a timer runs for a call that cannot be told")
	}
	ringing.Confirmed, ringing.Media, ringing.MediaPath = true, peerRTP, wifi2
	s.want("answered", s.step(ringing), "reinvite 1 by 10.2.0.2 try 1")
}

func TestDestinations(t *testing.T) {
	s := newScene(t)
	s.step(AccountChanged{Account: "lan", Path: wifi1})
	if got := s.m.Destinations(); !slices.Equal(got, []netip.AddrPort{peerSIP, peerRTP, registrar}) {
		t.Errorf("destinations %v", got)
	}
	other := netip.MustParseAddrPort("10.9.0.7:7000")
	s.step(CallChanged{Call: "c", Signal: peerSIP, SignalPath: wifi1, Media: other, MediaPath: wifi1})
	s.want("a new destination is no move", s.step(network(wifi1)), "")
	if got := s.m.Destinations(); !slices.Equal(got, []netip.AddrPort{peerSIP, registrar, other}) {
		t.Errorf("destinations %v", got)
	}
}

func TestReportsCarryTheTimesOfAHandOff(t *testing.T) {
	s := newScene(t)
	event := epoch.Add(time.Second)
	at := func(ms int) time.Time { return event.Add(time.Duration(ms) * time.Millisecond) }
	e := network(wifi2)
	e.At = event
	s.now = at(1)
	generation := s.report(s.step(e), "c").Generation
	s.now = at(2)
	s.step(MediaOut{Call: "c", Generation: generation})
	s.step(MediaIn{Call: "c", Generation: generation - 1, At: at(2)}) // of the move before
	s.now = at(43)
	s.step(MediaIn{Call: "c", Generation: generation, At: at(41)})
	s.step(MediaIn{Call: "c", Generation: generation, At: at(43)}) // the first counts
	s.now = at(60)
	v := s.report(s.step(ReinviteDone{Call: "c", Job: 1, Code: 200}), "c")
	for _, tt := range []struct {
		name string
		got  time.Time
		want int
	}{{"out", v.FirstOut, 2}, {"in", v.FirstIn, 41}, {"sent", v.Sent, 1}, {"answered", v.Answered, 60}} {
		if got := v.After(tt.got); got != time.Duration(tt.want)*time.Millisecond {
			t.Errorf("%s after %v, want %d ms", tt.name, got, tt.want)
		}
	}
	if v.After(time.Time{}) != -1 || v.Progress != Settled || v.To.Link != "wlan1" {
		t.Errorf("report %+v", v)
	}
}

func TestUnknownNamesDoNothing(t *testing.T) {
	s := newScene(t)
	for _, ev := range []Event{
		CallEnded{Call: "x"},
		AccountRemoved{Account: "x"},
		MediaOut{Call: "x"},
		MediaIn{Call: "x"},
		TimerFired{},
		ReinviteDone{Call: "x", Job: 1},
		RegisterDone{Account: "x", Job: 1},
		ReinviteDone{Call: "c"},
		RegisterDone{Account: "a"},
	} {
		if got := s.step(ev); len(got) != 0 {
			t.Errorf("%T: %v", ev, got)
		}
	}
}

func TestProgressWords(t *testing.T) {
	for p, want := range map[Progress]string{Held: "held", Moving: "moving", Settled: "settled", Refused: "refused", 9: "unknown"} {
		if got := p.String(); got != want {
			t.Errorf("%d is %q, want %q", p, got, want)
		}
	}
}

func BenchmarkMove(b *testing.B) {
	m := NewMachine()
	for i := range 10 {
		m.Step(epoch, CallChanged{
			Call: fmt.Sprint(i), Confirmed: true, Signal: peerSIP, SignalPath: wifi1, Media: peerRTP, MediaPath: wifi1,
		})
	}
	now, paths := epoch, []NetworkChanged{network(wifi1), network(wifi2)}
	for i := 0; b.Loop(); i++ {
		now = now.Add(time.Second)
		m.Step(now, paths[i%2])
	}
}
