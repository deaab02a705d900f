package im

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

func mustURI(t testing.TB, s string) uri.URI {
	t.Helper()
	u, err := uri.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// answer is what the other side says to one try.
type answer struct {
	code  int
	err   error
	after time.Duration
}

// wire is a Sender as a script. Without answers left it says 200.
type wire struct {
	mu      sync.Mutex
	answers []answer
	sent    []string // "peer text id"
	at      []time.Time
}

func (w *wire) Send(ctx context.Context, to uri.URI, contentType string, body []byte, id string) (int, error) {
	w.mu.Lock()
	w.sent = append(w.sent, to.User+" "+string(body)+" "+id)
	w.at = append(w.at, time.Now())
	a := answer{code: 200}
	if len(w.answers) > 0 {
		a, w.answers = w.answers[0], w.answers[1:]
	}
	w.mu.Unlock()
	if contentType != "text/plain; charset=utf-8" {
		return 415, errors.New("wrong type")
	}
	if a.after > 0 {
		select {
		case <-time.After(a.after):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return a.code, a.err
}

func (w *wire) texts() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []string
	for _, s := range w.sent {
		out = append(out, strings.Join(strings.Fields(s)[:2], ":"))
	}
	return strings.Join(out, " ")
}

type chatting struct {
	*testing.T
	s    *Sessions
	wire *wire
	bob  uri.URI
	dir  string
}

// chat runs Sessions over a journal in a bubble.
func chat(t *testing.T, w *wire, test func(c *chatting)) {
	t.Helper()
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) { runChat(t, w, dir, test) })
}

func runChat(t *testing.T, w *wire, dir string, test func(c *chatting)) {
	t.Helper()
	store, err := OpenJournal(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Sender: w, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	test(&chatting{T: t, s: s, wire: w, bob: mustURI(t, "sip:bob@info.test"), dir: dir})
	cancel()
	wg.Wait()
}

func (c *chatting) send(text string) Message {
	c.Helper()
	m, err := c.s.Send(c.Context(), c.bob, text)
	if err != nil {
		c.Fatal(err)
	}
	if m.State != Waiting {
		c.Errorf("returned in state %s", m.State)
	}
	return m
}

func (c *chatting) want(id string, state State, cause Cause) Message {
	c.Helper()
	synctest.Wait()
	all, err := c.s.History(c.bob, 1000, "")
	if err != nil {
		c.Fatal(err)
	}
	for _, m := range all {
		if m.ID == id {
			if m.State != state || m.Cause != cause {
				c.Errorf("%q is %s (%s), want %s (%s)", m.Text, m.State, m.Cause, state, cause)
			}
			return m
		}
	}
	c.Errorf("message %s is not in the history", id)
	return Message{}
}

func TestSendStates(t *testing.T) {
	tests := []struct {
		name  string
		a     answer
		state State
		cause Cause
	}{
		{"200", answer{code: 200}, Sent, CauseNone},
		{"202", answer{code: 202}, Accepted, CauseNone},
		{"404", answer{404, errors.New("x"), 0}, Failed, CauseAbsent},
		{"480", answer{480, errors.New("x"), 0}, Failed, CauseAbsent},
		{"403", answer{403, errors.New("x"), 0}, Failed, CauseRefused},
		{"407", answer{407, errors.New("x"), 0}, Failed, CauseAccount},
		{"415", answer{415, errors.New("x"), 0}, Failed, CauseUnsupported},
		{"413", answer{413, errors.New("x"), 0}, Failed, CauseTooLarge},
		{"603", answer{603, errors.New("x"), 0}, Failed, CauseRefused},
		{"302", answer{302, errors.New("x"), 0}, Failed, CauseRefused},
		{"no network", answer{0, errors.New("x"), 0}, Waiting, CauseNetwork},
		{"timeout", answer{0, context.DeadlineExceeded, 0}, Waiting, CauseNoAnswer},
		{"408", answer{408, errors.New("x"), 0}, Waiting, CauseNoAnswer},
		{"503", answer{503, errors.New("x"), 0}, Waiting, CauseNoAnswer},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			chat(t, &wire{answers: []answer{tt.a}}, func(c *chatting) {
				m := c.want(c.send("hello").ID, tt.state, tt.cause)
				if tt.state == Failed && (m.Cause.Sentence() == "" || m.Detail == "") {
					c.Errorf("no sentence or detail: %+v", m)
				}
				time.Sleep(time.Hour)
				if tt.state == Waiting {
					c.want(m.ID, Sent, CauseNone)
				} else {
					c.want(m.ID, tt.state, tt.cause)
				}
			})
		})
	}
}

