package transport

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/trace"
	"github.com/peregrine-softphone/peregrine/sip/trust"
)

const ms = time.Millisecond

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// node is a Layer at work that keeps what it receives.
type node struct {
	*Layer
	t    *testing.T
	stop func()

	mu   sync.Mutex
	got  []Received
	raws []string
	seen []trace.Entry
}

// start opens a Layer on a network; nil: the one of this computer. port 0: any.
func start(t *testing.T, network Network, port int) *node {
	t.Helper()
	n := &node{t: t}
	n.Layer = New(Config{Network: network, Receive: n.receive, Malformed: func(raw []byte, to netip.AddrPort) ([]byte, netip.AddrPort) {
		if strings.Contains(string(raw), "Mute") {
			return nil, to
		}
		return []byte("SIP/2.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), to
	}})
	must(t, n.Open(t.Context(), port))
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() { n.Serve(ctx); close(served) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		n.Close()
		<-served
	})
	return n
}

func (n *node) receive(r Received) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.raws = append(n.raws, string(r.Raw))
	r.Raw = nil
	n.got = append(n.got, r)
}

func (n *node) trace(e trace.Entry) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = append(n.seen, e)
}

func (n *node) received() []Received {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]Received(nil), n.got...)
}

func (n *node) flowCount() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.Layer.mu.Lock()
	defer n.Layer.mu.Unlock()
	return len(n.flows)
}

// bubble runs f in virtual time on a network in memory, and makes sure that nothing is left.
func bubble(t *testing.T, f func(t *testing.T, net *netsim.Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := netsim.New(netsim.Config{Default: netsim.Path{Latency: ms}})
		defer func() {
			n.Close()
			time.Sleep(2 * time.Minute)
		}()
		f(t, n)
	})
}

// options is a request of any size.
func options(via string, body int) *sipmsg.Request {
	text := fmt.Sprintf("OPTIONS sip:bob@x SIP/2.0\r\nVia: SIP/2.0/%s 10.0.0.1;branch=z9hG4bK1;rport\r\n"+
		"From: <sip:a@x>;tag=1\r\nTo: <sip:bob@x>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\nContent-Type: text/plain\r\n"+
		"Content-Length: %d\r\n\r\n%s", via, body, strings.Repeat("x", body))
	msg, err := sipmsg.ParseMessage([]byte(text))
	if err != nil {
		panic(err)
	}
	req, ok := msg.(*sipmsg.Request)
	if !ok {
		panic("not a request")
	}
	return req
}

func target(transport, addr string) resolve.Target {
	return resolve.Target{Transport: transport, Addr: netip.MustParseAddrPort(addr)}
}

// exchange sends a request over a way and an answer back.
func exchange(t *testing.T, from, to *node, tg resolve.Target, policy trust.Policy) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	before, answered := len(to.received()), len(from.received())
	conn, err := from.Path(ctx, tg, policy)
	must(t, err)
	must(t, conn.WriteMsg(options(strings.ToUpper(tg.Transport), 2000)))
	eventually(t, func() bool { return len(to.received()) == before+1 })
	in := to.received()[before]
	if conn.Transport() != tg.Transport || conn.Remote() != tg.Addr || in.Conn.Transport() == "" {
		t.Errorf("way %s %s", conn.Transport(), conn.Remote())
	}
	req, ok := in.Msg.(*sipmsg.Request)
	if !ok {
		t.Fatalf("%T", in.Msg)
	}
	must(t, in.Conn.Answers(5060, true).WriteMsg(sipmsg.NewResponseFromRequest(req, 200, "OK", nil)))
	eventually(t, func() bool { return len(from.received()) == answered+1 })
	if got := from.received()[answered]; !got.Conn.Same(conn) || got.Remote.Addr() != tg.Addr.Addr() {
		t.Errorf("the answer came from %s by another way", got.Remote)
	}
}

// eventually waits for a condition, in bubbles in virtual time.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	for range 500 {
		if ok() {
			return
		}
		time.Sleep(10 * ms)
	}
	t.Fatal("waited in vain")
}

