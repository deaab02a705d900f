package ui

import (
	"context"
	"slices"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/page"
)

// toast is a card at the foot of the window that goes away by itself.
type toast struct {
	card  fyne.CanvasObject
	until time.Time
	text  string
}

// Tell implements page.Actions: a sentence that goes away by itself, its details one click away.
func (w *window) Tell(text, detail string) {
	w.toast(text, detail, "", nil)
}

// toast shows a sentence, with a link that does something if action is not "".
func (w *window) toast(text, detail, action string, run func()) {
	for i, t := range w.toasts {
		if t.text == text { // said already: it stays longer, it does not come twice
			w.toasts[i].until = w.opts.Now().Add(keep)
			return
		}
	}
	t := toast{until: w.opts.Now().Add(keep), text: text}
	var card fyne.CanvasObject
	closeIt := func() { w.dropToast(card) }
	if run != nil {
		do := run
		run = func() {
			closeIt()
			do()
		}
	}
	stay := func() { w.holdToast(card) }
	card = page.NewToast(text, detail, action, run, closeIt, stay)
	t.card = card
	w.toasts = append(w.toasts, t)
	w.layer.AddToast(card)
}

// holdToast keeps a card whose details the user reads.
func (w *window) holdToast(card fyne.CanvasObject) {
	for i := range w.toasts {
		if w.toasts[i].card == card {
			w.toasts[i].until = w.opts.Now().Add(time.Hour)
		}
	}
	w.layer.Refresh()
}

func (w *window) dropToast(card fyne.CanvasObject) {
	for i, t := range w.toasts {
		if t.card == card {
			w.toasts = append(w.toasts[:i], w.toasts[i+1:]...)
			break
		}
	}
	w.layer.RemoveToast(card)
}

func (w *window) dropToasts(now time.Time) {
	for _, v := range slices.Backward(w.toasts) {
		if now.After(v.until) {
			w.dropToast(v.card)
		}
	}
}

// offerUndo tells that a buddy is gone and offers to bring it back.
func (w *window) offerUndo(b app.Buddy) {
	text := lang.L("{{.Name}} was removed from the list.", map[string]any{"Name": b.Name})
	w.toast(text, "", lang.L("Undo"), func() {
		w.verb(func(ctx context.Context) error { return w.engine.AddBuddy(ctx, b.Address, b.Name, b.Group) })
	})
}
