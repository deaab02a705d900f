package widget

import (
	"image/color"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// count writes an unread count so that it stays short.
func count(n int) string {
	if n > 99 {
		return "99+"
	}
	return strconv.Itoa(n)
}

// Bars shows the quality of a call as up to four bars; none are lit while it is not known.
type Bars struct {
	fynewidget.BaseWidget
	n int
}

// NewBars returns bars that are all dim.
func NewBars() *Bars {
	b := &Bars{}
	b.ExtendBaseWidget(b)
	return b
}

// Set lights n bars, 0 to 4.
func (b *Bars) Set(n int) {
	if b.n == n {
		return
	}
	b.n = n
	b.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (b *Bars) CreateRenderer() fyne.WidgetRenderer {
	r := &barsRenderer{b: b}
	for range 4 {
		bar := canvas.NewRectangle(color.Transparent)
		bar.CornerRadius = 1.5
		r.bars = append(r.bars, bar)
	}
	r.Refresh()
	return r
}

type barsRenderer struct {
	b    *Bars
	bars []fyne.CanvasObject
}

func (r *barsRenderer) Destroy()                     {}
func (r *barsRenderer) Objects() []fyne.CanvasObject { return r.bars }
func (r *barsRenderer) MinSize() fyne.Size           { return fyne.NewSize(19, 14) }

func (r *barsRenderer) Layout(s fyne.Size) {
	y := (s.Height - 14) / 2
	for i, bar := range r.bars {
		h := float32(5 + 3*i)
		bar.Resize(fyne.NewSize(3.5, h))
		bar.Move(fyne.NewPos(float32(i)*5, y+14-h))
	}
}

func (r *barsRenderer) Refresh() {
	lit := theme.Good
	switch r.b.n {
	case 1:
		lit = theme.Stop
	case 2:
		lit = theme.Attention
	}
	for i, o := range r.bars {
		bar := o.(*canvas.Rectangle)
		bar.FillColor = theme.Color("pressed")
		if i < r.b.n {
			bar.FillColor = theme.Color(lit)
		}
		bar.Refresh()
	}
}

// Sparkline draws the last values of a figure. Values must not be negative.
type Sparkline struct {
	fynewidget.BaseWidget
	values []float64
	top    float64 // value at the upper edge, at least
	most   int
}

// NewSparkline returns a line of up to most values; its upper edge stands for top or the highest
// value, whichever is more.
func NewSparkline(most int, top float64) *Sparkline {
	s := &Sparkline{most: most, top: top}
	s.ExtendBaseWidget(s)
	return s
}

// Set draws the values, oldest first; only the newest ones are drawn.
func (s *Sparkline) Set(values []float64) {
	if len(values) > s.most {
		values = values[len(values)-s.most:]
	}
	s.values = append(s.values[:0], values...)
	s.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (s *Sparkline) CreateRenderer() fyne.WidgetRenderer {
	r := &sparkRenderer{s: s}
	r.Refresh()
	return r
}

type sparkRenderer struct {
	s     *Sparkline
	lines []fyne.CanvasObject
}

func (r *sparkRenderer) Destroy()                     {}
func (r *sparkRenderer) Objects() []fyne.CanvasObject { return r.lines }
func (r *sparkRenderer) MinSize() fyne.Size           { return fyne.NewSize(40, 22) }

func (r *sparkRenderer) Layout(size fyne.Size) {
	highest := r.s.top
	for _, v := range r.s.values {
		highest = max(highest, v)
	}
	step := size.Width / float32(max(1, r.s.most-1))
	start := size.Width - step*float32(max(0, len(r.s.values)-1))
	y := func(v float64) float32 {
		if highest <= 0 {
			return size.Height - 2
		}
		return size.Height - 2 - float32(v/highest)*(size.Height-4)
	}
	for i, o := range r.lines {
		l := o.(*canvas.Line)
		x := start + step*float32(i)
		l.Position1 = fyne.NewPos(x, y(r.s.values[i]))
		l.Position2 = fyne.NewPos(x+step, y(r.s.values[i+1]))
	}
}

func (r *sparkRenderer) Refresh() {
	for len(r.lines) < len(r.s.values)-1 {
		l := canvas.NewLine(color.Transparent)
		l.StrokeWidth = 1.5
		r.lines = append(r.lines, l)
	}
	if n := max(0, len(r.s.values)-1); len(r.lines) > n {
		r.lines = r.lines[:n]
	}
	c := theme.Color(theme.Accent)
	for _, o := range r.lines {
		o.(*canvas.Line).StrokeColor = c
	}
	r.Layout(r.s.Size())
	canvas.Refresh(r.s)
}

// Meter shows a level between 0 and 1.
type Meter struct {
	fynewidget.BaseWidget
	Label string // what screen readers say

	level float64
}

var _ fyne.Accessible = (*Meter)(nil)

// NewMeter returns a meter at zero.
func NewMeter() *Meter {
	m := &Meter{}
	m.ExtendBaseWidget(m)
	return m
}

// Level returns the level shown.
func (m *Meter) Level() float64 { return m.level }

// AccessibilityLabel implements fyne.Accessible.
func (m *Meter) AccessibilityLabel() string {
	return m.Label + " " + strconv.Itoa(int(100*m.level)) + " %"
}

// AccessibilityRole implements fyne.Accessible.
func (m *Meter) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleText }

// Set changes the level.
func (m *Meter) Set(level float64) {
	level = max(0, min(1, level))
	if m.level == level {
		return
	}
	m.level = level
	m.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (m *Meter) CreateRenderer() fyne.WidgetRenderer {
	r := &meterRenderer{
		m:      m,
		ground: canvas.NewRectangle(color.Transparent),
		fill:   canvas.NewRectangle(color.Transparent),
	}
	r.ground.CornerRadius, r.fill.CornerRadius = 3, 3
	r.Refresh()
	return r
}

type meterRenderer struct {
	m            *Meter
	ground, fill *canvas.Rectangle
}

func (r *meterRenderer) Destroy()                     {}
func (r *meterRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.ground, r.fill} }
func (r *meterRenderer) MinSize() fyne.Size           { return fyne.NewSize(60, 6) }

func (r *meterRenderer) Layout(s fyne.Size) {
	y := (s.Height - 6) / 2
	r.ground.Resize(fyne.NewSize(s.Width, 6))
	r.ground.Move(fyne.NewPos(0, y))
	r.fill.Resize(fyne.NewSize(s.Width*float32(r.m.level), 6))
	r.fill.Move(fyne.NewPos(0, y))
}

func (r *meterRenderer) Refresh() {
	r.ground.FillColor = theme.Color("pressed")
	r.fill.FillColor = theme.Color(theme.Good)
	r.fill.Hidden = r.m.level == 0 // round corners would leave a dot
	r.Layout(r.m.Size())
	canvas.Refresh(r.ground)
	canvas.Refresh(r.fill)
}
