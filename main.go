// Command peregrine is the Peregrine softphone with its window.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	fyneapp "fyne.io/fyne/v2/app"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/control"
	"github.com/peregrine-softphone/peregrine/app/demo"
	"github.com/peregrine-softphone/peregrine/app/ui"
)

// version is set by the linker in a release.
var version = "dev"

// appID is the identity of the program for the system (FyneApp.toml has the same).
const appID = "io.github.peregrine_softphone.Peregrine"

func main() {
	profile := flag.String("profile", "", "folder of settings, buddies and history (default: the system's place)")
	verbose := flag.Bool("verbose", false, "write what happens to standard error")
	flag.Parse()
	if err := run(*profile, *verbose); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(profile string, verbose bool) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelDebug
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	if profile == "" {
		dir, err := app.DefaultProfile()
		if err != nil {
			return err
		}
		profile = dir
	}
	e, err := app.New(ctx, app.Config{
		Profile: profile, Logger: log, Version: version, Locale: app.Locale(os.Getenv), Demo: demo.Start,
	})
	if err != nil {
		return err
	}
	if err := ui.Prepare(appID); err != nil {
		log.WarnContext(ctx, "the window's folders could not be made", "err", err)
	}
	engine := make(chan error, 1)
	ctx, quit := context.WithCancel(ctx)
	defer quit()
	go func() {
		defer quit() // the window closes when the engine ends, as by `peregrinectl quit`
		engine <- control.RunWith(ctx, e, profile, log)
	}()
	window := ui.Run(ctx, fyneapp.NewWithID(appID), e, ui.Options{Logger: log})
	quit()
	return errors.Join(window, <-engine)
}
