//go:build lab

package lab

import (
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

// garbageFor makes n packets that no honest peer sends: noise, cut and twisted SIP, RTP and RTCP
// look-alikes.
func garbageFor(n int) [][]byte {
	random := rand.New(rand.NewPCG(6, 6))
	noise := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		return b
	}
	sip := []string{
		"", "\r\n\r\n", "INVITE\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", "INVITE sip:alice@10.77.1.100 SIP/2.0\r\nContent-Length: 999999999\r\n\r\n",
		"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP ;branch=\r\nContent-Length: -1\r\n\r\n",
		"BYE sip:alice@10.77.1.100 SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.3.11:5060;branch=z9hG4bKx\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:alice@info.test>;tag=2\r\nCall-ID: none\r\nCSeq: 1 BYE\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n",
		"NOTIFY sip:alice@10.77.1.100 SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.3.11:5060;branch=z9hG4bKy\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:alice@info.test>;tag=2\r\nCall-ID: none2\r\nCSeq: 1 NOTIFY\r\nEvent: presence\r\nContent-Type: application/pidf+xml\r\nContent-Length: 9\r\n\r\n<presence",
		"INVITE sip:alice@10.77.1.100 SIP/2.0\r\nVia: SIP/2.0/UDP 10.77.3.11:5060;branch=z9hG4bKz\r\nFrom: <sip:x@y>;tag=1\r\nTo: <sip:alice@info.test>\r\nCall-ID: none3\r\nCSeq: 1 INVITE\r\nContact: <sip:x@10.77.3.11>\r\nContent-Type: application/sdp\r\nContent-Length: 12\r\n\r\nv=0\r\nm=\x00\xff\r\n",
		strings.Repeat("A", 60000),
	}
	out := make([][]byte, n)
	for i := range out {
		switch i % 4 {
		case 0:
			out[i] = noise(random.IntN(1400))
		case 1:
			out[i] = []byte(sip[(i/4)%len(sip)])
		case 2: // RTP of another source
			b := noise(172)
			b[0], b[1] = 0x80, byte(i/4%2)*8
			binary.BigEndian.PutUint16(b[2:], uint16(i))
			out[i] = b
		case 3: // RTCP with impossible lengths; a BYE of somebody else
			b := noise(28)
			b[0], b[1] = 0x81, byte(200+i/4%5)
			out[i] = b
		}
	}
	return out
}

// throw sends packets from a host to an address.
func throw(t *testing.T, from *Host, to netip.AddrPort, packets [][]byte) {
	t.Helper()
	must(t, inNamespace(from.Namespace(), func() error {
		conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
		if err != nil {
			return err
		}
		defer conn.Close()
		for i, p := range packets {
			// A refusal of the packet before (ICMP) or of its size says nothing about this one.
			_, _ = conn.Write(p)
			if i%20 == 19 {
				time.Sleep(2 * time.Millisecond)
			}
		}
		return nil
	}))
}

// TestGarbageDuringACall is part of criterion 6: a third host throws garbage at the SIP port and at
// the media ports of a running call. The call goes on and its sound has no holes.
func TestGarbageDuringACall(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{Correspondents: 2})
	files := suiteSpeech(t)
	mh := l.Mobile(0)
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{User: "bob", Domain: Info, Codecs: []string{"pcmu"}, Source: "aufile," + files.Narrow})
	must(t, err)
	heard := filepath.Join(l.Dir(), "heard.wav")
	alice := newPhone(t, &mh.Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{"audio.input": "file:" + files.Wide, "audio.output": "file:" + heard}})
	capture, err := mh.Capture()
	must(t, err)
	mark := alice.Mark()
	id, err := alice.Call(t.Context(), bob.AOR)
	must(t, err)
	_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	time.Sleep(2 * time.Second)
	media, signalling := ports(t, capture)
	t.Logf("media at %v, signalling at %v", media, signalling)
	for range 4 {
		packets := garbageFor(200)
		throw(t, l.Correspondent(1), signalling, packets)
		throw(t, l.Correspondent(1), media, packets)
		throw(t, l.Correspondent(1), netip.AddrPortFrom(media.Addr(), media.Port()+1), packets)
		time.Sleep(time.Second)
	}
	call, err := alice.CallOf(t.Context(), id)
	must(t, err)
	if call.State != "established" {
		t.Errorf("after garbage the call is %s (%s, %s)", call.State, call.Reason, call.Detail)
	}
	must(t, alice.Do(t.Context(), "hangup", id))
	_, err = alice.WaitCall(within(t, 5*time.Second), mark, id, "ended")
	must(t, err)
	judge(t, "heard through garbage", files.Narrow, heard, 5*time.Second)
	m, err := alice.Message(t.Context(), bob.AOR, "still here")
	if err == nil && m.State == "failed" {
		t.Logf("baresip refuses messages of strangers: %+v", m)
	}
	must(t, err)
}

