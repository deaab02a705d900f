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

// backFor is how long the strip says that the network is back.
const backFor = 4 * time.Second

// Strip is one call.
type Strip struct {
	Root fyne.CanvasObject
	// The buttons, in their order.
	Mute, Keypad, Hold, More, Hangup *widget.Button
	Answer, Decline, Resume          *widget.Button
	AnswerHold                       *widget.Button // of a call that comes in during another
	Recording                        *widget.Button // shown while the call is recorded; ends that

	act     Actions
	id      string
	call    app.Call
	compact bool
	card    *widget.Surface
	avatar  *widget.Avatar
	name    *widget.Text
	state   *widget.Text
	bars    *widget.Bars
	quality *widget.Tap
	codec   *widget.Button
	lock    *widget.Icon
	secure  *widget.Text
	locked  *widget.Click // lies over both and opens the details; the keyboard has the bars for that
	taped   taped
	adapted adapted
	notes   *StripNotes
	several bool // other calls are answered too
	network *fyne.Container
	netIcon *widget.Icon
	netText *widget.Text
	netSaid string
	netAt   time.Time
	now     time.Time // of the last tick
	room    float32   // of the clock
	digits  fyne.CanvasObject
	details *callDetails
	head    *fyne.Container
	buttons *fyne.Container
}

func newStrip(act Actions, id string) *Strip {
	s := &Strip{
		act:    act,
		id:     id,
		avatar: widget.NewAvatar(40, theme.Surface),
		name: widget.NewText(
			"",
			widget.Style{Size: 15, Bold: true, Shrink: true},
		),
		state:   widget.NewText("", widget.Style{Size: 13, Color: theme.Quiet}),
		bars:    widget.NewBars(),
		lock:    widget.NewIcon("lock-open", theme.Quiet, 14),
		secure:  widget.NewText("", widget.Caption()),
		netIcon: widget.NewIcon("network", theme.Good, theme.SizeSmall),
		netText: widget.NewText("", widget.Style{Size: 13, Shrink: true}),
		notes:   newStripNotes(act),
		adapted: adapted{note: newNote("spark", theme.Quiet)},
	}
	s.details = newCallDetails(s.codecMenu)
	s.makeButtons()
	s.codec = widget.NewButton("", "", widget.Tonal, nil).Height(24).Caret()
	s.codec.OnTapped = func() { s.codecMenu(s.codec) }
	s.Recording = newRecording(func() { act.Record(id, false) })
	s.quality = widget.NewTap(
		lang.L("Quality of the call"),
		theme.Transparent,
		8,
		widget.Sides(1, 1.5, 1, 1.5),
		s.bars,
		func() { s.toggle(s.details.root) },
	)
	open := widget.NewTap(
		lang.L("Show the person"),
		theme.Transparent,
		8,
		widget.Insets{},
		s.avatar,
		func() { act.Open(s.call.Peer) },
	)
	ground := widget.NewClick(canvas.NewRectangle(color.Transparent), func() { act.Open(s.call.Peer) })
	s.locked = widget.NewClick(canvas.NewRectangle(color.Transparent), func() { s.toggle(s.details.root) })
	s.head = container.New(
		&stripLayout{s: s, open: open, ground: ground},
		ground,
		open,
		s.name,
		s.state,
		s.quality,
		s.Recording,
		s.codec,
		s.lock,
		s.secure,
		s.locked,
		s.buttons,
	)
	s.network = s.networkLine()
	s.digits = container.NewCenter(
		container.New(layout.NewCustomPaddedLayout(4, 12, 0, 0), Digits(44, func(d string) { act.DTMF(id, d) })),
	)
	s.network.Hide()
	s.digits.Hide()
	s.details.root.Hide()
	body := container.New(layout.NewCustomPaddedVBoxLayout(0),
		s.head, s.notes.early.root, s.notes.transfer.root, s.notes.asked.root, s.network, s.adapted.note.root,
		s.digits, s.details.root)
	s.card = widget.NewCard(theme.Surface, widget.Insets{}, body)
	s.Root = container.New(layout.NewCustomPaddedLayout(8, 4, 12, 12), s.card)
	return s
}

