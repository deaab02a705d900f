package sip

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	// maxRounds bounds the REGISTERs of one attempt: 423 thrice, 439, a redirection, a mapped address and one to spare.
	maxRounds = 8
	// maxIntervals bounds the 423s of one attempt.
	maxIntervals = 3
	// maxRemaps bounds the mapped addresses tried before a NAT that never gives the same one twice is left alone.
	maxRemaps = 4
	// leastFlowTimer and mostFlowTimer bound the keep-alives a server may ask for: neither its wish to drain a battery
	// nor its trust in every NAT on the way is followed.
	leastFlowTimer = 10 * time.Second
	mostFlowTimer  = 15 * time.Minute
	// maxStale bounds the bindings of former lives that are removed at a time.
	maxStale = 4
)

// asks is what a REGISTER asks for beside the binding.
type asks int

const (
	askAll     asks = iota // outbound and a GRUU
	askGRUU                // the first hop lacks outbound (439)
	askNothing             // the registrar stumbles over the parameters
)

// registrant talks to the registrar of one account: REGISTER and what its answers mean. One goroutine at a time.
type registrant struct {
	a        *Account
	d        *dialog // the Call-ID and CSeq of all our REGISTERs (RFC 3261 10.2)
	expires  time.Duration
	asks     asks
	redirect uri.URI // where a 3xx sent us; zero: nowhere

	bound    uri.URI // our Contact at the registrar; zero: none
	outbound bool    // it is bound by instance and reg-id, so that a new Contact replaces it
	seen     seen
	remaps   int
	swept    bool // bindings of former lives have been looked for
}

// seen is the address that a server saw us at from a place.
type seen struct {
	h  hop
	as netip.AddrPort
}

// lease is what a 2xx to REGISTER gave.
type lease struct {
	way       way
	granted   time.Duration
	until     time.Time // set by the registration
	path      bool
	mapped    netip.AddrPort
	flowTimer time.Duration // RFC 5626 4.4: keep-alives at least that often; 0: as usual
}

// state is what the user sees of it.
func (l lease) state() AccountState {
	return AccountState{
		Registration: Registered, Contact: l.way.contact, ExpiresAt: l.until,
		Transport: l.way.target.Transport, Server: l.way.target.Addr, PeerKey: l.way.conn.PeerKey(),
		Outbound: l.way.outbound, Path: l.path, GRUU: l.way.gruu, ServiceRoute: l.way.routes, Mapped: l.mapped,
	}
}

func newRegistrant(a *Account) registrant {
	self := uri.Address{Display: a.cfg.DisplayName, URI: a.cfg.AOR}
	g := registrant{a: a, expires: a.cfg.Expires}
	if a.cfg.Instance == "" {
		g.asks = askNothing
	}
	g.d = newOutgoing(self, self, uri.URI{})
	g.aim()
	return g
}

// aim sets Request-URI and route: those of the account, or where it was redirected to.
func (g *registrant) aim() {
	home := uri.URI{Scheme: g.a.cfg.AOR.Scheme, Host: g.a.cfg.AOR.Host, Port: g.a.cfg.AOR.Port}
	target := home
	if !g.redirect.IsZero() {
		target = uri.URI{Scheme: g.redirect.Scheme, Host: g.redirect.Host, Port: g.redirect.Port}
	}
	var routes []uri.Address
	if p := g.a.cfg.Proxy; p != nil && p.HostPort() != home.HostPort() {
		routes = []uri.Address{{URI: p.WithParam("lr", "")}}
	}
	g.d.mu.Lock()
	defer g.d.mu.Unlock()
	g.d.target, g.d.routes = target, routes
}

// next is where the REGISTER goes.
func (g *registrant) next() uri.URI {
	if g.redirect.IsZero() || g.a.cfg.Proxy != nil {
		return g.a.serverURI()
	}
	return g.redirect
}

// fresh forgets what another network may see differently.
func (g *registrant) fresh() { g.remaps, g.swept = 0, false }

