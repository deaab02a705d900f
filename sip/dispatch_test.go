package sip

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestOutOfDialogAnswers(t *testing.T) {
	contact := "Contact: <sip:peer@10.0.0.2:5060>"
	tests := []struct {
		name, start, cseq string
		lines             []string
		want              string
		header, value     string
	}{
		{"options", "OPTIONS sip:alice@10.0.0.1", "OPTIONS", nil, "200", "Allow", allowed},
		{"options to the host", "OPTIONS sip:10.0.0.1", "OPTIONS", nil, "200", "Accept", "application/sdp, text/plain"},
		{"options to a stranger", "OPTIONS sip:zoe@10.0.0.1", "OPTIONS", nil, "404", "", ""},
		{"unknown method", "DANCE sip:alice@10.0.0.1", "DANCE", nil, "501", "Allow", allowed},
		{"register here", "REGISTER sip:10.0.0.1", "REGISTER", nil, "405", "Allow", allowed},
		{"bye to nothing", "BYE sip:alice@10.0.0.1", "BYE", nil, "481", "", ""},
		{"bye in an unknown dialog", "BYE sip:alice@10.0.0.1", "BYE", []string{"To: <sip:alice@10.0.0.1>;tag=none"}, "481", "", ""},
		{"cancel of nothing", "CANCEL sip:alice@10.0.0.1", "CANCEL", nil, "481", "", ""},
		{"notify of nothing", "NOTIFY sip:alice@10.0.0.1", "NOTIFY", []string{"Event: presence"}, "481", "", ""},
		{"extension required", "INVITE sip:alice@10.0.0.1", "INVITE", []string{contact, "Require: 100rel, timer, teleport"}, "420", "Unsupported", "teleport"},
		{"unknown event", "SUBSCRIBE sip:alice@10.0.0.1", "SUBSCRIBE", []string{contact, "Event: weather"}, "489", "Allow-Events", "presence"},
		{"no event", "SUBSCRIBE sip:alice@10.0.0.1", "SUBSCRIBE", []string{contact}, "489", "Allow-Events", "presence"},
		{"compact event", "SUBSCRIBE sip:zoe@10.0.0.1", "SUBSCRIBE", []string{contact, "o: presence"}, "404", "", ""},
		{"body we cannot read", "INVITE sip:alice@10.0.0.1", "INVITE", []string{contact, "Content-Type: text/html"}, "415", "Accept", "application/sdp"},
		{"coded body", "MESSAGE sip:alice@10.0.0.1", "MESSAGE", []string{"Content-Encoding: gzip"}, "415", "Accept-Encoding", "identity"},
		{"invite without contact", "INVITE sip:alice@10.0.0.1", "INVITE", nil, "400", "", ""},
		{"cseq of another method", "OPTIONS sip:alice@10.0.0.1", "INVITE", nil, "400", "", ""},
		{"other scheme", "OPTIONS tel:+4930", "OPTIONS", nil, "416", "", ""},
		{"stranger called", "INVITE sip:zoe@10.0.0.1", "INVITE", []string{contact}, "404", "", ""},
	}
	for i, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				u := l.phone("10.0.0.1", nil)
				u.lan("alice")
				p := l.peer("10.0.0.2:5060")
				lines := []string{"From: <sip:peer@10.0.0.2>;tag=p", fmt.Sprintf("Call-ID: %d", i), "CSeq: 1 " + tt.cseq}
				if !strings.Contains(strings.Join(tt.lines, ";"), "To:") {
					lines = append(lines, "To: <sip:alice@10.0.0.1>")
				}
				body := ""
				if strings.HasPrefix(tt.name, "body") {
					body = "<p>"
				}
				p.request("10.0.0.1:5060", tt.start, fmt.Sprint(i), body, append(lines, tt.lines...)...)
				m := p.await("SIP/2.0")
				for strings.HasPrefix(m.text, "SIP/2.0 100") {
					m = p.await("SIP/2.0")
				}
				if got := strings.Fields(m.text)[1]; got != tt.want {
					t.Errorf("answer %s, want %s", firstLine(m.text), tt.want)
				}
				if got := m.field(tt.header); got != tt.value {
					t.Errorf("%s %q, want %q", tt.header, got, tt.value)
				}
				if tagIn(m.field("To")) == "" {
					t.Error("no To tag")
				}
			})
		})
	}
}

func TestMergedRequest(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		u := l.phone("10.0.0.1", nil)
		u.lan("alice")
		p := l.peer("10.0.0.2:5060")
		lines := []string{"From: <sip:p@10.0.0.2>;tag=p", "To: <sip:alice@10.0.0.1>", "Call-ID: m", "CSeq: 1 INVITE", p.contact()}
		p.request("10.0.0.1:5060", "INVITE sip:alice@10.0.0.1", "path1", "", lines...)
		p.request("10.0.0.1:5060", "INVITE sip:alice@10.0.0.1", "path2", "", lines...)
		p.request("10.0.0.1:5060", "INVITE sip:alice@10.0.0.1", "path1", "", lines...) // a mere repeat
		p.await("SIP/2.0 482")
		if n := len(u.Calls()); n != 1 {
			t.Errorf("%d calls ring, want 1", n)
		}
	})
}

