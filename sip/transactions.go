package sip

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/transport"
)

// maxTransactions bounds each transaction table. A UDP server transaction lives for 32 s (timer J), so
// this is a steady 250 requests a second, far above what a softphone sees outside a flood.
const maxTransactions = 8192

// maxHeld bounds the requests that server transactions hold, in bytes: those 8192 at 2 kB each.
const maxHeld = 16 << 20

// responseDepth is how many responses wait for one client transaction before more are dropped, as a
// network would.
const responseDepth = 32

// transactions is the transaction layer: sipgo's state machines (RFC 3261 17, RFC 6026) in tables of
// ours, fed in the order of arrival.
type transactions struct {
	log     *slog.Logger                            // for sipgo; see quiet
	request func(in *inbound)                       // a new request, or an ACK for a 2xx; must not block
	stray   func(*sipmsg.Response)                  // a 2xx to INVITE that matches no transaction
	check   func(in *inbound) (code int, drop bool) // malformed requests; code 0: well formed
	guard   *guard                                  // who may make a transaction
	dropped *atomic.Uint64                          // messages
	spoofed atomic.Uint64                           // responses from elsewhere than where their request went

	mu      sync.Mutex
	clients map[string]*clientTx
	servers map[string]*serverTx
	merged  map[mergeKey]*serverTx
	held    int // bytes of the requests in servers
}

// mergeKey is what RFC 3261 8.2.2.2 compares to find a request that came by two paths.
type mergeKey struct {
	fromTag, callID, method string
	seq                     uint32
}

// inbound is a request on its way to whoever is responsible.
type inbound struct {
	req    *sipmsg.Request
	tx     *serverTx // nil for an ACK
	conn   transport.Conn
	remote netip.AddrPort

	account *Account // of a request outside dialogs: whom it is for; nil: nobody
	origin  Origin   // of the same: where it came from
	doubt   doubt    // of a request inside one: what it waits for
}

// clientTx is a request of ours under way.
type clientTx struct {
	*sipmsg.ClientTx
	req  *sipmsg.Request
	conn transport.Conn
	in   chan *sipmsg.Response
	// again gets 2xx responses to INVITE after the first: retransmissions and forks.
	again chan *sipmsg.Response

	started  time.Time
	heard    atomic.Bool   // some response came
	early    earlyTags     // of responses to an INVITE
	refusals atomic.Int32  // times its datagram met a closed port
	nobody   chan struct{} // closed after enough of them
}

// enoughRefusals says that nobody listens: the first one may come from a server that is being restarted, the next
// one comes T1 (0.5 s) later at the earliest.
const enoughRefusals = 2

func newTransactions() *transactions {
	return &transactions{
		log:     slog.New(slog.DiscardHandler), // sipgo logs whole messages, credentials and all
		clients: map[string]*clientTx{},
		servers: map[string]*serverTx{},
		merged:  map[mergeKey]*serverTx{},
	}
}

// start sends req over conn and runs its client transaction. req must be complete, Via included.
func (t *transactions) start(req *sipmsg.Request, conn transport.Conn) (*clientTx, error) {
	key, err := sipmsg.ClientTxKeyMake(req)
	if err != nil {
		return nil, fmt.Errorf("start transaction: %w", err)
	}
	c := &clientTx{
		ClientTx: sipmsg.NewClientTx(key, req, conn, t.log),
		req:      req, conn: conn,
		in:    make(chan *sipmsg.Response, responseDepth),
		again: make(chan *sipmsg.Response, responseDepth),

		started: time.Now(), nobody: make(chan struct{}),
	}
	t.mu.Lock()
	if len(t.clients) >= maxTransactions {
		t.mu.Unlock()
		return nil, fmt.Errorf("start transaction: %w", ErrTooMany)
	}
	t.clients[key] = c
	t.mu.Unlock()
	c.OnTerminate(func(string, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.clients, key)
	})
	c.OnRetransmission(func(r *sipmsg.Response) {
		select {
		case c.again <- r:
		default: // it comes again
		}
	})
	if err := c.Init(); err != nil {
		c.Terminate()
		return nil, fmt.Errorf("%w: %w", ErrTransport, err)
	}
	// Only now: a response handled while Init still starts its timers would leave them running.
	go c.pump()
	return c, nil
}

// pump hands responses to the state machine in order. It ends with the transaction.
func (c *clientTx) pump() {
	for {
		select {
		case <-c.Done():
			return
		case r := <-c.in:
			c.Receive(r)
		case <-c.nobody:
			c.Terminate()
			return
		}
	}
}

// failure names why the transaction ended without a final response.
func (c *clientTx) failure() error {
	err := c.Err()
	switch {
	case c.refusals.Load() >= enoughRefusals:
		return fmt.Errorf("%w: %w at %s", ErrNoAnswer, ErrPortClosed, c.req.Destination())
	case errors.Is(err, sipmsg.ErrTransactionTimeout):
		if c.conn.SilentSince(c.started) {
			c.conn.Shut() // TCP itself would go on for a quarter of an hour; the next request gets a fresh connection
		}
		return fmt.Errorf("%w from %s", ErrNoAnswer, c.req.Destination())
	case err == nil:
		return ErrTransport
	default:
		return fmt.Errorf("%w: %w", ErrTransport, err)
	}
}

