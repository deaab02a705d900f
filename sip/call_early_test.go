package sip

import (
	"fmt"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

func TestProvisionalResponses(t *testing.T) {
	for _, tt := range []struct{ status, tag, want string }{
		{"100 Trying", "", "calling"},
		{"180 Ringing", "e", "ringing"},
		{"181 Call Is Being Forwarded", "e", "ringing"},
		{"182 Queued", "e", "ringing"},
		{"183 Session Progress", "e", "ringing"},
		{"180 Ringing", "", "ringing"},
		{"155 Unheard Of", "e", "ringing"},
		{"199 Early Dialog Terminated", "e", "calling"},
	} {
		bubble(t, ms, func(t *testing.T, l *lab) {
			d := dial(t, l, CallOptions{}, nil)
			d.p.reply(d.inv, tt.status, tt.tag, "")
			time.Sleep(10 * ms)
			if got := d.State().String(); got != tt.want {
				t.Errorf("%s with tag %q: %s, want %s", tt.status, tt.tag, got, tt.want)
			}
			d.up(t)
			d.bye(t)
		})
	}
}

// A phone that drops out gives the floor to the next one's sound.
func TestEarlyDialogEnds(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		d := dial(t, l, CallOptions{}, nil)
		d.p.reply(d.inv, "183 Session Progress", "one", "v=0\r\no=one\r\n", d.p.contact())
		d.p.reply(d.inv, "180 Ringing", "silent", "", d.p.contact())
		d.p.reply(d.inv, "183 Session Progress", "two", "v=0\r\no=two\r\n", d.p.contact())
		d.p.reply(d.inv, "183 Session Progress", "two", "v=0\r\no=not any more\r\n", d.p.contact())
		d.p.reply(d.inv, "199 Early Dialog Terminated", "other", "", d.p.contact())
		d.p.reply(d.inv, "199 Early Dialog Terminated", "one", "", d.p.contact())
		time.Sleep(10 * ms)
		if got, want := d.media.String(), "offer 1; accept one; accept two"; got != want || !d.EarlySound() {
			t.Errorf("media %q, want %q; %v", got, want, d.EarlySound())
		}
		d.p.reply(d.inv, "199 Early Dialog Terminated", "two", "", d.p.contact())
		time.Sleep(10 * ms)
		if d.EarlySound() {
			t.Error("early sound of a phone that is gone")
		}
		d.p.reply(d.inv, "200 OK", "silent", "v=0\r\no=silent\r\n", d.p.contact())
		d.p.next("ACK")
		time.Sleep(ms)
		if got, want := d.media.String(), "offer 1; accept one; accept two; accept silent"; got != want {
			t.Errorf("media %q, want %q", got, want)
		}
		d.bye(t)
	})
}

func TestManyForks(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		d := dial(t, l, CallOptions{}, nil)
		for i := range 10 * maxForks {
			d.provisional("180 Ringing", fmt.Sprint("f", i), "1", "")
			if i%8 == 0 {
				time.Sleep(5 * ms)
			}
		}
		for range maxForks {
			d.p.reply(d.p.next("PRACK"), "200 OK", "", "")
		}
		d.p.nothing(t, time.Second)
		d.p.reply(d.inv, "200 OK", "f99", "v=0\r\no=f99\r\n", d.p.contact())
		if got := tagIn(d.p.next("ACK").field("To")); got != "f99" {
			t.Errorf("ACK for %q", got)
		}
		time.Sleep(ms)
		d.bye(t)
	})
}

// The early dialogs of an INVITE are told apart, and none is ended by BYE from our side (RFC 3261 15).
func TestRequestsInEarlyDialogs(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		d := dial(t, l, CallOptions{}, nil)
		in := func(method, branch, number, tag, body string) wireMessage {
			t.Helper()
			d.p.request("10.0.0.1:5060", method+" sip:alice@10.0.0.1", branch, body, "From: <sip:bob@10.0.0.2>;tag="+tag,
				"To: "+d.inv.field("From"), "Call-ID: "+d.inv.field("Call-ID"), "CSeq: "+number+" "+method, d.p.contact())
			return d.p.next("SIP/2.0")
		}
		want := func(m wireMessage, code string) {
			t.Helper()
			if got := m.text[8:11]; got != code {
				t.Errorf("%s got %s, want %s", m.field("CSeq"), got, code)
			}
		}
		d.provisional("180 Ringing", "one", "1", "")
		d.prack(t, "one", "1 1 INVITE")
		d.provisional("183 Session Progress", "two", "1", "v=0\r\no=two\r\n")
		d.prack(t, "two", "1 1 INVITE")
		time.Sleep(ms)
		want(in("INFO", "1", "50", "one", ""), "200")
		want(in("INFO", "2", "7", "two", ""), "200") // its own numbers
		want(in("INFO", "3", "7", "two", ""), "500")
		want(in("UPDATE", "4", "51", "one", "v=0\r\no=one\r\n"), "491") // no answer to our offer came from there
		want(in("INVITE", "5", "52", "one", "v=0\r\no=one\r\n"), "491") // RFC 3261 14.2
		d.p.request("10.0.0.1:5060", "ACK sip:alice@10.0.0.1", "5", "", "From: <sip:bob@10.0.0.2>;tag=one",
			"To: "+d.inv.field("From"), "Call-ID: "+d.inv.field("Call-ID"), "CSeq: 52 ACK")
		m := in("UPDATE", "6", "8", "two", "v=0\r\no=two moved\r\n")
		want(m, "200")
		if got := sdpName([]byte(m.body())); got != "alice answer to two moved" {
			t.Errorf("answer %q", got)
		}
		want(in("PRACK", "7", "9", "two", ""), "400")
		want(in("BYE", "8", "53", "one", ""), "200")
		time.Sleep(ms)
		if d.State() != Ringing {
			t.Fatalf("%v: one of two phones left", d.State())
		}
		want(in("BYE", "9", "10", "two", ""), "200")
		cancel := d.p.next("CANCEL")
		d.p.reply(cancel, "200 OK", "x", "")
		d.p.reply(d.inv, "487 Request Terminated", "x", "")
		d.p.next("ACK")
		if got := d.EndCause().Reason; got != EndedByPeer {
			t.Errorf("reason %v", got)
		}
	})
}

