package sip

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/digest"
	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// registrar is a scripted server for info.test with digest.
type registrar struct {
	*peer
	auth     *digest.Verifier
	password string
	least    int // Min-Expires

	mu   sync.Mutex
	seen []wireMessage // REGISTERs
	code string        // when set, the answer to everything
}

func (l *lab) registrar(addr, password string) *registrar {
	l.t.Helper()
	v, err := digest.NewVerifier(digest.VerifierConfig{Realm: "info.test"})
	must(l.t, err)
	r := &registrar{peer: l.peer(addr), auth: v, password: password}
	l.names["info.test"] = append(l.names["info.test"], at("udp", addr)...)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case m := <-r.in:
				r.answer(m)
			case <-done:
				return
			}
		}
	}()
	l.stops = append(l.stops, func() { close(done) })
	return r
}

func (r *registrar) answer(m wireMessage) {
	r.mu.Lock()
	r.seen = append(r.seen, m)
	code, least := r.code, r.least
	r.mu.Unlock()
	if code != "" {
		r.reply(m, code, "srv", "")
		return
	}
	_, err := r.auth.Verify(m.field("Authorization"), "REGISTER", nil, func(string, string) (string, bool) { return r.password, true })
	if err != nil {
		var lines []string
		for _, c := range r.auth.Challenges(errors.Is(err, digest.ErrStale)) {
			lines = append(lines, "WWW-Authenticate: "+c)
		}
		r.reply(m, "401 Unauthorized", "srv", "", lines...)
		return
	}
	var expires int
	_, _ = fmt.Sscanf(m.field("Expires"), "%d", &expires)
	if expires > 0 && expires < least {
		r.reply(m, "423 Interval Too Brief", "srv", "", fmt.Sprintf("Min-Expires: %d", least))
		return
	}
	r.reply(m, "200 OK", "srv", "", "Contact: "+m.fields("Contact")[0])
}

func (r *registrar) registers() []wireMessage {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

func (r *registrar) set(code string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.code = code
}

func infoAccount(password string) AccountConfig {
	return AccountConfig{ID: "1", AOR: uri.New("alice", "info.test", 0), DisplayName: `Alice "A"`, Password: password, Register: true}
}

func TestRegister(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		srv := l.registrar("10.0.0.9:5060", "secret")
		p := l.phone("10.0.0.1", nil)
		start := time.Now()
		a := p.account(infoAccount("secret"))
		time.Sleep(time.Second)
		if s := a.State(); s.Registration != Registered || s.Contact.Host != "10.0.0.1" || s.Contact.Port != 5060 || s.Transport != "udp" {
			t.Fatalf("state %+v", s)
		}
		if got := srv.registers(); len(got) != 2 || got[0].field("Authorization") != "" || got[1].field("Authorization") == "" {
			t.Fatalf("%d REGISTERs, want a bare one and one with credentials", len(got))
		}
		if !strings.Contains(srv.registers()[1].field("Authorization"), "SHA-256") {
			t.Errorf("not the best algorithm: %s", srv.registers()[1].field("Authorization"))
		}
		if left := a.State().ExpiresAt.Sub(start); left < 59*time.Minute || left > 61*time.Minute {
			t.Errorf("expires in %v", left)
		}
		before := time.Now()
		must(t, a.Register(t.Context()))
		if d := time.Since(before); d != 20*ms {
			t.Errorf("forced REGISTER took %v, want one round trip (cached nonce)", d)
		}
		time.Sleep(55 * time.Minute)
		if n := len(srv.registers()); n != 5 {
			t.Errorf("%d REGISTERs after 55 minutes, want a refresh, twice because the nonce was stale", n)
		}
		must(t, p.RemoveAccount(t.Context(), "1"))
		last := srv.registers()[len(srv.registers())-1]
		if last.field("Expires") != "0" || !strings.Contains(last.field("Contact"), "expires=0") {
			t.Errorf("no un-REGISTER: %s", last.text)
		}
		if got, want := p.history(), "registering registered registered registered offline"; got != want {
			t.Errorf("history %q, want %q", got, want)
		}
	})
}

func TestRegisterTooBrief(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		srv := l.registrar("10.0.0.9:5060", "secret")
		srv.least = 120
		cfg := infoAccount("secret")
		cfg.Expires = time.Minute
		a := l.phone("10.0.0.1", nil).account(cfg)
		time.Sleep(time.Second)
		if s := a.State(); s.Registration != Registered || time.Until(s.ExpiresAt).Round(time.Second) != 119*time.Second {
			t.Errorf("state %+v, expires in %v", s, time.Until(s.ExpiresAt))
		}
	})
}

func TestRegisterWrongPassword(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		srv := l.registrar("10.0.0.9:5060", "secret")
		a := l.phone("10.0.0.1", nil).account(infoAccount("wrong"))
		time.Sleep(5 * time.Minute)
		s := a.State()
		if s.Registration != Failed {
			t.Errorf("state %+v", s)
		}
		wantCode(t, s.Err, 401)
		if n := len(srv.registers()); n != 2 {
			t.Errorf("%d REGISTERs in 5 minutes; insisting gets us blocked", n)
		}
		wantCode(t, a.Register(t.Context()), 401)
	})
}

