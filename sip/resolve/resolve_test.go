package resolve

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// zone is a DNS with the records of a table. It counts the questions.
type zone struct {
	naptr map[string][]NAPTR
	srv   map[string][]SRV
	addr  map[string][]netip.Addr
	fail  map[string]error         // by question, "srv _sip._udp.x"
	slow  map[string]time.Duration // by question
	ttl   time.Duration

	mu    sync.Mutex
	asked map[string]int
}

func (z *zone) ask(ctx context.Context, question string) error {
	z.mu.Lock()
	if z.asked == nil {
		z.asked = make(map[string]int)
	}
	z.asked[question]++
	z.mu.Unlock()
	select {
	case <-time.After(z.slow[question]):
		return z.fail[question]
	case <-ctx.Done():
		return ctx.Err()
	}
}

func answer[T any](ctx context.Context, z *zone, question string, found []T) ([]T, time.Duration, error) {
	if err := z.ask(ctx, question); err != nil {
		return nil, 0, err
	}
	if len(found) == 0 {
		return nil, time.Hour, ErrNotFound
	}
	return found, z.ttl, nil
}

func (z *zone) NAPTR(ctx context.Context, name string) ([]NAPTR, time.Duration, error) {
	return answer(ctx, z, "naptr "+name, z.naptr[name])
}

func (z *zone) SRV(ctx context.Context, name string) ([]SRV, time.Duration, error) {
	return answer(ctx, z, "srv "+name, z.srv[name])
}

func (z *zone) Addr(ctx context.Context, name string) ([]netip.Addr, time.Duration, error) {
	return answer(ctx, z, "addr "+name, z.addr[name])
}

func ips(list ...string) []netip.Addr {
	var out []netip.Addr
	for _, s := range list {
		out = append(out, netip.MustParseAddr(s))
	}
	return out
}

