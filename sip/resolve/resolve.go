// Package resolve finds where a SIP request goes: RFC 3263 with NAPTR, SRV (RFC 2782), A and AAAA. It serves
// package sip.
//
// Make one Resolver with New over a DNS: System() asks the name servers of this computer, tests inject their
// own. Lookup gives the targets in the order to try them; a caller goes on to the next one when a target does
// not answer (RFC 3263 4.3).
package resolve

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// The ways in which Lookup fails; test with errors.Is. Anything else came from the DNS and may pass (time-outs).
var (
	// ErrNotFound: the name, or the record of the asked type, does not exist.
	ErrNotFound = errors.New("no such name or record")
	// ErrTransport: the wanted transport is unknown, switched off, or not allowed for a sips URI.
	ErrTransport = errors.New("transport not usable for this address")
)

const (
	// maxTargets bounds the list for one request. RFC 3261's 32 s of a transaction leave no time for more.
	maxTargets = 16
	// naptrPatience: some home routers drop NAPTR queries without an answer. SRV must not wait long for them.
	naptrPatience = 1500 * time.Millisecond
)

// Target is one place to send a request to.
type Target struct {
	Transport  string         // "udp", "tcp" or "tls"
	Addr       netip.AddrPort // never without a port
	ServerName string         // what the certificate must be for with "tls" (RFC 5922 4: the URI's domain), else ""
	// Tier rises where the DNS prefers what came before: with the transport and with the SRV priority. Targets of one
	// tier are equal, and a caller may stay with the one it knows.
	Tier int
}

// NAPTR is one NAPTR record (RFC 3403).
type NAPTR struct {
	Order, Preference   uint16
	Flags, Service      string
	Regexp, Replacement string
}

// SRV is one SRV record (RFC 2782). Target "." says that the service is not offered.
type SRV struct {
	Target                 string
	Port, Priority, Weight uint16
}

// DNS asks for records. Each method gives the records of one name with the time they may be kept; it returns an
// error wrapping ErrNotFound when there are none, for which the time is also meant. Methods must be safe for
// concurrent use and end with ctx.
type DNS interface {
	NAPTR(ctx context.Context, name string) ([]NAPTR, time.Duration, error)
	SRV(ctx context.Context, name string) ([]SRV, time.Duration, error)
	Addr(ctx context.Context, name string) ([]netip.Addr, time.Duration, error)
}

// Config sets up a Resolver.
type Config struct {
	DNS        DNS             // required; System() is the real one
	Transports []string        // those the caller can use, best first; default udp, tcp, tls
	Rand       func(n int) int // 0 ≤ result < n, for the SRV weights; default math/rand/v2
	// Reachable, when set, says whether this computer has a source address toward a destination. Targets
	// without one come last.
	Reachable func(netip.AddrPort) bool
}

// Resolver looks up targets and keeps records for their time to live. Safe for concurrent use.
type Resolver struct {
	cfg   Config
	cache cache
}

// New makes a Resolver with an empty cache.
func New(cfg Config) *Resolver {
	if len(cfg.Transports) == 0 {
		cfg.Transports = []string{"udp", "tcp", "tls"}
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.IntN
	}
	return &Resolver{cfg: cfg}
}

// Forget empties the cache: another network may have other answers.
func (r *Resolver) Forget() { r.cache.clear() }

// Lookup gives the targets for a request to u, at least one when the error is nil. want is the transport an
// account insists on ("udp", "tcp", "tls"), "" to follow the URI and the DNS. For a sips URI every target is
// "tls".
func (r *Resolver) Lookup(ctx context.Context, u uri.URI, want string) ([]Target, error) {
	targets, err := r.lookup(ctx, u, want)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", u.HostPort(), err)
	}
	return targets, nil
}

func (r *Resolver) lookup(ctx context.Context, u uri.URI, want string) ([]Target, error) {
	transport, err := r.transport(u, want)
	if err != nil {
		return nil, err
	}
	q := query{r: r, secure: u.Secure(), serverName: u.Host}
	if name, no := ascii(u.Host); no == nil {
		q.serverName = name // as certificates have it (RFC 5280 7.2)
	}
	host := u.Host
	if maddr := u.Params.Get("maddr"); maddr != "" { // RFC 3263 4: TARGET is maddr when present
		host = maddr
	}
	if ip, no := netip.ParseAddr(strings.Trim(host, "[]")); no == nil {
		t := q.orDefault(transport)
		q.add(t, ip, portOr(u.Port, t))
		return q.targets, nil
	}
	if host, err = ascii(host); err != nil {
		return nil, err
	}
	switch {
	case u.Port != 0: // RFC 3263 4.2: an explicit port means A and AAAA only
		err = q.addresses(ctx, q.orDefault(transport), host, u.Port)
	case transport != "":
		err = q.service(ctx, transport, host)
	default:
		err = q.discover(ctx, host)
	}
	if err != nil {
		return nil, err
	}
	if len(q.targets) == 0 {
		return nil, ErrNotFound
	}
	return q.sorted(), nil
}

// transport gives the transport that is fixed beforehand, "" when the DNS decides (RFC 3263 4.1).
func (r *Resolver) transport(u uri.URI, want string) (string, error) {
	t := strings.ToLower(want)
	if t == "" {
		t = u.Transport()
	}
	if u.Secure() {
		switch t {
		case "tcp", "tls": // RFC 3261 26.2.2: sips over tcp is TLS over TCP
			t = "tls"
		case "":
		default:
			return "", ErrTransport
		}
		if !slices.Contains(r.cfg.Transports, "tls") {
			return "", ErrTransport
		}
	}
	if t != "" && !slices.Contains(r.cfg.Transports, t) {
		return "", ErrTransport
	}
	return t, nil
}

// ascii gives the name the DNS knows an internationalised domain by (RFC 5891).
func ascii(host string) (string, error) {
	host = strings.TrimSuffix(host, ".")
	for i := 0; i < len(host); i++ {
		if host[i] >= 0x80 {
			a, err := idna.Lookup.ToASCII(host)
			if err != nil {
				return "", ErrNotFound
			}
			return a, nil
		}
	}
	return strings.ToLower(host), nil
}

func portOr(port int, transport string) uint16 {
	switch {
	case port > 0 && port <= 65535:
		return uint16(port)
	case transport == "tls":
		return 5061 // RFC 3261 18.2.1
	}
	return 5060
}
