package sip

import (
	"net/netip"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/shield"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// messageSummary is the one event of which servers tell unasked (RFC 3842 allows it by configuration).
const messageSummary = "message-summary"

// UnsolicitedNotify is a NOTIFY that no subscription asked for, from the account's own server.
type UnsolicitedNotify struct {
	Account     *Account
	From        uri.Address
	Event       string // "message-summary"
	ContentType string
	Body        []byte
	Remote      netip.AddrPort
}

// unsolicited takes a NOTIFY outside dialogs. Runs on a socket's reader.
func (u *UA) unsolicited(in *inbound) {
	event := eventName(headerValue(in.req, "Event", "o"))
	if event != messageSummary || in.account == nil || in.origin != FromServer {
		u.answer(in, 481) // RFC 6665 4.1.3
		return
	}
	n := UnsolicitedNotify{
		Account: in.account, From: party(in.req, "From"), Event: event,
		ContentType: headerValue(in.req, "Content-Type"),
		Body:        in.req.Body(), Remote: in.remote,
	}
	u.wg.Go(func() {
		code := u.cfg.Handler.IncomingNotify(n)
		if code < 200 || code > 699 {
			code = 500
		}
		u.answer(in, code)
	})
}

// Origin tells where the INVITE of an incoming call came from, as the shield saw it. A call of ours counts as
// FromTrusted: the user has chosen whom to call.
func (c *Call) Origin() Origin {
	if c.in == nil {
		return FromTrusted
	}
	return c.in.origin
}

// Suspect is a request that came past the account's server, yet to an address that only the server should know.
type Suspect struct {
	Account *Account
	From    uri.Address // what it says of itself
	Method  string      // INVITE, MESSAGE, SUBSCRIBE, …
	Remote  netip.AddrPort
}

// suspect tells the application, at the rate that Admit keeps.
func (g *guard) suspect(in *inbound) {
	switch in.req.Method {
	case sipmsg.INVITE, sipmsg.MESSAGE, sipmsg.SUBSCRIBE:
	default:
		return
	}
	if in.account == nil || !in.account.cfg.Register {
		return // a user name on the LAN is no secret
	}
	now := time.Now()
	if !g.take(in.remote.Addr().Unmap(), "told", shield.Rate{Burst: 2, PerSecond: 1.0 / 60}, now) ||
		!g.takeOfAll("told", shield.Rate{Burst: 6, PerSecond: 0.1}, now) {
		return
	}
	s := Suspect{Account: in.account, From: party(in.req, "From"), Method: string(in.req.Method), Remote: in.remote}
	g.u.wg.Go(func() { g.u.cfg.Handler.Suspect(s) })
}
