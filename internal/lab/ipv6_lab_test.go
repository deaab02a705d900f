//go:build lab

package lab

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestIPv6: accounts at a server that has IPv6 alone, over each transport, and calls without a server by a numeric
// address. Sound goes by IPv6 as well.
func TestIPv6(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{Correspondents: 3, IPv6: true})
	quiet := map[string]string{"audio.input": "tone:440", "audio.output": "none", "autoanswer": "on"}
	phone := func(i int, user string, more ...string) *Phone {
		p := newPhone(t, l.Correspondent(i), PhoneConfig{Name: user, Set: quiet})
		must(t, p.AddAccount(t.Context(), user+"@six.test", Password(user), "", more...))
		a := account(t, p, user+"@six.test")
		t.Logf("%s is registered at %s as %s", user, a.Server, a.Contact)
		if a.State != "registered" || !strings.Contains(a.Server, "["+serverIPv6+"]") {
			t.Errorf("%s is %+v", user, a)
		}
		return p
	}
	alice := phone(0, "alice")
	phone(1, "bob", "--transport", "tcp")
	phone(2, "carol", "--transport", "tls", "--verify", "pin")
	for _, to := range []string{"bob", "carol"} {
		talkTo(t, alice, "sip:"+to+"@six.test")
	}
	lan := newPhone(t, l.Correspondent(1), PhoneConfig{Name: "lan", Set: map[string]string{
		"audio.input": "tone:440", "audio.output": "none", "autoanswer": "on", "sip.port": "5070",
	}})
	must(t, lan.Stop(t.Context())) // the port counts from the next start
	must(t, lan.Restart(within(t, 10*time.Second)))
	must(t, lan.Do(t.Context(), "account", "add", "dora", "--lan"))
	must(t, alice.Do(t.Context(), "account", "add", "alice", "--lan"))
	talkTo(t, alice, fmt.Sprintf("sip:dora@[%s]:5070", l.Correspondent(1).Addr6()))
}

// talkTo makes a call and checks that sound goes both ways.
func talkTo(t *testing.T, p *Phone, to string) {
	t.Helper()
	mark := p.Mark()
	id, err := p.Call(t.Context(), to)
	must(t, err)
	_, err = p.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	var call PhoneCall
	err = poll(within(t, 5*time.Second), 100*time.Millisecond, func() (bool, error) {
		var err error
		call, err = p.CallOf(t.Context(), id)
		return call.Quality.PacketsSent > 50 && call.Quality.PacketsReceived > 50, err
	})
	if err != nil {
		t.Errorf("call to %s: %+v: %v", to, call.Quality, err)
	}
	must(t, p.Do(t.Context(), "hold", id))
	must(t, p.Do(t.Context(), "resume", id))
	must(t, p.Do(t.Context(), "hangup", id))
}