func TestRegisterRetriesAndRecovers(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		srv := l.registrar("10.0.0.9:5060", "secret")
		srv.set("500 Broken")
		a := l.phone("10.0.0.1", nil).account(infoAccount("secret"))
		time.Sleep(time.Minute)
		n := len(srv.registers())
		if n < 4 || n > 9 {
			t.Errorf("%d tries in a minute", n)
		}
		srv.set("")
		time.Sleep(3 * time.Minute)
		if s := a.State(); s.Registration != Registered {
			t.Errorf("state %+v", s)
		}
	})
}

func TestRegisterFailover(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		l.names["info.test"] = at("udp", "10.0.0.8:5060") // nobody there
		l.registrar("10.0.0.9:5060", "secret")
		start := time.Now()
		a := l.phone("10.0.0.1", nil).account(infoAccount("secret"))
		for a.State().Registration != Registered && time.Since(start) < time.Minute {
			time.Sleep(100 * ms)
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("registered after %v; a dead first server may cost seconds only", d)
		}
		start = time.Now()
		must(t, a.Register(t.Context()))
		if d := time.Since(start); d > time.Second {
			t.Errorf("dead server not remembered: %v", d)
		}
	})
}

// A move: the old Contact goes in the same REGISTER, and an attempt that was under way is given up.
func TestRegisterAfterMove(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		srv := l.registrar("10.0.0.9:5060", "secret")
		p := l.phone("10.0.0.1", nil)
		a := p.account(infoAccount("secret"))
		time.Sleep(time.Second)
		first := a.State().Contact
		p.host.SetAddrs("10.1.0.1")
		p.NetworkChanged(t.Context())
		start := time.Now()
		must(t, a.Register(t.Context()))
		if d := time.Since(start); d != 20*ms {
			t.Errorf("took %v, want one round trip", d)
		}
		regs := srv.registers()
		last := regs[len(regs)-1]
		cs := last.fields("Contact")
		if len(cs) != 2 || !strings.Contains(cs[0], "@10.1.0.1:5060>;expires=3600") || !strings.Contains(cs[1], first.String()+">;expires=0") {
			t.Errorf("Contacts %q", cs)
		}
		if !strings.HasPrefix(last.field("Via"), "SIP/2.0/UDP 10.1.0.1:5060;") || last.from != "10.1.0.1:5060" {
			t.Errorf("Via %s, from %s", last.field("Via"), last.from)
		}
		p.host.SetAddrs()
		result := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			result <- a.Register(ctx)
		}()
		time.Sleep(100 * ms)
		p.host.SetAddrs("10.2.0.1")
		start = time.Now()
		must(t, a.Register(t.Context()))
		if d := time.Since(start); d > 50*ms {
			t.Errorf("after a dead link took %v", d)
		}
		<-result
	})
}

func TestProxyIsTheRoute(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		p := l.peer("10.0.0.7:5070")
		cfg := infoAccount("")
		proxy := mustURI(t, "sip:10.0.0.7:5070")
		cfg.Proxy = &proxy
		a := l.phone("10.0.0.1", nil).account(cfg)
		m := p.next("REGISTER sip:info.test SIP/2.0")
		if got := m.field("Route"); got != "<sip:10.0.0.7:5070;lr>" {
			t.Errorf("Route %q", got)
		}
		if got := m.field("From"); !strings.HasPrefix(got, `"Alice \"A\"" <sip:alice@info.test>;tag=`) {
			t.Errorf("From %q", got)
		}
		p.reply(m, "200 OK", "x", "", "Contact: "+m.field("Contact"))
		go func() {
			m := p.next("MESSAGE sip:bob@enst.test SIP/2.0")
			p.reply(m, "202 Accepted", "x", "")
			p.reply(p.await("REGISTER"), "200 OK", "x", "")
		}()
		code, err := a.Message(t.Context(), uri.New("bob", "enst.test", 0), "text/plain", []byte("hi"))
		if code != 202 || err != nil {
			t.Errorf("MESSAGE: %d, %v", code, err)
		}
	})
}

func TestDigestLeakGuard(t *testing.T) {
	tests := []struct {
		name, realm, from string
		inDialog, want    bool
	}{
		{"own server, own realm", "info.test", "10.0.0.9:5060", true, true},
		{"own server, foreign realm", "evil.test", "10.0.0.9:5060", true, false},
		{"stranger, own realm", "info.test", "10.0.0.66:5060", true, false},
		{"stranger, foreign realm", "evil.test", "10.0.0.66:5060", false, false},
		{"own server before any realm is known", "asterisk", "10.0.0.9:5060", false, true},
		{"the same inside a dialog", "asterisk", "10.0.0.9:5060", true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u, err := New(context.Background(), Config{Handler: &phone{}})
			must(t, err)
			a, err := u.AddAccount(infoAccount("secret"))
			must(t, err)
			a.learnServers(at("udp", "10.0.0.9:5060"))
			h := hop{target: at("udp", tt.from)[0]}
			if got := a.mayAnswer(tt.realm, h, exchange{account: a, inDialog: tt.inDialog}); got != tt.want {
				t.Errorf("mayAnswer = %v, want %v", got, tt.want)
			}
		})
	}
}

var _ Resolver = (*resolve.Resolver)(nil)
