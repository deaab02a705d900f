package sip

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/sip/trust"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// A registrar that says nothing: failed after 8 s for the user, while the transaction goes on; no flapping after that.
func TestSilentRegistrar(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("10.0.0.9")
		o.script = func(wireMessage) (string, []string) { return "silence", nil }
		l.server("udp 10.0.0.9:5060")
		p := l.phone("10.0.0.1", nil)
		start := time.Now()
		a := p.account(infoAccount(""))
		waited := make(chan error, 1)
		go func() { waited <- a.Register(t.Context()) }()
		wantErr(t, <-waited, ErrNoAnswer)
		if d := time.Since(start); d != silencePatience {
			t.Errorf("the caller of Register waited %v", d)
		}
		time.Sleep(ms)
		s := a.State()
		wantErr(t, s.Err, ErrNoAnswer)
		if s.Registration != Failed || !s.RetryAt.IsZero() {
			t.Errorf("state %+v", s)
		}
		time.Sleep(20*time.Second - silencePatience)
		if n := o.count("REGISTER"); n < 6 {
			t.Errorf("%d REGISTERs in 20 s: the transaction has ended", n)
		}
		time.Sleep(10 * time.Minute)
		if got := p.history(); strings.Count(got, "registering") > 2 || strings.Contains(got, "registered") {
			t.Errorf("the state flaps: %s", got)
		}
		o.with(func() { o.script = nil })
		until(t, a, Registered, retryLast+time.Minute)
	})
}

// A slow one: the answer comes after the user was told, but before the end of the transaction.
func TestSlowRegistrar(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("10.0.0.9")
		begin := time.Now()
		o.script = func(wireMessage) (string, []string) {
			if time.Since(begin) < 15*time.Second {
				return "silence", nil
			}
			return "", nil
		}
		l.server("udp 10.0.0.9:5060")
		p := l.phone("10.0.0.1", nil)
		a := p.account(infoAccount(""))
		until(t, a, Registered, 20*time.Second)
		if got := p.history(); got != "registering failed registered" {
			t.Errorf("history %s", got)
		}
		if tags := viaBranches(o); len(tags) != 1 {
			t.Errorf("%d transactions, want the first one to go on", len(tags))
		}
		o.with(func() { o.script = func(wireMessage) (string, []string) { return "silence", nil } })
		time.Sleep(54*time.Minute + 20*time.Second) // a refresh nobody answers: the binding still stands
		if s := a.State(); s.Registration != Registered {
			t.Errorf("in a silent refresh %+v", s)
		}
		time.Sleep(20 * time.Second)
		s := a.State()
		wantErr(t, s.Err, ErrNoAnswer)
		if s.Registration != Failed || s.Contact.IsZero() {
			t.Errorf("after it %+v", s)
		}
	})
}

func viaBranches(o *office) map[string]bool {
	ms, _ := o.requests("REGISTER")
	out := map[string]bool{}
	for _, m := range ms {
		_, branch, _ := strings.Cut(m.field("Via"), "branch=")
		out[branch] = true
	}
	return out
}

