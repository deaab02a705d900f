package app

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/peregrine-softphone/peregrine/app/history"
	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// maxRecent is how many calls of the history the snapshot holds.
const maxRecent = 200

func (e *Engine) wireHistory() error {
	store, err := history.Open(filepath.Join(e.cfg.Profile, fileCalls), e.log)
	if err != nil {
		return problem(err, "The call history could not be opened. Look at the profile folder.")
	}
	if store.Damaged() > 0 {
		e.addNotice("A part of the call history could not be read. It was kept aside; the rest is there.", "")
	}
	e.history = store
	for _, c := range store.Recent(0) {
		if c.Incoming && c.AnsweredAt.IsZero() {
			continue
		}
		if peer, err := uri.Parse(c.Peer); err == nil {
			e.acquaint(peer)
		}
	}
	return nil
}

// remember puts a call that has ended into the history.
func (e *Engine) remember(c *call) {
	e.mu.Lock()
	r := c.rec
	entry := history.Call{
		Peer: r.Peer, PeerName: r.PeerName, Account: r.Account, Incoming: r.Incoming, Missed: c.missed,
		StartedAt: r.StartedAt, AnsweredAt: r.AnsweredAt, EndedAt: r.EndedAt, Reason: r.Reason, Detail: r.Detail,
	}
	e.mu.Unlock()
	kept, err := e.history.Add(entry)
	if err != nil {
		e.log.Warn("call not kept in the history", "err", err)
		e.addNotice("Calls cannot be saved. Make room on the disk, or look at the profile folder.", err.Error())
		return
	}
	if peer, err := uri.Parse(r.Peer); err == nil && (!r.Incoming || !r.AnsweredAt.IsZero()) {
		e.acquaint(peer)
	}
	out := recordOut(kept)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.emit(Event{Kind: EventRecord, Record: &out})
	e.changedLocked()
}

func recordOut(c history.Call) Record { return Record(c) }

func (e *Engine) recentOut(limit int) []Record {
	calls := e.history.Recent(limit)
	out := make([]Record, len(calls))
	for i, c := range calls {
		out[i] = recordOut(c)
	}
	return out
}

// History gives the newest calls that are over, newest first, at most limit; 0: all there are.
func (e *Engine) History(_ context.Context, limit int) ([]Record, error) {
	if limit < 0 {
		return nil, userErrorf("The number of calls cannot be negative.")
	}
	return e.recentOut(limit), nil
}

// SeeMissed notes that the user has looked at the missed calls.
func (e *Engine) SeeMissed(context.Context) error {
	if err := e.history.SeeAll(); err != nil {
		return saveFailed(err)
	}
	e.changed()
	return nil
}

// ClearHistory forgets all calls that are over.
func (e *Engine) ClearHistory(context.Context) error {
	if err := e.history.Clear(); err != nil {
		return saveFailed(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = slices.DeleteFunc(e.calls, func(c *call) bool { return !c.live() })
	e.changedLocked()
	return nil
}

// Redial calls the last number called again, by the same account.
func (e *Engine) Redial(ctx context.Context) (string, error) {
	last, ok := e.history.LastDialled()
	if !ok {
		return "", userErrorf("You have not called anybody yet.")
	}
	o := CallOptions{From: last.Account}
	if _, err := e.findAccount(last.Account); err != nil {
		o.From = "" // removed since
	}
	return e.Call(ctx, last.Peer, o)
}

// isMissed tells whether an incoming call that ended this way counts as missed: nobody here took or refused it, and
// nobody took it elsewhere (RFC 3326 2).
func isMissed(c *call, cause sip.EndCause) bool {
	if !c.rec.Incoming || !c.rec.AnsweredAt.IsZero() {
		return false
	}
	switch cause.Reason {
	case sip.EndedCancelled, sip.EndedNoAnswer:
		return true
	case sip.EndedFailed: // such as a caller whose network went away
		return !errors.Is(cause.Err, sip.ErrMedia)
	case sip.NotEnded, sip.EndedLocally, sip.EndedByPeer, sip.EndedElsewhere, sip.EndedRefused:
	}
	return false
}
