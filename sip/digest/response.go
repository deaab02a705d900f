package digest

import (
	"crypto/md5" //nolint:gosec // RFC 3261 22.4 servers still ask for MD5; SHA-256 is taken where offered
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// algorithm is one row of the RFC 7616 6.1 registry.
type algorithm struct {
	name     string
	sum      func() hash.Hash
	session  bool
	strength int // MD5 below both SHA-2 ones, which count as equal: the server's order decides between them
}

// algorithmOf finds an algorithm by its name in any case; "" is MD5 (RFC 7616 3.3).
func algorithmOf(name string) (algorithm, bool) {
	base, session := strings.CutSuffix(strings.ToUpper(name), "-SESS")
	a := algorithm{name: base, session: session}
	switch base {
	case "", "MD5":
		a.name, a.sum, a.strength = "MD5", md5.New, 1
	case "SHA-256":
		a.sum, a.strength = sha256.New, 2
	case "SHA-512-256":
		a.sum, a.strength = sha512.New512_256, 2
	default:
		return algorithm{}, false
	}
	if name == "" && session {
		return algorithm{}, false
	}
	return a, true
}

func (a algorithm) hex(parts ...string) string {
	h := a.sum()
	h.Write([]byte(strings.Join(parts, ":")))
	return hex.EncodeToString(h.Sum(nil))
}

// Credentials is an Authorization or Proxy-Authorization value of scheme Digest (RFC 7616 3.4).
type Credentials struct {
	Username  string // plain text; escaped and unescaped on the way
	Realm     string // as in Challenge
	Nonce     string
	URI       string
	Response  string // lower-case hex
	Algorithm string // empty means MD5
	CNonce    string
	Opaque    string
	QOP       string // "", "auth" or "auth-int"
	NC        uint32 // 0 when absent
}

// ParseCredentials reads an Authorization or Proxy-Authorization header value as leniently as ParseChallenge.
func ParseCredentials(h string) (Credentials, error) {
	sections, err := parseSections(h, maxAnswer)
	if err != nil {
		return Credentials{}, err
	}
	if len(sections) == 0 || !strings.EqualFold(sections[0].scheme, "Digest") {
		return Credentials{}, ErrNoDigest
	}
	s := sections[0]
	c := Credentials{
		Username: unescapeQuoted(s.get("username")), Realm: s.get("realm"), Nonce: s.get("nonce"), URI: s.get("uri"),
		Response: strings.ToLower(s.get("response")), Algorithm: s.get("algorithm"), CNonce: s.get("cnonce"),
		Opaque: s.get("opaque"), QOP: strings.ToLower(s.get("qop")),
	}
	if nc := s.get("nc"); nc != "" {
		n, err := strconv.ParseUint(nc, 16, 32)
		if err != nil {
			return Credentials{}, ErrMalformed
		}
		c.NC = uint32(n)
	}
	if c.Username == "" || c.Nonce == "" || c.Response == "" {
		return Credentials{}, ErrMalformed
	}
	return c, nil
}

// String writes the header value with the quoting of RFC 7616 3.4: algorithm, qop and nc stand without quotes.
func (c Credentials) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, `Digest username="%s", realm="%s", nonce="%s", uri="%s", response="%s"`,
		escapeQuoted(c.Username), c.Realm, c.Nonce, c.URI, c.Response)
	if c.Algorithm != "" {
		b.WriteString(", algorithm=" + c.Algorithm)
	}
	if c.CNonce != "" {
		b.WriteString(`, cnonce="` + c.CNonce + `"`)
	}
	if c.Opaque != "" {
		b.WriteString(`, opaque="` + c.Opaque + `"`)
	}
	if c.QOP != "" {
		fmt.Fprintf(&b, ", qop=%s, nc=%08x", c.QOP, c.NC)
	}
	return b.String()
}

// expected is the response these credentials should carry for a password (RFC 7616 3.4.1). ok is false for an unknown
// algorithm or qop.
func (c Credentials) expected(method, password string, body []byte) (response string, ok bool) {
	a, ok := algorithmOf(c.Algorithm)
	if !ok {
		return "", false
	}
	ha1 := a.hex(c.Username, c.Realm, password)
	if a.session { // RFC 7616 3.4.2
		ha1 = a.hex(ha1, c.Nonce, c.CNonce)
	}
	switch c.QOP {
	case "": // RFC 2069, kept by RFC 3261 22.4
		return a.hex(ha1, c.Nonce, a.hex(method, c.URI)), true
	case "auth":
		return a.hex(ha1, c.Nonce, fmt.Sprintf("%08x", c.NC), c.CNonce, c.QOP, a.hex(method, c.URI)), true
	case "auth-int": // RFC 7616 3.4.3: an empty body counts as the empty string
		ha2 := a.hex(method, c.URI, a.hex(string(body)))
		return a.hex(ha1, c.Nonce, fmt.Sprintf("%08x", c.NC), c.CNonce, c.QOP, ha2), true
	}
	return "", false
}

func escapeQuoted(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "").Replace(s)
}

func unescapeQuoted(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
