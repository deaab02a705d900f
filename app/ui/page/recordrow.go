package page

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// recordDetails is what is unfolded below a past call.
type recordDetails struct {
	s      *Sidebar
	record app.Record
	back   func()
}

// when tells the day, the time and how long it lasted or rang.
func (d *recordDetails) when() string {
	r, now := d.record, d.s.now
	words := day(r.StartedAt, now) + ", " + r.StartedAt.In(now.Location()).Format("15:04:05")
	if !r.AnsweredAt.IsZero() {
		return words + " · " + duration(r.EndedAt.Sub(r.AnsweredAt))
	}
	return words + " · " + lang.L("rang {{.Length}}", data{"Length": duration(r.EndedAt.Sub(r.StartedAt))})
}

// with tells the address, and by which account where there are several.
func (d *recordDetails) with() string {
	words := ShowAddress(d.record.Peer)
	if len(d.s.snap.Accounts) > 1 && d.record.Account != "" {
		words += " · " + lang.L("by {{.Account}}", data{"Account": ShowAddress(d.record.Account)})
	}
	return words
}

// reasons are the lines that tell why the call ended.
func (d *recordDetails) reasons(width float32) []string {
	if d.record.Reason == "" {
		return nil
	}
	lines := widget.Wrap(sentence(d.record.Reason), theme.SizeCaption, width-recordLeft-recordEdge)
	return lines[:min(len(lines), 3)]
}

const (
	recordLeft float32 = 68 // below the name
	recordEdge float32 = 20
	recordLine float32 = 18
)

func (d *recordDetails) height(width float32) float32 {
	return 4 + 2*recordLine + float32(len(d.reasons(width)))*recordLine + 8 + 32 + 12
}

// recordRow draws the details of a past call in the list.
type recordRow struct {
	fynewidget.BaseWidget
	Call, Message, Add *widget.Button

	d           *recordDetails
	when, with  *widget.Text
	reason, box *fyne.Container
}

func newRecordRow() *recordRow {
	r := &recordRow{
		when: widget.NewText("", widget.Style{Size: theme.SizeCaption, Shrink: true}),
		with: widget.NewText("", widget.Caption()), reason: container.New(layout.NewCustomPaddedVBoxLayout(0)),
	}
	r.Call = widget.NewButton("phone", lang.L("Call back"), widget.Tonal, func() { r.d.back() }).
		Tint(theme.Good).Height(32)
	r.Message = widget.NewIconButton("message", lang.L("Message"), widget.Tonal, func() {
		r.d.s.act.Open(r.d.record.Peer)
	}).Height(32)
	r.Add = widget.NewIconButton("user-plus", lang.L("Add to the list"), widget.Tonal, func() {
		r.d.s.act.ShowAddBuddy(ShowAddress(r.d.record.Peer))
	}).Height(32)
	buttons := container.New(layout.NewCustomPaddedHBoxLayout(2*theme.Step), r.Call, r.Message, r.Add)
	r.box = container.New(&free{
		min: func() fyne.Size { return fyne.NewSize(100, 80) },
		layout: func(s fyne.Size) {
			w := s.Width - recordLeft - recordEdge
			put(r.when, recordLeft, 4, w, recordLine)
			put(r.with, recordLeft, 4+recordLine, w, recordLine)
			h := float32(len(r.reason.Objects)) * recordLine
			put(r.reason, recordLeft, 4+2*recordLine, w, h)
			put(buttons, recordLeft, 4+2*recordLine+h+8, w, 32)
		},
	}, r.when, r.with, r.reason, buttons)
	r.ExtendBaseWidget(r)
	return r
}

// CreateRenderer implements fyne.Widget.
func (r *recordRow) CreateRenderer() fyne.WidgetRenderer { return fynewidget.NewSimpleRenderer(r.box) }

func (r *recordRow) set(d *recordDetails, width float32) {
	r.d = d
	r.when.SetText(d.when())
	r.with.SetText(d.with())
	r.reason.RemoveAll()
	for _, line := range d.reasons(width) {
		r.reason.Add(widget.NewText(line, widget.Caption()))
	}
	_, buddy := findBuddy(d.s.snap, d.record.Peer)
	show(r.Add, !buddy)
	r.box.Refresh()
}

// linkRow is a quiet link in the middle of a row of the list.
type linkRow struct {
	fynewidget.BaseWidget
	box *fyne.Container
	row listRow
}

const linkHeight float32 = 56

func newLinkRow() *linkRow {
	l := &linkRow{box: container.NewStack()}
	l.ExtendBaseWidget(l)
	return l
}

func (l *linkRow) set(row listRow) {
	if l.row.group != row.group {
		link := widget.NewButton("trash", row.group, widget.Plain, func() { l.row.choose() }).Height(32)
		l.box.Objects = []fyne.CanvasObject{container.NewCenter(link)}
		l.box.Refresh()
	}
	l.row = row
}

// CreateRenderer implements fyne.Widget.
func (l *linkRow) CreateRenderer() fyne.WidgetRenderer { return fynewidget.NewSimpleRenderer(l.box) }
