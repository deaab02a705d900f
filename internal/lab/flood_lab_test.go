//go:build lab

package lab

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/score"
)

// The flood of the acceptance criteria.
const (
	floodRate = 2000 // requests a second
	floodTime = 60 * time.Second
	// floodSources are the addresses it comes from: one scanner is easy to tell.
	floodSources = 40
)

// floodRequest writes the n-th request of the flood: what scanners send, what a stranger who knows the address would
// send, what is well-formed but nobody asked for, and junk.
func floodRequest(random *rand.Rand, n int, from, to netip.AddrPort, contact string) []byte {
	method, agent, target := "OPTIONS", "friendly-scanner", fmt.Sprintf("sip:%d@%s", 100+n%900, to)
	extra, body := "", ""
	switch n % 8 {
	case 0: // a scanner looks for numbers
	case 1:
		method = "REGISTER"
	case 2:
		method, agent = "INVITE", "sipcli/v1.8"
	case 3: // a stranger who knows the address of record
		method, agent, target = "INVITE", "phone", "sip:alice@info.test"
	case 4: // one who has even found out the Contact
		method, agent, target = "INVITE", "phone", contact
	case 5:
		method, agent, target, extra, body = "MESSAGE", "phone", contact, "Content-Type: text/plain\r\n", "hello"
	case 6:
		method, agent, target, extra = "SUBSCRIBE", "phone", contact, "Event: presence\r\nExpires: 600\r\n"
	case 7:
		junk := make([]byte, 20+random.IntN(900))
		for i := range junk {
			junk[i] = byte(random.Uint32())
		}
		if n%16 == 7 {
			return append([]byte("INVITE sip:alice@info.test SIP/2.0\r\n"), junk...)
		}
		return junk
	}
	if method == "INVITE" {
		extra, body = "Content-Type: application/sdp\r\n", "v=0\r\no=- 1 1 IN IP4 "+from.Addr().String()+
			"\r\ns=-\r\nc=IN IP4 "+from.Addr().String()+"\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"
	}
	return fmt.Appendf(nil, "%s %s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%x;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:u%d@flood.test>;tag=%x\r\nTo: <%s>\r\nCall-ID: %x\r\nCSeq: 1 %s\r\nContact: <sip:u@%s>\r\nUser-Agent: %s\r\n"+
		"%sContent-Length: %d\r\n\r\n%s",
		method, target, from, random.Uint64(), n, random.Uint32(), target, random.Uint64(), method, from, agent, extra, len(body), body)
}

// flood sends from many addresses of one host for a time and returns how many requests went out and how many datagrams
// came back.
func flood(t *testing.T, from *Host, to netip.AddrPort, contact string, d time.Duration) (sent, answered int64) {
	t.Helper()
	var lines []string
	for i := range floodSources {
		lines = append(lines, fmt.Sprintf("addr add 10.77.3.%d/24 dev eth0", 100+i))
	}
	must(t, from.lab.ip(t.Context(), from.name, lines...))
	var socks []*net.UDPConn
	must(t, inNamespace(from.Namespace(), func() error {
		for i := range floodSources {
			c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 77, 3, byte(100+i)), Port: 5060})
			if err != nil {
				return err
			}
			socks = append(socks, c)
		}
		return nil
	}))
	var back atomic.Int64
	var readers sync.WaitGroup
	for _, c := range socks {
		readers.Go(func() {
			buf := make([]byte, 2048)
			for {
				if _, _, err := c.ReadFromUDP(buf); err != nil {
					return
				}
				back.Add(1)
			}
		})
	}
	random := rand.New(rand.NewPCG(3, 3))
	const beat = 10 * time.Millisecond
	tick := time.NewTicker(beat)
	defer tick.Stop()
	began := time.Now()
	for time.Since(began) < d {
		<-tick.C
		for due := int64(time.Since(began).Seconds() * floodRate); sent < due; sent++ {
			c := socks[int(sent)%len(socks)]
			source := c.LocalAddr().(*net.UDPAddr).AddrPort()
			_, _ = c.WriteToUDPAddrPort(floodRequest(random, int(sent), source, to, contact), to) // one lost is no matter
		}
	}
	for _, c := range socks {
		_ = c.Close()
	}
	readers.Wait()
	return sent, back.Load()
}