// receive takes a message from a socket's reader.
func (t *transactions) receive(m transport.Received) {
	switch msg := m.Msg.(type) {
	case *sipmsg.Response:
		t.receiveResponse(msg, m)
	case *sipmsg.Request:
		t.receiveRequest(&inbound{req: msg, conn: m.Conn, remote: m.Remote})
	}
}

func (t *transactions) receiveResponse(res *sipmsg.Response, m transport.Received) {
	key, err := sipmsg.ClientTxKeyMake(res)
	if err != nil {
		t.dropped.Add(1)
		return
	}
	t.mu.Lock()
	c := t.clients[key]
	t.mu.Unlock()
	if c != nil {
		if !c.cameBack(res, m) {
			t.spoofed.Add(1)
			return
		}
		c.heard.Store(true)
		select {
		case c.in <- res:
		default:
			t.dropped.Add(1)
		}
		return
	}
	if res.IsSuccess() && res.CSeq().MethodName == sipmsg.INVITE {
		t.stray(res) // RFC 3261 13.2.2.4: a late 2xx still wants its ACK
	}
}

// cameBack tells whether a response came from where its request went: datagrams from the same address, streams by the
// same connection (RFC 3261 18.1.2 says where responses go). A copy of a request that somebody overheard is then of no
// use elsewhere. One who rings and moves to another network meanwhile is known by the tag he gave us before.
func (c *clientTx) cameBack(res *sipmsg.Response, m transport.Received) bool {
	same := c.conn.Same(m.Conn)
	if c.conn.Transport() == "udp" { // its port may be another one
		same = m.Conn.Transport() == "udp" && m.Remote.Addr().WithZone("") == c.conn.Remote().Addr().WithZone("")
	}
	if c.req.Method != sipmsg.INVITE {
		return same
	}
	tag := tagOf(res.To())
	if same {
		c.early.learn(tag)
	}
	return same || c.early.has(tag)
}

// earlyTags are the To tags of the early dialogs of one INVITE, maxForks at most.
type earlyTags struct {
	mu   sync.Mutex
	tags []string
}

func (e *earlyTags) learn(tag string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if tag != "" && len(e.tags) < maxForks && !slices.Contains(e.tags, tag) {
		e.tags = append(e.tags, tag)
	}
}

func (e *earlyTags) has(tag string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Contains(e.tags, tag)
}

// refused takes the beginning of a datagram that met a closed port (RFC 3261 18.4). The branch in it, which a
// stranger cannot guess, names the transaction; one that has heard from its peer goes on. Callers may be inside the
// state machine of that very transaction, so ending it is left to its pump.
func (t *transactions) refused(datagram []byte) {
	method, rest, _ := strings.Cut(string(datagram), " ")
	_, rest, _ = strings.Cut(rest, ";branch=")
	if end := strings.IndexAny(rest, ";, \t\r\n"); end >= 0 {
		rest = rest[:end]
	}
	t.mu.Lock()
	c := t.clients[rest+sipmsg.TxSeperator+method]
	t.mu.Unlock()
	if c != nil && !c.heard.Load() && c.refusals.Add(1) == enoughRefusals {
		close(c.nobody)
	}
}

func (t *transactions) receiveRequest(in *inbound) {
	if code, drop := t.check(in); drop {
		t.dropped.Add(1)
		return
	} else if code != 0 {
		t.answerStateless(in, code)
		return
	}
	in.conn = returnPath(in)
	switch in.req.Method {
	case sipmsg.ACK:
		t.receiveAck(in)
	case sipmsg.CANCEL:
		t.receiveCancel(in)
	default:
		t.receiveNew(in)
	}
}

// returnPath is where responses go (RFC 3261 18.2.2, RFC 3581 4).
func returnPath(in *inbound) transport.Conn {
	via := in.req.Via()
	port := uint16(5060)
	if via.Port > 0 && via.Port <= 0xffff {
		port = uint16(via.Port)
	}
	return in.conn.Answers(port, via.Params.Has("rport"))
}

func (t *transactions) receiveAck(in *inbound) {
	if s := t.find(in.req, sipmsg.INVITE); s != nil && s.answered()/100 != 2 {
		if !t.guard.sameHop(in, s) {
			t.guard.spoofed.Add(1)
			return
		}
		_ = s.Receive(in.req) // its only error is for a method this is not
		return
	}
	t.request(in)
}

// receiveCancel answers CANCEL, and its INVITE with 487 if nothing else was faster (RFC 3261 9.2).
func (t *transactions) receiveCancel(in *inbound) {
	s := t.find(in.req, sipmsg.INVITE)
	switch {
	case s == nil:
		t.guard.strayCancel(in)
	case !t.guard.sameHop(in, s):
		t.guard.foreignCancel(in, s)
	default:
		t.cancel(in, s)
	}
}

