package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// Disc is an icon on a round ground, for empty states and the cards of the first start.
type Disc struct {
	fynewidget.BaseWidget
	icon        string
	ink, ground fyne.ThemeColorName
	size        float32
}

// NewDisc returns an icon on a round ground of the given size.
func NewDisc(icon string, ink, ground fyne.ThemeColorName, size float32) *Disc {
	d := &Disc{icon: icon, ink: ink, ground: ground, size: size}
	d.ExtendBaseWidget(d)
	return d
}

// MinSize implements fyne.Widget.
func (d *Disc) MinSize() fyne.Size { return fyne.NewSquareSize(d.size) }

// CreateRenderer implements fyne.Widget.
func (d *Disc) CreateRenderer() fyne.WidgetRenderer {
	r := &discRenderer{d: d, ground: canvas.NewCircle(color.Transparent), icon: NewIcon(d.icon, d.ink, d.size*0.46)}
	r.Refresh()
	return r
}

type discRenderer struct {
	d      *Disc
	ground *canvas.Circle
	icon   *Icon
}

func (r *discRenderer) Destroy()                     {}
func (r *discRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.ground, r.icon} }
func (r *discRenderer) MinSize() fyne.Size           { return fyne.NewSquareSize(r.d.size) }

func (r *discRenderer) Layout(s fyne.Size) {
	r.ground.Resize(fyne.NewSquareSize(r.d.size))
	r.ground.Move(fyne.NewPos((s.Width-r.d.size)/2, (s.Height-r.d.size)/2))
	r.icon.Resize(s)
}

func (r *discRenderer) Refresh() {
	r.ground.FillColor = theme.Color(r.d.ground)
	canvas.Refresh(r.ground)
	r.icon.Refresh()
}
