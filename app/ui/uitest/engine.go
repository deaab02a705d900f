// Package uitest is an engine for looking at the window and for testing it: it holds a snapshot,
// answers every verb by changing that snapshot as the real engine would, and notes which verbs were
// called. Take one of the fixtures and give it to New.
package uitest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/app"
)

// Engine is the engine. It may be used from any goroutine.
type Engine struct {
	mu        sync.Mutex
	snap      app.Snapshot
	messages  map[string][]app.Message
	devices   []app.Device
	watchers  []chan app.Snapshot
	calls     []string
	fail      error
	slow      bool
	noKeyring bool
	spec      app.AccountSpec // of the account added last
	next      int
	blocked   []string
	trace     []app.TraceEntry
	tracers   []chan app.TraceEntry
	now       func() time.Time
}

// New returns an engine in the state of a fixture; now stamps what happens.
func New(f Fixture, now func() time.Time) *Engine {
	return &Engine{
		snap: f.Snapshot, messages: f.Messages, devices: f.Devices, now: now, next: 1000,
		blocked: f.Blocked, trace: f.Trace,
	}
}

// Fail makes every verb fail with err until it is called with nil.
func (e *Engine) Fail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fail = err
}

// Verbs returns the verbs called up to now, each with its arguments, in their order.
func (e *Engine) Verbs() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.calls)
}

// Snapshot returns the present state.
func (e *Engine) Snapshot() app.Snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.snap
}

// Watch gives the present state, then every change; the latest wins.
func (e *Engine) Watch(ctx context.Context) <-chan app.Snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	ch := make(chan app.Snapshot, 1)
	ch <- e.snap
	e.watchers = append(e.watchers, ch)
	context.AfterFunc(ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.watchers = slices.DeleteFunc(e.watchers, func(c chan app.Snapshot) bool { return c == ch })
		close(ch)
	})
	return ch
}

// Change changes the state; the slices of the snapshot are copies that f may change.
func (e *Engine) Change(f func(s *app.Snapshot)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.change(f)
}

func (e *Engine) change(f func(s *app.Snapshot)) {
	s := e.snap
	s.Accounts, s.Buddies = slices.Clone(s.Accounts), slices.Clone(s.Buddies)
	s.Calls, s.Chats, s.Notices = slices.Clone(s.Calls), slices.Clone(s.Chats), slices.Clone(s.Notices)
	settings := app.Settings{}
	maps.Copy(settings, s.Settings)
	s.Settings = settings
	f(&s)
	s.Revision++
	e.snap = s
	for _, ch := range e.watchers {
		select {
		case <-ch: // the older state was not fetched: the latest wins
		default:
		}
		ch <- s
	}
}

// verb notes a verb and carries it out.
func (e *Engine) verb(f func(s *app.Snapshot), format string, args ...any) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, fmt.Sprintf(format, args...))
	if e.fail != nil {
		return e.fail
	}
	if f != nil {
		e.change(f)
	}
	return nil
}

// Slow makes new accounts wait for what Account says of them.
func (e *Engine) Slow() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.slow = true
}

// NoKeyring lets the engine refuse to keep passwords anywhere but in a file.
func (e *Engine) NoKeyring() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.noKeyring = true
}

// AddAccount adds an account, or takes the place of one; it is registered at once if Slow was not
// called.
func (e *Engine) AddAccount(_ context.Context, spec app.AccountSpec) error {
	e.mu.Lock()
	refuse := e.noKeyring && spec.Kind == app.AccountSIP && spec.PasswordStore != "file"
	e.mu.Unlock()
	if refuse {
		return &app.UserError{
			Sentence: "This system has no keyring that works, so the password was not stored.",
			Detail:   "org.freedesktop.secrets",
		}
	}
	return e.verb(func(s *app.Snapshot) {
		e.spec = spec
		state := app.AccountRegistered
		if e.slow {
			state = app.AccountRegistering
		}
		address := "sip:" + strings.TrimPrefix(spec.Address, "sip:")
		s.Accounts = slices.DeleteFunc(s.Accounts, func(a app.Account) bool { return a.Address == address })
		addAccount(
			s,
			app.Account{Address: address, Kind: spec.Kind, DisplayName: spec.DisplayName, State: state},
		)
	}, "AddAccount %s %s", spec.Kind, spec.Address)
}

// Spec returns how the account added last was described.
func (e *Engine) Spec() app.AccountSpec {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.spec
}

