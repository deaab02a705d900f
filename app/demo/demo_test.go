package demo

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/app"
)

// patience bounds each wait of these tests. They run on loopback with real sockets, where everything
// takes milliseconds; a loaded machine may need more.
const patience = 20 * time.Second

// start runs an engine with the demo until the test ends.
func start(t *testing.T) *app.Engine {
	t.Helper()
	e, err := app.New(
		t.Context(),
		app.Config{
			Profile: t.TempDir(),
			Logger:  slog.New(slog.DiscardHandler),
			Keyring: memoryKeyring{},
			Demo:    Start,
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("engine ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("engine did not end")
		}
	})
	for _, s := range [][2]string{{app.SettingInput, "tone:440"}, {app.SettingOutput, "none"}} {
		if err := e.Set(t.Context(), s[0], s[1]); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// await waits until the state is as ok wants it.
func await(t *testing.T, e *app.Engine, what string, ok func(app.Snapshot) bool) app.Snapshot {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var last app.Snapshot
	for last = range e.Watch(ctx) {
		if ok(last) {
			return last
		}
	}
	t.Fatalf("waited in vain for: %s\nlast state: %+v", what, last)
	return last
}

// TestNewcomer is the first minute of somebody who presses "just try it".
func TestNewcomer(t *testing.T) {
	e := start(t)
	if err := e.StartDemo(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, e, "registered", func(s app.Snapshot) bool {
		return len(s.Accounts) == 1 && s.Accounts[0].State == app.AccountRegistered
	})
	s := await(t, e, "Echo online", func(s app.Snapshot) bool {
		return len(s.Buddies) == 1 && s.Buddies[0].Status == app.PresenceOnline && s.Buddies[0].Note != ""
	})
	echo := s.Buddies[0].Address

	m, err := e.Message(t.Context(), echo, "Grüße & <b>kisses</b>")
	if err != nil {
		t.Fatal(err)
	}
	await(t, e, "an answer", func(app.Snapshot) bool {
		list, err := e.Messages(t.Context(), echo, 10)
		return err == nil && len(list) == 2 && list[0].ID == m.ID && list[0].State == app.MessageSent &&
			strings.Contains(list[1].Text, "Grüße & <b>kisses</b>")
	})

	id, err := e.Call(t.Context(), echo, app.CallOptions{})
	if err != nil {
		t.Fatal(err)
	}
	await(t, e, "a call with sound both ways", func(s app.Snapshot) bool {
		c := s.Calls[0]
		return c.ID == id && c.State == app.CallEstablished && c.Codec != "" && c.Quality.PacketsReceived > 20 &&
			c.Quality.LevelOut > 0.1
	})
	await(t, e, "on the phone", func(s app.Snapshot) bool { return s.Self.Status == app.PresenceOnThePhone })
	await(
		t,
		e,
		"Echo on the phone",
		func(s app.Snapshot) bool { return s.Buddies[0].Status == app.PresenceOnThePhone },
	)
	if err := e.Hangup(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	await(t, e, "the end of the call", func(s app.Snapshot) bool {
		return s.Calls[0].State == app.CallEnded && s.Self.Status == app.PresenceOnline
	})
	await(t, e, "Echo free again", func(s app.Snapshot) bool { return s.Buddies[0].Status != app.PresenceOnThePhone })
}

// TestHoldAndCodec changes a call in the middle.
func TestHoldAndCodec(t *testing.T) {
	e := start(t)
	if err := e.StartDemo(t.Context()); err != nil {
		t.Fatal(err)
	}
	id, err := e.Call(t.Context(), "echo", app.CallOptions{})
	if err != nil {
		t.Fatal(err)
	}
	state := func(want app.CallState) func(app.Snapshot) bool {
		return func(s app.Snapshot) bool { return s.Calls[0].State == want }
	}
	await(t, e, "established", state(app.CallEstablished))
	if err := e.Hold(t.Context(), id); err != nil {
		t.Fatalf("%v (%+v)", err, errors.Unwrap(err))
	}
	s := await(t, e, "held", state(app.CallHeld))
	if s.Calls[0].HeldBy != "us" {
		t.Errorf("held by %q, want us", s.Calls[0].HeldBy)
	}
	if err := e.Resume(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	await(t, e, "established again", state(app.CallEstablished))
	if err := e.Codec(t.Context(), id, "PCMA"); err != nil {
		t.Fatal(err)
	}
	await(t, e, "PCMA", func(s app.Snapshot) bool { return s.Calls[0].Codec == "PCMA" })
	if err := e.Codec(t.Context(), id, "G729"); err == nil {
		t.Error("a codec nobody has was accepted")
	}
	if err := e.DTMF(t.Context(), id, "12#"); err != nil {
		t.Error(err)
	}
	if err := e.Hangup(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// TestSentences: what goes wrong is told in words.
func TestSentences(t *testing.T) {
	e := start(t)
	if _, err := e.Call(t.Context(), "bob@info.test", app.CallOptions{}); err == nil ||
		!strings.Contains(err.Error(), "no account") {
		t.Errorf("call without an account: %v", err)
	}
	if err := e.StartDemo(t.Context()); err != nil {
		t.Fatal(err)
	}
	id, err := e.Call(t.Context(), "nobody", app.CallOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := await(t, e, "a reason", func(s app.Snapshot) bool { return s.Calls[0].State == app.CallEnded })
	if c := s.Calls[0]; c.ID != id || c.Reason == "" || !strings.HasPrefix(c.Detail, "404") {
		t.Errorf("call ended with %q (%s), want a sentence and 404", c.Reason, c.Detail)
	}
	m, err := e.Message(t.Context(), "nobody", "hello")
	if err != nil {
		t.Fatal(err)
	}
	m, err = e.AwaitMessage(t.Context(), m)
	if err != nil || m.State != app.MessageFailed || m.Reason == "" {
		t.Errorf("message to nobody: %+v, %v; want failed with a reason", m, err)
	}
}
