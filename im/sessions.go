package im

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// maxOutbox bounds the messages of one chat that wait: more than anybody types in an outage.
const maxOutbox = 1000

// Config is what Sessions need.
type Config struct {
	Sender Sender       // required
	Store  Store        // required
	Logger *slog.Logger // nil: nothing is logged
	// OnChange tells that the chat with a peer has changed: ask Chat and History again. Called from any goroutine,
	// without locks held; it must not block. nil: not told.
	OnChange func(peer uri.URI)
}

// Sessions are all chats. All methods may be called from any goroutine, before, during and after Run.
type Sessions struct {
	cfg  Config
	log  *slog.Logger
	wake chan struct{}

	mu      sync.Mutex
	chats   map[string]*session // by AOR
	seen    *seen
	problem error // of the last write to the store; nil: it was good
}

// session is the chat with one peer; it lives as long as the program, window or none.
type session struct {
	info    Chat
	outbox  []*outgoing // in the order of sending
	sending bool        // the first of outbox is under way
	due     time.Time   // of the next try of the first; zero: now

	started time.Time          // of the try under way
	cancel  context.CancelFunc // gives it up
	again   bool               // when it fails, try again at once
}

// outgoing is a message in an outbox. Sessions.mu guards it.
type outgoing struct {
	msg        Message
	failures   int  // tries that found no network
	unanswered int  // tries that found no answer
	canceled   bool // the user has stopped it while it was under way
}

// sentence is an error that a person can read.
type sentence string

// Error implements error.
func (s sentence) Error() string { return string(s) }

// Refusals of Send, Retry and Cancel: sentences for the user.
const (
	ErrNoPeer         = sentence("This is no address to write to.")
	ErrEmpty          = sentence("There is nothing to send.")
	ErrOutboxFull     = sentence("Too many messages wait for this person. Wait until some have gone out.")
	ErrUnknownMessage = sentence("This message is not known any more.")
	ErrNotFailed      = sentence("This message has not failed.")
	ErrNotWaiting     = sentence("This message has already gone out.")
)

// New reads the chats and the outbox of the store. An error is the store's.
func New(cfg Config) (*Sessions, error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sessions{
		cfg: cfg, log: cfg.Logger, wake: make(chan struct{}, 1),
		chats: make(map[string]*session), seen: newSeen(),
	}
	chats, err := cfg.Store.Chats()
	if err != nil {
		return nil, fmt.Errorf("read chats: %w", err)
	}
	for _, c := range chats {
		s.chats[c.Peer.AOR().String()] = &session{info: c}
	}
	waiting, err := cfg.Store.Outbox()
	if err != nil {
		return nil, fmt.Errorf("read outbox: %w", err)
	}
	for _, m := range waiting {
		if c, no := s.chat(m.Peer); no == nil {
			c.outbox = append(c.outbox, &outgoing{msg: m})
		}
	}
	recent, err := cfg.Store.Recent(maxSeen / 2)
	if err != nil {
		return nil, fmt.Errorf("read recent messages: %w", err)
	}
	for _, m := range recent {
		s.seen.add(m, m.At)
	}
	return s, nil
}

// Send takes a message for a peer and returns it, in the state waiting, as soon as it is on disk; Run delivers it, in
// the order of the calls. Errors are sentences for the user: ErrNoPeer, ErrEmpty, *TooLargeError, ErrOutboxFull,
// ErrTooManyPeers, or the store could not keep the message.
func (s *Sessions) Send(ctx context.Context, peer uri.URI, text string) (Message, error) {
	switch {
	case peer.IsZero():
		return Message{}, ErrNoPeer
	case strings.TrimSpace(text) == "":
		return Message{}, ErrEmpty
	case len(text) > MaxBody:
		return Message{}, &TooLargeError{Limit: MaxBody}
	case ctx.Err() != nil:
		return Message{}, ctx.Err()
	}
	text = strings.ToValidUTF8(text, "\uFFFD")
	m := Message{ID: newID(), Peer: peer.AOR(), Outgoing: true, Text: text, At: time.Now(), State: Waiting}
	s.mu.Lock()
	defer s.tell(m.Peer)
	defer s.mu.Unlock()
	c, err := s.chat(m.Peer)
	if err != nil {
		return Message{}, err
	}
	if len(c.outbox) >= maxOutbox {
		return Message{}, ErrOutboxFull
	}
	// Under the lock: the order on disk is the order of sending.
	if err := s.cfg.Store.Append(m); err != nil {
		s.problem = err
		return Message{}, fmt.Errorf("keep message: %w", err)
	}
	s.problem = nil
	c.outbox = append(c.outbox, &outgoing{msg: m})
	c.info.Count++
	c.info.Last = m
	s.changed(c)
	s.signal()
	return m, nil
}

// Retry sends a failed message again, after those that wait already; its id stays.
func (s *Sessions) Retry(peer uri.URI, id string) error {
	m, found, err := s.cfg.Store.Find(peer.AOR(), id)
	switch {
	case err != nil:
		return fmt.Errorf("find message: %w", err)
	case !found:
		return ErrUnknownMessage
	}
	s.mu.Lock()
	defer s.tell(peer)
	defer s.mu.Unlock()
	c, err := s.chat(m.Peer)
	if err != nil {
		return err
	}
	waits := slices.ContainsFunc(c.outbox, func(o *outgoing) bool { return o.msg.ID == id })
	if waits || !m.Outgoing || m.State != Failed {
		return ErrNotFailed
	}
	if len(c.outbox) >= maxOutbox {
		return ErrOutboxFull
	}
	m.State, m.Cause, m.Code, m.Detail = Waiting, CauseNone, 0, ""
	o := &outgoing{msg: m}
	c.outbox = append(c.outbox, o)
	s.save(c, o)
	s.signal()
	return nil
}

