package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

func TestMessageBetweenUsers(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, _ *Server, newPhone func(string) *phone, _ func()) {
		alice, bob := newPhone("alice"), newPhone("bob")
		bob.register()
		alice.authorized("MESSAGE", "sip:bob@demo.test", "o: presence", `X-Odd: "kept, as it is"  `)
		got := bob.receives(sipmsg.MESSAGE)
		if vias := got.GetHeaders("Via"); len(vias) != 2 || !strings.Contains(vias[1].Value(), "received=10.0.0.10;") && !strings.HasSuffix(vias[1].Value(), "received=10.0.0.10") ||
			!strings.Contains(vias[1].Value(), "rport=5060") {
			t.Errorf("Via: %v", vias)
		}
		for name, want := range map[string]string{"Max-Forwards": "69", "o": "presence", "X-Odd": `"kept, as it is"`, "Contact": "<sip:alice@10.0.0.10:5060>"} {
			if h := got.GetHeader(name); h == nil || h.Value() != want {
				t.Errorf("%s: %v, want %s", name, h, want)
			}
		}
		if got.Recipient.String() != "sip:bob@10.0.0.11:5060" {
			t.Errorf("Request-URI %s", got.Recipient.String())
		}
		if h := got.GetHeader("Proxy-Authorization"); h != nil {
			t.Errorf("the callee sees the caller's digest: %s", h)
		}
		if h := got.GetHeader("Record-Route"); h != nil {
			t.Errorf("a MESSAGE makes no dialog: %s", h)
		}
		bob.answer(got, 202)
		if res := alice.response(202); len(res.GetHeaders("Via")) != 1 {
			t.Errorf("the response has %v", res.GetHeaders("Via"))
		}
	})
}

func TestAnswersOfTheProxy(t *testing.T) {
	tests := []struct {
		name, method, target string
		lines                []string
		authorize            bool
		code                 int
	}{
		{"unknown user", "MESSAGE", "sip:nobody@demo.test", nil, true, 404},
		{"known user without a device", "SUBSCRIBE", "sip:carol@demo.test", []string{"Event: presence"}, true, 404},
		{"own user without credentials", "MESSAGE", "sip:bob@demo.test", nil, false, 407},
		{"own user as another one", "MESSAGE", "sip:bob@demo.test", []string{"From: <sip:bob@demo.test>;tag=x"}, true, 403},
		{"another domain", "MESSAGE", "sip:bob@elsewhere.test", nil, false, 403},
		{"another server by Route", "MESSAGE", "sip:bob@demo.test", []string{"Route: <sip:10.0.0.77;lr>"}, false, 403},
		{"forged token", "MESSAGE", "sip:victim@10.0.0.77", []string{"Route: <sip:10.0.0.1:5060;lr;d=0011223344556677>"}, false, 403},
		{"hops used up", "MESSAGE", "sip:bob@demo.test", []string{"Max-Forwards: 0"}, false, 483},
		{"unknown extension", "MESSAGE", "sip:bob@demo.test", []string{"Proxy-Require: x"}, false, 420},
		{"bad route", "MESSAGE", "sip:bob@demo.test", []string{"Route: <x>"}, false, 400},
		{"CSeq of another method", "MESSAGE", "sip:bob@demo.test", []string{"CSeq: 77 INVITE"}, false, 400},
		{"the server itself", "OPTIONS", "sip:demo.test", nil, false, 200},
		{"the server by address", "OPTIONS", "sip:10.0.0.1:5060", nil, false, 200},
		{"a method it has not", "PUBLISH", "sip:demo.test", nil, false, 405},
		{"CANCEL of nothing", "CANCEL", "sip:bob@demo.test", nil, false, 481},
		{"another scheme", "MESSAGE", "tel:+49301234", nil, false, 416},
		{"route to us, then home", "MESSAGE", "sip:nobody@demo.test", []string{"Route: <sip:demo.test;lr>, <sip:10.0.0.1:5060;transport=tcp;lr>"}, true, 404},
		{"a stranger", "MESSAGE", "sip:carol@demo.test", []string{"From: <sip:eve@elsewhere.test>;tag=x"}, false, 404},
	}
	inBubble(t, Config{}, func(t *testing.T, _ *Server, newPhone func(string) *phone, _ func()) {
		for _, tt := range tests {
			p := newPhone("alice")
			if tt.authorize {
				p.authorized(tt.method, tt.target, tt.lines...)
			} else {
				p.send(p.request(tt.method, tt.target, tt.lines...))
			}
			msg := p.read()
			if res, ok := msg.(*sipmsg.Response); !ok || res.StatusCode != tt.code {
				t.Errorf("%s: got %s, want %d", tt.name, msg, tt.code)
			}
		}
	})
}

