package sip

import (
	"bytes"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// refuseRate bounds the answers to requests nobody can parse, per second: enough for a peer under repair,
// too few for us to be of use to somebody who forges sources.
const refuseRate = 20

// refusals counts the answers of the present second.
type refusals struct {
	mu     sync.Mutex
	second int64
	sent   int
}

func (r *refusals) allow(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := now.Unix(); s != r.second {
		r.second, r.sent = s, 0
	}
	r.sent++
	return r.sent <= refuseRate
}

// malformed answers a request that cannot be parsed, where it has at least what an answer repeats.
func (u *UA) malformed(raw []byte, remote netip.AddrPort) (answer []byte, to netip.AddrPort) {
	answer, to = refuseMalformed(raw, remote)
	if answer == nil || !u.refusals.allow(time.Now()) {
		return nil, to
	}
	return answer, to
}

// refuseMalformed makes the stateless answer to a datagram that is a request but cannot be parsed: 505 for
// another version of SIP (RFC 3261 21.5.6), else 400 (16.3, 21.4.1). What an answer must repeat is copied as it
// came. It gives nil for responses, for ACK, and for what has not even that.
func refuseMalformed(raw []byte, remote netip.AddrPort) (answer []byte, to netip.AddrPort) {
	head, _, _ := bytes.Cut(raw, []byte("\r\n\r\n"))
	lines := strings.Split(string(head), "\r\n")
	method, version, ok := requestLine(lines[0])
	if !ok || method == "ACK" || len(lines) > maxHeaders {
		return nil, to
	}
	var via []string
	one := map[string]string{}
	for _, line := range unfold(lines[1:]) {
		name, value, found := strings.Cut(line, ":")
		if !found {
			continue
		}
		switch name = longName(strings.TrimSpace(name)); name {
		case "Via":
			via = append(via, strings.TrimSpace(value))
		case "From", "To", "Call-ID", "CSeq":
			if one[name] != "" {
				return nil, to // two of them: which is meant?
			}
			one[name] = strings.TrimSpace(value)
		}
	}
	if len(via) == 0 || len(one) != 4 {
		return nil, to
	}
	code := 400
	if version != "SIP/2.0" {
		code = 505
	}
	if !strings.Contains(one["To"], "tag=") {
		one["To"] += ";tag=" + newTag()
	}
	var b bytes.Buffer
	b.WriteString("SIP/2.0 " + strconv.Itoa(code) + " " + ReasonPhrase(code) + "\r\n")
	for _, v := range via {
		b.WriteString("Via: " + v + "\r\n")
	}
	for _, name := range []string{"From", "To", "Call-ID", "CSeq"} {
		b.WriteString(name + ": " + one[name] + "\r\n")
	}
	b.WriteString("Content-Length: 0\r\n\r\n")
	return b.Bytes(), answerPort(via[0], remote)
}

// requestLine reads "METHOD URI SIP/x.y", however odd the URI.
func requestLine(line string) (method, version string, ok bool) {
	method, rest, _ := strings.Cut(line, " ")
	i := strings.LastIndexByte(rest, ' ')
	if i < 0 || method == "" || strings.HasPrefix(method, "SIP/") {
		return "", "", false
	}
	version = rest[i+1:]
	return method, version, strings.HasPrefix(version, "SIP/") && len(version) < 20
}

// unfold joins continuation lines (RFC 3261 7.3.1).
func unfold(lines []string) []string {
	var out []string
	for _, line := range lines {
		if len(out) > 0 && line != "" && (line[0] == ' ' || line[0] == '\t') {
			out[len(out)-1] += " " + strings.TrimSpace(line)
			continue
		}
		out = append(out, line)
	}
	return out
}

// longName is the name of a header that an answer repeats, in its long form and usual spelling; "" for others.
func longName(name string) string {
	switch strings.ToLower(name) {
	case "via", "v":
		return "Via"
	case "from", "f":
		return "From"
	case "to", "t":
		return "To"
	case "call-id", "i":
		return "Call-ID"
	case "cseq":
		return "CSeq"
	}
	return ""
}

// answerPort is where an answer over UDP goes: the source, and of the port what Via says unless it asks for
// the source port by rport (RFC 3261 18.2.2, RFC 3581 4).
func answerPort(via string, remote netip.AddrPort) netip.AddrPort {
	if strings.Contains(strings.ToLower(via), ";rport") {
		return remote
	}
	sentBy, _, _ := strings.Cut(via, ";")
	fields := strings.Fields(sentBy)
	if len(fields) < 2 {
		return remote
	}
	host := fields[len(fields)-1]
	port := uint16(5060)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		n, err := strconv.ParseUint(host[i+1:], 10, 16)
		if err != nil || n == 0 {
			return remote
		}
		port = uint16(n)
	}
	return netip.AddrPortFrom(remote.Addr(), port)
}
