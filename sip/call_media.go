package sip

import (
	"context"
	"sync"
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
