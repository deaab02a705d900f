package uri

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseAddress(t *testing.T) {
	tests := []struct {
		name, in, display, uri string
		params                 Params
		text                   string
	}{
		{
			"quoted", `"A. G. Bell" <sip:agb@bell-telephone.com> ;tag=a48s`, "A. G. Bell", "sip:agb@bell-telephone.com",
			Params{{Name: "tag", Value: "a48s"}},
			`"A. G. Bell" <sip:agb@bell-telephone.com>;tag=a48s`,
		},
		{
			"tokens", `Anonymous  Caller <sip:c8oqz84zk7z@privacy.org>`, "Anonymous Caller", "sip:c8oqz84zk7z@privacy.org", nil,
			`"Anonymous Caller" <sip:c8oqz84zk7z@privacy.org>`,
		},
		{
			"addr-spec: parameters are the header's", `sip:+12125551212@server.phone2net.com;tag=887s`, "", "sip:+12125551212@server.phone2net.com",
			Params{{Name: "tag", Value: "887s"}},
			`<sip:+12125551212@server.phone2net.com>;tag=887s`,
		},
		{"brackets: parameters are the URI's", `<sip:h;lr>`, "", "sip:h;lr", nil, `<sip:h;lr>`},
		{"escaped quotes and brackets in the name", `"Bob \"<x>\\, y" <sip:bob@h>`, `Bob "<x>\, y`, "sip:bob@h", nil, `"Bob \"<x>\\, y" <sip:bob@h>`},
		{"UTF-8 name", `Jürgen <sip:j@h>`, "Jürgen", "sip:j@h", nil, `"Jürgen" <sip:j@h>`},
		{"no space", `"Bob"<sip:bob@h>`, "Bob", "sip:bob@h", nil, `"Bob" <sip:bob@h>`},
		{
			"quoted parameter", `<sip:bob@h>;+sip.instance="<urn:uuid:1>";expires=60; q = 0.5`, "", "sip:bob@h",
			Params{{Name: "+sip.instance", Value: "<urn:uuid:1>", Quoted: true}, {Name: "expires", Value: "60"}, {Name: "q", Value: "0.5"}},
			`<sip:bob@h>;+sip.instance="<urn:uuid:1>";expires=60;q=0.5`,
		},
		{"flag", `<sip:bob@h>;isfocus`, "", "sip:bob@h", Params{{Name: "isfocus"}}, `<sip:bob@h>;isfocus`},
		{"folded name", "\"Bob\r\n Smith\" <sip:bob@h>", "Bob   Smith", "sip:bob@h", nil, `"Bob   Smith" <sip:bob@h>`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseAddress(tt.in)
			want := Address{Display: tt.display, URI: mustParse(t, tt.uri), Params: tt.params}
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("ParseAddress(%q) = %+v, %v; want %+v", tt.in, got, err, want)
			}
			if got.String() != tt.text {
				t.Errorf("String() = %s, want %s", got, tt.text)
			}
		})
	}
}

func TestParseAddressRefuses(t *testing.T) {
	for _, in := range []string{
		"", "*", "bob", `"Bob <sip:bob@h>`, `"Bob" sip:bob@h`, `<sip:bob@h`, `<sip:bob@h>x`, `<sip:bob@h>;="x"`, `<sip:bob@h>;a="x`,
		`<sip:bob@h>;a="x"y`, `<tel:123>`, "B\x01b <sip:bob@h>", `<sip:bob@h>;tag=a<b`, "<sip:bob@h>;tag=a\r\nb",
		strings.Repeat("x", 5000) + "<sip:bob@h>",
	} {
		if a, err := ParseAddress(in); err == nil {
			t.Errorf("ParseAddress(%q) = %v, want an error", in, a)
		}
	}
}

func TestName(t *testing.T) {
	for in, want := range map[string]string{`"Bob B" <sip:bob@h>`: "Bob B", "<sip:bob@h>": "bob", "<sip:h>": "h"} {
		a, err := ParseAddress(in)
		if err != nil || a.Name() != want {
			t.Errorf("Name of %s = %q, %v; want %q", in, a.Name(), err, want)
		}
	}
}

func TestSplitAddresses(t *testing.T) {
	tests := []struct {
		in   string
		want []string
	}{
		{`"a, b" <sip:a@h>, <sip:b,c@h>;q="1,2" ,sip:d@h`, []string{`"a, b" <sip:a@h>`, `<sip:b,c@h>;q="1,2"`, "sip:d@h"}},
		{`"a\", b" <sip:a@h>,`, []string{`"a\", b" <sip:a@h>`}},
		{" , ", nil},
		{"", nil},
		{`<sip:a@h, <sip:b@h>`, []string{"<sip:a@h, <sip:b@h>"}},
		{`"open, <sip:a@h>`, []string{`"open, <sip:a@h>`}},
	}
	for _, tt := range tests {
		if got := SplitAddresses(tt.in); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("SplitAddresses(%q) = %q, want %q", tt.in, got, tt.want)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{`"A \" B" <sip:agb@h;lr>;tag=a;b="c"`, "sip:a@h;x=y", `J <sip:j@h>`, "*", `"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		SplitAddresses(s)
		a, err := ParseAddress(s)
		if err != nil {
			return
		}
		text := a.String()
		if strings.ContainsAny(text, "\r\n") {
			t.Fatalf("String() = %q breaks a header", text)
		}
		if len(text) > MaxLength || len(a.URI.String()) > MaxLength {
			return
		}
		b, err := ParseAddress(text)
		if err != nil || b.String() != text {
			t.Fatalf("%q becomes %q, %v", text, b.String(), err)
		}
	})
}
