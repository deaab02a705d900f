package sip

import (
	"context"
	"strings"
	"testing"
	"time"
)

// testEnd is a context that is over: for a hang-up whose peer does not answer any more.
func testEnd(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestReferRequests(t *testing.T) {
	rep := escapeHeader("c@10.0.0.9;to-tag=1;from-tag=2")
	tests := []struct {
		name   string
		lines  []string
		want   string // the answer; "": the application is asked
		target string
	}{
		{"plain", []string{"Refer-To: <sip:carol@10.0.0.3>"}, "", "sip:carol@10.0.0.3"},
		{"no brackets", []string{"Refer-To: sip:carol@10.0.0.3"}, "", "sip:carol@10.0.0.3"},
		{"compact", []string{"r: <sip:carol@10.0.0.3>"}, "", "sip:carol@10.0.0.3"},
		{"method", []string{"Refer-To: <sip:carol@10.0.0.3;method=INVITE>"}, "", "sip:carol@10.0.0.3"},
		{"attended", []string{"Refer-To: <sip:carol@10.0.0.3?Replaces=" + rep + ">"}, "", "sip:carol@10.0.0.3?Replaces=" + rep},
		{"attended, strict", []string{"Refer-To: <sip:carol@10.0.0.3?Require=replaces&Replaces=" + rep + "&X-Trace=1>"}, "", "sip:carol@10.0.0.3?Replaces=" + rep},
		{"missing", nil, "400", ""},
		{"two", []string{"Refer-To: <sip:carol@10.0.0.3>", "Refer-To: <sip:dave@10.0.0.4>"}, "400", ""},
		{"two in one", []string{"Refer-To: <sip:carol@10.0.0.3>, <sip:dave@10.0.0.4>"}, "400", ""},
		{"tel", []string{"Refer-To: <tel:112>"}, "400", ""},
		{"web page", []string{"Refer-To: <http://10.0.0.3/>"}, "400", ""},
		{"to subscribe", []string{"Refer-To: <sip:carol@10.0.0.3;method=SUBSCRIBE>"}, "501", ""},
		{"to hang up", []string{"Refer-To: <sip:carol@10.0.0.3;method=BYE?Call-ID=1>"}, "501", ""},
		{"dangerous header", []string{"Refer-To: <sip:carol@10.0.0.3?From=sip:boss@10.0.0.3>"}, "400", ""},
		{"body", []string{"Refer-To: <sip:carol@10.0.0.3?body=v%3D0>"}, "400", ""},
		{"other extension", []string{"Refer-To: <sip:carol@10.0.0.3?Require=100rel>"}, "400", ""},
		{"too many headers", []string{"Refer-To: <sip:carol@10.0.0.3?" + strings.Repeat("X=1&", maxURIHeaders) + "X=2>"}, "400", ""},
		{"bad replaces", []string{"Refer-To: <sip:carol@10.0.0.3?Replaces=c%3Bto-tag%3D1>"}, "400", ""},
		{"two replaces", []string{"Refer-To: <sip:carol@10.0.0.3?Replaces=" + rep + "&Replaces=" + rep + ">"}, "400", ""},
		{"replaces beside", []string{"Refer-To: <sip:carol@10.0.0.3>", "Replaces: c;to-tag=1;from-tag=2"}, "400", ""},
		{"ourselves", []string{"Refer-To: <sip:alice@10.0.0.1>"}, "482", ""},
		{"ourselves, with port", []string{"Refer-To: <sip:alice@10.0.0.1:5060;transport=tcp>"}, "482", ""},
		{"our name elsewhere", []string{"Refer-To: <sip:alice@10.0.0.3>"}, "", "sip:alice@10.0.0.3"},
		{"unknown extension", []string{"Refer-To: <sip:carol@10.0.0.3>", "Require: explicitsub"}, "420", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, 10*ms, func(t *testing.T, l *lab) {
				s := newScripted(t, l)
				asked := make(chan *ReferRequest, 1)
				phoneOf(s).onRefer = func(r *ReferRequest) { asked <- r }
				s.send("REFER", "", test.lines...)
				if test.want != "" {
					s.p.next("SIP/2.0 " + test.want)
				} else {
					r := <-asked
					if got := r.Target().String(); got != test.target {
						t.Errorf("target %s, want %s", got, test.target)
					}
					if r.Call() != s.call {
						t.Error("another call")
					}
					must(t, r.Reject(t.Context(), 0))
					s.p.next("SIP/2.0 603")
				}
				must(t, s.call.Hangup(testEnd(t)))
			})
		})
	}
}

