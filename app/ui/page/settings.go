package page

import (
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

// Settings is the page of accounts, calls and looks; sound has a page of its own.
type Settings struct {
	Root                 fyne.CanvasObject
	Scroll               *container.Scroll
	Sound                *widget.Tap
	Looks                *widget.Select
	Strangers, Transfers *widget.Select
	AutoAnswer, DND      *widget.Toggle
	Shield               *widget.Toggle
	Trusted              *widget.Entry
	Support              *widget.Button
	Accounts             map[string]*AccountRow // by address
	Blocked              *Blocked

	act      Actions
	accounts *fyne.Container
	choices  choices
	sound    *widget.Text
	problem  *problem
	snap     app.Snapshot
	shown    []app.Account
}

// NewSettings returns the page and asks for the blocked addresses.
func NewSettings(act Actions) *Settings {
	s := &Settings{
		act: act, choices: choices{act: act, values: map[string]string{}}, problem: newProblem(),
		Accounts: map[string]*AccountRow{}, sound: widget.NewText("", widget.Caption()),
		accounts: container.New(layout.NewCustomPaddedVBoxLayout(5 * theme.Step)), Blocked: newBlocked(act),
	}
	s.Sound = leadsTo("speaker", lang.L("Devices, ringtone, recordings"), s.sound, act.ShowSound)
	s.Looks = s.choices.of("theme", []string{lang.L("As the system"), lang.L("Dark"), lang.L("Light")},
		string(theme.System), string(theme.Dark), string(theme.Light))
	s.Strangers = s.choices.of("strangers",
		[]string{lang.L("Ring"), lang.L("Ask me quietly"), lang.L("Turn them away")}, "ring", "ask", "refuse")
	s.Transfers = s.choices.of("transfers", []string{lang.L("Ask me"), lang.L("Always allow"), lang.L("Never allow")},
		"ask", "allow", "refuse")
	s.AutoAnswer = widget.NewToggle(lang.L("Answer calls by itself"),
		func(on bool) { act.Set("autoanswer", onOff(on)) })
	s.DND = widget.NewToggle(lang.L("Do not disturb"), func(on bool) { act.Set("dnd", onOff(on)) })
	s.Shield = widget.NewToggle(lang.L("Let only my server and this network ring here"),
		func(on bool) { act.Set("shield", onOff(on)) })
	s.Trusted = widget.NewEntry("192.0.2.7, 10.0.0.0/8")
	s.Trusted.Label = lang.L("Other servers you trust")
	s.Trusted.OnBlur = s.saveTrusted
	s.Trusted.OnEnter = s.saveTrusted
	s.Support = widget.NewButton("info", lang.L("Details for support"), widget.Tonal, act.ShowDetails)
	s.Root = s.build()
	s.Blocked.Load()
	return s
}

func (s *Settings) saveTrusted() {
	text := strings.TrimSpace(s.Trusted.Text)
	if text != s.snap.Settings["shield.trusted"] && !s.choices.filling {
		s.act.Set("shield.trusted", text)
	}
}

func (s *Settings) build() fyne.CanvasObject {
	rows := func(o ...fyne.CanvasObject) fyne.CanvasObject {
		return container.New(layout.NewCustomPaddedVBoxLayout(3*theme.Step), o...)
	}
	add := container.NewHBox(widget.NewButton("plus", lang.L("Add an account"), widget.Tonal, s.act.ShowAddAccount))
	accounts := group(
		lang.L("Accounts"),
		container.New(layout.NewCustomPaddedVBoxLayout(5*theme.Step), s.accounts, add),
	)
	sound := group(lang.L("Sound"), rows(
		s.problem.root, tight(s.Sound)))
	calls := group(lang.L("Calls"), rows(s.DND, s.AutoAnswer,
		field(lang.L("When somebody asks to transfer you"), s.Transfers)))
	strangers := group(lang.L("Strangers"), rows(
		field(lang.L("When somebody calls who is not in your list"), s.Strangers), s.Shield,
		field(lang.L("Other servers you trust"), s.Trusted), s.Blocked.root))
	looks := group(lang.L("Appearance"), field(lang.L("Theme"), s.Looks))
	hint := tight(paragraph(lang.L("What the program and the servers say to each other, for whoever helps you."),
		"helperText", theme.Quiet, fyne.TextAlignLeading))
	support := group(lang.L("Support"), rows(hint, container.NewHBox(s.Support)))
	box := container.New(layout.NewCustomPaddedVBoxLayout(5*theme.Step), widget.Gap(1),
		accounts, sound, calls, strangers, looks, support, widget.Gap(4))
	s.Scroll = container.NewVScroll(container.New(&column{most: 560, top: true}, box))
	return flat(s.Scroll)
}

// group is a heading over a card.
func group(title string, content fyne.CanvasObject) fyne.CanvasObject {
	head := widget.NewText(title, widget.Style{Size: 15, Bold: true})
	return container.New(
		layout.NewCustomPaddedVBoxLayout(2*theme.Step),
		head,
		widget.NewCard(theme.Surface, widget.Even(4), content),
	)
}

// Show fills the page.
func (s *Settings) Show(snap app.Snapshot, now time.Time) {
	fresh := snap.Revision != s.snap.Revision
	s.snap = snap
	if !sameAccounts(s.shown, snap.Accounts) {
		s.shown = snap.Accounts
		s.accounts.RemoveAll()
		s.Accounts = make(map[string]*AccountRow, len(snap.Accounts))
		for _, a := range snap.Accounts {
			row := newAccountRow(s.act, a, len(snap.Accounts) > 1)
			s.Accounts[a.Address] = row
			s.accounts.Add(row.root)
		}
		fresh = true
	}
	if fresh {
		s.Retries(snap, now)
	}
	s.Tick(now)
	s.fill()
	if snap.Audio.Problem != "" {
		s.problem.show(sentence(snap.Audio.Problem), "")
	} else {
		s.problem.hide()
	}
	s.Root.Refresh()
}

// Retries takes over when the accounts that are down are tried again.
func (s *Settings) Retries(snap app.Snapshot, now time.Time) {
	for _, a := range snap.Accounts {
		if row := s.Accounts[a.Address]; row != nil {
			row.retryAt(a.RetryIn, now)
			row.tick(now)
		}
	}
}

// Tick counts down to the next try of accounts that are down.
func (s *Settings) Tick(now time.Time) {
	for _, row := range s.Accounts {
		row.tick(now)
	}
}

func sameAccounts(a, b []app.Account) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := a[i], b[i]
		x.ExpiresIn, y.ExpiresIn = 0, 0 // counts down, is not shown
		x.RetryIn, y.RetryIn = 0, 0     // counts down by itself
		if x != y {
			return false
		}
	}
	return true
}

