package sip

import (
	"testing"
	"time"
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