// A call with several early dialogs is hung up: one CANCEL, no BYE.
func TestCancelOfForks(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		d := dial(t, l, CallOptions{}, nil)
		d.p.reply(d.inv, "180 Ringing", "one", "", d.p.contact())
		d.p.reply(d.inv, "180 Ringing", "two", "", d.p.contact())
		time.Sleep(10 * ms)
		must(t, d.Hangup(t.Context()))
		d.p.reply(d.p.next("CANCEL"), "200 OK", "x", "")
		d.p.reply(d.inv, "180 Ringing", "three", "", d.p.contact())
		d.p.reply(d.inv, "487 Request Terminated", "x", "")
		d.p.next("ACK")
		d.p.nothing(t, time.Minute)
	})
}

func TestAllows(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		d := dial(t, l, CallOptions{}, nil)
		if !d.Allows("BYE") || d.Allows("UPDATE") {
			t.Error("a peer that has said nothing takes what RFC 3261 demands")
		}
		d.up(t, "Allow: INVITE, ACK", "Allow: BYE, REFER")
		if !d.Allows("REFER") || d.Allows("INFO") || d.Secure() {
			t.Error("the Allow of the 200 does not count")
		}
		d.bye(t)
	})
	bubble(t, ms, func(t *testing.T, l *lab) {
		c := ringFrom(t, l, "v=0\r\no=bob\r\n", "Allow: INVITE, ACK, BYE, CANCEL, INFO")
		if !c.call().Allows("INFO") || c.call().Allows("UPDATE") || c.call().Secure() {
			t.Error("the Allow of the INVITE does not count")
		}
		must(t, c.call().Decline(t.Context(), 486))
		c.p.next("SIP/2.0 486")
		c.request("1", "ACK", "i", "")
	})
}

func TestSecure(t *testing.T) {
	for transport, want := range map[string]bool{"udp": false, "tcp": false, "tls": true, "wss": true} {
		c := &Call{}
		c.noteWay(hop{target: resolve.Target{Transport: transport}})
		if got := c.Secure(); got != want {
			t.Errorf("%s: %v, want %v", transport, got, want)
		}
	}
}

