package sip

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/transport"
	"github.com/peregrine-softphone/peregrine/sip/trust"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	// maxAuthTries: one for the challenge, one for a stale nonce, one for a second realm on the way.
	maxAuthTries = 3
	// pathMTULimit is the largest request sent over UDP when the path MTU is unknown (RFC 3261 18.1.1).
	pathMTULimit = 1300
	// sessionLimit is the same of an INVITE and of all requests inside a dialog: what fits an Ethernet frame with
	// IPv6 and UDP headers. RFC 3261 leaves 200 bytes for responses that outgrow their request; these have neither
	// credentials nor Allow and are smaller. It serves whoever calls by a server without TCP, and hand-offs: an
	// INVITE with keys and credentials has some 1,400 bytes, would wait for a connection, and move the dialog's
	// Contact to it.
	sessionLimit = 1500 - 40 - 8
	// upgradeTimeout bounds the try to send a large request by TCP.
	upgradeTimeout = 1500 * time.Millisecond
	// noTCPFor is how long an address that has no TCP is not asked for it again: with a firewall that is silent each
	// asking keeps the user waiting for upgradeTimeout.
	noTCPFor = 12 * time.Hour
)

// exchange is a request of ours before its way is known. Via and Contact depend on the way, so the
// request is built anew for each attempt.
type exchange struct {
	account  *Account
	next     uri.URI // where it goes: the first route, or the Request-URI
	d        *dialog // of requests inside one, so that they stay with its server; may be nil
	inDialog bool
	register bool
	hurry    bool // of a REGISTER: to the present server first, whatever the DNS prefers
	// limit bounds the silence of the present target; 0: to the end of the transaction.
	limit time.Duration
	// build makes the request with a fresh CSeq, without Via and credentials. Runs on the caller's goroutine.
	build func(h hop) *sipmsg.Request
}

// datagramLimit is the largest form of a request that goes by UDP, in bytes.
func datagramLimit(e exchange, req *sipmsg.Request) int {
	if e.inDialog || req.IsInvite() {
		return sessionLimit
	}
	return pathMTULimit
}

// hop is a way out of this computer.
type hop struct {
	target resolve.Target
	conn   transport.Conn
	local  netip.AddrPort // our address as the target sees it without a NAT: for Via and Contact
}

// hop opens the way to a target for an account, which may be nil.
func (u *UA) hop(ctx context.Context, a *Account, t resolve.Target) (hop, error) {
	src, err := u.cfg.Network.Source(t.Addr)
	if err != nil {
		return hop{}, fmt.Errorf("%w: %w", ErrTransport, err)
	}
	var policy trust.Policy
	if a != nil {
		policy = a.cfg.Trust
	}
	conn, err := u.tp.Path(ctx, t, policy)
	if err != nil {
		return hop{}, err
	}
	return hop{target: t, conn: conn, local: netip.AddrPortFrom(src.Unmap(), u.tp.Port())}, nil
}

// start sends an exchange to one target.
func (u *UA) start(ctx context.Context, e exchange, t resolve.Target) (*clientTx, hop, error) {
	dial := ctx
	if e.limit > 0 {
		var cancel context.CancelFunc
		dial, cancel = context.WithTimeout(ctx, min(e.limit, dialLimit))
		defer cancel()
	}
	h, err := u.hop(dial, e.account, t)
	if err != nil {
		return nil, h, err
	}
	req := u.complete(e, h)
	if t.Transport == "udp" && len(req.String()) > datagramLimit(e, req) {
		if h2, ok := u.upgrade(ctx, e.account, t); ok { // RFC 3261 18.1.1
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
func (u *UA) upgrade(ctx context.Context, a *Account, t resolve.Target) (hop, bool) {
	t.Transport = "tcp"
	if u.bad.has(t) {
		return hop{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, upgradeTimeout)
	defer cancel()
	h, err := u.hop(ctx, a, t)
	if err != nil {
		u.log.DebugContext(ctx, "no TCP for a large request", "remote", t.Addr, "err", err)
		u.bad.mark(t, noTCPFor)
		return hop{}, false
	}
	return h, true
}

// complete builds a request for a hop: Via, credentials and the rest.
func (u *UA) complete(e exchange, h hop) *sipmsg.Request {
	req := e.build(h)
	hideKeys(req, h)
	if req.Body() == nil {
		req.SetBody(nil) // Content-Length: 0, which streams need
	}
	e.account.identify(e, req)
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
		if weaker(lastErr, t) {
			continue
		}
		e.limit = u.patience(ts, i)
		res, h, err := u.tryTarget(ctx, e, t)
		if err == nil && res.StatusCode != 503 {
			return res, h, nil
		}
		lastRes, lastHop, lastErr = res, h, err
		if ctx.Err() != nil {
			break
		}
		u.blame(e, t, res) // RFC 3263 4.3
		u.log.DebugContext(ctx, "target failed", "target", targetKey(t), "err", err)
	}
	if lastErr != nil {
		lastRes = nil
	}
	return lastRes, lastHop, lastErr
}

// tryTarget is roundTrip with one target, whose silence e.limit bounds.
func (u *UA) tryTarget(ctx context.Context, e exchange, t resolve.Target) (*sipmsg.Response, hop, error) {
	begun := time.Now()
	for try := 1; ; try++ {
		tx, h, err := u.start(ctx, e, t)
		if err != nil {
			return nil, h, err
		}
		limit := e.limit
		if limit > 0 && try == 1 { // dialling counts
			limit = max(limit-time.Since(begun), familyLimit)
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