// sent is one REGISTER on its way.
type sent struct {
	contact uri.URI
	h       hop
	asks    asks
}

// register sends REGISTER until it is answered for good.
func (g *registrant) register(ctx context.Context, hurry bool) (lease, error) {
	var l lease
	have, intervals, followed := false, 0, false
	for range maxRounds {
		res, s, err := g.send(ctx, g.expires, hurry)
		if err == nil && res.IsSuccess() {
			have, l = true, g.read(res, s)
			if g.remap(&l, res, s) {
				continue
			}
			g.sweep(ctx, res, s, hurry)
			return l, nil
		}
		switch {
		case ctx.Err() != nil && err != nil:
			return lease{}, err
		case have: // only the better Contact was refused
			return l, nil
		case err == nil && intervals < maxIntervals && g.longer(res):
			intervals++
		case err == nil && g.simpler(res):
		case err == nil && !followed && g.follow(res, s):
			followed = true
		default:
			if !g.redirect.IsZero() {
				g.redirect = uri.URI{} // the next attempt asks at home again
				g.aim()
			}
			return lease{}, final(res, err)
		}
	}
	if have {
		return l, nil
	}
	return lease{}, fmt.Errorf("%w: the registrar never has enough", ErrState)
}

// send sends one REGISTER for our Contact, and removes an older Contact of ours in the same request unless the
// registrar replaces it by itself (RFC 5626 6).
func (g *registrant) send(ctx context.Context, expires time.Duration, hurry bool) (*sipmsg.Response, sent, error) {
	var s sent
	e := exchange{account: g.a, next: g.next(), register: true, hurry: hurry, build: func(h hop) *sipmsg.Request {
		s = sent{contact: g.contact(h), h: h, asks: g.asks}
		req := g.d.request(sipmsg.REGISTER, g.d.nextSeq())
		req.AppendHeader(sipmsg.NewHeader("Contact", g.binding(s.contact, expires, true).String()))
		if !g.bound.IsZero() && !g.bound.Equal(s.contact) && !g.outbound {
			req.AppendHeader(sipmsg.NewHeader("Contact", g.binding(g.bound, 0, false).String()))
		}
		g.dress(req, expires)
		return req
	}}
	res, _, err := g.a.ua.roundTrip(ctx, e)
	return res, s, err
}

// dress adds what every REGISTER has.
func (g *registrant) dress(req *sipmsg.Request, expires time.Duration) {
	req.AppendHeader(sipmsg.NewHeader("Expires", secondsText(expires)))
	req.AppendHeader(sipmsg.NewHeader("Allow", allowed))
	tags := "path" // RFC 3327 5.1
	switch g.asks {
	case askAll:
		tags = "path, outbound, gruu" // RFC 5626 4.2.1, 5627 4.2
	case askGRUU:
		tags = "path, gruu"
	case askNothing:
	}
	req.AppendHeader(sipmsg.NewHeader("Supported", tags))
}

// binding writes a Contact with its parameters.
func (g *registrant) binding(contact uri.URI, expires time.Duration, whole bool) uri.Address {
	c := uri.Address{URI: contact}
	if whole && g.asks != askNothing {
		c.Params = append(c.Params, uri.Param{Name: "+sip.instance", Value: "<" + g.a.cfg.Instance + ">", Quoted: true})
	}
	if whole && g.asks == askAll {
		c.Params = append(c.Params, uri.Param{Name: "reg-id", Value: "1"}) // RFC 5626 4.2: the one flow we have
	}
	c.Params = c.Params.With("expires", secondsText(expires))
	return c
}

// contact is what to register from a hop: our own address, or the one that the server saw there.
func (g *registrant) contact(h hop) uri.URI {
	ob := g.asks == askAll
	if !g.seen.as.IsValid() || g.seen.h.local != h.local || g.seen.h.target.Addr != h.target.Addr ||
		!g.seen.h.conn.Same(h.conn) {
		return g.a.direct(h, ob)
	}
	return g.a.at(g.a.contactUser, g.seen.as, h.target.Transport, ob)
}

