package page

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// problem is a sentence about what went wrong in a form, with details to unfold.
type problem struct {
	root *fyne.Container
	next func() // the next step, if there is one
}

func newProblem() *problem {
	p := &problem{root: container.NewVBox(), next: func() {}}
	p.root.Hide()
	return p
}

func (p *problem) show(text, detail string) { p.ask(text, detail, "", nil) }

// ask shows what went wrong with a link to the next step, if action is not "".
func (p *problem) ask(text, detail, action string, run func()) {
	p.root.RemoveAll()
	body := container.NewVBox(tight(paragraph(text, "text", theme.Text, fyne.TextAlignLeading)))
	if action != "" {
		p.next = run
		body.Add(container.NewHBox(widget.NewLink(action, run)))
	}
	if detail != "" {
		body.Add(fold(lang.L("Details"), tight(paragraph(detail, "helperText", theme.Quiet, fyne.TextAlignLeading))))
	}
	mark := container.NewVBox(widget.NewIcon("alert", theme.Attention, theme.SizeIcon))
	p.root.Add(widget.NewCard(theme.TonalWarning, widget.Even(3), container.New(&gapBorder{gap: 10}, mark, body)))
	p.root.Show()
	p.root.Refresh()
}

func (p *problem) hide() { p.root.Hide() }

// hint is a sentence below a field about what was typed into it.
type hint struct {
	root *fyne.Container
	text *widget.Text
}

func newHint() *hint {
	h := &hint{text: widget.NewText("", widget.Style{Size: theme.SizeCaption, Shrink: true})}
	h.root = container.New(&gapBorder{gap: 6}, widget.NewIcon("alert", theme.Attention, 14), h.text)
	h.root.Hide()
	return h
}

func (h *hint) show(text string) {
	h.text.SetText(text)
	h.root.Show()
}

// says is the sentence shown, or "".
func (h *hint) says() string {
	if !h.root.Visible() {
		return ""
	}
	return h.text.Text()
}

func (h *hint) hide() { h.root.Hide() }

// withHint puts a hint below a field.
func withHint(e *widget.Entry, h *hint) fyne.CanvasObject {
	return container.New(layout.NewCustomPaddedVBoxLayout(theme.Step), e, h.root)
}
