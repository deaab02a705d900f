package page

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// Shell arranges the window: the list at the left, at the right the header, the strips of the calls
// and the body. Under theme.NarrowBelow units of width there is one column, and the strips stay
// on top of whichever of the two is shown.
type Shell struct {
	fynewidget.BaseWidget
	OnNarrow func(narrow bool) // the window became narrow or wide
	OnList   func(alone bool)  // the list stands alone, or no longer

	list, header, strips, body fyne.CanvasObject
	line                       *canvas.Rectangle
	detail                     bool // in one column: the right side is shown
	narrow                     bool
	alone                      bool
}

// NewShell arranges the four parts.
func NewShell(list, header, strips, body fyne.CanvasObject) *Shell {
	s := &Shell{list: list, header: header, strips: strips, body: body}
	s.line = canvas.NewRectangle(theme.Color(theme.Hairline))
	s.ExtendBaseWidget(s)
	return s
}

// SetDetail shows the right side (true) or the list where there is room for one only.
func (s *Shell) SetDetail(on bool) {
	if s.detail != on {
		s.detail = on
		s.Refresh()
	}
}

// Detail tells whether the right side is shown where there is room for one only.
func (s *Shell) Detail() bool { return s.detail }

// Narrow tells whether there is one column.
func (s *Shell) Narrow() bool { return s.narrow }

// SetBody changes header and body.
func (s *Shell) SetBody(header, body fyne.CanvasObject) {
	if s.header == header && s.body == body {
		return
	}
	s.header, s.body = header, body
	s.Refresh()
}

// Body returns what is shown at the right.
func (s *Shell) Body() fyne.CanvasObject { return s.body }

// CreateRenderer implements fyne.Widget.
func (s *Shell) CreateRenderer() fyne.WidgetRenderer { return &shellRenderer{s} }

type shellRenderer struct{ s *Shell }

func (r *shellRenderer) Destroy()           {}
func (r *shellRenderer) MinSize() fyne.Size { return fyne.NewSize(360, 480) }

func (r *shellRenderer) Objects() []fyne.CanvasObject {
	// In the order of reading, which is the order of Tab.
	return []fyne.CanvasObject{r.s.list, r.s.header, r.s.strips, r.s.body, r.s.line}
}

func (r *shellRenderer) Layout(size fyne.Size) {
	s := r.s
	narrow := size.Width < theme.NarrowBelow
	if narrow != s.narrow {
		s.narrow = narrow
		if s.OnNarrow != nil {
			s.OnNarrow(narrow)
		}
	}
	list, right := !narrow || !s.detail, !narrow || s.detail
	if alone := !right; alone != s.alone {
		s.alone = alone
		if s.OnList != nil {
			s.OnList(alone)
		}
	}
	show(s.list, list)
	show(s.header, right)
	show(s.body, right)
	show(s.line, !narrow)
	x := float32(0)
	if !narrow {
		x = max(288, min(theme.SidebarWidth+40, size.Width*0.30))
		put(s.list, 0, 0, x, size.Height)
		put(s.line, x, 0, 1, size.Height)
		x++
	}
	width := size.Width - x
	y := float32(0)
	if right {
		h := s.header.MinSize().Height
		put(s.header, x, 0, width, h)
		y = h
	}
	y += r.placeStrips(x, y, width)
	if narrow && list {
		put(s.list, 0, y, width, size.Height-y)
	}
	if right {
		put(s.body, x, y, width, size.Height-y)
	}
}

// placeStrips puts the strips under the header and returns their height. What is in them wraps: it
// knows its height once it has its width, so a part that was just unfolded is measured again.
func (r *shellRenderer) placeStrips(x, y, width float32) float32 {
	height := r.s.strips.MinSize().Height
	for range 3 {
		put(r.s.strips, x, y, width, height)
		settled := r.s.strips.MinSize().Height
		if settled == height {
			break
		}
		height = settled
	}
	return height
}

func (r *shellRenderer) Refresh() {
	r.s.line.FillColor = theme.Color(theme.Hairline)
	r.Layout(r.s.Size())
	canvas.Refresh(r.s)
}

func put(o fyne.CanvasObject, x, y, w, h float32) {
	o.Move(fyne.NewPos(x, y))
	o.Resize(fyne.NewSize(w, h))
}

func show(o fyne.CanvasObject, on bool) {
	if on == o.Visible() {
		return
	}
	if on {
		o.Show()
	} else {
		o.Hide()
	}
}