// What registrars answer, once, and what comes of it.
func TestRegistrarAnswers(t *testing.T) {
	tests := []struct {
		name     string
		script   func(n int, m wireMessage) (string, []string) // n from 1
		requests int
		code     int           // 0: registered
		retry    time.Duration // at most
	}{
		{"302 to another place", func(n int, _ wireMessage) (string, []string) {
			if n == 1 {
				return "302 Moved Temporarily", []string{"Contact: <sip:10.0.0.9:5060>"}
			}
			return "", nil
		}, 2, 0, 0},
		{"302 for ever", func(int, wireMessage) (string, []string) {
			return "302 Moved Temporarily", []string{"Contact: <sip:10.0.0.9:5060>"}
		}, 2, 302, retryFirst},
		{"302 to nowhere", func(int, wireMessage) (string, []string) { return "302 Moved Temporarily", nil }, 1, 302, retryFirst},
		{"423 with a sane interval", func(_ int, m wireMessage) (string, []string) {
			if !strings.Contains(m.text, "Expires: 7200") {
				return "423 Interval Too Brief", []string{"Min-Expires: 7200"}
			}
			return "", nil
		}, 2, 0, 0},
		{"423 that grows for ever", func(n int, _ wireMessage) (string, []string) {
			return "423 Interval Too Brief", []string{fmt.Sprintf("Min-Expires: %d", 3600+n)}
		}, 1 + maxIntervals, 423, retryFirst},
		{"423 beyond a day", func(int, wireMessage) (string, []string) {
			return "423 Interval Too Brief", []string{"Min-Expires: 90000"}
		}, 1, 423, retryFirst},
		{"423 without interval", func(int, wireMessage) (string, []string) { return "423 Interval Too Brief", nil }, 1, 423, retryFirst},
		{"403", func(int, wireMessage) (string, []string) { return "403 Forbidden", nil }, 1, 403, retryRefused},
		{"404", func(int, wireMessage) (string, []string) { return "404 Not Found", nil }, 1, 404, retryRefused},
		{"500", func(int, wireMessage) (string, []string) { return "500 Oops", nil }, 1, 500, retryFirst},
		{"503 with an absurd Retry-After", func(int, wireMessage) (string, []string) {
			return "503 Later", []string{"Retry-After: 4000000000"}
		}, 1, 503, time.Hour},
		{"600", func(int, wireMessage) (string, []string) { return "600 Busy", nil }, 1, 600, retryFirst},
		{"401 without a challenge", func(int, wireMessage) (string, []string) { return "401 Unauthorized", nil }, 1, 401, retryRefused},
		{"200 without Contact", func(int, wireMessage) (string, []string) { return "200 OK", []string{"Expires: 3600"} }, 1, 0, 0},
		{"200 with expires=0", func(_ int, m wireMessage) (string, []string) {
			return "200 OK", []string{"Contact: " + strings.Replace(m.field("Contact"), "expires=3600", "expires=0", 1)}
		}, 1, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				o := l.office("10.0.0.9")
				n := 0
				o.script = func(m wireMessage) (string, []string) { n++; return tt.script(n, m) }
				l.server("udp 10.0.0.9:5060")
				cfg := infoAccount("secret")
				a := l.phone("10.0.0.1", nil).account(cfg)
				time.Sleep(500 * ms)
				s := a.State()
				if o.count("REGISTER") != tt.requests {
					t.Errorf("%d REGISTERs, want %d", o.count("REGISTER"), tt.requests)
				}
				if tt.code == 0 {
					if s.Registration != Registered {
						t.Errorf("state %+v", s)
					}
					return
				}
				wantCode(t, s.Err, tt.code)
				if s.Registration != Failed || time.Until(s.RetryAt) > tt.retry || time.Until(s.RetryAt) <= 0 {
					t.Errorf("%v, tried again in %v, want %v at most", s.Registration, time.Until(s.RetryAt), tt.retry)
				}
			})
		})
	}
}

// A redirection goes to another host, whose name is then one of ours for credentials; a failure there leads home.
func TestRedirectedRegistrar(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		home, there := l.office("10.0.0.9"), l.office("10.0.0.7")
		home.script = func(wireMessage) (string, []string) {
			return "301 Moved Permanently", []string{"Contact: <sip:alice@new.test>;expires=600"}
		}
		l.server("udp 10.0.0.9:5060")
		l.names["new.test"] = at("udp", "10.0.0.7:5060")
		a := l.phone("10.0.0.1", nil).account(infoAccount("secret"))
		until(t, a, Registered, time.Second)
		if got := firstLine(there.last("REGISTER").text); got != "REGISTER sip:new.test SIP/2.0" {
			t.Errorf("got %s", got)
		}
		if !a.IsServer(a.State().Server.Addr()) || a.State().Server.String() != "10.0.0.7:5060" {
			t.Errorf("state %+v", a.State())
		}
		must(t, a.Register(t.Context()))
		if home.count("REGISTER") != 1 || there.count("REGISTER") != 2 {
			t.Errorf("%d at home, %d there", home.count("REGISTER"), there.count("REGISTER"))
		}
		there.with(func() { there.script = func(wireMessage) (string, []string) { return "500 Gone", nil } })
		wantCode(t, a.Register(t.Context()), 500)
		home.with(func() { home.script = nil })
		must(t, a.Register(t.Context()))
		if s := a.State(); s.Server.String() != "10.0.0.9:5060" {
			t.Errorf("registered at %v", s.Server)
		}
	})
}

