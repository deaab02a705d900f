package page

import (
	"strings"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// AccountForm asks for a SIP account: address and password, everything else folded away.
type AccountForm struct {
	Root              fyne.CanvasObject
	Address, Password *widget.Entry
	Submit            *widget.Button

	act                  Actions
	display, proxy, auth *widget.Entry
	transport            *fynewidget.Select
	inFile               *widget.Toggle
	problem              *problem
	done                 func()
}

// NewAccountForm returns the form; done is called when the account was added, cancel by the second
// button.
func NewAccountForm(act Actions, done, cancel func()) *AccountForm {
	f := &AccountForm{act: act, done: done, problem: newProblem()}
	f.Address, f.Password = widget.NewEntry("alice@example.org"), widget.NewPasswordEntry("")
	f.Password.Label = lang.L("Password")
	f.display, f.proxy, f.auth = widget.NewEntry(lang.L("How others see you")), widget.NewEntry(lang.L("Found by DNS")), widget.NewEntry(lang.L("As in the address"))
	f.transport = fynewidget.NewSelect([]string{lang.L("Found by DNS"), "UDP", "TCP", "TLS"}, nil)
	f.transport.SetSelectedIndex(0)
	f.inFile = widget.NewToggle(lang.L("Keep the password in a file, not in the keyring"), nil)
	f.Submit = widget.NewButton("", lang.L("Sign in"), widget.AccentKind, f.submit)
	for _, e := range []*widget.Entry{f.Address, f.Password, f.display, f.proxy, f.auth} {
		e.OnEnter = f.submit
	}
	more := container.New(layout.NewCustomPaddedVBoxLayout(3*theme.Step),
		field(lang.L("Name"), f.display), field(lang.L("User name for signing in"), f.auth),
		field(lang.L("Outbound proxy"), f.proxy), field(lang.L("Transport"), f.transport), f.inFile)
	buttons := container.NewHBox(f.Submit)
	if cancel != nil {
		buttons = container.NewHBox(f.Submit, widget.NewButton("", lang.L("Cancel"), widget.Plain, cancel))
	}
	f.Root = container.New(layout.NewCustomPaddedVBoxLayout(3*theme.Step),
		field(lang.L("SIP address"), f.Address), field(lang.L("Password"), f.Password),
		fold(lang.L("More options"), more), f.problem.root, buttons)
	return f
}

func (f *AccountForm) submit() {
	if f.Submit.Disabled() {
		return
	}
	address := strings.TrimSpace(f.Address.Text)
	if !strings.Contains(address, "@") {
		f.problem.show(lang.L("A SIP address has a name and a domain, like alice@example.org."), "")
		return
	}
	spec := app.AccountSpec{
		Address: address, Kind: app.AccountSIP, Password: f.Password.Text, AuthUser: strings.TrimSpace(f.auth.Text),
		Proxy: strings.TrimSpace(f.proxy.Text), DisplayName: strings.TrimSpace(f.display.Text),
	}
	if i := f.transport.SelectedIndex(); i > 0 {
		spec.Transport = strings.ToLower(f.transport.Options[i])
	}
	if f.inFile.On() {
		spec.PasswordStore = "file"
	}
	f.problem.hide()
	f.Submit.Disable()
	f.act.AddAccount(spec, func(err error) {
		f.Submit.Enable()
		if err != nil {
			f.problem.show(ErrorText(err))
			return
		}
		f.done()
	})
}

// problem is a sentence about what went wrong in a form, with details to unfold.
type problem struct {
	root *fyne.Container
}

func newProblem() *problem {
	p := &problem{root: container.NewVBox()}
	p.root.Hide()
	return p
}

func (p *problem) show(text, detail string) {
	p.root.RemoveAll()
	body := container.NewVBox(tight(paragraph(text, "text", theme.Text, fyne.TextAlignLeading)))
	if detail != "" {
		body.Add(fold(lang.L("Details"), tight(paragraph(detail, "helperText", theme.Quiet, fyne.TextAlignLeading))))
	}
	mark := container.NewVBox(widget.NewIcon("alert", theme.Attention, theme.SizeIcon))
	p.root.Add(widget.NewCard(theme.TonalWarning, widget.Even(3), container.New(&gapBorder{gap: 10}, mark, body)))
	p.root.Show()
	p.root.Refresh()
}

func (p *problem) hide() { p.root.Hide() }

// LANForm asks for the name by which others on the network reach one.
type LANForm struct {
	Root   fyne.CanvasObject
	Name   *widget.Entry
	Submit *widget.Button

	act     Actions
	problem *problem
	done    func()
}

// NewLANForm returns the form.
func NewLANForm(act Actions, done, cancel func()) *LANForm {
	f := &LANForm{act: act, done: done, problem: newProblem(), Name: widget.NewEntry("Alice")}
	f.Name.OnEnter = f.submit
	f.Submit = widget.NewButton("", lang.L("Start"), widget.AccentKind, f.submit)
	buttons := container.NewHBox(f.Submit)
	if cancel != nil {
		buttons = container.NewHBox(f.Submit, widget.NewButton("", lang.L("Cancel"), widget.Plain, cancel))
	}
	f.Root = container.New(layout.NewCustomPaddedVBoxLayout(3*theme.Step), field(lang.L("Your name"), f.Name),
		tight(paragraph(lang.L("Others reach you at this name and the address of your computer."), "helperText", theme.Quiet, fyne.TextAlignLeading)),
		f.problem.root, buttons)
	return f
}

func (f *LANForm) submit() {
	name := strings.TrimSpace(f.Name.Text)
	user := userPart(name)
	if user == "" {
		f.problem.show(lang.L("Type a name with at least one letter or digit."), "")
		return
	}
	if f.Submit.Disabled() {
		return
	}
	f.problem.hide()
	f.Submit.Disable()
	f.act.AddAccount(app.AccountSpec{Address: user, Kind: app.AccountLAN, DisplayName: name}, func(err error) {
		f.Submit.Enable()
		if err != nil {
			f.problem.show(ErrorText(err))
			return
		}
		f.done()
	})
}

// userPart makes the user part of an address from a name as people write it: "Alice Keller" becomes
// "alice.keller". Only what RFC 3261 25.1 calls unreserved remains, and of that ASCII.
func userPart(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)), r == '-', r == '_':
			b.WriteRune(r)
		case (unicode.IsSpace(r) || r == '.') && b.Len() > 0 && !strings.HasSuffix(b.String(), "."):
			b.WriteByte('.')
		}
	}
	return strings.Trim(b.String(), ".")
}
