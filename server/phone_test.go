package server

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/sip/digest"
)

// phone speaks SIP in plain text over a datagram socket, so that the tests see what is on the wire.
type phone struct {
	t        *testing.T
	conn     net.PacketConn
	to       net.Addr
	addr     netip.AddrPort
	user     string
	password string
	cache    digest.Cache
	cseq     int
}

const domain = "demo.test"

// inBubble runs a test with a server and phones on an in-memory network, in virtual time.
func inBubble(t *testing.T, cfg Config, test func(t *testing.T, s *Server, newPhone func(user string) *phone, stop func())) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := netsim.New(netsim.Config{Default: netsim.Path{Latency: 10 * time.Millisecond}})
		defer network.Close()
		listen := func(ip string, port int) net.PacketConn {
			conn, err := network.NewHost(ip).ListenPacket(t.Context(), "udp", fmt.Sprintf("%s:%d", ip, port))
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}
		cfg.Domain, cfg.PacketConn = domain, listen("10.0.0.1", 5060)
		cfg.Users = UserMap(map[string]string{"alice": "a-secret", "bob": "b-secret", "carol": "c-secret"})
		s, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		stopped := false
		stop := func() {
			cancel()
			if !stopped {
				stopped = true
				if err := <-ended; err != nil {
					t.Errorf("Run: %v", err)
				}
			}
		}
		var phones []*phone
		test(t, s, func(user string) *phone {
			p := &phone{t: t, user: user, password: user[:1] + "-secret"}
			p.conn = listen(fmt.Sprintf("10.0.0.%d", 10+len(phones)), 5060)
			p.to = net.UDPAddrFromAddrPort(s.Addr())
			p.addr = netip.MustParseAddrPort(p.conn.LocalAddr().String())
			phones = append(phones, p)
			return p
		}, stop)
		stop()
		for _, p := range phones {
			_ = p.conn.Close()
		}
		time.Sleep(5 * time.Minute) // past every timer of sipgo
	})
}

// request builds a request with the headers every one needs; lines replace or add to them.
func (p *phone) request(method, target string, lines ...string) string {
	p.cseq++
	h := []string{
		fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%s%d;rport", p.addr, p.user, p.cseq),
		"Max-Forwards: 70",
		fmt.Sprintf("From: <sip:%s@%s>;tag=%s", p.user, domain, p.user),
		fmt.Sprintf("To: <%s>", target),
		"Call-ID: call-" + p.user,
		fmt.Sprintf("CSeq: %d %s", p.cseq, method),
		fmt.Sprintf("Contact: <sip:%s@%s>", p.user, p.addr),
		"Content-Length: 0",
	}
	for _, line := range lines {
		name, _, _ := strings.Cut(line, ":")
		replaced := false
		for i := range h {
			if old, _, _ := strings.Cut(h[i], ":"); old == name && name != "Route" {
				h[i], replaced = line, true
			}
		}
		if !replaced {
			h = append(h, line)
		}
	}
	return method + " " + target + " SIP/2.0\r\n" + strings.Join(h, "\r\n") + "\r\n\r\n"
}

func (p *phone) send(text string) {
	p.t.Helper()
	if _, err := p.conn.WriteTo([]byte(text), p.to); err != nil {
		p.t.Fatalf("%s sends: %v", p.user, err)
	}
}

// read gives the next message, of which retransmissions are none.
func (p *phone) read() sipmsg.Message {
	p.t.Helper()
	if err := p.conn.SetReadDeadline(time.Now().Add(4 * time.Minute)); err != nil {
		p.t.Fatal(err)
	}
	buf := make([]byte, 65535)
	n, _, err := p.conn.ReadFrom(buf)
	if err != nil {
		p.t.Fatalf("%s reads: %v", p.user, err)
	}
	msg, err := sipmsg.ParseMessage(buf[:n])
	if err != nil {
		p.t.Fatalf("%s reads %q: %v", p.user, buf[:n], err)
	}
	return msg
}

