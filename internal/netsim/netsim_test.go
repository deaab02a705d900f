package netsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func listen(t *testing.T, h *Host, addr string) *PacketConn {
	t.Helper()
	c, err := h.ListenPacket(t.Context(), "udp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*PacketConn)
}

func udp(s string) *net.UDPAddr { return net.UDPAddrFromAddrPort(netip.MustParseAddrPort(s)) }

func write(t *testing.T, c net.PacketConn, data, to string) {
	t.Helper()
	if n, err := c.WriteTo([]byte(data), udp(to)); err != nil || n != len(data) {
		t.Fatalf("write to %s = %d, %v", to, n, err)
	}
}

// read returns what arrives within a second, or "".
func read(t *testing.T, c net.PacketConn) (data, from string) {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 2048)
	n, a, err := c.ReadFrom(buf)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return "", ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n]), a.String()
}

func TestLatencyIsPerDirection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Default: Path{Latency: 30 * time.Millisecond}})
		defer n.Close()
		n.SetPath("10.0.0.2", "10.0.0.1", Path{Latency: 70 * time.Millisecond})
		a, b := listen(t, n.NewHost("10.0.0.1"), ":5060"), listen(t, n.NewHost("10.0.0.2"), ":5060")
		start := time.Now()
		write(t, a, "there", "10.0.0.2:5060")
		if got, from := read(t, b); got != "there" || from != "10.0.0.1:5060" || time.Since(start) != 30*time.Millisecond {
			t.Errorf("got %q from %s after %v, want 30 ms", got, from, time.Since(start))
		}
		write(t, b, "back", "10.0.0.1:5060")
		if got, _ := read(t, a); got != "back" || time.Since(start) != 100*time.Millisecond {
			t.Errorf("got %q after %v, want 100 ms", got, time.Since(start))
		}
	})
}

func TestMoveKeepsTheWildcardSocketAndKillsTheBoundOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		defer n.Close()
		h := n.NewHost("10.1.0.2/24")
		peer := listen(t, n.NewHost("10.9.0.2/24"), ":4000")
		wild, bound := listen(t, h, ":5060"), listen(t, h, "10.1.0.2:5070")
		write(t, bound, "x", "10.9.0.2:4000")
		if _, from := read(t, peer); from != "10.1.0.2:5070" {
			t.Errorf("bound socket sends from %s", from)
		}

		h.SetAddrs() // link down
		for name, c := range map[string]net.PacketConn{"wildcard": wild, "bound": bound} {
			_, err := c.WriteTo([]byte("x"), udp("10.9.0.2:4000"))
			var op *net.OpError
			if !errors.Is(err, syscall.ENETUNREACH) || !errors.As(err, &op) {
				t.Errorf("%s socket without network: %v, want ENETUNREACH in a *net.OpError", name, err)
			}
		}
		if _, err := h.Source(netip.MustParseAddrPort("10.9.0.2:1")); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("Source without network: %v", err)
		}

		h.SetAddrs("10.2.0.2/24")
		write(t, wild, "moved", "10.9.0.2:4000")
		if got, from := read(t, peer); got != "moved" || from != "10.2.0.2:5060" {
			t.Errorf("got %q from %s, want from 10.2.0.2:5060", got, from)
		}
		if _, err := bound.WriteTo([]byte("x"), udp("10.9.0.2:4000")); !errors.Is(err, syscall.ENETUNREACH) {
			t.Errorf("bound socket after the move: %v, want ENETUNREACH", err)
		}
		write(t, peer, "old", "10.1.0.2:5060")
		write(t, peer, "new", "10.2.0.2:5060")
		if got, _ := read(t, wild); got != "new" {
			t.Errorf("got %q, want only what is sent to the new address", got)
		}
	})
}

