package ui

import (
	"context"

	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/page"
)

// Accept implements page.Actions.
func (w *window) Accept(id string, then func()) {
	w.bind.verb(func(ctx context.Context) error { return w.engine.AcceptRequest(ctx, id) }, func(err error) {
		w.fail(err)
		if err == nil && then != nil {
			then()
		}
	})
}

// acceptFrom says yes to what somebody wanted as a stranger, who is none any more.
func (w *window) acceptFrom(address string) {
	for _, r := range w.snap.Requests {
		if (r.Kind == app.RequestCall || r.Kind == app.RequestMessage) && page.Same(r.From, address) {
			w.Accept(r.ID, nil)
		}
	}
}

// Refuse implements page.Actions. Blocking somebody can be undone.
func (w *window) Refuse(id string, block bool) {
	var from app.Request
	for _, r := range w.snap.Requests {
		if r.ID == id {
			from = r
		}
	}
	w.bind.verb(func(ctx context.Context) error { return w.engine.RefuseRequest(ctx, id, block) }, func(err error) {
		w.fail(err)
		if err == nil && block {
			w.offerUnblock(from.From)
		}
	})
}

// Block implements page.Actions. It acts at once and offers to undo it.
func (w *window) Block(address string) {
	w.bind.verb(func(ctx context.Context) error { return w.engine.Block(ctx, address) }, func(err error) {
		w.fail(err)
		if err == nil {
			w.offerUnblock(address)
			w.blockedChanged()
		}
	})
}

func (w *window) offerUnblock(address string) {
	name := page.NameOf(w.snap, address)
	text := lang.L("{{.Name}} is blocked and reaches you no more.", map[string]any{"Name": name})
	w.toast(text, "", lang.L("Undo"), func() { w.Unblock(address) })
}

// Unblock implements page.Actions.
func (w *window) Unblock(address string) {
	w.bind.verb(func(ctx context.Context) error { return w.engine.Unblock(ctx, address) }, func(err error) {
		w.fail(err)
		w.blockedChanged()
	})
}

// blockedChanged shows the list of blocked addresses anew, if it is shown.
func (w *window) blockedChanged() {
	if w.view == viewSettings {
		w.settings.Blocked.Load()
	}
}

// Blocked implements page.Actions.
func (w *window) Blocked(done func([]string, error)) {
	var addresses []string
	w.bind.verb(func(ctx context.Context) (err error) {
		addresses, err = w.engine.Blocked(ctx)
		return err
	}, func(err error) { done(addresses, err) })
}

// SetDefaultAccount implements page.Actions.
func (w *window) SetDefaultAccount(address string) {
	w.verb(func(ctx context.Context) error { return w.engine.SetDefaultAccount(ctx, address) })
}

// ForgetPin implements page.Actions.
func (w *window) ForgetPin(address string) {
	w.bind.verb(func(ctx context.Context) error { return w.engine.ForgetPin(ctx, address) }, func(err error) {
		w.fail(err)
		if err == nil {
			w.Tell(lang.L("The key is forgotten. The next one the server shows is kept."), "")
		}
	})
}

// SetLamp implements page.Actions.
func (w *window) SetLamp(address string, watch, share bool) {
	w.verb(func(ctx context.Context) error { return w.engine.SetLamp(ctx, address, watch, share) })
}

// ShowDetails implements page.Actions. The trace runs as long as the page is shown.
func (w *window) ShowDetails() {
	w.stopTrace()
	now := w.opts.Now()
	w.support = page.NewSupport(w, now)
	w.support.Show(w.snap, now)
	ctx, cancel := context.WithCancel(w.bind.ctx)
	w.stopTrace = cancel
	w.bind.trace(ctx, w.engine.Trace(ctx), w.support.Add)
	w.showPage(viewSupport, lang.L("Details for support"), w.support.Root)
}

// TraceTo implements page.Actions.
func (w *window) TraceTo(path string, done func(error)) {
	w.bind.verb(func(ctx context.Context) error { return w.engine.TraceTo(ctx, path) }, done)
}
