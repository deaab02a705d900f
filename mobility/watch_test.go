package mobility

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
)

// fakeOS is a backend that a test drives.
type fakeOS struct {
	event  chan struct{}
	fail   chan error
	print  atomic.Pointer[string]
	opened atomic.Int32
}

func (o *fakeOS) look() string { return *o.print.Load() }

func (o *fakeOS) show(print string) { o.print.Store(&print) }

func (o *fakeOS) listen(ctx context.Context, event func()) error {
	o.opened.Add(1)
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-o.fail:
			return err
		case <-o.event:
			event()
		}
	}
}

// watch starts a watcher on o inside a bubble; the result tells what it did at the end of the test.
func watch(t *testing.T, o *fakeOS) <-chan struct{} {
	t.Helper()
	o.show("eth0")
	o.event, o.fail = make(chan struct{}), make(chan error)
	w := &watcher{logger: slog.New(slog.DiscardHandler), listen: o.listen, look: o.look}
	ctx, cancel := context.WithCancel(t.Context())
	changed, done := make(chan struct{}, 1), make(chan error, 1)
	go func() { done <- w.Watch(ctx, changed) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Watch = %v", err)
		}
	})
	synctest.Wait()
	return changed
}

// told counts the notices within d, and when the first came.
func told(changed <-chan struct{}, d time.Duration) (count int, first time.Duration) {
	start, end := time.Now(), time.After(d)
	for {
		select {
		case <-changed:
			if count++; count == 1 {
				first = time.Since(start)
			}
		case <-end:
			return count, first
		}
	}
}

func TestWatchCoalescesABurstWithoutDelayingTheFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &fakeOS{}
		changed := watch(t, o)
		go func() {
			for range 10 { // a link goes down within one millisecond
				o.event <- struct{}{}
				time.Sleep(100 * time.Microsecond)
			}
		}()
		if count, first := told(changed, 100*time.Millisecond); count != 2 || first != 0 {
			t.Errorf("told %d times, first after %v; want twice, the first at once", count, first)
		}
	})
}

func TestWatchTellsEachEventThatComesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &fakeOS{}
		changed := watch(t, o)
		for i := range 5 {
			time.Sleep(10 * time.Millisecond)
			o.event <- struct{}{}
			if count, first := told(changed, 5*time.Millisecond); count != 1 || first != 0 {
				t.Errorf("event %d told %d times, first after %v", i, count, first)
			}
		}
	})
}

func TestWatchFindsWithinASecondWhatTheSystemDidNotTell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &fakeOS{}
		changed := watch(t, o)
		if count, _ := told(changed, 10*time.Second); count != 0 {
			t.Errorf("told %d times of nothing", count)
		}
		o.show("eth1")
		if count, first := told(changed, 10*time.Second); count != 1 || first > time.Second {
			t.Errorf("told %d times, first after %v; want once within 1 s", count, first)
		}
	})
}

func TestWatchReopensAFailedBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &fakeOS{}
		changed := watch(t, o)
		o.fail <- errors.New("out of descriptors")
		if count, first := told(changed, 5*time.Second); count != 1 || first != 0 {
			t.Errorf("told %d times, first after %v; want one in doubt", count, first)
		}
		if n := o.opened.Load(); n != 2 {
			t.Errorf("opened %d times, want 2", n)
		}
		o.event <- struct{}{}
		if count, _ := told(changed, time.Second); count != 1 {
			t.Errorf("the new backend told %d times", count)
		}
	})
}

func TestWatchNeedsABuffer(t *testing.T) {
	if err := NewWatcher(slog.New(slog.DiscardHandler)).Watch(t.Context(), make(chan struct{})); err == nil {
		t.Error("a channel without room was accepted")
	}
}

// TestWatchHereEnds runs the real backend of this system.
func TestWatchHereEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	changed := make(chan struct{}, 1)
	go func() { done <- NewWatcher(slog.New(slog.DiscardHandler)).Watch(ctx, changed) }()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Watch = %v", err)
	}
}

func TestSourceOfLoopback(t *testing.T) {
	got, err := Source(netip.MustParseAddrPort("127.0.0.1:5060"))
	if err != nil || got.String() != "127.0.0.1" {
		t.Errorf("Source = %v, %v", got, err)
	}
	if link := Link(got); !strings.HasPrefix(link, "lo") && !strings.Contains(link, "Loopback") {
		t.Errorf("Link = %q", link)
	}
	if link := Link(netip.MustParseAddr("198.51.100.1")); link != "" {
		t.Errorf("link of an address nobody has = %q", link)
	}
	for _, a := range Local() {
		if a.IsLoopback() {
			t.Errorf("Local has %v", a)
		}
	}
}

func TestSurvey(t *testing.T) {
	n := netsim.New(netsim.Config{})
	defer n.Close()
	h := n.NewHost("10.1.0.2/24", "10.8.0.2/16")
	link := func(a netip.Addr) string { return "link-" + a.String() }
	lan, vpn, v6 := netip.MustParseAddrPort("10.1.0.9:5060"), netip.MustParseAddrPort("10.8.3.3:5060"),
		netip.MustParseAddrPort("[2001:db8::9]:5060")
	at := time.Unix(1, 0)
	e := Survey(at, []netip.AddrPort{lan, vpn, v6}, h.Source, link)
	want := map[netip.AddrPort]Path{
		lan: {netip.MustParseAddr("10.1.0.2"), "link-10.1.0.2"},
		vpn: {netip.MustParseAddr("10.8.0.2"), "link-10.8.0.2"},
		v6:  {},
	}
	if fmt.Sprint(e.Paths) != fmt.Sprint(want) || e.At != at || e.Default != want[lan] {
		t.Errorf("got %+v", e)
	}
	h.SetAddrs("2001:db8::2/64")
	if e := Survey(at, nil, h.Source, link); e.Default.Source.String() != "2001:db8::2" {
		t.Errorf("default of an IPv6 host = %+v", e.Default)
	}
	h.SetAddrs()
	if e := Survey(at, []netip.AddrPort{lan}, h.Source, link); e.Default.Up() || e.Paths[lan].Up() {
		t.Errorf("ways without a network: %+v", e)
	}
}

func BenchmarkSource(b *testing.B) {
	to := netip.MustParseAddrPort("127.0.0.1:5060")
	for b.Loop() {
		if _, err := Source(to); err != nil {
			b.Fatal(err)
		}
	}
}
