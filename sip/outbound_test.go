package sip

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/trust"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// RFC 5626 and 5627 as a whole: what is asked for, what is read, and what follows it.
func TestOutbound(t *testing.T) {
	for _, proto := range []string{"udp", "tcp", "tls"} {
		t.Run(proto, func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				o := l.office("10.0.0.9")
				o.outbound, o.routes, o.gruu = true, true, "sip:alice@info.test;gr="+testInstance
				o.extra = []string{"Flow-Timer: 60", "Path: <sip:token@10.0.0.9;lr;ob>", "Service-Route: <sip:10.0.0.9;lr>, <sip:home.info.test;lr>"}
				port := map[string]string{"udp": "5060", "tcp": "5060", "tls": "5061"}[proto]
				l.server(proto + " 10.0.0.9:" + port)
				p := l.phone("10.0.0.1", nil)
				cfg := outboundAccount()
				cfg.Trust = trust.Policy{Mode: trust.Pin}
				cfg.Identity = uri.New("sales", "info.test", 0)
				a := p.account(cfg)
				until(t, a, Registered, time.Second)
				reg := o.last("REGISTER")
				contact := reg.field("Contact")
				own := "10.0.0.1:5060"
				if proto != "udp" {
					own = reg.from + ";transport=" + proto
				}
				if want := "<sip:unguessable@" + own + `;ob>;+sip.instance="<` + testInstance + `>";reg-id=1;expires=3600`; contact != want {
					t.Errorf("Contact %s, want %s", contact, want)
				}
				if got := reg.field("Supported"); got != "path, outbound, gruu" {
					t.Errorf("Supported %q", got)
				}
				if reg.field("P-Preferred-Identity") != "" || reg.field("Route") != "" {
					t.Errorf("REGISTER has identity or route:\n%s", reg.text)
				}
				s := a.State()
				if !s.Outbound || !s.Path || s.GRUU.String() != o.gruu || len(s.ServiceRoute) != 2 || s.Transport != proto ||
					s.Mapped.String() != reg.from || (proto == "tls") != strings.HasPrefix(s.PeerKey, "sha256/") {
					t.Errorf("state %+v", s)
				}
				time.Sleep(time.Second) // the GRUU is proven
				code, err := a.Options(t.Context(), uri.New("bob", "enst.test", 0))
				if code != 200 || err != nil {
					t.Fatalf("OPTIONS: %d, %v", code, err)
				}
				opt := o.last("OPTIONS")
				if got := strings.Join(opt.fields("Route"), ", "); got != "<sip:10.0.0.9;lr>, <sip:home.info.test;lr>" {
					t.Errorf("Route %s", got)
				}
				if got := opt.field("Contact"); got != "<"+o.gruu+">" {
					t.Errorf("Contact %s, want the GRUU", got)
				}
				if got := opt.field("P-Preferred-Identity"); got != `"Alice \"A\"" <sip:sales@info.test>` {
					t.Errorf("P-Preferred-Identity %s", got)
				}
				if opt.from != reg.from {
					t.Errorf("OPTIONS came from %s, the flow is %s", opt.from, reg.from)
				}
				time.Sleep(10 * time.Minute)
				if n := o.pinged(); n < 10 || n > 13 {
					t.Errorf("%d keep-alives in 10 minutes with Flow-Timer 60", n)
				}
				if n := o.count("REGISTER"); n != 1 {
					t.Errorf("%d REGISTERs, want one", n)
				}
				must(t, p.RemoveAccount(t.Context(), "1"))
				if b := o.bound(); len(b) != 0 {
					t.Errorf("left behind: %v", b)
				}
			})
		})
	}
}

