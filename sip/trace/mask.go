package trace

import (
	"bytes"
	"fmt"
	"strings"
)

const (
	// hidden stands for what a trace must not show.
	hidden = "***"
	// junkShown is how many bytes of what is no SIP are shown.
	junkShown = 32
	// maxShown bounds a message in a trace; the header section of a real one is below 4 kB.
	maxShown = 16 << 10
)

// Noise describes what came and is no SIP, by its first bytes in hexadecimal.
func Noise(raw []byte) []byte {
	return fmt.Appendf(nil, "[%d bytes that are no SIP: % x]\n", len(raw), raw[:min(len(raw), junkShown)])
}

// Mask gives a copy of a message without its secrets:
//
//   - of credentials and challenges (every header with "auth" in its name) the scheme and the parameters that
//     say nothing about the password remain, such as realm, username and uri;
//   - passwords in URIs, and headers in them that carry credentials;
//   - every body but SDP becomes "[N bytes]"; those of MESSAGE always do;
//   - keys in SDP.
//
// It takes any bytes, a broken message too: where it is in doubt it shows less. Lines end as they came, long messages
// are cut.
func Mask(raw []byte) []byte {
	var out bytes.Buffer
	lines := lineReader{rest: raw[:min(len(raw), maxShown)]}
	first := lines.next()
	out.WriteString(maskValue(first.text))
	out.WriteString(first.end)
	kind := body{method: firstWord(first.text)}
	for first.end != "" {
		line := lines.next()
		if line.text == "" { // an empty line, or nothing at all
			out.WriteString(line.end)
			break
		}
		for lines.folded() { // RFC 3261 7.3.1: what is indented belongs to the line above
			more := lines.next()
			line.text += " " + strings.TrimLeft(more.text, " \t")
			line.end = more.end
		}
		out.WriteString(maskHeader(line.text, &kind))
		out.WriteString(line.end)
		if line.end == "" {
			break
		}
	}
	shown := raw[:min(len(raw), maxShown)]
	content := raw[len(shown)-len(lines.rest):]
	switch {
	case len(content) == 0:
	case kind.isSDP() && len(content) <= maxShown:
		maskSDP(&out, content)
	default:
		fmt.Fprintf(&out, "[%d bytes]", len(content))
	}
	return out.Bytes()
}

// line is a line without its end, and that end: CRLF, CR or LF, "" at the end of the message.
type line struct{ text, end string }

// lineReader cuts a message into lines as leniently as anybody might.
type lineReader struct{ rest []byte }

func (r *lineReader) next() line {
	i := bytes.IndexAny(r.rest, "\r\n")
	if i < 0 {
		l := line{text: string(r.rest)}
		r.rest = nil
		return l
	}
	end := 1
	if r.rest[i] == '\r' && i+1 < len(r.rest) && r.rest[i+1] == '\n' {
		end = 2
	}
	l := line{string(r.rest[:i]), string(r.rest[i : i+end])}
	r.rest = r.rest[i+end:]
	return l
}

func (r *lineReader) folded() bool {
	return len(r.rest) > 0 && (r.rest[0] == ' ' || r.rest[0] == '\t')
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(s), " ")
	return strings.ToUpper(word)
}

// body is what the header section says of the body.
type body struct {
	method  string   // of the request line; "SIP/2.0" of a response
	types   []string // Content-Type
	encoded bool     // Content-Encoding: what it is cannot be seen
}

func (b *body) isSDP() bool {
	return b.method != "MESSAGE" && !b.encoded && len(b.types) == 1 && b.types[0] == "application/sdp"
}

// maskHeader masks one header field and notes what it says of the body.
func maskHeader(text string, kind *body) string {
	name, value, found := strings.Cut(text, ":")
	if !found {
		return hidden // no header at all: what it belongs to nobody knows
	}
	switch key := strings.ToLower(strings.TrimSpace(name)); {
	case strings.Contains(key, "auth"):
		return name + ": " + maskCredentials(value)
	case strings.Contains(key, "cookie"), strings.Contains(key, "token"), strings.Contains(key, "passw"),
		strings.Contains(key, "secret"):
		return name + ": " + hidden
	case key == "content-type" || key == "c":
		t, _, _ := strings.Cut(value, ";")
		kind.types = append(kind.types, strings.ToLower(strings.TrimSpace(t)))
	case key == "content-encoding" || key == "e":
		kind.encoded = true
	case key == "cseq":
		if fields := strings.Fields(value); len(fields) > 1 && strings.EqualFold(fields[1], "MESSAGE") {
			kind.method = "MESSAGE"
		}
	}
	return name + ":" + maskValue(value)
}

// maskSDP writes a session description without keys. Only lines that look like SDP are shown.
func maskSDP(out *bytes.Buffer, content []byte) {
	lines := lineReader{rest: content}
	for len(lines.rest) > 0 {
		l := lines.next()
		out.WriteString(maskSDPLine(l.text))
		out.WriteString(l.end)
	}
}

func maskSDPLine(text string) string {
	if text == "" {
		return ""
	}
	if len(text) < 2 || text[0] < 'a' || text[0] > 'z' || text[1] != '=' {
		return hidden
	}
	packed := squeeze(text[2:])
	switch {
	case text[0] == 'k': // RFC 8866 5.12
		return "k=" + hidden
	case text[0] == 'a' && hasAnyPrefix(packed, "crypto", "ice-pwd", "key-mgmt", "ssltcp-secret"):
		name, _, _ := strings.Cut(text, ":")
		if name == text {
			return "a=" + hidden
		}
		return name + ":" + hidden // RFC 4568, 8839, 4567
	case strings.Contains(packed, "inline:"), tells(packed):
		return text[:2] + hidden
	}
	return maskValue(text)
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// squeeze gives s in lower case without blanks and control characters, so that odd spellings look like usual ones.
func squeeze(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f || r == 0xa0 {
			return -1
		}
		return r
	}, strings.ToLower(s))
}
