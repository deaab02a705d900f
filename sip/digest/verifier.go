package digest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// The ways in which Verify refuses; test with errors.Is. ErrNoDigest and ErrMalformed come from reading the header.
var (
	ErrStale = errors.New("nonce expired or used twice")
	ErrWrong = errors.New("wrong user name or password")
)

const (
	defaultLifetime = 5 * time.Minute
	// maxNonces bounds the replay records. Only a correct password makes one, so strangers cannot fill it.
	maxNonces = 4096
	// ncWindow is how far behind the highest count a request may arrive: UDP turns the order of requests around.
	ncWindow = 64
)

// VerifierConfig sets up a Verifier.
type VerifierConfig struct {
	Realm      string        // required
	Algorithms []string      // offered in this order; default SHA-256, MD5 (RFC 8760 2.6: best first)
	Lifetime   time.Duration // of a nonce; default 5 minutes
}

// Verifier is the server's side. Its nonces carry their time of issue under an HMAC, so that challenges cost no
// memory; only nonces that a right password has used are remembered, for the check of nonce counts. Safe for
// concurrent use.
type Verifier struct {
	cfg    VerifierConfig
	secret [32]byte

	mu    sync.Mutex
	used  map[string]*usage
	floor time.Time // nonces issued up to here without a record may have lost it: they count as stale
}

type usage struct {
	issued  time.Time
	highest uint32
	seen    uint64 // bit i: count highest-i was used
}

// NewVerifier checks the configuration and makes a secret of its own: nonces do not outlive the process.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	if cfg.Realm == "" {
		return nil, errors.New("new digest verifier: no realm")
	}
	if len(cfg.Algorithms) == 0 {
		cfg.Algorithms = []string{"SHA-256", "MD5"}
	}
	for _, a := range cfg.Algorithms {
		if _, ok := algorithmOf(a); !ok {
			return nil, fmt.Errorf("new digest verifier: unknown algorithm %q", a)
		}
	}
	if cfg.Lifetime <= 0 {
		cfg.Lifetime = defaultLifetime
	}
	v := &Verifier{cfg: cfg, used: make(map[string]*usage)}
	_, _ = rand.Read(v.secret[:]) // crypto/rand.Read never fails (Go 1.24)
	return v, nil
}

// Challenges gives the header values of a 401 or 407, one per algorithm, best first (RFC 8760 2.3).
func (v *Verifier) Challenges(stale bool) []string {
	nonce := v.newNonce(time.Now())
	out := make([]string, 0, len(v.cfg.Algorithms))
	for _, a := range v.cfg.Algorithms {
		c := Challenge{Realm: v.cfg.Realm, Nonce: nonce, Algorithm: a, QOP: []string{"auth"}, Stale: stale}
		out = append(out, c.String())
	}
	return out
}

// Verify checks an Authorization or Proxy-Authorization value and gives the user it proves. passwordFor says
// the password of a user, or that there is none. The errors are ErrNoDigest, ErrMalformed, ErrStale and
// ErrWrong.
//
// The uri parameter is taken as it stands and not compared with the Request-URI (RFC 7616 3.4.6 would refuse a
// difference): proxies between a phone and this server rewrite the Request-URI, and phones spell it anew.
func (v *Verifier) Verify(
	header, method string, body []byte, passwordFor func(user, realm string) (string, bool),
) (string, error) {
	cred, err := ParseCredentials(header)
	if err != nil {
		return "", err
	}
	if cred.Realm != v.cfg.Realm || !v.offered(cred.Algorithm) {
		return "", ErrWrong
	}
	issued, ok := v.issuedAt(cred.Nonce)
	if !ok || time.Since(issued) > v.cfg.Lifetime {
		return "", ErrStale
	}
	password, known := passwordFor(cred.Username, cred.Realm)
	want, ok := cred.expected(method, password, body)
	if !ok {
		return "", ErrMalformed
	}
	// The digest is compared for unknown users too, so that the time of the answer does not tell who exists.
	if subtle.ConstantTimeCompare([]byte(want), []byte(cred.Response)) != 1 || !known {
		return "", ErrWrong
	}
	nc := cred.NC
	if cred.QOP == "" {
		nc = 1 // RFC 2069 has no count: such a nonce serves once
	}
	if !v.use(cred.Nonce, issued, nc) {
		return "", ErrStale
	}
	return cred.Username, nil
}

func (v *Verifier) offered(name string) bool {
	a, ok := algorithmOf(name)
	if !ok {
		return false
	}
	for _, o := range v.cfg.Algorithms {
		if b, _ := algorithmOf(o); a.name == b.name && a.session == b.session {
			return true
		}
	}
	return false
}

// use records one nonce count and reports whether it is new.
func (v *Verifier) use(nonce string, issued time.Time, nc uint32) bool {
	if nc == 0 {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	u := v.used[nonce]
	if u == nil {
		if !issued.After(v.floor) {
			return false
		}
		v.makeRoom()
		v.used[nonce] = &usage{issued: issued, highest: nc, seen: 1}
		return true
	}
	if nc > u.highest {
		u.seen = u.seen<<min(nc-u.highest, 64) | 1
		u.highest = nc
		return true
	}
	behind := u.highest - nc
	if behind >= ncWindow || u.seen&(1<<behind) != 0 {
		return false
	}
	u.seen |= 1 << behind
	return true
}

// makeRoom drops expired records and, when that is not enough, the oldest one; the floor then keeps its nonce
// from serving again.
func (v *Verifier) makeRoom() {
	if len(v.used) < maxNonces {
		return
	}
	var oldest string
	for n, u := range v.used {
		if time.Since(u.issued) > v.cfg.Lifetime {
			delete(v.used, n)
			continue
		}
		if oldest == "" || u.issued.Before(v.used[oldest].issued) {
			oldest = n
		}
	}
	if len(v.used) < maxNonces {
		return
	}
	v.floor = v.used[oldest].issued
	delete(v.used, oldest)
}

// A nonce is base64url(time of issue in ns, 8 | random, 8 | HMAC-SHA-256 of both, first 16 bytes).
const (
	nonceBody = 16
	nonceMAC  = 16
)

func (v *Verifier) newNonce(now time.Time) string {
	b := make([]byte, nonceBody, nonceBody+nonceMAC)
	binary.BigEndian.PutUint64(b, uint64(now.UnixNano()))
	_, _ = rand.Read(b[8:])
	return base64.RawURLEncoding.EncodeToString(append(b, v.mac(b)...))
}

func (v *Verifier) issuedAt(nonce string) (time.Time, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(b) != nonceBody+nonceMAC || !hmac.Equal(b[nonceBody:], v.mac(b[:nonceBody])) {
		return time.Time{}, false
	}
	return time.Unix(0, int64(binary.BigEndian.Uint64(b))), true //nolint:gosec // our own, under its MAC
}

func (v *Verifier) mac(b []byte) []byte {
	h := hmac.New(sha256.New, v.secret[:])
	h.Write(b)
	return h.Sum(nil)[:nonceMAC]
}
