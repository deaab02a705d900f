package shield

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// Every origin with everything it may address.
func TestJudge(t *testing.T) {
	tests := []struct {
		origin Origin
		want   string // to nobody, host, AOR, Contact
	}{
		{FromStranger, "silence silence silence suspect"},
		{FromLAN, "probe pass pass pass"},
		{FromTrusted, "pass pass pass pass"},
		{FromServer, "pass pass pass pass"},
		{Origin(-1), "silence silence silence silence"},
		{Origin(9), "silence silence silence silence"},
	}
	for _, tt := range tests {
		var got []string
		for to := ToNobody; to <= ToContact; to++ {
			got = append(got, Judge(tt.origin, to).String())
		}
		if s := strings.Join(got, " "); s != tt.want {
			t.Errorf("%s: %s, want %s", tt.origin, s, tt.want)
		}
	}
	if got := Judge(FromServer, Addressed(7)); got != Silence {
		t.Errorf("to nothing known: %s", got)
	}
}

func TestLocal(t *testing.T) {
	for s, want := range map[string]bool{
		"127.0.0.1": true, "::1": true, "10.1.2.3": true, "172.16.0.1": true, "172.32.0.1": false, "192.168.9.9": true,
		"169.254.1.1": true, "fe80::1": true, "fd00::1": true, "::ffff:10.0.0.1": true, "100.64.0.1": false,
		"203.0.113.5": false, "2001:db8::1": false, "::ffff:203.0.113.5": false,
	} {
		if got := Local(addr(s)); got != want {
			t.Errorf("%s: %v, want %v", s, got, want)
		}
	}
}

