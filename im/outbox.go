package im

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

const (
	networkBase = 5 * time.Second
	networkMax  = 5 * time.Minute

	// maxSending bounds the chats that send at once: each may wait 32 s for a peer that is gone.
	maxSending = 64

	// staleTry is the age from which a try is given up for a new one when the network is back: its transaction repeats
	// itself from the old address, ever more slowly.
	staleTry = time.Second

	textType = "text/plain; charset=utf-8"
)

// answerDelays are the waits before the repetitions of a message that was not answered: with the 32 s each try takes,
// about four minutes in all, in which a proxy restarts and a peer changes its network.
func answerDelays() []time.Duration {
	return []time.Duration{2 * time.Second, 8 * time.Second, 30 * time.Second, time.Minute}
}

// Run delivers the outboxes: of every chat one message at a time and in order, different chats at once. It blocks until
// ctx ends, waits for its goroutines and returns nil; what was under way stays waiting. Run Sessions once.
func (s *Sessions) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if next := s.round(ctx, &wg); !next.IsZero() {
			timer.Reset(max(0, time.Until(next)))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
		case <-timer.C:
		}
	}
}

// round starts what is due and gives the time of the next try.
func (s *Sessions) round(ctx context.Context, wg *sync.WaitGroup) (next time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	sending := 0
	for _, c := range s.chats {
		if c.sending {
			sending++
		}
	}
	for _, c := range s.chats {
		switch {
		case c.sending || len(c.outbox) == 0:
		case c.due.After(now):
			if next.IsZero() || c.due.Before(next) {
				next = c.due
			}
		case sending < maxSending: // else the end of one of those wakes us
			sending++
			c.sending = true
			o := c.outbox[0]
			tryCtx, cancel := context.WithCancel(ctx)
			c.started, c.cancel, c.again = now, cancel, false
			wg.Go(func() {
				defer cancel()
				s.deliver(tryCtx, ctx, c, o)
			})
		}
	}
	return next
}

// deliver tries the first message of a chat once. ctx ends with this try, run with Run.
func (s *Sessions) deliver(ctx, run context.Context, c *session, o *outgoing) {
	s.mu.Lock()
	o.msg.Tries++
	m := o.msg
	s.mu.Unlock()
	code, err := s.cfg.Sender.Send(ctx, m.Peer, textType, []byte(m.Text), m.ID)
	switch {
	case ctx.Err() != nil && code < 200:
		code = 0 // given up by us: nobody has answered
	case code == 0 && isTimeout(err):
		code = 408
	}
	s.mu.Lock()
	c.sending = false
	if run.Err() == nil || code >= 200 {
		s.outcome(c, o, code, err)
	}
	s.signal()
	s.mu.Unlock()
	s.tell(m.Peer)
}

// outcome notes the answer to a try of the first message of a chat, by the table at Cause. Sessions.mu is held.
func (s *Sessions) outcome(c *session, o *outgoing, code int, err error) {
	o.msg.Code, o.msg.Detail = code, ""
	if err != nil {
		o.msg.Detail = err.Error()
	}
	c.due = time.Time{}
	var wait time.Duration
	switch cause := causeOf(code); {
	case code == 202:
		o.msg.State, o.msg.Cause = Accepted, CauseNone
	case cause == CauseNone:
		o.msg.State, o.msg.Cause = Sent, CauseNone
	case o.canceled:
		o.msg.State, o.msg.Cause = Failed, CauseCanceled
	case cause == CauseNetwork:
		o.msg.Cause = cause
		o.failures++
		wait = min(networkMax, networkBase<<min(o.failures-1, 10))
	case cause == CauseNoAnswer && o.unanswered < len(answerDelays()):
		o.msg.Cause = cause
		wait = answerDelays()[o.unanswered]
		o.unanswered++
	default:
		o.msg.State, o.msg.Cause = Failed, cause
	}
	if o.msg.State == Waiting {
		if !c.again {
			c.due = time.Now().Add(wait)
		}
	} else {
		c.outbox[0] = nil
		c.outbox = c.outbox[1:]
	}
	s.save(c, o)
}

// causeOf reads a final answer; 0 is none.
func causeOf(code int) Cause {
	switch {
	case code >= 200 && code < 300:
		return CauseNone
	case code < 200:
		return CauseNetwork
	}
	switch code {
	case 408, 500, 502, 503, 504:
		return CauseNoAnswer
	case 404, 410, 480, 604:
		return CauseAbsent
	case 401, 407:
		return CauseAccount
	case 413, 513:
		return CauseTooLarge
	case 415, 488, 606:
		return CauseUnsupported
	default:
		return CauseRefused
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}
