package presence

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// words is an event package whose documents are words: "gap" says that something was missed, "bad" cannot be read.
func words() Package[string] {
	return Package[string]{
		Event: "words", Accept: []string{"text/plain"},
		Unclear: func(why Why, _ time.Time) string { return fmt.Sprint("unclear ", int(why)) },
		Absent:  func(time.Time) string { return "absent" },
		Kind: func(s string) Kind {
			switch {
			case s == "absent":
				return Absent
			case strings.HasPrefix(s, "unclear"):
				return Unclear
			}
			return Clear
		},
		Same: func(a, b string) bool { return a == b },
		NewReader: func() func(Notification, time.Time) Reading[string] {
			count := 0 // of the documents of this subscription
			return func(n Notification, _ time.Time) Reading[string] {
				count++
				switch s := string(n.Body); s {
				case "bad":
					return Reading[string]{Err: errors.New("bad word")}
				default:
					return Reading[string]{State: fmt.Sprint(s, count), Found: true, Again: s == "gap"}
				}
			}
		},
		RefusedWait: time.Hour, AbsentWait: time.Hour,
	}
}

// followWords runs a Follower of words with one buddy in a bubble; told gives the changes since the last call.
func followWords(t *testing.T, peer *fakePeer, test func(w *Follower[string], bob uri.URI, told func() string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var changes []string
		w := NewFollower(FollowerConfig[string]{Package: words(), Subscriber: peer, OnChange: func(_ uri.URI, s string) {
			mu.Lock()
			defer mu.Unlock()
			changes = append(changes, s)
		}})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := w.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		bob := mustURI(t, "sip:bob@info.test")
		w.Watch(bob)
		synctest.Wait()
		test(w, bob, func() string {
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			out := strings.Join(changes, ", ")
			changes = nil
			return out
		})
		cancel()
		wg.Wait()
	})
}

func word(s string) Notification {
	return Notification{State: SubActive, ContentType: "text/plain", Body: []byte(s)}
}

// TestFollowerFolds: the reader of a subscription sees its documents in order, and a new subscription has a new one.
func TestFollowerFolds(t *testing.T) {
	peer := &fakePeer{}
	followWords(t, peer, func(_ *Follower[string], _ uri.URI, told func() string) {
		for i, want := range []string{"a1", "a2"} {
			peer.live.notify(word("a"))
			if got := told(); got != want {
				t.Errorf("document %d: told %q, want %q", i, got, want)
			}
		}
		peer.live.notify(word("bad")) // the last one stands
		if got := told(); got != "" {
			t.Errorf("a bad document: told %q", got)
		}
		peer.live.end(refuse(481))
		synctest.Wait()
		peer.live.notify(word("b"))
		if got := told(); got != "b1" {
			t.Errorf("new subscription: told %q", got)
		}
	})
}

// TestFollowerAsksAgain: a gap in the documents brings a SUBSCRIBE in the dialog, and a notifier whose documents are
// nothing but gaps brings one every minGap.
func TestFollowerAsksAgain(t *testing.T) {
	peer := &fakePeer{}
	followWords(t, peer, func(_ *Follower[string], _ uri.URI, told func() string) {
		peer.live.notify(word("gap"))
		if got := told(); got != "gap1" || peer.checks != 1 {
			t.Fatalf("told %q, %d refreshes", got, peer.checks)
		}
		const seconds = 20
		for range 10 * seconds {
			peer.live.notify(word("gap"))
			time.Sleep(time.Second / 10)
		}
		synctest.Wait()
		if most := 1 + int(seconds*time.Second/minGap); peer.checks < most/2 || peer.checks > most {
			t.Errorf("%d refreshes in %d s", peer.checks, seconds)
		}
		if got := peer.subscribes(); got != 1 {
			t.Errorf("%d subscriptions", got)
		}
	})
}

// TestFollowerGapBeforeAnswer: the gap is in a NOTIFY that overtakes the 200.
func TestFollowerGapBeforeAnswer(t *testing.T) {
	peer := &fakePeer{onAccept: "gap"} // as PIDF it is no gap, only a document
	gap := &gapFirst{fakePeer: peer}
	synctest.Test(t, func(t *testing.T) {
		w := NewFollower(FollowerConfig[string]{Package: words(), Subscriber: gap})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = w.Run(ctx) })
		w.Watch(mustURI(t, "sip:bob@info.test"))
		synctest.Wait()
		if peer.checks != 1 {
			t.Errorf("%d refreshes", peer.checks)
		}
		cancel()
		wg.Wait()
	})
}

// gapFirst sends a word with a gap before it accepts.
type gapFirst struct{ *fakePeer }

