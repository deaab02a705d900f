package uri

import (
	"net/netip"
	"slices"
	"strings"
)

// neverIgnored are the parameters that make two URIs different when only one has them. RFC 3261 19.1.4 names
// user, ttl, method and maddr in its rules and shows transport in its examples ("can resolve to different
// transports").
//
//nolint:gochecknoglobals // constant table
var neverIgnored = [...]string{"user", "ttl", "method", "maddr", "transport"}

// Equal compares by RFC 3261 19.1.4: user and password with case, all else without; a port that is given
// differs from one that is not; parameters in both must match; headers must be the same set. IPv6 hosts compare
// as addresses (RFC 5954 4.2).
func (u URI) Equal(v URI) bool {
	if u.IsZero() || v.IsZero() {
		return u.IsZero() && v.IsZero()
	}
	return u.scheme() == v.scheme() &&
		canonical(encoded(u.User, u.rawUser, isUserChar)) == canonical(encoded(v.User, v.rawUser, isUserChar)) &&
		canonical(encoded(u.Password, u.rawPassword, isPasswordChar)) ==
			canonical(encoded(v.Password, v.rawPassword, isPasswordChar)) &&
		equalHosts(u.Host, v.Host) &&
		u.Port == v.Port &&
		equalParams(u.Params, v.Params) &&
		slices.Equal(headerSet(u.Headers), headerSet(v.Headers))
}

// SameUser reports whether two URIs name the same party whatever the port, parameters and headers: user with
// case, host without.
func (u URI) SameUser(v URI) bool {
	return u.User == v.User && equalHosts(u.Host, v.Host)
}

func equalHosts(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	if !strings.Contains(a, ":") {
		return false
	}
	x, errA := netip.ParseAddr(a)
	y, errB := netip.ParseAddr(b)
	return errA == nil && errB == nil && x == y
}

// equalParams compares the first parameter of each name: there should not be another (RFC 3261 19.1.1).
func equalParams(a, b Params) bool {
	for _, p := range a {
		if v, ok := b.Lookup(p.Name); ok && !strings.EqualFold(v, a.Get(p.Name)) {
			return false
		}
	}
	for _, name := range neverIgnored {
		if a.Has(name) != b.Has(name) {
			return false
		}
	}
	return true
}

// headerSet gives the headers in one order, names in lower case, values decoded.
func headerSet(headers string) []string {
	if headers == "" {
		return nil
	}
	set := strings.Split(headers, "&")
	for i, h := range set {
		name, value, _ := strings.Cut(h, "=")
		if v, ok := unescape(value); ok {
			value = v
		}
		set[i] = strings.ToLower(name) + "=" + value
	}
	slices.Sort(set)
	return set
}
