package sip

import (
	"net/netip"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/digest"
	"github.com/peregrine-softphone/peregrine/sip/resolve"
)

const (
	// maxServers bounds the addresses of own servers: two families of a dozen SRV targets.
	maxServers = 32
	maxRealms  = 8
)

func (a *Account) authUser() string {
	if a.cfg.AuthUser != "" {
		return a.cfg.AuthUser
	}
	return a.cfg.AOR.User
}

// authKey names the challenges an exchange may meet at a server. A registrar asks for REGISTER what a proxy at the
// same place asks for calls by another header: sending both in every request would cost 300 bytes, and push a
// re-INVITE over the limit of UDP.
func (a *Account) authKey(e exchange, h hop, proxy bool) string {
	id := a.cfg.ID
	if e.register {
		id += "|register"
	}
	return digest.Key(id, h.target.Addr.Addr().String(), proxy)
}

// IsServer tells whether an address is one of the account's own servers: of those its server's name, its way home
// (RFC 3608) or a redirection of its registrar resolved to.
func (a *Account) IsServer(addr netip.Addr) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	_, own := a.servers[addr.Unmap()]
	return own
}

// FromFlow tells whether a request came over the flow that the account is registered by: the same connection, or
// datagrams from the very address and port that the REGISTER went to.
func (a *Account) FromFlow(in *inbound) bool {
	w := a.present()
	return w.conn != nil && in.conn != nil && in.conn.Same(w.conn)
}

// learnServers remembers the addresses of own servers; the oldest make room.
func (a *Account) learnServers(ts []resolve.Target) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Now()
	for _, t := range ts {
		a.servers[t.Addr.Addr().Unmap()] = now
	}
	for len(a.servers) > maxServers {
		var oldest netip.Addr
		for addr, at := range a.servers {
			if !oldest.IsValid() || at.Before(a.servers[oldest]) {
				oldest = addr
			}
		}
		delete(a.servers, oldest)
	}
}

func (a *Account) learnRealms(chs []digest.Challenge) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, ch := range chs {
		if len(a.realms) < maxRealms {
			a.realms[strings.ToLower(ch.Realm)] = true
		}
	}
}

// mayAnswer is the digest-leak guard: the next hop must be an address of the account's own server, and the realm one
// that the registrar used, the domain itself or, before any is known, whatever that server asks for outside a dialog.
// The transport has made sure that the challenge came from the address the request went to, or over its connection;
// over TLS that address has also shown its certificate. Own servers are all those of the account's name, so a
// failover keeps its credentials, and those that the registrar named (homes), which has to be inside the account's
// domain, or to have proven itself by TLS, to send us to strangers (see redirect).
func (a *Account) mayAnswer(realm string, h hop, e exchange) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, own := a.servers[h.target.Addr.Addr().Unmap()]; !own {
		return false
	}
	if e.register || a.realms[strings.ToLower(realm)] || sameHost(realm, a.cfg.AOR.Host) {
		return true
	}
	return len(a.realms) == 0 && !e.inDialog
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

// challenged takes the final response to a request. It reports whether a second try has a chance: after a 401 or 407
// that we may answer. A challenge for a realm or from a next hop that is not the account's own is left alone: a digest
// computed for a stranger lets him search for the password at leisure (the SIP digest leak).
func (u *UA) challenged(e exchange, req *sipmsg.Request, h hop, res *sipmsg.Response) bool {
	if res.StatusCode != 503 {
		u.bad.good(h.target)
		if e.inDialog || res.IsSuccess() {
			e.d.stay(h.target)
		}
	}
	a := e.account
	if a == nil || a.cfg.Password == "" {
		return false
	}
	var name string
	switch {
	case res.StatusCode == 401:
		name = "WWW-Authenticate"
	case res.StatusCode == 407:
		name = "Proxy-Authenticate"
	case res.IsSuccess():
		u.nextNonce(e, h, res)
		return false
	default:
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

// nextNonce takes the nonce that an own server wants to see next (RFC 7616 3.5, RFC 3261 20.6). A server that gives
// one with each answer would else answer every second request with a stale nonce.
func (u *UA) nextNonce(e exchange, h hop, res *sipmsg.Response) {
	if !e.account.IsServer(h.target.Addr.Addr()) {
		return
	}
	if v := headerValue(res, "Authentication-Info"); v != "" {
		u.auth.Info(e.account.authKey(e, h, false), v)
	}
	if v := headerValue(res, "Proxy-Authentication-Info"); v != "" {
		u.auth.Info(e.account.authKey(e, h, true), v)
	}
}
