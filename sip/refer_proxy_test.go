package sip

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// relay is a registrar and stateless proxy with Record-Route (RFC 3261 16.11), for whole flows through a server.
type relay struct {
	t    *testing.T
	conn net.PacketConn
	addr string

	mu       sync.Mutex
	contacts map[string]string // by user: the URI that is registered
	seen     []string          // first lines of requests
}

func (l *lab) relay(addr string) *relay {
	l.t.Helper()
	conn, err := l.net.NewHost(addr).ListenPacket(context.Background(), "udp", ":5060")
	must(l.t, err)
	r := &relay{t: l.t, conn: conn, addr: addr + ":5060", contacts: map[string]string{}}
	go func() {
		buf := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if text := string(buf[:n]); strings.Contains(text, "\r\n\r\n") {
				r.take(text, from.String())
			}
		}
	}()
	l.stops = append(l.stops, func() { _ = conn.Close() })
	return r
}

func (r *relay) send(text, to string) {
	addr, err := netip.ParseAddrPort(to)
	if err != nil {
		return // as a proxy that cannot resolve a name
	}
	_, _ = r.conn.WriteTo([]byte(text), net.UDPAddrFromAddrPort(addr)) // a datagram that gets lost
}

func (r *relay) take(text, from string) {
	first, rest, _ := strings.Cut(text, "\r\n")
	if strings.HasPrefix(first, "SIP/2.0") {
		lines := strings.Split(text, "\r\n")
		ours := slices.IndexFunc(lines, func(s string) bool { return strings.HasPrefix(s, "Via:") })
		text = strings.Join(slices.Delete(lines, ours, ours+1), "\r\n")
		_, sent, _ := strings.Cut(wireMessage{text, from}.field("Via"), " ")
		sent, _, _ = strings.Cut(sent, ";")
		r.send(text, sent)
		return
	}
	m := wireMessage{text, from}
	method, target, _ := strings.Cut(first, " ")
	target, _, _ = strings.Cut(target, " ")
	r.mu.Lock()
	r.seen = append(r.seen, method)
	r.mu.Unlock()
	if method == "REGISTER" {
		r.register(m)
		return
	}
	lines := strings.Split(rest, "\r\n")
	if i := slices.IndexFunc(lines, func(s string) bool { return strings.HasPrefix(s, "Route: <sip:"+r.addr) }); i >= 0 {
		lines = slices.Delete(lines, i, i+1)
	}
	u, err := uri.Parse(target)
	must(r.t, err)
	if u.Host == "info.test" {
		r.mu.Lock()
		target = r.contacts[u.User]
		r.mu.Unlock()
		if u, err = uri.Parse(target); err != nil {
			return
		}
	}
	_, branch, _ := strings.Cut(m.field("Via"), "branch=z9hG4bK")
	branch, _, _ = strings.Cut(branch, ";")
	head := []string{fmt.Sprintf("%s %s SIP/2.0", method, target), "Via: SIP/2.0/UDP " + r.addr + ";branch=z9hG4bKr" + branch}
	if method == "INVITE" {
		head = append(head, "Record-Route: <sip:"+r.addr+";lr>")
	}
	port := u.Port
	if port == 0 {
		port = 5060
	}
	r.send(strings.Join(append(head, lines...), "\r\n"), fmt.Sprintf("%s:%d", u.Host, port))
}

func (r *relay) register(m wireMessage) {
	contact := m.field("Contact")
	a, err := uri.ParseAddress(contact)
	must(r.t, err)
	who, err := uri.ParseAddress(m.field("To"))
	must(r.t, err)
	r.mu.Lock()
	r.contacts[who.URI.User] = a.URI.String()
	r.mu.Unlock()
	p := &peer{t: r.t, addr: r.addr, send: func(to, text string) { r.send(text, to) }}
	p.reply(m, "200 OK", "reg", "", "Contact: "+uri.Address{URI: a.URI}.String()+";expires=3600")
}

// carried gives the methods the proxy has seen, without REGISTER, ACK and CANCEL.
func (r *relay) carried() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]int{}
	for _, m := range r.seen {
		out[m]++
	}
	return out
}

// An attended transfer among accounts of a server, which carries it all: the INVITE that replaces comes from the
// server, by the address of record, and is let in.
func TestAttendedTransferThroughAProxy(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		l.names["info.test"] = []resolve.Target{{Transport: "udp", Addr: netip.MustParseAddrPort("10.0.0.100:5060")}}
		proxy := l.relay("10.0.0.100")
		accounts := map[string]*Account{}
		phones := map[string]*phone{}
		for i, name := range []string{"alice", "bob", "carol"} {
			p := l.phone(fmt.Sprintf("10.0.0.%d", i+1), nil)
			a := p.account(AccountConfig{ID: name, AOR: uri.New(name, "info.test", 0), Register: true})
			p.onCall = func(c *Call) { must(t, c.Answer(t.Context(), &talk{name: name})) }
			until(t, a, Registered, 10*time.Second)
			accounts[name], phones[name] = a, p
		}
		phones["bob"].onRefer = obey(t, accounts["bob"])
		call := func(name string) *Call {
			c, err := accounts["alice"].Invite(t.Context(), uri.New(name, "info.test", 0), &talk{name: "alice"}, CallOptions{})
			must(t, err)
			time.Sleep(time.Second)
			if c.State() != Established {
				t.Fatalf("call to %s is %v, %+v", name, c.State(), c.EndCause())
			}
			return c
		}
		first, ask := call("bob"), call("carol")
		ref, err := first.Refer(t.Context(), uri.URI{}, ReferOptions{Replaces: ask})
		must(t, err)
		<-ref.Done()
		must(t, ref.Err())
		must(t, first.Hangup(t.Context()))
		time.Sleep(time.Second)
		fresh := phones["carol"].call(1)
		if ask.State() != Ended || fresh.Replaces() != phones["carol"].call(0) || fresh.State() != Established {
			t.Errorf("the old call is %v, the new one %v", ask.State(), fresh.State())
		}
		if got := headerValue(fresh.in.req, "Require"); got != "replaces" {
			t.Errorf("Require %q: another phone of carol's could have taken it for an ordinary call", got)
		}
		if got, want := headerValue(fresh.in.req, "Referred-By"), "<sip:alice@info.test>"; got != want {
			t.Errorf("Referred-By %q, want %q", got, want)
		}
		if got := proxy.carried(); got["REFER"] != 1 || got["NOTIFY"] != 2 || got["INVITE"] != 3 || got["BYE"] != 2 {
			t.Errorf("the proxy carried %v", got)
		}
		idle(t, phones["alice"], phones["bob"], phones["carol"])
	})
}
