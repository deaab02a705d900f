package transport

import (
	"context"
	"crypto/rand"
	"fmt"
	mrand "math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

const (
	// streamEvery is the longest pause between pings on a stream without any agreement: RFC 5626 4.4.1 has 95 to 120 s.
	streamEvery = 120 * time.Second
	// datagramEvery is the same for datagrams: RFC 5626 4.4.2 has 24 to 29 s.
	datagramEvery = 29 * time.Second
	// pongTimeout is how long a pong may take (RFC 5626 4.4.1).
	pongTimeout = 10 * time.Second
	// stunFirst is the first pause before a STUN request is sent again; it doubles (RFC 8489 6.2.1). The seven tries of
	// the RFC take 39.5 s; five are enough, and take pongTimeout.
	stunFirst = 500 * time.Millisecond
	stunTries = 5
	// maxBindings bounds the STUN requests under way.
	maxBindings = 128
)

// pulse decides whether the other end of a stream is alive, by its pongs (RFC 5626 3.5.1, 4.4.1).
//
//	quiet --every--> ping --pong, or anything else--> quiet
//	                   |---10 s, peer owes pongs----> dead
//	                   +---10 s, it never did-------> quiet
type pulse struct {
	pong    chan struct{} // has room for one
	changed chan struct{} // has room for one

	mu      sync.Mutex
	every   time.Duration // 0: streamEvery
	owes    bool          // the peer agreed to answer, or has done so
	waiting bool          // a ping is out
}

func newPulse() pulse {
	return pulse{pong: make(chan struct{}, 1), changed: make(chan struct{}, 1)}
}

// beat takes a CRLF. False: it answers no ping of ours.
func (p *pulse) beat() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.waiting {
		return false
	}
	p.waiting, p.owes = false, true
	signal(p.pong)
	return true
}

// pause is the time until the next ping: 80 to 100 % of the longest one, so that clients do not ping in step.
func (p *pulse) pause() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return jitter(p.every, streamEvery)
}

// ask begins a ping and tells whether a pong must come.
func (p *pulse) ask() (owed bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.pong: // a late one
	default:
	}
	p.waiting = true
	return p.owes
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default: // it is signalled already
	}
}

func jitter(every, usual time.Duration) time.Duration {
	if every <= 0 {
		every = usual
	}
	return every - mrand.N(every/5+1) //nolint:gosec // spreads load; no secret
}

// KeepAlive sets the pace of the pings on a stream we opened: every is the longest pause (Flow-Timer, RFC 5626 4.4), 0
// the usual one. agreed says that the other end has promised to answer (it registered us with outbound), so that its
// silence counts from the first ping on; without, only after it has answered one.
func (f *flow) KeepAlive(every time.Duration, agreed bool) {
	f.pulse.mu.Lock()
	f.pulse.every = every
	f.pulse.owes = f.pulse.owes || agreed
	f.pulse.mu.Unlock()
	signal(f.pulse.changed)
}

// keepAlive pings until the stream ends, and ends it when the other end is dead.
func (f *flow) keepAlive() {
	for {
		timer := time.NewTimer(f.pulse.pause())
		select {
		case <-f.gone:
			timer.Stop()
			return
		case <-f.pulse.changed:
			timer.Stop()
			continue
		case <-timer.C:
		}
		if !f.ping() {
			f.Shut()
			return
		}
	}
}

// ping asks for a sign of life. False: there is none.
func (f *flow) ping() bool {
	asked := time.Now()
	owed := f.pulse.ask()
	if f.write([]byte("\r\n\r\n")) != nil {
		return false
	}
	timer := time.NewTimer(pongTimeout)
	defer timer.Stop()
	select {
	case <-f.gone:
		return true // the caller sees it next
	case <-f.pulse.pong:
		return true
	case <-timer.C:
	}
	if !owed || !f.SilentSince(asked) { // a message is as good a sign
		return true
	}
	f.l.log.Info("no pong, closing the connection", "remote", f.key.remote)
	return false
}

