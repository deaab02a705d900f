package presence

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// domain is a proxy without presence, as the thesis assumes: it knows who is registered and says 404 for the others. One hop
// takes hop.
type domain struct {
	hop time.Duration

	mu         sync.Mutex
	clients    map[string]*client
	subscribes int
	refreshes  int
	notifies   int
}

// client is one of ours: watcher and agent together, as app wires them.
type client struct {
	d       *domain
	aor     uri.URI
	watcher *Watcher
	agent   *Agent
	stop    context.CancelFunc
	wg      sync.WaitGroup
	dead    chan struct{} // closed by kill -9: it answers nothing any more
	dialogs map[*dialog]bool
}

// dialog is one subscription between two clients; it is Subscription for one and Incoming for the other.
type dialog struct {
	d         *domain
	from, to  *client
	expires   time.Duration
	answer    chan int
	onNotify  func(Notification)
	onRefresh func(time.Duration)
	onEnd     func(string)
	done      chan struct{}
	once      sync.Once
}

// sent counts the SUBSCRIBEs, refreshes and NOTIFYs so far.
func (d *domain) sent() (subscribes, refreshes, notifies int) {
	synctest.Wait()
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.subscribes, d.refreshes, d.notifies
}

func (d *domain) travel() { time.Sleep(d.hop) }

// start registers a client and lets it watch a buddy.
func (d *domain) start(t *testing.T, name, buddy string) *client {
	t.Helper()
	c := &client{d: d, aor: mustURI(t, "sip:"+name+"@info.test"), dead: make(chan struct{}), dialogs: map[*dialog]bool{}}
	c.watcher = NewWatcher(WatcherConfig{Subscriber: c})
	c.agent = NewAgent(AgentConfig{OnSubscribed: c.watcher.PeerSubscribed})
	c.agent.Set(State{Status: Online})
	ctx, cancel := context.WithCancel(t.Context())
	c.stop = cancel
	c.wg.Go(func() { _ = c.watcher.Run(ctx) })
	c.wg.Go(func() { _ = c.agent.Run(ctx) })
	d.mu.Lock()
	d.clients[name] = c
	d.mu.Unlock()
	c.watcher.Watch(mustURI(t, "sip:"+buddy+"@info.test"))
	return c
}

// quit ends a client in good order: good-byes, then un-register.
func (c *client) quit() {
	c.stop()
	c.wg.Wait()
	c.d.mu.Lock()
	delete(c.d.clients, c.aor.User)
	c.d.mu.Unlock()
	c.kill()
}

// kill is kill -9: its registration stays, its dialogs are gone.
func (c *client) kill() {
	select {
	case <-c.dead:
	default:
		close(c.dead)
	}
	c.stop()
	c.wg.Wait()
}

func (c *client) isDead() bool {
	select {
	case <-c.dead:
		return true
	default:
		return false
	}
}

// Subscribe implements Subscriber.
func (c *client) Subscribe(ctx context.Context, target uri.URI, onNotify func(Notification)) (Subscription, error) {
	if c.isDead() {
		return nil, errLost
	}
	c.d.mu.Lock()
	c.d.subscribes++
	c.d.mu.Unlock()
	c.d.travel()
	c.d.mu.Lock()
	peer := c.d.clients[target.User]
	c.d.mu.Unlock()
	if peer == nil {
		c.d.travel()
		return nil, &RefusedError{Code: 404}
	}
	if peer.isDead() {
		select {
		case <-time.After(32 * time.Second):
			return nil, &RefusedError{Code: 408}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	g := &dialog{d: c.d, from: c, to: peer, expires: time.Hour, answer: make(chan int, 1), onNotify: onNotify, done: make(chan struct{})}
	peer.agent.Handle(ctx, g)
	c.d.travel()
	if code := <-g.answer; code >= 300 {
		return nil, &RefusedError{Code: code}
	}
	return g, nil
}

func (g *dialog) From() uri.Address                     { return uri.Address{URI: g.from.aor} }
func (g *dialog) To() uri.Address                       { return uri.Address{URI: g.to.aor} }
func (g *dialog) AcceptTypes() []string                 { return []string{ContentType} }
func (g *dialog) Expires() time.Duration                { return g.expires }
func (g *dialog) OnRefresh(f func(time.Duration))       { g.onRefresh = f }
func (g *dialog) OnEnd(f func(string))                  { g.onEnd = f }
func (g *dialog) Reject(_ context.Context, c int) error { g.answer <- c; return nil }
func (g *dialog) Done() <-chan struct{}                 { return g.done }
func (g *dialog) Err() error                            { return nil }
func (g *dialog) end()                                  { g.once.Do(func() { close(g.done) }) }

func (g *dialog) Accept(_ context.Context, code int, _ time.Duration) error {
	g.d.mu.Lock()
	g.to.dialogs[g], g.from.dialogs[g] = true, true
	g.d.mu.Unlock()
	g.answer <- code
	return nil
}

func (g *dialog) Notify(ctx context.Context, n Notification) error {
	if g.to.isDead() {
		return errLost
	}
	g.d.mu.Lock()
	g.d.notifies++
	g.d.mu.Unlock()
	g.d.travel()
	if g.from.isDead() {
		select {
		case <-time.After(32 * time.Second):
			return errLost
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case <-g.done:
		g.d.travel()
		return &RefusedError{Code: 481}
	default:
	}
	g.onNotify(n)
	if n.State == SubTerminated {
		g.end()
	}
	g.d.travel()
	return nil
}

func (g *dialog) Refresh(ctx context.Context) error {
	g.d.mu.Lock()
	g.d.refreshes++
	peer := g.d.clients[g.to.aor.User]
	g.d.mu.Unlock()
	g.d.travel()
	g.d.travel()
	switch {
	case peer == nil || peer.isDead():
		<-ctx.Done()
		return ctx.Err()
	case peer != g.to:
		return &RefusedError{Code: 481}
	}
	g.onRefresh(g.expires)
	return nil
}

func (g *dialog) Close(context.Context) error {
	select {
	case <-g.done:
		return nil
	default:
	}
	g.end()
	if !g.from.isDead() && !g.to.isDead() {
		g.d.travel()
		g.onEnd("unsubscribed")
	}
	return nil
}

func mutual(t *testing.T, hop time.Duration, test func(t *testing.T, d *domain)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, &domain{hop: hop, clients: map[string]*client{}}) })
}