func TestSource(t *testing.T) {
	for in, want := range map[string]string{
		"203.0.113.5": "203.0.113.5", "::ffff:203.0.113.5": "203.0.113.5", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::",
		"fe80::1%eth0": "fe80::1", "fd00::7": "fd00::7", "::1": "::1",
	} {
		if got := Source(addr(in)); got != addr(want) {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestPolicy(t *testing.T) {
	p := Policy{
		Trusted:   []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		PeerRates: Rates{Invite: Rate{1, 2}},
		Known:     func(uri.URI) bool { return true },
	}
	for s, want := range map[string]bool{
		"192.0.2.9": true, "::ffff:192.0.2.9": true, "192.0.3.9": false, "2001:db8:9::1": true, "2001:db9::1": false,
	} {
		if got := p.Trusts(addr(s)); got != want {
			t.Errorf("%s trusted: %v, want %v", s, got, want)
		}
	}
	rates := []struct {
		o      Origin
		method string
		want   Rate
	}{
		{FromLAN, "INVITE", Rate{1, 2}},
		{FromLAN, "MESSAGE", DefaultPeerRates().Message},
		{FromServer, "INVITE", DefaultServerRates().Invite},
		{FromTrusted, "SUBSCRIBE", DefaultServerRates().Subscribe},
		{FromStranger, "OPTIONS", DefaultPeerRates().Other},
	}
	for _, tt := range rates {
		if got := p.Rate(tt.o, tt.method); got != tt.want {
			t.Errorf("%s %s: %+v, want %+v", tt.o, tt.method, got, tt.want)
		}
	}
}

func TestBuckets(t *testing.T) {
	b := NewBuckets(100, time.Minute)
	now := time.Unix(1000, 0)
	k := BucketKey{addr("192.0.2.1"), "INVITE"}
	r := Rate{Burst: 3, PerSecond: 0.5}
	steps := []struct {
		after time.Duration
		want  bool
	}{
		{0, true},
		{0, true},
		{0, true},
		{0, false},
		{time.Second, false},
		{time.Second, true},
		{0, false},
		{-time.Hour, false}, // a clock set back
		{2 * time.Second, true},
		{time.Hour, true},
		{0, true},
		{0, true},
		{0, false}, // never more than the burst
	}
	for i, s := range steps {
		now = now.Add(s.after)
		if got := b.Take(k, r, now); got != s.want {
			t.Errorf("step %d: %v, want %v", i, got, s.want)
		}
	}
	if !b.Take(BucketKey{k.Source, "MESSAGE"}, r, now) || !b.Take(BucketKey{addr("192.0.2.2"), "INVITE"}, r, now) {
		t.Error("buckets are shared")
	}
}

// A source rotated does not grow the table, does not push out those in use, and what is idle is forgotten.
func TestBucketsAreBounded(t *testing.T) {
	b := NewBuckets(100, time.Minute)
	now := time.Unix(1000, 0)
	used := BucketKey{addr("192.0.2.1"), "INVITE"}
	r := Rate{Burst: 1, PerSecond: 0.0001}
	b.Take(used, r, now)
	for i := range 10_000 {
		b.Take(BucketKey{netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}), "INVITE"}, r, now)
		if b.Take(used, r, now) {
			t.Fatal("a bucket in use was forgotten")
		}
	}
	if b.Len() > 100 {
		t.Errorf("%d buckets", b.Len())
	}
	now = now.Add(2 * time.Minute)
	for range 100 {
		b.Take(used, r, now)
	}
	if b.Len() != 1 {
		t.Errorf("%d buckets after a quiet time", b.Len())
	}
}

func TestSlots(t *testing.T) {
	s := NewSlots(SlotLimits{Server: 5, Peer: 4, Other: 2, Others: 3})
	var releases []func()
	take := func(a string, as Standing, want bool) {
		t.Helper()
		release, ok := s.Take(addr(a), as)
		if ok != want {
			t.Errorf("%s: %v, want %v", a, ok, want)
		}
		if ok {
			releases = append(releases, release)
		}
	}
	take("10.0.0.1", Neighbour, true)
	take("10.0.0.1", Neighbour, true)
	take("10.0.0.1", Neighbour, false) // its own limit
	take("10.0.0.2", Neighbour, true)
	take("10.0.0.3", Neighbour, false) // that of all strangers
	for range 5 {
		take("192.0.2.1", Server, true)
	}
	take("192.0.2.1", Server, false)
	for range 4 {
		take("10.0.0.9", Peer, true)
	}
	take("10.0.0.9", Peer, false)
	for _, f := range releases {
		f()
		f() // harmless
	}
	if s.Len() != 0 {
		t.Errorf("%d sources hold places", s.Len())
	}
	take("10.0.0.3", Neighbour, true)
}

func TestRecent(t *testing.T) {
	r := NewRecent(3, time.Minute)
	now := time.Unix(1000, 0)
	for i := range 5 {
		r.Note(addr(fmt.Sprintf("10.0.0.%d", i)), now)
	}
	if r.Len() != 3 || r.Has(addr("10.0.0.1"), now) || !r.Has(addr("10.0.0.2"), now) {
		t.Errorf("%d remembered", r.Len())
	}
	r.Note(addr("10.0.0.2"), now.Add(30*time.Second))
	late := now.Add(80 * time.Second)
	if r.Has(addr("10.0.0.4"), late) || !r.Has(addr("10.0.0.2"), late) {
		t.Error("remembered for another time than asked")
	}
	r.Note(addr("10.0.0.9"), late)
	if r.Len() != 2 {
		t.Errorf("%d remembered after a quiet time", r.Len())
	}
}

func TestScanner(t *testing.T) {
	tests := []struct {
		agent, user string
		want        bool
	}{
		{"friendly-scanner", "100", true},
		{"SIPVicious 0.3", "", true},
		{"sipcli/v1.8", "", true},
		{"VaxSIPUserAgent/3.1", "", true},
		{"", "sipvicious", true},
		{"Asterisk PBX 20.6", "100", false},
		{"sipsak 0.9.8", "sipsak", false},
		{"Linphone/5.2", "bob", false},
		{"baresip v3.1", "", false},
		{"", "", false},
	}
	for _, tt := range tests {
		if got := Scanner(tt.agent, tt.user); got != tt.want {
			t.Errorf("%q %q: %v, want %v", tt.agent, tt.user, got, tt.want)
		}
	}
}

func TestLook(t *testing.T) {
	tests := []struct{ name, raw, want string }{
		{
			"request", "BYE sip:a@b SIP/2.0\r\nTo: \"x;tag=no\" <sip:a@b;tag=no>;x=1;TAG = t1 \r\nFrom: <sip:c@d>;tag=f\r\nCall-ID: c@1\r\n\r\nTo: <x>;tag=body",
			`BYE c@1 t1 f`,
		},
		{"compact", "NOTIFY sip:a SIP/2.0\r\ni:c\r\nt:sip:a@b;tag=t\r\nF: <sip:x>\r\n\r\n", `NOTIFY c t `},
		{"bare line feeds", "INVITE sip:a SIP/2.0\ncall-id: c\nTO: <sip:a>\n\n", `INVITE c  `},
		{"response", "SIP/2.0 200 OK\r\nCall-ID: c\r\nFrom: <sip:a>;tag=f\r\n\r\n", `response c  f`},
		{"no headers", "OPTIONS sip:a SIP/2.0\r\n", `OPTIONS   `},
		{"not SIP", "GET / HTTP/1.1\r\n\r\n", ""},
		{"one line", "INVITE sip:a SIP/2.0", ""},
		{"empty", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g, ok := Look([]byte(tt.raw))
			got := ""
			if ok {
				what := string(g.Method)
				if g.Response {
					what = "response"
				}
				got = fmt.Sprintf("%s %s %s %s", what, g.CallID, g.ToTag, g.FromTag)
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// What is thrown away must cost next to nothing.
func TestLookAllocatesNothing(t *testing.T) {
	raw := []byte("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=f\r\nTo: <sip:a@b>;tag=t\r\nCall-ID: c\r\n\r\n")
	if n := testing.AllocsPerRun(100, func() { Look(raw) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzLook(f *testing.F) {
	f.Add([]byte("BYE sip:a@b SIP/2.0\r\nt: <sip:a@b>;tag=t1\r\ni: c\r\n\r\n"))
	f.Add([]byte("SIP/2.0 200 OK\r\nTo:;tag=\r\nCall-ID\r\n: x\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		g, ok := Look(raw)
		if !ok && (g.Response || len(g.CallID) > 0) {
			t.Errorf("%+v of no message", g)
		}
		for _, part := range [][]byte{g.Method, g.CallID, g.ToTag, g.FromTag} {
			if strings.Contains(string(part), "\n") || len(part) > maxLook {
				t.Errorf("%q is more than a line", part)
			}
		}
	})
}

func BenchmarkLook(b *testing.B) {
	raw := []byte("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP x;branch=z9hG4bK1\r\nFrom: <sip:c@d>;tag=f\r\nTo: <sip:a@b>;tag=t\r\nCall-ID: c\r\n\r\n")
	for b.Loop() {
		Look(raw)
	}
}
