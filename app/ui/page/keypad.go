package page

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// Keypad is the page that dials a number.
type Keypad struct {
	Root   fyne.CanvasObject
	Number *widget.Entry
	act    Actions
}

// NewKeypad returns the page.
func NewKeypad(act Actions) *Keypad {
	k := &Keypad{act: act, Number: widget.NewEntry(lang.L("Number or address"))}
	k.Number.OnEnter = k.call
	erase := widget.NewIconButton("backspace", lang.L("Delete the last character"), widget.Plain, func() {
		if r := []rune(k.Number.Text); len(r) > 0 {
			k.Number.SetText(string(r[:len(r)-1]))
		}
	}).Height(36)
	call := widget.NewIconButton("phone", lang.L("Call"), widget.GoodKind, k.call).Height(56)
	field := container.NewBorder(nil, nil, nil, erase, k.Number)
	pad := Digits(56, func(d string) { k.Number.SetText(k.Number.Text + d) })
	box := container.New(
		layout.NewCustomPaddedVBoxLayout(4*theme.Step),
		field,
		container.NewCenter(pad),
		container.NewCenter(call),
	)
	k.Root = container.New(&column{most: 260}, box)
	k.Root.Hide()
	return k
}

func (k *Keypad) call() {
	if k.Number.Text != "" {
		k.act.Call(k.Number.Text)
		k.Number.SetText("")
	}
}

// Digits is the field of twelve keys; pressed gets the character of each.
func Digits(size float32, pressed func(string)) fyne.CanvasObject {
	rows := container.New(layout.NewCustomPaddedVBoxLayout(2 * theme.Step))
	for _, line := range []string{"123", "456", "789", "*0#"} {
		row := container.New(layout.NewCustomPaddedHBoxLayout(3 * theme.Step))
		for _, d := range line {
			row.Add(widget.NewKey(string(d), size, func() { pressed(string(d)) }))
		}
		rows.Add(row)
	}
	return rows
}
