package digest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// RFC 7616 3.9.1: the same request under SHA-256 and MD5.
func TestRFC7616Examples(t *testing.T) {
	base := Credentials{
		Username: "Mufasa", Realm: "http-auth@example.org", Nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
		URI: "/dir/index.html", CNonce: "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ", QOP: "auth", NC: 1,
	}
	tests := []struct{ algorithm, want string }{
		{"MD5", "8ca523f5e9506fed4657c9700eebdbec"},
		{"SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"},
	}
	for _, tt := range tests {
		c := base
		c.Algorithm = tt.algorithm
		if got, ok := c.expected("GET", "Circle of Life", nil); !ok || got != tt.want {
			t.Errorf("%s: response %q, want %q", tt.algorithm, got, tt.want)
		}
	}
}

// RFC 7616 3.9.2 with the response of its erratum 4897: the figure in the RFC is not the finished SHA-512/256.
func TestRFC7616SHA512(t *testing.T) {
	c := Credentials{
		Username: "J\u00e4s\u00f8n Doe", Realm: "api@example.org", Nonce: "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
		URI: "/doe.json", CNonce: "NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v", QOP: "auth", NC: 1, Algorithm: "SHA-512-256",
	}
	const want = "3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"
	if got, ok := c.expected("GET", "Secret, or not?", nil); !ok || got != want {
		t.Errorf("response %q, want %q", got, want)
	}
}

// RFC 2617 3.5, and its RFC 2069 and MD5-sess variants computed with openssl from the formulas of RFC 7616 3.4.1-3.4.3.
func TestVariants(t *testing.T) {
	base := Credentials{
		Username: "Mufasa", Realm: "testrealm@host.com", Nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093", URI: "/dir/index.html",
	}
	tests := []struct {
		name, algorithm, qop, want string
	}{
		{"RFC 2617 3.5", "", "auth", "6629fae49393a05397450978507c4ef1"},
		{"RFC 2069", "", "", "670fd8c2df070c60b045671b8b24ff02"},
		{"MD5-sess", "MD5-sess", "auth", "8e3825c57e897f5a0dec6c2d4e5059d0"},
		{"auth-int", "MD5", "auth-int", "151b6cabb7e59e0ac757207a039ff3d0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := base
			c.Algorithm, c.QOP = tt.algorithm, tt.qop
			if tt.qop != "" {
				c.NC, c.CNonce = 1, "0a4f113b"
			}
			if got, ok := c.expected("GET", "Circle Of Life", []byte("v=0\r\n")); !ok || got != tt.want {
				t.Errorf("response %q, want %q", got, tt.want)
			}
		})
	}
}