// networkLine is the line that tells what the network does to the call.
func (s *Strip) networkLine() *fyne.Container {
	return container.New(&free{
		min: func() fyne.Size { return fyne.NewSize(100, 28) },
		layout: func(z fyne.Size) {
			put(s.netIcon, 24, 6, 16, 16)
			put(s.netText, 64, 4, z.Width-72, 20)
		},
	}, s.netIcon, s.netText)
}

func (s *Strip) makeButtons() {
	id := s.id
	s.Mute = widget.NewIconButton("mic", lang.L("Mute"), widget.Tonal, func() { s.act.Mute(id, !s.call.Muted) })
	s.Keypad = widget.NewIconButton("keypad", lang.L("Keypad"), widget.Tonal, func() { s.toggle(s.digits) })
	s.Hold = widget.NewIconButton("hold", lang.L("Hold"), widget.Tonal, func() { s.act.Hold(id) })
	s.Resume = widget.NewButton("resume", lang.L("Resume"), widget.AccentKind, func() { s.act.Resume(id) }).
		Height(theme.SizeControl)
	s.More = widget.NewIconButton("more", lang.L("More"), widget.Tonal, s.moreMenu)
	s.Hangup = widget.NewIconButton("hang-up", lang.L("Hang up"), widget.StopKind, func() { s.act.Hangup(id) })
	s.Answer = widget.NewIconButton("phone", lang.L("Answer"), widget.GoodKind, func() { s.act.Answer(id) })
	s.AnswerHold = widget.NewButton("phone", lang.L("Answer and hold"), widget.GoodKind, func() { s.act.Answer(id) }).
		Height(theme.SizeControl)
	s.Decline = widget.NewIconButton("hang-up", lang.L("Decline"), widget.StopKind, func() { s.act.Decline(id) })
	s.buttons = container.New(layout.NewCustomPaddedHBoxLayout(2*theme.Step),
		s.Mute, s.Keypad, s.Hold, s.Resume, s.More, s.Answer, s.AnswerHold, widget.Gap(1), s.Hangup, s.Decline)
}

func (s *Strip) heldByUs() bool { return s.call.HeldBy == "us" || s.call.HeldBy == "both" }

func (s *Strip) toggle(o fyne.CanvasObject) {
	show(o, !o.Visible())
	s.details.show(s.call, s.now)
	s.details.unfolded()
	s.Keypad.SetOn(s.digits.Visible())
	s.act.Resize()
}

// ShowDetails unfolds what is under the quality bars, or folds it again.
func (s *Strip) ShowDetails(on bool) {
	if s.details.root.Visible() != on {
		s.toggle(s.details.root)
	}
}

// Levels are what the details show of how loud both sides are.
func (s *Strip) Levels() (spoken, heard float64) {
	return s.details.facts.spoken.Level(), s.details.facts.heard.Level()
}

// fold folds away what is unfolded under the strip, and tells whether there was anything.
func (s *Strip) fold() bool {
	open := s.details.root.Visible() || s.digits.Visible()
	show(s.details.root, false)
	show(s.digits, false)
	if open {
		s.Keypad.SetOn(false)
		s.act.Resize()
	}
	return open
}

// Notes are the lines under the words of the call.
func (s *Strip) Notes() *StripNotes { return s.notes }

// NetworkSays is the sentence about the network that is shown, or "".
func (s *Strip) NetworkSays() string {
	if !s.network.Visible() {
		return ""
	}
	return s.netText.Text()
}

