package sip

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// names is a Resolver with a fixed table; numeric hosts resolve to themselves.
type names map[string][]resolve.Target

func (n names) Lookup(_ context.Context, u uri.URI, want string) ([]resolve.Target, error) {
	if ts, ok := n[u.Host]; ok {
		return ts, nil
	}
	ip, err := netip.ParseAddr(u.Host)
	if err != nil {
		return nil, resolve.ErrNotFound
	}
	transport := u.Transport()
	if transport == "" {
		transport = want
	}
	if transport == "" {
		transport = "udp"
	}
	port := u.Port
	if port == 0 && transport == "tls" {
		port = 5061
	}
	if port == 0 {
		port = 5060
	}
	return []resolve.Target{{Transport: transport, Addr: netip.AddrPortFrom(ip, uint16(port))}}, nil
}

func at(transport, addr string) []resolve.Target {
	return []resolve.Target{{Transport: transport, Addr: netip.MustParseAddrPort(addr)}}
}

// lab is a network with user agents and scripted peers, inside a bubble.
type lab struct {
	t     *testing.T
	net   *netsim.Network
	names names
	stops []func()
}

func newLab(t *testing.T, cfg netsim.Config) *lab {
	t.Helper()
	return &lab{t: t, net: netsim.New(cfg), names: names{}}
}

// bubble runs f in a synctest bubble with a lab of the given latency.
func bubble(t *testing.T, latency time.Duration, f func(t *testing.T, l *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, netsim.Config{Default: netsim.Path{Latency: latency}})
		defer l.close()
		f(t, l)
	})
}

func (l *lab) close() {
	for _, stop := range slices.Backward(l.stops) {
		stop()
	}
	l.net.Close()
	time.Sleep(2 * time.Minute) // the last timers of the state machines
	synctest.Wait()
}

// phone is a UA with an application that records and obeys.
type phone struct {
	*UA
	l    *lab
	host *netsim.Host

	mu       sync.Mutex
	calls    []*Call
	messages []IncomingMessage
	subs     []*ServerSubscription
	accounts []string
	notifies []UnsolicitedNotify
	suspects []Suspect
	onCall   func(c *Call)
	onMsg    func(m IncomingMessage) (int, string)
	onSub    func(s *ServerSubscription)
	onRefer  func(r *ReferRequest)
}

func (p *phone) IncomingCall(c *Call) {
	p.mu.Lock()
	p.calls = append(p.calls, c)
	f := p.onCall
	p.mu.Unlock()
	if f != nil {
		f(c)
	}
}

func (p *phone) IncomingMessage(_ context.Context, m IncomingMessage) (int, string) {
	p.mu.Lock()
	p.messages = append(p.messages, m)
	f := p.onMsg
	p.mu.Unlock()
	if f != nil {
		return f(m)
	}
	return 200, ""
}

func (p *phone) IncomingSubscribe(s *ServerSubscription) {
	p.mu.Lock()
	p.subs = append(p.subs, s)
	f := p.onSub
	p.mu.Unlock()
	if f != nil {
		f(s)
	}
}

func (p *phone) IncomingRefer(r *ReferRequest) {
	p.mu.Lock()
	f := p.onRefer
	p.mu.Unlock()
	if f != nil {
		f(r)
	}
}

func (p *phone) IncomingNotify(n UnsolicitedNotify) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.notifies = append(p.notifies, n)
	return 200
}

func (p *phone) Suspect(s Suspect) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.suspects = append(p.suspects, s)
}

func (p *phone) AccountChanged(a *Account) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accounts = append(p.accounts, a.State().Registration.String())
}

// call gives the i-th incoming call, sub the i-th incoming subscription.
func (p *phone) call(i int) *Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[i]
}

func (p *phone) sub(i int) *ServerSubscription {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.subs[i]
}

func (p *phone) setMsg(f func(IncomingMessage) (int, string)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.onMsg = f
}

func (p *phone) history() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.accounts, " ")
}

func (p *phone) received() []IncomingMessage {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]IncomingMessage(nil), p.messages...)
}

// phone starts a UA on a new host.
func (l *lab) phone(addr string, tune func(*Config)) *phone {
	l.t.Helper()
	p := &phone{l: l, host: l.net.NewHost(addr)}
	level := slog.LevelError
	if os.Getenv("SIP_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	cfg := Config{
		Network: p.host, Resolver: l.names, Port: 5060, Handler: p, UserAgent: "Peregrine test", EventPackages: []string{"presence"},
		Logger: slog.New(slog.NewTextHandler(l.t.Output(), &slog.HandlerOptions{Level: level})).With("phone", addr),
	}
	if tune != nil {
		tune(&cfg)
	}
	u, err := New(context.Background(), cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	p.UA = u
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	<-u.Ready()
	l.stops = append(l.stops, func() {
		cancel()
		if err := <-ended; err != nil {
			l.t.Errorf("Run: %v", err)
		}
	})
	return p
}

func (p *phone) lan(user string) *Account {
	p.l.t.Helper()
	return p.account(AccountConfig{ID: "lan-" + user, AOR: uri.New(user, "", 0)})
}

func (p *phone) account(cfg AccountConfig) *Account {
	p.l.t.Helper()
	a, err := p.AddAccount(cfg)
	if err != nil {
		p.l.t.Fatal(err)
	}
	return a
}

// states records a call's states.
type states struct {
	mu sync.Mutex
	s  []string
}

func (s *states) see(c *Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s = append(s.s, c.State().String())
}

func (s *states) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.s, " ")
}

