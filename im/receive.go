package im

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Bounds of what is received and sent.
const (
	MaxBody  = 64 << 10 // bytes of a body; SIP over UDP carries no more
	MaxPeers = 5000     // chats
)

// Incoming is one MESSAGE that came in.
type Incoming struct {
	From        uri.URI
	ContentType string
	Body        []byte
	CallID      string
	CSeq        uint32
	MessageID   string    // of a header of the SIP message, when it had one; that of CPIM is found in Body
	At          time.Time // of its arrival; zero: now
}

// Received is what became of an Incoming.
type Received struct {
	Message   Message // when Shown
	Shown     bool    // it is a message to show; false for typing notices, receipts and repetitions
	Duplicate bool    // it was here before
}

// TooLargeError refuses a text or body; answer 413.
type TooLargeError struct{ Limit int }

// Error implements error.
func (e *TooLargeError) Error() string {
	return fmt.Sprintf("The message is longer than %d bytes. Send it in parts.", e.Limit)
}

// UnsupportedTypeError refuses a body of a type that cannot be shown; answer 415 with an Accept header of Accept.
type UnsupportedTypeError struct{ ContentType string }

// Error implements error.
func (e *UnsupportedTypeError) Error() string {
	return "message of type " + e.ContentType + " not supported"
}

// Accept is the value of the Accept header for the 415 (RFC 3261 21.4.13), and for OPTIONS.
func (e *UnsupportedTypeError) Accept() string { return AcceptedTypes }

// AcceptedTypes is the value of an Accept header with all types Receive takes.
const AcceptedTypes = "text/plain, text/html, message/cpim, application/im-iscomposing+xml, message/imdn+xml"

// Errors of Receive.
var (
	ErrMalformed    = errors.New("message body not understood") // answer 400
	ErrTooManyPeers = errors.New("too many chats")              // answer 503
)

// content is the readable part of a body.
type content struct {
	text      string
	messageID string
	silent    bool // a typing notice or a receipt: nothing to show
}

// readBody finds the text of a body.
func readBody(contentType string, body []byte, nested bool) (content, error) {
	if len(body) > MaxBody {
		return content{}, &TooLargeError{Limit: MaxBody}
	}
	if strings.TrimSpace(contentType) == "" {
		contentType = "text/plain"
	}
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil { // a broken parameter does not spoil the text
		mediaType, _, _ = strings.Cut(strings.ToLower(contentType), ";")
		mediaType, params = strings.TrimSpace(mediaType), nil
	}
	switch mediaType {
	case "text/plain":
		return content{text: CleanText(decodeText(body, params["charset"]))}, nil
	case "text/html", "application/xhtml+xml":
		return content{text: CleanText(htmlText(decodeText(body, params["charset"])))}, nil
	case "application/im-iscomposing+xml", "message/imdn+xml":
		return content{silent: true}, nil
	case CPIMType:
		if nested {
			return content{}, fmt.Errorf("%w: CPIM within CPIM", ErrMalformed)
		}
		c, err := ParseCPIM(body)
		if err != nil {
			return content{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		inner, err := readBody(c.ContentType, c.Content, true)
		inner.messageID = c.MessageID
		return inner, err
	default:
		if len(mediaType) > 100 {
			mediaType = mediaType[:100]
		}
		return content{}, &UnsupportedTypeError{ContentType: mediaType}
	}
}

// Receive takes one incoming MESSAGE. It returns when the message is on disk, so that a 200 sent then is the truth. On
// an error nothing was taken: answer 413 for *TooLargeError, 415 for *UnsupportedTypeError, 400 for ErrMalformed, 503
// for ErrTooManyPeers. A repetition gives Duplicate and no error: answer 200 again.
func (s *Sessions) Receive(in Incoming) (Received, error) {
	c, err := readBody(in.ContentType, in.Body, false)
	if err != nil {
		return Received{}, fmt.Errorf("receive message: %w", err)
	}
	if c.silent {
		return Received{}, nil
	}
	if in.At.IsZero() {
		in.At = time.Now()
	}
	id := in.MessageID
	if c.messageID != "" {
		id = c.messageID
	}
	sum := sha256.Sum256(in.Body)
	m := Message{
		ID: newID(), Peer: in.From.AOR(), Text: c.text, At: in.At, State: Delivered,
		RemoteID: bounded(id), CallID: bounded(in.CallID), CSeq: in.CSeq, Digest: hex.EncodeToString(sum[:8]),
	}
	return s.take(m)
}

// bounded cuts an identifier that only has to be compared.
func bounded(id string) string {
	if len(id) > 256 {
		sum := sha256.Sum256([]byte(id))
		return hex.EncodeToString(sum[:])
	}
	return id
}

func (s *Sessions) take(m Message) (Received, error) {
	s.mu.Lock()
	if s.seen.repeated(m, m.At) {
		s.mu.Unlock()
		return Received{Duplicate: true}, nil
	}
	c, err := s.chat(m.Peer)
	if err != nil {
		s.mu.Unlock()
		return Received{}, err
	}
	s.seen.add(m, m.At) // before the lock goes: a second copy may come by another path right now
	s.mu.Unlock()

	// The disk is waited for without the lock. A failing one must not cost the message: it is shown, and Problem tells.
	err = s.cfg.Store.Append(m)

	s.mu.Lock()
	s.stored(err)
	c.info.Unread++
	c.info.Count++
	c.info.Last = m
	s.changed(c)
	s.mu.Unlock()
	s.tell(m.Peer)
	return Received{Message: m, Shown: true}, nil
}
