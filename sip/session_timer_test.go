package sip

import (
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/session"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const allowUpdate = "Allow: INVITE, ACK, BYE, UPDATE"

// up answers a dialled call with a session timer.
func (d *dialled) up(t *testing.T, lines ...string) {
	t.Helper()
	d.p.reply(d.inv, "200 OK", "b", "v=0\r\no=b\r\n", append([]string{d.p.contact()}, lines...)...)
	d.p.next("ACK")
	time.Sleep(ms)
	if d.State() != Established {
		t.Fatalf("state %v", d.State())
	}
}

// at waits for a request and checks when it comes, counted from the call's begin.
func (d *dialled) at(t *testing.T, want time.Duration, method string) wireMessage {
	t.Helper()
	time.Sleep(want - time.Since(d.Started()) - time.Second)
	d.p.nothing(t, 0)
	m := d.p.next(method)
	if got := time.Since(d.Started()).Round(time.Second); got != want {
		t.Errorf("%s after %v, want %v", method, got, want)
	}
	return m
}

func TestIntervalTooSmallForAServer(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		d := dial(t, l, CallOptions{}, nil)
		if got := d.inv.field("Session-Expires"); got != "1800;refresher=uac" {
			t.Errorf("Session-Expires %q", got)
		}
		d.p.reply(d.inv, "422 Session Interval Too Small", "x", "", "Min-SE: 3600")
		d.p.next("ACK")
		again := d.p.next("INVITE")
		if se, least := again.field("Session-Expires"), again.field("Min-SE"); se != "3600;refresher=uac" || least != "3600" {
			t.Errorf("Session-Expires %q, Min-SE %q", se, least)
		}
		if again.field("Call-ID") != d.inv.field("Call-ID") || again.field("CSeq") != "2 INVITE" {
			t.Errorf("a new call: %s", again.text)
		}
		d.p.reply(again, "422 Session Interval Too Small", "x", "", "Min-SE: 100") // makes no sense
		d.p.next("ACK")
		time.Sleep(ms)
		wantCode(t, d.EndCause().Err, 422)
	})
}

func TestWeRefresh(t *testing.T) {
	tests := []struct{ name, allow, method string }{
		{"by UPDATE", allowUpdate, "UPDATE"},
		{"by re-INVITE", "Allow: INVITE, ACK, BYE", "INVITE"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				d := dial(t, l, CallOptions{}, nil)
				d.up(t, tt.allow, "Session-Expires: 200;refresher=uac", "Require: timer")
				m := d.at(t, 100*time.Second, tt.method)
				if got := m.field("Session-Expires"); got != "200;refresher=uac" {
					t.Errorf("Session-Expires %q", got)
				}
				if got := m.field("Supported"); got != "timer" {
					t.Errorf("Supported %q", got)
				}
				if (m.body() != "") != (tt.method == "INVITE") || m.field("Contact") == "" {
					t.Errorf("refresh\n%s", m.text)
				}
				body := ""
				if tt.method == "INVITE" {
					body = "v=0\r\no=b\r\n"
				}
				d.p.reply(m, "200 OK", "", body, d.p.contact(), "Session-Expires: 300;refresher=uac", "Require: timer")
				if body != "" {
					d.p.next("ACK")
				}
				m = d.at(t, 250*time.Second, tt.method)
				d.p.reply(m, "422 Session Interval Too Small", "", "", "Min-SE: 400")
				if body != "" {
					d.p.next("ACK")
				}
				m = d.p.next(tt.method)
				if got := m.field("Session-Expires"); got != "400;refresher=uac" {
					t.Errorf("Session-Expires %q", got)
				}
				d.p.reply(m, "200 OK", "", body, d.p.contact()) // the timer is over
				if body != "" {
					d.p.next("ACK")
				}
				d.p.nothing(t, time.Hour)
				d.bye(t)
			})
		})
	}
}

