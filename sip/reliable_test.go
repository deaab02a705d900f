package sip

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/shield"
)

// dialled is a call of ours to a scripted peer that has the INVITE.
type dialled struct {
	*Call
	u     *phone
	p     *peer
	inv   wireMessage
	media *talk
	seen  states
}

func dial(t *testing.T, l *lab, o CallOptions, tune func(*Config)) *dialled {
	t.Helper()
	d := &dialled{u: l.phone("10.0.0.1", tune), p: l.peer("10.0.0.2:5060"), media: &talk{name: "alice"}}
	o.Observer = d.seen.see
	c, err := d.u.lan("alice").Invite(t.Context(), bobURI(), d.media, o)
	must(t, err)
	d.Call, d.inv = c, d.p.next("INVITE")
	return d
}

// provisional sends a reliable response.
func (d *dialled) provisional(status, tag, rseq, body string) {
	d.p.reply(d.inv, status, tag, body, d.p.contact(), "Require: 100rel", "RSeq: "+rseq)
}

// prack takes a PRACK and answers it.
func (d *dialled) prack(t *testing.T, tag, rack string) wireMessage {
	t.Helper()
	m := d.p.next("PRACK")
	if got := tagIn(m.field("To")); got != tag || m.field("RAck") != rack {
		t.Errorf("PRACK of %q for %q, want %q for %q", m.field("RAck"), got, rack, tag)
	}
	d.p.reply(m, "200 OK", "", "")
	return m
}

// nothing checks that the peer gets no message for a while.
func (p *peer) nothing(t *testing.T, pause time.Duration) {
	t.Helper()
	time.Sleep(pause)
	select {
	case m := <-p.in:
		t.Errorf("peer got %s", firstLine(m.text))
	default:
	}
}

// bye hangs up, with the peer agreeing.
func (d *dialled) bye(t *testing.T) {
	t.Helper()
	go func() { d.p.reply(d.p.await("BYE"), "200 OK", "", "") }()
	must(t, d.Hangup(t.Context()))
}

func TestReliableAnswer(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		d := dial(t, l, CallOptions{}, nil)
		if got := d.inv.field("Supported"); !strings.Contains(got, "100rel") {
			t.Errorf("Supported %q", got)
		}
		d.provisional("180 Ringing", "e", "41", "")
		if got := d.prack(t, "e", "41 1 INVITE").field("CSeq"); got != "2 PRACK" {
			t.Errorf("CSeq %q", got)
		}
		d.provisional("180 Ringing", "e", "41", "") // our PRACK was late
		d.p.nothing(t, time.Second)
		d.provisional("183 Session Progress", "e", "43", "v=0\r\no=third\r\n") // 42 is missing
		d.p.nothing(t, time.Second)
		if d.EarlySound() {
			t.Error("sound of a response out of order")
		}
		d.provisional("183 Session Progress", "e", "42", "v=0\r\no=early\r\n")
		if got := d.prack(t, "e", "42 1 INVITE").field("CSeq"); got != "3 PRACK" {
			t.Errorf("CSeq %q", got)
		}
		time.Sleep(ms)
		if !d.EarlySound() {
			t.Error("no early sound")
		}
		d.p.reply(d.inv, "200 OK", "e", "", d.p.contact())
		d.p.next("ACK")
		time.Sleep(ms)
		if got, want := d.media.String(), "offer 1; accept early"; got != want {
			t.Errorf("media %q, want %q", got, want)
		}
		if got, want := d.seen.String(), "calling ringing ringing established"; got != want {
			t.Errorf("observer saw %q, want %q", got, want)
		}
		if d.EarlySound() {
			t.Error("early sound in an established call")
		}
		go func() {
			bye := d.p.await("BYE")
			if got := bye.field("CSeq"); got != "4 BYE" {
				t.Errorf("CSeq of the BYE %q", got)
			}
			d.p.reply(bye, "200 OK", "", "")
		}()
		must(t, d.Hangup(t.Context()))
	})
}

