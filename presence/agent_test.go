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

// fakeIncoming records what the Agent does with one subscription.
type fakeIncoming struct {
	from, to uri.Address
	accept   []string
	expires  time.Duration
	delay    time.Duration // of every NOTIFY
	errs     []error       // of the first NOTIFYs

	mu        sync.Mutex
	code      int
	granted   time.Duration
	notifies  []Notification
	times     []time.Time
	underWay  int
	onRefresh func(time.Duration)
	onEnd     func(string)
}

func incoming(t testing.TB, from string) *fakeIncoming {
	t.Helper()
	return &fakeIncoming{
		from: uri.Address{URI: mustURI(t, from)}, to: uri.Address{URI: mustURI(t, "sip:alice@info.test")}, expires: 10 * time.Minute,
	}
}

func (i *fakeIncoming) From() uri.Address                     { return i.from }
func (i *fakeIncoming) To() uri.Address                       { return i.to }
func (i *fakeIncoming) AcceptTypes() []string                 { return i.accept }
func (i *fakeIncoming) Expires() time.Duration                { return i.expires }
func (i *fakeIncoming) OnRefresh(f func(time.Duration))       { i.onRefresh = f }
func (i *fakeIncoming) OnEnd(f func(string))                  { i.onEnd = f }
func (i *fakeIncoming) Reject(_ context.Context, c int) error { i.code = c; return nil }

func (i *fakeIncoming) Accept(_ context.Context, code int, expires time.Duration) error {
	i.code, i.granted = code, expires
	return nil
}

func (i *fakeIncoming) Notify(ctx context.Context, n Notification) error {
	i.mu.Lock()
	i.underWay++
	if i.underWay > 1 {
		panic("two NOTIFYs at once")
	}
	i.notifies, i.times = append(i.notifies, n), append(i.times, time.Now())
	var err error
	if len(i.errs) > 0 {
		err, i.errs = i.errs[0], i.errs[1:]
	}
	delay := i.delay
	i.mu.Unlock()
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	i.mu.Lock()
	i.underWay--
	i.mu.Unlock()
	return err
}

// heard writes the NOTIFYs as "active online, terminated offline (deactivated)".
func (i *fakeIncoming) heard(t testing.TB) string {
	t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []string
	for _, n := range i.notifies {
		s := string(n.State)
		if len(n.Body) > 0 {
			d, err := Decode(n.Body)
			if err != nil {
				t.Fatal(err)
			}
			s += " " + string(Compose(d, time.Now()).Status)
		}
		if n.Reason != "" {
			s += " (" + n.Reason + ")"
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func withAgent(t *testing.T, cfg AgentConfig, test func(t *testing.T, a *Agent)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a := NewAgent(cfg)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := a.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		a.Set(State{Status: Online})
		synctest.Wait()
		test(t, a)
		cancel()
		wg.Wait()
	})
}

func wantHeard(t *testing.T, in *fakeIncoming, want string) {
	t.Helper()
	synctest.Wait()
	if got := in.heard(t); got != want {
		t.Errorf("%s heard %q, want %q", in.from.URI.User, got, want)
	}
}

func TestAgentNotifies(t *testing.T) {
	var subscribed []string
	cfg := AgentConfig{OnSubscribed: func(u uri.URI) { subscribed = append(subscribed, u.String()) }}
	withAgent(t, cfg, func(t *testing.T, a *Agent) {
		bob := incoming(t, "sip:bob@info.test")
		a.Handle(t.Context(), bob)
		wantHeard(t, bob, "active online")
		if bob.code != 200 || bob.granted != 10*time.Minute {
			t.Errorf("accepted with %d for %s", bob.code, bob.granted)
		}
		time.Sleep(time.Minute)
		a.Set(State{Status: Away})
		wantHeard(t, bob, "active online, active away")
		a.Set(State{Status: Away}) // no change, no NOTIFY
		time.Sleep(time.Minute)
		wantHeard(t, bob, "active online, active away")
		a.Set(State{Status: Offline}) // appear offline
		wantHeard(t, bob, "active online, active away, active offline")
		if len(a.Watchers()) != 1 {
			t.Errorf("%d watchers, want 1", len(a.Watchers()))
		}
		if len(subscribed) != 1 || subscribed[0] != "sip:bob@info.test" {
			t.Errorf("subscribed: %q", subscribed)
		}
	})
}

func TestAgentFetch(t *testing.T) {
	withAgent(t, AgentConfig{}, func(t *testing.T, a *Agent) {
		bob := incoming(t, "sip:bob@info.test")
		bob.expires = 0
		a.Handle(t.Context(), bob)
		wantHeard(t, bob, "terminated online (timeout)")
		if len(a.Watchers()) != 0 {
			t.Error("a fetcher stays in the list")
		}
	})
}

func TestAgentRefreshAndUnsubscribe(t *testing.T) {
	withAgent(t, AgentConfig{}, func(t *testing.T, a *Agent) {
		bob := incoming(t, "sip:bob@info.test")
		a.Handle(t.Context(), bob)
		synctest.Wait()
		bob.onRefresh(10 * time.Minute)
		wantHeard(t, bob, "active online, active online")
		a.Refresh() // moved
		wantHeard(t, bob, "active online, active online, active online")
		bob.onRefresh(0)
		wantHeard(t, bob, "active online, active online, active online, terminated online (timeout)")
		a.Set(State{Status: Busy})
		time.Sleep(time.Minute)
		wantHeard(t, bob, "active online, active online, active online, terminated online (timeout)")
	})
}

func TestAgentGoodbye(t *testing.T) {
	bob, slow, polite := incoming(t, "sip:bob@info.test"), incoming(t, "sip:slow@info.test"), incoming(t, "sip:spy@info.test")
	slow.delay = time.Minute
	var took time.Duration
	cfg := AgentConfig{Authorize: func(u uri.URI) Decision {
		if u.User == "spy" {
			return PoliteBlock
		}
		return Allow
	}}
	synctest.Test(t, func(t *testing.T) {
		a := NewAgent(cfg)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); _ = a.Run(ctx) }()
		a.Set(State{Status: Busy})
		for _, in := range []*fakeIncoming{bob, slow, polite} {
			a.Handle(t.Context(), in)
		}
		synctest.Wait()
		start := time.Now()
		cancel()
		<-done
		took = time.Since(start)
		late := incoming(t, "sip:late@info.test")
		a.Handle(t.Context(), late)
		if late.code != 480 {
			t.Errorf("a SUBSCRIBE after the end got %d, want 480", late.code)
		}
		wantHeard(t, bob, "active busy, terminated offline (deactivated)")
		wantHeard(t, polite, "active offline, terminated offline (deactivated)")
	})
	if took > goodbyeLimit {
		t.Errorf("the good-bye took %s", took)
	}
}

