package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
)

const (
	// maxAccepted bounds the connections others open to us; a softphone's server opens one or two.
	maxAccepted = 128
	// acceptedIdle closes a connection that somebody opened and then left silent.
	acceptedIdle = 10 * time.Minute
	// keepAliveEvery is the pause between double-CRLF pings on connections we opened: RFC 5626 4.4.1
	// recommends 95 to 120 s.
	keepAliveEvery = 100 * time.Second
	// writeTimeout bounds one write; a full send buffer for this long is a dead peer.
	writeTimeout = 10 * time.Second
)

type flowKey struct {
	transport string
	remote    netip.AddrPort
}

// flow is one TCP connection.
type flow struct {
	l      *Layer
	key    flowKey
	dialed bool
	gone   chan struct{} // closed when the connection is

	conn     net.Conn
	writing  sync.Mutex
	shutOnce sync.Once
	lastRead atomic.Int64 // unix nanoseconds; 0: never
}

var _ Conn = (*flow)(nil)

// serveListener accepts connections until the UA closes.
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
		if !errors.Is(err, net.ErrClosed) { // such as too many open files: the listener lives
			l.log.WarnContext(ctx, "cannot accept a connection", "err", err)
			if !l.reopen(ctx, func() error { return nil }) {
				return
			}
			continue
		}
		if !l.reopen(ctx, func() error {
			n, err := l.net.Listen(ctx, "tcp", ":"+strconv.Itoa(int(l.Port())))
			if err != nil {
				return err
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.listener = n
			if l.closed {
				return n.Close()
			}
			return nil
		}) {
			return
		}
	}
}

func (l *Layer) accepted(conn net.Conn) {
	remote := addrPort(conn.RemoteAddr())
	f := &flow{l: l, key: flowKey{"tcp", remote}, conn: conn, gone: make(chan struct{})}
	l.mu.Lock()
	n := 0
	for _, g := range l.flows {
		if !g.dialed {
			n++
		}
	}
	refuse := l.closed || n >= maxAccepted || !remote.IsValid()
	if !refuse {
		l.flows[f.key] = f
		l.wg.Go(f.read)
	}
	l.mu.Unlock()
	if refuse {
		_ = conn.Close() // nothing was written
	}
}

// flow gives the connection to target, an open one or a new one.
func (l *Layer) flow(ctx context.Context, target resolve.Target) (*flow, error) {
	key := flowKey{target.Transport, target.Addr}
	l.mu.Lock()
	f, closed := l.flows[key], l.closed
	l.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if f != nil && f.alive() {
		return f, nil
	}
	ctx, cancel := context.WithTimeout(ctx, DialTimeout)
	defer cancel()
	conn, err := l.net.DialContext(ctx, "tcp", target.Addr.String())
	if err != nil {
		return nil, fmt.Errorf("%w: connect to %s: %w", ErrFailed, target.Addr, err)
	}
	f = &flow{l: l, key: key, conn: conn, dialed: true, gone: make(chan struct{})}
	l.mu.Lock()
	other := l.flows[key]
	if other != nil && !other.alive() {
		other = nil
	}
	refuse := l.closed || other != nil // two dialled at once: the first stays
	if !refuse {
		l.flows[key] = f
		l.wg.Go(f.read)
		l.wg.Go(f.keepAlive)
	}
	l.mu.Unlock()
	if refuse {
		_ = conn.Close() // nothing was written
		if other == nil {
			return nil, ErrClosed
		}
		return other, nil
	}
	return f, nil
}

// DropStale closes connections whose local address is not the one that leads to the peer any more:
// TCP itself would notice only after minutes.
func (l *Layer) DropStale() {
	l.mu.Lock()
	flows := make([]*flow, 0, len(l.flows))
	for _, f := range l.flows {
		flows = append(flows, f)
	}
	l.mu.Unlock()
	for _, f := range flows {
		src, err := l.net.Source(f.key.remote)
		if err != nil || src != addrPort(f.conn.LocalAddr()).Addr() {
			l.log.Info("connection is stale, closing it", "remote", f.key.remote)
			f.Shut()
		}
	}
}

// read takes what comes until the connection ends.
func (f *flow) read() {
	defer f.forget()
	var in framer
	buf := make([]byte, 16<<10)
	for {
		if !f.dialed {
			if err := f.conn.SetReadDeadline(time.Now().Add(acceptedIdle)); err != nil {
				return
			}
		}
		n, err := f.conn.Read(buf)
		if err != nil {
			return
		}
		f.lastRead.Store(time.Now().UnixNano())
		in.write(buf[:n])
		if !f.take(&in) {
			return
		}
	}
}

