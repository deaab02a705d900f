package syntax

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
)

// clean is a request in canonical form.
const clean = "INVITE sip:bob@192.0.2.20:5060 SIP/2.0\r\n" +
	"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK.VYWrxJJyeEJfngAjKXELr8aPYuX8tR22;rport\r\n" +
	"Max-Forwards: 70\r\n" +
	"From: \"Alice\" <sip:alice@example.com>;tag=1928301774\r\n" +
	"To: <sip:bob@example.com>\r\n" +
	"Call-ID: a84b4c76e66710@192.0.2.10\r\n" +
	"CSeq: 314159 INVITE\r\n" +
	"Contact: <sip:alice@192.0.2.10:5060;transport=udp>;+sip.instance=\"<urn:uuid:0>\"\r\n" +
	"Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, MESSAGE, SUBSCRIBE, NOTIFY, REFER, UPDATE, INFO\r\n" +
	"Supported: replaces, outbound, path\r\n" +
	"Session-Expires: 1800;refresher=uac\r\n" +
	"User-Agent: Softphone/1.0\r\n" +
	"Content-Type: application/sdp\r\n" +
	"Content-Length: 71\r\n\r\n" +
	"v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nt=0 0\r\nm=audio 49170 RTP/AVP 0 8\r\n"

// but is the clean request with something replaced.
func but(old, with string) string {
	if !strings.Contains(clean, old) {
		panic("the clean request has no " + old)
	}
	return strings.Replace(clean, old, with, 1)
}

const ok200 = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:b@c>;tag=2\r\n" +
	"Call-ID: x\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"

