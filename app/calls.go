package app

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/peregrine-softphone/peregrine/media"
	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Limits of the calls.
const (
	maxLiveCalls  = 8  // one more incoming call is told we are busy
	maxEndedCalls = 20 // kept in the snapshot
)

// call is one call of the engine. rec and the pointers are guarded by Engine.mu; the objects they
// point to guard themselves.
type call struct {
	id string
	// account is the id of the account it goes by.
	account string
	rec     Call
	sip     *sip.Call
	media   *media.Session
	sound   *sound
	stop    context.CancelFunc // ends the media's Run
	moves   []*moveRecord      // hand-offs, by the mover
	known   callWays           // what the mover was last told
	missed  bool               // it came in and nobody took it
	heardAt time.Time          // when a packet of sound was last seen to have come
	codecs  codecChange
	// anyCodec: the caller has none of the codecs that the settings name.
	anyCodec bool
	// way is how its signalling goes, once that is known; it needs no lock, as its media asks with its own held.
	way atomic.Pointer[sip.Call]
	// successor has taken its place (RFC 3891).
	successor *call
	recording *recording // nil: none
}

func (c *call) live() bool { return c.rec.State != CallEnded }

// newCallLocked makes the record of a call. The caller holds e.mu.
func (e *Engine) newCallLocked(peer uri.Address, account string, incoming bool) *call {
	e.lastCall++
	c := &call{id: strconv.Itoa(e.lastCall), account: account, sound: newSound()}
	c.rec = Call{
		ID: c.id, Peer: peer.URI.AOR().String(), PeerName: e.nameOfLocked(peer), Incoming: incoming,
		State: CallCalling, Encryption: "none", StartedAt: time.Now(), HandOffs: []HandOff{}, Account: account,
	}
	if incoming {
		c.rec.State = CallIncoming
	}
	e.calls = append(e.calls, c)
	return c
}

// Call begins a call and gives its id. It returns when the INVITE is on its way; the snapshot tells
// how it goes on. Other calls are put on hold.
func (e *Engine) Call(ctx context.Context, address string, o CallOptions) (string, error) {
	if o.Video {
		return "", notYet("Video")
	}
	to, account, err := e.route(address, o.From)
	if err != nil {
		return "", err
	}
	c, err := e.startCall(ctx, to, account, sip.CallOptions{}, "")
	if c == nil {
		return "", err
	}
	return c.id, err
}

// startCall begins a call by an account; by names who wanted it, in a transfer. o.Observer, if any, is told of each
// state after the engine.
func (e *Engine) startCall(
	ctx context.Context, to uri.URI, account *sip.Account, o sip.CallOptions, by string,
) (*call, error) {
	e.mu.Lock()
	if e.liveCallsLocked() >= maxLiveCalls {
		e.mu.Unlock()
		return nil, userErrorf("There are %d calls already. End one first.", maxLiveCalls)
	}
	c := e.newCallLocked(uri.Address{URI: to}, account.ID(), false)
	c.rec.ReferredBy = by
	e.emitCallLocked(c)
	e.mu.Unlock()
	e.holdOthers(ctx, c)
	also := o.Observer
	o.Observer = func(s *sip.Call) {
		e.callChanged(c, s)
		if also != nil {
			also(s)
		}
	}
	if err := e.invite(ctx, c, to, account, o); err != nil {
		why := explain(aboutCall, c.rec.PeerName, err)
		e.endCall(c, why)
		return c, why
	}
	return c, nil
}

func (e *Engine) invite(ctx context.Context, c *call, to uri.URI, account *sip.Account, o sip.CallOptions) error {
	toward := account.State().Server.Addr()
	if !account.Config().Register {
		toward = numeric(to).Addr()
	}
	m, err := e.startMedia(c, toward)
	if err != nil {
		return err
	}
	s, err := account.Invite(ctx, to, m, o)
	if err != nil {
		return err
	}
	e.mu.Lock()
	c.sip = s
	e.mu.Unlock()
	return nil
}

