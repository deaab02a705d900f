// Package trust judges the certificates of TLS servers for one account: by the authorities of the system, by a file
// of the user's own authorities, or by the key itself. Package sip puts a Policy into an account, package
// sip/transport asks it for the configuration of each connection, and whoever shows errors reads Error.
//
// Names are those of RFC 5922: the domain of the SIP URI, not the host that a SRV record named.
package trust

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
)

// Mode says who vouches for a server.
type Mode int

// The modes of a Policy.
const (
	System Mode = iota // the authorities this computer trusts
	CA                 // those of a file alone
	Pin                // nobody: the server's key is known, or taken at first use
)

func (m Mode) String() string {
	switch m {
	case System:
		return "system"
	case CA:
		return "ca"
	case Pin:
		return "pin"
	}
	return "unknown"
}

// Policy says when a server is the right one. The zero value asks the system's authorities. Policies are comparable:
// connections are shared among equal ones only.
type Policy struct {
	Mode   Mode
	CAFile string // PEM, of mode CA; read at each handshake, so a file that is replaced counts at once
	// Pin is "sha256/" and the base64 of the SHA-256 of the server's SubjectPublicKeyInfo, of mode Pin: neither name
	// nor dates nor authorities count then. Empty: the first key is taken; who made the Policy should then keep the key
	// the server has shown (transport.Conn.PeerKey) as its Pin.
	Pin string
}

// pinPrefix names the hash, as in RFC 7469 2.1.1.
const pinPrefix = "sha256/"

// maxCAFile bounds a file of authorities: the ones of all browsers together are 250 kB.
const maxCAFile = 4 << 20

// Config makes the TLS configuration for a connection to a server that must be serverName, a domain or an IP
// address. The judgement is made in every handshake, a resumed one too. The error is an *Error with reason BadCAFile.
func (p Policy) Config(serverName string) (*tls.Config, error) {
	var roots *x509.CertPool
	if p.Mode == CA {
		var err error
		if roots, err = readCAs(p.CAFile); err != nil {
			return nil, &Error{Reason: BadCAFile, Err: err}
		}
	}
	name := strings.Trim(serverName, "[]")
	if i := strings.IndexByte(name, '%'); i >= 0 {
		name = name[:i] // no certificate knows the zones of this computer
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS12, // RFC 8996
		ServerName: name,
		// The judgement is ours because that of crypto/tls knows DNS names only; it is made all the same.
		InsecureSkipVerify: true, //nolint:gosec // see VerifyConnection
		VerifyConnection: func(cs tls.ConnectionState) error {
			return p.judge(cs.PeerCertificates, roots, name, time.Now())
		},
	}, nil
}

// readCAs reads a PEM file of authorities.
func readCAs(file string) (*x509.CertPool, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("open authorities: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, maxCAFile))
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("read authorities: no certificate in %s", file)
	}
	return pool, nil
}

// judge decides whether the certificates a server has shown are those of name. nil roots are the system's.
func (p Policy) judge(chain []*x509.Certificate, roots *x509.CertPool, name string, now time.Time) error {
	if len(chain) == 0 {
		return &Error{Reason: NoCertificate}
	}
	leaf := chain[0]
	e := &Error{Names: Names(leaf), Pin: PinOf(leaf), NotAfter: leaf.NotAfter, NotBefore: leaf.NotBefore}
	if p.Mode == Pin {
		if p.Pin != "" && p.Pin != e.Pin {
			e.Reason = PinChanged
			return e
		}
		return nil
	}
	if p.Mode == CA && roots == nil {
		e.Reason = BadCAFile
		return e
	}
	opts := x509.VerifyOptions{
		Roots: roots, Intermediates: x509.NewCertPool(), CurrentTime: now,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if isForSIP(leaf) {
		opts.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageAny}
	}
	for _, c := range chain[1:] {
		opts.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(opts); err != nil {
		e.Reason, e.Err = reasonOf(err), err
		return e
	}
	if !matches(leaf, name) {
		e.Reason, e.Want = WrongName, name
		return e
	}
	return nil
}

// isForSIP knows the extended key usage id-kp-sipDomain (RFC 5924 4), which crypto/x509 does not.
func isForSIP(c *x509.Certificate) bool {
	sipDomain := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 20}
	return slices.ContainsFunc(c.UnknownExtKeyUsage, sipDomain.Equal)
}

func reasonOf(err error) Reason {
	var unknown x509.UnknownAuthorityError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &unknown):
		return UnknownAuthority
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return Expired // or not valid yet: the clock of this computer may be the reason
	}
	return BadCertificate
}

// PinOf gives the pin of a certificate's key, in the form of Policy.Pin.
func PinOf(c *x509.Certificate) string {
	sum := sha256.Sum256(c.RawSubjectPublicKeyInfo)
	return pinPrefix + base64.StdEncoding.EncodeToString(sum[:])
}

// ValidPin tells whether s has the form of a pin.
func ValidPin(s string) bool {
	hash, found := strings.CutPrefix(s, pinPrefix)
	sum, err := base64.StdEncoding.DecodeString(hash)
	return found && err == nil && len(sum) == sha256.Size
}

// HandshakeError makes the *Error of a TLS handshake that failed: the judgement, if there was one, else Handshake, or
// Silent when the time was over.
func HandshakeError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return &Error{Reason: Silent, Err: err}
	}
	return &Error{Reason: Handshake, Err: err}
}