func TestCheck(t *testing.T) {
	tests := []struct {
		name, raw string
		want      string // "" fine, "drop", or code and reason
	}{
		{"clean", clean, ""},
		{"a response", ok200, ""},
		{"no Via", but("Via:", "Vja:"), "drop"},
		{"no CSeq", but("CSeq", "CSek"), "400 Missing CSeq"},
		{"no Call-ID", but("Call-ID", "Call-JD"), "400 Missing Call-ID"},
		{"two From", but("Max-Forwards: 70", "f: <sip:eve@x>;tag=2"), "400 Repeated Header Field"},
		{"two ETags", but("Max-Forwards: 70", "SIP-ETag: 1\r\nsip-etag: 2"), "400 Repeated Header Field"},
		{"an ETag and a Join", but("Max-Forwards: 70", "SIP-ETag: 1\r\nJoin: 2"), ""},
		{"ACK is never answered", strings.ReplaceAll(but("Max-Forwards: 70", "Max-Forwards: x"), "INVITE", "ACK"), "drop"},
		{"version", but(" SIP/2.0\r", " SIP/3.1\r"), "505 Version Not Supported"},
		{"no version", but(" SIP/2.0\r", " SIP/two\r"), "400 Malformed Request Line"},
		{"method with a slash", but("INVITE sip", "IN/VITE sip"), "drop"},
		{"no SIP", "GET / HTTP/1.1\r\n\r\n", "drop"},
		{"nothing", "", "drop"},
		{"a line feed alone", but("70\r\nFrom", "70\nFrom"), "400 Control Character in Header Field"},
		{"a carriage return alone", but("Softphone/1.0", "Soft\rphone"), "400 Control Character in Header Field"},
		{"NUL", but("Softphone/1.0", "Soft\x00phone"), "400 Control Character in Header Field"},
		{"quoted NUL", but(`"Alice"`, "\"Al\\\x00ice\""), ""},
		{"quoted line feed", but(`"Alice"`, "\"Al\\\nice\""), "400 Control Character in Header Field"},
		{"Latin-1", but(`"Alice"`, "\"Al\xefce\""), ""},
		{"no colon", but("Max-Forwards: 70", "Max-Forwards 70"), "400 Header Field Without Colon"},
		{"space in a name", but("Max-Forwards: 70", "Max Forwards: 70"), "400 Malformed Header Name"},
		{"no empty line", clean[:strings.Index(clean, "\r\n\r\n")+2], "400 Missing Empty Line"},
		{"CSeq of another method", but("314159 INVITE", "314159 BYE"), "400 CSeq Names Another Method"},
		{"CSeq in another case", but("314159 INVITE", "314159 invite"), "400 CSeq Names Another Method"},
		{"CSeq 2^31", but("314159 INVITE", "2147483648 INVITE"), "400 Malformed CSeq"},
		{"CSeq 2^31-1", but("314159 INVITE", "2147483647 INVITE"), ""},
		{"CSeq without a space", but("314159 INVITE", "314159INVITE"), "400 Malformed CSeq"},
		{"negative Max-Forwards", but("Forwards: 70", "Forwards: -1"), "400 Malformed Max-Forwards"},
		{"Max-Forwards 256", but("Forwards: 70", "Forwards: 256"), "400 Malformed Max-Forwards"},
		{"Call-ID of two words", but("Call-ID: a", "Call-ID: a b"), "400 Malformed Call-ID"},
		{"Via without a transport", but("Via: SIP/2.0/UDP ", "Via: SIP/2.0 "), "400 Malformed Via"},
		{"Via without a host", but("192.0.2.10:5060;branch", ";branch"), "400 Malformed Via"},
		{"Via with port 0", but("192.0.2.10:5060;branch", "192.0.2.10:0;branch"), "400 Malformed Via"},
		{"Via with port 65536", but("192.0.2.10:5060;branch", "192.0.2.10:65536;branch"), "400 Malformed Via"},
		{"two branches", but(";rport\r", ";rport;Branch=z9hG4bK2\r"), "400 Malformed Via"},
		{"empty branch", but(".VYWrxJJyeEJfngAjKXELr8aPYuX8tR22", ""), "400 Malformed Via"},
		{"Via of IPv6", but("192.0.2.10:5060;branch", "[2001:db8::1]:5060;branch"), ""},
		{"Via of bare IPv6", but("192.0.2.10:5060;branch", "2001:db8::1;branch"), "400 Malformed Via"},
		{"two tags", but("tag=1928301774", "tag=1;TAG=2"), "400 Malformed From"},
		{"empty tag", but("tag=1928301774", "tag="), "400 Malformed From"},
		{"tag hidden in quotes", but("tag=1928301774", "x=\";tag=2\";tag=1"), ""},
		{"unclosed quote", but(`"Alice"`, `"Alice`), "400 Malformed From"},
		{"unclosed bracket", but("<sip:bob@example.com>", "<sip:bob@example.com"), "400 Malformed To"},
		{"two addresses in To", but("<sip:bob@example.com>", "<sip:bob@example.com>, <sip:eve@x>"), "400 Malformed To"},
		{"tel in To", but("<sip:bob@example.com>", "<tel:+491234;phone-context=x>"), ""},
		{"no URI in To", but("<sip:bob@example.com>", "bob"), "400 Malformed To"},
		{"bad escape in To", but("<sip:bob@example.com>", "<sip:b%o@example.com>"), "400 Malformed To"},
		{"empty user in To", but("<sip:bob@example.com>", "<sip:@example.com>"), "400 Malformed To"},
		{"a quote in a URI", but("<sip:bob@example.com>", "<sip:b\"ob@example.com>"), "400 Malformed To"},
		{"tel", but("INVITE sip:bob@192.0.2.20:5060", "INVITE tel:+491234"), "416 Unsupported URI Scheme"},
		{"no scheme", but("INVITE sip:bob@192.0.2.20:5060", "INVITE bob"), "400 Malformed Request-URI"},
		{"a hash in the user", but("INVITE sip:bob@", "INVITE sip:*100#@"), ""},
		{"a long URI", but("INVITE sip:bob@", "INVITE sip:"+strings.Repeat("b", MaxURI)+"@"), "414 Request-URI Too Long"},
		{"a long field", but("Softphone/1.0", strings.Repeat("x", MaxField)), "400 Header Field Too Long"},
		{"long headers", but("User-Agent", strings.Repeat("X: "+strings.Repeat("x", 8000)+"\r\n", 5)+"User-Agent"), "513 Message Too Large"},
		{"many headers", but("User-Agent", strings.Repeat("X:\r\n", MaxFields)+"User-Agent"), "drop"},
		{"many routes in a line", but("User-Agent", "Route: <sip:a>"+strings.Repeat(",<sip:a>", MaxFields)+"\r\nUser-Agent"), "drop"},
		{"many parameters", but("tag=1928301774", "tag=1"+manyParams(maxParams)), "400 Malformed From"},
		{"many parameters of a URI", but("<sip:bob@example.com>", "<sip:bob@example.com"+manyParams(maxParams+1)+">"), "400 Malformed To"},
		{"many headers of a URI", but("<sip:bob@example.com>", "<sip:bob@example.com?a=b"+strings.Repeat("&c=d", maxParams)+">"), "400 Malformed To"},
		{"as many as may be", but("<sip:bob@example.com>", "<sip:bob@example.com"+manyParams(maxParams)+">"), ""},
		{"a long body", but("Content-Length: 71\r\n", "") + strings.Repeat("x", MaxBody), "413 Request Entity Too Large"},
		{"longer than a datagram", clean + strings.Repeat("x", MaxMessage), "drop"},
		{"short body", but("Length: 71", "Length: 72"), "400 Body Shorter Than Content-Length"},
		{"a length beyond all", but("Length: 71", "Length: 4000000000"), "400 Body Shorter Than Content-Length"},
		{"a length beyond numbers", but("Length: 71", "Length: 40000000000000000000000"), "400 Malformed Content-Length"},
		{"a length in hex", but("Length: 71", "Length: 0x4b"), "400 Malformed Content-Length"},
		{"no content type", but("Content-Type", "Content-Tipe"), "400 Missing Content-Type"},
		{"content type of one word", but("application/sdp", "sdp"), "400 Malformed Content-Type"},
		{"multipart without a boundary", but("application/sdp", "multipart/mixed"), "400 Malformed Multipart Body"},
		{"multipart of nothing", but("application/sdp", "multipart/mixed;boundary=xx"), "400 Malformed Multipart Body"},
		{"star in INVITE", but("Contact: <sip:alice@192.0.2.10:5060;transport=udp>;+sip.instance=\"<urn:uuid:0>\"", "Contact: *"), "400 Malformed Contact"},
		{"refer to nobody", strings.ReplaceAll(clean, "INVITE", "REFER"), "400 Missing Refer-To"},
		{"replaces without tags", but("Supported: replaces, outbound, path", "Replaces: abc;to-tag=1"), "400 Malformed Replaces"},
		{"RAck of two numbers", but("Supported: replaces", "RAck: 1 2"), "400 Malformed RAck"},
		{"RAck", but("Supported: replaces, outbound, path", "RAck: 1  2 INVITE"), ""},
		{"session timer in words", but("1800;refresher", "soon;refresher"), "400 Malformed Session-Expires"},
		{"accepts only text", but("Supported", "Accept: text/plain, text/html\r\nSupported"), "406 Not Acceptable"},
		{"accepts anything", but("Supported", "Accept: text/plain;q=0.1, */*\r\nSupported"), ""},
		{"response with two Vias", strings.Replace(ok200, "From", "Via: SIP/2.0/UDP x;branch=z9hG4bK2\r\nFrom", 1), "drop"},
		{"response with strange contacts", strings.Replace(ok200, "CSeq", "m: <sip:a>, <<>;;, \r\nx: soon\r\nCSeq", 1), ""},
		{"response with a strange route", strings.Replace(ok200, "CSeq", "Record-Route: <sip:a>;;;x\r\nCSeq", 1), "drop"},
		{"response without To", strings.Replace(ok200, "To:", "Tu:", 1), "drop"},
		{"status 99", strings.Replace(ok200, "200", "099", 1), "drop"},
		{"status 700", strings.Replace(ok200, "200", "700", 1), "drop"},
		{"status 2000", strings.Replace(ok200, "200", "2000", 1), "drop"},
		{"response of another version", strings.Replace(ok200, "SIP/2.0 200", "SIP/2.1 200", 1), "drop"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v := Check([]byte(tt.raw))
			got := fmt.Sprintf("%d %s", v.Code, v.Reason)
			if v.Drop {
				got = "drop"
			} else if v.OK() {
				got = ""
			}
			if got != tt.want {
				t.Errorf("%q (%s), want %q", got, v.Section, tt.want)
			}
			if v.OK() != (v.Message != nil) || !v.OK() && !strings.HasPrefix(v.Section, "RFC ") {
				t.Errorf("verdict %+v", v)
			}
		})
	}
}

