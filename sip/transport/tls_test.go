package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/internal/testca"
	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/trust"
)

// listening is the part of a network that a server needs.
type listening interface {
	Listen(ctx context.Context, network, addr string) (net.Listener, error)
}

// tlsServer answers every request it can read, and counts connections.
type tlsServer struct {
	ln      net.Listener
	cert    atomic.Pointer[tls.Certificate]
	opened  atomic.Int32 // connections with a complete handshake
	resumed atomic.Int32
	wg      sync.WaitGroup

	mu    sync.Mutex
	conns []net.Conn
}

func serveTLS(t *testing.T, network listening, addr string, cert tls.Certificate) *tlsServer {
	t.Helper()
	s := &tlsServer{}
	s.cert.Store(&cert)
	ln, err := network.Listen(t.Context(), "tcp", addr)
	must(t, err)
	s.ln = ln
	cfg := &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		return s.cert.Load(), nil
	}}
	s.wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, conn)
			s.mu.Unlock()
			s.wg.Go(func() { s.serve(tls.Server(conn, cfg)) })
		}
	})
	return s
}

func (s *tlsServer) serve(conn *tls.Conn) {
	defer func() { _ = conn.Close() }()
	if conn.HandshakeContext(context.Background()) != nil {
		return
	}
	s.opened.Add(1)
	if conn.ConnectionState().DidResume {
		s.resumed.Add(1)
	}
	stream := sipmsg.NewParser().NewSIPStream()
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		_ = stream.ParseSIPStream(buf[:n], func(m sipmsg.Message) {
			if req, ok := m.(*sipmsg.Request); ok {
				_, _ = io.WriteString(conn, sipmsg.NewResponseFromRequest(req, 200, "OK", nil).String())
			}
		})
	}
}

func (s *tlsServer) stop() {
	_ = s.ln.Close()
	s.mu.Lock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

func secure(addr, name string) resolve.Target {
	return resolve.Target{Transport: "tls", Addr: netip.MustParseAddrPort(addr), ServerName: name}
}

func reasonOf(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*trust.Error](err)
	if !ok || !errors.Is(err, ErrFailed) {
		t.Fatalf("%v", err)
	}
	return e.Reason.String()
}

// ask sends a request by TLS and waits for its answer.
func ask(t *testing.T, n *node, tg resolve.Target, p trust.Policy) Conn {
	t.Helper()
	conn, err := n.Path(t.Context(), tg, p)
	must(t, err)
	before := len(n.received())
	must(t, conn.WriteMsg(options("TLS", 3000)))
	eventually(t, func() bool { return len(n.received()) > before })
	if got := n.received()[before]; !got.Conn.Same(conn) || got.Msg.Transport() != "TLS" {
		t.Errorf("answer by %s", got.Msg.Transport())
	}
	return conn
}

func TestTLS(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		ca := testca.New(t)
		file := filepath.Join(t.TempDir(), "ca.pem")
		ca.Write(file)
		good := ca.Issue(testca.Leaf{DNS: []string{"info.test"}})
		s := serveTLS(t, network.NewHost("10.0.0.2", "2001:db8::2"), ":5061", good)
		host := network.NewHost("10.0.0.1", "2001:db8::1")
		a := start(t, host, 5060)
		defer s.stop()
		defer a.stop()
		p := trust.Policy{Mode: trust.CA, CAFile: file}
		conn := ask(t, a, secure("10.0.0.2:5061", "info.test"), p)
		if conn.PeerKey() != trust.PinOf(good.Leaf) {
			t.Errorf("key %q", conn.PeerKey())
		}
		six := ask(t, a, secure("[2001:db8::2]:5061", "info.test"), p)
		if again := ask(t, a, secure("[2001:db8::2]:5061", "[2001:db8::2]"), p); !again.Same(six) {
			t.Error("a route by IPv6 address opened another connection")
		}

		// An address that has proven a name needs no other one; that connection is the same.
		if again := ask(t, a, secure("10.0.0.2:5061", "10.0.0.2"), p); !again.Same(conn) {
			t.Error("a route by address opened another connection")
		}
		// Neither another name nor another policy gets it.
		_, err := a.Path(t.Context(), secure("10.0.0.2:5061", "evil.test"), p)
		if got := reasonOf(t, err); got != "certificate for another name" {
			t.Errorf("another name: %q", got)
		}
		_, err = a.Path(t.Context(), secure("10.0.0.2:5061", "info.test"), trust.Policy{})
		if got := reasonOf(t, err); got != "unknown authority" {
			t.Errorf("another policy: %q", got)
		}
		_, err = a.Path(t.Context(), secure("10.0.0.2:5061", "10.0.0.2"), trust.Policy{})
		if got := reasonOf(t, err); got != "unknown authority" {
			t.Errorf("another policy by address: %q", got)
		}

		// After a move the same session goes on, and the certificate is judged all the same.
		resumed := s.resumed.Load()
		host.SetAddrs("10.0.0.7")
		a.DropStale()
		<-conn.Broken()
		ask(t, a, secure("10.0.0.2:5061", "info.test"), p)
		if s.resumed.Load() != resumed+1 {
			t.Error("the session was not resumed")
		}
	})
}

