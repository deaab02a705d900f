package sip

import (
	"bytes"
	"context"
	"sync"

	sipmsg "github.com/emiago/sipgo/sip"
)

// oneAtATime keeps the promise that a media session is asked one thing at a time: the INVITE of a call and the requests
// inside its early dialogs have goroutines of their own.
type oneAtATime struct {
	mu      sync.Mutex
	session MediaSession
}

var _ MediaSession = (*oneAtATime)(nil)

// Offer is MediaSession's.
func (o *oneAtATime) Offer(ctx context.Context) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.session.Offer(ctx)
}

// Answer is MediaSession's.
func (o *oneAtATime) Answer(offer []byte) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.session.Answer(offer)
}

// Accept is MediaSession's.
func (o *oneAtATime) Accept(answer []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.session.Accept(answer)
}

// Rollback is MediaSession's.
func (o *oneAtATime) Rollback() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.session.Rollback()
}

// NextKeys lets the next offer ask for another way of encryption; false: there is none. A media session that has it
// gets a second INVITE after a 488.
func (o *oneAtATime) NextKeys() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return otherKeys(o.session)
}

func otherKeys(m MediaSession) bool {
	k, ok := m.(interface{ NextKeys() bool })
	return ok && k.NextKeys()
}

// hideKeys takes the keys of SRTP out of a description that is about to travel in the clear (RFC 4568 8.2): a failover,
// a redirection or a route may lead a request of an account with TLS where nobody secured the way. The peer sees an
// offer without them.
func hideKeys(req *sipmsg.Request, h hop) {
	body := req.Body()
	if h.target.Transport == "tls" || h.target.Transport == "wss" || !bytes.Contains(body, []byte("a=crypto:")) {
		return
	}
	var out []byte
	for line := range bytes.Lines(body) {
		if !bytes.HasPrefix(line, []byte("a=crypto:")) {
			out = append(out, line...)
		}
	}
	req.SetBody(out)
}
