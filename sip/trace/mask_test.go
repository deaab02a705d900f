package trace

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

const secret = "gEhEiM-0a4f113b"

func TestMask(t *testing.T) {
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	digest := `username="alice", realm="info.test", nonce="` + secret + `", uri="sip:info.test", response="` + secret +
		`", algorithm=MD5, cnonce="` + secret + `", opaque="` + secret + `", qop=auth, nc=00000001`
	tests := []struct{ name, in, want string }{
		{
			"digest", crlf("REGISTER sip:info.test SIP/2.0\nAuthorization: Digest " + digest + "\nContent-Length: 0\n\n"),
			crlf("REGISTER sip:info.test SIP/2.0\n" + `Authorization: Digest username="alice", realm="info.test", nonce=***, uri="sip:info.test", response=***, algorithm=MD5, cnonce=***, opaque=***, qop=auth, nc=00000001` + "\nContent-Length: 0\n\n"),
		},
		{
			"challenge keeps realm", crlf("SIP/2.0 401 Unauthorized\nWWW-Authenticate: Digest realm=\"a, b\", nonce=\"" + secret + "\", stale=true, algorithm=SHA-256\n\n"),
			crlf("SIP/2.0 401 Unauthorized\nWWW-Authenticate: Digest realm=\"a, b\", nonce=***, stale=true, algorithm=SHA-256\n\n"),
		},
		{"basic", "X sip:x SIP/2.0\r\nproxy-authorization : Basic " + secret + "==\r\n\r\n", "X sip:x SIP/2.0\r\nproxy-authorization : Basic ***\r\n\r\n"},
		{"bearer", "X sip:x SIP/2.0\r\nAuthorization:Bearer " + secret + "\r\n\r\n", "X sip:x SIP/2.0\r\nAuthorization: Bearer ***\r\n\r\n"},
		{"info", "SIP/2.0 200 OK\r\nAuthentication-Info: nextnonce=\"" + secret + "\", qop=auth, rspauth=\"" + secret + "\"\r\n\r\n", "SIP/2.0 200 OK\r\nAuthentication-Info: nextnonce=***, qop=auth, rspauth=***\r\n\r\n"},
		{"folded", "X sip:x SIP/2.0\r\nAUTHORIZATION:\r\n Digest\r\n\tresponse=\r\n \"" + secret + "\"\r\nTo: <sip:x>\r\n\r\n", "X sip:x SIP/2.0\r\nAUTHORIZATION: Digest response=***\r\nTo: <sip:x>\r\n\r\n"},
		{"two", "X sip:x SIP/2.0\nAuthorization: Digest realm=\"a\", response=\"" + secret + "\", Digest realm=\"b\", response=" + secret + "\n\n", "X sip:x SIP/2.0\nAuthorization: Digest realm=\"a\", response=***, Digest realm=\"b\", response=***\n\n"},
		{"message", "MESSAGE sip:x SIP/2.0\r\nContent-Type: text/plain\r\n\r\n" + secret, "MESSAGE sip:x SIP/2.0\r\nContent-Type: text/plain\r\n\r\n[15 bytes]"},
		{"message that claims to be SDP", "MESSAGE sip:x SIP/2.0\r\nc: application/sdp\r\n\r\ns=" + secret, "MESSAGE sip:x SIP/2.0\r\nc: application/sdp\r\n\r\n[17 bytes]"},
		{"answer to a message", "SIP/2.0 200 OK\r\nCSeq: 1 MESSAGE\r\nContent-Type: application/sdp\r\n\r\ns=" + secret, "SIP/2.0 200 OK\r\nCSeq: 1 MESSAGE\r\nContent-Type: application/sdp\r\n\r\n[17 bytes]"},
		{"multipart", "INVITE sip:x SIP/2.0\r\nc:multipart/mixed;boundary=b\r\n\r\n--b\r\n\r\n" + secret, "INVITE sip:x SIP/2.0\r\nc:multipart/mixed;boundary=b\r\n\r\n[22 bytes]"},
		{"compressed SDP", "INVITE sip:x SIP/2.0\r\nc: application/sdp\r\ne: gzip\r\n\r\nv=0", "INVITE sip:x SIP/2.0\r\nc: application/sdp\r\ne: gzip\r\n\r\n[3 bytes]"},
		{"SDP", "INVITE sip:x SIP/2.0\r\nContent-Type: Application/SDP\r\n\r\nv=0\r\no=- 1 1 IN IP4 10.0.0.1\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + secret + "\r\na=ice-pwd:" + secret + "\r\nk=clear:" + secret + "\r\na=ice-ufrag:x\r\nA=Crypto:" + secret + "\r\na=sendrecv\r\n", "INVITE sip:x SIP/2.0\r\nContent-Type: Application/SDP\r\n\r\nv=0\r\no=- 1 1 IN IP4 10.0.0.1\r\na=crypto:***\r\na=ice-pwd:***\r\nk=***\r\na=ice-ufrag:x\r\n***\r\na=sendrecv\r\n"},
		{"password in a URI", "INVITE sip:bob:" + secret + "@x SIP/2.0\r\nFrom: <sips:a:" + secret + "@x;x=y>;tag=1, <tel:1>\r\n\r\n", "INVITE sip:bob:***@x SIP/2.0\r\nFrom: <sips:a:***@x;x=y>;tag=1, <tel:1>\r\n\r\n"},
		{"credentials in a URI", "REFER sip:x SIP/2.0\r\nRefer-To: <sip:x@y?Authorization=Digest%20response%3D" + secret + ">\r\n\r\n", "REFER sip:x SIP/2.0\r\nRefer-To: <sip:x@y ***\r\n\r\n"},
		{"a copy under another name", "X sip:x SIP/2.0\r\nX-Debug: Digest re sponse = " + secret + "\r\n\r\n", "X sip:x SIP/2.0\r\nX-Debug: Digest re sponse  ***\r\n\r\n"},
		{"a header that is none", "X sip:x SIP/2.0\r\n" + secret + "\r\n\r\n", "X sip:x SIP/2.0\r\n***\r\n\r\n"},
		{"Replaces stays", "REFER sip:x SIP/2.0\r\nRefer-To: <sip:x@y?Replaces=a%3Bto-tag%3Db>\r\n\r\n", "REFER sip:x SIP/2.0\r\nRefer-To: <sip:x@y?Replaces=a%3Bto-tag%3Db>\r\n\r\n"},
		{"Via and Contact stay", "X sip:x SIP/2.0\r\nv: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1;rport\r\nm: <sip:a@[2001:db8::1]:5060>\r\n\r\n", "X sip:x SIP/2.0\r\nv: SIP/2.0/UDP [2001:db8::1]:5060;branch=z9hG4bK1;rport\r\nm: <sip:a@[2001:db8::1]:5060>\r\n\r\n"},
		{"nothing", "", ""},
		{"no end", "X sip:x SIP/2.0\r\nAuthorization: Digest response=" + secret, "X sip:x SIP/2.0\r\nAuthorization: Digest response=***"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := []byte(tt.in)
			got := string(Mask(in))
			if got != tt.want {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
			if string(in) != tt.in {
				t.Error("the message itself was changed")
			}
		})
	}
}

// A long message is cut, its body counted.
func TestMaskIsBounded(t *testing.T) {
	long := "INVITE sip:x SIP/2.0\r\nContent-Type: application/sdp\r\n" + strings.Repeat("X: y\r\n", 10000)
	if got := Mask([]byte(long + "\r\nv=0\r\n")); len(got) > maxShown+100 || !bytes.Contains(got, []byte("bytes]")) {
		t.Errorf("%d bytes, ends %q", len(got), got[len(got)-30:])
	}
	if got := Noise(bytes.Repeat([]byte{0xab}, 60000)); len(got) > 200 || !bytes.Contains(got, []byte("60000")) {
		t.Errorf("%q", got)
	}
}

// ways are the places where a secret may be; %s is the secret.
var ways = []string{
	"Authorization: Digest username=\"a\", response=\"%s\"\r\n",
	"authorization : digest cnonce=%s\r\n",
	"AuThOrIzAtIoN:Digest\r\n response = \"%s\"\r\n",
	"Proxy-Authorization: Digest a=b,\r\n\tnonce\r\n =\"%s\"\r\n",
	"Proxy-Authorization: Basic %s\r\n",
	"Authentication-Info: rspauth=\"%s\"\r\n",
	"Authorization: Digest response=\"x\"\r\nAuthorization: Digest response=\"%s\"\r\n",
	"Content-Type: text/plain\r\n\r\n%s",
	"Content-Type: multipart/mixed;boundary=x\r\n\r\n--x\r\nContent-Type: application/sdp\r\n\r\na=crypto:1 x inline:%s\r\n--x--",
	"Content-Type: application/sdp\r\n\r\nv=0\r\na=crypto:1 AES inline:%s\r\n",
	"c: application/sdp\r\n\r\nv=0\r\na=ice-pwd:%s\r\n",
	"To: <sip:bob:%s@info.test>\r\n",
}

// Whatever stands around them, secrets in their usual places are never shown.
func FuzzMask(f *testing.F) {
	for i := range ways {
		f.Add(i, "INVITE sip:x SIP/2.0", "Via: SIP/2.0/UDP x", "To: <sip:x>")
	}
	f.Add(0, "MESSAGE sip:x SIP/2.0", "Content-Type: application/sdp\r\n", "\r\n\r\nx")
	f.Add(1, "SIP/2.0 200 OK", "c: application/sdp\n\n", "")
	f.Add(2, "SIP/2.0 200 OK", "Subject: \"", "\"")
	f.Add(3, "\x00", "e\r", "\n")
	f.Fuzz(func(t *testing.T, way int, first, before, after string) {
		line := ways[max(0, way%len(ways))]
		// A line of its own begins where the lines before are complete ones: else it is part of another header.
		if strings.ContainsAny(first, "\r\n") || strings.Contains(before+after+first, secret) {
			return
		}
		msg := first + "\r\n" + strings.TrimRight(before, "\r\n") + "\r\n" + fmt.Sprintf(line, secret) + after
		if before == "" {
			msg = first + "\r\n" + fmt.Sprintf(line, secret) + after
		}
		got := Mask([]byte(msg))
		if bytes.Contains(got, []byte(secret)) {
			t.Fatalf("shown:\n%q\n%q", msg, got)
		}
		if again := Mask(got); bytes.Contains(again, []byte(secret)) {
			t.Fatal("shown by the second masking")
		}
	})
}
