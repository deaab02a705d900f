//go:build lab

package desktop

import (
	"image"
)

// changed counts the pixels that differ between two pictures of a window.
func changed(a, b *image.RGBA) int {
	n := 0
	for i := 0; i+3 < min(len(a.Pix), len(b.Pix)); i += 4 {
		if string(a.Pix[i:i+4]) != string(b.Pix[i:i+4]) {
			n++
		}
	}
	return n
}

// A panel covers a good part of the window; the clock and the bars of a call are a few hundred pixels.
const (
	panelPixels = 20000
	stillPixels = 5000
)

// transfer: Ctrl+T in a call asks whom to, Escape takes the question away.
func (w *walk) transfer() {
	before := w.s.moving(w.window)
	w.press("ctrl+t")
	await(w.t, "the panel for a transfer", func() bool { return changed(before, w.inside()) > panelPixels })
	w.keep("transfer", w.s.moving(w.window))
	w.press("Escape")
	await(w.t, "the panel gone", func() bool { return changed(before, w.inside()) < stillPixels })
	if c := w.p.calls()[0]; c.State != "established" {
		w.t.Errorf("after the question the call is %s", c.State)
	}
}

// history: the middle tab below the list has the call that is over; a click shows its details.
func (w *walk) history() {
	list := w.p.history()
	if len(list) != 1 || list[0].Missed || list[0].Incoming {
		w.t.Fatalf("the history is %+v", list)
	}
	size := w.inside().Rect.Max
	side := w.sidebar()
	before := w.s.still(w.window)
	w.click(image.Pt(side/2, size.Y-28))
	await(w.t, "the list of calls", func() bool { return changed(before, w.inside()) > stillPixels/5 })
	w.keep("more/recent", w.s.still(w.window))
	w.click(image.Pt(side/6, size.Y-28))
	await(w.t, "the buddies again", func() bool { return changed(before, w.inside()) < stillPixels/5 })
}

// support: Ctrl+Shift+T opens the page for whoever helps the user; the trace shows what comes and goes, Escape closes.
func (w *walk) support() {
	before := w.s.still(w.window)
	w.press("ctrl+shift+t")
	await(w.t, "the page for support", func() bool { return changed(before, w.inside()) > panelPixels })
	w.sees("a message by SIP", func(size image.Point) image.Rectangle {
		return image.Rect(0, size.Y/4, size.X, size.Y)
	}, w.colors.surface, 2000)
	w.click(image.Pt(w.inside().Rect.Dx()/2, w.inside().Rect.Dy()*302/720)) // a row of the list
	w.keep("support", w.s.still(w.window))
	w.press("Escape", "Escape") // by way of the settings
	await(w.t, "the page gone", func() bool { return changed(before, w.inside()) < panelPixels })
}
