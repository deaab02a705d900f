// Package testca is a certificate authority for tests, made anew in each run. Order of calls: New, then Issue for each
// server; Write puts the authority's certificate where the code under test reads it.
package testca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"testing"
	"time"
)

// Authority signs certificates.
type Authority struct {
	t    testing.TB
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// Leaf says what a certificate is like. The zero value is good for a day around now and for nobody.
type Leaf struct {
	DNS      []string
	URIs     []string // such as "sip:example.com"
	IPs      []string
	Common   string // common name
	From, To time.Time
	Key      *ecdsa.PrivateKey       // nil: a new one
	Usages   []x509.ExtKeyUsage      // nil: of a server
	Unknown  []asn1.ObjectIdentifier // usages that crypto/x509 does not know
	Self     bool                    // signed by itself
}

// New makes an authority. Failures end the test.
func New(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{t: t, key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: serial(t), Subject: pkix.Name{CommonName: "Test authority"},
		NotBefore: time.Now().Add(-240 * time.Hour), NotAfter: time.Now().Add(240 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = sign(t, template, template, a.key, a.key)
	return a
}

// Issue makes a certificate with its key.
func (a *Authority) Issue(l Leaf) tls.Certificate {
	a.t.Helper()
	if l.From.IsZero() {
		l.From = time.Now().Add(-12 * time.Hour)
	}
	if l.To.IsZero() {
		l.To = time.Now().Add(12 * time.Hour)
	}
	if l.Key == nil {
		l.Key = newKey(a.t)
	}
	if l.Usages == nil && l.Unknown == nil {
		l.Usages = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	}
	template := &x509.Certificate{
		SerialNumber: serial(a.t), Subject: pkix.Name{CommonName: l.Common}, NotBefore: l.From, NotAfter: l.To,
		DNSNames: l.DNS, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: l.Usages, UnknownExtKeyUsage: l.Unknown,
	}
	for _, s := range l.URIs {
		u, err := url.Parse(s)
		if err != nil {
			a.t.Fatal(err)
		}
		template.URIs = append(template.URIs, u)
	}
	for _, s := range l.IPs {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(s))
	}
	parent, by := a.cert, a.key
	if l.Self {
		parent, by = template, l.Key
	}
	leaf := sign(a.t, template, parent, l.Key, by)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: l.Key, Leaf: leaf}
}

// Write writes the authority's certificate as PEM.
func (a *Authority) Write(file string) {
	a.t.Helper()
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	if err := os.WriteFile(file, data, 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// Pool gives the authority as a set of roots.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func serial(t testing.TB) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func sign(t testing.TB, template, parent *x509.Certificate, of, by *ecdsa.PrivateKey) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &of.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}