func mustURI(t testing.TB, s string) uri.URI {
	t.Helper()
	u, err := uri.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// text writes targets as "udp 1.2.3.4:5060 tls 1.2.3.5:5061/name".
func text(targets []Target) string {
	var out []string
	for _, t := range targets {
		s := t.Transport + " " + t.Addr.String()
		if t.ServerName != "" {
			s += "/" + t.ServerName
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

func testZone() *zone {
	return &zone{
		ttl: time.Minute,
		naptr: map[string][]NAPTR{
			"full.test": { // RFC 3263 4.1, in another order than sent
				{Order: 90, Preference: 50, Flags: "s", Service: "SIP+D2U", Replacement: "_sip._udp.full.test."},
				{Order: 50, Preference: 50, Flags: "s", Service: "SIPS+D2T", Replacement: "_sips._tcp.full.test."},
				{Order: 90, Preference: 20, Flags: "S", Service: "sip+d2t", Replacement: "_sip._tcp.full.test."},
				{Order: 10, Preference: 10, Flags: "u", Service: "E2U+sip", Regexp: "!.*!sip:x@y!"},
			},
			"flag-a.test":  {{Flags: "a", Service: "SIP+D2T", Replacement: "host.flag-a.test."}},
			"foreign.test": {{Flags: "s", Service: "SIP+D2S", Replacement: "_sip._sctp.foreign.test."}},
			"broken.test":  {{Flags: "s", Service: "SIP+D2U", Replacement: "_sip._udp.nowhere.test."}},
		},
		srv: map[string][]SRV{
			"_sip._udp.full.test":  {{"u2.full.test.", 5060, 20, 0}, {"u1.full.test.", 5070, 10, 0}},
			"_sip._tcp.full.test":  {{"u1.full.test.", 5070, 10, 0}},
			"_sips._tcp.full.test": {{"u1.full.test.", 5071, 10, 0}},
			"_sip._udp.srv.test":   {{"u1.full.test.", 5080, 1, 1}},
			"_sip._tcp.srv.test":   {{"u2.full.test.", 5081, 1, 1}},
			"_sip._udp.none.test":  {{".", 0, 0, 0}},
			"_sip._udp.half.test":  {{"gone.half.test.", 5060, 1, 0}, {"u1.full.test.", 5060, 2, 0}},
			"_sip._udp.num.test":   {{"192.0.2.77", 5060, 1, 0}},
		},
		addr: map[string][]netip.Addr{
			"u1.full.test":            ips("192.0.2.1"),
			"u2.full.test":            ips("192.0.2.2", "2001:db8::2"),
			"host.flag-a.test":        ips("192.0.2.3"),
			"plain.test":              ips("192.0.2.4"),
			"foreign.test":            ips("192.0.2.5"),
			"none.test":               ips("192.0.2.6"),
			"xn--bcher-kva.example":   ips("192.0.2.7"),
			"u1.full.test.plain.test": ips("192.0.2.8"),
		},
		fail: map[string]error{"naptr deaf.test": errors.New("SERVFAIL"), "srv _sip._udp.deaf.test": errors.New("time-out"), "addr lost.test": errors.New("time-out")},
	}
}

func TestLookup(t *testing.T) {
	tests := []struct{ name, uri, want, targets string }{
		{"numeric", "sip:bob@192.0.2.9", "", "udp 192.0.2.9:5060"},
		{"numeric with port and transport", "sip:bob@192.0.2.9:5070;transport=TCP", "", "tcp 192.0.2.9:5070"},
		{"numeric sips", "sips:bob@192.0.2.9", "", "tls 192.0.2.9:5061/192.0.2.9"},
		{"numeric IPv6", "sip:bob@[2001:db8::9]", "", "udp [2001:db8::9]:5060"},
		{"numeric, account wants tls", "sip:bob@192.0.2.9;transport=udp", "tls", "tls 192.0.2.9:5061/192.0.2.9"},
		{"maddr", "sip:bob@full.test;maddr=192.0.2.8", "", "udp 192.0.2.8:5060"},
		{"NAPTR", "sip:bob@full.test", "", "tls 192.0.2.1:5071/full.test tcp 192.0.2.1:5070 udp 192.0.2.1:5070 udp 192.0.2.2:5060 udp [2001:db8::2]:5060"},
		{"NAPTR for sips", "sips:bob@full.test", "", "tls 192.0.2.1:5071/full.test"},
		{"NAPTR flag a", "sip:flag-a.test", "", "tcp 192.0.2.3:5060"},
		{"NAPTR of unknown services only", "sip:foreign.test", "", "udp 192.0.2.5:5060"},
		{"explicit transport: SRV", "sip:full.test;transport=udp", "", "udp 192.0.2.1:5070 udp 192.0.2.2:5060 udp [2001:db8::2]:5060"},
		{"sips over tcp is TLS", "sips:full.test;transport=tcp", "", "tls 192.0.2.1:5071/full.test"},
		{"explicit port: address only", "sip:u1.full.test:5099", "", "udp 192.0.2.1:5099"},
		{"no NAPTR: SRV of every transport", "sip:srv.test", "", "udp 192.0.2.1:5080 tcp 192.0.2.2:5081 tcp [2001:db8::2]:5081"},
		{"no NAPTR, no SRV: address", "sip:plain.test", "", "udp 192.0.2.4:5060"},
		{"the same for sips", "sips:plain.test", "", "tls 192.0.2.4:5061/plain.test"},
		{"the same with tcp", "sip:plain.test;transport=tcp", "", "tcp 192.0.2.4:5060"},
		{"one SRV target without address", "sip:half.test", "", "udp 192.0.2.1:5060"},
		{"SRV target is a number", "sip:num.test", "", "udp 192.0.2.77:5060"},
		{"IDN", "sip:bob@Bücher.example", "", "udp 192.0.2.7:5060"},
		{"IDN of sips", "sips:bob@Bücher.example", "", "tls 192.0.2.7:5061/xn--bcher-kva.example"},
		{"upper case and final dot", "sip:PLAIN.test.", "", "udp 192.0.2.4:5060"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				got, err := New(Config{DNS: testZone()}).Lookup(t.Context(), mustURI(t, tt.uri), tt.want)
				if err != nil || text(got) != tt.targets {
					t.Errorf("Lookup(%s, %q) = %s, %v; want %s", tt.uri, tt.want, text(got), err, tt.targets)
				}
			})
		})
	}
}

func TestLookupFails(t *testing.T) {
	tests := []struct {
		name, uri, transport string
		want                 error
	}{
		{"no such name", "sip:nowhere.test", "", ErrNotFound},
		{"service not offered", "sip:none.test", "udp", ErrNotFound},
		{"NAPTR to nowhere", "sip:broken.test", "", ErrNotFound},
		{"sips over udp", "sips:plain.test", "udp", ErrTransport},
		{"unknown transport", "sip:plain.test;transport=sctp", "", ErrTransport},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := New(Config{DNS: testZone()}).Lookup(t.Context(), mustURI(t, tt.uri), tt.transport)
			if !errors.Is(err, tt.want) || got != nil {
				t.Errorf("got %s, %v; want error %v", text(got), err, tt.want)
			}
		})
	}
	_, err := New(Config{DNS: testZone()}).Lookup(t.Context(), mustURI(t, "sip:lost.test"), "")
	if err == nil || errors.Is(err, ErrNotFound) {
		t.Errorf("a time-out must not look like a missing name: %v", err)
	}
	_, err = New(Config{DNS: testZone(), Transports: []string{"udp", "tcp"}}).Lookup(t.Context(), mustURI(t, "sips:plain.test"), "")
	if !errors.Is(err, ErrTransport) {
		t.Errorf("sips without TLS: %v", err)
	}
}

