//go:build lab

package lab

import (
	"bytes"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// longText is text of about n bytes in which every part differs.
func longText(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "part %d of a long message. ", i)
	}
	return strings.TrimSpace(b.String())
}

// TestTCPAccount: an account with --transport tcp registers at Kamailio, calls and is called, sends and
// receives messages too long for UDP (RFC 3261 18.1.1, RFC 3428 8), and its SIP never uses UDP.
func TestTCPAccount(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{Correspondents: 3})
	files := suiteSpeech(t)
	capture, err := l.Mobile(0).Capture()
	must(t, err)
	heard := filepath.Join(l.Dir(), "heard.wav")
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{
		User: "alice", Domain: Info, Account: []string{"--transport", "tcp"},
		Set: map[string]string{"audio.input": "file:" + files.Wide, "audio.output": "file:" + heard},
	})
	bindings, err := l.Bindings(t.Context(), Info, "alice")
	must(t, err)
	t.Logf("alice's bindings: %v", bindings)
	if len(bindings) != 1 || !strings.Contains(strings.ToLower(bindings[0]), "transport=tcp") {
		t.Errorf("alice's bindings are %v, want one with transport=tcp", bindings)
	}
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{User: "bob", Domain: Info, Codecs: []string{"pcmu"}, Source: "aufile," + files.Narrow})
	must(t, err)
	c := callCase{phone: alice, peer: &baresipTalker{b: bob}, host: bob.Host}
	for _, phoneCalls := range []bool{true, false} {
		id := c.establish(t, phoneCalls)
		time.Sleep(3 * time.Second)
		call, err := alice.CallOf(t.Context(), id)
		must(t, err)
		if call.State != "established" || call.Quality.PacketsReceived < 100 || call.Quality.PacketsSent < 100 {
			t.Errorf("phone calls: %v: the call is %s with %+v", phoneCalls, call.State, call.Quality)
		}
		c.end(t, id, !phoneCalls) // the called one hangs up
	}
	judge(t, "heard by alice", files.Narrow, heard, 2*time.Second)

	dave := newPhone(t, l.Correspondent(1), PhoneConfig{User: "dave", Domain: Info, Account: []string{"--transport", "tcp"}})
	text := longText(10_000)
	mark := dave.Mark()
	send(t, alice, dave.AOR, text)
	_, err = dave.WaitMessage(within(t, 5*time.Second), mark, text)
	must(t, err)
	mark = alice.Mark()
	s := startSipp(t, l.Correspondent(2), SippConfig{
		Scenario: "message", TCP: true, Remote: netip.AddrPortFrom(netip.MustParseAddr(Info.IP), 5060),
		Keys: map[string]string{"me": "carol", "dom": Info.Name, "tgt": alice.AOR, "txt": text}, Auth: "carol",
	})
	expect(t, s)
	m, err := alice.WaitMessage(within(t, 5*time.Second), mark, text)
	must(t, err)
	t.Logf("%d bytes arrived over TCP from %s", len(m.Text), m.Peer)

	packets, err := capture.Stop()
	must(t, err)
	for _, p := range packets {
		if bytes.Contains(p.Payload, []byte("SIP/2.0\r\n")) {
			line, _, _ := bytes.Cut(p.Payload, []byte("\r\n"))
			t.Errorf("SIP over UDP from %v to %v: %s", p.Src, p.Dst, line)
		}
	}
}

// TestLongMessageLeavesUDP: an account on UDP sends what is too long for it over TCP (RFC 3261 18.1.1).
func TestLongMessageLeavesUDP(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info})
	bob := newPhone(t, l.Correspondent(0), PhoneConfig{User: "bob", Domain: Info, Account: []string{"--transport", "tcp"}})
	capture, err := alice.Host.Capture()
	must(t, err)
	text, mark := longText(10_000), bob.Mark()
	send(t, alice, bob.AOR, text)
	_, err = bob.WaitMessage(within(t, 5*time.Second), mark, text)
	must(t, err)
	send(t, alice, bob.AOR, "short")
	packets, err := capture.Stop()
	must(t, err)
	short := 0
	for _, p := range packets {
		if !bytes.HasPrefix(p.Payload, []byte("MESSAGE ")) {
			continue
		}
		if len(p.Payload) > 1300 {
			t.Errorf("a MESSAGE of %d bytes left over UDP", len(p.Payload))
		}
		short++
	}
	t.Logf("%d messages over UDP", short)
	if short == 0 {
		t.Error("the short message did not go over UDP: the test sees nothing")
	}
}