// What becomes of a call whose refresh fails.
func TestRefreshFails(t *testing.T) {
	tests := []struct {
		name, answer string // of the refresh; empty: silence
		kept         bool   // sound still flows
		ends         bool
	}{
		{"not known", "481 Call Does Not Exist", false, true},
		{"timed out", "408 Request Timeout", false, true},
		{"silence", "", false, true},
		{"not known, but heard", "481 Call Does Not Exist", true, false},
		{"silence, but heard", "", true, false},
		{"busy", "500 Busy", false, false},
		{"glare", "491 Request Pending", false, false},
		{"refused", "403 No", false, false},
	}
	for _, tt := range tests {
		for _, ours := range []bool{true, false} {
			bubble(t, ms, func(t *testing.T, l *lab) {
				name := map[bool]string{true: " at our turn", false: " after the peer stopped"}[ours]
				d := dial(t, l, CallOptions{}, func(cfg *Config) { cfg.KeepCall = func(*Call) bool { return tt.kept } })
				first, refresher := 900*time.Second, "uac"
				if !ours {
					first, refresher = 1768*time.Second, "uas" // 1800 s - 32 s
				}
				d.up(t, allowUpdate, "Session-Expires: 1800;refresher="+refresher, "Require: timer")
				m := d.at(t, first, "UPDATE")
				if got := m.field("Session-Expires"); got != "1800;refresher=uac" {
					t.Errorf("%s%s: Session-Expires %q", tt.name, name, got)
				}
				if tt.answer != "" {
					d.p.reply(m, tt.answer, "", "")
				}
				if tt.ends {
					d.p.reply(d.p.await("BYE"), "481 Gone", "", "")
					if got := d.EndCause(); got.Reason != EndedNoAnswer {
						t.Errorf("%s%s: ended as %+v", tt.name, name, got)
					}
					wantErr(t, d.EndCause().Err, ErrNoAnswer)
					return
				}
				for {
					again := d.p.await("UPDATE")
					if again.field("CSeq") == m.field("CSeq") {
						continue // a repeat of the first
					}
					if got := time.Since(d.Started()) - first; got < 59*time.Second || got > 100*time.Second {
						t.Errorf("%s%s: tried again after %v", tt.name, name, got)
					}
					d.p.reply(again, "200 OK", "", "", "Session-Expires: 1800;refresher=uac", "Require: timer")
					break
				}
				d.p.drain()
				if d.State() != Established {
					t.Errorf("%s%s: %v for %+v", tt.name, name, d.State(), d.EndCause())
				}
				d.bye(t)
			})
		}
	}
}

// Without a network of our own nothing is known of the peer; the call waits as long as the session lasts.
func TestRefreshWithoutNetwork(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		d := dial(t, l, CallOptions{}, nil)
		d.up(t, allowUpdate, "Session-Expires: 1800;refresher=uac", "Require: timer")
		time.Sleep(890 * time.Second)
		d.u.host.SetAddrs()
		time.Sleep(800 * time.Second)
		if d.State() != Established {
			t.Fatalf("%v for %+v", d.State(), d.EndCause())
		}
		d.u.host.SetAddrs("10.7.0.1")
		m := d.p.next("UPDATE")
		if got := m.field("Contact"); got != "<sip:alice@10.7.0.1:5060>" {
			t.Errorf("Contact %q", got)
		}
		d.p.reply(m, "200 OK", "", "", "Session-Expires: 1800;refresher=uac", "Require: timer")
		time.Sleep(time.Second)
		d.u.host.SetAddrs()
		<-d.Done()
		if got := time.Since(d.Started()); got < 3540*time.Second || got > 3602*time.Second {
			t.Errorf("ended after %v", got)
		}
	})
}

// Who refreshes stays the same, whoever sends the next re-INVITE.
func TestRefresherStays(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		d := dial(t, l, CallOptions{}, nil)
		d.up(t, allowUpdate, "Session-Expires: 1800;refresher=uas", "Require: timer")
		go func() { must(t, d.Reinvite(t.Context())) }()
		re := d.p.next("INVITE")
		if got := re.field("Session-Expires"); got != "1800;refresher=uas" {
			t.Errorf("our re-INVITE: %q", got)
		}
		d.p.reply(re, "200 OK", "", "v=0\r\no=b\r\n", d.p.contact(), "Session-Expires: 1800;refresher=uas", "Require: timer")
		d.p.next("ACK")
		inside := func(method, branch, number, se string) wireMessage {
			d.p.request("10.0.0.1:5060", method+" sip:alice@10.0.0.1", branch, "", "From: "+re.field("To"), "To: "+re.field("From"),
				"Call-ID: "+re.field("Call-ID"), "CSeq: "+number+" "+method, d.p.contact(), "Supported: timer", se)
			return d.p.next("SIP/2.0")
		}
		got := inside("UPDATE", "u1", "1", "Session-Expires: 1800;refresher=uac")
		if got.field("Session-Expires") != "1800;refresher=uac" || got.field("Require") != "timer" {
			t.Errorf("their refresh: %s", got.text)
		}
		if got := inside("UPDATE", "u2", "2", "Session-Expires: 60"); !strings.HasPrefix(got.text, "SIP/2.0 422") || got.field("Min-SE") != "90" {
			t.Errorf("a short one: %s", got.text)
		}
		if got := inside("UPDATE", "u3", "3", "Session-Expires: 90;refresher=uas"); got.field("Session-Expires") != "90;refresher=uas" {
			t.Errorf("handed over: %s", got.text)
		}
		if got := inside("UPDATE", "u4", "4", "Subject: forgetful"); got.field("Session-Expires") != "90;refresher=uas" {
			t.Errorf("not mentioned: %s", got.text)
		}
		start := time.Now()
		m := d.p.next("UPDATE")
		if got := time.Since(start).Round(time.Second); got != 45*time.Second {
			t.Errorf("our refresh after %v", got)
		}
		d.p.reply(m, "200 OK", "", "", "Session-Expires: 90;refresher=uac", "Require: timer")
		d.bye(t)
	})
}

