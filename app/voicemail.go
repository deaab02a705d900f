package app

import (
	"context"
	"strings"
	"time"

	"github.com/peregrine-softphone/peregrine/presence"
	"github.com/peregrine-softphone/peregrine/presence/mailbox"
	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// mailboxWait is how long a server that has no mailbox for an account is left alone. Many have none; one that gets one
// need not wait for the next start.
const mailboxWait = time.Hour

// voicemail follows the mailboxes of the accounts (RFC 3842): by a subscription of each to its own address, and by what
// servers tell without being asked.
type voicemail struct {
	follower *presence.Follower[mailboxState]

	boxes map[string]box // by account; guarded by Engine.mu
}

// mailboxState is what a subscription tells; known false: nothing.
type mailboxState struct {
	known bool
	shown Voicemail
}

// box is the mailbox of one account.
type box struct {
	shown      Voicemail
	subscribed bool // told by a subscription: its end makes it unknown
}

func newVoicemail(e *Engine) *voicemail {
	return &voicemail{boxes: map[string]box{}, follower: presence.NewFollower(presence.FollowerConfig[mailboxState]{
		Package: mailboxPackage(), Subscriber: mailboxSubscriber{e}, Logger: e.log,
		OnChange: func(target uri.URI, s mailboxState) { e.mailboxFollowed(target.AOR().String(), s) },
	})}
}

// mailboxPackage is event "message-summary" (RFC 3842).
func mailboxPackage() presence.Package[mailboxState] {
	return presence.Package[mailboxState]{
		Event: mailbox.Event, Accept: []string{mailbox.ContentType},
		Unclear: func(presence.Why, time.Time) mailboxState { return mailboxState{} },
		Absent:  func(time.Time) mailboxState { return mailboxState{} },
		Kind: func(s mailboxState) presence.Kind {
			if s.known {
				return presence.Clear
			}
			return presence.Unclear
		},
		Same: func(a, b mailboxState) bool { return a == b },
		NewReader: func() func(presence.Notification, time.Time) presence.Reading[mailboxState] {
			return func(n presence.Notification, _ time.Time) presence.Reading[mailboxState] {
				s, err := readMailbox(n.ContentType, n.Body)
				return presence.Reading[mailboxState]{State: s, Found: s.known, Err: err}
			}
		},
		RefusedWait: mailboxWait, AbsentWait: mailboxWait,
	}
}

func readMailbox(contentType string, body []byte) (mailboxState, error) {
	if !isType(contentType, mailbox.ContentType) {
		return mailboxState{}, nil
	}
	s, err := mailbox.Decode(body)
	if err != nil {
		return mailboxState{}, err
	}
	out := Voicemail{Waiting: s.Waiting, New: -1}
	if s.Known {
		out.New, out.Old = s.New, s.Old
	}
	if strings.HasPrefix(s.Account.Scheme, "sip") { // something we can call
		out.Address = s.Account.String()
	}
	return mailboxState{known: true, shown: out}, nil
}

// mailboxSubscriber lets each account subscribe to its own mailbox.
type mailboxSubscriber struct{ e *Engine }

var _ presence.Subscriber = mailboxSubscriber{}

// Subscribe implements presence.Subscriber. RFC 3842 3.2: the address of record is what is subscribed to.
func (m mailboxSubscriber) Subscribe(
	ctx context.Context, target uri.URI, onNotify func(presence.Notification),
) (presence.Subscription, error) {
	m.e.mu.Lock()
	var account *sip.Account
	for _, a := range m.e.accounts {
		if a.id() == target.AOR().String() {
			account = a.sip
		}
	}
	m.e.mu.Unlock()
	if account == nil {
		return nil, sip.ErrClosed
	}
	return subscribe(ctx, account, target, mailbox.Event, []string{mailbox.ContentType}, onNotify)
}

// watchMailbox begins to follow the mailbox of an account once it is registered.
func (e *Engine) watchMailbox(a *account, state AccountState) {
	if a.entry.Kind == AccountSIP && state == AccountRegistered {
		e.voicemail.follower.Watch(a.aor)
	}
}

// forgetMailbox ends it, when an account is removed or replaced.
func (e *Engine) forgetMailbox(a *account) {
	e.voicemail.follower.Unwatch(a.aor)
	e.mu.Lock()
	delete(e.voicemail.boxes, a.id())
	e.mu.Unlock()
}

// mailboxFollowed is told by a subscription.
func (e *Engine) mailboxFollowed(id string, s mailboxState) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.voicemail.boxes[id]
	switch {
	case s.known:
		e.showMailboxLocked(id, box{shown: s.shown, subscribed: true})
	case before.subscribed:
		e.showMailboxLocked(id, box{})
	}
}

// mailboxTold takes a NOTIFY that nobody subscribed to, as many PBXs send it to those who are registered. Whether it
// comes from the account's own server is for package sip to judge. It gives the code of the answer.
func (e *Engine) mailboxTold(id, contentType string, body []byte) int {
	s, err := readMailbox(contentType, body)
	if err != nil {
		e.log.Info("message summary not understood", "account", id, "err", err)
		return 400
	}
	if !s.known {
		return 415
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.showMailboxLocked(id, box{shown: s.shown, subscribed: e.voicemail.boxes[id].subscribed})
	return 200
}

// showMailboxLocked puts what is known into the snapshot. The caller holds e.mu.
func (e *Engine) showMailboxLocked(id string, b box) {
	before := e.voicemail.boxes[id]
	for _, a := range e.accounts {
		if a.id() != id {
			continue
		}
		e.voicemail.boxes[id] = b
		if before.shown != b.shown {
			out := e.accountLocked(a)
			e.emit(Event{Kind: EventAccount, Account: &out})
			e.changedLocked()
		}
	}
}