func manyParams(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ";p%d", i)
	}
	return b.String()
}

// What was read in any of the forms that RFC 3261 allows is given in one.
func TestCanonical(t *testing.T) {
	tests := []struct{ name, old, with, want string }{
		{"compact", "Via:", "v:", "Via:"},
		{"folded", "Max-Forwards: 70", "Max-Forwards:\r\n \t70", "Max-Forwards: 70"},
		{"folded twice", "Softphone/1.0", "Soft \r\n\t\r\n  phone", "Soft phone"},
		{"space before the colon", "To: <", "To\t : <", "To: <"},
		{"spaced parameter", ";tag=19", " ; TAG = 19", ";tag=19"},
		{"trailing semicolon", "tag=1928301774", "tag=1;", "tag=1"},
		{"bare address", "<sip:bob@example.com>", "sip:bob@example.com ;x", "<sip:bob@example.com>;x"},
		{"unquoted comma", `"Alice"`, "Doe,  John", `"Doe,  John"`},
		{"quoted pair", `"Alice" <sip:alice@example.com>`, `"Al \"\\"<sip:a@b> ;x`, `"Al \"\\" <sip:a@b>;x`},
		{"spaced Via", "SIP/2.0/UDP 192.0.2.10:5060;", "SIP / 2.0 / UDP  \t192.0.2.10 : 5060 ;", "SIP/2.0/UDP 192.0.2.10:5060;"},
		{"spaced Via of IPv6", "SIP/2.0/UDP 192.0.2.10:5060;", "SIP/2.0/UDP [::1] : 5060;", "SIP/2.0/UDP [::1]:5060;"},
		{"two Vias in a line", "rport\r\n", "rport , SIP/2.0/TCP b\r\n", "rport\r\nVia: SIP/2.0/TCP b\r\n"},
		{"two routes", "Supported:", "route:<sip:a;lr>,<sip:b,c@d;lr>\r\nk:", "Route: <sip:a;lr>\r\nRoute: <sip:b,c@d;lr>\r\nSupported:"},
		{"comma in quotes", "Supported:", "m: \"a\\\",b\" <sip:c>,<sip:d>;x=\",\"\r\nk:", "Contact: \"a\\\",b\" <sip:c>\r\nContact: <sip:d>;x=\",\"\r\nSupported:"},
		{"CSeq", "314159 INVITE", "0314159 \t INVITE", "0314159 INVITE"},
		{"a date elsewhere", "Supported", "Date: Sat, 13 Nov 2010 23:29:00 CET\r\nk: x\r\nSupported", "Supported: x\r\nSupported"},
		{"a date", "Supported", "Date: Sat, 13 Nov 2010 23:29:00 GMT\r\nk: x\r\nSupported", "Date: Sat, 13 Nov 2010 23:29:00 GMT\r\nSupported: x\r\nSupported"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw, want := but(tt.old, tt.with), but(tt.old, tt.want)
			v := Check([]byte(raw))
			if string(v.Message) != want {
				t.Errorf("got\n%s\n(%s) want\n%s", v.Message, v.Reason, want)
			}
		})
	}
}