// routeSet gives the Route lines of a dialog from a Record-Route set.
func routeSet(msg interface{ GetHeaders(string) []sipmsg.Header }, reverse bool) string {
	var list []string
	for _, h := range msg.GetHeaders("Record-Route") {
		if reverse {
			list = append([]string{h.Value()}, list...)
		} else {
			list = append(list, h.Value())
		}
	}
	return "Route: " + strings.Join(list, ", ")
}

func TestForkedCall(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, _ *Server, newPhone func(string) *phone, _ func()) {
		alice, bob1, bob2 := newPhone("alice"), newPhone("bob"), newPhone("bob")
		bob2.cseq = 100
		bob1.register()
		bob2.register()
		alice.authorized("INVITE", "sip:bob@demo.test")
		i1, i2 := bob1.receives(sipmsg.INVITE), bob2.receives(sipmsg.INVITE)
		if i1.Via().Value() == i2.Via().Value() {
			t.Error("both branches have one branch parameter")
		}
		bob1.answer(i1, 180)
		alice.response(180)
		bob2.answer(i2, 180)
		alice.response(180)
		bob2.answer(i2, 200)
		ok := alice.response(200)
		cancel := bob1.receives(sipmsg.CANCEL)
		if cancel.Via().Value() != i1.Via().Value() || len(cancel.GetHeaders("Via")) != 1 {
			t.Errorf("CANCEL of another branch: %s", cancel)
		}
		bob1.answer(cancel, 200)
		bob1.answer(i1, 487)
		bob1.receives(sipmsg.ACK)

		routes := routeSet(ok, true)
		to := "To: " + ok.To().Value()
		contact := ok.GetHeader("Contact").Value()
		target := strings.Trim(contact, "<>")
		alice.cseq--
		alice.send(alice.request("ACK", target, to, routes, "Via: SIP/2.0/UDP "+alice.addr.String()+";branch=z9hG4bKack;rport"))
		if ack := bob2.receives(sipmsg.ACK); ack.GetHeader("Route") != nil || ack.Recipient.String() != target {
			t.Errorf("ACK: %s", ack)
		}
		bob2.answer(i2, 200) // a repeated 200: its ACK came late
		alice.response(200)

		alice.send(alice.request("INFO", target, to, routes))
		info := bob2.receives(sipmsg.INFO)
		bob2.answer(info, 200)
		alice.response(200)

		bob2.send(bob2.request("BYE", "sip:alice@"+alice.addr.String(), "From: "+ok.To().Value(), "To: "+ok.From().Value(),
			"Call-ID: "+ok.CallID().Value(), routeSet(i2, false)))
		bye := alice.receives(sipmsg.BYE)
		alice.answer(bye, 200)
		bob2.response(200)
		bob1.quiet(time.Minute)
	})
}

func TestCallerGivesUp(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, _ *Server, newPhone func(string) *phone, _ func()) {
		alice, bob := newPhone("alice"), newPhone("bob")
		bob.register()
		alice.authorized("INVITE", "sip:bob@demo.test")
		invite := bob.receives(sipmsg.INVITE)
		bob.answer(invite, 180)
		ringing := alice.response(180)
		alice.cseq--
		alice.send(alice.request("CANCEL", "sip:bob@demo.test", "Via: "+ringing.Via().Value()))
		alice.response(200)
		alice.send(alice.ackOf(alice.response(487), "sip:bob@demo.test"))
		cancel := bob.receives(sipmsg.CANCEL)
		bob.answer(cancel, 200)
		bob.answer(invite, 200) // it crossed: the callee has a call, and must hear so from the caller
		if res := alice.response(200); res.CSeq().MethodName != sipmsg.INVITE {
			t.Errorf("got %s", res)
		}
	})
}

func TestBestResponse(t *testing.T) {
	tests := []struct {
		name  string
		codes [2]int
		want  int
	}{
		{"lowest class", [2]int{503, 404}, 404},
		{"6xx wins", [2]int{404, 603}, 603},
		{"one that helps the caller", [2]int{404, 415}, 415},
		{"503 is kept to ourselves", [2]int{503, 503}, 500},
		{"redirection", [2]int{486, 302}, 302},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, Config{}, func(_ *testing.T, _ *Server, newPhone func(string) *phone, _ func()) {
				alice, bob1, bob2 := newPhone("alice"), newPhone("bob"), newPhone("bob")
				bob2.cseq = 100
				bob1.register()
				bob2.register()
				alice.authorized("SUBSCRIBE", "sip:bob@demo.test", "Event: presence")
				bob1.answer(bob1.receives(sipmsg.SUBSCRIBE), tt.codes[0])
				bob2.answer(bob2.receives(sipmsg.SUBSCRIBE), tt.codes[1])
				alice.response(tt.want)
			})
		})
	}
}

