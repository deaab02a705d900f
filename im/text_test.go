package im

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestReadBody(t *testing.T) {
	const cpim = "From: Bob <sip:bob@info.test>\r\nTo: <sip:alice@info.test>\r\nDateTime: 2026-11-22T10:00:00Z\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: abc\r\n\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHall\u00f6chen"
	tests := []struct {
		name, contentType, body, text, id string
	}{
		{"plain", "text/plain", "hello", "hello", ""},
		{"no type", "", "hello", "hello", ""},
		{"UTF-8 without charset", "text/plain", "Grüße 👍🏽", "Grüße 👍🏽", ""},
		{"Latin 1", "text/plain;charset=ISO-8859-1", "Gr\xfc\xdfe", "Grüße", ""},
		{"quoted charset", `Text/Plain; charset="iso-8859-15"`, "5 \xa4", "5 €", ""},
		{"Latin 1 unsaid", "text/plain", "Gr\xfc\xdfe", "Grüße", ""},
		{"Latin 1 said to be UTF-8", "text/plain; charset=UTF-8", "Gr\xfc\xdfe", "Grüße", ""},
		{"unknown charset", "text/plain; charset=klingon", "hello", "hello", ""},
		{"UTF-16", "text/plain; charset=utf-16le", "h\x00i\x00", "hi", ""},
		{"broken parameter", "text/plain; charset", "hello", "hello", ""},
		{"HTML", "text/html", `<html><head><title>x</title></head><body>a<br>b &lt;i&gt; <script>alert(1)</script><p>c   d</p><a href="javascript:x">e</a><!-- f --></body></html>`, "a\nb <i> c d\ne", ""},
		{"HTML torn", "text/html", `a<img src="x" onerror="y`, "a", ""},
		{"CPIM", "Message/CPIM", cpim, "Hallöchen", "abc"},
		{"CPIM with bare line feeds", "message/cpim", strings.ReplaceAll(cpim, "\r\n", "\n"), "Hallöchen", "abc"},
		{"CPIM base64", "message/cpim", "From: <im:a@b>\r\n\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n", "hello", ""},
		{"CPIM quoted-printable", "message/cpim", "From: <im:a@b>\r\n\r\nContent-Type: text/plain\r\nContent-Transfer-Encoding: Quoted-Printable\r\n\r\nGr=C3=BCn", "Grün", ""},
		{"CPIM content length", "message/cpim", "From: <im:a@b>\r\n\r\nContent-Length: 2\r\n\r\nhixx", "hi", ""},
		{"bidi override", "text/plain", "a\u202Eb\u2066c", "abc", ""},
		{"control characters", "text/plain", "a\x00b\x1b[31mc\x07\r\nd\te\u2028f", "ab[31mc\nd\te\nf", ""},
		{"tower of marks", "text/plain", "a" + strings.Repeat("\u0301", 100), "a" + strings.Repeat("\u0301", maxMarks), ""},
		{"joined emoji stays", "text/plain", "👩‍👩‍👧‍👦 \u05d0\u200f", "👩‍👩‍👧‍👦 \u05d0\u200f", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := readBody(tt.contentType, []byte(tt.body), false)
			if err != nil {
				t.Fatal(err)
			}
			if got.text != tt.text || got.messageID != tt.id || got.silent {
				t.Errorf("got %q id %q silent %v, want %q id %q", got.text, got.messageID, got.silent, tt.text, tt.id)
			}
		})
	}
}

func TestReadBodySilent(t *testing.T) {
	for _, contentType := range []string{"application/im-iscomposing+xml", "message/imdn+xml", "application/im-iscomposing+xml; charset=utf-8"} {
		got, err := readBody(contentType, []byte("<x/>"), false)
		if err != nil || !got.silent {
			t.Errorf("%s: %+v, %v", contentType, got, err)
		}
	}
	got, err := readBody(CPIMType, []byte("From: <im:a@b>\r\n\r\nContent-Type: message/imdn+xml\r\n\r\n<imdn/>"), false)
	if err != nil || !got.silent {
		t.Errorf("receipt in CPIM: %+v, %v", got, err)
	}
}