func addAccount(s *app.Snapshot, a app.Account) {
	s.Accounts = append(s.Accounts, a)
	s.Self = app.Self{
		Address:     a.Address,
		DisplayName: a.DisplayName,
		Status:      app.PresenceOnline,
		Chosen:      app.PresenceOnline,
	}
	s.Network = app.Network{Up: true, Link: "eth0", Address: "192.0.2.10"}
}

// RemoveAccount removes an account.
func (e *Engine) RemoveAccount(_ context.Context, address string) error {
	return e.verb(func(s *app.Snapshot) {
		s.Accounts = slices.DeleteFunc(s.Accounts, func(a app.Account) bool {
			return strings.TrimPrefix(a.Address, "sip:") == strings.TrimPrefix(address, "sip:")
		})
	}, "RemoveAccount %s", address)
}

// StartDemo adds the account of the demo and its buddy Echo.
func (e *Engine) StartDemo(context.Context) error {
	return e.verb(func(s *app.Snapshot) {
		addAccount(
			s,
			app.Account{
				Address:     "sip:you@demo.test",
				Kind:        app.AccountDemo,
				DisplayName: "You",
				State:       app.AccountRegistered,
			},
		)
		s.Buddies = append(
			s.Buddies,
			app.Buddy{
				Address: "sip:echo@demo.test",
				Name:    "Echo",
				Status:  app.PresenceOnline,
				Note:    "I repeat what you say",
			},
		)
	}, "StartDemo")
}

// AddBuddy adds a buddy.
func (e *Engine) AddBuddy(_ context.Context, address, name, group string) error {
	return e.verb(func(s *app.Snapshot) {
		if name == "" {
			name = address
		}
		s.Buddies = append(
			s.Buddies,
			app.Buddy{Address: address, Name: name, Group: group, Status: app.PresenceUnknown},
		)
	}, "AddBuddy %s %s %s", address, name, group)
}

// RemoveBuddy removes a buddy.
func (e *Engine) RemoveBuddy(_ context.Context, address string) error {
	return e.verb(func(s *app.Snapshot) {
		s.Buddies = slices.DeleteFunc(s.Buddies, func(b app.Buddy) bool { return b.Address == address })
	}, "RemoveBuddy %s", address)
}

// SetPresence changes the own presence.
func (e *Engine) SetPresence(_ context.Context, p app.Presence, note string) error {
	return e.verb(
		func(s *app.Snapshot) { s.Self.Status, s.Self.Chosen, s.Self.Note = p, p, note },
		"SetPresence %s %s",
		p,
		note,
	)
}

// callWish is what the record of verbs says of the options of a call; nothing for an ordinary one.
func callWish(o app.CallOptions) string {
	if o == (app.CallOptions{}) {
		return ""
	}
	return fmt.Sprintf(" %+v", o)
}

// Call begins a call that rings.
func (e *Engine) Call(_ context.Context, address string, o app.CallOptions) (string, error) {
	id := ""
	err := e.verb(func(s *app.Snapshot) {
		e.next++
		id = fmt.Sprint(e.next)
		name := address
		for _, b := range s.Buddies {
			if b.Address == address {
				name = b.Name
			}
		}
		s.Calls = append(s.Calls, app.Call{
			ID: id, Peer: address, PeerName: name, State: app.CallRinging, StartedAt: e.now(), Encryption: "none",
		})
	}, "Call %s%s", address, callWish(o))
	return id, err
}

func (e *Engine) onCall(id, verb string, f func(c *app.Call)) error {
	return e.verb(func(s *app.Snapshot) {
		for i := range s.Calls {
			if s.Calls[i].ID == id {
				f(&s.Calls[i])
			}
		}
	}, "%s %s", verb, id)
}

// Answer answers a call.
func (e *Engine) Answer(_ context.Context, id string) error {
	return e.onCall(id, "Answer", func(c *app.Call) {
		c.State, c.AnsweredAt, c.Codec, c.Codecs = app.CallEstablished, e.now(), "opus", []string{
			"opus",
			"PCMU",
			"PCMA",
		}
		c.Quality.Bars = 4
	})
}

// Decline ends a call.
func (e *Engine) Decline(_ context.Context, id string) error { return e.end(id, "Decline") }

// Hangup ends a call.
func (e *Engine) Hangup(_ context.Context, id string) error { return e.end(id, "Hangup") }

func (e *Engine) end(id, verb string) error {
	return e.onCall(id, verb, func(c *app.Call) { c.State, c.EndedAt = app.CallEnded, e.now() })
}