// fill writes the choices and what is chosen, without that counting as a choice.
func (s *Settings) fill() {
	s.choices.filling = true
	defer func() { s.choices.filling = false }()
	words := deviceWord(s.snap.Audio.Input)
	if out := deviceWord(s.snap.Audio.Output); out != words {
		words += " · " + out
	}
	s.sound.SetText(words)
	s.AutoAnswer.Set(s.snap.Settings["autoanswer"] == "on")
	s.DND.Set(s.snap.Self.DND || s.snap.Settings["dnd"] == "on")
	s.Shield.Set(s.snap.Settings["shield"] != "off")
	trusted := s.snap.Settings["shield.trusted"]
	if c := fyne.CurrentApp().Driver().CanvasForObject(s.Trusted); c == nil || c.Focused() != s.Trusted {
		s.Trusted.SetText(trusted)
	}
	s.choices.mark("theme", s.Looks, string(theme.ParseMode(s.snap.Settings["theme"])))
	s.choices.mark("strangers", s.Strangers, s.snap.Settings["strangers"])
	s.choices.mark("transfers", s.Transfers, s.snap.Settings["transfers"])
}

// deviceWord is what a setting of a device says in a few words.
func deviceWord(v string) string {
	if v == "" || v == "default" {
		return lang.L("Same as the system")
	}
	return settingName(v, false)
}

// leadsTo is a row that opens another page.
func leadsTo(icon, title string, line *widget.Text, open func()) *widget.Tap {
	mark := widget.NewDisc(icon, theme.Text, theme.Raised, 40)
	words := container.New(layout.NewCustomPaddedVBoxLayout(0), widget.NewText(title, widget.Strong()), line)
	row := container.New(&gapBorder{gap: 12}, mark, container.New(&middle{height: 40}, words),
		widget.NewIcon("right", theme.Quiet, theme.SizeSmall))
	return widget.NewTap(title, theme.Transparent, theme.RadiusCard, widget.Even(2), row, open)
}
