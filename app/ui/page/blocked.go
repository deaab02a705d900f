package page

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// Blocked is the list of addresses that reach the user no more, in the settings.
type Blocked struct {
	Unblock map[string]*widget.Button // by address

	act  Actions
	root *fyne.Container
	rows *fyne.Container
}

func newBlocked(act Actions) *Blocked {
	b := &Blocked{act: act, rows: container.New(layout.NewCustomPaddedVBoxLayout(theme.Step))}
	b.root = container.NewStack(field(lang.L("Blocked"), b.rows))
	return b
}

// Load asks the engine who is blocked.
func (b *Blocked) Load() { b.act.Blocked(b.got) }

func (b *Blocked) got(addresses []string, err error) {
	if err != nil {
		b.act.Tell(ErrorText(err))
		return
	}
	b.Unblock = make(map[string]*widget.Button, len(addresses))
	b.rows.RemoveAll()
	for _, a := range addresses {
		button := widget.NewButton("", lang.L("Unblock"), widget.Tonal, func() { b.act.Unblock(a) }).Height(28)
		b.Unblock[a] = button
		text := widget.NewText(ShowAddress(a), widget.Body())
		mark := container.NewCenter(widget.NewIcon("block", theme.Quiet, theme.SizeSmall))
		row := container.New(&gapBorder{gap: 12}, mark, container.New(&middle{height: 28}, text), button)
		b.rows.Add(row)
	}
	if len(addresses) == 0 {
		b.rows.Add(widget.NewText(lang.L("Nobody."), widget.Style{Shrink: true}))
	}
	b.root.Refresh()
	b.act.Resize()
}

// middle puts a line of text in the middle of a height.
type middle struct{ height float32 }

func (m *middle) MinSize([]fyne.CanvasObject) fyne.Size { return fyne.NewSize(60, m.height) }
func (m *middle) Layout(o []fyne.CanvasObject, s fyne.Size) {
	h := o[0].MinSize().Height
	put(o[0], 0, (s.Height-h)/2, s.Width, h)
}
