package page

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// headerHeight is the height of the bar above the right side.
const headerHeight float32 = 68

// Header is the bar above a chat: who it is, the presence, and what can be done.
type Header struct {
	Root *fyne.Container
	Call *widget.Button
	From *widget.Button // which account to call by; only where there are several

	act     Actions
	snap    app.Snapshot
	address string
	buddy   bool
	narrow  bool
	back    *widget.Button
	avatar  *widget.Avatar
	name    *widget.Text
	line    *widget.Text
	mark    *widget.Icon
	more    *widget.Button
	hair    fyne.CanvasObject
}

// NewHeader returns the bar.
func NewHeader(act Actions) *Header {
	h := &Header{
		act: act, avatar: widget.NewAvatar(40, theme.Window),
		name: widget.NewText("", widget.Style{Size: 17, Bold: true, Shrink: true}),
		line: widget.NewText("", widget.Caption()), mark: widget.NewPresence("unknown"), hair: widget.NewHairline(),
	}
	h.back = widget.NewIconButton("back", lang.L("Back to the list"), widget.Plain, act.Back)
	h.Call = widget.NewButton("phone", lang.L("Call"), widget.Tonal, func() { act.Call(h.address) }).Tint(theme.Good)
	h.From = widget.NewIconButton("down", lang.L("Call by another account"), widget.Plain, func() {
		act.Menu(callFromItems(act, h.snap, h.address), below(h.From).SubtractXY(160, 0))
	}).Height(28)
	h.From.Hide()
	h.more = widget.NewIconButton("more", lang.L("More"), widget.Plain, func() {
		act.Menu(personMenu(act, h.snap, h.address, h.buddy), below(h.more).SubtractXY(120, 0))
	})
	h.Root = container.New(&free{
		min:    func() fyne.Size { return fyne.NewSize(300, headerHeight) },
		layout: h.layout,
	}, h.back, h.avatar, h.name, h.mark, h.line, h.Call, h.From, h.more, h.hair)
	h.back.Hide()
	return h
}

func (h *Header) layout(s fyne.Size) {
	x := float32(20)
	if h.narrow {
		put(h.back, 8, 14, 40, 40)
		x = 56
	}
	put(h.avatar, x, 14, 40, 40)
	x += 52
	put(h.more, s.Width-12-40, 14, 40, 40)
	end := s.Width - 12 - 40 - 8
	if h.From.Visible() {
		put(h.From, end-28, 20, 28, 28)
		end -= 28 + 4
	}
	call := h.Call.MinSize().Width
	put(h.Call, end-call, 16, call, 36)
	room := end - call - 12 - x
	put(h.name, x, 12, room, 24)
	left := x
	if h.mark.Visible() {
		put(h.mark, x, 39, theme.SizeGlyph, theme.SizeGlyph)
		left += theme.SizeGlyph + 6
	}
	put(h.line, left, 36, room-(left-x), 18)
	put(h.hair, 0, s.Height-1, s.Width, 1)
}

// SetNarrow shows or hides the arrow back to the list.
func (h *Header) SetNarrow(on bool) {
	h.narrow = on
	show(h.back, on)
	h.Root.Refresh()
}

// Show shows the person.
func (h *Header) Show(s app.Snapshot, address string) {
	h.snap, h.address = s, address
	show(h.From, len(callingAccounts(s)) > 1)
	b, ok := findBuddy(s, address)
	h.buddy = ok
	name := NameOf(s, address)
	h.name.SetText(name)
	h.avatar.Set(name, address, "")
	show(h.mark, ok)
	if ok {
		widget.SetPresence(h.mark, glyph(b.Status))
		h.line.SetText(presenceLine(b))
	} else {
		h.line.SetText(ShowAddress(address))
	}
	busy := false
	for _, c := range live(s) {
		busy = busy || Same(c.Peer, address)
	}
	if busy {
		h.Call.Disable() // the strip below is that call
		h.From.Disable()
	} else {
		h.Call.Enable()
		h.From.Enable()
	}
	h.Root.Refresh()
}

// presenceLine tells a presence with its note, or why it is not known.
func presenceLine(b app.Buddy) string {
	line := PresenceWord(b.Status)
	if b.Lamp == app.LampBusy || b.Lamp == app.LampRinging {
		line += " · " + lampWord(b.Lamp)
	}
	switch {
	case b.Note != "":
		return line + " · " + oneLine(b.Note)
	case b.Status == app.PresenceUnknown && b.Reason != "":
		return line + " · " + oneLine(b.Reason)
	}
	return line + " · " + ShowAddress(b.Address)
}

// TitleBar is the bar above a page that is no person: a title and, in one column, the way back.
type TitleBar struct {
	Root *fyne.Container
	back *widget.Button
}

// NewTitleBar returns a bar with a title.
func NewTitleBar(act Actions, title string) *TitleBar {
	t := &TitleBar{}
	t.back = widget.NewIconButton("back", lang.L("Back"), widget.Plain, act.Back)
	text := widget.NewText(title, widget.Style{Size: theme.SizeTitle, Bold: true, Shrink: true})
	hair := widget.NewHairline()
	t.Root = container.New(&free{
		min: func() fyne.Size { return fyne.NewSize(300, headerHeight) },
		layout: func(s fyne.Size) {
			put(t.back, 8, 14, 40, 40)
			put(text, 56, 22, s.Width-76, 24)
			put(hair, 0, s.Height-1, s.Width, 1)
		},
	}, t.back, text, hair)
	return t
}
