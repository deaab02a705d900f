package sip

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// linkReader is a Network that can tell the prefixes of this computer's links.
type linkReader interface {
	OnLink() ([]netip.Prefix, error)
}

// onLinkFor is how long what was read of the links counts; reading costs some system calls.
const onLinkFor = 10 * time.Second

// maxLinks bounds the prefixes in memory.
const maxLinks = 64

// onLink knows the addresses that are reached without a router: global IPv6 addresses of neighbours.
type onLink struct {
	read func() ([]netip.Prefix, error)

	mu       sync.Mutex
	until    time.Time
	prefixes []netip.Prefix
}

// newOnLink asks the network if it can tell, the system if it is the system's, else nobody.
func newOnLink(n Network) *onLink {
	o := &onLink{read: func() ([]netip.Prefix, error) { return nil, nil }}
	switch n := n.(type) {
	case linkReader:
		o.read = n.OnLink
	case OSNetwork:
		o.read = systemLinks
	}
	return o
}

func systemLinks() ([]netip.Prefix, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var out []netip.Prefix
	for _, a := range addrs {
		p, err := netip.ParsePrefix(a.String())
		if err == nil && p.Bits() > 0 && len(out) < maxLinks {
			out = append(out, p.Masked())
		}
	}
	return out, nil
}

// has tells whether an address is on a link of ours.
func (o *onLink) has(a netip.Addr, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.After(o.until) {
		o.until = now.Add(onLinkFor)
		if ps, err := o.read(); err == nil {
			o.prefixes = ps
		}
	}
	for _, p := range o.prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// forget makes the next question read anew: the network has changed.
func (o *onLink) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.until = time.Time{}
}
