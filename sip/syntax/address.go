package syntax

import "bytes"

// address is one name-addr or addr-spec with header parameters (RFC 3261 20.10, 25.1).
type address struct {
	display []byte // as it came, quotes included
	uri     []byte
	params  []byte // from the first semicolon on
	tidy    bool   // in canonical form
}

// parseAddress reads one address. What is no address by the grammar but leaves no doubt is taken: a display name of
// characters that should have been quoted, commas too where no list is allowed (RFC 4475 3.1.2.15).
func parseAddress(v []byte, list bool) (a address, ok bool) {
	a.tidy = true
	rest := v
	if len(v) > 0 && v[0] == '"' {
		end := quotedEnd(v)
		if end < 0 {
			return a, false // RFC 4475 3.1.2.6
		}
		a.display = v[:end]
		rest = bytes.TrimLeft(v[end:], " \t")
		if len(rest) == 0 || rest[0] != '<' {
			return a, false
		}
	}
	open := bytes.IndexByte(rest, '<')
	if open < 0 || bytes.ContainsAny(rest[:open], ";\"") {
		return parseBare(rest)
	}
	if open > 0 {
		a.display = bytes.TrimRight(rest[:open], " \t")
		comma := bytes.IndexByte(a.display, ',') >= 0
		if bytes.ContainsAny(a.display, "\">\\") || comma && list {
			return a, false
		}
		a.tidy = !comma
	}
	uri, params, ok := bytes.Cut(rest[open+1:], []byte(">"))
	a.uri, a.params = uri, params
	return a, ok
}

// parseBare reads an addr-spec. RFC 3261 20.10: without brackets everything after the semicolon belongs to the header
// field, and a URI with a comma, question mark or semicolon needs them.
func parseBare(v []byte) (a address, ok bool) {
	end := bytes.IndexByte(v, ';')
	if end < 0 {
		end = len(v)
	}
	a.uri, a.params = bytes.TrimRight(v[:end], " \t"), v[end:]
	a.tidy = len(a.uri) == end
	return a, !bytes.ContainsAny(a.uri, ",?")
}

// append writes the canonical form.
func (a address) append(dst []byte) []byte {
	if len(a.display) > 0 {
		quote := bytes.IndexByte(a.display, ',') >= 0 && a.display[0] != '"'
		if quote {
			dst = append(dst, '"')
		}
		dst = append(dst, a.display...)
		if quote {
			dst = append(dst, '"')
		}
		dst = append(dst, ' ')
	}
	dst = append(dst, '<')
	dst = append(dst, a.uri...)
	dst = append(dst, '>')
	return appendParams(dst, a.params)
}

// quotedEnd gives the index after the quoted-string that b begins with; -1 when it does not end.
func quotedEnd(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// params walks over header parameters: *( ";" name [ "=" value ] ).
type params struct {
	rest  []byte
	bad   bool // against the grammar
	loose bool // not in canonical form
	seen  int
}

// next gives one parameter; ok is false at the end and when bad.
func (p *params) next() (name, value []byte, ok bool) {
	p.skip()
	if len(p.rest) == 0 {
		return nil, nil, false
	}
	if p.rest[0] != ';' || p.seen >= maxParams {
		p.bad = true
		return nil, nil, false
	}
	p.rest = p.rest[1:]
	p.seen++
	p.skip()
	if len(p.rest) == 0 && p.seen > 1 { // a semicolon at the end is harmless; more of them are not (RFC 4475 3.1.2.1)
		p.loose = true
		return nil, nil, false
	}
	n := 0
	for n < len(p.rest) && is(p.rest[n], cToken) {
		n++
	}
	if n == 0 {
		p.bad = true
		return nil, nil, false
	}
	name, p.rest = p.rest[:n], p.rest[n:]
	if after := bytes.TrimLeft(p.rest, " \t"); len(after) > 0 && after[0] == '=' {
		p.skip()
		p.rest = p.rest[1:]
		p.skip()
		value = p.value()
	}
	return name, value, !p.bad
}

// value reads what follows the "=": a quoted-string, or anything that does not end a parameter. It is never nil.
func (p *params) value() []byte {
	n := 0
	if len(p.rest) > 0 && p.rest[0] == '"' {
		if n = quotedEnd(p.rest); n < 0 {
			p.bad = true
			return p.rest[:0]
		}
	} else {
		for n < len(p.rest) && !endsValue(p.rest[n]) {
			n++
		}
	}
	v := p.rest[:n:n]
	p.rest = p.rest[n:]
	if after := bytes.TrimLeft(p.rest, " \t"); len(after) > 0 && after[0] != ';' {
		p.bad = true
	}
	return v
}

func endsValue(c byte) bool {
	switch c {
	case ';', ' ', '\t', ',', '"', '<', '>':
		return true
	}
	return false
}

// skip drops white space, which the canonical form has not.
func (p *params) skip() {
	if len(p.rest) > 0 && isSpace(p.rest[0]) {
		p.rest = bytes.TrimLeft(p.rest, " \t")
		p.loose = true
	}
}

// appendParams writes parameters in canonical form.
func appendParams(dst, text []byte) []byte {
	p := params{rest: text}
	for {
		name, value, ok := p.next()
		if !ok {
			return dst
		}
		dst = append(dst, ';')
		if usual := usualParam(name); usual != "" {
			dst = append(dst, usual...)
		} else {
			dst = append(dst, name...)
		}
		if value != nil {
			dst = append(dst, '=')
			dst = append(dst, value...)
		}
	}
}

// usualParam gives the usual spelling of a parameter that is looked up by it; "" for others, which stay as they are.
func usualParam(name []byte) string {
	for _, usual := range [...]string{"tag", "branch", "rport", "received", "maddr", "ttl"} {
		if equalFold(name, usual) {
			return usual
		}
	}
	return ""
}

// param looks a parameter up by its name in lower case.
func param(text []byte, want string) (value []byte, ok bool) {
	p := params{rest: text}
	for {
		name, v, more := p.next()
		if !more {
			return nil, false
		}
		if equalFold(name, want) {
			return v, true
		}
	}
}

// checkParams tells whether parameters follow the grammar, none of them twice (RFC 3261 7.3.1), and whether they are
// in canonical form.
func checkParams(text []byte) (ok, tidy bool) {
	p := params{rest: text}
	var names [maxParams][]byte
	for n := 0; ; n++ {
		name, _, more := p.next()
		if !more {
			return !p.bad, !p.loose
		}
		if usual := usualParam(name); usual != "" && usual != string(name) {
			p.loose = true
		}
		for _, other := range names[:n] {
			if bytes.EqualFold(other, name) {
				return false, false
			}
		}
		names[n] = name
	}
}

// element cuts the first element of a list at its comma: not at those inside quotes or brackets. An unclosed quote
// keeps the rest together, for parseAddress to refuse.
func element(list []byte) (one, rest []byte, more bool) {
	angle := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case c == '"' && !angle:
			n := quotedEnd(list[i:])
			if n < 0 {
				return list, nil, false
			}
			i += n - 1
		case c == '<':
			angle = true
		case c == '>':
			angle = false
		case c == ',' && !angle:
			return bytes.TrimRight(list[:i], " \t"), bytes.TrimLeft(list[i+1:], " \t"), true
		}
	}
	return list, nil, false
}
