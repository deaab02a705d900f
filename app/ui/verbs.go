package ui

import (
	"context"
	"errors"
	"sort"
	"strings"
	"time"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/page"
)

// verb runs a verb and tells the user when it fails.
func (w *window) verb(f func(context.Context) error) {
	w.bind.verb(f, w.fail)
}

// fail tells the user of an error, if there is one.
func (w *window) fail(err error) {
	if err == nil {
		return
	}
	w.opts.Logger.Warn("verb failed", "error", err)
	if errors.Is(err, context.Canceled) {
		return
	}
	w.Tell(page.ErrorText(err))
}

func (w *window) readVerb(address string) func(context.Context) error {
	return func(ctx context.Context) error { return w.engine.MarkRead(ctx, address) }
}

// fetch asks for the newest messages of a chat.
func (w *window) fetch(address string, limit int, done func([]app.Message, error)) {
	var messages []app.Message
	w.bind.verb(func(ctx context.Context) (err error) {
		messages, err = w.engine.Messages(ctx, address, limit)
		return err
	}, func(err error) { done(messages, err) })
}

// Older implements page.Actions.
func (w *window) Older(address string) {
	chat, ok := page.FindChat(w.snap, address)
	if !ok || w.loading || w.limit >= chat.Count || !page.Same(address, w.open) || w.loaded == 0 {
		return
	}
	w.limit *= 4
	w.loaded = 0
	w.loadChat()
}

// Call implements page.Actions.
func (w *window) Call(address string) {
	if address == "" {
		return
	}
	w.bind.verb(func(ctx context.Context) error {
		_, err := w.engine.Call(ctx, address, app.CallOptions{})
		return err
	}, w.fail)
	if _, ok := page.FindBuddy(w.snap, address); ok {
		w.Open(address)
	}
}

// Answer implements page.Actions.
func (w *window) Answer(id string) {
	for _, c := range w.snap.Calls {
		if c.ID == id {
			w.Open(c.Peer)
		}
	}
	w.verb(func(ctx context.Context) error { return w.engine.Answer(ctx, id) })
}

// Decline implements page.Actions.
func (w *window) Decline(id string) {
	w.hungUp[id] = true
	w.closeRing(id)
	w.verb(func(ctx context.Context) error { return w.engine.Decline(ctx, id) })
}

// Hangup implements page.Actions.
func (w *window) Hangup(id string) {
	w.hungUp[id] = true
	w.verb(func(ctx context.Context) error { return w.engine.Hangup(ctx, id) })
}

// Hold implements page.Actions.
func (w *window) Hold(id string) {
	w.verb(func(ctx context.Context) error { return w.engine.Hold(ctx, id) })
}

// Resume implements page.Actions.
func (w *window) Resume(id string) {
	w.verb(func(ctx context.Context) error { return w.engine.Resume(ctx, id) })
}

// Mute implements page.Actions.
func (w *window) Mute(id string, on bool) {
	w.verb(func(ctx context.Context) error { return w.engine.Mute(ctx, id, on) })
}

// Codec implements page.Actions.
func (w *window) Codec(id, name string) {
	w.verb(func(ctx context.Context) error { return w.engine.Codec(ctx, id, name) })
}

// DTMF implements page.Actions.
func (w *window) DTMF(id, digits string) {
	w.verb(func(ctx context.Context) error { return w.engine.DTMF(ctx, id, digits) })
}

// Send implements page.Actions.
func (w *window) Send(address, text string, failed func()) {
	w.bind.verb(func(ctx context.Context) error {
		_, err := w.engine.Message(ctx, address, text)
		return err
	}, func(err error) {
		if err != nil {
			failed()
			w.fail(err)
		}
	})
}

// Retry implements page.Actions.
func (w *window) Retry(id string) {
	w.verb(func(ctx context.Context) error { return w.engine.RetryMessage(ctx, id) })
}

// The bounds of a search, so that it ends soon in a long history.
const (
	searchChats    = 100
	searchMessages = 2000 // of one chat
	searchHits     = 50
	searchTime     = 3 * time.Second
)

// Search implements page.Actions: newest hits first.
func (w *window) Search(query string, found func(string, []app.Message)) {
	chats := w.snap.Chats[:min(len(w.snap.Chats), searchChats)]
	var hits []app.Message
	w.bind.verb(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, searchTime)
		defer cancel()
		q := strings.ToLower(query)
		for _, c := range chats {
			messages, err := w.engine.Messages(ctx, c.Peer, searchMessages)
			if err != nil {
				break // what was found up to here is shown
			}
			for _, m := range messages {
				if strings.Contains(strings.ToLower(m.Text), q) {
					hits = append(hits, m)
				}
			}
		}
		sort.SliceStable(hits, func(i, j int) bool { return hits[i].At.After(hits[j].At) })
		hits = hits[:min(len(hits), searchHits)]
		return nil
	}, func(error) { found(query, hits) })
}

// SetPresence implements page.Actions.
func (w *window) SetPresence(p app.Presence, note string) {
	w.verb(func(ctx context.Context) error { return w.engine.SetPresence(ctx, p, note) })
}

// AddBuddy implements page.Actions.
func (w *window) AddBuddy(address, name, group string, done func(error)) {
	add := func(ctx context.Context) error { return w.engine.AddBuddy(ctx, address, name, group) }
	w.bind.verb(add, func(err error) {
		done(err)
		if err == nil {
			w.acceptFrom(address)
		}
	})
}

// RemoveBuddy implements page.Actions. It acts at once and offers to undo it.
func (w *window) RemoveBuddy(address string) {
	b, ok := page.FindBuddy(w.snap, address)
	w.bind.verb(func(ctx context.Context) error { return w.engine.RemoveBuddy(ctx, address) }, func(err error) {
		if err != nil {
			w.fail(err)
			return
		}
		if ok {
			w.offerUndo(b)
		}
	})
}

// AddAccount implements page.Actions.
func (w *window) AddAccount(spec app.AccountSpec, done func(error)) {
	var after app.Snapshot
	w.bind.verb(func(ctx context.Context) error {
		err := w.engine.AddAccount(ctx, spec)
		after = w.engine.Snapshot()
		return err
	}, func(err error) {
		if err == nil {
			w.show(after) // what the account was before must not be taken for the answer
		}
		done(err)
	})
}

// RemoveAccount implements page.Actions.
func (w *window) RemoveAccount(address string) {
	w.verb(func(ctx context.Context) error { return w.engine.RemoveAccount(ctx, address) })
}

// StartDemo implements page.Actions.
func (w *window) StartDemo(done func(error)) {
	w.bind.verb(w.engine.StartDemo, done)
}

// Set implements page.Actions.
func (w *window) Set(key, value string) {
	w.verb(func(ctx context.Context) error { return w.engine.Set(ctx, key, value) })
}

// Devices implements page.Actions.
func (w *window) Devices(done func([]app.Device, error)) {
	var devices []app.Device
	w.bind.verb(func(ctx context.Context) (err error) {
		devices, err = w.engine.Devices(ctx)
		return err
	}, func(err error) { done(devices, err) })
}

// DismissNotice implements page.Actions.
func (w *window) DismissNotice(id string) {
	w.verb(func(ctx context.Context) error { return w.engine.DismissNotice(ctx, id) })
}

// focusedCall is the call that shortcuts are meant for: the established one, else the newest.
func (w *window) focusedCall() (app.Call, bool) {
	var found app.Call
	ok := false
	for _, c := range w.snap.Calls {
		if c.State == app.CallEnded || ok && found.State == app.CallEstablished {
			continue
		}
		found, ok = c, true
	}
	return found, ok
}