// Hold puts a call on hold.
func (e *Engine) Hold(_ context.Context, id string) error {
	return e.onCall(id, "Hold", func(c *app.Call) { c.State, c.HeldBy = app.CallHeld, "us" })
}

// Resume takes a call off hold.
func (e *Engine) Resume(_ context.Context, id string) error {
	return e.onCall(id, "Resume", func(c *app.Call) { c.State, c.HeldBy = app.CallEstablished, "" })
}

// Mute mutes a call.
func (e *Engine) Mute(_ context.Context, id string, on bool) error {
	return e.onCall(id, fmt.Sprint("Mute ", on), func(c *app.Call) { c.Muted = on })
}

// Codec changes the codec of a call.
func (e *Engine) Codec(_ context.Context, id, name string) error {
	return e.onCall(id, "Codec "+name, func(c *app.Call) {
		if c.Chosen = name != "auto"; c.Chosen {
			c.Codec = name
		}
	})
}

// DTMF notes digits.
func (e *Engine) DTMF(_ context.Context, id, digits string) error {
	return e.verb(nil, "DTMF %s %s", id, digits)
}

// Message adds a message that was sent.
func (e *Engine) Message(_ context.Context, address, text string) (app.Message, error) {
	var m app.Message
	err := e.verb(func(s *app.Snapshot) {
		e.next++
		m = app.Message{
			ID:       fmt.Sprint("m", e.next),
			Peer:     address,
			Outgoing: true,
			Text:     text,
			At:       e.now(),
			State:    app.MessageSent,
		}
		e.messages[address] = append(e.messages[address], m)
		touch(s, address, m)
	}, "Message %s %s", address, text)
	return m, err
}

// touch brings the chat of a message up to date.
func touch(s *app.Snapshot, address string, m app.Message) {
	for i := range s.Chats {
		if s.Chats[i].Peer == address {
			s.Chats[i].Count++
			s.Chats[i].Revision++
			s.Chats[i].Last = m
			return
		}
	}
	s.Chats = append(s.Chats, app.Chat{Peer: address, PeerName: address, Count: 1, Revision: 1, Last: m})
}

// RetryMessage sends a failed message.
func (e *Engine) RetryMessage(_ context.Context, id string) error {
	return e.verb(func(s *app.Snapshot) {
		for peer, list := range e.messages {
			for i := range list {
				if list[i].ID == id {
					list = slices.Clone(list)
					list[i].State, list[i].Reason = app.MessageSent, ""
					e.messages[peer] = list
					for j := range s.Chats {
						if s.Chats[j].Peer == peer {
							s.Chats[j].Revision++
						}
					}
				}
			}
		}
	}, "RetryMessage %s", id)
}

// Messages returns the newest messages with an address, oldest first.
func (e *Engine) Messages(_ context.Context, address string, limit int) ([]app.Message, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fail != nil {
		return nil, e.fail
	}
	m := e.messages[address]
	if limit > 0 && len(m) > limit {
		m = m[len(m)-limit:]
	}
	return slices.Clone(m), nil
}

// MarkRead sets the unread count of a chat to zero.
func (e *Engine) MarkRead(_ context.Context, address string) error {
	return e.verb(func(s *app.Snapshot) {
		for i := range s.Chats {
			if s.Chats[i].Peer == address {
				s.Chats[i].Unread = 0
			}
		}
		for i := range s.Buddies {
			if s.Buddies[i].Address == address {
				s.Buddies[i].Unread = 0
			}
		}
	}, "MarkRead %s", address)
}

// Set changes a setting.
func (e *Engine) Set(_ context.Context, key, value string) error {
	return e.verb(func(s *app.Snapshot) {
		s.Settings[key] = value
		switch key {
		case "audio.input":
			s.Audio.Input = value
		case "audio.output":
			s.Audio.Output = value
		case "dnd":
			s.Self.DND = value == "on"
		}
	}, "Set %s %s", key, value)
}

// Get returns a setting.
func (e *Engine) Get(_ context.Context, key string) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.snap.Settings[key], nil
}

// Devices returns the devices of the fixture.
func (e *Engine) Devices(context.Context) ([]app.Device, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.devices, e.fail
}

// DismissNotice removes a notice.
func (e *Engine) DismissNotice(_ context.Context, id string) error {
	return e.verb(func(s *app.Snapshot) {
		s.Notices = slices.DeleteFunc(s.Notices, func(n app.Notice) bool { return n.ID == id })
	}, "DismissNotice %s", id)
}
