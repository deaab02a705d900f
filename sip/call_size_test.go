package sip

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
)

// A re-INVITE must fit a datagram together with a description of 900 bytes: what is added to it must be worth it.
func TestReinviteStaysSmall(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		a := l.phone("10.0.0.1", nil).lan("alice")
		p := l.peer("10.0.0.2:5060")
		media := &talk{name: "alice"}
		c, err := a.Invite(t.Context(), bobURI(), media, CallOptions{})
		must(t, err)
		inv := p.next("INVITE")
		p.reply(inv, "200 OK", "b", "v=0\r\no=b\r\n", p.contact(), "Session-Expires: 1800;refresher=uac", "Require: timer")
		p.next("ACK")
		time.Sleep(time.Second)
		go func() { must(t, c.Reinvite(t.Context())) }()
		re := p.next("INVITE")
		size := len(re.text) - len(re.body())
		t.Logf("INVITE %d bytes without body, re-INVITE %d", len(inv.text)-len(inv.body()), size)
		const before = 457 // what they took with Allow and without a session timer
		if size > before {
			t.Errorf("the headers of a re-INVITE take %d bytes, want %d at most", size, before)
		}
		p.reply(re, "200 OK", "b", "v=0\r\no=b\r\n", p.contact())
		p.next("ACK")
		go func() { p.reply(p.await("BYE"), "200 OK", "", "") }()
		must(t, c.Hangup(t.Context()))
	})
}

// TestLongReinviteStays: a dialog that goes by UDP stays there with a re-INVITE that brings keys and fits a frame; a
// longer one asks for TCP.
func TestLongReinviteStays(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		a := l.phone("10.0.0.1", nil).lan("alice")
		p := l.peer("10.0.0.2:5060")
		media := &talk{name: "alice"}
		c, err := a.Invite(t.Context(), bobURI(), media, CallOptions{})
		must(t, err)
		p.reply(p.next("INVITE"), "200 OK", "b", "v=0\r\no=b\r\n", p.contact())
		p.next("ACK")
		time.Sleep(time.Second)
		stream := resolve.Target{Transport: "tcp", Addr: netip.MustParseAddrPort("10.0.0.2:5060")}
		for _, tt := range []struct {
			name  int
			asked bool // for TCP, which the peer does not have
		}{{1000, false}, {1100, true}} {
			media.name = strings.Repeat("a", tt.name)
			go func() { must(t, c.Reinvite(t.Context())) }()
			re := p.next("INVITE")
			t.Logf("re-INVITE of %d bytes", len(re.text))
			p.reply(re, "200 OK", "b", "v=0\r\no=b\r\n", p.contact())
			p.next("ACK")
			if got := a.ua.bad.has(stream); len(re.text) <= pathMTULimit || got != tt.asked {
				t.Errorf("%d bytes: asked for TCP: %v, want %v", len(re.text), got, tt.asked)
			}
			time.Sleep(time.Second)
		}
		go func() { p.reply(p.await("BYE"), "200 OK", "", "") }()
		must(t, c.Hangup(t.Context()))
	})
}
