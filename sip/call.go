package sip

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/session"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// MediaSession makes and takes session descriptions (SDP) for one call. Its methods are called one at a
// time, never two at once, and may block for a moment.
type MediaSession interface {
	// Offer makes a new offer (RFC 3264 5), from the present addresses.
	Offer(ctx context.Context) ([]byte, error)
	// Answer takes the peer's offer and makes the answer; an error refuses it with 488.
	Answer(offer []byte) ([]byte, error)
	// Accept takes the answer to the last Offer. It is called again for the same offer when the final
	// answer is not the one that came with early media.
	Accept(answer []byte) error
	// Rollback forgets the last Offer: it was refused, and what was agreed before stands.
	Rollback()
}

// CallOptions are the rarer wishes of a caller.
type CallOptions struct {
	Observer func(*Call) // as SetObserver, and sees the first state too
	NoOffer  bool        // send the INVITE without SDP: the peer offers in its 200
	Headers  []Header    // extra headers of the INVITE
}

// CallState is where a call stands.
type CallState int

// The states of a call.
//
//	Calling --1xx--> Ringing --2xx--> Established --BYE, either way--> Ended
//	   |                |                  ^
//	   |  2xx           | refused, no answer, cancelled
//	   +----------------|------------------+      Incoming --Answer--> Established
//	   |                v                            |
//	   +------------> Ended <-- declined, cancelled -+
const (
	Calling     CallState = iota // INVITE sent
	Ringing                      // the peer rings (18x)
	Incoming                     // rings here
	Established                  // answered
	Ended
)

func (s CallState) String() string {
	switch s {
	case Calling:
		return "calling"
	case Ringing:
		return "ringing"
	case Incoming:
		return "incoming"
	case Established:
		return "established"
	case Ended:
		return "ended"
	}
	return "unknown"
}

// follows is the table of the diagram: may a call go from one state to another?
//
//nolint:gochecknoglobals // constant table
var follows = map[CallState][]CallState{
	Calling:     {Ringing, Established, Ended},
	Ringing:     {Established, Ended},
	Incoming:    {Established, Ended},
	Established: {Ended},
	Ended:       {},
}

// EndReason says who or what ended a call.
type EndReason int

// The reasons.
const (
	NotEnded       EndReason = iota
	EndedLocally             // Hangup, Decline, or the UA stopped
	EndedByPeer              // BYE
	EndedCancelled           // the caller gave up before we answered
	EndedElsewhere           // another phone of the user answered (RFC 3326)
	EndedRefused             // the peer refused; Err is a *StatusError
	EndedNoAnswer            // nobody answered in time, or the peer vanished; Err wraps ErrNoAnswer
	EndedFailed              // network or media failure; Err says which
)

// EndCause says why a call ended.
type EndCause struct {
	Reason EndReason
	Err    error  // nil for an ordinary end
	Text   string // text of the peer's Reason header; may be empty
}

// Call is one call. All methods may be called from any goroutine, also from an observer.
type Call struct {
	ua       *UA
	account  *Account
	id       string
	incoming bool
	started  time.Time
	options  CallOptions

	inbox   *loop // requests inside the dialog, in order
	notices *loop // observer calls, in order
	done    chan struct{}
	hang    chan struct{} // closed by Hangup while calling or ringing
	moved   chan struct{} // one token: the network changed while calling or ringing
	mine    chan struct{} // one token: held by the Reinvite under way
	wg      crew          // goroutines of the call
	// goodbyes are those that see an INVITE, BYE or CANCEL to its end.
	goodbyes crew

	mu       sync.Mutex
	state    CallState
	cause    EndCause
	remote   uri.Address
	d        *dialog // the established one, or the half-made one before
	media    MediaSession
	observer func(*Call)
	info     func(contentType string, body []byte) int
	hungUp   bool
	offers   session.Offers
	callee   session.Callee         // of an incoming call
	open     bool                   // the first offer of an incoming call is not through yet
	acks     map[uint32]*awaitedAck // our 2xx that have no ACK yet, by CSeq
	lastAck  map[ackKey]func()      // sends the ACK for a 2xx again
	keys     []dialogKey
	timer    sessionTimer
	half     *dialog  // of our INVITE: what forks branch off
	branches []*early // the early dialogs of our INVITE, in the order they began
	secure   bool     // the last way to the peer was encrypted
	pracks   atomic.Int32
	// answerSDP is the early description taken, and answerTag the fork it came from.
	answerTag string
	answerSDP []byte

	in          *inbound // the INVITE of an incoming call
	provisional provisional
	earlyBody   []byte // the description that went out before the 2xx

	transfers transfers
}

