package trust

import (
	"crypto/x509"
	"net"
	"net/url"
	"strings"
)

const (
	// maxNames bounds what is told of a certificate.
	maxNames = 16
	// longestName is that of the DNS (RFC 1035 2.3.4).
	longestName = 253
)

// Names gives whom a certificate is for, in the order they count; at most 16.
func Names(c *x509.Certificate) []string {
	names := sipDomains(c)
	if len(names) == 0 {
		names = append(names, c.DNSNames...)
	}
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return names[:min(len(names), maxNames)]
}

// sipDomains gives the SIP identities of a certificate: "sip" URIs without a user (RFC 5922 7.1).
func sipDomains(c *x509.Certificate) []string {
	var out []string
	for _, u := range c.URIs {
		if d := sipDomain(u); d != "" {
			out = append(out, d)
		}
	}
	return out
}

func sipDomain(u *url.URL) string {
	if !strings.EqualFold(u.Scheme, "sip") { // RFC 5922 7.1: not even "sips"
		return ""
	}
	host := u.Opaque // "sip:example.com" has no slashes
	if host == "" {
		host = u.Host
	}
	host, _, _ = strings.Cut(host, ";")
	host, _, _ = strings.Cut(host, "?")
	if strings.Contains(host, "@") || u.User != nil { // that of a person
		return ""
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.Trim(host, "[]")
}

// matches tells whether a certificate is for name (RFC 5922 7.2). SIP URIs count first, and only without them DNS
// names (7.1); the common name never does. An address must be among the addresses (RFC 5280 4.2.1.6).
//
// RFC 5922 7.2 forbids wildcards. In a DNS name we take one that stands for the left-most label, as RFC 9525 6.3 does
// for everybody else: many providers' proxies have such certificates, bought for their web servers, and their users
// would have to give up checking instead. It never stands for a whole domain ("*.com"), nor in a SIP URI.
func matches(c *x509.Certificate, name string) bool {
	name = canonical(name)
	if name == "" {
		return false
	}
	if ip := net.ParseIP(name); ip != nil {
		for _, have := range c.IPAddresses {
			if have.Equal(ip) {
				return true
			}
		}
		return matchesAny(sipDomains(c), name)
	}
	if domains := sipDomains(c); len(domains) > 0 {
		return matchesAny(domains, name)
	}
	for _, have := range c.DNSNames {
		have = canonical(have)
		if have != "" && have == name || wildcard(have, name) {
			return true
		}
	}
	return false
}

func matchesAny(have []string, name string) bool {
	for _, h := range have {
		if canonical(h) == name && !strings.Contains(h, "*") {
			return true
		}
	}
	return false
}

// wildcard tells whether a pattern such as "*.example.com" stands for a name.
func wildcard(pattern, name string) bool {
	rest, found := strings.CutPrefix(pattern, "*.")
	if !found || !strings.Contains(rest, ".") || strings.Contains(rest, "*") {
		return false
	}
	label, domain, found := strings.Cut(name, ".")
	return found && label != "" && domain == rest
}

// canonical is a name for comparison: ASCII letters do not differ by case (RFC 4343), and a dot at the end says
// nothing. "" for what can be no name.
func canonical(name string) string {
	name = strings.TrimSuffix(name, ".")
	if len(name) > longestName || strings.ContainsAny(name, "\x00 /@") {
		return ""
	}
	return strings.ToLower(name)
}
