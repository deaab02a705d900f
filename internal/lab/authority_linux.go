package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// certificateLife is how long the lab's certificates count; labs live for minutes.
const certificateLife = 24 * time.Hour

// authority is the certificate authority of one lab. Nobody trusts it but who is told to.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	dir  string
}

// AuthorityFile is the PEM file of the lab's certificate authority, for `--ca-file`.
func (l *Lab) AuthorityFile() string { return filepath.Join(l.Core().dir("tls"), "ca.pem") }

func newAuthority(dir string) (*authority, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make certificate authority: %w", err)
	}
	a := &authority{dir: dir}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "lab authority"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	var err error
	a.key, a.cert, err = a.issue("ca", ca, nil)
	return a, err
}

// issue writes NAME.pem and NAME.key, signed by parent, or by itself when that is nil.
func (a *authority) issue(
	name string, c *x509.Certificate, parent *authority,
) (*ecdsa.PrivateKey, *x509.Certificate, error) {
	fail := func(err error) (*ecdsa.PrivateKey, *x509.Certificate, error) {
		return nil, nil, fmt.Errorf("make certificate %s: %w", name, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fail(err)
	}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(certificateLife)
	signer, by := key, c
	if parent != nil {
		signer, by = parent.key, parent.cert
	}
	der, err := x509.CreateCertificate(rand.Reader, c, by, &key.PublicKey, signer)
	if err != nil {
		return fail(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fail(err)
	}
	for file, block := range map[string]*pem.Block{
		name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: secret},
	} {
		if err = os.WriteFile(filepath.Join(a.dir, file), pem.EncodeToMemory(block), 0o644); err != nil {
			return fail(err)
		}
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		return fail(err)
	}
	return key, made, nil
}

// server makes the certificate of a SIP server: its domain (RFC 5922 7.1) and the name of its host.
func (a *authority) server(domain string) (certificate, key string, err error) {
	c := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: domain},
		DNSNames: []string{domain, "sip." + domain}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if _, _, err := a.issue(domain, c, a); err != nil {
		return "", "", err
	}
	return filepath.Join(a.dir, domain+".pem"), filepath.Join(a.dir, domain+".key"), nil
}
