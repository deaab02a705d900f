//go:build lab

package lab

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/linkemu"
	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

// TestMobilityC1: the mobile gets another address in the same subnet and registers anew. A caller
// who only knows the old address is redirected by 302 and gets through.
func TestMobilityC1(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{Correspondents: 3})
	redirect := fmt.Sprintf("sip:%s:%d", Info.IP, RedirectPort)
	mh := l.Mobile(0)
	alice := newPhone(t, &mh.Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
		"audio.input": "tone:440", "audio.output": "none", "autoanswer": "on",
		// Who is redirected comes past the server: the shield lets it ring only from where the user trusts.
		"shield.trusted": l.Correspondent(2).Addr().String(),
	}})
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{User: "bob", Domain: Info, Outbound: redirect})
	must(t, err)
	carol := newPhone(t, l.Correspondent(1), PhoneConfig{User: "carol", Domain: Enst, Proxy: ""})
	old := mh.Addr()
	move, err := mh.Readdress(t.Context(), netip.MustParseAddr("10.77.1.150"), 0)
	must(t, err)
	must(t, waitBinding(within(t, 5*time.Second), l, Info, "alice", move.New))
	t.Logf("registered anew %v after the address was there", time.Since(move.Up).Round(time.Millisecond))

	t.Run("foreign caller", func(t *testing.T) {
		mark, since := alice.Mark(), time.Now()
		must(t, bob.Dial(t.Context(), fmt.Sprintf("sip:alice@%s", old)))
		_, err := bob.WaitEvent(within(t, 10*time.Second), since, "CALL_ESTABLISHED")
		must(t, err)
		if text := bob.Log(0); !strings.Contains(text, "SIP/2.0 302") {
			t.Error("baresip was not redirected")
		}
		must(t, bob.Hangup(t.Context()))
		_, err = alice.WaitCall(within(t, 5*time.Second), mark, "", "ended")
		must(t, err)
	})
	t.Run("our caller", func(t *testing.T) {
		dave := newPhone(t, l.Correspondent(2), PhoneConfig{Name: "dave", Set: map[string]string{"audio.input": "tone:440", "audio.output": "none"}})
		must(t, dave.AddAccount(t.Context(), "dave@info.test", Password("dave"), ""))
		callRedirected(t, l, dave, alice)
	})
	t.Run("by the address of record", func(t *testing.T) {
		mark := carol.Mark()
		id, err := carol.Call(t.Context(), alice.AOR)
		must(t, err)
		_, err = carol.WaitCall(within(t, 10*time.Second), mark, id, "established")
		must(t, err)
		must(t, carol.Do(t.Context(), "hangup", id))
	})
}

// callRedirected lets our caller ask the redirect server: the address names its port, so that the
// request goes there, and the answer is 302 with the mobile's present contact.
func callRedirected(t *testing.T, l *Lab, caller, callee *Phone) {
	t.Helper()
	capture, err := caller.Host.Capture()
	must(t, err)
	mark := caller.Mark()
	id, err := caller.Call(t.Context(), fmt.Sprintf("sip:alice@%s:%d", Info.IP, RedirectPort))
	must(t, err)
	_, err = caller.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	must(t, caller.Do(t.Context(), "hangup", id))
	packets, err := capture.Stop()
	must(t, err)
	if n := countSIP(packets, regexp.MustCompile(`^SIP/2\.0 302 `)); n == 0 {
		t.Error("our caller was not redirected")
	}
	bindings, err := l.Bindings(t.Context(), Info, "alice")
	must(t, err)
	if len(bindings) != 1 {
		t.Errorf("bindings of %s are %v, want one", callee.AOR, bindings)
	}
}

// waitBinding waits until the registrar holds exactly one contact of the user, at the address.
func waitBinding(ctx context.Context, l *Lab, domain Domain, user string, addr netip.Addr) error {
	var last []string
	err := poll(ctx, 10*time.Millisecond, func() (bool, error) {
		var err error
		last, err = l.Bindings(ctx, domain, user)
		return len(last) == 1 && strings.Contains(last[0], "@"+addr.String()), err
	})
	if err != nil {
		return fmt.Errorf("wait until %s is registered at %s only (is %v): %w", user, addr, last, err)
	}
	return nil
}

