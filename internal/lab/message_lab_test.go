//go:build lab

package lab

import (
	"fmt"
	"regexp"
	"testing"
	"time"
)

// TestMessages is criterion 2: messages both ways with linphonec and baresip, within one domain
// (B.1) and across two (B.2).
func TestMessages(t *testing.T) {
	for _, scenario := range []struct {
		name   string
		domain Domain
	}{{"B.1 one domain", Info}, {"B.2 two domains", Enst}} {
		t.Run(scenario.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Config{Correspondents: 2})
			alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info})
			bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{
				User: "bob", Domain: scenario.domain, Buddies: []string{"sip:alice@info.test"},
			})
			must(t, err)
			carol, err := l.Correspondent(1).StartLinphone(t.Context(), LinphoneConfig{User: "carol", Domain: scenario.domain})
			must(t, err)
			t.Run("baresip", func(t *testing.T) { chatBaresip(t, alice, bob) })
			t.Run("linphonec", func(t *testing.T) { chatLinphone(t, alice, carol) })
			t.Run("absent user", func(t *testing.T) { chatAbsent(t, alice, scenario.domain) })
		})
	}
}

// texts that must arrive as they are: order, characters beyond ASCII, XML and header look-alikes.
var texts = []string{"one", "two: Grüße, 你好", "three <b>&amp;</b>", "four \"quoted\"", "Content-Type: five"}

func send(t *testing.T, p *Phone, to, text string) {
	t.Helper()
	m, err := p.Message(t.Context(), to, text)
	must(t, err)
	if m.State != "sent" || !m.Outgoing || m.Text != text {
		t.Errorf("message %q to %s is %+v, want sent", text, to, m)
	}
}

func chatBaresip(t *testing.T, alice *Phone, bob *Baresip) {
	mark := bob.LogSize()
	pattern := "(?s)"
	for _, text := range texts {
		send(t, alice, bob.AOR, text)
		// baresip also prints the SIP messages; its own line has the text in quotes.
		pattern += ".*" + regexp.QuoteMeta(text)
	}
	_, err := bob.WaitLog(within(t, 5*time.Second), mark, pattern)
	must(t, err)
	from := alice.Mark()
	for i := range 3 {
		text := fmt.Sprintf("hello %d from baresip", i)
		must(t, bob.Message(t.Context(), alice.AOR, text))
		m, err := alice.WaitMessage(within(t, 5*time.Second), from, text)
		must(t, err)
		if m.Peer != bob.AOR {
			t.Errorf("message from %q, want %s", m.Peer, bob.AOR)
		}
	}
	history, err := alice.Messages(t.Context(), bob.AOR)
	must(t, err)
	if len(history) != len(texts)+3 {
		t.Fatalf("history has %d messages, want %d: %+v", len(history), len(texts)+3, history)
	}
	for i, text := range texts {
		if history[i].Text != text || history[i].State != "sent" {
			t.Errorf("message %d of the history is %+v, want %q sent", i, history[i], text)
		}
	}
}

func chatLinphone(t *testing.T, alice *Phone, carol *Linphone) {
	for _, text := range texts {
		mark := carol.TraceSize()
		send(t, alice, carol.AOR, text)
		_, err := carol.WaitTrace(within(t, 5*time.Second), mark, regexp.QuoteMeta(text))
		must(t, err)
	}
	_, err := carol.WaitOutput(within(t, 5*time.Second), 0, `Message received from .*: `+regexp.QuoteMeta(texts[0]))
	must(t, err)
	from := alice.Mark()
	for i := range 3 {
		text := fmt.Sprintf("hello %d from linphonec", i)
		must(t, carol.Message(alice.AOR, text))
		m, err := alice.WaitMessage(within(t, 5*time.Second), from, text)
		must(t, err)
		if m.Peer != carol.AOR {
			t.Errorf("message from %q, want %s", m.Peer, carol.AOR)
		}
	}
	// linphonec also sends delivery notifications (RFC 5438): they are no messages for the user.
	history, err := alice.Messages(t.Context(), carol.AOR)
	must(t, err)
	if len(history) != len(texts)+3 {
		t.Errorf("history has %d messages, want %d: %+v", len(history), len(texts)+3, history)
	}
}

// chatAbsent sends to somebody who is not there: the failure is shown, with a sentence.
func chatAbsent(t *testing.T, alice *Phone, domain Domain) {
	m, err := alice.Message(t.Context(), "sip:dave@"+domain.Name, "anybody there?")
	if err == nil && (m.State == "sent" || m.Reason == "") {
		t.Errorf("message to an absent user is %+v, want a state with a reason", m)
	}
	t.Logf("message to an absent user: state %q, reason %q, detail %q, error %v", m.State, m.Reason, m.Detail, err)
}
