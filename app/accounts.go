package app

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/trust"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// maxAccounts bounds the accounts of a profile.
const maxAccounts = 16

// accountEntry is an account as accounts.json keeps it; the password is elsewhere.
type accountEntry struct {
	Address       string      `json:"address"` // sip:alice@info.test; of a LAN account sip:alice
	Kind          AccountKind `json:"kind"`
	DisplayName   string      `json:"display_name,omitempty"`
	AuthUser      string      `json:"auth_user,omitempty"`
	Proxy         string      `json:"proxy,omitempty"`
	Transport     string      `json:"transport,omitempty"`
	PasswordStore string      `json:"password_store,omitempty"`
	ContactUser   string      `json:"contact_user,omitempty"` // of our Contacts, made once for each account
	Instance      string      `json:"instance,omitempty"`     // urn:uuid of RFC 5626 4.1, made once for each account
	Codecs        string      `json:"codecs,omitempty"`       // own order; empty: that of the settings
	Identity      string      `json:"identity,omitempty"`     // shown to those called (RFC 3325)
	Verify        Verify      `json:"verify,omitempty"`       // how a TLS server's certificate is judged
	CAFile        string      `json:"ca_file,omitempty"`
	Pin           string      `json:"pin,omitempty"` // key of the server, learnt at the first connection
	MediaPolicy
}

// account is one account of the engine. Fields below state are guarded by Engine.mu.
type account struct {
	entry accountEntry
	aor   uri.URI // of a LAN account with an empty host

	proxy   uri.URI        // where requests go; zero: to the server of the address
	server  netip.AddrPort // where the last registration went; invalid: not known yet
	begun   bool           // startAccount has been called
	sip     *sip.Account   // nil until started
	problem *UserError     // why it could not be started; nil: fine
	turn    string         // password of its TURN server, read when it starts
	leave   context.CancelFunc
}

// id is the name of the account inside the engine and in package sip.
func (a *account) id() string { return a.entry.Address }

func (e *Engine) loadAccounts() error {
	var entries []accountEntry
	err := loadJSON(filepath.Join(e.cfg.Profile, fileAccounts), &entries)
	for _, entry := range entries {
		aor, perr := parseAccount(entry.Kind, entry.Address)
		if perr != nil || len(e.accounts) >= maxAccounts {
			err = errors.Join(err, fmt.Errorf("account %q left out: %w", entry.Address, perr))
			continue
		}
		e.accounts = append(e.accounts, &account{entry: entry, aor: aor})
	}
	return err
}

// saveAccountsLocked writes accounts.json. The caller holds e.mu.
func (e *Engine) saveAccountsLocked() error {
	entries := make([]accountEntry, len(e.accounts))
	for i, a := range e.accounts {
		entries[i] = a.entry
	}
	if err := saveJSON(filepath.Join(e.cfg.Profile, fileAccounts), entries); err != nil {
		return saveFailed(err)
	}
	return nil
}

// AddAccount stores an account and begins to use it. It returns as soon as the account is stored;
// AwaitAccount waits for the server's answer. Adding an address again replaces that account.
func (e *Engine) AddAccount(ctx context.Context, spec AccountSpec) error {
	a, err := newAccount(spec)
	if err != nil {
		return err
	}
	if a.entry.Kind == AccountSIP && spec.Password != "" {
		if err = e.secrets.put(ctx, a.entry.PasswordStore, a.id(), spec.Password); err != nil {
			return err
		}
	}
	if spec.TURNPassword != "" {
		if err = e.secrets.put(ctx, a.entry.PasswordStore, turnSecret(a.id()), spec.TURNPassword); err != nil {
			return err
		}
	}
	old, err := e.putAccount(a)
	if err != nil {
		return err
	}
	if old != nil {
		e.stopAccount(ctx, old)
		if a.entry.TURN == "" {
			e.forgetTURNPassword(ctx, old)
		}
	}
	if !e.spawn(func(ctx context.Context) {
		e.startAccount(ctx, a)
		e.watchBuddies()
	}) {
		return errNotRunning
	}
	return nil
}

