package presence

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// fakePeer is one buddy's side as a script: what it answers to the next SUBSCRIBEs and refreshes.
type fakePeer struct {
	mu       sync.Mutex
	answers  []error // to SUBSCRIBE, first to last; the last one stays; nil is 200
	refresh  []error // to refreshes; empty: 200
	hang     bool    // no answer until ctx ends
	sent     []time.Time
	checks   int
	closed   int
	live     *fakeSub
	onAccept string // basic of the document sent with the 200; empty: none
}

type fakeSub struct {
	peer   *fakePeer
	notify func(Notification)
	done   chan struct{}
	err    error
}

func (p *fakePeer) Subscribe(ctx context.Context, _ uri.URI, onNotify func(Notification)) (Subscription, error) {
	p.mu.Lock()
	p.sent = append(p.sent, time.Now())
	if p.hang {
		p.mu.Unlock()
		<-ctx.Done()
		return nil, ctx.Err()
	}
	defer p.mu.Unlock()
	var answer error
	if len(p.answers) > 0 {
		answer = p.answers[0]
		if len(p.answers) > 1 {
			p.answers = p.answers[1:]
		}
	}
	if answer != nil {
		return nil, fmt.Errorf("subscribe: %w", answer)
	}
	s := &fakeSub{peer: p, notify: onNotify, done: make(chan struct{})}
	p.live = s
	if p.onAccept != "" {
		onNotify(Notification{State: SubActive, ContentType: ContentType, Body: doc(p.onAccept)})
	}
	return s, nil
}

func (s *fakeSub) Refresh(context.Context) error {
	s.peer.mu.Lock()
	defer s.peer.mu.Unlock()
	s.peer.checks++
	if len(s.peer.refresh) == 0 {
		return nil
	}
	err := s.peer.refresh[0]
	s.peer.refresh = s.peer.refresh[1:]
	return err
}

func (s *fakeSub) Close(context.Context) error {
	s.peer.mu.Lock()
	defer s.peer.mu.Unlock()
	s.peer.closed++
	return nil
}

func (s *fakeSub) Done() <-chan struct{} { return s.done }
func (s *fakeSub) Err() error            { return s.err }

func (s *fakeSub) end(err error) {
	s.err = err
	close(s.done)
}

func (p *fakePeer) subscribes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sent)
}

func doc(basic string) []byte {
	return []byte("<presence><tuple><status><basic>" + basic + "</basic></status></tuple></presence>")
}

func refuse(code int) error { return &RefusedError{Code: code, Reason: "test"} }

var errLost = errors.New("network is unreachable")

// following runs a Watcher with one buddy in a bubble.
type following struct {
	t    *testing.T
	peer *fakePeer
	w    *Watcher
	bob  uri.URI
	told []State
	mu   sync.Mutex
}

func follow(t *testing.T, peer *fakePeer, test func(f *following)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &following{t: t, peer: peer, bob: mustURI(t, "sip:bob@info.test")}
		f.w = NewWatcher(WatcherConfig{Subscriber: peer, OnChange: func(target uri.URI, s State) {
			if target.String() != f.bob.String() {
				t.Errorf("change of %s", target)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			f.told = append(f.told, s)
		}})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := f.w.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		f.w.Watch(f.bob)
		synctest.Wait()
		test(f)
		cancel()
		wg.Wait()
	})
}

func (f *following) wait(d time.Duration) {
	time.Sleep(d) // virtual time
	synctest.Wait()
}

func (f *following) want(s Status, subscribes int) {
	f.t.Helper()
	synctest.Wait()
	got, ok := f.w.State(f.bob)
	if !ok || got.Status != s {
		f.t.Errorf("status %+v, want %s", got, s)
	}
	if got.Status == Unknown && len(f.told) > 0 && got.Reason == "" {
		f.t.Error("unknown without a reason")
	}
	f.mu.Lock()
	if len(f.told) > 0 && f.told[len(f.told)-1].Status != s {
		f.t.Errorf("told %v last, want %s", f.told[len(f.told)-1], s)
	}
	f.mu.Unlock()
	if n := f.peer.subscribes(); n != subscribes {
		f.t.Errorf("%d SUBSCRIBEs, want %d", n, subscribes)
	}
}

func TestOnlineAtOnce(t *testing.T) {
	follow(t, &fakePeer{onAccept: "open"}, func(f *following) {
		f.want(Online, 1)
		f.peer.live.notify(Notification{State: SubActive, ContentType: ContentType, Body: Encode(f.bob, State{Status: Away, Note: "tea"})})
		f.want(Away, 1)
		if s, _ := f.w.State(f.bob); s.Note != "tea" {
			t.Errorf("note %q", s.Note)
		}
		f.wait(24 * time.Hour)
		f.want(Away, 1)
	})
}

