// Package server is the SIP server of the demo domain: a registrar with digest authentication and a stateful,
// forking, record-routing proxy (RFC 3261 sections 10 and 16) for the registered users of one domain. It has no
// presence function: SUBSCRIBE, NOTIFY, MESSAGE and calls are relayed between the users' devices, and a user
// without one is answered with 404.
//
// Order of calls: New opens the sockets, Addr tells where, Run serves until its context ends and closes
// everything. All tables are bounded. The server is meant for loopback and small networks: it speaks UDP and
// TCP, routes to numeric contacts only and relays nothing for other domains.
package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo"
	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/digest"
)

const (
	// maxWork bounds the requests in progress; beyond it the answer is 503. A demo has a handful, a small
	// office hundreds.
	maxWork = 2000
	// maxSources bounds the UDP sources sipgo remembers for ever: junk and strangers beyond them are not read.
	maxSources = 4096
	// farewell bounds how long Run waits for requests in progress when it ends.
	farewell = 2 * time.Second
)

func init() {
	// sipgo refuses to send more than this over UDP, responses and relayed requests too, which then vanish. A
	// proxy has to pass on what it got, in the transport the next hop has. Set before any goroutine can read
	// it: it is a variable of the package.
	sipmsg.UDPMTUSize = 65535
	// It also has a logger of its own, which tells standard error of connections that close as they should.
	sipmsg.SetDefaultLogger(slog.New(slog.DiscardHandler))
}

// Config sets up a Server.
type Config struct {
	Logger *slog.Logger // default: nothing is logged
	Domain string       // "demo.peregrine"; the realm too. Required
	// Users gives a user's password, or false for an unknown one. Called from many goroutines. Required; see UserMap.
	Users func(user string) (password string, ok bool)
	// Algorithms are the digests offered, each as its own challenge, best first; default SHA-256, MD5. Some
	// phones (baresip 1.0) give up when they see one they do not know: for those, MD5 alone.
	Algorithms []string
	// Listen is where UDP and TCP are opened, on the same port; port 0 takes a free one. Not used when
	// PacketConn is given.
	Listen netip.AddrPort
	// PacketConn and Listener are used in place of sockets of our own; Listener may be nil for UDP only. The
	// server closes them.
	PacketConn net.PacketConn
	Listener   net.Listener
	// Advertise goes into Via and Record-Route; required when the server listens on a wildcard address, else
	// the default is that of the PacketConn.
	Advertise netip.AddrPort
	// MinExpires and MaxExpires bound a registration; default 30 s and 1 h. A shorter one is refused with 423.
	MinExpires, MaxExpires time.Duration
}

// UserMap makes a Config.Users of a table of users and passwords. The table must not change afterwards.
func UserMap(users map[string]string) func(string) (string, bool) {
	return func(user string) (string, bool) {
		password, ok := users[user]
		return password, ok
	}
}

// Server is a registrar and proxy. Make it with New.
type Server struct {
	cfg      Config
	log      *slog.Logger
	addr     netip.AddrPort // advertised
	local    netip.AddrPort // of the PacketConn: sipgo finds the socket by it
	packets  net.PacketConn
	streams  net.Listener
	agent    *sipgo.UserAgent
	front    *sipgo.Server
	client   *sipgo.Client
	verifier *digest.Verifier
	bindings bindings
	secret   [32]byte // for the tokens of Record-Route

	mu      sync.Mutex
	closing bool
	work    int           // requests in progress
	idle    chan struct{} // closed when closing and work is 0
	done    chan struct{} // closed when Run begins to end

	sourcesMu sync.Mutex
	sources   map[string]struct{}
}

// New checks the configuration and opens the sockets. Run must follow: it alone closes them.
func New(cfg Config) (*Server, error) {
	if cfg.Domain == "" || cfg.Users == nil {
		return nil, errors.New("new server: domain and users are required")
	}
	cfg.Domain = strings.ToLower(cfg.Domain)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.MinExpires <= 0 {
		cfg.MinExpires = 30 * time.Second
	}
	if cfg.MaxExpires <= 0 {
		cfg.MaxExpires = time.Hour
	}
	s := &Server{
		cfg: cfg, log: cfg.Logger, packets: cfg.PacketConn, streams: cfg.Listener,
		idle: make(chan struct{}), done: make(chan struct{}), sources: make(map[string]struct{}),
	}
	_, _ = rand.Read(s.secret[:]) // crypto/rand.Read never fails (Go 1.24)
	verifier, err := digest.NewVerifier(digest.VerifierConfig{Realm: cfg.Domain, Algorithms: cfg.Algorithms})
	if err != nil {
		return nil, fmt.Errorf("new server: %w", err)
	}
	s.verifier = verifier
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("new server: %w", err)
	}
	if err := s.wire(); err != nil {
		s.closeSockets()
		return nil, fmt.Errorf("new server: %w", err)
	}
	return s, nil
}

