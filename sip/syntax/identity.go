package syntax

import "bytes"

// maxSeq is the largest CSeq number (RFC 3261 8.1.1.5).
const maxSeq = 1<<31 - 1

// magic begins every branch made by RFC 3261 8.1.1.7.
const magic = "z9hG4bK"

// badCSeq wants 1*DIGIT LWS Method.
func badCSeq(m *message) bool {
	v := m.get(hCSeq)
	i := bytes.IndexAny(v, " \t")
	if i < 0 {
		return true
	}
	method := bytes.TrimLeft(v[i:], " \t")
	m.untidy = m.untidy || len(v)-len(method) != i+1 || v[i] != ' '
	_, ok := number(v[:i], maxSeq)
	return !ok || !isToken(method)
}

// cseqMethod gives the method in CSeq.
func (m *message) cseqMethod() []byte {
	v := m.get(hCSeq)
	if i := bytes.LastIndexAny(v, " \t"); i >= 0 {
		return v[i+1:]
	}
	return nil
}

func otherMethod(m *message) bool { return !bytes.Equal(m.cseqMethod(), m.method) }

func badCallID(m *message) bool {
	v := m.get(hCallID)
	return len(v) == 0 || bytes.ContainsAny(v, " \t,")
}

// badParty checks a header field with one address.
func (m *message) badParty(h header) bool {
	if m.count[h] == 0 {
		return false
	}
	a, ok := parseAddress(m.get(h), false)
	if !ok || !validURI(a.uri) {
		return true
	}
	fine, tidy := checkParams(a.params)
	m.untidy = m.untidy || !tidy || !a.tidy
	tag, has := param(a.params, "tag")
	return !fine || has && (len(tag) == 0 || tag[0] == '"')
}

// badList checks header fields with lists of addresses.
func (m *message) badList(h header) bool {
	if m.count[h] == 0 {
		return false
	}
	bad := false
	for i := range m.fields {
		if m.fields[i].id != h {
			continue
		}
		for rest, more := m.fields[i].value, true; more; {
			var one []byte
			one, rest, more = element(rest)
			m.elements++
			ok, tidy := checkElement(one)
			bad = bad || !ok
			m.untidy = m.untidy || ok && !tidy || more
		}
	}
	return bad
}

// checkElement tells whether an element of a list is an address, and in canonical form.
func checkElement(one []byte) (ok, tidy bool) {
	a, ok := parseAddress(one, true)
	if !ok || !validURI(a.uri) {
		return false, false
	}
	ok, tidy = checkParams(a.params)
	return ok, tidy && a.tidy
}

// badContact takes the lone "*" of a REGISTER too (RFC 3261 10.2.2).
func badContact(m *message) bool {
	if m.count[hContact] == 1 && string(m.get(hContact)) == "*" {
		return string(m.method) != "REGISTER"
	}
	return m.badList(hContact)
}

// badVia checks all elements of all Vias, the topmost more strictly: it is the one we use.
func badVia(m *message) bool {
	top := true
	for i := range m.fields {
		if m.fields[i].id != hVia {
			continue
		}
		for rest, more := m.fields[i].value, true; more; top = false {
			var one []byte
			one, rest, more = element(rest)
			m.elements++
			v, ok := parseVia(one)
			fine, tidy := checkParams(v.params)
			if !ok || !fine || top && v.badTop() {
				return true
			}
			m.untidy = m.untidy || more || !v.tidy || !tidy
		}
	}
	return false
}

// badTop checks what only the topmost Via must have.
func (v via) badTop() bool {
	branch, has := param(v.params, "branch")
	if has && (len(branch) == 0 || branch[0] == '"' || string(branch) == magic) {
		return true // RFC 4475 3.2.1: it promises a transaction identifier and has none
	}
	port, _ := param(v.params, "rport")
	return !equalFold(v.name, "sip") || string(v.version) != "2.0" || len(port) > 0 && !validPort(port)
}

// vias counts the elements of all Vias.
func (m *message) vias() int {
	n := 0
	for i := range m.fields {
		if m.fields[i].id != hVia {
			continue
		}
		for rest, more := m.fields[i].value, true; more; n++ {
			_, rest, more = element(rest)
		}
	}
	return n
}

// otherScheme finds a Request-URI of a well-formed scheme that is not ours (RFC 4475 3.3.2, 3.3.3).
func otherScheme(m *message) bool {
	s := scheme(m.uri)
	return s != nil && !isSIP(s)
}

// badRequestURI refuses header parts as well, which would be acted upon by whoever builds a request of the URI
// (RFC 3261 19.1.1 table 1, RFC 4475 3.1.2.11).
func badRequestURI(m *message) bool {
	if !validURI(m.uri) {
		return true
	}
	_, rest, at := bytes.Cut(m.uri, []byte("@"))
	if !at {
		rest = m.uri
	}
	return bytes.IndexByte(rest, '?') >= 0
}
