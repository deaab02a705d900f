package shield

import "bytes"

// maxLook bounds how far Look reads. The headers it wants are among the first of every honest message.
const maxLook = 8 << 10

// Glance is what a packet says of itself, unchecked. Its slices are parts of the packet.
type Glance struct {
	Response  bool
	Method    []byte // of a request, as written
	StartLine []byte
	CallID    []byte
	ToTag     []byte // empty: outside a dialog
	FromTag   []byte
}

// Look reads the start line, Call-ID and tags of a packet, without parsing the rest and without
// allocating: what a flood costs when nobody wants it. ok is false when it is no SIP message.
func Look(raw []byte) (g Glance, ok bool) {
	if len(raw) > maxLook {
		raw = raw[:maxLook]
	}
	line, rest, found := bytes.Cut(raw, []byte("\n"))
	if !found {
		return g, false
	}
	g.StartLine = bytes.TrimRight(line, "\r")
	if bytes.HasPrefix(g.StartLine, []byte("SIP/")) {
		g.Response = true
	} else {
		method, uri, found := bytes.Cut(g.StartLine, []byte(" "))
		if !found || !bytes.Contains(uri, []byte(" SIP/")) {
			return g, false
		}
		g.Method = method
	}
	for len(rest) > 0 {
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 {
			break
		}
		name, value, found := bytes.Cut(line, []byte(":"))
		if !found {
			continue
		}
		switch name = bytes.TrimRight(name, " \t"); {
		case is(name, "Call-ID", "i"):
			g.CallID = bytes.TrimSpace(value)
		case is(name, "To", "t"):
			g.ToTag = tag(value)
		case is(name, "From", "f"):
			g.FromTag = tag(value)
		}
	}
	return g, true
}

func is(name []byte, long, short string) bool {
	return len(name) == len(long) && bytes.EqualFold(name, []byte(long)) ||
		len(name) == 1 && name[0]|0x20 == short[0]
}

// tag reads the tag parameter of a To value (RFC 3261 20.10), behind the angle brackets when there are any.
func tag(value []byte) []byte {
	if i := bytes.LastIndexByte(value, '>'); i >= 0 {
		value = value[i+1:]
	}
	for len(value) > 0 {
		var param []byte
		param, value, _ = bytes.Cut(value, []byte(";"))
		name, v, found := bytes.Cut(param, []byte("="))
		if found && bytes.EqualFold(bytes.TrimSpace(name), []byte("tag")) {
			return bytes.TrimSpace(v)
		}
	}
	return nil
}
