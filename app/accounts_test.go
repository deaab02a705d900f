package app

import "testing"

// Changing the details of an account must not make it trust another server, or another phone to the registrar.
func TestChangedAccountKeepsWhatItIs(t *testing.T) {
	e := newIdle(t, t.TempDir())
	put := func(spec AccountSpec) *account {
		t.Helper()
		spec.Address = "alice@info.test"
		a, err := newAccount(spec)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.putAccount(a); err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := put(AccountSpec{Verify: VerifyPin})
	e.mu.Lock()
	e.learnPinLocked(first, "sha256/first")
	e.learnPinLocked(first, "sha256/second") // the key that counts is the first one
	e.mu.Unlock()
	second := put(AccountSpec{Verify: VerifyPin, DisplayName: "Alice"})
	if second.entry.Pin != "sha256/first" || second.entry.Instance != first.entry.Instance ||
		second.entry.ContactUser != first.entry.ContactUser {
		t.Errorf("after a change the account is %+v, was %+v", second.entry, first.entry)
	}
	if third := put(AccountSpec{}); third.entry.Pin != "" {
		t.Errorf("an account judged by the system's authorities has the pin %q", third.entry.Pin)
	}
	if got := e.Snapshot().Accounts; len(got) != 1 || !got[0].Default {
		t.Errorf("accounts %+v", got)
	}
}
