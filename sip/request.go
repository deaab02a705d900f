package sip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/digest"
	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/transport"
	"github.com/peregrine-softphone/peregrine/sip/trust"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	// maxAuthTries: one for the challenge, one for a stale nonce, one for a second realm on the way.
	maxAuthTries = 3
	// silentLimit is how long a target may stay silent while there is another one to try. Four
	// retransmissions have gone by then (0.5, 1.5, 3.5 s).
	silentLimit = 4 * time.Second
	// pathMTULimit is the largest request sent over UDP when the path MTU is unknown (RFC 3261 18.1.1).
	pathMTULimit = 1300
	// badFor is how long a target that failed is tried last.
	badFor = time.Minute
	// upgradeTimeout bounds the try to send a large request by TCP.
	upgradeTimeout = 1500 * time.Millisecond
	// maxRemembered bounds the memory of bad targets.
	maxRemembered = 256
)

// exchange is a request of ours before its way is known. Via and Contact depend on the way, so the
// request is built anew for each attempt.
type exchange struct {
	account  *Account
	next     uri.URI // where it goes: the first route, or the Request-URI
	inDialog bool
	register bool
	// build makes the request with a fresh CSeq, without Via and credentials. Runs on the caller's goroutine.
	build func(h hop) *sipmsg.Request
}

// hop is a way out of this computer.
type hop struct {
	target resolve.Target
	conn   transport.Conn
	local  netip.AddrPort // our address as the target sees it without a NAT: for Via and Contact
}

// targets resolves where an exchange goes, those that failed lately last.
func (u *UA) targets(ctx context.Context, e exchange) ([]resolve.Target, error) {
	want := ""
	if e.account.ownServer(e.next) {
		want = e.account.cfg.Transport
	}
	if e.next.Transport() != "" {
		want = ""
	}
	ts, err := u.cfg.Resolver.Lookup(ctx, e.next, want)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrTransport, err)
	}
	if e.account.ownServer(e.next) {
		e.account.learnServers(ts)
	}
	ts = slices.Clone(ts)
	slices.SortStableFunc(ts, func(a, b resolve.Target) int { return u.bad.rank(a) - u.bad.rank(b) })
	return ts, nil
}

// badTargets remembers targets that failed, for badFor, and addresses that refuse TCP.
type badTargets struct {
	mu sync.Mutex
	m  map[string]time.Time
}

func (b *badTargets) mark(key string, d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.m) >= maxRemembered {
		clear(b.m) // forgetting costs a retry, no more
	}
	b.m[key] = time.Now().Add(d)
}

func (b *badTargets) has(key string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	until, ok := b.m[key]
	if ok && time.Now().After(until) {
		delete(b.m, key)
		return false
	}
	return ok
}

func (b *badTargets) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.m)
}

func (b *badTargets) rank(t resolve.Target) int {
	if b.has(targetKey(t)) {
		return 1
	}
	return 0
}

func targetKey(t resolve.Target) string { return t.Transport + " " + t.Addr.String() }

// hop opens the way to a target.
func (u *UA) hop(ctx context.Context, t resolve.Target) (hop, error) {
	src, err := u.cfg.Network.Source(t.Addr)
	if err != nil {
		return hop{}, fmt.Errorf("%w: %w", ErrTransport, err)
	}
	conn, err := u.tp.Path(ctx, t, trust.Policy{})
	if err != nil {
		return hop{}, err
	}
	return hop{target: t, conn: conn, local: netip.AddrPortFrom(src.Unmap(), u.tp.Port())}, nil
}

// start sends an exchange to one target.
func (u *UA) start(ctx context.Context, e exchange, t resolve.Target) (*clientTx, hop, error) {
	h, err := u.hop(ctx, t)
	if err != nil {
		return nil, h, err
	}
	req := u.complete(e, h)
	if t.Transport == "udp" && len(req.String()) > pathMTULimit {
		if h2, ok := u.upgrade(ctx, t); ok { // RFC 3261 18.1.1
			h, req = h2, u.complete(e, h2)
		}
	}
	u.guard.spoke(req, h.target)
	tx, err := u.tx.start(req, h.conn)
	if err != nil {
		return nil, h, err
	}
	return tx, h, nil
}

