package control

import (
	"context"
	"time"

	"github.com/peregrine-softphone/peregrine/app"
)

// streamVerbs go on until their client leaves.
func streamVerbs() []Verb {
	return []Verb{
		{Name: "watch", Help: "print the present state, then events", stream: watch},
		{Name: "trace", Help: "print SIP messages as they come and go, passwords and texts masked", stream: trace},
		{
			Name: "trace save", Help: "write the SIP messages from now on to a file as well",
			Params: []Param{{Name: "file", Path: true}},
			run: func(ctx context.Context, e *app.Engine, a Args) (any, error) {
				return done{}, e.TraceTo(ctx, a["file"])
			},
		},
		{
			Name: "trace stop", Help: "stop writing that file",
			run: func(ctx context.Context, e *app.Engine, _ Args) (any, error) { return done{}, e.TraceTo(ctx, "") },
		},
	}
}

func watch(ctx context.Context, e *app.Engine, _ Args, send func(any) error) error {
	events := e.Events(ctx)
	first := struct {
		Event    string       `json:"event"`
		At       time.Time    `json:"at"`
		Snapshot app.Snapshot `json:"snapshot"`
	}{"snapshot", time.Now(), e.Snapshot()}
	if err := send(first); err != nil {
		return err
	}
	for ev := range events {
		if err := send(ev); err != nil {
			return err
		}
	}
	return nil
}

func trace(ctx context.Context, e *app.Engine, _ Args, send func(any) error) error {
	for entry := range e.Trace(ctx) {
		if err := send(entry); err != nil {
			return err
		}
	}
	return nil
}
