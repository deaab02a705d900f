package page

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// identity is the head of the list: who I am, my status with its menu, and the note beside it.
type identity struct {
	act    Actions
	self   app.Self
	avatar *widget.Avatar
	name   *widget.Text
	status *widget.Button
	note   *widget.Entry
	gear   *widget.Button
	root   *fyne.Container
}

func newIdentity(act Actions) *identity {
	d := &identity{
		act: act, avatar: widget.NewAvatar(44, theme.Surface),
		name: widget.NewText("", widget.Style{Size: 16, Bold: true, Shrink: true}),
	}
	d.status = widget.NewButton("presence-unknown", "", widget.Plain, d.menu).Height(26).Caret()
	d.note = widget.NewEntry(lang.L("Add a note"))
	d.note.OnEnter = d.saveNote
	d.note.OnBlur = d.saveNote
	d.note.OnEscape = func() bool {
		changed := d.note.Text != d.self.Note
		d.note.SetText(d.self.Note)
		return changed
	}
	d.gear = widget.NewIconButton("settings", lang.L("Settings"), widget.Plain, act.ShowSettings).Height(36)
	note := container.NewThemeOverride(d.note, theme.Inline())
	d.root = container.New(&free{
		min: func() fyne.Size { return fyne.NewSize(260, 76) },
		layout: func(s fyne.Size) {
			put(d.avatar, 16, 16, 44, 44)
			put(d.name, 72, 14, s.Width-72-52, 22)
			put(d.gear, s.Width-48, 12, 36, 36)
			w := d.status.MinSize().Width
			put(d.status, 62, 38, w, 26)
			put(note, 62+w, 38, max(40, s.Width-62-w-12), 26)
		},
	}, d.avatar, d.name, d.gear, d.status, note)
	return d
}

func (d *identity) show(s app.Snapshot) {
	d.self = s.Self
	name := s.Self.DisplayName
	if name == "" {
		name = NameOf(s, s.Self.Address)
	}
	d.name.SetText(name)
	d.avatar.Set(name, s.Self.Address, "")
	p := glyph(s.Self.Status)
	d.status.Set(widget.PresenceIcon(p), d.status.Label)
	d.status.Tint(widget.PresenceColor(p))
	word := PresenceWord(s.Self.Status)
	if s.Self.Chosen == app.PresenceOffline {
		word = choiceWord(s.Self.Chosen)
	}
	d.status.SetText(word)
	d.status.Refresh()
	if c := fyne.CurrentApp().Driver().CanvasForObject(d.note); c == nil || c.Focused() != d.note {
		if d.note.Text != s.Self.Note {
			d.note.SetText(s.Self.Note)
		}
	}
	d.root.Refresh()
}

func (d *identity) menu() {
	seen := fyne.NewMenuItem(d.seen(), nil)
	seen.Disabled = true
	items := []*fyne.MenuItem{seen, fyne.NewMenuItemSeparator()}
	for _, p := range statuses() {
		item := fyne.NewMenuItem(choiceWord(p), func() { d.act.SetPresence(p, d.note.Text) })
		item.Checked = p == d.self.Chosen
		item.Icon = theme.Icon(widget.PresenceIcon(glyph(p)), widget.PresenceColor(glyph(p)))
		items = append(items, item)
	}
	d.act.Menu(items, below(d.status))
}

// seen says what buddies see now.
func (d *identity) seen() string {
	what := PresenceWord(d.self.Status)
	if d.self.Note != "" && d.self.Status != app.PresenceOffline {
		what += " · " + widget.Shorten(oneLine(d.self.Note), theme.SizeText, false, 240)
	}
	return lang.L("Buddies see: {{.What}}", data{"What": what})
}

// choiceWord is a presence as one chooses it for oneself.
func choiceWord(p app.Presence) string {
	if p == app.PresenceOffline {
		return lang.L("Appear offline")
	}
	return PresenceWord(p)
}

func (d *identity) saveNote() {
	if d.note.Text == d.self.Note {
		return
	}
	d.self.Note = d.note.Text // asked for once, also when Enter and the loss of focus both come here
	chosen := d.self.Chosen
	if chosen == "" {
		chosen = app.PresenceOnline
	}
	d.act.SetPresence(chosen, d.note.Text)
}

// below is the place for a menu under an object.
func below(o fyne.CanvasObject) fyne.Position {
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject(o)
	return at.AddXY(0, o.Size().Height+theme.Step)
}
