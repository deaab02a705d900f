package uri

import (
	"fmt"
	"strings"
)

// Address is a name-addr or addr-spec with its header parameters, as in From, To, Contact, Route (RFC 3261 20.10).
type Address struct {
	Display string // decoded, without quotes; empty when absent
	URI     URI
	Params  Params // those of the header (";tag=…", ";expires=…"), not those of the URI
}

// String writes the name-addr form, always with angle brackets, the display name always quoted.
func (a Address) String() string {
	var b strings.Builder
	if a.Display != "" {
		b.WriteString(quote(a.Display))
		b.WriteByte(' ')
	}
	b.WriteByte('<')
	b.WriteString(a.URI.String())
	b.WriteByte('>')
	for _, p := range a.Params {
		b.WriteByte(';')
		b.WriteString(token(p.Name))
		switch {
		case p.Quoted || !plainValue(p.Value):
			b.WriteByte('=')
			b.WriteString(quote(p.Value))
		case p.Value != "":
			b.WriteByte('=')
			b.WriteString(p.Value)
		}
	}
	return b.String()
}

// Name is what to show for the party: the display name, else the user, else the host.
func (a Address) Name() string {
	switch {
	case a.Display != "":
		return a.Display
	case a.URI.User != "":
		return a.URI.User
	}
	return a.URI.Host
}

// ParseAddress reads one element of a From, To, Contact, Route … header. Without angle brackets everything
// after the first ";" belongs to the header (RFC 3261 20). "Contact: *" is not an address and gives an error.
func ParseAddress(s string) (Address, error) {
	a, err := parseAddress(s)
	if err != nil {
		return Address{}, fmt.Errorf("parse address: %w", err)
	}
	return a, nil
}

func parseAddress(s string) (Address, error) {
	// Twice the bound of a URI: display name and parameters stand beside it.
	if len(s) > 2*MaxLength {
		return Address{}, ErrTooLong
	}
	s = strings.TrimSpace(s)
	var a Address
	if strings.HasPrefix(s, `"`) {
		text, rest, ok := unquote(s)
		if !ok {
			return Address{}, ErrAddress
		}
		a.Display, s = text, strings.TrimSpace(rest)
		if !strings.HasPrefix(s, "<") {
			return Address{}, ErrAddress
		}
	}
	spec, params := s, ""
	if open := strings.IndexByte(s, '<'); open >= 0 {
		end := strings.IndexByte(s[open:], '>')
		if end < 0 {
			return Address{}, ErrAddress
		}
		if open > 0 { // an unquoted display name: tokens, or the UTF-8 that real phones send
			a.Display = strings.Join(strings.Fields(s[:open]), " ")
			if hasControl(a.Display) {
				return Address{}, ErrAddress
			}
		}
		spec, params = s[open+1:open+end], strings.TrimSpace(s[open+end+1:])
		if params != "" && params[0] != ';' {
			return Address{}, ErrAddress
		}
	} else if semi := strings.IndexByte(s, ';'); semi >= 0 {
		spec, params = s[:semi], s[semi:]
	}
	var err error
	if a.URI, err = parse(strings.TrimSpace(spec)); err != nil {
		return Address{}, err
	}
	if a.Params, err = headerParams(params); err != nil {
		return Address{}, err
	}
	return a, nil
}

// headerParams reads `;name=value;name="quoted";flag`.
func headerParams(s string) (Params, error) {
	var out Params
	for {
		s = strings.TrimLeft(s, "; \t\r\n")
		if s == "" {
			return out, nil
		}
		end := strings.IndexAny(s, "=;")
		if end < 0 {
			end = len(s)
		}
		p := Param{Name: strings.TrimSpace(s[:end])}
		if p.Name == "" || token(p.Name) != p.Name {
			return nil, ErrAddress
		}
		s = s[end:]
		if strings.HasPrefix(s, "=") {
			var ok bool
			if s, ok = p.readValue(strings.TrimLeft(s[1:], " \t")); !ok {
				return nil, ErrAddress
			}
		}
		out = append(out, p)
	}
}

// readValue reads what follows the "=", up to the next ";".
func (p *Param) readValue(s string) (rest string, ok bool) {
	if p.Quoted = strings.HasPrefix(s, `"`); !p.Quoted {
		value, after, _ := cutKeep(s, ';')
		p.Value = strings.TrimSpace(value)
		return after, !hasControl(p.Value)
	}
	if p.Value, rest, ok = unquote(s); !ok {
		return "", false
	}
	rest = strings.TrimLeft(rest, " \t")
	return rest, rest == "" || rest[0] == ';'
}

// SplitAddresses splits a header value at the commas that part its elements: not those inside quoted strings or
// angle brackets. Empty elements are dropped. An unclosed quote or bracket keeps the rest together, and
// ParseAddress refuses it.
func SplitAddresses(header string) []string {
	var out []string
	start, quoted, angle := 0, false, false
	take := func(end int) {
		if s := strings.TrimSpace(header[start:end]); s != "" {
			out = append(out, s)
		}
	}
	for i := 0; i < len(header); i++ {
		switch c := header[i]; {
		case quoted && c == '\\':
			i++
		case c == '"' && !angle:
			quoted = !quoted
		case quoted:
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == ',' && !angle:
			take(i)
			start = i + 1
		}
	}
	take(len(header))
	return out
}

// quote writes a quoted-string. Control characters, which may not stand in one, become spaces.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			b.WriteByte(' ')
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// unquote reads the quoted-string that s begins with and gives what follows it.
func unquote(s string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && i+1 < len(s):
			i++
			b.WriteByte(clean(s[i]))
		case c == '"':
			return b.String(), s[i+1:], true
		default:
			b.WriteByte(clean(c))
		}
	}
	return "", "", false
}

func clean(c byte) byte {
	if c < ' ' || c == 0x7f {
		return ' '
	}
	return c
}

func hasControl(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] == 0x7f || s[i] == '"' || s[i] == '<' || s[i] == '>' {
			return true
		}
	}
	return false
}

// token drops what may not stand in a parameter name.
func token(s string) string {
	for i := 0; i < len(s); i++ {
		if !isTokenChar(s[i]) {
			return strings.Map(func(r rune) rune {
				if r < 0x80 && isTokenChar(byte(r)) { //nolint:gosec // ASCII
					return r
				}
				return -1
			}, s)
		}
	}
	return s
}

// plainValue reports whether v may go unquoted: a token or a host (RFC 3261 25.1 gen-value).
func plainValue(v string) bool {
	for i := 0; i < len(v); i++ {
		if !isTokenChar(v[i]) && v[i] != '[' && v[i] != ']' && v[i] != ':' {
			return false
		}
	}
	return true
}

// cutKeep cuts before the separator and keeps it in the rest.
func cutKeep(s string, sep byte) (before, rest string, found bool) {
	if i := strings.IndexByte(s, sep); i >= 0 {
		return s[:i], s[i:], true
	}
	return s, "", false
}