// maxCalls bounds the calls alive at once; more get 486.
const maxCalls = 32

const (
	// lingerTime is how long an ended call still answers late 2xx: 64*T1 (RFC 3261 13.2.2.4).
	lingerTime = 32 * time.Second
	// refusedLinger is the same for an incoming call that never was one: a flood of those must not fill the table. The
	// ACK of a 200 that crossed a CANCEL still finds it; then the BYE keeps it.
	refusedLinger = 2 * time.Second
)

func (u *UA) newCall(a *Account, d *dialog, state CallState) *Call {
	return &Call{
		ua: u, account: a, id: d.callID, incoming: state == Incoming, started: time.Now(), state: state, d: d,
		remote: d.remote, inbox: newLoop(), notices: newLoop(), done: make(chan struct{}), hang: make(chan struct{}),
		moved: make(chan struct{}, 1), mine: make(chan struct{}, 1), half: d,
		acks: map[uint32]*awaitedAck{}, lastAck: map[ackKey]func(){}, timer: newSessionTimer(),
	}
}

// admit enters a call into the tables and starts its goroutines.
func (u *UA) admit(c *Call) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stopping || !u.running {
		return ErrClosed
	}
	if len(u.calls) >= maxCalls {
		return fmt.Errorf("%d calls: %w", maxCalls, ErrTooMany)
	}
	if !c.own(c.d) {
		return ErrTooMany
	}
	u.calls[c] = struct{}{}
	u.wg.Go(c.inbox.run)
	u.wg.Go(c.notices.run)
	return nil
}

// background runs f on a goroutine that the call, or its goodbye, and the UA wait for.
func (c *Call) background(with *crew, f func()) {
	over := make(chan struct{})
	with.Go(func() { <-over })
	c.ua.wg.Go(func() {
		defer close(over)
		f()
	})
}

// own makes requests inside d come to c.
func (c *Call) own(d *dialog) bool {
	if !c.ua.dialogs.add(d.key(), c) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = append(c.keys, d.key())
	return true
}

// ID gives an identifier of the call, unique in the UA: the Call-ID of its first dialog.
func (c *Call) ID() string { return c.id }

// Account gives the account the call belongs to.
func (c *Call) Account() *Account { return c.account }

// Incoming tells whether the peer called us.
func (c *Call) Incoming() bool { return c.incoming }

// Started is when the INVITE was sent or came.
func (c *Call) Started() time.Time { return c.started }

// Remote gives the peer: the To of our INVITE, the From of theirs.
func (c *Call) Remote() uri.Address {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.remote
}

// State gives the present state.
func (c *Call) State() CallState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// EndCause says why the call ended; Reason is NotEnded while it lives.
func (c *Call) EndCause() EndCause {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}

// Done is closed when the call has ended.
func (c *Call) Done() <-chan struct{} { return c.done }

// Secure tells whether the signalling to our next hop is encrypted (TLS). Only a sips target promises that for the
// whole way.
func (c *Call) Secure() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.secure
}

// noteWay remembers how the peer was reached last.
func (c *Call) noteWay(h hop) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secure = h.target.Transport == "tls" || h.target.Transport == "wss"
}

// Allows tells whether the peer takes a method: by its Allow header, or, as long as it has sent none, by what every
// peer must take (RFC 3261 8.1.1, 20.5).
func (c *Call) Allows(method string) bool {
	c.mu.Lock()
	d := c.d
	c.mu.Unlock()
	return d.allows(method)
}

// Supports tells whether the peer has named an extension, such as "replaces", as one it knows.
func (c *Call) Supports(tag string) bool {
	c.mu.Lock()
	d := c.d
	c.mu.Unlock()
	return d.supported(tag)
}

// SetObserver makes f be called after each change of state and of EarlySound, one call at a time, in order. A call
// that has ended before is told of too.
func (c *Call) SetObserver(f func(*Call)) {
	c.mu.Lock()
	c.observer = f
	ended := c.state == Ended
	c.mu.Unlock()
	if ended {
		c.notices.offer(func() { f(c) })
	}
}

