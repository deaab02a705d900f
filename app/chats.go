package app

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/peregrine-softphone/peregrine/im"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// newsWindow is how many of the newest messages of a chat are looked through for what changed, and
// so how many may arrive in one moment and still each be an event.
const newsWindow = 200

// chatNews finds out which messages of a chat are new or changed. Package im tells only that a chat
// changed; front-ends want the message.
type chatNews struct {
	mu    sync.Mutex
	dirty map[string]uri.URI               // chats to look at, by address
	seen  map[string]map[string]im.Message // by address, by id: the newest messages as last told
	wake  chan struct{}
}

func newChatNews() *chatNews {
	return &chatNews{
		dirty: map[string]uri.URI{},
		seen:  map[string]map[string]im.Message{},
		wake:  make(chan struct{}, 1),
	}
}

// chatChanged is told by package im; it does not block.
func (e *Engine) chatChanged(peer uri.URI) {
	e.news.mu.Lock()
	e.news.dirty[peer.AOR().String()] = peer
	e.news.mu.Unlock()
	select {
	case e.news.wake <- struct{}{}:
	default:
	}
	e.changed()
}

// followChats turns changed chats into events until ctx ends.
func (e *Engine) followChats(ctx context.Context) error {
	for {
		select {
		case <-e.news.wake:
		case <-ctx.Done():
			return nil
		}
		e.news.mu.Lock()
		dirty := e.news.dirty
		e.news.dirty = map[string]uri.URI{}
		e.news.mu.Unlock()
		for key, peer := range dirty {
			e.tellChat(ctx, key, peer)
		}
		e.tellHistory()
	}
}

// tellHistory tells the user when messages cannot be kept, and when they can again.
func (e *Engine) tellHistory() {
	const full = "Messages cannot be saved. Make room on the disk, or look at the profile folder."
	if err := e.chats.Problem(); err != nil {
		e.addNotice(full, err.Error())
		return
	}
	e.dropNotice(full)
}

// tellChat emits what is new in one chat.
func (e *Engine) tellChat(ctx context.Context, key string, peer uri.URI) {
	list, err := e.chats.History(peer, newsWindow, "")
	if err != nil {
		e.log.WarnContext(ctx, "history not read", "err", err)
		return
	}
	for _, m := range e.news.update(key, list) {
		out := messageOut(m)
		e.mu.Lock()
		e.emit(Event{Kind: EventMessage, Message: &out})
		e.changedLocked()
		e.mu.Unlock()
	}
}

// update notes the newest messages of a chat and returns those that are new or changed, oldest first.
func (n *chatNews) update(key string, list []im.Message) []im.Message {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.seen[key]
	now := make(map[string]im.Message, len(list))
	var news []im.Message
	for _, m := range list {
		now[m.ID] = m
		if old, ok := before[m.ID]; !ok || old.State != m.State || old.Cause != m.Cause {
			news = append(news, m)
		}
	}
	n.seen[key] = now
	return news
}

// learn notes a chat's messages as known, so that only what comes later is news.
func (e *Engine) learn(chats []im.Chat) {
	for _, c := range chats {
		list, err := e.chats.History(c.Peer, newsWindow, "")
		if err != nil {
			continue
		}
		e.news.update(c.Peer.AOR().String(), list)
		if slices.ContainsFunc(list, func(m im.Message) bool { return m.Outgoing }) {
			e.acquaint(c.Peer)
		}
	}
}

func messageOut(m im.Message) Message {
	out := Message{
		ID: m.ID, Peer: m.Peer.String(), Outgoing: m.Outgoing, Text: m.Text, At: m.At,
		State: MessageState(m.State), Reason: m.Cause.Sentence(), Detail: m.Detail,
	}
	if out.Detail == "" && m.Code >= 300 {
		out.Detail = strconv.Itoa(m.Code)
	}
	return out
}

// userSentence makes a UserError of an error that is a sentence for people already.
func userSentence(err error) error {
	if err == nil {
		return nil
	}
	return &UserError{Sentence: err.Error(), Err: err}
}

