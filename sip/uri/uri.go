// Package uri is the SIP and SIPS URI of RFC 3261 section 19.1, the name-addr around it (section 20.10) and the
// reading of what a person types into a dial field. It is used by every package that names a party and imports
// the standard library only.
//
// Order of calls: Parse what came over the wire, FromUser what came from a keyboard, ParseAddress what stood in
// a From, To or Contact header; compare with Equal; write with String. All functions are pure and safe from any
// goroutine. Hostile input gives an error, never a panic, and nothing longer than MaxLength is looked at.
package uri

import (
	"net/netip"
	"strconv"
	"strings"
)

// MaxLength is the longest URI or name-addr accepted, in bytes. Real ones stay below 300; 2 kB leaves room for
// a Refer-To with an escaped Replaces header and still bounds the work per header.
const MaxLength = 2048

// URI is a SIP or SIPS URI in its decoded parts. The zero value is no URI (IsZero). A URI made by hand needs
// Scheme and Host.
type URI struct {
	Scheme   string // "sip" or "sips"
	User     string // decoded; empty when absent
	Password string // decoded; empty when absent (RFC 3261 19.1.1 advises against it)
	Host     string // domain name, IPv4 or IPv6 address; IPv6 without its brackets; IDN as it came
	Port     int    // 1..65535, 0 when absent
	Params   Params // in the order they came
	Headers  string // what follows "?", still escaped; empty when absent

	// rawUser and rawPassword keep a peer's own escaping where it differs from ours: "a%3Bb" and "a;b" decode
	// alike and are different users (RFC 3261 19.1.4), and a Request-URI must go back as the peer wrote it.
	rawUser, rawPassword string
}

// New gives a sip: URI of a user at a host (no brackets), with port 0 for none.
func New(user, host string, port int) URI {
	return URI{Scheme: "sip", User: user, Host: host, Port: port}
}

// IsZero reports whether u names nothing.
func (u URI) IsZero() bool { return u.Host == "" }

// String writes u with the escaping RFC 3261 25.1 asks for. The zero URI gives "".
func (u URI) String() string {
	if u.IsZero() {
		return ""
	}
	var b strings.Builder
	b.Grow(16 + len(u.User) + len(u.Host))
	b.WriteString(u.scheme())
	b.WriteByte(':')
	if u.User != "" {
		b.WriteString(encoded(u.User, u.rawUser, isUserChar))
		if u.Password != "" {
			b.WriteByte(':')
			b.WriteString(encoded(u.Password, u.rawPassword, isPasswordChar))
		}
		b.WriteByte('@')
	}
	b.WriteString(u.HostPort())
	for _, p := range u.Params {
		b.WriteByte(';')
		b.WriteString(escape(p.Name, isParamChar))
		if p.Value != "" {
			b.WriteByte('=')
			b.WriteString(escape(p.Value, isParamChar))
		}
	}
	if u.Headers != "" {
		b.WriteByte('?')
		b.WriteString(u.Headers)
	}
	return b.String()
}

// HostPort is the host, in brackets when it is IPv6, with ":port" when a port is given.
func (u URI) HostPort() string {
	host := u.Host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if u.Port != 0 {
		host += ":" + strconv.Itoa(u.Port)
	}
	return host
}

// IP gives the host as an address when it is a numeric one.
func (u URI) IP() (netip.Addr, bool) {
	a, err := netip.ParseAddr(u.Host)
	return a, err == nil
}

// Secure reports whether u is a SIPS URI.
func (u URI) Secure() bool { return u.scheme() == "sips" }

// Transport is the transport parameter in lower case, "" when absent.
func (u URI) Transport() string { return strings.ToLower(u.Params.Get("transport")) }

// AOR is the address of record: scheme, user and host only, the host in lower case, the user in its own case
// because users are case-sensitive (RFC 3261 19.1.4). A port stays only when it is not the default one of the
// scheme.
func (u URI) AOR() URI {
	if u.IsZero() {
		return URI{}
	}
	a := URI{Scheme: u.scheme(), User: u.User, Host: strings.ToLower(u.Host), rawUser: u.rawUser}
	if ip, ok := u.IP(); ok {
		a.Host = ip.String()
	}
	if u.Port != u.DefaultPort() {
		a.Port = u.Port
	}
	return a
}

// DefaultPort is 5061 for sips and 5060 for sip (RFC 3261 19.1.2).
func (u URI) DefaultPort() int {
	if u.Secure() {
		return 5061
	}
	return 5060
}

// WithParam gives a copy of u with one parameter set; the receiver and its Params stay as they are.
func (u URI) WithParam(name, value string) URI {
	u.Params = u.Params.With(name, value)
	return u
}

// MarshalText writes u for JSON, XML attributes and slog.
func (u URI) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText reads what MarshalText wrote; empty text gives the zero URI.
func (u *URI) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*u = URI{}
		return nil
	}
	v, err := Parse(string(text))
	if err != nil {
		return err
	}
	*u = v
	return nil
}

func (u URI) scheme() string {
	if strings.EqualFold(u.Scheme, "sips") {
		return "sips"
	}
	return "sip"
}

// Param is one parameter of a URI or of a name-addr.
type Param struct {
	Name   string // as it came; compared without case
	Value  string // decoded; empty for a flag such as ";lr"
	Quoted bool   // name-addr only: the value came, and goes out, as a quoted string
}

// Params keeps parameters in their order. The zero value is none.
type Params []Param

// Get gives the value of the first parameter of that name, "" when it is absent or a flag.
func (p Params) Get(name string) string {
	v, _ := p.Lookup(name)
	return v
}

// Has reports whether a parameter of that name is there, with or without a value.
func (p Params) Has(name string) bool {
	_, ok := p.Lookup(name)
	return ok
}

// Lookup gives the value and presence of the first parameter of that name.
func (p Params) Lookup(name string) (string, bool) {
	for _, q := range p {
		if strings.EqualFold(q.Name, name) {
			return q.Value, true
		}
	}
	return "", false
}

// With gives a copy with the parameter replaced in its place, or added at the end.
func (p Params) With(name, value string) Params {
	out := make(Params, 0, len(p)+1)
	done := false
	for _, q := range p {
		if strings.EqualFold(q.Name, name) {
			if done {
				continue
			}
			q.Value, done = value, true
		}
		out = append(out, q)
	}
	if !done {
		out = append(out, Param{Name: name, Value: value})
	}
	return out
}

// Without gives a copy lacking the named parameters.
func (p Params) Without(names ...string) Params {
	var out Params
next:
	for _, q := range p {
		for _, n := range names {
			if strings.EqualFold(q.Name, n) {
				continue next
			}
		}
		out = append(out, q)
	}
	return out
}