// TestKept404 is thesis 7.3.3: the absent are not polled; their SUBSCRIBE sends ours again.
func TestKept404(t *testing.T) {
	for _, code := range []int{404, 410, 480, 604} {
		follow(t, &fakePeer{answers: []error{refuse(code), nil}, onAccept: "open"}, func(f *following) {
			f.want(Offline, 1)
			f.wait(30 * 24 * time.Hour)
			f.want(Offline, 1)
			f.w.PeerSubscribed(mustURI(t, "sip:eve@info.test"))
			f.want(Offline, 1)
			f.w.PeerSubscribed(mustURI(t, "sip:bob@INFO.test:5060;transport=tcp"))
			f.want(Online, 2)
			f.wait(time.Hour)
			f.want(Online, 2)
		})
	}
}

// TestDoubted404: the buddy's SUBSCRIBE came before its REGISTER. Ours leaves at once all the same, however short ago
// the one was that began to be kept.
func TestDoubted404(t *testing.T) {
	follow(t, &fakePeer{answers: []error{refuse(404)}}, func(f *following) {
		f.wait(540 * time.Millisecond)
		f.w.PeerSubscribed(f.bob)
		for i, d := range []time.Duration{0, 250 * time.Millisecond, time.Second, 4 * time.Second, 16 * time.Second} {
			f.wait(d)
			f.want(Offline, 2+i)
		}
		f.wait(time.Hour)
		f.want(Offline, 6)
	})
}

// TestDoubted404Answered: the retry finds a buddy whose REGISTER came 100 ms after its SUBSCRIBE.
func TestDoubted404Answered(t *testing.T) {
	follow(t, &fakePeer{answers: []error{refuse(404), refuse(404), nil}, onAccept: "open"}, func(f *following) {
		f.w.PeerSubscribed(f.bob)
		f.want(Offline, 2)
		f.wait(250 * time.Millisecond)
		f.want(Online, 3)
		f.wait(time.Hour)
		f.want(Online, 3)
	})
}

// TestHeardAgainSoon: a second sign of life within minGap is not lost, nor does it put a planned retry off.
func TestHeardAgainSoon(t *testing.T) {
	follow(t, &fakePeer{answers: []error{refuse(404)}}, func(f *following) {
		f.w.PeerSubscribed(f.bob)
		f.wait(100 * time.Millisecond)
		f.w.PeerSubscribed(f.bob)
		f.want(Offline, 2)
		f.wait(150 * time.Millisecond) // 0.25 s
		f.want(Offline, 3)
		f.wait(time.Second) // 1.25 s; the next retry would be at 5.25 s
		f.want(Offline, 4)
		f.w.PeerSeen(f.bob)
		f.wait(minGap - 1250*time.Millisecond)
		f.want(Offline, 5)
	})
}

// TestNoStorm: a flood of SUBSCRIBEs in the buddy's name makes us send few: ours, one per minGap, and the retries of the
// first.
func TestNoStorm(t *testing.T) {
	follow(t, &fakePeer{answers: []error{refuse(404)}}, func(f *following) {
		for range 600 {
			f.w.PeerSubscribed(f.bob)
			f.wait(100 * time.Millisecond)
		}
		if n := f.peer.subscribes(); n > 1+30+4 {
			t.Errorf("%d SUBSCRIBEs in a minute", n)
		}
	})
}

// TestPeerRestarted: the buddy crashed and subscribes anew while ours seems alive.
func TestPeerRestarted(t *testing.T) {
	tests := []struct {
		name    string
		refresh error
		after   time.Duration
	}{
		{"481", refuse(481), 0},
		{"no answer", context.DeadlineExceeded, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			follow(t, &fakePeer{onAccept: "open", refresh: []error{tt.refresh}}, func(f *following) {
				f.wait(time.Minute)
				f.w.PeerSubscribed(f.bob)
				f.want(Online, 2)
				if f.peer.checks != 1 || f.peer.closed != 1 {
					t.Errorf("%d checks, %d closed; want 1, 1", f.peer.checks, f.peer.closed)
				}
			})
		})
	}
}

// TestMutualStart: the peer's SUBSCRIBE right after ours was accepted asks nothing of us; later ones one refresh.
func TestMutualStart(t *testing.T) {
	follow(t, &fakePeer{onAccept: "open"}, func(f *following) {
		f.wait(300 * time.Millisecond)
		f.w.PeerSubscribed(f.bob)
		f.want(Online, 1)
		if f.peer.checks != 0 {
			t.Errorf("%d refreshes, want 0", f.peer.checks)
		}
		f.wait(time.Minute)
		f.w.PeerSubscribed(f.bob)
		f.w.PeerSubscribed(f.bob)
		f.want(Online, 1)
		if f.peer.checks != 1 {
			t.Errorf("%d refreshes, want 1", f.peer.checks)
		}
	})
}