// upgrade finds a TCP way for a request too large for UDP; without one it goes by UDP all the same, for
// peers that have no TCP.
func (u *UA) upgrade(ctx context.Context, t resolve.Target) (hop, bool) {
	t.Transport = "tcp"
	if u.bad.has(targetKey(t)) {
		return hop{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, upgradeTimeout)
	defer cancel()
	h, err := u.hop(ctx, t)
	if err != nil {
		u.log.DebugContext(ctx, "no TCP for a large request", "remote", t.Addr, "err", err)
		u.bad.mark(targetKey(t), 10*badFor)
		return hop{}, false
	}
	return h, true
}

// complete builds a request for a hop: Via, credentials and the rest.
func (u *UA) complete(e exchange, h hop) *sipmsg.Request {
	req := e.build(h)
	if req.Body() == nil {
		req.SetBody(nil) // Content-Length: 0, which streams need
	}
	u.stamp(req, h)
	u.authorize(e, req, h)
	return req
}

// stamp addresses a request to a hop.
func (u *UA) stamp(req *sipmsg.Request, h hop) {
	proto := strings.ToUpper(h.target.Transport)
	via := &sipmsg.ViaHeader{
		ProtocolName: "SIP", ProtocolVersion: "2.0", Transport: proto,
		Host: h.local.Addr().WithZone("").String(), Port: int(h.local.Port()),
	}
	via.Params.Add("branch", sipmsg.RFC3261BranchMagicCookie+newToken(10))
	via.Params.Add("rport", "") // RFC 3581
	req.PrependHeader(via)
	if u.cfg.UserAgent != "" {
		req.AppendHeader(sipmsg.NewHeader("User-Agent", cleanText(u.cfg.UserAgent)))
	}
	req.SetTransport(proto)
	req.SetDestination(h.target.Addr.String())
}

// roundTrip sends a request other than INVITE and returns its final response, whatever the code.
// It answers challenges and goes on to the next target when one is silent, unreachable or sends 503.
func (u *UA) roundTrip(ctx context.Context, e exchange) (*sipmsg.Response, hop, error) {
	ts, err := u.targets(ctx, e)
	if err != nil {
		return nil, hop{}, err
	}
	var lastRes *sipmsg.Response
	var lastHop hop
	lastErr := fmt.Errorf("%w: no address for %s", ErrTransport, e.next.HostPort())
	for i, t := range ts {
		limit := time.Duration(0)
		if i < len(ts)-1 {
			limit = silentLimit
		}
		res, h, err := u.tryTarget(ctx, e, t, limit)
		if err == nil && res.StatusCode != 503 {
			return res, h, nil
		}
		lastRes, lastHop, lastErr = res, h, err
		if ctx.Err() != nil {
			break
		}
		u.bad.mark(targetKey(t), badFor) // RFC 3263 4.3
		u.log.DebugContext(ctx, "target failed", "target", targetKey(t), "err", err)
	}
	if lastErr != nil {
		lastRes = nil
	}
	return lastRes, lastHop, lastErr
}

// tryTarget is roundTrip with one target. A limit above 0 bounds its silence.
func (u *UA) tryTarget(
	ctx context.Context, e exchange, t resolve.Target, limit time.Duration,
) (*sipmsg.Response, hop, error) {
	for try := 1; ; try++ {
		tx, h, err := u.start(ctx, e, t)
		if err != nil {
			return nil, h, err
		}
		res, err := u.await(ctx, tx, limit)
		tx.Terminate()
		if err != nil {
			return nil, h, err
		}
		if try < maxAuthTries && u.challenged(e, tx.req, h, res) {
			continue
		}
		return res, h, nil
	}
}

// await waits for the final response of a transaction other than INVITE.
func (u *UA) await(ctx context.Context, tx *clientTx, limit time.Duration) (*sipmsg.Response, error) {
	var silence <-chan time.Time
	if limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		silence = timer.C
	}
	for {
		select {
		case res := <-tx.Responses():
			if !res.IsProvisional() {
				return res, nil
			}
			silence = nil
		case <-tx.Done():
			return nil, tx.failure()
		case <-tx.broken():
			return nil, fmt.Errorf("%w: connection lost", ErrTransport)
		case <-silence:
			return nil, fmt.Errorf("%w from %s", ErrNoAnswer, tx.req.Destination())
		case <-ctx.Done():
			if err := context.Cause(ctx); !errors.Is(err, context.DeadlineExceeded) {
				return nil, err
			}
			return nil, fmt.Errorf("%w from %s: %w", ErrNoAnswer, tx.req.Destination(), context.DeadlineExceeded)
		}
	}
}

