package ui

import (
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/page"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// ring is the small window of one incoming call. It lies on top of all windows; it takes the focus
// only when the user clicks it (see showQuietly), and Enter answers only then.
type ring struct {
	win  fyne.Window
	card *page.Incoming
}

// mostRings bounds the windows of calls that ring at the same time; further ones have their strip.
const mostRings = 3

// showRings opens and closes the windows of the calls that ring.
func (w *window) showRings(now time.Time) {
	ringing := map[string]bool{}
	for _, c := range w.snap.Calls {
		if c.State != app.CallIncoming || w.hungUp[c.ID] || c.Waiting {
			continue // one that comes during another call has its strip: it must not burst into the talk
		}
		ringing[c.ID] = true
		r := w.rings[c.ID]
		if r == nil && len(w.rings) < mostRings {
			r = w.openRing(c, now)
		}
		if r != nil {
			r.card.Show(w.snap, c, now)
		}
	}
	for id := range w.rings {
		if !ringing[id] {
			w.closeRing(id)
		}
	}
}

func (w *window) openRing(c app.Call, now time.Time) *ring {
	r := &ring{win: w.app.NewWindow(lang.L("{{.Name}} is calling", map[string]any{"Name": c.PeerName}))}
	id := c.ID
	r.card = page.NewIncoming(w, id, c.Peer, func() { w.win.RequestFocus() })
	r.card.Show(w.snap, c, now)
	r.win.SetPadded(false)
	r.win.SetFixedSize(true)
	layer := widget.NewLayer(r.card.Root)
	r.win.SetContent(layer)
	typed := func(ev *fyne.KeyEvent) {
		switch ev.Name { //nolint:exhaustive // the other keys mean nothing here
		case fyne.KeyReturn, fyne.KeyEnter:
			w.Answer(id)
		case fyne.KeyEscape:
			w.Decline(id)
		}
	}
	r.win.Canvas().SetOnTypedKey(typed)
	r.win.SetCloseIntercept(func() { r.win.Hide() }) // the call rings on in its strip
	r.win.Resize(fyne.NewSize(340, 0))
	if d, ok := r.win.(desktop.Window); ok {
		d.RequestAlwaysOnTop()
	}
	showQuietly(r.win)
	w.rings[id] = r
	return r
}

func (w *window) closeRing(id string) {
	r := w.rings[id]
	if r == nil {
		return
	}
	delete(w.rings, id)
	r.win.SetCloseIntercept(nil)
	r.win.Close()
}
