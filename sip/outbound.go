package sip

import (
	"net/netip"
	"slices"
	"strings"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/transport"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	// maxServiceRoutes bounds the way home; 3GPP networks have one or two hops.
	maxServiceRoutes = 8
	// maxHomes bounds the names of own servers beside the one that is configured.
	maxHomes = 8
)

// way is the one a registration took. While it stands, what an account sends and gives as its address follows it.
type way struct {
	target   resolve.Target
	conn     transport.Conn
	local    netip.AddrPort // our address toward target, as hop.local
	contact  uri.URI        // as it stands at the registrar
	outbound bool
	gruu     uri.URI
	proven   bool          // a request inside a dialog reaches us by gruu
	routes   []uri.Address // Service-Route
}

// leads tells whether a hop goes by this way, from the address it was made from.
func (w way) leads(h hop) bool {
	if w.conn == nil || h.conn == nil || w.target.Transport != h.target.Transport ||
		w.local.Addr() != h.local.Addr() {
		return false
	}
	if w.target.Transport == "udp" {
		return w.target.Addr == h.target.Addr
	}
	return h.conn.Same(w.conn)
}

// present gives the way of the registration that stands; the zero way when none does.
func (a *Account) present() way {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.way
}

// take makes w the way that everything follows from now on; the zero way ends that.
func (a *Account) take(w way) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.way = w
}

// outgoing begins a dialog, or a request outside one, toward a party.
func (a *Account) outgoing(to uri.URI) *dialog {
	remote := to
	remote.Headers, remote.Params = "", nil
	d := newOutgoing(uri.Address{Display: a.cfg.DisplayName, URI: a.cfg.AOR}, uri.Address{URI: remote}, to)
	d.setRoutes(a.preloaded(to))
	return d
}

// preloaded is the route of a request outside a dialog: the user's own proxy, then the way home that the registrar
// gave (RFC 3608 5). A proxy that begins the way home itself is named once, and one that is the target not at all.
func (a *Account) preloaded(to uri.URI) []uri.Address {
	home := a.present().routes
	p := a.cfg.Proxy
	switch {
	case p == nil, len(home) == 0 && p.HostPort() == to.HostPort():
		return home
	case len(home) > 0 && home[0].URI.HostPort() == p.HostPort():
		return home
	}
	return append([]uri.Address{{URI: p.WithParam("lr", "")}}, home...)
}

