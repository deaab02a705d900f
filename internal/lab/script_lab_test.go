//go:build lab

package lab

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

// newLANPhone starts Peregrine with an account that needs no server.
func newLANPhone(t *testing.T, h *Host, user string, set map[string]string) *Phone {
	t.Helper()
	if set == nil {
		set = map[string]string{"audio.input": "tone:440", "audio.output": "none", "autoanswer": "on"}
	}
	p := newPhone(t, h, PhoneConfig{Name: user, Set: set})
	must(t, p.Do(t.Context(), "account", "add", user, "--lan"))
	p.AOR = fmt.Sprintf("sip:%s@%s", user, h.Addr())
	return p
}

// startSipp starts a scenario.
func startSipp(t *testing.T, h *Host, cfg SippConfig) *Sipp {
	t.Helper()
	s, err := h.StartSipp(t.Context(), cfg)
	must(t, err)
	return s
}

// expect waits for the end of a scenario and shows its messages when it failed.
func expect(t *testing.T, s *Sipp) {
	t.Helper()
	if err := s.Wait(within(t, 25*time.Second)); err != nil {
		t.Error(err)
	}
}

// callScript lets the phone call a scenario and waits for a state of the call.
func callScript(t *testing.T, p *Phone, s *Sipp, state string) string {
	t.Helper()
	mark := p.Mark()
	id, err := p.Call(t.Context(), fmt.Sprintf("sip:lab@%s", s.Addr))
	must(t, err)
	_, err = p.WaitCall(within(t, 10*time.Second), mark, id, state)
	must(t, err)
	return id
}

// script is one test against a scenario: its own lab is not worth the time, its own port is enough.
type script struct {
	name string
	run  func(t *testing.T, p *Phone, h *Host)
}

// TestScriptedCalls plays what no honest peer can be made to do: sipp on a LAN, no server between.
func TestScriptedCalls(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	alice := newLANPhone(t, &l.Mobile(0).Host, "alice", nil)
	for _, s := range []script{
		{"302 to another address", scriptRedirect},
		{"302 in a circle", scriptCircle},
		{"forked answers", scriptForks},
		{"200 crosses CANCEL", scriptCrossing},
		{"200 again and again", scriptAgain},
		{"changes refused", scriptStubborn},
		{"glare, our call", scriptGlareOurs},
		{"glare, their call", scriptGlareTheirs},
		{"INVITE without SDP", scriptNoSDP},
	} {
		t.Run(s.name, func(t *testing.T) { s.run(t, alice, l.Correspondent(0)) })
		noLiveCall(t, alice)
	}
}

// noLiveCall checks that nothing of a scenario is left.
func noLiveCall(t *testing.T, p *Phone) {
	t.Helper()
	calls, err := p.Calls(t.Context())
	must(t, err)
	for _, c := range calls {
		if c.State != "ended" {
			t.Errorf("call %s with %s is still %s", c.ID, c.Peer, c.State)
			_ = p.Do(t.Context(), "hangup", c.ID)
		}
	}
}

func scriptRedirect(t *testing.T, p *Phone, h *Host) {
	first := startSipp(t, h, SippConfig{Scenario: "uas_redirect", Keys: map[string]string{"target": fmt.Sprintf("sip:moved@%s:5080", h.Addr())}})
	second := startSipp(t, h, SippConfig{Scenario: "uas_answer", Name: "redirected", Port: 5080})
	id := callScript(t, p, first, "established")
	expect(t, first)
	must(t, p.Do(t.Context(), "hangup", id))
	expect(t, second)
	if text := second.Messages(); !strings.Contains(text, "INVITE sip:moved@") {
		t.Errorf("the Request-URI at the new address is not the Contact of the 302 (RFC 3261 8.1.3.4):\n%s", text)
	}
}

func scriptCircle(t *testing.T, p *Phone, h *Host) {
	s := startSipp(t, h, SippConfig{Scenario: "uas_redirect", Name: "circle", Keys: map[string]string{"target": fmt.Sprintf("sip:lab@%s:5060", h.Addr())}})
	since, mark := time.Now(), p.Mark()
	callScript(t, p, s, "ended")
	expect(t, s)
	call, err := p.WaitCall(within(t, time.Second), mark, "", "ended")
	must(t, err)
	t.Logf("ended after %v: %q (%s)", time.Since(since).Round(time.Millisecond), call.Reason, call.Detail)
	sentence(t, call.Reason)
}

func scriptForks(t *testing.T, p *Phone, h *Host) {
	s := startSipp(t, h, SippConfig{Scenario: "uas_forks"})
	id := callScript(t, p, s, "established")
	_, err := s.WaitMessage(within(t, 8*time.Second), `(?s)BYE .*tag=b.*BYE .*tag=c`)
	must(t, err)
	if call, err := p.CallOf(t.Context(), id); err != nil || call.State != "established" {
		t.Errorf("after the other answers the call is %+v (%v), want it established", call, err)
	}
	must(t, p.Do(t.Context(), "hangup", id))
	expect(t, s)
}

func scriptCrossing(t *testing.T, p *Phone, h *Host) {
	s := startSipp(t, h, SippConfig{Scenario: "uas_crossing"})
	id := callScript(t, p, s, "ringing")
	since := time.Now()
	must(t, p.Do(t.Context(), "hangup", id))
	expect(t, s)
	t.Logf("over %v after hanging up", time.Since(since).Round(time.Millisecond))
}