func TestRefusals(t *testing.T) {
	tests := []struct {
		code   int
		within time.Duration // the second SUBSCRIBE comes before this
		not    time.Duration // and not before this
		reason string
	}{
		{403, 6 * time.Hour, 2 * time.Hour, reasonForbidden},
		{603, 6 * time.Hour, 2 * time.Hour, reasonForbidden},
		{489, 6 * time.Hour, 2 * time.Hour, reasonNoSupport},
		{405, 6 * time.Hour, 2 * time.Hour, reasonNoSupport},
		{407, 7 * time.Minute, 3 * time.Minute, reasonAccount},
		{485, 40 * time.Minute, 20 * time.Minute, reasonOdd},
		{503, 7 * time.Second, 3 * time.Second, reasonNoAnswer},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.code), func(t *testing.T) {
			follow(t, &fakePeer{answers: []error{refuse(tt.code), nil}, onAccept: "open"}, func(f *following) {
				f.want(Unknown, 1)
				if s, _ := f.w.State(f.bob); s.Reason != tt.reason {
					t.Errorf("reason %q", s.Reason)
				}
				f.wait(tt.not)
				f.want(Unknown, 1)
				f.wait(tt.within - tt.not)
				f.want(Online, 2)
			})
		})
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
	busy := &RefusedError{Code: 503, RetryAfter: 90 * time.Second}
	follow(t, &fakePeer{answers: []error{busy, nil}, onAccept: "open"}, func(f *following) {
		f.wait(89 * time.Second)
		f.want(Unknown, 1)
		f.wait(2 * time.Second)
		f.want(Online, 2)
	})
}

// TestBackoff: no network; tries grow rare, never stop, and RetryAll ends the wait.
func TestBackoff(t *testing.T) {
	follow(t, &fakePeer{answers: []error{errLost}}, func(f *following) {
		f.wait(time.Hour)
		n := f.peer.subscribes()
		if n < 8 || n > 16 {
			t.Errorf("%d SUBSCRIBEs in the first hour", n)
		}
		f.wait(24 * time.Hour)
		if more := f.peer.subscribes() - n; more < 70 || more > 140 {
			t.Errorf("%d SUBSCRIBEs in the next day", more)
		}
		f.peer.mu.Lock()
		f.peer.answers, f.peer.onAccept = nil, "open"
		n = len(f.peer.sent)
		f.peer.mu.Unlock()
		f.w.RetryAll()
		f.want(Online, n+1)
	})
}

// TestGrace: a lost subscription shows the last state for 30 s.
func TestGrace(t *testing.T) {
	follow(t, &fakePeer{answers: []error{nil, errLost}, onAccept: "open"}, func(f *following) {
		f.wait(time.Hour)
		f.peer.live.end(errLost)
		f.want(Online, 2)
		f.wait(29 * time.Second)
		if s, _ := f.w.State(f.bob); s.Status != Online {
			t.Errorf("status %s within the grace time", s.Status)
		}
		f.wait(2 * time.Second)
		s, _ := f.w.State(f.bob)
		if s.Status != Unknown || s.Reason != reasonNoAnswer {
			t.Errorf("state %+v after the grace time", s)
		}
	})
}

func TestGraceWithoutFlicker(t *testing.T) {
	follow(t, &fakePeer{onAccept: "open"}, func(f *following) {
		f.wait(time.Hour)
		f.peer.live.end(refuse(481))
		f.want(Online, 2)
		f.wait(time.Hour)
		f.want(Online, 2)
		if len(f.told) != 1 {
			t.Errorf("told %v, want one change", f.told)
		}
	})
}

func TestRefresh404IsOffline(t *testing.T) {
	follow(t, &fakePeer{onAccept: "open"}, func(f *following) {
		f.wait(time.Hour)
		f.peer.live.end(refuse(480))
		f.want(Offline, 1)
		f.wait(24 * time.Hour)
		f.want(Offline, 1)
	})
}

func TestTerminated(t *testing.T) {
	hour := time.Hour
	tests := []struct {
		reason     string
		after      time.Duration // Retry-After
		body       string
		now        Status        // shown at once
		subscribes int           // by then
		within     time.Duration // a further SUBSCRIBE comes before this; 0: never
	}{
		{ReasonDeactivated, 0, "", Online, 2, 0},
		{ReasonTimeout, 0, "", Online, 2, 0},
		{ReasonDeactivated, 0, "closed", Offline, 1, 3 * time.Second},
		{ReasonProbation, 0, "", Online, 1, 40 * time.Second},
		{ReasonProbation, hour, "", Online, 1, hour + time.Second},
		{ReasonGiveUp, 0, "", Online, 1, 7 * time.Minute},
		{ReasonRejected, 0, "", Unknown, 1, 6 * time.Hour},
		{ReasonNoResource, 0, "", Offline, 1, 0},
		{ReasonInvariant, 0, "", Online, 1, 0},
		{"", 0, "", Online, 1, 40 * time.Second},
		{"newfangled", 0, "", Online, 1, 40 * time.Second},
	}
	for _, tt := range tests {
		t.Run(tt.reason+tt.body+tt.after.String(), func(t *testing.T) {
			follow(t, &fakePeer{onAccept: "open"}, func(f *following) {
				f.wait(time.Hour)
				n := Notification{State: SubTerminated, Reason: tt.reason, RetryAfter: tt.after}
				if tt.body != "" {
					n.ContentType, n.Body = ContentType, doc(tt.body)
				}
				f.peer.live.notify(n)
				f.want(tt.now, tt.subscribes)
				if tt.within == 0 {
					f.wait(24 * time.Hour)
					f.want(tt.now, tt.subscribes)
					return
				}
				f.wait(tt.within)
				f.want(Online, tt.subscribes+1)
			})
		})
	}
}
