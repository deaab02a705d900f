package sip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/digest"
	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/trust"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// requestsOutside are the requests outside dialogs that fail over. Each returns when it is answered.
var requestsOutside = map[string]func(t *testing.T, a *Account, to uri.URI){
	"MESSAGE": func(t *testing.T, a *Account, to uri.URI) {
		_, err := a.Message(t.Context(), to, "text/plain", []byte("hi"))
		must(t, err)
	},
	"OPTIONS": func(t *testing.T, a *Account, to uri.URI) {
		_, err := a.Options(t.Context(), to)
		must(t, err)
	},
	"SUBSCRIBE": func(t *testing.T, a *Account, to uri.URI) {
		s, err := a.Subscribe(t.Context(), SubscribeRequest{Target: to, Event: "presence", Expires: time.Hour})
		must(t, err)
		t.Cleanup(func() { _ = s })
	},
	"INVITE": func(t *testing.T, a *Account, to uri.URI) {
		c, err := a.Invite(t.Context(), to, &talk{name: "alice"}, CallOptions{})
		must(t, err)
		<-c.Done()
	},
}

// The first server is dead. Each kind of request of a LAN account, which knows no server yet, pays for it once.
func TestDeadFirstServer(t *testing.T) {
	tests := []struct {
		name    string
		targets []string
		setUp   func(l *lab)
		took    time.Duration // the dead one's share
	}{
		{"UDP, silent", []string{"udp 10.0.0.8:5060", "udp 10.0.0.9:5060"}, nil, silentLimit},
		{"TCP, silent", []string{"tcp 10.0.0.8:5060", "tcp 10.0.0.9:5060"}, nil, dialLimit},
		{"TCP, refused", []string{"tcp 10.0.0.8:5060", "tcp 10.0.0.9:5060"}, func(l *lab) { l.net.NewHost("10.0.0.8") }, 20 * ms},
		{"TLS, refused, then TCP", []string{"tls 10.0.0.8:5061", "tcp 10.0.0.9:5060"}, func(l *lab) { l.net.NewHost("10.0.0.8") }, 20 * ms},
		{"IPv6 without a way", []string{"udp [2001:db8::8]:5060", "udp 10.0.0.9:5060"}, nil, 0},
		{"two of them", []string{"udp 10.0.0.7:5060", "udp 10.0.0.8:5060", "udp 10.0.0.9:5060"}, nil, 2 * silentLimit},
	}
	for _, tt := range tests {
		for method, send := range requestsOutside {
			t.Run(tt.name+" "+method, func(t *testing.T) {
				bubble(t, 10*ms, func(t *testing.T, l *lab) {
					o := l.office("10.0.0.9")
					o.script = func(m wireMessage) (string, []string) {
						if strings.HasPrefix(m.text, "INVITE") {
							return "486 Busy Here", nil
						}
						return "", nil
					}
					if tt.setUp != nil {
						tt.setUp(l)
					}
					l.server(tt.targets...)
					a := l.phone("10.0.0.1", nil).lan("alice")
					answered := 20 * ms
					if strings.HasPrefix(tt.targets[len(tt.targets)-1], "tcp") {
						answered = 40 * ms
					}
					for i, want := range []time.Duration{tt.took + answered, answered} {
						start := time.Now()
						send(t, a, uri.New("bob", "info.test", 0))
						if _, at := o.requests(method); i == 0 && len(at) != 1 {
							t.Fatalf("%d requests reached the living one", len(at))
						}
						took := time.Since(start)
						if i == 1 && answered == 40*ms {
							want = 20 * ms // the connection is there
						}
						if took != want {
							t.Errorf("request %d took %v, want %v", i+1, took, want)
						}
					}
				})
			})
		}
	}
}

// Both families: the one that is announced but led nowhere costs little.
func TestOtherFamilyQuickly(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		l.office("10.0.0.9")
		l.server("udp [2001:db8::9]:5060", "udp 10.0.0.9:5060")
		p := l.phone("10.0.0.1", nil)
		p.host.SetAddrs("10.0.0.1", "2001:db8::1")
		a := p.lan("alice")
		for _, want := range []time.Duration{familyLimit + 20*ms, 20 * ms} {
			start := time.Now()
			_, err := a.Options(t.Context(), uri.New("bob", "info.test", 0))
			must(t, err)
			if d := time.Since(start); d != want {
				t.Errorf("took %v, want %v", d, want)
			}
		}
	})
}

