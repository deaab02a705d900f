package page

import (
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// Keypad is the page that dials a number.
type Keypad struct {
	Root         fyne.CanvasObject
	Number       *widget.Entry
	Call, Redial *widget.Button
	From         *widget.Button // the account to call by; only where there are several

	act  Actions
	snap app.Snapshot
	from string // address of the account chosen; "": the one that fits
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
	k.Call = widget.NewIconButton("phone", lang.L("Call"), widget.GoodKind, k.call).Height(56)
	k.Redial = widget.NewIconButton("redial", lang.L("Call the last number again"), widget.Tonal, act.Redial)
	k.From = widget.NewButton("", "", widget.Tonal, k.chooseFrom).Height(28).Caret()
	k.From.Hide()
	// As wide as the button at the left, so that the green one stands in the middle.
	balance := widget.Gap(theme.SizeControl / theme.Step)
	calls := container.New(layout.NewCustomPaddedHBoxLayout(5*theme.Step),
		container.NewCenter(k.Redial), k.Call, balance)
	field := container.NewBorder(nil, nil, nil, erase, k.Number)
	pad := Digits(56, func(d string) { k.Number.SetText(k.Number.Text + d) })
	box := container.New(
		layout.NewCustomPaddedVBoxLayout(4*theme.Step),
		field,
		container.NewCenter(pad),
		container.NewCenter(k.From),
		container.NewCenter(calls),
	)
	k.Root = flat(container.NewVScroll(container.New(&column{most: 260}, container.NewPadded(box))))
	k.Root.Hide()
	return k
}

// Show tells the keypad which accounts there are and whom the user called last.
func (k *Keypad) Show(snap app.Snapshot) {
	k.snap = snap
	accounts := callingAccounts(snap)
	show(k.From, len(accounts) > 1)
	if k.from != "" && !slices.ContainsFunc(accounts, func(a app.Account) bool { return Same(a.Address, k.from) }) {
		k.from = "" // it is gone
	}
	k.showFrom()
	if lastDialled(snap) == "" {
		k.Redial.Disable()
	} else {
		k.Redial.Enable()
	}
}

func (k *Keypad) showFrom() {
	if k.from == "" {
		k.From.SetText(lang.L("By the account that fits"))
	} else {
		words := lang.L("By {{.Account}}", data{"Account": ShowAddress(k.from)})
		k.From.SetText(widget.Shorten(words, theme.SizeCaption, true, 200))
	}
}

func (k *Keypad) chooseFrom() {
	choose := func(address string) func() {
		return func() {
			k.from = address
			k.showFrom()
		}
	}
	fits := fyne.NewMenuItem(lang.L("By the account that fits"), choose(""))
	fits.Checked = k.from == ""
	items := []*fyne.MenuItem{fits}
	for _, a := range callingAccounts(k.snap) {
		item := fyne.NewMenuItem(ShowAddress(a.Address), choose(a.Address))
		item.Checked = Same(a.Address, k.from)
		items = append(items, item)
	}
	k.act.Menu(items, below(k.From))
}

// call calls the number; as on other phones the key first brings the last one back where there is none.
func (k *Keypad) call() {
	if k.Number.Text == "" {
		k.Number.SetText(ShowAddress(lastDialled(k.snap)))
		k.act.Focus(k.Number)
		return
	}
	k.act.CallFrom(k.Number.Text, k.from)
	k.Number.SetText("")
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
