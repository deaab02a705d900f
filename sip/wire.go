package sip

import (
	"crypto/rand"
	"encoding/base32"
	"strconv"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Header is an extra header field of a request.
type Header struct{ Name, Value string }

// maxPause bounds what others may make us wait (Retry-After): a slip of theirs must not last for years.
const maxPause = 24 * time.Hour

// maxBody bounds a body we take in or send; larger ones get 413 (RFC 3261 21.4.11).
const maxBody = 60000

// newToken gives n random bytes as lower-case base32: safe in URIs, tags and Call-IDs.
func newToken(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(b))
}

// newTag gives a tag of 80 random bits; RFC 3261 19.3 asks for 32.
func newTag() string { return newToken(10) }

// newCallID gives an unguessable Call-ID without our host name (RFC 3261 8.1.1.4).
func newCallID() string { return newToken(15) }

// firstSeq begins below 2**31 with room to grow (RFC 3261 8.1.1.5); small numbers read better in traces.
const firstSeq = 1

func tagOf(h interface{ Value() string }) string {
	switch h := h.(type) {
	case *sipmsg.FromHeader:
		if h != nil {
			return h.Params.GetOr("tag", "")
		}
	case *sipmsg.ToHeader:
		if h != nil {
			return h.Params.GetOr("tag", "")
		}
	}
	return ""
}

// setTag puts our tag into a response to a request outside a dialog; sipgo has put one of its own.
func setTag(res *sipmsg.Response, tag string) {
	if to := res.To(); to != nil {
		to.Params.Add("tag", tag)
	}
}

// headerValue reads the first header of any of the names, "" when there is none.
func headerValue(msg sipmsg.Message, names ...string) string {
	for _, n := range names {
		if hs := msg.GetHeaders(n); len(hs) > 0 {
			return strings.TrimSpace(hs[0].Value())
		}
	}
	return ""
}

// headerList reads a comma-separated header that may come on several lines.
func headerList(msg sipmsg.Message, names ...string) []string {
	var out []string
	for _, n := range names {
		for _, h := range msg.GetHeaders(n) {
			for v := range strings.SplitSeq(h.Value(), ",") {
				if v = strings.TrimSpace(v); v != "" {
					out = append(out, v)
				}
			}
		}
	}
	return out
}

// headerSeconds reads a number of seconds with optional parameters or comment, and whether there was one.
func headerSeconds(msg sipmsg.Message, names ...string) (time.Duration, bool) {
	return seconds(headerValue(msg, names...))
}

func seconds(v string) (time.Duration, bool) {
	if i := strings.IndexAny(v, ";( \t"); i >= 0 {
		v = v[:i]
	}
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil {
		return 0, false
	}
	return time.Duration(n) * time.Second, true
}

func secondsText(d time.Duration) string {
	return strconv.FormatInt(int64(d/time.Second), 10)
}

// contacts reads all Contact headers, unreadable ones left out.
func contacts(msg sipmsg.Message) []uri.Address {
	var out []uri.Address
	for _, h := range msg.GetHeaders("Contact") {
		if a, err := uri.ParseAddress(h.Value()); err == nil {
			out = append(out, a)
		}
	}
	return out
}

// contactURI reads the first Contact; ok is false when there is none we can use.
func contactURI(msg sipmsg.Message) (uri.URI, bool) {
	if cs := contacts(msg); len(cs) > 0 {
		return cs[0].URI, true
	}
	return uri.URI{}, false
}

// recordRoutes reads the Record-Route set, top first.
func recordRoutes(msg sipmsg.Message) []uri.Address {
	var out []uri.Address
	for _, h := range msg.GetHeaders("Record-Route") {
		if a, err := uri.ParseAddress(h.Value()); err == nil {
			out = append(out, a)
		}
	}
	return out
}

// party reads From or To.
func party(msg sipmsg.Message, name string) uri.Address {
	for _, h := range msg.GetHeaders(name) {
		if a, err := uri.ParseAddress(h.Value()); err == nil {
			return a
		}
	}
	return uri.Address{}
}

// requestURI makes the Request-URI of u: without what RFC 3261 19.1.1 forbids there.
func requestURI(u uri.URI) sipmsg.Uri {
	u.Headers = ""
	u.Params = u.Params.Without("method")
	return rawURI(u)
}

func rawURI(u uri.URI) sipmsg.Uri {
	var out sipmsg.Uri
	if err := sipmsg.ParseUri(u.String(), &out); err != nil {
		// What package uri writes, sipgo reads; should it ever not, the parts still make a URI.
		return sipmsg.Uri{Scheme: "sip", User: u.User, Host: u.Host, Port: u.Port}
	}
	return out
}

// cleanText drops what would break a header line.
func cleanText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, s)
}

// contentTypeHeader never writes an empty value, which parsers refuse.
func contentTypeHeader(v string) sipmsg.Header {
	if v = cleanText(v); v == "" {
		v = "text/plain"
	}
	return sipmsg.NewHeader("Content-Type", v)
}

// statusError makes the error of a final response.
func statusError(res *sipmsg.Response) *StatusError {
	e := &StatusError{Code: res.StatusCode, Reason: res.Reason, Warning: headerValue(res, "Warning")}
	e.RetryAfter, _ = headerSeconds(res, "Retry-After")
	e.RetryAfter = min(e.RetryAfter, maxPause)
	e.Accept = headerList(res, "Accept")
	e.AllowEvents = headerList(res, "Allow-Events", "u")
	return e
}

// bodyType is the content type in lower case without parameters.
func bodyType(msg interface {
	ContentType() *sipmsg.ContentTypeHeader
},
) string {
	ct := msg.ContentType()
	if ct == nil {
		return ""
	}
	t, _, _ := strings.Cut(ct.Value(), ";")
	return strings.ToLower(strings.TrimSpace(t))
}
