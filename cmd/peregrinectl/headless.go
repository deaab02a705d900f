package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/control"
	"github.com/peregrine-softphone/peregrine/app/demo"
)

// headless runs the engine of a profile until ctx ends or a client says quit.
func headless(ctx context.Context, opt options, words []string) error {
	if len(words) > 0 {
		return &control.UsageError{Sentence: "run takes no arguments; use --profile before it."}
	}
	log := logger(opt)
	e, err := app.New(ctx, app.Config{
		Profile: opt.profile, Logger: log, Locale: app.Locale(os.Getenv), Demo: demo.Start,
	})
	if err != nil {
		return err
	}
	printed := make(chan error, 1)
	events := e.Events(context.WithoutCancel(ctx)) // they end with the engine, "stopped" included
	go func() { printed <- printEvents(events) }()
	err = control.RunWith(ctx, e, opt.profile, log)
	return errors.Join(err, <-printed)
}

func printEvents(events <-chan app.Event) error {
	out := json.NewEncoder(os.Stdout)
	for ev := range events {
		if err := out.Encode(ev); err != nil {
			return err
		}
	}
	return nil
}
