package page

import (
	"strings"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

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
	f.Root = container.New(
		layout.NewCustomPaddedVBoxLayout(3*theme.Step),
		field(lang.L("Your name"), f.Name),
		tight(
			paragraph(
				lang.L("Others reach you at this name and the address of your computer."),
				"helperText",
				theme.Quiet,
				fyne.TextAlignLeading,
			),
		),
		f.problem.root,
		buttons,
	)
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
