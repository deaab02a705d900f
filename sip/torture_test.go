package sip

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/sip/shield"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

var updateTorture = flag.Bool("update", false, "write docs/torture.md anew")

// torture is one message of RFC 4475 or RFC 5118, and what becomes of it.
type torture struct {
	name, section string
	asks          string // what the RFC asks of a user agent, in our words
	want          string // what we do: status codes in their order, or what becomes of a call of ours
	why           string // where the RFC leaves a choice, or we differ
}

// tortures are in the order of the RFCs. Those of the first kind are well-formed, the others are not.
var tortures4475 = []torture{
	{"wsinv", "3.1.1.1", "well-formed; its To has a tag, so it is inside a dialog", "481", "nobody knows that dialog (RFC 3261 12.2.2)"},
	{"intmeth", "3.1.1.2", "501 with the methods we know in Allow", "501", ""},
	{"esc01", "3.1.1.3", "well-formed: escapes are read, those in the user of the Request-URI make no second URI of it", "100 180 200", ""},
	{"escnull", "3.1.1.4", "well-formed, the %00 included", "405", "we are no registrar"},
	{"esc02", "3.1.1.5", "RE%47IST%45R is an unknown method, not REGISTER: 501 or 405 with Allow", "501", ""},
	{"lwsdisp", "3.1.1.6", "well-formed: no white space between display name and <", "200", ""},
	{"longreq", "3.1.1.7", "well-formed: long values, 34 Vias", "100 180 200", ""},
	{"dblreq", "3.1.1.8", "the REGISTER is taken; what follows it in the datagram is no request of its own", "405", "we are no registrar"},
	{"semiuri", "3.1.1.9", "well-formed: the semicolon belongs to the user", "200", ""},
	{"transports", "3.1.1.10", "well-formed: unknown transports in the Vias of others", "200", ""},
	{"mpart01", "3.1.1.11", "well-formed: multipart body with binary parts; who cannot read it says so", "415", "chats are text, plain or in CPIM"},
	{"unreason", "3.1.1.12", "well-formed 200: reason phrase in UTF-8", "taken: Established", ""},
	{"noreason", "3.1.1.13", "well-formed 100: no reason phrase", "taken: Calling, no more repeats", ""},
	{"badinv01", "3.1.2.1", "400", "400", ""},
	{"clerr", "3.1.2.2", "400: the body is shorter than Content-Length", "400", ""},
	{"ncl", "3.1.2.3", "400: negative Content-Length; over a stream close it", "400", ""},
	{"scalar02", "3.1.2.4", "400: CSeq does not fit; overlarge expiries alone would count as the default", "400", ""},
	{"scalarlg", "3.1.2.5", "the response is dropped", "dropped: Calling", ""},
	{"quotbal", "3.1.2.6", "400: a quote is missing", "400", ""},
	{"ltgtruri", "3.1.2.7", "400; may be repaired", "400", "who sends this finds out"},
	{"lwsruri", "3.1.2.8", "400; may be repaired", "400", "where the Request-URI ends is a guess"},
	{"lwsstart", "3.1.2.9", "400; may be repaired", "400", "as above"},
	{"trws", "3.1.2.10", "400; may be repaired", "400", "as above"},
	{"escruri", "3.1.2.11", "400; the headers in the Request-URI may be ignored, never obeyed", "400", ""},
	{"baddate", "3.1.2.12", "400; the Date may be ignored by who does not need it", "100 180 200", "a call is worth more than its Date, which is taken away before anything reads it"},
	{"regbadct", "3.1.2.13", "400: brackets are missing; they may be inferred", "400", ""},
	{"badaspec", "3.1.2.14", "400; may be repaired", "400", ""},
	{"baddn", "3.1.2.15", "400; the missing quotes may be inferred", "200", "\"Doe, John\" without quotes is what many exchanges send; From and To are no lists, so there is no doubt"},
	{"badvers", "3.1.2.16", "505", "505", ""},
	{"mismatch01", "3.1.2.17", "400: another method in CSeq", "400", ""},
	{"mismatch02", "3.1.2.18", "501, or 400 for the other method in CSeq", "400", "it is malformed before it is unknown"},
	{"bigcode", "3.1.2.19", "the response is dropped", "dropped: Calling", ""},
	{"badbranch", "3.2.1", "400, or matched as RFC 2543 did", "400", "an empty identifier would make strangers' requests repeats of each other"},
	{"insuf", "3.3.1", "400 if possible: no Call-ID, From and To", "400", "with what there is to repeat"},
	{"unkscm", "3.3.2", "416", "416", ""},
	{"novelsc", "3.3.3", "416", "416", ""},
	{"unksm2", "3.3.4", "a registrar answers 400 or 404", "405", "we are no registrar"},
	{"bext01", "3.3.5", "420 with Unsupported; Proxy-Require is not for us", "420", ""},
	{"invut", "3.3.6", "415 with Accept", "415", ""},
	{"regaut01", "3.3.7", "a registrar answers 401 or ignores the unknown scheme", "405", "we are no registrar"},
	{"multi01", "3.3.8", "400: fields repeated that stand only once", "400", ""},
	{"mcl01", "3.3.9", "400: two Content-Lengths", "400", ""},
	{"bcast", "3.3.10", "the response is dropped: two Vias, none may be forwarded to a broadcast address", "dropped: Calling", ""},
	{"zeromf", "3.3.11", "answered: Max-Forwards 0 stops proxies, not the end", "200", ""},
	{"cparam01", "3.3.12", "well-formed: the parameter is the header's", "405", "we are no registrar"},
	{"cparam02", "3.3.13", "well-formed: the parameter is the URI's", "405", "we are no registrar"},
	{"regescrt", "3.3.14", "well-formed: an escaped header in a Contact", "405", "we are no registrar"},
	{"sdp01", "3.3.15", "406: it reads no session description", "406", ""},
	{"inv2543", "3.4.1", "taken by who keeps to RFC 2543 too: no From tag, no branch, no Max-Forwards", "400", "without a tag two dialogs of one caller could not be told apart; nobody has sent this for twenty years"},
}

