package sip

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/trust"
)

const (
	// silentLimit is how long a target may stay silent while there is another one to try. Four
	// retransmissions have gone by then (0.5, 1.5, 3.5 s).
	silentLimit = 4 * time.Second
	// familyLimit is silentLimit when the next target is of the other family of addresses: one of them is often
	// announced and led nowhere (RFC 6555 1), and the two are mostly one server.
	familyLimit = 1500 * time.Millisecond
	// dialLimit bounds the opening of a connection while there is another target. The second SYN has gone after 1 s.
	dialLimit = 3 * time.Second
	// badFor is how long a target that failed is tried last; it doubles with each failure, to badForMost. RFC 3263 4.3
	// leaves the time to us.
	badFor     = time.Minute
	badForMost = 32 * time.Minute
	// unavailableMost bounds what a 503 may ask for.
	unavailableMost = time.Hour
	// maxRemembered bounds the memory of bad targets.
	maxRemembered = 256
)

// targets resolves where an exchange goes, in the order to try. Those that failed lately come last. Before all others
// comes the one that the exchange belongs to: a dialog stays with the server it was made by, and what an account
// sends goes by the server it is registered at, so that only the REGISTER ever pays for a dead one. A REGISTER that
// refreshes goes back to the first server of the DNS when that has had its time, but never changes between equal ones;
// one that is in a hurry (a move, a lost flow) goes where it was.
func (u *UA) targets(ctx context.Context, e exchange) ([]resolve.Target, error) {
	own := e.account.ownServer(e.next)
	home := way{}
	if e.account != nil {
		home = e.account.present()
	}
	want := ""
	if own && e.next.Transport() == "" {
		want = e.account.cfg.Transport
		_, numeric := e.next.IP()
		if want == "" && !e.register && (numeric || home.target.Transport == "tls") {
			want = home.target.Transport // the DNS has chosen once; a way home never leads out of TLS
		}
	}
	ts, err := u.cfg.Resolver.Lookup(ctx, e.next, want)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTransport, err)
	}
	if own {
		e.account.learnServers(ts)
	}
	ts = slices.Clone(ts)
	home.replace(ts, e, own)
	mine, anyTier := resolve.Target{}, true
	switch {
	case e.inDialog:
		mine = e.d.stays()
	case e.register:
		mine, anyTier = home.target, e.hurry
	case own:
		mine = home.target
	}
	first := func(t resolve.Target) int { // lower is earlier
		switch {
		case t.Addr != mine.Addr:
			return 2
		case t.Transport != mine.Transport: // a large request may have gone by TCP (RFC 3261 18.1.1)
			return 1
		}
		return 0
	}
	slices.SortStableFunc(ts, func(a, b resolve.Target) int {
		order := u.bad.until(a).Compare(u.bad.until(b))
		if order == 0 && anyTier {
			order = first(a) - first(b)
		}
		return cmp.Or(order, cmp.Compare(a.Tier, b.Tier), first(a)-first(b))
	})
	return ts, nil
}

// replace puts the target of the registration where its address turns up: a route such as <sip:192.0.2.1;lr> names
// no transport, and a numeric one over TLS has no name that a certificate could be for. The connection that is there
// has shown whose it is.
func (w way) replace(ts []resolve.Target, e exchange, own bool) {
	_, numeric := e.next.IP()
	if !own && !numeric || e.next.Secure() && w.target.Transport != "tls" {
		return
	}
	for i, t := range ts {
		if t.Addr != w.target.Addr {
			continue
		}
		if t.Transport == w.target.Transport || numeric && e.next.Transport() == "" && !e.register {
			tier := t.Tier
			ts[i] = w.target
			ts[i].Tier = tier
		}
	}
}

// stays gives the server that a dialog was made by; the zero Target when none has answered yet.
func (d *dialog) stays() resolve.Target {
	if d == nil {
		return resolve.Target{}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.server
}

// stay remembers the server that answered for a dialog.
func (d *dialog) stay(t resolve.Target) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.server = t
}

// patience is how long the i-th target may stay silent; 0: to the end of the transaction, because it is the last.
func (u *UA) patience(ts []resolve.Target, i int) time.Duration {
	switch {
	case i == len(ts)-1:
		return 0
	case ts[i].Addr.Addr().Is4() != ts[i+1].Addr.Addr().Is4() && !u.bad.known(ts[i]):
		return familyLimit // only once: a server that is slow, not dead, gets its time at the next attempt
	}
	return silentLimit
}

// blame remembers a target that did not do its work. A 503 to something else than a REGISTER, and without
// Retry-After, may be about the callee: it sends this request on, no more (RFC 3261 21.5.4).
func (u *UA) blame(e exchange, t resolve.Target, res *sipmsg.Response) {
	if res == nil {
		u.bad.fail(t)
		if a := e.account; a != nil && !e.register && a.present().target.Addr == t.Addr {
			changed(a.reg.doubt) // calls come by there: make sure of it, or move to another server
		}
		return
	}
	after, ok := headerSeconds(res, "Retry-After")
	switch {
	case ok && after > 0:
		u.bad.mark(t, min(after, unavailableMost))
	case e.register:
		u.bad.fail(t)
	}
}

// weaker tells whether going on to t would drop TLS because of a certificate: whoever forged it would get just what
// he wants. A server that has no TLS, or does not answer there, is another matter (RFC 3263 4.3).
func weaker(err error, t resolve.Target) bool {
	e, ok := errors.AsType[*trust.Error](err)
	return ok && t.Transport != "tls" && e.Reason != trust.Handshake && e.Reason != trust.Silent
}

// badTargets remembers targets that failed, and addresses that refuse TCP.
type badTargets struct {
	mu sync.Mutex
	m  map[string]badTarget
}

type badTarget struct {
	until time.Time
	fails int // in a row
}

func targetKey(t resolve.Target) string { return t.Transport + " " + t.Addr.String() }

// fail counts a failure.
func (b *badTargets) fail(t resolve.Target) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.m[targetKey(t)].fails
	b.put(t, badTarget{until: time.Now().Add(min(badFor<<min(n, 10), badForMost)), fails: n + 1})
}

// mark puts a target last for a given time.
func (b *badTargets) mark(t resolve.Target, d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.put(t, badTarget{until: time.Now().Add(d), fails: b.m[targetKey(t)].fails})
}

// put is fail and mark with b.mu held.
func (b *badTargets) put(t resolve.Target, v badTarget) {
	if len(b.m) >= maxRemembered {
		clear(b.m) // forgetting costs a retry, no more
	}
	b.m[targetKey(t)] = v
}

// until gives when a target has had its time; the zero time when it is not bad.
func (b *badTargets) until(t resolve.Target) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := b.m[targetKey(t)]
	if !time.Now().Before(v.until) {
		return time.Time{}
	}
	return v.until
}

// has tells whether a target is bad now, known whether it failed when it was last tried.
func (b *badTargets) has(t resolve.Target) bool { return !b.until(t).IsZero() }

func (b *badTargets) known(t resolve.Target) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.m[targetKey(t)]
	return ok
}

// good forgets the failures of a target that answered.
func (b *badTargets) good(t resolve.Target) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.m, targetKey(t))
}

// forget begins anew: another network, another judgement.
func (b *badTargets) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.m)
}