func TestOrder(t *testing.T) {
	chat(t, &wire{answers: []answer{{503, errors.New("x"), 0}, {code: 200, after: time.Second}}}, func(c *chatting) {
		c.send("1")
		synctest.Wait() // the first answer is bob's
		c.send("2")
		if _, err := c.s.Send(c.Context(), mustURI(c, "sip:eve@info.test"), "e"); err != nil {
			c.Fatal(err)
		}
		c.send("3")
		time.Sleep(time.Minute)
		synctest.Wait()
		var bobs []string
		for s := range strings.FieldsSeq(c.wire.texts()) {
			if strings.HasPrefix(s, "bob:") {
				bobs = append(bobs, s)
			}
		}
		if got := strings.Join(bobs, " "); got != "bob:1 bob:1 bob:2 bob:3" {
			c.Errorf("sent %q", got)
		}
	})
}

// TestOneSlowPeer: a peer that does not answer holds up nobody else.
func TestOneSlowPeer(t *testing.T) {
	chat(t, &wire{answers: []answer{{code: 408, err: errors.New("x"), after: 32 * time.Second}}}, func(c *chatting) {
		c.send("1")
		synctest.Wait()
		start := time.Now()
		if _, err := c.s.Send(c.Context(), mustURI(c, "sip:eve@info.test"), "e"); err != nil {
			c.Fatal(err)
		}
		synctest.Wait()
		if got := c.wire.texts(); got != "bob:1 eve:e" || time.Since(start) != 0 {
			c.Errorf("sent %q after %s", got, time.Since(start))
		}
	})
}

func TestSameIDOnEveryTry(t *testing.T) {
	none := answer{408, errors.New("no answer"), 32 * time.Second}
	chat(t, &wire{answers: []answer{none, none, none, none, none, {code: 200}}}, func(c *chatting) {
		m := c.send("x")
		time.Sleep(10 * time.Minute)
		c.want(m.ID, Failed, CauseNoAnswer)
		if n := len(c.wire.sent); n != 5 {
			c.Errorf("%d tries, want 5", n)
		}
		if err := c.s.Retry(c.bob, m.ID); err != nil {
			c.Error(err)
		}
		got := c.want(m.ID, Sent, CauseNone)
		if got.Tries != 6 {
			c.Errorf("%d tries noted, want 6", got.Tries)
		}
		for _, s := range c.wire.sent {
			if s != "bob x "+m.ID {
				c.Errorf("sent %q", s)
			}
		}
		if err := c.s.Retry(c.bob, m.ID); !errors.Is(err, ErrNotFailed) {
			c.Errorf("retry of a sent one: %v", err)
		}
		if err := c.s.Retry(c.bob, "none"); !errors.Is(err, ErrUnknownMessage) {
			c.Errorf("retry of none: %v", err)
		}
	})
}

// TestNetworkBack: what waits goes out at once, also what hangs on the old path.
func TestNetworkBack(t *testing.T) {
	dead := answer{0, errors.New("network is unreachable"), 0}
	chat(t, &wire{answers: []answer{dead, dead, dead, dead}}, func(c *chatting) {
		m := c.send("x")
		time.Sleep(time.Minute)
		c.want(m.ID, Waiting, CauseNetwork)
		c.s.NetworkBack()
		c.want(m.ID, Sent, CauseNone)
	})
	chat(t, &wire{answers: []answer{{code: 408, err: errors.New("x"), after: 32 * time.Second}}}, func(c *chatting) {
		m := c.send("x")
		time.Sleep(5 * time.Second)
		c.s.RetryWaiting(c.bob)
		c.want(m.ID, Sent, CauseNone)
		if n := len(c.wire.sent); n != 2 {
			c.Errorf("%d tries, want 2", n)
		}
	})
}

func TestCancel(t *testing.T) {
	dead := answer{0, errors.New("x"), 0}
	slow := answer{code: 404, err: errors.New("x"), after: time.Second}
	chat(t, &wire{answers: []answer{dead, slow}}, func(c *chatting) {
		first, second := c.send("1"), c.send("2")
		synctest.Wait()
		if err := c.s.Cancel(c.bob, first.ID); err != nil {
			c.Error(err)
		}
		c.want(first.ID, Failed, CauseCanceled)
		c.want(second.ID, Waiting, CauseNone)
		if err := c.s.Cancel(c.bob, second.ID); err != nil { // under way
			c.Error(err)
		}
		time.Sleep(2 * time.Second)
		c.want(second.ID, Failed, CauseCanceled)
		if err := c.s.Cancel(c.bob, second.ID); !errors.Is(err, ErrNotWaiting) {
			c.Errorf("cancel of a failed one: %v", err)
		}
	})
}