func TestAgentDecisions(t *testing.T) {
	decision := Pending
	cfg := AgentConfig{Authorize: func(uri.URI) Decision { return decision }, OnSubscribed: func(u uri.URI) {
		t.Errorf("%s learns that we are there", u)
	}}
	withAgent(t, cfg, func(t *testing.T, a *Agent) {
		bob := incoming(t, "sip:bob@info.test")
		a.Handle(t.Context(), bob)
		if bob.code != 202 {
			t.Errorf("answered %d, want 202", bob.code)
		}
		a.Set(State{Status: Busy})
		time.Sleep(time.Minute)
		wantHeard(t, bob, "pending") // nothing leaks, changes neither
		decision = Allow
		a.Reauthorize()
		wantHeard(t, bob, "pending, active busy")
		decision = PoliteBlock
		a.Reauthorize()
		a.Set(State{Status: Away})
		time.Sleep(time.Minute)
		wantHeard(t, bob, "pending, active busy, active offline")
		decision = Block
		a.Reauthorize()
		wantHeard(t, bob, "pending, active busy, active offline, terminated (rejected)")
		eve := incoming(t, "sip:eve@info.test")
		a.Handle(t.Context(), eve)
		if eve.code != 403 || eve.heard(t) != "" {
			t.Errorf("blocked: %d, heard %q", eve.code, eve.heard(t))
		}
	})
}

