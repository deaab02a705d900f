package uitest

import (
	"context"
	"slices"
	"strings"

	"github.com/peregrine-softphone/peregrine/app"
)

// Transfer lets the other side of a call call somebody.
func (e *Engine) Transfer(_ context.Context, id, address string) error {
	return e.onCall(id, "Transfer "+address, func(c *app.Call) {
		c.Transfer = &app.Transfer{To: address, Name: nameOf(e.snap, address), State: app.TransferAsked}
	})
}

func nameOf(s app.Snapshot, address string) string {
	for _, b := range s.Buddies {
		if strings.TrimPrefix(b.Address, "sip:") == strings.TrimPrefix(address, "sip:") {
			return b.Name
		}
	}
	user, _, _ := strings.Cut(strings.TrimPrefix(address, "sip:"), "@")
	return user
}

// Connect ends two calls, whose other sides talk from then on.
func (e *Engine) Connect(_ context.Context, id, other string) error {
	return e.verb(func(s *app.Snapshot) {
		for i := range s.Calls {
			if c := &s.Calls[i]; c.ID == id || c.ID == other {
				c.State, c.EndedAt, c.Conference = app.CallEnded, e.now(), false
			}
		}
	}, "Connect %s %s", id, other)
}

// Conference makes one conversation of the calls named, or of all that are answered.
func (e *Engine) Conference(_ context.Context, ids ...string) error {
	return e.verb(func(s *app.Snapshot) {
		for i := range s.Calls {
			c := &s.Calls[i]
			up := c.State == app.CallEstablished || c.State == app.CallHeld
			if up && (len(ids) == 0 || slices.Contains(ids, c.ID)) {
				c.Conference, c.State, c.HeldBy = true, app.CallEstablished, ""
			}
		}
	}, "Conference%s", strings.Join(append([]string{""}, ids...), " "))
}

// Split takes a call out of the conversation and holds it.
func (e *Engine) Split(_ context.Context, id string) error {
	return e.onCall(id, "Split", func(c *app.Call) { c.Conference, c.State, c.HeldBy = false, app.CallHeld, "us" })
}

// Redial calls whom the user called last.
func (e *Engine) Redial(ctx context.Context) (string, error) {
	if err := e.verb(nil, "Redial"); err != nil {
		return "", err
	}
	for _, r := range e.Snapshot().Recent {
		if !r.Incoming {
			return e.Call(ctx, r.Peer, app.CallOptions{})
		}
	}
	return "", &app.UserError{Sentence: "You have not called anybody yet."}
}

// SeeMissed marks the missed calls as looked at.
func (e *Engine) SeeMissed(context.Context) error {
	return e.verb(func(s *app.Snapshot) {
		s.Missed = 0
		s.Recent = slices.Clone(s.Recent)
		for i := range s.Recent {
			s.Recent[i].Seen = true
		}
	}, "SeeMissed")
}

// ClearHistory forgets all past calls.
func (e *Engine) ClearHistory(context.Context) error {
	return e.verb(func(s *app.Snapshot) { s.Recent, s.Missed = nil, 0 }, "ClearHistory")
}

// AcceptRequest says yes to a request.
func (e *Engine) AcceptRequest(_ context.Context, id string) error {
	return e.verb(func(s *app.Snapshot) { dropRequest(s, id) }, "AcceptRequest %s", id)
}

// RefuseRequest says no to a request, and blocks who made it if block is set.
func (e *Engine) RefuseRequest(_ context.Context, id string, block bool) error {
	return e.verb(func(s *app.Snapshot) {
		if r := dropRequest(s, id); block {
			e.blocked = append(e.blocked, r.From)
		}
	}, "RefuseRequest %s %t", id, block)
}

func dropRequest(s *app.Snapshot, id string) app.Request {
	var gone app.Request
	s.Requests = slices.DeleteFunc(slices.Clone(s.Requests), func(r app.Request) bool {
		if r.ID == id {
			gone = r
		}
		return r.ID == id
	})
	return gone
}

// Block blocks an address.
func (e *Engine) Block(_ context.Context, address string) error {
	return e.verb(func(*app.Snapshot) { e.blocked = append(e.blocked, address) }, "Block %s", address)
}

// Unblock takes a block back.
func (e *Engine) Unblock(_ context.Context, address string) error {
	return e.verb(func(*app.Snapshot) {
		e.blocked = slices.DeleteFunc(e.blocked, func(a string) bool { return a == address })
	}, "Unblock %s", address)
}

// Blocked returns the addresses that are blocked.
func (e *Engine) Blocked(context.Context) ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.blocked), e.fail
}

// SetDefaultAccount makes an account the one for calls.
func (e *Engine) SetDefaultAccount(_ context.Context, address string) error {
	return e.verb(func(s *app.Snapshot) {
		for i := range s.Accounts {
			s.Accounts[i].Default = s.Accounts[i].Address == address
		}
	}, "SetDefaultAccount %s", address)
}

// ForgetPin forgets the key of a server and signs in again.
func (e *Engine) ForgetPin(_ context.Context, address string) error {
	return e.verb(func(s *app.Snapshot) {
		for i := range s.Accounts {
			if a := &s.Accounts[i]; a.Address == address {
				a.Pin, a.State, a.Reason, a.Detail = "", app.AccountRegistering, "", ""
			}
		}
	}, "ForgetPin %s", address)
}

// SetLamp watches the line of a buddy, and shows ours.
func (e *Engine) SetLamp(_ context.Context, address string, watch, share bool) error {
	return e.verb(func(s *app.Snapshot) {
		for i := range s.Buddies {
			if b := &s.Buddies[i]; b.Address == address {
				b.Shared = share
				switch {
				case !watch:
					b.Lamp = ""
				case b.Lamp == "":
					b.Lamp = app.LampIdle
				}
			}
		}
	}, "SetLamp %s %t %t", address, watch, share)
}

// Trace gives the messages of the fixture, then those of Wire, until ctx ends.
func (e *Engine) Trace(ctx context.Context) <-chan app.TraceEntry {
	e.mu.Lock()
	defer e.mu.Unlock()
	ch := make(chan app.TraceEntry, 256)
	for _, t := range e.trace {
		ch <- t
	}
	e.tracers = append(e.tracers, ch)
	context.AfterFunc(ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.tracers = slices.DeleteFunc(e.tracers, func(c chan app.TraceEntry) bool { return c == ch })
		close(ch)
		e.change(func(*app.Snapshot) {}) // wakes a test that waits for it
	})
	return ch
}

// Tracers returns how many watch the trace.
func (e *Engine) Tracers() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.tracers)
}

// Wire lets a SIP message be seen by those who watch the trace.
func (e *Engine) Wire(t app.TraceEntry) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ch := range e.tracers {
		select {
		case ch <- t:
		default: // as the real one, it does not wait for slow readers
		}
	}
}

// TraceTo notes where the trace is to be written to.
func (e *Engine) TraceTo(_ context.Context, path string) error {
	return e.verb(func(s *app.Snapshot) { s.Settings["trace.file"] = path }, "TraceTo %s", path)
}

// Transferred tells how handing a call on goes.
func (e *Engine) Transferred(id string, state app.TransferState, reason string) {
	e.Change(func(s *app.Snapshot) {
		for i := range s.Calls {
			if c := &s.Calls[i]; c.ID == id && c.Transfer != nil {
				t := *c.Transfer
				t.State, t.Reason = state, reason
				c.Transfer = &t
			}
		}
	})
}