// cancel obeys a CANCEL.
func (t *transactions) cancel(in *inbound, s *serverTx) {
	res := sipmsg.NewResponseFromRequest(in.req, 200, ReasonPhrase(200), nil)
	if tagOf(in.req.To()) == "" {
		setTag(res, s.tag)
	}
	_ = in.conn.WriteMsg(res) // the CANCEL is retransmitted if this is lost
	terminated := s.response(487, "", nil)
	if !s.claim(terminated) {
		return
	}
	s.mu.Lock()
	tell := s.cancelled
	s.mu.Unlock()
	if tell != nil {
		tell(in.req)
	}
	_ = s.Respond(terminated) // repeated until its ACK comes
}

func (t *transactions) receiveNew(in *inbound) {
	key, err := serverKey(in.req, in.req.Transport())
	if err != nil {
		t.answerStateless(in, 400)
		return
	}
	if t.repeat(in, key) {
		return
	}
	place := t.guard.admit(in)
	if place.release == nil {
		if place.code != 0 {
			t.answerStateless(in, place.code, refusal())
		}
		return
	}
	size := len(in.req.String())
	room := maxHeld
	if !place.familiar {
		room /= 2
	}
	t.mu.Lock()
	if t.servers[key] != nil || len(t.servers) >= maxTransactions || t.held+size > room {
		t.mu.Unlock()
		place.release()
		t.dropped.Add(1)
		return
	}
	mk, isMerge := mergeKeyOf(in.req)
	merged := isMerge && t.merged[mk] != nil
	s := &serverTx{
		ServerTx: sipmsg.NewServerTx(key, in.req, in.conn, t.log), req: in.req, remote: in.remote, tag: newTag(),
	}
	t.servers[key] = s
	t.held += size
	if isMerge && !merged {
		t.merged[mk] = s
	}
	t.mu.Unlock()
	s.OnTerminate(func(string, error) {
		place.release()
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.servers, key)
		t.held -= size
		if t.merged[mk] == s {
			delete(t.merged, mk)
		}
	})
	if err := s.Init(); err != nil {
		s.Terminate()
		return
	}
	in.tx = s
	if merged {
		_ = s.respond(482) // RFC 3261 8.2.2.2
		return
	}
	t.request(in)
}

// serverKey names a server transaction (RFC 3261 17.2.3). The transport, which Via has too, is part of it: the answer
// to a repeat that claims to be of a TCP transaction would block the reader of the UDP socket.
func serverKey(req *sipmsg.Request, proto string) (string, error) {
	key, err := sipmsg.ServerTxKeyMake(req)
	return proto + " " + key, err
}

func (t *transactions) find(req *sipmsg.Request, method sipmsg.RequestMethod) *serverTx {
	// The key is made of Via and the method in CSeq, which CANCEL and ACK carry as their own.
	probe := &sipmsg.Request{Method: method}
	if v := req.Via(); v != nil {
		probe.AppendHeader(v.Clone())
	}
	for _, name := range []string{"From", "Call-ID"} { // for peers of RFC 2543, without a branch
		sipmsg.CopyHeaders(name, req, probe)
	}
	if c := req.CSeq(); c != nil {
		probe.AppendHeader(&sipmsg.CSeqHeader{SeqNo: c.SeqNo, MethodName: method})
	}
	key, err := serverKey(probe, req.Transport())
	if err != nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.servers[key]
}

// answerStateless sends a response that no transaction will repeat; never to an ACK.
func (t *transactions) answerStateless(in *inbound, code int, extra ...Header) {
	if in.req.Method == sipmsg.ACK || in.req.Via() == nil {
		t.dropped.Add(1)
		return
	}
	res := sipmsg.NewResponseFromRequest(in.req, code, ReasonPhrase(code), nil)
	for _, h := range extra {
		res.AppendHeader(sipmsg.NewHeader(h.Name, h.Value))
	}
	_ = in.conn.WriteMsg(res) // the request comes again if this is lost
}

// close ends all transactions at once.
func (t *transactions) close() {
	t.mu.Lock()
	clients := make([]*clientTx, 0, len(t.clients))
	for _, c := range t.clients {
		clients = append(clients, c)
	}
	servers := make([]*serverTx, 0, len(t.servers))
	for _, s := range t.servers {
		servers = append(servers, s)
	}
	t.mu.Unlock()
	for _, c := range clients {
		c.Terminate()
	}
	for _, s := range servers {
		s.Terminate()
	}
}

func (t *transactions) sizes() (clients, servers int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.clients), len(t.servers)
}

func mergeKeyOf(req *sipmsg.Request) (mergeKey, bool) {
	if tagOf(req.To()) != "" {
		return mergeKey{}, false
	}
	return mergeKey{
		fromTag: tagOf(req.From()), callID: req.CallID().Value(),
		method: string(req.Method), seq: req.CSeq().SeqNo,
	}, true
}
