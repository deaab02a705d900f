// Package widget holds the small parts of Peregrine's window: text that shortens itself, avatars,
// presence glyphs, round buttons, rows, chat bubbles, bars and sparklines, the virtual column (Feed)
// and the layer that toasts and tooltips float on. They know nothing of calls or accounts; package
// page puts them together. Everything here belongs to Fyne's UI thread.
package widget

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// Style says how a Text looks. The zero value is body text in the theme's text colour.
type Style struct {
	Size   float32 // 0: theme.SizeText
	Bold   bool
	Color  fyne.ThemeColorName // "": theme.Text
	Align  fyne.TextAlign
	Shrink bool // asks for no width of its own; what does not fit is cut with "…"
}

// The styles most texts have.
var (
	_ fyne.Widget     = (*Text)(nil)
	_ fyne.Accessible = (*Text)(nil)
)

// Body is the style of ordinary text that shortens itself.
func Body() Style { return Style{Shrink: true} }

// Strong is Body in bold.
func Strong() Style { return Style{Bold: true, Shrink: true} }

// Caption is the style of the quiet second line.
func Caption() Style {
	return Style{Size: theme.SizeCaption, Color: theme.Quiet, Shrink: true}
}

// Text is one line of text in a colour of the theme.
type Text struct {
	fynewidget.BaseWidget
	text  string
	style Style
}

// NewText returns a line of text.
func NewText(text string, s Style) *Text {
	if s.Size == 0 {
		s.Size = theme.SizeText
	}
	if s.Color == "" {
		s.Color = theme.Text
	}
	t := &Text{text: text, style: s}
	t.ExtendBaseWidget(t)
	return t
}

// Text returns the whole text, also where it is drawn shortened.
func (t *Text) Text() string { return t.text }

// SetText changes the text.
func (t *Text) SetText(s string) {
	if s == t.text {
		return
	}
	t.text = s
	t.Refresh()
}

// SetColor changes the colour.
func (t *Text) SetColor(c fyne.ThemeColorName) {
	if c == t.style.Color {
		return
	}
	t.style.Color = c
	t.Refresh()
}

// AccessibilityLabel implements fyne.Accessible.
func (t *Text) AccessibilityLabel() string { return t.text }

// AccessibilityRole implements fyne.Accessible.
func (t *Text) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleText }

// CreateRenderer implements fyne.Widget.
func (t *Text) CreateRenderer() fyne.WidgetRenderer {
	r := &textRenderer{t: t, line: canvas.NewText("", color.Black)}
	r.Refresh()
	return r
}

type textRenderer struct {
	t    *Text
	line *canvas.Text
}

func (r *textRenderer) Destroy()                     {}
func (r *textRenderer) Objects() []fyne.CanvasObject { return []fyne.CanvasObject{r.line} }

func (r *textRenderer) MinSize() fyne.Size {
	size := measure(r.t.text, r.t.style.Size, r.t.style.Bold)
	if size.Height == 0 || r.t.text == "" {
		size.Height = measure("X", r.t.style.Size, r.t.style.Bold).Height
	}
	if r.t.style.Shrink {
		size.Width = 0
	}
	return size
}

func (r *textRenderer) Layout(s fyne.Size) {
	r.line.Resize(s)
	r.fit(s.Width)
}

func (r *textRenderer) Refresh() {
	st := r.t.style
	r.line.TextSize, r.line.TextStyle.Bold, r.line.Alignment = st.Size, st.Bold, st.Align
	r.line.Color = theme.Color(st.Color)
	if w := r.t.Size().Width; w > 0 {
		r.fit(w)
	} else {
		r.line.Text = r.t.text
	}
	canvas.Refresh(r.line)
}

func (r *textRenderer) fit(width float32) {
	text := Shorten(r.t.text, r.t.style.Size, r.t.style.Bold, width)
	if text != r.line.Text {
		r.line.Text = text
		canvas.Refresh(r.line)
	}
}

func measure(s string, size float32, bold bool) fyne.Size {
	return fyne.MeasureText(s, size, fyne.TextStyle{Bold: bold})
}

// Shorten cuts text at a rune so that it fits into width, with "…" at its end.
func Shorten(text string, size float32, bold bool, width float32) string {
	// Half a unit of tolerance: sizes are rounded on their way through the layouts.
	if text == "" || measure(text, size, bold).Width <= width+0.5 {
		return text
	}
	runes := []rune(text)
	low, high := 0, min(len(runes), 500) // no line of the window holds 500 characters
	for low < high {
		mid := (low + high + 1) / 2
		if measure(string(runes[:mid])+"…", size, bold).Width <= width {
			low = mid
		} else {
			high = mid - 1
		}
	}
	if low == 0 {
		return ""
	}
	return string(runes[:low]) + "…"
}
