// Package secure encrypts the media of a call: SRTP (RFC 3711) with keys from the signalling (SDES, RFC 4568) or from a
// handshake between the two ends (DTLS-SRTP, RFC 5763 and 5764).
//
// It is for package media. [ParseCrypto], [ParseFingerprint] and [ParseSetup] read what a peer writes into its SDP;
// their String methods write it. With the [Master] keys of both sides known, from a [Crypto] or from an [Association],
// a [Sealer] protects what is sent and an [Opener] checks what comes. Nothing here knows sockets or the state of a
// call. Keys are never printed: a Master shows its suite only.
package secure

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/pion/srtp/v3"
)

// Policy is whether media is encrypted.
type Policy uint8

// The policies.
const (
	Off       Policy = iota // never
	Preferred               // when the peer can (RFC 8643)
	Required                // or no call
)

// Exchange is how keys come about.
type Exchange uint8

// The ways.
const (
	Auto Exchange = iota // SDES where signalling is secured, DTLS too
	SDES
	DTLS
)

// The errors a caller tells apart.
var (
	// ErrSyntax says that an attribute is damaged.
	ErrSyntax = errors.New("invalid attribute")
	// ErrUnsupported says that an attribute is well-formed and asks for what we do not do.
	ErrUnsupported = errors.New("not supported")
	// ErrReused says that a packet would be encrypted with an index that another one had (RFC 3711 9.1).
	ErrReused = errors.New("packet index used before")
	// ErrReplayed says that a packet came a second time, or so late that nobody knows.
	ErrReplayed = errors.New("replayed packet")
	// ErrForged says that a packet is not the peer's, or was damaged on its way.
	ErrForged = errors.New("packet not authentic")
	// ErrFingerprint says that the peer of a handshake is not the one of the signalling.
	ErrFingerprint = errors.New("certificate does not match the fingerprint")
)

// Suite is a cipher of SRTP with its authentication.
type Suite uint8

// The suites. The zero value is none.
const (
	NoSuite      Suite = iota
	AES128GCM          // RFC 7714
	AES256GCM          // RFC 7714
	AES128HMAC80       // RFC 4568 6.2.1; every implementation has it (RFC 4568 6.2, RFC 8643 3)
	AES256HMAC80       // RFC 6188
	AES128HMAC32       // RFC 4568 6.2.2; its short tag is taken when the peer wants it, never offered
	suites       = iota
)

type suite struct {
	name    string // RFC 4568, RFC 6188, RFC 7714
	profile srtp.ProtectionProfile
	key     int // bytes of the master key
	salt    int
	growth  int // bytes a packet of RTP grows by
}

// table of the suites, by Suite.
func (s Suite) table() suite {
	switch s {
	case AES128GCM:
		return suite{"AEAD_AES_128_GCM", srtp.ProtectionProfileAeadAes128Gcm, 16, 12, 16}
	case AES256GCM:
		return suite{"AEAD_AES_256_GCM", srtp.ProtectionProfileAeadAes256Gcm, 32, 12, 16}
	case AES128HMAC80:
		return suite{"AES_CM_128_HMAC_SHA1_80", srtp.ProtectionProfileAes128CmHmacSha1_80, 16, 14, 10}
	case AES256HMAC80:
		return suite{"AES_256_CM_HMAC_SHA1_80", srtp.ProtectionProfileAes256CmHmacSha1_80, 32, 14, 10}
	case AES128HMAC32:
		return suite{"AES_CM_128_HMAC_SHA1_32", srtp.ProtectionProfileAes128CmHmacSha1_32, 16, 14, 4}
	case NoSuite:
	}
	return suite{}
}

// String is the name of the suite in SDP, "" for none.
func (s Suite) String() string { return s.table().name }

// ParseSuite finds a suite by its name in SDP. Names are compared without regard to case (RFC 4568 9.2); the spelling
// AES_CM_256_HMAC_SHA1_80 of old programs is taken too. NoSuite: unknown.
func ParseSuite(name string) Suite {
	if strings.EqualFold(name, "AES_CM_256_HMAC_SHA1_80") {
		return AES256HMAC80
	}
	for s := NoSuite + 1; s < suites; s++ {
		if strings.EqualFold(name, s.String()) {
			return s
		}
	}
	return NoSuite
}

// Offered lists the suites to offer, best first: the one that everybody has stays ahead of AES-256, which is
// slower and no safer for a call, and GCM is first because one pass does both.
func Offered() []Suite { return []Suite{AES128GCM, AES128HMAC80, AES256GCM, AES256HMAC80} }

// Master is what both directions of SRTP and SRTCP derive their keys from (RFC 3711 3.2.1), for one direction.
type Master struct {
	Suite Suite
	MKI   []byte // identifier that packets carry (RFC 3711 3.2.1); nil: none
	key   []byte // and the salt behind it
}

// NewMaster makes a random key.
func NewMaster(s Suite) Master {
	t := s.table()
	key := make([]byte, t.key+t.salt)
	_, _ = rand.Read(key) // never fails (package documentation)
	return Master{Suite: s, key: key}
}

// String shows the suite and keeps the key.
func (m Master) String() string { return "key of " + m.Suite.String() }

// GoString is String: %#v must not print the key either.
func (m Master) GoString() string { return m.String() }

// Same reports whether m and n are the same key. Times do not matter: both are known to whoever asks.
func (m Master) Same(n Master) bool {
	return m.Suite == n.Suite && string(m.key) == string(n.key) && string(m.MKI) == string(n.MKI)
}

// Valid reports whether there is a key.
func (m Master) Valid() bool { return m.Suite != NoSuite && len(m.key) > 0 }

func (m Master) encode() string { return base64.StdEncoding.EncodeToString(m.key) }

// context makes the state of one direction.
func (m Master) context(options ...srtp.ContextOption) (*srtp.Context, error) {
	t := m.Suite.table()
	if len(m.key) != t.key+t.salt || t.key == 0 {
		return nil, fmt.Errorf("srtp key of %d bytes: %w", len(m.key), ErrUnsupported)
	}
	if len(m.MKI) > 0 {
		options = append(options, srtp.MasterKeyIndicator(m.MKI))
	}
	c, err := srtp.CreateContext(m.key[:t.key], m.key[t.key:], t.profile, options...)
	if err != nil {
		return nil, fmt.Errorf("srtp context: %w", err)
	}
	return c, nil
}
