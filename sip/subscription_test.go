package sip

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
)

// notes records NOTIFYs.
type notes struct {
	mu  sync.Mutex
	log []string
}

func (n *notes) take(m Notify) {
	n.mu.Lock()
	defer n.mu.Unlock()
	s := m.State + " " + string(m.Body)
	if m.Reason != "" {
		s += "(" + m.Reason + ")"
	}
	n.log = append(n.log, s)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return strings.Join(n.log, ", ")
}

func presence(t *testing.T, to string, expires time.Duration, n *notes) SubscribeRequest {
	return SubscribeRequest{Target: mustURI(t, to), Event: "presence", Accept: []string{"application/pidf+xml"}, Expires: expires, OnNotify: n.take}
}

// agent accepts every subscription and reports what it hears in ends and refreshes.
func agent(t *testing.T, p *phone, body string) (ends, refreshes func() string) {
	t.Helper()
	var mu sync.Mutex
	var es, rs []string
	n := 0
	p.onSub = func(s *ServerSubscription) {
		tell := func() {
			mu.Lock()
			n++
			text := fmt.Sprintf("%s%d", body, n)
			mu.Unlock()
			if err := s.Notify(context.Background(), NotifyOut{ContentType: "application/pidf+xml", Body: []byte(text)}); err != nil {
				t.Logf("notify: %v", err)
			}
		}
		s.OnRefresh(func(d time.Duration) {
			mu.Lock()
			rs = append(rs, d.String())
			mu.Unlock()
			tell()
		})
		s.OnEnd(func(reason string) {
			mu.Lock()
			defer mu.Unlock()
			es = append(es, reason)
		})
		must(t, s.Accept(t.Context(), 200, 0))
		tell()
	}
	read := func(l *[]string) func() string {
		return func() string {
			mu.Lock()
			defer mu.Unlock()
			return strings.Join(*l, ", ")
		}
	}
	return read(&es), read(&rs)
}

func TestSubscription(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		ends, refreshes := agent(t, bob, "on")
		var n notes
		s, err := a.Subscribe(t.Context(), presence(t, "sip:bob@10.0.0.2", 10*time.Minute, &n))
		must(t, err)
		time.Sleep(time.Second)
		if got := n.String(); got != "active on1" {
			t.Errorf("notes %q", got)
		}
		must(t, bob.sub(0).Notify(t.Context(), NotifyOut{ContentType: "application/pidf+xml", Body: []byte("away")}))
		if got := bob.sub(0).From().URI.String(); got != "sip:alice@10.0.0.1" {
			t.Errorf("from %s", got)
		}
		time.Sleep(10 * time.Minute)
		if got := refreshes(); got != "10m0s" {
			t.Errorf("refreshes %q, want one before expiry", got)
		}
		must(t, s.Refresh(t.Context()))
		time.Sleep(time.Second)
		must(t, s.Close(t.Context()))
		time.Sleep(time.Second)
		want := "active on1, active away, active on2, active on3, terminated on4(timeout)"
		if got := n.String(); got != want {
			t.Errorf("notes\n %q, want\n %q", got, want)
		}
		if got := ends(); got != SubscriptionUnsubscribed {
			t.Errorf("ended %q", got)
		}
		if s.Err() != nil {
			t.Errorf("Err %v after Close", s.Err())
		}
		wantErr(t, s.Refresh(t.Context()), ErrEnded)
		if alice := a.ua.Stats(); alice.Dialogs != 0 || bob.Stats().Dialogs != 0 {
			t.Errorf("dialogs left: %+v, %+v", alice, bob.Stats())
		}
	})
}

func TestFetch(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		ends, _ := agent(t, bob, "on")
		var n notes
		s, err := a.Subscribe(t.Context(), presence(t, "sip:bob@10.0.0.2", 0, &n))
		must(t, err)
		<-s.Done()
		if got := n.String(); got != "terminated on1(timeout)" || s.Err() != nil {
			t.Errorf("notes %q, err %v", got, s.Err())
		}
		time.Sleep(time.Second)
		if got := ends(); got != SubscriptionUnsubscribed {
			t.Errorf("ended %q", got)
		}
	})
}

