package sip

import (
	"fmt"
	"testing"
	"time"
)

// A refresh that fails is tried again, less and less often; what says that there is nothing more ends the subscription
// at once (RFC 6665 4.1.2.2).
func TestRefreshRefused(t *testing.T) {
	const life = 3600 // s; the first refresh comes at 3240 s
	tests := []struct {
		name, answer, retryAfter string
		tries                    [2]int        // least and most
		after                    time.Duration // the end, at the earliest
		code                     int
	}{
		{"busy", "503 Busy", "", [2]int{8, 14}, 3590 * time.Second, 503},
		{"busy for a while", "503 Busy", "100", [2]int{4, 4}, 3540 * time.Second, 503},
		{"busy for good", "503 Busy", "4000", [2]int{1, 1}, 3240 * time.Second, 503},
		{"forbidden", "403 No", "", [2]int{8, 14}, 3590 * time.Second, 403},
		{"away", "480 Away", "", [2]int{1, 1}, 3240 * time.Second, 480},
		{"gone", "481 Gone", "", [2]int{1, 1}, 3240 * time.Second, 481},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				a := l.phone("10.0.0.1", nil).lan("alice")
				p := l.peer("10.0.0.2:5060")
				tries := make(chan int, 1)
				go func() {
					first := p.next("SUBSCRIBE")
					p.reply(first, "200 OK", "b", "", p.contact(), "Expires: 3600")
					p.request("10.0.0.1:5060", "NOTIFY sip:alice@10.0.0.1", "n", "", "From: "+first.field("To")+";tag=b",
						"To: "+first.field("From"), "Call-ID: "+first.field("Call-ID"), "CSeq: 1 NOTIFY", "Event: presence",
						p.contact(), "Subscription-State: active;expires=3600")
					p.next("SIP/2.0 200")
					n := 0
					for {
						select {
						case m := <-p.in:
							n++
							var more []string
							if tt.retryAfter != "" {
								more = append(more, "Retry-After: "+tt.retryAfter)
							}
							p.reply(m, tt.answer, "b", "", more...)
						case <-time.After(life * time.Second):
							tries <- n
							return
						}
					}
				}()
				var n notes
				began := time.Now()
				s, err := a.Subscribe(t.Context(), presence(t, "sip:bob@10.0.0.2", life*time.Second, &n))
				must(t, err)
				<-s.Done()
				if took := time.Since(began); took < tt.after || took > (life+1)*time.Second {
					t.Errorf("over after %v, want %v at the earliest", took, tt.after)
				}
				wantCode(t, s.Err(), tt.code)
				if got := <-tries; got < tt.tries[0] || got > tt.tries[1] {
					t.Errorf("%d tries, want %v", got, tt.tries)
				}
			})
		})
	}
}

// What the failure of a NOTIFY says about the subscriber.
func TestWhoIsLost(t *testing.T) {
	noAnswer := fmt.Errorf("%w from 10.0.0.2:5060", ErrNoAnswer)
	closed := fmt.Errorf("%w: %w at 10.0.0.2:5060", ErrNoAnswer, ErrPortClosed)
	tests := []struct {
		name       string
		registered bool
		err        error
		want       bool
	}{
		{"silence", true, noAnswer, true},
		{"silence while we moved", true, movedError{noAnswer}, false},
		{"no network", true, ErrTransport, false},
		{"a LAN peer's port closed", false, closed, true},
		{"the proxy's port closed", true, closed, false},
		{"no such dialog", true, &StatusError{Code: 481}, true},
		{"busy", true, &StatusError{Code: 503, RetryAfter: time.Minute}, false},
		{"a challenge", true, &StatusError{Code: 407}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := &ServerSubscription{account: &Account{cfg: AccountConfig{Register: tt.registered}}}
			if got := s.lost(tt.err); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
