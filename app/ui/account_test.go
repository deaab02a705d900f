package ui

import (
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	fynetest "fyne.io/fyne/v2/test"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/page"
	"github.com/peregrine-softphone/peregrine/app/ui/uitest"
)

const wrongPassword = "The server did not accept the password. Check it and try again."

// says tells whether a text stands in the window.
func (h *harness) says(text string) bool {
	return strings.Contains(fynetest.RenderToMarkup(h.win.Canvas()), text)
}

// fill types an account into a form and sends it.
func (h *harness) fill(f *page.AccountForm, address, password string) {
	f.Address.SetText(address)
	f.Password.SetText(password)
	f.Password.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
}

func firstForm(t *testing.T, prepare func(e *uitest.Engine)) (*harness, *page.AccountForm) {
	t.Helper()
	h := open(t, uitest.First(uitest.Noon()), wide())
	prepare(h.e)
	fynetest.Tap(h.welcome.SIP)
	return h, h.welcome.AccountForm
}

func TestAccountFormChecksWhileTyping(t *testing.T) {
	h, form := firstForm(t, func(*uitest.Engine) {})
	const hint = "A SIP address has a name and a domain"
	for _, tc := range []struct {
		typed string
		bad   bool
	}{
		{"", false},
		{"alice", true},
		{"alice@", true},
		{"@info.test", true},
		{"al ice@info.test", true},
		{"a@b@c", true},
		{"alice@info.test", false},
		{"sip:alice@info.test", false},
		{" alice@info.test ", false},
	} {
		form.Address.SetText(tc.typed)
		form.Address.FocusLost()
		if got := h.says(hint); got != tc.bad {
			t.Errorf("%q: blamed %v, want %v", tc.typed, got, tc.bad)
		}
	}
}

func TestWrongPasswordIsPutRightInTheForm(t *testing.T) {
	h, form := firstForm(t, (*uitest.Engine).Slow)
	h.fill(form, "alice@info.test", "wrong")
	h.verb("AddAccount sip alice@info.test")
	h.until("it says that it is signing in", func() bool { return h.says("Signing in…") })
	if h.welcome == nil || !form.Submit.Disabled() {
		t.Fatal("the form does not wait for the server")
	}
	h.e.Account("sip:alice@info.test", app.AccountFailed, wrongPassword, "401 Unauthorized")
	h.until("the server's answer is shown", func() bool { return h.says("Sign in again") && h.says("did not accept the") })
	if h.win.Canvas().Focused() != form.Password || form.Submit.Disabled() {
		t.Error("the password cannot be typed again at once")
	}
	form.Password.SetText("right")
	fynetest.Tap(form.Submit)
	h.until("it is tried again", func() bool { return strings.Count(strings.Join(h.e.Verbs(), "\n"), "AddAccount") == 2 })
	h.until("it says so", func() bool { return h.says("Signing in…") })
	h.e.Account("sip:alice@info.test", app.AccountRegistered, "", "")
	h.until("the welcome is over", func() bool { return h.welcome == nil })
	if n := len(h.snap.Accounts); n != 1 {
		t.Errorf("%d accounts, want 1", n)
	}
}

func TestSigningInNeedNotBeWaitedFor(t *testing.T) {
	h, form := firstForm(t, (*uitest.Engine).Slow)
	h.fill(form, "alice@info.test", "secret")
	h.until("it says that it is signing in", func() bool { return h.says("Signing in…") && h.says("Go on without waiting") })
	form.Finish()
	if h.welcome != nil || len(h.snap.Accounts) != 1 {
		t.Error("the welcome is not over, or the account is gone")
	}
}

func TestCancelTakesTheAccountAway(t *testing.T) {
	h, form := firstForm(t, (*uitest.Engine).Slow)
	h.fill(form, "alice@info.test", "wrong")
	h.until("it says that it is signing in", func() bool { return h.says("Signing in…") })
	form.Leave()
	h.verb("RemoveAccount alice@info.test")
	h.until("the account is gone", func() bool { return len(h.snap.Accounts) == 0 })
	if h.welcome == nil || !h.says("Welcome to Peregrine") {
		t.Error("the three cards are not back")
	}
}

func TestWithoutKeyringAFileIsOffered(t *testing.T) {
	h, form := firstForm(t, (*uitest.Engine).NoKeyring)
	h.fill(form, "alice@info.test", "secret")
	h.until("a file is offered", func() bool { return h.says("Keep it in a file") })
	form.Next()
	h.verb("AddAccount sip alice@info.test")
	h.until("the welcome is over", func() bool { return h.welcome == nil })
}

func TestAccountThatFailsLaterIsSignedInAgain(t *testing.T) {
	h := open(t, uitest.Failed(uitest.Noon()), wide())
	h.e.Slow()
	if !h.says("Sign in again") {
		t.Fatal("the card of the account offers nothing")
	}
	h.ShowAccount("sip:alice@info.test")
	form := h.account.AccountForm
	if form.Address.Text != "alice@info.test" || h.win.Canvas().Focused() != form.Password || !h.says("did not accept the") {
		t.Fatalf("the form shows %q", form.Address.Text)
	}
	form.Password.SetText("right")
	form.Password.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	h.verb("AddAccount sip alice@info.test")
	h.until("it says that it is signing in", func() bool { return h.says("Signing in…") })
	h.e.Account("sip:alice@info.test", app.AccountRegistered, "", "")
	h.until("the settings are back", func() bool { return h.view == viewSettings })
}
