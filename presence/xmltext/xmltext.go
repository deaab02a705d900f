// Package xmltext makes the XML of strangers fit to be read and shown: UTF8 converts whole documents before they are
// parsed, Line the texts that were found in them. Both may be called from any goroutine.
package xmltext

import (
	"bytes"
	"strings"
	stdunicode "unicode"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/encoding/unicode"
)

// Line makes foreign text safe to show on one line: control and format characters that could reorder or hide text
// go (RFC 8264 would refuse them too), white space is folded, length is bounded, in bytes.
func Line(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case stdunicode.IsSpace(r):
			return ' '
		case stdunicode.IsControl(r), r == utf8.RuneError, r == '\uFEFF':
			return -1
		case r >= '\u202A' && r <= '\u202E', r >= '\u2066' && r <= '\u2069': // bidi embeddings, overrides, isolates
			return -1
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// UTF8 converts a document to UTF-8: by its byte order mark, by the encoding of its XML declaration, and, when the
// bytes are not UTF-8 although they claim to be, as Windows-1252, the superset of ISO-8859-1 that such senders mean.
func UTF8(body []byte) []byte {
	if len(body) >= 2 && (body[0] == 0xFE && body[1] == 0xFF || body[0] == 0xFF && body[1] == 0xFE) {
		return convert(unicode.UTF16(unicode.BigEndian, unicode.UseBOM), body)
	}
	body = bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF"))
	if name := declaredEncoding(body); name != "" {
		if enc := byteEncoding(name); enc != nil {
			return convert(enc, body)
		}
	}
	if !utf8.Valid(body) {
		return convert(charmap.Windows1252, body)
	}
	return body
}

// byteEncoding is the named encoding when it must be converted and can be: not UTF-8, not UTF-16 (the declaration was
// legible, so the document is none), not an unknown one.
func byteEncoding(name string) encoding.Encoding {
	enc, err := htmlindex.Get(name)
	if err != nil {
		return nil
	}
	canonical, err := htmlindex.Name(enc)
	if err != nil || canonical == "utf-8" || strings.HasPrefix(canonical, "utf-16") {
		return nil
	}
	return enc
}

func convert(enc encoding.Encoding, body []byte) []byte {
	out, err := enc.NewDecoder().Bytes(body)
	if err != nil {
		return body // the XML reader will say what is wrong with it
	}
	return out
}

// declaredEncoding finds the encoding of an XML declaration, which is ASCII in every encoding that gets here.
func declaredEncoding(body []byte) string {
	body = bytes.TrimLeft(body, " \t\r\n")
	if !bytes.HasPrefix(body, []byte("<?xml")) {
		return ""
	}
	end := bytes.Index(body, []byte("?>"))
	if end < 0 || end > 200 {
		return ""
	}
	decl := string(body[:end])
	_, rest, ok := strings.Cut(decl, "encoding")
	if !ok {
		return ""
	}
	rest = strings.TrimLeft(rest, " \t\r\n=")
	if rest == "" || rest[0] != '"' && rest[0] != '\'' {
		return ""
	}
	name, _, _ := strings.Cut(rest[1:], rest[:1])
	return name
}
