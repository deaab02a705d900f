package uri

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFromUser(t *testing.T) {
	tests := []struct{ in, domain, want string }{
		{"bob", "info.test", "sip:bob@info.test"},
		{" bob ", "info.test:5070", "sip:bob@info.test:5070"},
		{"bob.smith", "info.test", "sip:bob.smith@info.test"},
		{"bob@info.test", "", "sip:bob@info.test"},
		{"bob@10.0.0.1:5070", "info.test", "sip:bob@10.0.0.1:5070"},
		{"bob@2001:db8::1", "", "sip:bob@[2001:db8::1]"},
		{"bob@[2001:db8::1]:5070", "", "sip:bob@[2001:db8::1]:5070"},
		{"sip:bob@10.0.0.1:5070;transport=tcp", "info.test", "sip:bob@10.0.0.1:5070;transport=tcp"},
		{"SIPS:bob@info.test", "", "sips:bob@info.test"},
		{"sip://bob@info.test", "", "sip:bob@info.test"},
		{"sip:bob", "info.test", "sip:bob@info.test"},
		{"<sip:bob@info.test>", "", "sip:bob@info.test"},
		{`"Bob" <sip:bob@info.test>;tag=1`, "", "sip:bob@info.test"},
		{"Bob <bob@info.test>", "", "sip:bob@info.test"},
		{"+49 30 1234", "info.test", "sip:+49301234@info.test"},
		{"+49 (0)30 12-34", "info.test", "sip:+49301234@info.test"},
		{"(030) 12.34/5", "info.test", "sip:03012345@info.test"},
		{"tel:+49-30-1234;phone-context=x", "info.test", "sip:+49301234@info.test"},
		{"+49 30 1234@gw.test", "info.test", "sip:+49301234@gw.test"},
		{"*43", "info.test", "sip:*43@info.test"},
		{"#43", "info.test", "sip:%2343@info.test"},
		{"10.0.0.7", "info.test", "sip:10.0.0.7"},
		{"10.0.0.7:5070", "", "sip:10.0.0.7:5070"},
		{"::1", "", "sip:[::1]"},
		{"pbx.example.org", "", "sip:pbx.example.org"},
		{"jürgen@bücher.example", "", "sip:j%C3%BCrgen@bücher.example"},
		{"b%40c@h.test", "", "sip:b%40c@h.test"},
		{"100%@h.test", "", "sip:100%25@h.test"},
		{"\u200ebob@info.test\u200b", "", "sip:bob@info.test"},
	}
	for _, tt := range tests {
		u, err := FromUser(tt.in, tt.domain)
		if err != nil || u.String() != tt.want {
			t.Errorf("FromUser(%q, %q) = %v, %v; want %s", tt.in, tt.domain, u, err, tt.want)
		}
	}
}

func TestFromUserSentences(t *testing.T) {
	tests := []struct{ in, domain, says string }{
		{"", "info.test", "Type a name, a number or an address"},
		{"bob", "", "Add an account first"},
		{"+49 30", "", "Add an account first"},
		{"bob smith", "info.test", "no spaces"},
		{"@info.test", "", "name before the @"},
		{"bob@", "", "domain after the @"},
		{"bob@info test", "", "not an address"},
		{"bob@in_fo!", "", "not a domain"},
		{"bob@info.test:99999", "", "from 1 to 65535"},
		{"https://example.org", "", "cannot call https:"},
		{"mailto:bob@x.org", "", "cannot call mailto:"},
		{`"Bob`, "info.test", "not an address"},
		{"<<bob>>", "info.test", "not an address"},
		{strings.Repeat("a", 3000), "info.test", "too long"},
	}
	for _, tt := range tests {
		u, err := FromUser(tt.in, tt.domain)
		var input *InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), tt.says) || !strings.HasSuffix(err.Error(), ".") {
			t.Errorf("FromUser(%q, %q) = %v, %v; want a sentence with %q", tt.in, tt.domain, u, err, tt.says)
		}
	}
}

func FuzzFromUser(f *testing.F) {
	for _, s := range []string{"bob", "+49 (0)30", "sip:b@h", `"B" <b@h>`, "tel:1", "::1", "[::1]:5"} {
		f.Add(s, "info.test")
	}
	f.Fuzz(func(t *testing.T, in, domain string) {
		u, err := FromUser(in, domain)
		if err != nil {
			if !utf8.ValidString(err.Error()) && utf8.ValidString(in) && utf8.ValidString(domain) {
				t.Fatalf("sentence %q is broken", err)
			}
			return
		}
		if _, err := Parse(u.String()); err != nil && len(u.String()) <= MaxLength {
			t.Fatalf("FromUser(%q) = %q, which is no URI: %v", in, u, err)
		}
	})
}
