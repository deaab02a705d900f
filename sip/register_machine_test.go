package sip

import (
	"strings"
	"testing"
)

// Every event in every state: the next state, and what is to be done when it is not nothing. A dot changes nothing.
func TestRegistrationMachine(t *testing.T) {
	const grid = `
state       start       accepted    refused        silence   lapsed         due              forced         broken         flapped        suspected      jumped         stop               left
idle        trying/send .           .              .         .              .                .              .              .              .              .              gone/end           .
trying      .           bound/rest  waiting/pause  retrying  .              .                trying/send    .              .              .              trying/send    leaving/unregister .
bound       .           .           .              .         doubting/send  refreshing/send  doubting/send  doubting/send  waiting/pause  doubting/send  doubting/send  leaving/unregister .
refreshing  .           bound/rest  waiting/pause  .         retrying       .                doubting/send  doubting/send  waiting/pause  .              doubting/send  leaving/unregister .
doubting    .           bound/rest  waiting/pause  retrying  retrying       .                doubting/send  .              .              .              doubting/send  leaving/unregister .
waiting     .           .           .              .         .              retrying/send    trying/send    .              .              .              retrying/send  leaving/unregister .
retrying    .           bound/rest  waiting/pause  .         .              .                trying/send    .              .              .              retrying/send  leaving/unregister .
leaving     .           .           .              .         .              .                .              .              .              .              .              .                  gone/end
gone        .           .           .              .         .              .                .              .              .              .              .              .                  .
`
	states := map[string]regState{
		"idle": regIdle, "trying": regTrying, "bound": regBound, "refreshing": regRefreshing, "doubting": regDoubting,
		"waiting": regWaiting, "retrying": regRetrying, "leaving": regLeaving, "gone": regGone,
	}
	events := map[string]regEvent{
		"start": regStart, "accepted": regAccepted, "refused": regRefused, "silence": regSilence, "lapsed": regLapsed,
		"due": regDue, "forced": regForced, "broken": regBroken, "flapped": regFlapped, "suspected": regSuspected,
		"jumped": regJumped, "stop": regStop, "left": regLeft,
	}
	actions := map[string]regAction{
		"": regNothing, "send": regSend, "rest": regRest, "pause": regPause, "unregister": regUnregister, "end": regEnd,
	}
	lines := strings.Split(strings.TrimSpace(grid), "\n")
	head := strings.Fields(lines[0])[1:]
	if len(lines)-1 != int(regStates) || len(head) != int(regEvents) || len(states) != int(regStates) || len(events) != int(regEvents) {
		t.Fatalf("%d states and %d events in the grid, want %d and %d", len(lines)-1, len(head), regStates, regEvents)
	}
	for _, line := range lines[1:] {
		cells := strings.Fields(line)
		for i, cell := range cells[1:] {
			name, do, _ := strings.Cut(cell, "/")
			next, ok := states[name]
			action, known := actions[do]
			if cell == "." {
				next, ok = states[cells[0]], true
			}
			if !ok || !known {
				t.Fatalf("cell %q", cell)
			}
			if got := states[cells[0]].step(events[head[i]]); got != (regMove{next, action}) {
				t.Errorf("%s in %s: %+v, want %s", head[i], cells[0], got, cell)
			}
		}
	}
}

// What the user sees, and that nothing is shown as registered that no registrar has confirmed.
func TestRegistrationShown(t *testing.T) {
	tests := map[regState]Registration{
		regIdle: Offline, regTrying: Registering, regBound: Registered, regRefreshing: Registered, regDoubting: Registered,
		regWaiting: Failed, regRetrying: Failed, regLeaving: Offline, regGone: Offline,
	}
	for s := range regStates {
		if got := s.shown(); got != tests[s] {
			t.Errorf("state %d is shown as %v, want %v", s, got, tests[s])
		}
		for e := range regEvents {
			m := s.step(e)
			if m.next.shown() == Registered && s.shown() != Registered && e != regAccepted {
				t.Errorf("event %d in state %d claims to be registered", e, s)
			}
		}
	}
}
