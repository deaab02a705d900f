//go:build lab && linux

package mobility

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// inside marks the copy of the test program that runs in a network namespace of its own.
const inside = "PEREGRINE_MOBILITY_LAB"

// TestMain runs the tests in a fresh network namespace, which ends with them. It needs root.
func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "loopback: %v\n%s", err, out)
			os.Exit(1)
		}
		os.Exit(m.Run())
	}
	self, err := os.Executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	c := exec.Command(self, os.Args[1:]...)
	c.Env = append(os.Environ(), inside+"=1")
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if err := c.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "network namespace (needs root): %v\n", err)
		os.Exit(1)
	}
}

// ip runs one command of iproute2.
func ip(tb testing.TB, args ...string) {
	tb.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		tb.Fatalf("ip %v: %v\n%s", args, err, out)
	}
}

// links makes wlan0 (10.1.0.2, default route) and wlan1 (10.2.0.2), each with the far end beside it.
func links(tb testing.TB) {
	tb.Helper()
	for i := range 2 {
		link, far := fmt.Sprintf("wlan%d", i), fmt.Sprintf("ap%d", i)
		ip(tb, "link", "add", link, "type", "veth", "peer", "name", far)
		tb.Cleanup(func() { ip(tb, "link", "del", link) })
		ip(tb, "link", "set", far, "up")
		ip(tb, "link", "set", link, "up")
		ip(tb, "addr", "add", fmt.Sprintf("10.%d.0.2/24", i+1), "dev", link)
	}
	ip(tb, "route", "add", "default", "via", "10.1.0.1", "dev", "wlan0", "metric", "100")
}

// watchHere starts the real watcher and waits until it has told of its start and fallen quiet.
func watchHere(tb testing.TB) <-chan struct{} {
	tb.Helper()
	ctx, cancel := context.WithCancel(tb.Context())
	changed, done := make(chan struct{}, 1), make(chan error, 1)
	go func() { done <- NewWatcher(slog.New(slog.NewTextHandler(os.Stderr, nil))).Watch(ctx, changed) }()
	tb.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			tb.Errorf("Watch = %v", err)
		}
	})
	quiet(changed)
	return changed
}

// quiet drains changed until nothing has come for longer than the poll.
func quiet(changed <-chan struct{}) {
	for {
		select {
		case <-changed:
		case <-time.After(pollEvery + 300*time.Millisecond):
			return
		}
	}
}

// until reads changed until the default way's source is want, and returns how long that took.
func until(tb testing.TB, changed <-chan struct{}, start time.Time, want string) time.Duration {
	tb.Helper()
	end := time.After(5 * time.Second)
	for {
		select {
		case <-changed:
		case <-end:
			tb.Fatalf("never told that the default way is by %q; it is by %v", want, here().Default)
		}
		if p := here().Default; !p.Up() && want == "" || p.Up() && p.Source.String() == want {
			return time.Since(start)
		}
	}
}

func here() NetworkChanged {
	return Survey(time.Now(), []netip.AddrPort{netip.MustParseAddrPort("10.2.0.99:5060")}, Source, Link)
}

func TestLabWatcherSeesEveryKindOfChange(t *testing.T) {
	links(t)
	changed := watchHere(t)
	if e := here(); e.Default != (Path{netip.MustParseAddr("10.1.0.2"), "wlan0"}) ||
		e.Paths[netip.MustParseAddrPort("10.2.0.99:5060")] != (Path{netip.MustParseAddr("10.2.0.2"), "wlan1"}) {
		t.Fatalf("at the start: %+v", e)
	}
	for _, tt := range []struct {
		name string
		cmds [][]string
		want string // source of the default way afterwards; empty: none
	}{
		{"default route moves, addresses stay", [][]string{
			{"route", "add", "default", "via", "10.2.0.1", "dev", "wlan1", "metric", "50"},
		}, "10.2.0.2"},
		{"and back", [][]string{{"route", "del", "default", "via", "10.2.0.1", "dev", "wlan1", "metric", "50"}}, "10.1.0.2"},
		{"address changes", [][]string{
			{"addr", "del", "10.1.0.2/24", "dev", "wlan0"},
			{"addr", "add", "10.1.0.7/24", "dev", "wlan0"},
			{"route", "add", "default", "via", "10.1.0.1", "dev", "wlan0", "metric", "100"},
		}, "10.1.0.7"},
		{"link down", [][]string{{"link", "set", "wlan0", "down"}}, ""},
		{"link up again", [][]string{
			{"link", "set", "wlan0", "up"},
			{"route", "add", "default", "via", "10.1.0.1", "dev", "wlan0", "metric", "100"},
		}, "10.1.0.7"},
	} {
		start := time.Now()
		for _, c := range tt.cmds {
			ip(t, c...)
		}
		t.Logf("%s: known %v after the first command", tt.name, until(t, changed, start, tt.want))
	}
}