// ports finds where the phone's media and signalling live from what it sent.
func ports(t *testing.T, c *Capture) (media, signalling netip.AddrPort) {
	t.Helper()
	packets, err := c.Stop()
	must(t, err)
	for _, p := range wire.Direction(packets, true) {
		media = p.Src
	}
	for _, p := range packets {
		if p.Outgoing && p.Dst.Port() == 5060 {
			signalling = p.Src
		}
	}
	if !media.IsValid() || !signalling.IsValid() {
		t.Fatalf("no media (%v) or signalling (%v) was seen", media, signalling)
	}
	return media, signalling
}

// TestBadAccounts is part of criterion 6: a wrong password, a domain that does not exist, servers
// that are not there. Each ends in a clear message and a working program.
func TestBadAccounts(t *testing.T) {
	t.Parallel()
	// A server that says nothing is given up after 64*T1 = 32 s (RFC 3261 17.1.2.2, timer F).
	const timerF = 32 * time.Second
	cases := []struct {
		name, address, password, proxy string
		within                         time.Duration
	}{
		{"wrong password", "alice@info.test", "wrong", "", 5 * time.Second},
		{"no such domain", "alice@nowhere.test", "x", "", 10 * time.Second},
		{"a server that is not there", "alice@enst.test", "x", "10.77.0.99", timerF + 10*time.Second},
		{"a server that does not listen", "alice@enst.test", "x", "10.77.3.10:5999", timerF + 10*time.Second},
	}
	l := newLab(t, Config{Mobiles: len(cases)})
	phones := make([]*Phone, len(cases))
	var group sync.WaitGroup
	for i, c := range cases {
		mh := l.Mobile(i)
		phones[i] = newPhone(t, &mh.Host, PhoneConfig{Name: "alice"})
		group.Go(func() {
			phone := phones[i]
			mark, since := phone.Mark(), time.Now()
			refused := phone.AddAccount(t.Context(), c.address, c.password, c.proxy)
			e, err := phone.WaitEvent(within(t, c.within), mark, "a failed account", func(e PhoneEvent) bool {
				return e.Account != nil && e.Account.State == "failed" && strings.Contains(e.Account.Address, c.address)
			})
			if err != nil {
				t.Errorf("%s: %v (the verb said: %v)", c.name, err, refused)
				return
			}
			t.Logf("%s: after %v: %q (%s); the verb said: %v", c.name, time.Since(since).Round(time.Millisecond), e.Account.Reason, e.Account.Detail, refused)
			sentence(t, e.Account.Reason)
		})
	}
	group.Wait()
	for i, phone := range phones {
		user, mh := "u"+strconv.Itoa(i), l.Mobile(i)
		must(t, phone.AddAccount(t.Context(), user+"@info.test", Password(user), ""))
		must(t, waitBinding(within(t, 5*time.Second), l, Info, user, mh.Addr()))
	}
}

// sentence checks that a text is one a person can read: no Go error, no bare code.
func sentence(t *testing.T, s string) {
	t.Helper()
	if len(s) < 10 || !strings.HasSuffix(s, ".") && !strings.HasSuffix(s, "?") || strings.Contains(s, "%!") || strings.Contains(s, "dial udp") {
		t.Errorf("%q is no sentence for a person", s)
	}
}

