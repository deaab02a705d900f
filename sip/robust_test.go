package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/shield"
	"github.com/peregrine-softphone/peregrine/sip/syntax"
	"github.com/peregrine-softphone/peregrine/sip/transport"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Every state against every state: what follows says, and nothing else.
func TestCallStateTable(t *testing.T) {
	all := []CallState{Calling, Ringing, Incoming, Established, Ended}
	allowedMoves := map[string]bool{
		"calling>ringing": true, "calling>established": true, "calling>ended": true, "ringing>established": true, "ringing>ended": true,
		"incoming>established": true, "incoming>ended": true, "established>ended": true,
	}
	for _, from := range all {
		for _, to := range all {
			bubble(t, 0, func(t *testing.T, l *lab) {
				p := l.phone("10.0.0.1", nil)
				c := p.newCall(p.lan("alice"), newOutgoing(uri.Address{}, uri.Address{}, uri.URI{}), from)
				if from == Ended { // Done is closed once only
					close(c.done)
				}
				name := from.String() + ">" + to.String()
				if got := c.setState(to, EndCause{Reason: EndedFailed}); got != allowedMoves[name] {
					t.Errorf("%s: %v, want %v", name, got, allowedMoves[name])
				}
			})
		}
	}
}

func TestHangupWhileThereIsNoNetwork(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		alice, bob, a := pair(l)
		bob.onCall = func(c *Call) { must(t, c.Answer(t.Context(), &talk{name: "bob"})) }
		c, err := a.Invite(t.Context(), bobURI(), &talk{name: "alice"}, CallOptions{})
		must(t, err)
		time.Sleep(time.Second)
		alice.host.SetAddrs()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		must(t, c.Hangup(ctx))
		time.Sleep(5 * time.Second)
		alice.host.SetAddrs("10.3.0.1")
		time.Sleep(4 * time.Second) // with the time it takes to find that nobody answers at the old address
		if got := bob.call(0).EndCause().Reason; got != EndedByPeer {
			t.Errorf("the BYE was not sent when the network came back: %v", got)
		}
	})
}

// A callee on TCP that moves while it rings answers over a new connection.
func TestCalleeOnTCPMoves(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		bob.onCall = func(c *Call) { must(t, c.Ring(t.Context())) }
		c, err := a.Invite(t.Context(), bobURI().WithParam("transport", "tcp"), &talk{name: "alice"}, CallOptions{})
		must(t, err)
		time.Sleep(time.Second)
		if c.State() != Ringing {
			t.Fatalf("state %v", c.State())
		}
		bob.host.SetAddrs("10.4.0.2")
		bob.NetworkChanged(t.Context())
		must(t, bob.call(0).Answer(t.Context(), &talk{name: "bob"}))
		time.Sleep(time.Second)
		if c.State() != Established {
			t.Fatalf("state %v", c.State())
		}
		must(t, c.Hangup(t.Context()))
		if got := bob.call(0).EndCause().Reason; got != EndedByPeer {
			t.Errorf("reason %v", got)
		}
	})
}

// echo is a connection that only says where its answers go.
type echo struct {
	nowhere
	port  uint16
	rport bool
}

func (echo) Answers(port uint16, rport bool) transport.Conn { return echo{port: port, rport: rport} }

func TestReturnPath(t *testing.T) {
	tests := []struct {
		name, via string
		want      echo
	}{
		{"rport", "SIP/2.0/UDP 10.9.9.9:7000;branch=z9hG4bK1;rport", echo{port: 7000, rport: true}},
		{"port in Via", "SIP/2.0/UDP 10.9.9.9:7000;branch=z9hG4bK1", echo{port: 7000}},
		{"no port", "SIP/2.0/UDP 10.9.9.9;branch=z9hG4bK1", echo{port: 5060}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			msg, err := sipmsg.ParseMessage([]byte("OPTIONS sip:x@y SIP/2.0\r\nVia: " + tt.via + "\r\n\r\n"))
			must(t, err)
			req, ok := msg.(*sipmsg.Request)
			if !ok {
				t.Fatal("not a request")
			}
			if got := returnPath(&inbound{req: req, conn: echo{}}); got != tt.want {
				t.Errorf("to %+v, want %+v", got, tt.want)
			}
		})
	}
}

// Two user agents on the loopback interface of this computer, through OSNetwork and the system's sockets.
func TestOnRealSockets(t *testing.T) {
	run := func(h *phone) *UA {
		u, err := New(context.Background(), Config{Handler: h, Resolver: names{}})
		must(t, err)
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- u.Run(ctx) }()
		<-u.Ready()
		t.Cleanup(func() {
			cancel()
			must(t, <-ended)
		})
		return u
	}
	answered := make(chan struct{})
	bobApp := &phone{}
	bobApp.onCall = func(c *Call) {
		defer close(answered)
		if err := c.Answer(context.Background(), &talk{name: "bob"}); err != nil {
			t.Error(err)
		}
	}
	alice, bob := run(&phone{}), run(bobApp)
	_, err := bob.AddAccount(AccountConfig{ID: "b", AOR: uri.New("bob", "", 0)})
	must(t, err)
	a, err := alice.AddAccount(AccountConfig{ID: "a", AOR: uri.New("alice", "", 0)})
	must(t, err)
	for _, proto := range []string{"udp", "tcp"} {
		to := uri.New("bob", "127.0.0.1", bob.Port()).WithParam("transport", proto)
		code, err := a.Message(t.Context(), to, "text/plain", []byte(proto))
		if code != 200 || err != nil {
			t.Errorf("%s: %d, %v", proto, code, err)
		}
	}
	up := make(chan struct{}, 4)
	c, err := a.Invite(t.Context(), uri.New("bob", "127.0.0.1", bob.Port()), &talk{name: "alice"}, CallOptions{Observer: func(c *Call) {
		if c.State() == Established {
			up <- struct{}{}
		}
	}})
	must(t, err)
	<-answered
	<-up
	must(t, c.Hangup(t.Context()))
	if _, err := New(context.Background(), Config{}); err == nil {
		t.Error("a UA without a handler")
	}
	taken, err := New(context.Background(), Config{Handler: bobApp, Resolver: names{}, Port: bob.Port()})
	must(t, err)
	if err := taken.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "port") {
		t.Errorf("a taken port gives %v", err)
	}
}