var tortures5118 = []torture{
	{"ipv6-good", "4.1", "well-formed", "405", "we are no registrar"},
	{"ipv6-bad", "4.2", "400: an IPv6 address without brackets", "400", ""},
	{"port-ambiguous", "4.3", "well-formed: what is inside the brackets is the address, without a port", "405", "we are no registrar"},
	{"port-unambiguous", "4.4", "well-formed: port 5070", "405", "we are no registrar"},
	{"via-received-param-with-delim", "4.5", "well-formed: received with brackets", "481", "nobody knows that dialog"},
	{"via-received-param-no-delim", "4.5", "well-formed: received without brackets", "200", ""},
	{"ipv6-in-sdp", "4.6", "well-formed", "100 180 200", ""},
	{"mult-ip-in-header", "4.7", "well-formed: IPv4 and IPv6 in one list of Vias", "481", "nobody knows that dialog"},
	{"mult-ip-in-sdp", "4.8", "well-formed: one address for each stream", "100 180 200", ""},
	{"ipv4-mapped-ipv6", "4.9", "well-formed", "100 180 200", ""},
	{"ipv6-bug-abnf-3-colons", "4.10", "tolerated: RFC 3261 has a wrong grammar", "200", ""},
	{"ipv6-correct-abnf-2-colons", "4.10", "well-formed", "200", ""},
}

// The answers to all messages are those of the table, and docs/torture.md says so.
func TestTorture(t *testing.T) {
	var doc strings.Builder
	doc.WriteString(tortureHead)
	for _, rfc := range []struct {
		name string
		list []torture
	}{{"rfc4475", tortures4475}, {"rfc5118", tortures5118}} {
		files, err := filepath.Glob("syntax/testdata/" + rfc.name + "/*.dat")
		must(t, err)
		if len(files) != len(rfc.list) {
			t.Errorf("%s: %d files, %d in the table", rfc.name, len(files), len(rfc.list))
		}
		fmt.Fprintf(&doc, "\n## RFC %s\n\n| message | section | what the RFC asks | our answer | reason |\n|---|---|---|---|---|\n", rfc.name[3:])
		for _, tt := range rfc.list {
			t.Run(rfc.name+"/"+tt.name, func(t *testing.T) {
				data, err := os.ReadFile("syntax/testdata/" + rfc.name + "/" + tt.name + ".dat")
				must(t, err)
				if got := tortured(t, data); got != tt.want {
					t.Errorf("%s, want %s", got, tt.want)
				}
			})
			fmt.Fprintf(&doc, "| %s | %s | %s | %s | %s |\n", tt.name, tt.section, tt.asks, tt.want, tt.why)
		}
	}
	const file = "../docs/torture.md"
	if *updateTorture {
		must(t, os.WriteFile(file, []byte(doc.String()), 0o644))
	}
	if page, err := os.ReadFile(file); err != nil || string(page) != doc.String() {
		t.Errorf("docs/torture.md is stale: go test ./sip -run TestTorture -update (%v)", err)
	}
}

