package resolve

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// query is one Lookup on its way.
type query struct {
	r          *Resolver
	secure     bool
	serverName string
	tier       int
	targets    []Target
}

// services maps the NAPTR services of RFC 3263 4.1 to transports, and each transport to its SRV prefix.
//
//nolint:gochecknoglobals // constant table
var services = [...]struct{ naptr, transport, srv string }{
	{"SIP+D2U", "udp", "_sip._udp."},
	{"SIP+D2T", "tcp", "_sip._tcp."},
	{"SIPS+D2T", "tls", "_sips._tcp."},
}

// usable reports whether the caller has the transport and the URI allows it.
func (q *query) usable(transport string) bool {
	return slices.Contains(q.r.cfg.Transports, transport) && (!q.secure || transport == "tls")
}

// orDefault: with a numeric host or a port, and no transport given, it is UDP for sip and TLS for sips (RFC
// 3263 4.1); a caller without UDP gets its best one.
func (q *query) orDefault(transport string) string {
	switch {
	case transport != "":
		return transport
	case q.secure:
		return "tls"
	case q.usable("udp"):
		return "udp"
	}
	return q.r.cfg.Transports[0]
}

func (q *query) add(transport string, ip netip.Addr, port uint16) {
	t := Target{Transport: transport, Addr: netip.AddrPortFrom(ip.Unmap(), port), Tier: q.tier}
	if transport == "tls" {
		t.ServerName = q.serverName
	}
	same := func(o Target) bool { return o.Transport == t.Transport && o.Addr == t.Addr }
	if len(q.targets) < maxTargets && !slices.ContainsFunc(q.targets, same) {
		q.targets = append(q.targets, t)
	}
}

// lower begins a new tier, unless the present one is empty.
func (q *query) lower() {
	if n := len(q.targets); n > 0 && q.targets[n-1].Tier == q.tier {
		q.tier++
	}
}

// discover lets the DNS choose the transport: NAPTR, else SRV of every transport, else A and AAAA (RFC 3263 4.1, 4.2).
func (q *query) discover(ctx context.Context, host string) error {
	found, err := q.naptr(ctx, host)
	if found || ctx.Err() != nil {
		return err
	}
	type answer struct {
		records []SRV
		err     error
	}
	// All at once: three time-outs one after the other would be felt.
	answers := make(map[string]*answer)
	var wg sync.WaitGroup
	for _, s := range services {
		if !q.usable(s.transport) {
			continue
		}
		a := &answer{}
		answers[s.transport] = a
		wg.Go(func() { a.records, a.err = q.r.srv(ctx, s.srv+host) })
	}
	wg.Wait()
	offered := false
	for _, transport := range q.r.cfg.Transports {
		if a := answers[transport]; a != nil && a.err == nil {
			offered = true
			err = errors.Join(err, q.follow(ctx, transport, a.records))
		}
	}
	if offered {
		return q.unlessFound(err)
	}
	t := q.orDefault("")
	return q.addresses(ctx, t, host, int(portOr(0, t)))
}

// naptr follows the NAPTR records in their order; found is true when there was one to follow.
func (q *query) naptr(ctx context.Context, host string) (found bool, err error) {
	patient, cancel := context.WithTimeout(ctx, naptrPatience)
	records, err := q.r.naptr(patient, host)
	cancel()
	if err != nil {
		return false, nil //nolint:nilerr // absent or unanswered alike: SRV is next (RFC 3263 4.1)
	}
	return q.followNAPTR(ctx, records)
}

func (q *query) followNAPTR(ctx context.Context, records []NAPTR) (found bool, err error) {
	for _, n := range records {
		for _, s := range services {
			if !strings.EqualFold(n.Service, s.naptr) || !q.usable(s.transport) {
				continue
			}
			name := strings.TrimSuffix(n.Replacement, ".")
			switch strings.ToLower(n.Flags) {
			case "s":
				found = true
				srv, e := q.r.srv(ctx, name)
				if e == nil {
					e = q.follow(ctx, s.transport, srv)
				}
				err = errors.Join(err, e)
			case "a":
				found = true
				q.lower()
				err = errors.Join(err, q.addresses(ctx, s.transport, name, int(portOr(0, s.transport))))
			}
		}
	}
	return found, q.unlessFound(err)
}

