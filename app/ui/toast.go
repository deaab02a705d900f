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
	undo  func() // its link; may be nil
	gone  func() // called when it goes away without its action having been taken; may be nil
}

// Tell implements page.Actions: a sentence that goes away by itself, its details one click away.
func (w *window) Tell(text, detail string) {
	w.toast(text, detail, "", nil)
}

// toast shows a sentence, with a link that does something if action is not "".
func (w *window) toast(text, detail, action string, run func()) {
	w.addToast(text, detail, action, run, nil)
}

// offer shows a sentence with a link that takes something back; gone is called when nobody did.
func (w *window) offer(text, action string, run, gone func()) {
	w.addToast(text, "", action, run, gone)
}

func (w *window) addToast(text, detail, action string, run, gone func()) {
	for i, t := range w.toasts {
		if t.text == text { // said already: it stays longer, it does not come twice
			w.toasts[i].until = w.opts.Now().Add(keep)
			return
		}
	}
	t := toast{until: w.opts.Now().Add(keep), text: text, gone: gone}
	var card fyne.CanvasObject
	closeIt := func() { w.dropToast(card) }
	if run != nil {
		do := run
		run = func() {
			w.keepToast(card)
			closeIt()
			do()
		}
	}
	t.undo = run
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
	w.layer.RemoveToast(card)
	for i, t := range w.toasts {
		if t.card == card {
			w.toasts = append(w.toasts[:i], w.toasts[i+1:]...)
			if t.gone != nil {
				t.gone()
			}
			return
		}
	}
}

// keepToast keeps what a toast offered to take back: the user has done so.
func (w *window) keepToast(card fyne.CanvasObject) {
	for i := range w.toasts {
		if w.toasts[i].card == card {
			w.toasts[i].gone = nil
		}
	}
}

// flush carries out what waits for a chance to undo it: the window goes.
func (w *window) flush(ctx context.Context) {
	if !w.clearing {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	if err := w.engine.ClearHistory(ctx); err != nil {
		w.opts.Logger.WarnContext(ctx, "history not cleared", "error", err)
	}
}

// flushTime is how long the window may take to go.
const flushTime = 2 * time.Second

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