// take handles what has come in whole. False: the connection is of no use any more.
func (f *flow) take(in *framer) bool {
	ponged := false
	for {
		kind, raw, err := in.next()
		switch {
		case err != nil:
			f.l.junk.Add(1)
			f.l.log.Debug("stream not understood", "remote", f.key.remote, "err", err)
			return false
		case kind == frameNone:
			return true
		case kind == framePing && !ponged: // one answer a read is enough
			ponged = true
			if f.write([]byte("\r\n")) != nil {
				return false
			}
		case kind == frameMessage:
			if !f.message(raw) {
				return false
			}
		}
	}
}

// message takes one whole message.
func (f *flow) message(raw []byte) bool {
	if !f.l.cfg.Admit(f.key.remote, true, raw) {
		return false
	}
	msg, err := f.l.cfg.Parse(raw)
	if err != nil {
		f.l.junk.Add(1)
		f.l.log.Debug("message not understood", "remote", f.key.remote, "bytes", len(raw))
		return false
	}
	msg.SetTransport(strings.ToUpper(f.key.transport))
	msg.SetSource(f.key.remote.String())
	f.l.cfg.Receive(Received{Msg: msg, Raw: raw, Conn: f, Remote: f.key.remote})
	return true
}

func (f *flow) keepAlive() {
	tick := time.NewTicker(keepAliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-f.gone:
			return
		case <-tick.C:
			if f.write([]byte("\r\n\r\n")) != nil {
				f.Shut()
				return
			}
		}
	}
}

func (f *flow) forget() {
	f.Shut()
	f.l.mu.Lock()
	defer f.l.mu.Unlock()
	if f.l.flows[f.key] == f {
		delete(f.l.flows, f.key)
	}
}

// Shut closes the connection; read ends and forgets it.
func (f *flow) Shut() {
	f.shutOnce.Do(func() {
		close(f.gone)
		_ = f.conn.Close() // the peer sees the end; nothing to do about an error
	})
}

// SilentSince tells whether nothing has been read after a time.
func (f *flow) SilentSince(t time.Time) bool { return f.lastRead.Load() < t.UnixNano() }

func (f *flow) alive() bool {
	select {
	case <-f.gone:
		return false
	default:
		return true
	}
}

func (f *flow) write(data []byte) error {
	f.writing.Lock()
	defer f.writing.Unlock()
	if err := f.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := f.conn.Write(data)
	return err
}

// Local gives the connection's own address.
func (f *flow) Local() netip.AddrPort { return addrPort(f.conn.LocalAddr()) }

// LocalAddr gives the connection's own address.
func (f *flow) LocalAddr() net.Addr { return f.conn.LocalAddr() }

// WriteMsg sends one message.
func (f *flow) WriteMsg(msg sipmsg.Message) error {
	if err := f.write([]byte(msg.String())); err != nil {
		f.Shut()
		return fmt.Errorf("%w: send to %s: %w", ErrFailed, f.key.remote, err)
	}
	return nil
}

func (f *flow) Transport() string       { return f.key.transport }
func (f *flow) Remote() netip.AddrPort  { return f.key.remote }
func (f *flow) Broken() <-chan struct{} { return f.gone }
func (f *flow) PeerKey() string         { return "" }
func (f *flow) Ref(int) int             { return 1 }
func (f *flow) TryClose() (int, error)  { return 1, nil }
func (f *flow) Close() error            { return nil }

func (f *flow) Same(other Conn) bool {
	switch o := other.(type) {
	case *flow:
		return o == f
	case *answerPath:
		return o.flow == f
	}
	return false
}

func (f *flow) Answers(port uint16, _ bool) Conn {
	again := resolve.Target{Transport: f.key.transport, Addr: netip.AddrPortFrom(f.key.remote.Addr(), port)}
	return &answerPath{flow: f, again: again}
}

// answerPath sends responses back on the connection their request came by, or a new one.
type answerPath struct {
	*flow
	again resolve.Target
}

// WriteMsg sends one message.
func (p *answerPath) WriteMsg(msg sipmsg.Message) error {
	if p.alive() {
		return p.flow.WriteMsg(msg)
	}
	p.l.mu.Lock()
	life := p.l.life
	p.l.mu.Unlock()
	f, err := p.l.flow(life, p.again) // bounded by DialTimeout
	if err != nil {
		return err
	}
	return f.WriteMsg(msg)
}