func (c *client) sees(t *testing.T, buddy string, want Status) {
	t.Helper()
	synctest.Wait()
	if s, _ := c.watcher.State(mustURI(t, "sip:"+buddy+"@info.test")); s.Status != want {
		t.Errorf("%s sees %s %s (%s), want %s", c.aor.User, buddy, s.Status, s.Reason, want)
	}
}

// TestMutualSubscription is scenario A.3 in each start order and at several round trips: right within three seconds of the last
// event, with at most three SUBSCRIBEs, one of which met the 404.
func TestMutualSubscription(t *testing.T) {
	for _, hop := range []time.Duration{0, 10 * time.Millisecond, 300 * time.Millisecond} {
		for _, gap := range []time.Duration{0, time.Millisecond, 500 * time.Millisecond, time.Hour} {
			t.Run(fmt.Sprint(hop, gap), func(t *testing.T) {
				mutual(t, hop, func(t *testing.T, d *domain) {
					alice := d.start(t, "alice", "bob")
					time.Sleep(gap)
					bob := d.start(t, "bob", "alice")
					time.Sleep(3 * time.Second)
					alice.sees(t, "bob", Online)
					bob.sees(t, "alice", Online)
					time.Sleep(10 * time.Minute)
					before, refreshes, notifies := d.sent()
					if before > 3 || refreshes > 2 || notifies > 6 {
						t.Errorf("%d SUBSCRIBEs, %d refreshes, %d NOTIFYs", before, refreshes, notifies)
					}
					alice.agent.Set(State{Status: Away})
					time.Sleep(2 * time.Second)
					bob.sees(t, "alice", Away)
					bob.quit()
					time.Sleep(3 * time.Second)
					alice.sees(t, "bob", Offline)
					time.Sleep(24 * time.Hour)
					alice.sees(t, "bob", Offline)
					if n, _, _ := d.sent(); n > before+1 {
						t.Errorf("%d SUBSCRIBEs to the absent", n-before)
					}
					bob = d.start(t, "bob", "alice")
					time.Sleep(3 * time.Second)
					alice.sees(t, "bob", Online)
					bob.sees(t, "alice", Away)
					alice.quit()
					bob.quit()
				})
			})
		}
	}
}

// TestCrash is A.3 with kill -9 of one side and its new start: right within three seconds, and no storm after.
func TestCrash(t *testing.T) {
	for _, hop := range []time.Duration{0, 20 * time.Millisecond, 200 * time.Millisecond} {
		for _, down := range []time.Duration{1500 * time.Millisecond, time.Minute, time.Hour} {
			t.Run(fmt.Sprint(hop, down), func(t *testing.T) {
				mutual(t, hop, func(t *testing.T, d *domain) {
					alice, bob := d.start(t, "alice", "bob"), d.start(t, "bob", "alice")
					time.Sleep(time.Minute)
					bob.kill()
					time.Sleep(down)
					bob = d.start(t, "bob", "alice")
					bob.agent.Set(State{Status: Lunch})
					before, _, _ := d.sent()
					time.Sleep(3 * time.Second)
					alice.sees(t, "bob", Lunch)
					bob.sees(t, "alice", Online)
					time.Sleep(time.Hour)
					alice.sees(t, "bob", Lunch)
					if n, _, _ := d.sent(); n > before+3 {
						t.Errorf("%d SUBSCRIBEs after the new start", n-before)
					}
					alice.quit()
					bob.quit()
				})
			})
		}
	}
}
