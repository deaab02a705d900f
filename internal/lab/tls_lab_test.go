//go:build lab

package lab

import (
	"strings"
	"testing"
	"time"
)

// account returns the phone's account at info.test as `account list` shows it.
func account(t *testing.T, p *Phone, address string) PhoneAccount {
	t.Helper()
	accounts, err := ask[[]PhoneAccount](t.Context(), p, "account", "list")
	must(t, err)
	for _, a := range accounts {
		if strings.Contains(a.Address, address) {
			return a
		}
	}
	t.Fatalf("no account %s among %+v", address, accounts)
	return PhoneAccount{}
}

// TestTLS: accounts over TLS at Kamailio. Who vouches for the server decides; a call and a message go through; a
// connection that is cut comes back by itself and the phone can be called again.
func TestTLS(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{Mobiles: 2})
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{User: "bob", Domain: Info, Codecs: []string{"pcmu"}, Buddies: []string{"sip:alice@info.test"}})
	must(t, err)
	t.Run("own authority", func(t *testing.T) {
		alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{
			User: "alice", Domain: Info, Account: []string{"--transport", "tls", "--ca-file", l.AuthorityFile()},
			Set: map[string]string{"audio.input": "tone:440", "audio.output": "none", "autoanswer": "on"},
		})
		if a := account(t, alice, "alice@info.test"); !strings.HasPrefix(a.Server, "tls 10.77.0.10:5061") {
			t.Errorf("registered at %q, want tls 10.77.0.10:5061", a.Server)
		}
		tlsCalls(t, alice, bob)
		tlsReconnect(t, l, alice, bob)
	})
	second := newPhone(t, &l.Mobile(1).Host, PhoneConfig{})
	t.Run("nobody vouches", func(t *testing.T) {
		err := second.AddAccount(t.Context(), "u1@info.test", Password("u1"), "", "--transport", "tls")
		t.Logf("the verb said: %v", err)
		refused(t, err)
	})
	t.Run("another name", func(t *testing.T) {
		err := second.AddAccount(t.Context(), "u1@info.test", Password("u1"), "sip:10.77.0.20:5061;transport=tls", "--ca-file", l.AuthorityFile())
		t.Logf("the verb said: %v", err)
		refused(t, err)
	})
	t.Run("recognised by its key", func(t *testing.T) {
		must(t, second.AddAccount(t.Context(), "u1@info.test", Password("u1"), "", "--transport", "tls", "--verify", "pin"))
		pin := account(t, second, "u1@info.test").Pin
		if !strings.HasPrefix(pin, "sha256/") {
			t.Errorf("the pin is %q", pin)
		}
		must(t, second.Stop(t.Context()))
		must(t, second.Restart(within(t, 10*time.Second)))
		_, err := second.WaitEvent(within(t, 10*time.Second), 0, "registered again", func(e PhoneEvent) bool {
			return e.Account != nil && e.Account.State == "registered"
		})
		must(t, err)
		if again := account(t, second, "u1@info.test").Pin; again != pin {
			t.Errorf("after a restart the pin is %q, was %q", again, pin)
		}
	})
	t.Run("sips", func(t *testing.T) {
		must(t, second.AddAccount(t.Context(), "sips:u2@info.test", Password("u2"), "", "--ca-file", l.AuthorityFile()))
		if a := account(t, second, "u2@info.test"); a.State != "registered" || !strings.HasPrefix(a.Server, "tls ") {
			t.Errorf("the sips account is %+v", a)
		}
	})
}

// tlsCalls calls both ways and writes both ways.
func tlsCalls(t *testing.T, alice *Phone, bob *Baresip) {
	t.Helper()
	mark := alice.Mark()
	id, err := alice.Call(t.Context(), bob.AOR)
	must(t, err)
	_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	if call, err := alice.CallOf(t.Context(), id); err != nil || !call.Secure {
		t.Errorf("the call is not shown as secure: %+v (%v)", call, err)
	}
	must(t, alice.Do(t.Context(), "hold", id))
	must(t, alice.Do(t.Context(), "hangup", id))
	m, err := alice.Message(t.Context(), bob.AOR, "by TLS")
	must(t, err)
	if m.State != "sent" {
		t.Errorf("the message is %+v", m)
	}
	mark = alice.Mark()
	must(t, bob.Message(t.Context(), alice.AOR, "back by TLS"))
	_, err = alice.WaitMessage(within(t, 5*time.Second), mark, "back by TLS")
	must(t, err)
	called(t, alice, bob)
}

// called lets bob call alice, who answers by herself.
func called(t *testing.T, alice *Phone, bob *Baresip) {
	t.Helper()
	since, mark := time.Now(), alice.Mark()
	must(t, bob.Dial(t.Context(), alice.AOR))
	call, err := alice.WaitCall(within(t, 10*time.Second), mark, "", "established")
	must(t, err)
	must(t, alice.Do(t.Context(), "hangup", call.ID))
	_, err = bob.WaitEvent(within(t, 5*time.Second), since, "CALL_CLOSED")
	must(t, err)
}

// tlsReconnect resets alice's connection in the middle, as a NAT that forgot it does.
func tlsReconnect(t *testing.T, l *Lab, alice *Phone, bob *Baresip) {
	t.Helper()
	mark, since := alice.Mark(), time.Now()
	if _, err := alice.Host.Run(t.Context(), "ss", "-K", "dst", "10.77.0.10", "dport", "=", "5061"); err != nil {
		t.Fatalf("cut the connection: %v", err)
	}
	_, err := alice.WaitEvent(within(t, 10*time.Second), mark, "registered again", func(e PhoneEvent) bool {
		return e.Account != nil && e.Account.State == "registered"
	})
	must(t, err)
	err = poll(within(t, 10*time.Second), 100*time.Millisecond, func() (bool, error) {
		out, err := alice.Host.Run(t.Context(), "ss", "-Htn", "state", "established", "dst", "10.77.0.10:5061")
		return strings.TrimSpace(out) != "", err
	})
	must(t, err)
	t.Logf("connected again %v after the cut", time.Since(since).Round(time.Millisecond))
	must(t, waitBinding(within(t, 5*time.Second), l, Info, "alice", alice.Host.Addr()))
	called(t, alice, bob)
}