func TestReadBodyRefuses(t *testing.T) {
	var unsupported *UnsupportedTypeError
	var large *TooLargeError
	if _, err := readBody("application/octet-stream", []byte("x"), false); !errors.As(err, &unsupported) || !strings.Contains(unsupported.Accept(), "text/plain") {
		t.Errorf("octets: %v", err)
	}
	if _, err := readBody(CPIMType, []byte("From: <im:a@b>\r\n\r\nContent-Type: image/png\r\n\r\n."), false); !errors.As(err, &unsupported) {
		t.Errorf("picture in CPIM: %v", err)
	}
	if _, err := readBody("text/plain", make([]byte, MaxBody+1), false); !errors.As(err, &large) {
		t.Errorf("too large: %v", err)
	}
	for _, body := range []string{"", "no headers", "From: x", "From x\r\n\r\n\r\n", "From: <im:a@b>\r\n\r\nContent-Type: message/cpim\r\n\r\n\r\n\r\n", strings.Repeat("A: b\r\n", 200) + "\r\n\r\n"} {
		if _, err := readBody(CPIMType, []byte(body), false); !errors.Is(err, ErrMalformed) {
			t.Errorf("CPIM %q: %v", body, err)
		}
	}
}

func TestCPIMRoundTrip(t *testing.T) {
	in := CPIM{
		From: "Bob \\ \"x\" <sip:bob@info.test>", To: "<sip:alice@info.test>", DateTime: time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
		Subject: "a\r\nFrom: <sip:mallory@evil.test>", MessageID: "id1", Disposition: "positive-delivery, display",
		ContentType: "text/plain; charset=utf-8", Content: []byte("line\r\n\r\nline: x"),
	}
	got, err := ParseCPIM(in.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if got.From != in.From || got.To != in.To || !got.DateTime.Equal(in.DateTime) || got.Subject != in.Subject || got.MessageID != in.MessageID ||
		got.Disposition != in.Disposition || got.ContentType != in.ContentType || string(got.Content) != string(in.Content) {
		t.Errorf("got %+v, want %+v", got, in)
	}
}

func FuzzCPIM(f *testing.F) {
	f.Add([]byte("From: Bob <sip:b@i>\r\nNS: imdn <urn:ietf:params:imdn>\r\nimdn.Message-ID: a\\u0041\r\n\r\nContent-Type: text/plain\r\n\r\nhi"))
	f.Add([]byte("A: b\n\nContent-Transfer-Encoding: base64\nContent-Length: 4\n\naGk="))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseCPIM(data)
		if err != nil {
			return
		}
		again, err := ParseCPIM(c.Encode())
		if err != nil {
			t.Fatalf("own message not read: %v\n%q", err, c.Encode())
		}
		if string(again.Content) != string(c.Content) {
			t.Fatalf("content %q became %q", c.Content, again.Content)
		}
		if id := strings.TrimSpace(strings.ToValidUTF8(c.MessageID, "\uFFFD")); again.MessageID != id && id == c.MessageID {
			t.Fatalf("id %q became %q", c.MessageID, again.MessageID)
		}
	})
}

func FuzzReadBody(f *testing.F) {
	f.Add("text/html; charset=iso-8859-1", []byte("<p>a</p><script>x"))
	f.Add("text/plain", []byte("a\u202Eb"))
	f.Add("message/cpim", []byte("From: <im:a@b>\r\n\r\nContent-Type: text/html\r\n\r\n<b>x"))
	f.Fuzz(func(t *testing.T, contentType string, data []byte) {
		c, err := readBody(contentType, data, false)
		if err != nil {
			return
		}
		if !utf8.ValidString(c.text) || strings.ContainsAny(c.text, "\u202D\u202E\u2066\x00\x1b\r") {
			t.Fatalf("text %q", c.text)
		}
	})
}