// RFC 4475 3.1.1.1, in the form we give it.
func TestCanonicalWsinv(t *testing.T) {
	raw, err := os.ReadFile("testdata/rfc4475/wsinv.dat")
	if err != nil {
		t.Fatal(err)
	}
	const want = "INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n" +
		"To: <sip:vivekg@chair-dnrc.example.com>;tag=1918181833n\r\n" +
		"From: \"J Rosenberg \\\\\\\"\" <sip:jdrosen@example.com>;tag=98asjd8\r\n" +
		"Max-Forwards: 0068\r\nCall-ID: wsinv.ndaksdj@192.0.2.1\r\nContent-Length: 150\r\nCSeq: 0009 INVITE\r\n" +
		"Via: SIP/2.0/UDP 192.0.2.2;branch=390skdjuw\r\nSubject: \r\n" +
		"NewFangledHeader: newfangled value continued newfangled value\r\nUnknownHeaderWithUnusualValue: ;;,,;;,;\r\n" +
		"Content-Type: application/sdp\r\nRoute: <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n" +
		"Via: SIP/2.0/TCP spindle.example.com;branch=z9hG4bK9ikj8\r\nVia: SIP/2.0/UDP 192.168.255.111;branch=z9hG4bK30239\r\n" +
		"Contact: \"Quoted string \\\"\\\"\" <sip:jdrosen@example.com>;newparam=newvalue;secondparam;q=0.33\r\n\r\n"
	head, body, _ := bytes.Cut(raw, crlf2)
	got := Check(raw).Message
	if string(got) != want+string(body) {
		t.Errorf("got\n%s\nof\n%s", got, head)
	}
}

