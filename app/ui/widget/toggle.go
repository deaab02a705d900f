package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// Toggle is a switch with a word before it.
type Toggle struct {
	fynewidget.BaseWidget
	Label     string
	OnChanged func(on bool)

	on, hovered, focused bool
}

var (
	_ fyne.Tappable      = (*Toggle)(nil)
	_ fyne.Focusable     = (*Toggle)(nil)
	_ fyne.Accessible    = (*Toggle)(nil)
	_ desktop.Hoverable  = (*Toggle)(nil)
	_ desktop.Cursorable = (*Toggle)(nil)
)

// NewToggle returns a switch that is off.
func NewToggle(label string, changed func(bool)) *Toggle {
	t := &Toggle{Label: label, OnChanged: changed}
	t.ExtendBaseWidget(t)
	return t
}

// On tells whether the switch is on.
func (t *Toggle) On() bool { return t.on }

// Set changes the switch without telling OnChanged.
func (t *Toggle) Set(on bool) {
	if t.on != on {
		t.on = on
		t.Refresh()
	}
}

// Tapped implements fyne.Tappable.
func (t *Toggle) Tapped(*fyne.PointEvent) {
	t.Set(!t.on)
	if t.OnChanged != nil {
		t.OnChanged(t.on)
	}
}

// Cursor implements desktop.Cursorable.
func (t *Toggle) Cursor() desktop.Cursor { return desktop.PointerCursor }

// MouseIn implements desktop.Hoverable.
func (t *Toggle) MouseIn(*desktop.MouseEvent) { t.hovered = true; t.Refresh() }

// MouseMoved implements desktop.Hoverable.
func (t *Toggle) MouseMoved(*desktop.MouseEvent) {}

// MouseOut implements desktop.Hoverable.
func (t *Toggle) MouseOut() { t.hovered = false; t.Refresh() }

// FocusGained implements fyne.Focusable.
func (t *Toggle) FocusGained() { t.focused = true; t.Refresh() }

// FocusLost implements fyne.Focusable.
func (t *Toggle) FocusLost() { t.focused = false; t.Refresh() }

// TypedRune implements fyne.Focusable.
func (t *Toggle) TypedRune(rune) {}

// TypedKey implements fyne.Focusable.
func (t *Toggle) TypedKey(ev *fyne.KeyEvent) {
	switch ev.Name { //nolint:exhaustive // the other keys mean nothing here
	case fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter:
		t.Tapped(nil)
	default:
		forwardKey(t, ev)
	}
}

// AccessibilityLabel implements fyne.Accessible.
func (t *Toggle) AccessibilityLabel() string { return t.Label }

// AccessibilityRole implements fyne.Accessible.
func (t *Toggle) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleButton }

// CreateRenderer implements fyne.Widget.
func (t *Toggle) CreateRenderer() fyne.WidgetRenderer {
	r := &toggleRenderer{
		t:     t,
		text:  NewText(t.Label, Body()),
		track: canvas.NewRectangle(color.Transparent),
		knob:  canvas.NewCircle(color.White),
	}
	r.track.CornerRadius = 11
	r.Refresh()
	return r
}

type toggleRenderer struct {
	t     *Toggle
	text  *Text
	track *canvas.Rectangle
	knob  *canvas.Circle
}

func (r *toggleRenderer) Destroy()           {}
func (r *toggleRenderer) MinSize() fyne.Size { return fyne.NewSize(160, 28) }

func (r *toggleRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.text, r.track, r.knob}
}

func (r *toggleRenderer) Layout(s fyne.Size) {
	const width, height, rim = 40, 22, 3
	x, y := s.Width-width, (s.Height-height)/2
	r.text.Move(fyne.NewPos(0, (s.Height-20)/2))
	r.text.Resize(fyne.NewSize(x-2*theme.Step, 20))
	r.track.Move(fyne.NewPos(x, y))
	r.track.Resize(fyne.NewSize(width, height))
	side := float32(height - 2*rim)
	at := x + rim
	if r.t.on {
		at = x + width - rim - side
	}
	r.knob.Resize(fyne.NewSquareSize(side))
	r.knob.Move(fyne.NewPos(at, y+rim))
}

func (r *toggleRenderer) Refresh() {
	r.track.FillColor, r.knob.FillColor = theme.Color(theme.Raised), theme.Color(theme.Quiet)
	if r.t.on {
		r.track.FillColor, r.knob.FillColor = theme.Color(theme.Accent), theme.Color(theme.OnAccent)
	}
	r.track.StrokeWidth = 0
	if r.t.focused {
		r.track.StrokeColor, r.track.StrokeWidth = theme.Color(theme.Text), 2
	}
	r.Layout(r.t.Size())
	canvas.Refresh(r.track)
	canvas.Refresh(r.knob)
	r.text.Refresh()
}