// A REGISTER pays for the dead first server; what follows does not, also after the time of the dead one. A later
// refresh finds that it is back.
func TestRegistrationFailsOverAndBack(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		first, second := l.office("10.0.0.8"), l.office("10.0.0.9")
		first.host.SetAddrs()
		l.server("udp 10.0.0.8:5060", "udp 10.0.0.9:5060")
		a := l.phone("10.0.0.1", nil).account(outboundAccount())
		if d := until(t, a, Registered, time.Minute); d < silentLimit+20*ms || d > silentLimit+25*ms {
			t.Errorf("registered after %v", d)
		}
		quick := func(when string, o *office) {
			t.Helper()
			n, start := o.count("OPTIONS"), time.Now()
			_, err := a.Options(t.Context(), uri.New("bob", "info.test", 0))
			must(t, err)
			if d := time.Since(start); d != 20*ms || o.count("OPTIONS") != n+1 {
				t.Errorf("%s: OPTIONS took %v, %d at the right server", when, d, o.count("OPTIONS")-n)
			}
		}
		quick("at once", second)
		time.Sleep(badFor + time.Second)
		quick("when the dead one has had its time", second)
		start := time.Now()
		must(t, a.Register(t.Context()))
		if d := time.Since(start); d != 20*ms {
			t.Errorf("a forced REGISTER took %v", d)
		}
		first.host.SetAddrs("10.0.0.8")
		quick("still by the second", second)
		time.Sleep(time.Hour)
		if s := a.State(); s.Server.String() != "10.0.0.8:5060" || s.Registration != Registered {
			t.Errorf("after the refresh registered at %v", s.Server)
		}
		quick("by the first again", first)
	})
}

// shuffled is a Resolver that turns the order with each question, as a DNS does with equal SRV records.
type shuffled struct{ asked atomic.Int32 }

func (s *shuffled) Lookup(context.Context, uri.URI, string) ([]resolve.Target, error) {
	ts := append(at("udp", "10.0.0.9:5060"), at("udp", "10.0.0.8:5060")...)
	if s.asked.Add(1)%2 == 0 {
		slices.Reverse(ts)
	}
	return ts, nil
}

// Equal servers are not changed without need, though the DNS shuffles them.
func TestEqualServersAreKept(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		l.office("10.0.0.8")
		second := l.office("10.0.0.9")
		a := l.phone("10.0.0.1", func(c *Config) { c.Resolver = &shuffled{} }).account(infoAccount(""))
		until(t, a, Registered, time.Second)
		time.Sleep(3 * time.Hour)
		if n := second.count("REGISTER"); n < 4 || a.State().Server.String() != "10.0.0.9:5060" {
			t.Errorf("%d REGISTERs there, now at %v", n, a.State().Server)
		}
	})
}

// The registered server dies between two refreshes: the request that notices goes on to the next one, and the
// registration follows at once, because calls for us come by there.
func TestDeadServerIsNoticedByAnyRequest(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		first, second := l.office("10.0.0.8"), l.office("10.0.0.9")
		l.server("udp 10.0.0.8:5060", "udp 10.0.0.9:5060")
		a := l.phone("10.0.0.1", nil).account(infoAccount(""))
		until(t, a, Registered, time.Second)
		first.host.SetAddrs()
		time.Sleep(time.Minute)
		start := time.Now()
		_, err := a.Message(t.Context(), uri.New("bob", "info.test", 0), "text/plain", []byte("hi"))
		must(t, err)
		if d := time.Since(start); d != silentLimit+20*ms {
			t.Errorf("MESSAGE took %v", d)
		}
		time.Sleep(time.Second)
		if s := a.State(); s.Server.String() != "10.0.0.9:5060" || second.count("REGISTER") != 1 {
			t.Errorf("registered at %v", s.Server)
		}
	})
}

