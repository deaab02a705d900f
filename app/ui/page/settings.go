package page

import (
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// Settings is the page of accounts, calls, sound and looks.
type Settings struct {
	Root                 fyne.CanvasObject
	Input, Output        *fynewidget.Select
	Looks                *fynewidget.Select
	Strangers, Transfers *fynewidget.Select
	AutoAnswer, DND      *widget.Toggle
	Shield               *widget.Toggle
	Trusted              *widget.Entry
	Support              *widget.Button
	Accounts             map[string]*AccountRow // by address
	Blocked              *Blocked

	act      Actions
	accounts *fyne.Container
	devices  []app.Device
	choices  map[string]string // what a select shows to the value of the setting
	heard    *widget.Meter
	spoken   *widget.Meter
	levels   *fyne.Container
	problem  *problem
	filling  bool
	asked    bool // the devices are known
	snap     app.Snapshot
	shown    []app.Account
}

// NewSettings returns the page and asks for the devices and the blocked addresses.
func NewSettings(act Actions) *Settings {
	s := &Settings{
		act: act, choices: map[string]string{}, problem: newProblem(), Accounts: map[string]*AccountRow{},
		accounts: container.New(layout.NewCustomPaddedVBoxLayout(5 * theme.Step)), Blocked: newBlocked(act),
	}
	s.Input = fynewidget.NewSelect(nil, func(v string) { s.choose("audio.input", v) })
	s.Output = fynewidget.NewSelect(nil, func(v string) { s.choose("audio.output", v) })
	s.Looks = s.words("theme", []string{lang.L("As the system"), lang.L("Dark"), lang.L("Light")},
		string(theme.System), string(theme.Dark), string(theme.Light))
	s.Strangers = s.words("strangers", []string{lang.L("Ring"), lang.L("Ask me quietly"), lang.L("Turn them away")},
		"ring", "ask", "refuse")
	s.Transfers = s.words("transfers", []string{lang.L("Ask me"), lang.L("Always allow"), lang.L("Never allow")},
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
	s.heard, s.spoken = widget.NewMeter(), widget.NewMeter()
	s.levels = container.New(
		layout.NewCustomPaddedVBoxLayout(2*theme.Step),
		field(lang.L("Level of the microphone in this call"), s.spoken),
		field(lang.L("Level of what you hear"), s.heard),
	)
	s.levels.Hide()
	s.Root = s.build()
	act.Devices(s.gotDevices)
	s.Blocked.Load()
	return s
}

// words is a choice between the values of a setting, each with its words.
func (s *Settings) words(key string, words []string, values ...string) *fynewidget.Select {
	for i, w := range words {
		s.choices[key+":"+w] = values[i]
	}
	return fynewidget.NewSelect(words, func(w string) {
		if !s.filling {
			s.act.Set(key, s.choices[key+":"+w])
		}
	})
}

func (s *Settings) saveTrusted() {
	text := strings.TrimSpace(s.Trusted.Text)
	if text != s.snap.Settings["shield.trusted"] && !s.filling {
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
		s.problem.root, field(lang.L("Microphone"), s.Input), field(lang.L("Speaker"), s.Output), s.levels))
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
		accounts, calls, strangers, sound, looks, support, widget.Gap(4))
	return flat(container.NewVScroll(container.New(&column{most: 560, top: true}, box)))
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
	s.Levels(snap)
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

// Levels shows how loud the call is, if there is one.
func (s *Settings) Levels(snap app.Snapshot) {
	calls := live(snap)
	show(s.levels, len(calls) > 0)
	if len(calls) > 0 {
		q := calls[len(calls)-1].Quality
		s.spoken.Set(q.LevelIn)
		s.heard.Set(q.LevelOut)
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

func (s *Settings) gotDevices(devices []app.Device, err error) {
	if err != nil {
		text, detail := ErrorText(err)
		s.act.Tell(text, detail)
		return
	}
	s.devices, s.asked = devices, true
	s.fill()
}

// fill writes the choices and what is chosen, without that counting as a choice.
func (s *Settings) fill() {
	s.filling = true
	defer func() { s.filling = false }()
	s.fillDevices(s.Input, "input", s.snap.Audio.Input)
	s.fillDevices(s.Output, "output", s.snap.Audio.Output)
	s.AutoAnswer.Set(s.snap.Settings["autoanswer"] == "on")
	s.DND.Set(s.snap.Self.DND || s.snap.Settings["dnd"] == "on")
	s.Shield.Set(s.snap.Settings["shield"] != "off")
	trusted := s.snap.Settings["shield.trusted"]
	if c := fyne.CurrentApp().Driver().CanvasForObject(s.Trusted); c == nil || c.Focused() != s.Trusted {
		s.Trusted.SetText(trusted)
	}
	s.mark("theme", s.Looks, string(theme.ParseMode(s.snap.Settings["theme"])))
	s.mark("strangers", s.Strangers, s.snap.Settings["strangers"])
	s.mark("transfers", s.Transfers, s.snap.Settings["transfers"])
}

// mark shows the value of a setting among its words; one that is not known is the first.
func (s *Settings) mark(key string, sel *fynewidget.Select, value string) {
	for i, w := range sel.Options {
		if s.choices[key+":"+w] == value {
			sel.SetSelectedIndex(i)
			return
		}
	}
	sel.SetSelectedIndex(0)
}

func (s *Settings) fillDevices(sel *fynewidget.Select, kind, chosen string) {
	if chosen == "" {
		chosen = "default"
	}
	options := []string{lang.L("The system's choice")}
	s.choices[options[0]] = "default"
	found := chosen == "default"
	shown := options[0]
	for _, d := range s.devices {
		if d.Kind != kind {
			continue
		}
		options = append(options, d.Name)
		s.choices[d.Name] = d.Setting
		if d.Setting == chosen {
			found, shown = true, d.Name
		}
	}
	if !found { // a device that is not plugged in, a tone, a file
		shown = settingName(chosen, s.asked)
		options = append(options, shown)
		s.choices[shown] = chosen
	}
	silent := lang.L("None")
	if shown != silent {
		options = append(options, silent)
		s.choices[silent] = "none"
	}
	sel.SetOptions(options)
	sel.SetSelected(shown)
}

// settingName is how a value of audio.input or audio.output is shown that is no device at hand; asked
// says that the devices are known.
func settingName(v string, asked bool) string {
	kind, rest, _ := strings.Cut(v, ":")
	switch kind {
	case "none":
		return lang.L("None")
	case "tone":
		return lang.L("A tone of {{.Hertz}} Hz", data{"Hertz": rest})
	case "file":
		return lang.L("The file {{.Path}}", data{"Path": rest})
	case "device":
		if !asked {
			return rest
		}
		return lang.L("{{.Name}} (not there now)", data{"Name": rest})
	}
	return v
}

func (s *Settings) choose(key, shown string) {
	if value, ok := s.choices[shown]; ok && !s.filling {
		s.act.Set(key, value)
	}
}
