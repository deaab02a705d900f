package secure

import (
	"crypto"
	_ "crypto/sha1" //nolint:gosec // RFC 8122 5: some peers write it; see Match.
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/hex"
	"fmt"
	"strings"
)

// Fingerprint is an a=fingerprint line: the hash of a certificate (RFC 8122 5).
type Fingerprint struct {
	Hash crypto.Hash
	Sum  string // bytes of the hash
}

// hashes are those we read, best last. MD5 and MD2 must not be used (RFC 8122 5).
func hashes() []crypto.Hash {
	return []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.SHA384, crypto.SHA512}
}

func hashName(h crypto.Hash) string { return strings.ToLower(h.String()) }

// NewFingerprint is the fingerprint that we write of a certificate in DER.
func NewFingerprint(certificate []byte) Fingerprint { return sum(crypto.SHA256, certificate) }

func sum(h crypto.Hash, certificate []byte) Fingerprint {
	w := h.New()
	_, _ = w.Write(certificate) // never fails (hash.Hash)
	return Fingerprint{h, string(w.Sum(nil))}
}

// String is the value of the attribute.
func (f Fingerprint) String() string {
	if f.Sum == "" {
		return ""
	}
	var b strings.Builder
	b.WriteString(hashName(f.Hash) + " ")
	for i := range len(f.Sum) {
		if i > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%02X", f.Sum[i])
	}
	return b.String()
}

// ParseFingerprint reads the value of a=fingerprint. A hash that we do not have is ErrUnsupported.
func ParseFingerprint(value string) (Fingerprint, error) {
	name, text, ok := strings.Cut(strings.TrimSpace(value), " ")
	if !ok {
		return Fingerprint{}, fmt.Errorf("fingerprint: %w", ErrSyntax)
	}
	for _, h := range hashes() {
		if !strings.EqualFold(name, hashName(h)) {
			continue
		}
		text = strings.TrimSpace(text)
		if len(text) != 3*h.Size()-1 {
			return Fingerprint{}, fmt.Errorf("fingerprint: %w", ErrSyntax)
		}
		for i := 2; i < len(text); i += 3 {
			if text[i] != ':' {
				return Fingerprint{}, fmt.Errorf("fingerprint: %w", ErrSyntax)
			}
		}
		// Either case, though RFC 8122 5 wants the upper.
		raw, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
		if err != nil || len(raw) != h.Size() {
			return Fingerprint{}, fmt.Errorf("fingerprint: %w", ErrSyntax)
		}
		return Fingerprint{h, string(raw)}, nil
	}
	return Fingerprint{}, fmt.Errorf("fingerprint by %.20q: %w", name, ErrUnsupported)
}

// Match checks a certificate against the fingerprints of a description. Of several hashes the best one counts
// (RFC 8122 5), so that a weak one beside it opens no door; of several with that hash any will do.
func Match(list []Fingerprint, certificate []byte) error {
	for i := len(hashes()) - 1; i >= 0; i-- {
		h, seen := hashes()[i], false
		for _, f := range list {
			if f.Hash != h {
				continue
			}
			seen = true
			if f == sum(h, certificate) {
				return nil
			}
		}
		if seen {
			return ErrFingerprint
		}
	}
	return ErrFingerprint
}

// Setup is who begins the handshake (RFC 4145 4).
type Setup uint8

// The values of a=setup. The zero value is none.
const (
	NoSetup Setup = iota
	ActPass
	Active
	Passive
	HoldConn
)

// String is the value of the attribute, "" for none.
func (s Setup) String() string {
	return [...]string{NoSetup: "", ActPass: "actpass", Active: "active", Passive: "passive", HoldConn: "holdconn"}[s]
}

// ParseSetup reads the value of a=setup; what is unknown is NoSetup.
func ParseSetup(value string) Setup {
	for s := ActPass; s <= HoldConn; s++ {
		if strings.EqualFold(strings.TrimSpace(value), s.String()) {
			return s
		}
	}
	return NoSetup
}
