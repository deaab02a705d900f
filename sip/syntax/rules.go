package syntax

import "bytes"

// rule is one demand on messages.
type rule struct {
	section string
	code    int
	reason  string
	of      kind
	broken  func(m *message) bool
}

// kind says which messages a rule is for.
type kind uint8

const (
	requests kind = iota
	everything
	responses
	// noted is for requests. In a response such a field is as good as missing, and a 200 is too dear to be dropped for
	// the strange Contact of another phone of the user.
	noted
)

// rules are checked in this order; the first broken one decides. What needs to know the user agent is not here: 404,
// 405 and 501, 420 and 415, 481 and 482, 488, 489.
var rules = [...]rule{ //nolint:gochecknoglobals // a table
	{"RFC 3261 8.1.1.7", 400, "Missing Via", everything, without(hVia)},
	{"RFC 3261 8.1.1.5", 400, "Missing CSeq", everything, without(hCSeq)},
	{"RFC 3261 8.1.1.4", 400, "Missing Call-ID", everything, without(hCallID)},
	{"RFC 3261 8.1.1.3", 400, "Missing From", everything, without(hFrom)},
	{"RFC 3261 8.1.1.2", 400, "Missing To", everything, without(hTo)},
	{"RFC 3261 7.3.1", 400, "Repeated Header Field", everything, repeated},
	{"RFC 3261 20.42", 400, "Malformed Via", everything, badVia},
	{"RFC 3261 8.1.3.3", 400, "More Than One Via", responses, manyVias},
	{"RFC 3261 8.1.1.5", 400, "Malformed CSeq", everything, badCSeq},
	{"RFC 3261 8.1.1.5", 400, "CSeq Names Another Method", requests, otherMethod},
	{"RFC 3261 20.8", 400, "Malformed Call-ID", everything, badCallID},
	{"RFC 3261 20.20", 400, "Malformed From", everything, badAddress(hFrom)},
	{"RFC 3261 20.39", 400, "Malformed To", everything, badAddress(hTo)},
	{"RFC 3261 8.2.2.1", 416, "Unsupported URI Scheme", requests, otherScheme},
	{"RFC 3261 19.1.1", 400, "Malformed Request-URI", requests, badRequestURI},
	{"RFC 3261 20.14", 400, "Malformed Content-Length", everything, badNumber(hContentLength, 1<<32-1)},
	{"RFC 3261 18.3", 400, "Body Shorter Than Content-Length", everything, tooShort},
	{"RFC 3261 21.4.11", 413, "Request Entity Too Large", everything, tooLarge},
	{"RFC 3261 20.22", 400, "Malformed Max-Forwards", requests, badNumber(hMaxForwards, 255)},
	{"RFC 3261 20.15", 400, "Malformed Content-Type", noted, badContentType},
	{"RFC 3261 20.15", 400, "Missing Content-Type", requests, untyped},
	{"RFC 2046 5.1", 400, "Malformed Multipart Body", requests, badMultipart},
	{"RFC 3261 20.10", 400, "Malformed Contact", noted, badContact},
	{"RFC 3261 20.34", 400, "Malformed Route", everything, badAddresses(hRoute)},
	{"RFC 3261 20.30", 400, "Malformed Record-Route", everything, badAddresses(hRecordRoute)},
	{"RFC 3327 4", 400, "Malformed Path", noted, badAddresses(hPath)},
	{"RFC 3608 5", 400, "Malformed Service-Route", noted, badAddresses(hServiceRoute)},
	{"RFC 3515 2.4.1", 400, "Missing Refer-To", requests, noReferTo},
	{"RFC 3515 2.1", 400, "Malformed Refer-To", requests, badAddress(hReferTo)},
	{"RFC 3892 3", 400, "Malformed Referred-By", requests, badAddress(hReferredBy)},
	{"RFC 3891 3", 400, "Malformed Replaces", requests, badReplaces},
	{"RFC 6665 8.2.1", 400, "Malformed Event", requests, badToken(hEvent)},
	{"RFC 6665 8.2.3", 400, "Malformed Subscription-State", requests, badToken(hSubscriptionState)},
	{"RFC 3262 7.1", 400, "Malformed RSeq", responses, badNumber(hRSeq, 1<<32-1)},
	{"RFC 3262 7.2", 400, "Malformed RAck", requests, badRAck},
	{"RFC 4028 4", 400, "Malformed Session-Expires", noted, badSeconds(hSessionExpires)},
	{"RFC 4028 5", 400, "Malformed Min-SE", noted, badSeconds(hMinSE)},
	{"RFC 3261 21.4.7", 406, "Not Acceptable", requests, noSDP},
}

// judge applies the rules. It notes on the way whether the message is in canonical form.
func (m *message) judge() *fault {
	m.measure()
	for i := range rules {
		r := &rules[i]
		if r.of == requests && !m.isRequest() || r.of == responses && m.isRequest() {
			continue
		}
		if r.broken(m) && (r.of != noted || m.isRequest()) {
			return &fault{code: r.code, reason: r.reason, section: r.section}
		}
	}
	if m.elements > MaxFields {
		return &fault{code: 400, reason: "Too Many Header Fields", section: "RFC 3261 7.3", drop: true}
	}
	if v := m.get(hDate); v != nil && !validDate(v) {
		m.untidy = true // see canonical
	}
	if v := m.get(hContentType); v != nil && len(v) == 0 {
		m.untidy = true
	}
	return nil
}

// measure cuts the body to its Content-Length; end is beyond the message when the body is too short.
func (m *message) measure() {
	n, ok := number(m.get(hContentLength), 1<<32-1)
	switch {
	case !ok || m.count[hContentLength] != 1:
	case n > uint64(len(m.body)):
		m.end = len(m.raw) + 1
	default:
		m.end -= len(m.body)
		m.body = m.body[:n] // RFC 3261 18.3: what follows in the datagram is no part of it
		m.end += len(m.body)
	}
}

