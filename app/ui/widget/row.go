package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// PersonHeight is the height of a PersonRow with its distance to the next.
const PersonHeight float32 = 60

// Person is what a PersonRow shows.
type Person struct {
	Name, Address string
	Presence      Presence
	Line          string // second line
	LineIcon      string // before the second line; may be ""
	LineColor     fyne.ThemeColorName
	Alert         bool   // the second line has the colour of its icon
	Action        string // icon at the right, below; may be ""
	Time          string // right, above
	Unread        int
	Lamp          string // busy lamp: "idle", "ringing", "busy", "unknown"; "" for none
	Fresh         bool   // the name has the colour of the second line: not looked at yet
	Selected      bool   // this person is open
	Focused       bool   // the keyboard is here
}

// PersonRow is a row of the list: avatar with presence, name, a quiet line, time and unread count.
type PersonRow struct {
	fynewidget.BaseWidget
	OnTapped    func()
	OnSecondary func(at fyne.Position) // right click; may be nil
	OnAction    func()                 // the icon at the right

	p       Person
	hovered bool
}

var (
	_ fyne.Tappable          = (*PersonRow)(nil)
	_ fyne.SecondaryTappable = (*PersonRow)(nil)
	_ desktop.Hoverable      = (*PersonRow)(nil)
	_ fyne.Accessible        = (*PersonRow)(nil)
)

// NewPersonRow returns an empty row.
func NewPersonRow() *PersonRow {
	r := &PersonRow{}
	r.ExtendBaseWidget(r)
	return r
}

// Set fills the row.
func (r *PersonRow) Set(p Person) {
	if r.p == p {
		return
	}
	r.p = p
	r.Refresh()
}

// Person returns what the row shows.
func (r *PersonRow) Person() Person { return r.p }

// Tapped implements fyne.Tappable.
func (r *PersonRow) Tapped(*fyne.PointEvent) {
	if r.OnTapped != nil {
		r.OnTapped()
	}
}

// TappedSecondary implements fyne.SecondaryTappable.
func (r *PersonRow) TappedSecondary(ev *fyne.PointEvent) {
	if r.OnSecondary != nil {
		r.OnSecondary(ev.AbsolutePosition)
	}
}

// MouseIn implements desktop.Hoverable.
func (r *PersonRow) MouseIn(*desktop.MouseEvent) { r.hovered = true; r.Refresh() }

// MouseMoved implements desktop.Hoverable.
func (r *PersonRow) MouseMoved(*desktop.MouseEvent) {}

// MouseOut implements desktop.Hoverable.
func (r *PersonRow) MouseOut() { r.hovered = false; r.Refresh() }

// AccessibilityLabel implements fyne.Accessible.
func (r *PersonRow) AccessibilityLabel() string { return r.p.Name + ", " + r.p.Line }

// AccessibilityRole implements fyne.Accessible.
func (r *PersonRow) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleButton }

// CreateRenderer implements fyne.Widget.
func (r *PersonRow) CreateRenderer() fyne.WidgetRenderer {
	x := &personRenderer{
		r: r, ground: canvas.NewRectangle(color.Transparent), avatar: NewAvatar(40, theme.Surface),
		name: NewText("", Strong()), line: NewText("", Caption()), icon: NewIcon("", theme.Quiet, 14),
		time:  NewText("", Style{Size: 11, Color: theme.Quiet, Align: fyne.TextAlignTrailing}),
		badge: NewBadge(), action: NewIcon("", theme.Good, 18), lamp: NewIcon("", theme.Quiet, theme.SizeGlyph),
	}
	x.press = NewClick(x.action, func() {
		if r.OnAction != nil {
			r.OnAction()
		}
	})
	x.ground.CornerRadius = theme.RadiusField
	x.Refresh()
	return x
}

type personRenderer struct {
	r          *PersonRow
	ground     *canvas.Rectangle
	avatar     *Avatar
	name, line *Text
	time       *Text
	icon       *Icon
	badge      *Badge
	action     *Icon
	lamp       *Icon
	press      *Click
}

func (x *personRenderer) Destroy()           {}
func (x *personRenderer) MinSize() fyne.Size { return fyne.NewSize(180, PersonHeight) }

func (x *personRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{x.ground, x.avatar, x.name, x.icon, x.line, x.time, x.lamp, x.badge, x.press}
}