// 439 drops outbound, 400 and 420 everything that an old registrar may stumble over.
func TestOutboundNotToBeHad(t *testing.T) {
	tests := []struct {
		name, status, refuses       string
		supported, contact          string
		requests                    int
		wantInstance, wantRequested bool
	}{
		{"first hop lacks outbound", "439 First Hop Lacks Outbound Support", "outbound", "path, gruu", `<sip:unguessable@10.0.0.1:5060>;+sip.instance="<` + testInstance + `>";expires=3600`, 2, true, true},
		{"an old registrar", "400 Bad Contact", "+sip.instance", "path", "<sip:unguessable@10.0.0.1:5060>;expires=3600", 2, false, true},
		{"a bad extension", "420 Bad Extension", "gruu", "path", "<sip:unguessable@10.0.0.1:5060>;expires=3600", 2, false, true},
		{"one that ignores it", "", "nothing", "path, outbound, gruu", `<sip:unguessable@10.0.0.1:5060;ob>;+sip.instance="<` + testInstance + `>";reg-id=1;expires=3600`, 1, true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				o := l.office("10.0.0.9")
				o.script = func(m wireMessage) (string, []string) {
					if tt.status != "" && strings.Contains(m.text, tt.refuses) {
						return tt.status, nil
					}
					return "", nil
				}
				l.server("udp 10.0.0.9:5060")
				a := l.phone("10.0.0.1", nil).account(outboundAccount())
				until(t, a, Registered, time.Second)
				reg := o.last("REGISTER")
				if reg.field("Supported") != tt.supported || reg.field("Contact") != tt.contact || o.count("REGISTER") != tt.requests {
					t.Errorf("%d requests, the last with Supported %q, Contact %s", o.count("REGISTER"), reg.field("Supported"), reg.field("Contact"))
				}
				if s := a.State(); s.Outbound || !s.GRUU.IsZero() || s.ServiceRoute != nil || s.Path {
					t.Errorf("state %+v", s)
				}
				before := o.count("REGISTER")
				must(t, a.Register(t.Context()))
				if n := o.count("REGISTER") - before; n != 1 {
					t.Errorf("%d requests the second time: what was learnt is forgotten", n)
				}
				time.Sleep(10 * time.Minute)
				if n := o.pinged(); n != 0 {
					t.Errorf("%d keep-alives without a NAT or an agreement", n)
				}
			})
		})
	}
}

// RFC 5626 4.4, 4.5: a flow that dies is replaced at once; one that dies again and again, more and more slowly.
func TestFlowRecovery(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("10.0.0.9")
		o.outbound = true
		l.server("tcp 10.0.0.9:5060")
		p := l.phone("10.0.0.1", nil)
		a := p.account(outboundAccount())
		until(t, a, Registered, time.Second)
		time.Sleep(flowProven)
		start := time.Now()
		o.hangUp()
		time.Sleep(time.Second)
		ms1, at := o.requests("REGISTER")
		if len(at) != 2 || at[1].Sub(start) != 40*ms { // the end, SYN, its answer, REGISTER
			t.Fatalf("%d REGISTERs, the last %v after the end of the flow, want 40 ms", len(at), at[len(at)-1].Sub(start))
		}
		if s := a.State(); s.Registration != Registered || s.Contact.Port == 5060 || ms1[0].from == ms1[1].from {
			t.Errorf("state %+v", s)
		}
		if b := o.bound(); len(b) != 1 || b[0] != a.State().Contact.String() {
			t.Errorf("bound %v", b)
		}
		var pauses []time.Duration
		for range 5 {
			begin := time.Now()
			n := o.count("REGISTER")
			o.hangUp()
			for o.count("REGISTER") == n && time.Since(begin) < time.Hour {
				time.Sleep(ms)
			}
			pauses = append(pauses, time.Since(begin))
			time.Sleep(time.Second)
		}
		for i, d := range pauses {
			if most := retryFirst << i; d < most/2 || d > most+50*ms {
				t.Errorf("recovery %d after %v, want %v to %v", i+2, d, most/2, most)
			}
		}
		if got := p.history(); !strings.HasPrefix(got, "registering registered registered failed") {
			t.Errorf("history %s", got)
		}
	})
}

// UDP with outbound: STUN that nobody answers any more is the end of the flow.
func TestFlowOfDatagramsFails(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("10.0.0.9")
		o.outbound = true
		l.server("udp 10.0.0.9:5060")
		a := l.phone("10.0.0.1", nil).account(outboundAccount())
		until(t, a, Registered, time.Second)
		time.Sleep(5 * time.Minute)
		if n := o.count("REGISTER"); n != 1 || o.pinged() < 10 {
			t.Fatalf("%d REGISTERs, %d keep-alives", n, o.pinged())
		}
		o.host.SetAddrs()
		failed := until(t, a, Failed, time.Minute) // 23 to 29 s until the next STUN, 10 s for it, 8 s for REGISTER
		if failed < 18*time.Second || failed > 48*time.Second {
			t.Errorf("failed after %v", failed)
		}
		wantErr(t, a.State().Err, ErrNoAnswer)
		o.host.SetAddrs("10.0.0.9")
		until(t, a, Registered, 2*time.Minute)
	})
}

