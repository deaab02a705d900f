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

// AccountRow is one account in the settings: its state by form and colour, why it is down and when
// it is tried again, and what can be done with it.
type AccountRow struct {
	Default, Edit, Remove *widget.Button
	Forget                *widget.Button // the key of the server; nil when none is kept

	root  fyne.CanvasObject
	state *widget.Text
	words string    // the state, before the countdown
	retry time.Time // zero: not planned
}

func newAccountRow(act Actions, a app.Account, several bool) *AccountRow {
	icon, color, state := accountState(a)
	name := ShowAddress(a.Address)
	r := &AccountRow{words: state, state: widget.NewText(state, widget.Caption())}
	words := container.New(layout.NewCustomPaddedVBoxLayout(0),
		widget.NewText(name, widget.Style{Bold: true, Shrink: true}), r.state)
	if facts := accountFacts(a); facts != "" {
		words.Add(widget.NewText(facts, widget.Caption()))
	}
	r.addProblem(act, a, words)
	r.addPin(act, a, words)
	star, label := "star", lang.L("Use {{.Address}} for calls unless told otherwise", data{"Address": name})
	r.Default = widget.NewIconButton(star, label, widget.Plain, func() { act.SetDefaultAccount(a.Address) }).Height(36)
	if a.Default {
		r.Default.Tint(theme.Accent).Set(star, lang.L("{{.Address}} is used for calls", data{"Address": name}))
	}
	r.Edit = widget.NewIconButton("pencil", lang.L("Change {{.Address}}", data{"Address": name}), widget.Plain,
		func() { act.ShowAccount(a.Address) }).Height(36)
	r.Remove = widget.NewIconButton("trash", lang.L("Remove {{.Address}}", data{"Address": name}), widget.Plain,
		func() { act.RemoveAccount(a.Address) }).Height(36)
	buttons := container.New(layout.NewCustomPaddedHBoxLayout(0))
	if several {
		buttons.Add(r.Default)
	}
	if a.Kind == app.AccountSIP {
		buttons.Add(r.Edit)
	}
	buttons.Add(r.Remove)
	mark := container.NewVBox(widget.NewDisc(icon, color, theme.Raised, 40))
	r.root = container.New(&gapBorder{gap: 12}, mark, words, container.NewVBox(buttons))
	return r
}

// addProblem tells why an account is down.
func (r *AccountRow) addProblem(act Actions, a app.Account, words *fyne.Container) {
	if a.State != app.AccountFailed || keyChanged(a) {
		return // that a key has changed is told below, with the key
	}
	words.Add(tight(paragraph(sentence(a.Reason), "helperText", theme.Text, fyne.TextAlignLeading)))
	links := container.New(layout.NewCustomPaddedHBoxLayout(3 * theme.Step))
	for _, link := range signInAgain(act, a) {
		links.Add(link)
	}
	words.Add(links)
	if a.Detail != "" {
		detail := tight(paragraph(a.Detail, "helperText", theme.Quiet, fyne.TextAlignLeading))
		detail.Hide()
		links.Add(widget.NewLink(lang.L("Details"), func() {
			show(detail, !detail.Visible())
			act.Resize()
		}))
		words.Add(detail)
	}
}

// pinChanged is in the details of an account whose server shows another key than the one kept.
const pinChanged = "key has changed"

// keyChanged tells whether an account is down because its server shows another key than the one kept.
func keyChanged(a app.Account) bool {
	kept := a.Verify == app.VerifyPin && a.Pin != ""
	return kept && a.State == app.AccountFailed && strings.Contains(a.Detail, pinChanged)
}

// addPin shows the key of the server that is kept, and lets the user forget it.
func (r *AccountRow) addPin(act Actions, a app.Account, words *fyne.Container) {
	if a.Verify != app.VerifyPin || a.Pin == "" {
		return
	}
	kind := widget.Tonal
	if keyChanged(a) {
		kind = widget.StopKind
	}
	r.Forget = widget.NewButton("key", lang.L("Forget the old key"), kind, func() { act.ForgetPin(a.Address) }).
		Height(28)
	key := widget.NewText(lang.L("Key of the server: {{.Key}}", data{"Key": a.Pin}), widget.Caption())
	if !keyChanged(a) {
		words.Add(key)
		r.Forget.SetText(lang.L("Forget the key"))
		words.Add(container.New(layout.NewCustomPaddedLayout(4, 0, 0, 0), container.NewHBox(r.Forget)))
		return
	}
	text := lang.L("The server shows another key than before. Somebody may be listening in between. " +
		"Forget the old key only if your provider says that it was changed.")
	body := container.New(layout.NewCustomPaddedVBoxLayout(2*theme.Step),
		tight(paragraph(text, "text", theme.Text, fyne.TextAlignLeading)), key, container.NewHBox(r.Forget))
	mark := container.NewVBox(widget.NewIcon("alert", theme.Attention, theme.SizeIcon))
	card := widget.NewCard(theme.TonalWarning, widget.Even(3), container.New(&gapBorder{gap: 12}, mark, body))
	words.Add(container.New(layout.NewCustomPaddedLayout(8, 4, 0, 0), card))
}

// accountFacts are the ways of an account in one quiet line.
func accountFacts(a app.Account) string {
	var facts []string
	if a.DisplayName != "" {
		facts = append(facts, a.DisplayName)
	}
	switch {
	case a.Server != "":
		facts = append(facts, strings.ToUpper(a.Server[:strings.IndexByte(a.Server+" ", ' ')])+
			a.Server[strings.IndexByte(a.Server+" ", ' '):])
	case a.Transport != "":
		facts = append(facts, strings.ToUpper(a.Transport))
	}
	if a.Kind == app.AccountSIP && (strings.HasPrefix(a.Server, "tls") || a.Transport == "tls") {
		facts = append(facts, verifyWords(a.Verify))
	}
	switch a.Security {
	case app.SecurityRequired:
		facts = append(facts, lang.L("encrypted calls only"))
	case app.SecurityOff:
		facts = append(facts, lang.L("calls without encryption"))
	case app.SecurityPreferred:
	}
	return strings.Join(facts, " · ")
}

// verifyWords is how the certificate of a server is judged.
func verifyWords(v app.Verify) string {
	switch v {
	case app.VerifyCA:
		return lang.L("verified by your own authority")
	case app.VerifyPin:
		return lang.L("verified by its key")
	case app.VerifySystem:
	}
	return lang.L("verified by the system")
}

// retryAt notes when an account that is down is tried again; seconds from now, 0: not planned.
func (r *AccountRow) retryAt(seconds int, now time.Time) {
	r.retry = time.Time{}
	if seconds > 0 {
		r.retry = now.Add(time.Duration(seconds) * time.Second)
	}
}

func (r *AccountRow) tick(now time.Time) {
	left := int(r.retry.Sub(now).Round(time.Second) / time.Second)
	switch {
	case r.retry.IsZero():
		r.state.SetText(r.words)
	case left <= 0:
		r.state.SetText(r.words + " · " + lang.L("trying again"))
	case left > 90:
		r.state.SetText(r.words + " · " + lang.L("trying again in {{.Minutes}} min", data{"Minutes": (left + 30) / 60}))
	default:
		r.state.SetText(r.words + " · " + lang.L("trying again in {{.Seconds}} s", data{"Seconds": left}))
	}
}

// State is what the row says of the account.
func (r *AccountRow) State() string { return r.state.Text() }

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