// read takes what a 2xx says, which is the whole truth about the binding (RFC 3261 10.3).
func (g *registrant) read(res *sipmsg.Response, s sent) lease {
	listed, _ := g.ours(res, s.contact)
	l := lease{granted: g.granted(res, listed), mapped: mapped(res), path: len(res.GetHeaders("Path")) > 0}
	l.way = way{
		target: s.h.target, conn: s.h.conn, local: s.h.local, contact: s.contact, routes: serviceRoute(res),
		outbound: s.asks == askAll && hasToken(res, "Require", "outbound"), // RFC 5626 4.2.1
	}
	if s.asks != askNothing {
		l.way.gruu = g.a.publicGRUU(listed)
	}
	if d, ok := headerSeconds(res, "Flow-Timer"); ok && l.way.outbound {
		l.flowTimer = min(max(d, leastFlowTimer), mostFlowTimer)
	}
	for _, r := range l.way.routes {
		g.a.learnHomes(r.URI.Host)
	}
	g.bound, g.outbound = s.contact, l.way.outbound
	return l
}

// ours finds our binding in the answer; exact is false when it is only like ours: some registrars list the address
// they saw instead of the one we sent.
func (g *registrant) ours(res *sipmsg.Response, contact uri.URI) (c uri.Address, exact bool) {
	all := bindings(res)
	for _, b := range all {
		if sameBinding(b.URI, contact) {
			return b, true
		}
	}
	for _, b := range all {
		if g.mine(b) {
			return b, false
		}
	}
	return uri.Address{}, false
}

// mine tells whether a binding was made by this account of this program: nobody else knows its user part, or has its
// instance.
func (g *registrant) mine(b uri.Address) bool {
	if b.URI.User == g.a.contactUser {
		return true
	}
	id := strings.Trim(b.Params.Get("+sip.instance"), "<>")
	return g.a.cfg.Instance != "" && strings.EqualFold(id, g.a.cfg.Instance)
}

// bindings reads the Contacts of an answer.
func bindings(res *sipmsg.Response) []uri.Address {
	var out []uri.Address
	for _, h := range res.GetHeaders("Contact") {
		for _, s := range uri.SplitAddresses(h.Value()) {
			if a, err := uri.ParseAddress(s); err == nil && len(out) < 64 {
				out = append(out, a)
			}
		}
	}
	return out
}

// sameBinding compares what a registrar may not change.
func sameBinding(a, b uri.URI) bool {
	port := func(u uri.URI) int {
		if u.Port == 0 {
			return u.DefaultPort()
		}
		return u.Port
	}
	return a.SameUser(b) && port(a) == port(b) && a.Transport() == b.Transport()
}

// granted reads how long the registrar keeps our Contact (RFC 3261 10.2.4).
func (g *registrant) granted(res *sipmsg.Response, listed uri.Address) time.Duration {
	granted := g.expires
	if d, ok := headerSeconds(res, "Expires"); ok {
		granted = d
	}
	if d, ok := seconds(listed.Params.Get("expires")); ok {
		granted = d
	}
	if granted <= 0 || granted > maxExpires {
		granted = g.expires
	}
	return granted
}

// longer obeys a 423 (RFC 3261 10.3).
func (g *registrant) longer(res *sipmsg.Response) bool {
	least, ok := headerSeconds(res, "Min-Expires")
	if res.StatusCode != 423 || !ok || least <= g.expires || least > maxExpires {
		return false
	}
	g.expires = least
	return true
}

// simpler asks for less where that may help: without outbound when the first hop lacks it (RFC 5626 4.2.1, 439),
// without anything when an old registrar stumbles over the parameters.
func (g *registrant) simpler(res *sipmsg.Response) bool {
	switch {
	case res.StatusCode == 439 && g.asks == askAll:
		g.asks = askGRUU
	case (res.StatusCode == 400 || res.StatusCode == 420) && g.asks != askNothing:
		g.asks = askNothing
	default:
		return false
	}
	return true
}

