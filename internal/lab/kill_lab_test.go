//go:build lab

package lab

import (
	"testing"
	"time"
)

// TestKilled: the program is killed in mid-call while a message waits. Started again, it has its
// profile, registers, sends the message, and can be called.
func TestKilled(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{Correspondents: 2})
	mh := l.Mobile(0)
	alice := newPhone(t, &mh.Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
		"audio.input": "tone:440", "audio.output": "none", "codecs": "PCMU,opus",
	}})
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{User: "bob", Domain: Info, Codecs: []string{"pcmu"}})
	must(t, err)
	dave := newPhone(t, l.Correspondent(1), PhoneConfig{User: "dave", Domain: Info})
	must(t, alice.AddBuddy(t.Context(), dave.AOR))
	send(t, alice, dave.AOR, "before the kill")
	mark := alice.Mark()
	id, err := alice.Call(t.Context(), bob.AOR)
	must(t, err)
	_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	waiting := withoutNetwork(t, mh, alice, dave.AOR, "written without a network")

	must(t, alice.Kill())
	_, err = mh.Flap(t.Context(), 0) // the network is back
	must(t, err)
	mark = dave.Mark()
	since := time.Now()
	must(t, alice.Restart(t.Context()))
	must(t, waitRegistered(t, alice))
	t.Logf("registered %v after the restart", time.Since(since).Round(time.Millisecond))
	_, err = dave.WaitMessage(within(t, 10*time.Second), mark, waiting.Text)
	must(t, err)
	t.Logf("the waiting message arrived %v after the restart", time.Since(since).Round(time.Millisecond))
	survived(t, l, alice, dave, waiting)

	// The peer's side of the lost call ends in order, and new calls work.
	ended := time.Now()
	must(t, bob.Hangup(t.Context()))
	_, err = bob.WaitEvent(within(t, 5*time.Second), ended, "CALL_CLOSED")
	must(t, err)
	c := callCase{phone: alice, peer: &baresipTalker{b: bob}, host: bob.Host}
	c.end(t, c.establish(t, false), true)
}

// withoutNetwork takes the link away and writes a message, which must wait.
func withoutNetwork(t *testing.T, m *Mobile, p *Phone, to, text string) PhoneMessage {
	t.Helper()
	must(t, m.lab.ip(t.Context(), m.name, "link set wlan0 down"))
	time.Sleep(300 * time.Millisecond) // the program hears of it
	message, err := p.Message(t.Context(), to, text)
	must(t, err)
	t.Logf("without a network: state %q, reason %q", message.State, message.Reason)
	if message.State != "waiting" {
		t.Errorf("without a network the message is %+v, want it waiting", message)
	}
	return message
}

// waitRegistered waits until the program's only account is registered.
func waitRegistered(t *testing.T, p *Phone) error {
	t.Helper()
	var last PhoneStatus
	err := poll(within(t, 10*time.Second), 20*time.Millisecond, func() (bool, error) {
		var err error
		last, err = p.Status(t.Context())
		return len(last.Accounts) == 1 && last.Accounts[0].State == "registered", err
	})
	if err != nil {
		t.Errorf("after the restart the accounts are %+v", last.Accounts)
	}
	return err
}

// survived checks what the profile held before the kill.
func survived(t *testing.T, l *Lab, alice, dave *Phone, waiting PhoneMessage) {
	t.Helper()
	status, err := alice.Status(t.Context())
	must(t, err)
	for _, n := range status.Notices {
		if n.Level != "info" {
			t.Errorf("the program complains after the restart: %+v", n)
		}
	}
	calls, err := alice.Calls(t.Context())
	must(t, err)
	for _, c := range calls {
		if c.State != "ended" {
			t.Errorf("after the restart there is the call %+v", c)
		}
	}
	if _, err := alice.WaitBuddy(within(t, atOnce), dave.AOR, "online"); err != nil {
		t.Error(err)
	}
	codecs, err := ask[struct {
		Value string `json:"value"`
	}](t.Context(), alice, "get", "codecs")
	must(t, err)
	if codecs.Value != "PCMU,opus" {
		t.Errorf("the setting codecs is %q after the restart", codecs.Value)
	}
	history, err := alice.Messages(t.Context(), dave.AOR)
	must(t, err)
	if len(history) != 2 || history[0].Text != "before the kill" || history[1].ID != waiting.ID || history[1].State != "sent" {
		t.Errorf("the history after the restart is %+v, want two messages, both sent", history)
	}
	bindings, err := l.Bindings(t.Context(), Info, "alice")
	must(t, err)
	t.Logf("alice's bindings after the restart: %v", bindings)
	received, err := dave.Messages(t.Context(), alice.AOR)
	must(t, err)
	if len(received) != 2 {
		t.Errorf("dave has %d messages, want two: none lost, none twice: %+v", len(received), received)
	}
}

// TestKilledLeavesOneBinding: what was registered before a crash is not left beside the new Contact.
func TestKilledLeavesOneBinding(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info})
	must(t, alice.Kill())
	must(t, alice.Restart(t.Context()))
	must(t, waitRegistered(t, alice))
	time.Sleep(500 * time.Millisecond)
	bindings, err := l.Bindings(t.Context(), Info, "alice")
	must(t, err)
	if len(bindings) != 1 {
		t.Errorf("alice's bindings after a crash and a restart: %v, want one", bindings)
	}
}