// What a crash left behind goes: bindings with our unguessable user or our instance, nobody else's.
func TestStaleBindingsAreSwept(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("10.0.0.9")
		for _, s := range []string{
			"<sip:unguessable@10.9.9.9:5060>;expires=3000",
			`<sip:older@10.9.9.8:5060;transport=tcp>;+sip.instance="<` + strings.ToUpper(testInstance) + `>";reg-id=2;expires=900;q=0.5`,
			"<sip:deskphone@10.0.0.77:5060>;expires=3000",
		} {
			c, err := uri.ParseAddress(s)
			must(t, err)
			o.bindings = append(o.bindings, c)
		}
		l.server("udp 10.0.0.9:5060")
		a := l.phone("10.0.0.1", nil).account(outboundAccount())
		until(t, a, Registered, time.Second)
		want := "sip:deskphone@10.0.0.77:5060 sip:unguessable@10.0.0.1:5060;ob"
		if got := strings.Join(o.bound(), " "); got != want {
			t.Errorf("bound %s, want %s", got, want)
		}
		if n := o.count("REGISTER"); n != 2 {
			t.Errorf("%d REGISTERs, want ours and the sweep", n)
		}
		time.Sleep(time.Hour)
		if n := o.count("REGISTER"); n != 3 {
			t.Errorf("%d REGISTERs after an hour", n)
		}
	})
}

// A registrar that will not let go of an old binding is asked once, not with each refresh.
func TestStaleBindingStays(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("10.0.0.9")
		o.extra = []string{"Contact: <sip:unguessable@10.9.9.9:5060>;expires=3000"}
		l.server("udp 10.0.0.9:5060")
		a := l.phone("10.0.0.1", nil).account(outboundAccount())
		until(t, a, Registered, time.Second)
		time.Sleep(3 * time.Hour)
		sweeps := 0
		regs, _ := o.requests("REGISTER")
		for _, m := range regs {
			if m.field("Expires") == "0" {
				sweeps++
			}
		}
		if len(regs) < 4 || sweeps != 1 {
			t.Errorf("%d REGISTERs, %d to sweep", len(regs), sweeps)
		}
	})
}

// The better Contact is refused: the first one stands.
func TestMappedContactRefused(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("198.51.100.9")
		o.nat = "203.0.113.7:40000"
		o.script = func(m wireMessage) (string, []string) {
			if strings.Contains(m.field("Contact"), "203.0.113.7") {
				return "403 Not Your Address", nil
			}
			return "", nil
		}
		l.server("udp 198.51.100.9:5060")
		p := l.phone("10.0.0.1", nil)
		a := p.account(infoAccount(""))
		time.Sleep(time.Second)
		if s := a.State(); s.Registration != Registered || s.Contact.Host != "10.0.0.1" || p.history() != "registering registered" {
			t.Errorf("state %+v, history %s", s, p.history())
		}
	})
}

// The life ends before the transaction of its refresh does: then nobody can reach us, and that is what is shown.
func TestLifeEndsInARefresh(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("10.0.0.9")
		o.expires = 60
		l.server("udp 10.0.0.9:5060")
		a := l.phone("10.0.0.1", nil).account(infoAccount(""))
		until(t, a, Registered, time.Second)
		o.with(func() { o.script = func(wireMessage) (string, []string) { return "silence", nil } })
		if d := until(t, a, Failed, 2*time.Minute).Round(100 * ms); d != time.Minute {
			t.Errorf("failed after %v, want the minute that was granted", d)
		}
		if s := a.State(); !s.Contact.IsZero() || a.present().conn != nil {
			t.Errorf("state %+v", s)
		}
	})
}

// A move before the REGISTER that tells of it: requests have the new address at once.
func TestContactAfterMove(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("10.0.0.9")
		l.server("udp 10.0.0.9:5060")
		p := l.phone("10.0.0.1", nil)
		a := p.account(outboundAccount())
		until(t, a, Registered, time.Second)
		p.host.SetAddrs("10.5.0.1")
		_, err := a.Options(t.Context(), uri.New("bob", "info.test", 0))
		must(t, err)
		if got := o.last("OPTIONS").field("Contact"); got != "<sip:unguessable@10.5.0.1:5060>" {
			t.Errorf("Contact %s", got)
		}
	})
}