func TestWorthMapping(t *testing.T) {
	const own, private, public = "10.0.0.1:5060", "192.168.1.7:40000", "203.0.113.7:40000"
	tests := []struct {
		name, sent, seen, server string
		want                     bool
	}{
		{"no NAT", own, own, "198.51.100.9:5060", false},
		{"the server did not say", own, "", "198.51.100.9:5060", false},
		{"a NAT to the Internet", own, public, "198.51.100.9:5060", true},
		{"only the port differs", own, "10.0.0.1:1024", "10.0.0.9:5060", true},
		{"the port, through a 1:1 NAT", "203.0.113.7:5060", public, "198.51.100.9:5060", true},
		{"a house in a house, server at the outer one", own, private, "192.168.1.9:5060", true},
		{"a global server that sees a private address", own, private, "198.51.100.9:5060", false},
		{"the same for our global address", "203.0.113.1:5060", private, "198.51.100.9:5060", false},
		{"a global server that sees a carrier's NAT", own, "100.64.3.4:5060", "198.51.100.9:5060", false},
		{"a global server that sees itself", own, "127.0.0.1:5060", "198.51.100.9:5060", false},
		{"the other family", own, "[2001:db8::1]:5060", "198.51.100.9:5060", false},
		{"IPv6 with another port", "[2001:db8::1]:5060", "[2001:db8::1]:9999", "[2001:db8::9]:5060", true},
		{"IPv6 site-local at a global server", "[2001:db8::1]:5060", "[fd00::1]:9999", "[2001:db8::9]:5060", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var seen netip.AddrPort
			if tt.seen != "" {
				seen = netip.MustParseAddrPort(tt.seen)
			}
			if got := worthMapping(netip.MustParseAddrPort(tt.sent), seen, netip.MustParseAddrPort(tt.server)); got != tt.want {
				t.Errorf("worthMapping = %v, want %v", got, tt.want)
			}
		})
	}
}

// The whole rule on the wire: behind a NAT without outbound.
func TestMappedContact(t *testing.T) {
	tests := []struct {
		name     string
		proto    string
		set      func(o *office)
		instance bool
		requests int
		contact  string // in the end
		pings    bool
	}{
		{"UDP behind a NAT", "udp", func(o *office) { o.nat = "203.0.113.7:40000" }, false, 2, "sip:unguessable@203.0.113.7:40000", true},
		{"TCP behind a NAT", "tcp", func(o *office) { o.nat = "203.0.113.7:40000" }, false, 2, "sip:unguessable@203.0.113.7:40000;transport=tcp", true},
		{"UDP without one", "udp", func(*office) {}, false, 1, "sip:unguessable@10.0.0.1:5060", false},
		{"TCP without one: where we listen stays", "tcp", func(*office) {}, false, 1, "sip:unguessable@10.0.0.1:5060;transport=tcp", true},
		{"a registrar that stores what it saw", "udp", func(o *office) { o.nat, o.rewrite = "203.0.113.7:40000", true }, false, 1, "sip:unguessable@10.0.0.1:5060", true},
		{"an address that leads nowhere", "udp", func(o *office) { o.nat = "192.168.7.7:40000" }, false, 1, "sip:unguessable@10.0.0.1:5060", true},
		{"with outbound the flow counts", "udp", func(o *office) { o.nat, o.outbound = "203.0.113.7:40000", true }, true, 1, "sip:unguessable@10.0.0.1:5060;ob", true},
		{"asked for, not given", "udp", func(o *office) { o.nat = "203.0.113.7:40000" }, true, 2, "sip:unguessable@203.0.113.7:40000;ob", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				o := l.office("198.51.100.9")
				tt.set(o)
				l.server(tt.proto + " 198.51.100.9:5060")
				cfg := outboundAccount()
				if !tt.instance {
					cfg.Instance = ""
				}
				p := l.phone("10.0.0.1", nil)
				a := p.account(cfg)
				until(t, a, Registered, time.Second)
				if n := o.count("REGISTER"); n != tt.requests {
					t.Errorf("%d REGISTERs, want %d", n, tt.requests)
				}
				if got := a.State().Contact.String(); got != tt.contact {
					t.Errorf("Contact %s, want %s", got, tt.contact)
				}
				if b := o.bound(); len(b) != 1 {
					t.Errorf("bound %v: the first one stays", b)
				}
				if s := a.State(); o.nat != "" && s.Mapped.String() != o.nat {
					t.Errorf("mapped %v", s.Mapped)
				}
				_, err := a.Options(t.Context(), uri.New("bob", "info.test", 0))
				must(t, err)
				if got := o.last("OPTIONS").field("Contact"); got != "<"+tt.contact+">" {
					t.Errorf("in requests the Contact is %s", got)
				}
				time.Sleep(55 * time.Minute)
				if n := o.count("REGISTER"); n != tt.requests+1 {
					t.Errorf("%d REGISTERs after an hour, want one more", n)
				}
				if n := o.pinged(); tt.pings != (n > 20) {
					t.Errorf("%d keep-alives in 55 minutes", n)
				}
				must(t, p.RemoveAccount(t.Context(), "1"))
				if b := o.bound(); len(b) != 0 && !o.rewrite {
					t.Errorf("left behind: %v", b)
				}
			})
		})
	}
}

