package sip

import (
	"context"
	"net/netip"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/trust"
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
	// Trust says which certificates count for the account's own server when the transport is TLS.
	Trust trust.Policy
	// Instance names this program on this computer for good, "urn:uuid:…" (RFC 5626 4.1). With it a registration asks
	// for outbound and for a GRUU, and a new one takes the place of the old one wherever we are. Empty: neither.
	Instance string
	// Identity is the one of the user's identities that the account's own proxy should assert (P-Preferred-Identity,
	// RFC 3325 9.2). Zero: the proxy chooses.
	Identity uri.URI
	// Register false makes a LAN account: From and Contact are sip:user@<source address>:port, requests go straight
	// to the target, and requests for that user at any of our addresses are taken.
	Register bool
}

// Registration is where an account stands with its registrar.
type Registration int

// The states of an account as the user sees them; registration has the machine behind them (register_machine.go). A LAN
// account is always Registered: it can be reached.
//
//	Offline --AddAccount--> Registering --2xx--> Registered --lapsed, flow lost, refused--> Failed
//	                           ^     |               ^                                        |
//	                           |     +-- refused, --> Failed                                  |
//	                           |         8 s silent     +--- 2xx to a later try --------------+
//	                           +---- Register ---------------------------------------- Failed or Registering
//	any --stop, RemoveAccount--> Offline
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
	RetryAt      time.Time      // when a failed one is tried again; zero: it is being tried
	Contact      uri.URI        // where we are registered; zero when we are not
	ExpiresAt    time.Time      // when the registration lapses
	Transport    string         // of the registration: "udp", "tcp", "tls"
	Server       netip.AddrPort // where the registration went
	PeerKey      string         // of TLS: the pin of the server's key, "sha256/…" (trust.Policy.Pin)

	Outbound     bool           // the server agreed to reach us over our own flow (RFC 5626)
	Path         bool           // a proxy on the way put itself into the registration (RFC 3327)
	GRUU         uri.URI        // public GRUU that the registrar gave this instance (RFC 5627); zero: none
	ServiceRoute []uri.Address  // the way home for requests outside dialogs (RFC 3608); not to be changed
	Mapped       netip.AddrPort // our address as the server saw it (RFC 3581); zero: it did not say
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
	way     way                      // the one the registration took; zero: not registered
	servers map[netip.Addr]time.Time // addresses of our own servers, by when they were last learnt
	homes   []string                 // hosts that the registrar named as ours: of Service-Route and of a redirection
	realms  map[string]bool          // lower case; that our registrar challenged with
}

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

// isFor tells whether a request addressed to u is meant for this account. fits is 2 for our own
// Contact or GRUU, 1 for the address of record, 0 for neither.
func (a *Account) isFor(u uri.URI, ourAddress bool) (fits int) {
	switch {
	case u.User == a.contactUser && a.cfg.Register:
		return 2
	case !a.cfg.Register && u.User == a.cfg.AOR.User && ourAddress:
		return 2
	case u.User == a.cfg.AOR.User && sameHost(u.Host, a.cfg.AOR.Host):
		if g := a.present().gruu; u.Params.Has("gr") && g.Equal(u) {
			return 2
		}
		return 1
	}
	return 0
}
