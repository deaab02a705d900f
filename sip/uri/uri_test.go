package uri

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func mustParse(t testing.TB, s string) URI {
	t.Helper()
	u, err := Parse(s)
	if err != nil {
		t.Fatalf("Parse(%q): %v", s, err)
	}
	return u
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, in string
		want     URI
		text     string // what String gives, when not in
	}{
		// RFC 3261 19.1.3
		{"user and host", "sip:alice@atlanta.com", URI{Scheme: "sip", User: "alice", Host: "atlanta.com"}, ""},
		{"password and parameter", "sip:alice:secretword@atlanta.com;transport=tcp", URI{
			Scheme: "sip", User: "alice", Password: "secretword",
			Host: "atlanta.com", Params: Params{{Name: "transport", Value: "tcp"}},
		}, ""},
		{"headers", "sips:alice@atlanta.com?subject=project%20x&priority=urgent", URI{
			Scheme: "sips", User: "alice", Host: "atlanta.com",
			Headers: "subject=project%20x&priority=urgent",
		}, ""},
		{"number with phone-context style", "sip:+1-212-555-1212:1234@gateway.com;user=phone", URI{
			Scheme: "sip", User: "+1-212-555-1212",
			Password: "1234", Host: "gateway.com", Params: Params{{Name: "user", Value: "phone"}},
		}, ""},
		{"no user", "sips:1212@gateway.com", URI{Scheme: "sips", User: "1212", Host: "gateway.com"}, ""},
		{"numeric host", "sip:alice@192.0.2.4", URI{Scheme: "sip", User: "alice", Host: "192.0.2.4"}, ""},
		{"method and escaped header", "sip:atlanta.com;method=REGISTER?to=alice%40atlanta.com", URI{
			Scheme: "sip", Host: "atlanta.com",
			Params: Params{{Name: "method", Value: "REGISTER"}}, Headers: "to=alice%40atlanta.com",
		}, ""},
		{"semicolon in the user", "sip:alice;day=tuesday@atlanta.com", URI{Scheme: "sip", User: "alice;day=tuesday", Host: "atlanta.com"}, ""},
		// others
		{"scheme in capitals", "SIP:bob@Example.ORG", URI{Scheme: "sip", User: "bob", Host: "Example.ORG"}, "sip:bob@Example.ORG"},
		{"IPv6 with port", "sip:bob@[2001:db8::9]:5070;lr", URI{Scheme: "sip", User: "bob", Host: "2001:db8::9", Port: 5070, Params: Params{{Name: "lr"}}}, ""},
		{"IPv6 link-local zone", "sip:bob@[fe80::1%eth0]", URI{Scheme: "sip", User: "bob", Host: "fe80::1%eth0"}, ""},
		{"needless escape is kept", "sip:%61lice@atlanta.com", URI{Scheme: "sip", User: "alice", Host: "atlanta.com", rawUser: "%61lice"}, ""},
		{"at sign in the user", "sip:bob%40work@x.org", URI{Scheme: "sip", User: "bob@work", Host: "x.org"}, ""},
		{"escaped NUL", "sip:null-%00-null@example.com", URI{Scheme: "sip", User: "null-\x00-null", Host: "example.com"}, ""}, // RFC 4475 3.1.1.3
		{"UTF-8 user", "sip:jürgen@x.org", URI{Scheme: "sip", User: "jürgen", Host: "x.org", rawUser: "jürgen"}, ""},
		{"IDN host", "sip:bob@bücher.example", URI{Scheme: "sip", User: "bob", Host: "bücher.example"}, ""},
		{"the third colon of RFC 5118 4.10", "sip:b@[1:::2.0.2.1]", URI{Scheme: "sip", User: "b", Host: "1::2.0.2.1"}, "sip:b@[1::2.0.2.1]"},
		{"parameter brackets", "sip:h;maddr=[::1]", URI{Scheme: "sip", Host: "h", Params: Params{{Name: "maddr", Value: "[::1]"}}}, ""},
		{"empty parameter", "sip:h;;lr;", URI{Scheme: "sip", Host: "h", Params: Params{{Name: "lr"}}}, "sip:h;lr"},
		{"unescaped Replaces", "sip:bob@h?Replaces=abc@1.2.3.4", URI{Scheme: "sip", User: "bob", Host: "h", Headers: "Replaces=abc@1.2.3.4"}, ""},
		{"spaces around", "  sip:h ", URI{Scheme: "sip", Host: "h"}, "sip:h"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.in)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("Parse(%q) = %+v, %v; want %+v", tt.in, got, err, tt.want)
			}
			text := tt.text
			if text == "" {
				text = tt.in
			}
			if got.String() != text {
				t.Errorf("String() = %q, want %q", got.String(), text)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		want     error
	}{
		{"empty", "", ErrScheme},
		{"tel", "tel:+49301234", ErrScheme},
		{"no scheme", "bob@info.test", ErrScheme},
		{"no host", "sip:bob@", ErrHost},
		{"empty user", "sip:@h", ErrEscape},
		{"two at signs", "sip:bob@a@b", ErrHost},
		{"space inside", "sip:bob @h", ErrEscape},
		{"line break", "sip:bob@h\r\nVia: x", ErrEscape},
		{"angle bracket", "sip:bob@h>", ErrEscape},
		{"bad escape", "sip:b%4@h", ErrEscape},
		{"bad escape in headers", "sip:b@h?a=%zz", ErrEscape},
		{"bad escape in parameter", "sip:b@h;a=%zz", ErrEscape},
		{"port 0", "sip:b@h:0", ErrPort},
		{"port too big", "sip:b@h:65536", ErrPort},
		{"port empty", "sip:b@h:", ErrPort},
		{"port no number", "sip:b@h:5o60", ErrPort},
		{"IPv6 without brackets", "sip:b@2001:db8::9", ErrPort},
		{"three colons elsewhere", "sip:b@[2001:db8:::10]", ErrHost},
		{"unclosed bracket", "sip:b@[::1", ErrHost},
		{"IPv4 in brackets", "sip:b@[1.2.3.4]", ErrHost},
		{"after the bracket", "sip:b@[::1]x", ErrHost},
		{"double dot", "sip:b@a..b", ErrHost},
		{"too long", "sip:" + strings.Repeat("a", MaxLength) + "@h", ErrTooLong},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if u, err := Parse(tt.in); !errors.Is(err, tt.want) {
				t.Errorf("Parse(%q) = %v, %v; want error %v", tt.in, u, err, tt.want)
			}
		})
	}
}