// A NAT that gives another port each time is not chased for ever.
func TestMappedContactIsNotChased(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("198.51.100.9")
		n := 0
		o.script = func(wireMessage) (string, []string) {
			o.with(func() {
				n++
				o.nat = "203.0.113.7:" + []string{"1001", "1002", "1003", "1004", "1005", "1006", "1007", "1008", "1009"}[n%9]
			})
			return "", nil
		}
		l.server("udp 198.51.100.9:5060")
		cfg := outboundAccount()
		cfg.Instance = ""
		a := l.phone("10.0.0.1", nil).account(cfg)
		until(t, a, Registered, time.Second)
		if got := o.count("REGISTER"); got != 1+maxRemaps {
			t.Errorf("%d REGISTERs, want %d", got, 1+maxRemaps)
		}
		time.Sleep(55 * time.Minute)
		if got := o.count("REGISTER"); got != 2+maxRemaps {
			t.Errorf("%d REGISTERs after the refresh, want %d", got, 2+maxRemaps)
		}
		must(t, a.Register(t.Context())) // perhaps a move: another NAT gets its chance
		if got := o.count("REGISTER"); got != 3+2*maxRemaps {
			t.Errorf("%d REGISTERs after a forced one, want %d", got, 3+2*maxRemaps)
		}
	})
}

func TestServiceRouteAndProxy(t *testing.T) {
	tests := []struct {
		name, proxy, route string
		want               string
	}{
		{"none", "", "", ""},
		{"the way home", "", "Service-Route: <sip:10.0.0.9;lr>", "<sip:10.0.0.9;lr>"},
		{"a proxy", "sip:10.0.0.9:5060", "", "<sip:10.0.0.9:5060;lr>"},
		{"both", "sip:10.0.0.9:5060", "Service-Route: <sip:home.info.test;lr>", "<sip:10.0.0.9:5060;lr>, <sip:home.info.test;lr>"},
		{"the proxy begins the way home", "sip:10.0.0.9:5060", "Service-Route: <sip:10.0.0.9:5060;lr;x=1>, <sip:home.info.test;lr>", "<sip:10.0.0.9:5060;lr;x=1>, <sip:home.info.test;lr>"},
		{"lr forgotten", "", "Service-Route: <sip:10.0.0.9>", "<sip:10.0.0.9;lr>"},
		{"not readable", "", "Service-Route: <sip:10.0.0.9;lr>, <mailto:nobody>", ""},
		{"absurdly long", "", "Service-Route: " + strings.Repeat("<sip:10.0.0.9;lr>,", 9) + "<sip:x;lr>", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				o := l.office("10.0.0.9")
				if tt.route != "" {
					o.extra = []string{tt.route}
				}
				l.server("udp 10.0.0.9:5060")
				l.names["enst.test"] = at("udp", "10.0.0.9:5060")
				cfg := infoAccount("")
				if tt.proxy != "" {
					proxy := mustURI(t, tt.proxy)
					cfg.Proxy = &proxy
				}
				a := l.phone("10.0.0.1", nil).account(cfg)
				until(t, a, Registered, time.Second)
				_, err := a.Message(t.Context(), uri.New("bob", "enst.test", 0), "text/plain", []byte("hi"))
				must(t, err)
				if got := strings.Join(o.last("MESSAGE").fields("Route"), ", "); got != tt.want {
					t.Errorf("Route %s, want %s", got, tt.want)
				}
				o.with(func() { o.extra = nil })
				must(t, a.Register(t.Context()))
				if a.State().ServiceRoute != nil {
					t.Error("a 200 without Service-Route keeps the old one")
				}
			})
		})
	}
}

