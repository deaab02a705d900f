package ice

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pion/stun/v3"
)

const (
	stunPort = 3478 // RFC 8489 8.1, also of TURN
	tlsPort  = 5349 // RFC 8656 7

	// keepBinding is how often the NAT's bindings are refreshed until the checks do it (RFC 8445 11: 15 s).
	keepBinding = 15 * time.Second

	// A question to a STUN server is repeated after 200 ms, and then after twice as long each time: less than the
	// 500 ms of RFC 8489 6.2.1, for the caller who waits.
	firstRepeat = 200 * time.Millisecond
	questions   = 4
)

// ErrServer says that the address of a server makes no sense.
var ErrServer = errors.New("ice: not the address of a server")

// servers are those of a Config.
type servers struct {
	stun *stun.URI // asked for our addresses; nil: nobody is
	turn *stun.URI // nil: none
	own  bool      // stun is not just turn in another role
}

// ParseSTUN reads "host", "host:port" or "stun:host:port" (RFC 7064). The error is ErrServer.
func ParseSTUN(text string) (*stun.URI, error) { return parseServer(text, "stun") }

// ParseTURN reads "host", "host:port", or "turn:host:port?transport=tcp" and "turns:…" (RFC 7065). The error is
// ErrServer.
func ParseTURN(text string) (*stun.URI, error) { return parseServer(text, "turn", "turns") }

func parseServer(text string, schemes ...string) (*stun.URI, error) {
	text = strings.TrimSpace(text)
	bad := fmt.Errorf("%w: %.60q", ErrServer, text)
	if scheme, _, found := strings.Cut(text, ":"); !found || !known(scheme, schemes) {
		text = schemes[0] + ":" + text
	}
	u, err := stun.ParseURI(text)
	if err != nil || u.Host == "" || strings.ContainsAny(u.Host, " @/,;\t\r\n") || u.Port < 1 || u.Port > 65535 {
		return nil, bad
	}
	if !known(u.Scheme.String(), schemes) {
		return nil, bad
	}
	if u.Scheme == stun.SchemeTypeTURNS && u.Proto == stun.ProtoTypeUDP {
		return nil, bad // TURN over DTLS: nobody offers it
	}
	return u, nil
}

func known(scheme string, schemes []string) bool {
	for _, s := range schemes {
		if strings.EqualFold(s, scheme) {
			return true
		}
	}
	return false
}

func parseServers(cfg Config) (servers, error) {
	var s servers
	var err error
	if cfg.STUN != "" {
		if s.stun, err = ParseSTUN(cfg.STUN); err != nil {
			return s, err
		}
		s.own = true
	}
	if cfg.TURN != "" {
		if s.turn, err = ParseTURN(cfg.TURN); err != nil {
			return s, err
		}
		s.turn.Username, s.turn.Password = cfg.User, cfg.Password
		if s.stun == nil && s.turn.Scheme == stun.SchemeTypeTURN && s.turn.Proto != stun.ProtoTypeTCP {
			s.stun = s.turn // a TURN server answers STUN too (RFC 8656 5)
		}
	}
	return s, nil
}

// lookup finds the addresses of a host.
func lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return []netip.Addr{addr.Unmap()}, nil
	}
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", host, err)
	}
	for i := range list {
		list[i] = list[i].Unmap()
	}
	return list, nil
}

// reachable is the first address there is a way to, IPv4 before IPv6: it is the one that needs a NAT.
func reachable(list []netip.Addr, source func(netip.Addr) netip.Addr) (netip.Addr, bool) {
	for _, four := range []bool{true, false} {
		for _, addr := range list {
			if addr.Is4() == four && source(addr).IsValid() {
				return addr, true
			}
		}
	}
	return netip.Addr{}, false
}

// askServer asks the STUN server how it sees the component's socket.
func (c *component) askServer(ctx context.Context) {
	a := c.g.agent
	if a.servers.stun == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 2*a.cfg.Wait) // nobody waits so long, but a slow answer is of use later
	defer cancel()
	mapped, err := c.ask(ctx, a.servers.stun)
	if err != nil {
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			a.log.InfoContext(ctx, "stun server does not answer", "server", net.JoinHostPort(a.servers.stun.Host,
				strconv.Itoa(a.servers.stun.Port)), "error", err)
			if a.servers.own {
				a.problem(ProblemSTUN)
			}
		}
		return
	}
	c.mu.Lock()
	c.mapped = mapped
	c.mu.Unlock()
}

func (c *component) ask(ctx context.Context, server *stun.URI) (netip.AddrPort, error) {
	a := c.g.agent
	list, err := lookup(ctx, server.Host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr, ok := reachable(list, a.cfg.Source)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("no way to %s", server.Host)
	}
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.Fingerprint)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("build question: %w", err)
	}
	answer, forget := a.probes.expect(m.TransactionID)
	defer forget()
	to := netip.AddrPortFrom(addr, uint16(server.Port)) //nolint:gosec // ParseSTUN checked it.
	pause := firstRepeat
	for range questions {
		if err = a.tr.Send(c.id, m.Raw, to); err != nil {
			return netip.AddrPort{}, err // no network
		}
		timer := time.NewTimer(pause)
		select {
		case mapped := <-answer:
			timer.Stop()
			return mapped, nil
		case <-ctx.Done():
			timer.Stop()
			return netip.AddrPort{}, ctx.Err()
		case <-timer.C:
			pause *= 2
		}
	}
	return netip.AddrPort{}, context.DeadlineExceeded
}

func (c *component) mappedAddress() netip.AddrPort {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mapped
}

// probes are our questions to STUN servers that wait for an answer. The transaction id, 96 random bits, is what an
// answer is known by (RFC 8489 6.3.3).
type probes struct {
	mu      sync.Mutex
	waiting map[[stun.TransactionIDSize]byte]chan netip.AddrPort
}

func (p *probes) expect(id [stun.TransactionIDSize]byte) (answer <-chan netip.AddrPort, forget func()) {
	c := make(chan netip.AddrPort, 1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		p.waiting = map[[stun.TransactionIDSize]byte]chan netip.AddrPort{}
	}
	p.waiting[id] = c
	return c, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.waiting, id)
	}
}

// answered takes m if it answers a question.
func (p *probes) answered(m *stun.Message) bool {
	if m.Type.Class != stun.ClassSuccessResponse && m.Type.Class != stun.ClassErrorResponse {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.waiting[m.TransactionID]
	if !ok {
		return false
	}
	if mapped, ok := mappedAddress(m); ok {
		select {
		case c <- mapped:
		default: // the answer came twice
		}
	}
	return true
}

// mappedAddress reads XOR-MAPPED-ADDRESS, or what servers of RFC 3489 send in its place.
func mappedAddress(m *stun.Message) (netip.AddrPort, bool) {
	if m.Type.Class != stun.ClassSuccessResponse {
		return netip.AddrPort{}, false
	}
	var ip net.IP
	var port int
	var xor stun.XORMappedAddress
	var old stun.MappedAddress
	switch {
	case xor.GetFrom(m) == nil:
		ip, port = xor.IP, xor.Port
	case old.GetFrom(m) == nil:
		ip, port = old.IP, old.Port
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok || port < 1 || port > 65535 || addr.IsUnspecified() || addr.IsMulticast() {
		return netip.AddrPort{}, false
	}
	return netip.AddrPortFrom(addr.Unmap(), uint16(port)), true
}
