//go:build lab

package lab

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// odd is a request that no honest peer sends, and what it must be answered.
type odd struct {
	name   string
	method string   // of the request line; empty: OPTIONS
	uri    string   // empty: alice at her address
	drop   []string // headers that are left out
	set    []string // header lines that replace those of their name, or are added
	body   string
	raw    string // the whole request; $V is a good Via
	want   string // pattern of the answer; empty: none must come
	why    string // specification
}

var oddRequests = []odd{
	{name: "honest", want: `^SIP/2\.0 200 `, why: "RFC 3261 11.2"},
	{name: "no Max-Forwards", drop: []string{"Max-Forwards"}, want: `^SIP/2\.0 200 `, why: "as RFC 2543 had none"},
	{name: "Max-Forwards 0", set: []string{"Max-Forwards: 0"}, want: `^SIP/2\.0 200 `, why: "RFC 3261 16.3: it has arrived"},
	{name: "compact and folded", want: `^SIP/2\.0 200 `, why: "RFC 3261 7.3.1, 7.3.3", raw: "OPTIONS sip:alice@10.77.1.100 SIP/2.0\r\n" +
		"v: SIP/2.0/UDP\r\n 10.77.3.10:$P;branch=$B\r\nf:\r\n <sip:lab@10.77.3.10>;tag=1\r\nt : <sip:alice@10.77.1.100>\r\ni: $B\r\nCSEQ:  009\r\n  OPTIONS\r\nl: 0\r\n\r\n"},
	{name: "no Via", drop: []string{"Via"}, why: "RFC 3261 8.2.6.2: nowhere to answer to"},
	{name: "no CSeq", drop: []string{"CSeq"}, want: `^SIP/2\.0 400 `, why: "RFC 3261 8.1.1"},
	{name: "no Call-ID", drop: []string{"Call-ID"}, want: `^SIP/2\.0 400 `, why: "RFC 3261 8.1.1"},
	{name: "no From", drop: []string{"From"}, want: `^SIP/2\.0 400 `, why: "RFC 3261 8.1.1"},
	{name: "no To", drop: []string{"To"}, want: `^SIP/2\.0 400 `, why: "RFC 3261 8.1.1"},
	{name: "CSeq of another method", set: []string{"CSeq: 1 BYE"}, want: `^SIP/2\.0 400 `, why: "RFC 3261 8.1.1.5"},
	{name: "Content-Length before the end", method: "MESSAGE", set: []string{"Content-Type: text/plain", "Content-Length: 5"}, body: "hello and more", want: `^SIP/2\.0 200 `, why: "RFC 3261 18.3"},
	{name: "unknown method", method: "FROB", want: `(?s)^SIP/2\.0 (405|501) .*\r\nAllow: .*INVITE`, why: "RFC 3261 8.2.1"},
	{name: "Require", set: []string{"Require: foo, timer"}, want: `(?s)^SIP/2\.0 420 .*\r\nUnsupported: *foo\r\n`, why: "RFC 3261 8.2.2.3"},
	{name: "message of an unknown kind", method: "MESSAGE", set: []string{"Content-Type: application/x-frob"}, body: "x", want: `(?s)^SIP/2\.0 415 .*\r\nAccept: .*text/plain`, why: "RFC 3261 8.2.3"},
	{name: "call with a body of an unknown kind", method: "INVITE", set: []string{"Content-Type: application/x-frob", "Contact: <sip:lab@10.77.3.10>"}, body: "x", want: `(?s)^SIP/2\.0 415 .*\r\nAccept: .*application/sdp`, why: "RFC 3261 8.2.3"},
	{name: "call with a broken session", method: "INVITE", set: []string{"Content-Type: application/sdp", "Contact: <sip:lab@10.77.3.10>"}, body: "v=0\r\nm=frob", want: `^SIP/2\.0 (488|400) `, why: "RFC 3261 13.3.1.3"},
	{name: "packed body", method: "MESSAGE", set: []string{"Content-Type: text/plain", "Content-Encoding: gzip"}, body: "x", want: `(?s)^SIP/2\.0 415 .*\r\nAccept-Encoding: `, why: "RFC 3261 8.2.3"},
	{name: "another scheme", uri: "tel:+4930123", want: `^SIP/2\.0 (416|404) `, why: "RFC 3261 8.2.2.1"},
	{name: "nobody of that name", uri: "sip:nobody@10.77.1.100", set: []string{"To: <sip:nobody@10.77.1.100>"}, want: `^SIP/2\.0 404 `, why: "RFC 3261 8.2.2.1"},
	{name: "subscription to an unknown event", method: "SUBSCRIBE", set: []string{"Event: frob", "Contact: <sip:lab@10.77.3.10>"}, want: `(?s)^SIP/2\.0 489 .*\r\nAllow-Events: .*presence`, why: "RFC 6665 4.2.1.1"},
	{name: "subscription without an event", method: "SUBSCRIBE", set: []string{"Contact: <sip:lab@10.77.3.10>"}, want: `^SIP/2\.0 (489|400) `, why: "RFC 6665 8.2.1"},
	{name: "subscription to a form we lack", method: "SUBSCRIBE", set: []string{"Event: presence", "Accept: text/frob", "Contact: <sip:lab@10.77.3.10>"}, want: `^SIP/2\.0 406 `, why: "RFC 3261 21.4.7, RFC 6665 7.1"},
	{name: "BYE of no call", method: "BYE", set: []string{"To: <sip:alice@10.77.1.100>;tag=2"}, want: `^SIP/2\.0 481 `, why: "RFC 3261 15.1.2"},
	{name: "CANCEL of nothing", method: "CANCEL", want: `^SIP/2\.0 481 `, why: "RFC 3261 9.2"},
	{name: "NOTIFY of no subscription", method: "NOTIFY", set: []string{"To: <sip:alice@10.77.1.100>;tag=2", "Event: presence", "Subscription-State: active", "Contact: <sip:lab@10.77.3.10>"}, want: `^SIP/2\.0 481 `, why: "RFC 6665 4.1.3"},
	{name: "CSeq without a number", set: []string{"CSeq: abc OPTIONS"}, want: `^SIP/2\.0 400 `, why: "RFC 3261 8.1.1.5"},
	{name: "CSeq beyond 32 bits", set: []string{"CSeq: 36893488147419103232 OPTIONS"}, want: `^SIP/2\.0 400 `, why: "RFC 4475 3.1.2.4"},
	{name: "Content-Length beyond the packet", method: "MESSAGE", set: []string{"Content-Type: text/plain", "Content-Length: 9999"}, body: "cut", want: `^SIP/2\.0 400 `, why: "RFC 3261 18.3"},
	{name: "Content-Length negative", set: []string{"Content-Length: -999"}, want: `^SIP/2\.0 400 `, why: "RFC 4475 3.1.2.3"},
	{name: "another version", raw: "OPTIONS sip:alice@10.77.1.100 SIP/7.0\r\nVia: SIP/7.0/UDP 10.77.3.10:$P;branch=$B\r\nFrom: <sip:lab@10.77.3.10>;tag=1\r\n" +
		"To: <sip:alice@10.77.1.100>\r\nCall-ID: $B\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n", want: `^SIP/2\.0 505 `, why: "RFC 4475 3.1.2.16"},
	{name: "From without a tag", set: []string{"From: <sip:lab@10.77.3.10>"}, want: `^SIP/2\.0 200 `, why: "RFC 3261 8.2.6.2, 12.1.1: as RFC 2543 had none"},
}