func (s *Strip) show(snap app.Snapshot, c app.Call, now time.Time) {
	s.call = c
	s.several = len(answered(snap)) > 1
	s.avatar.Set(c.PeerName, c.Peer, "")
	if b, ok := findBuddy(snap, c.Peer); ok {
		s.avatar.Set(c.PeerName, c.Peer, glyph(b.Status))
	}
	s.name.SetText(c.PeerName)
	s.showButtons()
	up := s.up()
	show(s.codec, up && c.Codec != "")
	show(s.lock, up || c.Secure)
	show(s.secure, up || c.Secure)
	show(s.locked, up)
	s.showSwitches(c)
	s.bars.Set(c.Quality.Bars)
	if c.Codec != "" {
		s.codec.SetText(CodecName(c.Codec))
		s.codec.Label = lang.L("Codec: {{.Codec}}. Change it.", data{"Codec": CodecName(c.Codec)})
	}
	s.showSecurity(c)
	s.showNetwork(c, now)
	s.taped.show(s.Recording, c, now)
	changed := s.adapted.show(c, now)
	if s.notes.show(snap, c) || changed {
		s.act.Resize()
	}
	s.details.show(c, now)
	s.tick(now)
	s.head.Refresh()
}

// showSecurity tells what of the call others on the way could listen to.
func (s *Strip) showSecurity(c app.Call) {
	switch {
	case encrypted(c):
		s.lock.Set("lock", theme.Good)
		s.secure.SetText(lang.L("Encrypted"))
	case c.Secure:
		s.lock.Set("lock", theme.Quiet)
		s.secure.SetText(lang.L("Signalling encrypted"))
	default:
		s.lock.Set("lock-open", theme.Quiet)
		s.secure.SetText(lang.L("Not encrypted"))
	}
}

func (s *Strip) up() bool {
	return s.call.State == app.CallEstablished || s.call.State == app.CallHeld
}

// showButtons shows what can be done with the call in its present state.
func (s *Strip) showButtons() {
	ringing, up := s.call.State == app.CallIncoming, s.up()
	waiting := ringing && s.call.Waiting && !s.compact
	show(s.Answer, ringing && !waiting)
	show(s.AnswerHold, waiting)
	show(s.Decline, ringing)
	show(s.Hangup, !ringing)
	for _, o := range []fyne.CanvasObject{s.Mute, s.Keypad, s.Hold} {
		show(o, up && !s.heldByUs() && !s.compact)
	}
	show(s.Resume, up && s.heldByUs() && !s.compact)
	show(s.More, up && !s.compact)
	show(s.quality, up)
}

func (s *Strip) showSwitches(c app.Call) {
	s.Mute.SetOn(c.Muted)
	if c.Muted {
		s.Mute.Set("mic-off", lang.L("Unmute"))
	} else {
		s.Mute.Set("mic", lang.L("Mute"))
	}
	ground, ink := theme.Surface, theme.Text
	if c.State == app.CallHeld {
		ground, ink = theme.Window, theme.Quiet
	}
	if c.State == app.CallIncoming && !c.Waiting {
		ground = theme.TonalGood
	}
	s.card.SetColor(ground)
	s.name.SetColor(ink)
	s.avatar.SetGround(ground)
}

// showNetwork tells in a sentence what the network does to the call.
func (s *Strip) showNetwork(c app.Call, now time.Time) {
	if c.Network != s.netSaid {
		s.netSaid, s.netAt = c.Network, now
	}
	s.networkTick(now)
}

func (s *Strip) networkTick(now time.Time) {
	back := strings.HasPrefix(strings.ToLower(s.netSaid), "back")
	on := s.netSaid != "" && (!back || now.Sub(s.netAt) < backFor)
	changed := on != s.network.Visible()
	show(s.network, on)
	text := sentence(s.netSaid)
	if back {
		s.netIcon.Set("network", theme.Good)
	} else {
		s.netIcon.Set("network-off", theme.Attention)
		if secs := int(now.Sub(s.netAt) / time.Second); secs > 0 {
			text += lang.L(" · {{.Seconds}} s", data{"Seconds": secs})
		}
	}
	s.netText.SetText(text)
	if changed {
		s.act.Resize()
	}
}

