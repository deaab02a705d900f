package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/miekg/dns"
)

const (
	// tryTimeout bounds one question to one server. resolv.conf's 5 s would hold a call for too long when the
	// first server belongs to the network just left.
	tryTimeout = 2 * time.Second
	// laterFamily is how long an answer of one address family waits for the other (RFC 8305 3 has 50 ms; slow
	// links more).
	laterFamily = 200 * time.Millisecond
	// udpSize is the EDNS buffer of the DNS flag day 2020: no fragments.
	udpSize = 1232
)

// ClientConfig sets up a Client; the zero value is right for a real computer.
type ClientConfig struct {
	ResolvConf string // default /etc/resolv.conf
	Hosts      string // default /etc/hosts
	Fallback   DNS    // when resolv.conf is missing or empty, and for .local names; default Library{}
	// Dial opens the connection to a name server ("udp" or "tcp"); default net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Client is the DNS over the name servers of resolv.conf. Safe for concurrent use.
type Client struct {
	cfg    ClientConfig
	resolv watched[dns.ClientConfig]
	hosts  watched[hostsTable]
}

var _ DNS = (*Client)(nil)

// NewClient makes a Client; it reads its files with the first question.
func NewClient(cfg ClientConfig) *Client {
	if cfg.ResolvConf == "" {
		cfg.ResolvConf = "/etc/resolv.conf"
	}
	if cfg.Hosts == "" {
		cfg.Hosts = "/etc/hosts"
	}
	if cfg.Fallback == nil {
		cfg.Fallback = Library{}
	}
	if cfg.Dial == nil {
		cfg.Dial = (&net.Dialer{}).DialContext
	}
	return &Client{
		cfg:    cfg,
		resolv: watched[dns.ClientConfig]{path: cfg.ResolvConf, parse: dns.ClientConfigFromReader},
		hosts:  watched[hostsTable]{path: cfg.Hosts, parse: parseHosts},
	}
}

// NAPTR asks for NAPTR records.
func (c *Client) NAPTR(ctx context.Context, name string) ([]NAPTR, time.Duration, error) {
	return records(ctx, c, name, dns.TypeNAPTR, c.cfg.Fallback.NAPTR, func(rr dns.RR) (NAPTR, bool) {
		n, ok := rr.(*dns.NAPTR)
		if !ok {
			return NAPTR{}, false
		}
		return NAPTR{n.Order, n.Preference, n.Flags, n.Service, n.Regexp, n.Replacement}, true
	})
}

// SRV asks for SRV records of a whole name, such as "_sip._udp.info.test".
func (c *Client) SRV(ctx context.Context, name string) ([]SRV, time.Duration, error) {
	return records(ctx, c, name, dns.TypeSRV, c.cfg.Fallback.SRV, func(rr dns.RR) (SRV, bool) {
		s, ok := rr.(*dns.SRV)
		if !ok {
			return SRV{}, false
		}
		return SRV{Target: s.Target, Port: s.Port, Priority: s.Priority, Weight: s.Weight}, true
	})
}

// Addr gives what /etc/hosts says, else A and AAAA, asked at once, IPv4 first.
func (c *Client) Addr(ctx context.Context, name string) ([]netip.Addr, time.Duration, error) {
	if t, err := c.hosts.get(); err == nil {
		if ips := (*t)[hostKey(name)]; len(ips) > 0 {
			return ips, hostsTTL, nil
		}
	}
	if strings.HasSuffix(hostKey(name), ".local") { // RFC 6762: mDNS is the operating system's
		return c.cfg.Fallback.Addr(ctx, name)
	}
	type answer struct {
		ips []netip.Addr
		ttl time.Duration
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	family := func(qtype uint16) <-chan answer {
		out := make(chan answer, 1)
		go func() { // ends with ctx, which ends with this function
			var a answer
			a.ips, a.ttl, a.err = records(ctx, c, name, qtype, noAddr, addrOf)
			out <- a
		}()
		return out
	}
	four, six := family(dns.TypeA), family(dns.TypeAAAA)
	var a, b answer
	select {
	case a = <-four:
		b = soon(six, a.err == nil, answer{err: context.DeadlineExceeded})
	case b = <-six:
		a = soon(four, b.err == nil, answer{err: context.DeadlineExceeded})
	}
	switch {
	case a.err == nil && b.err == nil:
		return append(a.ips, b.ips...), min(a.ttl, b.ttl), nil
	case a.err == nil:
		return a.ips, a.ttl, nil
	case b.err == nil:
		return b.ips, b.ttl, nil
	case errors.Is(a.err, errNoServers):
		return c.cfg.Fallback.Addr(ctx, name)
	case errors.Is(a.err, ErrNotFound) && !errors.Is(b.err, ErrNotFound):
		return nil, 0, b.err // one family may exist: the error that may pass is the honest one
	}
	return nil, min(a.ttl, b.ttl), a.err
}

// soon waits for the second family: without a bound while there is nothing to go with, else for laterFamily.
func soon[T any](ch <-chan T, haveOne bool, late T) T {
	if !haveOne {
		return <-ch
	}
	t := time.NewTimer(laterFamily)
	defer t.Stop()
	select {
	case v := <-ch:
		return v
	case <-t.C:
		return late
	}
}

func addrOf(rr dns.RR) (netip.Addr, bool) {
	switch r := rr.(type) {
	case *dns.A:
		ip, ok := netip.AddrFromSlice(r.A)
		return ip.Unmap(), ok
	case *dns.AAAA:
		return netip.AddrFromSlice(r.AAAA)
	}
	return netip.Addr{}, false
}

// noAddr leaves it to Addr to fall back: the library asks for both families at once.
func noAddr(context.Context, string) ([]netip.Addr, time.Duration, error) {
	return nil, 0, errNoServers
}

var errNoServers = errors.New("no name server configured")

// records asks for one type under every name of the search order and converts what comes.
func records[T any](ctx context.Context, c *Client, name string, qtype uint16,
	fallback func(context.Context, string) ([]T, time.Duration, error), convert func(dns.RR) (T, bool),
) ([]T, time.Duration, error) {
	conf, err := c.resolv.get()
	if err != nil || len(conf.Servers) == 0 {
		return fallback(ctx, name)
	}
	ttl := negativeTTL
	for _, full := range searchNames(name, conf) {
		msg, err := c.exchange(ctx, conf, full, qtype)
		if err != nil {
			return nil, 0, fmt.Errorf("ask DNS for %s %s: %w", full, dns.TypeToString[qtype], err)
		}
		var out []T
		positive := maxTTL
		for _, rr := range msg.Answer {
			positive = min(positive, time.Duration(rr.Header().Ttl)*time.Second) // CNAMEs on the way count too
			if v, ok := convert(rr); ok && len(out) < maxRecords {
				out = append(out, v)
			}
		}
		if len(out) > 0 {
			return out, positive, nil
		}
		ttl = min(ttl, negative(msg))
	}
	return nil, ttl, ErrNotFound
}

// negative is how long the absence may be kept (RFC 2308 5: the lesser of the SOA's TTL and its minimum).
func negative(msg *dns.Msg) time.Duration {
	for _, rr := range msg.Ns {
		if soa, ok := rr.(*dns.SOA); ok {
			return time.Duration(min(soa.Hdr.Ttl, soa.Minttl)) * time.Second
		}
	}
	return negativeTTL
}

// exchange asks the servers in their order, each round once, until one answers with a success or "no such name".
func (c *Client) exchange(ctx context.Context, conf *dns.ClientConfig, name string, qtype uint16) (*dns.Msg, error) {
	query := new(dns.Msg).SetQuestion(name, qtype)
	query.SetEdns0(udpSize, false)
	last := errNoServers
	servers := conf.Servers[:min(len(conf.Servers), maxServers)]
	for range min(max(conf.Attempts, 1), 3) {
		for _, server := range servers {
			addr := net.JoinHostPort(server, conf.Port)
			msg, err := c.try(ctx, "udp", addr, query)
			if err == nil && msg.Truncated {
				msg, err = c.try(ctx, "tcp", addr, query)
			}
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case err != nil:
				last = err
			case msg.Rcode == dns.RcodeSuccess || msg.Rcode == dns.RcodeNameError:
				return msg, nil
			case msg.Rcode == dns.RcodeFormatError && query.IsEdns0() != nil:
				query.Extra = nil // RFC 6891 7: a server from before EDNS; the next round asks without
				last = fmt.Errorf("server %s: %s", server, dns.RcodeToString[msg.Rcode])
			default:
				last = fmt.Errorf("server %s: %s", server, dns.RcodeToString[msg.Rcode])
			}
		}
	}
	return nil, last
}

// try asks one server once. Answers that are not to this question are passed over (RFC 5452 9.1).
func (c *Client) try(ctx context.Context, network, addr string, query *dns.Msg) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout)
	defer cancel()
	raw, err := c.cfg.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	conn := &dns.Conn{Conn: raw, UDPSize: udpSize}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	query = query.Copy()
	query.Id = dns.Id()
	if err := conn.WriteMsg(query); err != nil {
		return nil, err
	}
	for range maxStrays {
		msg, err := conn.ReadMsg()
		if err != nil && ctx.Err() != nil {
			return nil, fmt.Errorf("server %s: %w", addr, ctx.Err())
		}
		if err != nil && network == "udp" && isParseError(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if msg.Response && msg.Id == query.Id && len(msg.Question) == 1 &&
			strings.EqualFold(msg.Question[0].Name, query.Question[0].Name) &&
			msg.Question[0].Qtype == query.Question[0].Qtype {
			return msg, nil
		}
	}
	return nil, fmt.Errorf("server %s: only answers to other questions", addr)
}

func isParseError(err error) bool {
	var network net.Error
	return !errors.As(err, &network)
}

const (
	maxRecords = 32 // of one answer: what Lookup follows at most, twice over
	maxServers = 3  // as the C library's MAXNS
	maxStrays  = 64 // datagrams read for one question
)