// text is the request with its own branch and Call-ID.
func (o odd) text(port, number int) string {
	branch := fmt.Sprintf("z9hG4bKodd%d", number)
	if o.raw != "" {
		return strings.NewReplacer("$P", fmt.Sprint(port), "$B", branch).Replace(o.raw)
	}
	method, target := o.method, o.uri
	if method == "" {
		method = "OPTIONS"
	}
	if target == "" {
		target = "sip:alice@10.77.1.100"
	}
	lines := []string{
		fmt.Sprintf("Via: SIP/2.0/UDP 10.77.3.10:%d;branch=%s", port, branch), "Max-Forwards: 70", "From: <sip:lab@10.77.3.10>;tag=1",
		"To: <sip:alice@10.77.1.100>", "Call-ID: " + branch, "CSeq: 1 " + method, fmt.Sprintf("Content-Length: %d", len(o.body)),
	}
	name := func(line string) string { n, _, _ := strings.Cut(line, ":"); return n }
	left := map[string]bool{}
	for _, n := range o.drop {
		left[n] = true
	}
	for _, line := range o.set {
		left[name(line)] = true
	}
	out := method + " " + target + " SIP/2.0\r\n"
	for _, line := range lines {
		if !left[name(line)] {
			out += line + "\r\n"
		}
	}
	for _, line := range o.set {
		out += line + "\r\n"
	}
	return out + "\r\n" + o.body
}