func TestSessionTooShort(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		u, p := l.phone("10.0.0.1", nil), l.peer("10.0.0.2:5060")
		u.lan("alice")
		p.request("10.0.0.1:5060", "INVITE sip:alice@10.0.0.1", "i", "v=0\r\no=bob\r\n",
			inviteLines("1", "INVITE", "To: <sip:alice@10.0.0.1>", "Supported: timer", "Session-Expires: 30")...)
		if m := p.next("SIP/2.0 422"); m.field("Min-SE") != "90" {
			t.Errorf("Min-SE in %s", m.text)
		}
		p.request("10.0.0.1:5060", "ACK sip:alice@10.0.0.1", "i", "", inviteLines("1", "ACK", "To: <sip:alice@10.0.0.1>")...)
		if n := len(u.Calls()); n != 0 {
			t.Errorf("%d calls", n)
		}
	})
}

// A refresh that is under way when the network changes says nothing of the peer, and does not hold the move up.
func TestMoveDuringRefresh(t *testing.T) {
	for _, tt := range []struct{ allow, method string }{{allowUpdate, "UPDATE"}, {"Allow: INVITE, ACK, BYE", "INVITE"}} {
		bubble(t, ms, func(t *testing.T, l *lab) {
			d := dial(t, l, CallOptions{}, nil)
			d.up(t, tt.allow, "Session-Expires: 200;refresher=uac", "Require: timer")
			d.at(t, 100*time.Second, tt.method) // lost
			time.Sleep(100 * ms)
			d.u.host.SetAddrs("10.8.0.1")
			d.u.NetworkChanged(t.Context())
			start, moved := time.Now(), make(chan error, 1)
			go func() { moved <- d.Reinvite(t.Context()) }()
			var re wireMessage
			for re = d.p.next(""); !strings.HasPrefix(re.field("Contact"), "<sip:alice@10.8."); re = d.p.next("") {
			}
			d.p.reply(re, "200 OK", "", "v=0\r\no=b\r\n", d.p.contact())
			must(t, <-moved)
			if got := time.Since(start); got > 10*ms {
				t.Errorf("%s: the move took %v", tt.method, got)
			}
			time.Sleep(2 * time.Minute)
			if d.State() != Established {
				t.Errorf("%s: %v for %+v", tt.method, d.State(), d.EndCause())
			}
			d.p.drain()
			d.bye(t)
		})
	}
}

// FuzzSessionHeaders feeds messages to what reads the headers of RFC 3262 and 4028.
func FuzzSessionHeaders(f *testing.F) {
	for _, s := range []string{
		"SIP/2.0 183 X\r\nCSeq: 1 INVITE\r\nRequire: 100rel\r\nRSeq: 1\r\n\r\n",
		"SIP/2.0 422 X\r\nCSeq: 1 INVITE\r\nMin-SE: 99999999999999999999\r\n\r\n",
		"SIP/2.0 200 X\r\nCSeq: 1 INVITE\r\nx: 4294967295;refresher=uas\r\nAllow: ,,\r\n\r\n",
		"INVITE sip:a@b SIP/2.0\r\nCSeq: 1 INVITE\r\nSupported: timer,\r\nSession-Expires: 0;refresher=\r\n\r\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		msg, err := sipmsg.ParseMessage([]byte(text))
		if err != nil {
			return
		}
		c := &Call{timer: newSessionTimer()}
		d := newOutgoing(uri.Address{}, uri.Address{}, uri.URI{})
		d.learn(msg)
		d.allows("UPDATE")
		switch m := msg.(type) {
		case *sipmsg.Response:
			rseqOf(m)
			again := c.lengthen(m)
			if again && (!session.Usable(c.timer.interval) || c.timer.least > c.timer.interval) {
				t.Errorf("asks for %v, %v at least", c.timer.interval, c.timer.least)
			}
		case *sipmsg.Request:
			tooShort(m)
			for _, h := range c.agreeInterval(m) {
				if n, ok := seconds(h.Value); h.Name == "Session-Expires" && (!ok || !session.Usable(n)) {
					t.Errorf("agrees to %s", h.Value)
				}
			}
		}
	})
}