// TestRestart: what waited goes out after a restart, in order, with the same ids; what was sent does not.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	dead := answer{0, errors.New("x"), 0}
	var ids []string
	synctest.Test(t, func(t *testing.T) {
		runChat(t, &wire{answers: []answer{{code: 200}, dead, dead, dead}}, dir, func(c *chatting) {
			c.send("0")
			synctest.Wait()
			for _, text := range []string{"1", "2", "3"} {
				ids = append(ids, c.send(text).ID)
				time.Sleep(time.Millisecond)
			}
		})
		second := &wire{}
		runChat(t, second, dir, func(c *chatting) {
			for _, id := range ids {
				c.want(id, Sent, CauseNone)
			}
			want := fmt.Sprintf("[bob 1 %s bob 2 %s bob 3 %s]", ids[0], ids[1], ids[2])
			if got := fmt.Sprint(second.sent); got != want {
				c.Errorf("sent %s, want %s", got, want)
			}
			if chat, ok := c.s.Chat(c.bob); !ok || chat.Count != 4 || chat.Last.Text != "3" || chat.Last.State != Sent {
				c.Errorf("chat %+v", chat)
			}
		})
	})
}

func TestReceive(t *testing.T) {
	dir := t.TempDir()
	in := func(c *chatting, text, id, callID string, cseq uint32) Incoming {
		return Incoming{From: c.bob, ContentType: "text/plain", Body: []byte(text), CallID: callID, CSeq: cseq, MessageID: id}
	}
	receive := func(c *chatting, in Incoming, shown bool) {
		c.Helper()
		got, err := c.s.Receive(in)
		if err != nil || got.Shown != shown || got.Duplicate == shown {
			c.Errorf("%q: %+v, %v; want shown %v", in.Body, got, err, shown)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		runChat(t, &wire{}, dir, func(c *chatting) {
			receive(c, in(c, "a", "id1", "call1", 1), true)
			receive(c, in(c, "a", "id1", "call2", 7), false) // sent again by its outbox
			receive(c, in(c, "b", "", "call3", 1), true)
			receive(c, in(c, "b", "", "call3", 1), false) // by another path
			receive(c, in(c, "c", "", "call3", 1), true)  // a program that counts wrongly
			receive(c, in(c, "b", "", "call3", 2), true)
			if got, _ := c.s.Chat(c.bob); got.Unread != 4 || got.Count != 4 || c.s.Unread() != 4 {
				c.Errorf("chat %+v", got)
			}
			c.s.MarkRead(c.bob)
			receive(c, in(c, "d", "id2", "", 0), true)
		})
		runChat(t, &wire{}, dir, func(c *chatting) {
			receive(c, in(c, "a", "id1", "call9", 9), false) // after a restart
			receive(c, in(c, "b", "", "call3", 1), false)
			time.Sleep(2 * transactionWindow)
			receive(c, in(c, "b", "", "call3", 1), true)
			got, _ := c.s.Chat(c.bob)
			if got.Unread != 2 || got.Count != 6 {
				c.Errorf("chat after restart %+v", got)
			}
			all, err := c.s.History(c.bob, 100, "")
			if err != nil || len(all) != 6 || all[0].State != Read || all[5].State != Delivered {
				c.Errorf("history %+v, %v", all, err)
			}
		})
	})
}

func TestSendRefusals(t *testing.T) {
	chat(t, &wire{answers: []answer{{0, errors.New("x"), 0}}}, func(c *chatting) {
		var large *TooLargeError
		if _, err := c.s.Send(c.Context(), c.bob, strings.Repeat("x", MaxBody+1)); !errors.As(err, &large) {
			c.Errorf("too long: %v", err)
		}
		if _, err := c.s.Send(c.Context(), c.bob, " \n"); !errors.Is(err, ErrEmpty) {
			c.Errorf("empty: %v", err)
		}
		if _, err := c.s.Send(c.Context(), uri.URI{}, "x"); !errors.Is(err, ErrNoPeer) {
			c.Errorf("no peer: %v", err)
		}
		long := strings.Repeat("ü", 5000)
		m := c.send(long)
		for range maxOutbox - 1 {
			c.send("x")
		}
		if _, err := c.s.Send(c.Context(), c.bob, "x"); !errors.Is(err, ErrOutboxFull) {
			c.Errorf("full: %v", err)
		}
		c.s.NetworkBack()
		if got := c.want(m.ID, Sent, CauseNone); got.Text != long {
			c.Errorf("10 kB became %d bytes", len(got.Text))
		}
	})
}