func TestChallengesOfAllBranchesGoBack(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, _ *Server, newPhone func(string) *phone, _ func()) {
		alice, bob1, bob2 := newPhone("alice"), newPhone("bob"), newPhone("bob")
		bob2.cseq = 100
		bob1.register()
		bob2.register()
		alice.authorized("MESSAGE", "sip:bob@demo.test")
		bob1.answer(bob1.receives(sipmsg.MESSAGE), 401, `WWW-Authenticate: Digest realm="one", nonce="1"`)
		bob2.answer(bob2.receives(sipmsg.MESSAGE), 407, `Proxy-Authenticate: Digest realm="two", nonce="2"`)
		msg, ok := alice.read().(*sipmsg.Response)
		if !ok || msg.GetHeader("WWW-Authenticate") == nil || msg.GetHeader("Proxy-Authenticate") == nil {
			t.Errorf("got %s", msg)
		}
	})
}

func TestSilentDevice(t *testing.T) {
	tests := []struct {
		name, method string
		rings        bool
		want         int
		after        time.Duration
	}{
		{"MESSAGE: Timer F", "MESSAGE", false, 408, 32 * time.Second},
		{"INVITE: Timer B", "INVITE", false, 408, 32 * time.Second},
		{"INVITE that rings for ever: Timer C, then CANCEL", "INVITE", true, 408, timerC + afterCancel},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, Config{}, func(t *testing.T, _ *Server, newPhone func(string) *phone, _ func()) {
				alice, bob := newPhone("alice"), newPhone("bob")
				bob.register()
				alice.authorized(tt.method, "sip:bob@demo.test")
				begin := time.Now()
				if tt.rings {
					bob.answer(bob.receives(sipmsg.INVITE), 180)
					alice.response(180)
				}
				alice.response(tt.want)
				if took := time.Since(begin).Round(time.Second); took != tt.after.Round(time.Second) {
					t.Errorf("took %v, want %v", took, tt.after)
				}
			})
		})
	}
}

func TestShutdownEndsCalls(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, _ *Server, newPhone func(string) *phone, stop func()) {
		alice, bob := newPhone("alice"), newPhone("bob")
		bob.register()
		alice.authorized("INVITE", "sip:bob@demo.test")
		bob.answer(bob.receives(sipmsg.INVITE), 180)
		alice.response(180)
		stop()
		if res := alice.response(503); res.GetHeader("Retry-After") == nil {
			t.Errorf("got %s", res)
		}
		bob.receives(sipmsg.CANCEL)
	})
}

func TestJunkIsSurvived(t *testing.T) {
	inBubble(t, Config{}, func(t *testing.T, s *Server, newPhone func(string) *phone, _ func()) {
		alice := newPhone("alice")
		for _, junk := range []string{
			"\x00\x01\x02", "\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "INVITE sip:bob@demo.test SIP/2.0\r\n\r\n",
			"INVITE sip:bob@demo.test SIP/2.0\r\nVia: x\r\n\r\n", "SIP/2.0 200 OK\r\n\r\n", "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nCSeq: 1 INVITE\r\n\r\n",
			"ACK sip:bob@demo.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.10;branch=z9hG4bK2\r\nCSeq: 1 ACK\r\n\r\n",
			strings.Repeat("A", 60000) + " SIP/2.0\r\n\r\n",
			"REGISTER sip:demo.test SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.10;branch=z9hG4bK3\r\nFrom: <<>>\r\nTo: \"\r\nCall-ID:\r\nCSeq: 99999999999999 REGISTER\r\n\r\n",
		} {
			alice.send(junk)
			time.Sleep(time.Second)
		}
		for alice.conn.SetReadDeadline(time.Now().Add(time.Second)) == nil { // whatever 400s came back
			if _, _, err := alice.conn.ReadFrom(make([]byte, 65535)); err != nil {
				break
			}
		}
		alice.register()
		if len(s.Bindings("alice")) != 1 {
			t.Error("the server does not serve any more")
		}
	})
}