// exchange sends a request from a socket of the host and waits for the final answer. No answer gives "".
func exchange(t *testing.T, conn *net.UDPConn, to *net.UDPAddr, request string, patience time.Duration) string {
	t.Helper()
	_, err := conn.WriteToUDP([]byte(request), to)
	must(t, err)
	must(t, conn.SetReadDeadline(time.Now().Add(patience)))
	buffer := make([]byte, 65536)
	for {
		n, _, err := conn.ReadFromUDP(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return ""
		}
		must(t, err)
		if text := string(buffer[:n]); !strings.HasPrefix(text, "SIP/2.0 1") {
			return text
		}
	}
}

// listenUDP opens a socket on the host.
func listenUDP(t *testing.T, h *Host) (*net.UDPConn, int) {
	t.Helper()
	var conn *net.UDPConn
	must(t, inNamespace(h.Namespace(), func() error {
		var err error
		conn, err = net.ListenUDP("udp4", &net.UDPAddr{IP: h.Addr().AsSlice()})
		return err
	}))
	t.Cleanup(func() { conn.Close() })
	return conn, conn.LocalAddr().(*net.UDPAddr).Port
}

// TestOddRequests sends malformed and unknown requests to a LAN account and checks each answer.
func TestOddRequests(t *testing.T) {
	t.Parallel()
	alice, h := askOddly(t, oddRequests)
	messages, err := alice.Messages(t.Context(), "sip:lab@10.77.3.10")
	must(t, err)
	if len(messages) != 1 || messages[0].Text != "hello" {
		t.Errorf("of the message with a short Content-Length arrived %+v, want hello", messages)
	}
	// RFC 3261 8.2.2.2: the same request by another way, as a forking proxy sends it.
	conn, port := listenUDP(t, h)
	to := net.UDPAddrFromAddrPort(sipAt(alice.Host))
	request := odd{}.text(port, 1000)
	first := exchange(t, conn, to, request, 2*time.Second)
	second := exchange(t, conn, to, strings.Replace(request, "branch=z9hG4bKodd1000", "branch=z9hG4bKother", 1), 2*time.Second)
	if !strings.HasPrefix(first, "SIP/2.0 200 ") || !strings.HasPrefix(second, "SIP/2.0 482 ") {
		t.Errorf("a merged request was answered\n%s\nand\n%s\nwant 200 and 482", first, second)
	}
}

func askOddly(t *testing.T, requests []odd) (*Phone, *Host) {
	t.Helper()
	l := newLab(t, Config{})
	alice := newLANPhone(t, &l.Mobile(0).Host, "alice", nil)
	h, to := l.Correspondent(0), net.UDPAddrFromAddrPort(sipAt(alice.Host))
	for i, o := range requests {
		t.Run(o.name, func(t *testing.T) {
			conn, port := listenUDP(t, h)
			patience := 2 * time.Second
			if o.want == "" {
				patience = 700 * time.Millisecond // beyond a first retransmission
			}
			request := o.text(port, i)
			answer := exchange(t, conn, to, request, patience)
			line, _, _ := strings.Cut(answer, "\r\n")
			t.Logf("answered %q (%s)", line, o.why)
			if o.want == "" && answer != "" || o.want != "" && !regexp.MustCompile(o.want).MatchString(answer) {
				t.Errorf("the request\n%s\nwas answered\n%s\nwant %q by %s", request, answer, o.want, o.why)
			}
		})
	}
	noLiveCall(t, alice)
	return alice, h
}