func TestSubscribeRefused(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		var n notes
		bob.onSub = func(s *ServerSubscription) { must(t, s.Reject(t.Context(), 403)) }
		_, err := a.Subscribe(t.Context(), presence(t, "sip:bob@10.0.0.2", time.Hour, &n))
		wantCode(t, err, 403)
		_, err = a.Subscribe(t.Context(), presence(t, "sip:nobody@10.0.0.2", time.Hour, &n))
		wantCode(t, err, 404)
		r := presence(t, "sip:bob@10.0.0.2", time.Hour, &n)
		r.Event = "weather"
		_, err = a.Subscribe(t.Context(), r)
		wantCode(t, err, 489)
		bob.mu.Lock()
		bob.onSub = nil // never decides
		bob.mu.Unlock()
		start := time.Now()
		_, err = a.Subscribe(t.Context(), presence(t, "sip:bob@10.0.0.2", time.Hour, &n))
		wantCode(t, err, 480)
		if d := time.Since(start).Round(time.Second); d != decideTime {
			t.Errorf("undecided for %v", d)
		}
		if d := bob.Stats().Dialogs; d != 0 {
			t.Errorf("%d dialogs left", d)
		}
	})
}

func TestNotifierForgetsTheDead(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		alice, bob, a := pair(l)
		ends, _ := agent(t, bob, "on")
		var n notes
		_, err := a.Subscribe(t.Context(), presence(t, "sip:bob@10.0.0.2", time.Hour, &n))
		must(t, err)
		time.Sleep(time.Second)
		alice.host.SetAddrs()
		err = bob.sub(0).Notify(t.Context(), NotifyOut{Body: []byte("x")})
		wantErr(t, err, ErrNoAnswer)
		time.Sleep(time.Second)
		if got := ends(); got != SubscriptionUnreachable {
			t.Errorf("ended %q", got)
		}
	})
}

func TestSubscriptionExpiresAtTheNotifier(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		alice, bob, a := pair(l)
		ends, _ := agent(t, bob, "on")
		var n notes
		s, err := a.Subscribe(t.Context(), presence(t, "sip:bob@10.0.0.2", 2*time.Minute, &n))
		must(t, err)
		time.Sleep(time.Second)
		alice.host.SetAddrs() // no refresh gets through, no last NOTIFY either
		time.Sleep(3 * time.Minute)
		if got := ends(); got != SubscriptionExpired {
			t.Errorf("ended %q", got)
		}
		select {
		case <-s.Done():
		default:
			t.Error("the subscriber still believes")
		}
		if s.Err() == nil {
			t.Error("no reason given")
		}
	})
}

// A subscriber that moves: a refresh from the new address is all it takes.
func TestSubscriptionMoves(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		alice, bob, a := pair(l)
		agent(t, bob, "on")
		var n notes
		s, err := a.Subscribe(t.Context(), presence(t, "sip:bob@10.0.0.2", time.Hour, &n))
		must(t, err)
		time.Sleep(time.Second)
		alice.host.SetAddrs("10.9.0.1")
		alice.NetworkChanged(t.Context())
		must(t, s.Refresh(t.Context()))
		time.Sleep(time.Second)
		if got := n.String(); got != "active on1, active on2" {
			t.Errorf("notes %q", got)
		}
		bob.host.SetAddrs("10.9.0.2") // and now the notifier
		bob.NetworkChanged(t.Context())
		must(t, bob.sub(0).Notify(t.Context(), NotifyOut{Body: []byte("moved")}))
		must(t, s.Refresh(t.Context()))
		time.Sleep(time.Second)
		if got := n.String(); got != "active on1, active on2, active moved, active on3" {
			t.Errorf("notes %q", got)
		}
	})
}

