package app

import (
	"strings"
	"testing"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

func TestAdmit(t *testing.T) {
	tests := []struct {
		name      string
		from      caller
		dnd       bool
		strangers string
		want      verdict
	}{
		{"friend", caller{known: true}, false, strangersRing, verdictRing},
		{"stranger, and anybody may ring", caller{}, false, strangersRing, verdictRing},
		{"stranger is asked about", caller{}, false, strangersAsk, verdictAsk},
		{"stranger is refused", caller{}, false, strangersRefuse, verdictSilent},
		{"friend, strangers are asked about", caller{known: true}, false, strangersAsk, verdictRing},
		{"friend, not to disturb", caller{known: true}, true, strangersRing, verdictMissed},
		{"stranger, not to disturb", caller{}, true, strangersRing, verdictMissed},
		{"stranger is asked about even then", caller{}, true, strangersAsk, verdictAsk},
		{"blocked", caller{blocked: true}, false, strangersRing, verdictSilent},
		{"blocked friend", caller{blocked: true, known: true}, true, strangersAsk, verdictSilent},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := admit(tt.from, tt.dnd, tt.strangers); got != tt.want {
				t.Errorf("admit = %v, want %v", got, tt.want)
			}
		})
	}
}

func newIdle(t *testing.T, profile string) *Engine {
	t.Helper()
	e, err := New(t.Context(), Config{Profile: profile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func TestDecisionsSurviveARestart(t *testing.T) {
	profile := t.TempDir()
	e := newIdle(t, profile)
	if err := e.Block(t.Context(), "Spam@Info.test"); err != nil {
		t.Fatal(err)
	}
	if err := e.Block(t.Context(), "sip:spam@info.test"); err != nil {
		t.Fatal("a second block of the same address:", err)
	}
	e.Close()
	e = newIdle(t, profile)
	got, err := e.Blocked(t.Context())
	if err != nil || len(got) != 1 || !strings.EqualFold(got[0], "sip:spam@info.test") {
		t.Fatalf("blocked after a restart: %v, %v", got, err)
	}
	if err := e.Unblock(t.Context(), got[0]); err != nil {
		t.Fatal(err)
	}
	if err := e.Unblock(t.Context(), got[0]); err == nil {
		t.Error("unblocking somebody who is not blocked says nothing")
	}
}

func TestRequests(t *testing.T) {
	e := newIdle(t, t.TempDir())
	bob := mustAddress(t, `"Bob" <sip:bob@info.test>`)
	first := e.ask(RequestCall, bob, "", "", nil, nil)
	if again := e.ask(RequestCall, bob, "", "", nil, nil); again != first {
		t.Errorf("the second call of the same stranger is request %s, want %s", again, first)
	}
	e.ask(RequestMessage, mustAddress(t, "<sip:eve@info.test>"), "buy!", "", nil, nil)
	got := e.Snapshot().Requests
	if len(got) != 2 || got[0].Count != 2 || got[0].Name != "Bob" || got[1].Text != "buy!" {
		t.Fatalf("requests %+v", got)
	}
	if err := e.AcceptRequest(t.Context(), ""); err == nil {
		t.Error("accepting one of two without saying which does not fail")
	}
	if err := e.AcceptRequest(t.Context(), got[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := e.RefuseRequest(t.Context(), "", true); err != nil {
		t.Fatal(err)
	}
	e.mu.Lock()
	known, blocked := e.callerLocked(bob.URI), e.callerLocked(uri.New("eve", "info.test", 0))
	e.mu.Unlock()
	if !known.known || !blocked.blocked {
		t.Errorf("after the decisions bob is %+v and eve %+v", known, blocked)
	}
	if left := e.Snapshot().Requests; len(left) != 0 {
		t.Errorf("requests left: %+v", left)
	}
}

func TestRequestsAreBounded(t *testing.T) {
	e := newIdle(t, t.TempDir())
	for i := range 3 * maxRequests {
		e.ask(RequestCall, uri.Address{URI: uri.New("u"+strings.Repeat("x", i), "info.test", 0)}, "", "", nil, nil)
	}
	if n := len(e.Snapshot().Requests); n != maxRequests {
		t.Errorf("%d requests, want %d", n, maxRequests)
	}
}

func mustAddress(t *testing.T, s string) uri.Address {
	t.Helper()
	a, err := uri.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}
