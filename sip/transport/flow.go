package transport

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/trace"
)

const (
	// writeTimeout bounds one write; a full send buffer for this long is a dead peer.
	writeTimeout = 10 * time.Second
	// messageTime is how long a message may take from its first byte to its last: timer F (32 s), for then nobody waits
	// for an answer any more.
	messageTime = 32 * time.Second
	// maxMalformed closes a stream after so many messages in a row that nobody can parse.
	maxMalformed = 8
)

// flow is one stream: a TCP connection, bare or with TLS.
type flow struct {
	l      *Layer
	key    flowKey
	dialed bool
	pin    string        // of the key a TLS server has shown
	gone   chan struct{} // closed when the connection is
	pulse  pulse

	conn     net.Conn
	writing  sync.Mutex
	shutOnce sync.Once
	lastRead atomic.Int64 // unix nanoseconds; 0: never
	spoke    atomic.Bool  // a message has come
}

var _ Conn = (*flow)(nil)

func newFlow(l *Layer, key flowKey, conn net.Conn) *flow {
	return &flow{l: l, key: key, conn: conn, gone: make(chan struct{}), pulse: newPulse()}
}

// read takes what comes until the connection ends.
func (f *flow) read() {
	defer f.forget()
	var in framer
	buf := make([]byte, 8<<10)
	opened := time.Now()
	var began time.Time // of the message that is not complete
	malformed := 0
	for {
		if err := f.conn.SetReadDeadline(f.patience(opened, began)); err != nil {
			return
		}
		n, err := f.conn.Read(buf)
		if err != nil {
			return
		}
		f.lastRead.Store(time.Now().UnixNano())
		in.write(buf[:n])
		if !f.take(&in, &malformed) {
			return
		}
		switch {
		case !in.partial():
			began = time.Time{}
		case began.IsZero():
			began = time.Now()
		}
	}
}

// patience is when reading ends; zero: never.
func (f *flow) patience(opened, began time.Time) time.Time {
	switch {
	case !began.IsZero():
		return began.Add(messageTime)
	case f.dialed:
		return time.Time{}
	case !f.spoke.Load():
		return opened.Add(firstMessage)
	}
	return time.Now().Add(acceptedIdle)
}

// take handles what has come in whole. False: the connection is of no use any more.
func (f *flow) take(in *framer, malformed *int) bool {
	ponged := false
	for {
		kind, raw, err := in.next()
		switch {
		case err != nil:
			f.l.junk.Add(1)
			f.l.traceIn(f, in.buf, trace.Junk)
			f.l.log.Debug("stream not understood", "remote", f.key.remote, "err", err)
			if raw != nil && !errors.Is(err, errTooLarge) && f.l.cfg.Admit(f.key.remote, true, raw) {
				f.refuse(raw)
			}
			return false
		case kind == frameNone:
			return true
		case kind == framePing && !ponged: // one answer a read is enough
			ponged = true
			if f.write([]byte("\r\n")) != nil {
				return false
			}
		case kind == framePong && f.pulse.beat():
			in.lone = 0
		case kind == frameMessage && !f.l.cfg.Admit(f.key.remote, true, raw):
			f.l.traceIn(f, raw, trace.Silenced)
			return false
		case kind == frameMessage && f.message(raw):
			*malformed = 0
		case kind == frameMessage:
			if *malformed++; *malformed >= maxMalformed {
				return false
			}
		}
	}
}

// message takes one whole message. False: it cannot be parsed; the next one may be fine, for where it begins is known.
func (f *flow) message(raw []byte) bool {
	msg, err := f.l.cfg.Parse(raw)
	f.l.traceIn(f, raw, fateOf(err))
	if err != nil {
		f.l.junk.Add(1)
		f.l.log.Debug("message not understood", "remote", f.key.remote, "bytes", len(raw))
		f.refuse(raw)
		return false
	}
	f.spoke.Store(true)
	msg.SetTransport(strings.ToUpper(f.key.transport))
	msg.SetSource(source(f.key.remote))
	f.l.cfg.Receive(Received{Msg: msg, Raw: raw, Conn: f, Remote: f.key.remote})
	return true
}

// refuse answers a request that cannot be parsed.
func (f *flow) refuse(raw []byte) {
	if answer, _ := f.l.cfg.Malformed(raw, f.key.remote); answer != nil {
		f.l.traceOut(f, answer)
		_ = f.write(answer) // a peer that is gone needs none
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
	data := []byte(msg.String())
	f.l.traceOut(f, data)
	if err := f.write(data); err != nil {
		f.Shut()
		return fmt.Errorf("%w: send to %s: %w", ErrFailed, f.key.remote, err)
	}
	return nil
}

func (f *flow) Transport() string       { return f.key.transport }
func (f *flow) Remote() netip.AddrPort  { return f.key.remote }
func (f *flow) Broken() <-chan struct{} { return f.gone }
func (f *flow) PeerKey() string         { return f.pin }
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
	again := f.key // of a connection we opened: the same server
	if !f.dialed {
		again = flowKey{transport: f.key.transport, remote: netip.AddrPortFrom(f.key.remote.Addr(), port)}
	}
	return &answerPath{flow: f, again: again}
}

// answerPath sends responses back on the connection their request came by, or a new one.
type answerPath struct {
	*flow
	again flowKey
}

// WriteMsg sends one message.
func (p *answerPath) WriteMsg(msg sipmsg.Message) error {
	if p.alive() {
		return p.flow.WriteMsg(msg)
	}
	p.l.mu.Lock()
	life := p.l.life
	p.l.mu.Unlock()
	f, err := p.l.obtain(life, p.again) // bounded by DialTimeout
	if err != nil {
		return err
	}
	return f.WriteMsg(msg)
}
