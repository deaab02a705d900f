package app

import (
	"net/netip"
	"strings"

	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// route finds what a person or a buddy entry means by address, and the account to reach it with: the one of
// address from, or the one that fits when from is empty.
func (e *Engine) route(address, from string) (uri.URI, *sip.Account, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.accounts) == 0 {
		return uri.URI{}, nil, userErrorf("There is no account yet. Add one first, or try the demo.")
	}
	domain := ""
	if def := e.accounts[0]; def.entry.Kind != AccountLAN {
		domain = def.aor.Host
	}
	to, err := uri.FromUser(address, domain)
	if err != nil {
		return uri.URI{}, nil, &UserError{Sentence: err.Error(), Err: err}
	}
	a := e.accountForLocked(to)
	if from != "" {
		if a, err = e.findAccountLocked(from); err != nil {
			return uri.URI{}, nil, err
		}
	}
	if a.sip == nil {
		if a.problem != nil {
			return uri.URI{}, nil, a.problem
		}
		return uri.URI{}, nil, userErrorf(
			"The account %s is still being set up. Try again in a moment.",
			a.entry.Address,
		)
	}
	return to, a.sip, nil
}

// accountForLocked chooses the account for a target: the one of its domain; for an IP address a LAN
// account; else the first. The caller holds e.mu, and there is an account.
func (e *Engine) accountForLocked(to uri.URI) *account {
	_, err := netip.ParseAddr(strings.Trim(to.Host, "[]"))
	numeric := err == nil
	for _, a := range e.accounts {
		if a.entry.Kind == AccountLAN && numeric ||
			a.entry.Kind != AccountLAN && strings.EqualFold(a.aor.Host, to.Host) {
			return a
		}
	}
	return e.accounts[0]
}
