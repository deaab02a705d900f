package ui

import (
	"slices"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	fynetest "fyne.io/fyne/v2/test"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/uitest"
)

func TestAccountsTellTheirState(t *testing.T) {
	now := uitest.Noon()
	h := open(t, uitest.Accounts(now), wide())
	h.opts.Now = func() time.Time { return now }
	h.ShowSettings()
	state := func(address string) string { return h.settings.Accounts[address].State() }
	if got := state("sip:alice@info.test"); got != "SIP account · Ready" {
		t.Errorf("the good one: %q", got)
	}
	if got := state("sip:alice@enst.test"); got != "SIP account · Not signed in · trying again in 12 s" {
		t.Errorf("the one that is tried again: %q", got)
	}
	now = now.Add(5 * time.Second)
	h.tick()
	if got := state("sip:alice@enst.test"); got != "SIP account · Not signed in · trying again in 7 s" {
		t.Errorf("five seconds later: %q", got)
	}
	h.e.Change(func(s *app.Snapshot) { s.Accounts[1].RetryIn = 240 })
	h.until("the next try is told anew", func() bool {
		return state("sip:alice@enst.test") == "SIP account · Not signed in · trying again in 4 min"
	})
}

func TestDefaultAccount(t *testing.T) {
	h := open(t, uitest.Accounts(uitest.Noon()), wide())
	h.ShowSettings()
	fynetest.Tap(h.settings.Accounts["sip:alice@192.0.2.10"].Default)
	h.verb("SetDefaultAccount sip:alice@192.0.2.10")
}

func TestChangedKeyIsWarnedOf(t *testing.T) {
	h := open(t, uitest.Accounts(uitest.Noon()), wide())
	h.ShowSettings()
	row := h.settings.Accounts["sip:keller@pbx.example"]
	if row.Forget == nil || !h.says("Somebody may be listening in") && !h.says("The server shows another key") {
		t.Fatal("nothing warns of the other key")
	}
	fynetest.Tap(row.Forget)
	h.verb("ForgetPin sip:keller@pbx.example")
	h.until("it says what happens now", func() bool { return len(h.layer.Toasts()) == 1 })
	if h.settings.Accounts["sip:alice@info.test"].Forget != nil {
		t.Error("an account without a key offers to forget one")
	}
}

func TestAccountIsChangedWithoutItsPassword(t *testing.T) {
	h := open(t, uitest.Accounts(uitest.Noon()), wide())
	h.ShowSettings()
	fynetest.Tap(h.settings.Accounts["sip:alice@info.test"].Edit)
	form := h.account.AccountForm
	if form.Submit.Text() != "Save" || form.Address.Text != "alice@info.test" || form.Password.Text != "" {
		t.Fatalf("the form: %q %q", form.Submit.Text(), form.Address.Text)
	}
	fynetest.Tap(form.Submit)
	h.until("the account is kept as it was", func() bool {
		spec := h.e.Spec()
		return spec.Transport == "tls" && spec.Codecs == "G722,opus" && spec.Identity == "+493012345@info.test" &&
			spec.DisplayName == "Alice Keller" && spec.Password == ""
	})
	h.until("the settings are back", func() bool { return h.view == viewSettings })
}

func TestPasswordMovesOnlyWhenTypedAgain(t *testing.T) {
	h := open(t, uitest.Accounts(uitest.Noon()), wide())
	h.ShowAccount("sip:alice@info.test")
	form := h.account.AccountForm
	form.KeepInFile(true)
	fynetest.Tap(form.Submit)
	h.until("it asks for the password", func() bool { return h.says("Type the password once more") || h.says("Type the password once") })
	if len(h.e.Verbs()) != 0 {
		t.Errorf("verbs: %q", h.e.Verbs())
	}
	h.fill(form, "alice@info.test", "secret")
	h.until("it is kept in the file", func() bool { return h.e.Spec().PasswordStore == app.StoreFile })
}

func TestTLSOfANewAccount(t *testing.T) {
	h := open(t, uitest.First(uitest.Noon()), wide())
	fynetest.Tap(h.welcome.SIP)
	form := h.welcome.AccountForm
	form.Unfold()
	form.ChooseTransport("TLS")
	form.ChooseVerify(app.VerifyCA, "/etc/ca.pem")
	h.fill(form, "alice@info.test", "secret")
	h.until("it is asked for", func() bool {
		s := h.e.Spec()
		return s.Transport == "tls" && s.Verify == app.VerifyCA && s.CAFile == "/etc/ca.pem"
	})
}

func TestSettingsOfCallsAreReachedByTab(t *testing.T) {
	h := open(t, uitest.Accounts(uitest.Noon()), wide())
	h.ShowSettings()
	h.until("all is loaded", func() bool { return h.settings.Blocked.Unblock != nil })
	reach := h.reachable()
	row := h.settings.Accounts["sip:keller@pbx.example"]
	for name, f := range map[string]fyne.Focusable{
		"Do not disturb": h.settings.DND, "strangers": h.settings.Strangers, "transfers": h.settings.Transfers,
		"shield": h.settings.Shield, "trusted": h.settings.Trusted, "support": h.settings.Support,
		"default": row.Default, "change": row.Edit, "forget": row.Forget,
	} {
		if !slices.Contains(reach, f) {
			t.Errorf("Tab does not reach %s", name)
		}
	}
	h.settings.Strangers.SetSelectedIndex(1)
	h.verb("Set strangers ask")
	h.settings.Transfers.SetSelectedIndex(2)
	h.verb("Set transfers refuse")
	fynetest.Tap(h.settings.Shield)
	h.verb("Set shield off")
	h.settings.Trusted.SetText("192.0.2.7")
	h.settings.Trusted.OnEnter()
	h.verb("Set shield.trusted 192.0.2.7")
}
