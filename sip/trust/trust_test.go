package trust

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/testca"
)

// shake makes a TLS handshake and gives the client's error.
func shake(t *testing.T, p Policy, name string, cert tls.Certificate) error {
	t.Helper()
	cfg, err := p.Config(name)
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	served := make(chan struct{})
	go func() {
		defer close(served)
		theirs, err := ln.Accept()
		if err != nil {
			return
		}
		s := tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
		_ = s.HandshakeContext(ctx) // the client's side is judged
		_ = theirs.Close()
	}()
	var d tls.Dialer
	d.Config = cfg
	c, err := d.DialContext(ctx, "tcp", ln.Addr().String())
	if err == nil {
		_ = c.Close()
	}
	<-served
	return err
}

func caFile(t *testing.T, ca *testca.Authority) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	ca.Write(file)
	return file
}

func reason(t *testing.T, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("not an *Error: %v", err)
	}
	return e.Reason.String()
}

func TestCertificates(t *testing.T) {
	ca, other := testca.New(t), testca.New(t)
	file := caFile(t, ca)
	good := testca.Leaf{DNS: []string{"example.com"}}
	now := time.Now()
	byCA := Policy{Mode: CA, CAFile: file}
	tests := []struct {
		name   string
		policy Policy
		want   string // server name
		by     *testca.Authority
		leaf   testca.Leaf
		reason string // empty: trusted
	}{
		{"good", byCA, "example.com", ca, good, ""},
		{"letters and dot", byCA, "EXAMPLE.com.", ca, good, ""},
		{"another name", byCA, "example.org", ca, good, "certificate for another name"},
		{"unknown authority", byCA, "example.com", other, good, "unknown authority"},
		{"system does not know it", Policy{}, "example.com", ca, good, "unknown authority"},
		{"self-signed", byCA, "example.com", ca, testca.Leaf{DNS: good.DNS, Self: true}, "unknown authority"},
		{"expired", byCA, "example.com", ca, testca.Leaf{DNS: good.DNS, From: now.Add(-2 * time.Hour), To: now.Add(-time.Hour)}, "certificate is not valid now"},
		{"not yet", byCA, "example.com", ca, testca.Leaf{DNS: good.DNS, From: now.Add(time.Hour)}, "certificate is not valid now"},
		{"common name never counts", byCA, "example.com", ca, testca.Leaf{Common: "example.com", DNS: []string{"x.test"}}, "certificate for another name"},
		{"no name at all", byCA, "example.com", ca, testca.Leaf{}, "certificate for another name"},
		{"for clients", byCA, "example.com", ca, testca.Leaf{DNS: good.DNS, Usages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}, "unfit certificate"},
		{"for SIP domains", byCA, "example.com", ca, testca.Leaf{DNS: good.DNS, Unknown: []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 20}}}, ""},
		{"for something unheard of", byCA, "example.com", ca, testca.Leaf{DNS: good.DNS, Unknown: []asn1.ObjectIdentifier{{1, 3, 6, 1, 4, 1, 9}}}, "unfit certificate"},
		{"SIP URI", byCA, "example.com", ca, testca.Leaf{URIs: []string{"sip:example.com"}}, ""},
		{"SIP URI of another, DNS name fits", byCA, "example.com", ca, testca.Leaf{URIs: []string{"sip:example.org"}, DNS: good.DNS}, "certificate for another name"},
		{"address", byCA, "192.0.2.1", ca, testca.Leaf{IPs: []string{"192.0.2.1"}}, ""},
		{"address of IPv6", byCA, "[2001:db8::1]", ca, testca.Leaf{IPs: []string{"2001:db8::1"}}, ""},
		{"address with zone", byCA, "fe80::1%eth0", ca, testca.Leaf{IPs: []string{"fe80::1"}}, ""},
		{"another address", byCA, "192.0.2.2", ca, testca.Leaf{IPs: []string{"192.0.2.1"}, DNS: []string{"192.0.2.2"}}, "certificate for another name"},
		{"pin at first use", Policy{Mode: Pin}, "example.com", other, testca.Leaf{To: now.Add(-time.Hour), From: now.Add(-2 * time.Hour)}, ""},
		{"another pin", Policy{Mode: Pin, Pin: "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}, "example.com", ca, good, "server key has changed"},
		{"no file", Policy{Mode: CA, CAFile: file + ".none"}, "example.com", ca, good, "file of authorities"},
		{"no file named", Policy{Mode: CA}, "example.com", ca, good, "file of authorities"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := reason(t, shake(t, tt.policy, tt.want, tt.by.Issue(tt.leaf))); got != tt.reason {
				t.Errorf("%q, want %q", got, tt.reason)
			}
		})
	}
}

