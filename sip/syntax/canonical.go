package syntax

import "bytes"

// canonical writes a message that has passed all rules in canonical form.
func (m *message) canonical() []byte {
	out := make([]byte, 0, m.end+64)
	if m.isRequest() {
		out = append(out, m.method...)
		out = append(out, ' ')
		out = append(out, m.uri...)
		out = append(out, " SIP/2.0\r\n"...)
	} else {
		line, _ := cutLine(m.raw)
		out = append(out, line...)
		if len(line) == len("SIP/2.0 200") {
			out = append(out, ' ')
		}
		out = append(out, crlf...)
	}
	for i := range m.fields {
		out = m.fields[i].append(out)
	}
	out = append(out, crlf...)
	return append(out, m.body...)
}

// append writes one header field, a list as several.
func (f *field) append(out []byte) []byte {
	name := f.long
	if name == "" {
		name = string(f.name)
	}
	switch {
	case f.id == hDate && !validDate(f.value):
		return out // RFC 4475 3.1.2.12: a date in another zone is as good as none
	case f.id == hContentType && len(f.value) == 0:
		return out // in a response, which is not to be lost for it; the parser behind refuses an empty one
	case f.id == hCSeq:
		return appendLine(out, name, func(b []byte) []byte { return appendCSeq(b, f.value) })
	case f.id.isAddress():
		if a, ok := parseAddress(f.value, false); ok {
			return appendLine(out, name, a.append)
		}
	case f.id.isList():
		for rest, more := f.value, true; more; {
			var one []byte
			one, rest, more = element(rest)
			out = f.appendElement(out, name, one)
		}
		return out
	}
	return appendLine(out, name, func(b []byte) []byte { return append(b, f.value...) })
}

// appendCSeq writes number and method with one space between.
func appendCSeq(out, value []byte) []byte {
	i, j := bytes.IndexAny(value, " \t"), bytes.LastIndexAny(value, " \t")
	out = append(append(out, value[:i]...), ' ')
	return append(out, value[j+1:]...)
}

func (f *field) appendElement(out []byte, name string, one []byte) []byte {
	write := func(b []byte) []byte { return append(b, one...) } // the "*" of a Contact, and what is only noted
	if v, ok := parseVia(one); f.id == hVia && ok {
		write = v.append
	} else if ok, _ := checkElement(one); ok {
		a, _ := parseAddress(one, true)
		write = a.append
	}
	return appendLine(out, name, write)
}

func appendLine(out []byte, name string, value func([]byte) []byte) []byte {
	out = append(out, name...)
	out = append(out, ": "...)
	return append(value(out), crlf...)
}
