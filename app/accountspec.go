package app

import (
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// parseAccount reads the address of an account. That of a LAN account is a name alone.
func parseAccount(kind AccountKind, address string) (uri.URI, error) {
	if kind == AccountLAN {
		name := strings.TrimPrefix(address, "sip:")
		if i := strings.IndexByte(name, '@'); i >= 0 {
			name = name[:i]
		}
		u, err := uri.Parse("sip:" + name + "@lan.invalid")
		if name == "" || err != nil {
			return uri.URI{}, &UserError{
				Sentence: "Choose a name of letters and digits; others call you by it.",
				Err:      err,
			}
		}
		u.Host = ""
		return u, nil
	}
	u, err := uri.FromUser(address, "")
	if err != nil {
		return uri.URI{}, &UserError{Sentence: err.Error(), Err: err}
	}
	if u.User == "" {
		return uri.URI{}, userErrorf("The address needs a name and a domain, like alice@example.org.")
	}
	return u.AOR(), nil
}

// newAccount makes an account of what the user said of it; the error is a sentence for him.
func newAccount(spec AccountSpec) (*account, error) {
	if spec.Kind == "" {
		spec.Kind = AccountSIP
	}
	aor, err := parseAccount(spec.Kind, spec.Address)
	if err != nil {
		return nil, err
	}
	if err := checkSpec(&spec, aor); err != nil {
		return nil, err
	}
	if spec.PasswordStore == "" {
		spec.PasswordStore = StoreKeyring
	}
	address := aor.String()
	if spec.Kind == AccountLAN {
		address = "sip:" + aor.User
	}
	return &account{aor: aor, entry: accountEntry{
		Address: address, Kind: spec.Kind, DisplayName: spec.DisplayName, AuthUser: spec.AuthUser,
		Proxy: spec.Proxy, Transport: spec.Transport, PasswordStore: spec.PasswordStore,
		ContactUser: strings.ToLower(rand.Text()), Instance: newInstance(), Codecs: spec.Codecs,
		Identity: spec.Identity, Verify: spec.Verify, CAFile: spec.CAFile, MediaPolicy: spec.MediaPolicy,
	}}, nil
}

// checkSpec says in a sentence what is wrong with the details of an account, and completes them.
func checkSpec(spec *AccountSpec, aor uri.URI) error {
	if !slices.Contains([]string{"", "udp", "tcp", "tls"}, spec.Transport) {
		return userErrorf("The transport can be udp, tcp or tls, not %q.", spec.Transport)
	}
	if aor.Scheme == "sips" && spec.Transport != "" && spec.Transport != "tls" {
		return userErrorf("An address with sips: goes by TLS only. Leave the transport away, or write sip:.")
	}
	if spec.Proxy != "" {
		if _, err := parseProxy(spec.Proxy); err != nil {
			return err
		}
	}
	if spec.Codecs != "" && len(namedCodecs(spec.Codecs)) == 0 {
		return userErrorf("None of the codecs in %q is known here. The command `get codecs` shows some.", spec.Codecs)
	}
	if spec.Identity != "" {
		u, err := uri.FromUser(spec.Identity, aor.Host)
		if err != nil {
			return &UserError{Sentence: err.Error(), Err: err}
		}
		spec.Identity = u.AOR().String()
	}
	if err := checkMedia(spec.MediaPolicy); err != nil {
		return err
	}
	return checkVerify(spec)
}

// checkVerify looks after the certificate part of an account.
func checkVerify(spec *AccountSpec) error {
	if spec.Verify == "" && spec.CAFile != "" {
		spec.Verify = VerifyCA
	}
	switch spec.Verify {
	case "", VerifySystem, VerifyPin:
		spec.CAFile = ""
	case VerifyCA:
		if spec.CAFile == "" {
			return userErrorf("Say which file holds the certificate of the authority to trust.")
		}
		path, err := filepath.Abs(spec.CAFile)
		if err != nil {
			return problem(err, "The certificate file %s cannot be found.", spec.CAFile)
		}
		spec.CAFile = path
		pem, err := os.ReadFile(path)
		if err != nil {
			return problem(err, "The certificate file %s cannot be read.", path)
		}
		if !x509.NewCertPool().AppendCertsFromPEM(pem) {
			return userErrorf("%s holds no certificate. It should be a PEM file, with BEGIN CERTIFICATE in it.", path)
		}
	default:
		return userErrorf("A server's certificate can be verified by system, ca or pin, not %q.", string(spec.Verify))
	}
	return nil
}

// newInstance makes a name for this installation that a registrar can tell from others (RFC 5626 4.1).
func newInstance() string {
	var b [16]byte
	_, _ = rand.Read(b[:])                      // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // RFC 9562 5.4: version 4, variant 10
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// parseProxy reads a proxy as people write it: host, host:port, or a SIP URI.
func parseProxy(s string) (uri.URI, error) {
	if !strings.HasPrefix(s, "sip:") && !strings.HasPrefix(s, "sips:") {
		s = "sip:" + s
	}
	u, err := uri.Parse(s)
	if err != nil {
		return uri.URI{}, &UserError{
			Sentence: fmt.Sprintf(
				"%q is not the address of a server. Write it like sip.example.org or 192.0.2.1:5060.",
				s,
			),
			Err: err,
		}
	}
	return u, nil
}
