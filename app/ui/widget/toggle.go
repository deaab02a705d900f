package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// Toggle is a switch with a word before it.
type Toggle struct {
	pressable
	OnChanged func(on bool)

	on bool
}

// NewToggle returns a switch that is off.
func NewToggle(label string, changed func(bool)) *Toggle {
	t := &Toggle{OnChanged: changed}
	t.extend(t, label, t.flip)
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

// flip is what pressing does.
func (t *Toggle) flip() {
	t.Set(!t.on)
	if t.OnChanged != nil {
		t.OnChanged(t.on)
	}
}

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
	r.track.FillColor, r.knob.FillColor = theme.Color("pressed"), theme.Color(theme.Quiet)
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
