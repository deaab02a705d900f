// Package sdp reads and writes session descriptions (RFC 8866) and negotiates them (RFC 3264).
//
// It is for package media. [Parse] gives a [Description]; a [Negotiation] lives as long as the call and turns what we
// can do ([Local]) and what the peer describes into offers, answers and an [Agreement]. Nothing here does I/O.
// Parsing is tolerant, because a call that could be understood must not fail over a missing s= line, and bounded,
// because descriptions come from strangers.
package sdp

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Bounds of what Parse accepts. Real audio and video offers with ICE candidates stay below 8 kB and 150 lines.
const (
	MaxSize       = 32 << 10 // bytes of a description
	MaxLines      = 1000     // lines of a description
	MaxMedia      = 32       // m= lines of a description
	MaxFormats    = 64       // formats of an m= line; the rest is ignored
	maxAttributes = 400      // attributes of a section; the rest is ignored
)

// ErrSyntax says that a text is not a session description.
var ErrSyntax = errors.New("sdp: invalid session description")

// Attribute is one a= line: "a=key" or "a=key:value".
type Attribute struct{ Key, Value string }

// Origin is the o= line (RFC 8866 5.2).
type Origin struct {
	User    string
	ID      uint64
	Version uint64
	Addr    netip.Addr // not valid where the peer wrote a host name
}

// Media is one m= section (RFC 8866 5.14).
type Media struct {
	Kind       string // "audio", "video", …
	Port       int    // 0: refused or disabled
	Proto      string // "RTP/AVP"
	Formats    []string
	Conn       netip.Addr // of its own c= line; not valid: none, or a host name
	HasConn    bool       // it has a c= line
	Attributes []Attribute
}

// Description is a session description.
type Description struct {
	Origin     Origin
	Name       string
	Conn       netip.Addr // of the session's c= line; not valid: none, or a host name
	Times      []string   // values of the t= lines
	Attributes []Attribute
	Media      []Media
}

// Parse reads a description. Lines may end in CRLF or LF, unknown and damaged lines are skipped; what is not
// bounded by the limits above or does not begin with a version line is refused with ErrSyntax.
func Parse(text []byte) (*Description, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrSyntax, len(text))
	}
	d := &Description{}
	rest := strings.TrimLeft(string(text), "\r\n ")
	if !strings.HasPrefix(rest, "v=") {
		return nil, fmt.Errorf("%w: no version", ErrSyntax)
	}
	for lines := 0; rest != ""; lines++ {
		if lines >= MaxLines {
			return nil, fmt.Errorf("%w: more than %d lines", ErrSyntax, MaxLines)
		}
		var line string
		line, rest, _ = strings.Cut(rest, "\n")
		line = strings.TrimRight(line, "\r \t")
		if len(line) < 2 || line[1] != '=' {
			continue
		}
		if err := d.line(line[0], line[2:]); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *Description) line(kind byte, value string) error {
	var m *Media
	if n := len(d.Media); n > 0 {
		m = &d.Media[n-1]
	}
	switch kind {
	case 'v':
		if value != "0" { // RFC 8866 5.1
			return fmt.Errorf("%w: version %.10q", ErrSyntax, value)
		}
	case 'o':
		d.Origin = parseOrigin(value)
	case 's':
		d.Name = value
	case 't':
		if len(d.Times) < 8 {
			d.Times = append(d.Times, strings.Join(strings.Fields(value), " "))
		}
	case 'c':
		if m != nil {
			m.Conn, m.HasConn = parseConnection(value), true
		} else {
			d.Conn = parseConnection(value)
		}
	case 'm':
		next, err := parseMedia(value)
		if err != nil {
			return err
		}
		if len(d.Media) >= MaxMedia {
			return fmt.Errorf("%w: more than %d media", ErrSyntax, MaxMedia)
		}
		d.Media = append(d.Media, next)
	case 'a':
		key, val, _ := strings.Cut(value, ":")
		list := &d.Attributes
		if m != nil {
			list = &m.Attributes
		}
		if len(*list) < maxAttributes {
			*list = append(*list, Attribute{strings.TrimSpace(key), strings.TrimSpace(val)})
		}
	}
	return nil
}