// flood makes the kernel send 1000 messages about routes.
func flood(tb testing.TB, net int) {
	tb.Helper()
	batch := exec.Command("sh", "-c", fmt.Sprintf(
		"for i in $(seq 0 999); do echo route add 10.%d.$((i/250)).$((i%%250))/32 via 10.2.0.9; done | ip -batch -", net))
	if out, err := batch.CombinedOutput(); err != nil {
		tb.Fatalf("%v\n%s", err, out)
	}
}

func TestLabWatcherSurvivesAFloodOfEvents(t *testing.T) {
	links(t)
	changed := watchHere(t)
	for i := range 3 {
		flood(t, 100+i)
	}
	start := time.Now()
	ip(t, "route", "add", "default", "via", "10.2.0.1", "dev", "wlan1", "metric", "50")
	t.Logf("a move after 3000 routes is known after %v", until(t, changed, start, "10.2.0.2"))
	quiet(changed)
	select {
	case <-changed:
		t.Error("told of a change while nothing happens")
	case <-time.After(3 * pollEvery):
	}
}

func TestLabDroppedEventsAreAnEvent(t *testing.T) {
	links(t)
	f, err := openNetlink()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(int(f.Fd()), unix.SOL_SOCKET, unix.SO_RCVBUF, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(int(f.Fd()), true); err != nil { // Fd made it blocking
		t.Fatal(err)
	}
	flood(t, 100)
	if _, _, err := unix.Recvfrom(int(f.Fd()), make([]byte, 64<<10), 0); !errors.Is(err, unix.ENOBUFS) {
		t.Fatalf("a full socket says %v, want ENOBUFS", err)
	}
	flood(t, 101) // again, for the watcher
	ctx, cancel := context.WithCancel(t.Context())
	if err := unix.SetNonblock(int(f.Fd()), true); err != nil {
		t.Fatal(err)
	}
	events := 0
	if err := hear(ctx, f, func() { events++; cancel() }); err != nil || events == 0 {
		t.Errorf("%d events, %v", events, err)
	}
}

// BenchmarkLabDetection prints the time from the command for a route to the surveyed truth: the
// command's way through a pipe to a running ip(8), the kernel, the watcher and the Survey.
func BenchmarkLabDetection(b *testing.B) {
	links(b)
	changed := watchHere(b)
	batch := exec.Command("ip", "-batch", "-")
	batch.Stderr = os.Stderr
	in, err := batch.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := batch.Start(); err != nil {
		b.Fatal(err)
	}
	var all []time.Duration
	for b.Loop() {
		for i, verb := range []string{"add", "del"} {
			start := time.Now()
			if _, err := fmt.Fprintf(in, "route %s default via 10.2.0.1 dev wlan1 metric 50\n", verb); err != nil {
				b.Fatal(err)
			}
			all = append(all, until(b, changed, start, []string{"10.2.0.2", "10.1.0.2"}[i]))
			<-time.After(5 * time.Millisecond) // past the gathering of the burst
		}
	}
	if err := errors.Join(in.Close(), batch.Wait()); err != nil {
		b.Error(err)
	}
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Microseconds())/1000, "ms/median")
	b.ReportMetric(float64(all[len(all)*95/100].Microseconds())/1000, "ms/p95")
}
