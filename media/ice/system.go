package ice

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v3"
	"github.com/pion/transport/v4"
	"github.com/pion/transport/v4/stdnet"
)

// dialWait bounds a connection to a TURN server by TCP, and a question to the DNS.
const dialWait = 5 * time.Second

// life is the context of what outlives the call that began it: gathering goes on while a phone rings.
type life struct{ done chan struct{} }

var _ context.Context = life{}

func newLife() (l life, end func()) {
	l = life{done: make(chan struct{})}
	return l, sync.OnceFunc(func() { close(l.done) })
}

// Deadline says that there is none.
func (l life) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done is closed at the end.
func (l life) Done() <-chan struct{} { return l.done }

// Err tells whether the end has come.
func (l life) Err() error {
	select {
	case <-l.done:
		return context.Canceled
	default:
		return nil
	}
}

// Value has nothing.
func (l life) Value(any) any { return nil }

// system is the network for pion's TURN client. Unlike pion's own it gives up when the agent is closed.
type system struct {
	*stdnet.Net
	life life

	mu     sync.Mutex
	open   []io.Closer // sockets to the TURN server
	closed bool
}

var _ transport.Net = (*system)(nil)

func newSystem(l life) (*system, error) {
	n, err := stdnet.NewNet()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	return &system{Net: n, life: l}, nil
}

func (s *system) resolve(address string) (netip.AddrPort, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	ctx, cancel := context.WithTimeout(s.life, dialWait)
	defer cancel()
	list, err := lookup(ctx, host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	i := slices.IndexFunc(list, netip.Addr.Is4) // pion asks for relays by IPv4 only
	if i < 0 {
		return netip.AddrPort{}, &net.AddrError{Err: "no IPv4 address", Addr: host}
	}
	return netip.AddrPortFrom(list[i], uint16(port)), nil
}

// ResolveUDPAddr looks a server up.
func (s *system) ResolveUDPAddr(_, address string) (*net.UDPAddr, error) {
	to, err := s.resolve(address)
	if err != nil {
		return nil, err
	}
	return net.UDPAddrFromAddrPort(to), nil
}

// ResolveTCPAddr looks a server up.
func (s *system) ResolveTCPAddr(_, address string) (*net.TCPAddr, error) {
	to, err := s.resolve(address)
	if err != nil {
		return nil, err
	}
	return net.TCPAddrFromAddrPort(to), nil
}

// keep makes close know a socket.
func (s *system) keep(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return
	}
	s.open = append(s.open, c)
}

// close closes the sockets to the TURN server.
func (s *system) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.open {
		_ = c.Close()
	}
	s.open, s.closed = nil, true
}

// ListenPacket opens the socket to a server.
func (s *system) ListenPacket(network, address string) (net.PacketConn, error) {
	conn, err := s.Net.ListenPacket(network, address)
	if err != nil {
		return nil, err
	}
	s.keep(conn)
	return conn, nil
}

// DialTCP connects to a server.
func (s *system) DialTCP(network string, _, to *net.TCPAddr) (transport.TCPConn, error) {
	d := net.Dialer{Timeout: dialWait}
	conn, err := d.DialContext(s.life, network, to.String())
	if err != nil {
		return nil, err
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil, errors.Join(net.UnknownNetworkError(network), conn.Close())
	}
	s.keep(tcp)
	return tcp, nil
}

// Addresses lists the addresses of interfaces that are up, without loopback and link-local ones
// (RFC 8445 5.1.1.1), that of the way to the Internet first.
func Addresses() []netip.Addr {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil
	}
	var list []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
				list = append(list, p.Addr().Unmap())
			}
		}
	}
	first := systemSource(netip.AddrFrom4([4]byte{198, 51, 100, 1})) // documentation (RFC 5737)
	slices.SortStableFunc(list, func(x, y netip.Addr) int { return rank(x, first) - rank(y, first) })
	return list
}

func rank(addr, first netip.Addr) int {
	if addr == first {
		return 0
	}
	return 1
}

// systemSource asks the kernel: connecting a UDP socket sends nothing.
func systemSource(remote netip.Addr) netip.Addr {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(remote, stunPort)))
	if err != nil {
		return netip.Addr{}
	}
	defer func() { _ = conn.Close() }()
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return netip.Addr{}
	}
	return local.AddrPort().Addr().Unmap().WithZone("")
}

// watcher is pion's log. What pion writes at its lower levels is left out: passwords are among it. It is also the only
// place where pion says why a TURN server gave no relay.
type watcher struct {
	log     *slog.Logger
	refused func() // the TURN server does not know the user or the password
}

var (
	_ logging.LoggerFactory = (*watcher)(nil)
	_ logging.LeveledLogger = (*watcher)(nil)
)

// NewLogger gives the same log to every part of pion.
func (w *watcher) NewLogger(string) logging.LeveledLogger { return w }

func (w *watcher) Trace(string)          {}
func (w *watcher) Tracef(string, ...any) {}
func (w *watcher) Debug(string)          {}
func (w *watcher) Debugf(string, ...any) {}
func (w *watcher) Info(string)           {}
func (w *watcher) Infof(string, ...any)  {}

// Warn notes.
func (w *watcher) Warn(msg string) { w.log.Debug("pion/ice", "detail", msg) }

// Warnf notes, and reads why an allocation failed.
func (w *watcher) Warnf(format string, args ...any) {
	for _, arg := range args {
		err, ok := arg.(error)
		if !ok {
			continue
		}
		var refusal *stun.TurnError
		if !errors.As(err, &refusal) {
			continue
		}
		refusals := []stun.ErrorCode{stun.CodeUnauthorized, stun.CodeWrongCredentials, stun.CodeForbidden}
		if slices.Contains(refusals, refusal.ErrorCodeAttr.Code) {
			w.refused()
		}
	}
	w.log.Debug("pion/ice", "detail", fmt.Sprintf(format, args...))
}

// Error notes.
func (w *watcher) Error(msg string) { w.Warn(msg) }

// Errorf notes.
func (w *watcher) Errorf(format string, args ...any) { w.Warnf(format, args...) }