// RFC 3261 21.5.4: the next server at once, this one not before Retry-After.
func TestUnavailableServer(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		first := l.office("10.0.0.8")
		l.office("10.0.0.9")
		first.script = func(wireMessage) (string, []string) { return "503 Full", []string{"Retry-After: 7200"} }
		l.server("udp 10.0.0.8:5060", "udp 10.0.0.9:5060")
		a := l.phone("10.0.0.1", nil).account(infoAccount(""))
		if d := until(t, a, Registered, time.Second); d > 50*ms {
			t.Errorf("registered after %v", d)
		}
		time.Sleep(59 * time.Minute) // a refresh; Retry-After counts for an hour at most
		if n := first.count("REGISTER"); n != 1 {
			t.Errorf("%d REGISTERs at the full server", n)
		}
	})
	bubble(t, 10*ms, func(t *testing.T, l *lab) { // and when there is no other
		o := l.office("10.0.0.9")
		o.script = func(wireMessage) (string, []string) { return "503 Full", []string{"Retry-After: 300 (soon)"} }
		l.server("udp 10.0.0.9:5060")
		a := l.phone("10.0.0.1", nil).account(infoAccount(""))
		until(t, a, Failed, time.Second)
		wantCode(t, a.State().Err, 503)
		time.Sleep(299 * time.Second)
		if n := o.count("REGISTER"); n != 1 {
			t.Errorf("%d REGISTERs before Retry-After", n)
		}
		time.Sleep(2 * time.Second)
		if n := o.count("REGISTER"); n != 2 {
			t.Errorf("%d REGISTERs after it", n)
		}
	})
}

// A 503 without Retry-After to something else than REGISTER may be about the callee.
func TestUnavailableCalleeBlamesNobody(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		first, second := l.office("10.0.0.8"), l.office("10.0.0.9")
		first.script = func(m wireMessage) (string, []string) {
			if strings.HasPrefix(m.text, "MESSAGE") {
				return "503 No Trunk", nil
			}
			return "", nil
		}
		l.server("udp 10.0.0.8:5060", "udp 10.0.0.9:5060")
		a := l.phone("10.0.0.1", nil).account(infoAccount(""))
		until(t, a, Registered, time.Second)
		_, err := a.Message(t.Context(), uri.New("bob", "info.test", 0), "text/plain", []byte("hi"))
		must(t, err)
		_, err = a.Options(t.Context(), uri.New("bob", "info.test", 0))
		must(t, err)
		if first.count("OPTIONS") != 1 || second.count("MESSAGE") != 1 {
			t.Errorf("%d OPTIONS at the first, %d MESSAGE at the second", first.count("OPTIONS"), second.count("MESSAGE"))
		}
	})
}

// A dialog stays with the server that made it, whatever the DNS says later; when that one dies, the next takes over.
func TestDialogStaysWithItsServer(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		first, second := l.office("10.0.0.8"), l.office("10.0.0.9")
		for _, o := range []*office{first, second} {
			o.script = func(m wireMessage) (string, []string) {
				if strings.HasPrefix(m.text, "INVITE") {
					return "200 OK", []string{"Contact: <sip:bob@bob.test>", "Record-Route: <sip:edge.test;lr>"}
				}
				return "", nil
			}
		}
		l.server("udp 10.0.0.9:5060")
		edge := append(at("udp", "10.0.0.8:5060"), at("udp", "10.0.0.9:5060")...)
		edge[1].Tier = 1
		l.names["edge.test"] = edge
		l.names["bob.test"] = at("udp", "10.0.0.9:5060")
		a := l.phone("10.0.0.1", nil).account(infoAccount(""))
		until(t, a, Registered, time.Second)
		c, err := a.Invite(t.Context(), uri.New("bob", "bob.test", 0), &talk{name: "alice"}, CallOptions{})
		must(t, err)
		time.Sleep(time.Second)
		must(t, c.Info(t.Context(), "text/plain", []byte("hi")))
		if first.count("INFO") != 0 || first.count("ACK") != 0 || second.count("INFO") != 1 {
			t.Fatalf("%d INFOs at the first, %d at the second", first.count("INFO"), second.count("INFO"))
		}
		second.host.SetAddrs()
		start := time.Now()
		must(t, c.Info(t.Context(), "text/plain", []byte("hi")))
		if d := time.Since(start); d != silentLimit+20*ms || first.count("INFO") != 1 {
			t.Errorf("after %v %d INFOs at the next", d, first.count("INFO"))
		}
		must(t, c.Hangup(t.Context()))
		if first.count("BYE") != 1 {
			t.Error("the BYE went elsewhere")
		}
	})
}

