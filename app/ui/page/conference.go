package page

import (
	"image/color"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// Conference is the card of the calls that are one conversation: who is in it, and what can be done
// with all of them or with one.
type Conference struct {
	Root         fyne.CanvasObject
	Mute, Hangup *widget.Button

	act     Actions
	calls   []app.Call
	names   *widget.Text
	state   *widget.Text
	rows    *fyne.Container
	members map[string]*Member
	order   string
	compact bool
	now     time.Time
}

// Member is one person of a Conference.
type Member struct {
	TakeOut, Hangup *widget.Button
	Recording       *widget.Button // shown while the call is recorded; ends that

	taped  taped
	root   *fyne.Container
	call   app.Call
	avatar *widget.Avatar
	name   *widget.Text
	state  *widget.Text
	bars   *widget.Bars
}

func newConference(act Actions) *Conference {
	c := &Conference{
		act: act, members: map[string]*Member{},
		names: widget.NewText("", widget.Style{Size: 15, Bold: true, Shrink: true}),
		state: widget.NewText("", widget.Style{Size: 13, Color: theme.Quiet, Shrink: true}),
		rows:  container.New(layout.NewCustomPaddedVBoxLayout(0)),
	}
	c.Mute = widget.NewIconButton("mic", lang.L("Mute"), widget.Tonal, func() {
		on := !c.muted()
		for _, call := range c.calls {
			act.Mute(call.ID, on)
		}
	})
	c.Hangup = widget.NewIconButton("hang-up", lang.L("Hang up, for all"), widget.StopKind, func() {
		for _, call := range c.calls {
			act.Hangup(call.ID)
		}
	})
	disc := widget.NewDisc("users", theme.Accent, theme.TonalAccent, 40)
	buttons := container.New(layout.NewCustomPaddedHBoxLayout(2*theme.Step), c.Mute, widget.Gap(1), c.Hangup)
	head := container.New(&free{
		min: func() fyne.Size { return fyne.NewSize(300, stripRow) },
		layout: func(s fyne.Size) {
			b := buttons.MinSize()
			put(disc, 12, 12, 40, 40)
			put(buttons, s.Width-12-b.Width, 12, b.Width, 40)
			room := s.Width - 64 - 24 - b.Width
			put(c.names, 64, 10, room, 22)
			put(c.state, 64, 34, room, 20)
		},
	}, disc, c.names, c.state, buttons)
	body := container.New(layout.NewCustomPaddedVBoxLayout(0), head,
		container.New(layout.NewCustomPaddedLayout(0, 8, 0, 0), c.rows))
	c.Root = container.New(layout.NewCustomPaddedLayout(8, 4, 12, 12),
		widget.NewCard(theme.Surface, widget.Insets{}, body))
	return c
}

// Member returns the row of a call, or nil.
func (c *Conference) Member(id string) *Member { return c.members[id] }

func (c *Conference) muted() bool {
	for _, call := range c.calls {
		if !call.Muted {
			return false
		}
	}
	return len(c.calls) > 0
}

func (c *Conference) show(snap app.Snapshot, calls []app.Call, now time.Time) {
	c.calls = calls
	names, ids := make([]string, 0, len(calls)), make([]string, 0, len(calls))
	for _, call := range calls {
		names = append(names, call.PeerName)
		ids = append(ids, call.ID)
	}
	c.names.SetText(strings.Join(names, ", "))
	if order := strings.Join(ids, "\n"); order != c.order {
		c.order = order
		kept := make(map[string]*Member, len(calls))
		c.rows.RemoveAll()
		for _, call := range calls {
			m := c.members[call.ID]
			if m == nil {
				m = newMember(c.act, call.ID)
			}
			kept[call.ID] = m
			c.rows.Add(m.root)
		}
		c.members = kept
	}
	for _, call := range calls {
		c.members[call.ID].show(snap, call, c.compact, now)
	}
	c.Mute.SetOn(c.muted())
	if c.muted() {
		c.Mute.Set("mic-off", lang.L("Unmute"))
	} else {
		c.Mute.Set("mic", lang.L("Mute"))
	}
	show(c.Mute, !c.compact)
	show(c.rows, !c.compact)
	c.tick(now)
}

func (c *Conference) tick(now time.Time) {
	c.now = now
	begun := now
	for _, call := range c.calls {
		if !call.AnsweredAt.IsZero() && call.AnsweredAt.Before(begun) {
			begun = call.AnsweredAt
		}
	}
	people := lang.L("{{.Count}} people and you", data{"Count": len(c.calls)})
	c.state.SetText(duration(now.Sub(begun)) + " · " + people)
	for _, m := range c.members {
		m.tick(now)
	}
}

func (c *Conference) figures(calls []app.Call) {
	for _, call := range calls {
		if m := c.members[call.ID]; m != nil {
			m.call = call
			m.bars.Set(call.Quality.Bars)
		}
	}
}

func newMember(act Actions, id string) *Member {
	m := &Member{
		avatar: widget.NewAvatar(28, theme.Surface), name: widget.NewText("", widget.Body()),
		state: widget.NewText("", widget.Caption()), bars: widget.NewBars(),
	}
	m.TakeOut = widget.NewButton("user-minus", lang.L("Take out"), widget.Tonal, func() { act.Split(id) }).Height(28)
	m.Hangup = widget.NewIconButton("hang-up", "", widget.Plain, func() { act.Hangup(id) }).Height(28).Tint(theme.Stop)
	m.Recording = newRecording(func() { act.Record(id, false) })
	ground := widget.NewClick(canvas.NewRectangle(color.Transparent), func() { act.Open(m.call.Peer) })
	m.root = container.New(&free{
		min: func() fyne.Size { return fyne.NewSize(280, 40) },
		layout: func(s fyne.Size) {
			put(ground, 0, 0, s.Width, s.Height)
			put(m.avatar, 24, 6, 28, 28)
			put(m.Hangup, s.Width-18-28, 6, 28, 28)
			out := m.TakeOut.MinSize().Width
			x := s.Width - 18 - 28 - 8 - out
			put(m.TakeOut, x, 6, out, 28)
			put(m.bars, x-12-19, 13, 19, 14)
			room := x - 12 - 19 - 12 - 64
			if m.Recording.Visible() {
				w := m.Recording.MinSize().Width
				put(m.Recording, x-12-19-12-w, 8, w, 24)
				room -= w + 8
			}
			name := min(fyne.MeasureText(m.name.Text(), theme.SizeText, fyne.TextStyle{}).Width+1, room)
			put(m.name, 64, 10, name, 20)
			put(m.state, 64+name+8, 11, max(0, room-name-8), 18)
		},
	}, ground, m.avatar, m.name, m.state, m.bars, m.Recording, m.TakeOut, m.Hangup)
	return m
}

func (m *Member) show(snap app.Snapshot, c app.Call, compact bool, now time.Time) {
	m.call = c
	m.avatar.Set(c.PeerName, c.Peer, "")
	if b, ok := findBuddy(snap, c.Peer); ok {
		m.avatar.Set(c.PeerName, c.Peer, glyph(b.Status))
	}
	m.name.SetText(c.PeerName)
	m.Hangup.Set("hang-up", lang.L("Hang up on {{.Name}}", data{"Name": c.PeerName}))
	m.bars.Set(c.Quality.Bars)
	m.taped.show(m.Recording, c, now)
	show(m.TakeOut, !compact)
	m.root.Refresh()
}

func (m *Member) tick(now time.Time) {
	if m.taped.tick(m.Recording, now) {
		m.root.Refresh()
	}
	words := duration(now.Sub(m.call.AnsweredAt))
	if m.call.State == app.CallHeld {
		words += " · " + lang.L("On hold")
	}
	if m.call.Muted {
		words += " · " + lang.L("Muted")
	}
	m.state.SetText(words)
}
