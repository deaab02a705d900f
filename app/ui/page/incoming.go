package page

import (
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// Incoming is the content of the small window that tells of a call: who it is in big letters, the
// presence and the last message, and what can be done.
type Incoming struct {
	Root                     fyne.CanvasObject
	Answer, Decline, Message *widget.Button

	avatar *widget.Avatar
	name   *widget.Text
	line   *widget.Text
	mark   *widget.Icon
	last   *widget.Text
}

// NewIncoming returns the card for the call with the given ID; message is asked for by the third
// button, besides what it does itself.
func NewIncoming(act Actions, id, peer string, message func()) *Incoming {
	p := &Incoming{
		avatar: widget.NewAvatar(72, theme.Surface),
		name:   widget.NewText("", widget.Style{Size: 24, Bold: true, Shrink: true, Align: fyne.TextAlignCenter}),
		line:   widget.NewText("", widget.Style{Size: 13, Color: theme.Quiet}),
		mark:   widget.NewPresence("unknown"),
		last: widget.NewText(
			"",
			widget.Style{Size: 13, Color: theme.Quiet, Shrink: true, Align: fyne.TextAlignCenter},
		),
	}
	p.Decline = widget.NewIconButton("hang-up", lang.L("Decline"), widget.StopKind, func() { act.Decline(id) }).
		Height(56)
	p.Message = widget.NewIconButton("message", lang.L("Message"), widget.Tonal, func() {
		act.Open(peer)
		message()
	}).Height(56)
	p.Answer = widget.NewIconButton("phone", lang.L("Answer"), widget.GoodKind, func() { act.Answer(id) }).Height(56)
	captioned := func(b *widget.Button) fyne.CanvasObject {
		word := widget.NewText(
			b.Label,
			widget.Style{Size: theme.SizeCaption, Color: theme.Quiet, Align: fyne.TextAlignCenter},
		)
		return container.New(layout.NewCustomPaddedVBoxLayout(theme.Step), container.NewCenter(b), word)
	}
	buttons := container.New(
		layout.NewCustomPaddedHBoxLayout(8*theme.Step),
		captioned(p.Answer),
		captioned(p.Message),
		captioned(p.Decline),
	)
	status := container.NewCenter(container.New(layout.NewCustomPaddedHBoxLayout(6), p.mark, p.line))
	box := container.New(
		layout.NewCustomPaddedVBoxLayout(theme.Step),
		container.NewCenter(
			widget.NewText(lang.L("Incoming call"), widget.Style{Size: 13, Color: theme.Quiet}),
		),
		widget.Gap(1),
		container.NewCenter(
			p.avatar,
		),
		widget.Gap(0),
		p.name,
		status,
		p.last,
		widget.Gap(2),
		container.NewCenter(buttons),
	)
	p.Root = widget.NewSurface(theme.Surface, widget.Even(6), box)
	return p
}

// Show fills the card.
func (p *Incoming) Show(s app.Snapshot, c app.Call, now time.Time) {
	p.name.SetText(c.PeerName)
	b, ok := findBuddy(s, c.Peer)
	show(p.mark, ok)
	if ok {
		p.avatar.Set(c.PeerName, c.Peer, "")
		widget.SetPresence(p.mark, glyph(b.Status))
		line := PresenceWord(b.Status)
		if b.Note != "" {
			line += " · " + oneLine(b.Note)
		}
		p.line.SetText(widget.Shorten(line, 13, false, 280))
	} else {
		p.avatar.Set(c.PeerName, c.Peer, "")
		p.line.SetText(ShowAddress(c.Peer))
	}
	last := ""
	if chat, ok := findChat(s, c.Peer); ok && !chat.Last.At.IsZero() {
		last = "“" + oneLine(chat.Last.Text) + "” · " + ago(chat.Last.At, now)
	}
	p.last.SetText(last)
	show(p.last, last != "")
}