// A dual-stack and an IPv6-only registrar.
func TestRegistrarFamilies(t *testing.T) {
	tests := []struct {
		name, phone string
		targets     []string
		server      string
		most        time.Duration
	}{
		{"IPv6 only", "2001:db8::1", []string{"udp [2001:db8::9]:5060"}, "[2001:db8::9]:5060", 21 * ms},
		{"IPv6 only, TCP", "2001:db8::1", []string{"tcp [2001:db8::9]:5060"}, "[2001:db8::9]:5060", 41 * ms},
		{"both, we have IPv6 only", "2001:db8::1", []string{"udp 10.0.0.9:5060", "udp [2001:db8::9]:5060"}, "[2001:db8::9]:5060", 21 * ms},
		{"both, we have IPv4 only", "10.0.0.1", []string{"udp [2001:db8::9]:5060", "udp 10.0.0.9:5060"}, "10.0.0.9:5060", 21 * ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				o := l.office("10.0.0.9")
				o.host.SetAddrs("10.0.0.9", "2001:db8::9")
				l.server(tt.targets...)
				a := l.phone(tt.phone, nil).account(outboundAccount())
				if d := until(t, a, Registered, time.Minute); d > tt.most {
					t.Errorf("registered after %v", d)
				}
				s := a.State()
				if s.Server.String() != tt.server || s.Contact.Host != tt.phone || s.Mapped.Addr() != netip.MustParseAddr(tt.phone) {
					t.Errorf("state %+v", s)
				}
				if s.Server.Addr().Is6() && !strings.Contains(o.last("REGISTER").field("Contact"), "@["+tt.phone+"]:") {
					t.Errorf("Contact %s", o.last("REGISTER").field("Contact"))
				}
			})
		})
	}
}

func TestBadTargets(t *testing.T) {
	bubble(t, 0, func(t *testing.T, _ *lab) {
		b := badTargets{m: map[string]badTarget{}}
		x := at("udp", "10.0.0.8:5060")[0]
		for i, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, 32 * time.Minute} {
			b.fail(x)
			if got := time.Until(b.until(x)); got != want {
				t.Errorf("failure %d costs %v, want %v", i+1, got, want)
			}
			time.Sleep(want)
			if b.has(x) || !b.known(x) {
				t.Errorf("failure %d: not tried again after its time, or forgotten", i+1)
			}
		}
		b.good(x)
		b.fail(x)
		if got := time.Until(b.until(x)); got != time.Minute {
			t.Errorf("after an answer a failure costs %v", got)
		}
		for i := range 3 * maxRemembered {
			b.fail(at("udp", fmt.Sprintf("10.0.%d.%d:5060", i/250, i%250+1))[0])
		}
		if len(b.m) > maxRemembered {
			t.Errorf("%d remembered", len(b.m))
		}
	})
}

