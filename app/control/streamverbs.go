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