func (x *personRenderer) Layout(s fyne.Size) {
	const side, gap = 2 * theme.Step, 3 * theme.Step
	x.ground.Move(fyne.NewPos(side, 2))
	x.ground.Resize(fyne.NewSize(s.Width-2*side, s.Height-4))
	x.avatar.Move(fyne.NewPos(side+2*theme.Step, (s.Height-40)/2))
	x.avatar.Resize(fyne.NewSquareSize(40))
	left := side + 2*theme.Step + 40 + gap
	right := s.Width - side - gap
	timeSize := x.time.MinSize()
	badge := x.badge.MinSize()
	top := s.Height/2 - 19
	x.time.Resize(timeSize)
	x.time.Move(fyne.NewPos(right-timeSize.Width, top+3))
	x.badge.Resize(badge)
	x.badge.Move(fyne.NewPos(right-badge.Width, top+19))
	x.name.Move(fyne.NewPos(left, top))
	x.name.Resize(fyne.NewSize(right-timeSize.Width-gap/2-left, 20))
	lineLeft := left
	if x.r.p.LineIcon != "" {
		x.icon.Move(fyne.NewPos(left, top+22))
		x.icon.Resize(fyne.NewSquareSize(14))
		lineLeft += 18
	}
	lineRight := right
	if x.r.p.Action != "" {
		x.press.Move(fyne.NewPos(right-26, top+16)) // larger than its icon, to be hit easily
		x.press.Resize(fyne.NewSize(34, 28))
		lineRight -= 34
	}
	if badge.Width > 0 {
		lineRight -= badge.Width + gap/2
	}
	if x.r.p.Lamp != "" {
		x.lamp.Move(fyne.NewPos(lineRight-theme.SizeGlyph, top+23))
		x.lamp.Resize(fyne.NewSquareSize(theme.SizeGlyph))
		lineRight -= theme.SizeGlyph + gap/2
	}
	x.line.Move(fyne.NewPos(lineLeft, top+20))
	x.line.Resize(fyne.NewSize(lineRight-lineLeft, 18))
}

func (x *personRenderer) Refresh() {
	p := x.r.p
	ground := theme.Surface
	x.ground.FillColor, x.ground.StrokeWidth = color.Transparent, 0
	switch {
	case p.Selected:
		ground = theme.Selection
		x.ground.FillColor = theme.Color(theme.Selection)
	case x.r.hovered:
		ground = theme.Raised
		x.ground.FillColor = theme.Color(theme.Raised)
	}
	if p.Focused {
		x.ground.StrokeColor, x.ground.StrokeWidth = theme.Color(theme.Accent), 2
	}
	x.avatar.SetGround(ground)
	x.avatar.Set(p.Name, p.Address, p.Presence)
	x.name.SetText(p.Name)
	quiet := theme.Quiet
	if p.Selected || p.Unread > 0 {
		quiet = theme.Text
	}
	x.line.SetColor(quiet)
	if p.Alert {
		x.line.SetColor(p.LineColor)
	}
	x.name.SetColor(theme.Text)
	if p.Fresh {
		x.name.SetColor(p.LineColor)
	}
	x.lamp.Hidden = p.Lamp == ""
	if p.Lamp != "" {
		SetLamp(x.lamp, p.Lamp)
	}
	x.press.Hidden = p.Action == ""
	if p.Action != "" {
		x.action.Set(p.Action, theme.Good)
	}
	x.line.SetText(p.Line)
	x.time.SetText(p.Time)
	x.icon.Hidden = p.LineIcon == ""
	if p.LineIcon != "" {
		c := p.LineColor
		if c == "" {
			c = quiet
		}
		x.icon.Set(p.LineIcon, c)
	}
	x.badge.Set(p.Unread)
	x.Layout(x.r.Size())
	x.avatar.Refresh()
	x.name.Refresh()
	x.line.Refresh()
	x.time.Refresh()
	canvas.Refresh(x.ground)
}

// Badge is a count in a pill of the accent; it is nothing at zero.
type Badge struct {
	fynewidget.BaseWidget
	n int
}

// NewBadge returns a badge that shows nothing.
func NewBadge() *Badge {
	b := &Badge{}
	b.ExtendBaseWidget(b)
	return b
}

// Set changes the count.
func (b *Badge) Set(n int) {
	if b.n == n {
		return
	}
	b.n = n
	b.Refresh()
}

// Count returns the count shown.
func (b *Badge) Count() int { return b.n }

// CreateRenderer implements fyne.Widget.
func (b *Badge) CreateRenderer() fyne.WidgetRenderer {
	r := &badgeRenderer{b: b, ground: canvas.NewRectangle(color.Transparent), text: canvas.NewText("", color.White)}
	r.ground.CornerRadius = 9
	r.text.TextSize, r.text.TextStyle.Bold, r.text.Alignment = 11, true, fyne.TextAlignCenter
	r.Refresh()
	return r
}

type badgeRenderer struct {
	b      *Badge
	ground *canvas.Rectangle
	text   *canvas.Text
}

func (r *badgeRenderer) Destroy() {}

func (r *badgeRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.ground, r.text}
}

func (r *badgeRenderer) MinSize() fyne.Size {
	if r.b.n == 0 {
		return fyne.Size{}
	}
	return fyne.NewSize(max(18, r.text.MinSize().Width+10), 18)
}

func (r *badgeRenderer) Layout(s fyne.Size) {
	r.ground.Resize(s)
	h := r.text.MinSize().Height
	r.text.Resize(fyne.NewSize(s.Width, h))
	r.text.Move(fyne.NewPos(0, (s.Height-h)/2))
}

func (r *badgeRenderer) Refresh() {
	r.text.Text, r.text.Color = count(r.b.n), theme.Color(theme.OnAccent)
	r.ground.FillColor = theme.Color(theme.Accent)
	r.ground.Hidden, r.text.Hidden = r.b.n == 0, r.b.n == 0
	r.Layout(r.b.Size())
	canvas.Refresh(r.ground)
	canvas.Refresh(r.text)
}