// localize gives the From of a LAN account the address the peer will see.
func (a *Account) localize(d *dialog, h hop) {
	if a.cfg.Register {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.remoteTag == "" { // later requests keep the From of the first one
		d.local.URI = uri.New(a.cfg.AOR.User, h.local.Addr().WithZone("").String(), int(h.local.Port())).AOR()
	}
}

// contact is where we can be reached for the requests that answer one sent by a hop. A GRUU leads here from anywhere,
// also after a move (RFC 5627 4.4); by the way of the registration it is the registered Contact, with "ob" when the
// server keeps that flow for us (RFC 5626 4.3); else our address as it is.
//
// A GRUU counts only once it has been proven. RFC 5627 4.4 would have it always, but Kamailio's registrar gives one to
// everybody who asks, while its stock configuration answers 404 to a BYE sent there.
func (a *Account) contact(h hop) uri.URI {
	w := a.present()
	switch {
	case w.proven:
		return w.gruu
	case w.leads(h):
		return w.contact
	}
	return a.direct(h, false)
}

// direct is our own address toward a hop. One that listens is best; of TLS there is none, and with outbound the
// server wants the flow: then it is the near end of the connection.
func (a *Account) direct(h hop, outbound bool) uri.URI {
	user := a.contactUser
	if !a.cfg.Register {
		user = a.cfg.AOR.User
	}
	local := h.local
	if t := h.target.Transport; t == "tls" || t != "udp" && outbound {
		if own := h.conn.Local(); own.IsValid() && !own.Addr().IsUnspecified() {
			local = own
		}
	}
	return a.at(user, local, h.target.Transport, outbound)
}

// at writes a Contact.
func (a *Account) at(user string, addr netip.AddrPort, proto string, outbound bool) uri.URI {
	c := uri.New(user, addr.Addr().WithZone("").String(), int(addr.Port()))
	if a.cfg.AOR.Secure() {
		c.Scheme = "sips" // RFC 3261 8.1.1.8
	}
	if proto != "udp" {
		c = c.WithParam("transport", proto)
	}
	if outbound {
		c = c.WithParam("ob", "") // RFC 5626 4.3
	}
	return c
}

func (a *Account) contactHeader(h hop) sipmsg.Header {
	return sipmsg.NewHeader("Contact", uri.Address{URI: a.contact(h)}.String())
}

// identify adds P-Preferred-Identity for the account's own proxy; nobody else is told (RFC 3325 9.2).
func (a *Account) identify(e exchange, req *sipmsg.Request) {
	if a == nil || a.cfg.Identity.IsZero() || e.inDialog || e.register || !a.ownServer(e.next) {
		return
	}
	id := uri.Address{Display: a.cfg.DisplayName, URI: a.cfg.Identity}
	req.AppendHeader(sipmsg.NewHeader("P-Preferred-Identity", id.String()))
}

// serverURI is the account's own next hop.
func (a *Account) serverURI() uri.URI {
	if a.cfg.Proxy != nil {
		return *a.cfg.Proxy
	}
	return uri.URI{Scheme: a.cfg.AOR.Scheme, Host: a.cfg.AOR.Host, Port: a.cfg.AOR.Port, Params: a.cfg.AOR.Params}
}

// ownServer tells whether a next hop is the account's own server by name: the configured one, or one that the
// registrar sent us to.
func (a *Account) ownServer(next uri.URI) bool {
	if a == nil || !a.cfg.Register {
		return false
	}
	if sameHost(next.Host, a.serverURI().Host) {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.ContainsFunc(a.homes, func(h string) bool { return sameHost(h, next.Host) })
}

// learnHomes remembers the hosts that the registrar named; the oldest make room.
func (a *Account) learnHomes(hosts ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, h := range hosts {
		a.homes = slices.DeleteFunc(a.homes, func(o string) bool { return sameHost(o, h) })
		if a.homes = append(a.homes, h); len(a.homes) > maxHomes {
			a.homes = slices.Delete(a.homes, 0, 1)
		}
	}
}

// serviceRoute reads the way home from a 2xx to REGISTER. Each one replaces what was before, also by nothing (RFC 3608
// 5). An unreadable or absurdly long one counts as none: half a way leads nowhere.
func serviceRoute(res *sipmsg.Response) []uri.Address {
	var out []uri.Address
	for _, h := range res.GetHeaders("Service-Route") {
		for _, s := range uri.SplitAddresses(h.Value()) {
			r, err := uri.ParseAddress(s)
			if err != nil || len(out) == maxServiceRoutes {
				return nil
			}
			if !r.URI.Params.Has("lr") {
				r.URI = r.URI.WithParam("lr", "") // RFC 3608 5: it has to be there; those who forget it mean it
			}
			out = append(out, uri.Address{URI: r.URI})
		}
	}
	return out
}

// publicGRUU reads the one that a registrar gave us (RFC 5627 5.3); zero for none. One that names another user or
// domain than ours is not taken: it would send our calls elsewhere.
func (a *Account) publicGRUU(bound uri.Address) uri.URI {
	v := bound.Params.Get("pub-gruu")
	if v == "" {
		return uri.URI{}
	}
	u, err := uri.Parse(v)
	if err != nil || !u.Params.Has("gr") || !u.SameUser(a.cfg.AOR) {
		return uri.URI{}
	}
	return u
}

// mapped is our address as the server saw it (RFC 3581 4): received and rport in the Via of a response. Without
// rport the port is not known; without received the address is the one we sent.
func mapped(res *sipmsg.Response) netip.AddrPort {
	via := res.Via()
	if via == nil {
		return netip.AddrPort{}
	}
	host, ok := via.Params.Get("received")
	if !ok || host == "" {
		host = via.Host
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	if err != nil || addr.IsUnspecified() || addr.IsMulticast() {
		return netip.AddrPort{}
	}
	rport, _ := via.Params.Get("rport")
	port, err := netip.ParseAddrPort("0.0.0.0:" + rport)
	if err != nil || port.Port() == 0 {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(addr.Unmap(), port.Port())
}

// worthMapping says whether a Contact with our own address should be replaced by one with the address the server
// saw. Many servers send calls to the Contact as it stands, which leads nowhere when we are behind a NAT; others
// remember where the REGISTER came from and need nothing, but are not harmed. The rule:
//
//   - the server said what it saw, of our own kind of address, and it is not what we sent;
//   - what it saw is an address that the server can have a way to: a global one, or a private one when the server is
//     in a private network itself. A private address seen by a global server was put there by something in its own
//     house, or by a router that meddles with SIP (what pjsip's ticket 643 met), and leads nowhere.
//
// Whether the binding is ours to change is register's to know: the answer lists the Contact we sent, and the server
// has not agreed to outbound, which makes the Contact's address meaningless.
func worthMapping(sent, seen, server netip.AddrPort) bool {
	if !seen.IsValid() || seen == sent || seen.Addr().Is4() != sent.Addr().Is4() {
		return false
	}
	return global(seen.Addr()) || !global(server.Addr())
}

// global tells addresses of the Internet from those of a house: private (RFC 1918, 4193), carrier NAT (RFC 6598),
// link-local and loopback.
func global(a netip.Addr) bool {
	a = a.Unmap()
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10) // RFC 6598
	return a.IsGlobalUnicast() && !a.IsPrivate() && !shared.Contains(a)
}
