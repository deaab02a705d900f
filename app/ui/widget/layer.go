package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// Layer is the root of a window: its content, above it the toasts at the foot of the window, and
// above all one tooltip. OnKey gets the keys that the focused part had no use for.
type Layer struct {
	fynewidget.BaseWidget
	OnKey func(*fyne.KeyEvent)
	// OnShortcut gets the shortcuts typed while a field of text has the focus; true: used up.
	OnShortcut func(fyne.Shortcut) bool

	// Scroll is the page shown, if it scrolls: it follows the focus. It may be nil, and return nil.
	Scroll func() *container.Scroll

	content fyne.CanvasObject
	toasts  *fyne.Container
	hint    *hint
	owner   fyne.CanvasObject // of the tooltip
}

// NewLayer returns the root for a window with the given content.
func NewLayer(content fyne.CanvasObject) *Layer {
	l := &Layer{content: content, toasts: container.NewVBox(), hint: newHint()}
	l.hint.Hide()
	l.ExtendBaseWidget(l)
	return l
}

// SetContent changes what is below.
func (l *Layer) SetContent(o fyne.CanvasObject) {
	l.content = o
	l.Refresh()
}

// Content returns what is below.
func (l *Layer) Content() fyne.CanvasObject { return l.content }

// AddToast lays a card over the foot of the window; the newest is lowest. At most three stay.
func (l *Layer) AddToast(o fyne.CanvasObject) {
	l.toasts.Add(o)
	for len(l.toasts.Objects) > 3 {
		l.toasts.Remove(l.toasts.Objects[0])
	}
	l.Refresh()
}

// RemoveToast takes a card away again.
func (l *Layer) RemoveToast(o fyne.CanvasObject) {
	l.toasts.Remove(o)
	l.Refresh()
}

// Toasts returns the cards shown, oldest first.
func (l *Layer) Toasts() []fyne.CanvasObject { return l.toasts.Objects }

// CreateRenderer implements fyne.Widget.
func (l *Layer) CreateRenderer() fyne.WidgetRenderer { return &layerRenderer{l: l} }

type layerRenderer struct{ l *Layer }

func (r *layerRenderer) Destroy()           {}
func (r *layerRenderer) MinSize() fyne.Size { return r.l.content.MinSize() }

func (r *layerRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.l.content, r.l.toasts, r.l.hint}
}

func (r *layerRenderer) Layout(s fyne.Size) {
	r.l.content.Resize(s)
	want := r.l.toasts.MinSize()
	width := min(max(want.Width, 320), s.Width-4*theme.Step)
	r.l.toasts.Resize(fyne.NewSize(width, want.Height))
	want = r.l.toasts.MinSize()
	r.l.toasts.Resize(fyne.NewSize(width, want.Height))
	r.l.toasts.Move(fyne.NewPos((s.Width-width)/2, s.Height-want.Height-22*theme.Step))
}

func (r *layerRenderer) Refresh() {
	r.Layout(r.l.Size())
	canvas.Refresh(r.l)
}

// layerOf returns the root of the window an object is in, or nil.
func layerOf(o fyne.CanvasObject) *Layer {
	c := fyne.CurrentApp().Driver().CanvasForObject(o)
	if c == nil {
		return nil
	}
	l, _ := c.Content().(*Layer)
	return l
}

func forwardKey(o fyne.CanvasObject, ev *fyne.KeyEvent) {
	if l := layerOf(o); l != nil && l.OnKey != nil {
		l.OnKey(ev)
	}
}

func showHint(owner fyne.CanvasObject, text string) {
	l := layerOf(owner)
	if l == nil || !owner.Visible() {
		return
	}
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject(owner)
	l.owner = owner
	l.hint.set(text)
	size := l.hint.MinSize()
	x := at.X + (owner.Size().Width-size.Width)/2
	x = max(theme.Step, min(x, l.Size().Width-size.Width-theme.Step))
	y := at.Y + owner.Size().Height + theme.Step
	if y+size.Height > l.Size().Height {
		y = at.Y - size.Height - theme.Step
	}
	l.hint.Resize(size)
	l.hint.Move(fyne.NewPos(x, y))
	l.hint.Show()
}

func hideHint(owner fyne.CanvasObject) {
	if l := layerOf(owner); l != nil && l.owner == owner {
		l.hint.Hide()
		l.owner = nil
	}
}

// hint is the tooltip: a dark word on a light ground in the dark theme and the other way round.
type hint struct {
	fynewidget.BaseWidget
	ground *canvas.Rectangle
	text   *canvas.Text
}

func newHint() *hint {
	h := &hint{ground: canvas.NewRectangle(color.Black), text: canvas.NewText("", color.White)}
	h.ground.CornerRadius = 8
	h.text.TextSize = theme.SizeCaption
	h.ExtendBaseWidget(h)
	return h
}

func (h *hint) set(s string) {
	h.text.Text = s
	h.Refresh()
}

func (h *hint) CreateRenderer() fyne.WidgetRenderer { return &hintRenderer{h} }

type hintRenderer struct{ h *hint }

func (r *hintRenderer) Destroy() {}
func (r *hintRenderer) MinSize() fyne.Size {
	return r.h.text.MinSize().AddWidthHeight(5*theme.Step, 2*theme.Step)
}

func (r *hintRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.h.ground, r.h.text}
}

func (r *hintRenderer) Layout(s fyne.Size) {
	r.h.ground.Resize(s)
	m := r.h.text.MinSize()
	r.h.text.Resize(m)
	r.h.text.Move(fyne.NewPos((s.Width-m.Width)/2, (s.Height-m.Height)/2))
}

func (r *hintRenderer) Refresh() {
	r.h.ground.FillColor, r.h.text.Color = theme.Color(theme.Text), theme.Color(theme.Surface)
	r.Layout(r.h.Size())
	canvas.Refresh(r.h.ground)
	canvas.Refresh(r.h.text)
}
