package control

import (
	"context"
	"errors"
	"log/slog"

	"github.com/peregrine-softphone/peregrine/app"
)

// RunWith runs an engine and serves its profile's socket until ctx ends or a client says quit.
func RunWith(ctx context.Context, e *app.Engine, profile string, log *slog.Logger) error {
	l, err := Listen(ctx, profile)
	if err != nil {
		e.Close()
		return err
	}
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	served := make(chan error, 1)
	serve, stopServe := context.WithCancel(context.WithoutCancel(ctx))
	go func() { served <- Serve(serve, l, e, quit, log) }()
	err = e.Run(ctx)
	stopServe()
	return errors.Join(err, <-served)
}