// A clean message costs no copy; what follows it in a datagram is cut off.
func TestCleanIsNotCopied(t *testing.T) {
	raw := []byte(clean + "OPTIONS sip:bob@192.0.2.20 SIP/2.0\r\n\r\n")
	v := Check(raw)
	if len(v.Message) != len(clean) || &v.Message[0] != &raw[0] || v.Method != "INVITE" {
		t.Errorf("%+v", v)
	}
	if n := testing.AllocsPerRun(100, func() { Check(raw) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// A list in a response is split around what is no address.
func TestStrangeContacts(t *testing.T) {
	raw := strings.Replace(ok200, "CSeq", "m: <<>;;a=b,sip:c;expires=60 ;d,,\"x\r\nCSeq", 1)
	want := strings.Replace(ok200, "CSeq", "Contact: <<>;;a=b\r\nContact: <sip:c>;expires=60;d\r\nContact: \r\nContact: \"x\r\nCSeq", 1)
	if v := Check([]byte(raw)); string(v.Message) != want {
		t.Errorf("%q, want %q (%s)", v.Message, want, v.Reason)
	}
}

func TestRefuse(t *testing.T) {
	from := netip.MustParseAddrPort("192.0.2.7:49152")
	bad := func(old, with string) string {
		return strings.Replace(but("Max-Forwards: 70", "Max-Forwards: x"), old, with, 1)
	}
	tests := []struct {
		name, raw string
		port      uint16
		want      []string // lines of the answer
	}{
		{"rport", bad("", ""), 49152, []string{"SIP/2.0 400 Malformed Max-Forwards", ";rport=49152;received=192.0.2.7", "To: <sip:bob@example.com>;tag=", "CSeq: 314159 INVITE"}},
		{"port in Via", bad(";rport", ""), 5060, []string{";received=192.0.2.7\r\n"}},
		{"no port in Via", bad("192.0.2.10:5060;branch", "192.0.2.7;branch"), 49152, []string{"192.0.2.7;branch"}},
		{"another port", bad("192.0.2.10:5060;branch=z9hG4bK.VYWrxJJyeEJfngAjKXELr8aPYuX8tR22;rport", "192.0.2.7:7000"), 7000, []string{"Via: SIP/2.0/UDP 192.0.2.7:7000\r\n"}},
		{"a tag already", bad("<sip:bob@example.com>", "<sip:bob@example.com>;Tag=x"), 49152, []string{"To: <sip:bob@example.com>;Tag=x\r\n"}},
		{"a semicolon at the end of To", bad("<sip:bob@example.com>", "<sip:bob@example.com>;x;"), 49152, []string{"To: <sip:bob@example.com>;x;tag="}},
		{"a list of Vias", bad(";rport", " , SIP/2.0/TCP b"), 5060, []string{"received=192.0.2.7, SIP/2.0/TCP b\r\n"}},
		{"the rest is missing", "OPTIONS sip:b SIP/2.0\r\nv: SIP/2.0/UDP a\r\n\r\n", 5060, []string{"400 Missing CSeq", "Via: SIP/2.0/UDP a;received=192.0.2.7\r\nAllow: x\r\n"}},
		{"a Via nobody can read", bad("Via: SIP/2.0/UDP ", "Via: ,"), 49152, []string{"Via: ,192"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			raw := []byte(tt.raw)
			r, ok := Refuse(raw, Check(raw), from, []byte("secret"), "Allow: x")
			if !ok || r.Port != tt.port {
				t.Fatalf("to port %d, %v, want %d", r.Port, ok, tt.port)
			}
			for _, line := range tt.want {
				if !bytes.Contains(r.Answer, []byte(line)) {
					t.Errorf("no %q in\n%s", line, r.Answer)
				}
			}
			again, _ := Refuse(raw, Check(raw), from, []byte("secret"), "Allow: x")
			other, _ := Refuse(raw, Check(raw), from, []byte("another"), "Allow: x")
			if !bytes.Equal(again.Answer, r.Answer) || bytes.Equal(other.Answer, r.Answer) == (bytes.Contains(r.Answer, []byte("To:")) && tt.name != "a tag already") {
				t.Error("the tag is not made of secret and request")
			}
		})
	}
	for _, raw := range []string{ok200[:40], clean, bad("Via:", "Vja:"), "x", strings.ReplaceAll(bad("", ""), "INVITE", "ACK")} {
		if _, ok := Refuse([]byte(raw), Check([]byte(raw)), from, nil); ok {
			t.Errorf("an answer to\n%s", raw)
		}
	}
}

func TestRecognized(t *testing.T) {
	for method, want := range map[string]bool{"INVITE": true, "PUBLISH": true, "invite": false, "DANCE": false, "": false} {
		if Recognized(method) != want {
			t.Errorf("%q: want %v", method, want)
		}
	}
}

func TestParamsAndAddress(t *testing.T) {
	display, uri, rest, ok := Address(`"Al \"x\"" <sip:a@b;c=d>;tag=1;x="a;tag=2";y`)
	if display != `Al \"x\"` || uri != "sip:a@b;c=d" || !ok {
		t.Errorf("%q %q %v", display, uri, ok)
	}
	var got []string
	for name, value := range Params(rest) {
		got = append(got, name+"="+value)
	}
	if s := strings.Join(got, " "); s != `tag=1 x="a;tag=2" y=` {
		t.Error(s)
	}
	for range Params(rest) {
		break
	}
}
