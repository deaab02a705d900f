package sip

import (
	"context"
	"errors"
	"hash/maphash"
	"net/http"
	"strings"
	"time"

	sipmsg "github.com/emiago/sipgo/sip"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// IncomingMessage is a MESSAGE from somebody (RFC 3428).
type IncomingMessage struct {
	Account     *Account
	From, To    uri.Address
	ContentType string // without parameters cut off, as it came
	Body        []byte
	CallID      string // together with CSeq and From it tells repeats apart
	CSeq        uint32
	Date        time.Time // Date header; zero when absent
	Remote      string    // address and port of the last hop
	Origin      Origin    // where it came from, as the shield saw it; in a call as the call
	Headers     []Header  // all of them, in order, as received
}

// Message sends a MESSAGE outside any dialog and waits for the final response: its code and nil for
// 2xx, or a *StatusError, or an error that wraps ErrNoAnswer or ErrTransport.
func (a *Account) Message(
	ctx context.Context, to uri.URI, contentType string, body []byte, extra ...Header,
) (int, error) {
	if len(body) > maxBody {
		return 513, &StatusError{Code: 513, Reason: ReasonPhrase(513)}
	}
	d := a.outgoing(to)
	res, _, err := a.ua.roundTrip(ctx, exchange{account: a, next: d.nextHop(), build: func(h hop) *sipmsg.Request {
		a.localize(d, h)
		req := d.request(sipmsg.MESSAGE, d.nextSeq()) // RFC 3428 4: no Contact
		for _, x := range extra {
			req.AppendHeader(sipmsg.NewHeader(cleanText(x.Name), cleanText(x.Value)))
		}
		req.AppendHeader(contentTypeHeader(contentType))
		req.SetBody(body)
		return req
	}})
	if err != nil {
		return CodeOf(err), err
	}
	return res.StatusCode, final(res, nil)
}

const (
	// inboxWorkers handle messages at the same time; those of one sender share one, and so keep their order.
	inboxWorkers = 8
	// inboxDepth is how many messages wait for one worker, half of them of neighbours; more get 503.
	inboxDepth = 128
	// messageTimeout ends before the sender's timer F (32 s) with room for the way back.
	messageTimeout = 25 * time.Second
)

// messageInbox orders incoming messages by sender.
type messageInbox struct {
	u      *UA
	seed   maphash.Seed
	queues [inboxWorkers]chan *inbound
}

func newMessageInbox(u *UA) *messageInbox {
	b := &messageInbox{u: u, seed: maphash.MakeSeed()}
	for i := range b.queues {
		b.queues[i] = make(chan *inbound, inboxDepth)
	}
	return b
}

func (b *messageInbox) start() {
	for _, q := range b.queues {
		b.u.wg.Go(func() {
			for {
				select {
				case <-b.u.life.Done():
					return
				case in := <-q:
					b.handle(in)
				}
			}
		})
	}
}

// put queues a message without blocking.
func (b *messageInbox) put(in *inbound) {
	from := in.req.From()
	h := maphash.String(b.seed, strings.ToLower(from.Address.User+"@"+from.Address.Host))
	q := b.queues[h%inboxWorkers]
	if in.origin >= FromTrusted || len(q) < inboxDepth/2 { // neighbours leave room for the servers' messages
		select {
		case q <- in:
			return
		default:
		}
	}
	b.u.dropped.Add(1)
	b.u.answer(in, 503, Header{"Retry-After", "5"})
}

func (b *messageInbox) handle(in *inbound) {
	a := b.u.accountFor(in)
	if a == nil {
		b.u.answer(in, 404)
		return
	}
	ctx, cancel := context.WithTimeout(b.u.life, messageTimeout)
	defer cancel()
	code, reason := b.u.cfg.Handler.IncomingMessage(ctx, readMessage(a, in))
	if code < 200 || code > 699 {
		code, reason = 500, ""
	}
	var extra []Header
	if code == 415 {
		extra = append(extra, Header{"Accept", strings.Join(b.u.cfg.MessageTypes, ", ")}) // RFC 3261 21.4.13
	}
	err := in.tx.send(in.tx.response(code, reason, nil, b.u.serverHeaders(extra)...))
	if err != nil && !errors.Is(err, ErrState) {
		b.u.log.Debug("response to MESSAGE not sent", "remote", in.remote, "err", err)
	}
}

func readMessage(a *Account, in *inbound) IncomingMessage {
	req := in.req
	m := IncomingMessage{
		Account: a, From: party(req, "From"), To: party(req, "To"), ContentType: headerValue(req, "Content-Type"),
		Body: req.Body(), CallID: req.CallID().Value(), CSeq: req.CSeq().SeqNo, Remote: in.remote.String(),
		Origin: in.origin,
	}
	if m.ContentType == "" {
		m.ContentType = "text/plain"
	}
	if t, err := http.ParseTime(headerValue(req, "Date")); err == nil { // SIP dates are HTTP dates (RFC 3261 20.17)
		m.Date = t
	}
	for _, h := range req.Headers() {
		m.Headers = append(m.Headers, Header{h.Name(), h.Value()})
	}
	return m
}