// phoneOf is the application behind a scripted call.
func phoneOf(s *scripted) *phone {
	p, _ := s.call.ua.cfg.Handler.(*phone)
	return p
}

func TestReportsOnTheWire(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		s := newScripted(t, l)
		asked := make(chan *ReferRequest, 1)
		phoneOf(s).onRefer = func(r *ReferRequest) { asked <- r }
		refer := func() *ReferRequest {
			s.send("REFER", "", "Refer-To: <sip:carol@10.0.0.3>", `Referred-By: "Bob" <sip:bob@10.0.0.2>;cid="1@x"`)
			return <-asked
		}
		r := refer()
		s.send("REFER", "", "Refer-To: <sip:dave@10.0.0.4>")
		s.p.next("SIP/2.0 491") // one question at a time
		if got, want := r.InviteOptions().Headers[0].Value, `"Bob" <sip:bob@10.0.0.2>;cid="1@x"`; got != want {
			t.Errorf("Referred-By %q, want %q", got, want)
		}
		must(t, r.Accept(t.Context()))
		must(t, r.Notify(180, ""))
		must(t, r.Notify(200, ""))
		wantErr(t, r.Notify(486, ""), ErrEnded)
		s.p.next("SIP/2.0 202")
		for _, want := range []struct{ state, body string }{
			{"active;expires=212", "SIP/2.0 100 Trying\r\n"},
			{"active;expires=211", "SIP/2.0 180 Ringing\r\n"},
			{"terminated;reason=noresource", "SIP/2.0 200 OK\r\n"},
		} {
			m := s.p.next("NOTIFY")
			if m.field("Event") != "refer" || m.field("Subscription-State") != want.state || m.body() != want.body ||
				m.field("Content-Type") != "message/sipfrag;version=2.0" {
				t.Errorf("NOTIFY %s, want %v", m.text, want)
			}
			s.p.reply(m, "200 OK", "", "")
		}
		<-r.Done()
		r = refer()
		must(t, r.Accept(t.Context()))
		s.p.next("SIP/2.0 202")
		m := s.p.next("NOTIFY")
		if got, want := m.field("Event"), "refer;id=13"; got != want {
			t.Errorf("Event %q, want %q", got, want)
		}
		s.p.reply(m, "481 Gone", "", "") // the transferor does not care
		<-r.Done()
		wantErr(t, r.Notify(200, ""), ErrEnded)
		r = refer()
		must(t, r.Accept(t.Context()))
		s.p.next("SIP/2.0 202")
		s.p.reply(s.p.next("NOTIFY"), "200 OK", "", "")
		s.send("SUBSCRIBE", "", "Event: refer;id=99", "Expires: 0")
		s.p.next("SIP/2.0 481")
		s.send("SUBSCRIBE", "", "Event: refer;id=14", "Expires: 0")
		s.p.next("SIP/2.0 200")
		m = s.p.next("NOTIFY")
		if got, want := m.field("Subscription-State"), "terminated;reason=timeout"; got != want {
			t.Errorf("after the last SUBSCRIBE: %q, want %q", got, want)
		}
		s.p.reply(m, "200 OK", "", "")
		<-r.Done()
		must(t, s.call.Hangup(testEnd(t)))
	})
}

