// Package digest is HTTP Digest authentication as SIP uses it: RFC 7616 with RFC 8760 (SHA-256 and SHA-512-256
// beside MD5) and the older RFC 2617 and RFC 2069 forms that real servers still send. It serves package sip as
// a client and package server as a server, and imports the standard library only.
//
// A client keeps one Cache. On a 401 or 407 it calls Cache.Rejected (the password is wrong, ask the person),
// then Cache.Challenge with the header values, and repeats the request with the header of Cache.Authorize.
// Later requests to the same next hop call Authorize first and so save the round trip of a challenge. A server
// keeps one Verifier.
//
// Passwords, digests and nonces are never logged nor put into errors.
package digest

import (
	"errors"
	"slices"
	"strings"
)

// Bounds on what a peer sends. The longest challenge seen from real servers is about 400 bytes.
const (
	maxHeader     = 4096
	maxAnswer     = maxHeader + 2048 // credentials repeat what the challenge said and add to it
	maxChallenges = 16
	maxParams     = 32
)

// The ways in which reading fails; test with errors.Is.
var (
	ErrNoDigest    = errors.New("no digest challenge or credentials")
	ErrMalformed   = errors.New("malformed digest header")
	ErrUnsupported = errors.New("no challenge with a supported algorithm and qop")
)

// Challenge is one WWW-Authenticate or Proxy-Authenticate value of scheme Digest (RFC 7616 3.3).
type Challenge struct {
	Realm     string   // as between the quotes, escapes kept (RFC 7616 3.4.1 unq())
	Nonce     string   // the same
	Opaque    string   // the same; empty when absent
	Algorithm string   // as it came; empty means MD5
	QOP       []string // in lower case; empty for the RFC 2069 form
	Stale     bool     // the nonce was too old, the password is not wrong
}

// ParseChallenge reads the first Digest challenge of a header value. It accepts what real servers send: missing
// or needless quotes, any case, spaces around "=", empty list elements, unknown parameters.
func ParseChallenge(h string) (Challenge, error) {
	all, err := parseAll(h)
	if err != nil {
		return Challenge{}, err
	}
	if len(all) == 0 {
		return Challenge{}, ErrNoDigest
	}
	return all[0], nil
}

// ParseChallenges reads every Digest challenge of several header values, in their order. Values may hold
// several challenges each (RFC 7235 4.1); other schemes and malformed values are passed over.
func ParseChallenges(headers []string) []Challenge {
	var out []Challenge
	for _, h := range headers {
		all, err := parseAll(h)
		if err != nil {
			continue
		}
		out = append(out, all...)
		if len(out) >= maxChallenges {
			return out[:maxChallenges]
		}
	}
	return out
}

func parseAll(h string) ([]Challenge, error) {
	sections, err := parseSections(h, maxHeader)
	if err != nil {
		return nil, err
	}
	var out []Challenge
	for _, s := range sections {
		if !strings.EqualFold(s.scheme, "Digest") {
			continue
		}
		c := Challenge{
			Opaque: s.get("opaque"), Algorithm: s.get("algorithm"),
			Stale: strings.EqualFold(s.get("stale"), "true"),
		}
		var hasRealm, hasNonce bool
		c.Realm, hasRealm = s.lookup("realm")
		c.Nonce, hasNonce = s.lookup("nonce")
		if !hasRealm || !hasNonce || c.Nonce == "" {
			return nil, ErrMalformed
		}
		between := func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }
		for _, q := range strings.FieldsFunc(s.get("qop"), between) {
			c.QOP = append(c.QOP, strings.ToLower(q))
		}
		out = append(out, c)
	}
	return out, nil
}