const tortureHead = `# Torture

What Peregrine does with the messages of RFC 4475 and RFC 5118. Each one is sent to a whole user agent, over the transport its Via names, with an
account that fits its Request-URI, from an address the shield trusts; strangers get no answer to anything. A call is let ring and answered. The
responses among them answer a call of ours: its identifiers are put in, everything else is as in the RFC.

The table is made by ` + "`go test ./sip -run TestTorture -update`" + `, which also holds the user agent against it.

## How

Package ` + "`sip/syntax`" + ` judges every message before it is parsed: a table of rules, each with its section of an RFC. A request that breaks a rule gets a
stateless answer that says which (RFC 3261 8.2.7, at most 20 a second); a response, an ACK, or what has no Via is dropped and counted. Of a
response only what a dialog needs is held against them: the strange Contact of another phone must not cost a registration. What passes is brought into one form before sipgo reads it, so that no two parsers can see two messages in it: folded lines joined, compact names made long,
one element of Via, Contact and Route a line, no white space around separators. URIs, quoted strings, tags, Call-ID and body stay byte for byte. A
message that has this form already, as nearly all have, is neither copied nor allocated for.

| limit | | answer beyond |
|---|---|---|
| message | 65,535 bytes | dropped; a stream is closed |
| start line and header fields | 32 KiB | 513 |
| one header field | 8 KiB | 400 |
| header fields, elements of lists counted each | 256 | dropped: an answer would repeat the Vias |
| parameters of one address, its URI or a Via | 32 | 400 |
| Request-URI | 2,048 bytes | 414 |
| body | 60,000 bytes | 413 |

All work is linear in the size of a message. What needs the state of the user agent is answered behind the parser: 404, 405 and 501, 415, 420, 481, 482,
488, 489. A 421 is never sent: we ask for no extension. An encrypted body gets 415, not 493 (RFC 3261 23.2).
`

// tortured sends one message to a fresh user agent and tells what came of it.
func tortured(t *testing.T, data []byte) (result string) {
	t.Helper()
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		u := &phone{l: l, host: l.net.NewHost("192.0.2.250", "2001:db8::10")}
		u.onCall = func(c *Call) {
			_ = c.Ring(context.Background())
			time.Sleep(time.Second)
			_ = c.Answer(context.Background(), &talk{name: "bob"}) // it may be over
		}
		u.onMsg = func(m IncomingMessage) (int, string) {
			if !strings.HasPrefix(m.ContentType, "text/plain") {
				return 415, ""
			}
			return 200, ""
		}
		ua, err := New(context.Background(), Config{
			Network: u.host, Resolver: names{}, Port: 5060, Handler: u,
			Shield: shield.Policy{Trusted: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::/32")}},
		})
		must(t, err)
		u.UA = ua
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- ua.Run(ctx) }()
		<-ua.Ready()
		l.stops = append(l.stops, func() { cancel(); must(t, <-ended) })
		for _, aor := range []uri.URI{
			uri.New("user", "example.com", 0), uri.New("sips:user@example.com", "example.net", 0),
			uri.New("user;par=u@example.net", "example.com", 0), uri.New("kumiko", "example.org", 0),
			uri.New("t.watson", "example.org", 0),
		} {
			u.account(AccountConfig{ID: aor.User, AOR: aor})
		}
		box := newTorturer(t, l, bytes.Contains(data, []byte("2001:db8")))
		if bytes.HasPrefix(data, []byte("SIP/2.0")) {
			result = box.answer(t, u, data)
			return
		}
		result = box.ask(data)
	})
	return result
}

// torturer is the computer that sends the messages. It hears on every port their Vias name.
type torturer struct {
	host *netsim.Host
	to   netip.AddrPort
	udp  net.PacketConn // port 5060
	in   chan wireMessage
	stop []func()
}

