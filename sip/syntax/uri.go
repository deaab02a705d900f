package syntax

import (
	"bytes"
	"net/netip"
)

// scheme gives the scheme of a URI, nil when there is none (RFC 3261 25.1: ALPHA *(ALPHA / DIGIT / "+" / "-" / ".")).
func scheme(uri []byte) []byte {
	for i, c := range uri {
		switch {
		case c == ':' && i > 0:
			return uri[:i]
		case is(c, cAlpha), i > 0 && (is(c, cDigit) || c == '+' || c == '-' || c == '.'):
		default:
			return nil
		}
	}
	return nil
}

func isSIP(scheme []byte) bool { return equalFold(scheme, "sip") || equalFold(scheme, "sips") }

// validURI tells whether b may stand as an addr-spec: a SIP URI that package uri will read, or anything of another
// scheme that does not break out of its header field. It is liberal where phones are: a "#" in the user, names with
// bytes above ASCII.
func validURI(b []byte) bool {
	s := scheme(b)
	if s == nil || len(b) == len(s)+1 || len(b) > MaxURI {
		return false
	}
	for _, c := range b {
		if c <= ' ' || c == 0x7f || c == '"' || c == '<' || c == '>' || c == '\\' {
			return false
		}
	}
	if isSIP(s) {
		return validSIP(b[len(s)+1:])
	}
	return letters(s)
}

// letters tells whether a scheme has letters alone, as all have that name people (sip, sips, tel, im, pres, mailto):
// the parser behind knows no others in an address.
func letters(scheme []byte) bool {
	for _, c := range scheme {
		if !is(c, cAlpha) {
			return false
		}
	}
	return true
}

// validSIP checks what follows the scheme: [userinfo "@"] hostport *(";" param) ["?" headers], RFC 3261 19.1.1.
func validSIP(rest []byte) bool {
	// The first "@" ends the userinfo: see package uri.
	if i := bytes.IndexByte(rest, '@'); i >= 0 {
		if i == 0 || rest[0] == ':' || !validEscapes(rest[:i]) {
			return false // with an "@" the user must not be empty
		}
		if bytes.ContainsAny(rest[:i], "[]") {
			return false // the parser behind takes them for the beginning of a host
		}
		rest = rest[i+1:]
	} else if len(rest) > 0 && rest[0] != '[' && bytes.IndexByte(rest, '[') > 0 {
		return false // the same, in a parameter of a URI without a user
	}
	rest, headers, _ := bytes.Cut(rest, []byte("?"))
	hostport, params, _ := bytes.Cut(rest, []byte(";"))
	return validHostPort(hostport) && validParams(params) && validEscapes(params) && validEscapes(headers) &&
		bytes.Count(headers, []byte("&")) < maxParams
}

// validParams wants a name in each parameter of a URI; empty ones are sent by real phones and mean nothing. There may
// not be many: whoever keeps each name only once compares it with all before.
func validParams(params []byte) bool {
	for n := 0; len(params) > 0; n++ {
		if n >= maxParams {
			return false
		}
		var one []byte
		one, params, _ = bytes.Cut(params, []byte(";"))
		if len(one) > 0 && one[0] == '=' {
			return false
		}
	}
	return true
}

// validEscapes wants two hexadecimal digits after each "%". That %00 is not one to act upon is for the user of the
// URI (RFC 4475 3.1.1.4).
func validEscapes(b []byte) bool {
	for {
		i := bytes.IndexByte(b, '%')
		if i < 0 {
			return true
		}
		if i+2 >= len(b) || !is(b[i+1], cHex) || !is(b[i+2], cHex) {
			return false
		}
		b = b[i+3:]
	}
}

func validHostPort(b []byte) bool {
	host, port, ok := cutPort(b)
	return ok && validHost(host) && (port == nil || validPort(port))
}

// cutPort parts host and port at the colon after any bracket; port is nil when there is no colon.
func cutPort(b []byte) (host, port []byte, ok bool) {
	var end int
	if len(b) > 0 && b[0] == '[' {
		end = bytes.IndexByte(b, ']') + 1
		if end == 0 {
			return nil, nil, false
		}
	} else if end = bytes.IndexByte(b, ':'); end < 0 {
		return b, nil, true
	}
	if end == len(b) {
		return b, nil, true
	}
	return b[:end], b[end+1:], b[end] == ':'
}

func validPort(b []byte) bool {
	n, ok := number(b, 65535)
	return ok && n > 0
}

// validHost checks a hostname, IPv4 address or IPv6 reference.
func validHost(h []byte) bool {
	if len(h) > 2 && h[0] == '[' && h[len(h)-1] == ']' {
		return validIPv6(h[1 : len(h)-1])
	}
	return len(h) > 0 && len(h) <= 255 && h[0] != '.' && all(h, cHost) && !bytes.Contains(h, []byte(".."))
}

func validIPv6(b []byte) bool {
	if len(b) > 80 { // 45 with an embedded IPv4 address, and a zone
		return false
	}
	text := string(b)
	// RFC 5118 4.10: a third colon before an IPv4 address comes from the grammar of RFC 3261; tolerate it.
	if i := bytes.Index(b, []byte(":::")); i >= 0 && bytes.IndexByte(b[i:], '.') > 0 {
		text = string(b[:i+1]) + string(b[i+2:])
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || !ip.Is6() {
		return false
	}
	zone := ip.Zone()
	for i := range len(zone) {
		if c := zone[i]; !is(c, cAlpha|cDigit) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return len(zone) <= 32
}