// The server shortens the life; the refresh follows it.
func TestShortenedLife(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("10.0.0.9")
		o.expires = 60
		l.server("udp 10.0.0.9:5060")
		a := l.phone("10.0.0.1", nil).account(infoAccount(""))
		until(t, a, Registered, time.Second)
		time.Sleep(10 * time.Minute)
		_, at := o.requests("REGISTER")
		if len(at) != 20 && len(at) != 21 {
			t.Errorf("%d REGISTERs in 10 minutes, want one every 30 s", len(at))
		}
		for i := 1; i < len(at); i++ {
			if d := at[i].Sub(at[i-1]); d < 29*time.Second || d > 31*time.Second {
				t.Errorf("refresh %d after %v", i, d)
			}
		}
	})
}

// The computer slept for an hour: its wall clock jumped against the time that went by.
func TestRegisterAfterSleep(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour, time.Second} {
		t.Run(jump.String(), func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				o := l.office("10.0.0.9")
				l.server("udp 10.0.0.9:5060")
				host := l.net.NewHost("10.0.0.1")
				p := &phone{l: l, host: host}
				u, err := New(t.Context(), Config{Network: host, Resolver: l.names, Port: 5060, Handler: p})
				must(t, err)
				p.UA = u
				a := p.account(infoAccount(""))
				var slept atomic.Int64
				a.reg.clock.wall = func() time.Time { return time.Now().Add(time.Duration(slept.Load())).Round(0) }
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() { ended <- u.Run(ctx) }()
				l.stops = append(l.stops, func() { cancel(); must(t, <-ended) })
				until(t, a, Registered, time.Second)
				time.Sleep(5 * time.Minute)
				slept.Store(int64(jump))
				time.Sleep(clockEvery)
				want := 2
				if jump == time.Second {
					want = 1
				}
				if n := o.count("REGISTER"); n != want {
					t.Errorf("%d REGISTERs, want %d", n, want)
				}
				time.Sleep(5 * time.Minute)
				if n := o.count("REGISTER"); n != want {
					t.Errorf("%d REGISTERs later: one jump counts once", n)
				}
			})
		})
	}
}

// nextnonce saves the round trip of a stale nonce (RFC 7616 3.5).
func TestNextNonce(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("10.0.0.9")
		current := "n0"
		n := 0
		o.script = func(m wireMessage) (string, []string) {
			if !strings.Contains(m.field("Authorization"), `nonce="`+current+`"`) || !strings.Contains(m.field("Authorization"), "nc=00000001") {
				return "401 Unauthorized", []string{`WWW-Authenticate: Digest realm="info.test", nonce="` + current + `", qop="auth"`}
			}
			n++
			current = fmt.Sprint("n", n)
			return "200 OK", []string{"Contact: " + m.field("Contact"), `Authentication-Info: nextnonce="` + current + `"`}
		}
		l.server("udp 10.0.0.9:5060")
		a := l.phone("10.0.0.1", nil).account(infoAccount("secret"))
		until(t, a, Registered, time.Second)
		for range 3 {
			must(t, a.Register(t.Context()))
		}
		if got := o.count("REGISTER"); got != 5 {
			t.Errorf("%d REGISTERs, want one challenge and four that were right at once", got)
		}
	})
}

// A 401 that somebody else sends, with the very branch, changes nothing and gets no digest.
func TestSpoofedChallenge(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o, evil := l.office("10.0.0.9"), l.peer("10.0.0.66:5060")
		o.script = func(m wireMessage) (string, []string) {
			if strings.Contains(m.text, "Authorization:") {
				o.l.t.Errorf("a digest was given away: %s", m.field("Authorization"))
			}
			spoofed := wireMessage{m.text, m.from}
			for _, status := range []string{"401 Unauthorized", "407 Proxy Authentication Required", "302 Moved Temporarily", "403 Forbidden", "200 OK"} {
				evil.reply(spoofed, status, "evil", "", `WWW-Authenticate: Digest realm="info.test", nonce="chosen"`,
					`Proxy-Authenticate: Digest realm="info.test", nonce="chosen"`, "Contact: <sip:10.0.0.66>")
			}
			return "", nil
		}
		l.net.SetPath("10.0.0.9", "10.0.0.1", slowly()) // the forger is faster
		l.server("udp 10.0.0.9:5060")
		p := l.phone("10.0.0.1", nil)
		a := p.account(infoAccount("secret"))
		until(t, a, Registered, time.Second)
		if s := a.State(); s.Server.String() != "10.0.0.9:5060" || a.IsServer(evil.host.Addrs()[0]) || o.count("REGISTER") != 1 {
			t.Errorf("state %+v, %d REGISTERs", s, o.count("REGISTER"))
		}
		if got := p.history(); got != "registering registered" {
			t.Errorf("history %s", got)
		}
	})
}