// broken is closed when the connection under the transaction is; nil for UDP.
func (c *clientTx) broken() <-chan struct{} {
	return c.conn.Broken()
}

// authorize adds credentials for challenges seen before: that saves a round trip (RFC 3261 22.3).
func (u *UA) authorize(e exchange, req *sipmsg.Request, h hop) {
	a := e.account
	if a == nil || a.cfg.Password == "" {
		return
	}
	for _, proxy := range []bool{false, true} {
		key := a.authKey(e, h, proxy)
		for _, realm := range u.auth.Realms(key) {
			if !a.mayAnswer(realm, h, e) {
				continue
			}
			value, ok := u.auth.AuthorizeRealm(key, realm, string(req.Method), req.Recipient.String(),
				a.authUser(), a.cfg.Password, req.Body())
			if ok {
				req.AppendHeader(sipmsg.NewHeader(authHeader(proxy), value))
			}
		}
	}
}

func authHeader(proxy bool) string {
	if proxy {
		return "Proxy-Authorization"
	}
	return "Authorization"
}

// challenged takes a 401 or 407 and reports whether a second try has a chance. A challenge for a realm
// or from a next hop that is not the account's own is left alone: a digest computed for a stranger lets
// him search for the password at leisure (the SIP digest leak).
func (u *UA) challenged(e exchange, req *sipmsg.Request, h hop, res *sipmsg.Response) bool {
	a := e.account
	var name string
	switch res.StatusCode {
	case 401:
		name = "WWW-Authenticate"
	case 407:
		name = "Proxy-Authenticate"
	default:
		return false
	}
	if a == nil || a.cfg.Password == "" {
		return false
	}
	proxy := res.StatusCode == 407
	var values []string
	for _, hd := range res.GetHeaders(name) {
		for _, ch := range digest.ParseChallenges([]string{hd.Value()}) {
			if a.mayAnswer(ch.Realm, h, e) {
				values = append(values, hd.Value())
				break
			}
			u.log.Warn("challenge of a stranger left unanswered",
				"account", a.cfg.ID, "realm", ch.Realm, "remote", h.target.Addr)
		}
	}
	key := a.authKey(e, h, proxy)
	for _, sent := range req.GetHeaders(authHeader(proxy)) {
		if u.auth.Rejected(key, sent.Value(), values) {
			return false
		}
	}
	if len(values) == 0 || u.auth.Challenge(key, values) != nil {
		return false
	}
	if e.register {
		a.learnRealms(digest.ParseChallenges(values))
	}
	return true
}

// final turns a final response into an error unless it is 2xx.
func final(res *sipmsg.Response, err error) error {
	switch {
	case err != nil:
		return err
	case res == nil:
		return ErrTransport
	case res.IsSuccess():
		return nil
	default:
		return statusError(res)
	}
}
