package presence

import (
	"context"
	"fmt"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// RefusedError is a final answer other than 2xx. A Subscriber, Subscription or Incoming returns it (wrapped or not)
// whenever the other side answered; any other error means that no answer came: no network, no route, a timeout.
type RefusedError struct {
	Code       int           // 300 to 699
	Reason     string        // reason phrase
	RetryAfter time.Duration // of a Retry-After header; 0: none
}

// Error implements error.
func (e *RefusedError) Error() string { return fmt.Sprintf("refused: %d %s", e.Code, e.Reason) }

// SubState is the Subscription-State of a NOTIFY (RFC 6665 4.1.3).
type SubState string

// The states of a subscription.
const (
	SubActive     SubState = "active"
	SubPending    SubState = "pending"
	SubTerminated SubState = "terminated"
)

// The reasons of a terminated subscription (RFC 6665 4.1.3).
const (
	ReasonDeactivated = "deactivated"
	ReasonProbation   = "probation"
	ReasonRejected    = "rejected"
	ReasonTimeout     = "timeout"
	ReasonGiveUp      = "giveup"
	ReasonNoResource  = "noresource"
	ReasonInvariant   = "invariant"
)

// Notification is one NOTIFY, incoming (to a Watcher) or outgoing (from an Agent).
type Notification struct {
	State       SubState
	Reason      string        // with SubTerminated; may be empty
	RetryAfter  time.Duration // with SubTerminated; 0: none
	ContentType string        // empty when there is no body
	Body        []byte
}

// Subscriber is how a Watcher subscribes. Subscribe sends the SUBSCRIBE (Event: presence) and blocks until its final
// answer; on 2xx it gives the subscription, else an error as RefusedError describes. onNotify is called for every
// NOTIFY in order, also before Subscribe has returned (RFC 6665 4.1.2.4), and does not block. ctx bounds the wait for
// the answer, not the life of the subscription. Subscribe is called from several goroutines at once.
type Subscriber interface {
	Subscribe(ctx context.Context, target uri.URI, onNotify func(Notification)) (Subscription, error)
}

// Subscription is one subscription of ours. It refreshes itself before it expires.
type Subscription interface {
	// Refresh sends SUBSCRIBE in the dialog now, from the present address; errors as RefusedError describes.
	Refresh(ctx context.Context) error
	// Close un-subscribes. On a subscription that has ended it does nothing.
	Close(ctx context.Context) error
	// Done is closed when the subscription has ended: after a terminated NOTIFY, a refused or unanswered refresh, or
	// Close.
	Done() <-chan struct{}
	// Err tells, after Done, why: nil after a terminated NOTIFY or Close, else as RefusedError describes.
	Err() error
}

// Incoming is one subscription of somebody else to our presence. Notify and the rest may be called from any goroutine;
// the Agent calls Notify for one subscription never twice at once.
type Incoming interface {
	From() uri.Address
	To() uri.Address
	// AcceptTypes are the values of the Accept header fields; empty when there was none.
	AcceptTypes() []string
	// Expires is the duration asked for; 0 is a fetch (RFC 6665 4.4.3).
	Expires() time.Duration
	// Accept answers 200 or 202 with the duration granted.
	Accept(ctx context.Context, code int, expires time.Duration) error
	// Reject answers with a final refusal.
	Reject(ctx context.Context, code int) error
	// Notify sends a NOTIFY and waits for its answer; errors as RefusedError describes.
	Notify(ctx context.Context, n Notification) error
	// OnRefresh sets what is called when a SUBSCRIBE in the dialog was answered; expires 0 is an un-subscription, whose
	// last NOTIFY the Agent sends.
	OnRefresh(func(expires time.Duration))
	// OnEnd sets what is called once when the subscription has ended for whatever cause, also when it has expired; the
	// expired one gets its last NOTIFY from the SIP side.
	OnEnd(func(reason string))
}
