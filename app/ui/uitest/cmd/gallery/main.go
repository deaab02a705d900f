// Command gallery opens Peregrine's window on a fixture of package uitest, to look at it and to
// click through it without an account or a network. Its flags let things happen: a call comes in, a
// message, the network goes. It can also write a processor profile.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime/pprof"
	"time"

	"fyne.io/fyne/v2"             //nolint:depguard // it shows the window and has no engine
	fyneapp "fyne.io/fyne/v2/app" //nolint:depguard // as above

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui"
	"github.com/peregrine-softphone/peregrine/app/ui/uitest"
)

const appID = "io.github.peregrine_softphone.Gallery"

// scene is what happens after the start; a zero duration: not at all.
type scene struct {
	theme              string
	size               fyne.Size
	ring, move, cancel time.Duration
	write              time.Duration
	live, noKeyring    bool
	refuse             time.Duration
}

func main() {
	name := flag.String("fixture", "buddies", "first, buddies, call, moving, incoming, two, failed, settings or many")
	var s scene
	flag.StringVar(&s.theme, "theme", "dark", "dark, light or system")
	width := flag.Int("width", 1040, "of the window")
	height := flag.Int("height", 720, "of the window")
	flag.DurationVar(&s.ring, "ring", 0, "let a call come in after this time")
	flag.DurationVar(&s.cancel, "cancel", 0, "let the caller give up after this time")
	flag.DurationVar(&s.move, "move", 0, "let the network of the calls go after this time, and come back as long after")
	flag.DurationVar(&s.write, "write", 0, "let a message come in after this time")
	flag.BoolVar(&s.live, "live", false, "let the figures of the calls change as those of real ones")
	flag.DurationVar(&s.refuse, "refuse", 0, "let servers refuse new accounts, after this time each")
	flag.BoolVar(&s.noKeyring, "nokeyring", false, "have no keyring")
	profile := flag.String("cpuprofile", "", "write a processor profile to this file")
	flag.Parse()
	s.size = fyne.NewSize(float32(*width), float32(*height))
	if err := run(*name, s, *profile); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:forbidigo // this is main
	}
}

func run(name string, s scene, profile string) error {
	if profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	for _, f := range uitest.All(time.Now()) {
		if f.Name == name {
			return open(f, s)
		}
	}
	return fmt.Errorf("there is no fixture %s", name)
}

func open(f uitest.Fixture, s scene) error {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // this is main
	defer cancel()
	e := uitest.New(f, time.Now)
	e.Change(func(snap *app.Snapshot) { snap.Settings["theme"] = s.theme })
	s.play(ctx, e)
	if err := ui.Prepare(appID); err != nil {
		return err
	}
	a := fyneapp.NewWithID(appID)
	return ui.Run(
		ctx,
		a,
		e,
		ui.Options{Size: s.size, Open: f.Open, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))},
	)
}

// play lets things happen until ctx ends.
func (s scene) play(ctx context.Context, e *uitest.Engine) {
	after := func(d time.Duration, f func()) {
		if d > 0 {
			t := time.AfterFunc(d, f)
			context.AfterFunc(ctx, func() { t.Stop() })
		}
	}
	after(s.ring, func() {
		e.Change(func(snap *app.Snapshot) { snap.Calls = append(snap.Calls, uitest.Ringing(time.Now())) })
	})
	after(s.cancel, func() { e.Cancel("8", "Chloé Nguyen gave up.") })
	after(s.write, func() { e.Receive("sip:chloe@info.test", "On my way, five minutes.") })
	after(s.move, func() { e.Network("Network gone, holding your call") })
	after(2*s.move, func() { e.Network("Back on wlan0, 41 ms") })
	if s.noKeyring {
		e.NoKeyring()
	}
	if s.refuse > 0 {
		e.Slow()
		go e.RefuseAccounts(ctx, s.refuse)
	}
	if s.live {
		go e.Live(ctx)
	}
}