// quiet checks that nothing comes for a while.
func (p *phone) quiet(d time.Duration) {
	p.t.Helper()
	if err := p.conn.SetReadDeadline(time.Now().Add(d)); err != nil {
		p.t.Fatal(err)
	}
	buf := make([]byte, 65535)
	if n, _, err := p.conn.ReadFrom(buf); err == nil {
		p.t.Fatalf("%s got %q", p.user, buf[:n])
	}
}

// response reads the next final or ringing response and checks its code; 100 is passed over.
func (p *phone) response(code int) *sipmsg.Response {
	p.t.Helper()
	for {
		msg := p.read()
		res, ok := msg.(*sipmsg.Response)
		if !ok {
			p.t.Fatalf("%s got %s, wants a %d", p.user, msg, code)
		}
		if res.StatusCode == 100 {
			continue
		}
		if res.StatusCode != code {
			p.t.Fatalf("%s got %s, wants a %d", p.user, res, code)
		}
		return res
	}
}

// receives reads the next request and checks its method.
func (p *phone) receives(method sipmsg.RequestMethod) *sipmsg.Request {
	p.t.Helper()
	msg := p.read()
	req, ok := msg.(*sipmsg.Request)
	if !ok || req.Method != method {
		p.t.Fatalf("%s got %s, wants a %s", p.user, msg, method)
	}
	return req
}

// answer responds to a request with the tag of the phone.
func (p *phone) answer(req *sipmsg.Request, code int, lines ...string) {
	p.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %d Test\r\n", code)
	for _, h := range req.Headers() {
		switch h.Name() {
		case "Via", "From", "Call-ID", "CSeq", "Record-Route":
			fmt.Fprintf(&b, "%s: %s\r\n", h.Name(), h.Value())
		case "To":
			to := h.Value()
			if !strings.Contains(to, "tag=") {
				to += ";tag=" + p.user + p.addr.Addr().String()
			}
			fmt.Fprintf(&b, "To: %s\r\n", to)
		}
	}
	fmt.Fprintf(&b, "Contact: <sip:%s@%s>\r\n", p.user, p.addr)
	for _, line := range lines {
		b.WriteString(line + "\r\n")
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	p.send(b.String())
}

// authorized sends a request, takes its challenge and sends it again with credentials.
func (p *phone) authorized(method, target string, lines ...string) {
	p.t.Helper()
	p.send(p.request(method, target, lines...))
	code, header, challenge := 407, "Proxy-Authorization", "Proxy-Authenticate"
	if method == "REGISTER" {
		code, header, challenge = 401, "Authorization", "WWW-Authenticate"
	}
	res := p.response(code)
	if method == "INVITE" {
		p.send(p.ackOf(res, target))
	}
	var challenges []string
	for _, h := range res.GetHeaders(challenge) {
		challenges = append(challenges, h.Value())
	}
	if err := p.cache.Challenge("k", challenges); err != nil {
		p.t.Fatalf("%s: %v in %s", p.user, err, res)
	}
	credentials, _ := p.cache.Authorize("k", method, target, p.user, p.password, nil)
	p.send(p.request(method, target, append(lines, header+": "+credentials)...))
}

// ackOf makes the ACK of a final response other than 2xx: in the same transaction.
func (p *phone) ackOf(res *sipmsg.Response, target string) string {
	return fmt.Sprintf("ACK %s SIP/2.0\r\nVia: %s\r\nMax-Forwards: 70\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d ACK\r\nContent-Length: 0\r\n\r\n",
		target, res.Via().Value(), res.From().Value(), res.To().Value(), res.CallID().Value(), res.CSeq().SeqNo)
}

// register registers the phone for an hour, whatever it did before.
func (p *phone) register() {
	p.t.Helper()
	p.authorized("REGISTER", "sip:"+domain, fmt.Sprintf("To: <sip:%s@%s>", p.user, domain))
	p.response(200)
}
