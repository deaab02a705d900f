package app

import (
	"context"
	"log/slog"

	"github.com/peregrine-softphone/peregrine/buddies"
	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// DemoDomain is what an engine needs to know of the demo domain.
type DemoDomain struct {
	User     uri.URI // address of the newcomer
	Password string
	Proxy    uri.URI // server on loopback
	Echo     uri.URI // address of the buddy that answers
	EchoName string
}

// Demo runs a demo domain until ctx ends: it calls ready once it can be used. Package app/demo has it;
// it is a function here because the buddy in it is an Engine too.
type Demo func(ctx context.Context, log *slog.Logger, ready func(DemoDomain)) error

// demoAddress is the address of the newcomer in accounts.json. The name resolves to this computer
// (RFC 6761 6.3), nobody else can have it.
const demoAddress = "sip:you@demo.localhost"

// StartDemo enters the demo domain inside this program, with a buddy that echoes.
func (e *Engine) StartDemo(ctx context.Context) error {
	if e.cfg.Demo == nil {
		return userErrorf("This program was built without the demo domain.")
	}
	if err := e.AddAccount(ctx, AccountSpec{Address: demoAddress, Kind: AccountDemo, DisplayName: "You"}); err != nil {
		return err
	}
	account, err := e.AwaitAccount(ctx, demoAddress)
	if err == nil && account.State == AccountFailed {
		return &UserError{Sentence: account.Reason, Detail: account.Detail}
	}
	return err
}

// enterDemo starts the demo domain of an account and completes its configuration.
func (e *Engine) enterDemo(ctx context.Context, a *account, cfg *sip.AccountConfig) error {
	if e.cfg.Demo == nil {
		return userErrorf("This program was built without the demo domain. Remove the account.")
	}
	domain := make(chan DemoDomain, 1)
	failed := make(chan error, 1)
	started := make(chan context.CancelFunc, 1)
	e.spawn(func(ctx context.Context) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		started <- cancel
		failed <- e.cfg.Demo(ctx, e.log, func(d DemoDomain) { domain <- d })
	})
	select {
	case d := <-domain:
		cfg.Proxy, cfg.Password = &d.Proxy, d.Password
		cfg.AOR = d.User
		cfg.Transport = "udp"
		e.mu.Lock()
		a.leave, a.proxy = <-started, d.Proxy
		e.mu.Unlock()
		e.meetEcho(ctx, d)
		return nil
	case err := <-failed:
		return &UserError{
			Sentence: "The demo could not be started. The details help whoever looks into it.",
			Detail:   errorText(err),
			Err:      err,
		}
	case <-e.closing:
		return errNotRunning
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// meetEcho puts the demo's buddy on the list, unless it is there.
func (e *Engine) meetEcho(ctx context.Context, d DemoDomain) {
	if _, ok := e.book.Find(d.Echo.AOR()); ok {
		return
	}
	err := e.book.Add(ctx, buddies.Buddy{Address: d.Echo.AOR(), Name: d.EchoName})
	if err != nil {
		e.log.WarnContext(ctx, "echo not added", "err", err)
	}
	e.watchBuddies()
}

// leaveDemo takes the demo's buddy off the list.
func (e *Engine) leaveDemo(ctx context.Context) {
	for _, b := range e.book.List() {
		if b.Address.Host == "demo.localhost" {
			if err := e.book.Remove(ctx, b.Address); err != nil {
				e.log.WarnContext(ctx, "echo not removed", "err", err)
			}
		}
	}
}
