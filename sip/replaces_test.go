package sip

import (
	"net/url"
	"strings"
	"testing"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"
)

func TestParseReplaces(t *testing.T) {
	tests := []struct {
		in, want string // want "": an error
	}{
		{"425928@phone.example.org;to-tag=7743;from-tag=6472", "425928@phone.example.org;to-tag=7743;from-tag=6472"},
		{"a;from-tag=2;to-tag=1", "a;to-tag=1;from-tag=2"},
		{" a ; To-Tag = 1 ; FROM-TAG=2 ; early-only ", "a;to-tag=1;from-tag=2;early-only"},
		{"a;to-tag=1;from-tag=2;x=3;y", "a;to-tag=1;from-tag=2"},
		{"", ""},
		{"a", ""},
		{"a;to-tag=1", ""},
		{"a;to-tag=1;from-tag=", ""},
		{"a;to-tag=1;to-tag=2;from-tag=3", ""},
		{";to-tag=1;from-tag=2", ""},
		{"a b;to-tag=1;from-tag=2", ""},
		{"a;to-tag=1;from-tag=2, b;to-tag=1;from-tag=2", ""},
		{"a\r\nVia: x;to-tag=1;from-tag=2", ""},
		{strings.Repeat("a", maxReplaces) + ";to-tag=1;from-tag=2", ""},
	}
	for _, test := range tests {
		r, err := parseReplaces(test.in)
		if err != nil {
			r = replaces{}
		}
		if got := r.String(); err == nil && got != test.want || err != nil && test.want != "" {
			t.Errorf("%q: %q, %v, want %q", test.in, got, err, test.want)
		}
	}
}

func FuzzParseReplaces(f *testing.F) {
	f.Add("a@b;to-tag=1;from-tag=2;early-only")
	f.Add(";;=;to-tag==")
	f.Fuzz(func(t *testing.T, v string) {
		r, err := parseReplaces(v)
		if err != nil {
			return
		}
		again, err := parseReplaces(r.String())
		if err != nil || again != r {
			t.Errorf("%q reads %+v, again %+v, %v", v, r, again, err)
		}
		if back, err := url.PathUnescape(escapeHeader(v)); err != nil || back != v {
			t.Errorf("%q escaped and back is %q, %v", v, back, err)
		}
	})
}

func FuzzReferTo(f *testing.F) {
	f.Add("<sip:carol@10.0.0.3?Replaces=a%3Bto-tag%3D1%3Bfrom-tag%3D2&Require=replaces>")
	f.Add("sip:carol@x;method=BYE, <sip:d>")
	f.Fuzz(func(t *testing.T, v string) {
		req := sipmsg.NewRequest(sipmsg.REFER, sipmsg.Uri{})
		req.AppendHeader(sipmsg.NewHeader("Refer-To", v))
		r, code := parseReferTo(req)
		if code != 0 {
			return
		}
		if r.target.Host == "" || strings.ContainsAny(r.target.String()+r.replaces, "\r\n") {
			t.Errorf("%q gives %+v", v, r)
		}
	})
}