func scriptAgain(t *testing.T, p *Phone, h *Host) {
	s := startSipp(t, h, SippConfig{Scenario: "uas_again"})
	id := callScript(t, p, s, "established")
	_, err := s.WaitMessage(within(t, 8*time.Second), `(?s)(ACK sip:.*){3}`)
	must(t, err)
	must(t, p.Do(t.Context(), "hangup", id))
	expect(t, s)
}

// scriptStubborn: the peer has Opus and PCMU, and says 488 to a change.
func scriptStubborn(t *testing.T, p *Phone, h *Host) {
	s := startSipp(t, h, SippConfig{Scenario: "uas_stubborn"})
	id := callScript(t, p, s, "established")
	before, err := p.CallOf(t.Context(), id)
	must(t, err)
	other := map[string]string{"opus": "PCMU", "PCMU": "opus"}[before.Codec]
	err = p.Do(t.Context(), "codec", id, other)
	t.Logf("the verb said: %v", err)
	refused(t, err)
	after, err := p.CallOf(t.Context(), id)
	must(t, err)
	if after.State != "established" || after.Codec != before.Codec || after.HeldBy != "" {
		t.Errorf("after 488 the call is %s with %s, before it was established with %s", after.State, after.Codec, before.Codec)
	}
	time.Sleep(400 * time.Millisecond)
	later, err := p.CallOf(t.Context(), id)
	must(t, err)
	if sent := later.Quality.PacketsSent - after.Quality.PacketsSent; sent < 15 {
		t.Errorf("after 488 only %d packets were sent in 400 ms", sent)
	}
	must(t, p.Do(t.Context(), "hangup", id))
	expect(t, s)
}

func scriptGlareOurs(t *testing.T, p *Phone, h *Host) {
	s := startSipp(t, h, SippConfig{Scenario: "uas_glare"})
	id := callScript(t, p, s, "established")
	// RFC 3261 14.1: the owner of the Call-ID waits 2.1 to 4 s.
	glare(t, p, s, id, 2100*time.Millisecond, 4*time.Second)
}

func scriptGlareTheirs(t *testing.T, p *Phone, h *Host) {
	mark := p.Mark()
	s := startSipp(t, h, SippConfig{Scenario: "uac_glare", Remote: sipAt(p.Host), Keys: map[string]string{"user": "alice"}})
	call, err := p.WaitCall(within(t, 10*time.Second), mark, "", "established")
	must(t, err)
	time.Sleep(100 * time.Millisecond) // the ACK comes
	// RFC 3261 14.1: who is not the owner waits up to 2 s.
	glare(t, p, s, call.ID, 0, 2*time.Second)
}

// glare lets the phone hold the call while the scenario changes it too.
func glare(t *testing.T, p *Phone, s *Sipp, id string, least, most time.Duration) {
	t.Helper()
	capture, err := p.Host.Capture()
	must(t, err)
	must(t, p.Do(t.Context(), "hold", id))
	packets, err := capture.Stop()
	must(t, err)
	call, err := p.CallOf(t.Context(), id)
	must(t, err)
	if call.State != "held" || call.HeldBy != "us" {
		t.Errorf("after the glare the call is %s by %q, want it held by us", call.State, call.HeldBy)
	}
	pause := pauseAfter491(packets)
	t.Logf("tried again %v after 491", pause.Round(time.Millisecond))
	if pause < least || pause > most+handOffSlack {
		t.Errorf("tried again %v after 491, want %v to %v", pause, least, most)
	}
	must(t, p.Do(t.Context(), "hangup", id))
	expect(t, s)
}

// pauseAfter491 is the time from the 491 that came in to the INVITE that went out after it; -1 when
// one of them is missing.
func pauseAfter491(packets []wire.Packet) time.Duration {
	var refusal time.Time
	for _, p := range packets {
		switch {
		case !p.Outgoing && strings.HasPrefix(string(p.Payload), "SIP/2.0 491 "):
			refusal = p.At
		case p.Outgoing && !refusal.IsZero() && strings.HasPrefix(string(p.Payload), "INVITE "):
			return p.At.Sub(refusal)
		}
	}
	return -1
}

func scriptNoSDP(t *testing.T, p *Phone, h *Host) {
	capture, err := h.Capture()
	must(t, err)
	mark := p.Mark()
	s := startSipp(t, h, SippConfig{Scenario: "uac_nosdp", Remote: sipAt(p.Host), Keys: map[string]string{"user": "alice"}})
	_, err = p.WaitCall(within(t, 10*time.Second), mark, "", "established")
	must(t, err)
	expect(t, s)
	_, err = p.WaitCall(within(t, 5*time.Second), mark, "", "ended")
	must(t, err)
	packets, err := capture.Stop()
	must(t, err)
	answer := regexp.MustCompile(`(?s)^ACK .*\r\nm=audio (\d+) `)
	media := 0
	for _, packet := range packets {
		if match := answer.FindSubmatch(packet.Payload); match != nil {
			_, _ = fmt.Sscan(string(match[1]), &media)
		}
	}
	sent := 0
	for _, rtp := range wire.Direction(packets, false) {
		if int(rtp.Dst.Port()) == media && rtp.PayloadType == 0 {
			sent++
		}
	}
	t.Logf("%d PCMU packets to port %d, which the ACK named", sent, media)
	if sent < 50 {
		t.Errorf("%d packets of sound came to the port the ACK named, want 50 at least", sent)
	}
}
