package page

import (
	"slices"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// Requests is what strangers want and the user has not decided: a line at the foot of the list, and
// the cards it opens in place of the list.
type Requests struct {
	Line  *widget.Tap
	Cards map[string]*RequestCard // by the ID of the request

	act    Actions
	root   fyne.CanvasObject // the cards
	foot   *fyne.Container   // the line with its hairline
	words  *widget.Text
	arrow  *widget.Icon
	box    *fyne.Container
	order  string
	opened bool
	toggle func()
}

// RequestCard is one request with what can be done about it.
type RequestCard struct {
	Buttons []*widget.Button // in their order, the likeliest first
	Dismiss *widget.Button

	root fyne.CanvasObject
	text string
}

func newRequests(act Actions, changed func()) *Requests {
	r := &Requests{
		act: act, Cards: map[string]*RequestCard{}, toggle: changed,
		words: widget.NewText("", widget.Style{Size: 13, Shrink: true}),
		arrow: widget.NewIcon("right", theme.Quiet, 14),
		box:   container.New(layout.NewCustomPaddedVBoxLayout(2 * theme.Step)),
	}
	mark := widget.NewIcon("bell", theme.Accent, theme.SizeSmall)
	row := container.New(&free{
		min: func() fyne.Size { return fyne.NewSize(120, 40) },
		layout: func(s fyne.Size) {
			put(mark, 20, 12, 16, 16)
			put(r.words, 44, 10, s.Width-44-44, 20)
			put(r.arrow, s.Width-34, 13, 14, 14)
		},
	}, mark, r.words, r.arrow)
	r.Line = widget.NewTap(lang.L("Requests"), theme.Transparent, 0, widget.Insets{}, row, func() {
		r.opened = !r.opened
		changed()
	})
	r.foot = container.New(layout.NewCustomPaddedVBoxLayout(0), widget.NewHairline(), r.Line)
	inner := container.New(layout.NewCustomPaddedLayout(8, 12, 12, 12), r.box)
	r.root = flat(container.NewVScroll(inner))
	return r
}

// Open tells whether the cards stand in place of the list.
func (r *Requests) Open() bool { return r.opened }

// fold puts the list back, and tells whether the cards were there.
func (r *Requests) fold() bool {
	was := r.opened
	r.opened = false
	return was
}

func (r *Requests) show(snap app.Snapshot, now time.Time) {
	n := len(snap.Requests)
	r.opened = r.opened && n > 0
	show(r.foot, n > 0)
	words := lang.L("{{.Count}} requests", data{"Count": n})
	if n == 1 {
		words = lang.L("1 request")
	}
	r.words.SetText(words)
	r.Line.Label = words
	arrow := "right"
	if r.opened {
		arrow = "down"
	}
	r.arrow.Set(arrow, theme.Quiet)
	r.fill(snap, now)
}

// fill makes the cards anew where requests have changed.
func (r *Requests) fill(snap app.Snapshot, now time.Time) {
	var b strings.Builder
	for _, q := range snap.Requests {
		b.WriteString(q.ID + cardWords(snap, q) + ago(q.At, now) + "\n")
	}
	if b.String() == r.order {
		return
	}
	r.order = b.String()
	r.Cards = map[string]*RequestCard{}
	r.box.RemoveAll()
	for _, q := range slices.Backward(snap.Requests) { // the newest first
		c := r.card(snap, q, now)
		r.Cards[q.ID] = c
		r.box.Add(c.root)
	}
	r.box.Refresh()
}

func (r *Requests) card(snap app.Snapshot, q app.Request, now time.Time) *RequestCard {
	c := &RequestCard{text: cardWords(snap, q)}
	name := q.Name
	if name == "" {
		name = NameOf(snap, q.From)
	}
	c.Dismiss = widget.NewIconButton("close", lang.L("Not now"), widget.Plain, func() { r.act.Refuse(q.ID, false) }).
		Height(24)
	c.Buttons = r.buttons(q)
	buttons := container.New(&flow{})
	for _, b := range c.Buttons {
		buttons.Add(b.Height(28))
	}
	var mark fyne.CanvasObject = widget.NewDisc("shield", theme.Attention, theme.Surface, 36)
	if q.Kind != app.RequestServer {
		avatar := widget.NewAvatar(36, theme.Raised)
		avatar.Set(name, q.From, "")
		mark = container.New(&free{
			min:    func() fyne.Size { return fyne.NewSize(36, 36) },
			layout: func(fyne.Size) { put(avatar, 0, 0, 36, 36) },
		}, avatar)
	}
	who := container.New(layout.NewCustomPaddedVBoxLayout(0), widget.NewText(name, widget.Strong()),
		widget.NewText(ago(q.At, now)+" · "+ShowAddress(q.From), widget.Caption()))
	head := container.New(&gapBorder{gap: 12}, mark, who, container.NewVBox(c.Dismiss))
	body := container.New(layout.NewCustomPaddedVBoxLayout(2*theme.Step), head,
		tight(paragraph(c.text, "text", theme.Text, fyne.TextAlignLeading)), buttons)
	c.root = widget.NewCard(theme.Raised, widget.Even(3), body)
	return c
}

// buttons are what can be done about a request, the likeliest first.
func (r *Requests) buttons(q app.Request) []*widget.Button {
	block := widget.NewButton("", lang.L("Block"), widget.Plain, func() { r.act.Refuse(q.ID, true) }).Tint(theme.Stop)
	switch q.Kind {
	case app.RequestCall:
		return []*widget.Button{
			widget.NewButton("", lang.L("Call back"), widget.AccentKind, func() {
				r.act.Accept(q.ID, func() { r.act.Call(q.From) })
			}),
			r.add(q), block,
		}
	case app.RequestMessage:
		return []*widget.Button{
			widget.NewButton("", lang.L("Read and answer"), widget.AccentKind, func() {
				r.act.Accept(q.ID, func() { r.act.Open(q.From) })
			}),
			r.add(q), block,
		}
	case app.RequestTransfer:
		return []*widget.Button{
			widget.NewButton("", lang.L("Allow"), widget.AccentKind, func() { r.act.Accept(q.ID, nil) }),
			widget.NewButton("", lang.L("Refuse"), widget.Plain, func() { r.act.Refuse(q.ID, false) }),
		}
	case app.RequestServer:
	}
	return []*widget.Button{
		// What is safe comes first.
		widget.NewButton("", lang.L("Ignore"), widget.AccentKind, func() { r.act.Refuse(q.ID, false) }),
		widget.NewButton("", lang.L("Trust it"), widget.Plain, func() { r.act.Accept(q.ID, nil) }),
	}
}

func (r *Requests) add(q app.Request) *widget.Button {
	return widget.NewButton("", lang.L("Add"), widget.Plain, func() { r.act.ShowAddBuddy(ShowAddress(q.From)) })
}

// cardWords are the words on the card of a request, below the name.
func cardWords(snap app.Snapshot, q app.Request) string {
	switch q.Kind {
	case app.RequestCall:
		if q.Count > 1 {
			return lang.L("Called {{.Count}} times and is not in your list.", data{"Count": q.Count})
		}
		return lang.L("Called and is not in your list.")
	case app.RequestMessage:
		return "“" + widget.Shorten(oneLine(q.Text), theme.SizeText, false, 900) + "”"
	case app.RequestServer:
		return lang.L("A call came past your server, from {{.Address}}. Trust it only if you know it.",
			data{"Address": requestServer(q)})
	case app.RequestTransfer:
	}
	return transferAsked(snap, q)
}

// transferAsked is what the other side of a call asks for.
func transferAsked(snap app.Snapshot, q app.Request) string {
	name := q.Name
	if name == "" {
		name = NameOf(snap, q.From)
	}
	names := data{"Name": shortName(name), "To": shortName(NameOf(snap, q.Text))}
	return lang.L("{{.Name}} asks you to call {{.To}}.", names)
}

// requestServer is the address a call came from past the server.
func requestServer(q app.Request) string {
	if q.Text != "" {
		return q.Text
	}
	_, host, ok := strings.Cut(ShowAddress(q.From), "@")
	if !ok {
		return ShowAddress(q.From)
	}
	return host
}

// flow puts objects beside each other, and on a next line where there is no more room.
type flow struct{ width float32 }

const flowGap = 2 * theme.Step

func (f *flow) MinSize(o []fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(60, f.place(o, func(fyne.CanvasObject, fyne.Position, fyne.Size) {}))
}

func (f *flow) Layout(o []fyne.CanvasObject, s fyne.Size) {
	f.width = s.Width
	f.place(o, func(x fyne.CanvasObject, at fyne.Position, size fyne.Size) {
		x.Move(at)
		x.Resize(size)
	})
}

// place calls put for each object with its place, and returns the height of all.
func (f *flow) place(o []fyne.CanvasObject, put func(fyne.CanvasObject, fyne.Position, fyne.Size)) float32 {
	x, y, row := float32(0), float32(0), float32(0)
	for _, c := range o {
		if !c.Visible() {
			continue
		}
		m := c.MinSize()
		if x > 0 && x+m.Width > f.width {
			x, y, row = 0, y+row+flowGap, 0
		}
		put(c, fyne.NewPos(x, y), m)
		x, row = x+m.Width+flowGap, max(row, m.Height)
	}
	return y + row
}
