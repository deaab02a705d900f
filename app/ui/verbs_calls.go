package ui

import (
	"context"
	"slices"

	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/page"
)

// CallFrom implements page.Actions. An empty account is the one that fits.
func (w *window) CallFrom(address, account string) {
	if address == "" {
		return
	}
	known := slices.ContainsFunc(w.snap.Accounts, func(a app.Account) bool { return page.Same(a.Address, account) })
	if len(w.snap.Accounts) < 2 || !known {
		account = "" // there is nothing to choose, or it is gone
	}
	w.verb(func(ctx context.Context) error {
		_, err := w.engine.Call(ctx, address, app.CallOptions{From: account})
		return err
	})
	if _, ok := page.FindBuddy(w.snap, address); ok {
		w.Open(address)
	}
}

// Redial implements page.Actions.
func (w *window) Redial() {
	w.verb(func(ctx context.Context) error {
		_, err := w.engine.Redial(ctx)
		return err
	})
}

// Transfer implements page.Actions.
func (w *window) Transfer(id, address string, done func(error)) {
	w.bind.verb(func(ctx context.Context) error { return w.engine.Transfer(ctx, id, address) }, done)
}

// Connect implements page.Actions.
func (w *window) Connect(id, other string, done func(error)) {
	w.bind.verb(func(ctx context.Context) error { return w.engine.Connect(ctx, id, other) }, done)
}

// TalkTogether implements page.Actions.
func (w *window) TalkTogether() {
	if w.strips.CanTalkTogether() {
		w.verb(func(ctx context.Context) error { return w.engine.Conference(ctx) })
	}
}

// Split implements page.Actions.
func (w *window) Split(id string) {
	w.verb(func(ctx context.Context) error { return w.engine.Split(ctx, id) })
}

// ShowTransfer implements page.Actions.
func (w *window) ShowTransfer(id string) {
	p := page.NewTransfer(w, id, w.closeDialog)
	if !p.Show(w.snap) {
		return // it is not answered, or is being handed on already
	}
	w.closeDialog()
	w.transfer = p
	w.dialog = fynewidget.NewModalPopUp(p.Root, w.win.Canvas())
	w.dialog.Show()
	w.win.Canvas().Focus(p.Search)
}

// transferFocused is Ctrl+T.
func (w *window) transferFocused() {
	if c, ok := w.focusedCall(); ok {
		w.ShowTransfer(c.ID)
	}
}

// SeeMissed implements page.Actions.
func (w *window) SeeMissed() {
	if !w.foreground || w.seen == w.snap.Revision {
		return
	}
	w.seen = w.snap.Revision // asked for once
	w.verb(w.engine.SeeMissed)
}

// ClearHistory implements page.Actions: the list is empty at once, the history goes when the chance
// to undo it is over.
func (w *window) ClearHistory() {
	if w.clearing {
		return
	}
	w.clearing = true
	w.sidebar.HideHistory(true)
	w.offer(lang.L("The history was cleared."), lang.L("Undo"), func() {
		w.clearing = false
		w.sidebar.HideHistory(false)
	}, w.clearNow)
}

// clearNow carries out what ClearHistory has promised.
func (w *window) clearNow() {
	if !w.clearing {
		return
	}
	w.bind.verb(w.engine.ClearHistory, func(err error) {
		w.fail(err)
		w.clearing = false
		w.sidebar.HideHistory(false)
	})
}

// toggleDND is Ctrl+Shift+D.
func (w *window) toggleDND() {
	if w.snap.Self.DND {
		w.Set("dnd", "off")
		w.Tell(lang.L("Calls ring again."), "")
		return
	}
	w.Set("dnd", "on")
	w.Tell(lang.L("Do not disturb: calls are turned away quietly."), "")
}
