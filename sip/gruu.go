package sip

import (
	"context"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// gruuPatience bounds the proof of a GRUU: two round trips and a challenge.
const gruuPatience = 10 * time.Second

// probes are the requests on their way to ourselves.
type probes struct {
	mu sync.Mutex
	m  map[dialogKey]bool // true: it has come
}

func (p *probes) add(k dialogKey) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.m) >= maxAccounts {
		return false
	}
	if p.m == nil {
		p.m = map[dialogKey]bool{}
	}
	p.m[k] = false
	return true
}

// came notes that a probe has come; false when it is none.
func (p *probes) came(k dialogKey) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.m[k]; !ok {
		return false
	}
	p.m[k] = true
	return true
}

// take ends a probe and tells whether it has come.
func (p *probes) take(k dialogKey) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer delete(p.m, k)
	return p.m[k]
}

// prove finds out whether a GRUU leads here (RFC 5627 3.1). It asks as a peer would whose dialog has no route set: with
// a To tag, to the GRUU alone. Only if that OPTIONS arrives here is the GRUU given to others as our Contact.
func (a *Account) prove(ctx context.Context, gruu uri.URI) {
	self := uri.Address{Display: a.cfg.DisplayName, URI: a.cfg.AOR}
	d := newOutgoing(self, self, gruu)
	d.remoteTag = newTag()
	k := dialogKey{d.callID, d.remoteTag}
	if !a.ua.probes.add(k) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, gruuPatience)
	defer cancel()
	_, _, err := a.ua.roundTrip(ctx, exchange{account: a, next: gruu, build: func(hop) *sipmsg.Request {
		return d.request(sipmsg.OPTIONS, d.nextSeq())
	}})
	proven := a.ua.probes.take(k)
	a.ua.log.DebugContext(ctx, "GRUU tried", "account", a.cfg.ID, "proven", proven, "err", err)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.way.gruu.Equal(gruu) {
		a.way.proven = proven
	}
}
