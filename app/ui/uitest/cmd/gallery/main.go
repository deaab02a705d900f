// Command gallery opens Peregrine's window on a fixture of package uitest, to look at it and to
// click through it without an account or a network.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"fyne.io/fyne/v2"
	fyneapp "fyne.io/fyne/v2/app"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui"
	"github.com/peregrine-softphone/peregrine/app/ui/uitest"
)

func main() {
	name := flag.String("fixture", "buddies", "first, buddies, call, moving, incoming, two, failed, settings or many")
	theme := flag.String("theme", "dark", "dark, light or system")
	width := flag.Int("width", 1040, "of the window")
	height := flag.Int("height", 720, "of the window")
	ring := flag.Duration("ring", 0, "let a call come in after this time")
	flag.Parse()
	for _, f := range uitest.All(time.Now()) {
		if f.Name == *name {
			if err := open(f, *theme, fyne.NewSize(float32(*width), float32(*height)), *ring); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	fmt.Fprintln(os.Stderr, "There is no fixture", *name)
	os.Exit(2)
}

func open(f uitest.Fixture, theme string, size fyne.Size, ring time.Duration) error {
	e := uitest.New(f, time.Now)
	e.Change(func(s *app.Snapshot) { s.Settings["theme"] = theme })
	if ring > 0 {
		defer time.AfterFunc(ring, func() {
			e.Change(func(s *app.Snapshot) {
				s.Calls = append(s.Calls, uitest.Ringing(time.Now()))
			})
		}).Stop()
	}
	a := fyneapp.NewWithID("io.github.peregrine_softphone.Gallery")
	return ui.Run(context.Background(), a, e, ui.Options{Size: size, Open: f.Open, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
}
