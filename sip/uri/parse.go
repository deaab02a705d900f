package uri

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// The ways in which Parse and ParseAddress fail; test with errors.Is.
var (
	ErrTooLong = errors.New("longer than 2048 bytes")
	ErrScheme  = errors.New("not a sip or sips URI")
	ErrHost    = errors.New("bad host")
	ErrPort    = errors.New("bad port")
	ErrEscape  = errors.New("bad escape or character")
	ErrAddress = errors.New("bad name-addr")
)

// Parse reads a sip: or sips: URI (RFC 3261 19.1.1). White space around it is dropped. tel: and other schemes
// give ErrScheme.
func Parse(s string) (URI, error) {
	u, err := parse(strings.TrimSpace(s))
	if err != nil {
		return URI{}, fmt.Errorf("parse SIP URI: %w", err)
	}
	return u, nil
}

func parse(s string) (URI, error) {
	if len(s) > MaxLength {
		return URI{}, ErrTooLong
	}
	scheme, rest, ok := strings.Cut(s, ":")
	scheme = strings.ToLower(scheme)
	if !ok || scheme != "sip" && scheme != "sips" {
		return URI{}, ErrScheme
	}
	for i := 0; i < len(rest); i++ {
		if breaksHeader(rest[i]) {
			return URI{}, ErrEscape
		}
	}
	u := URI{Scheme: scheme}
	// The first "@" ends the userinfo: neither user nor password may hold a plain one. A later one can only
	// belong to the header part, where some phones forget to escape the Call-ID of a Replaces.
	if info, after, found := strings.Cut(rest, "@"); found {
		if err := u.parseUserinfo(info); err != nil {
			return URI{}, err
		}
		rest = after
	}
	rest, u.Headers, _ = strings.Cut(rest, "?")
	hostport, params, _ := strings.Cut(rest, ";")
	if err := u.parseHostPort(hostport); err != nil {
		return URI{}, err
	}
	if err := u.parseParams(params); err != nil {
		return URI{}, err
	}
	if _, ok := unescape(u.Headers); !ok {
		return URI{}, ErrEscape
	}
	return u, nil
}

func (u *URI) parseUserinfo(info string) error {
	user, password, _ := strings.Cut(info, ":")
	if user == "" {
		return ErrEscape // RFC 3261 19.1.1: with an "@" the user must not be empty
	}
	var ok bool
	if u.User, ok = unescape(user); !ok {
		return ErrEscape
	}
	if u.Password, ok = unescape(password); !ok {
		return ErrEscape
	}
	if escape(u.User, isUserChar) != user {
		u.rawUser = user
	}
	if escape(u.Password, isPasswordChar) != password {
		u.rawPassword = password
	}
	return nil
}

func (u *URI) parseHostPort(s string) error {
	var host, port string
	hasPort := false
	if strings.HasPrefix(s, "[") { // RFC 3261 25.1 IPv6reference
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return ErrHost
		}
		host = twoColons(s[1:end])
		ip, err := netip.ParseAddr(host)
		if err != nil || !ip.Is6() || !zoneOK(ip.Zone()) {
			return ErrHost
		}
		switch after := s[end+1:]; {
		case after == "":
		case after[0] == ':':
			port, hasPort = after[1:], true
		default:
			return ErrHost
		}
	} else {
		host, port, hasPort = strings.Cut(s, ":")
		if !validHostname(host) {
			return ErrHost
		}
	}
	u.Host = host
	if !hasPort {
		return nil
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return ErrPort
	}
	u.Port = int(n)
	return nil
}

// twoColons mends the third colon that the grammar of RFC 3261 lets stand before an embedded IPv4 address: RFC 5118
// 4.10 asks to tolerate it.
func twoColons(host string) string {
	if i := strings.Index(host, ":::"); i >= 0 && strings.IndexByte(host[i:], '.') > 0 {
		return host[:i] + host[i+1:]
	}
	return host
}

// validHostname accepts what resolvers accept: letters, digits, "-", ".", the "_" of real-world names, and any
// byte above ASCII, because internationalised names are passed on as they are.
func validHostname(h string) bool {
	if h == "" || len(h) > 255 || h[0] == '.' || strings.Contains(h, "..") {
		return false
	}
	for i := 0; i < len(h); i++ {
		if c := h[i]; !isAlnum(c) && c != '-' && c != '.' && c != '_' && c < 0x80 {
			return false
		}
	}
	return true
}

// zoneOK bounds the zone of a link-local address. RFC 3261 has none; calls on a LAN by fe80:: addresses need it.
func zoneOK(zone string) bool {
	for i := 0; i < len(zone); i++ {
		if c := zone[i]; !isAlnum(c) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return len(zone) <= 32
}

func (u *URI) parseParams(s string) error {
	for s != "" {
		var one string
		one, s, _ = strings.Cut(s, ";")
		if one == "" {
			continue // ";;" is sent by real phones and means nothing
		}
		name, value, _ := strings.Cut(one, "=")
		name, ok := unescape(name)
		if !ok || name == "" {
			return ErrEscape
		}
		value, ok = unescape(value)
		if !ok {
			return ErrEscape
		}
		u.Params = append(u.Params, Param{Name: name, Value: value})
	}
	return nil
}