// callChanged follows the state of a call in the user agent.
func (e *Engine) callChanged(c *call, s *sip.Call) {
	state := s.State()
	c.way.Store(s)
	if state == sip.Ended {
		e.mu.Lock()
		c.missed = c.missed || isMissed(c, s.EndCause())
		if c.live() {
			e.toneOfEndLocked(c, s.EndCause())
		}
		e.mu.Unlock()
		e.endCall(c, e.endSentence(c, s.EndCause()))
		return
	}
	defer e.mover.callChanged(c)
	e.mu.Lock()
	defer e.mu.Unlock()
	if !c.live() {
		return
	}
	before, early := c.rec.State, c.rec.EarlySound
	c.rec.EarlySound, c.rec.Secure = s.EarlySound() && state == sip.Ringing, s.Secure()
	switch state {
	case sip.Calling:
		c.rec.State = CallCalling
	case sip.Ringing:
		c.rec.State = CallRinging
	case sip.Incoming:
		c.rec.State = CallIncoming
	case sip.Established:
		if c.rec.AnsweredAt.IsZero() {
			c.rec.AnsweredAt = time.Now()
		}
		e.refreshMediaLocked(c)
	case sip.Ended:
	}
	if c.rec.State != before || c.rec.EarlySound != early {
		e.emitCallLocked(c)
		e.callsChangedLocked()
	}
}

// endSentence says why a call ended; nil when nothing needs to be said.
func (e *Engine) endSentence(c *call, cause sip.EndCause) *UserError {
	e.mu.Lock()
	defer e.mu.Unlock()
	who := c.rec.PeerName
	if c.successor != nil {
		return userErrorf("%s passed you on to %s.", who, c.successor.rec.PeerName)
	}
	switch cause.Reason {
	case sip.EndedLocally, sip.NotEnded:
		return nil
	case sip.EndedByPeer:
		if t := c.rec.Transfer; t != nil && t.State != TransferFailed {
			return userErrorf("%s went on to talk to %s.", who, t.Name)
		}
		return userErrorf("%s hung up.", who)
	case sip.EndedCancelled:
		return userErrorf("You missed this call.")
	case sip.EndedElsewhere:
		return userErrorf("You answered on another device.")
	case sip.EndedNoAnswer:
		if !c.rec.AnsweredAt.IsZero() { // its session lapsed
			break
		}
		if c.rec.Incoming {
			return userErrorf("You missed this call.")
		}
		return userErrorf("%s did not answer.", who)
	case sip.EndedRefused, sip.EndedFailed:
		if refusesEncryption(cause.Err) && c.media != nil && c.media.Insists() {
			return problem(cause.Err, insecurePeer, who)
		}
		if cause.Err != nil {
			return explain(aboutCall, who, cause.Err)
		}
	}
	return userErrorf("The connection to %s was lost.", who)
}

// endCall makes the record of a call final and gives its sockets and devices back. Only the first call counts.
func (e *Engine) endCall(c *call, why *UserError) {
	e.mu.Lock()
	if !c.live() {
		e.mu.Unlock()
		return
	}
	if c.media != nil {
		e.refreshMediaLocked(c)
	}
	c.rec.State, c.rec.EndedAt, c.rec.Network, c.rec.HeldBy = CallEnded, time.Now(), "", ""
	if why != nil {
		c.rec.Reason, c.rec.Detail = why.Sentence, why.Detail
	}
	e.endRecordingLocked(c)
	m, stop := c.media, c.stop
	c.stop = nil
	e.emitCallLocked(c)
	e.trimCallsLocked()
	e.callsChangedLocked()
	e.mu.Unlock()
	e.leaveConference(c)
	e.mover.callEnded(c.id)
	if m != nil {
		m.Close()
	}
	if stop != nil {
		stop()
	}
	e.remember(c)
}

// trimCallsLocked forgets the oldest ended calls. The caller holds e.mu.
func (e *Engine) trimCallsLocked() {
	ended := 0
	for _, c := range slices.Backward(e.calls) {
		if !c.live() {
			ended++
		}
	}
	e.calls = slices.DeleteFunc(e.calls, func(c *call) bool {
		if c.live() || ended <= maxEndedCalls {
			return false
		}
		ended--
		return true
	})
}

func (e *Engine) liveCallsLocked() int {
	n := 0
	for _, c := range e.calls {
		if c.live() {
			n++
		}
	}
	return n
}

// liveCall finds a call that has not ended.
func (e *Engine) liveCall(id string) (*call, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, c := range e.calls {
		if c.id == id {
			if !c.live() {
				return nil, userErrorf("That call has ended.")
			}
			return c, nil
		}
	}
	return nil, userErrorf("There is no call %s.", id)
}

