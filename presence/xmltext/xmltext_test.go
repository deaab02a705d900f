package xmltext

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestUTF8(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"UTF-8", "<a>ü</a>", "<a>ü</a>"},
		{"byte order mark", "\xEF\xBB\xBF<a/>", "<a/>"},
		{"UTF-16 LE", "\xFF\xFE<\x00a\x00/\x00>\x00", "<a/>"},
		{"UTF-16 BE", "\xFE\xFF\x00<\x00a\x00/\x00>", "<a/>"},
		{"declared Latin-1", "<?xml version='1.0' encoding='ISO-8859-1'?><a>\xfc</a>", "<?xml version='1.0' encoding='ISO-8859-1'?><a>ü</a>"},
		{"declared KOI8-R", `<?xml version="1.0" encoding="koi8-r"?><a>` + "\xc1</a>", `<?xml version="1.0" encoding="koi8-r"?><a>а</a>`},
		{"claims UTF-8, is not", `<?xml version="1.0" encoding="UTF-8"?><a>` + "\xfc</a>", `<?xml version="1.0" encoding="UTF-8"?><a>ü</a>`},
		{"unknown encoding", `<?xml version="1.0" encoding="none"?><a/>`, `<?xml version="1.0" encoding="none"?><a/>`},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(UTF8([]byte(tt.in))); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLine(t *testing.T) {
	tests := []struct {
		name, in string
		limit    int
		want     string
	}{
		{"spaces", "  a \r\n\t b ", 10, "a b"},
		{"controls", "a\x00\x1b[31mb", 20, "a[31mb"},
		{"bidi overrides", "a\u202Egpj\u2066b", 20, "agpjb"},
		{"cut at a character", "üüü", 5, "üü"},
		{"no room", "ü", 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Line(tt.in, tt.limit); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// FuzzLine: one line, within its bounds, and the same when cleaned again.
func FuzzLine(f *testing.F) {
	f.Add("a\r\nb \u202e ü\xff", 4)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		if limit < 0 || limit > 1000 {
			return
		}
		got := Line(s, limit)
		if len(got) > limit || strings.ContainsAny(got, "\r\n\x00") || !utf8.ValidString(got) {
			t.Fatalf("%q", got)
		}
	})
}