// service looks up one given transport: its SRV records, else A and AAAA with the default port (RFC 3263 4.2).
func (q *query) service(ctx context.Context, transport, host string) error {
	for _, s := range services {
		if s.transport != transport {
			continue
		}
		if records, err := q.r.srv(ctx, s.srv+host); err == nil {
			return q.follow(ctx, transport, records)
		}
	}
	return q.addresses(ctx, transport, host, int(portOr(0, transport)))
}

// follow resolves SRV records in the order they have been put in.
func (q *query) follow(ctx context.Context, transport string, records []SRV) error {
	var err error
	q.lower()
	for i, s := range records {
		if len(q.targets) >= maxTargets {
			break
		}
		if i > 0 && records[i-1].Priority != s.Priority {
			q.lower()
		}
		if s.Target == "." || s.Target == "" { // RFC 2782: decidedly not available
			continue
		}
		err = errors.Join(err, q.addresses(ctx, transport, strings.TrimSuffix(s.Target, "."), int(s.Port)))
	}
	return q.unlessFound(err)
}

func (q *query) addresses(ctx context.Context, transport, host string, port int) error {
	if ip, err := netip.ParseAddr(host); err == nil { // an SRV target that is a number: wrong, and seen
		q.add(transport, ip, portOr(port, transport))
		return nil
	}
	ips, err := q.r.addr(ctx, host)
	if err != nil {
		return err
	}
	for _, ip := range ips {
		q.add(transport, ip, portOr(port, transport))
	}
	return nil
}

// unlessFound keeps an error only when it left nothing to try.
func (q *query) unlessFound(err error) error {
	if len(q.targets) > 0 {
		return nil
	}
	return err
}

// farTier is more than the tiers of one answer.
const farTier = 1 << 10

// sorted puts targets this computer has no way to behind the others.
func (q *query) sorted() []Target {
	if q.r.cfg.Reachable == nil {
		return q.targets
	}
	var far []Target
	near := make([]Target, 0, len(q.targets))
	for _, t := range q.targets {
		if q.r.cfg.Reachable(t.Addr) {
			near = append(near, t)
		} else {
			t.Tier += farTier
			far = append(far, t)
		}
	}
	return append(near, far...)
}

// The cached questions. Records are put in order when they come in, so that the choice among SRV weights holds
// for their time to live: a phone that changed its registrar with every refresh would lose its nonces and
// flows.

func (r *Resolver) naptr(ctx context.Context, name string) ([]NAPTR, error) {
	return ask(ctx, &r.cache, "naptr "+name, func() ([]NAPTR, time.Duration, error) {
		records, ttl, err := r.cfg.DNS.NAPTR(ctx, name)
		slices.SortStableFunc(records, func(a, b NAPTR) int {
			if a.Order != b.Order {
				return int(a.Order) - int(b.Order)
			}
			return int(a.Preference) - int(b.Preference)
		})
		return records, ttl, err
	})
}

func (r *Resolver) srv(ctx context.Context, name string) ([]SRV, error) {
	return ask(ctx, &r.cache, "srv "+name, func() ([]SRV, time.Duration, error) {
		records, ttl, err := r.cfg.DNS.SRV(ctx, name)
		return orderSRV(records, r.cfg.Rand), ttl, err
	})
}

func (r *Resolver) addr(ctx context.Context, name string) ([]netip.Addr, error) {
	return ask(ctx, &r.cache, "addr "+name, func() ([]netip.Addr, time.Duration, error) {
		return r.cfg.DNS.Addr(ctx, name)
	})
}

// orderSRV puts records in the order of RFC 2782: by priority, and within one at random by weight, zero weights
// last but not never.
func orderSRV(records []SRV, random func(n int) int) []SRV {
	rest := slices.Clone(records)
	slices.SortStableFunc(rest, func(a, b SRV) int {
		if a.Priority != b.Priority {
			return int(a.Priority) - int(b.Priority)
		}
		return int(min(a.Weight, 1)) - int(min(b.Weight, 1)) // RFC 2782: those of weight 0 at the beginning of the list
	})
	out := make([]SRV, 0, len(rest))
	for len(rest) > 0 {
		n, total := 0, 0
		for n < len(rest) && rest[n].Priority == rest[0].Priority {
			total += int(rest[n].Weight)
			n++
		}
		pick, sum, want := 0, 0, random(total+1)
		for i := range n {
			if sum += int(rest[i].Weight); sum >= want {
				pick = i
				break
			}
		}
		out = append(out, rest[pick])
		rest = slices.Delete(rest, pick, pick+1)
	}
	return out
}
