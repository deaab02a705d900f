package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/trust"
)

const (
	// handshakeTimeout bounds a TLS handshake: two round trips and some arithmetic on a busy server.
	handshakeTimeout = 5 * time.Second
	// maxPeers bounds what is remembered of TLS servers. An account has one, with a handful of addresses.
	maxPeers = 64
)

// flowKey names a connection. Over TLS accounts with different policies or server names never share one.
type flowKey struct {
	transport string
	remote    netip.AddrPort
	policy    trust.Policy // zero without TLS
	name      string       // the server's; "" without TLS
}

// opening is a connection that is being opened: whoever wants the same one waits for it.
type opening struct {
	cancel context.CancelFunc
	stale  atomic.Bool   // given up because our address changed: who waits begins anew
	done   chan struct{} // closed when f and err are set
	f      *flow
	err    error
}

// peer is what is remembered of a TLS server, so that a reconnect after a move takes one round trip less, and a key
// taken at first use stays the only one.
type peer struct {
	sessions tls.ClientSessionCache
	key      string // the first one shown under a Policy that takes any; "" before
}

// flow gives the connection to target, an open one or a new one.
func (l *Layer) flow(ctx context.Context, target resolve.Target, policy trust.Policy) (*flow, error) {
	key := flowKey{transport: target.Transport, remote: target.Addr}
	if key.transport == "tls" {
		key.policy, key.name = policy, l.serverName(target, policy)
	}
	return l.obtain(ctx, key)
}

// obtain gives the connection named by key. Each turn of its loop but the last is ended by a move.
func (l *Layer) obtain(ctx context.Context, key flowKey) (*flow, error) {
	for {
		f, o, err := l.present(key)
		if o == nil {
			return f, err
		}
		select {
		case <-o.done:
			if !o.stale.Load() {
				return o.f, o.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: connect to %s: %w", ErrFailed, key.remote, context.Cause(ctx))
		}
	}
}

// present gives an open connection, or one that is being opened.
func (l *Layer) present(key flowKey) (*flow, *opening, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.life == nil {
		return nil, nil, ErrClosed
	}
	if f := l.flows[key]; f != nil && f.alive() {
		return f, nil, nil
	}
	o := l.opening[key]
	if o == nil {
		o = l.open(key)
	}
	return nil, o, nil
}

// serverName is the name the server at target must prove. A target that has only its address, as routes inside a dialog
// often do, must be the one that proved a name at that address under the same policy before.
func (l *Layer) serverName(target resolve.Target, policy trust.Policy) string {
	ip, err := netip.ParseAddr(strings.Trim(target.ServerName, "[]"))
	if err != nil || ip.WithZone("") != target.Addr.Addr().WithZone("") {
		return target.ServerName
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if name, known := l.proven[provenKey{target.Addr, policy}]; known {
		return name
	}
	return target.ServerName
}

// provenKey is an address and the policy under which a name was proven there.
type provenKey struct {
	remote netip.AddrPort
	policy trust.Policy
}

// open begins to open a connection. It goes on when those who wait give up: the next one will want it. l.mu is held.
func (l *Layer) open(key flowKey) *opening {
	ctx, cancel := context.WithTimeout(l.life, DialTimeout+handshakeTimeout)
	o := &opening{cancel: cancel, done: make(chan struct{})}
	l.opening[key] = o
	l.wg.Go(func() {
		defer cancel()
		conn, pin, err := l.dial(ctx, key)
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.opening[key] == o {
			delete(l.opening, key)
		}
		defer close(o.done)
		if err == nil && (l.closed || ctx.Err() != nil) {
			_ = conn.Close() // nothing was written
			err = fmt.Errorf("%w: connect to %s: %w", ErrFailed, key.remote, net.ErrClosed)
		}
		if err != nil {
			o.err = err
			return
		}
		o.f = newFlow(l, key, conn)
		o.f.dialed, o.f.pin = true, pin
		l.flows[key] = o.f
		l.wg.Go(o.f.read)
		l.wg.Go(o.f.keepAlive)
	})
	return o
}

// dial opens a connection and, over TLS, makes the server prove itself. pin is the key it showed.
func (l *Layer) dial(ctx context.Context, key flowKey) (conn net.Conn, pin string, err error) {
	limited, cancel := context.WithTimeout(ctx, DialTimeout)
	conn, err = l.net.DialContext(limited, "tcp", key.remote.String())
	cancel()
	if err != nil {
		return nil, "", fmt.Errorf("%w: connect to %s: %w", ErrFailed, key.remote, err)
	}
	tune(conn)
	if key.transport != "tls" {
		return conn, "", nil
	}
	secured, pin, err := l.secure(ctx, conn, key)
	if err != nil {
		_ = conn.Close() // nothing of ours was sent
		return nil, "", fmt.Errorf("%w: TLS to %s: %w", ErrFailed, key.remote, trust.HandshakeError(err))
	}
	return secured, pin, nil
}

// secure makes the TLS handshake.
func (l *Layer) secure(ctx context.Context, conn net.Conn, key flowKey) (*tls.Conn, string, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	p := l.peer(key)
	policy := key.policy
	if policy.Mode == trust.Pin && policy.Pin == "" {
		policy.Pin = p.key // any key, but only once
	}
	cfg, err := policy.Config(key.name)
	if err != nil {
		return nil, "", err
	}
	cfg.ClientSessionCache = p.sessions
	secured := tls.Client(conn, cfg)
	if err := secured.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil && !isJudgement(err) {
			err = ctx.Err()
		}
		return nil, "", err
	}
	pin := trust.PinOf(secured.ConnectionState().PeerCertificates[0])
	l.prove(key, pin)
	return secured, pin, nil
}

func isJudgement(err error) bool {
	_, is := errors.AsType[*trust.Error](err)
	return is
}

// peer gives what is remembered of a server, by name and policy: all its addresses are one server.
func (l *Layer) peer(key flowKey) peer {
	l.mu.Lock()
	defer l.mu.Unlock()
	key.remote = netip.AddrPort{}
	p, known := l.peers[key]
	if !known {
		p = peer{sessions: tls.NewLRUClientSessionCache(2)}
		if len(l.peers) < maxPeers { // else who makes us connect to many names would wash away the accounts' servers
			l.peers[key] = p
		}
	}
	return p
}

// prove remembers that a server has shown who it is.
func (l *Layer) prove(key flowKey, pin string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := provenKey{key.remote, key.policy}
	if _, known := l.proven[at]; known || len(l.proven) < maxPeers {
		l.proven[at] = key.name
	}
	key.remote = netip.AddrPort{}
	if p, known := l.peers[key]; known && p.key == "" {
		p.key = pin
		l.peers[key] = p
	}
}

// DropStale closes connections whose local address is not the one that leads to the peer any more: TCP itself would
// notice only after minutes. Those that are being opened are begun anew.
func (l *Layer) DropStale() {
	l.mu.Lock()
	flows := make([]*flow, 0, len(l.flows))
	for _, f := range l.flows {
		flows = append(flows, f)
	}
	for key, o := range l.opening {
		o.stale.Store(true)
		o.cancel()
		delete(l.opening, key)
	}
	l.mu.Unlock()
	for _, f := range flows {
		src, err := l.net.Source(f.key.remote)
		if err != nil || src.WithZone("") != f.Local().Addr().WithZone("") {
			l.log.Info("connection is stale, closing it", "remote", f.key.remote)
			f.Shut()
		}
	}
}
