package page

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/layout"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// note is a line under the words of a call: an icon, a sentence that wraps, and what can be done.
type note struct {
	root    *fyne.Container
	icon    *widget.Icon
	text    *fynewidget.RichText
	said    string
	buttons *fyne.Container
}

func newNote(icon string, color fyne.ThemeColorName, buttons ...fyne.CanvasObject) *note {
	n := &note{
		icon:    widget.NewIcon(icon, color, theme.SizeSmall),
		text:    paragraph("", "text", theme.Text, fyne.TextAlignLeading),
		buttons: container.New(layout.NewCustomPaddedHBoxLayout(2*theme.Step), buttons...),
	}
	words := tight(n.text)
	n.root = container.New(&noteLayout{buttons: n.buttons, text: words}, n.icon, words, n.buttons)
	n.root.Hide()
	return n
}

// show shows a sentence; "" hides the line. It tells whether that changed the height.
func (n *note) show(text string) bool {
	changed := n.root.Visible() != (text != "") || text != n.said
	show(n.root, text != "")
	if text != "" && text != n.said {
		n.text.Segments[0].(*fynewidget.TextSegment).Text = text
		n.text.Refresh()
		n.root.Refresh()
	}
	n.said = text
	return changed
}

// Text is the sentence shown, or "".
func (n *note) Text() string { return n.said }

// noteLayout puts the buttons beside the sentence, or below it where there is little room.
type noteLayout struct {
	text, buttons fyne.CanvasObject
	width         float32
}

const (
	noteLeft   float32 = 64  // where the sentence begins: below the name of the call
	noteWords  float32 = 200 // the room a sentence wants beside its buttons
	noteBeside float32 = 12
)

func (l *noteLayout) beside() bool {
	return l.width-noteLeft-2*noteBeside-l.buttons.MinSize().Width >= noteWords
}

func (l *noteLayout) MinSize([]fyne.CanvasObject) fyne.Size {
	words, buttons := l.text.MinSize().Height, l.buttons.MinSize()
	if buttons.Width == 0 {
		return fyne.NewSize(100, words+3*theme.Step)
	}
	if l.beside() {
		return fyne.NewSize(100, max(words, buttons.Height)+3*theme.Step)
	}
	return fyne.NewSize(100, words+buttons.Height+5*theme.Step)
}

func (l *noteLayout) Layout(o []fyne.CanvasObject, s fyne.Size) {
	l.width = s.Width
	buttons := l.buttons.MinSize()
	room := s.Width - noteLeft - noteBeside
	if buttons.Width > 0 && l.beside() {
		room -= buttons.Width + noteBeside
	}
	l.text.Resize(fyne.NewSize(room, l.text.MinSize().Height))
	words := l.text.MinSize().Height
	top := float32(0)
	if buttons.Width > 0 && l.beside() {
		top = max(0, (s.Height-3*theme.Step-words)/2)
	}
	put(o[0], 24, top+(20-theme.SizeSmall)/2, theme.SizeSmall, theme.SizeSmall)
	put(l.text, noteLeft, top, room, words)
	switch {
	case buttons.Width == 0:
		put(l.buttons, 0, 0, 0, 0)
	case l.beside():
		y := max(0, (s.Height-3*theme.Step-buttons.Height)/2)
		put(l.buttons, s.Width-noteBeside-buttons.Width, y, buttons.Width, buttons.Height)
	default:
		put(l.buttons, noteLeft, words+2*theme.Step, buttons.Width, buttons.Height)
	}
}