// movingCall is a call of a mobile host with a correspondent, both captured.
type movingCall struct {
	program          string // of the mobile
	mobile           *Mobile
	phone            *Phone // nil: a foreign program
	call             string // id at the phone
	linphone         *Linphone
	peer             *Baresip
	atMobile, atPeer *Capture
	move             Move
}

func startMovingCall(t *testing.T, program string, mobile *Mobile, peerHost *Host, user, peerUser string) *movingCall {
	t.Helper()
	files := suiteSpeech(t)
	m := &movingCall{program: program, mobile: mobile}
	var err error
	m.peer, err = peerHost.StartBaresip(t.Context(), BaresipConfig{User: peerUser, Domain: Info, Codecs: []string{"pcmu"}, Source: "aufile," + files.Narrow})
	must(t, err)
	m.atMobile, err = mobile.Capture()
	must(t, err)
	m.atPeer, err = peerHost.Capture()
	must(t, err)
	since := time.Now()
	switch program {
	case "peregrine":
		m.phone = newPhone(t, &mobile.Host, PhoneConfig{User: user, Domain: Info, Set: map[string]string{"audio.input": "file:" + files.Wide, "audio.output": "none"}})
		m.call, err = m.phone.Call(t.Context(), m.peer.AOR)
		must(t, err)
	case "linphonec":
		m.linphone, err = mobile.StartLinphone(t.Context(), LinphoneConfig{User: user, Domain: Info, Play: files.Wide})
		must(t, err)
		must(t, m.linphone.Command("call "+m.peer.AOR))
	case "baresip":
		p, err := mobile.StartBaresip(t.Context(), BaresipConfig{User: user, Domain: Info, Codecs: []string{"pcmu"}, Source: "aufile," + files.Narrow})
		must(t, err)
		must(t, p.Dial(t.Context(), m.peer.AOR))
	}
	_, err = m.peer.WaitEvent(within(t, 10*time.Second), since, "CALL_ESTABLISHED")
	must(t, err)
	return m
}

// back tells whether sound arrives at the mobile's new address.
func (m *movingCall) back() bool {
	return wire.JudgeMove(wire.Direction(m.atMobile.Packets(), false), m.move.Handover(), false).Back()
}

// result of a move, per direction.
type handOff struct {
	rtt      time.Duration
	program  string
	outage   time.Duration // without any address
	down, up wire.Gap
}

func (m *movingCall) finish(t *testing.T, rtt time.Duration) handOff {
	t.Helper()
	atMobile, err := m.atMobile.Stop()
	must(t, err)
	atPeer, err := m.atPeer.Stop()
	must(t, err)
	if m.phone != nil {
		logSIP(t, fmt.Sprintf("SIP at the mobile from the loss of the old address on (the new one came after %.1f ms), RTT %v", milliseconds(m.move.Up.Sub(m.move.Down)), rtt), atMobile, m.move.Down)
	}
	down, up := moved(t, fmt.Sprintf("%s at RTT %v", m.program, rtt), m.move, atMobile, atPeer)
	return handOff{rtt: rtt, program: m.program, outage: m.move.Up.Sub(m.move.Down), down: down, up: up}
}

// TestMobilityC2 is criterion 4: the hand-off's gap in each direction at RTT 0, 20 and 100 ms,
// beside baresip's and linphonec's moved at the same time.
func TestMobilityC2(t *testing.T) {
	var results []handOff
	var slow []func() handOff
	for _, rtt := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond} {
		l := newLab(t, Config{Mobiles: 3, Correspondents: 3, Link: linkemu.Impairment{Delay: rtt / 2}})
		calls := []*movingCall{
			startMovingCall(t, "peregrine", l.Mobile(0), l.Correspondent(0), "alice", "bob"),
			startMovingCall(t, "linphonec", l.Mobile(1), l.Correspondent(1), "carol", "dave"),
			startMovingCall(t, "baresip", l.Mobile(2), l.Correspondent(2), "u1", "u2"),
		}
		time.Sleep(2 * time.Second)
		for _, c := range calls {
			move, err := c.mobile.Roam(t.Context(), 0)
			must(t, err)
			c.move = move
		}
		time.Sleep(2 * time.Second)
		checkMovedPhone(t, l, calls[0])
		// linphonec looks for a new address every 5 s, baresip 1.0 once a minute. The next lab is
		// built while baresip's call waits.
		results = append(results, calls[0].await(t, rtt, 3*time.Second), calls[1].await(t, rtt, 12*time.Second))
		slow = append(slow, func() handOff { return calls[2].await(t, rtt, 65*time.Second) })
	}
	for _, await := range slow {
		results = append(results, await())
	}
	slices.SortStableFunc(results, func(a, b handOff) int { return cmp.Compare(a.rtt, b.rtt) })
	table(t, results)
	for _, r := range results {
		if r.program == "peregrine" {
			judgeHandOff(t, r)
		}
	}
}

