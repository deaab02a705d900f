//go:build lab

package lab

import (
	"testing"
	"time"
)

// TestScriptedSessions plays what sessions may ask for beyond RFC 3261: reliable provisional responses, announcements,
// UPDATE, session intervals.
func TestScriptedSessions(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	alice := newLANPhone(t, &l.Mobile(0).Host, "alice", nil)
	for _, s := range []script{
		{"183 and 180 by PRACK", scriptReliable},
		{"PRACK wanted of us", scriptReliableOurs},
		{"announcement", scriptEarly},
		{"hold by UPDATE", scriptUpdate},
		{"422", scriptBrief},
	} {
		t.Run(s.name, func(t *testing.T) { s.run(t, alice, l.Correspondent(0)) })
		noLiveCall(t, alice)
	}
}

func scriptReliable(t *testing.T, p *Phone, h *Host) {
	s := startSipp(t, h, SippConfig{Scenario: "uas_reliable"})
	mark := p.Mark()
	id := callScript(t, p, s, "ringing")
	_, err := p.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	must(t, p.Do(t.Context(), "hangup", id))
	expect(t, s)
}

func scriptReliableOurs(t *testing.T, p *Phone, h *Host) {
	must(t, p.Do(t.Context(), "set", "autoanswer", "off"))
	mark := p.Mark()
	s := startSipp(t, h, SippConfig{Scenario: "uac_reliable", Remote: sipAt(p.Host), Keys: map[string]string{"user": "alice"}})
	_, err := s.WaitMessage(within(t, 10*time.Second), `(?s)PRACK .*200 OK`)
	must(t, err)
	must(t, p.Do(t.Context(), "answer"))
	expect(t, s)
	_, err = p.WaitCall(within(t, 10*time.Second), mark, "", "ended")
	must(t, err)
	must(t, p.Do(t.Context(), "set", "autoanswer", "on"))
}

func scriptEarly(t *testing.T, p *Phone, h *Host) {
	s := startSipp(t, h, SippConfig{Scenario: "uas_early"})
	mark := p.Mark()
	id := callScript(t, p, s, "ringing")
	_, err := p.WaitEvent(within(t, 5*time.Second), mark, "early sound", func(e PhoneEvent) bool {
		return e.Call != nil && e.Call.ID == id && e.Call.State == "ringing" && e.Call.EarlySound
	})
	must(t, err)
	_, err = p.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	must(t, p.Do(t.Context(), "hangup", id))
	expect(t, s)
}

func scriptUpdate(t *testing.T, p *Phone, h *Host) {
	s := startSipp(t, h, SippConfig{Scenario: "uas_update"})
	mark := p.Mark()
	id := callScript(t, p, s, "established")
	held, err := p.WaitCall(within(t, 10*time.Second), mark, id, "held")
	must(t, err)
	if held.HeldBy != "peer" {
		t.Errorf("held by %q, want by the peer", held.HeldBy)
	}
	err = poll(within(t, 5*time.Second), 50*time.Millisecond, func() (bool, error) {
		call, err := p.CallOf(t.Context(), id)
		return call.State == "established", err
	})
	must(t, err)
	must(t, p.Do(t.Context(), "hangup", id))
	expect(t, s)
}

func scriptBrief(t *testing.T, p *Phone, h *Host) {
	s := startSipp(t, h, SippConfig{Scenario: "uas_brief"})
	id := callScript(t, p, s, "established")
	must(t, p.Do(t.Context(), "hangup", id))
	expect(t, s)
}

// TestSessionTimers takes as long as the shortest interval RFC 4028 allows, 90 s: a session we refresh at half of it,
// and one that the peer forgot, which we ask about and then end. The sound of sipp's calls is silence.
func TestSessionTimers(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{Mobiles: 2})
	t.Run("refreshed by us", func(t *testing.T) {
		t.Parallel()
		alice := newLANPhone(t, &l.Mobile(0).Host, "alice", nil)
		s := startSipp(t, l.Correspondent(0), SippConfig{Scenario: "uas_refreshed", Limit: 80 * time.Second})
		id := callScript(t, alice, s, "established")
		_, err := s.WaitMessage(within(t, 60*time.Second), `(?s)UPDATE .*200 OK`)
		must(t, err)
		must(t, alice.Do(t.Context(), "hangup", id))
		expect(t, s)
	})
	t.Run("forgotten by the peer", func(t *testing.T) {
		t.Parallel()
		alice := newLANPhone(t, &l.Mobile(1).Host, "alice", nil)
		s := startSipp(t, l.Correspondent(0), SippConfig{Scenario: "uas_forgetful", Port: 5070, Limit: 120 * time.Second})
		mark := alice.Mark()
		id := callScript(t, alice, s, "established")
		call, err := alice.WaitCall(within(t, 110*time.Second), mark, id, "ended")
		must(t, err)
		t.Logf("ended: %s (%s)", call.Reason, call.Detail)
		sentence(t, call.Reason)
		expect(t, s)
	})
}