func without(h header) func(*message) bool { return func(m *message) bool { return m.count[h] == 0 } }

func repeated(m *message) bool {
	for i := range m.fields {
		f := &m.fields[i]
		if m.count[f.id] < 2 || !f.id.once() {
			continue
		}
		if f.id != hOnce {
			return true
		}
		for j := range m.fields[:i] {
			if m.fields[j].long == f.long {
				return true
			}
		}
	}
	return false
}

// badNumber makes the rule of a header field that is one number.
func badNumber(h header, limit uint64) func(*message) bool {
	return func(m *message) bool {
		if m.count[h] == 0 {
			return false
		}
		_, ok := number(m.get(h), limit)
		return !ok
	}
}

// badSeconds makes the rule of delta-seconds with parameters.
func badSeconds(h header) func(*message) bool {
	return func(m *message) bool {
		if m.count[h] == 0 {
			return false
		}
		digits, rest := cutParams(m.get(h))
		_, ok := number(digits, 1<<32-1)
		fine, _ := checkParams(rest)
		return !ok || !fine
	}
}

// cutParams parts a value from its parameters.
func cutParams(v []byte) (value, params []byte) {
	if i := bytes.IndexByte(v, ';'); i >= 0 {
		return bytes.TrimRight(v[:i], " \t"), v[i:]
	}
	return v, nil
}

// badToken makes the rule of a token with parameters.
func badToken(h header) func(*message) bool {
	return func(m *message) bool {
		if m.count[h] == 0 {
			return false
		}
		token, rest := cutParams(m.get(h))
		ok, _ := checkParams(rest)
		return !ok || !isToken(token)
	}
}

func badAddress(h header) func(*message) bool {
	return func(m *message) bool { return m.badParty(h) }
}

func badAddresses(h header) func(*message) bool {
	return func(m *message) bool { return m.badList(h) }
}

func tooShort(m *message) bool  { return m.end > len(m.raw) }
func tooLarge(m *message) bool  { return len(m.body) > MaxBody }
func untyped(m *message) bool   { return len(m.body) > 0 && m.count[hContentType] == 0 }
func manyVias(m *message) bool  { return m.vias() != 1 }
func noReferTo(m *message) bool { return string(m.method) == "REFER" && m.count[hReferTo] == 0 }

// badContentType wants type "/" subtype *( ";" param ), with white space around the slash.
func badContentType(m *message) bool {
	if m.count[hContentType] == 0 {
		return false
	}
	media, rest := cutParams(m.get(hContentType))
	kind, sub, slash := bytes.Cut(media, []byte("/"))
	ok, _ := checkParams(rest)
	return !ok || !slash || !isToken(bytes.TrimRight(kind, " \t")) || !isToken(bytes.TrimLeft(sub, " \t"))
}

// badMultipart wants a boundary, and a body that has it.
func badMultipart(m *message) bool {
	media, rest := cutParams(m.get(hContentType))
	const multipart = "multipart/"
	if len(m.body) == 0 || len(media) < len(multipart) || !equalFold(media[:len(multipart)], multipart) {
		return false
	}
	boundary, _ := param(rest, "boundary")
	boundary = bytes.Trim(boundary, `"`)
	i := bytes.Index(m.body, boundary) // RFC 2046 5.1.1: after two hyphens at the beginning of a line
	for at := i; i >= 0 && len(boundary) > 0 && len(boundary) <= 70; {
		if at >= 2 && m.body[at-1] == '-' && m.body[at-2] == '-' && (at == 2 || m.body[at-3] == '\n') {
			return false
		}
		at++
		if i = bytes.Index(m.body[at:], boundary); i >= 0 {
			at += i
		}
	}
	return true
}

// badRAck wants response-num LWS CSeq-num LWS method.
func badRAck(m *message) bool {
	if m.count[hRAck] == 0 {
		return false
	}
	var part [4][]byte
	n := 0
	for rest := m.get(hRAck); len(rest) > 0 && n < len(part); n++ {
		end := bytes.IndexAny(rest, " \t")
		if end < 0 {
			end = len(rest)
		}
		part[n], rest = rest[:end], bytes.TrimLeft(rest[end:], " \t")
	}
	_, ok1 := number(part[0], 1<<32-1)
	_, ok2 := number(part[1], maxSeq)
	return n != 3 || !ok1 || !ok2 || !isToken(part[2])
}

// badReplaces wants a Call-ID and both tags, and not together with Join (RFC 3891 3 and 6.1).
func badReplaces(m *message) bool {
	if m.count[hReplaces] == 0 {
		return false
	}
	id, rest := cutParams(m.get(hReplaces))
	to, _ := param(rest, "to-tag")
	from, _ := param(rest, "from-tag")
	ok, _ := checkParams(rest)
	return !ok || len(id) == 0 || len(to) == 0 || len(from) == 0 || bytes.ContainsAny(id, " \t,<>")
}

// noSDP finds an INVITE whose sender could not read our session description (RFC 4475 3.3.15).
func noSDP(m *message) bool {
	if m.count[hAccept] == 0 || string(m.method) != "INVITE" {
		return false // RFC 3261 20.1: without it application/sdp is taken
	}
	for i := range m.fields {
		if m.fields[i].id != hAccept {
			continue
		}
		for rest, more := m.fields[i].value, true; more; {
			var one []byte
			one, rest, more = element(rest)
			media, _ := cutParams(one)
			if equalFold(media, "application/sdp") || equalFold(media, "*/*") || equalFold(media, "application/*") {
				return false
			}
		}
	}
	return true
}