func TestDeafNAPTRAndSRVFallBack(t *testing.T) {
	z := testZone()
	z.addr["deaf.test"] = ips("192.0.2.10")
	got, err := New(Config{DNS: z}).Lookup(t.Context(), mustURI(t, "sip:deaf.test"), "")
	if err != nil || text(got) != "udp 192.0.2.10:5060" {
		t.Errorf("got %s, %v", text(got), err)
	}
}

func TestSwallowedNAPTRCostsLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := testZone()
		z.slow = map[string]time.Duration{"naptr srv.test": time.Hour}
		begin := time.Now()
		got, err := New(Config{DNS: z}).Lookup(t.Context(), mustURI(t, "sip:srv.test"), "")
		if err != nil || len(got) != 3 {
			t.Fatalf("got %s, %v", text(got), err)
		}
		if took := time.Since(begin); took != naptrPatience {
			t.Errorf("took %v, want %v", took, naptrPatience)
		}
	})
}

func TestLookupEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := testZone()
		z.slow = map[string]time.Duration{"addr plain.test": time.Hour}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got, err := New(Config{DNS: z}).Lookup(ctx, mustURI(t, "sip:plain.test"), "udp"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %s, %v", text(got), err)
		}
	})
}

func TestCacheKeepsForTheTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		z := testZone()
		r := New(Config{DNS: z})
		look := func(name string) {
			_, _ = r.Lookup(t.Context(), mustURI(t, "sip:"+name), "udp")
		}
		look("plain.test")
		look("plain.test")
		look("nowhere.test")
		look("nowhere.test")
		check := func(when string, want map[string]int) {
			t.Helper()
			if !reflect.DeepEqual(z.asked, want) {
				t.Errorf("%s: asked %v, want %v", when, z.asked, want)
			}
		}
		check("at once", map[string]int{"addr plain.test": 1, "srv _sip._udp.plain.test": 1, "addr nowhere.test": 1, "srv _sip._udp.nowhere.test": 1})
		time.Sleep(negativeTTL)
		look("plain.test")
		look("nowhere.test")
		check("after the negative time", map[string]int{"addr plain.test": 1, "srv _sip._udp.plain.test": 2, "addr nowhere.test": 2, "srv _sip._udp.nowhere.test": 2})
		time.Sleep(z.ttl)
		look("plain.test")
		check("after the TTL", map[string]int{"addr plain.test": 2, "srv _sip._udp.plain.test": 3, "addr nowhere.test": 2, "srv _sip._udp.nowhere.test": 2})
		r.Forget()
		look("plain.test")
		check("after Forget", map[string]int{"addr plain.test": 3, "srv _sip._udp.plain.test": 4, "addr nowhere.test": 2, "srv _sip._udp.nowhere.test": 2})
	})
}