// follow takes a redirection (RFC 3261 8.1.3.4). It came from our own server, whose word is as good here as in a
// challenge, but it does not lead from TLS to something weaker.
func (g *registrant) follow(res *sipmsg.Response, s sent) bool {
	if !res.IsRedirection() {
		return false
	}
	to, ok := contactURI(res)
	if !ok || to.IsZero() {
		return false
	}
	to = uri.URI{Scheme: to.Scheme, Host: to.Host, Port: to.Port, Params: to.Params.Without("method")}
	if s.h.target.Transport == "tls" && !to.Secure() {
		to = to.WithParam("transport", "tls")
	}
	if g.a.cfg.AOR.Secure() {
		to.Scheme = "sips"
	}
	g.redirect = to
	g.a.learnHomes(to.Host)
	g.aim()
	return true
}

// remap decides whether the Contact should have another address than it has, because of a NAT between us and the
// server (see worthMapping), and reports whether to register again.
func (g *registrant) remap(l *lease, res *sipmsg.Response, s sent) bool {
	if l.way.outbound || !l.mapped.IsValid() {
		return false
	}
	if _, exact := g.ours(res, s.contact); !exact {
		return false // the registrar stores its own view, or shows nothing: leave it
	}
	addr, numeric := s.contact.IP()
	if !numeric || g.remaps >= maxRemaps {
		return false
	}
	own := netip.AddrPortFrom(addr, uint16(s.contact.Port)) //nolint:gosec // 1..65535
	if s.h.target.Transport != "udp" && own.Port() == s.h.local.Port() && own.Addr() == l.mapped.Addr() {
		return false // no NAT: the connection's own port differs from the one we listen at
	}
	if !worthMapping(own, l.mapped, s.h.target.Addr) {
		return false
	}
	g.remaps++
	g.seen = seen{h: s.h, as: l.mapped}
	return true
}

// sweep removes what former lives of ours left at the registrar: after a crash, calls would ring where nobody is. Only
// when our own binding is listed as we sent it, or another one may be ours as the server saw it. Once is enough.
func (g *registrant) sweep(ctx context.Context, res *sipmsg.Response, s sent, hurry bool) {
	if _, exact := g.ours(res, s.contact); !exact || g.swept {
		return
	}
	g.swept = true
	var stale []uri.Address
	for _, b := range bindings(res) {
		if g.mine(b) && !sameBinding(b.URI, s.contact) && len(stale) < maxStale {
			b.Params = slices.DeleteFunc(b.Params, func(p uri.Param) bool {
				return !strings.EqualFold(p.Name, "+sip.instance") && !strings.EqualFold(p.Name, "reg-id")
			})
			b.Display, b.Params = "", b.Params.With("expires", "0")
			stale = append(stale, b)
		}
	}
	if len(stale) == 0 {
		return
	}
	e := exchange{account: g.a, next: g.next(), register: true, hurry: hurry, build: func(hop) *sipmsg.Request {
		req := g.d.request(sipmsg.REGISTER, g.d.nextSeq())
		for _, b := range stale {
			req.AppendHeader(sipmsg.NewHeader("Contact", b.String()))
		}
		g.dress(req, 0)
		return req
	}}
	out, _, err := g.a.ua.roundTrip(ctx, e)
	if err = final(out, err); err != nil {
		g.a.ua.log.InfoContext(ctx, "stale bindings stay", "account", g.a.cfg.ID, "err", err)
	}
}

// remove un-registers.
func (g *registrant) remove(ctx context.Context) error {
	if g.bound.IsZero() {
		return nil
	}
	res, _, err := g.send(ctx, 0, true)
	g.bound = uri.URI{}
	return final(res, err)
}

// hasToken looks for an option tag in a list header.
func hasToken(msg sipmsg.Message, name, token string) bool {
	return slices.ContainsFunc(headerList(msg, name), func(v string) bool { return strings.EqualFold(v, token) })
}
