package widget

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// Icon is a line icon in a colour of the theme.
type Icon struct {
	fynewidget.BaseWidget
	name  string
	color fyne.ThemeColorName
	size  float32
}

// NewIcon returns the icon of package assets with the given name, in a square of size.
func NewIcon(name string, color fyne.ThemeColorName, size float32) *Icon {
	i := &Icon{name: name, color: color, size: size}
	i.ExtendBaseWidget(i)
	return i
}

// Name returns the name of the icon shown.
func (i *Icon) Name() string { return i.name }

// Set changes the icon.
func (i *Icon) Set(name string, color fyne.ThemeColorName) {
	if i.name == name && i.color == color {
		return
	}
	i.name, i.color = name, color
	i.Refresh()
}

// MinSize implements fyne.Widget.
func (i *Icon) MinSize() fyne.Size { return fyne.NewSquareSize(i.size) }

// CreateRenderer implements fyne.Widget.
func (i *Icon) CreateRenderer() fyne.WidgetRenderer {
	r := &iconRenderer{i: i, image: canvas.NewImageFromResource(theme.Icon(i.name, i.color))}
	r.image.FillMode = canvas.ImageFillContain
	return r
}

type iconRenderer struct {
	i     *Icon
	image *canvas.Image
}

func (r *iconRenderer) Destroy()                     {}
func (r *iconRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.image} }
func (r *iconRenderer) MinSize() fyne.Size           { return fyne.NewSquareSize(r.i.size) }

func (r *iconRenderer) Layout(s fyne.Size) {
	side := min(r.i.size, s.Height, s.Width)
	r.image.Resize(fyne.NewSquareSize(side))
	r.image.Move(fyne.NewPos((s.Width-side)/2, (s.Height-side)/2))
}

func (r *iconRenderer) Refresh() {
	setIcon(r.image, r.i.name, r.i.color)
}

// setIcon changes a drawing only when it becomes another one: a refreshed image is rasterised anew.
func setIcon(image *canvas.Image, name string, color fyne.ThemeColorName) {
	res := theme.Icon(name, color)
	if image.Resource != nil && image.Resource.Name() == res.Name() {
		return
	}
	image.Resource = res
	image.Refresh()
}