// KeepAlive does nothing: datagrams have Layer.KeepAlive.
func (d *datagrams) KeepAlive(time.Duration, bool) {}

// KeepAlive says how the way of datagrams to a server is kept open.
type KeepAlive struct {
	Every time.Duration // the longest pause; 0: 29 s
	// STUN asks for answers (RFC 5626 3.5.2), and must only be set for a server that has promised them, by registering
	// us with outbound or by "keep" in its Via (RFC 6223). Without, line breaks are sent, which nobody answers.
	STUN bool
	// Mapped is told what our address looks like from the server: the first one, and each change, which says that a NAT
	// has forgotten us. It must not block. May be nil.
	Mapped func(netip.AddrPort)
}

// KeepAlive keeps the way of datagrams to an address open until ctx ends: then it returns nil. With STUN it returns an
// error wrapping ErrFailed when no answer came to any of the tries within 10 s: that flow has failed (RFC 5626 4.4.2).
func (l *Layer) KeepAlive(ctx context.Context, to netip.AddrPort, k KeepAlive) error {
	var mapped netip.AddrPort
	for {
		timer := time.NewTimer(jitter(k.Every, datagramEvery))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		if !k.STUN {
			if err := l.Probe(to); err != nil {
				l.log.DebugContext(ctx, "keep-alive not sent", "remote", to, "err", err)
			}
			continue
		}
		now, err := l.Binding(ctx, to)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // the end that was asked for
		case err != nil:
			return err
		}
		if now.IsValid() && now != mapped && k.Mapped != nil {
			k.Mapped(now)
		}
		mapped = now
	}
}

// binding is a STUN request under way.
type binding struct {
	remote netip.AddrPort
	answer chan netip.AddrPort // has room for one
}

// Binding asks a server by STUN, over the socket that SIP uses, how our address looks from there. The address is zero
// when the server's answer does not say. It takes 10 s at most; errors wrap ErrFailed.
func (l *Layer) Binding(ctx context.Context, to netip.AddrPort) (netip.AddrPort, error) {
	var id stunID
	_, _ = rand.Read(id[:]) // never fails (crypto/rand)
	b := &binding{remote: to, answer: make(chan netip.AddrPort, 1)}
	l.mu.Lock()
	full := len(l.bindings) >= maxBindings
	if !full {
		l.bindings[id] = b
	}
	l.mu.Unlock()
	if full {
		return netip.AddrPort{}, fmt.Errorf("%w: STUN to %s: too many at once", ErrFailed, to)
	}
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.bindings, id)
	}()
	deadline := time.NewTimer(pongTimeout)
	defer deadline.Stop()
	request := stunRequest(id)
	wait := stunFirst
	for try := 1; ; try++ {
		var again <-chan time.Time
		if try <= stunTries {
			if err := l.writeTo(request, to); err != nil {
				l.log.DebugContext(ctx, "STUN request not sent", "remote", to, "err", err)
			}
			again = time.After(wait)
			wait *= 2
		}
		select {
		case mapped := <-b.answer:
			return mapped, nil
		case <-again:
		case <-deadline.C:
			return netip.AddrPort{}, fmt.Errorf("%w: no answer to STUN from %s", ErrFailed, to)
		case <-ctx.Done():
			return netip.AddrPort{}, fmt.Errorf("%w: STUN to %s: %w", ErrFailed, to, context.Cause(ctx))
		}
	}
}

// bound takes a STUN message. False: it answers no request of ours to that address.
func (l *Layer) bound(data []byte, remote netip.AddrPort) bool {
	id, mapped, ok := stunAnswer(data)
	if !ok {
		return false
	}
	l.mu.Lock()
	b := l.bindings[id]
	l.mu.Unlock()
	if b == nil || b.remote != remote {
		return false
	}
	select {
	case b.answer <- mapped:
	default: // answered already
	}
	return true
}
