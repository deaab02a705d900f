// Package transport owns the sockets and streams of one SIP user agent (RFC 3261 18): one datagram socket and one
// listener, both on the wildcard address and the same port, which live as long as the agent, and the connections
// opened to servers. It serves package sip and knows nothing of accounts, transactions or dialogs.
//
// Order of calls: New, Open, Serve in a goroutine of its own; then Path for the way to a target. What comes in goes
// to Config.Receive, in the order of arrival per socket. Close ends it all.
//
// sipgo's transport layer is not used: it opens sockets of its own, resolves names its own way, grows with every
// source address and gives each message a goroutine, which loses their order.
package transport

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/trust"
)

// Errors that callers branch on with errors.Is.
var (
	// ErrFailed says that something could not be sent, or its connection broke.
	ErrFailed = errors.New("network failure")
	// ErrClosed says that the Layer has been closed.
	ErrClosed = errors.New("user agent closed")
)

const (
	// DialTimeout bounds the opening of a connection. A reachable server answers within a second;
	// Linux retransmits its SYN after 1 and 3 s.
	DialTimeout = 5 * time.Second
	// maxDatagram is what a UDP length field can say.
	maxDatagram = 65535
	// reopenDelay is the pause before a failed socket is opened again.
	reopenDelay = 500 * time.Millisecond
	// readBuffer asks the kernel for room for a burst: at 1 kB a message, 1 MiB is 1,000 messages.
	readBuffer = 1 << 20
)

// Config says how a Layer is made. The functions are called from the goroutines that read sockets, Refused also from
// those that write; they must not block.
type Config struct {
	Logger  *slog.Logger // nil: silent
	Network Network      // nil: OSNetwork
	// Parse reads one whole message; nil: sipgo's parser. The bytes are only good during the call.
	Parse func(raw []byte) (sipmsg.Message, error)
	// Malformed makes the stateless answer to a datagram that Parse refused, and says where it goes; nil: none.
	Malformed func(raw []byte, remote netip.AddrPort) (answer []byte, to netip.AddrPort)
	// Receive takes a message; required.
	Receive func(Received)
	// Admit decides about a datagram, or a whole message of a stream, before it is parsed; false drops it, and closes
	// the stream. nil: all are parsed. It must not block.
	Admit func(remote netip.AddrPort, stream bool, raw []byte) bool
	// Refused takes the beginning of a datagram of ours that met a closed port; nil: nobody wants to know.
	Refused func([]byte)
}

// Received is a message as it came from a socket.
type Received struct {
	Msg    sipmsg.Message
	Raw    []byte         // the bytes it was read from; only good while Receive runs
	Conn   Conn           // answers go this way
	Remote netip.AddrPort // where it came from
}

// Layer is the transport layer of one user agent. Its methods may be called from any goroutine.
type Layer struct {
	log *slog.Logger
	net Network
	cfg Config

	junk, oversized, evicted atomic.Uint64
	sources                  sources // for traces
	tracer                   atomic.Pointer[tracer]

	mu       sync.Mutex
	life     context.Context //nolint:containedctx // until Close: answers and dials outlive the verbs that caused them
	end      context.CancelFunc
	udp      net.PacketConn
	listener net.Listener
	port     uint16
	flows    map[flowKey]*flow
	opening  map[flowKey]*opening
	peers    map[flowKey]peer // by policy and name
	proven   map[provenKey]string
	bindings map[stunID]*binding
	closed   bool
	wg       sync.WaitGroup
}

// New makes a Layer. It opens nothing yet.
func New(cfg Config) *Layer {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Network == nil {
		cfg.Network = OSNetwork{}
	}
	if cfg.Parse == nil {
		cfg.Parse = sipmsg.NewParser().ParseSIP
	}
	if cfg.Malformed == nil {
		cfg.Malformed = func([]byte, netip.AddrPort) ([]byte, netip.AddrPort) { return nil, netip.AddrPort{} }
	}
	if cfg.Admit == nil {
		cfg.Admit = func(netip.AddrPort, bool, []byte) bool { return true }
	}
	if cfg.Refused == nil {
		cfg.Refused = func([]byte) {}
	}
	return &Layer{
		log: cfg.Logger, net: cfg.Network, cfg: cfg,
		flows: map[flowKey]*flow{}, opening: map[flowKey]*opening{}, peers: map[flowKey]peer{},
		proven: map[provenKey]string{}, bindings: map[stunID]*binding{},
	}
}

