package app

import (
	"context"
	"errors"
	"time"

	"github.com/peregrine-softphone/peregrine/presence"
	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	eventPresence = "presence"             // RFC 3856
	typePIDF      = "application/pidf+xml" // RFC 3863

	// presenceExpires is how long our subscriptions ask to live: RFC 3856 6.4's default. With edge
	// agents a peer that vanished is found out by other means; shorter only costs traffic.
	presenceExpires = time.Hour
)

// presenceSubscriber lets the watcher subscribe by the account that fits each buddy.
type presenceSubscriber struct{ e *Engine }

var _ presence.Subscriber = presenceSubscriber{}

// Subscribe implements presence.Subscriber.
func (p presenceSubscriber) Subscribe(
	ctx context.Context, target uri.URI, onNotify func(presence.Notification),
) (presence.Subscription, error) {
	account, err := p.e.accountFor(target)
	if err != nil {
		return nil, err
	}
	s, err := account.Subscribe(ctx, sip.SubscribeRequest{
		Target: target, Event: eventPresence, Accept: []string{typePIDF}, Expires: presenceExpires,
		OnNotify: func(n sip.Notify) {
			onNotify(presence.Notification{
				State: presence.SubState(n.State), Reason: n.Reason, RetryAfter: n.RetryAfter,
				ContentType: n.ContentType, Body: n.Body,
			})
		},
	})
	if err != nil {
		return nil, refused(err)
	}
	return subscription{s}, nil
}

// subscription is a sip.Subscription as package presence sees it.
type subscription struct{ s *sip.Subscription }

var _ presence.Subscription = subscription{}

func (s subscription) Refresh(ctx context.Context) error { return refused(s.s.Refresh(ctx)) }
func (s subscription) Close(ctx context.Context) error   { return refused(s.s.Close(ctx)) }
func (s subscription) Done() <-chan struct{}             { return s.s.Done() }
func (s subscription) Err() error                        { return refused(s.s.Err()) }

// incomingSubscription is a sip.ServerSubscription as package presence sees it.
type incomingSubscription struct{ s *sip.ServerSubscription }

var _ presence.Incoming = incomingSubscription{}

func (i incomingSubscription) From() uri.Address      { return i.s.From() }
func (i incomingSubscription) To() uri.Address        { return i.s.To() }
func (i incomingSubscription) AcceptTypes() []string  { return i.s.AcceptTypes() }
func (i incomingSubscription) Expires() time.Duration { return i.s.Expires() }

func (i incomingSubscription) Accept(ctx context.Context, code int, expires time.Duration) error {
	return refused(i.s.Accept(ctx, code, expires))
}

func (i incomingSubscription) Reject(ctx context.Context, code int) error {
	return refused(i.s.Reject(ctx, code))
}

func (i incomingSubscription) Notify(ctx context.Context, n presence.Notification) error {
	return refused(i.s.Notify(ctx, sip.NotifyOut{
		State: string(n.State), Reason: n.Reason, ContentType: n.ContentType, Body: n.Body,
	}))
}

func (i incomingSubscription) OnRefresh(f func(expires time.Duration)) { i.s.OnRefresh(f) }
func (i incomingSubscription) OnEnd(f func(reason string))             { i.s.OnEnd(f) }

// refused turns an answer of the other side into the error package presence tells apart.
func refused(err error) error {
	if status, ok := errors.AsType[*sip.StatusError](err); ok {
		return &presence.RefusedError{Code: status.Code, Reason: status.Reason, RetryAfter: status.RetryAfter}
	}
	return err
}