func TestCacheIsBounded(t *testing.T) {
	var c cache
	for i := range 3 * maxCached {
		c.put(strings.Repeat("x", i), cached{expires: time.Now().Add(time.Hour)})
	}
	if len(c.entries) != maxCached {
		t.Errorf("%d entries, want %d", len(c.entries), maxCached)
	}
}

func TestUnreachableComesLast(t *testing.T) {
	r := New(Config{DNS: testZone(), Reachable: func(a netip.AddrPort) bool { return a.Addr() != netip.MustParseAddr("192.0.2.1") }})
	got, err := r.Lookup(t.Context(), mustURI(t, "sip:full.test"), "udp")
	if want := "udp 192.0.2.2:5060 udp [2001:db8::2]:5060 udp 192.0.2.1:5070"; err != nil || text(got) != want {
		t.Errorf("got %s, %v; want %s", text(got), err, want)
	}
}

// Several servers: what may be chosen among freely, and what the DNS prefers.
func TestTiers(t *testing.T) {
	z := testZone()
	z.srv["_sip._udp.big.test"] = []SRV{{"a.big.test.", 5060, 10, 50}, {"b.big.test.", 5060, 10, 50}, {"c.big.test.", 5060, 20, 0}}
	z.srv["_sip._tcp.big.test"] = []SRV{{"a.big.test.", 5060, 10, 0}}
	z.addr["a.big.test"], z.addr["b.big.test"], z.addr["c.big.test"] = ips("192.0.2.21", "2001:db8::21"), ips("192.0.2.22"), ips("192.0.2.23")
	tests := []struct{ name, uri, want string }{
		{"SRV", "sip:big.test", "192.0.2.21:0 [2001:db8::21]:0 192.0.2.22:0 192.0.2.23:1 192.0.2.21:2 [2001:db8::21]:2"},
		{"NAPTR", "sip:full.test", "192.0.2.1:0 192.0.2.1:1 192.0.2.1:2 192.0.2.2:3 [2001:db8::2]:3"},
		{"addresses", "sip:u2.full.test:5060", "192.0.2.2:0 [2001:db8::2]:0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := New(Config{DNS: z, Rand: func(int) int { return 0 }}).Lookup(t.Context(), mustURI(t, tt.uri), "")
			var out []string
			for _, g := range got {
				out = append(out, fmt.Sprintf("%s:%d", strings.TrimSuffix(g.Addr.String(), fmt.Sprintf(":%d", g.Addr.Port())), g.Tier))
			}
			if s := strings.Join(out, " "); err != nil || s != tt.want {
				t.Errorf("got %s, %v; want %s", s, err, tt.want)
			}
		})
	}
	r := New(Config{DNS: z, Rand: func(int) int { return 0 }, Reachable: func(a netip.AddrPort) bool { return a.Addr().Is6() }})
	got, err := r.Lookup(t.Context(), mustURI(t, "sip:big.test"), "udp")
	if err != nil || got[0].Addr.Addr().Is4() || got[1].Tier <= got[0].Tier {
		t.Errorf("got %v, %v: what cannot be reached is of a lower tier", got, err)
	}
}

