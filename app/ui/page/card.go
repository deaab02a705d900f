package page

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// paragraph is text of several lines in a colour of the theme.
func paragraph(
	text string,
	size fyne.ThemeSizeName,
	color fyne.ThemeColorName,
	align fyne.TextAlign,
) *fynewidget.RichText {
	r := fynewidget.NewRichText(&fynewidget.TextSegment{
		Text: text, Style: fynewidget.RichTextStyle{SizeName: size, ColorName: color, Alignment: align},
	})
	r.Wrapping = fyne.TextWrapWord
	return r
}

// remark is a quiet sentence that wraps and changes.
type remark struct {
	root fyne.CanvasObject
	text *fynewidget.RichText
}

func newRemark() *remark {
	text := paragraph("", "helperText", theme.Quiet, fyne.TextAlignLeading)
	return &remark{root: tight(text), text: text}
}

// show shows a sentence; "" hides the line.
func (r *remark) show(text string) {
	if s := r.text.Segments[0].(*fynewidget.TextSegment); s.Text != text {
		s.Text = text
		r.text.Refresh()
	}
	show(r.root, text != "")
}

// tight takes away the padding a paragraph has around itself.
func tight(o fyne.CanvasObject) fyne.CanvasObject {
	const pad = -2 * theme.Step
	return container.New(layout.NewCustomPaddedLayout(pad, pad, pad, pad), o)
}

// flat takes away the shadows at the edges of what scrolls.
func flat(o fyne.CanvasObject) fyne.CanvasObject { return container.NewThemeOverride(o, theme.Flat()) }

// noticeCard is a sentence with an icon, links to what can be done, its details one click away, and a
// way to be rid of it.
func noticeCard(
	icon string,
	color fyne.ThemeColorName,
	text, detail string,
	dismiss func(),
	next ...fyne.CanvasObject,
) fyne.CanvasObject {
	body := container.NewVBox(tight(paragraph(text, "helperText", theme.Text, fyne.TextAlignLeading)))
	links := container.New(layout.NewCustomPaddedHBoxLayout(3*theme.Step), next...)
	if detail != "" {
		details := tight(paragraph(detail, "helperText", theme.Quiet, fyne.TextAlignLeading))
		details.Hide()
		links.Add(widget.NewLink(lang.L("Details"), func() { show(details, !details.Visible()) }))
		body.Add(links)
		body.Add(details)
	} else if len(next) > 0 {
		body.Add(links)
	}
	var right fyne.CanvasObject
	if dismiss != nil {
		right = container.NewVBox(widget.NewIconButton("close", lang.L("Dismiss"), widget.Plain, dismiss).Height(24))
	}
	mark := container.NewVBox(widget.NewIcon(icon, color, theme.SizeSmall))
	row := container.New(&gapBorder{gap: 10}, mark, body, right)
	if right == nil {
		row = container.New(&gapBorder{gap: 10}, mark, body)
	}
	card := widget.NewCard(theme.Raised, widget.Sides(2.5, 3, 2.5, 3), row)
	return container.New(layout.NewCustomPaddedLayout(0, 4, 12, 12), card)
}

// gapBorder puts a mark at the left, something at the right (may be missing) and a body that wraps
// between them.
type gapBorder struct{ gap float32 }

func (g *gapBorder) Layout(o []fyne.CanvasObject, s fyne.Size) {
	left := o[0].MinSize()
	put(o[0], 0, 0, left.Width, s.Height)
	right := float32(0)
	if len(o) > 2 {
		right = o[2].MinSize().Width
		put(o[2], s.Width-right, 0, right, s.Height)
		right += g.gap
	}
	put(o[1], left.Width+g.gap, 0, s.Width-left.Width-g.gap-right, s.Height)
}

func (g *gapBorder) MinSize(o []fyne.CanvasObject) fyne.Size {
	var m fyne.Size
	for i, x := range o {
		z := x.MinSize()
		m.Width += z.Width
		if i > 0 {
			m.Width += g.gap
		}
		m.Height = max(m.Height, z.Height)
	}
	return m
}

// emptyCard is what stands where there is nothing yet: an icon, a word, a sentence, a next step.
func emptyCard(icon, title, text string, next fyne.CanvasObject) fyne.CanvasObject {
	disc := widget.NewDisc(icon, theme.Quiet, theme.Raised, 64)
	words := paragraph(text, "text", theme.Quiet, fyne.TextAlignCenter)
	box := container.NewVBox(
		container.NewCenter(disc), widget.Gap(1),
		container.NewCenter(widget.NewText(title, widget.Style{Size: theme.SizeTitle, Bold: true})),
		words,
	)
	if next != nil {
		box.Add(widget.Gap(1))
		box.Add(container.NewCenter(next))
	}
	return container.New(&column{most: 320}, box)
}

// column centres one object with a most width, in the middle of the height.
type column struct {
	most float32
	top  bool // at the top instead
}

func (c *column) Layout(o []fyne.CanvasObject, s fyne.Size) {
	w := min(c.most, s.Width-8*theme.Step)
	o[0].Resize(fyne.NewSize(w, o[0].MinSize().Height))
	h := o[0].MinSize().Height // again: texts that wrap know their height only now
	y := max(0, (s.Height-h)/2)
	if c.top {
		y = 0
	}
	put(o[0], (s.Width-w)/2, y, w, h)
}

func (c *column) MinSize(o []fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(120, o[0].MinSize().Height)
}

// field is a label over what is to be filled in.
func field(label string, o fyne.CanvasObject) fyne.CanvasObject {
	if s, ok := o.(*widget.Select); ok {
		s.Label = label
	}
	l := widget.NewText(label, widget.Style{Size: theme.SizeCaption, Color: theme.Quiet})
	return container.New(layout.NewCustomPaddedVBoxLayout(theme.Step), l, o)
}

// fold is a word that opens and closes what is below it.
func fold(word string, content fyne.CanvasObject) fyne.CanvasObject {
	content.Hide()
	box := container.NewVBox()
	box.Add(container.NewHBox(widget.NewLink(word, func() {
		show(content, !content.Visible())
		box.Refresh()
	})))
	box.Add(content)
	return box
}