// Each fork has an order of its own; the 2xx of one whose answer came reliably needs no description.
func TestReliableForks(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		d := dial(t, l, CallOptions{}, nil)
		d.provisional("183 Session Progress", "one", "7", "v=0\r\no=one\r\n")
		d.prack(t, "one", "7 1 INVITE")
		d.provisional("183 Session Progress", "two", "1000", "v=0\r\no=two\r\n")
		d.prack(t, "two", "1000 1 INVITE")
		d.p.reply(d.inv, "200 OK", "two", "", d.p.contact())
		if got := tagIn(d.p.next("ACK").field("To")); got != "two" {
			t.Errorf("ACK for %q", got)
		}
		time.Sleep(ms)
		if got, want := d.media.String(), "offer 1; accept one; accept two"; got != want || d.State() != Established {
			t.Errorf("media %q, want %q; %v", got, want, d.State())
		}
		d.bye(t)
	})
}

func TestOfferInReliableResponse(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		d := dial(t, l, CallOptions{NoOffer: true}, nil)
		d.p.reply(d.inv, "183 Session Progress", "e", "v=0\r\no=unreliable\r\n", d.p.contact())
		d.p.nothing(t, time.Second)
		d.provisional("183 Session Progress", "e", "1", "v=0\r\no=peer\r\n")
		if got := sdpName([]byte(d.prack(t, "e", "1 1 INVITE").body())); got != "alice answer to peer" {
			t.Errorf("PRACK with %q", got)
		}
		time.Sleep(ms)
		if !d.EarlySound() {
			t.Error("no early sound")
		}
		d.p.reply(d.inv, "200 OK", "e", "", d.p.contact())
		if got := d.p.next("ACK").body(); got != "" {
			t.Errorf("ACK with %q: the answer went before", got)
		}
		time.Sleep(ms)
		if got, want := d.media.String(), "answer to peer"; got != want || d.State() != Established {
			t.Errorf("media %q, want %q; %v", got, want, d.State())
		}
		d.bye(t)
	})
}

func TestUnusableOfferInReliableResponse(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		d := dial(t, l, CallOptions{NoOffer: true}, nil)
		d.media.refuse(errors.New("no codec"))
		d.provisional("183 Session Progress", "e", "1", "v=0\r\no=peer\r\n")
		for range 2 {
			switch m := d.p.next(""); {
			case strings.HasPrefix(m.text, "PRACK"), strings.HasPrefix(m.text, "CANCEL"):
				d.p.reply(m, "200 OK", "e", "")
			default:
				t.Errorf("got %s", firstLine(m.text))
			}
		}
		d.p.reply(d.inv, "487 Request Terminated", "e", "")
		d.p.next("ACK")
		wantErr(t, d.EndCause().Err, ErrMedia)
	})
}

// called is a call of a scripted peer to us.
type called struct {
	u     *phone
	p     *peer
	media *talk
	to    string // with our tag, once it is known
}

