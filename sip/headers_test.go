package sip

import (
	"strings"
	"testing"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// parsedHeaders are those whose values this package reads itself.
var parsedHeaders = []string{
	"Contact", "Record-Route", "Service-Route", "Path", "Session-Expires", "Min-SE", "RAck", "RSeq", "Replaces", "Refer-To",
	"Referred-By", "Event", "Subscription-State", "Retry-After", "Reason", "Warning", "Accept", "Allow-Events", "Supported", "Date",
	"Expires", "Content-Type", "Refer-Sub", "WWW-Authenticate",
}

// FuzzHeaders gives any value to each header field that we read ourselves, in a request and a response, as they come
// out of the parser.
func FuzzHeaders(f *testing.F) {
	for i, value := range []string{
		"\"A, \\\"B\" <sip:a@b;transport=tcp>;expires=60;+sip.instance=\"<urn:uuid:1>\", sip:c", "<sip:p1;lr>,<sip:p2;lr>", "<sip:h;lr>",
		"<sip:p;lr;ob>", "1800;refresher=uac", "90", "1 2 INVITE", "7", "abc@h;to-tag=1;from-tag=2;early-only",
		"<sip:c@d?Replaces=abc%40h%3Bto-tag%3D1%3Bfrom-tag%3D2>", "<sip:r@d>;cid=\"x\"", "presence;id=1",
		"terminated;reason=timeout;retry-after=5", "120 (in a meeting);duration=60", "SIP;cause=200;text=\"Call completed, elsewhere\"",
		"307 host \"text\"", "application/sdp;level=1, */*", "presence, dialog", "timer,100rel", "Sat, 13 Nov 2010 23:29:00 GMT",
		"3600", "multipart/mixed;boundary=\"x\"", "false", "Digest realm=\"a\", nonce=\"b\", qop=\"auth,auth-int\", algorithm=SHA-256",
	} {
		f.Add(uint8(i), value)
	}
	parse := newParser()
	f.Fuzz(func(t *testing.T, which uint8, value string) {
		line := parsedHeaders[int(which)%len(parsedHeaders)] + ": " + value + "\r\n"
		const rest = "Via: SIP/2.0/UDP a;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\nCall-ID: x\r\n"
		if msg, err := parse([]byte("NOTIFY sip:b SIP/2.0\r\n" + line + rest + "CSeq: 1 NOTIFY\r\n\r\n")); err == nil {
			readRequest(t, msg.(*sipmsg.Request)) //nolint:forcetypeassert // it begins with a method
		}
		if msg, err := parse([]byte("SIP/2.0 200 OK\r\n" + line + rest + "CSeq: 1 INVITE\r\n\r\n")); err == nil {
			readResponse(t, msg.(*sipmsg.Response)) //nolint:forcetypeassert // it begins with a version
		}
	})
}

// readRequest reads all of a request that has a value of its own.
func readRequest(t *testing.T, req *sipmsg.Request) {
	t.Helper()
	readAddresses(t, req)
	n, _ := readNotify(req)
	if n.Expires < 0 || n.RetryAfter < 0 || n.RetryAfter > maxPause {
		t.Fatalf("%+v", n)
	}
	for _, h := range sessionExpires(req) {
		oneLine(t, h.Value)
	}
	tooShort(req)
	reasonText(req)
	if r, ok := parseRAck(headerValue(req, "RAck")); ok && !strings.HasSuffix(r.String(), " "+r.method) {
		t.Fatalf("RAck %v", r)
	}
	if r, err := parseReplaces(headerValue(req, "Replaces")); err == nil && (r.callID == "" || r.toTag == "" || r.fromTag == "") {
		t.Fatalf("Replaces %+v", r)
	}
	if r, code := parseReferTo(req); code == 0 {
		oneLine(t, r.target.String())
		for _, name := range dangerous {
			if low := "&" + strings.ToLower(r.target.Headers); strings.Contains(low, "&"+name+"=") {
				t.Fatalf("headers %q are left in the target", r.target.Headers)
			}
		}
	}
	oneLine(t, eventName(headerValue(req, "Event")))
	bodyType(req)
}

// readResponse reads all of a response that has a value of its own.
func readResponse(t *testing.T, res *sipmsg.Response) {
	t.Helper()
	readAddresses(t, res)
	for _, r := range serviceRoute(res) {
		if oneLine(t, r.String()); !r.URI.Params.Has("lr") {
			t.Fatalf("route %v is not loose", r)
		}
	}
	e := statusError(res)
	if e.RetryAfter < 0 {
		t.Fatalf("Retry-After %v", e.RetryAfter)
	}
	for _, v := range append(e.Accept, e.AllowEvents...) {
		oneLine(t, v)
	}
}

// readAddresses reads what stands in lists of addresses. Each must survive being written.
func readAddresses(t *testing.T, msg sipmsg.Message) {
	t.Helper()
	list := append(contacts(msg), recordRoutes(msg)...)
	for _, a := range list {
		oneLine(t, a.String())
		if len(a.URI.String()) > uri.MaxLength {
			continue
		}
		if b, err := uri.ParseAddress(a.String()); err != nil || !b.URI.Equal(a.URI) {
			t.Fatalf("%q becomes %q, %v", a, b, err)
		}
	}
}

func oneLine(t *testing.T, s string) {
	t.Helper()
	if strings.ContainsAny(s, "\r\n") {
		t.Fatalf("%q breaks its line", s)
	}
}