func (g *gapFirst) Subscribe(ctx context.Context, to uri.URI, onNotify func(Notification)) (Subscription, error) {
	g.onAccept = ""
	onNotify(word("gap"))
	return g.fakePeer.Subscribe(ctx, to, onNotify)
}

// TestFollowerWaits: a package says how long it waits after a refusal and for one that is absent.
func TestFollowerWaits(t *testing.T) {
	for _, code := range []int{403, 404, 405, 489, 603} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			peer := &fakePeer{answers: []error{refuse(code)}}
			followWords(t, peer, func(_ *Follower[string], _ uri.URI, told func() string) {
				if got := told(); got == "" {
					t.Error("told nothing")
				}
				time.Sleep(44 * time.Minute) // an hour, less 25 %
				synctest.Wait()
				if got := peer.subscribes(); got != 1 {
					t.Errorf("%d subscriptions before the time", got)
				}
				time.Sleep(32 * time.Minute)
				synctest.Wait()
				if got := peer.subscribes(); got != 2 {
					t.Errorf("%d subscriptions after the time", got)
				}
			})
		})
	}
}

// counted is an offer whose documents are "version state".
func counted() Offer[string] {
	return Offer[string]{
		ContentType: "text/plain",
		Encode:      func(_ uri.URI, s string, version uint32) []byte { return fmt.Appendf(nil, "%d %s", version, s) },
		Hidden:      func(time.Time) string { return "hidden" },
		Same:        func(a, b string) bool { return a == b },
		Normal:      func(s string, _ time.Time) string { return s },
		Pace:        time.Second,
	}
}

func (i *fakeIncoming) raw() string {
	synctest.Wait()
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []string
	for _, n := range i.notifies {
		out = append(out, strings.TrimSpace(strings.TrimSpace(string(n.State)+" "+string(n.Body))+" "+n.Reason))
	}
	return strings.Join(out, ", ")
}

// TestNotifierVersions: each subscription counts its own documents from 0, what it knows is not sent again, and one who
// waits for the user's decision learns nothing until it falls.
func TestNotifierVersions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		allowed := map[string]bool{"bob": true}
		n := NewNotifier(NotifierConfig[string]{Offer: counted(), Authorize: func(from uri.URI) Decision {
			switch {
			case allowed[from.User]:
				return Allow
			case from.User == "carol":
				return Pending
			}
			return Block
		}})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := n.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		bob, carol, mallory := incoming(t, "sip:bob@info.test"), incoming(t, "sip:carol@info.test"), incoming(t, "sip:mallory@x")
		for _, in := range []*fakeIncoming{bob, carol, mallory} {
			in.accept = []string{"text/plain"}
		}
		n.Handle(ctx, bob)
		n.Handle(ctx, carol)
		n.Handle(ctx, mallory)
		synctest.Wait()
		if bob.code != 200 || carol.code != 202 || mallory.code != 403 {
			t.Fatalf("answers %d %d %d", bob.code, carol.code, mallory.code)
		}
		n.Set("busy")
		synctest.Wait()
		bob.onRefresh(time.Hour)
		synctest.Wait()
		allowed["carol"] = true
		n.Reauthorize()
		synctest.Wait()
		time.Sleep(time.Second)
		n.Set("idle")
		synctest.Wait()
		delete(allowed, "carol")
		n.Reauthorize()
		delete(allowed, "bob")
		n.Reauthorize()
		if got, want := bob.raw(), "active 0 hidden, active 1 busy, active 2 busy, active 3 idle, terminated rejected"; got != want {
			t.Errorf("bob heard %q, want %q", got, want)
		}
		if got, want := carol.raw(), "pending, active 0 busy, active 1 idle, pending"; got != want {
			t.Errorf("carol heard %q, want %q", got, want)
		}
		if got := mallory.raw(); got != "" {
			t.Errorf("mallory heard %q", got)
		}
		cancel()
		wg.Wait()
		if got, want := carol.raw(), "pending, active 0 busy, active 1 idle, pending, terminated deactivated"; got != want {
			t.Errorf("carol's good-bye: %q, want %q", got, want)
		}
	})
}

// TestNotifierPace: in the long run one change per Pace.
func TestNotifierPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := NewNotifier(NotifierConfig[string]{Offer: counted()})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _ = n.Run(ctx) })
		bob := incoming(t, "sip:bob@info.test")
		n.Handle(ctx, bob)
		const seconds = 30
		for i := range 20 * seconds {
			n.Set(fmt.Sprint(i))
			time.Sleep(time.Second / 20)
		}
		synctest.Wait()
		bob.mu.Lock()
		heard := len(bob.notifies)
		bob.mu.Unlock()
		if heard < seconds || heard > seconds+paceBurst+2 {
			t.Errorf("%d NOTIFYs in %d s", heard, seconds)
		}
		cancel()
		wg.Wait()
	})
}