func ringFrom(t *testing.T, l *lab, body string, lines ...string) *called {
	t.Helper()
	// The shield sends an unknown source only so much; these INVITEs are too short to pay for the repeats.
	open := func(cfg *Config) {
		cfg.Shield = shield.Policy{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	}
	c := &called{u: l.phone("10.0.0.1", open), p: l.peer("10.0.0.2:5060"), media: &talk{name: "alice"}}
	c.u.lan("alice")
	c.p.request("10.0.0.1:5060", "INVITE sip:alice@10.0.0.1", "i", body,
		inviteLines("1", "INVITE", append([]string{"To: <sip:alice@10.0.0.1>"}, lines...)...)...)
	c.p.next("SIP/2.0 100")
	time.Sleep(ms)
	return c
}

func (c *called) call() *Call { return c.u.call(0) }

// early takes a provisional response and gives its RSeq.
func (c *called) early(t *testing.T, status string) (m wireMessage, rseq string) {
	t.Helper()
	m = c.p.next("SIP/2.0 " + status)
	c.to = m.field("To")
	if got := m.field("Require"); got != "100rel" {
		t.Errorf("Require %q", got)
	}
	return m, m.field("RSeq")
}

func (c *called) request(number, method, branch, body string, lines ...string) {
	c.p.request("10.0.0.1:5060", method+" sip:alice@10.0.0.1", branch, body,
		inviteLines(number, method, append([]string{"To: " + c.to}, lines...)...)...)
}

func TestReliableRinging(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		c := ringFrom(t, l, "v=0\r\no=bob\r\n", "Require: 100rel")
		start := time.Now()
		must(t, c.call().Ring(t.Context()))
		_, rseq := c.early(t, "180")
		var times []time.Duration
		for range 3 {
			if m, again := c.early(t, "180"); again != rseq {
				t.Errorf("repeat with RSeq %s in %s, want %s", again, firstLine(m.text), rseq)
			}
			times = append(times, time.Since(start).Round(100*ms))
		}
		if want := []time.Duration{500 * ms, 1500 * ms, 3500 * ms}; !equal(times, want) {
			t.Errorf("repeated at %v, want %v", times, want)
		}
		must(t, c.call().Ring(t.Context())) // not a second one before the PRACK
		c.request("2", "PRACK", "p1", "", "RAck: 1 1 INVITE")
		c.p.next("SIP/2.0 481")
		c.request("3", "PRACK", "p2", "", "RAck: nonsense")
		c.p.next("SIP/2.0 400")
		c.request("4", "PRACK", "p3", "", "RAck: "+rseq+" 1 INVITE")
		c.p.next("SIP/2.0 200")
		c.request("5", "PRACK", "p4", "", "RAck: "+rseq+" 1 INVITE")
		c.p.next("SIP/2.0 481")
		c.p.nothing(t, 10*time.Second)
		must(t, c.call().Ring(t.Context()))
		if _, second := c.early(t, "180"); second != next(t, rseq) {
			t.Errorf("second RSeq %s after %s", second, rseq)
		}
		must(t, c.call().Answer(t.Context(), c.media)) // RFC 3262 3: nothing with SDP is outstanding
		if ok := c.p.next("SIP/2.0 200"); sdpName([]byte(ok.body())) != "alice answer to bob" {
			t.Errorf("answer %q", ok.body())
		}
		c.request("1", "ACK", "a", "")
		c.request("6", "PRACK", "p5", "", "RAck: "+next(t, rseq)+" 1 INVITE")
		c.p.next("SIP/2.0 200")
		c.p.nothing(t, 10*time.Second)
		c.request("7", "BYE", "b", "")
		c.p.next("SIP/2.0 200")
	})
}

func next(t *testing.T, rseq string) string {
	t.Helper()
	var n uint32
	if _, err := fmt.Sscan(rseq, &n); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(n + 1)
}

func TestNoPrack(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		c := ringFrom(t, l, "v=0\r\no=bob\r\n", "Require: 100rel")
		start := time.Now()
		must(t, c.call().Ring(t.Context()))
		c.p.await("SIP/2.0 504")
		if d := time.Since(start).Round(time.Second); d != 32*time.Second {
			t.Errorf("given up after %v", d)
		}
		if got := c.call().EndCause(); got.Reason != EndedNoAnswer {
			t.Errorf("cause %+v", got)
		}
		c.request("1", "ACK", "i", "")
	})
}

func TestCancelStopsRepeats(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		c := ringFrom(t, l, "v=0\r\no=bob\r\n", "Require: 100rel")
		must(t, c.call().Ring(t.Context()))
		c.early(t, "180")
		c.p.request("10.0.0.1:5060", "CANCEL sip:alice@10.0.0.1", "i", "", inviteLines("1", "CANCEL", "To: <sip:alice@10.0.0.1>")...)
		c.p.next("SIP/2.0 200")
		c.p.next("SIP/2.0 487")
		c.request("1", "ACK", "i", "")
		c.p.nothing(t, 10*time.Second)
		wantErr(t, c.call().Ring(t.Context()), ErrState)
	})
}

