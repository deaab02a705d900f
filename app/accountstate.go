package app

import (
	"context"
	"net/netip"
	"time"

	"github.com/peregrine-softphone/peregrine/sip"
)

// accountLocked describes an account. The caller holds e.mu.
func (e *Engine) accountLocked(a *account) Account {
	out := Account{
		Address: a.entry.Address, Kind: a.entry.Kind, DisplayName: a.entry.DisplayName,
		Transport: a.entry.Transport, Proxy: a.entry.Proxy, AuthUser: a.entry.AuthUser, Stored: a.entry.PasswordStore,
		State: AccountRegistering, Default: len(e.accounts) > 0 && e.accounts[0] == a,
		Codecs: a.entry.Codecs, Identity: a.entry.Identity, MediaPolicy: a.entry.MediaPolicy,
		Verify: a.entry.Verify, CAFile: a.entry.CAFile, Pin: a.entry.Pin,
		Voicemail: e.voicemail.boxes[a.id()].shown,
	}
	if a.entry.Kind == AccountLAN {
		out.Address = e.lanAddressLocked(a)
		out.Contact = out.Address
	}
	if a.problem != nil {
		out.State, out.Reason, out.Detail = AccountFailed, a.problem.Sentence, a.problem.Detail
		return out
	}
	if a.sip == nil {
		return out
	}
	st := a.sip.State()
	if st.Contact.Host != "" {
		out.Contact = st.Contact.String()
	}
	if !st.ExpiresAt.IsZero() {
		out.ExpiresIn = max(0, int(time.Until(st.ExpiresAt)/time.Second))
	}
	if st.Server.IsValid() && a.entry.Kind != AccountLAN {
		out.Server = st.Transport + " " + st.Server.String()
	}
	switch st.Registration {
	case sip.Registered:
		out.State = AccountRegistered
		if a.entry.Kind == AccountLAN && !e.network.Up {
			out.State = AccountOffline
		}
	case sip.Registering, sip.Offline: // offline is what an account is for a moment before it registers
		out.State = AccountRegistering
	case sip.Failed:
		out.State = AccountFailed
		if !e.network.Up && !numeric(a.proxy).Addr().IsLoopback() {
			out.State = AccountOffline
		}
		if !st.RetryAt.IsZero() {
			out.RetryIn = max(1, int(time.Until(st.RetryAt)/time.Second))
		}
		why := explain(aboutRegistration, a.aor.Host, st.Err)
		out.Reason, out.Detail = why.Sentence, why.Detail
	}
	return out
}

// lanAddressLocked is how others reach a LAN account now. The caller holds e.mu.
func (e *Engine) lanAddressLocked(a *account) string {
	addr, err := netip.ParseAddr(e.network.Address)
	if err != nil {
		return a.entry.Address // no network: the name alone
	}
	u := a.aor
	u.Host = addr.String()
	if port := e.ua.Port(); port != defaultPort {
		u.Port = port
	}
	return u.String()
}

// defaultPort is SIP's (RFC 3261 19.1.2).
const defaultPort = 5060

// settleTimeout is how long AwaitAccount waits: longer than a server on the Internet takes, shorter
// than the patience of a person at a command line.
const settleTimeout = 4 * time.Second

// AwaitAccount waits until an account is registered or has failed, a few seconds at the most, and
// describes it.
func (e *Engine) AwaitAccount(ctx context.Context, address string) (Account, error) {
	a, err := e.findAccount(address)
	if err != nil {
		return Account{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	return awaitState(ctx, e, func() (Account, bool) {
		out := e.accountLocked(a)
		return out, out.State != AccountRegistering
	}), nil
}

// awaitState calls get, with e.mu held, at each change until it is done or ctx ends.
func awaitState[T any](ctx context.Context, e *Engine, get func() (T, bool)) T {
	for {
		e.mu.Lock()
		v, settled := get()
		next, stopped := e.next, e.stopped
		e.mu.Unlock()
		if settled || stopped {
			return v
		}
		select {
		case <-next:
		case <-ctx.Done():
			return v
		}
	}
}
