package page

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// Settings is the page of accounts, sound and looks.
type Settings struct {
	Root          fyne.CanvasObject
	Input, Output *fynewidget.Select
	Looks         *fynewidget.Select
	AutoAnswer    *widget.Toggle

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

// NewSettings returns the page and asks for the devices.
func NewSettings(act Actions) *Settings {
	s := &Settings{
		act:      act,
		choices:  map[string]string{},
		problem:  newProblem(),
		accounts: container.New(layout.NewCustomPaddedVBoxLayout(4 * theme.Step)),
	}
	s.Input = fynewidget.NewSelect(nil, func(v string) { s.choose("audio.input", v) })
	s.Output = fynewidget.NewSelect(nil, func(v string) { s.choose("audio.output", v) })
	s.Looks = fynewidget.NewSelect([]string{lang.L("As the system"), lang.L("Dark"), lang.L("Light")}, func(string) {
		if !s.filling {
			act.Set("theme", string([]theme.Mode{theme.System, theme.Dark, theme.Light}[s.Looks.SelectedIndex()]))
		}
	})
	s.AutoAnswer = widget.NewToggle(lang.L("Answer calls by itself"), func(on bool) {
		value := "off"
		if on {
			value = "on"
		}
		act.Set("autoanswer", value)
	})
	s.heard, s.spoken = widget.NewMeter(), widget.NewMeter()
	s.levels = container.New(
		layout.NewCustomPaddedVBoxLayout(2*theme.Step),
		field(
			lang.L("Level of the microphone in this call"),
			s.spoken,
		),
		field(lang.L("Level of what you hear"), s.heard),
	)
	s.levels.Hide()
	s.Root = s.build()
	act.Devices(s.gotDevices)
	return s
}

func (s *Settings) build() fyne.CanvasObject {
	add := container.NewHBox(widget.NewButton("plus", lang.L("Add an account"), widget.Tonal, s.act.ShowAddAccount))
	accounts := group(
		lang.L("Accounts"),
		container.New(layout.NewCustomPaddedVBoxLayout(5*theme.Step), s.accounts, add),
	)
	sound := group(lang.L("Sound"), container.New(layout.NewCustomPaddedVBoxLayout(3*theme.Step),
		s.problem.root, field(lang.L("Microphone"), s.Input), field(lang.L("Speaker"), s.Output), s.levels))
	calls := group(lang.L("Calls"), s.AutoAnswer)
	looks := group(lang.L("Appearance"), field(lang.L("Theme"), s.Looks))
	box := container.New(
		layout.NewCustomPaddedVBoxLayout(5*theme.Step),
		widget.Gap(1),
		accounts,
		sound,
		calls,
		looks,
		widget.Gap(4),
	)
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
func (s *Settings) Show(snap app.Snapshot) {
	s.snap = snap
	if !sameAccounts(s.shown, snap.Accounts) {
		s.shown = snap.Accounts
		s.accounts.RemoveAll()
		for _, a := range snap.Accounts {
			s.accounts.Add(s.account(a))
		}
	}
	s.fill()
	s.Levels(snap)
	if snap.Audio.Problem != "" {
		s.problem.show(sentence(snap.Audio.Problem), "")
	} else {
		s.problem.hide()
	}
	s.Root.Refresh()
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
		if x != y {
			return false
		}
	}
	return true
}

// account is the row of one account: state by form and colour, reason and details, remove.
func (s *Settings) account(a app.Account) fyne.CanvasObject {
	icon, color, state := accountState(a)
	name := ShowAddress(a.Address)
	words := container.New(layout.NewCustomPaddedVBoxLayout(0),
		widget.NewText(name, widget.Style{Bold: true, Shrink: true}), widget.NewText(state, widget.Caption()))
	if a.State == app.AccountFailed {
		words.Add(tight(paragraph(sentence(a.Reason), "helperText", theme.Text, fyne.TextAlignLeading)))
		words.Add(container.NewHBox(signInAgain(s.act, a)...))
		if a.Detail != "" {
			detail := paragraph(a.Detail, "helperText", theme.Quiet, fyne.TextAlignLeading)
			words.Add(fold(lang.L("Details"), tight(detail)))
		}
	}
	label := lang.L("Remove {{.Address}}", data{"Address": name})
	gone := func() { s.act.RemoveAccount(a.Address) }
	remove := container.NewVBox(widget.NewIconButton("trash", label, widget.Plain, gone).Height(36))
	mark := container.NewVBox(widget.NewDisc(icon, color, theme.Raised, 40))
	return container.New(&gapBorder{gap: 12}, mark, words, remove)
}

func accountState(a app.Account) (icon string, color fyne.ThemeColorName, words string) {
	kind := lang.L("SIP account")
	switch a.Kind {
	case app.AccountLAN:
		kind = lang.L("On this network")
	case app.AccountDemo:
		kind = lang.L("Demo")
	case app.AccountSIP:
	}
	switch a.State {
	case app.AccountRegistered:
		return "check", theme.Good, kind + " · " + lang.L("Ready")
	case app.AccountRegistering:
		return "retry", theme.Attention, kind + " · " + lang.L("Signing in")
	case app.AccountFailed:
		return "alert", theme.Attention, kind + " · " + lang.L("Not signed in")
	case app.AccountOffline:
	}
	return "network-off", theme.Quiet, kind + " · " + lang.L("Waiting for the network")
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
	switch theme.ParseMode(s.snap.Settings["theme"]) {
	case theme.Dark:
		s.Looks.SetSelectedIndex(1)
	case theme.Light:
		s.Looks.SetSelectedIndex(2)
	case theme.System:
		s.Looks.SetSelectedIndex(0)
	}
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
