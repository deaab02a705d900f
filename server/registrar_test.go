package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

func contacts(res *sipmsg.Response) string {
	var out []string
	for _, h := range res.GetHeaders("Contact") {
		out = append(out, h.Value())
	}
	return strings.Join(out, " ")
}

func TestRegistrations(t *testing.T) {
	const aor = "To: <sip:alice@demo.test>"
	steps := []struct {
		name  string
		lines []string
		wait  time.Duration // before
		code  int
		want  string // Contact headers of the 200
	}{
		{"asking", []string{"Contact: "}, 0, 200, ""},
		{"one device", []string{"Contact: <sip:alice@10.0.0.10>;q=0.5", "Expires: 60"}, 0, 200, "<sip:alice@10.0.0.10>;q=0.5;expires=60"},
		{
			"a second one, its own time",
			[]string{`Contact: "A, B" <sip:alice@10.0.0.99;transport=udp>;expires=120`, "Expires: 60"},
			0, 200,
			`<sip:alice@10.0.0.10>;q=0.5;expires=60 "A, B" <sip:alice@10.0.0.99;transport=udp>;expires=120`,
		},
		{
			"compact form, refreshed",
			[]string{"Contact: ", "m: <sip:alice@10.0.0.10>", "Expires: 90"},
			30 * time.Second, 200,
			`<sip:alice@10.0.0.10>;expires=90 "A, B" <sip:alice@10.0.0.99;transport=udp>;expires=90`,
		},
		{"too brief", []string{"Contact: <sip:alice@10.0.0.10>", "Expires: 5"}, 0, 423, ""},
		{
			"clamped",
			[]string{"Contact: <sip:alice@10.0.0.10>", "Expires: 4000000000"},
			0, 200,
			`<sip:alice@10.0.0.10>;expires=3600 "A, B" <sip:alice@10.0.0.99;transport=udp>;expires=90`,
		},
		{"the second expires", []string{"Contact: "}, 91 * time.Second, 200, `<sip:alice@10.0.0.10>;expires=3509`},
		{"add one, remove one", []string{"Contact: <sip:alice@10.0.0.10>;expires=0, <sip:alice@10.0.0.98>"}, 0, 200, `<sip:alice@10.0.0.98>;expires=3600`},
		{"star without Expires 0", []string{"Contact: *", "Expires: 60"}, 0, 400, ""},
		{"star beside others", []string{"Contact: *, <sip:alice@10.0.0.10>", "Expires: 0"}, 0, 400, ""},
		{"no URI", []string{"Contact: bob", "Expires: 60"}, 0, 400, ""},
		{"another user's", []string{"To: <sip:bob@demo.test>", "Contact: <sip:mallory@10.0.0.10>"}, 0, 403, ""},
		{"too many", []string{"Contact: " + strings.Repeat("<sip:alice@10.0.0.10>,", 11)}, 0, 400, ""},
		{"everything removed", []string{"Contact: *", "Expires: 0"}, 0, 200, ""},
	}
	inBubble(t, Config{}, func(t *testing.T, s *Server, newPhone func(string) *phone, _ func()) {
		alice := newPhone("alice")
		for _, step := range steps {
			time.Sleep(step.wait)
			alice.authorized("REGISTER", "sip:demo.test", append([]string{aor}, step.lines...)...)
			res := alice.response(step.code)
			if got := contacts(res); got != step.want {
				t.Errorf("%s: contacts %s, want %s", step.name, got, step.want)
			}
			if step.code == 423 && res.GetHeader("Min-Expires").Value() != "30" {
				t.Errorf("%s: no Min-Expires: %s", step.name, res)
			}
		}
		if left := s.Bindings("alice"); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestRegisterRefused(t *testing.T) {
	inBubble(t, Config{Algorithms: []string{"MD5"}}, func(t *testing.T, _ *Server, newPhone func(string) *phone, _ func()) {
		alice := newPhone("alice")
		alice.send(alice.request("REGISTER", "sip:elsewhere.test", "To: <sip:alice@elsewhere.test>"))
		alice.response(404)
		alice.send(alice.request("REGISTER", "sip:demo.test", "To: <sip:alice@demo.test>", "Require: path"))
		if res := alice.response(420); res.GetHeader("Unsupported").Value() != "path" {
			t.Errorf("420 without Unsupported: %s", res)
		}
		alice.password = "guess"
		alice.authorized("REGISTER", "sip:demo.test", "To: <sip:alice@demo.test>")
		if res := alice.response(401); len(res.GetHeaders("WWW-Authenticate")) != 1 || strings.Contains(res.String(), "stale") {
			t.Errorf("a wrong password gets %s", res)
		}
		alice.password = "a-secret"
		alice.register()
		time.Sleep(6 * time.Minute) // past the life of the nonce
		credentials, _ := alice.cache.Authorize("k", "REGISTER", "sip:demo.test", "alice", "a-secret", nil)
		alice.send(alice.request("REGISTER", "sip:demo.test", "To: <sip:alice@demo.test>", "Authorization: "+credentials))
		if res := alice.response(401); !strings.Contains(res.String(), "stale=true") {
			t.Errorf("an old nonce gets %s", res)
		}
	})
}

func TestOldRequestChangesNothing(t *testing.T) {
	var b bindings
	at := time.Now().Add(time.Hour)
	put := func(cseq uint32) bool {
		one := Binding{CallID: "x", CSeq: cseq, Expires: at}
		one.Contact.URI.Scheme, one.Contact.URI.Host = "sip", "10.0.0.1"
		_, ok, _ := b.update("alice", registration{contacts: []Binding{one}, callID: "x", cseq: cseq}.apply)
		return ok
	}
	if !put(5) || put(5) || put(4) || !put(6) {
		t.Error("CSeq order is not kept")
	}
	if _, ok, _ := b.update("alice", registration{removeAll: true, callID: "x", cseq: 6}.apply); ok {
		t.Error("an old Contact: * removed bindings")
	}
	if got := b.get("alice"); len(got) != 1 || got[0].CSeq != 6 {
		t.Errorf("bindings %v", got)
	}
}

func TestBindingsAreBounded(t *testing.T) {
	var b bindings
	at := time.Now().Add(time.Hour)
	device := func(i int) Binding {
		one := Binding{Expires: at}
		one.Contact.URI.Scheme, one.Contact.URI.Host, one.Contact.URI.Port = "sip", "h", i+1
		return one
	}
	for i := range maxPerUser + 1 {
		_, ok, full := b.update("alice", registration{contacts: []Binding{device(i)}}.apply)
		if want := i < maxPerUser; ok != want || full == want {
			t.Errorf("device %d: ok %v, full %v", i, ok, full)
		}
	}
	for i := range maxUsers {
		_, ok, full := b.update(fmt.Sprint(i), registration{contacts: []Binding{device(0)}}.apply)
		if want := i < maxUsers-1; ok != want || full == want {
			t.Fatalf("user %d: ok %v, full %v", i, ok, full)
		}
	}
}