// await waits until sound comes to the mobile's new address, or for slowest since the move, judges
// the move and ends both ends of the call. Who never comes back is shown so in the table.
func (m *movingCall) await(t *testing.T, rtt, slowest time.Duration) handOff {
	t.Helper()
	ctx, cancel := context.WithDeadline(t.Context(), m.move.Up.Add(slowest))
	defer cancel()
	_ = poll(ctx, 200*time.Millisecond, func() (bool, error) { return m.back(), nil })
	result := m.finish(t, rtt)
	if m.phone != nil {
		must(t, m.phone.Stop(t.Context()))
	}
	if m.linphone != nil {
		_ = m.linphone.Kill() // only the call mattered
	}
	_ = m.peer.Kill()
	return result
}

// checkMovedPhone: the call goes on, the registrar knows the new address only, and the program
// tells of the hand-off with its own figures.
func checkMovedPhone(t *testing.T, l *Lab, m *movingCall) {
	t.Helper()
	call, err := m.phone.CallOf(t.Context(), m.call)
	must(t, err)
	if call.State != "established" {
		t.Errorf("after the move the call is %s (%s, %s)", call.State, call.Reason, call.Detail)
	}
	if err := waitBinding(within(t, 5*time.Second), l, Info, "alice", m.mobile.Addr()); err != nil {
		t.Error(err)
	}
	if len(call.HandOffs) != 1 {
		t.Errorf("the call tells of %d hand-offs, want 1: %+v", len(call.HandOffs), call.HandOffs)
		return
	}
	t.Logf("the program's own figures: %+v", call.HandOffs[0])
	if h := call.HandOffs[0]; h.From != m.move.Old.String() || h.To != m.move.New.String() {
		t.Errorf("the hand-off goes from %s to %s, want %v to %v", h.From, h.To, m.move.Old, m.move.New)
	}
}

// handOffSlack is what a busy machine may add to the physical limit: a few turns of its scheduler
// and the first ARP exchange on the new link.
const handOffSlack = 80 * time.Millisecond

// judgeHandOff holds Peregrine to the physical limit: toward the mobile the outage, one round trip
// for the news to reach the peer and sound to come back, and one frame; from the mobile the outage
// and one frame.
func judgeHandOff(t *testing.T, r handOff) {
	t.Helper()
	const frame = 20 * time.Millisecond
	if limit := r.outage + r.rtt + frame + handOffSlack; !r.down.Back() || r.down.Silence > limit {
		t.Errorf("RTT %v: peer to mobile was silent for %v (back: %v), want %v at most", r.rtt, r.down.Silence, r.down.Back(), limit)
	}
	if limit := r.outage + frame + handOffSlack; !r.up.Back() || r.up.Silence > limit {
		t.Errorf("RTT %v: mobile to peer was silent for %v (back: %v), want %v at most", r.rtt, r.up.Silence, r.up.Back(), limit)
	}
}

// table prints the hand-offs side by side.
func table(t *testing.T, results []handOff) {
	t.Helper()
	var out strings.Builder
	cell := func(g wire.Gap) string {
		if !g.Back() {
			return "never"
		}
		return fmt.Sprintf("%.1f", milliseconds(g.Silence))
	}
	fmt.Fprintf(&out, "\n%-8s %-10s %10s %16s %16s\n", "RTT ms", "mobile", "outage ms", "peer→mobile ms", "mobile→peer ms")
	for _, r := range results {
		fmt.Fprintf(&out, "%-8.0f %-10s %10.1f %16s %16s\n", milliseconds(r.rtt), r.program, milliseconds(r.outage), cell(r.down), cell(r.up))
	}
	t.Log(out.String())
}