// PickCall gives id if it is not empty, else the only live call in the first of the states that has any.
func (e *Engine) PickCall(id string, states ...CallState) (string, error) {
	if id != "" {
		return id, nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, state := range states {
		var found []string
		for _, c := range e.calls {
			if c.rec.State == state {
				found = append(found, c.id)
			}
		}
		switch {
		case len(found) == 1:
			return found[0], nil
		case len(found) > 1:
			return "", userErrorf("There are several such calls. Say which: %s.", strings.Join(found, ", "))
		}
	}
	return "", userErrorf("There is no call to do that with.")
}

// Answer takes an incoming call. Other calls are put on hold.
func (e *Engine) Answer(ctx context.Context, id string) error {
	c, err := e.liveCall(id)
	if err != nil {
		return err
	}
	e.mu.Lock()
	ringing, s := c.rec.State == CallIncoming, c.sip
	e.mu.Unlock()
	if !ringing {
		return userErrorf("That call is not ringing here.")
	}
	e.holdOthers(ctx, c)
	return e.pickUp(ctx, c, s, false)
}

// pickUp answers a ringing call, on hold or not.
func (e *Engine) pickUp(ctx context.Context, c *call, s *sip.Call, held bool) error {
	m, err := e.startMedia(c, netip.Addr{}) // the offer says where to
	if err != nil {
		return explain(aboutCall, c.rec.PeerName, err)
	}
	m.SetHold(held)
	if err := s.Answer(ctx, m); err != nil {
		return explain(aboutCall, c.rec.PeerName, err)
	}
	return nil
}

// Decline refuses an incoming call.
func (e *Engine) Decline(ctx context.Context, id string) error {
	c, err := e.liveCall(id)
	if err != nil {
		return err
	}
	e.mu.Lock()
	ringing := c.rec.State == CallIncoming
	e.mu.Unlock()
	if !ringing {
		return userErrorf("That call is not ringing here.")
	}
	const decline = 603
	if err := c.sip.Decline(ctx, decline); err != nil && !errors.Is(err, sip.ErrEnded) {
		return explain(aboutCall, c.rec.PeerName, err)
	}
	return nil
}

// Hangup ends a call, whatever its state. It is ended for the user at once; telling the other side
// goes on behind.
func (e *Engine) Hangup(ctx context.Context, id string) error {
	c, err := e.liveCall(id)
	if err != nil {
		return err
	}
	e.mu.Lock()
	s, incoming := c.sip, c.rec.State == CallIncoming
	e.mu.Unlock()
	if incoming {
		return e.Decline(ctx, id)
	}
	e.endCall(c, nil)
	if s == nil {
		return nil
	}
	tell := func(ctx context.Context) {
		if err := s.Hangup(ctx); err != nil && !errors.Is(err, sip.ErrEnded) {
			e.log.InfoContext(ctx, "call ended without an answer of the peer", "call_id", s.ID(), "err", err)
		}
	}
	if !e.spawn(tell) {
		tell(ctx)
	}
	return nil
}

// hangUpAll ends every call, when the engine ends.
func (e *Engine) hangUpAll(ctx context.Context) {
	e.mu.Lock()
	list := slices.Clone(e.calls)
	e.mu.Unlock()
	for _, c := range list {
		e.mu.Lock()
		s, live := c.sip, c.live()
		e.mu.Unlock()
		if !live {
			continue
		}
		e.endCall(c, nil)
		if s != nil {
			if err := s.Hangup(ctx); err != nil {
				e.log.InfoContext(ctx, "call ended without an answer of the peer", "call_id", s.ID(), "err", err)
			}
		}
	}
}

// Calls are the calls of the snapshot with their figures of this moment.
func (e *Engine) Calls() []Call {
	e.refreshQuality()
	return e.Snapshot().Calls
}

// CallByID describes one call.
func (e *Engine) CallByID(id string) (Call, error) {
	for _, c := range e.Snapshot().Calls {
		if c.ID == id {
			return c, nil
		}
	}
	return Call{}, userErrorf("There is no call %s.", id)
}

// emitCallLocked tells the readers of a call's change. The caller holds e.mu.
func (e *Engine) emitCallLocked(c *call) {
	out := c.rec
	out.HandOffs = slices.Clone(c.rec.HandOffs)
	e.emit(Event{Kind: EventCall, Call: &out})
	e.showLampLocked()
	e.changedLocked()
}
