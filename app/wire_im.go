package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/peregrine-softphone/peregrine/im"
	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// messageSender carries messages out by the account that fits each peer.
type messageSender struct{ e *Engine }

var _ im.Sender = messageSender{}

// headerMessageID names a message for a receiver of our kind, which drops repetitions by it. Others
// ignore it. CPIM has the same (RFC 3862 5438), but not every phone can read CPIM.
const headerMessageID = "X-Peregrine-Message-ID"

// Send implements im.Sender.
func (m messageSender) Send(
	ctx context.Context,
	to uri.URI,
	contentType string,
	body []byte,
	id string,
) (int, error) {
	account, err := m.e.accountFor(to)
	if err != nil {
		return 0, err
	}
	code, err := account.Message(ctx, to, contentType, body, sip.Header{Name: headerMessageID, Value: id})
	switch {
	case errors.Is(err, sip.ErrTransport), errors.Is(err, sip.ErrClosed):
		return 0, err // it could not leave
	case errors.Is(err, sip.ErrNoAnswer):
		return http.StatusRequestTimeout, err
	}
	return code, err
}

// incomingMessage takes a MESSAGE and says how to answer it (RFC 3428 7).
func (e *Engine) incomingMessage(ctx context.Context, m sip.IncomingMessage) int {
	in := im.Incoming{
		From: m.From.URI, ContentType: m.ContentType, Body: m.Body, CallID: m.CallID, CSeq: m.CSeq,
	}
	for _, h := range m.Headers {
		if http.CanonicalHeaderKey(h.Name) == http.CanonicalHeaderKey(headerMessageID) {
			in.MessageID = h.Value
		}
	}
	e.mu.Lock()
	from := e.callerLocked(m.From.URI)
	strangers := e.settings.value(SettingStrangers)
	e.mu.Unlock()
	const decline = 603
	if from.blocked || !from.known && strangers == strangersRefuse {
		return decline
	}
	received, err := e.chats.Receive(in)
	var large *im.TooLargeError
	var unsupported *im.UnsupportedTypeError
	switch {
	case err == nil:
		e.watcher.PeerSeen(m.From.URI)
		if received.Shown && !from.known && strangers == strangersAsk {
			e.ask(RequestMessage, m.From, received.Message.Text, "", nil, nil)
		}
		return 200
	case errors.As(err, &large):
		return 413
	case errors.As(err, &unsupported):
		return 415
	case errors.Is(err, im.ErrMalformed):
		return 400
	case errors.Is(err, im.ErrTooManyPeers):
		return 503
	}
	e.log.WarnContext(ctx, "message not kept", "call_id", m.CallID, "err", err)
	return 500 // the sender keeps it and tries again
}