// An early description goes reliably, the 2xx waits for its PRACK and needs none; from then on UPDATE may offer.
func TestEarlyMediaAsCallee(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		c := ringFrom(t, l, "v=0\r\no=bob\r\n", "Supported: 100rel")
		must(t, c.call().EarlyMedia(t.Context(), c.media))
		m, rseq := c.early(t, "183")
		if got := sdpName([]byte(m.body())); got != "alice answer to bob" {
			t.Errorf("183 with %q", got)
		}
		answered := make(chan error, 1)
		go func() { answered <- c.call().Answer(t.Context(), c.media) }()
		time.Sleep(100 * ms)
		if len(c.p.in) != 0 {
			t.Error("something was sent before the PRACK")
		}
		c.request("2", "PRACK", "p", "", "RAck: "+rseq+" 1 INVITE")
		for range 2 {
			m := c.p.next("SIP/2.0 200")
			if len(m.body()) != 0 {
				t.Errorf("%s with %q", m.field("CSeq"), m.body())
			}
		}
		must(t, <-answered)
		c.request("3", "UPDATE", "u", "v=0\r\no=bob again\r\n")
		if got := sdpName([]byte(c.p.next("SIP/2.0 200").body())); got != "alice answer to bob again" {
			t.Errorf("UPDATE answered with %q", got)
		}
		c.request("1", "ACK", "a", "")
		c.p.nothing(t, 10*time.Second)
		c.request("4", "BYE", "b", "")
		c.p.next("SIP/2.0 200")
	})
}

// An early description waits for the PRACK of a 180 that is on its way.
func TestEarlyMediaAfterReliableRinging(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		c := ringFrom(t, l, "v=0\r\no=bob\r\n", "Require: 100rel")
		must(t, c.call().Ring(t.Context()))
		_, rseq := c.early(t, "180")
		sent := make(chan error, 1)
		go func() { sent <- c.call().EarlyMedia(t.Context(), c.media) }()
		c.p.nothing(t, 100*ms)
		c.request("2", "PRACK", "p", "", "RAck: "+rseq+" 1 INVITE")
		c.p.next("SIP/2.0 200")
		m, second := c.early(t, "183")
		if got := sdpName([]byte(m.body())); got != "alice answer to bob" || second != next(t, rseq) {
			t.Errorf("183 with %q, RSeq %s", got, second)
		}
		must(t, <-sent)
		wantErr(t, c.call().EarlyMedia(t.Context(), c.media), ErrState)
		c.request("3", "PRACK", "q", "v=0\r\no=bob more\r\n", "RAck: "+second+" 1 INVITE") // with an offer of its own
		if got := sdpName([]byte(c.p.next("SIP/2.0 200").body())); got != "alice answer to bob more" {
			t.Errorf("PRACK answered with %q", got)
		}
		must(t, c.call().Answer(t.Context(), c.media))
		if m := c.p.next("SIP/2.0 200"); m.body() != "" {
			t.Errorf("200 with %q", m.body())
		}
		c.request("1", "ACK", "a", "")
		c.request("4", "BYE", "b", "")
		c.p.next("SIP/2.0 200")
	})
}

func TestEarlyMediaUnreliably(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		c := ringFrom(t, l, "v=0\r\no=bob\r\n")
		must(t, c.call().EarlyMedia(t.Context(), c.media))
		m := c.p.next("SIP/2.0 183")
		c.to = m.field("To")
		if m.field("RSeq") != "" || sdpName([]byte(m.body())) != "alice answer to bob" {
			t.Errorf("got %s", m.text)
		}
		c.request("2", "UPDATE", "u", "v=0\r\no=bob again\r\n")
		if got := c.p.next("SIP/2.0 500"); got.field("Retry-After") == "" { // RFC 3311 5.2
			t.Errorf("no Retry-After in %s", got.text)
		}
		must(t, c.call().Answer(t.Context(), c.media))
		if got := sdpName([]byte(c.p.next("SIP/2.0 200").body())); got != "alice answer to bob" {
			t.Errorf("200 with %q, want the same again", got)
		}
		c.request("1", "ACK", "a", "")
		c.request("3", "BYE", "b", "")
		c.p.next("SIP/2.0 200")
	})
}

