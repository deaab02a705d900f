package page

import (
	"strconv"

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
	dnd    *widget.Button // only while it is on
	mail   *widget.Button // only while something waits in a mailbox
	box    app.Voicemail
	boxOf  string // address of the account of that mailbox
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
	d.dnd = widget.NewIconButton("moon", lang.L("Do not disturb is on. Turn it off."), widget.Plain, func() {
		act.Set("dnd", "off")
	}).Height(36).Tint(theme.Stop)
	d.mail = widget.NewButton("voicemail", "", widget.Tonal, d.callMailbox).Height(28)
	d.dnd.Hide()
	d.mail.Hide()
	note := container.NewThemeOverride(d.note, theme.Inline())
	d.root = container.New(&free{
		min: func() fyne.Size { return fyne.NewSize(260, 76) },
		layout: func(s fyne.Size) {
			put(d.avatar, 16, 16, 44, 44)
			put(d.gear, s.Width-48, 12, 36, 36)
			end := s.Width - 48
			if d.dnd.Visible() {
				end -= 36
				put(d.dnd, end, 12, 36, 36)
			}
			if d.mail.Visible() {
				w := d.mail.MinSize().Width
				end -= w + 4
				put(d.mail, end, 16, w, 28)
			}
			put(d.name, 72, 14, end-4-72, 22)
			w := d.status.MinSize().Width
			put(d.status, 62, 38, w, 26)
			put(note, 62+w, 38, max(40, s.Width-62-w-12), 26)
		},
	}, d.avatar, d.name, d.mail, d.dnd, d.gear, d.status, note)
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
	show(d.dnd, s.Self.DND)
	d.showMail(s)
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
	dnd := fyne.NewMenuItem(lang.L("Do not disturb"), func() { d.act.Set("dnd", onOff(!d.self.DND)) })
	dnd.Checked, dnd.Icon = d.self.DND, theme.Icon("moon", theme.Stop)
	items = append(items, fyne.NewMenuItemSeparator(), dnd)
	d.act.Menu(items, below(d.status))
}

// showMail shows how much waits in the mailboxes of the accounts.
func (d *identity) showMail(s app.Snapshot) {
	d.box, d.boxOf = app.Voicemail{}, ""
	count, known := 0, true
	for _, a := range s.Accounts {
		if !a.Voicemail.Waiting {
			continue
		}
		if d.boxOf == "" {
			d.box, d.boxOf = a.Voicemail, a.Address
		}
		known = known && a.Voicemail.New >= 0
		count += max(0, a.Voicemail.New)
	}
	show(d.mail, d.boxOf != "")
	if d.boxOf == "" {
		return
	}
	words, label := lang.L("New"), lang.L("Messages wait in your mailbox. Call it.")
	if known && count > 0 {
		words = strconv.Itoa(count)
		label = lang.L("{{.Count}} new in your mailbox. Call it.", data{"Count": count})
	}
	d.mail.SetText(words)
	d.mail.Set("voicemail", label)
}

// callMailbox calls the mailbox that has something new.
func (d *identity) callMailbox() {
	if d.box.Address == "" {
		d.act.Tell(lang.L("Your server does not tell the number of your mailbox. Ask your provider for it."), "")
		return
	}
	d.act.CallFrom(d.box.Address, d.boxOf)
}

// onOff is a switch as a setting is written.
func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
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
