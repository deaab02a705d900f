package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// Surface is a ground in a colour of the theme with content on it.
type Surface struct {
	fynewidget.BaseWidget
	Content fyne.CanvasObject

	color  fyne.ThemeColorName
	radius float32
	pad    Insets
	raised bool // casts a shadow
}

// Insets are the distances from the edges of a Surface to its content.
type Insets struct{ Top, Right, Bottom, Left float32 }

// Even returns the same inset on all sides, in steps of theme.Step.
func Even(steps float32) Insets {
	d := steps * theme.Step
	return Insets{d, d, d, d}
}

// Sides returns insets in steps of theme.Step.
func Sides(top, right, bottom, left float32) Insets {
	return Insets{top * theme.Step, right * theme.Step, bottom * theme.Step, left * theme.Step}
}

// NewSurface returns a flat ground without rounded corners.
func NewSurface(ground fyne.ThemeColorName, pad Insets, content fyne.CanvasObject) *Surface {
	s := &Surface{Content: content, color: ground, pad: pad}
	s.ExtendBaseWidget(s)
	return s
}

// NewCard returns a ground with the radius of cards.
func NewCard(ground fyne.ThemeColorName, pad Insets, content fyne.CanvasObject) *Surface {
	s := &Surface{Content: content, color: ground, pad: pad, radius: theme.RadiusCard}
	s.ExtendBaseWidget(s)
	return s
}

// Floating gives the card a shadow, and returns it.
func (s *Surface) Floating() *Surface {
	s.raised = true
	return s
}

// SetColor changes the ground.
func (s *Surface) SetColor(c fyne.ThemeColorName) {
	if s.color != c {
		s.color = c
		s.Refresh()
	}
}

// CreateRenderer implements fyne.Widget.
func (s *Surface) CreateRenderer() fyne.WidgetRenderer {
	r := &surfaceRenderer{s: s, ground: canvas.NewRectangle(color.Transparent)}
	r.paint()
	return r
}

type surfaceRenderer struct {
	s      *Surface
	ground *canvas.Rectangle
}

func (r *surfaceRenderer) Destroy() {}

func (r *surfaceRenderer) Objects() []fyne.CanvasObject {
	if r.s.Content == nil {
		return []fyne.CanvasObject{r.ground}
	}
	return []fyne.CanvasObject{r.ground, r.s.Content}
}

func (r *surfaceRenderer) MinSize() fyne.Size {
	p := r.s.pad
	var m fyne.Size
	if r.s.Content != nil {
		m = r.s.Content.MinSize()
	}
	return m.AddWidthHeight(p.Left+p.Right, p.Top+p.Bottom)
}

func (r *surfaceRenderer) Layout(size fyne.Size) {
	r.ground.Resize(size)
	if r.s.Content == nil {
		return
	}
	p := r.s.pad
	r.s.Content.Move(fyne.NewPos(p.Left, p.Top))
	r.s.Content.Resize(size.SubtractWidthHeight(p.Left+p.Right, p.Top+p.Bottom))
}

func (r *surfaceRenderer) paint() {
	r.ground.FillColor = theme.Color(r.s.color)
	r.ground.CornerRadius = r.s.radius
	if r.s.raised {
		r.ground.Shadow = canvas.Shadow{
			Color: theme.Color("shadow"), BlurRadius: 20, Offset: fyne.NewPos(0, 4), Variant: canvas.DropShadow,
		}
	}
}

func (r *surfaceRenderer) Refresh() {
	r.paint()
	r.Layout(r.s.Size())
	canvas.Refresh(r.ground)
	if r.s.Content != nil {
		r.s.Content.Refresh()
	}
}

// NewHairline returns the thin line between two grounds of the same colour.
func NewHairline() fyne.CanvasObject { return fynewidget.NewSeparator() }

// Gap returns an empty space of the given steps of theme.Step, both ways.
func Gap(steps float32) fyne.CanvasObject {
	r := canvas.NewRectangle(color.Transparent)
	r.SetMinSize(fyne.NewSquareSize(steps * theme.Step))
	return r
}