// What an INVITE with Replaces gets, at carol, who talks with alice.
func TestIncomingReplaces(t *testing.T) {
	by := "Referred-By: <sip:alice@10.0.0.1>"
	tests := []struct {
		name   string
		header func(r replaces) []string
		before func(t *testing.T, r *trio)
		want   string
	}{
		{"answered", func(r replaces) []string { return []string{"Replaces: " + r.String(), by} }, nil, "200"},
		{"required", func(r replaces) []string {
			return []string{"Replaces: " + r.String(), by, "Require: replaces"}
		}, nil, "200"},
		{"only early", func(r replaces) []string {
			r.earlyOnly = true
			return []string{"Replaces: " + r.String(), by}
		}, nil, "486"},
		{"tags the wrong way round", func(r replaces) []string {
			r.toTag, r.fromTag = r.fromTag, r.toTag
			return []string{"Replaces: " + r.String(), by}
		}, nil, "481"},
		{"another peer's tag", func(r replaces) []string {
			r.fromTag = "guess"
			return []string{"Replaces: " + r.String(), by}
		}, nil, "481"},
		{"ended", func(r replaces) []string {
			return []string{"Replaces: " + r.String(), by}
		}, func(t *testing.T, r *trio) { must(t, r.carol.call(0).Hangup(t.Context())) }, "603"},
		{"nobody sent him", func(r replaces) []string { return []string{"Replaces: " + r.String()} }, nil, "403"},
		{"sent by somebody else", func(r replaces) []string {
			return []string{"Replaces: " + r.String(), "Referred-By: <sip:mallory@10.0.0.1>"}
		}, nil, "403"},
		{"twice", func(r replaces) []string {
			return []string{"Replaces: " + r.String(), "Replaces: " + r.String(), by}
		}, nil, "400"},
		{"unreadable", func(replaces) []string { return []string{"Replaces: x", by} }, nil, "400"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				r := newTrio(t, l)
				r.carol.onCall = func(c *Call) { must(t, c.Answer(t.Context(), &talk{name: "carol"})) }
				ask := r.dial(t, carolURI())
				rep, err := ask.replacing()
				must(t, err)
				if test.before != nil {
					test.before(t, r)
				}
				p := l.peer("10.0.0.9:5060")
				lines := append([]string{
					"From: <sip:p@10.0.0.9>;tag=p", "To: <sip:carol@10.0.0.3>", "Call-ID: n", "CSeq: 1 INVITE", p.contact(),
				}, test.header(rep)...)
				p.request("10.0.0.3:5060", "INVITE sip:carol@10.0.0.3", "n", "v=0\r\no=p\r\n", lines...)
				if test.want == "200" {
					p.next("SIP/2.0 100")
				}
				p.next("SIP/2.0 " + test.want)
				time.Sleep(time.Second)
				replaced := ask.State() == Ended
				if want := test.want == "200" || test.name == "ended"; replaced != want {
					t.Errorf("the old call is %v", ask.State())
				}
			})
		})
	}
}

// A call that rings here is not taken over from outside; one that we began is, and is cancelled.
func TestReplacesEarlyDialogs(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		r := newTrio(t, l)
		r.carol.onCall = func(c *Call) {
			if c.Replaces() == nil {
				must(t, c.Ring(t.Context()))
				return
			}
			must(t, c.Answer(t.Context(), &talk{name: "carol"}))
		}
		c, err := r.a.Invite(t.Context(), carolURI(), &talk{name: "alice"}, CallOptions{})
		must(t, err)
		time.Sleep(time.Second)
		there := r.carol.call(0)
		p := l.peer("10.0.0.9:5060")
		invite := func(branch, to, tag, other string) {
			p.request(to+":5060", "INVITE sip:x@"+to, branch, "v=0\r\no=p\r\n", "From: <sip:p@10.0.0.9>;tag=p", "To: <sip:alice@10.0.0.1>",
				"Call-ID: "+branch, "CSeq: 1 INVITE", p.contact(), "Replaces: "+c.ID()+";to-tag="+tag+";from-tag="+other,
				"Referred-By: <sip:carol@10.0.0.3>")
		}
		p.request("10.0.0.3:5060", "INVITE sip:carol@10.0.0.3", "m", "v=0\r\no=p\r\n", "From: <sip:p@10.0.0.9>;tag=p",
			"To: <sip:carol@10.0.0.3>", "Call-ID: m", "CSeq: 1 INVITE", p.contact(),
			"Replaces: "+c.ID()+";to-tag="+there.d.localTag+";from-tag="+there.d.peerTag(), "Referred-By: <sip:alice@10.0.0.1>")
		p.next("SIP/2.0 481")
		r.alice.onCall = func(in *Call) {
			if in.Replaces() != c {
				t.Errorf("replaces %v, want the call under way", in.Replaces())
			}
			must(t, in.Answer(t.Context(), &talk{name: "alice"}))
		}
		invite("o", "10.0.0.1", c.d.localTag, there.d.localTag)
		p.next("SIP/2.0 404") // x is nobody
		p.request("10.0.0.1:5060", "INVITE sip:alice@10.0.0.1", "q", "v=0\r\no=p\r\n", "From: <sip:p@10.0.0.9>;tag=p",
			"To: <sip:alice@10.0.0.1>", "Call-ID: q", "CSeq: 1 INVITE", p.contact(),
			"Replaces: "+c.ID()+";to-tag="+c.d.localTag+";from-tag="+there.d.localTag, "Referred-By: <sip:carol@10.0.0.3>")
		p.next("SIP/2.0 100")
		p.next("SIP/2.0 200")
		time.Sleep(time.Second)
		if c.State() != Ended || there.State() != Ended || there.EndCause().Reason != EndedCancelled {
			t.Errorf("the replaced call is %v here, %v %v there", c.State(), there.State(), there.EndCause().Reason)
		}
	})
}