// open takes the given sockets or opens UDP and TCP on one port.
func (s *Server) open() error {
	var err error
	for range 8 { // with port 0 the TCP twin of the free UDP port may be taken
		if s.packets != nil {
			break
		}
		//nolint:noctx // a numeric address is bound at once
		if s.packets, err = net.ListenPacket("udp", s.cfg.Listen.String()); err != nil {
			return err
		}
		//nolint:noctx // the same
		if s.streams, err = net.Listen("tcp", s.packets.LocalAddr().String()); err != nil {
			_ = s.packets.Close()
			s.packets, s.streams = nil, nil
			if s.cfg.Listen.Port() != 0 {
				return err
			}
		}
	}
	if s.packets == nil {
		return err
	}
	if s.local, err = netip.ParseAddrPort(s.packets.LocalAddr().String()); err != nil {
		s.closeSockets()
		return err
	}
	s.addr = s.cfg.Advertise
	if !s.addr.IsValid() {
		s.addr = s.local
	}
	if s.addr.Addr().IsUnspecified() {
		s.closeSockets()
		return errors.New("listening on a wildcard address needs Advertise")
	}
	return nil
}

// wire builds sipgo's layers. sipgo logs whole messages with its errors, credentials and bodies too: it gets no logger.
func (s *Server) wire() error {
	silent := slog.New(slog.DiscardHandler)
	// Headers the server does not read go through as they came.
	parsers := make(map[string]sipmsg.HeaderParser)
	maps.Copy(parsers, sipmsg.DefaultHeadersParser())
	for _, name := range []string{
		"contact", "m", "refer-to", "referred-by", "record-route", "route", "content-type", "c",
	} {
		delete(parsers, name)
	}
	var err error
	s.agent, err = sipgo.NewUA(
		sipgo.WithUserAgent("Peregrine-Server"),
		sipgo.WithUserAgentHostname(s.cfg.Domain),
		sipgo.WithUserAgentParser(sipmsg.NewParser(sipmsg.WithHeadersParsers(parsers))),
		sipgo.WithUserAgentTransportLayerOptions(
			sipmsg.WithTransportLayerLogger(silent), sipmsg.WithTransportLayerReadFilter(s.admit)),
		sipgo.WithUserAgentTransactionLayerOptions(
			sipmsg.WithTransactionLayerLogger(silent),
			// RFC 6026 8.9: a proxy drops responses that match no transaction.
			sipmsg.WithTransactionLayerUnhandledResponseHandler(func(*sipmsg.Response) {})),
	)
	if err != nil {
		return err
	}
	if s.front, err = sipgo.NewServer(s.agent, sipgo.WithServerLogger(silent)); err != nil {
		return err
	}
	if s.client, err = sipgo.NewClient(s.agent, sipgo.WithClientLogger(silent)); err != nil {
		return err
	}
	return nil
}

// Addr is the address the server tells others: where to register and to send requests, over UDP and TCP.
func (s *Server) Addr() netip.AddrPort { return s.addr }

// Run serves until ctx ends or a socket fails. On the way out it answers what is in progress with 503, cancels
// pending calls and closes all sockets. It returns nil when ctx ended it. Call it once.
func (s *Server) Run(ctx context.Context) error {
	// Requests in progress outlive ctx by their farewell: they end with s.done.
	work := context.WithoutCancel(ctx)
	s.front.OnNoRoute(func(req *sipmsg.Request, tx sipmsg.ServerTransaction) { s.serve(work, req, tx) }) // every method
	ended := make(chan error, 2)
	listeners := 1
	go func() { ended <- s.front.ServeUDP(&steadyConn{PacketConn: s.packets}) }()
	if s.streams != nil {
		listeners++
		go func() { ended <- s.front.ServeTCP(s.streams) }()
	}
	s.log.InfoContext(ctx, "server runs", "domain", s.cfg.Domain, "addr", s.addr.String())
	var failure error
	select {
	case <-ctx.Done():
	case err := <-ended:
		listeners--
		failure = fmt.Errorf("serve %s: listener ended: %w", s.addr, errors.Join(err, net.ErrClosed))
	}
	s.stopWork()
	_ = s.agent.Close()
	s.closeSockets()
	for range listeners {
		if err := <-ended; err != nil { // our own closing, mostly
			s.log.DebugContext(ctx, "listener has ended", "err", err)
		}
	}
	s.log.InfoContext(ctx, "server has ended", "domain", s.cfg.Domain)
	return failure
}