// SetInfoHandler makes f answer INFO requests (RFC 6086) with a status code. Without it they get 415, or
// 200 when they are empty.
func (c *Call) SetInfoHandler(f func(contentType string, body []byte) int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.info = f
}

// setState moves on if the table allows it, and tells the observer.
func (c *Call) setState(s CallState, cause EndCause) bool {
	c.mu.Lock()
	ok := false
	for _, n := range follows[c.state] {
		ok = ok || n == s
	}
	if !ok {
		c.mu.Unlock()
		return false
	}
	linger := lingerTime
	if c.incoming && c.state != Established {
		linger = refusedLinger
	}
	c.state = s
	if s == Ended {
		c.cause = cause
		close(c.done)
	}
	f := c.observer
	c.mu.Unlock()
	c.ua.log.Info("call", "call_id", c.id, "state", s.String(), "err", cause.Err)
	if f != nil && !c.notices.offer(func() { f(c) }) {
		c.ua.log.Warn("observer of a call is stuck", "call_id", c.id)
	}
	if s == Ended {
		c.retire(linger)
	}
	return true
}

// retire takes an ended call out of the list at once and out of the dialog table after linger.
func (c *Call) retire(linger time.Duration) {
	c.ua.mu.Lock()
	delete(c.ua.calls, c)
	c.ua.mu.Unlock()
	c.timerEvent(session.CallOver, 0)
	c.ua.wg.Go(func() {
		select {
		case <-time.After(linger):
		case <-c.ua.life.Done():
		}
		ever := context.WithoutCancel(c.ua.life)
		c.wg.Wait(ever) // they all end with c.ua.life, or long before
		c.goodbyes.Wait(ever)
		c.mu.Lock()
		keys := c.keys
		c.mu.Unlock()
		for _, k := range keys {
			c.ua.dialogs.remove(k)
		}
		c.inbox.end()
		c.notices.end()
	})
}

func (c *Call) owner() *Account { return c.account }

// inDialog makes an exchange for a request inside a dialog.
func (c *Call) inDialog(d *dialog, method sipmsg.RequestMethod, contentType string, body []byte) exchange {
	return exchange{account: c.account, next: d.nextHop(), d: d, inDialog: true, build: func(h hop) *sipmsg.Request {
		req := d.request(method, d.nextSeq())
		if method == sipmsg.INVITE || method == sipmsg.UPDATE {
			// No Allow: the peer has it from before, and a re-INVITE must fit a datagram (RFC 3261 18.1.1).
			req.AppendHeader(c.account.contactHeader(h))
			for _, x := range c.sessionHeaders(false) {
				req.AppendHeader(sipmsg.NewHeader(x.Name, x.Value))
			}
		}
		if body != nil {
			req.AppendHeader(contentTypeHeader(contentType))
			req.SetBody(body)
		}
		return req
	}}
}

// Info sends an INFO and waits for its answer: nil, *StatusError, or an error wrapping ErrNoAnswer or ErrTransport.
func (c *Call) Info(ctx context.Context, contentType string, body []byte) error {
	d, err := c.established()
	if err != nil {
		return err
	}
	res, _, err := c.ua.roundTrip(ctx, c.inDialog(d, sipmsg.INFO, contentType, body))
	return final(res, err)
}

// established gives the dialog of an established call.
func (c *Call) established() (*dialog, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case Established:
		return c.d, nil
	case Ended:
		return nil, ErrEnded
	case Calling, Ringing, Incoming:
	}
	return nil, fmt.Errorf("call is %s: %w", c.state, ErrState)
}

// networkChanged moves a call that rings at the other side: the answer to its INVITE would go to the
// old address. That cannot be mended by UPDATE (RFC 3311), not even in an early dialog confirmed by PRACK: it moves
// target and sound, but the 2xx of the INVITE follows its Via (RFC 3261 18.2.2). So it takes a new INVITE.
func (c *Call) networkChanged() {
	c.abortRefresh()
	if s := c.State(); s != Calling && s != Ringing {
		return
	}
	select {
	case c.moved <- struct{}{}:
	default:
	}
}

// Offered gives the description in the INVITE of an incoming call; nil: it has none. It must not be changed.
func (c *Call) Offered() []byte {
	if c.in == nil {
		return nil
	}
	return c.in.req.Body()
}