// putAccount stores a in the list, in the place of one with the same address, which it returns.
func (e *Engine) putAccount(a *account) (old *account, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := slices.Clone(e.accounts)
	if i := slices.IndexFunc(e.accounts, func(b *account) bool { return b.id() == a.id() }); i >= 0 {
		a.inherit(e.accounts[i])
		old, e.accounts[i] = e.accounts[i], a
	} else if len(e.accounts) >= maxAccounts {
		return nil, userErrorf("There are %d accounts already. Remove one first.", maxAccounts)
	} else {
		e.accounts = append(e.accounts, a)
	}
	if err := e.saveAccountsLocked(); err != nil {
		e.accounts = before
		return nil, err
	}
	e.changedLocked()
	return old, nil
}

// inherit takes over what an account made for itself, when the user changes its details: the names that registrars know
// it by, and the key that its server has to show.
func (a *account) inherit(old *account) {
	a.entry.ContactUser, a.entry.Instance = old.entry.ContactUser, old.entry.Instance
	if a.entry.Verify == VerifyPin && old.entry.Verify == VerifyPin {
		a.entry.Pin = old.entry.Pin
	}
}

// RemoveAccount forgets an account and its password, after telling its server.
func (e *Engine) RemoveAccount(ctx context.Context, address string) error {
	a, err := e.findAccount(address)
	if err != nil {
		return err
	}
	e.mu.Lock()
	e.accounts = slices.DeleteFunc(e.accounts, func(b *account) bool { return b == a })
	err = e.saveAccountsLocked()
	e.changedLocked()
	e.mu.Unlock()
	if err != nil {
		return err
	}
	e.stopAccount(ctx, a)
	if a.entry.Kind == AccountDemo {
		e.leaveDemo(ctx)
	}
	if a.entry.Kind == AccountSIP {
		if err := e.secrets.remove(ctx, a.entry.PasswordStore, a.id()); err != nil && !errors.Is(err, errNoSecret) {
			e.log.WarnContext(ctx, "password not removed", "account", a.id(), "err", err)
		}
	}
	e.forgetTURNPassword(ctx, a)
	e.watchBuddies()
	return nil
}

// SetDefaultAccount makes an account the one that calls and messages go out by when nothing else decides, and
// whose domain a name without one belongs to.
func (e *Engine) SetDefaultAccount(_ context.Context, address string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	a, err := e.findAccountLocked(address)
	if err != nil {
		return err
	}
	before := e.accounts
	others := slices.DeleteFunc(slices.Clone(before), func(b *account) bool { return b == a })
	e.accounts = append([]*account{a}, others...)
	if err := e.saveAccountsLocked(); err != nil {
		e.accounts = before
		return err
	}
	e.changedLocked()
	return nil
}

// findAccount finds an account by what a person calls it.
func (e *Engine) findAccount(address string) (*account, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.findAccountLocked(address)
}

func (e *Engine) findAccountLocked(address string) (*account, error) {
	want := address
	if u, err := uri.FromUser(address, ""); err == nil {
		want = u.AOR().String()
	}
	for _, a := range e.accounts {
		if a.id() == want || a.id() == address || a.entry.Kind == AccountLAN && lanMatches(a, address) {
			return a, nil
		}
	}
	return nil, userErrorf("There is no account %s.", address)
}

// lanMatches tells whether address is the LAN account a: its name, with or without an IP address behind.
func lanMatches(a *account, address string) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(address, "sip:"), "@")
	return name == a.aor.User
}