// Message sends text to an address. It returns as soon as the message is safe on disk, in the state
// waiting; the snapshot and Messages tell what becomes of it.
func (e *Engine) Message(ctx context.Context, address, text string) (Message, error) {
	to, _, err := e.route(address, "")
	if err != nil {
		return Message{}, err
	}
	m, err := e.chats.Send(ctx, to, text)
	if err != nil {
		return Message{}, userSentence(err)
	}
	e.acquaint(to)
	return messageOut(m), nil
}

// AwaitMessage waits until a message has left the state waiting, a few seconds at the most, and gives it.
func (e *Engine) AwaitMessage(ctx context.Context, m Message) (Message, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	peer, err := uri.Parse(m.Peer)
	if err != nil {
		return m, userSentence(err)
	}
	for {
		e.mu.Lock()
		next := e.next
		e.mu.Unlock()
		list, err := e.chats.History(peer, newsWindow, "")
		if err != nil {
			return m, saveFailed(err)
		}
		i := slices.IndexFunc(list, func(x im.Message) bool { return x.ID == m.ID })
		if i >= 0 && list[i].State != im.Waiting {
			return messageOut(list[i]), nil
		}
		select {
		case <-next:
		case <-e.ended:
			return m, nil
		case <-ctx.Done():
			if i >= 0 {
				return messageOut(list[i]), nil
			}
			return m, nil
		}
	}
}

// peerOf reads an address that names a chat: that of an account's domain, or a chat that is there.
func (e *Engine) peerOf(address string) (uri.URI, error) {
	if to, _, err := e.route(address, ""); err == nil {
		return to, nil
	}
	to, err := uri.FromUser(address, "")
	if err != nil {
		return uri.URI{}, userSentence(err)
	}
	return to, nil
}

// Messages gives the newest messages with an address, at most limit, oldest first.
func (e *Engine) Messages(_ context.Context, address string, limit int) ([]Message, error) {
	peer, err := e.peerOf(address)
	if err != nil {
		return nil, err
	}
	const most = 10000
	list, err := e.chats.History(peer, min(limit, most), "")
	if err != nil {
		return nil, problem(err, "The history could not be read. Is the disk in order?")
	}
	out := make([]Message, len(list))
	for i, m := range list {
		out[i] = messageOut(m)
	}
	return out, nil
}

// RetryMessage sends a failed message again.
func (e *Engine) RetryMessage(_ context.Context, id string) error {
	e.news.mu.Lock()
	var peer uri.URI
	found := false
	for _, list := range e.news.seen {
		if m, ok := list[id]; ok {
			peer, found = m.Peer, true
			break
		}
	}
	e.news.mu.Unlock()
	if !found {
		return userSentence(im.ErrUnknownMessage)
	}
	return userSentence(e.chats.Retry(peer, id))
}

// MarkRead counts the messages of a chat as read.
func (e *Engine) MarkRead(_ context.Context, address string) error {
	peer, err := e.peerOf(address)
	if err != nil {
		return err
	}
	e.chats.MarkRead(peer)
	e.changed()
	return nil
}

// chatsOut describes the chats, newest activity first. The caller holds e.mu.
func (e *Engine) chatsLocked() []Chat {
	list := e.chats.Chats()
	out := make([]Chat, len(list))
	for i, c := range list {
		out[i] = Chat{
			Peer: c.Peer.String(), PeerName: e.nameOfLocked(uri.Address{URI: c.Peer}), Unread: c.Unread,
			Count: c.Count, Revision: c.Revision, Last: messageOut(c.Last),
			Stranger: e.strangerLocked(c.Peer.AOR().String()),
		}
	}
	slices.SortStableFunc(out, func(a, b Chat) int {
		if n := b.Last.At.Compare(a.Last.At); n != 0 {
			return n
		}
		return strings.Compare(a.Peer, b.Peer)
	})
	return out
}
