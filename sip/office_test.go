package sip

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// office is a registrar over UDP, TCP and TLS that keeps bindings as RFC 3261 10.3, or RFC 5626 6, has it. It takes
// every other request with 200.
type office struct {
	l    *lab
	host *netsim.Host
	addr string // IP

	mu       sync.Mutex
	bindings []uri.Address
	seen     []wireMessage
	when     []time.Time
	pings    []time.Time // keep-alives of any kind
	conns    []net.Conn

	script   func(m wireMessage) (status string, lines []string) // an empty status: the usual answer
	outbound bool
	extra    []string // of the 200 to REGISTER
	gruu     string
	routes   bool   // requests to the GRUU go to the phone
	nat      string // "address:port": what it says to have seen
	rewrite  bool   // stores what it saw instead of the Contact
	expires  int    // what it grants; 0: what was asked
}

func (l *lab) office(addr string) *office {
	l.t.Helper()
	o := &office{l: l, host: l.net.NewHost(addr), addr: addr}
	ctx := context.Background()
	pc, err := o.host.ListenPacket(ctx, "udp", ":5060")
	must(l.t, err)
	tcp, err := o.host.Listen(ctx, "tcp", ":5060")
	must(l.t, err)
	tlsListener, err := o.host.Listen(ctx, "tcp", ":5061")
	must(l.t, err)
	secure := tls.NewListener(tlsListener, &tls.Config{Certificates: []tls.Certificate{certificate(l.t, "info.test")}})
	go o.datagrams(pc)
	go o.streams(tcp)
	go o.streams(secure)
	l.stops = append(l.stops, func() { _, _, _ = pc.Close(), tcp.Close(), secure.Close(); o.hangUp() })
	return o
}

// certificate makes one for a name, good in the year that a bubble begins with.
func certificate(t *testing.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func (o *office) datagrams(pc net.PacketConn) {
	buf := make([]byte, 65536)
	for {
		n, from, err := pc.ReadFrom(buf)
		if err != nil {
			return
		}
		if !bytes.Contains(buf[:n], []byte("SIP/2.0")) {
			o.ping()
			if n >= 20 && buf[0] == 0 { // STUN binding request: an answer without address
				out := append([]byte{1, 1, 0, 0}, buf[4:20]...)
				_, _ = pc.WriteTo(out, from)
			}
			continue
		}
		m := wireMessage{string(buf[:n]), from.String()}
		if f := o.forward(m); f != "" {
			_, _ = pc.WriteTo([]byte(f), from)
		}
		if a := o.answer(m); a != "" {
			_, _ = pc.WriteTo([]byte(a), from)
		}
	}
}

func (o *office) streams(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		o.mu.Lock()
		o.conns = append(o.conns, c)
		o.mu.Unlock()
		go o.stream(c)
	}
}

func (o *office) stream(c net.Conn) {
	var in []byte
	buf := make([]byte, 65536)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		in = append(in, buf[:n]...)
		for len(in) > 0 {
			if rest, ok := bytes.CutPrefix(in, []byte("\r\n\r\n")); ok {
				o.ping()
				_, _ = c.Write([]byte("\r\n"))
				in = rest
				continue
			}
			head, rest, ok := bytes.Cut(in, []byte("\r\n\r\n"))
			if !ok {
				break
			}
			m := wireMessage{string(head) + "\r\n\r\n", c.RemoteAddr().String()}
			size, _ := strconv.Atoi(m.field("Content-Length"))
			if len(rest) < size {
				break
			}
			m.text += string(rest[:size])
			in = rest[size:]
			if a := o.forward(m) + o.answer(m); a != "" {
				_, _ = c.Write([]byte(a))
			}
		}
	}
}

func (o *office) ping() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pings = append(o.pings, time.Now())
}

// hangUp closes every connection.
func (o *office) hangUp() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range o.conns {
		_ = c.Close()
	}
	o.conns = nil
}

// forward is a request to the GRUU on its way back to the phone.
func (o *office) forward(m wireMessage) string {
	line, rest, _ := strings.Cut(m.text, "\r\n")
	if !o.routes || o.gruu == "" || line != "OPTIONS "+o.gruu+" SIP/2.0" {
		return ""
	}
	return line + "\r\nVia: SIP/2.0/UDP " + net.JoinHostPort(o.addr, "5060") + ";branch=z9hG4bKforward\r\n" + rest
}