// Two accounts of one user at one server, each with a transport of its own, and one elsewhere: the nonce counts are
// their own, and the end of one leaves the others alone.
func TestSeveralAccounts(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		v, err := digest.NewVerifier(digest.VerifierConfig{Realm: "info.test"})
		must(t, err)
		o, other := l.office("10.0.0.9"), l.office("10.0.0.7")
		o.script = func(m wireMessage) (string, []string) {
			method, _, _ := strings.Cut(m.text, " ")
			if _, err := v.Verify(m.field("Authorization"), method, nil, func(string, string) (string, bool) { return "secret", true }); err != nil {
				var lines []string
				for _, c := range v.Challenges(false) {
					lines = append(lines, "WWW-Authenticate: "+c)
				}
				return "401 Unauthorized", lines
			}
			return "", nil
		}
		l.server("udp 10.0.0.9:5060")
		l.names["else.test"] = at("tcp", "10.0.0.7:5060")
		p := l.phone("10.0.0.1", nil)
		var accounts []*Account
		for i, user := range []string{"alice", "sales", "alice"} {
			cfg := infoAccount("secret")
			cfg.ID, cfg.AOR = fmt.Sprint(i), uri.New(user, []string{"info.test", "info.test", "else.test"}[i], 0)
			accounts = append(accounts, p.account(cfg))
		}
		for _, a := range accounts {
			until(t, a, Registered, time.Second)
		}
		for range 3 {
			for _, a := range accounts[:2] {
				must(t, a.Register(t.Context()))
			}
		}
		counts := map[string][]string{}
		regs, _ := o.requests("REGISTER")
		for _, m := range regs {
			if _, nc, ok := strings.Cut(m.field("Authorization"), "nc="); ok {
				who := uriOf(t, m.field("From")).User
				counts[who] = append(counts[who], nc[6:8])
			}
		}
		for _, who := range []string{"alice", "sales"} {
			if want := []string{"01", "02", "03", "04"}; !slices.Equal(counts[who], want) {
				t.Errorf("nonce counts of %s: %v, want %v", who, counts[who], want)
			}
		}
		before, elsewhere := o.count("REGISTER"), other.count("REGISTER")
		must(t, p.RemoveAccount(t.Context(), "0"))
		if got := o.last("REGISTER"); got.field("Expires") != "0" || uriOf(t, got.field("From")).User != "alice" || o.count("REGISTER") != before+1 {
			t.Errorf("the goodbye: %s", got.text)
		}
		if b := o.bound(); len(b) != 1 || other.count("REGISTER") != elsewhere {
			t.Errorf("bound %v, %d REGISTERs elsewhere", b, other.count("REGISTER")-elsewhere)
		}
		for _, a := range accounts[1:] {
			if s := a.State(); s.Registration != Registered {
				t.Errorf("account %s is %v", a.ID(), s.Registration)
			}
			_, err := a.Options(t.Context(), uri.New("bob", a.AOR().Host, 0))
			must(t, err)
		}
	})
}

func uriOf(t *testing.T, v string) uri.URI {
	t.Helper()
	a, err := uri.ParseAddress(v)
	must(t, err)
	return a.URI
}

// A certificate that is not trusted never leads to plain TCP, a server without TLS does.
func TestNoWayOutOfTLS(t *testing.T) {
	tests := []struct {
		name   string
		set    func(l *lab)
		policy trust.Policy
		want   Registration
	}{
		{"unknown authority", func(*lab) {}, trust.Policy{}, Failed},
		{"another key than the one known", func(*lab) {}, trust.Policy{Mode: trust.Pin, Pin: "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}, Failed},
		{"nobody there", func(l *lab) { l.server("tls 10.0.0.8:5061", "tcp 10.0.0.9:5060") }, trust.Policy{}, Registered},
		{"nobody at the port", func(l *lab) { l.server("tls 10.0.0.9:5999", "tcp 10.0.0.9:5060") }, trust.Policy{}, Registered},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				o := l.office("10.0.0.9")
				l.server("tls 10.0.0.9:5061", "tcp 10.0.0.9:5060")
				tt.set(l)
				cfg := infoAccount("secret")
				cfg.Trust = tt.policy
				a := l.phone("10.0.0.1", nil).account(cfg)
				until(t, a, tt.want, 5*time.Second)
				s := a.State()
				if tt.want == Registered {
					if s.Transport != "tcp" {
						t.Errorf("state %+v", s)
					}
					return
				}
				var e *trust.Error
				if !errors.As(s.Err, &e) || !errors.Is(s.Err, ErrTransport) || o.count("REGISTER") != 0 {
					t.Errorf("error %v, %d REGISTERs", s.Err, o.count("REGISTER"))
				}
			})
		})
	}
}