// Where a call goes after a redirection.
func TestItinerary(t *testing.T) {
	tests := []struct {
		name, dialled, status string
		contacts              []string
		want                  string // the places that follow
	}{
		{"by quality", "sip:a@x", "302", []string{"<sip:b@y>;q=0.3", "<sip:c@y>;q=0.9", "<sip:d@y>"}, "sip:d@y sip:c@y sip:b@y"},
		{"a quality that is none", "sip:a@x", "302", []string{"<sip:b@y>;q=0.3", "<sip:c@y>;q=7"}, "sip:c@y sip:b@y"},
		{"back to itself", "sip:a@x", "302", []string{"<sip:a@x>"}, ""},
		{"other schemes", "sip:a@x", "302", []string{"<tel:+4930>", "<mailto:a@b>", "<sip:b@y>"}, "sip:b@y"},
		{"up to sips", "sip:a@x", "301", []string{"<sips:b@y>"}, "sips:b@y"},
		{"down from sips", "sips:a@x", "302", []string{"<sip:b@y>", "<sips:c@y>"}, "sips:c@y"},
		{"no more than five", "sip:a@x", "300", []string{"<sip:1@y>", "<sip:2@y>", "<sip:3@y>", "<sip:4@y>", "<sip:5@y>", "<sip:6@y>"}, "sip:1@y sip:2@y sip:3@y sip:4@y sip:5@y"},
		{"by a proxy", "sip:a@x", "305", []string{"<sip:proxy>"}, "sip:a@x by sip:proxy"},
		{"by a proxy without TLS", "sips:a@x", "305", []string{"<sip:proxy>"}, ""},
		{"alternative service", "sip:a@x", "380", []string{"<sip:b@y>"}, ""},
		{"busy everywhere", "sip:a@x", "600", []string{"<sip:b@y>"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := newItinerary(mustURI(t, tt.dialled))
			first, _ := i.next()
			text := "SIP/2.0 " + tt.status + " Moved\r\nCSeq: 1 INVITE\r\n"
			for _, c := range tt.contacts {
				text += "Contact: " + c + "\r\n"
			}
			err := i.refused(first, parseResponse(t, text+"Content-Length: 0\r\n\r\n"))
			got := ""
			for p, ok := i.next(); ok; p, ok = i.next() {
				got += " " + p.target.String()
				if p.by.Host != "" {
					got += " by " + p.by.String()
				}
			}
			if want := " " + tt.want; got != want && got+" " != want {
				t.Errorf("goes on to%s, want%s", got, want)
			}
			if CodeOf(err) == 0 {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestUseProxy(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		d := dial(t, l, CallOptions{}, nil)
		proxy := l.peer("10.0.0.3:5060")
		d.p.reply(d.inv, "305 Use Proxy", "x", "", "Contact: <sip:10.0.0.3>")
		d.p.next("ACK")
		inv := proxy.next("INVITE sip:bob@10.0.0.2 SIP/2.0")
		if got := inv.field("Route"); got != "<sip:10.0.0.3;lr>" {
			t.Errorf("Route %q", got)
		}
		proxy.reply(inv, "305 Use Proxy", "y", "", "Contact: <sip:10.0.0.3>") // a loop
		proxy.next("ACK")
		time.Sleep(ms)
		wantErr(t, d.EndCause().Err, ErrRedirectLoop)
		wantCode(t, d.EndCause().Err, 305)
	})
}

// What a re-INVITE may be answered with, none of which ends the call.
func TestReinviteRefused(t *testing.T) {
	tests := []struct {
		status, line string
		again        time.Duration // the next try; 0: none
	}{
		{"302 Moved", "Contact: <sip:x@y>", 0},
		{"305 Use Proxy", "Contact: <sip:y>", 0},
		{"408 Request Timeout", "", 0},
		{"481 Call Does Not Exist", "", 0},
		{"488 Not Acceptable Here", "", 0},
		{"503 Busy", "", 0},
		{"500 Later", "Retry-After: 7", 7 * time.Second},
		{"500 Much Later", "Retry-After: 70", 0},
		{"500 Broken", "", 0},
		{"422 Session Interval Too Small", "Min-SE: 7200", ms},
		{"422 Session Interval Too Small", "", 0},
		{"603 No", "", 0},
	}
	for _, tt := range tests {
		bubble(t, ms, func(t *testing.T, l *lab) {
			d := dial(t, l, CallOptions{}, nil)
			d.up(t, "Session-Expires: 1800;refresher=uac", "Require: timer")
			done := make(chan error, 1)
			go func() { done <- d.Reinvite(t.Context()) }()
			re := d.p.next("INVITE")
			d.p.reply(re, tt.status, "", "", tt.line)
			if tt.line == "" {
				d.p.drain()
			}
			d.p.next("ACK")
			start := time.Now()
			if tt.again > 0 {
				again := d.p.next("INVITE")
				if got := time.Since(start); got < tt.again-10*ms || got > tt.again+10*ms {
					t.Errorf("%s: again after %v", tt.status, got)
				}
				d.p.reply(again, "200 OK", "", "v=0\r\no=b\r\n", d.p.contact())
				d.p.next("ACK")
				must(t, <-done)
			} else if err := <-done; fmt.Sprint(CodeOf(err)) != tt.status[:3] {
				t.Errorf("%s: %v", tt.status, err)
			}
			if d.State() != Established {
				t.Errorf("%s: %v", tt.status, d.State())
			}
			d.bye(t)
		})
	}
}

func TestPlaceAims(t *testing.T) {
	d := newOutgoing(uri.Address{}, uri.Address{}, uri.URI{})
	d.setRoutes([]uri.Address{{URI: mustURI(t, "sip:usual;lr")}})
	place{target: mustURI(t, "sip:a@x")}.aim(d)
	if got := d.nextHop().String(); got != "sip:usual;lr" {
		t.Errorf("next hop %s", got)
	}
	place{target: mustURI(t, "sip:a@x"), by: mustURI(t, "sip:proxy")}.aim(d)
	if got := d.nextHop().String(); got != "sip:proxy;lr" {
		t.Errorf("next hop %s", got)
	}
}

func parseResponse(t *testing.T, text string) *sipmsg.Response {
	t.Helper()
	msg, err := sipmsg.ParseMessage([]byte(text))
	must(t, err)
	res, ok := msg.(*sipmsg.Response)
	if !ok {
		t.Fatalf("no response: %s", text)
	}
	return res
}
