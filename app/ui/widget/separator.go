package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// DayHeight is the height of a DayLine.
const DayHeight float32 = 44

// DayLine separates the days of a chat: a word between two hairlines.
type DayLine struct {
	fynewidget.BaseWidget
	text string
}

// NewDayLine returns an empty line.
func NewDayLine() *DayLine {
	d := &DayLine{}
	d.ExtendBaseWidget(d)
	return d
}

// Set changes the word.
func (d *DayLine) Set(s string) {
	if d.text != s {
		d.text = s
		d.Refresh()
	}
}

// Text returns the word.
func (d *DayLine) Text() string { return d.text }

// CreateRenderer implements fyne.Widget.
func (d *DayLine) CreateRenderer() fyne.WidgetRenderer {
	r := &dayRenderer{
		d: d, left: canvas.NewRectangle(color.Transparent), right: canvas.NewRectangle(color.Transparent),
		text: canvas.NewText("", color.Black),
	}
	r.text.TextSize = theme.SizeCaption
	r.Refresh()
	return r
}

type dayRenderer struct {
	d           *DayLine
	left, right *canvas.Rectangle
	text        *canvas.Text
}

func (r *dayRenderer) Destroy()           {}
func (r *dayRenderer) MinSize() fyne.Size { return fyne.NewSize(100, DayHeight) }
func (r *dayRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.left, r.text, r.right}
}

func (r *dayRenderer) Layout(s fyne.Size) {
	m := r.text.MinSize()
	x := (s.Width - m.Width) / 2
	y := s.Height/2 + theme.Step
	r.text.Resize(m)
	r.text.Move(fyne.NewPos(x, y-m.Height/2))
	r.left.Move(fyne.NewPos(bubbleSide, y))
	r.left.Resize(fyne.NewSize(max(0, x-3*theme.Step-bubbleSide), 1))
	r.right.Move(fyne.NewPos(x+m.Width+3*theme.Step, y))
	r.right.Resize(fyne.NewSize(max(0, x-3*theme.Step-bubbleSide), 1))
}

func (r *dayRenderer) Refresh() {
	r.text.Text, r.text.Color = r.d.text, theme.Color(theme.Quiet)
	r.left.FillColor, r.right.FillColor = theme.Color(theme.Hairline), theme.Color(theme.Hairline)
	r.Layout(r.d.Size())
	canvas.Refresh(r.text)
	canvas.Refresh(r.left)
	canvas.Refresh(r.right)
}

// GroupHeight is the height of a GroupRow.
const GroupHeight float32 = 34

// GroupRow is the heading of a group in a list, with a count at its right.
type GroupRow struct {
	fynewidget.BaseWidget
	OnTapped func()

	text, count string
	folded      bool
}

var _ fyne.Tappable = (*GroupRow)(nil)

// NewGroupRow returns an empty heading.
func NewGroupRow() *GroupRow {
	g := &GroupRow{}
	g.ExtendBaseWidget(g)
	return g
}

// Set fills the heading.
func (g *GroupRow) Set(text, count string, folded bool) {
	if g.text != text || g.count != count || g.folded != folded {
		g.text, g.count, g.folded = text, count, folded
		g.Refresh()
	}
}

// Text returns the name of the group.
func (g *GroupRow) Text() string { return g.text }

// Tapped implements fyne.Tappable.
func (g *GroupRow) Tapped(*fyne.PointEvent) {
	if g.OnTapped != nil {
		g.OnTapped()
	}
}

// CreateRenderer implements fyne.Widget.
func (g *GroupRow) CreateRenderer() fyne.WidgetRenderer {
	quiet := Style{Size: theme.SizeCaption, Color: theme.Quiet, Bold: true}
	trailing := Style{Size: theme.SizeCaption, Color: theme.Quiet, Align: fyne.TextAlignTrailing}
	r := &groupRenderer{
		g:     g,
		text:  NewText("", quiet),
		count: NewText("", trailing),
		arrow: NewIcon("down", theme.Quiet, 14),
	}
	r.Refresh()
	return r
}

type groupRenderer struct {
	g           *GroupRow
	text, count *Text
	arrow       *Icon
}

func (r *groupRenderer) Destroy()           {}
func (r *groupRenderer) MinSize() fyne.Size { return fyne.NewSize(100, GroupHeight) }
func (r *groupRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.arrow, r.text, r.count}
}

func (r *groupRenderer) Layout(s fyne.Size) {
	y := s.Height - 26
	r.arrow.Move(fyne.NewPos(4*theme.Step, y+2))
	r.arrow.Resize(fyne.NewSquareSize(14))
	left := 4 * theme.Step
	if r.g.OnTapped != nil {
		left += 18
	}
	r.text.Move(fyne.NewPos(left, y))
	r.text.Resize(fyne.NewSize(s.Width-80, 18))
	r.count.Move(fyne.NewPos(s.Width-60, y))
	r.count.Resize(fyne.NewSize(60-5*theme.Step, 18))
}

func (r *groupRenderer) Refresh() {
	arrow := "down"
	if r.g.folded {
		arrow = "right"
	}
	r.arrow.Hidden = r.g.OnTapped == nil
	r.arrow.Set(arrow, theme.Quiet)
	r.text.SetText(r.g.text)
	r.count.SetText(r.g.count)
	r.Layout(r.g.Size())
	r.text.Refresh()
	r.count.Refresh()
	r.arrow.Refresh()
}