// linphone refuses a NOTIFY with 491 while a re-INVITE is under way in the same dialog: the report comes again.
func TestReportsMeetAnotherRequest(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		s := newScripted(t, l)
		asked := make(chan *ReferRequest, 1)
		phoneOf(s).onRefer = func(r *ReferRequest) { asked <- r }
		s.send("REFER", "", "Refer-To: <sip:carol@10.0.0.3>")
		r := <-asked
		must(t, r.Accept(t.Context()))
		must(t, r.Notify(200, ""))
		s.p.next("SIP/2.0 202")
		for range 2 {
			s.p.reply(s.p.next("NOTIFY"), "491 Request pending", "", "")
		}
		m := s.p.next("NOTIFY")
		if m.body() != "SIP/2.0 100 Trying\r\n" {
			t.Errorf("after two refusals the report is %q", m.body())
		}
		s.p.reply(m, "200 OK", "", "")
		m = s.p.next("NOTIFY")
		if m.body() != "SIP/2.0 200 OK\r\n" {
			t.Errorf("the last report is %q", m.body())
		}
		s.p.reply(m, "200 OK", "", "")
		<-r.Done()
		must(t, s.call.Hangup(testEnd(t)))
	})
}

// A transferee that never learns the outcome ends the reports when their time is over.
func TestReportsEnd(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		r := newTrio(t, l)
		requests := make(chan *ReferRequest, 1)
		r.bob.onRefer = func(q *ReferRequest) { must(t, q.Accept(t.Context())); requests <- q }
		ref, err := r.call.Refer(t.Context(), carolURI(), ReferOptions{})
		must(t, err)
		start := time.Now()
		<-ref.Done()
		wantErr(t, ref.Err(), ErrOutcomeUnknown)
		<-(<-requests).Done()
		if took := time.Since(start); took > defaultRingTime+2*timerN {
			t.Errorf("took %v", took)
		}
		idle(t, r.alice, r.bob, r.carol)
	})
}

// Nobody but the peer, with the tags of the dialog, can refer or report.
func TestForeignReferChangesNothing(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		s := newScripted(t, l)
		asked := make(chan *ReferRequest, 1)
		phoneOf(s).onRefer = func(r *ReferRequest) { asked <- r }
		req, refs, _ := s.refer(t, ReferOptions{})
		s.p.reply(req, "202 Accepted", "", "", s.p.contact())
		ref := <-refs
		s.sendAs("evil", "REFER", "", "Refer-To: <sip:premium@10.0.0.9>")
		s.p.next("SIP/2.0 481")
		s.sendAs("evil", "NOTIFY", "SIP/2.0 200 OK\r\n", "Event: refer", "Subscription-State: terminated", "Content-Type: message/sipfrag")
		s.p.next("SIP/2.0 481")
		evil := l.peer("10.0.0.66:5060")
		from := "From: <sip:p@10.0.0.66>;tag=x"
		evil.request("10.0.0.1:5060", "REFER sip:alice@10.0.0.1", "e1", "", from, "To: <sip:alice@10.0.0.1>", "Call-ID: e",
			"CSeq: 1 REFER", evil.contact(), "Refer-To: <sip:premium@10.0.0.9>")
		evil.next("SIP/2.0 403")
		evil.request("10.0.0.1:5060", "REFER sip:alice@10.0.0.1", "e2", "", from, "To: <sip:alice@10.0.0.1>;tag=guess",
			"Call-ID: "+s.inv.field("Call-ID"), "CSeq: 99 REFER", evil.contact(), "Refer-To: <sip:premium@10.0.0.9>")
		evil.next("SIP/2.0 481")
		time.Sleep(time.Second)
		if len(asked) != 0 || isDone(ref.Done()) || s.call.State() != Established {
			t.Errorf("asked %d times, referral done %v, call %v", len(asked), isDone(ref.Done()), s.call.State())
		}
		must(t, s.call.Hangup(testEnd(t)))
	})
}