// What a sentence for the user needs is in the error.
func TestErrorSaysEnough(t *testing.T) {
	ca := testca.New(t)
	cert := ca.Issue(testca.Leaf{DNS: []string{"a.test", "b.test"}})
	err := fmt.Errorf("network failure: %w", shake(t, Policy{Mode: CA, CAFile: caFile(t, ca)}, "c.test", cert))
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Want != "c.test" || !slices.Equal(e.Names, []string{"a.test", "b.test"}) || e.Pin != PinOf(cert.Leaf) ||
		!e.NotAfter.Equal(cert.Leaf.NotAfter) {
		t.Fatalf("%+v", e)
	}
	if !ValidPin(e.Pin) || ValidPin("sha256/AAAA") || ValidPin("") {
		t.Error("the form of pins")
	}
	if err := shake(t, Policy{Mode: Pin, Pin: e.Pin}, "c.test", cert); err != nil {
		t.Errorf("its pin is not taken: %v", err)
	}
}

// A file that is replaced counts from the next handshake on; one without a certificate is an error.
func TestFileIsReplaced(t *testing.T) {
	first, second := testca.New(t), testca.New(t)
	p := Policy{Mode: CA, CAFile: caFile(t, first)}
	cert := second.Issue(testca.Leaf{DNS: []string{"example.com"}})
	if got := reason(t, shake(t, p, "example.com", cert)); got != "unknown authority" {
		t.Fatalf("before: %q", got)
	}
	second.Write(p.CAFile)
	if err := shake(t, p, "example.com", cert); err != nil {
		t.Fatalf("after: %v", err)
	}
	if err := os.WriteFile(p.CAFile, []byte("no PEM"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := reason(t, shake(t, p, "example.com", cert)); got != "file of authorities" {
		t.Fatalf("damaged: %q", got)
	}
}

func TestNames(t *testing.T) {
	tests := []struct {
		name, want string
		dns, uris  []string
		ok         bool
	}{
		{name: "wildcard", want: "sip.example.com", dns: []string{"*.example.com"}, ok: true},
		{name: "not two labels", want: "a.sip.example.com", dns: []string{"*.example.com"}},
		{name: "not the domain itself", want: "example.com", dns: []string{"*.example.com"}},
		{name: "not a whole top domain", want: "example.com", dns: []string{"*.com"}},
		{name: "not within a label", want: "sip.example.com", dns: []string{"s*.example.com"}},
		{name: "only the first label", want: "a.b.example.com", dns: []string{"a.*.example.com"}},
		{name: "never in a SIP URI", want: "sip.example.com", uris: []string{"sip:*.example.com"}},
		{name: "SIP URI with port", want: "example.com", uris: []string{"sip:example.com:5061"}, ok: true},
		{name: "SIP URI with parameter", want: "example.com", uris: []string{"sip:example.com;transport=tls"}, ok: true},
		{name: "upper case scheme", want: "example.com", uris: []string{"SIP:Example.COM"}, ok: true},
		{name: "SIP URI of a person", want: "example.com", uris: []string{"sip:alice@example.com"}},
		{name: "sips", want: "example.com", uris: []string{"sips:example.com"}},
		{name: "https", want: "example.com", uris: []string{"https://example.com"}},
		{name: "a person's beside DNS", want: "example.com", uris: []string{"sip:a@example.org"}, dns: []string{"example.com"}, ok: true},
		{name: "nothing wanted", want: "", dns: []string{"", "."}},
		{name: "NUL", want: "example.com\x00.evil.test", dns: []string{"example.com\x00.evil.test"}},
		{name: "subdomain", want: "sip.example.com", dns: []string{"example.com"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &x509.Certificate{DNSNames: tt.dns}
			for _, s := range tt.uris {
				u, err := url.Parse(s)
				if err != nil {
					t.Fatal(err)
				}
				c.URIs = append(c.URIs, u)
			}
			if got := matches(c, tt.want); got != tt.ok {
				t.Errorf("%v", got)
			}
		})
	}
}

// Peers that speak something else, or nothing, give the reasons for it.
func TestHandshakeError(t *testing.T) {
	plain := HandshakeError(tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"})
	if plain.Reason != Handshake || plain.Err == nil {
		t.Errorf("%v", plain)
	}
	if e := HandshakeError(fmt.Errorf("x: %w", context.DeadlineExceeded)); e.Reason != Silent {
		t.Errorf("%v", e)
	}
	inner := &Error{Reason: PinChanged}
	if e := HandshakeError(fmt.Errorf("x: %w", inner)); e != inner {
		t.Errorf("%v", e)
	}
	for r := Handshake; r <= Silent; r++ {
		if r.String() == "unknown" || (&Error{Reason: r}).Error() == "" {
			t.Errorf("reason %d has no name", r)
		}
	}
}
