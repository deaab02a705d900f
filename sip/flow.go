package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
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
	t      *transports
	key    flowKey
	dialed bool
	gone   chan struct{} // closed when the connection is

	conn     net.Conn
	writing  sync.Mutex
	shutOnce sync.Once
	lastRead atomic.Int64 // unix nanoseconds; 0: never
}

var _ sipmsg.Connection = (*flow)(nil)

// serveListener accepts connections until the UA closes.
func (t *transports) serveListener(ctx context.Context) {
	for {
		t.mu.Lock()
		ln := t.listener
		t.mu.Unlock()
		conn, err := ln.Accept()
		if err == nil {
			t.accepted(conn)
			continue
		}
		if t.isClosed() {
			return
		}
		if !errors.Is(err, net.ErrClosed) { // such as too many open files: the listener lives
			t.log.WarnContext(ctx, "cannot accept a connection", "err", err)
			if !t.reopen(ctx, func() error { return nil }) {
				return
			}
			continue
		}
		if !t.reopen(ctx, func() error {
			n, err := t.net.Listen(ctx, "tcp", ":"+strconv.Itoa(int(t.port)))
			if err != nil {
				return err
			}
			t.mu.Lock()
			defer t.mu.Unlock()
			t.listener = n
			if t.closed {
				return n.Close()
			}
			return nil
		}) {
			return
		}
	}
}

func (t *transports) accepted(conn net.Conn) {
	remote := addrPort(conn.RemoteAddr())
	f := &flow{t: t, key: flowKey{"tcp", remote}, conn: conn, gone: make(chan struct{})}
	t.mu.Lock()
	n := 0
	for _, g := range t.flows {
		if !g.dialed {
			n++
		}
	}
	refuse := t.closed || n >= maxAccepted || !remote.IsValid()
	if !refuse {
		t.flows[f.key] = f
		t.wg.Go(f.read)
	}
	t.mu.Unlock()
	if refuse {
		_ = conn.Close() // nothing was written
	}
}

// flow gives the connection to target, an open one or a new one.
func (t *transports) flow(ctx context.Context, target resolve.Target) (*flow, error) {
	key := flowKey{target.Transport, target.Addr}
	t.mu.Lock()
	f, closed := t.flows[key], t.closed
	t.mu.Unlock()
	if closed {
		return nil, ErrClosed
	}
	if f != nil && f.alive() {
		return f, nil
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := t.net.DialContext(ctx, "tcp", target.Addr.String())
	if err != nil {
		return nil, fmt.Errorf("%w: connect to %s: %w", ErrTransport, target.Addr, err)
	}
	f = &flow{t: t, key: key, conn: conn, dialed: true, gone: make(chan struct{})}
	t.mu.Lock()
	other := t.flows[key]
	if other != nil && !other.alive() {
		other = nil
	}
	refuse := t.closed || other != nil // two dialled at once: the first stays
	if !refuse {
		t.flows[key] = f
		t.wg.Go(f.read)
		t.wg.Go(f.keepAlive)
	}
	t.mu.Unlock()
	if refuse {
		_ = conn.Close() // nothing was written
		if other == nil {
			return nil, ErrClosed
		}
		return other, nil
	}
	return f, nil
}

// dropStale closes connections whose local address is not the one that leads to the peer any more:
// TCP itself would notice only after minutes.
func (t *transports) dropStale() {
	t.mu.Lock()
	flows := make([]*flow, 0, len(t.flows))
	for _, f := range t.flows {
		flows = append(flows, f)
	}
	t.mu.Unlock()
	for _, f := range flows {
		src, err := t.net.Source(f.key.remote)
		if err != nil || src != addrPort(f.conn.LocalAddr()).Addr() {
			t.log.Info("connection is stale, closing it", "remote", f.key.remote)
			f.shut()
		}
	}
}

// read parses what comes until the connection ends.
func (f *flow) read() {
	defer f.forget()
	stream := f.t.parser.NewSIPStream()
	defer stream.Close()
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
		data := buf[:n]
		if stream.Buffer().Len() == 0 && isKeepAlive(data) {
			if f.write([]byte("\r\n")) != nil { // the pong
				return
			}
			continue
		}
		err = stream.ParseSIPStream(data, func(msg sipmsg.Message) {
			msg.SetTransport("TCP")
			msg.SetSource(f.key.remote.String())
			f.t.receive(received{msg: msg, conn: f, remote: f.key.remote})
		})
		if err != nil && !errors.Is(err, sipmsg.ErrParseSipPartial) {
			f.t.junk.Add(1) // no message boundary to find again: RFC 3261 18.3 leaves only closing
			f.t.log.Debug("stream not understood", "remote", f.key.remote)
			return
		}
	}
}

// isKeepAlive knows the ping of RFC 5626 3.5.1. A lone CRLF, its pong, is skipped by the parser, which must
// see it because it may also end a header section that came in two pieces.
func isKeepAlive(data []byte) bool { return string(data) == "\r\n\r\n" }

func (f *flow) keepAlive() {
	tick := time.NewTicker(keepAliveEvery)
	defer tick.Stop()
	for {
		select {
		case <-f.gone:
			return
		case <-tick.C:
			if f.write([]byte("\r\n\r\n")) != nil {
				f.shut()
				return
			}
		}
	}
}

func (f *flow) forget() {
	f.shut()
	f.t.mu.Lock()
	defer f.t.mu.Unlock()
	if f.t.flows[f.key] == f {
		delete(f.t.flows, f.key)
	}
}

// shut closes the connection; read ends and forgets it.
func (f *flow) shut() {
	f.shutOnce.Do(func() {
		close(f.gone)
		_ = f.conn.Close() // the peer sees the end; nothing to do about an error
	})
}

// silentSince tells whether nothing has been read after a time.
func (f *flow) silentSince(t time.Time) bool { return f.lastRead.Load() < t.UnixNano() }

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
	f, err := p.t.flow(p.t.life, p.again) // bounded by dialTimeout
	if err != nil {
		return err
	}
	return f.WriteMsg(msg)
}

// LocalAddr gives the connection's own address.
func (f *flow) LocalAddr() net.Addr { return f.conn.LocalAddr() }

// WriteMsg sends one message.
func (f *flow) WriteMsg(msg sipmsg.Message) error {
	if err := f.write([]byte(msg.String())); err != nil {
		f.shut()
		return fmt.Errorf("%w: send to %s: %w", ErrTransport, f.key.remote, err)
	}
	return nil
}

// Ref, TryClose and Close do nothing: transactions come and go, the connection stays.
func (f *flow) Ref(int) int            { return 1 }
func (f *flow) TryClose() (int, error) { return 1, nil }
func (f *flow) Close() error           { return nil }
