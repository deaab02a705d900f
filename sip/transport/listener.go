package transport

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"time"
)

const (
	// maxAccepted bounds the connections others open to us; a softphone's server opens one or two.
	maxAccepted = 128
	// maxAcceptedFrom bounds those of one address: a server behind it may have several processes.
	maxAcceptedFrom = 16
	// acceptedIdle closes a connection that somebody opened and then left silent; firstMessage one over which no
	// message has come yet.
	acceptedIdle = 10 * time.Minute
	firstMessage = 32 * time.Second
)

// serveListener accepts connections until the Layer closes.
func (l *Layer) serveListener(ctx context.Context) {
	for {
		l.mu.Lock()
		ln := l.listener
		l.mu.Unlock()
		conn, err := ln.Accept()
		if err == nil {
			l.accepted(conn)
			continue
		}
		if l.isClosed() {
			return
		}
		open := func() error { return nil }
		if errors.Is(err, net.ErrClosed) {
			open = func() error { return l.reopenListener(ctx) }
		} else { // such as too many open files: the listener lives
			l.log.WarnContext(ctx, "cannot accept a connection", "err", err)
		}
		if !l.reopen(ctx, open) {
			return
		}
	}
}

func (l *Layer) reopenListener(ctx context.Context) error {
	ln, err := l.net.Listen(ctx, "tcp", ":"+strconv.Itoa(int(l.Port())))
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.listener = ln
	if l.closed {
		return ln.Close()
	}
	return nil
}

// accepted takes a connection somebody opened to us. When there are too many, the one that is of least use has to go:
// a flood must not keep out who has a call for us.
func (l *Layer) accepted(conn net.Conn) {
	remote := addrPort(conn.RemoteAddr())
	f := newFlow(l, flowKey{transport: "tcp", remote: remote}, conn)
	f.lastRead.Store(time.Now().UnixNano())
	tune(conn)
	l.mu.Lock()
	if l.closed || !remote.IsValid() {
		l.mu.Unlock()
		_ = conn.Close() // nothing was written
		return
	}
	spare := l.spare(remote.Addr())
	if spare != nil {
		delete(l.flows, spare.key)
		l.evicted.Add(1)
	}
	old := l.flows[f.key]
	l.flows[f.key] = f
	l.wg.Go(f.read)
	l.mu.Unlock()
	for _, g := range []*flow{spare, old} {
		if g != nil {
			g.Shut()
		}
	}
}

// spare chooses the accepted connection that makes room for one more from an address, nil while there is room: of that
// address if it has its share, else of any; first those over which no message has come, then the one that has been
// silent for longest. l.mu is held.
func (l *Layer) spare(from netip.Addr) *flow {
	var all, same int
	var worst, worstSame *flow
	for _, f := range l.flows {
		if f.dialed {
			continue
		}
		all++
		worst = worse(worst, f)
		if f.key.remote.Addr() == from {
			same++
			worstSame = worse(worstSame, f)
		}
	}
	switch {
	case same >= maxAcceptedFrom:
		return worstSame
	case all >= maxAccepted:
		return worst
	}
	return nil
}

func worse(a, b *flow) *flow {
	switch {
	case a == nil, a.spoke.Load() && !b.spoke.Load():
		return b
	case b.spoke.Load() && !a.spoke.Load():
		return a
	case b.lastRead.Load() < a.lastRead.Load():
		return b
	}
	return a
}
