package sip

import (
	"crypto/rand"
	"net/netip"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/syntax"
)

// refuseRate bounds the answers to requests nobody can parse, per second: enough for a peer under repair,
// too few for us to be of use to somebody who forges sources.
const refuseRate = 20

// refusals counts the answers of the present second.
type refusals struct {
	mu     sync.Mutex
	second int64
	sent   int
	key    []byte // of this run, for the tags of the answers
}

// secret makes the key when it is needed first.
func (r *refusals) secret() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.key == nil {
		r.key = make([]byte, 16)
		_, _ = rand.Read(r.key) // never fails (crypto/rand)
	}
	return r.key
}

func (r *refusals) allow(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := now.Unix(); s != r.second {
		r.second, r.sent = s, 0
	}
	r.sent++
	return r.sent <= refuseRate
}

// malformed makes the stateless answer to a request that the parser refused, and says where it goes over UDP.
func (u *UA) malformed(raw []byte, remote netip.AddrPort) (answer []byte, to netip.AddrPort) {
	v := syntax.Check(raw)
	if v.OK() { // but not for sipgo
		v.Code, v.Reason = 400, "Bad Request"
	}
	r, ok := syntax.Refuse(raw, v, remote, u.refusals.secret())
	if !ok || !u.refusals.allow(time.Now()) {
		return nil, to
	}
	return r.Answer, netip.AddrPortFrom(remote.Addr(), r.Port)
}
