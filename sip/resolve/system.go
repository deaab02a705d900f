package resolve

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"
)

// keepLibrary is how long answers of the standard library are kept: it does not tell their time to live.
const keepLibrary = 30 * time.Second

// Library is the DNS of package net: it follows the rules of the operating system, but knows neither NAPTR nor
// times to live. It serves Windows, mDNS names, and computers without /etc/resolv.conf.
type Library struct{ Resolver *net.Resolver } // nil: net.DefaultResolver

var _ DNS = Library{}

func (l Library) resolver() *net.Resolver {
	if l.Resolver == nil {
		return net.DefaultResolver
	}
	return l.Resolver
}

// NAPTR says that there are none, which sends RFC 3263 on to SRV.
func (l Library) NAPTR(context.Context, string) ([]NAPTR, time.Duration, error) {
	return nil, keepLibrary, ErrNotFound
}

// SRV asks for the whole name, such as "_sip._udp.info.test".
func (l Library) SRV(ctx context.Context, name string) ([]SRV, time.Duration, error) {
	_, found, err := l.resolver().LookupSRV(ctx, "", "", name)
	if err != nil && len(found) == 0 {
		return nil, keepLibrary, libraryError(err)
	}
	out := make([]SRV, 0, len(found))
	for _, s := range found {
		out = append(out, SRV{Target: s.Target, Port: s.Port, Priority: s.Priority, Weight: s.Weight})
	}
	return out, keepLibrary, nil
}

// Addr asks for A and AAAA, IPv4 first.
func (l Library) Addr(ctx context.Context, name string) ([]netip.Addr, time.Duration, error) {
	ips, err := l.resolver().LookupNetIP(ctx, "ip", name)
	if err != nil {
		return nil, keepLibrary, libraryError(err)
	}
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	fourFirst(ips)
	return ips, keepLibrary, nil
}

func libraryError(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return ErrNotFound
	}
	return err
}

// fourFirst puts IPv4 before IPv6: the peers behind a SIP server mostly have IPv4 media only, and there is no
// happy-eyeballs for SIP over UDP (RFC 7984 covers servers, not media).
func fourFirst(ips []netip.Addr) {
	slices.SortStableFunc(ips, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
}
