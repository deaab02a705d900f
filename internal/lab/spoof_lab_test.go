//go:build lab

package lab

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

// thief is somebody who has seen every packet of the phone's and has all its identifiers, but another address.
type thief struct {
	host    *Host
	victim  netip.AddrPort
	capture *Capture
}

// stolen finds the last SIP message that matches.
func (th *thief) stolen(t *testing.T, outgoing bool, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	found := ""
	err := poll(within(t, 5*time.Second), 20*time.Millisecond, func() (bool, error) {
		for _, p := range th.capture.Packets() {
			if p.Outgoing == outgoing && re.Match(p.Payload) {
				found = string(p.Payload)
			}
		}
		return found != "", nil
	})
	if err != nil {
		t.Fatalf("no packet with %s: %v", pattern, err)
	}
	return found
}

// send sends a message from the thief's address.
func (th *thief) send(t *testing.T, message string) {
	t.Helper()
	throw(t, th.host, th.victim, [][]byte{[]byte(message)})
}

// field reads a header of a message.
func field(message, name string) string {
	match := regexp.MustCompile(`(?im)^` + name + `: *(.*?)\r$`).FindStringSubmatch(message)
	if match == nil {
		return ""
	}
	return match[1]
}

// inside writes a request as the peer of a dialog would, whose tags are those of the 200 that the victim got.
func (th *thief) inside(ok, method string, seq int, extra ...string) string {
	contact := regexp.MustCompile(`sip:[^>;]*`).FindString(field(th.last(ok), "Contact"))
	lines := append([]string{
		method + " " + contact + " SIP/2.0",
		fmt.Sprintf("Via: SIP/2.0/UDP %s:5060;branch=z9hG4bKthief%d%s", th.host.Addr(), seq, method),
		"Max-Forwards: 70", "From: " + field(ok, "To"), "To: " + field(ok, "From"), "Call-ID: " + field(ok, "Call-ID"),
		fmt.Sprintf("CSeq: %d %s", seq, method), fmt.Sprintf("Contact: <sip:thief@%s>", th.host.Addr()),
	}, extra...)
	body := ""
	if n := len(lines); strings.Contains(lines[n-1], "\r\n\r\n") {
		return strings.Join(lines, "\r\n")
	}
	return strings.Join(append(lines, "Content-Length: 0", "", body), "\r\n")
}

// last is the victim's own last request of the dialog of a 200.
func (th *thief) last(ok string) string {
	id := field(ok, "Call-ID")
	found := ""
	for _, p := range th.capture.Packets() {
		if p.Outgoing && bytes.Contains(p.Payload, []byte(id)) && bytes.HasPrefix(p.Payload, []byte("INVITE ")) {
			found = string(p.Payload)
		}
	}
	return found
}

// TestStolenIdentifiers: a thief with all identifiers but another address sends BYE, REFER, re-INVITE, INFO, CANCEL,
// answers to requests in flight, NOTIFY and RTP, and what he recorded before. Nothing changes.
func TestStolenIdentifiers(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{Correspondents: 3})
	mh := l.Mobile(0)
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{User: "bob", Domain: Info, Codecs: []string{"pcmu"}, Buddies: []string{"sip:alice@info.test"}})
	must(t, err)
	_, err = l.Correspondent(1).StartBaresip(t.Context(), BaresipConfig{User: "dave", Domain: Info, Manual: true})
	must(t, err)
	alice := newPhone(t, &mh.Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
		"audio.input": "tone:440", "audio.output": "none", "codecs": "PCMU",
	}})
	capture, err := mh.Capture()
	must(t, err)
	th := &thief{host: l.Correspondent(2), victim: sipAt(&mh.Host), capture: capture}
	_, err = bob.Command(t.Context(), "presence_online", "")
	must(t, err)
	must(t, alice.AddBuddy(t.Context(), bob.AOR))
	_, err = alice.WaitBuddy(within(t, 10*time.Second), bob.AOR, "online")
	must(t, err)

	old := th.oneCall(t, alice, bob) // its packets are replayed later
	mark := alice.Mark()
	id, err := alice.Call(t.Context(), bob.AOR)
	must(t, err)
	_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	time.Sleep(time.Second)
	ok := th.stolen(t, false, `(?s)^SIP/2\.0 200 .*CSeq: *\d+ INVITE`)

	th.send(t, th.inside(ok, "BYE", 70001))
	th.send(t, th.inside(ok, "REFER", 70002, "Refer-To: <sip:premium@10.77.3.12>"))
	th.send(t, th.inside(ok, "INFO", 70003))
	sdp := fmt.Sprintf("v=0\r\no=- 1 9 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n", th.host.Addr())
	for i, method := range []string{"INVITE", "UPDATE"} {
		th.send(t, th.inside(ok, method, 70004+i, "Content-Type: application/sdp", fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(sdp), sdp)))
	}
	for _, recorded := range old {
		th.send(t, recorded)
	}
	th.notify(t)
	th.rtp(t)
	time.Sleep(2 * time.Second)
	th.unharmed(t, alice, bob, id)
	// The same BYE from the proxy ends the call: it was the address that was wrong, not the message.
	mark = alice.Mark()
	must(t, inNamespace(l.Core().Namespace(), func() error {
		conn, err := net.DialUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 77, 0, 10)}, net.UDPAddrFromAddrPort(th.victim))
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte(th.inside(ok, "BYE", 70010)))
		return err
	}))
	_, err = alice.WaitCall(within(t, 5*time.Second), mark, id, "ended")
	must(t, err)
	th.inFlight(t, alice)
}

