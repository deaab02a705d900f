package digest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
)

// maxEntries bounds the cache: a phone has a handful of accounts, each with a registrar and a proxy or two. The
// entry that was not used for the longest time makes room.
const maxEntries = 128

// Cache remembers challenges per key and realm and counts the uses of each nonce. The zero value is ready; it
// is safe for concurrent use. The key names the account and the next hop, and says whether it was a 401 or a
// 407: see Key.
type Cache struct {
	mu      sync.Mutex
	entries []*entry // least recently used first
}

type entry struct {
	key    string
	ch     Challenge
	cnonce string // one per nonce: RFC 7616 3.4.2 ties a -sess key to it
	uses   uint32
}

// Key makes a cache key of an account, a next hop ("proxy.info.test:5060") and the kind of the challenge: true for
// Proxy-Authenticate (407), false for WWW-Authenticate (401).
func Key(account, nextHop string, proxy bool) string {
	kind := "www"
	if proxy {
		kind = "proxy"
	}
	return kind + "|" + account + "|" + strings.ToLower(nextHop)
}

// Challenge stores the best challenge of every realm in the header values of one 401 or 407. It returns an
// error wrapping ErrUnsupported when none can be answered.
func (c *Cache) Challenge(key string, headers []string) error {
	chosen := best(ParseChallenges(headers))
	if len(chosen) == 0 {
		return fmt.Errorf("read challenge: %w", ErrUnsupported)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, ch := range chosen {
		if i := c.find(key, ch.Realm); i >= 0 {
			if c.entries[i].ch.Nonce == ch.Nonce { // the same nonce again: its count must go on (RFC 7616 3.4)
				c.entries[i].ch = ch
				c.touch(i)
				continue
			}
			c.entries = slices.Delete(c.entries, i, i+1)
		}
		if len(c.entries) >= maxEntries {
			c.entries = slices.Delete(c.entries, 0, 1)
		}
		c.entries = append(c.entries, &entry{key: key, ch: ch, cnonce: newCNonce()})
	}
	return nil
}

// Rejected reports whether a 401 or 407 means that the user name or password is wrong: the refused request
// answered a fresh challenge (sent is its Authorization value, "" for none) and the server does not call the
// nonce stale. When it is false, Challenge and one more try are due. Call it before Challenge.
func (c *Cache) Rejected(key, sent string, headers []string) bool {
	cred, err := ParseCredentials(sent)
	if err != nil {
		return false
	}
	for _, ch := range ParseChallenges(headers) {
		if ch.Realm == cred.Realm && ch.Stale {
			return false
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := c.find(key, cred.Realm); i >= 0 && c.entries[i].ch.Nonce == cred.Nonce {
		return c.entries[i].uses <= 1
	}
	return cred.NC <= 1
}

// Authorize gives the Authorization or Proxy-Authorization value for a request, from the newest challenge of
// the key; ok is false when there is none yet. uri is the Request-URI as it goes on the wire. Each call uses up
// one nonce count.
func (c *Cache) Authorize(key, method, uri, user, password string, body []byte) (header string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, v := range slices.Backward(c.entries) {
		if v.key == key {
			return c.authorize(i, method, uri, user, password, body), true
		}
	}
	return "", false
}

// AuthorizeRealm is Authorize for one realm: a request that crossed two proxies needs a header for each (RFC
// 3261 22.3).
func (c *Cache) AuthorizeRealm(key, realm, method, uri, user, password string, body []byte) (header string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := c.find(key, realm)
	if i < 0 {
		return "", false
	}
	return c.authorize(i, method, uri, user, password, body), true
}

// Realms lists the realms known for a key, newest first. A caller compares them with its account before it
// answers, so that a stranger's challenge gets no digest of the password.
func (c *Cache) Realms(key string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, v := range slices.Backward(c.entries) {
		if v.key == key {
			out = append(out, v.ch.Realm)
		}
	}
	return out
}

// Info takes the Authentication-Info value of a success: its nextnonce replaces the nonce of the newest
// challenge of the key (RFC 7616 3.5), which saves the round trip of a stale one.
func (c *Cache) Info(key, header string) {
	sections, err := parseSections("Digest "+header, maxHeader) // Authentication-Info has no scheme
	if err != nil || len(sections) == 0 {
		return
	}
	next := sections[0].get("nextnonce")
	if next == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, v := range slices.Backward(c.entries) {
		if e := v; e.key == key {
			if e.ch.Nonce != next {
				e.ch.Nonce, e.uses, e.cnonce = next, 0, newCNonce()
			}
			return
		}
	}
}

// Forget drops what is known for a key, for instance when the password of an account changes.
func (c *Cache) Forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries = slices.DeleteFunc(c.entries, func(e *entry) bool { return e.key == key })
}

func (c *Cache) authorize(i int, method, uri, user, password string, body []byte) string {
	e := c.entries[i]
	if e.uses == math.MaxUint32 { // never in a phone's life; nc has 8 hex digits
		e.uses = 0
	}
	e.uses++
	qop, _ := e.ch.qop()
	a, _ := algorithmOf(e.ch.Algorithm)
	cred := Credentials{
		Username: user, Realm: e.ch.Realm, Nonce: e.ch.Nonce, URI: uri,
		Algorithm: e.ch.Algorithm, Opaque: e.ch.Opaque, QOP: qop,
	}
	if qop != "" {
		cred.NC = e.uses
	}
	if qop != "" || a.session {
		cred.CNonce = e.cnonce
	}
	cred.Response, _ = cred.expected(method, password, body)
	c.touch(i)
	return cred.String()
}

func (c *Cache) find(key, realm string) int {
	return slices.IndexFunc(c.entries, func(e *entry) bool { return e.key == key && e.ch.Realm == realm })
}

// touch makes an entry the most recently used.
func (c *Cache) touch(i int) {
	e := c.entries[i]
	c.entries = append(slices.Delete(c.entries, i, i+1), e)
}

// newCNonce has 128 bits: enough that no two ever meet (RFC 7616 5.2).
func newCNonce() string {
	var b [12]byte         // 96 bits; short, because an INVITE should fit a datagram
	_, _ = rand.Read(b[:]) // crypto/rand.Read never fails (Go 1.24)
	return hex.EncodeToString(b[:])
}
