package app

import (
	"context"
	"errors"
	"net/netip"

	"github.com/peregrine-softphone/peregrine/media/ice"
)

// turnSecret is the name under which the password of an account's TURN server is kept.
func turnSecret(account string) string { return account + "#turn" }

// loadTURNPassword reads the password of the account's TURN server, so that no call waits for a keyring.
func (e *Engine) loadTURNPassword(ctx context.Context, a *account) {
	if !a.entry.ICE || a.entry.TURN == "" {
		return
	}
	password, err := e.secrets.get(ctx, a.entry.PasswordStore, turnSecret(a.id()))
	if err != nil && !errors.Is(err, errNoSecret) {
		e.log.WarnContext(ctx, "password of the turn server not read", "account", a.id(), "err", err)
		e.addNotice("The password of the TURN server of "+a.id()+" could not be read from where it is kept. "+
			"Save the account again with it.", "")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	a.turn = password
}

// forgetTURNPassword removes what was kept for an account that has a TURN server no more.
func (e *Engine) forgetTURNPassword(ctx context.Context, a *account) {
	if a.entry.TURN == "" {
		return
	}
	err := e.secrets.remove(ctx, a.entry.PasswordStore, turnSecret(a.id()))
	if err != nil && !errors.Is(err, errNoSecret) {
		e.log.WarnContext(ctx, "password of the turn server not removed", "account", a.id(), "err", err)
	}
}

// iceOf is how a call looks for its path; nil: by the addresses of the SDP alone. toward is where its signalling goes.
func (e *Engine) iceOf(c *call, toward netip.Addr) *ice.Config {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, a := range e.accounts {
		if a.id() != c.account || !a.entry.ICE {
			continue
		}
		p := a.entry.MediaPolicy
		return &ice.Config{
			STUN: p.STUN, TURN: p.TURN, User: p.TURNUser, Password: a.turn, Toward: toward,
			OnProblem: func(trouble ice.Problem) { e.iceProblem(p, trouble) },
		}
	}
	return nil
}

// namePathLocked sends an offer that names the path ICE has found, where the descriptions name another. The caller
// holds e.mu.
func (e *Engine) namePathLocked(c *call) {
	if c.sip == nil || c.rec.AnsweredAt.IsZero() || !c.media.WantsOffer() {
		return
	}
	session := c.sip
	e.spawn(func(ctx context.Context) {
		if err := session.Reinvite(ctx); err != nil { // the sound flows all the same
			e.log.InfoContext(ctx, "path not named", "call", c.id, "err", err)
		}
	})
}

// iceProblem tells what is wrong with a server, once: the call goes on without it. It does not block.
func (e *Engine) iceProblem(p MediaPolicy, trouble ice.Problem) {
	switch trouble {
	case ice.ProblemPassword:
		e.addNotice("The TURN server "+p.TURN+" did not accept the password. "+
			"Check user and password in the account; calls that need a relay have no sound until then.", "")
	case ice.ProblemTURN:
		e.addNotice("The TURN server "+p.TURN+" cannot be used. "+
			"Check its address in the account; calls that need a relay have no sound until then.", "")
	case ice.ProblemSTUN:
		e.addNotice("The STUN server "+p.STUN+" does not answer. "+
			"Check its address in the account; each call begins a second later until then.", "")
	}
}

// checkServers says in a sentence what is wrong with the servers of a policy.
func (p MediaPolicy) checkServers() error {
	if _, err := ice.ParseSTUN(p.STUN); p.STUN != "" && err != nil {
		return userErrorf("%q is not the address of a STUN server. Write it like stun.example.org or 192.0.2.1:3478.",
			p.STUN)
	}
	if _, err := ice.ParseTURN(p.TURN); p.TURN != "" && err != nil {
		return userErrorf("%q is not the address of a TURN server. Write it like turn.example.org, "+
			"turn:192.0.2.1:3478?transport=tcp or turns:turn.example.org.", p.TURN)
	}
	if p.TURN != "" && p.TURNUser == "" {
		return userErrorf("A TURN server wants a user and a password. Write them beside its address.")
	}
	return nil
}