func slowly() netsim.Path { return netsim.Path{Latency: 100 * ms} }

// What belongs to the account's flow, and what to its servers.
func TestFromFlow(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		l.office("10.0.0.9")
		l.server("udp 10.0.0.9:5060", "udp 10.0.0.8:5060")
		p := l.phone("10.0.0.1", nil)
		a := p.account(infoAccount(""))
		until(t, a, Registered, time.Second)
		tests := []struct {
			from         string
			flow, server bool
		}{
			{"10.0.0.9:5060", true, true},
			{"10.0.0.9:5070", false, true},
			{"10.0.0.8:5060", false, true},
			{"10.0.0.66:5060", false, false},
		}
		for _, tt := range tests {
			h, err := p.hop(t.Context(), a, at("udp", tt.from)[0])
			must(t, err)
			in := &inbound{conn: h.conn, remote: h.target.Addr}
			if a.FromFlow(in) != tt.flow || a.IsServer(h.target.Addr.Addr()) != tt.server {
				t.Errorf("%s: flow %v, server %v", tt.from, a.FromFlow(in), a.IsServer(h.target.Addr.Addr()))
			}
		}
		must(t, p.RemoveAccount(t.Context(), "1"))
		h, err := p.hop(t.Context(), a, at("udp", "10.0.0.9:5060")[0])
		must(t, err)
		if a.FromFlow(&inbound{conn: h.conn}) {
			t.Error("there is no flow any more")
		}
	})
}

// What a registrar may write into its answer: nothing makes us panic, send more than a bounded number of REGISTERs, or
// believe in a life that is none.
func FuzzRegisterAnswer(f *testing.F) {
	f.Add("<sip:unguessable@10.0.0.1:5060>;expires=60", "<sip:10.0.0.9;lr>, <sip:home.test;lr>", "10.0.0.1", "5060", "60", 200)
	f.Add(`<sip:unguessable@10.0.0.1:5060;ob>;pub-gruu="sip:alice@info.test;gr=1";+sip.instance="<`+testInstance+`>"`, "", "203.0.113.7", "1", "-1", 200)
	f.Add("*", "<", "[::1]", "99999", "99999999999999999999", 423)
	f.Add("<sip:new.test>", "", "", "", "", 302)
	f.Fuzz(func(t *testing.T, contact, route, received, rport, number string, code int) {
		u, err := New(t.Context(), Config{Handler: &phone{}})
		must(t, err)
		a, err := u.AddAccount(outboundAccount())
		must(t, err)
		g := newRegistrant(a)
		h := hop{target: at("udp", "198.51.100.9:5060")[0], local: netip.MustParseAddrPort("10.0.0.1:5060")}
		h.conn, err = u.tp.Path(t.Context(), h.target, trust.Policy{})
		must(t, err)
		s := sent{contact: g.contact(h), h: h}
		res := sipmsg.NewResponse(code, "x")
		via := &sipmsg.ViaHeader{ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: "UDP", Host: "10.0.0.1", Port: 5060}
		via.Params.Add("received", received)
		via.Params.Add("rport", rport)
		res.AppendHeader(via)
		for name, v := range map[string]string{"Contact": contact, "Service-Route": route, "Expires": number, "Flow-Timer": number, "Min-Expires": number, "Require": "outbound"} {
			res.AppendHeader(sipmsg.NewHeader(name, v))
		}
		l := g.read(res, s)
		if l.granted <= 0 || l.granted > maxExpires || len(l.way.routes) > maxServiceRoutes || l.flowTimer != 0 && (l.flowTimer < leastFlowTimer || l.flowTimer > mostFlowTimer) {
			t.Errorf("lease %+v", l)
		}
		for n := 0; g.remap(&l, res, s); n++ {
			if n > maxRemaps {
				t.Fatal("remapped without end")
			}
		}
		g.longer(res)
		g.simpler(res)
		g.follow(res, s)
		if g.expires > maxExpires || len(a.homes) > maxHomes {
			t.Errorf("expires %v, %d homes", g.expires, len(a.homes))
		}
	})
}
