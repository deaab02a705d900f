package syntax

import (
	"bytes"
	"os"
	"strings"
	"testing"

	sipmsg "github.com/emiago/sipgo/sip"
)

// A clean message: what the judgement adds to the parse that follows it.
func BenchmarkCheck(b *testing.B) {
	raw := []byte(clean)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if !Check(raw).OK() {
			b.Fatal("refused")
		}
	}
}

// The parse that follows, for comparison.
func BenchmarkSipgo(b *testing.B) {
	raw, p := []byte(clean), sipmsg.NewParser()
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.ParseSIP(raw); err != nil {
			b.Fatal(err)
		}
	}
}

// A message that has to be written anew.
func BenchmarkCanonical(b *testing.B) {
	raw, err := os.ReadFile("testdata/rfc4475/wsinv.dat")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if !Check(raw).OK() {
			b.Fatal("refused")
		}
	}
}

// hostile are messages of 60 kB made to take long. Their time a byte must be that of small ones.
func hostile() map[string][]byte {
	const n = 60000
	header := func(line string) []byte { return []byte(but("User-Agent", line+"\r\nUser-Agent")) }
	fill := func(s string) string { return strings.Repeat(s, n/len(s)) }
	return map[string][]byte{
		"folds":       header("X: a" + fill("\r\n ")),
		"blanks":      header("X:" + fill(" ") + "x"),
		"headers":     header(fill("X:\r\n") + "X:"),
		"unclosed":    header("Contact: " + fill("\"")),
		"backslashes": header("Contact: \"" + fill("\\")),
		"brackets":    header("Contact: " + fill("<>,")),
		"commas":      header("Route: " + fill("<sip:a>,") + "<sip:a>"),
		"parameters":  header("Contact: <sip:a>" + fill(";a")),
		"vias":        header("Via: " + fill("SIP/2.0/UDP a,") + "SIP/2.0/UDP a"),
		"both":        header(strings.Repeat("Via: SIP/2.0/UDP a"+manyParams(maxParams)+"\r\n", 200) + "X:"),
		"slashes":     header("Via: " + fill("/")),
		"colons":      header("Via: SIP/2.0/UDP " + fill(":")),
		"escapes":     header("To: <sip:" + fill("%41") + "@x>"),
		"lines":       []byte(fill("\r\n")),
		"line feeds":  []byte("INVITE sip:b SIP/2.0\r\nX: " + fill("\n")),
		"boundaries": []byte("MESSAGE sip:b SIP/2.0\r\nVia: SIP/2.0/UDP a\r\nFrom: <sip:a>;tag=1\r\nTo: <sip:b>\r\nCall-ID: 1\r\nCSeq: 1 MESSAGE\r\n" +
			"Content-Type: multipart/mixed;boundary=" + strings.Repeat("-", 70) + "\r\n\r\n" + strings.Repeat("-", 59000)),
		"once": header(strings.Repeat("Join: 1\r\nRefer-Sub: 1\r\nMIME-Version: 1\r\n", 80) + "X:"),
	}
}

func BenchmarkHostile(b *testing.B) {
	for name, raw := range hostile() {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				Check(raw)
			}
		})
	}
}

// All but two of them are refused.
func TestHostileIsRefused(t *testing.T) {
	for name, raw := range hostile() {
		if v := Check(raw); v.OK() && !bytes.Contains(raw, []byte("boundary")) && name != "blanks" {
			t.Errorf("%s is taken", name)
		}
	}
}
