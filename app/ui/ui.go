// Package ui is Peregrine's window. Run shows what an Engine says and passes on what the user does;
// it decides nothing. The order of calls: make a Fyne application in main, then Run it with the
// engine; Run blocks on the main goroutine, as Fyne must, until the window is closed or the context
// ends. Everything that comes from other goroutines enters the UI thread in bind.go.
package ui

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/assets"
)

// Engine is what the window needs of the engine. All verbs may be called from any goroutine; their
// errors hold an *app.UserError.
type Engine interface {
	Snapshot() app.Snapshot
	Watch(ctx context.Context) <-chan app.Snapshot // the present state first, then the latest

	AddAccount(ctx context.Context, spec app.AccountSpec) error
	RemoveAccount(ctx context.Context, address string) error
	SetDefaultAccount(ctx context.Context, address string) error
	ForgetPin(ctx context.Context, address string) error // the key of its server
	StartDemo(ctx context.Context) error
	AddBuddy(ctx context.Context, address, name, group string) error
	RemoveBuddy(ctx context.Context, address string) error
	SetPresence(ctx context.Context, p app.Presence, note string) error
	SetLamp(ctx context.Context, address string, watch, share bool) error

	Call(ctx context.Context, address string, o app.CallOptions) (id string, err error)
	Answer(ctx context.Context, id string) error
	Decline(ctx context.Context, id string) error
	Hangup(ctx context.Context, id string) error
	Hold(ctx context.Context, id string) error
	Resume(ctx context.Context, id string) error
	Mute(ctx context.Context, id string, on bool) error
	Codec(ctx context.Context, id, name string) error                     // "auto": the program chooses
	Record(ctx context.Context, id, path string) (file string, err error) // "": a named file in the folder
	StopRecording(ctx context.Context, id string) error
	DTMF(ctx context.Context, id, digits string) error
	Transfer(ctx context.Context, id, address string) error // unseen
	Connect(ctx context.Context, id, otherID string) error  // the two others talk, we leave
	Conference(ctx context.Context, ids ...string) error    // none: all answered calls
	Split(ctx context.Context, id string) error             // out of the conference, on hold
	Redial(ctx context.Context) (id string, err error)

	SeeMissed(ctx context.Context) error
	ClearHistory(ctx context.Context) error

	AcceptRequest(ctx context.Context, id string) error
	RefuseRequest(ctx context.Context, id string, block bool) error
	Block(ctx context.Context, address string) error
	Unblock(ctx context.Context, address string) error
	Blocked(ctx context.Context) ([]string, error)

	Message(ctx context.Context, address, text string) (app.Message, error)
	RetryMessage(ctx context.Context, id string) error
	Messages(ctx context.Context, address string, limit int) ([]app.Message, error)
	MarkRead(ctx context.Context, address string) error

	Set(ctx context.Context, key, value string) error
	Get(ctx context.Context, key string) (string, error)
	Devices(ctx context.Context) ([]app.Device, error)
	SoundTest(ctx context.Context) error             // a second one ends the first
	PlayTone(ctx context.Context, what string) error // "ringtone"
	DismissNotice(ctx context.Context, id string) error
	Trace(ctx context.Context) <-chan app.TraceEntry // the recent ones first; ends with ctx
	TraceTo(ctx context.Context, path string) error  // "": stops
}

// Options are what the window needs besides the engine. The zero value is good.
type Options struct {
	Title   string           // default "Peregrine"
	Size    fyne.Size        // default 1040 by 720
	Logger  *slog.Logger     // default: discards
	Now     func() time.Time // default time.Now
	Open    string           // address of the person to show at the start; may be ""
	Started func()           // called once on the UI thread when the window is shown
}

func (o Options) withDefaults() Options {
	if o.Title == "" {
		o.Title = "Peregrine"
	}
	if o.Size.IsZero() {
		o.Size = fyne.NewSize(1040, 720)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Run shows the window until it is closed or ctx ends. It must be called on the main goroutine, once
// per process, and returns when all its goroutines have ended.
func Run(ctx context.Context, a fyne.App, e Engine, o Options) error {
	o = o.withDefaults()
	if err := lang.AddTranslationsFS(assets.Translations, "translations"); err != nil {
		return fmt.Errorf("load translations: %w", err)
	}
	outer := ctx // its end closes the window; ctx ends with the window
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a.SetCloudProvider(ownSettings{})
	a.SetIcon(theme.AppIcon())
	b := newUIBinder(ctx)
	w := newWindow(a, e, b, o) //nolint:contextcheck // what the user asks for runs in the binder's context
	if o.Open != "" {
		w.Open(o.Open) //nolint:contextcheck // as above
	}
	restore := func() {}
	a.Lifecycle().SetOnStarted(func() {
		restore = calm(a)
		w.refocus()
		b.start(e, w.show, w.tick)
		if o.Started != nil {
			o.Started()
		}
	})
	a.Lifecycle().SetOnEnteredForeground(func() { w.setForeground(true) }) //nolint:contextcheck // as above
	a.Lifecycle().SetOnExitedForeground(func() { w.setForeground(false) }) //nolint:contextcheck // as above
	a.Lifecycle().SetOnStopped(cancel)
	w.win.SetOnClosed(func() {
		w.flush(ctx)
		cancel()
	})
	stop := quitWith(outer, a)
	w.win.ShowAndRun()
	stop() // the application is gone, there is nothing left to quit
	restore()
	cancel()
	b.wait()
	return nil
}