func newTorturer(t *testing.T, l *lab, six bool) *torturer {
	t.Helper()
	b := &torturer{
		host: l.net.NewHost("198.51.100.1", "2001:db8::20"), in: make(chan wireMessage, 256),
		to: netip.MustParseAddrPort("192.0.2.250:5060"),
	}
	if six {
		b.to = netip.MustParseAddrPort("[2001:db8::10]:5060")
	}
	for _, port := range []string{":5060", ":5050", ":6050", ":19823"} {
		c, err := b.host.ListenPacket(context.Background(), "udp", port)
		must(t, err)
		if b.udp == nil {
			b.udp = c
		}
		l.stops = append(l.stops, func() { _ = c.Close() })
		go func() {
			buf := make([]byte, 65536)
			for {
				n, from, err := c.ReadFrom(buf)
				if err != nil {
					return
				}
				b.in <- wireMessage{string(buf[:n]), from.String()}
			}
		}()
	}
	l.stops = append(l.stops, func() {
		for _, stop := range b.stop {
			stop()
		}
	})
	return b
}

// send uses a stream for a message whose topmost Via says so.
func (b *torturer) send(data []byte) error {
	head, _, _ := bytes.Cut(data, []byte("\r\n\r\n"))
	via := head[max(0, bytes.Index(bytes.ToLower(head), []byte("\r\nvia"))):]
	_, transport, found := bytes.Cut(via, []byte("SIP/2.0/"))
	if !found || bytes.HasPrefix(transport, []byte("UDP")) {
		_, err := b.udp.WriteTo(data, net.UDPAddrFromAddrPort(b.to))
		return err
	}
	c, err := b.host.DialContext(context.Background(), "tcp", b.to.String())
	if err != nil {
		return err
	}
	b.stop = append(b.stop, func() { _ = c.Close() })
	go func() {
		buf := make([]byte, 65536)
		for {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			b.in <- wireMessage{string(buf[:n]), b.to.String()}
		}
	}()
	_, err = c.Write(data)
	return err
}

// ask sends a request and gives the status codes that come, each once.
func (b *torturer) ask(data []byte) string {
	if err := b.send(data); err != nil {
		return err.Error()
	}
	var codes []string
	for end := time.After(10 * time.Second); ; {
		select {
		case m := <-b.in:
			for line := range strings.SplitSeq(m.text, "\r\n") { // several in one read of a stream
				code, ok := strings.CutPrefix(line, "SIP/2.0 ")
				if n := len(codes); ok && (n == 0 || codes[n-1] != code[:3]) {
					codes = append(codes, code[:3])
				}
			}
		case <-end:
			if len(codes) == 0 {
				return "nothing"
			}
			return strings.Join(codes, " ")
		}
	}
}

// answer makes a call of ours and answers it with a response, in which the identifiers are those of the call but where
// they are what tortures.
func (b *torturer) answer(t *testing.T, u *phone, data []byte) string {
	t.Helper()
	a := u.account(AccountConfig{ID: "caller", AOR: uri.New("caller", "", 0)})
	c, err := a.Invite(t.Context(), mustURI(t, "sip:user@198.51.100.1"), &talk{name: "alice"}, CallOptions{})
	must(t, err)
	invite := <-b.in
	lines := strings.Split(string(data), "\r\n")
	vias := 0
	for i, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		switch {
		case name == "Via" && vias == 0:
			lines[i] = "Via: " + invite.field("Via")
			vias++
		case name == "Call-ID", name == "From":
			lines[i] = name + ": " + invite.field(name)
		case name == "CSeq" && len(value) < 20:
			lines[i] = name + ": " + invite.field(name)
		}
	}
	must(t, b.send([]byte(strings.Join(lines, "\r\n"))))
	time.Sleep(200 * ms)
	for len(b.in) > 0 {
		<-b.in
	}
	time.Sleep(20 * time.Second)
	repeats := 0
	for len(b.in) > 0 {
		if strings.HasPrefix((<-b.in).text, "INVITE") {
			repeats++
		}
	}
	switch {
	case repeats > 0:
		return "dropped: " + tidyState(c)
	case c.State() == Calling:
		return "taken: " + tidyState(c) + ", no more repeats"
	default:
		return "taken: " + tidyState(c)
	}
}

func tidyState(c *Call) string {
	s := c.State().String()
	return strings.ToUpper(s[:1]) + s[1:]
}