// stopWork lets no new request in and waits, bounded, for those in progress.
func (s *Server) stopWork() {
	s.mu.Lock()
	s.closing = true
	close(s.done)
	if s.work == 0 {
		close(s.idle)
	}
	s.mu.Unlock()
	t := time.NewTimer(farewell)
	defer t.Stop()
	select {
	case <-s.idle:
	case <-t.C:
		s.log.Warn("requests in progress were abandoned")
	}
}

// begin counts a request in; ok is false when there are too many or the server ends.
func (s *Server) begin() (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || s.work >= maxWork {
		return false
	}
	s.work++
	return true
}

func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.work--; s.work == 0 && s.closing {
		close(s.idle)
	}
}

func (s *Server) closeSockets() {
	if s.packets != nil {
		_ = s.packets.Close()
	}
	if s.streams != nil {
		_ = s.streams.Close()
	}
}

// serve is called by sipgo on a fresh goroutine per request.
func (s *Server) serve(ctx context.Context, req *sipmsg.Request, tx sipmsg.ServerTransaction) {
	if !s.begin() {
		if !req.IsAck() {
			s.respond(tx, overloaded(req))
		}
		return
	}
	defer s.end()
	if code, reason := invalid(req); code != 0 {
		if !req.IsAck() {
			s.reply(req, tx, code, reason)
		}
		return
	}
	switch req.Method {
	case sipmsg.REGISTER:
		s.register(req, tx)
	case sipmsg.ACK:
		s.relayACK(req)
	case sipmsg.CANCEL: // sipgo has already matched those of calls in progress
		s.reply(req, tx, 481, "Call/Transaction Does Not Exist")
	default:
		s.proxy(ctx, req, tx)
	}
}

func overloaded(req *sipmsg.Request) *sipmsg.Response {
	res := sipmsg.NewResponseFromRequest(req, 503, "Service Unavailable", nil)
	res.AppendHeader(sipmsg.NewHeader("Retry-After", "5"))
	return res
}

// invalid finds what makes a request unusable (RFC 3261 16.3); code is 0 when it is in order.
func invalid(req *sipmsg.Request) (code int, reason string) {
	switch {
	case req.From() == nil || req.To() == nil || req.CallID() == nil || req.CSeq() == nil || req.Via() == nil:
		return 400, "Missing Header"
	case req.CSeq().MethodName != req.Method:
		return 400, "CSeq Method Mismatch"
	case !strings.EqualFold(req.Recipient.Scheme, "sip") && !strings.EqualFold(req.Recipient.Scheme, "sips"):
		return 416, "Unsupported URI Scheme" // RFC 3261 16.3
	}
	return 0, ""
}

func (s *Server) reply(req *sipmsg.Request, tx sipmsg.ServerTransaction, code int, reason string) {
	s.respond(tx, sipmsg.NewResponseFromRequest(req, code, reason, nil))
}

func (s *Server) respond(tx sipmsg.ServerTransaction, res *sipmsg.Response) {
	if err := tx.Respond(res); err != nil {
		s.log.Debug("response not sent", "status", res.StatusCode, "err", err)
	}
}

// admit drops what is no SIP before sipgo parses it or remembers its source.
func (s *Server) admit(info sipmsg.TransportReadProps, data []byte) ([]byte, error) {
	if !strings.EqualFold(info.Transport, "udp") {
		return data, nil
	}
	if !looksLikeSIP(data) {
		return nil, nil
	}
	s.sourcesMu.Lock()
	defer s.sourcesMu.Unlock()
	source := info.RemoteAddr.String()
	if _, known := s.sources[source]; !known {
		if len(s.sources) >= maxSources {
			return nil, nil
		}
		s.sources[source] = struct{}{}
	}
	return data, nil
}

// looksLikeSIP looks for "SIP/2.0" in the first line.
func looksLikeSIP(data []byte) bool {
	line, _, found := strings.Cut(string(data[:min(len(data), 4096)]), "\r\n")
	return found && (strings.HasPrefix(line, "SIP/2.0 ") || strings.HasSuffix(line, " SIP/2.0"))
}

// steadyConn keeps the reader alive: sipgo ends its listener for good on the first read error (seen when a
// peer's port is closed, on Windows).
type steadyConn struct{ net.PacketConn }

// maxReadErrors in a row are no passing trouble any more.
const maxReadErrors = 100

func (c *steadyConn) ReadFrom(b []byte) (n int, addr net.Addr, err error) {
	for range maxReadErrors {
		if n, addr, err = c.PacketConn.ReadFrom(b); err == nil || errors.Is(err, net.ErrClosed) {
			return n, addr, err
		}
	}
	return n, addr, err
}
