//go:build lab

package lab

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

// withoutServers fails the test when the host has sent anything to the lab's SIP servers.
func withoutServers(t *testing.T, packets []wire.Packet) {
	t.Helper()
	for _, p := range packets {
		if a := p.Dst.Addr().String(); p.Outgoing && (a == Info.IP || a == Enst.IP) {
			t.Errorf("a packet went to the server %v", p.Dst)
			return
		}
	}
}

// TestLAN: two of ours on a network without any server: presence, messages and a call by
// sip:name@address, which both of the addresses stand for.
func TestLAN(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	files := suiteSpeech(t)
	heard := func(user string) string { return filepath.Join(l.Dir(), user+".wav") }
	set := func(user string) map[string]string {
		return map[string]string{"audio.input": "file:" + files.Wide, "audio.output": "file:" + heard(user), "autoanswer": "on"}
	}
	capture, err := l.Mobile(0).Capture()
	must(t, err)
	alice := newLANPhone(t, &l.Mobile(0).Host, "alice", set("alice"))
	bob := newLANPhone(t, l.Correspondent(0), "bob", set("bob"))
	if alice.AOR != "sip:alice@10.77.1.100" || bob.AOR != "sip:bob@10.77.3.10" {
		t.Fatalf("the lab gave %s and %s", alice.AOR, bob.AOR)
	}
	for _, p := range []*Phone{alice, bob} {
		status, err := p.Status(t.Context())
		must(t, err)
		if len(status.Accounts) != 1 || status.Accounts[0].Address != p.AOR {
			t.Errorf("accounts are %+v, want %s alone", status.Accounts, p.AOR)
		}
	}

	since := time.Now()
	must(t, alice.AddBuddy(t.Context(), bob.AOR))
	must(t, bob.AddBuddy(t.Context(), alice.AOR))
	_, err = alice.WaitBuddy(within(t, atOnce), bob.AOR, "online")
	must(t, err)
	_, err = bob.WaitBuddy(within(t, atOnce), alice.AOR, "online")
	must(t, err)
	t.Logf("both see each other after %v", time.Since(since).Round(time.Millisecond))
	must(t, bob.Do(t.Context(), "presence", "set", "lunch"))
	_, err = alice.WaitBuddy(within(t, atOnce), bob.AOR, "lunch")
	must(t, err)

	for _, pair := range [][2]*Phone{{alice, bob}, {bob, alice}} {
		mark := pair[1].Mark()
		send(t, pair[0], pair[1].AOR, "hello from "+pair[0].AOR)
		m, err := pair[1].WaitMessage(within(t, 5*time.Second), mark, "hello from "+pair[0].AOR)
		must(t, err)
		if m.Peer != pair[0].AOR {
			t.Errorf("the message is from %s, want %s", m.Peer, pair[0].AOR)
		}
	}

	mark := alice.Mark()
	id, err := alice.Call(t.Context(), bob.AOR)
	must(t, err)
	_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	time.Sleep(4 * time.Second)
	must(t, alice.Do(t.Context(), "hangup", id))
	_, err = bob.WaitCall(within(t, 5*time.Second), 0, "", "ended")
	must(t, err)
	judge(t, "heard by alice", files.Wide, heard("alice"), 3*time.Second)
	judge(t, "heard by bob", files.Wide, heard("bob"), 3*time.Second)
	packets, err := capture.Stop()
	must(t, err)
	withoutServers(t, packets)
}

// TestLANWithForeigners: ours without a server, and baresip and linphonec that do not register.
func TestLANWithForeigners(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{Correspondents: 2})
	files := suiteSpeech(t)
	capture, err := l.Mobile(0).Capture()
	must(t, err)
	alice := newLANPhone(t, &l.Mobile(0).Host, "alice", map[string]string{"audio.input": "file:" + files.Wide, "audio.output": "none"})
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{
		User: "bob", LAN: true, Codecs: []string{"pcmu"}, Source: "aufile," + files.Narrow, Buddies: []string{alice.AOR},
	})
	must(t, err)
	carol, err := l.Correspondent(1).StartLinphone(t.Context(), LinphoneConfig{User: "carol", LAN: true, Play: files.Wide})
	must(t, err)
	for _, c := range []callCase{
		{phone: alice, peer: &baresipTalker{b: bob}, host: bob.Host},
		{phone: alice, peer: &linphoneTalker{p: carol}, host: carol.Host},
	} {
		t.Run(c.peer.address(), func(t *testing.T) {
			for _, phoneCalls := range []bool{true, false} {
				heard := filepath.Join(l.Dir(), fmt.Sprintf("%s-%v.wav", c.host.Name(), phoneCalls))
				must(t, alice.Do(t.Context(), "set", "audio.output", "file:"+heard))
				id := c.establish(t, phoneCalls)
				time.Sleep(3 * time.Second)
				c.end(t, id, phoneCalls)
				source := files.Wide
				if c.host == bob.Host {
					source = files.Narrow
				}
				judge(t, "heard by alice", source, heard, 2*time.Second)
			}
		})
	}
	t.Run("messages", func(t *testing.T) {
		mark := bob.LogSize()
		send(t, alice, bob.AOR, "hello over the LAN")
		_, err := bob.WaitLog(within(t, 5*time.Second), mark, `hello over the LAN`)
		must(t, err)
		from := alice.Mark()
		must(t, bob.Message(t.Context(), alice.AOR, "hello from baresip"))
		m, err := alice.WaitMessage(within(t, 5*time.Second), from, "hello from baresip")
		must(t, err)
		if m.Peer != bob.AOR {
			t.Errorf("the message is from %s, want %s", m.Peer, bob.AOR)
		}
		traced := carol.TraceSize()
		send(t, alice, carol.AOR, "hello, carol")
		_, err = carol.WaitTrace(within(t, 5*time.Second), traced, `hello, carol`)
		must(t, err)
	})
	packets, err := capture.Stop()
	must(t, err)
	withoutServers(t, packets)
}
