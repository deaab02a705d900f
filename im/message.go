package im

import (
	"context"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// State is a word of the control contract.
type State string

// The states of a message. An outgoing one is waiting, sent, accepted or failed; delivered and read come by receipts. A
// received one is delivered until its chat was looked at, then read.
//
//	          Send            200              (receipts)
//	(typed) ────────▶ waiting ────▶ sent ─────▶ delivered ──▶ read
//	                   │   ▲  └───▶ accepted ──▲
//	 refused, absent,  ▼   │ Retry   202
//	 canceled, 5 tries failed
const (
	Waiting   State = "waiting"   // not yet taken by the other side
	Sent      State = "sent"      // 200: the other side has it
	Accepted  State = "accepted"  // 202: a server keeps it for the other side
	Delivered State = "delivered" // receipt
	Read      State = "read"      // receipt
	Failed    State = "failed"    // the user may try again
)

// Cause tells why a message waits or has failed.
type Cause string

// The causes, and what Peregrine does about each:
//
//	no answer of any kind: no network, no route      waiting, CauseNetwork; 5 s doubling to 5 min, or NetworkBack
//	408, 500, 502, 503, 504                          waiting, CauseNoAnswer; after 2, 8, 30, 60 s; then failed
//	404, 410, 480, 604                               failed, CauseAbsent; Retry, by the user or when the buddy is back
//	401, 407                                         failed, CauseAccount
//	413, 513                                         failed, CauseTooLarge
//	415, 488, 606                                    failed, CauseUnsupported
//	other                                            failed, CauseRefused
//
// A repeated message keeps its id, by which a receiver that knows it drops the repetition.
const (
	CauseNone        Cause = ""
	CauseNetwork     Cause = "network"
	CauseNoAnswer    Cause = "no_answer"
	CauseAbsent      Cause = "absent"
	CauseAccount     Cause = "account"
	CauseTooLarge    Cause = "too_large"
	CauseUnsupported Cause = "unsupported"
	CauseRefused     Cause = "refused"
	CauseCanceled    Cause = "canceled" // by the user
)

// Sentence is the cause in words for the user, with the next step; empty for CauseNone.
func (c Cause) Sentence() string {
	switch c {
	case CauseNone:
		return ""
	case CauseNetwork:
		return "There is no way to the other side right now. The message goes out when there is."
	case CauseNoAnswer:
		return "The other side does not answer. Try again later."
	case CauseAbsent:
		return "This person is not online. Try again when they are."
	case CauseAccount:
		return "The server did not accept your account for this. Check the password and try again."
	case CauseTooLarge:
		return "The message is too long for the other side. Send it in parts."
	case CauseUnsupported:
		return "The other program cannot receive text messages."
	case CauseRefused:
		return "The other side refused the message."
	case CauseCanceled:
		return "You stopped this message."
	default:
		return "The message could not be delivered. Try again."
	}
}

// Message is one instant message. Values are copies; nobody changes one that was given out.
type Message struct {
	ID       string    `json:"id"`                  // ours, unique; of an outgoing one also its Message-ID on the wire
	Peer     uri.URI   `json:"peer"`                // address of record of the other side
	Outgoing bool      `json:"outgoing,omitempty"`  //
	Text     string    `json:"text"`                // as typed; of a received one cleaned for display
	At       time.Time `json:"at"`                  // typed, or received here
	State    State     `json:"state"`               //
	Cause    Cause     `json:"cause,omitempty"`     // while waiting after a try, or failed
	Code     int       `json:"code,omitempty"`      // last final answer; 0: none
	Detail   string    `json:"detail,omitempty"`    // for "Details": the error of the last try
	Tries    int       `json:"tries,omitempty"`     // sendings so far
	RemoteID string    `json:"remote_id,omitempty"` // Message-ID of a received one
	CallID   string    `json:"call_id,omitempty"`   // with CSeq, of a received one
	CSeq     uint32    `json:"cseq,omitempty"`
	Digest   string    `json:"digest,omitempty"` // of the body as received
}

// Chat is the session with one peer at one moment.
type Chat struct {
	Peer     uri.URI
	Unread   int
	Count    int     // messages in all
	Revision uint64  // changes whenever a message of the chat does; not kept over restarts
	Last     Message // newest; zero when Count is 0
}

// Sender carries one message out. Send blocks until the final answer: its code with a nil error for 2xx; code and an
// error for a refusal; 408 and an error when no answer came in time; code 0 and an error when the message could not
// leave at all (no network, no route, name not found). id is the same on every try of one message. Send is called from
// several goroutines at once, for one peer only one at a time.
type Sender interface {
	Send(ctx context.Context, to uri.URI, contentType string, body []byte, id string) (code int, err error)
}

// Store keeps the history. An implementation is safe for concurrent use. What Save and Append were given is on disk
// when they return nil.
type Store interface {
	// Chats gives all chats; Revision is zero.
	Chats() ([]Chat, error)
	// Outbox gives all outgoing messages in the state waiting, oldest first.
	Outbox() ([]Message, error)
	// Recent gives received messages that repetitions may still come of, at most limit, oldest first.
	Recent(limit int) ([]Message, error)
	// Append adds a message; its ID is new.
	Append(m Message) error
	// Update replaces the state, cause, code, detail and tries of the message with this ID.
	Update(m Message) error
	// MarkRead makes every received message of the chat read.
	MarkRead(peer uri.URI) error
	// Find gives the message with this ID of this chat.
	Find(peer uri.URI, id string) (Message, bool, error)
	// History gives at most limit messages of a chat that stand before the one with the ID before, or the newest ones
	// when before is empty; oldest first.
	History(peer uri.URI, limit int, before string) ([]Message, error)
}