// oneCall makes a call that bob ends, and returns all its messages that came to alice.
func (th *thief) oneCall(t *testing.T, alice *Phone, bob *Baresip) []string {
	t.Helper()
	mark := alice.Mark()
	id, err := alice.Call(t.Context(), bob.AOR)
	must(t, err)
	_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	time.Sleep(300 * time.Millisecond)
	must(t, bob.Hangup(t.Context()))
	_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "ended")
	must(t, err)
	var out []string
	for _, p := range th.capture.Packets() {
		if !p.Outgoing && bytes.Contains(p.Payload, []byte("SIP/2.0")) {
			out = append(out, string(p.Payload))
		}
	}
	return out
}

// notify sends a recorded NOTIFY of bob's presence again, changed to closed and with a higher number.
func (th *thief) notify(t *testing.T) {
	t.Helper()
	m := th.stolen(t, false, `(?s)^NOTIFY .*Event: *presence.*<basic>open`)
	m = strings.Replace(m, "<basic>open<", "<basic>closed<", 1)
	m = regexp.MustCompile(`CSeq: *\d+ NOTIFY`).ReplaceAllString(m, "CSeq: 90001 NOTIFY")
	m = regexp.MustCompile(`branch=z9hG4bK[^;\r]*`).ReplaceAllString(m, "branch=z9hG4bKthiefnotify")
	if at := strings.Index(m, "\r\n\r\n"); at > 0 {
		m = regexp.MustCompile(`Content-Length: *\d+`).ReplaceAllString(m, fmt.Sprintf("Content-Length: %d", len(m)-at-4))
	}
	th.send(t, m)
}

// rtp sends sound with bob's own SSRC and numbers from the thief's address.
func (th *thief) rtp(t *testing.T) {
	t.Helper()
	var packets [][]byte
	var to netip.AddrPort
	for _, p := range th.capture.Packets() {
		if _, ok := wire.ParseRTP(p); ok && !p.Outgoing {
			to = p.Dst
			packets = append(packets, p.Payload)
		}
	}
	if len(packets) < 20 {
		t.Fatalf("%d packets of sound were seen", len(packets))
	}
	throw(t, th.host, to, packets)
}

// unharmed checks that the call goes on with bob alone and nobody asks for anything.
func (th *thief) unharmed(t *testing.T, alice *Phone, bob *Baresip, id string) {
	t.Helper()
	call, err := alice.CallOf(t.Context(), id)
	must(t, err)
	if call.State != "established" {
		t.Errorf("the call is %s by %q: %s (%s)", call.State, call.HeldBy, call.Reason, call.Detail)
	}
	from := time.Now().Add(-time.Second)
	elsewhere := 0
	for _, p := range wire.Direction(th.capture.Packets(), true) {
		if p.At.After(from) && p.Dst.Addr() != bob.Host.Addr() {
			elsewhere++
		}
	}
	if elsewhere > 0 {
		t.Errorf("%d packets of sound went to somebody else within a second", elsewhere)
	}
	if requests, err := ask[[]PhoneRequest](t.Context(), alice, "requests"); err != nil || len(requests) > 0 {
		t.Errorf("requests: %+v (%v)", requests, err)
	}
	if b, err := alice.WaitBuddy(within(t, time.Second), bob.AOR, "online"); err != nil {
		t.Errorf("bob is %q now", b.Status)
	}
}

// inFlight answers a call that rings, from the thief's address, with the right branch; then cancels one that comes in.
func (th *thief) inFlight(t *testing.T, alice *Phone) {
	t.Helper()
	mark := alice.Mark()
	id, err := alice.Call(t.Context(), "dave")
	must(t, err)
	_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "ringing")
	must(t, err)
	ringing := th.stolen(t, false, `(?s)^SIP/2\.0 180 `)
	for _, line := range []string{"401 Unauthorized", "486 Busy Here", "302 Moved Temporarily"} {
		m := strings.Replace(ringing, ringing[:strings.Index(ringing, "\r\n")], "SIP/2.0 "+line, 1)
		m = strings.Replace(m, "\r\nContent-Length", "\r\nWWW-Authenticate: Digest realm=\"info.test\", nonce=\"thief\"\r\nContent-Length", 1)
		th.send(t, m)
	}
	time.Sleep(time.Second)
	if call, err := alice.CallOf(t.Context(), id); err != nil || call.State != "ringing" {
		t.Errorf("after foreign answers the call is %+v (%v)", call, err)
	}
	must(t, alice.Do(t.Context(), "hangup", id))
}
