package ice

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/media/sdp"
)

// phone is an agent on sockets of its own, with what it received.
type phone struct {
	*Agent
	ports [2]int

	mu       sync.Mutex
	got      map[int][]string
	problems []Problem
	blocked  bool // nothing leaves by the sockets
	changed  chan struct{}
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// newPhone opens two sockets on the loopback and reads them as a session does.
func newPhone(t *testing.T, cfg Config) *phone {
	t.Helper()
	p := &phone{got: map[int][]string{}, changed: make(chan struct{}, 1)}
	var socks [2]*net.UDPConn
	for i := range socks {
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		socks[i], p.ports[i] = conn, conn.LocalAddr().(*net.UDPAddr).Port
	}
	cfg.Addresses = func() []netip.Addr { return []netip.Addr{loopback} }
	cfg.OnProblem = func(problem Problem) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.problems = append(p.problems, problem)
	}
	a, err := New(cfg, Transport{
		Ports: p.ports,
		Send: func(component int, data []byte, to netip.AddrPort) error {
			if p.blocked {
				return nil
			}
			_, err := socks[component-1].WriteToUDPAddrPort(data, to)
			return err
		},
		Deliver: func(component int, data []byte, _ netip.AddrPort) { p.take(component, data) },
		Changed: func() {
			select {
			case p.changed <- struct{}{}:
			default:
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Agent = a
	var readers sync.WaitGroup
	for i, sock := range socks {
		readers.Go(func() {
			buf := make([]byte, 2048)
			for {
				n, from, err := sock.ReadFromUDPAddrPort(buf)
				if err != nil {
					return
				}
				if n > 0 && buf[0] <= 3 {
					a.Handle(i+1, buf[:n], from)
				} else {
					p.take(i+1, buf[:n])
				}
			}
		})
	}
	t.Cleanup(func() {
		a.Close()
		a.Wait()
		for _, sock := range socks {
			_ = sock.Close()
		}
		readers.Wait()
	})
	return p
}

func (p *phone) take(component int, data []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.got[component] = append(p.got[component], string(data))
}

func (p *phone) heard(component int, text string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Contains(p.got[component], text)
}

// description is what the phone would write into SDP.
func (p *phone) description(t *testing.T, more ...string) *sdp.Description {
	t.Helper()
	d := p.Describe(loopback, netip.Addr{})
	var b strings.Builder
	fmt.Fprintf(&b, "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\nm=audio %d RTP/AVP 0\r\n",
		d.Default[0].Addr(), d.Default[0].Port())
	for _, a := range d.Attributes {
		fmt.Fprintf(&b, "a=%s:%s\r\n", a.Key, a.Value)
	}
	for _, line := range more {
		b.WriteString("a=" + line + "\r\n")
	}
	out, err := sdp.Parse([]byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func remoteOf(t *testing.T, d *sdp.Description) *Remote {
	t.Helper()
	r, mismatch := ParseRemote(d, &d.Media[0])
	if r == nil || mismatch {
		t.Fatalf("no ICE in %s (mismatch %v)", d.Marshal(), mismatch)
	}
	return r
}

// connect lets a call b, and waits for both paths.
func connect(t *testing.T, a, b *phone, mux bool) {
	t.Helper()
	if err := a.Prepare(nil); err != nil {
		t.Fatal(err)
	}
	offer := remoteOf(t, a.description(t))
	if err := b.Prepare(offer); err != nil {
		t.Fatal(err)
	}
	answer := remoteOf(t, b.description(t))
	if err := b.Start(offer, false, mux); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(answer, true, mux); err != nil {
		t.Fatal(err)
	}
	last := 2
	if mux {
		last = 1
	}
	for component := 1; component <= last; component++ {
		awaitPath(t, a, component)
		awaitPath(t, b, component)
	}
}

func awaitPath(t *testing.T, p *phone, component int) Path {
	t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		if path := p.Path(component); path.Kind != "" {
			return path
		}
		select {
		case <-p.changed:
		case <-time.After(20 * time.Millisecond):
		case <-deadline:
			t.Fatalf("no path for component %d", component)
		}
	}
}

// talk sends a text over a component until the other side has it.
func talk(t *testing.T, from, to *phone, component int, text string) {
	t.Helper()
	for range 100 {
		if err := from.Write(component, append([]byte{0x80}, text...)); err != nil {
			t.Fatal(err)
		}
		if to.heard(component, "\x80"+text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%q did not arrive on component %d", text, component)
}

func TestTwoComponents(t *testing.T) {
	a, b := newPhone(t, Config{}), newPhone(t, Config{})
	connect(t, a, b, false)
	for component := 1; component <= 2; component++ {
		if got := a.Path(component); got.Kind != Direct || got.Remote.Port() != uint16(b.ports[component-1]) {
			t.Errorf("component %d goes to %v by %s, want port %d directly",
				component, got.Remote, got.Kind, b.ports[component-1])
		}
		talk(t, a, b, component, fmt.Sprint("hello on ", component))
		talk(t, b, a, component, fmt.Sprint("answer on ", component))
	}
	if !a.Running() || a.Failed() {
		t.Errorf("running %v, failed %v", a.Running(), a.Failed())
	}
}

func TestMultiplexed(t *testing.T) {
	a, b := newPhone(t, Config{}), newPhone(t, Config{})
	connect(t, a, b, true)
	talk(t, a, b, 1, "hello")
	talk(t, b, a, 1, "answer")
	if path := a.Path(2); path != (Path{}) {
		t.Errorf("RTCP has the path %+v of its own", path)
	}
}

// TestRestart moves one side: its next offer has other credentials, and sound goes on while both check anew.
func TestRestart(t *testing.T) {
	a, b := newPhone(t, Config{}), newPhone(t, Config{})
	connect(t, a, b, false)
	before := remoteOf(t, a.description(t))
	a.Moved()
	if err := a.Prepare(nil); err != nil {
		t.Fatal(err)
	}
	offer := remoteOf(t, a.description(t))
	if offer.credentials == before.credentials {
		t.Fatal("the offer after a move has the credentials of before")
	}
	talk(t, a, b, 1, "between the offer and the answer")
	if err := b.Prepare(offer); err != nil {
		t.Fatal(err)
	}
	answer := remoteOf(t, b.description(t))
	if err := b.Start(offer, false, false); err != nil {
		t.Fatal(err)
	}
	talk(t, b, a, 1, "while the checks run")
	if err := a.Start(answer, true, false); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for len(*a.live.Load()) > 1 || len(*b.live.Load()) > 1 {
		if time.Now().After(deadline) {
			t.Fatal("the old checks did not end")
		}
		time.Sleep(10 * time.Millisecond)
	}
	talk(t, a, b, 1, "after")
	talk(t, b, a, 2, "after, too")
}

// TestDescribeSelected: after the checks a description has the selected candidates only, and on the controlling side
// those of the peer.
func TestDescribeSelected(t *testing.T) {
	a, b := newPhone(t, Config{}), newPhone(t, Config{})
	connect(t, a, b, false)
	text := func(p *phone) string { return string(p.description(t).Marshal()) }
	want := fmt.Sprintf("a=remote-candidates:1 127.0.0.1 %d 2 127.0.0.1 %d\r\n", b.ports[0], b.ports[1])
	if got := text(a); !strings.Contains(got, want) || strings.Count(got, "a=candidate:") != 2 {
		t.Errorf("the offerer says\n%s\nwant two candidates and %s", got, want)
	}
	if got := text(b); strings.Contains(got, "remote-candidates") || strings.Count(got, "a=candidate:") != 2 {
		t.Errorf("the answerer says\n%s\nwant two candidates and no remote ones", got)
	}
}

// TestPlainPeer: with a peer that does not do ICE nothing is checked, and further descriptions do not speak of it.
func TestPlainPeer(t *testing.T) {
	a := newPhone(t, Config{})
	if err := a.Prepare(nil); err != nil {
		t.Fatal(err)
	}
	a.Plain()
	if err := a.Write(1, []byte{0x80}); err == nil {
		t.Error("a packet was sent although there is no path")
	}
	if err := a.Prepare(nil); err != nil {
		t.Fatal(err)
	}
	if d := a.Describe(loopback, netip.Addr{}); len(d.Attributes) != 0 || d.Default[0].Port() != uint16(a.ports[0]) {
		t.Errorf("the next description says %+v", d)
	}
	// A third party may put another peer in its place (RFC 3725), which does ICE.
	b := newPhone(t, Config{})
	connect(t, b, a, false)
	talk(t, a, b, 1, "hello")
}

// TestForkedAnswer: a second branch answers our offer with credentials of its own.
func TestForkedAnswer(t *testing.T) {
	a, b, c := newPhone(t, Config{}), newPhone(t, Config{}), newPhone(t, Config{})
	connect(t, a, b, false)
	a.mu.Lock()
	sent := a.present.local
	a.mu.Unlock()
	offer := remoteOf(t, offerWith(t, a, sent))
	if err := c.Prepare(offer); err != nil {
		t.Fatal(err)
	}
	answer := remoteOf(t, c.description(t))
	if err := c.Start(offer, false, false); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(answer, true, false); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(5 * time.Second)
	for a.Path(1).Remote.Port() != uint16(c.ports[0]) {
		if time.Now().After(deadline) {
			t.Fatalf("media goes to %v, want port %d", a.Path(1).Remote, c.ports[0])
		}
		time.Sleep(10 * time.Millisecond)
	}
	awaitPath(t, c, 1)
	talk(t, a, c, 1, "hello")
	talk(t, c, a, 1, "answer")
}

// offerWith writes the offer that a made with these credentials.
func offerWith(t *testing.T, a *phone, c credentials) *sdp.Description {
	t.Helper()
	text := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"+
		"m=audio %[1]d RTP/AVP 0\r\na=ice-ufrag:%[3]s\r\na=ice-pwd:%[4]s\r\n"+
		"a=candidate:H 1 UDP 2130706431 127.0.0.1 %[1]d typ host\r\n"+
		"a=candidate:H 2 UDP 2130706430 127.0.0.1 %[2]d typ host\r\n", a.ports[0], a.ports[1], c.ufrag, c.pwd)
	d, err := sdp.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDeadServers: servers that do not answer delay a call by the configured bound, and are told of once.
func TestDeadServers(t *testing.T) {
	silent, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	server := silent.LocalAddr().String()
	a := newPhone(t, Config{
		STUN: server, TURN: "turn:" + server, User: "u", Password: "p", Wait: 300 * time.Millisecond,
	})
	began := time.Now()
	if err := a.Prepare(nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("gathering took %v, want 300 ms", took)
	}
	began = time.Now()
	if err := a.Prepare(nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 200*time.Millisecond {
		t.Errorf("a further offer waited again, for %v", took)
	}
	if got := string(a.description(t).Marshal()); strings.Count(got, "typ host") != 2 {
		t.Errorf("host candidates are missing in\n%s", got)
	}
	deadline := time.Now().Add(5 * time.Second)
	for {
		a.Agent.mu.Lock()
		told := a.told[ProblemSTUN]
		a.Agent.mu.Unlock()
		if told {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody was told that the STUN server is silent")
		}
		time.Sleep(20 * time.Millisecond)
	}
	began = time.Now()
	a.Close()
	a.Wait()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("closing took %v while the TURN server is silent", took)
	}
	a.phoneProblems(t, ProblemSTUN, ProblemTURN)
}

func (p *phone) phoneProblems(t *testing.T, want ...Problem) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !slices.Equal(p.problems, want) {
		t.Errorf("told of %v, want %v", p.problems, want)
	}
}

// TestWriteAllocatesNothing on a path by the session's socket.
func TestWriteAllocatesNothing(t *testing.T) {
	a, b := newPhone(t, Config{}), newPhone(t, Config{})
	connect(t, a, b, true)
	packet := bytes.Repeat([]byte{0x80}, 172)
	if n := testing.AllocsPerRun(100, func() {
		if err := a.Write(1, packet); err != nil {
			t.Error(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for each packet", n)
	}
}

// TestLostPath: when no check is answered any more, the session is told, falls back to the addresses of the SDP, and
// the side that controls asks for another offer, twice in a call at most.
func TestLostPath(t *testing.T) {
	a, b := newPhone(t, Config{}), newPhone(t, Config{})
	connect(t, a, b, false)
	if a.WantsOffer() {
		t.Error("an offer is wanted while all is well")
	}
	for i := range maxRestarts + 1 {
		a.Agent.mu.Lock()
		g := a.present
		a.Agent.mu.Unlock()
		for component := 1; component <= 2; component++ {
			g.list[component-1].route.Store(nil)
			a.failure(g, component)
		}
		if !a.Failed() || a.Path(1) != (Path{}) {
			t.Errorf("failed %v, path %+v after the checks failed", a.Failed(), a.Path(1))
		}
		if err := a.Write(1, []byte{0x80}); err == nil {
			t.Error("a packet left although there is no path")
		}
		if got, want := a.WantsOffer(), i < maxRestarts; got != want {
			t.Fatalf("failure %d: an offer is wanted: %v, want %v", i+1, got, want)
		}
		connect(t, a, b, false) // the offer that was asked for restarts ICE
		talk(t, a, b, 1, fmt.Sprint("again ", i))
	}
}
