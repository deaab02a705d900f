package syntax

import "bytes"

// via is one element of a Via header field (RFC 3261 20.42).
type via struct {
	name, version, transport []byte
	host, port               []byte // port is nil when absent
	params                   []byte
	tidy                     bool
}

// parseVia reads sent-protocol LWS sent-by *( ";" param ), with white space wherever RFC 3261 25.1 lets it be.
func parseVia(v []byte) (out via, ok bool) {
	name, rest, ok1 := bytes.Cut(v, []byte("/"))
	version, rest, ok2 := bytes.Cut(rest, []byte("/"))
	if !ok1 || !ok2 {
		return out, false
	}
	out.name, out.version = bytes.Trim(name, " \t"), bytes.Trim(version, " \t")
	out.tidy = len(out.name) == len(name) && len(out.version) == len(version)
	trimmed := bytes.TrimLeft(rest, " \t")
	out.tidy = out.tidy && len(trimmed) == len(rest)
	end := bytes.IndexAny(trimmed, " \t")
	if end <= 0 {
		return out, false
	}
	out.transport = trimmed[:end]
	rest = bytes.TrimLeft(trimmed[end:], " \t")
	out.tidy = out.tidy && len(trimmed)-end == len(rest)+1 && trimmed[end] == ' '
	sentBy := rest
	if i := bytes.IndexByte(rest, ';'); i >= 0 {
		sentBy, out.params = rest[:i], rest[i:]
	}
	spaced := sentBy
	sentBy = bytes.Trim(sentBy, " \t")
	host, port, ok := cutPort(sentBy)
	if !ok {
		// COLON may have white space around it: "[::1] : 5060".
		i := bytes.IndexByte(sentBy, ']') + 1
		host, port, ok = sentBy[:i], bytes.TrimLeft(sentBy[i:], " \t"), i > 0
		if !ok || len(port) == 0 || port[0] != ':' {
			return out, false
		}
		port = port[1:]
	}
	out.host, out.port = bytes.TrimRight(host, " \t"), bytes.TrimLeft(port, " \t")
	if port != nil && len(out.port) == 0 {
		return out, false // a colon and nothing behind it; bytes.TrimLeft makes nil of it
	}
	out.tidy = out.tidy && len(spaced) == len(sentBy) && len(out.host) == len(host) && len(out.port) == len(port)
	fine := isToken(out.name) && isToken(out.version) && isToken(out.transport) && validHost(out.host) &&
		(out.port == nil || validPort(out.port))
	return out, fine
}

// append writes the canonical form.
func (v via) append(dst []byte) []byte {
	dst = append(dst, v.name...)
	dst = append(dst, '/')
	dst = append(dst, v.version...)
	dst = append(dst, '/')
	dst = append(dst, v.transport...)
	dst = append(dst, ' ')
	dst = append(dst, v.host...)
	if v.port != nil {
		dst = append(dst, ':')
		dst = append(dst, v.port...)
	}
	return appendParams(dst, v.params)
}
