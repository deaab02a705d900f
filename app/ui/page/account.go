package page

import (
	"slices"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// AccountForm asks for a SIP account: address and password, everything else folded away. It stays
// until the server has answered, so that what was mistyped is put right where it stands.
type AccountForm struct {
	Root              fyne.CanvasObject
	Address, Password *widget.Entry
	Submit            *widget.Button

	act          Actions
	more         *accountMore
	unfold       func()       // shows the part that is folded away
	wrong        *hint        // what is wrong with the address, below it
	kept         *widget.Text // where the password is kept
	problem      *problem
	progress     *fyne.Container
	done, cancel func()

	snap  app.Snapshot
	state formState
	added string // the address of the account this form has added; "": none
	edit  bool   // the account was there before

	stored string // where its password was kept
}

// formState is where a form for an account stands.
type formState int

const (
	formAsking  formState = iota // the user types
	formAdding                   // the engine takes the account
	formSigning                  // the server is asked
	formRefused                  // the account is there, the server does not take it
)

// NewAccountForm returns the form; done is called when the account is signed in or the user does not
// want to wait for it, cancel by the second button.
func NewAccountForm(act Actions, done, cancel func()) *AccountForm {
	f := &AccountForm{
		act:     act,
		done:    done,
		cancel:  cancel,
		problem: newProblem(),
		wrong:   newHint(),
	}
	f.Address, f.Password = widget.NewEntry("alice@example.org"), widget.NewPasswordEntry("")
	f.Password.Label = lang.L("Password")
	f.more = newAccountMore(act, f.submit)
	f.kept = widget.NewText("", widget.Caption())
	f.more.inFile.OnChanged = func(bool) { f.showKept() }
	f.Submit = widget.NewButton("", lang.L("Sign in"), widget.AccentKind, f.submit)
	f.Address.OnEnter, f.Password.OnEnter = f.submit, f.submit
	f.Address.OnBlur = func() { f.check(false) }
	for _, e := range []*widget.Entry{f.more.proxy, f.more.identity, f.more.media.stun, f.more.media.turn} {
		e.OnBlur = f.Address.OnBlur
	}
	f.Address.OnChanged = func(string) { f.wrong.hide() } // no blame while one types
	f.progress = container.NewHBox(
		widget.NewIcon("retry", theme.Attention, theme.SizeSmall),
		widget.NewText(lang.L("Signing in…"), widget.Style{Color: theme.Quiet}),
		widget.NewLink(lang.L("Go on without waiting"), f.Finish),
	)
	f.progress.Hide()
	f.Root = f.build()
	f.showKept()
	return f
}

func (f *AccountForm) build() fyne.CanvasObject {
	more := fold(lang.L("More options"), f.more.root)
	f.unfold = func() {
		show(f.more.root, true)
		more.Refresh()
	}
	buttons := container.NewHBox(f.Submit)
	if f.cancel != nil {
		buttons.Add(widget.NewButton("", lang.L("Cancel"), widget.Plain, f.Leave))
	}
	return container.New(layout.NewCustomPaddedVBoxLayout(3*theme.Step),
		field(lang.L("SIP address"), withHint(f.Address, f.wrong)),
		field(lang.L("Password"), container.New(layout.NewCustomPaddedVBoxLayout(theme.Step), f.Password, f.kept)),
		more, f.problem.root, f.progress, buttons)
}

// Edit fills the form with an account that is there, for its password to be typed again or its details to
// be changed. A password that is left empty stays as it is.
func (f *AccountForm) Edit(a app.Account) {
	f.edit, f.stored = true, a.Stored
	f.Address.SetText(ShowAddress(a.Address))
	f.Address.Disable()
	f.more.set(a)
	f.showKept()
	f.Password.SetPlaceHolder(lang.L("Unchanged"))
	if a.State == app.AccountFailed {
		f.problem.show(sentence(a.Reason), a.Detail)
		return
	}
	f.Submit.SetText(lang.L("Save"))
	f.unfold()
}

// Unfold shows the part of the form that is folded away.
func (f *AccountForm) Unfold() { f.unfold() }

// ChooseTransport chooses among the words shown.
func (f *AccountForm) ChooseTransport(word string) { f.more.transport.SetSelected(word) }

// ChooseVerify chooses how the server is verified; file is that of an authority of one's own.
func (f *AccountForm) ChooseVerify(v app.Verify, file string) {
	f.more.verify.SetSelectedIndex(slices.Index(verifies(), v))
	f.more.caFile.SetText(file)
}

// ChooseSecurity chooses whether calls are encrypted, and how their keys come about.
func (f *AccountForm) ChooseSecurity(p app.MediaSecurity, k app.KeyExchange) {
	f.more.media.security.SetSelectedIndex(slices.Index(securities(), p))
	f.more.media.keys.SetSelectedIndex(slices.Index(keyWays(), k))
}

// UseICE looks for ways through routers with these servers.
func (f *AccountForm) UseICE(stun, turn, user, password string) {
	m := f.more.media
	m.ice.Set(true)
	m.changed()
	m.stun.SetText(stun)
	m.turn.SetText(turn)
	m.user.SetText(user)
	m.password.SetText(password)
}

// KeepInFile chooses where the password is kept.
func (f *AccountForm) KeepInFile(on bool) { f.more.inFile.Set(on) }

// Busy tells whether the form has an account of its own that the server has not yet taken.
func (f *AccountForm) Busy() bool { return f.state != formAsking }

// Leave gives up: an account that this form has added goes again.
func (f *AccountForm) Leave() {
	if f.added != "" && !f.edit {
		f.act.RemoveAccount(f.added)
	}
	f.reset()
	f.cancel()
}

func (f *AccountForm) reset() {
	f.state, f.added = formAsking, ""
	f.problem.hide()
	f.progress.Hide()
	f.Submit.SetText(lang.L("Sign in"))
	f.Submit.Enable()
}

// Finish goes on without waiting for the server.
func (f *AccountForm) Finish() {
	f.reset()
	f.done()
}

// Show tells the form how its account stands.
func (f *AccountForm) Show(s app.Snapshot) {
	f.snap = s
	if f.state != formSigning {
		return
	}
	for _, a := range s.Accounts {
		if !Same(a.Address, f.added) {
			continue
		}
		switch a.State {
		case app.AccountRegistered:
			f.Finish()
		case app.AccountFailed:
			f.refused(a)
		case app.AccountOffline:
			if !s.Network.Up {
				f.act.Tell(lang.L("There is no network now. Peregrine signs in when it is back."), "")
				f.Finish()
			}
		case app.AccountRegistering:
		}
		return
	}
}

// Next does what the link in the sentence about the last failure offers.
func (f *AccountForm) Next() { f.problem.next() }

// refused tells what the server said; the password is the first to be looked at.
func (f *AccountForm) refused(a app.Account) {
	f.state = formRefused
	f.progress.Hide()
	f.problem.ask(sentence(a.Reason), a.Detail, lang.L("Go on without signing in"), f.Finish)
	f.Submit.SetText(lang.L("Sign in again"))
	f.Submit.Enable()
	f.act.Focus(f.Password)
	f.Password.TypedShortcut(&fyne.ShortcutSelectAll{})
	f.act.Resize()
}

func (f *AccountForm) showKept() {
	if f.more.inFile.On() {
		f.kept.SetText(lang.L("Kept in a file that only you can read."))
	} else {
		f.kept.SetText(lang.L("Kept in the keyring of this system."))
	}
}

// check says what is wrong with what was typed, below where it was typed. Fields still empty are
// wrong only when the form is sent.
func (f *AccountForm) check(sending bool) bool {
	address := strings.TrimSpace(f.Address.Text)
	bad := (address != "" || sending) && !isAddress(address)
	if bad {
		f.wrong.show(lang.L("A SIP address has a name and a domain, like alice@example.org."))
	}
	return f.more.check() && !bad
}

// isAddress tells whether a text looks like user@domain, with or without its scheme.
func isAddress(s string) bool {
	user, domain, ok := strings.Cut(ShowAddress(s), "@")
	return ok && user != "" && domain != "" && !strings.ContainsAny(s, " \t") && !strings.Contains(domain, "@")
}

func (f *AccountForm) submit() {
	if f.Submit.Disabled() || !f.check(true) {
		return
	}
	spec := f.spec()
	if f.edit && spec.Password == "" && (spec.PasswordStore == app.StoreFile) != (f.stored == app.StoreFile) {
		f.problem.show(lang.L("Type the password once more, so that it can be kept in the other place."), "")
		f.act.Focus(f.Password)
		return
	}
	f.problem.hide()
	f.Submit.Disable()
	f.state = formAdding
	f.act.AddAccount(spec, func(err error) {
		if err != nil {
			f.failed(spec, err)
			return
		}
		if f.added != "" && !Same(f.added, spec.Address) && !f.edit {
			f.act.RemoveAccount(f.added) // the address was what was mistyped
		}
		f.added, f.state = spec.Address, formSigning
		f.progress.Show()
		f.act.Resize()
		f.Show(f.snap)
	})
}

func (f *AccountForm) spec() app.AccountSpec {
	spec := app.AccountSpec{
		Address: strings.TrimSpace(f.Address.Text), Kind: app.AccountSIP, Password: f.Password.Text,
	}
	f.more.into(&spec)
	return spec
}

// failed tells why the engine did not take the account. Where there is no keyring, a file is offered.
func (f *AccountForm) failed(spec app.AccountSpec, err error) {
	f.Submit.Enable()
	f.state = formAsking
	if f.added != "" {
		f.state = formRefused
	}
	text, detail := ErrorText(err)
	if spec.PasswordStore != "file" && strings.Contains(strings.ToLower(text), "keyring") {
		text = lang.L("There is no keyring here that works. A file that only you can read can keep the password.")
		f.problem.ask(text, detail, lang.L("Keep it in a file"), func() {
			f.more.inFile.Set(true)
			f.showKept()
			f.submit()
		})
	} else {
		f.problem.show(text, detail)
	}
	f.act.Resize()
}
