// Package sip is the SIP user agent of Peregrine: accounts, registration, calls, event subscriptions and
// messages (RFC 3261, 3311, 3428, 6665). It parses and runs transactions with sipgo, and is the only
// package beside server that knows sipgo; sockets (sip/transport) and dialogs are our own.
//
// Order of calls: New, AddAccount for each identity (before or after Run), Run in a goroutine of its own,
// wait for Ready, then the verbs of Account, Call, Subscription and ServerSubscription. What comes in
// goes to Config.Handler. Tell NetworkChanged of every change of addresses; requests always leave from
// the address that leads to their destination at that moment.
//
// One goroutine owns each call, subscription and registration. Requests of one dialog are handled in the
// order they arrived. Every table, queue and time is bounded.
package sip

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/digest"
	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/shield"
	"github.com/peregrine-softphone/peregrine/sip/transport"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	// defaultRingTime is how long a phone rings. RFC 3261 16.6 lets proxies give up after 3 min (timer C).
	defaultRingTime = 3 * time.Minute
	// shutdownTimeout caps the goodbyes of calls and subscriptions when Run ends.
	shutdownTimeout = 2 * time.Second
	// maxAccounts bounds the accounts of a profile.
	maxAccounts = 64
)

// Resolver finds the servers of a URI (RFC 3263). *resolve.Resolver is one.
type Resolver interface {
	Lookup(ctx context.Context, u uri.URI, want string) ([]resolve.Target, error)
}

// Config says how a UA is made.
type Config struct {
	Logger        *slog.Logger  // nil: silent
	Network       Network       // nil: OSNetwork
	Resolver      Resolver      // nil: the system's DNS
	Port          int           // UDP and TCP port; 0: any that is free for both
	UserAgent     string        // User-Agent and Server header; empty: none
	EventPackages []string      // events others may subscribe to, such as "presence"; others get 489
	MessageTypes  []string      // content types named in the Accept header of a 415 to MESSAGE; nil: text/plain
	RingTime      time.Duration // how long a call rings before it is given up, both ways; 0: 3 min
	Handler       Handler       // required
	Shield        shield.Policy // who may ring; the zero value is on (SetShield changes it later)

	// KeepCall is asked before a call is ended because its session was not refreshed (RFC 4028 10): true while its
	// sound still flows. It must not block. nil: never.
	KeepCall func(c *Call) bool
}

// Handler takes what comes in. Its methods may block for a while and may call anything of this package
// but Run.
type Handler interface {
	// IncomingCall is told of a new call in state Incoming; 100 has been sent. It should Ring, Answer or
	// Decline it, then or later. Runs on a fresh goroutine.
	IncomingCall(c *Call)
	// IncomingMessage answers a MESSAGE with a status code and a reason phrase (empty: the usual one).
	// Messages of one sender come in order, one at a time. 25 s later the sender gives up.
	IncomingMessage(ctx context.Context, m IncomingMessage) (code int, reason string)
	// IncomingSubscribe must Accept or Reject s within 30 s. Runs on a fresh goroutine.
	IncomingSubscribe(s *ServerSubscription)
	// IncomingRefer must Accept or Reject r within 30 s: the peer of a call wants us to call somebody else. Runs on a
	// fresh goroutine.
	IncomingRefer(r *ReferRequest)
	// IncomingNotify answers a NOTIFY outside any dialog, of an account's own server, with a status code: that
	// voice messages wait (RFC 3842 has it so; many PBXs send it unasked). Runs on a fresh goroutine.
	IncomingNotify(n UnsolicitedNotify) (code int)
	// Suspect tells of a request that was dropped in silence although it named an address that only an account's server
	// should know: the user may have a second server to trust. A few a minute at most. Runs on a fresh goroutine.
	Suspect(s Suspect)
	// AccountChanged tells that State of a changed. Calls for one account come in order.
	AccountChanged(a *Account)
}

// UA is a SIP user agent. Its methods may be called from any goroutine.
type UA struct {
	cfg     Config
	log     *slog.Logger
	tp      *transport.Layer
	tx      *transactions
	auth    digest.Cache
	bad     badTargets
	dialogs dialogs
	probes  probes // of our own GRUUs
	guard   *guard
	inbox   *messageInbox
	ready   chan struct{}

	// life ends when Run has said its goodbyes: requests of calls and subscriptions outlive the contexts
	// of the verbs that began them.
	life context.Context //nolint:containedctx // see above
	kill context.CancelFunc
	wg   crew

	dropped  atomic.Uint64
	refusals refusals

	mu       sync.Mutex
	running  bool
	stopping bool
	accounts []*runningAccount
	calls    map[*Call]struct{}
}

