//go:build lab

package lab

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

// asked is a program that gets requests from somebody it does not know.
type asked struct {
	name string
	proc *process
	at   netip.AddrPort
	user string
}

// BenchmarkRequests sends OPTIONS and MESSAGE to each program in turn, new ones in each round: baresip slows down with
// what it has answered lately. "cpu-us" is the processor time per request at 1,000 a second. "answered/s" is how many
// OPTIONS a sender gets answered that has 16 requests under way; Peregrine's rates would bound that, BenchmarkFlood of
// package sip has it without. Peregrine twice: without a server it answers its neighbours; with one it is silent to
// strangers.
func BenchmarkRequests(b *testing.B) {
	sums := map[string]float64{}
	rounds := 0
	for b.Loop() {
		rounds++
		askAll(b, sums)
	}
	for unit, sum := range sums {
		b.ReportMetric(sum/float64(rounds), unit)
	}
	b.ReportMetric(0, "ns/op") // that of the driver, not of a program
}

func askAll(b *testing.B, sums map[string]float64) {
	b.Helper()
	l := newLab(b, Config{Mobiles: 2, Correspondents: 3, Dir: b.TempDir()})
	set := map[string]string{"audio.input": "none", "audio.output": "none"}
	answers := newPhone(b, &l.Mobile(0).Host, PhoneConfig{Set: set})
	must(b, answers.Do(b.Context(), "account", "add", "alice", "--lan"))
	silent := newPhone(b, &l.Mobile(1).Host, PhoneConfig{User: "alice", Domain: Info, Set: set})
	bob, err := l.Correspondent(0).StartBaresip(b.Context(), BaresipConfig{User: "bob", LAN: true, Quiet: true})
	must(b, err)
	carol, err := l.Correspondent(1).StartLinphone(b.Context(), LinphoneConfig{User: "carol", LAN: true})
	must(b, err)
	socks := senders(b, l.Correspondent(2))
	for _, p := range []asked{
		{"peregrine", answers.proc, sipAt(answers.Host), "alice"},
		{"peregrine-silent", silent.proc, sipAt(silent.Host), "alice"},
		{"baresip", bob.proc, sipAt(bob.Host), "bob"},
		{"linphonec", carol.proc, sipAt(carol.Host), "carol"},
	} {
		p.measure(b, socks, sums)
	}
	must(b, answers.Stop(b.Context()))
	must(b, silent.Stop(b.Context()))
	must(b, l.Close())
}

func (p asked) measure(b *testing.B, socks []*net.UDPConn, sums map[string]float64) {
	b.Helper()
	p.cost(b, "OPTIONS", socks[eager:], sums)
	if p.name != "linphonec" { // it keeps messages in a data base, a few a second
		p.cost(b, "MESSAGE", socks[eager:eager+friends], sums)
	}
	if !strings.HasPrefix(p.name, "peregrine") { // its rates would be measured
		sums[p.name+"-answered/s"] += float64(answers(socks[:eager], p, "OPTIONS", time.Second, 0))
	}
}

// cost sends 1,000 requests a second for two seconds.
func (p asked) cost(b *testing.B, method string, socks []*net.UDPConn, sums map[string]float64) {
	b.Helper()
	pid := p.proc.cmd.Process.Pid
	before, began := processorTime(b, pid), sent.Load()
	got := answers(socks, p, method, 2*time.Second, time.Millisecond)
	time.Sleep(300 * time.Millisecond) // what is queued is worked off
	used, asked := processorTime(b, pid)-before, sent.Load()-began
	sums[p.name+"-"+method+"-cpu-us"] += float64(used.Microseconds()) / float64(asked)
	sums[p.name+"-"+method+"-answered-share"] += float64(got) / float64(asked)
}

// friends is how many addresses write: each is a person of its own, and a phone bounds how many strangers may.
const friends = 8

// eager is how many addresses ask as fast as they are answered.
const eager = 16

// senders are sockets on addresses of one host.
func senders(b *testing.B, h *Host) []*net.UDPConn {
	b.Helper()
	const addresses = eager + 64
	var lines []string
	for i := range addresses {
		lines = append(lines, fmt.Sprintf("addr add 10.77.3.%d/24 dev eth0", 100+i))
	}
	must(b, h.lab.ip(b.Context(), h.name, lines...))
	var socks []*net.UDPConn
	must(b, inNamespace(h.Namespace(), func() error {
		for i := range addresses {
			c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(10, 77, 3, byte(100+i)), Port: 5060})
			if err != nil {
				return err
			}
			socks = append(socks, c)
		}
		return nil
	}))
	b.Cleanup(func() {
		for _, c := range socks {
			_ = c.Close()
		}
	})
	return socks
}

// sent counts the requests of all senders; also what makes each its own.
var sent atomic.Int64