// The examples of RFC 3261 19.1.4, and the cases its rules name.
func TestEqual(t *testing.T) {
	tests := []struct {
		a, b string
		want bool
	}{
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp", true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
		{"sip:h;a;A=0", "sip:h;a;A=0", true}, // of repeated names the first counts
		{"sip:h;a=0;a=1", "sip:h;a=1;a=0", false},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true},
		{"sip:carol@chicago.com;newparam=5", "sip:carol@chicago.com;security=on", true},
		{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com", "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com", true},
		{"sip:alice@atlanta.com?subject=project%20x&priority=urgent", "sip:alice@atlanta.com?priority=urgent&subject=project%20x", true},
		{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
		{"sip:a@h", "sips:a@h", false},
		{"sip:a@h", "sip:h", false},
		{"sip:a:x@h", "sip:a:y@h", false},
		{"sip:a@h;ttl=1", "sip:a@h", false},
		{"sip:a@h", "sip:a@h;maddr=1.2.3.4", false},
		{"sip:a%3Bb@h", "sip:a;b@h", false},
		{"sip:a%3bb@h", "sip:a%3Bb@h", true},
		{"sip:a%22b@h", "sip:a%22b@H", true},
		{"sip:a@[2001:DB8:0::1]", "sip:a@[2001:db8::1]", true},
		{"sip:a@[::1]", "sip:a@[::2]", false},
	}
	for _, tt := range tests {
		a, b := mustParse(t, tt.a), mustParse(t, tt.b)
		if a.Equal(b) != tt.want || b.Equal(a) != tt.want {
			t.Errorf("%s = %s: %v and %v, want %v both ways", tt.a, tt.b, a.Equal(b), b.Equal(a), tt.want)
		}
	}
	if !(URI{}).Equal(URI{}) || (URI{}).Equal(mustParse(t, "sip:h")) {
		t.Error("the zero URI equals itself only")
	}
}

func TestAOR(t *testing.T) {
	tests := []struct{ in, want string }{
		{"SIP:Bob@Info.TEST:5060;transport=tcp?x=y", "sip:Bob@info.test"},
		{"sips:bob:pw@h:5061", "sips:bob@h"},
		{"sips:bob@h:5060", "sips:bob@h:5060"},
		{"sip:bob@[2001:DB8::0:1]:5070", "sip:bob@[2001:db8::1]:5070"},
		{"sip:h", "sip:h"},
	}
	for _, tt := range tests {
		if got := mustParse(t, tt.in).AOR().String(); got != tt.want {
			t.Errorf("AOR of %s = %s, want %s", tt.in, got, tt.want)
		}
	}
	if !(URI{}).AOR().IsZero() {
		t.Error("AOR of the zero URI is not zero")
	}
}

func TestHandMadeURIsAreEscaped(t *testing.T) {
	u := URI{Scheme: "sip", User: "a b@c\r\n", Password: "p/w", Host: "::1", Port: 5, Params: Params{{Name: "x", Value: "y;z"}}}
	want := "sip:a%20b%40c%0D%0A:p%2Fw@[::1]:5;x=y%3Bz"
	if got := u.String(); got != want {
		t.Errorf("String() = %q, want %q", got, want)
	}
	parsed := mustParse(t, "sip:%61b@h")
	parsed.User = "c" // the kept spelling must not outlive the user it spelt
	if got := parsed.String(); got != "sip:c@h" {
		t.Errorf("after a change String() = %q", got)
	}
}

func TestParams(t *testing.T) {
	p := mustParse(t, "sip:h;a=1;LR;a=2").Params
	if v, ok := p.Lookup("A"); v != "1" || !ok {
		t.Errorf("Lookup(A) = %q, %v", v, ok)
	}
	if !p.Has("lr") || p.Has("b") {
		t.Error("Has is wrong")
	}
	with := p.With("a", "3").With("b", "4")
	if got := (URI{Host: "h", Params: with}).String(); got != "sip:h;a=3;LR;b=4" {
		t.Errorf("With gives %s", got)
	}
	if got := (URI{Host: "h", Params: with.Without("A", "lr")}).String(); got != "sip:h;b=4" {
		t.Errorf("Without gives %s", got)
	}
	if p.Get("a") != "1" || len(p) != 3 {
		t.Error("With changed its receiver")
	}
}

func TestText(t *testing.T) {
	type doc struct{ A, B URI }
	in := doc{A: mustParse(t, "sip:bob@h;lr")}
	b, err := json.Marshal(in)
	if err != nil || string(b) != `{"A":"sip:bob@h;lr","B":""}` {
		t.Fatalf("marshal: %s, %v", b, err)
	}
	var out doc
	if err := json.Unmarshal(b, &out); err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("unmarshal: %+v, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"A":"mailto:x"}`), &out); err == nil {
		t.Error("a mailto: address was taken")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"sip:alice:pw@atlanta.com:5060;transport=tcp?subject=x%20y&a=b", "sips:[::1]", "sip:%61@h", "sip:a;b@h;;c=", "tel:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Parse(s)
		if err != nil {
			return
		}
		text := u.String()
		if strings.ContainsAny(text, "\r\n <>\"") {
			t.Fatalf("String() = %q breaks a header", text)
		}
		if len(text) > MaxLength {
			return // escaping may make it longer than what Parse takes
		}
		v, err := Parse(text)
		if err != nil {
			t.Fatalf("Parse(%q) of own String(): %v", text, err)
		}
		if !u.Equal(v) || v.String() != text || !u.AOR().Equal(v.AOR()) {
			t.Fatalf("%q becomes %q", text, v.String())
		}
	})
}