// settled waits until the program is as small as it was: what a flood left has timed out (64*T1 and more).
func settled(t *testing.T, p *Phone, before PhoneDiagnostics) PhoneDiagnostics {
	t.Helper()
	var now PhoneDiagnostics
	const heapSlack = 24 << 20 // what Go keeps for a while: its heap may double between collections
	err := poll(within(t, 90*time.Second), time.Second, func() (bool, error) {
		var err error
		now, err = p.Diagnostics(t.Context())
		return now.Goroutines <= before.Goroutines+2 && now.Dialogs <= before.Dialogs && now.Transactions <= before.Transactions+2 &&
			now.Files <= before.Files+2 && now.HeapBytes <= before.HeapBytes+heapSlack, err
	})
	t.Logf("before %+v, after %+v", before, now)
	if err != nil {
		t.Errorf("what came is still there: %v", err)
	}
	return now
}

// TestFlood: during a call, 2,000 requests a second for a minute. The call's sound is unharmed, people the user knows
// still get through, nobody of the flood rings, and nothing is left.
func TestFlood(t *testing.T) {
	l := newLab(t, Config{Correspondents: 3})
	files := suiteSpeech(t)
	mh := l.Mobile(0)
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{User: "bob", Domain: Info, Codecs: []string{"pcmu"}, Source: "aufile," + files.Narrow})
	must(t, err)
	carol, err := l.Correspondent(1).StartLinphone(t.Context(), LinphoneConfig{User: "carol", Domain: Info, Play: files.Wide})
	must(t, err)
	heard := filepath.Join(l.Dir(), "heard.wav")
	alice := newPhone(t, &mh.Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
		"audio.input": "file:" + files.Wide, "audio.output": "file:" + heard,
	}})
	idle, err := alice.Diagnostics(t.Context())
	must(t, err)
	mark := alice.Mark()
	id, err := alice.Call(t.Context(), bob.AOR)
	must(t, err)
	_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	time.Sleep(2 * time.Second)
	contacts, err := l.Bindings(t.Context(), Info, "alice")
	must(t, err)
	if len(contacts) != 1 {
		t.Fatalf("alice is registered at %v", contacts)
	}
	var group sync.WaitGroup
	group.Go(func() {
		sent, answered := flood(t, l.Correspondent(2), sipAt(&mh.Host), contacts[0], floodTime)
		t.Logf("%d requests in %v (%.0f a second), %d datagrams came back", sent, floodTime, float64(sent)/floodTime.Seconds(), answered)
	})
	mark = alice.Mark()
	for i := range 5 {
		time.Sleep(floodTime / 6)
		since := time.Now()
		must(t, carol.Command("call "+alice.AOR))
		call, err := alice.WaitEvent(within(t, 10*time.Second), mark, "carol's call", func(e PhoneEvent) bool {
			return e.Call != nil && e.Call.Incoming && e.Call.State == "incoming" && strings.Contains(e.Call.Peer, "carol")
		})
		must(t, err)
		t.Logf("call %d of carol's rang after %v", i+1, time.Since(since).Round(time.Millisecond))
		mark = alice.Mark()
		must(t, alice.Do(t.Context(), "decline", call.Call.ID))
	}
	group.Wait()
	for _, e := range alice.Events(0) {
		if e.Call != nil && strings.Contains(e.Call.Peer, "flood.test") {
			t.Errorf("the flood reached the user: %+v", e.Call)
			break
		}
	}
	if call, err := alice.CallOf(t.Context(), id); err != nil || call.State != "established" {
		t.Errorf("after the flood the call is %+v (%v)", call, err)
	}
	must(t, alice.Do(t.Context(), "hangup", id))
	_, err = alice.WaitCall(within(t, 5*time.Second), mark, id, "ended")
	must(t, err)
	judgeFlood(t, files.Narrow, heard)
	settled(t, alice, idle)
}

// judgeFlood allows one silent frame in a thousand.
func judgeFlood(t *testing.T, source, recording string) {
	t.Helper()
	src, err := score.Read(source)
	must(t, err)
	rec, err := score.Read(recording)
	must(t, err)
	r, err := score.Compare(src, rec, true)
	must(t, err)
	t.Logf("heard during the flood: %v", r)
	frames := int(r.Compared / (20 * time.Millisecond))
	if r.Silent*1000 > frames {
		t.Errorf("%d of %d frames were lost, at most one in a thousand may be", r.Silent, frames)
	}
	if r.Compared < floodTime*8/10 {
		t.Errorf("only %v of sound was compared", r.Compared)
	}
}
