package widget

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
)

// Select is Fyne's choice among words. It hands the keys of the window back, and shows itself when it
// gets the focus.
type Select struct {
	fynewidget.Select
	Label string // what screen readers say
}

var (
	_ fyne.Widget     = (*Select)(nil)
	_ fyne.Focusable  = (*Select)(nil)
	_ fyne.Accessible = (*Select)(nil)
)

// NewSelect returns a choice in which nothing is chosen yet.
func NewSelect(options []string, changed func(string)) *Select {
	s := &Select{}
	s.Options, s.OnChanged = options, changed
	s.ExtendBaseWidget(s)
	return s
}

// FocusGained implements fyne.Focusable.
func (s *Select) FocusGained() {
	s.Select.FocusGained()
	reveal(s)
}

// TypedKey implements fyne.Focusable.
func (s *Select) TypedKey(ev *fyne.KeyEvent) {
	switch ev.Name { //nolint:exhaustive // the others are for the choice
	case fyne.KeyEscape, fyne.KeyF1:
		forwardKey(s, ev)
	default:
		s.Select.TypedKey(ev)
	}
}

// AccessibilityLabel implements fyne.Accessible.
func (s *Select) AccessibilityLabel() string { return s.Label + " " + s.Selected }

// AccessibilityRole implements fyne.Accessible.
func (s *Select) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleButton }

// reveal scrolls the page of the window so far that a part which got the focus is seen.
func reveal(o fyne.CanvasObject) {
	l := layerOf(o)
	if l == nil || l.Scroll == nil {
		return
	}
	if s := l.Scroll(); s != nil && within(s, o) {
		driver := fyne.CurrentApp().Driver()
		y := driver.AbsolutePositionForObject(o).Y - driver.AbsolutePositionForObject(s).Y
		const air = 4 * theme.Step
		switch low := y + o.Size().Height + air - s.Size().Height; {
		case y < air:
			s.Offset.Y = max(0, s.Offset.Y+y-air)
		case low > 0:
			s.Offset.Y += low
		default:
			return
		}
		s.Refresh()
	}
}

// within tells whether an object is in what scrolls: it is if it goes where that goes. Fyne knows no
// other way up from an object.
func within(s *container.Scroll, o fyne.CanvasObject) bool {
	driver := fyne.CurrentApp().Driver()
	before, at := driver.AbsolutePositionForObject(o), s.Content.Position()
	s.Content.Move(at.AddXY(0, 1))
	after := driver.AbsolutePositionForObject(o)
	s.Content.Move(at)
	return before != after
}
