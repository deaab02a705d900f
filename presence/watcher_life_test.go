package presence

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// TestBrokenNotifier: one that ends every subscription at once is not asked in a loop.
func TestBrokenNotifier(t *testing.T) {
	follow(t, &fakePeer{onAccept: "open"}, func(f *following) {
		for range 2000 {
			f.peer.mu.Lock()
			s := f.peer.live
			f.peer.live = nil
			f.peer.mu.Unlock()
			if s != nil {
				s.notify(Notification{State: SubTerminated, Reason: ReasonDeactivated})
			}
			f.wait(time.Second)
		}
		if n := f.peer.subscribes(); n > 20 {
			t.Errorf("%d SUBSCRIBEs in 2000 s", n)
		}
	})
}

func TestPendingAndRejected(t *testing.T) {
	follow(t, &fakePeer{}, func(f *following) {
		f.peer.live.notify(Notification{State: SubPending})
		f.want(Unknown, 1)
		if s, _ := f.w.State(f.bob); !strings.Contains(s.Reason, "allowed") {
			t.Errorf("reason %q", s.Reason)
		}
		f.peer.live.notify(Notification{State: SubActive, ContentType: ContentType, Body: doc("open")})
		f.want(Online, 1)
	})
}

func TestOddBodies(t *testing.T) {
	tests := []struct {
		name string
		n    Notification
		want Status
	}{
		{"none", Notification{State: SubActive}, Offline},
		{"garbage", Notification{State: SubActive, ContentType: ContentType, Body: []byte("<<<")}, Unknown},
		{"other type", Notification{State: SubActive, ContentType: "text/plain", Body: []byte("hi")}, Unknown},
		{"unknown state", Notification{State: "sleepy", ContentType: ContentType, Body: doc("open")}, Online},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			follow(t, &fakePeer{}, func(f *following) {
				f.peer.live.notify(tt.n)
				f.want(tt.want, 1)
				f.peer.live.notify(Notification{State: SubActive, ContentType: ContentType, Body: doc("open")})
				f.want(Online, 1)
				f.peer.live.notify(Notification{State: SubActive}) // nothing new
				f.want(Online, 1)
			})
		})
	}
}

func TestMove(t *testing.T) {
	follow(t, &fakePeer{onAccept: "open"}, func(f *following) {
		f.wait(time.Hour)
		f.w.Refresh()
		f.want(Online, 1)
		if f.peer.checks != 1 {
			t.Errorf("%d refreshes, want 1", f.peer.checks)
		}
		f.peer.mu.Lock()
		f.peer.refresh = []error{errLost}
		f.peer.mu.Unlock()
		f.w.Refresh()
		f.want(Online, 2)
	})
}

// TestMoveWhileSubscribing: the SUBSCRIBE that hangs on the old path is given up for a new one.
func TestMoveWhileSubscribing(t *testing.T) {
	follow(t, &fakePeer{hang: true, onAccept: "open"}, func(f *following) {
		f.wait(5 * time.Second)
		f.peer.mu.Lock()
		f.peer.hang = false
		f.peer.mu.Unlock()
		f.w.RetryAll()
		f.want(Online, 2)
	})
}

func TestUnwatch(t *testing.T) {
	follow(t, &fakePeer{onAccept: "open"}, func(f *following) {
		old := f.peer.live
		f.w.Unwatch(f.bob)
		synctest.Wait()
		old.notify(Notification{State: SubActive, ContentType: ContentType, Body: doc("closed")})
		f.wait(time.Hour)
		if _, ok := f.w.State(f.bob); ok || f.peer.closed != 1 || f.peer.subscribes() != 1 {
			t.Errorf("followed %v, closed %d, SUBSCRIBEs %d", ok, f.peer.closed, f.peer.subscribes())
		}
		f.w.Watch(f.bob)
		f.want(Online, 2)
	})
}

// TestEndUnsubscribes: Run's end closes what is active.
func TestEndUnsubscribes(t *testing.T) {
	peer := &fakePeer{onAccept: "open"}
	follow(t, peer, func(f *following) { f.want(Online, 1) })
	if peer.closed != 1 {
		t.Errorf("%d closed, want 1", peer.closed)
	}
}

// TestManyBuddies: the bound on requests under way holds up nobody for long.
func TestManyBuddies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := &fakePeer{answers: []error{refuse(404)}}
		w := NewWatcher(WatcherConfig{Subscriber: peer})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = w.Run(ctx) })
		for i := range 5000 {
			if !w.Watch(uri.New(fmt.Sprintf("b%d", i), "info.test", 0)) {
				t.Fatal("refused")
			}
		}
		synctest.Wait()
		if n := peer.subscribes(); n != 5000 {
			t.Errorf("%d SUBSCRIBEs, want 5000", n)
		}
		if s, _ := w.State(uri.New("b4999", "info.test", 0)); s.Status != Offline {
			t.Errorf("last one %+v", s)
		}
		cancel()
		wg.Wait()
	})
}

// TestPeerByOtherPort: on a LAN the port of a From differs from the one the user typed; two buddies at one host with the same
// name are told apart by their ports only.
func TestPeerByOtherPort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		peer := &fakePeer{answers: []error{refuse(404)}}
		w := NewWatcher(WatcherConfig{Subscriber: peer})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = w.Run(ctx) })
		w.Watch(mustURI(t, "sip:bob@10.0.0.2"))
		time.Sleep(time.Minute)
		w.PeerSubscribed(mustURI(t, "sip:bob@10.0.0.2:5070"))
		synctest.Wait()
		if n := peer.subscribes(); n != 2 {
			t.Errorf("%d SUBSCRIBEs, want 2", n)
		}
		time.Sleep(time.Minute)
		n := peer.subscribes()
		w.Watch(mustURI(t, "sip:bob@10.0.0.2:5080"))
		time.Sleep(time.Minute)
		w.PeerSubscribed(mustURI(t, "sip:bob@10.0.0.2:5070")) // either could be meant
		synctest.Wait()
		if got := peer.subscribes(); got != n+1 {
			t.Errorf("%d SUBSCRIBEs, want %d", got, n+1)
		}
		cancel()
		wg.Wait()
	})
}
