package syntax

import (
	"bytes"
	"sync"
)

// field is one header field of a message.
type field struct {
	id    header
	long  string // the long name, when known
	name  []byte // as it came
	value []byte // without the white space around it
}

// message is a message cut into lines.
type message struct {
	raw    []byte // without folded lines
	end    int    // of the body in raw
	untidy bool   // not in canonical form

	method, uri, version []byte // of a request
	status               []byte // of a response: its code

	fields   []field
	count    [headers]int
	first    [headers]int // index in fields
	elements int          // of lists
	body     []byte
	noBreak  bool // the empty line after the header fields is missing
}

// messages keeps the tables of messages that were judged.
//
//nolint:gochecknoglobals // a pool
var messages = sync.Pool{New: func() any { return &message{fields: make([]field, 0, 32)} }}

func (m *message) release() {
	clear(m.fields) // they refer to what was read
	*m = message{fields: m.fields[:0]}
	messages.Put(m)
}

func (m *message) isRequest() bool { return len(m.method) > 0 }

// get gives the value of the first field of a kind; nil when there is none.
func (m *message) get(h header) []byte {
	if m.count[h] == 0 {
		return nil
	}
	return m.fields[m.first[h]].value
}

// scan cuts raw into start line, header fields and body. After a fault the fields up to it are there, for the answer.
func (m *message) scan(raw []byte) *fault {
	m.raw = raw
	m.end = len(raw)
	head := bytes.Index(raw, crlf2)
	if head < 0 {
		m.noBreak = true
		head = len(raw)
	} else {
		head += 2 // the last header line ends here
	}
	if folded(raw[:head]) {
		m.raw, head = unfold(raw, head)
		m.end = len(m.raw)
		m.untidy = true
	}
	line, rest := cutLine(m.raw[:head])
	bad := m.startLine(line)
	if bad != nil && bad.drop {
		return bad
	}
	if f := m.headerLines(rest); bad == nil || f != nil && f.drop {
		bad = f
	}
	if m.noBreak {
		if bad == nil {
			bad = &fault{code: 400, reason: "Missing Empty Line", section: "RFC 3261 7"}
		}
		return bad
	}
	m.body = m.raw[head+2:]
	if head > MaxHead && (bad == nil || !bad.drop) {
		bad = &fault{code: 513, reason: "Message Too Large", section: "RFC 3261 21.5.7"}
	}
	return bad
}

var (
	crlf  = []byte("\r\n")     //nolint:gochecknoglobals // a constant
	crlf2 = []byte("\r\n\r\n") //nolint:gochecknoglobals // a constant
)

// cutLine gives the first line, without its end, and what follows.
func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, crlf)
	return line, rest
}

// folded tells whether any line is the continuation of the one before (RFC 3261 7.3.1).
func folded(head []byte) bool {
	for {
		i := bytes.IndexByte(head, '\n')
		if i < 0 || i+1 >= len(head) {
			return false
		}
		if isSpace(head[i+1]) {
			return true
		}
		head = head[i+1:]
	}
}

// unfold copies a message with each line break and the white space around it made one space, and tells where the
// header section ends in the copy.
func unfold(raw []byte, head int) (out []byte, end int) {
	out = make([]byte, 0, len(raw))
	in := raw[:head]
	for {
		i := bytes.Index(in, crlf)
		if i < 0 {
			out = append(out, in...)
			break
		}
		out = append(out, in[:i]...)
		in = in[i+2:]
		if len(in) > 0 && isSpace(in[0]) {
			out = append(bytes.TrimRight(out, " \t"), ' ')
			in = bytes.TrimLeft(in, " \t")
			continue
		}
		out = append(out, crlf...)
	}
	end = len(out)
	return append(out, raw[head:]...), end
}

// startLine reads the Request-Line or Status-Line (RFC 3261 7.1, 7.2): three parts with one space between.
func (m *message) startLine(line []byte) *fault {
	if bytes.HasPrefix(line, []byte("SIP/")) {
		return m.statusLine(line)
	}
	i, j := bytes.IndexByte(line, ' '), bytes.LastIndex(bytes.TrimRight(line, " "), []byte(" SIP/"))
	if i <= 0 || j < i || !isToken(line[:i]) {
		return &fault{code: 400, reason: "Malformed Start Line", section: "RFC 3261 7.1", drop: true}
	}
	m.method, m.uri, m.version = line[:i], line[min(i+1, j):j], line[j+1:]
	switch {
	case !bytes.Equal(m.version, []byte("SIP/2.0")) && isVersion(m.version):
		return &fault{code: 505, reason: "Version Not Supported", section: "RFC 3261 21.5.6"}
	case !bytes.Equal(m.version, []byte("SIP/2.0")), i >= j, bytes.ContainsAny(m.uri, " \t"):
		return &fault{code: 400, reason: "Malformed Request Line", section: "RFC 3261 7.1"}
	case len(m.uri) > MaxURI:
		return &fault{code: 414, reason: "Request-URI Too Long", section: "RFC 3261 21.4.12"}
	}
	return nil
}

func (m *message) statusLine(line []byte) *fault {
	version, rest, _ := bytes.Cut(line, []byte(" "))
	// The reason phrase may be empty (RFC 4475 3.1.1.13), and some leave its space away as well.
	code, phrase, space := bytes.Cut(rest, []byte(" "))
	n, ok := number(code, 699)
	ok = ok && n >= 100 && len(code) == len("200")
	if !ok || !bytes.Equal(version, []byte("SIP/2.0")) || !isText(phrase) {
		return &fault{code: 400, reason: "Malformed Status Line", section: "RFC 3261 7.2", drop: true}
	}
	m.status = code
	m.untidy = m.untidy || !space
	return nil
}

// isVersion knows SIP/1*DIGIT.1*DIGIT.
func isVersion(v []byte) bool {
	rest, ok := bytes.CutPrefix(v, []byte("SIP/"))
	major, minor, dot := bytes.Cut(rest, []byte("."))
	return ok && dot && isDigits(major) && isDigits(minor) && len(v) < 20
}

// headerLines reads the header fields.
func (m *message) headerLines(rest []byte) *fault {
	var bad *fault
	for len(rest) > 0 {
		var line []byte
		line, rest = cutLine(rest)
		if len(m.fields) >= MaxFields {
			return &fault{code: 400, reason: "Too Many Header Fields", section: "RFC 3261 7.3", drop: true}
		}
		if f := m.headerLine(line); bad == nil {
			bad = f
		}
	}
	return bad
}

func (m *message) headerLine(line []byte) *fault {
	i := bytes.IndexByte(line, ':')
	if i < 0 {
		return &fault{code: 400, reason: "Header Field Without Colon", section: "RFC 3261 7.3.1"}
	}
	name := bytes.TrimRight(line[:i], " \t")
	if !isToken(name) {
		return &fault{code: 400, reason: "Malformed Header Name", section: "RFC 3261 7.3.1"}
	}
	f := field{name: name, value: bytes.Trim(line[i+1:], " \t")}
	var compact bool
	f.id, f.long, compact = known(name)
	m.untidy = m.untidy || compact || len(name) != i
	if m.count[f.id] == 0 {
		m.first[f.id] = len(m.fields)
	}
	m.count[f.id]++
	m.fields = append(m.fields, f)
	switch {
	case len(line) > MaxField:
		return &fault{code: 400, reason: "Header Field Too Long", section: "RFC 3261 21.4.1"}
	case !isText(f.value):
		return &fault{code: 400, reason: "Control Character in Header Field", section: "RFC 3261 25.1"}
	}
	return nil
}