func (o *office) answer(m wireMessage) string {
	if strings.HasPrefix(m.text, "SIP/2.0") || strings.HasPrefix(m.text, "ACK") {
		return ""
	}
	o.mu.Lock()
	o.seen, o.when = append(o.seen, m), append(o.when, time.Now())
	script := o.script
	o.mu.Unlock()
	status, lines := "", []string(nil)
	if script != nil {
		status, lines = script(m)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case status == "silence":
		return ""
	case status != "":
	case strings.HasPrefix(m.text, "REGISTER"):
		status, lines = "200 OK", o.bind(m)
	default:
		status, lines = "200 OK", []string{"Contact: <sip:office@" + net.JoinHostPort(o.addr, "5060") + ">"}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "SIP/2.0 %s\r\n", status)
	saw := o.nat
	if saw == "" {
		saw = m.from
	}
	at := netip.MustParseAddrPort(saw)
	via := strings.Replace(m.field("Via"), ";rport", fmt.Sprintf(";received=%s;rport=%d", at.Addr(), at.Port()), 1)
	to := m.field("To")
	if !strings.Contains(to, ";tag=") {
		to += ";tag=office"
	}
	fmt.Fprintf(&b, "Via: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %s\r\n", via, m.field("From"), to, m.field("Call-ID"), m.field("CSeq"))
	for _, l := range lines {
		b.WriteString(l + "\r\n")
	}
	body := ""
	if strings.HasPrefix(m.text, "INVITE") && strings.HasPrefix(status, "2") {
		body = "v=0\r\no=office\r\n"
		b.WriteString("Content-Type: application/sdp\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(body), body)
	return b.String()
}

// bind takes the Contacts of a REGISTER and gives the lines of the 200; o.mu is held.
func (o *office) bind(m wireMessage) []string {
	lines := slices.Clone(o.extra)
	if o.outbound && strings.Contains(m.field("Supported"), "outbound") {
		lines = append(lines, "Require: outbound")
	}
	for _, v := range m.fields("Contact") {
		c, err := uri.ParseAddress(v)
		if err != nil {
			o.l.t.Errorf("Contact %q: %v", v, err)
			continue
		}
		if o.rewrite {
			saw := netip.MustParseAddrPort(cmpOr(o.nat, m.from))
			c.URI.Host, c.URI.Port = saw.Addr().String(), int(saw.Port())
		}
		expires := c.Params.Get("expires")
		same := func(b uri.Address) bool {
			if o.outbound && c.Params.Has("reg-id") {
				return b.Params.Get("+sip.instance") == c.Params.Get("+sip.instance") && b.Params.Get("reg-id") == c.Params.Get("reg-id")
			}
			return b.URI.Equal(c.URI)
		}
		o.bindings = slices.DeleteFunc(o.bindings, same)
		if expires == "0" {
			continue
		}
		if o.expires > 0 {
			c.Params = c.Params.With("expires", strconv.Itoa(o.expires))
		}
		if o.gruu != "" && c.Params.Has("+sip.instance") {
			c.Params = append(c.Params, uri.Param{Name: "pub-gruu", Value: o.gruu, Quoted: true},
				uri.Param{Name: "temp-gruu", Value: "sip:tgruu.7hs@info.test;gr", Quoted: true})
		}
		o.bindings = append(o.bindings, c)
	}
	for _, b := range o.bindings {
		lines = append(lines, "Contact: "+b.String())
	}
	return lines
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (o *office) with(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
}

// requests gives those of a method so far, and when they came.
func (o *office) requests(method string) (ms []wireMessage, at []time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, m := range o.seen {
		if strings.HasPrefix(m.text, method+" ") {
			ms, at = append(ms, m), append(at, o.when[i])
		}
	}
	return ms, at
}

func (o *office) count(method string) int {
	ms, _ := o.requests(method)
	return len(ms)
}

// last gives the newest request of a method.
func (o *office) last(method string) wireMessage {
	o.l.t.Helper()
	ms, _ := o.requests(method)
	if len(ms) == 0 {
		o.l.t.Fatalf("no %s came", method)
	}
	return ms[len(ms)-1]
}

func (o *office) bound() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []string
	for _, b := range o.bindings {
		out = append(out, b.URI.String())
	}
	return out
}

func (o *office) pinged() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.pings)
}

const testInstance = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"

// server makes an account of info.test, at targets in tiers of their own.
func (l *lab) server(targets ...string) {
	l.names["info.test"] = nil
	for i, s := range targets {
		proto, addr, _ := strings.Cut(s, " ")
		t := resolve.Target{Transport: proto, Addr: netip.MustParseAddrPort(addr), Tier: i}
		if proto == "tls" {
			t.ServerName = "info.test"
		}
		l.names["info.test"] = append(l.names["info.test"], t)
	}
}

func outboundAccount() AccountConfig {
	c := infoAccount("")
	c.Instance, c.ContactUser = testInstance, "unguessable"
	return c
}

// until waits for a state.
func until(t *testing.T, a *Account, want Registration, limit time.Duration) time.Duration {
	t.Helper()
	start := time.Now()
	for a.State().Registration != want {
		if time.Since(start) > limit {
			t.Fatalf("%v after %v, want %v: %+v", a.State().Registration, limit, want, a.State())
		}
		time.Sleep(ms)
	}
	return time.Since(start)
}
