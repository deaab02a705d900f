package sip

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/digest"
	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// DefaultExpires is the registration time asked for when AccountConfig says nothing.
const DefaultExpires = time.Hour

// AccountConfig describes an identity of the user.
type AccountConfig struct {
	ID          string  // unique in the UA
	AOR         uri.URI // sip:alice@info.test; of a LAN account the host does not matter
	DisplayName string
	AuthUser    string // empty: the user part of AOR
	Password    string
	// Proxy, when set, is where all requests outside a dialog go (a pre-loaded route, RFC 3261 8.1.2).
	Proxy     *uri.URI
	Transport string        // "udp", "tcp", "tls" toward the account's own server; empty: by DNS
	Expires   time.Duration // registration time asked for; 0: DefaultExpires
	// ContactUser is the user part of our Contacts. It should be unguessable, so that scanners cannot make it up, and
	// the same at every start, so that what a crash left at the registrar is replaced. Empty: a random one.
	ContactUser string
	// Register false makes a LAN account: From and Contact are sip:user@<source address>:port, requests go straight
	// to the target, and requests for that user at any of our addresses are taken.
	Register bool
}

// Registration is where an account stands with its registrar.
type Registration int

// The states of an account. A LAN account is always Registered: it can be reached.
//
//	Offline --AddAccount--> Registering --2xx--> Registered --refresh failed--> Failed
//	                             |  ^                                             |
//	                             |  +------------- back-off over, Register -------+
//	                             +--other--> Failed          any --stop, RemoveAccount--> Offline
const (
	Offline Registration = iota
	Registering
	Registered
	Failed
)

func (r Registration) String() string {
	switch r {
	case Offline:
		return "offline"
	case Registering:
		return "registering"
	case Registered:
		return "registered"
	case Failed:
		return "failed"
	}
	return "unknown"
}

// AccountState is the state of an account at one moment.
type AccountState struct {
	Registration Registration
	Err          error          // why it is Failed: *StatusError, ErrNoAnswer, ErrTransport
	Contact      uri.URI        // where we are registered; zero when we are not
	ExpiresAt    time.Time      // when the registration lapses
	Transport    string         // of the registration: "udp", "tcp", "tls"
	Server       netip.AddrPort // where the registration went
	RetryAt      time.Time      // when a failed one is tried again; zero: only after Register
}

// Account is an identity of a UA. All methods may be called from any goroutine.
type Account struct {
	ua          *UA
	cfg         AccountConfig
	contactUser string // user part of our Contacts
	reg         *registration
	notify      *loop // calls Handler.AccountChanged in order

	mu      sync.Mutex
	state   AccountState
	servers map[netip.Addr]time.Time // addresses that our own server's name resolved to
	realms  map[string]bool          // lower case; that our registrar challenged with
}

const (
	maxServers = 32
	maxRealms  = 8
)

// ID gives the ID of the configuration.
func (a *Account) ID() string { return a.cfg.ID }

// Config gives the configuration.
func (a *Account) Config() AccountConfig { return a.cfg }

// AOR gives the address of record.
func (a *Account) AOR() uri.URI { return a.cfg.AOR }

// State gives the present state.
func (a *Account) State() AccountState {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

// Register registers now, from the present address, and waits for the outcome. A registration already
// under way is given up first. When the address has changed, the old Contact is removed in the same
// request. For a LAN account it does nothing. The error is nil, a *StatusError, or wraps ErrNoAnswer,
// ErrTransport or ErrClosed.
func (a *Account) Register(ctx context.Context) error {
	if !a.cfg.Register {
		return nil
	}
	return a.reg.force(ctx)
}

// Options asks a party for its capabilities: the simplest request there is. It returns the status code.
func (a *Account) Options(ctx context.Context, to uri.URI) (int, error) {
	d := a.outgoing(to)
	res, _, err := a.ua.roundTrip(ctx, exchange{account: a, next: d.nextHop(), build: func(h hop) *sipmsg.Request {
		a.localize(d, h)
		req := d.request(sipmsg.OPTIONS, d.nextSeq())
		req.AppendHeader(a.contactHeader(h))
		req.AppendHeader(sipmsg.NewHeader("Accept", "application/sdp"))
		return req
	}})
	if err != nil {
		return CodeOf(err), err
	}
	return res.StatusCode, final(res, nil)
}

func (a *Account) setState(s AccountState) {
	a.mu.Lock()
	a.state = s
	a.mu.Unlock()
	if !a.notify.offer(func() { a.ua.cfg.Handler.AccountChanged(a) }) {
		a.ua.log.Debug("account change not told", "account", a.cfg.ID)
	}
}

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

// outgoing begins a dialog, or a request outside one, toward a party.
func (a *Account) outgoing(to uri.URI) *dialog {
	remote := to
	remote.Headers, remote.Params = "", nil
	d := newOutgoing(uri.Address{Display: a.cfg.DisplayName, URI: a.cfg.AOR}, uri.Address{URI: remote}, to)
	if p := a.cfg.Proxy; p != nil && p.HostPort() != to.HostPort() {
		d.setRoutes([]uri.Address{{URI: p.WithParam("lr", "")}})
	} else if p != nil {
		d.setRoutes(nil)
	}
	return d
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

// contact is where we can be reached from a hop.
func (a *Account) contact(h hop) uri.URI {
	user := a.contactUser
	if !a.cfg.Register {
		user = a.cfg.AOR.User
	}
	c := uri.New(user, h.local.Addr().WithZone("").String(), int(h.local.Port()))
	if h.target.Transport != "udp" {
		c = c.WithParam("transport", h.target.Transport)
	}
	return c
}

func (a *Account) contactHeader(h hop) sipmsg.Header {
	return sipmsg.NewHeader("Contact", uri.Address{URI: a.contact(h)}.String())
}

// serverURI is the account's own next hop.
func (a *Account) serverURI() uri.URI {
	if a.cfg.Proxy != nil {
		return *a.cfg.Proxy
	}
	return uri.URI{Scheme: a.cfg.AOR.Scheme, Host: a.cfg.AOR.Host, Port: a.cfg.AOR.Port, Params: a.cfg.AOR.Params}
}

// ownServer tells whether a next hop is the account's own server by name.
func (a *Account) ownServer(next uri.URI) bool {
	return a != nil && a.cfg.Register && sameHost(next.Host, a.serverURI().Host)
}

func (a *Account) learnServers(ts []resolve.Target) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.servers)+len(ts) > maxServers {
		clear(a.servers)
	}
	for _, t := range ts {
		a.servers[t.Addr.Addr()] = time.Now()
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

// mayAnswer is the digest-leak guard: the next hop must be an address of the account's own server, and
// the realm one that the registrar used, the domain itself or, before any is known, whatever that
// server asks for outside a dialog.
func (a *Account) mayAnswer(realm string, h hop, e exchange) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, own := a.servers[h.target.Addr.Addr()]; !own {
		return false
	}
	if e.register || a.realms[strings.ToLower(realm)] || sameHost(realm, a.cfg.AOR.Host) {
		return true
	}
	return len(a.realms) == 0 && !e.inDialog
}

// isFor tells whether a request addressed to u is meant for this account. fits is 2 for our own
// Contact, 1 for the address of record, 0 for neither.
func (a *Account) isFor(u uri.URI, ourAddress bool) (fits int) {
	switch {
	case u.User == a.contactUser && a.cfg.Register:
		return 2
	case !a.cfg.Register && u.User == a.cfg.AOR.User && ourAddress:
		return 2
	case u.User == a.cfg.AOR.User && sameHost(u.Host, a.cfg.AOR.Host):
		return 1
	}
	return 0
}