func TestSubscriptionAgainstScript(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		a := l.phone("10.0.0.1", nil).lan("alice")
		p := l.peer("10.0.0.2:5060")
		var n notes
		type result struct {
			s   *Subscription
			err error
		}
		done := make(chan result, 1)
		subscribe := func() {
			s, err := a.Subscribe(t.Context(), presence(t, "sip:bob@10.0.0.2", time.Minute, &n))
			done <- result{s, err}
		}
		notify := func(sub wireMessage, tag string, cseq int, state, body string, extra ...string) {
			p.request("10.0.0.1:5060", "NOTIFY sip:alice@10.0.0.1", fmt.Sprintf("n%s%d%s", tag, cseq, state), body,
				append([]string{
					"From: " + sub.field("To") + ";tag=" + tag, "To: " + sub.field("From"), "Call-ID: " + sub.field("Call-ID"),
					fmt.Sprintf("CSeq: %d NOTIFY", cseq), "Event: presence", p.contact(), "Subscription-State: " + state,
				}, extra...)...)
		}
		go subscribe()
		sub := p.next("SUBSCRIBE")
		if got := sub.field("Expires"); got != "60" {
			t.Errorf("Expires %q", got)
		}
		p.reply(sub, "423 Interval Too Brief", "x", "", "Min-Expires: 300")
		sub = p.next("SUBSCRIBE")
		if got := sub.field("Expires"); got != "300" {
			t.Errorf("Expires %q after 423", got)
		}
		notify(sub, "one", 10, "active;expires=300", "early") // before the 200
		p.next("SIP/2.0 200")
		p.reply(sub, "200 OK", "one", "", p.contact(), "Expires: 300")
		r := <-done
		must(t, r.err)
		notify(sub, "two", 1, "active", "fork")
		p.next("SIP/2.0 481")
		notify(sub, "one", 9, "active", "old")
		p.next("SIP/2.0 500")
		p.request("10.0.0.1:5060", "NOTIFY sip:alice@10.0.0.1", "wrongevent", "", "From: "+sub.field("To")+";tag=one", "To: "+sub.field("From"),
			"Call-ID: "+sub.field("Call-ID"), "CSeq: 11 NOTIFY", "Event: dialog", "Subscription-State: active")
		p.next("SIP/2.0 489")
		notify(sub, "one", 12, "terminated;reason=giveup;retry-after=30", "bye")
		p.next("SIP/2.0 200")
		<-r.s.Done()
		if got, want := fmt.Sprintf("%#v", r.s.Err()), fmt.Sprintf("%#v", &TerminatedError{Reason: "giveup", RetryAfter: 30 * time.Second}); got != want {
			t.Errorf("Err %s, want %s", got, want)
		}
		notify(sub, "one", 13, "active", "ghost")
		p.next("SIP/2.0 481")
		if got := n.String(); got != "active early, terminated bye(giveup)" {
			t.Errorf("notes %q", got)
		}

		p.drain()
		go subscribe() // accepted, never notified
		sub = p.next("SUBSCRIBE")
		p.reply(sub, "202 Accepted", "x", "", p.contact(), "Expires: 60")
		r = <-done
		must(t, r.err)
		start := time.Now()
		<-r.s.Done()
		wantErr(t, r.s.Err(), ErrNoNotify)
		if d := time.Since(start).Round(time.Second); d != 32*time.Second {
			t.Errorf("timer N after %v", d)
		}

		p.drain()
		go subscribe() // the refresh meets 481
		sub = p.next("SUBSCRIBE")
		p.reply(sub, "200 OK", "y", "", p.contact(), "Expires: 60")
		r = <-done
		must(t, r.err)
		notify(sub, "y", 1, "active;expires=60", "")
		p.next("SIP/2.0 200")
		re := p.next("SUBSCRIBE")
		if re.field("Call-ID") != sub.field("Call-ID") || tagIn(re.field("To")) != "y" {
			t.Errorf("not in the dialog: %s", re.text)
		}
		p.reply(re, "481 Gone", "", "")
		<-r.s.Done()
		wantCode(t, r.s.Err(), 481)
	})
}

// NOTIFYs of one subscription never overtake each other, whatever the network does.
func TestNotifiesStayInOrder(t *testing.T) {
	bubble(t, 10*ms, func(t *testing.T, l *lab) {
		_, bob, a := pair(l)
		bob.onSub = func(s *ServerSubscription) { must(t, s.Accept(t.Context(), 200, 0)) }
		var n notes
		_, err := a.Subscribe(t.Context(), presence(t, "sip:bob@10.0.0.2", time.Hour, &n))
		must(t, err)
		time.Sleep(time.Second)
		l.net.SetDefault(netsim.Path{Latency: 10 * ms, Loss: 0.3, Reorder: 0.3})
		var wg sync.WaitGroup
		var want []string
		for i := range 20 {
			want = append(want, fmt.Sprintf("active %d", i))
			wg.Go(func() { must(t, bob.sub(0).Notify(t.Context(), NotifyOut{Body: fmt.Append(nil, i)})) })
			time.Sleep(ms)
		}
		wg.Wait()
		if got := n.String(); got != strings.Join(want, ", ") {
			t.Errorf("order %s", got)
		}
	})
}