// TestAgentPace: a burst is told with gaps, in the long run one change every five seconds, the last one always.
func TestAgentPace(t *testing.T) {
	withAgent(t, AgentConfig{}, func(t *testing.T, a *Agent) {
		bob := incoming(t, "sip:bob@info.test")
		a.Handle(t.Context(), bob)
		synctest.Wait()
		time.Sleep(time.Hour)
		for i := range 600 { // a minute of ten changes a second
			a.Set(State{Status: []Status{Online, Away, Busy}[i%3], Note: fmt.Sprint(i)})
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		n := len(bob.notifies) - 1
		if n < 12 || n > 8+13 {
			t.Errorf("%d NOTIFYs for a minute of changes", n)
		}
		if last := string(bob.notifies[n].Body); !strings.Contains(last, ">599<") {
			t.Errorf("the last change was not told: %s", last)
		}
		for i := 2; i < len(bob.times); i++ {
			if gap := bob.times[i].Sub(bob.times[i-1]); gap < paceGap {
				t.Errorf("gap of %s", gap)
			}
		}
	})
}

// TestAgentSlowWatcher: one that does not answer holds up no other and gets the latest state in the end.
func TestAgentSlowWatcher(t *testing.T) {
	withAgent(t, AgentConfig{}, func(t *testing.T, a *Agent) {
		slow, bob := incoming(t, "sip:slow@info.test"), incoming(t, "sip:bob@info.test")
		slow.delay = 30 * time.Second
		a.Handle(t.Context(), slow)
		a.Handle(t.Context(), bob)
		synctest.Wait()
		a.Set(State{Status: Away})
		time.Sleep(time.Second)
		a.Set(State{Status: Busy})
		time.Sleep(time.Second)
		wantHeard(t, bob, "active online, active away, active busy")
		time.Sleep(time.Minute)
		wantHeard(t, slow, "active online, active busy")
	})
}

func TestAgentFailures(t *testing.T) {
	tests := []struct {
		name  string
		errs  []error
		heard int
		stays bool
	}{
		{"481 ends it", []error{refuse(481)}, 1, false},
		{"503 with Retry-After is retried", []error{&RefusedError{Code: 503, RetryAfter: time.Second}}, 2, true},
		{"lost once is retried", []error{errLost}, 2, true},
		{"500 is retried", []error{refuse(500)}, 2, true},
		{"lost for ever ends it", []error{errLost, errLost, errLost, errLost, errLost}, 2 + notifyTries, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			withAgent(t, AgentConfig{}, func(t *testing.T, a *Agent) {
				bob := incoming(t, "sip:bob@info.test")
				bob.errs = tt.errs
				a.Handle(t.Context(), bob)
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				if len(bob.notifies) != tt.heard || (len(a.Watchers()) == 1) != tt.stays {
					t.Errorf("%d NOTIFYs, %d watchers; want %d, stays %v", len(bob.notifies), len(a.Watchers()), tt.heard, tt.stays)
				}
			})
		})
	}
}

func TestAgentBounds(t *testing.T) {
	withAgent(t, AgentConfig{MaxWatchers: 20}, func(t *testing.T, a *Agent) {
		var subs []*fakeIncoming
		for range maxPerWatcher + 1 {
			in := incoming(t, "sip:bob@info.test")
			subs = append(subs, in)
			a.Handle(t.Context(), in)
			time.Sleep(time.Second)
		}
		wantHeard(t, subs[0], "active online, terminated online (deactivated)")
		wantHeard(t, subs[1], "active online")
		for i := range 12 {
			a.Handle(t.Context(), incoming(t, fmt.Sprintf("sip:b%d@info.test", i)))
		}
		full := incoming(t, "sip:full@info.test")
		a.Handle(t.Context(), full)
		if full.code != 503 {
			t.Errorf("the 21st got %d, want 503", full.code)
		}
		subs[3].onEnd("timeout")
		a.Handle(t.Context(), full)
		if full.code != 200 {
			t.Errorf("after one has gone: %d, want 200", full.code)
		}
	})
}

func TestAcceptsPIDF(t *testing.T) {
	tests := []struct {
		accept []string
		want   bool
	}{
		{nil, true},
		{[]string{""}, true},
		{[]string{"application/pidf+xml"}, true},
		{[]string{"application/xpidf+xml, Application/PIDF+xml;q=0.5"}, true},
		{[]string{"multipart/related", "application/rlmi+xml,application/pidf+xml"}, true},
		{[]string{"*/*"}, true},
		{[]string{"application/*"}, true},
		{[]string{"application/pidf+xml;q=0"}, false},
		{[]string{"application/xpidf+xml"}, false},
		{[]string{"text/plain"}, false},
	}
	for _, tt := range tests {
		t.Run(strings.Join(tt.accept, "|"), func(t *testing.T) {
			if got := accepts(tt.accept, ContentType); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			withAgent(t, AgentConfig{}, func(t *testing.T, a *Agent) {
				in := incoming(t, "sip:bob@info.test")
				in.accept = tt.accept
				a.Handle(t.Context(), in)
				if (in.code == 200) != tt.want || !tt.want && in.code != 406 {
					t.Errorf("answered %d", in.code)
				}
			})
		})
	}
}