func TestSourcesAreBounded(t *testing.T) {
	s := &Server{sources: make(map[string]struct{})}
	line := []byte("OPTIONS sip:h SIP/2.0\r\n\r\n")
	admitted := 0
	for i := range maxSources + 100 {
		a := net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr("10.0.0.1"), uint16(i)))
		data, err := s.admit(sipmsg.TransportReadProps{Transport: "UDP", RemoteAddr: a}, line)
		if err != nil {
			t.Fatal(err)
		}
		if data != nil {
			admitted++
		}
	}
	if admitted != maxSources {
		t.Errorf("%d sources admitted, want %d", admitted, maxSources)
	}
}

func TestNewChecks(t *testing.T) {
	users := UserMap(nil)
	tests := []struct {
		name string
		cfg  Config
	}{
		{"no domain", Config{Users: users}},
		{"no users", Config{Domain: "d"}},
		{"unknown algorithm", Config{Domain: "d", Users: users, Algorithms: []string{"ROT13"}}},
		{"wildcard without Advertise", Config{Domain: "d", Users: users, Listen: netip.MustParseAddrPort("0.0.0.0:0")}},
		{"no address", Config{Domain: "d", Users: users}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if s, err := New(tt.cfg); err == nil {
				t.Errorf("taken: %v", s.Addr())
			}
		})
	}
}

// TestTCPAndUDP runs over real loopback sockets: a device on TCP is reached by the connection it registered over, and the
// dialog's two sides have their own Record-Route.
func TestTCPAndUDP(t *testing.T) {
	s, err := New(Config{Domain: domain, Users: UserMap(map[string]string{"alice": "a-secret", "bob": "b-secret"}), Listen: netip.MustParseAddrPort("127.0.0.1:0")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	newPhone := func(user string, conn net.PacketConn) *phone {
		return &phone{
			t: t, user: user, password: user[:1] + "-secret", conn: conn, to: net.UDPAddrFromAddrPort(s.Addr()),
			addr: netip.MustParseAddrPort(conn.LocalAddr().String()),
		}
	}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = udp.Close() }()
	tcp, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tcp.Close() }()
	alice, bob := newPhone("alice", udp), newPhone("bob", streamConn{tcp})
	viaTCP := func(n int) string { return fmt.Sprintf("Via: SIP/2.0/TCP %s;branch=z9hG4bKt%d", bob.addr, n) }
	bob.send(bob.request("REGISTER", "sip:demo.test", "To: <sip:bob@demo.test>", viaTCP(1)))
	var challenges []string
	for _, h := range bob.response(401).GetHeaders("WWW-Authenticate") {
		challenges = append(challenges, h.Value())
	}
	if err := bob.cache.Challenge("k", challenges); err != nil {
		t.Fatal(err)
	}
	credentials, _ := bob.cache.Authorize("k", "REGISTER", "sip:demo.test", "bob", "b-secret", nil)
	bob.send(bob.request("REGISTER", "sip:demo.test", "To: <sip:bob@demo.test>", viaTCP(2), "Authorization: "+credentials))
	bob.response(200)

	alice.authorized("INVITE", "sip:bob@demo.test", "Subject: "+strings.Repeat("long ", 400))
	invite := bob.receives(sipmsg.INVITE)
	rr := invite.GetHeaders("Record-Route")
	if len(rr) != 2 || !strings.Contains(rr[0].Value(), "transport=tcp") || strings.Contains(rr[1].Value(), "transport") {
		t.Errorf("Record-Route: %v", rr)
	}
	bob.answer(invite, 200)
	ok := alice.response(200)
	alice.cseq--
	alice.send(alice.request("ACK", strings.Trim(ok.GetHeader("Contact").Value(), "<>"), "To: "+ok.To().Value(), routeSet(ok, true),
		"Via: SIP/2.0/UDP "+alice.addr.String()+";branch=z9hG4bKack;rport"))
	bob.receives(sipmsg.ACK)
	bob.send(bob.request("BYE", "sip:alice@"+alice.addr.String(), viaTCP(3), "From: "+ok.To().Value(), "To: "+ok.From().Value(),
		"Call-ID: "+ok.CallID().Value(), routeSet(invite, false)))
	alice.answer(alice.receives(sipmsg.BYE), 200)
	bob.response(200)
}

// streamConn reads and writes a stream as if it were datagrams: one message per read, which holds for the tests' few small ones.
type streamConn struct{ net.Conn }

func (c streamConn) ReadFrom(b []byte) (int, net.Addr, error) {
	total := 0
	for {
		n, err := c.Read(b[total : total+1])
		total += n
		if err != nil {
			return total, c.RemoteAddr(), err
		}
		if strings.HasSuffix(string(b[:total]), "\r\n\r\n") {
			return total, c.RemoteAddr(), nil
		}
	}
}

func (c streamConn) WriteTo(b []byte, _ net.Addr) (int, error) { return c.Write(b) }