// TestNoAudioDevice: a machine without any sound device still takes a call and says what is wrong,
// whether the settings name devices or leave the choice to the system.
func TestNoAudioDevice(t *testing.T) {
	for _, device := range []struct{ name, input, output string }{
		// No device is named that could exist, whatever the machine under the lab has.
		{"named", "device:There is no such microphone", "device:There is no such speaker"},
		{"default", "default", "default"},
	} {
		t.Run(device.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Config{})
			bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{User: "bob", Domain: Info, Codecs: []string{"pcmu"}})
			must(t, err)
			alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
				"audio.input": device.input, "audio.output": device.output,
			}})
			callWithoutDevice(t, alice, bob)
		})
	}
}

func callWithoutDevice(t *testing.T, alice *Phone, bob *Baresip) {
	t.Helper()
	mark, since := alice.Mark(), time.Now()
	id, err := alice.Call(t.Context(), bob.AOR)
	must(t, err)
	_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	_, err = bob.WaitEvent(within(t, 5*time.Second), since, "CALL_ESTABLISHED")
	must(t, err)
	var status PhoneStatus
	err = poll(within(t, 5*time.Second), 50*time.Millisecond, func() (bool, error) {
		status, err = alice.Status(t.Context())
		return status.Audio.Problem != "", err
	})
	if err != nil {
		t.Fatalf("status tells of no audio problem: %+v (%v)", status, err)
	}
	t.Logf("after %v: %s", time.Since(since).Round(time.Millisecond), status.Audio.Problem)
	sentence(t, status.Audio.Problem)
	// The peer's sound comes in all the same, and ours goes out as soon as there is a source.
	time.Sleep(time.Second)
	before, err := alice.CallOf(t.Context(), id)
	must(t, err)
	if before.State != "established" || before.Quality.PacketsReceived < 30 {
		t.Errorf("without devices the call is %s with %+v", before.State, before.Quality)
	}
	must(t, alice.Do(t.Context(), "set", "audio.input", "tone:440"))
	must(t, alice.Do(t.Context(), "set", "audio.output", "none"))
	time.Sleep(time.Second)
	after, err := alice.CallOf(t.Context(), id)
	must(t, err)
	if sent := after.Quality.PacketsSent - before.Quality.PacketsSent; sent < 30 {
		t.Errorf("%d packets were sent in a second after the user chose a source", sent)
	}
	err = poll(within(t, 3*time.Second), 50*time.Millisecond, func() (bool, error) {
		status, err = alice.Status(t.Context())
		return status.Audio.Problem == "", err
	})
	if err != nil {
		t.Errorf("with working devices status still says %q", status.Audio.Problem)
	}
	must(t, alice.Do(t.Context(), "hangup", id))
	_, err = bob.WaitEvent(within(t, 5*time.Second), since, "CALL_CLOSED")
	must(t, err)
}

// TestDamagedProfile: damaged files are never overwritten, the program starts and says so.
func TestDamagedProfile(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	damage := map[string]string{
		"buddies.xml":   "<buddies><buddy address=\"sip:bob@info.test\"",
		"settings.json": "{\"autoanswer\": ",
	}
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Profile: damage})
	var status PhoneStatus
	err := poll(within(t, 3*time.Second), 100*time.Millisecond, func() (bool, error) {
		var err error
		status, err = alice.Status(t.Context())
		return len(status.Notices) >= len(damage), err
	})
	t.Logf("notices: %+v", status.Notices)
	if err != nil {
		t.Errorf("%d notices for %d damaged files", len(status.Notices), len(damage))
	}
	for _, n := range status.Notices {
		sentence(t, n.Text)
	}
	must(t, alice.Do(t.Context(), "set", "autoanswer", "on"))
	for name, content := range damage {
		if !keptSomewhere(t, alice.Dir, content) {
			t.Errorf("what was in the damaged %s is lost", name)
		}
	}
}

// keptSomewhere tells whether a file of the profile still holds exactly the content.
func keptSomewhere(t *testing.T, dir, content string) bool {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, entry := range entries {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err == nil && string(data) == content {
			return true
		}
	}
	return false
}