type runningAccount struct {
	*Account
	stop context.CancelFunc
	gone chan struct{} // closed when un-registered
}

// New makes a UA. It opens nothing yet. Of ctx only the values count: Run's ends the UA.
func New(ctx context.Context, cfg Config) (*UA, error) {
	if cfg.Handler == nil {
		return nil, errors.New("new user agent: no handler")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Network == nil {
		cfg.Network = OSNetwork{}
	}
	if cfg.Resolver == nil {
		cfg.Resolver = resolve.New(resolve.Config{DNS: resolve.System()})
	}
	if cfg.RingTime <= 0 {
		cfg.RingTime = defaultRingTime
	}
	if cfg.MessageTypes == nil {
		cfg.MessageTypes = []string{"text/plain"}
	}
	u := &UA{
		cfg: cfg, log: cfg.Logger, ready: make(chan struct{}),
		bad: badTargets{m: map[string]badTarget{}}, dialogs: dialogs{m: map[dialogKey]owner{}},
		calls: map[*Call]struct{}{}, tx: newTransactions(),
	}
	u.life, u.kill = context.WithCancel(context.WithoutCancel(ctx))
	u.guard = newGuard(u, cfg.Shield)
	u.tp = transport.New(transport.Config{
		Logger: u.log, Network: cfg.Network, Parse: newParser(), Receive: u.tx.receive, Refused: u.tx.refused,
		Malformed: u.guard.malformed, Admit: u.guard.Admit,
	})
	u.tx.request, u.tx.stray, u.tx.check, u.tx.dropped = u.dispatch, u.stray, u.guard.screen, &u.dropped
	u.tx.guard = u.guard
	u.inbox = newMessageInbox(u)
	return u, nil
}

// Run opens the sockets and serves until ctx ends. Then it hangs up calls, ends subscriptions (2 s at
// most), un-registers (2 s at most), closes all, and returns nil when every goroutine has ended. It
// fails at once when the port is taken. A UA runs once.
func (u *UA) Run(ctx context.Context) error {
	u.mu.Lock()
	if u.running || u.stopping {
		u.mu.Unlock()
		return fmt.Errorf("run: %w", ErrState)
	}
	if err := u.tp.Open(ctx, u.cfg.Port); err != nil {
		u.mu.Unlock()
		return err
	}
	u.running = true
	for _, a := range u.accounts {
		u.startAccount(a)
	}
	u.mu.Unlock()
	served := make(chan struct{})
	go func() { u.tp.Serve(u.life); close(served) }()
	u.inbox.start()
	close(u.ready)
	<-ctx.Done()
	u.goodbye()
	u.kill()
	u.tx.close()
	u.tp.Close()
	<-served
	u.wg.Wait(context.WithoutCancel(ctx))
	return nil
}

// goodbye ends calls and subscriptions, then registrations.
func (u *UA) goodbye() {
	ctx, cancel := context.WithTimeout(u.life, shutdownTimeout)
	defer cancel()
	u.mu.Lock()
	u.stopping = true
	accounts := slices.Clone(u.accounts)
	u.mu.Unlock()
	u.endOwners(ctx, func(*Account) bool { return true })
	for _, a := range accounts {
		a.stop()
	}
	for _, a := range accounts {
		<-a.gone
	}
}

// endOwners ends the calls and subscriptions of some accounts, all at once.
func (u *UA) endOwners(ctx context.Context, of func(*Account) bool) {
	var wg sync.WaitGroup
	for _, o := range u.dialogs.owners() {
		if of(o.owner()) {
			wg.Go(func() { o.finish(ctx) })
		}
	}
	wg.Wait()
}

// Ready is closed once the sockets are open; Port is known then.
func (u *UA) Ready() <-chan struct{} { return u.ready }

// Port gives the port of both sockets; 0 before Ready.
func (u *UA) Port() int { return int(u.tp.Port()) }

// AddAccount adds an account and, once Run runs, keeps it registered. The ID must be new.
func (u *UA) AddAccount(cfg AccountConfig) (*Account, error) {
	if cfg.ID == "" || cfg.AOR.User == "" || (cfg.Register && cfg.AOR.Host == "") {
		return nil, errors.New("add account: ID, user and domain are needed")
	}
	if cfg.Expires <= 0 {
		cfg.Expires = DefaultExpires
	}
	if cfg.AOR.Host == "" {
		cfg.AOR.Host = "localhost" // never on the wire: see localize
	}
	if cfg.AOR.Scheme == "" {
		cfg.AOR.Scheme = "sip"
	}
	if cfg.ContactUser == "" {
		cfg.ContactUser = newToken(10)
	}
	a := &Account{
		ua: u, cfg: cfg, contactUser: cfg.ContactUser, notify: newLoop(),
		servers: map[netip.Addr]time.Time{}, realms: map[string]bool{},
	}
	a.reg = newRegistration(a)
	r := &runningAccount{Account: a, gone: make(chan struct{})}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stopping {
		return nil, ErrClosed
	}
	if len(u.accounts) >= maxAccounts {
		return nil, fmt.Errorf("add account: %w", ErrTooMany)
	}
	for _, o := range u.accounts {
		if o.cfg.ID == cfg.ID {
			return nil, fmt.Errorf("add account: ID %q is taken", cfg.ID)
		}
	}
	u.accounts = append(u.accounts, r)
	if u.running {
		u.startAccount(r)
	}
	return a, nil
}

// startAccount begins an account's goroutines; u.mu is held.
func (u *UA) startAccount(r *runningAccount) {
	ctx, stop := context.WithCancel(u.life)
	r.stop = stop
	u.wg.Go(r.notify.run)
	u.wg.Go(func() {
		defer close(r.gone)
		defer r.notify.end()
		if r.cfg.Register {
			r.reg.run(ctx)
			return
		}
		r.setState(AccountState{Registration: Registered})
		<-ctx.Done()
		r.setState(AccountState{Registration: Offline})
	})
}

// RemoveAccount ends an account's calls and subscriptions and un-registers it; ctx and 2 s for each
// bound the goodbyes.
func (u *UA) RemoveAccount(ctx context.Context, id string) error {
	u.mu.Lock()
	i := slices.IndexFunc(u.accounts, func(a *runningAccount) bool { return a.cfg.ID == id })
	if i < 0 {
		u.mu.Unlock()
		return fmt.Errorf("remove account: no account %q", id)
	}
	a := u.accounts[i]
	u.accounts = slices.Delete(u.accounts, i, i+1)
	started := a.stop != nil
	u.mu.Unlock()
	if !started {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	u.endOwners(limited, func(o *Account) bool { return o == a.Account })
	a.stop()
	select {
	case <-a.gone:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Accounts lists the accounts in the order they were added.
func (u *UA) Accounts() []*Account {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := make([]*Account, len(u.accounts))
	for i, a := range u.accounts {
		out[i] = a.Account
	}
	return out
}

// Probe sends a few bytes to a server over UDP that it need not answer (RFC 5626 4.4.1): on a fresh link the first
// packet may be lost to address resolution, and it had better not be a request.
func (u *UA) Probe(to netip.AddrPort) error { return u.tp.Probe(to) }

// Calls lists the calls that have not ended, in no order.
func (u *UA) Calls() []*Call {
	u.mu.Lock()
	defer u.mu.Unlock()
	out := make([]*Call, 0, len(u.calls))
	for c := range u.calls {
		out = append(out, c)
	}
	return out
}

// NetworkChanged is told that addresses or routes of this computer changed. Connections that no longer
// lead anywhere are closed, calls that ring at the other side are moved, and what was learnt of dead
// servers is forgotten. It does not re-INVITE or register: the caller decides when (package mobility).
func (u *UA) NetworkChanged(_ context.Context) {
	u.bad.forget()
	u.tp.DropStale()
	u.guard.onLink.forget()
	for _, c := range u.Calls() {
		c.networkChanged()
	}
}

// Stats are counters since New and sizes of tables now.
type Stats struct {
	Junk         uint64 // packets that are no SIP
	Dropped      uint64 // messages that were dropped because they made no sense or a queue was full
	Oversized    uint64 // messages too large for a datagram
	Spoofed      uint64 // messages from elsewhere than they must have come from
	Dialogs      int
	Calls        int
	Transactions int
	Silenced     uint64 // packets of strangers and scanners that got no answer
	Limited      uint64 // times that a source, or all together, asked too much
}

// Stats reads the counters.
func (u *UA) Stats() Stats {
	clients, servers := u.tx.sizes()
	u.mu.Lock()
	calls := len(u.calls)
	u.mu.Unlock()
	tp := u.tp.Counters()
	return Stats{
		Junk: tp.Junk, Dropped: u.dropped.Load(), Oversized: tp.Oversized,
		Spoofed: u.tx.spoofed.Load() + u.guard.spoofed.Load(),
		Dialogs: u.dialogs.size(), Calls: calls, Transactions: clients + servers,
		Silenced: u.guard.silenced.Load(), Limited: u.guard.limited.Load(),
	}
}