// String writes the challenge as a server sends it.
func (c Challenge) String() string {
	var b strings.Builder
	b.WriteString(`Digest realm="` + c.Realm + `", nonce="` + c.Nonce + `"`)
	if c.Opaque != "" {
		b.WriteString(`, opaque="` + c.Opaque + `"`)
	}
	if c.Stale {
		b.WriteString(", stale=true")
	}
	if c.Algorithm != "" {
		b.WriteString(", algorithm=" + c.Algorithm) // RFC 7616 3.3: not quoted
	}
	if len(c.QOP) > 0 {
		b.WriteString(`, qop="` + strings.Join(c.QOP, ",") + `"`) // RFC 7616 3.3: quoted
	}
	return b.String()
}

// qop gives the protection to use: auth before auth-int, "" for the RFC 2069 form; ok is false when only
// unknown ones are offered. auth comes first because proxies that rewrite bodies (RTP relays) break auth-int.
func (c Challenge) qop() (qop string, ok bool) {
	switch {
	case len(c.QOP) == 0:
		return "", true
	case slices.Contains(c.QOP, "auth"):
		return "auth", true
	case slices.Contains(c.QOP, "auth-int"):
		return "auth-int", true
	}
	return "", false
}

// best gives, per realm, the challenge to answer: the strongest hash, and among equals the topmost (RFC 8760 2.4).
func best(all []Challenge) []Challenge {
	var out []Challenge
	for _, c := range all {
		a, known := algorithmOf(c.Algorithm)
		if _, ok := c.qop(); !known || !ok {
			continue
		}
		i := slices.IndexFunc(out, func(o Challenge) bool { return o.Realm == c.Realm })
		if i < 0 {
			out = append(out, c)
			continue
		}
		if have, _ := algorithmOf(out[i].Algorithm); a.strength > have.strength {
			out[i] = c
		}
	}
	return out
}

// section is one scheme with its parameters.
type section struct {
	scheme string
	params []param
}

type param struct{ name, value string }

func (s section) lookup(name string) (string, bool) {
	for _, p := range s.params {
		if strings.EqualFold(p.name, name) {
			return p.value, true
		}
	}
	return "", false
}

func (s section) get(name string) string {
	v, _ := s.lookup(name)
	return v
}

// parseSections reads `Scheme a=b, c="d", Scheme2 …`: a token followed by "=" is a parameter, any other begins
// a scheme.
func parseSections(h string, most int) ([]section, error) {
	control := func(r rune) bool { return r == 0x7f || r < ' ' && r != '\t' && r != '\r' && r != '\n' }
	if len(h) > most || strings.ContainsFunc(h, control) {
		return nil, ErrMalformed
	}
	var out []section
	for {
		h = strings.TrimLeft(h, ", \t\r\n")
		if h == "" {
			return out, nil
		}
		end := strings.IndexAny(h, "=, \t\r\n")
		if end < 0 {
			end = len(h)
		}
		name := h[:end]
		rest := strings.TrimLeft(h[end:], " \t\r\n")
		if !strings.HasPrefix(rest, "=") {
			if len(out) == maxChallenges {
				return nil, ErrMalformed
			}
			out, h = append(out, section{scheme: name}), rest
			continue
		}
		value, after, ok := parseValue(strings.TrimLeft(rest[1:], " \t\r\n"))
		if !ok || len(out) == 0 || name == "" {
			return nil, ErrMalformed
		}
		last := &out[len(out)-1]
		if len(last.params) == maxParams {
			return nil, ErrMalformed
		}
		last.params, h = append(last.params, param{name, value}), after
	}
}

// parseValue reads a quoted string (its escapes kept) or everything up to the next comma.
func parseValue(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		end := strings.IndexByte(s, ',')
		if end < 0 {
			end = len(s)
		}
		value = strings.TrimSpace(s[:end])
		return value, s[end:], !strings.ContainsAny(value, "\"\\\r\n")
	}
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return unfold(s[1:i]), s[i+1:], true
		}
	}
	return "", "", false
}

// unfold keeps line breaks of a folded header out of what we send back.
func unfold(s string) string {
	if !strings.ContainsAny(s, "\r\n") {
		return s
	}
	// Byte by byte: what is no UTF-8 has to be repeated as it is.
	return strings.NewReplacer("\r", "", "\n", "").Replace(s)
}