// Cancel stops a waiting message: it becomes failed with CauseCanceled. One that is under way may still arrive; then it
// becomes sent, because that is the truth.
func (s *Sessions) Cancel(peer uri.URI, id string) error {
	s.mu.Lock()
	defer s.tell(peer)
	defer s.mu.Unlock()
	c := s.chats[peer.AOR().String()]
	if c == nil {
		return ErrUnknownMessage
	}
	i := slices.IndexFunc(c.outbox, func(o *outgoing) bool { return o.msg.ID == id })
	if i < 0 {
		return ErrNotWaiting
	}
	o := c.outbox[i]
	if i == 0 && c.sending {
		o.canceled = true
		return nil
	}
	c.outbox = slices.Delete(c.outbox, i, i+1)
	if i == 0 {
		c.due = time.Time{}
	}
	o.msg.State, o.msg.Cause = Failed, CauseCanceled
	s.save(c, o)
	s.signal()
	return nil
}

// NetworkBack tries everything that waits now.
func (s *Sessions) NetworkBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.chats {
		s.hurry(c)
	}
	s.signal()
}

// hurry makes the first message of a chat go out now. Sessions.mu is held.
func (s *Sessions) hurry(c *session) {
	c.due = time.Time{}
	if !c.sending {
		return
	}
	c.again = true
	if time.Since(c.started) >= staleTry {
		c.cancel()
	}
}

// RetryWaiting tries what waits for one peer now, because the peer gave a sign of life.
func (s *Sessions) RetryWaiting(peer uri.URI) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.chats[peer.AOR().String()]; c != nil {
		s.hurry(c)
		s.signal()
	}
}

// MarkRead tells that the user has looked at a chat.
func (s *Sessions) MarkRead(peer uri.URI) {
	s.mu.Lock()
	c := s.chats[peer.AOR().String()]
	if c == nil || c.info.Unread == 0 {
		s.mu.Unlock()
		return
	}
	c.info.Unread = 0
	if !c.info.Last.Outgoing {
		c.info.Last.State = Read
	}
	s.changed(c)
	s.stored(s.cfg.Store.MarkRead(c.info.Peer))
	s.mu.Unlock()
	s.tell(peer)
}

// Unread counts the received messages of all chats that were not looked at.
func (s *Sessions) Unread() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.chats {
		n += c.info.Unread
	}
	return n
}

// Chats gives all chats, the one with the newest message first.
func (s *Sessions) Chats() []Chat {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Chat, 0, len(s.chats))
	for _, c := range s.chats {
		out = append(out, c.info)
	}
	slices.SortFunc(out, func(a, b Chat) int { return b.Last.At.Compare(a.Last.At) })
	return out
}

// Chat gives the chat with one peer; ok is false when there is none.
func (s *Sessions) Chat(peer uri.URI) (c Chat, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.chats[peer.AOR().String()]; c != nil {
		return c.info, true
	}
	return Chat{}, false
}

// History gives at most limit messages of a chat, oldest first: those before the message with the ID before, or the
// newest ones when before is empty.
func (s *Sessions) History(peer uri.URI, limit int, before string) ([]Message, error) {
	out, err := s.cfg.Store.History(peer.AOR(), limit, before)
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return out, nil
}

// Problem is why the store could not keep the last change; nil when all is well.
func (s *Sessions) Problem() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

// chat gives the session with a peer, a new one when there is none. Sessions.mu is held.
func (s *Sessions) chat(peer uri.URI) (*session, error) {
	key := peer.AOR().String()
	if key == "" {
		return nil, ErrNoPeer
	}
	c := s.chats[key]
	if c == nil {
		if len(s.chats) >= MaxPeers {
			return nil, ErrTooManyPeers
		}
		c = &session{info: Chat{Peer: peer.AOR()}}
		s.chats[key] = c
	}
	return c, nil
}

// save writes the new state of an outgoing message and shows it. Sessions.mu is held.
func (s *Sessions) save(c *session, o *outgoing) {
	s.stored(s.cfg.Store.Update(o.msg))
	if c.info.Last.ID == o.msg.ID {
		c.info.Last = o.msg
	}
	s.changed(c)
}

func (s *Sessions) changed(c *session) { c.info.Revision++ }

// stored notes the outcome of a write to the store. Sessions.mu is held.
func (s *Sessions) stored(err error) {
	s.problem = err
	if err != nil {
		s.log.Error("change not kept on disk", "error", err)
	}
}

// tell calls OnChange. Sessions.mu is not held.
func (s *Sessions) tell(peer uri.URI) {
	if s.cfg.OnChange != nil {
		s.cfg.OnChange(peer.AOR())
	}
}

func (s *Sessions) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// newID is 26 letters and digits, 130 random bits.
func newID() string { return rand.Text() }