func TestParseChallenge(t *testing.T) {
	tests := []struct {
		name, in string
		want     Challenge
	}{
		{
			"RFC 3261 20.44", `Digest realm="atlanta.com", domain="sip:boxesbybob.com", qop="auth", nonce="f84f1cec41e6cbe5aea9c8e88d359", opaque="", stale=FALSE, algorithm=MD5`,
			Challenge{Realm: "atlanta.com", Nonce: "f84f1cec41e6cbe5aea9c8e88d359", Algorithm: "MD5", QOP: []string{"auth"}},
		},
		{
			"quotes missing and needless", `digest realm=asterisk,nonce=5f3a,algorithm="md5",qop=auth, stale="TRUE"`,
			Challenge{Realm: "asterisk", Nonce: "5f3a", Algorithm: "md5", QOP: []string{"auth"}, Stale: true},
		},
		{
			"spaces and empty elements", `Digest  realm = "a b" , , nonce= "n==" ,qop="auth, AUTH-INT",`,
			Challenge{Realm: "a b", Nonce: "n==", QOP: []string{"auth", "auth-int"}},
		},
		{"comma and escape within quotes", `Digest realm="a, \"b\"", nonce="n"`, Challenge{Realm: `a, \"b\"`, Nonce: "n"}},
		{"after another scheme", `Basic realm="x", Digest realm="y", nonce="n", opaque="o"`, Challenge{Realm: "y", Nonce: "n", Opaque: "o"}},
		{"folded", "Digest realm=\"a\",\r\n nonce=\"n\"", Challenge{Realm: "a", Nonce: "n"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseChallenge(tt.in)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestParseChallengeRefuses(t *testing.T) {
	tests := []struct {
		name, in string
		want     error
	}{
		{"empty", "", ErrNoDigest},
		{"basic", `Basic realm="x"`, ErrNoDigest},
		{"no nonce", `Digest realm="x"`, ErrMalformed},
		{"no realm", `Digest nonce="x"`, ErrMalformed},
		{"open quote", `Digest realm="x`, ErrMalformed},
		{"control character", "Digest realm=\"a\x01\", nonce=n", ErrMalformed},
		{"parameter first", `realm="x"`, ErrMalformed},
		{"too long", "Digest " + strings.Repeat("a", 5000), ErrMalformed},
		{"too many parameters", "Digest " + strings.Repeat("a=b,", 40), ErrMalformed},
		{"too many schemes", strings.Repeat("a ", 40), ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if c, err := ParseChallenge(tt.in); !errors.Is(err, tt.want) {
				t.Errorf("got %+v, %v; want error %v", c, err, tt.want)
			}
		})
	}
}

func TestCredentialsRoundTrip(t *testing.T) {
	c := Credentials{Username: `b"o\b`, Realm: "r", Nonce: "n", URI: "sip:h", Response: "abc", Algorithm: "SHA-256", CNonce: "c", Opaque: "o", QOP: "auth", NC: 0x1f}
	want := `Digest username="b\"o\\b", realm="r", nonce="n", uri="sip:h", response="abc", algorithm=SHA-256, cnonce="c", opaque="o", qop=auth, nc=0000001f`
	if c.String() != want {
		t.Errorf("String() = %s, want %s", c, want)
	}
	got, err := ParseCredentials(c.String())
	if err != nil || got != c {
		t.Errorf("read back: %+v, %v", got, err)
	}
	for _, bad := range []string{"", "Basic abc", `Digest username="x"`, `Digest username="x", nonce="n", response="r", nc=zz`} {
		if c, err := ParseCredentials(bad); err == nil {
			t.Errorf("ParseCredentials(%q) = %+v", bad, c)
		}
	}
}

func TestCacheChoosesTheBest(t *testing.T) {
	md5 := `Digest realm="r", nonce="m", algorithm=MD5, qop="auth"`
	sha := `Digest realm="r", nonce="s", algorithm=SHA-256, qop="auth"`
	sha512 := `Digest realm="r", nonce="t", algorithm=SHA-512-256, qop="auth"`
	tests := []struct {
		name    string
		headers []string
		nonce   string
	}{
		{"MD5 alone", []string{md5}, "m"},
		{"SHA-256 before MD5 wherever it stands", []string{md5, sha}, "s"},
		{"topmost among equals", []string{sha512, sha, md5}, "t"},
		{"in one line", []string{md5 + ", " + sha}, "s"},
		{"unknown algorithm passed over", []string{`Digest realm="r", nonce="x", algorithm=AKAv1-MD5`, md5}, "m"},
		{"unknown qop passed over", []string{`Digest realm="r", nonce="x", algorithm=SHA-256, qop="auth-x"`, md5}, "m"},
		{"malformed passed over", []string{`Digest realm="r`, md5}, "m"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c Cache
			if err := c.Challenge("k", tt.headers); err != nil {
				t.Fatal(err)
			}
			h, ok := c.Authorize("k", "REGISTER", "sip:h", "u", "p", nil)
			cred, err := ParseCredentials(h)
			if !ok || err != nil || cred.Nonce != tt.nonce {
				t.Errorf("header %q, want nonce %q", h, tt.nonce)
			}
		})
	}
	var c Cache
	if err := c.Challenge("k", []string{`Digest realm="r", nonce="x", algorithm=SHA-1`}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("unknown algorithm only: %v", err)
	}
}

func TestCacheCountsPerKeyAndRealm(t *testing.T) {
	var c Cache
	challenge := func(key, realm, nonce string) {
		t.Helper()
		if err := c.Challenge(key, []string{fmt.Sprintf(`Digest realm=%q, nonce=%q, qop="auth"`, realm, nonce)}); err != nil {
			t.Fatal(err)
		}
	}
	nc := func(key, realm string) string {
		h, _ := c.AuthorizeRealm(key, realm, "INVITE", "sip:h", "u", "p", nil)
		cred, _ := ParseCredentials(h)
		return fmt.Sprintf("%s/%d", cred.Nonce, cred.NC)
	}
	challenge("a", "r", "n1")
	challenge("b", "r", "n2")
	challenge("a", "s", "n3")
	got := []string{nc("a", "r"), nc("a", "r"), nc("b", "r"), nc("a", "s"), nc("a", "r")}
	challenge("a", "r", "n1") // the same nonce: the count goes on
	got = append(got, nc("a", "r"))
	challenge("a", "r", "n4") // a new one: it begins again
	got = append(got, nc("a", "r"))
	want := []string{"n1/1", "n1/2", "n2/1", "n3/1", "n1/3", "n1/4", "n4/1"}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("nonce/count = %v, want %v", got, want)
	}
	if r := c.Realms("a"); !reflect.DeepEqual(r, []string{"r", "s"}) {
		t.Errorf("Realms = %v", r)
	}
	c.Info("b", `nextnonce="n9", qop=auth`)
	if got := nc("b", "r"); got != "n9/1" {
		t.Errorf("after nextnonce: %s", got)
	}
	c.Forget("a")
	if h, ok := c.Authorize("a", "INVITE", "sip:h", "u", "p", nil); ok {
		t.Errorf("after Forget: %s", h)
	}
}

func TestCacheForms(t *testing.T) {
	tests := []struct{ name, challenge, has, hasNot string }{
		{"no qop: neither nc nor cnonce", `Digest realm="r", nonce="n"`, `response="`, "nc="},
		{"no algorithm given, none sent", `Digest realm="r", nonce="n", qop="auth"`, "qop=auth, nc=00000001", "algorithm"},
		{"auth before auth-int", `Digest realm="r", nonce="n", qop="auth-int,auth"`, "qop=auth,", "auth-int"},
		{"auth-int alone", `Digest realm="r", nonce="n", qop="auth-int"`, "qop=auth-int,", "qop=auth,"},
		{"sess without qop has its cnonce", `Digest realm="r", nonce="n", algorithm=MD5-sess`, `cnonce="`, "nc="},
		{"opaque comes back", `Digest realm="r", nonce="n", opaque="x\"y"`, `opaque="x\"y"`, "nc="},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c Cache
			if err := c.Challenge("k", []string{tt.challenge}); err != nil {
				t.Fatal(err)
			}
			h, _ := c.Authorize("k", "INVITE", "sip:h", "u", "p", []byte("body"))
			if !strings.Contains(h, tt.has) || strings.Contains(h, tt.hasNot) {
				t.Errorf("header %s: want %q and not %q", h, tt.has, tt.hasNot)
			}
		})
	}
}