func TestPacketInFlightIsLostWhenItsDestinationMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Default: Path{Latency: 50 * time.Millisecond}})
		defer n.Close()
		h := n.NewHost("10.1.0.2")
		a, b := listen(t, h, ":1000"), listen(t, n.NewHost("10.9.0.2"), ":1000")
		write(t, b, "late", "10.1.0.2:1000")
		time.Sleep(49 * time.Millisecond)
		h.SetAddrs("10.2.0.2")
		if got, _ := read(t, a); got != "" {
			t.Errorf("got %q at the new address", got)
		}
		if s := n.Stats(); s.Unroutable != 1 || s.Delivered != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestSource(t *testing.T) {
	n := New(Config{})
	h := n.NewHost("10.1.0.2/24", "192.168.7.3/16", "fd00::2/64")
	for _, tt := range []struct{ dst, want string }{
		{"10.1.0.99:5060", "10.1.0.2"},
		{"192.168.200.1:5060", "192.168.7.3"},
		{"8.8.8.8:53", "10.1.0.2"},
		{"[::ffff:8.8.8.8]:53", "10.1.0.2"},
		{"[fd00::99]:5060", "fd00::2"},
		{"[2001:db8::1]:5060", "fd00::2"},
		{"127.0.0.1:5060", "127.0.0.1"},
		{"192.168.7.3:5060", "192.168.7.3"},
	} {
		if got, err := h.Source(netip.MustParseAddrPort(tt.dst)); err != nil || got.String() != tt.want {
			t.Errorf("Source(%s) = %v, %v; want %s", tt.dst, got, err, tt.want)
		}
	}
	h.SetAddrs("10.1.0.2/24")
	if got, err := h.Source(netip.MustParseAddrPort("[fd00::99]:5060")); err == nil {
		t.Errorf("IPv6 without an IPv6 address = %v", got)
	}
}

func TestReadDeadlineAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{})
		defer n.Close()
		c := listen(t, n.NewHost("10.0.0.1"), ":0")
		buf := make([]byte, 10)
		result := make(chan error, 1)
		readOnce := func() { _, _, err := c.ReadFrom(buf); result <- err }

		start := time.Now()
		go readOnce()
		synctest.Wait()
		if err := c.SetReadDeadline(start.Add(3 * time.Second)); err != nil { // while it reads
			t.Fatal(err)
		}
		err := <-result
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) != 3*time.Second {
			t.Errorf("read = %v after %v, want a timeout after 3 s", err, time.Since(start))
		}

		if err := c.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		go readOnce()
		synctest.Wait()
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := <-result; !errors.Is(err, net.ErrClosed) {
			t.Errorf("read on a closed socket = %v", err)
		}
		if err := c.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("second close = %v", err)
		}
		if _, err := c.WriteTo(buf, udp("10.0.0.1:1")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("write on a closed socket = %v", err)
		}
	})
}

func TestImpairments(t *testing.T) {
	const count = 200
	for _, tt := range []struct {
		name             string
		path             Path
		filter           Filter
		min, max, orders int // datagrams delivered; least number of inversions
	}{
		{"none", Path{Latency: time.Millisecond}, nil, count, count, 0},
		{"loss", Path{Loss: 0.25}, nil, 120, 180, 0},
		{"duplicates", Path{Duplicate: 0.25}, nil, 220, 280, 0},
		{"reordering", Path{Latency: time.Millisecond, Reorder: 0.25}, nil, count, count, 20},
		{"jitter", Path{Jitter: 50 * time.Millisecond}, nil, count, count, 20},
		{"down", Path{Down: true}, nil, 0, 0, 0},
		{"filter drops odd", Path{}, func(d Datagram) Verdict {
			if strings.HasSuffix(string(d.Data), "1") {
				return Drop
			}
			return Deliver
		}, 180, 180, 0},
		{"filter doubles", Path{}, func(Datagram) Verdict { return Twice }, 2 * count, 2 * count, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := impaired(t, tt.path, tt.filter, count)
			second := impaired(t, tt.path, tt.filter, count)
			if fmt.Sprint(first) != fmt.Sprint(second) {
				t.Error("two runs with one seed differ")
			}
			inversions := 0
			for i := 1; i < len(first); i++ {
				if first[i] < first[i-1] {
					inversions++
				}
			}
			if len(first) < tt.min || len(first) > tt.max {
				t.Errorf("%d delivered, want %d to %d", len(first), tt.min, tt.max)
			}
			if inversions < tt.orders || tt.orders == 0 && inversions != 0 {
				t.Errorf("%d inversions, want %d", inversions, tt.orders)
			}
		})
	}
}

