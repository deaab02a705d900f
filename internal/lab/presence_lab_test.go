//go:build lab

package lab

import (
	"net/netip"
	"regexp"
	"testing"
	"time"
)

// atOnce is how soon presence must show after its cause: local round trips and a slow machine.
const atOnce = 5 * time.Second

// TestPresenceA1: Bob's foreign client subscribes while Alice is offline and gets 404. Alice starts,
// subscribes, and is notified of Bob at once.
func TestPresenceA1(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{User: "bob", Domain: Info, Buddies: []string{"sip:alice@info.test"}})
	must(t, err)
	_, err = bob.WaitLog(within(t, 10*time.Second), 0, `(?s)SIP/2\.0 404 .*CSeq: \d+ SUBSCRIBE`)
	must(t, err)
	_, err = bob.Command(t.Context(), "presence_online", "")
	must(t, err)
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info})
	since := time.Now()
	must(t, alice.AddBuddy(t.Context(), bob.AOR))
	_, err = alice.WaitBuddy(within(t, atOnce), bob.AOR, "online")
	must(t, err)
	t.Logf("alice sees bob online after %v", time.Since(since).Round(time.Millisecond))
}

// TestPresenceA2: Alice is first, her SUBSCRIBE gets 404 and is kept. Bob's client comes online and
// subscribes; ours subscribes back: both see each other.
func TestPresenceA2(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info})
	capture, err := l.Mobile(0).Capture()
	must(t, err)
	must(t, alice.AddBuddy(t.Context(), "sip:bob@info.test"))
	must(t, waitSIP(within(t, 10*time.Second), capture, `(?s)^SIP/2\.0 404 .*CSeq: \d+ SUBSCRIBE`))
	if _, err := capture.Stop(); err != nil {
		t.Fatal(err)
	}
	buddy, err := alice.WaitBuddy(within(t, atOnce), "sip:bob@info.test", "offline")
	if err != nil {
		// A user who is not there may also be shown as unknown: the proxy cannot tell.
		buddy, err = alice.WaitBuddy(within(t, atOnce), "sip:bob@info.test", "unknown")
	}
	must(t, err)
	t.Logf("before bob comes: %+v", buddy)
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{User: "bob", Domain: Info, Buddies: []string{alice.AOR}})
	must(t, err)
	_, err = bob.Command(t.Context(), "presence_online", "")
	must(t, err)
	since := time.Now()
	must(t, bob.WaitBuddy(within(t, atOnce), alice.AOR, "Online"))
	t.Logf("bob sees alice online after %v", time.Since(since).Round(time.Millisecond))
	_, err = alice.WaitBuddy(within(t, atOnce), bob.AOR, "online")
	must(t, err)
	t.Logf("alice sees bob online after %v", time.Since(since).Round(time.Millisecond))
}

// TestPresenceA3: two of ours subscribe to each other, whoever starts first.
func TestPresenceA3(t *testing.T) {
	for _, aliceFirst := range []bool{true, false} {
		name := "bob first"
		if aliceFirst {
			name = "alice first"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Config{})
			hosts := []*Host{&l.Mobile(0).Host, l.Correspondent(0)}
			users := []string{"alice", "bob"}
			if !aliceFirst {
				users[0], users[1] = users[1], users[0]
				hosts[0], hosts[1] = hosts[1], hosts[0]
			}
			first := newPhone(t, hosts[0], PhoneConfig{User: users[0], Domain: Info})
			must(t, first.AddBuddy(t.Context(), "sip:"+users[1]+"@info.test"))
			time.Sleep(500 * time.Millisecond) // the 404 comes meanwhile
			second := newPhone(t, hosts[1], PhoneConfig{User: users[1], Domain: Info})
			since := time.Now()
			must(t, second.AddBuddy(t.Context(), first.AOR))
			_, err := second.WaitBuddy(within(t, atOnce), first.AOR, "online")
			must(t, err)
			_, err = first.WaitBuddy(within(t, atOnce), second.AOR, "online")
			must(t, err)
			t.Logf("both see each other after %v", time.Since(since).Round(time.Millisecond))
			changes(t, first, second)
			// A program that quits is shown as gone at once.
			must(t, second.Stop(t.Context()))
			_, err = first.WaitBuddy(within(t, atOnce), second.AOR, "offline")
			must(t, err)
			must(t, second.Restart(t.Context()))
			_, err = first.WaitBuddy(within(t, 2*atOnce), second.AOR, "online")
			must(t, err)
		})
	}
}

// changes walks p through the statuses of the thesis and checks what the watcher sees.
func changes(t *testing.T, p, watcher *Phone) {
	t.Helper()
	for _, status := range []string{"away", "busy", "lunch", "on_the_phone", "offline", "online"} {
		must(t, p.Do(t.Context(), "presence", "set", status, "--note", "note of "+status))
		b, err := watcher.WaitBuddy(within(t, atOnce), p.AOR, status)
		must(t, err)
		if status != "offline" && b.Note != "note of "+status {
			t.Errorf("the note of %s arrived as %q", status, b.Note)
		}
	}
}

