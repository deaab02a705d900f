package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// TraceHeight is the height of a TraceRow.
const TraceHeight float32 = 28

// TraceLine is what a TraceRow shows of one SIP message.
type TraceLine struct {
	Time     string // with milliseconds
	Out      bool   // we sent it
	What     string // "INVITE", "200 OK (REGISTER)"
	Alert    bool   // a refusal: 400 and above
	Peer     string // transport and address of the other side
	Selected bool
	Focused  bool // the keyboard is here
}

// TraceRow is one SIP message in a list: time, direction, what it is, and with whom.
type TraceRow struct {
	fynewidget.BaseWidget
	OnTapped func()

	line TraceLine
}

var (
	_ fyne.Tappable   = (*TraceRow)(nil)
	_ fyne.Accessible = (*TraceRow)(nil)
)

// NewTraceRow returns an empty row.
func NewTraceRow() *TraceRow {
	r := &TraceRow{}
	r.ExtendBaseWidget(r)
	return r
}

// Set fills the row.
func (r *TraceRow) Set(l TraceLine) {
	if r.line != l {
		r.line = l
		r.Refresh()
	}
}

// Line returns what the row shows.
func (r *TraceRow) Line() TraceLine { return r.line }

// Tapped implements fyne.Tappable.
func (r *TraceRow) Tapped(*fyne.PointEvent) {
	if r.OnTapped != nil {
		r.OnTapped()
	}
}

// AccessibilityLabel implements fyne.Accessible.
func (r *TraceRow) AccessibilityLabel() string { return r.line.What + ", " + r.line.Peer }

// AccessibilityRole implements fyne.Accessible.
func (r *TraceRow) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleButton }

// CreateRenderer implements fyne.Widget.
func (r *TraceRow) CreateRenderer() fyne.WidgetRenderer {
	small := Style{Size: theme.SizeCaption, Color: theme.Quiet, Shrink: true}
	x := &traceRenderer{
		r: r, ground: canvas.NewRectangle(color.Transparent), icon: NewIcon("call-out", theme.Accent, 14),
		time: NewText("", small), peer: NewText("", small),
		what: NewText("", Style{Size: 13, Bold: true, Shrink: true}),
	}
	x.ground.CornerRadius = 8
	x.Refresh()
	return x
}

type traceRenderer struct {
	r                *TraceRow
	ground           *canvas.Rectangle
	icon             *Icon
	time, what, peer *Text
}

func (x *traceRenderer) Destroy()           {}
func (x *traceRenderer) MinSize() fyne.Size { return fyne.NewSize(180, TraceHeight) }

func (x *traceRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{x.ground, x.time, x.icon, x.what, x.peer}
}

func (x *traceRenderer) Layout(s fyne.Size) {
	const side, clock = 2 * theme.Step, 88
	x.ground.Move(fyne.NewPos(side, 1))
	x.ground.Resize(fyne.NewSize(s.Width-2*side, s.Height-2))
	left := 2 * side
	x.time.Move(fyne.NewPos(left, 6))
	x.time.Resize(fyne.NewSize(clock-theme.Step, 18))
	left += clock
	x.icon.Move(fyne.NewPos(left, 7))
	x.icon.Resize(fyne.NewSquareSize(14))
	left += 14 + 2*theme.Step
	room := s.Width - 2*side - left
	peer := min(max(room-150, 0), 200)
	if peer < 120 {
		peer = 0 // what it is comes first where there is little room
	}
	x.what.Move(fyne.NewPos(left, 5))
	x.what.Resize(fyne.NewSize(room-peer-2*theme.Step, 18))
	x.peer.Hidden = peer == 0
	x.peer.Move(fyne.NewPos(left+room-peer, 6))
	x.peer.Resize(fyne.NewSize(peer, 18))
}

func (x *traceRenderer) Refresh() {
	l := x.r.line
	x.ground.FillColor, x.ground.StrokeWidth = color.Transparent, 0
	if l.Selected {
		x.ground.FillColor = theme.Color(theme.Selection)
	}
	if l.Focused {
		x.ground.StrokeColor, x.ground.StrokeWidth = theme.Color(theme.Accent), 2
	}
	x.icon.Set("call-in", theme.Good)
	if l.Out {
		x.icon.Set("call-out", theme.Accent)
	}
	quiet, ink := theme.Quiet, theme.Text
	if l.Selected {
		quiet = theme.Text
	}
	if l.Alert && !l.Selected {
		ink = theme.Missed
	}
	x.time.SetColor(quiet)
	x.peer.SetColor(quiet)
	x.what.SetColor(ink)
	x.time.SetText(l.Time)
	x.what.SetText(l.What)
	x.peer.SetText(l.Peer)
	x.Layout(x.r.Size())
	canvas.Refresh(x.ground)
}
