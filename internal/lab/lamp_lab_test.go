//go:build lab

package lab

import (
	"bytes"
	"fmt"
	"regexp"
	"testing"
	"time"
)

// lampBuddy is what these tests read of a buddy.
type lampBuddy struct {
	Address string `json:"address"`
	Status  string `json:"status"`
	Lamp    string `json:"lamp"`
}

// waitLamp waits until the lamp of a buddy has a word.
func waitLamp(t *testing.T, p *Phone, address, want string) time.Duration {
	t.Helper()
	began := time.Now()
	ctx := within(t, atOnce)
	var last []lampBuddy
	err := poll(ctx, 20*time.Millisecond, func() (bool, error) {
		var err error
		last, err = ask[[]lampBuddy](ctx, p, "buddy", "list")
		for _, b := range last {
			if b.Address == address && b.Lamp == want {
				return true, nil
			}
		}
		return false, err
	})
	if err != nil {
		t.Fatalf("lamp %s of %s: %v; last %+v", want, address, err, last)
	}
	return time.Since(began).Round(time.Millisecond)
}

// TestLampPBX: Kamailio's presence server tells the lamp of a phone that knows nothing of lamps, a baresip, and the state
// of a mailbox.
func TestLampPBX(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{Correspondents: 2})
	pbx, err := l.StartPBX(t.Context())
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("PBX:\n%s", tail(pbx.proc.output(0), 4000))
		}
	})
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{
		User: "bob", Domain: pbx.Domain, Outbound: "sip:" + pbx.Proxy, Manual: true,
	})
	must(t, err)
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: pbx.Domain, Proxy: pbx.Proxy})
	carol := newPhone(t, l.Correspondent(1), PhoneConfig{User: "carol", Domain: pbx.Domain, Proxy: pbx.Proxy})

	must(t, alice.AddBuddy(t.Context(), bob.AOR))
	must(t, alice.Do(t.Context(), "buddy", "lamp", bob.AOR, "watch"))
	t.Logf("idle after %v", waitLamp(t, alice, bob.AOR, "idle"))
	id, err := carol.Call(t.Context(), bob.AOR)
	must(t, err)
	t.Logf("ringing after %v", waitLamp(t, alice, bob.AOR, "ringing"))
	_, err = bob.Command(t.Context(), "accept", "")
	must(t, err)
	t.Logf("busy after %v", waitLamp(t, alice, bob.AOR, "busy"))
	must(t, carol.Do(t.Context(), "hangup", id))
	t.Logf("idle after %v", waitLamp(t, alice, bob.AOR, "idle"))

	for _, box := range []struct{ fresh, old int }{{2, 1}, {0, 3}} {
		mark := alice.Mark()
		must(t, pbx.Leave(within(t, atOnce), "alice", box.fresh, box.old))
		want := regexp.MustCompile(fmt.Sprintf(`"voicemail":\{"waiting":%t,"new":%d,"old":%d,"address":"sip:\*97@pbx\.test"\}`,
			box.fresh > 0, box.fresh, box.old))
		err = poll(within(t, atOnce), 20*time.Millisecond, func() (bool, error) { return want.MatchString(alice.Log(mark)), nil })
		if err != nil {
			t.Fatalf("mailbox %+v: %v", box, err)
		}
	}
}

// TestLampPeerToPeer: between two of ours the proxy needs no presence server, and the lamp survives the watched one's move
// to another Wi-Fi.
func TestLampPeerToPeer(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{Correspondents: 2})
	bob := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "bob", Domain: Info})
	alice := newPhone(t, l.Correspondent(0), PhoneConfig{User: "alice", Domain: Info})
	carol, err := l.Correspondent(1).StartBaresip(t.Context(), BaresipConfig{User: "carol", Domain: Info})
	must(t, err)
	must(t, alice.AddBuddy(t.Context(), bob.AOR))
	must(t, alice.Do(t.Context(), "buddy", "lamp", bob.AOR, "watch"))
	must(t, bob.AddBuddy(t.Context(), alice.AOR))
	must(t, bob.Do(t.Context(), "buddy", "lamp", alice.AOR, "share"))
	t.Logf("idle after %v", waitLamp(t, alice, bob.AOR, "idle"))
	mark := bob.Mark()
	id, err := bob.Call(t.Context(), carol.AOR)
	must(t, err)
	_, err = bob.WaitCall(within(t, atOnce), mark, id, "established")
	must(t, err)
	t.Logf("busy after %v", waitLamp(t, alice, bob.AOR, "busy"))
	_, err = l.Mobile(0).Roam(t.Context(), 200*time.Millisecond)
	must(t, err)
	mark = bob.Mark()
	_, err = bob.WaitEvent(within(t, 10*time.Second), mark, "a hand-off", func(e PhoneEvent) bool { return e.Kind == "hand_off" })
	must(t, err)
	waitLamp(t, alice, bob.AOR, "busy")
	must(t, bob.Do(t.Context(), "hangup", id))
	t.Logf("idle after the move and %v", waitLamp(t, alice, bob.AOR, "idle"))
}

// TestLampForeign: phones that tell no lamp refuse, and are left alone.
func TestLampForeign(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{Correspondents: 2})
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{User: "bob", Domain: Info})
	must(t, err)
	carol, err := l.Correspondent(1).StartLinphone(t.Context(), LinphoneConfig{User: "carol", Domain: Info})
	must(t, err)
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info})
	for name, aor := range map[string]string{"baresip": bob.AOR, "linphone": carol.AOR} {
		capture, err := l.Mobile(0).Capture()
		must(t, err)
		must(t, alice.AddBuddy(t.Context(), aor))
		must(t, alice.Do(t.Context(), "buddy", "lamp", aor, "watch"))
		must(t, waitSIP(within(t, 10*time.Second), capture, `(?s)^SUBSCRIBE .*Event: dialog`))
		time.Sleep(2 * time.Second) // whatever it does within that time is its answer
		packets, err := capture.Stop()
		must(t, err)
		asked, answer := 0, "nothing"
		var id []byte // Call-ID of the SUBSCRIBEs
		for _, packet := range packets {
			text := packet.Payload
			if bytes.HasPrefix(text, []byte("SUBSCRIBE ")) && bytes.Contains(text, []byte("Event: dialog")) {
				asked++
				id = regexp.MustCompile(`Call-ID: [^\r]*`).Find(text)
			}
			m := regexp.MustCompile(`(?s)^(SIP/2\.0 [2-6]\d\d [^\r]*).*CSeq: \d+ SUBSCRIBE`).FindSubmatch(text)
			if m != nil && id != nil && bytes.Contains(text, id) {
				answer = string(m[1])
			}
		}
		t.Logf("%s answers %s", name, answer)
		if asked > 3 { // once with credentials, once without, one repetition
			t.Errorf("%s was asked %d times in 2 s", name, asked)
		}
		waitLamp(t, alice, aor, "unknown")
	}
}
