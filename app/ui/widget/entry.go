package widget

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	fynewidget "fyne.io/fyne/v2/widget"
)

// Entry is a field for text that passes on the shortcuts of the window, which Fyne's own entry
// keeps for itself, and that sends with Enter. In one with several lines Shift+Enter breaks the line.
type Entry struct {
	fynewidget.Entry
	Label string // what screen readers say

	OnEnter    func()                   // Enter
	OnEscape   func() bool              // Escape; true: used up
	OnMove     func(name fyne.KeyName)  // Up and Down in a field of one line
	OnBlur     func()                   // the focus went elsewhere
	OnShortcut func(fyne.Shortcut) bool // true: used up

	shift bool
}

var (
	_ fyne.Widget       = (*Entry)(nil)
	_ fyne.Shortcutable = (*Entry)(nil)
	_ fyne.Accessible   = (*Entry)(nil)
	_ desktop.Keyable   = (*Entry)(nil)
)

// NewEntry returns a field of one line.
func NewEntry(placeholder string) *Entry {
	e := &Entry{Label: placeholder}
	e.PlaceHolder = placeholder
	e.ExtendBaseWidget(e)
	return e
}

// NewPasswordEntry returns a field whose text is hidden.
func NewPasswordEntry(placeholder string) *Entry {
	e := &Entry{Label: placeholder}
	e.PlaceHolder = placeholder
	e.Password = true
	e.ExtendBaseWidget(e)
	return e
}

// NewTextArea returns a field of several lines that wraps and grows.
func NewTextArea(placeholder string) *Entry {
	e := &Entry{Label: placeholder}
	e.PlaceHolder = placeholder
	e.MultiLine = true
	e.Wrapping = fyne.TextWrapWord
	e.SetMinRowsVisible(1)
	e.ExtendBaseWidget(e)
	return e
}

// AccessibilityLabel implements fyne.Accessible.
func (e *Entry) AccessibilityLabel() string { return e.Label }

// AccessibilityRole implements fyne.Accessible.
func (e *Entry) AccessibilityRole() fyne.AccessibleRole { return fyne.AccessibleRoleText }

// AcceptsTab implements fyne.Tabbable: Tab always goes on to the next part of the window.
func (e *Entry) AcceptsTab() bool { return false }

// FocusGained implements fyne.Focusable.
func (e *Entry) FocusGained() {
	e.Entry.FocusGained()
	reveal(e)
}

// FocusLost implements fyne.Focusable.
func (e *Entry) FocusLost() {
	e.shift = false
	e.Entry.FocusLost()
	if e.OnBlur != nil {
		e.OnBlur()
	}
}

// KeyDown implements desktop.Keyable.
func (e *Entry) KeyDown(ev *fyne.KeyEvent) {
	if ev.Name == desktop.KeyShiftLeft || ev.Name == desktop.KeyShiftRight {
		e.shift = true
	}
	e.Entry.KeyDown(ev)
}

// KeyUp implements desktop.Keyable.
func (e *Entry) KeyUp(ev *fyne.KeyEvent) {
	if ev.Name == desktop.KeyShiftLeft || ev.Name == desktop.KeyShiftRight {
		e.shift = false
	}
	e.Entry.KeyUp(ev)
}

// TypedKey implements fyne.Focusable.
func (e *Entry) TypedKey(ev *fyne.KeyEvent) {
	switch ev.Name { //nolint:exhaustive // the other keys mean nothing here
	case fyne.KeyReturn, fyne.KeyEnter:
		if e.OnEnter != nil && (!e.MultiLine || !e.shift) {
			e.OnEnter()
			return
		}
		if e.MultiLine {
			// The plain entry selects while Shift is held, and its Return would then replace.
			e.TypedRune('\n')
			return
		}
	case fyne.KeyEscape:
		if e.OnEscape != nil && e.OnEscape() {
			return
		}
		forwardKey(e, ev)
		return
	case fyne.KeyUp, fyne.KeyDown:
		if !e.MultiLine && e.OnMove != nil {
			e.OnMove(ev.Name)
			return
		}
	case fyne.KeyF1:
		forwardKey(e, ev)
		return
	}
	e.Entry.TypedKey(ev)
}

// TypedShortcut implements fyne.Shortcutable: the window's shortcuts come first.
func (e *Entry) TypedShortcut(s fyne.Shortcut) {
	if custom, ok := s.(*desktop.CustomShortcut); ok {
		if e.OnShortcut != nil && e.OnShortcut(custom) {
			return
		}
		if l := layerOf(e); l != nil && l.OnShortcut != nil && l.OnShortcut(custom) {
			return
		}
	}
	e.Entry.TypedShortcut(s)
}