// answers sends for a time and returns how many requests were answered. With a pause, each socket sends one request
// every so many pauses as there are sockets; else the next when one is answered or after 100 ms.
func answers(socks []*net.UDPConn, to asked, method string, d, pause time.Duration) int64 {
	var got atomic.Int64
	var group sync.WaitGroup
	end := time.Now().Add(d)
	for _, c := range socks {
		group.Go(func() {
			buf := make([]byte, 4096)
			from := netip.MustParseAddrPort(c.LocalAddr().String())
			for next := time.Now(); time.Now().Before(end); {
				request, branch := askRequest(method, from, to)
				_, _ = c.WriteToUDPAddrPort(request, to.at)
				next = next.Add(time.Duration(len(socks)) * pause)
				if pause == 0 {
					if answered(c, to.at, buf, branch, time.Now().Add(100*time.Millisecond)) {
						got.Add(1)
					}
					continue
				}
				for answered(c, to.at, buf, "z9hG4bKbench", next) { // also late ones
					got.Add(1)
				}
			}
		})
	}
	group.Wait()
	return got.Load()
}

// answered waits for an answer of 2xx by a program to a request whose branch begins so.
func answered(c *net.UDPConn, by netip.AddrPort, buf []byte, branch string, until time.Time) bool {
	_ = c.SetReadDeadline(until)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if err != nil {
			return false
		}
		if from == by && bytes.HasPrefix(buf[:n], []byte("SIP/2.0 2")) && bytes.Contains(buf[:n], []byte(branch)) {
			return true
		}
	}
}

func askRequest(method string, from netip.AddrPort, to asked) (request []byte, branch string) {
	n := sent.Add(1)
	branch = fmt.Sprintf("z9hG4bKbench%dx", n)
	kind, body := "", ""
	if method == "MESSAGE" {
		kind, body = "Content-Type: text/plain\r\n", fmt.Sprintf("message %d", n)
	}
	return fmt.Appendf(nil, "%s sip:%s@%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=%s;rport\r\nMax-Forwards: 70\r\n"+
		"From: <sip:bench@%s>;tag=%d\r\nTo: <sip:%s@%s>\r\nCall-ID: bench%d\r\nCSeq: 1 %s\r\nContact: <sip:bench@%s>\r\n"+
		"%sContent-Length: %d\r\n\r\n%s",
		method, to.user, to.at, from, branch, from.Addr(), n, to.user, to.at, n, method, from, kind, len(body), body), branch
}

// BenchmarkRegistration is what baresip's registration costs the wire, calculated for a day from its packets and the
// moment of its first refresh; BenchmarkRegistrationDay of package sip is ours.
func BenchmarkRegistration(b *testing.B) {
	const interval, day = 20, 24 * 60 * 60
	l := newLab(b, Config{})
	h := l.Correspondent(0)
	for b.Loop() {
		capture, err := h.Capture()
		must(b, err)
		p, err := h.StartBaresip(b.Context(), BaresipConfig{User: "bob", Domain: Info, Codecs: []string{"pcmu"}, Interval: interval})
		must(b, err)
		time.Sleep((interval + 2) * time.Second)
		packets, err := capture.Stop()
		must(b, err)
		must(b, p.Stop())
		first, refresh := exchanges(packets)
		if len(first) == 0 || len(refresh) == 0 {
			b.Fatalf("%d packets to register, %d to refresh", len(first), len(refresh))
		}
		share := refresh[0].At.Sub(first[0].At).Seconds() / interval
		b.Logf("registers by %d packets, %d bytes; refreshes after %.2f of the interval by %d, %d", len(first), size(first), share,
			len(refresh), size(refresh))
		for _, every := range []float64{600, 3600} {
			times := day / (every * share)
			b.ReportMetric(times*float64(len(first)), fmt.Sprintf("baresip-%.0fs-packets/day", every))
			b.ReportMetric(times*float64(size(first)), fmt.Sprintf("baresip-%.0fs-bytes/day", every))
		}
	}
	b.ReportMetric(0, "ns/op")
}

// exchanges splits the packets of registrations where nothing is said for more than five seconds.
func exchanges(packets []wire.Packet) (first, second []wire.Packet) {
	register := regexp.MustCompile(`(?s)^REGISTER |\r\nCSeq: *\d+ REGISTER\r\n`)
	for _, p := range packets {
		switch {
		case !register.Match(p.Payload):
		case len(first) == 0 || len(second) == 0 && p.At.Sub(first[len(first)-1].At) < 5*time.Second:
			first = append(first, p)
		default:
			second = append(second, p)
		}
	}
	return first, second
}

func size(packets []wire.Packet) (n int) {
	for _, p := range packets {
		n += len(p.Payload)
	}
	return n
}
