package widget

import (
	"image/color"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/driver/desktop"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// Kind says what a button is for, and so how it looks.
type Kind int

// The kinds of button.
const (
	Plain Kind = iota // no ground until the pointer is over it
	Tonal             // a raised ground
	AccentKind
	GoodKind
	StopKind
)

const tooltipAfter = 500 * time.Millisecond

// Button is round when it has only an icon, and a pill when it has text. It takes the focus by Tab
// and works with Space and Enter. Its Label is what screen readers and the tooltip say.
type Button struct {
	fynewidget.BaseWidget
	Label    string
	OnTapped func()

	icon, text string
	kind       Kind
	iconColor  fyne.ThemeColorName // "": by kind
	height     float32
	on         bool // a switch that is on
	disabled   bool
	hovered    bool
	focused    bool
	caret      bool // opens a menu
	key        bool // a round key with a character
	start      bool // text begins at the left edge
	hint       *fyne.Animation
}

var (
	_ fyne.Widget        = (*Button)(nil)
	_ fyne.Tappable      = (*Button)(nil)
	_ fyne.Focusable     = (*Button)(nil)
	_ fyne.Disableable   = (*Button)(nil)
	_ fyne.Accessible    = (*Button)(nil)
	_ desktop.Hoverable  = (*Button)(nil)
	_ desktop.Cursorable = (*Button)(nil)
)

// NewIconButton returns a round button.
func NewIconButton(icon, label string, kind Kind, tapped func()) *Button {
	b := &Button{Label: label, OnTapped: tapped, icon: icon, kind: kind, height: theme.SizeControl}
	b.ExtendBaseWidget(b)
	return b
}

// NewButton returns a pill with an icon (may be "") and text.
func NewButton(icon, text string, kind Kind, tapped func()) *Button {
	b := &Button{Label: text, OnTapped: tapped, icon: icon, text: text, kind: kind, height: 36}
	b.ExtendBaseWidget(b)
	return b
}

// Height sets the height, and returns the button.
func (b *Button) Height(h float32) *Button {
	b.height = h
	return b
}

// Tint sets the colour of the icon, and returns the button.
func (b *Button) Tint(c fyne.ThemeColorName) *Button {
	b.iconColor = c
	return b
}

// Caret draws the sign of a menu after the text, and returns the button.
func (b *Button) Caret() *Button {
	b.caret = true
	return b
}

// Start puts the text at the left edge instead of the middle, and returns the button.
func (b *Button) Start() *Button {
	b.start = true
	return b
}

// Text returns the text of the pill.
func (b *Button) Text() string { return b.text }

// SetText changes text and label.
func (b *Button) SetText(s string) {
	if b.text == s {
		return
	}
	b.text, b.Label = s, s
	b.Refresh()
}

// Set changes icon and label.
func (b *Button) Set(icon, label string) {
	if b.icon == icon && b.Label == label {
		return
	}
	b.icon, b.Label = icon, label
	b.Refresh()
}

// SetOn shows the button as a switch that is on.
func (b *Button) SetOn(on bool) {
	if b.on == on {
		return
	}
	b.on = on
	b.Refresh()
}

// On tells whether the switch is on.
func (b *Button) On() bool { return b.on }

// Tapped implements fyne.Tappable.
func (b *Button) Tapped(*fyne.PointEvent) {
	b.hideHint()
	if !b.disabled && b.OnTapped != nil {
		b.OnTapped()
	}
}

// Enable implements fyne.Disableable.
func (b *Button) Enable() { b.setDisabled(false) }

// Disable implements fyne.Disableable.
func (b *Button) Disable() { b.setDisabled(true) }

// Disabled implements fyne.Disableable.
func (b *Button) Disabled() bool { return b.disabled }

func (b *Button) setDisabled(v bool) {
	if b.disabled != v {
		b.disabled = v
		b.Refresh()
	}
}

// FocusGained implements fyne.Focusable.
func (b *Button) FocusGained() {
	b.focused = true
	b.Refresh()
	reveal(b)
}

// FocusLost implements fyne.Focusable.
func (b *Button) FocusLost() { b.focused = false; b.Refresh() }

// TypedRune implements fyne.Focusable.
func (b *Button) TypedRune(rune) {}

// TypedKey implements fyne.Focusable.
func (b *Button) TypedKey(ev *fyne.KeyEvent) {
	switch ev.Name { //nolint:exhaustive // the other keys mean nothing here
	case fyne.KeySpace, fyne.KeyReturn, fyne.KeyEnter:
		b.Tapped(nil)
	default:
		forwardKey(b, ev)
	}
}

// Cursor implements desktop.Cursorable.
func (b *Button) Cursor() desktop.Cursor {
	if b.disabled {
		return desktop.DefaultCursor
	}
	return desktop.PointerCursor
}

// MouseIn implements desktop.Hoverable.
func (b *Button) MouseIn(*desktop.MouseEvent) {
	b.hovered = true
	b.Refresh()
	if b.text != "" || b.Label == "" {
		return
	}
	b.hint = fyne.NewAnimation(tooltipAfter, func(done float32) {
		if done == 1 && b.hovered {
			showHint(b, b.Label)
		}
	})
	b.hint.Start()
}

// MouseMoved implements desktop.Hoverable.
func (b *Button) MouseMoved(*desktop.MouseEvent) {}

// MouseOut implements desktop.Hoverable.
func (b *Button) MouseOut() {
	b.hovered = false
	b.hideHint()
	b.Refresh()
}

func (b *Button) hideHint() {
	if b.hint != nil {
		b.hint.Stop()
		b.hint = nil
	}
	hideHint(b)
}

// AccessibilityLabel implements fyne.Accessible.
func (b *Button) AccessibilityLabel() string { return b.Label }

// AccessibilityRole implements fyne.Accessible.
func (b *Button) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleButton }

// colors returns ground and ink of the button in its present state.
func (b *Button) colors() (ground, ink fyne.ThemeColorName) {
	switch {
	case b.disabled && b.kind != Plain:
		return theme.Raised, "disabled"
	case b.disabled:
		return theme.Transparent, "disabled"
	case b.on:
		return theme.Text, theme.Surface
	}
	switch b.kind {
	case Tonal:
		return theme.Raised, theme.Text
	case AccentKind:
		return theme.Accent, theme.OnAccent
	case GoodKind:
		return theme.Good, theme.OnGood
	case StopKind:
		return theme.Stop, theme.OnStop
	case Plain:
	}
	return theme.Transparent, theme.Text
}

// CreateRenderer implements fyne.Widget.
func (b *Button) CreateRenderer() fyne.WidgetRenderer {
	r := &buttonRenderer{
		b: b, ground: canvas.NewRectangle(color.Transparent), over: canvas.NewRectangle(color.Transparent),
		image: canvas.NewImageFromResource(nil), caret: canvas.NewImageFromResource(nil),
		text: canvas.NewText("", color.Black),
	}
	r.image.FillMode, r.caret.FillMode = canvas.ImageFillContain, canvas.ImageFillContain
	r.text.TextStyle.Bold = true
	r.Refresh()
	return r
}

type buttonRenderer struct {
	b            *Button
	ground, over *canvas.Rectangle
	image, caret *canvas.Image
	text         *canvas.Text
}

func (r *buttonRenderer) Destroy() {}

func (r *buttonRenderer) Objects() []fyne.CanvasObject {
	return []fyne.CanvasObject{r.ground, r.over, r.image, r.text, r.caret}
}

func (r *buttonRenderer) iconSide() float32 {
	if r.b.icon == "" {
		return 0
	}
	switch {
	case r.b.text != "" && r.b.height < 32:
		return theme.SizeGlyph
	case r.b.text != "" || r.b.height < 36:
		return theme.SizeSmall
	}
	return r.b.height / 2
}