func TestUDPAndTCP(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		a := start(t, network.NewHost("10.0.0.1", "2001:db8::1"), 5060)
		b := start(t, network.NewHost("10.0.0.2", "2001:db8::2"), 5060)
		defer a.stop()
		defer b.stop()
		for _, addr := range []string{"10.0.0.2:5060", "[2001:db8::2]:5060"} {
			for _, proto := range []string{"udp", "tcp"} {
				exchange(t, a, b, target(proto, addr), trust.Policy{})
			}
		}
		if n := a.flowCount(); n != 2 {
			t.Errorf("%d connections, want one for each family", n)
		}
	})
}

// The sockets of this computer serve both families.
func TestBothFamiliesOnRealSockets(t *testing.T) {
	a, b := start(t, nil, 0), start(t, nil, 0)
	defer a.stop()
	defer b.stop()
	for _, ip := range []string{"127.0.0.1", "::1"} {
		addr := netip.AddrPortFrom(netip.MustParseAddr(ip), b.Port()).String()
		for _, proto := range []string{"udp", "tcp"} {
			exchange(t, a, b, target(proto, addr), trust.Policy{})
		}
	}
}

// Who wants the same connection at once gets the same one; who gives up does not stop the others.
func TestOneConnectionForAll(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		a := start(t, network.NewHost("10.0.0.1"), 5060)
		b := start(t, network.NewHost("10.0.0.2"), 5060)
		defer a.stop()
		defer b.stop()
		hasty, cancel := context.WithTimeout(t.Context(), ms)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := a.Path(hasty, target("tcp", "10.0.0.2:5060"), trust.Policy{}); !errors.Is(err, ErrFailed) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the hasty one: %v", err)
			}
		})
		for range 20 {
			wg.Go(func() {
				if _, err := a.Path(t.Context(), target("tcp", "10.0.0.2:5060"), trust.Policy{}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		time.Sleep(time.Second)
		if n := b.flowCount(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

// After a move the old connection is closed, and one that was being opened from the old address is begun anew.
func TestDropStale(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		host := network.NewHost("10.0.0.1")
		a, b := start(t, host, 5060), start(t, network.NewHost("10.0.0.2"), 5060)
		defer a.stop()
		defer b.stop()
		conn, err := a.Path(t.Context(), target("tcp", "10.0.0.2:5060"), trust.Policy{})
		must(t, err)
		far := start(t, network.NewHost("10.0.0.3"), 5060)
		defer far.stop()
		network.SetPath("10.0.0.1", "10.0.0.3", netsim.Path{Down: true})
		opened := make(chan error, 1)
		go func() {
			_, err := a.Path(t.Context(), target("tcp", "10.0.0.3:5060"), trust.Policy{})
			opened <- err
		}()
		synctest.Wait()
		a.DropStale()
		select {
		case <-conn.Broken():
			t.Error("a good connection was closed")
		default:
		}
		host.SetAddrs("10.0.0.9")
		begun := time.Now()
		a.DropStale()
		<-conn.Broken()
		if err := <-opened; err != nil || time.Since(begun) > 10*ms {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		exchange(t, a, b, target("tcp", "10.0.0.2:5060"), trust.Policy{})
	})
}

// A response finds its way when the connection of its request is gone: to the port of the Via, or over a new connection
// to the server it came from.
func TestAnswerAfterTheConnection(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		a := start(t, network.NewHost("10.0.0.1"), 5060)
		b := start(t, network.NewHost("10.0.0.2"), 5060)
		defer a.stop()
		defer b.stop()
		conn, err := a.Path(t.Context(), target("tcp", "10.0.0.2:5060"), trust.Policy{})
		must(t, err)
		must(t, conn.WriteMsg(options("TCP", 0)))
		eventually(t, func() bool { return len(b.received()) == 1 })
		conn.Shut()
		time.Sleep(time.Second)
		back := b.received()[0].Conn.Answers(5060, true)
		must(t, back.WriteMsg(sipmsg.NewResponseFromRequest(options("TCP", 0), 200, "OK", nil)))
		eventually(t, func() bool { return len(a.received()) == 1 })
	})
}

func TestAnswers(t *testing.T) {
	d := &datagrams{l: New(Config{}), remote: netip.MustParseAddrPort("10.0.0.2:4000")}
	if got := d.Answers(7000, true).Remote().String(); got != "10.0.0.2:4000" {
		t.Errorf("rport: %s", got)
	}
	if got := d.Answers(7000, false).Remote().String(); got != "10.0.0.2:7000" {
		t.Errorf("port in Via: %s", got)
	}
	if d.Broken() != nil || d.SilentSince(time.Now()) || d.PeerKey() != "" || d.Same(d.Answers(7000, false)) {
		t.Error("datagrams are no stream")
	}
}

// Before Open and after Close nothing can be sent.
func TestClosed(t *testing.T) {
	l := New(Config{})
	if _, err := l.Path(t.Context(), target("tcp", "127.0.0.1:9"), trust.Policy{}); !errors.Is(err, ErrClosed) {
		t.Errorf("before: %v", err)
	}
	if err := l.Probe(netip.MustParseAddrPort("127.0.0.1:9")); !errors.Is(err, ErrClosed) {
		t.Errorf("before: %v", err)
	}
	n := start(t, nil, 0)
	n.stop()
	if _, err := n.Path(t.Context(), target("tcp", "127.0.0.1:9"), trust.Policy{}); !errors.Is(err, ErrClosed) {
		t.Errorf("after: %v", err)
	}
	if _, err := n.Path(t.Context(), target("sctp", "127.0.0.1:9"), trust.Policy{}); !errors.Is(err, ErrFailed) {
		t.Errorf("sctp: %v", err)
	}
}

// A trace shows what goes and comes, junk too, without secrets; off, it shows nothing.
func TestTrace(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		a := start(t, network.NewHost("10.0.0.1"), 5060)
		host := network.NewHost("10.0.0.2")
		b := start(t, host, 5060)
		defer a.stop()
		defer b.stop()
		b.Trace(b.trace, true)
		exchange(t, a, b, target("udp", "10.0.0.2:5060"), trust.Policy{})
		exchange(t, a, b, target("tcp", "10.0.0.2:5060"), trust.Policy{})
		must(t, a.writeTo([]byte("\x80\x01rubbish\n"), netip.MustParseAddrPort("10.0.0.2:5060")))
		must(t, a.writeTo([]byte("BROKEN sip:x SIP/2.0\r\nCSeq: none\r\nAuthorization: Digest response=\"geheim\"\r\n\r\n"), netip.MustParseAddrPort("10.0.0.2:5060")))
		time.Sleep(time.Second)
		b.Trace(nil, false)
		exchange(t, a, b, target("udp", "10.0.0.2:5060"), trust.Policy{})
		var all []string
		for _, e := range b.seen {
			all = append(all, e.String())
		}
		text := strings.Join(all, "")
		if len(b.seen) != 7 || strings.Contains(text, "xxxx") || strings.Contains(text, "geheim") || strings.Contains(text, "rubbish") {
			t.Errorf("%d entries:\n%s", len(b.seen), text)
		}
		for i, want := range []string{
			"UDP 10.0.0.1:5060 -> 10.0.0.2:5060", "UDP 10.0.0.2:5060 -> 10.0.0.1:5060",
			"TCP 10.0.0.1:", "TCP 10.0.0.2:5060 -> 10.0.0.1:", "that are no SIP", "not understood", "SIP/2.0 400",
		} {
			if !strings.Contains(all[i], want) {
				t.Errorf("entry %d without %q:\n%s", i, want, all[i])
			}
		}
	})
}

// A socket that fails is opened again on the same port.
func TestReopen(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		a := start(t, network.NewHost("10.0.0.1"), 5060)
		b := start(t, network.NewHost("10.0.0.2"), 5060)
		defer a.stop()
		defer b.stop()
		b.Layer.mu.Lock()
		pc, ln := b.udp, b.listener
		b.Layer.mu.Unlock()
		must(t, errors.Join(pc.Close(), ln.Close()))
		time.Sleep(2 * time.Second)
		exchange(t, a, b, target("udp", "10.0.0.2:5060"), trust.Policy{})
		exchange(t, a, b, target("tcp", "10.0.0.2:5060"), trust.Policy{})
	})
}
