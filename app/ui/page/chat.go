package page

import (
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// groupWithin is how close two messages of one person must be to stand as one group.
const groupWithin = 3 * time.Minute

// The kinds of rows of a chat.
const (
	chatDay = iota
	chatBubble
)

type chatRow struct {
	kind   int
	key    string
	day    string
	bubble widget.BubbleData
	id     string // of the message
	detail string
	height float32 // for the width it was computed for
	width  float32
}

// Chat is the person's conversation with its composer.
type Chat struct {
	Root     fyne.CanvasObject
	Composer *widget.Entry
	Feed     *widget.Feed

	act      Actions
	address  string
	name     string
	rows     []chatRow
	messages []app.Message
	now      time.Time
	empty    *fyne.Container
	send     *widget.Button
	drafts   map[string]string // what was typed and not sent, by address
}

// NewChat returns a pane without a person.
func NewChat(act Actions) *Chat {
	c := &Chat{act: act, drafts: map[string]string{}}
	c.Feed = widget.NewFeed(widget.FeedSource{
		Count: func() int { return len(c.rows) }, Kind: func(i int) int { return c.rows[i].kind },
		Height: c.height, Create: c.create, Update: c.update,
		Key: func(i int) string { return c.rows[i].key },
	})
	c.Feed.ToEnd = true
	c.Feed.NearTop = func() { act.Older(c.address) }
	c.Composer = widget.NewTextArea(lang.L("Write a message"))
	c.Composer.OnEnter = c.submit
	c.Composer.OnChanged = func(string) { c.typed() }
	c.send = widget.NewIconButton("send", lang.L("Send"), widget.AccentKind, c.submit).Height(36)
	c.send.Disable()
	c.empty = container.NewStack()
	foot := container.New(&composerLayout{c}, c.Composer, c.send)
	c.Root = container.NewBorder(nil, foot, nil, nil, container.NewStack(c.Feed, c.empty))
	return c
}

// composerLayout lets the field grow with its text up to six lines, the button at its foot.
type composerLayout struct{ c *Chat }

const (
	composerLine float32 = 19
	composerPad  float32 = 17
)

func (l *composerLayout) lines() int {
	width := l.c.Composer.Size().Width - 8*theme.Step
	if width <= 0 || l.c.Composer.Text == "" {
		return 1
	}
	return min(6, len(widget.Wrap(l.c.Composer.Text, theme.SizeText, width)))
}

func (l *composerLayout) MinSize([]fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(200, composerLine*float32(l.lines())+composerPad+6*theme.Step)
}

func (l *composerLayout) Layout(_ []fyne.CanvasObject, s fyne.Size) {
	put(l.c.Composer, 20, 2*theme.Step, s.Width-20-20-36-2*theme.Step, s.Height-6*theme.Step)
	put(l.c.send, s.Width-20-36, s.Height-4*theme.Step-36, 36, 36)
}

// Open shows another person; what was typed for the last one is kept.
func (c *Chat) Open(address, name string) {
	if !Same(address, c.address) {
		c.drafts[addressKey(c.address)] = c.Composer.Text
		c.address = address
		c.messages, c.rows = nil, nil
		c.Composer.SetText(c.drafts[addressKey(address)])
		c.Feed.Reload()
		c.Feed.ScrollToEnd()
	}
	c.address, c.name = address, name
}

// Address returns the address of the person shown.
func (c *Chat) Address() string { return c.address }

// Show shows the messages, oldest first. now is the time by which days are named.
func (c *Chat) Show(messages []app.Message, now time.Time) {
	c.messages, c.now = messages, now
	old := make(map[string]chatRow, len(c.rows))
	for _, r := range c.rows {
		old[r.key] = r
	}
	c.rows = make([]chatRow, 0, len(messages)+8)
	var last time.Time
	for i, m := range messages {
		at := m.At.In(now.Location())
		if i == 0 || !sameDay(at, last) {
			name := day(at, now)
			c.rows = append(c.rows, chatRow{kind: chatDay, key: "day:" + at.Format(time.DateOnly), day: name})
		}
		last = at
		row := chatRow{kind: chatBubble, key: m.ID, id: m.ID, detail: m.Detail, bubble: c.bubble(messages, i)}
		if o, ok := old[m.ID]; ok && o.bubble == row.bubble {
			row.height, row.width = o.height, o.width
		}
		c.rows = append(c.rows, row)
	}
	c.showEmpty(len(messages) == 0)
	c.Feed.Reload()
}

func (c *Chat) showEmpty(on bool) {
	c.empty.RemoveAll()
	if on && c.address != "" {
		c.empty.Add(emptyCard("message", c.name, lang.L("No messages yet. Say hello."), nil))
	}
	c.empty.Refresh()
}

// bubble makes message i of a conversation ready to be drawn.
func (c *Chat) bubble(messages []app.Message, i int) widget.BubbleData {
	m := messages[i]
	d := widget.BubbleData{
		Outgoing: m.Outgoing, Text: m.Text, Time: clock(m.At, c.now), First: true, Last: true,
	}
	if i > 0 {
		d.First = !joined(messages[i-1], m, c.now.Location())
	}
	if i+1 < len(messages) {
		d.Last = !joined(m, messages[i+1], c.now.Location())
	}
	if !m.Outgoing {
		return d
	}
	d.Below = sentence(m.Reason)
	switch m.State {
	case app.MessageWaiting:
		d.Mark = "clock"
	case app.MessageSent, app.MessageAccepted:
		d.Mark = "check"
	case app.MessageDelivered, app.MessageRead:
		d.Mark = "check-double"
	case app.MessageFailed:
		d.Mark, d.Alert, d.Action = "alert", true, lang.L("Try again")
		if d.Below == "" {
			d.Below = lang.L("Not sent.")
		}
	}
	return d
}

// joined tells whether two messages that follow each other stand as one group.
func joined(a, b app.Message, loc *time.Location) bool {
	return a.Outgoing == b.Outgoing && b.At.Sub(a.At) < groupWithin && sameDay(a.At.In(loc), b.At.In(loc)) &&
		a.State != app.MessageFailed
}

func (c *Chat) height(i int, width float32) float32 {
	r := &c.rows[i]
	if r.kind == chatDay {
		return widget.DayHeight
	}
	if r.width != width || r.height == 0 {
		r.height, r.width = widget.BubbleHeight(r.bubble, width), width
	}
	if i == len(c.rows)-1 {
		return r.height + 3*theme.Step
	}
	return r.height
}

func (c *Chat) create(kind int) fyne.CanvasObject {
	if kind == chatDay {
		return widget.NewDayLine()
	}
	return widget.NewBubble()
}

func (c *Chat) update(i int, o fyne.CanvasObject) {
	r := c.rows[i]
	switch w := o.(type) {
	case *widget.DayLine:
		w.Set(r.day)
	case *widget.Bubble:
		w.OnAction = func() { c.act.Retry(r.id) }
		w.OnSecondary = func(at fyne.Position) { c.menu(r, at) }
		w.Set(r.bubble)
	}
}

func (c *Chat) menu(r chatRow, at fyne.Position) {
	copyItem := fyne.NewMenuItem(lang.L("Copy"), func() { c.act.Copy(r.bubble.Text) })
	copyItem.Icon = theme.Icon("copy", theme.Text)
	items := []*fyne.MenuItem{copyItem}
	if r.bubble.Action != "" {
		retry := fyne.NewMenuItem(lang.L("Try again"), func() { c.act.Retry(r.id) })
		retry.Icon = theme.Icon("retry", theme.Text)
		items = append(items, retry)
	}
	if r.detail != "" {
		details := fyne.NewMenuItem(lang.L("Details"), func() { c.act.Tell(r.bubble.Below, r.detail) })
		details.Icon = theme.Icon("info", theme.Text)
		items = append(items, details)
	}
	c.act.Menu(items, at)
}

func (c *Chat) typed() {
	if c.Composer.Text == "" {
		c.send.Disable()
	} else {
		c.send.Enable()
	}
	c.Root.Refresh()
}

// submit is Enter in the composer. The field is free again at once; what could not be handed over
// comes back into it, unless the user has begun another message.
func (c *Chat) submit() {
	text := trimmed(c.Composer.Text)
	if text == "" || c.address == "" {
		return
	}
	address := c.address
	c.Composer.SetText("")
	c.Feed.ScrollToEnd()
	c.act.Send(address, text, func() {
		if Same(c.address, address) && c.Composer.Text == "" {
			c.Composer.SetText(text)
		} else if c.drafts[addressKey(address)] == "" {
			c.drafts[addressKey(address)] = text
		}
	})
}