// A caller that insists on reliability and wants our offer gets it in the first reliable response.
func TestOfferInOurReliableResponse(t *testing.T) {
	for _, tt := range []struct{ name, answer, want string }{
		{"answered", "v=0\r\no=bob\r\n", "200"},
		{"not answered", "", "488"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				c := ringFrom(t, l, "", "Require: 100rel")
				must(t, c.call().Ring(t.Context()))
				c.p.nothing(t, time.Second)
				must(t, c.call().EarlyMedia(t.Context(), c.media))
				m, rseq := c.early(t, "183")
				if got := sdpName([]byte(m.body())); got != "alice offer 1" {
					t.Errorf("183 with %q", got)
				}
				c.request("2", "UPDATE", "u", "v=0\r\no=bob first\r\n")
				c.p.next("SIP/2.0 491") // RFC 3311 5.2: our offer is open
				c.request("3", "PRACK", "p", tt.answer, "RAck: "+rseq+" 1 INVITE")
				c.p.next("SIP/2.0 200")
				if tt.answer != "" {
					must(t, c.call().Answer(t.Context(), c.media))
				}
				if got := c.p.next("SIP/2.0 " + tt.want); got.body() != "" {
					t.Errorf("%s with %q", tt.want, got.body())
				}
				c.request("1", "ACK", "i", "")
				if tt.want == "200" {
					c.p.nothing(t, 10*time.Second)
					if got, want := c.media.String(), "offer 1; accept bob"; got != want {
						t.Errorf("media %q, want %q", got, want)
					}
					c.request("4", "BYE", "b", "")
					c.p.next("SIP/2.0 200")
				}
			})
		})
	}
}

// Two of us, the caller insisting.
func TestReliableBothEnds(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		bobMedia := &talk{name: "bob"}
		bob.onCall = func(c *Call) {
			must(t, c.Ring(t.Context()))
			time.Sleep(time.Second)
			must(t, c.EarlyMedia(t.Context(), bobMedia))
			time.Sleep(time.Second)
			must(t, c.Answer(t.Context(), bobMedia))
		}
		media := &talk{name: "alice"}
		c, err := a.Invite(t.Context(), bobURI(), media, CallOptions{Headers: []Header{{"Require", "100rel"}}})
		must(t, err)
		time.Sleep(1500 * ms)
		if !c.EarlySound() {
			t.Error("no early sound")
		}
		time.Sleep(time.Second)
		must(t, c.Reinvite(t.Context()))
		must(t, bob.call(0).Reinvite(t.Context()))
		if got, want := media.String(), "offer 1; accept bob answer to alice offer 1; offer 2; accept bob answer to alice offer 2; answer to bob offer 1"; got != want {
			t.Errorf("media\n %s, want\n %s", got, want)
		}
		must(t, c.Hangup(t.Context()))
	})
}

func FuzzRAck(f *testing.F) {
	for _, s := range []string{"1 1 INVITE", "4294967295 0 X", "0 1 INVITE", "", "1 1", "a b c", "1 1 INVITE x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, ok := parseRAck(s)
		if !ok {
			return
		}
		if again, ok := parseRAck(r.String()); !ok || again != r {
			t.Errorf("%q reads as %v, and that as %v", s, r, again)
		}
	})
}

// A peer that goes on and on, and answers no PRACK.
func TestTooManyPracks(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		d := dial(t, l, CallOptions{}, friend)
		for i := range 10 * maxPracks {
			d.provisional("180 Ringing", "e", fmt.Sprint(i+1), "")
			time.Sleep(5 * ms)
		}
		seen := map[string]bool{}
		for len(d.p.in) > 0 {
			seen[d.p.next("PRACK").field("CSeq")] = true
		}
		if len(seen) != maxPracks {
			t.Errorf("%d PRACKs, want %d", len(seen), maxPracks)
		}
		if n := d.u.Stats().Transactions; n > maxPracks+1 {
			t.Errorf("%d transactions", n)
		}
		for range 4 { // they are sent again and again, for 32 s
			time.Sleep(15 * time.Second)
			d.p.drain()
		}
		d.provisional("180 Ringing", "e", fmt.Sprint(maxPracks+1), "")
		d.prack(t, "e", fmt.Sprint(maxPracks+1, " 1 INVITE"))
		d.up(t)
		d.bye(t)
	})
}