// parseOrigin reads "user id version IN IP4 addr"; what is missing stays zero, since nothing depends on it.
func parseOrigin(value string) Origin {
	f := strings.Fields(value)
	var o Origin
	if len(f) > 0 {
		o.User = f[0]
	}
	if len(f) > 1 {
		o.ID, _ = strconv.ParseUint(f[1], 10, 64)
	}
	if len(f) > 2 {
		o.Version, _ = strconv.ParseUint(f[2], 10, 64)
	}
	if len(f) > 5 {
		o.Addr, _ = netip.ParseAddr(f[5])
	}
	return o
}

// parseConnection reads "IN IP4 192.0.2.1[/ttl[/count]]". A host name gives the zero Addr.
func parseConnection(value string) netip.Addr {
	f := strings.Fields(value)
	if len(f) < 3 {
		return netip.Addr{}
	}
	host, _, _ := strings.Cut(f[2], "/")
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("") // a zone of the peer's host means nothing here
}

// parseMedia reads "audio 49170[/2] RTP/AVP 0 8 97".
func parseMedia(value string) (Media, error) {
	f := strings.Fields(value)
	if len(f) < 3 {
		return Media{}, fmt.Errorf("%w: m= line of %d fields", ErrSyntax, len(f))
	}
	text, _, _ := strings.Cut(f[1], "/")
	port, err := strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return Media{}, fmt.Errorf("%w: port %.10q", ErrSyntax, f[1])
	}
	formats := f[3:]
	if len(formats) > MaxFormats {
		formats = formats[:MaxFormats]
	}
	return Media{Kind: strings.ToLower(f[0]), Port: port, Proto: f[2], Formats: formats}, nil
}

// Attribute returns the value of the first attribute of that name, in any letter case.
func (m *Media) Attribute(key string) (string, bool) { return attribute(m.Attributes, key) }

// Attribute returns the value of the first attribute of that name at session level, in any letter case.
func (d *Description) Attribute(key string) (string, bool) { return attribute(d.Attributes, key) }

func attribute(list []Attribute, key string) (string, bool) {
	for _, a := range list {
		if strings.EqualFold(a.Key, key) {
			return a.Value, true
		}
	}
	return "", false
}

// Connection returns the address of media line m: its own or else the session's (RFC 8866 5.7).
func (d *Description) Connection(m *Media) netip.Addr {
	if m.HasConn {
		return m.Conn
	}
	return d.Conn
}

// Marshal writes the description in the order that RFC 8866 5 asks for.
func (d *Description) Marshal() []byte {
	var b strings.Builder
	o := d.Origin
	user := o.User
	if user == "" || strings.ContainsAny(user, " \t\r\n") {
		user = "-"
	}
	fmt.Fprintf(&b, "v=0\r\no=%s %d %d IN %s\r\n", user, o.ID, o.Version, netAddr(o.Addr))
	name := d.Name
	if name == "" {
		name = "-" // RFC 8866 5.3: never empty
	}
	fmt.Fprintf(&b, "s=%s\r\n", name)
	if d.Conn.IsValid() {
		fmt.Fprintf(&b, "c=IN %s\r\n", netAddr(d.Conn))
	}
	if len(d.Times) == 0 {
		b.WriteString("t=0 0\r\n")
	}
	for _, t := range d.Times {
		fmt.Fprintf(&b, "t=%s\r\n", t)
	}
	writeAttributes(&b, d.Attributes)
	for i := range d.Media {
		m := &d.Media[i]
		fmt.Fprintf(&b, "m=%s %d %s", m.Kind, m.Port, m.Proto)
		for _, f := range m.Formats {
			b.WriteString(" " + f)
		}
		b.WriteString("\r\n")
		if m.HasConn && m.Conn.IsValid() {
			fmt.Fprintf(&b, "c=IN %s\r\n", netAddr(m.Conn))
		}
		writeAttributes(&b, m.Attributes)
	}
	return []byte(b.String())
}

func writeAttributes(b *strings.Builder, list []Attribute) {
	for _, a := range list {
		b.WriteString("a=" + a.Key)
		if a.Value != "" {
			b.WriteString(":" + a.Value)
		}
		b.WriteString("\r\n")
	}
}

func netAddr(a netip.Addr) string {
	switch {
	case !a.IsValid():
		return "IP4 0.0.0.0"
	case a.Unmap().Is4():
		return "IP4 " + a.Unmap().String()
	default:
		return "IP6 " + a.WithZone("").String() // a zone is of no use to the peer
	}
}
