package app

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// maxRequests bounds the list of undecided requests; the oldest go first.
const maxRequests = 50

// request is a Request and what deciding about it does. Guarded by Engine.mu.
type request struct {
	Request
	accept func(ctx context.Context) error // nil: only the address is allowed
	refuse func(ctx context.Context)       // nil: nothing but taking it off the list
}

// ask puts a request on the list, with what saying yes and no does (nil: nothing more than that); one of the same
// kind from the same address only grows. It gives the request's id.
func (e *Engine) ask(kind RequestKind, from uri.Address, text, inCall string, accept func(context.Context) error,
	refuse func(context.Context),
) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := from.URI.AOR().String()
	for i, r := range e.requests {
		if r.Kind == kind && r.From == key && kind != RequestTransfer {
			r.At, r.Count, r.Text, r.accept, r.refuse = time.Now(), r.Count+1, text, accept, refuse
			e.requests = append(slices.Delete(e.requests, i, i+1), r)
			e.emitRequestLocked(r)
			return r.ID
		}
	}
	e.lastRequest++
	r := &request{
		Request: Request{
			ID: strconv.Itoa(e.lastRequest), Kind: kind, From: key, Name: e.nameOfLocked(from),
			At: time.Now(), Count: 1, Text: text, Call: inCall,
		},
		accept: accept, refuse: refuse,
	}
	e.requests = append(e.requests, r)
	if len(e.requests) > maxRequests {
		e.requests = slices.Delete(e.requests, 0, len(e.requests)-maxRequests)
	}
	e.emitRequestLocked(r)
	return r.ID
}

func (e *Engine) emitRequestLocked(r *request) {
	out := r.Request
	e.emit(Event{Kind: EventRequest, Request: &out})
	e.changedLocked()
}

// requestsLocked are the open requests for the snapshot. The caller holds e.mu.
func (e *Engine) requestsLocked() []Request {
	out := make([]Request, len(e.requests))
	for i, r := range e.requests {
		out[i] = r.Request
	}
	return out
}

// takeRequest takes a request off the list. An empty id means the only one there is.
func (e *Engine) takeRequest(id string) (*request, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if id == "" && len(e.requests) > 1 {
		ids := make([]string, len(e.requests))
		for i, r := range e.requests {
			ids[i] = r.ID
		}
		return nil, userErrorf("There are several requests. Say which: %s.", strings.Join(ids, ", "))
	}
	i := slices.IndexFunc(e.requests, func(r *request) bool { return id == "" || r.ID == id })
	if i < 0 {
		return nil, userErrorf("That request is gone already.")
	}
	r := e.requests[i]
	e.requests = slices.Delete(e.requests, i, i+1)
	e.changedLocked()
	return r, nil
}

// dropRequest takes a request away that nobody can decide about any more.
func (e *Engine) dropRequest(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := len(e.requests)
	e.requests = slices.DeleteFunc(e.requests, func(r *request) bool { return r.ID == id })
	if len(e.requests) != n {
		e.changedLocked()
	}
}

// AcceptRequest says yes: a stranger may ring and write from now on, a transfer is carried out, a server is trusted.
func (e *Engine) AcceptRequest(ctx context.Context, id string) error {
	r, err := e.takeRequest(id)
	if err != nil {
		return err
	}
	if r.Kind == RequestCall || r.Kind == RequestMessage {
		if err := e.decide(r.From, false); err != nil {
			return err
		}
	}
	if r.accept != nil {
		return r.accept(ctx)
	}
	return nil
}

// RefuseRequest says no, once, or for good when block is set.
func (e *Engine) RefuseRequest(ctx context.Context, id string, block bool) error {
	r, err := e.takeRequest(id)
	if err != nil {
		return err
	}
	if r.refuse != nil {
		r.refuse(ctx)
	}
	if block {
		return e.decide(r.From, true)
	}
	return nil
}