// Open binds the sockets. With port 0 it looks for a number that is free for both.
func (l *Layer) Open(ctx context.Context, port int) error {
	const attempts = 20
	var last error
	for range attempts {
		pc, err := l.net.ListenPacket(ctx, "udp", ":"+strconv.Itoa(port))
		if err != nil {
			return fmt.Errorf("open UDP port %d: %w", port, err)
		}
		got := addrPort(pc.LocalAddr()).Port()
		ln, err := l.net.Listen(ctx, "tcp", ":"+strconv.Itoa(int(got)))
		if err == nil {
			l.opened(ctx, pc, ln, got)
			return nil
		}
		_ = pc.Close() // not used yet
		last = fmt.Errorf("open TCP port %d: %w", got, err)
		if port != 0 {
			break
		}
	}
	return last
}

func (l *Layer) opened(ctx context.Context, pc net.PacketConn, ln net.Listener, port uint16) {
	prepare(pc)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.udp, l.listener, l.port = pc, ln, port
	l.life, l.end = context.WithCancel(context.WithoutCancel(ctx))
	l.wg.Add(1) // until Close: what is opened before Serve counts too
}

// Serve reads from the sockets until Close, which should come when ctx ends. It returns when all reading has ended.
func (l *Layer) Serve(ctx context.Context) {
	l.wg.Go(func() { l.serveDatagrams(ctx) })
	l.wg.Go(func() { l.serveListener(ctx) })
	l.wg.Wait()
}

// Close closes every socket; Serve returns soon after.
func (l *Layer) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end != nil && !l.closed {
		l.end()
		l.wg.Done()
	}
	l.closed = true
	if l.udp != nil {
		_ = l.udp.Close() // what was sent is sent
	}
	if l.listener != nil {
		_ = l.listener.Close()
	}
	for _, f := range l.flows {
		f.Shut()
	}
}

func (l *Layer) isClosed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.closed
}

// Port gives the port of both sockets; 0 before Open.
func (l *Layer) Port() uint16 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.port
}

// Counters count since New.
type Counters struct {
	Junk      uint64 // datagrams and streams that are no SIP
	Oversized uint64 // messages too large for a datagram
	Evicted   uint64 // connections closed because too many were open to us
}

// Counters reads the counters.
func (l *Layer) Counters() Counters {
	return Counters{Junk: l.junk.Load(), Oversized: l.oversized.Load(), Evicted: l.evicted.Load()}
}

// Path gives the way to a target, opening a connection when there is none. The policy says how a TLS server proves
// who it is. Errors wrap ErrFailed or ErrClosed; ctx and DialTimeout bound the opening.
func (l *Layer) Path(ctx context.Context, target resolve.Target, policy trust.Policy) (Conn, error) {
	switch target.Transport {
	case "udp", "":
		return &datagrams{l: l, remote: target.Addr}, nil
	case "tcp", "tls":
		f, err := l.flow(ctx, target, policy)
		if err != nil {
			return nil, err // not a nil *flow
		}
		return f, nil
	default:
		return nil, fmt.Errorf("%w: transport %q is not supported", ErrFailed, target.Transport)
	}
}

// reopen calls open until it succeeds; false when the Layer closed meanwhile.
func (l *Layer) reopen(ctx context.Context, open func() error) bool {
	for {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(reopenDelay):
		}
		if l.isClosed() {
			return false
		}
		err := open()
		if err == nil {
			return true
		}
		l.log.WarnContext(ctx, "cannot open socket", "err", err)
	}
}

// addrPort reads an address of package net; the zero value when it is of no known kind.
func addrPort(a net.Addr) netip.AddrPort {
	var ap netip.AddrPort
	switch a := a.(type) {
	case *net.UDPAddr:
		ap = a.AddrPort()
	case *net.TCPAddr:
		ap = a.AddrPort()
	default:
		if a == nil {
			return ap
		}
		ap, _ = netip.ParseAddrPort(a.String()) // zero on failure, as promised
	}
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}
