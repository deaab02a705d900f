package secure

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"
)

// Certificate is what we show in handshakes: nobody vouches for it, its fingerprint in the signalling does (RFC 5763
// 5). It is safe for concurrent use.
type Certificate struct {
	tls         tls.Certificate
	fingerprint Fingerprint
}

// NewCertificate makes a key on P-256 and a certificate without a name: one for each run of the program, so that calls
// of different days cannot be brought together (RFC 5763 7.2, 8.3).
func NewCertificate() (*Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("media certificate: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("media certificate: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), // RFC 5280 4.1.2.2: positive
		Subject:      pkix.Name{CommonName: "SRTP"},
		// A day of clocks that differ, and a year, since a program may run on.
		NotBefore: now.Add(-24 * time.Hour), NotAfter: now.Add(365 * 24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("media certificate: %w", err)
	}
	return &Certificate{
		tls:         tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		fingerprint: NewFingerprint(der),
	}, nil
}

// Fingerprint is what to write into SDP.
func (c *Certificate) Fingerprint() Fingerprint { return c.fingerprint }