// TestPresenceA4: across two domains, each with its own proxy: online, then away.
func TestPresenceA4(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{Correspondents: 2})
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info})
	bob := newPhone(t, l.Correspondent(0), PhoneConfig{User: "bob", Domain: Enst})
	must(t, alice.AddBuddy(t.Context(), bob.AOR))
	must(t, bob.AddBuddy(t.Context(), alice.AOR))
	for _, status := range []string{"online", "away"} {
		must(t, alice.Do(t.Context(), "presence", "set", status))
		_, err := bob.WaitBuddy(within(t, atOnce), alice.AOR, status)
		must(t, err)
		must(t, bob.Do(t.Context(), "presence", "set", status))
		_, err = alice.WaitBuddy(within(t, atOnce), bob.AOR, status)
		must(t, err)
	}
	// And with a foreign client in the other domain.
	must(t, alice.Do(t.Context(), "presence", "set", "online"))
	carol, err := l.Correspondent(1).StartBaresip(t.Context(), BaresipConfig{User: "carol", Domain: Enst, Buddies: []string{alice.AOR}})
	must(t, err)
	must(t, carol.WaitBuddy(within(t, atOnce), alice.AOR, "Online"))
	_, err = carol.Command(t.Context(), "presence_online", "")
	must(t, err)
	must(t, alice.AddBuddy(t.Context(), carol.AOR))
	_, err = alice.WaitBuddy(within(t, atOnce), carol.AOR, "online")
	must(t, err)
	must(t, alice.Do(t.Context(), "presence", "set", "away"))
	_, err = carol.WaitLog(within(t, atOnce), 0, `(?s)<[a-z:]*away */?>`)
	must(t, err)
	_, err = carol.Command(t.Context(), "presence_offline", "")
	must(t, err)
	_, err = alice.WaitBuddy(within(t, atOnce), carol.AOR, "offline")
	must(t, err)
}

// TestPresenceFetch: somebody asks once (SUBSCRIBE with Expires 0), and polls: each time one NOTIFY
// with the present state, which ends the subscription (RFC 6665 4.4.3).
func TestPresenceFetch(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info})
	capture, err := alice.Host.Capture()
	must(t, err)
	for _, state := range fetched {
		must(t, alice.Do(t.Context(), "presence", "set", state.status))
		time.Sleep(300 * time.Millisecond) // the agent tells of at most one change in 250 ms
		fetch(t, l, alice, state.status, state.want)
	}
	// A change after the last fetch concerns nobody.
	notified := countSIP(capture.Packets(), regexp.MustCompile(`^NOTIFY `))
	must(t, alice.Do(t.Context(), "presence", "set", "lunch"))
	time.Sleep(700 * time.Millisecond)
	packets, err := capture.Stop()
	must(t, err)
	if n := countSIP(packets, regexp.MustCompile(`^NOTIFY `)); n != notified || n != len(fetched) {
		t.Errorf("%d NOTIFYs for %d fetches, and %d after another change", notified, len(fetched), n)
	}
}

// fetched are states and what a fetcher must find.
var fetched = []struct{ status, want string }{
	{"online", `<(?:\w+:)?basic>open<`},
	{"away", `<\w*:?away */>`},
	{"busy", `<\w*:?busy */>`},
	{"offline", `<(?:\w+:)?basic>closed<`},
}

// fetch asks for alice's presence once and checks the NOTIFY.
func fetch(t *testing.T, l *Lab, alice *Phone, status, want string) {
	t.Helper()
	s := startSipp(t, l.Correspondent(0), SippConfig{
		Scenario: "subscribe", Name: "fetch-" + status, Remote: netip.AddrPortFrom(netip.MustParseAddr(Info.IP), 5060), Auth: "carol",
		Keys: map[string]string{"me": "carol", "dom": Info.Name, "tgt": alice.AOR, "ev": "presence", "exp": "0"},
	})
	expect(t, s)
	if !regexp.MustCompile(`(?s)NOTIFY .*\nSubscription-State: *terminated.*` + want).MatchString(s.Messages()) {
		t.Errorf("fetched while %s: no NOTIFY with %s:\n%s", status, want, tail(s.Messages(), 2500))
	}
	now, err := ask[struct {
		Self struct {
			Watchers int `json:"watchers"`
		} `json:"self"`
	}](t.Context(), alice, "status")
	must(t, err)
	if now.Self.Watchers != 0 {
		t.Errorf("a fetch left %d subscriptions behind", now.Self.Watchers)
	}
}

// TestPresenceFetchAtOnce: who asks at once after a change is told the new state: no later NOTIFY
// would correct it (RFC 6665 4.2.1.2, 4.4.3).
func TestPresenceFetchAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info})
	for _, state := range fetched {
		if err := alice.Do(t.Context(), "presence", "set", state.status); err != nil {
			t.Fatal(err)
		}
		fetch(t, l, alice, state.status, state.want)
	}
}
