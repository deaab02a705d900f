package syntax

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
	switch f.id {
	case hDate:
		if !validDate(f.value) {
			return out // RFC 4475 3.1.2.12: a date in another zone is as good as none
		}
	case hCSeq:
		digits, method := f.value, f.value
		for i, c := range f.value {
			if isSpace(c) {
				digits, method = digits[:min(i, len(digits))], f.value[i+1:]
			}
		}
		return appendLine(out, name, func(b []byte) []byte { return append(append(append(b, digits...), ' '), method...) })
	case hFrom, hTo, hReferTo, hReferredBy:
		if a, ok := parseAddress(f.value, false); ok {
			return appendLine(out, name, a.append)
		}
	case hVia, hContact, hRoute, hRecordRoute, hPath, hServiceRoute:
		for rest, more := f.value, true; more; {
			var one []byte
			one, rest, more = element(rest)
			out = f.appendElement(out, name, one)
		}
		return out
	default:
	}
	return appendLine(out, name, func(b []byte) []byte { return append(b, f.value...) })
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