// peer is a scripted SIP party: it sees and sends text.
type peer struct {
	t    *testing.T
	host *netsim.Host
	addr string
	in   chan wireMessage
	send func(to, text string)
}

type wireMessage struct{ text, from string }

// peer attaches a scripted party at addr ("10.0.0.2:5060").
func (l *lab) peer(addr string) *peer {
	l.t.Helper()
	ip, port, _ := strings.Cut(addr, ":")
	p := &peer{t: l.t, host: l.net.NewHost(ip), addr: addr, in: make(chan wireMessage, 256)}
	conn, err := p.host.ListenPacket(context.Background(), "udp", ":"+port)
	if err != nil {
		l.t.Fatal(err)
	}
	p.send = func(to, text string) {
		dst := netip.MustParseAddrPort(to)
		if _, err := conn.WriteTo([]byte(text), net.UDPAddrFromAddrPort(dst)); err != nil {
			l.t.Errorf("peer %s sends: %v", addr, err)
		}
	}
	go func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			p.in <- wireMessage{string(buf[:n]), from.String()}
		}
	}()
	l.stops = append(l.stops, func() { _ = conn.Close() })
	return p
}

// next gives the next message, which must begin with start.
func (p *peer) next(start string) wireMessage {
	p.t.Helper()
	select {
	case m := <-p.in:
		if !strings.HasPrefix(m.text, start) {
			p.t.Fatalf("peer got %q, want %q", firstLine(m.text), start)
		}
		return m
	case <-time.After(time.Minute):
		p.t.Fatalf("peer got nothing for a minute, want %q", start)
	}
	return wireMessage{}
}

// await skips messages until one begins with start.
func (p *peer) await(start string) wireMessage {
	p.t.Helper()
	limit := time.After(3 * time.Minute)
	for {
		select {
		case m := <-p.in:
			if strings.HasPrefix(m.text, start) {
				return m
			}
		case <-limit:
			p.t.Fatalf("peer waited in vain for %q", start)
		}
	}
}

// drain forgets what has come so far.
func (p *peer) drain() {
	for {
		select {
		case <-p.in:
		default:
			return
		}
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\r\n")
	return line
}

// field gives a header's value.
func (m wireMessage) field(name string) string {
	for line := range strings.SplitSeq(m.text, "\r\n") {
		n, v, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(n, name) {
			return strings.TrimSpace(v)
		}
		if line == "" {
			break
		}
	}
	return ""
}

// fields gives all values of a header.
func (m wireMessage) fields(name string) []string {
	var out []string
	for line := range strings.SplitSeq(m.text, "\r\n") {
		n, v, ok := strings.Cut(line, ":")
		if ok && strings.EqualFold(n, name) {
			out = append(out, strings.TrimSpace(v))
		}
	}
	return out
}

func (m wireMessage) body() string {
	_, b, _ := strings.Cut(m.text, "\r\n\r\n")
	return b
}

func tagIn(v string) string {
	_, t, _ := strings.Cut(v, ";tag=")
	t, _, _ = strings.Cut(t, ";")
	return t
}

// reply answers a request. tag is the To tag if it has none; lines are extra headers.
func (p *peer) reply(m wireMessage, status, tag, body string, lines ...string) {
	p.t.Helper()
	var b bytes.Buffer
	b.WriteString("SIP/2.0 " + status + "\r\n")
	for _, v := range m.fields("Via") {
		b.WriteString("Via: " + v + "\r\n")
	}
	to := m.field("To")
	if !strings.Contains(to, ";tag=") && tag != "" {
		to += ";tag=" + tag
	}
	for _, v := range m.fields("Record-Route") {
		b.WriteString("Record-Route: " + v + "\r\n")
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n", m.field("From"), to, m.field("Call-ID"), m.field("CSeq"))
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	if body != "" {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	p.send(m.from, b.String())
}

// contact is the Contact line of the peer.
func (p *peer) contact() string { return "Contact: <sip:peer@" + p.addr + ">" }

// request sends a request in or out of a dialog; lines must hold From, To, Call-ID and CSeq.
func (p *peer) request(to, start, branch, body string, lines ...string) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s SIP/2.0\r\nVia: SIP/2.0/UDP %s;branch=z9hG4bK%s;rport\r\nMax-Forwards: 70\r\n", start, p.addr, branch)
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	if body != "" && !strings.Contains(b.String(), "Content-Type:") {
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	p.send(to, b.String())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantErr(t *testing.T, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("error %v, want %v", got, want)
	}
}

func wantCode(t *testing.T, err error, code int) {
	t.Helper()
	if CodeOf(err) != code {
		t.Errorf("error %v, want code %d", err, code)
	}
}

func mustURI(t *testing.T, s string) uri.URI {
	t.Helper()
	u, err := uri.Parse(s)
	must(t, err)
	return u
}