func TestJunkIsCountedAndHarmless(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		u := l.phone("10.0.0.1", nil)
		u.lan("alice")
		p := l.peer("10.0.0.2:5060")
		for _, junk := range []string{
			"\r\n\r\n", "\x00\x00\x00\x00", // keep-alives
			"hello", "GET / HTTP/1.1\r\n\r\n", "INVITE sip:x SIP/2.0\r\n", "\xff\xfe\xfd\r\n", "SIP/2.0 abc\r\n\r\n",
			"SIP/2.0 200 OK\r\nVia: x\r\n\r\n", "INVITE sip:alice@10.0.0.1 SIP/2.0\r\n\r\n", "ACK sip:alice@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2;branch=z9hG4bKq\r\n\r\n",
			"INVITE sip:alice@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.2\r\nContent-Length: 999999\r\n\r\n",
		} {
			p.send("10.0.0.1:5060", junk)
		}
		p.request("10.0.0.1:5060", "OPTIONS sip:alice@10.0.0.1", "ok", "", "From: <sip:p@10.0.0.2>;tag=p", "To: <sip:alice@10.0.0.1>", "Call-ID: ok", "CSeq: 1 OPTIONS")
		m := p.await("SIP/2.0 200")
		if !strings.Contains(m.text, "CSeq: 1 OPTIONS") {
			t.Errorf("got %s", m.text)
		}
		s := u.Stats()
		if s.Junk < 4 || s.Junk+s.Dropped < 6 {
			t.Errorf("stats %+v", s)
		}
		time.Sleep(2 * time.Minute)
		if s := u.Stats(); s.Transactions != 0 || s.Dialogs != 0 {
			t.Errorf("left: %+v", s)
		}
	})
}

func TestLowerCSeqInsideADialog(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		u := l.phone("10.0.0.1", nil)
		u.lan("alice")
		u.onCall = func(c *Call) { must(t, c.Answer(t.Context(), &talk{name: "alice"})) }
		p := l.peer("10.0.0.2:5060")
		in := func(method, branch, cseq string, tag, body string) {
			to := "To: <sip:alice@10.0.0.1>"
			if tag != "" {
				to += ";tag=" + tag
			}
			p.request("10.0.0.1:5060", method+" sip:alice@10.0.0.1", branch, body, "From: <sip:p@10.0.0.2>;tag=p", to, "Call-ID: c", "CSeq: "+cseq+" "+method, p.contact())
		}
		in("INVITE", "a", "100", "", "v=0\r\no=p\r\n")
		ok := p.await("SIP/2.0 200")
		tag := tagIn(ok.field("To"))
		in("ACK", "b", "100", tag, "")
		in("INFO", "c", "99", tag, "")
		p.next("SIP/2.0 500")
		in("INFO", "d", "101", tag, "")
		p.next("SIP/2.0 200")
		in("UPDATE", "e", "102", tag, "v=0\r\no=p2\r\n")
		if m := p.next("SIP/2.0 200"); !strings.Contains(m.body(), "answer to p2") {
			t.Errorf("UPDATE answered %s", m.text)
		}
		in("PUBLISH", "f", "103", tag, "")
		p.next("SIP/2.0 405")
		p.request("10.0.0.1:5060", "BYE sip:alice@10.0.0.1", "g", "", "From: <sip:p@10.0.0.2>;tag=evil", "To: <sip:alice@10.0.0.1>;tag="+tag, "Call-ID: c", "CSeq: 104 BYE")
		p.next("SIP/2.0 481") // a forged tag
		if u.call(0).State() != Established {
			t.Error("a forged BYE ended the call")
		}
		in("BYE", "h", "105", tag, "")
		p.next("SIP/2.0 200")
		if got := u.call(0).EndCause().Reason; got != EndedByPeer {
			t.Errorf("reason %v", got)
		}
		in("INFO", "i", "106", tag, "")
		p.next("SIP/2.0 481")
	})
}

func TestSessionExpires(t *testing.T) {
	tests := []struct{ name, header, support, want string }{
		{"caller refreshes", "Session-Expires: 1800", "Supported: timer", "1800;refresher=uac"},
		{"caller wants us to", "Session-Expires: 1800;refresher=uas", "Supported: timer", "1800;refresher=uas"},
		{"caller cannot", "x: 1800", "Supported: path", "1800;refresher=uas"},
		{"too short for one who cannot lengthen it", "Session-Expires: 10", "Supported: path", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				u := l.phone("10.0.0.1", nil)
				u.lan("alice")
				u.onCall = func(c *Call) { must(t, c.Answer(t.Context(), &talk{name: "alice"})) }
				p := l.peer("10.0.0.2:5060")
				p.request("10.0.0.1:5060", "INVITE sip:alice@10.0.0.1", "a", "v=0\r\no=p\r\n", "From: <sip:p@10.0.0.2>;tag=p", "To: <sip:alice@10.0.0.1>",
					"Call-ID: c", "CSeq: 1 INVITE", p.contact(), tt.header, tt.support)
				ok := p.await("SIP/2.0 200")
				if got := ok.field("Session-Expires"); got != tt.want {
					t.Errorf("Session-Expires %q, want %q", got, tt.want)
				}
				p.request("10.0.0.1:5060", "ACK sip:alice@10.0.0.1", "b", "", "From: <sip:p@10.0.0.2>;tag=p", "To: "+ok.field("To"), "Call-ID: c", "CSeq: 1 ACK")
				if strings.HasSuffix(tt.want, "uas") {
					time.Sleep(14 * time.Minute)
					re := p.await("INVITE")
					if d := time.Since(u.call(0).Started()).Round(time.Second); d != 15*time.Minute {
						t.Errorf("refresh after %v", d)
					}
					p.reply(re, "200 OK", "", "v=0\r\no=p\r\n", p.contact())
				}
				go func() { p.reply(p.await("BYE"), "200 OK", "", "") }()
				must(t, u.call(0).Hangup(t.Context()))
			})
		})
	}
}