// startAccount gives an account to the user agent, once.
func (e *Engine) startAccount(ctx context.Context, a *account) {
	e.mu.Lock()
	begun := a.begun
	a.begun = true
	e.mu.Unlock()
	if begun {
		return
	}
	cfg := sip.AccountConfig{
		ID: a.id(), AOR: a.aor, DisplayName: a.entry.DisplayName, AuthUser: a.entry.AuthUser,
		Transport: a.entry.Transport, Register: a.entry.Kind != AccountLAN, ContactUser: a.entry.ContactUser,
		Instance: a.entry.Instance, Trust: a.trust(),
	}
	if u, err := uri.Parse(a.entry.Identity); err == nil {
		cfg.Identity = u
	}
	err := e.completeConfig(ctx, a, &cfg)
	var started *sip.Account
	if err == nil {
		started, err = e.ua.AddAccount(cfg) //nolint:contextcheck // it lives longer than ctx
	}
	if err == nil {
		e.mover.accountStarted(a)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if err != nil {
		a.problem = explain(aboutRegistration, a.aor.Host, err)
	} else {
		a.sip, a.problem = started, nil
	}
	out := e.accountLocked(a)
	e.emit(Event{Kind: EventAccount, Account: &out})
	e.changedLocked()
}

// trust says how the account's TLS server is judged.
func (a *account) trust() trust.Policy {
	switch a.entry.Verify {
	case VerifyCA:
		return trust.Policy{Mode: trust.CA, CAFile: a.entry.CAFile}
	case VerifyPin:
		return trust.Policy{Mode: trust.Pin, Pin: a.entry.Pin}
	case VerifySystem:
	}
	return trust.Policy{}
}

// ForgetPin lets an account take the key its server shows at the next connection, which is at once.
func (e *Engine) ForgetPin(ctx context.Context, address string) error {
	a, err := e.findAccount(address)
	if err != nil {
		return err
	}
	if a.entry.Verify != VerifyPin {
		return userErrorf("The server of %s is not recognised by its key.", a.id())
	}
	fresh := &account{entry: a.entry, aor: a.aor}
	e.mu.Lock()
	a.entry.Pin = "" // the fresh one inherits it
	e.mu.Unlock()
	if _, err := e.putAccount(fresh); err != nil {
		return err
	}
	e.stopAccount(ctx, a)
	if !e.spawn(func(ctx context.Context) { e.startAccount(ctx, fresh) }) {
		return errNotRunning
	}
	return nil
}

// completeConfig adds what is not in accounts.json: the password and the proxy.
func (e *Engine) completeConfig(ctx context.Context, a *account, cfg *sip.AccountConfig) error {
	if a.entry.Proxy != "" {
		proxy, err := parseProxy(a.entry.Proxy)
		if err != nil {
			return err
		}
		cfg.Proxy = &proxy
		e.mu.Lock()
		a.proxy = proxy
		e.mu.Unlock()
	}
	e.loadTURNPassword(ctx, a)
	switch a.entry.Kind {
	case AccountSIP:
		password, err := e.secrets.get(ctx, a.entry.PasswordStore, a.id())
		if err != nil && !errors.Is(err, errNoSecret) {
			return problem(
				err,
				"The password could not be read from where it is kept. Add the account again with its password.",
			)
		}
		cfg.Password = password
	case AccountDemo:
		return e.enterDemo(ctx, a, cfg)
	case AccountLAN:
	}
	return nil
}

// stopAccount un-registers an account and ends its calls.
func (e *Engine) stopAccount(ctx context.Context, a *account) {
	e.mu.Lock()
	running, leave := a.sip, a.leave
	a.sip, a.leave = nil, nil
	e.mu.Unlock()
	e.mover.accountStopped(a.id())
	e.forgetMailbox(a)
	if running != nil {
		if err := e.ua.RemoveAccount(ctx, a.id()); err != nil {
			e.log.InfoContext(ctx, "account not un-registered", "account", a.id(), "err", err)
		}
	}
	if leave != nil {
		leave()
	}
}

// learnPinLocked keeps the key of a server that is to be recognised by it, the first time it is seen. The caller
// holds e.mu.
func (e *Engine) learnPinLocked(a *account, key string) {
	if a.entry.Verify != VerifyPin || a.entry.Pin != "" || key == "" {
		return
	}
	a.entry.Pin = key
	if err := e.saveAccountsLocked(); err != nil {
		e.log.Warn("key of a server not kept", "account", a.id(), "err", err)
	}
}

// accountChanged is told by the user agent that a registration changed.
func (e *Engine) accountChanged(s *sip.Account) {
	e.mu.Lock()
	i := slices.IndexFunc(e.accounts, func(a *account) bool { return a.id() == s.ID() })
	if i < 0 {
		e.mu.Unlock()
		return
	}
	a := e.accounts[i]
	if a.sip == nil {
		a.sip = s // the first change can come before AddAccount returns
	}
	e.learnPinLocked(a, s.State().PeerKey)
	server := s.State().Server
	found := server.IsValid() && server != a.server
	if found {
		a.server = server
	}
	out := e.accountLocked(a)
	e.emit(Event{Kind: EventAccount, Account: &out})
	e.changedLocked()
	e.mu.Unlock()
	e.watchMailbox(a, out.State)
	if found {
		e.mover.accountStarted(a)
	}
}