// TestCallSurvivesEveryMove takes one call through all kinds of moves.
func TestCallSurvivesEveryMove(t *testing.T) {
	l := newLab(t, Config{Link: linkemu.Impairment{Delay: 10 * time.Millisecond}})
	m := startMovingCall(t, "peregrine", l.Mobile(0), l.Correspondent(0), "alice", "bob")
	mh := l.Mobile(0)
	moves := []struct {
		name  string
		limit time.Duration // of silence toward the mobile, beyond the outage
		do    func() (Move, error)
	}{
		{"another network", 120 * time.Millisecond, func() (Move, error) { return mh.Roam(t.Context(), 0) }},
		{"another network after half a second", 120 * time.Millisecond, func() (Move, error) { return mh.Roam(t.Context(), 500*time.Millisecond) }},
		{"another address in the same network", 120 * time.Millisecond, func() (Move, error) {
			return mh.Readdress(t.Context(), netip.MustParseAddr("10.77.1.151"), 0)
		}},
		{"make before break", 100 * time.Millisecond, func() (Move, error) { return mh.RoamOverlapped(t.Context(), time.Second) }},
		{"the link flaps", 120 * time.Millisecond, func() (Move, error) { return mh.Flap(t.Context(), 300*time.Millisecond) }},
		{"another network after three seconds", 120 * time.Millisecond, func() (Move, error) { return mh.Roam(t.Context(), 3*time.Second) }},
	}
	time.Sleep(2 * time.Second)
	for _, step := range moves {
		t.Run(step.name, func(t *testing.T) {
			move, err := step.do()
			must(t, err)
			time.Sleep(2500 * time.Millisecond)
			down, up := moved(t, step.name, move, m.atMobile.Packets(), m.atPeer.Packets())
			outage := move.Up.Sub(move.Down)
			if move.Kind == "mbb" {
				outage = 0
			}
			for name, gap := range map[string]wire.Gap{"peer to mobile": down, "mobile to peer": up} {
				if !gap.Back() || gap.Silence > outage+step.limit {
					t.Errorf("%s: silent for %v (back: %v), want %v at most", name, gap.Silence, gap.Back(), outage+step.limit)
				}
			}
			call, err := m.phone.CallOf(t.Context(), m.call)
			must(t, err)
			if call.State != "established" {
				t.Fatalf("the call is %s (%s, %s)", call.State, call.Reason, call.Detail)
			}
			if err := waitBinding(within(t, 5*time.Second), l, Info, "alice", mh.Addr()); err != nil {
				t.Error(err)
			}
		})
	}
	since := time.Now()
	must(t, m.phone.Do(t.Context(), "hangup", m.call))
	_, err := m.peer.WaitEvent(within(t, 5*time.Second), since, "CALL_CLOSED")
	must(t, err)
}

// TestPeerMoves: linphonec moves, ours stays where it is and follows its re-INVITE.
func TestPeerMoves(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	files := suiteSpeech(t)
	mh, ch := l.Mobile(0), l.Correspondent(0)
	bob := newPhone(t, ch, PhoneConfig{User: "bob", Domain: Info, Set: map[string]string{
		"audio.input": "file:" + files.Wide, "audio.output": "none", "autoanswer": "on",
	}})
	alice, err := mh.StartLinphone(t.Context(), LinphoneConfig{User: "alice", Domain: Info, Play: files.Wide})
	must(t, err)
	capture, err := mh.Capture()
	must(t, err)
	mark := bob.Mark()
	must(t, alice.Command("call "+bob.AOR))
	_, err = bob.WaitCall(within(t, 10*time.Second), mark, "", "established")
	must(t, err)
	time.Sleep(time.Second)
	move, err := mh.Roam(t.Context(), 0)
	must(t, err)
	ctx := within(t, 8*time.Second) // linphonec looks every 5 s
	err = poll(ctx, 50*time.Millisecond, func() (bool, error) {
		return wire.JudgeMove(wire.Direction(capture.Packets(), false), move.Handover(), false).Back(), nil
	})
	if err != nil {
		t.Errorf("no sound came to linphonec's new address within 8 s")
	}
	if _, err := capture.Stop(); err != nil {
		t.Error(err)
	}
}
