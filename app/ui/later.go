package ui

import (
	"context"

	"github.com/peregrine-softphone/peregrine/app"
)

// conferenceEngine and traceEngine are verbs that move into Engine as soon as *app.Engine has them.
type conferenceEngine interface {
	Conference(ctx context.Context, ids ...string) error // none: all answered calls
	Split(ctx context.Context, id string) error          // out of the conference, on hold
}

type traceEngine interface {
	Trace(ctx context.Context) <-chan app.TraceEntry // the recent ones first; ends with ctx
	TraceTo(ctx context.Context, path string) error  // "": stops
}

func later[E any](e Engine, f func(E) error) error {
	if v, ok := e.(E); ok {
		return f(v)
	}
	return &app.UserError{Sentence: "This comes with a later version."}
}
