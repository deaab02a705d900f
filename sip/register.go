package sip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	// retryFirst and retryLast bound the pause after a failed registration; it doubles. RFC 5626 4.5 asks for at most
	// 30 min; a person waits for less.
	retryFirst = 2 * time.Second
	retryLast  = 2 * time.Minute
	// retryRefused is the pause after the server refused us for good (403, a wrong password): a server may
	// block those who insist.
	retryRefused = 10 * time.Minute
	// maxExpires bounds what a registrar may make us ask for (423).
	maxExpires = 24 * time.Hour
	// unregisterTimeout caps the goodbye.
	unregisterTimeout = 2 * time.Second
)

// registration keeps one account registered. Its own goroutine runs run; force may be called from any.
type registration struct {
	a    *Account
	wake chan *forced // a caller of Register waits

	// Owned by run.
	d       *dialog // the Call-ID and CSeq of all our REGISTERs (RFC 3261 10.2)
	bound   uri.URI // our Contact at the registrar; zero: none
	expires time.Duration
	failed  int // failures in a row
}

// forced is a waiting caller of Register.
type forced struct{ done chan error }

func newRegistration(a *Account) *registration {
	self := uri.Address{Display: a.cfg.DisplayName, URI: a.cfg.AOR}
	registrar := uri.URI{Scheme: a.cfg.AOR.Scheme, Host: a.cfg.AOR.Host, Port: a.cfg.AOR.Port}
	r := &registration{
		a: a, wake: make(chan *forced, 16), expires: a.cfg.Expires, d: newOutgoing(self, self, registrar),
	}
	if p := a.cfg.Proxy; p != nil && p.HostPort() != registrar.HostPort() {
		r.d.setRoutes([]uri.Address{{URI: p.WithParam("lr", "")}})
	}
	return r
}