// A sips URI takes what the DNS has for TLS, and nothing else whatever it prefers.
func TestSecureLookup(t *testing.T) {
	z := testZone()
	z.naptr["mixed.test"] = []NAPTR{
		{Order: 10, Flags: "s", Service: "SIP+D2T", Replacement: "_sip._tcp.full.test."},
		{Order: 20, Flags: "s", Service: "SIPS+D2T", Replacement: "_sips._tcp.full.test."},
	}
	z.naptr["plain-only.test"] = []NAPTR{{Order: 10, Flags: "s", Service: "SIP+D2U", Replacement: "_sip._udp.full.test."}}
	z.addr["plain-only.test"] = ips("192.0.2.31")
	tests := []struct{ name, uri, want, targets string }{
		{"the TLS record of several", "sips:mixed.test", "", "tls 192.0.2.1:5071/mixed.test"},
		{"without sips the order counts", "sip:mixed.test", "", "tcp 192.0.2.1:5070 tls 192.0.2.1:5071/mixed.test"},
		{"the account wants TLS", "sip:mixed.test", "tls", "tls 192.0.2.1:5061/mixed.test"},
		{"no TLS record: the default port", "sips:plain-only.test", "", "tls 192.0.2.31:5061/plain-only.test"},
		{"port given", "sips:plain-only.test:5099", "", "tls 192.0.2.31:5099/plain-only.test"},
	}
	z.addr["mixed.test"] = ips("192.0.2.1")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := New(Config{DNS: z}).Lookup(t.Context(), mustURI(t, tt.uri), tt.want)
			if err != nil || text(got) != tt.targets {
				t.Errorf("got %s, %v; want %s", text(got), err, tt.targets)
			}
		})
	}
}

// RFC 2782: over many choices each server gets its share.
func TestWeightsShare(t *testing.T) {
	in := []SRV{{"a", 1, 10, 60}, {"b", 1, 10, 30}, {"c", 1, 10, 10}, {"d", 1, 10, 0}}
	random := rand.New(rand.NewPCG(1, 2))
	first := map[string]int{}
	const rounds = 20000
	for range rounds {
		first[orderSRV(in, random.IntN)[0].Target]++
	}
	for _, s := range in {
		share := float64(first[s.Target]) / rounds * 100
		if want := float64(s.Weight); share < want-2 || share > want+2 {
			t.Errorf("%s is first in %.1f %%, its weight is %d", s.Target, share, s.Weight)
		}
	}
	if first["d"] == 0 {
		t.Error("weight 0 is never first: RFC 2782 wants a very small chance")
	}
}

// RFC 2782, with the random number given.
func TestOrderSRV(t *testing.T) {
	a, b, c, z := SRV{"a", 1, 10, 1}, SRV{"b", 1, 10, 3}, SRV{"c", 1, 5, 0}, SRV{"z", 1, 10, 0}
	tests := []struct {
		name   string
		in     []SRV
		random []int // per record picked: 0 ≤ r ≤ sum of the weights left
		want   string
	}{
		{"priority first", []SRV{a, c}, []int{0, 0}, "ca"},
		{"weight 0 at number 0", []SRV{a, b, z}, []int{0, 0, 0}, "zab"},
		{"low number picks the first", []SRV{a, b, z}, []int{1, 1, 0}, "abz"},
		{"high number picks the heavy one", []SRV{a, b, z}, []int{2, 1, 0}, "baz"},
		{"none", nil, nil, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := 0
			got := ""
			for _, r := range orderSRV(tt.in, func(n int) int {
				i++
				if tt.random[i-1] >= n {
					t.Fatalf("pick %d: bound %d, the table has %d", i, n, tt.random[i-1])
				}
				return tt.random[i-1]
			}) {
				got += r.Target
			}
			if got != tt.want {
				t.Errorf("order %s, want %s", got, tt.want)
			}
		})
	}
}

func TestSRVChoiceHoldsForTheTTL(t *testing.T) {
	z := testZone()
	z.srv["_sip._udp.two.test"] = []SRV{{"u1.full.test.", 5060, 1, 1}, {"u2.full.test.", 5060, 1, 1}}
	r := New(Config{DNS: z})
	first, err := r.Lookup(t.Context(), mustURI(t, "sip:two.test"), "udp")
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		again, err := r.Lookup(t.Context(), mustURI(t, "sip:two.test"), "udp")
		if err != nil || !reflect.DeepEqual(first, again) {
			t.Fatalf("now %s, %v; before %s", text(again), err, text(first))
		}
	}
}
