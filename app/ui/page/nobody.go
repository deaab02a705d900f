package page

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// FindBuddy returns the buddy with this address, if there is one.
func FindBuddy(s app.Snapshot, address string) (app.Buddy, bool) { return findBuddy(s, address) }

// FindChat returns the chat with this address, if there is one.
func FindChat(s app.Snapshot, address string) (app.Chat, bool) { return findChat(s, address) }

// Sentence begins a text of the engine with a capital letter.
func Sentence(s string) string { return sentence(s) }

// NewNobody is what the right side shows before a person was chosen.
func NewNobody() fyne.CanvasObject {
	return emptyCard(
		"message",
		lang.L("Choose someone"),
		lang.L("Pick a buddy at the left, or type an address to call it."),
		nil,
	)
}

// KeyRow is one line of the card of shortcuts.
type KeyRow struct {
	Keys []string
	Does string
}

// NewKeys is the card of all shortcuts.
func NewKeys(rows []KeyRow, closed func()) fyne.CanvasObject {
	head := container.NewBorder(
		nil,
		nil,
		nil,
		widget.NewIconButton("close", lang.L("Close"), widget.Plain, closed).Height(36),
		widget.NewText(lang.L("Keyboard"), widget.Style{Size: theme.SizeTitle, Bold: true}),
	)
	box := container.New(layout.NewCustomPaddedVBoxLayout(2*theme.Step), head)
	for _, r := range rows {
		caps := container.New(layout.NewCustomPaddedHBoxLayout(theme.Step))
		for _, k := range r.Keys {
			caps.Add(
				widget.NewCard(
					theme.Raised,
					widget.Sides(0.5, 2, 0.5, 2),
					widget.NewText(k, widget.Style{Size: theme.SizeCaption, Bold: true}),
				),
			)
		}
		words := widget.NewText(r.Does, widget.Style{})
		box.Add(container.NewHBox(words, layout.NewSpacer(), widget.Gap(6), caps))
	}
	return container.New(layout.NewCustomPaddedLayout(16, 20, 24, 24), box)
}

// NewToast is a card that floats at the foot of the window: a sentence, a link for its details or
// for an action, and a way to be rid of it. stay is called when the user wants to read on.
func NewToast(text, detail, action string, run, closed, stay func()) fyne.CanvasObject {
	body := container.NewVBox(tight(paragraph(text, "text", theme.Text, fyne.TextAlignLeading)))
	switch {
	case action != "":
		body.Add(container.NewHBox(widget.NewLink(action, run)))
	case detail != "":
		more := tight(paragraph(detail, "helperText", theme.Quiet, fyne.TextAlignLeading))
		more.Hide()
		body.Add(container.NewHBox(widget.NewLink(lang.L("Details"), func() {
			show(more, !more.Visible())
			stay()
		})))
		body.Add(more)
	}
	shut := container.NewVBox(widget.NewIconButton("close", lang.L("Dismiss"), widget.Plain, closed).Height(28))
	row := container.New(
		&gapBorder{gap: 12},
		container.NewVBox(widget.NewIcon("info", theme.Accent, theme.SizeIcon)),
		body,
		shut,
	)
	return widget.NewCard(theme.Raised, widget.Even(3.5), row).Floating()
}