// impaired sends count numbered datagrams 1 ms apart and returns what arrives.
func impaired(t *testing.T, p Path, f Filter, count int) (got []int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Seed: 7, Default: p})
		defer n.Close()
		n.SetFilter(f)
		a, b := listen(t, n.NewHost("10.0.0.1"), ":1"), listen(t, n.NewHost("10.0.0.2"), ":1")
		go func() {
			for i := range count {
				write(t, a, fmt.Sprint(i), "10.0.0.2:1")
				time.Sleep(time.Millisecond)
			}
		}()
		for {
			data, _ := read(t, b)
			if data == "" {
				return
			}
			var i int
			if _, err := fmt.Sscan(data, &i); err != nil {
				t.Fatal(err)
			}
			got = append(got, i)
		}
	})
	return got
}

func TestBurstKeepsItsOrderAndTheQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Default: Path{Latency: 5 * time.Millisecond}})
		defer n.Close()
		a, b := listen(t, n.NewHost("10.0.0.1"), ":1"), listen(t, n.NewHost("10.0.0.2"), ":1")
		for i := range queueLen + 10 {
			write(t, a, fmt.Sprint(i), "10.0.0.2:1")
		}
		time.Sleep(time.Second)
		for i := range queueLen {
			if got, _ := read(t, b); got != fmt.Sprint(i) {
				t.Fatalf("datagram %d is %q", i, got)
			}
		}
		if s := n.Stats(); s.Overflow != 10 || s.Sent != queueLen+10 {
			t.Errorf("stats %+v, want 10 overflows", s)
		}
	})
}

func TestBinding(t *testing.T) {
	n := New(Config{})
	defer n.Close()
	h := n.NewHost("10.0.0.1")
	ctx := t.Context()
	gone, cancel := context.WithCancel(ctx)
	cancel()
	taken := listen(t, h, ":5060")
	if got := taken.LocalAddr().String(); got != "[::]:5060" {
		t.Errorf("LocalAddr %s", got)
	}
	for _, tt := range []struct {
		name, network, addr string
		ctx                 context.Context
		want                error
	}{
		{"taken", "udp", ":5060", ctx, syscall.EADDRINUSE},
		{"taken by the wildcard", "udp", "10.0.0.1:5060", ctx, syscall.EADDRINUSE},
		{"not ours", "udp", "10.0.0.9:5061", ctx, syscall.EADDRNOTAVAIL},
		{"unknown network", "unix", ":1", ctx, net.UnknownNetworkError("unix")},
		{"cancelled", "udp", ":1", gone, context.Canceled},
	} {
		if _, err := h.ListenPacket(tt.ctx, tt.network, tt.addr); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	if _, err := h.ListenPacket(ctx, "udp", "nonsense"); err == nil {
		t.Error("nonsense bound")
	}
	seen := map[string]bool{}
	for range 100 {
		seen[listen(t, h, ":0").LocalAddr().String()] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d different ports of 100", len(seen))
	}
	if err := taken.Close(); err != nil {
		t.Fatal(err)
	}
	listen(t, h, "10.0.0.1:5060")
}

func TestLoopbackStaysOnTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Default: Path{Latency: time.Minute}})
		defer n.Close()
		h := n.NewHost()
		a, b := listen(t, h, "127.0.0.1:1"), listen(t, h, "127.0.0.1:2")
		listen(t, n.NewHost(), "127.0.0.1:2")
		write(t, a, "x", "127.0.0.1:2")
		if got, from := read(t, b); got != "x" || from != "127.0.0.1:1" {
			t.Errorf("got %q from %s", got, from)
		}
	})
}

func connect(t *testing.T, a, b *Host, addr string) (net.Conn, net.Conn) {
	t.Helper()
	l, err := b.Listen(t.Context(), "tcp", ":5060")
	if err != nil {
		t.Fatal(err)
	}
	c, err := a.DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c, s
}

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Seed: 3, Default: Path{Latency: 20 * time.Millisecond, Jitter: 30 * time.Millisecond, Loss: 0.1}})
		defer n.Close()
		c, s := connect(t, n.NewHost("10.0.0.1"), n.NewHost("10.0.0.2"), "10.0.0.2:5060")
		if s.RemoteAddr().String() != c.LocalAddr().String() || c.RemoteAddr().String() != "10.0.0.2:5060" {
			t.Errorf("addresses %v %v %v", c.LocalAddr(), s.RemoteAddr(), c.RemoteAddr())
		}
		want := strings.Repeat("0123456789", 300_000) // three windows
		go func() {
			for rest := want; rest != ""; {
				k := min(len(rest), 70_001)
				if _, err := io.WriteString(c, rest[:k]); err != nil {
					t.Error(err)
					return
				}
				rest = rest[k:]
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}()
		got, err := io.ReadAll(s)
		if err != nil || string(got) != want {
			t.Errorf("read %d bytes, %v; want %d in order", len(got), err, len(want))
		}
		if _, err := s.Write([]byte("too late")); err != nil { // not known yet
			t.Error(err)
		}
		time.Sleep(time.Second)
		if _, err := s.Write([]byte("known")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write to a closed peer = %v", err)
		}
	})
}

func TestStreamFallsSilentWhenAnEndMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Default: Path{Latency: 20 * time.Millisecond}})
		defer n.Close()
		mobile, fixed := n.NewHost("10.1.0.2"), n.NewHost("10.9.0.2")
		c, s := connect(t, mobile, fixed, "10.9.0.2:5060")
		mobile.SetAddrs("10.2.0.2")
		if _, err := io.WriteString(c, "lost"); err != nil {
			t.Errorf("write = %v; TCP notices nothing", err)
		}
		if err := s.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if k, err := s.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read %d, %v; want a timeout", k, err)
		}
		c2, err := mobile.DialContext(t.Context(), "tcp", "10.9.0.2:5060")
		if err != nil || !strings.HasPrefix(c2.LocalAddr().String(), "10.2.0.2:") {
			t.Errorf("new flow %v, %v", c2, err)
		}
	})
}

func TestDialFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Default: Path{Latency: 20 * time.Millisecond}})
		defer n.Close()
		h := n.NewHost("10.0.0.1")
		n.NewHost("10.0.0.2")
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		down := n.NewHost()
		for _, tt := range []struct {
			name  string
			from  *Host
			ctx   context.Context
			addr  string
			want  error
			after time.Duration
		}{
			{"nobody listens", h, t.Context(), "10.0.0.2:1", syscall.ECONNREFUSED, 40 * time.Millisecond},
			{"caller gives up", h, short, "10.0.0.3:1", context.DeadlineExceeded, 960 * time.Millisecond},
			{"black hole", h, t.Context(), "10.0.0.3:1", syscall.ETIMEDOUT, dialTimeout},
			{"no network", down, t.Context(), "10.0.0.2:1", syscall.ENETUNREACH, 0},
		} {
			start := time.Now()
			if _, err := tt.from.DialContext(tt.ctx, "tcp", tt.addr); !errors.Is(err, tt.want) || time.Since(start) != tt.after {
				t.Errorf("%s: %v after %v, want %v after %v", tt.name, err, time.Since(start), tt.want, tt.after)
			}
		}
	})
}

func TestNetworkCloseEndsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := New(Config{Default: Path{Latency: time.Hour}})
		h := n.NewHost("10.0.0.1")
		p := listen(t, h, ":1")
		l, err := h.Listen(t.Context(), "tcp", ":1")
		if err != nil {
			t.Fatal(err)
		}
		ends := make(chan error, 2)
		go func() { _, _, err := p.ReadFrom(nil); ends <- err }()
		go func() { _, err := l.Accept(); ends <- err }()
		write(t, p, "x", "10.0.0.2:1")
		synctest.Wait()
		n.Close()
		n.Close()
		for range 2 {
			if err := <-ends; !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		}
		if _, err := h.ListenPacket(t.Context(), "udp", ":9"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("listen after Close = %v", err)
		}
	})
}

func BenchmarkDatagram(b *testing.B) {
	n := New(Config{})
	defer n.Close()
	x, err := n.NewHost("10.0.0.1").ListenPacket(b.Context(), "udp", ":1")
	if err != nil {
		b.Fatal(err)
	}
	y, err := n.NewHost("10.0.0.2").ListenPacket(b.Context(), "udp", ":1")
	if err != nil {
		b.Fatal(err)
	}
	data, buf, to := make([]byte, 172), make([]byte, 2000), udp("10.0.0.2:1")
	for b.Loop() {
		if _, err := x.WriteTo(data, to); err != nil {
			b.Fatal(err)
		}
		if _, _, err := y.ReadFrom(buf); err != nil {
			b.Fatal(err)
		}
	}
}
