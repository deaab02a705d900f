package im

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/quotedprintable"
	"strconv"
	"strings"
	"time"
)

// CPIMType is the media type of a CPIM message (RFC 3862 section 5).
const CPIMType = "message/cpim"

// maxHeaders bounds the header lines of a CPIM message; real ones have below 15.
const maxHeaders = 100

// CPIM is a message in the Common Presence and Instant Messaging format (RFC 3862).
type CPIM struct {
	From, To string    // as written: optional formal name and <URI>
	DateTime time.Time // zero: absent or not readable
	Subject  string
	// MessageID and Disposition are imdn.Message-ID and imdn.Disposition-Notification of RFC 5438; empty: absent.
	MessageID   string
	Disposition string
	ContentType string // of the content, with parameters
	Content     []byte // with its transfer encoding undone
}

var errCPIM = errors.New("not a CPIM message")

// ParseCPIM reads a CPIM message. Leniently: bare line feeds are taken for line ends, header names in any case, the
// namespace prefix of the RFC 5438 headers whatever it is, an absent Content-Type as text/plain, and Require is not
// obeyed, because showing the text beats refusing it.
func ParseCPIM(data []byte) (*CPIM, error) {
	if len(data) > MaxBody {
		return nil, &TooLargeError{Limit: MaxBody}
	}
	outer, rest, err := cpimHeaders(data)
	if err != nil {
		return nil, err
	}
	inner, content, err := cpimHeaders(rest)
	if err != nil {
		return nil, err
	}
	c := &CPIM{ContentType: "text/plain; charset=utf-8"} // RFC 2045 5.2: the default of MIME
	for _, h := range outer {
		c.setHeader(h.name, unescapeCPIM(h.value))
	}
	encoding := ""
	for _, h := range inner {
		switch h.name {
		case "content-type":
			c.ContentType = h.value
		case "content-transfer-encoding":
			encoding = strings.ToLower(h.value)
		case "content-length":
			if n, no := strconv.Atoi(h.value); no == nil && n >= 0 && n < len(content) {
				content = content[:n]
			}
		}
	}
	c.Content, err = undoTransfer(content, encoding)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *CPIM) setHeader(name, value string) {
	_, local, prefixed := strings.Cut(name, ".")
	switch {
	case prefixed && local == "message-id":
		c.MessageID = value
	case prefixed && local == "disposition-notification":
		c.Disposition = value
	case name == "from" && c.From == "":
		c.From = value
	case name == "to" && c.To == "":
		c.To = value
	case name == "subject" && c.Subject == "":
		c.Subject = value
	case name == "datetime":
		if at, err := time.Parse(time.RFC3339, value); err == nil {
			c.DateTime = at
		}
	}
}

type cpimHeader struct{ name, value string }

// cpimHeaders reads header lines up to an empty line; rest is what follows it.
func cpimHeaders(data []byte) (headers []cpimHeader, rest []byte, err error) {
	for {
		line, after, found := bytes.Cut(data, []byte("\n"))
		line = bytes.TrimSuffix(line, []byte("\r"))
		if !found {
			return nil, nil, fmt.Errorf("%w: the headers do not end", errCPIM)
		}
		data = after
		if len(line) == 0 {
			return headers, data, nil
		}
		// RFC 3862 2.3 forbids folding; MIME headers may have it.
		if len(headers) > 0 && (line[0] == ' ' || line[0] == '\t') {
			headers[len(headers)-1].value += " " + strings.TrimSpace(string(line))
			continue
		}
		name, value, ok := strings.Cut(string(line), ":")
		if !ok || strings.TrimSpace(name) == "" {
			return nil, nil, fmt.Errorf("%w: a header without a colon", errCPIM)
		}
		if len(headers) >= maxHeaders {
			return nil, nil, fmt.Errorf("%w: too many headers", errCPIM)
		}
		headers = append(headers, cpimHeader{strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)})
	}
}

func undoTransfer(content []byte, encoding string) ([]byte, error) {
	switch encoding {
	case "base64":
		out, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(content)))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errCPIM, err)
		}
		return out, nil
	case "quoted-printable":
		out, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(content)))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errCPIM, err)
		}
		return out, nil
	default:
		return content, nil
	}
}

// Encode writes the message: header block, empty line, content headers, empty line, content (RFC 3862 section 2).
// Control characters of header values are escaped as its section 2.3.1 says, so that no value can end its header.
func (c *CPIM) Encode() []byte {
	var b bytes.Buffer
	header := func(name, value string) {
		if value != "" {
			b.WriteString(name + ": " + escapeCPIM(value) + "\r\n")
		}
	}
	header("From", c.From)
	header("To", c.To)
	if !c.DateTime.IsZero() {
		header("DateTime", c.DateTime.UTC().Format(time.RFC3339))
	}
	header("Subject", c.Subject)
	if c.MessageID != "" || c.Disposition != "" {
		header("NS", "imdn <urn:ietf:params:imdn>") // RFC 5438 6.1
		header("imdn.Message-ID", c.MessageID)
		header("imdn.Disposition-Notification", c.Disposition)
	}
	contentType := c.ContentType
	if _, _, err := mime.ParseMediaType(contentType); err != nil || strings.ContainsAny(contentType, "\r\n") {
		contentType = "text/plain; charset=utf-8"
	}
	fmt.Fprintf(&b, "\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", contentType, len(c.Content))
	b.Write(c.Content)
	return b.Bytes()
}

// escapeCPIM writes backslash and control characters as RFC 3862 2.3.1 says.
func escapeCPIM(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\uFFFD") {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < ' ' || r == 0x7F:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// unescapeCPIM undoes escapeCPIM; an escape nobody defined stands for the character after the backslash.
func unescapeCPIM(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'b':
			b.WriteByte('\b')
		case 'u':
			if i+4 < len(s) {
				if v, err := strconv.ParseUint(s[i+1:i+5], 16, 16); err == nil {
					b.WriteRune(rune(v))
					i += 4
					continue
				}
			}
			b.WriteByte('u')
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String()
}