func TestRejected(t *testing.T) {
	fresh := []string{`Digest realm="r", nonce="n2", qop="auth"`}
	stale := []string{`Digest realm="r", nonce="n2", qop="auth", stale=true`}
	var c Cache
	if err := c.Challenge("k", []string{`Digest realm="r", nonce="n1", qop="auth"`}); err != nil {
		t.Fatal(err)
	}
	if c.Rejected("k", "", fresh) {
		t.Error("a request without credentials cannot have wrong ones")
	}
	first, _ := c.Authorize("k", "REGISTER", "sip:h", "u", "p", nil)
	if !c.Rejected("k", first, fresh) {
		t.Error("the answer to a fresh challenge was refused: that is a wrong password")
	}
	if c.Rejected("k", first, stale) {
		t.Error("a stale nonce is no wrong password")
	}
	later, _ := c.Authorize("k", "REGISTER", "sip:h", "u", "p", nil)
	if c.Rejected("k", later, fresh) {
		t.Error("a kept nonce that is refused deserves one more try")
	}
}

func TestCacheIsBounded(t *testing.T) {
	var c Cache
	for i := range 3 * maxEntries {
		if err := c.Challenge(Key("a", fmt.Sprint(i), false), []string{`Digest realm="r", nonce="n"`}); err != nil {
			t.Fatal(err)
		}
		c.Authorize(Key("a", "0", false), "INVITE", "sip:h", "u", "p", nil) // in use: it must stay
	}
	if len(c.entries) != maxEntries {
		t.Errorf("%d entries, want %d", len(c.entries), maxEntries)
	}
	if _, ok := c.Authorize(Key("a", "0", false), "INVITE", "sip:h", "u", "p", nil); !ok {
		t.Error("the entry in use was dropped")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`Digest realm="a", nonce="n", qop="auth,auth-int", algorithm=SHA-256, stale=true, opaque="o"`)
	f.Add(`Basic x, Digest realm=a,nonce=b`)
	f.Add(`Digest username="u\"", realm="r", nonce="n", uri="sip:h", response="0", qop=auth, nc=00000001, cnonce="c"`)
	f.Fuzz(func(t *testing.T, s string) {
		for _, ch := range ParseChallenges([]string{s}) {
			again, err := ParseChallenge(ch.String())
			if err == nil && (again.Realm != ch.Realm || again.Nonce != ch.Nonce) {
				t.Fatalf("%q becomes %+v", ch.String(), again)
			}
		}
		var c Cache
		if c.Challenge("k", []string{s}) == nil {
			h, ok := c.Authorize("k", "INVITE", "sip:h", "u", "p", nil)
			if !ok || strings.ContainsAny(h, "\r\n") {
				t.Fatalf("header %q", h)
			}
			realm := c.Realms("k")[0]
			cred, err := ParseCredentials(h)
			if err != nil || cred.Realm != realm || cred.Username != "u" {
				t.Fatalf("%q is read as %+v, %v", h, cred, err)
			}
			if _, ok := c.AuthorizeRealm("k", realm, "INVITE", "sip:h", "u", "p", []byte(s)); !ok {
				t.Fatalf("no answer for realm %q", realm)
			}
			c.Rejected("k", h, []string{s})
			c.Info("k", s)
		}
		if cred, err := ParseCredentials(s); err == nil {
			cred.expected("INVITE", "p", nil)
			if strings.ContainsAny(cred.String(), "\r\n") {
				t.Fatalf("header %q", cred)
			}
		}
	})
}
