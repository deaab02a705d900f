package syntax

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"net/netip"
	"strconv"
)

// Refusal is the stateless answer to a request that broke a rule.
type Refusal struct {
	Answer []byte
	// Port is where it goes over UDP, at the address the request came from: the port in Via, or that of the source
	// when Via asks for it by rport (RFC 3261 18.2.2, RFC 3581 4).
	Port uint16
}

// Refuse writes the answer to a request with a verdict of Check; ok is false when there can be none. What an answer
// repeats (RFC 3261 8.2.6.2) is copied from the request, however odd; what is missing there is missing here (RFC 4475
// 3.3.1). Our tag is made of secret and the request, so that a repeated request gets the same answer (RFC 3261
// 8.2.7); secret should be random bytes of this run. Extra lines, such as "Allow: INVITE", are added as they are.
func Refuse(raw []byte, v Verdict, from netip.AddrPort, secret []byte, extra ...string) (r Refusal, ok bool) {
	if v.OK() || v.Drop {
		return r, false
	}
	m := messages.Get().(*message) //nolint:forcetypeassert // the pool holds nothing else
	defer m.release()
	_ = m.scan(raw) // its fault is known: v
	if !m.isRequest() || m.count[hVia] == 0 || !m.repeatable() {
		return r, false
	}
	out := make([]byte, 0, 1024)
	out = append(out, "SIP/2.0 "...)
	out = strconv.AppendInt(out, int64(v.Code), 10)
	out = append(append(append(out, ' '), v.Reason...), crlf...)
	r.Port = from.Port()
	for i, first := 0, true; i < len(m.fields); i++ {
		if f := &m.fields[i]; f.id == hVia {
			out = append(out, "Via: "...)
			if first {
				out, r.Port = appendTopVia(out, f.value, from)
			} else {
				out = append(out, f.value...)
			}
			out = append(out, crlf...)
			first = false
		}
	}
	for _, h := range [...]header{hFrom, hTo, hCallID, hCSeq} {
		if m.count[h] == 0 {
			continue
		}
		f := &m.fields[m.first[h]]
		out = append(append(append(out, f.long...), ": "...), f.value...)
		if h == hTo && !tagged(f.value) {
			out = append(append(bytes.TrimRight(out, "; \t"), ";tag="...), m.tag(secret)...)
		}
		out = append(out, crlf...)
	}
	for _, line := range extra {
		out = append(append(out, line...), crlf...)
	}
	r.Answer = append(out, "Content-Length: 0\r\n\r\n"...)
	return r, len(r.Answer) <= MaxHead // what has Vias for more is not meant to reach anybody
}

// repeatable tells whether what an answer repeats cannot break out of its line.
func (m *message) repeatable() bool {
	for i := range m.fields {
		id := m.fields[i].id
		repeats := id == hVia || id == hFrom || id == hTo || id == hCallID || id == hCSeq
		if repeats && !isText(m.fields[i].value) {
			return false
		}
	}
	return true
}

// tagged tells whether a To has a tag, as far as it can be read.
func tagged(to []byte) bool {
	if a, ok := parseAddress(to, false); ok {
		_, has := param(a.params, "tag")
		return has
	}
	return bytes.Contains(to, []byte("tag="))
}

// tag gives 80 bits that nobody without the secret can foresee.
func (m *message) tag(secret []byte) string {
	h := hmac.New(sha256.New, secret)
	for _, id := range [...]header{hVia, hFrom, hCallID, hCSeq} {
		_, _ = h.Write(m.get(id)) // never fails
		_, _ = h.Write(crlf)
	}
	return base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)[:10])
}

// appendTopVia writes the topmost Via with what it is to learn: the address a request came from when that is not the
// one named (RFC 3261 18.2.1), and the port when it asks (RFC 3581 4).
func appendTopVia(out, list []byte, from netip.AddrPort) (line []byte, port uint16) {
	one, rest, more := element(list)
	v, ok := parseVia(one)
	if !ok || !from.IsValid() {
		return append(out, list...), from.Port()
	}
	port = 5060
	if n, fits := number(v.port, 65535); fits && n > 0 {
		port = uint16(n) //nolint:gosec // bounded by number
	}
	asked, rport := param(v.params, "rport")
	_, received := param(v.params, "received")
	text := v.params
	v.params = nil
	out = v.append(out)
	p := params{rest: text}
	for {
		name, value, found := p.next()
		if !found {
			break
		}
		out = append(append(out, ';'), name...)
		if equalFold(name, "rport") && len(asked) == 0 {
			out = strconv.AppendUint(append(out, '='), uint64(from.Port()), 10)
		} else if value != nil {
			out = append(append(out, '='), value...)
		}
	}
	source := from.Addr().Unmap()
	if host := bytes.Trim(v.host, "[]"); !received && (rport || !equalFold(host, source.String())) {
		out = append(append(out, ";received="...), source.String()...)
	}
	if rport {
		port = from.Port()
	}
	if more {
		out = append(append(out, ", "...), rest...)
	}
	return out, port
}