// FuzzReceive feeds packets to everything that reads them before a dialog is found. What is answered must itself be
// well-formed.
func FuzzReceive(f *testing.F) {
	for _, s := range []string{
		"INVITE sip:alice@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK1\r\nFrom: <sip:b@c>;tag=1\r\nTo: <sip:alice@x>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\nContact: <sip:b@c>\r\nSession-Expires: 90;refresher=uas\r\n\r\n",
		"SUBSCRIBE sip:alice@127.0.0.1 SIP/2.0\r\nv: SIP/2.0/UDP 10.0.0.2\r\nf: <sip:b@c>;tag=1\r\nt: <sip:alice@x>\r\ni: 1\r\nCSeq: 1 SUBSCRIBE\r\nm: <sip:b@c>\r\no: presence;id=4\r\nExpires: 0\r\n\r\n",
		"MESSAGE sip:alice@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK2\r\nFrom: b <sip:b@c>;tag=1\r\nTo: alice\r\nCall-ID: 2\r\nCSeq: 1 MESSAGE\r\nDate: Sat, 13 Nov 2010 23:29:00 GMT\r\n\r\nhi",
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK2\r\nFrom: <sip:b@c>;tag=1\r\nTo: <sip:a@b>;tag=2\r\nCall-ID: 2\r\nCSeq: 1 INVITE\r\nContact: *\r\n\r\n",
		"CANCEL sip:alice@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:b@c>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: 1\r\nCSeq: 1 CANCEL\r\nReason: SIP;cause=200;text=\"x\"\r\n\r\n",
		"NOTIFY sip:alice@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK9\r\nFrom: <sip:b@c>;tag=1\r\nTo: <sip:a@b>;tag=9\r\nCall-ID: 1\r\nCSeq: 1 NOTIFY\r\nSubscription-State: terminated;reason=x;retry-after=1\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	p := &phone{}
	p.onCall = func(c *Call) { _ = c.Decline(context.Background(), 486) }
	p.onSub = func(s *ServerSubscription) { _ = s.Reject(context.Background(), 403) }
	unbounded := shield.Rate{Burst: 1 << 40, PerSecond: 1e9}
	u, err := New(context.Background(), Config{
		Handler: p, Resolver: names{}, EventPackages: []string{"presence"},
		Shield: shield.Policy{Off: true, PeerRates: shield.Rates{Invite: unbounded, Message: unbounded, Subscribe: unbounded, Other: unbounded}},
	})
	if err != nil {
		f.Fatal(err)
	}
	u.mu.Lock()
	u.running = true
	u.mu.Unlock()
	if _, err := u.AddAccount(AccountConfig{ID: "a", AOR: uri.New("alice", "", 0)}); err != nil {
		f.Fatal(err)
	}
	u.inbox.start()
	parse, runs := newParser(), 0
	f.Fuzz(func(_ *testing.T, data []byte) {
		if runs++; runs%256 == 0 {
			u.tx.close() // the table would be full for half a minute
		}
		msg, err := parse(data)
		if err != nil || !transport.LooksLikeSIP(data) {
			return
		}
		msg.SetTransport("UDP")
		msg.SetSource("127.0.0.1:9")
		u.tx.receive(transport.Received{Msg: msg, Raw: data, Conn: strict{}, Remote: netip.MustParseAddrPort("127.0.0.1:9")})
		if req, ok := msg.(*sipmsg.Request); ok {
			readNotify(req)
			sessionExpires(req)
			reasonText(req)
			recordRoutes(req)
		}
	})
}

// strict is a connection that swallows what is well-formed.
type strict struct{ nowhere }

func (s strict) Answers(_ uint16, _ bool) transport.Conn { return s }
func (s strict) Same(other transport.Conn) bool          { return s == other }

func (strict) WriteMsg(msg sipmsg.Message) error {
	// The Vias of others are repeated as they came; a user agent of theirs would not see them.
	if v := syntax.Check([]byte(msg.String())); !v.OK() && v.Reason != "More Than One Via" {
		panic(fmt.Sprintf("%s (%s): %q", v.Reason, v.Section, msg.String()))
	}
	return nil
}

// nowhere is a connection that swallows.
type nowhere struct{ transport.Conn }

func (nowhere) Transport() string      { return "udp" }
func (nowhere) Remote() netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:9") }

func (nowhere) Local() netip.AddrPort { return netip.MustParseAddrPort("127.0.0.1:5060") }

func (nowhere) LocalAddr() net.Addr                       { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5060} }
func (nowhere) WriteMsg(sipmsg.Message) error             { return nil }
func (nowhere) Ref(int) int                               { return 1 }
func (nowhere) TryClose() (int, error)                    { return 1, nil }
func (nowhere) Close() error                              { return nil }
func (n nowhere) Answers(_ uint16, _ bool) transport.Conn { return n }
func (nowhere) Broken() <-chan struct{}                   { return nil }
func (nowhere) SilentSince(time.Time) bool                { return false }
func (nowhere) Shut()                                     {}
func (nowhere) PeerKey() string                           { return "" }
func (n nowhere) Same(other transport.Conn) bool          { return n == other }
