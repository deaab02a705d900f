package sip

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/sip/shield"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// soakKinds are the lives of a call in the soak test; each user of bob's is one of them.
var soakKinds = []string{"plain", "hold", "codec", "glare", "cancel", "busy", "redirect", "early", "crossing", "update"}

// soaker is bob: what he does with a call is in the name it was made to.
type soaker struct {
	t     *testing.T
	calls sync.WaitGroup
}

func (s *soaker) take(c *Call) {
	defer s.calls.Done()
	ctx, m := context.Background(), &talk{name: "bob"}
	kind, _, _ := strings.Cut(c.in.req.Recipient.User, "-")
	early := kind == "early"
	switch kind {
	case "busy":
		must(s.t, c.Decline(ctx, 486))
		return
	case "update", "early":
		if err := c.EarlyMedia(ctx, m); err != nil {
			s.t.Errorf("%s: %v", kind, err)
		}
	default:
		must(s.t, c.Ring(ctx))
	}
	switch kind {
	case "cancel":
		<-c.Done()
		return
	case "crossing":
		time.Sleep(990 * ms)
	default:
		time.Sleep(time.Second)
	}
	if err := c.Answer(ctx, m); err != nil {
		if kind != "crossing" {
			s.t.Errorf("%s not answered: %v", kind, err)
		}
		return
	}
	switch {
	case kind == "codec", kind == "glare":
		time.Sleep(2 * time.Second)
		if err := c.Reinvite(ctx); err != nil {
			s.t.Errorf("%s: bob's re-INVITE: %v", kind, err)
		}
	case early:
		time.Sleep(3 * time.Second)
		must(s.t, c.Hangup(ctx))
	}
	<-c.Done()
}

// call is one call of alice's.
func (s *soaker) call(a *Account, kind string, i int) {
	to := uri.New(fmt.Sprintf("%s-%d", kind, i), "10.0.0.2", 0)
	if kind == "redirect" {
		to.Host = "10.0.0.3"
	}
	ctx := context.Background()
	var o CallOptions
	if kind == "early" {
		o.Headers = []Header{{"Require", "100rel"}}
	}
	c, err := a.Invite(ctx, to, &talk{name: "alice"}, o)
	if err != nil {
		s.t.Errorf("%s: %v", kind, err)
		return
	}
	switch kind {
	case "busy":
		<-c.Done()
		wantCode(s.t, c.EndCause().Err, 486)
		return
	case "cancel", "crossing":
		time.Sleep(time.Second)
	default:
		for c.State() != Established && c.State() != Ended {
			time.Sleep(100 * ms)
		}
		if c.State() == Ended {
			s.t.Errorf("%s: %+v", kind, c.EndCause())
			return
		}
		time.Sleep(time.Second)
	}
	again := 0
	switch kind {
	case "hold", "update":
		again = 2
	case "glare":
		again = 1
	}
	for range again {
		if err := c.Reinvite(ctx); err != nil {
			s.t.Errorf("%s: re-INVITE: %v", kind, err)
		}
	}
	if kind != "early" {
		time.Sleep(5 * time.Second)
		must(s.t, c.Hangup(ctx))
	}
	<-c.Done()
}

// A thousand calls of every kind over a network that loses packets leave nothing behind.
func TestSoak(t *testing.T) {
	const rounds, atOnce = 50, 20
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t, netsim.Config{Default: netsim.Path{Latency: 5 * ms, Loss: 0.02}, Seed: 7})
		defer l.close()
		// Six calls a second from one source is more than the shield lets an unknown phone do.
		friends := func(cfg *Config) {
			cfg.Shield = shield.Policy{Trusted: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
		}
		alice, bob := l.phone("10.0.0.1", friends), l.phone("10.0.0.2", friends)
		s := &soaker{t: t}
		bob.mu.Lock()
		bob.onCall = s.take
		bob.mu.Unlock()
		a := alice.lan("alice")
		for _, kind := range soakKinds {
			for i := range atOnce / len(soakKinds) {
				bob.lan(fmt.Sprintf("%s-%d", kind, i))
			}
		}
		p := l.peer("10.0.0.3:5060")
		over := make(chan struct{})
		defer close(over)
		go redirect(p, over)
		time.Sleep(time.Second)
		before := goroutines()
		for round := range rounds {
			var wave sync.WaitGroup
			for i := range atOnce {
				kind := soakKinds[i%len(soakKinds)]
				s.calls.Add(1)
				wave.Go(func() { s.call(a, kind, i/len(soakKinds)) })
			}
			wave.Wait()
			s.calls.Wait()
			if t.Failed() {
				t.Fatalf("in round %d", round)
			}
			time.Sleep(40 * time.Second) // ended calls wait 32 s for late answers; the tables hold more than a wave of them
		}
		time.Sleep(3 * time.Minute)
		for name, u := range map[string]*UA{"alice": alice.UA, "bob": bob.UA} {
			if st := u.Stats(); st.Dialogs != 0 || st.Calls != 0 || st.Transactions != 0 {
				t.Errorf("%s keeps %+v", name, st)
			}
		}
		if after := goroutines(); strings.Count(after, "\n\n") != strings.Count(before, "\n\n") {
			t.Errorf("goroutines were\n%s\n\nare\n%s", before, after)
		}
	})
}

// goroutines lists those of the program; runtime.NumGoroutine now and then counts one of the garbage collector's too.
func goroutines() string {
	synctest.Wait()
	buf := make([]byte, 1<<20)
	return string(buf[:runtime.Stack(buf, true)])
}

// redirect answers every INVITE with the place where bob is.
func redirect(p *peer, over <-chan struct{}) {
	for {
		var m wireMessage
		select {
		case m = <-p.in:
		case <-over:
			return
		}
		if !strings.HasPrefix(m.text, "INVITE ") {
			continue
		}
		user, _, _ := strings.Cut(strings.TrimPrefix(m.text, "INVITE sip:"), "@")
		p.reply(m, "302 Moved Temporarily", "r", "", "Contact: <sip:nobody@10.0.0.3>;q=0.1, <sip:"+user+"@10.0.0.2>;q=0.8")
	}
}