// force asks run for a registration now and waits for it.
func (r *registration) force(ctx context.Context) error {
	f := &forced{done: make(chan error, 1)}
	select {
	case r.wake <- f:
	case <-r.a.notify.over:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-f.done:
		return err
	case <-r.a.notify.over:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// run registers, refreshes and retries until ctx ends, then un-registers.
func (r *registration) run(ctx context.Context) {
	var waiting []*forced
	for ctx.Err() == nil {
		err, interrupted := r.attempt(ctx, &waiting)
		if ctx.Err() != nil {
			break
		}
		if interrupted { // somebody calls Register: the address may have changed under this attempt
			continue
		}
		for _, f := range waiting {
			f.done <- err
		}
		waiting = nil
		timer := time.NewTimer(r.pause(err))
		select {
		case <-timer.C:
		case f := <-r.wake:
			waiting = append(waiting, f)
		case <-ctx.Done():
		}
		timer.Stop()
	}
	for _, f := range waiting {
		f.done <- ErrClosed
	}
	r.unregister(context.WithoutCancel(ctx))
}

// attempt runs one REGISTER; a call of Register meanwhile interrupts it and joins waiting.
func (r *registration) attempt(ctx context.Context, waiting *[]*forced) (err error, interrupted bool) {
	if s := r.a.State(); s.Registration != Registered {
		s.Registration, s.Err, s.RetryAt = Registering, nil, time.Time{}
		r.a.setState(s)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { err = r.register(ctx) })
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	for {
		select {
		case <-finished:
			return err, interrupted
		case f := <-r.wake:
			*waiting = append(*waiting, f)
			interrupted = true
			cancel()
		}
	}
}

// register sends REGISTER until it is answered for good, and sets the state.
func (r *registration) register(ctx context.Context) error {
	const maxIntervals = 3
	for try := 0; ; try++ {
		res, contact, target, err := r.send(ctx, r.expires)
		if ctx.Err() != nil && err != nil {
			return err
		}
		if err == nil && res.StatusCode == 423 && try < maxIntervals {
			if least, ok := headerSeconds(res, "Min-Expires"); ok && least > r.expires && least <= maxExpires {
				r.expires = least // RFC 3261 10.3
				continue
			}
		}
		err = final(res, err)
		if err != nil {
			r.failed++
			return r.fail(err)
		}
		r.failed, r.bound = 0, contact
		granted := r.granted(res, contact)
		r.a.setState(AccountState{
			Registration: Registered, Contact: contact, ExpiresAt: time.Now().Add(granted),
			Transport: target.Transport, Server: target.Addr,
		})
		return nil
	}
}

func (r *registration) fail(err error) error {
	old := r.a.State()
	s := AccountState{Registration: Failed, Err: err, RetryAt: time.Now().Add(r.pause(err))}
	if old.ExpiresAt.After(time.Now()) { // the registrar still knows us at the old place
		s.Contact, s.ExpiresAt, s.Transport, s.Server = old.Contact, old.ExpiresAt, old.Transport, old.Server
	}
	r.a.setState(s)
	return fmt.Errorf("register %s: %w", r.a.cfg.AOR, err)
}

// send sends one REGISTER for our Contact, and removes an older Contact of ours in the same request.
func (r *registration) send(
	ctx context.Context, expires time.Duration,
) (*sipmsg.Response, uri.URI, resolve.Target, error) {
	var contact uri.URI
	var target resolve.Target
	e := exchange{account: r.a, next: r.a.serverURI(), register: true, build: func(h hop) *sipmsg.Request {
		contact, target = r.a.contact(h), h.target
		req := r.d.request(sipmsg.REGISTER, r.d.nextSeq())
		c := uri.Address{URI: contact}
		c.Params = c.Params.With("expires", secondsText(expires))
		req.AppendHeader(sipmsg.NewHeader("Contact", c.String()))
		if !r.bound.IsZero() && !r.bound.Equal(contact) {
			old := uri.Address{URI: r.bound}
			old.Params = old.Params.With("expires", "0")
			req.AppendHeader(sipmsg.NewHeader("Contact", old.String()))
		}
		req.AppendHeader(sipmsg.NewHeader("Expires", secondsText(expires)))
		req.AppendHeader(sipmsg.NewHeader("Allow", allowed))
		return req
	}}
	res, _, err := r.a.ua.roundTrip(ctx, e)
	return res, contact, target, err
}

// granted reads how long the registrar keeps our Contact (RFC 3261 10.2.4).
func (r *registration) granted(res *sipmsg.Response, contact uri.URI) time.Duration {
	granted := r.expires
	if d, ok := headerSeconds(res, "Expires"); ok {
		granted = d
	}
	for _, c := range contacts(res) {
		if c.URI.User == contact.User && c.URI.Host == contact.Host && c.URI.Port == contact.Port {
			if d, ok := seconds(c.Params.Get("expires")); ok {
				granted = d
			}
		}
	}
	if granted <= 0 || granted > maxExpires {
		granted = r.expires
	}
	return granted
}

// pause is the time until the next REGISTER: before the registration lapses, or a growing back-off
// with jitter so that a server coming back is not met by all its phones at once.
func (r *registration) pause(err error) time.Duration {
	if err == nil {
		left := time.Until(r.a.State().ExpiresAt)
		return max(left-margin(left), time.Second)
	}
	if s, ok := errors.AsType[*StatusError](err); ok {
		switch {
		case s.RetryAfter > 0:
			return min(s.RetryAfter, time.Hour)
		case s.Code == 401 || s.Code == 407 || s.Code == 403 || s.Code == 404:
			return retryRefused
		}
	}
	d := min(retryFirst<<min(max(r.failed-1, 0), 10), retryLast)
	return d/2 + rand.N(d/2+1) //nolint:gosec // RFC 5626 4.5: 50 to 100 %; no secret
}

// margin is how long before its end something is refreshed: room for a lost packet and a slow
// server (timer F is 32 s), yet no more than half of a short life.
func margin(life time.Duration) time.Duration {
	return min(max(life/10, 40*time.Second), life/2)
}

// unregister removes our Contact.
func (r *registration) unregister(ctx context.Context) {
	r.a.setState(AccountState{Registration: Offline})
	if r.bound.IsZero() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, unregisterTimeout)
	defer cancel()
	res, _, _, err := r.send(ctx, 0)
	if err = final(res, err); err != nil {
		r.a.ua.log.InfoContext(ctx, "not un-registered", "account", r.a.cfg.ID, "err", err)
	}
	r.bound = uri.URI{}
}
