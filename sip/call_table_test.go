package sip

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/shield"
)

// What a request inside a dialog is answered with, at every stage of a call: the table at Call.handle on the wire. "+"
// stands for a request with a session description; two codes are those of the request and of the INVITE.
const insideAnswers = `
          | calling | ringing here | ringing there | heard there | established | offering | ended
BYE       | 200     | 200 487      | 200           | 200         | 200         | 200      | 481
INVITE    | 491     | 500          | 491           | 491         | 200         | 491      | 481
INVITE+   | 491     | 500          | 491           | 491         | 200         | 491      | 481
UPDATE    | 200     | 200          | 200           | 200         | 200         | 200      | 481
UPDATE+   | 491     | 500          | 491           | 200         | 200         | 491      | 481
PRACK     | 400     | 400          | 400           | 400         | 400         | 400      | 481
PRACK*    | 481     | 481          | 481           | 481         | 481         | 481      | 481
INFO      | 200     | 200          | 200           | 200         | 200         | 200      | 481
INFO+     | 415     | 415          | 415           | 415         | 415         | 415      | 481
OPTIONS   | 200     | 200          | 200           | 200         | 200         | 200      | 481
MESSAGE+  | 200     | 200          | 200           | 200         | 200         | 200      | 481
REFER     | 491     | 491          | 491           | 491         | 603         | 603      | 481
SUBSCRIBE | 489     | 489          | 489           | 489         | 489         | 489      | 481
NOTIFY    | 489     | 489          | 489           | 489         | 489         | 489      | 489
DANCE     | 405     | 405          | 405           | 405         | 405         | 405      | 481
`

// stage brings a call to a stage. It gives the peer, and From, To and Call-ID of its requests.
type stage func(t *testing.T, l *lab) (p *peer, from, to, callID string)

func friend(cfg *Config) {
	cfg.Shield = shield.Policy{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
}

// ours is a stage of a call of ours.
func ours(bring func(t *testing.T, d *dialled)) stage {
	return func(t *testing.T, l *lab) (*peer, string, string, string) {
		t.Helper()
		d := dial(t, l, CallOptions{}, friend)
		bring(t, d)
		return d.p, "<sip:bob@10.0.0.2>;tag=b", d.inv.field("From"), d.inv.field("Call-ID")
	}
}

func stages() map[string]stage {
	return map[string]stage{
		"calling": ours(func(*testing.T, *dialled) {}),
		"ringing there": ours(func(_ *testing.T, d *dialled) {
			d.p.reply(d.inv, "180 Ringing", "b", "", d.p.contact())
			time.Sleep(10 * ms)
		}),
		"heard there": ours(func(t *testing.T, d *dialled) {
			t.Helper()
			d.provisional("183 Session Progress", "b", "1", "v=0\r\no=b\r\n")
			d.prack(t, "b", "1 1 INVITE")
			time.Sleep(10 * ms)
		}),
		"established": ours(func(t *testing.T, d *dialled) {
			t.Helper()
			d.up(t)
		}),
		"offering": ours(func(t *testing.T, d *dialled) {
			t.Helper()
			d.up(t)
			go func() { _ = d.Reinvite(t.Context()) }() // it ends with the call, if not before
			d.p.reply(d.p.next("INVITE"), "100 Trying", "", "")
			time.Sleep(10 * ms)
		}),
		"ended": ours(func(t *testing.T, d *dialled) {
			t.Helper()
			d.up(t)
			d.bye(t)
		}),
		"ringing here": func(t *testing.T, l *lab) (*peer, string, string, string) {
			t.Helper()
			c := ringFrom(t, l, "v=0\r\no=bob\r\n")
			must(t, c.call().Ring(t.Context()))
			return c.p, "<sip:bob@10.0.0.2>;tag=b", c.p.next("SIP/2.0 180").field("To"), "c"
		},
	}
}

func TestEveryRequestAtEveryStage(t *testing.T) {
	all := stages()
	lines := strings.Split(strings.TrimSpace(insideAnswers), "\n")
	columns := cells(lines[0])[1:]
	if len(columns) != len(all) {
		t.Fatalf("%d columns for %d stages", len(columns), len(all))
	}
	for _, line := range lines[1:] {
		row := cells(line)
		if len(row) != len(columns)+1 {
			t.Fatalf("%d cells in %q", len(row), line)
		}
		for i, column := range columns {
			t.Run(row[0]+" "+column, func(t *testing.T) {
				bubble(t, ms, func(t *testing.T, l *lab) {
					askInside(t, l, all[column], row[0], strings.Fields(row[i+1]))
				})
			})
		}
	}
}

func cells(line string) []string {
	var out []string
	for c := range strings.SplitSeq(line, "|") {
		out = append(out, strings.TrimSpace(c))
	}
	return out
}

// askInside sends one request at a stage and checks what it is answered with.
func askInside(t *testing.T, l *lab, bring stage, request string, want []string) {
	t.Helper()
	p, from, to, callID := bring(t, l)
	method := strings.TrimRight(request, "+*")
	headers := []string{"From: " + from, "To: " + to, "Call-ID: " + callID, "CSeq: 77 " + method, p.contact()}
	body := ""
	switch {
	case method == "MESSAGE":
		body = "hello"
		headers = append(headers, "Content-Type: text/plain")
	case strings.HasSuffix(request, "+"):
		body = "v=0\r\no=bob inside\r\n"
	case strings.HasSuffix(request, "*"):
		headers = append(headers, "RAck: 776656 1 INVITE")
	case method == "REFER": // nobody says a word to it (30 s)
		headers = append(headers, "Refer-To: <sip:carol@10.0.0.9>")
	case method == "SUBSCRIBE" || method == "NOTIFY":
		headers = append(headers, "Event: weather", "Subscription-State: active")
	}
	p.request("10.0.0.1:5060", method+" sip:alice@10.0.0.1:5060", "inside", body, headers...)
	for _, w := range want {
		m := p.await("SIP/2.0 ")
		for strings.HasPrefix(m.text, "SIP/2.0 100") {
			m = p.await("SIP/2.0 ")
		}
		if got := strings.Fields(m.text)[1]; got != w {
			t.Errorf("%s answered with %s, want %s", m.field("CSeq"), firstLine(m.text), w)
		}
	}
	if method == "INVITE" {
		p.request("10.0.0.1:5060", "ACK sip:alice@10.0.0.1:5060", "inside", "v=0\r\no=bob answers\r\n", "From: "+from, "To: "+to,
			"Call-ID: "+callID, "CSeq: 77 ACK")
	}
}