// tick writes the clock, or what the call is doing while it has none. Only the clock is drawn anew:
// its room is that of the widest digits, so that what follows it does not tremble.
func (s *Strip) tick(now time.Time) {
	s.now = now
	s.state.SetText(callState(s.call, now))
	s.networkTick(now)
	if s.adapted.tick(now) {
		s.act.Resize()
	}
	if s.taped.tick(s.Recording, now) {
		s.head.Refresh()
	}
	if room := clockRoom(s.state.Text()); room != s.room {
		s.room = room
		s.head.Refresh()
	}
}

// clockRoom is the width a clock and the word beside it need, whichever its digits are.
func clockRoom(text string) float32 {
	widest := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return '0' // the digits of the fonts at hand are of one width, or this is the widest
		}
		return r
	}, text)
	return fyne.MeasureText(widest, 13, fyne.TextStyle{}).Width + 1
}

// callState is the clock of a call with a word about it.
func callState(c app.Call, now time.Time) string {
	switch c.State {
	case app.CallCalling:
		return lang.L("Calling")
	case app.CallRinging:
		return lang.L("Ringing")
	case app.CallIncoming:
		if c.Waiting {
			return lang.L("Calls you too")
		}
		return lang.L("Incoming call")
	case app.CallHeld:
		word := lang.L("On hold")
		if c.HeldBy == "peer" {
			word = lang.L("Put on hold by {{.Name}}", data{"Name": c.PeerName})
		}
		return duration(now.Sub(c.AnsweredAt)) + " · " + word
	case app.CallEnded:
		return lang.L("Ended")
	case app.CallEstablished:
	}
	return duration(now.Sub(c.AnsweredAt))
}

// CodecItems are the codecs both sides can do, and leaving the choice to the program.
func (s *Strip) CodecItems() []*fyne.MenuItem {
	if len(s.call.Codecs) == 0 {
		return nil
	}
	auto := fyne.NewMenuItem(lang.L("Automatic"), func() {
		s.act.Codec(s.id, "auto")
	})
	auto.Checked = !s.call.Chosen
	items := []*fyne.MenuItem{auto, fyne.NewMenuItemSeparator()}
	seen := map[string]bool{} // Speex comes in two bandwidths
	for _, name := range s.call.Codecs {
		if seen[name] {
			continue
		}
		seen[name] = true
		item := fyne.NewMenuItem(CodecName(name), func() {
			s.act.Codec(s.id, name)
		})
		item.Checked = s.call.Chosen && strings.EqualFold(name, s.call.Codec)
		items = append(items, item)
	}
	return items
}

func (s *Strip) codecMenu(at *widget.Button) {
	if items := s.CodecItems(); len(items) > 0 {
		s.act.Menu(items, below(at))
	}
}

// MoreItems are what else can be done with the call.
func (s *Strip) MoreItems() []*fyne.MenuItem {
	items := []*fyne.MenuItem{
		menuItem("transfer", lang.L("Transfer…"), func() { s.act.ShowTransfer(s.id) }),
	}
	if s.several {
		items = append(items, menuItem("join", lang.L("Talk together"), s.act.TalkTogether))
	}
	record := menuItem("record", lang.L("Record the call"), func() { s.act.Record(s.id, true) })
	if s.call.Recording != "" {
		record = menuItem("stop", lang.L("Stop recording"), func() { s.act.Record(s.id, false) })
	}
	return append(items, record,
		fyne.NewMenuItemSeparator(),
		menuItem("info", lang.L("Quality and hand-offs"), func() { s.toggle(s.details.root) }),
		menuItem("speaker", lang.L("Sound settings"), s.act.ShowSound),
		menuItem("message", lang.L("Show the chat"), func() { s.act.Open(s.call.Peer) }),
		menuItem("copy", lang.L("Copy the address"), func() { s.act.Copy(ShowAddress(s.call.Peer)) }),
	)
}

func (s *Strip) moreMenu() { s.act.Menu(s.MoreItems(), below(s.More).SubtractXY(140, 0)) }

// menuItem is an entry of a menu with an icon.
func menuItem(icon, text string, f func()) *fyne.MenuItem {
	m := fyne.NewMenuItem(text, f)
	m.Icon = theme.Icon(icon, theme.Text)
	return m
}