// A GRUU that leads nowhere, such as that of Kamailio's stock configuration, is shown, but not used.
func TestGRUUThatLeadsNowhere(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("10.0.0.9")
		o.outbound = true
		o.gruu = "sip:alice@info.test;gr=" + testInstance
		l.server("udp 10.0.0.9:5060")
		a := l.phone("10.0.0.1", nil).account(outboundAccount())
		until(t, a, Registered, time.Second)
		time.Sleep(gruuPatience)
		_, err := a.Options(t.Context(), uri.New("bob", "info.test", 0))
		must(t, err)
		if got := o.last("OPTIONS").field("Contact"); got != "<"+a.State().Contact.String()+">" || a.State().GRUU.String() != o.gruu {
			t.Errorf("Contact %s, GRUU %s", got, a.State().GRUU)
		}
	})
}

func TestPublicGRUU(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"ours", "sip:alice@info.test;gr=urn:uuid:1", "sip:alice@info.test;gr=urn:uuid:1"},
		{"none", "", ""},
		{"another user's", "sip:mallory@info.test;gr=1", ""},
		{"another domain's", "sip:alice@evil.test;gr=1", ""},
		{"no gr", "sip:alice@info.test", ""},
		{"nonsense", "sip:", ""},
	}
	a := &Account{cfg: infoAccount("")}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := uri.Address{Params: uri.Params{{Name: "pub-gruu", Value: tt.value, Quoted: true}}}
			if got := a.publicGRUU(b).String(); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Moves in a row: each is a new flow and one binding, and none looks like a server that drops connections.
func TestFlowMoves(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("10.0.0.9")
		o.outbound = true
		l.server("tls 10.0.0.9:5061")
		p := l.phone("10.0.0.1", nil)
		cfg := outboundAccount()
		cfg.Trust = trust.Policy{Mode: trust.Pin}
		a := p.account(cfg)
		until(t, a, Registered, time.Second)
		for i := range 4 {
			addr := "10." + string(rune('1'+i)) + ".0.1"
			p.host.SetAddrs(addr)
			start := time.Now()
			p.NetworkChanged(t.Context())
			must(t, a.Register(t.Context()))
			if d := time.Since(start); d > 70*ms { // TCP, TLS, REGISTER: three round trips
				t.Errorf("move %d took %v", i+1, d)
			}
			time.Sleep(5 * time.Second)
			if cs := o.last("REGISTER").fields("Contact"); len(cs) != 1 {
				t.Errorf("Contacts %q: the registrar replaces the old one by itself", cs)
			}
			if b := o.bound(); len(b) != 1 || !strings.Contains(b[0], "@"+addr+":") || a.State().Contact.Host != addr {
				t.Errorf("bound %v", b)
			}
		}
		if got := p.history(); strings.Contains(got, "failed") || strings.Count(got, "registering") != 1 {
			t.Errorf("history %s", got)
		}
	})
}

// Two accounts over one connection: its end is noticed by both.
func TestSharedFlow(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		o := l.office("10.0.0.9")
		o.outbound = true
		l.server("tcp 10.0.0.9:5060")
		p := l.phone("10.0.0.1", nil)
		var accounts []*Account
		for _, id := range []string{"1", "2"} {
			cfg := outboundAccount()
			cfg.ID, cfg.AOR, cfg.Instance, cfg.ContactUser = id, uri.New("user"+id, "info.test", 0), testInstance+id, "us"+id
			accounts = append(accounts, p.account(cfg))
		}
		for _, a := range accounts {
			until(t, a, Registered, time.Second)
		}
		time.Sleep(time.Second)
		o.hangUp()
		time.Sleep(time.Second)
		if n := o.count("REGISTER"); n != 4 {
			t.Errorf("%d REGISTERs, want two more", n)
		}
		for _, a := range accounts {
			if s := a.State(); s.Registration != Registered || s.Contact.Port == 0 {
				t.Errorf("account %s: %+v", a.ID(), s)
			}
		}
	})
}
