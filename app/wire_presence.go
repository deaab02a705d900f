package app

import (
	"context"
	"errors"
	"time"

	"github.com/peregrine-softphone/peregrine/presence"
	"github.com/peregrine-softphone/peregrine/presence/dialoginfo"
	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	eventPresence = "presence"             // RFC 3856
	typePIDF      = "application/pidf+xml" // RFC 3863

	// subscriptionTime is how long our subscriptions ask to live: the default of RFC 3856 6.4 and RFC 4235 3.4. With
	// edge agents a peer that vanished is found out by other means; shorter only costs traffic.
	subscriptionTime = time.Hour
)

// eventSubscriber subscribes to one event package by the account that fits each buddy.
type eventSubscriber struct {
	e      *Engine
	event  string
	accept []string
}

var _ presence.Subscriber = eventSubscriber{}

// Subscribe implements presence.Subscriber.
func (p eventSubscriber) Subscribe(
	ctx context.Context, target uri.URI, onNotify func(presence.Notification),
) (presence.Subscription, error) {
	account, err := p.e.accountFor(target)
	if err != nil {
		return nil, err
	}
	return subscribe(ctx, account, target, p.event, p.accept, onNotify)
}

func subscribe(
	ctx context.Context, account *sip.Account, target uri.URI, event string, accept []string,
	onNotify func(presence.Notification),
) (presence.Subscription, error) {
	s, err := account.Subscribe(ctx, sip.SubscribeRequest{
		Target: target, Event: event, Accept: accept, Expires: subscriptionTime,
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

// wirePresence makes the parts that follow others and show the user to them.
func (e *Engine) wirePresence() {
	e.lamps, e.voicemail = newLamps(e), newVoicemail(e)
	e.watcher = presence.NewWatcher(presence.WatcherConfig{
		Subscriber: eventSubscriber{e, eventPresence, []string{typePIDF}}, Logger: e.log, OnChange: e.buddyState,
	})
	e.agent = presence.NewAgent(presence.AgentConfig{
		Logger: e.log, OnWatchers: e.changed, OnSubscribed: func(from uri.URI) {
			e.watcher.PeerSubscribed(from)
			e.lamps.follower.PeerSubscribed(from) // who follows us may have just begun to share a lamp
		},
	})
}

// eventPackages are what others may subscribe to.
func eventPackages() []string { return []string{eventPresence, dialoginfo.Event} }

// incomingSubscribe gives a subscription to whoever serves its event.
func (e *Engine) incomingSubscribe(ctx context.Context, s *sip.ServerSubscription) {
	if s.Event() == dialoginfo.Event {
		e.lamps.notifier.Handle(ctx, incomingSubscription{s})
		return
	}
	e.agent.Handle(ctx, incomingSubscription{s})
}

// refreshSubscriptions tells that our address has changed.
func (e *Engine) refreshSubscriptions() {
	e.agent.Refresh()
	e.watcher.Refresh()
	e.lamps.notifier.Refresh()
	e.lamps.follower.Refresh()
	e.voicemail.follower.Refresh()
}

// retrySubscriptions tells that the network is back.
func (e *Engine) retrySubscriptions() {
	e.watcher.RetryAll()
	e.lamps.follower.RetryAll()
	e.voicemail.follower.RetryAll()
}

// refused turns an answer of the other side into the error package presence tells apart.
func refused(err error) error {
	if status, ok := errors.AsType[*sip.StatusError](err); ok {
		return &presence.RefusedError{Code: status.Code, Reason: status.Reason, RetryAfter: status.RetryAfter}
	}
	return err
}