func (r *buttonRenderer) gap() float32 {
	if r.b.icon == "" || r.b.text == "" {
		return 0
	}
	return 2 * theme.Step
}

// caretWidth is the room of the sign of a menu with its distance to the text.
func (r *buttonRenderer) caretWidth() float32 {
	if !r.b.caret {
		return 0
	}
	return theme.Step + 12
}

func (r *buttonRenderer) pad() float32 {
	if r.b.height < 32 {
		return 2.5 * theme.Step
	}
	return 4 * theme.Step
}

func (r *buttonRenderer) MinSize() fyne.Size {
	if r.b.text == "" || r.b.key {
		return fyne.NewSquareSize(r.b.height)
	}
	return fyne.NewSize(2*r.pad()+r.iconSide()+r.gap()+r.text.MinSize().Width+r.caretWidth(), r.b.height)
}

func (r *buttonRenderer) Layout(s fyne.Size) {
	height := min(s.Height, r.b.height)
	width := s.Width
	if r.b.text == "" {
		width = min(width, height)
	}
	box := fyne.NewSize(width, height)
	x0, y0 := (s.Width-width)/2, (s.Height-height)/2
	for _, o := range []*canvas.Rectangle{r.ground, r.over} {
		o.CornerRadius = height / 2
		o.Resize(box)
		o.Move(fyne.NewPos(x0, y0))
	}
	side, text := r.iconSide(), r.text.MinSize()
	if r.b.text == "" {
		text.Width = 0
	}
	x := x0 + (width-side-r.gap()-text.Width-r.caretWidth())/2
	if r.b.start {
		x = x0 + r.pad()
	}
	r.image.Resize(fyne.NewSquareSize(side))
	r.image.Move(fyne.NewPos(x, y0+(height-side)/2))
	x += side + r.gap()
	r.text.Resize(text)
	r.text.Move(fyne.NewPos(x, y0+(height-text.Height)/2))
	r.caret.Resize(fyne.NewSquareSize(12))
	r.caret.Move(fyne.NewPos(x+text.Width+theme.Step, y0+(height-12)/2))
}

func (r *buttonRenderer) Refresh() {
	ground, ink := r.b.colors()
	r.ground.FillColor = theme.Color(ground)
	r.over.FillColor, r.over.StrokeColor, r.over.StrokeWidth = color.Transparent, color.Transparent, 0
	if r.b.hovered && !r.b.disabled {
		r.over.FillColor = theme.Color(theme.Hover)
	}
	if r.b.focused {
		r.over.StrokeColor, r.over.StrokeWidth = theme.Color(theme.Accent), 2
		if r.b.kind == AccentKind {
			r.over.StrokeColor = theme.Color(theme.Text)
		}
	}
	tint := ink
	if r.b.iconColor != "" && !r.b.disabled && !r.b.on {
		tint = r.b.iconColor
	}
	r.image.Hidden = r.b.icon == ""
	if r.b.icon != "" {
		setIcon(r.image, r.b.icon, tint)
	}
	r.caret.Hidden = !r.b.caret
	if r.b.caret {
		setIcon(r.caret, "down", ink)
	}
	r.text.Text, r.text.TextSize, r.text.Color = r.b.text, theme.SizeText, theme.Color(ink)
	switch {
	case r.b.key:
		r.text.TextSize = theme.SizeTitle + 2
	case r.b.height < 32:
		r.text.TextSize = theme.SizeCaption
	}
	r.Layout(r.b.Size())
	canvas.Refresh(r.ground)
	canvas.Refresh(r.over)
	canvas.Refresh(r.text)
}

// NewKey returns a round key of a keypad with a character on it.
func NewKey(character string, size float32, tapped func()) *Button {
	b := &Button{Label: character, OnTapped: tapped, text: character, kind: Tonal, height: size, key: true}
	b.ExtendBaseWidget(b)
	return b
}