func TestTLSRefused(t *testing.T) {
	tests := []struct {
		name, reason string
		leaf         func(now time.Time) testca.Leaf
		foreign      bool
	}{
		{"wrong name", "certificate for another name", func(time.Time) testca.Leaf { return testca.Leaf{DNS: []string{"other.test"}} }, false},
		{"expired", "certificate is not valid now", func(now time.Time) testca.Leaf {
			return testca.Leaf{DNS: []string{"info.test"}, From: now.Add(-2 * time.Hour), To: now.Add(-time.Hour)}
		}, false},
		{"unknown authority", "unknown authority", func(time.Time) testca.Leaf { return testca.Leaf{DNS: []string{"info.test"}} }, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *netsim.Network) {
				ca := testca.New(t)
				file := filepath.Join(t.TempDir(), "ca.pem")
				ca.Write(file)
				by := ca
				if tt.foreign {
					by = testca.New(t)
				}
				s := serveTLS(t, network.NewHost("10.0.0.2"), ":5061", by.Issue(tt.leaf(time.Now())))
				a := start(t, network.NewHost("10.0.0.1"), 5060)
				defer s.stop()
				defer a.stop()
				_, err := a.Path(t.Context(), secure("10.0.0.2:5061", "info.test"), trust.Policy{Mode: trust.CA, CAFile: file})
				if got := reasonOf(t, err); got != tt.reason {
					t.Errorf("%q, want %q", got, tt.reason)
				}
				if a.flowCount() != 0 {
					t.Error("a connection is left")
				}
			})
		})
	}
}

// The first key is taken once: another one is refused even before anybody has written the first one down.
func TestPins(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		ca := testca.New(t)
		first, second := ca.Issue(testca.Leaf{Self: true}), ca.Issue(testca.Leaf{Self: true})
		s := serveTLS(t, network.NewHost("10.0.0.2"), ":5061", first)
		a := start(t, network.NewHost("10.0.0.1"), 5060)
		defer s.stop()
		defer a.stop()
		tg := secure("10.0.0.2:5061", "info.test")
		conn := ask(t, a, tg, trust.Policy{Mode: trust.Pin})
		known := trust.Policy{Mode: trust.Pin, Pin: conn.PeerKey()}
		ask(t, a, tg, known)
		conn.Shut()
		s.cert.Store(&second)
		s.ln.Close()
		s2 := serveTLS(t, hostOf(network, "10.0.0.3"), ":5061", second)
		defer s2.stop()
		other := secure("10.0.0.3:5061", "info.test")
		for _, p := range []trust.Policy{{Mode: trust.Pin}, known} {
			_, err := a.Path(t.Context(), other, p)
			if got := reasonOf(t, err); got != "server key has changed" {
				t.Errorf("%+v: %q", p, got)
			}
			if e, _ := errors.AsType[*trust.Error](err); e.Pin != trust.PinOf(second.Leaf) {
				t.Errorf("the error does not name the new key: %q", e.Pin)
			}
		}
		ask(t, a, other, trust.Policy{Mode: trust.Pin, Pin: trust.PinOf(second.Leaf)}) // the user agreed
	})
}

func hostOf(n *netsim.Network, addr string) *netsim.Host { return n.NewHost(addr) }

// A peer that accepts and then says nothing costs a bounded time, and so does one that says something else.
func TestTLSStalls(t *testing.T) {
	for _, says := range []string{"", "SIP/2.0 400 No TLS here\r\n\r\n"} {
		bubble(t, func(t *testing.T, network *netsim.Network) {
			ln, err := network.NewHost("10.0.0.2").Listen(t.Context(), "tcp", ":5061")
			must(t, err)
			var wg sync.WaitGroup
			wg.Go(func() {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = io.WriteString(conn, says)
				_, _ = io.Copy(io.Discard, conn)
				_ = conn.Close()
			})
			a := start(t, network.NewHost("10.0.0.1"), 5060)
			begun := time.Now()
			_, err = a.Path(t.Context(), secure("10.0.0.2:5061", "info.test"), trust.Policy{})
			want := "no answer in the TLS handshake"
			if says != "" {
				want = "no TLS connection"
			}
			if got := reasonOf(t, err); got != want || time.Since(begun) > handshakeTimeout+time.Second {
				t.Errorf("%q after %v", got, time.Since(begun))
			}
			a.stop()
			_ = ln.Close()
			wg.Wait()
		})
	}
}

// A server that closes amid a message leaves nothing but a broken connection.
func TestCloseAmidAMessage(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		a := start(t, network.NewHost("10.0.0.1"), 5060)
		b := start(t, network.NewHost("10.0.0.2"), 5060)
		defer a.stop()
		defer b.stop()
		f, err := a.flow(t.Context(), target("tcp", "10.0.0.2:5060"), trust.Policy{})
		must(t, err)
		text := options("TCP", 500).String()
		must(t, f.write([]byte(text[:len(text)-100])))
		time.Sleep(time.Second)
		f.Shut()
		<-f.Broken()
		time.Sleep(time.Second)
		if len(b.received()) != 0 || b.flowCount() != 0 || a.flowCount() != 0 {
			t.Errorf("%d messages, %d connections", len(b.received()), b.flowCount())
		}
	})
}

// TLS works over the sockets of this computer, of both families.
func TestTLSOnRealSockets(t *testing.T) {
	ca := testca.New(t)
	file := filepath.Join(t.TempDir(), "ca.pem")
	ca.Write(file)
	p := trust.Policy{Mode: trust.CA, CAFile: file}
	a := start(t, nil, 0)
	defer a.stop()
	for _, ip := range []string{"127.0.0.1", "[::1]"} {
		s := serveTLS(t, OSNetwork{}, ip+":0", ca.Issue(testca.Leaf{URIs: []string{"sip:info.test"}}))
		ask(t, a, secure(strings.Replace(s.ln.Addr().String(), "0.0.0.0", "127.0.0.1", 1), "info.test"), p)
		s.stop()
	}
}
