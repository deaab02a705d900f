package mobility

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// settle is how long further events of one burst are gathered after the first, which is never
	// delayed: a link that goes down makes the kernel send some ten messages within a millisecond.
	settle = 2 * time.Millisecond
	// pollEvery is the slow look below every backend: what the OS forgot to tell is found within it.
	pollEvery = time.Second
	// reopenAfter is the pause before a failed backend is opened again.
	reopenAfter = time.Second
)

// Documentation addresses (RFC 5737, RFC 3849): nobody has them, so the way there is the default way.
const (
	defaultDestination4 = "198.51.100.1:5060"
	defaultDestination6 = "[2001:db8::1]:5060"
)

// Watcher tells that the computer's addresses, links or routes may have changed.
type Watcher interface {
	// Watch blocks until ctx ends, and then returns nil once all it started has ended. It sends to
	// changed without waiting: give it a channel with room for one value, in which a value that still
	// lies there stands for all that happened since. The first event of a burst is told at once, the
	// rest of it once more 2 ms later.
	Watch(ctx context.Context, changed chan<- struct{}) error
}

// NewWatcher returns this system's watcher, with a poll once a second below it.
func NewWatcher(logger *slog.Logger) Watcher {
	return &watcher{logger: logger, listen: listenOS, look: look}
}

// watcher joins what the OS tells with what polling finds.
type watcher struct {
	logger *slog.Logger
	listen func(ctx context.Context, event func()) error // blocks; nil when ctx ends
	look   func() string                                 // a fingerprint of addresses and default ways
}

// Watch implements Watcher.
func (w *watcher) Watch(ctx context.Context, changed chan<- struct{}) error {
	if cap(changed) == 0 {
		return errors.New("watch network: the channel needs room for one value")
	}
	events := make(chan struct{}, 1)
	event := func() { offer(events) }
	var wg sync.WaitGroup
	wg.Go(func() { w.keepListening(ctx, event) })
	wg.Go(func() { w.poll(ctx, event) })
	coalesce(ctx, events, changed)
	wg.Wait()
	return nil
}

// keepListening opens the backend, again whenever it fails.
func (w *watcher) keepListening(ctx context.Context, event func()) {
	for ctx.Err() == nil {
		if err := w.listen(ctx, event); err != nil {
			w.logger.WarnContext(ctx, "network events failed, polling meanwhile", "error", err)
		}
		event() // whatever happened while nobody listened
		select {
		case <-ctx.Done():
		case <-time.After(reopenAfter):
		}
	}
}

// poll compares a fingerprint of the network once a second.
func (w *watcher) poll(ctx context.Context, event func()) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	last := w.look()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if seen := w.look(); seen != last {
			last = seen
			event()
		}
	}
}

// coalesce passes events on: the first of a burst at once, all others of the next 2 ms as one.
func coalesce(ctx context.Context, events <-chan struct{}, changed chan<- struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-events:
		}
		offer(changed)
		select {
		case <-ctx.Done():
			return
		case <-time.After(settle):
		}
	}
}

// offer puts a value into a channel that has room for one, unless it is full.
func offer(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// look fingerprints what the machine could act upon: every usable address and the default ways.
func look() string {
	var b strings.Builder
	for _, to := range []string{defaultDestination4, defaultDestination6} {
		a, err := Source(netip.MustParseAddrPort(to))
		if err == nil {
			b.WriteString(a.String())
		}
		b.WriteByte('|')
	}
	for _, a := range Local() {
		fmt.Fprintf(&b, "%s%%%s|", a, Link(a))
	}
	return b.String()
}

// Source asks the kernel which address packets to dst would leave from, by connecting a UDP socket;
// nothing is sent. It takes about 0.2 ms. The error, mostly ENETUNREACH, means that there is no way.
func Source(dst netip.AddrPort) (netip.Addr, error) {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(dst))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("source address toward %s: %w", dst, err)
	}
	local, is := c.LocalAddr().(*net.UDPAddr)
	if err := c.Close(); err != nil {
		return netip.Addr{}, fmt.Errorf("source address toward %s: %w", dst, err)
	}
	if !is {
		return netip.Addr{}, fmt.Errorf("source address toward %s: no address", dst)
	}
	return local.AddrPort().Addr().Unmap(), nil
}

// Link returns the name of the interface that has address a now, "eth0"; empty when none has it.
func Link(a netip.Addr) string {
	name := ""
	eachAddress(func(i net.Interface, have netip.Addr) {
		if have == a.Unmap().WithZone("") {
			name = i.Name
		}
	})
	return name
}

// Local returns the addresses of all links that are up, loopback left out, sorted.
func Local() []netip.Addr {
	var all []netip.Addr
	eachAddress(func(i net.Interface, have netip.Addr) {
		if i.Flags&net.FlagUp != 0 && !have.IsLoopback() {
			all = append(all, have)
		}
	})
	slices.SortFunc(all, netip.Addr.Compare)
	return all
}

// eachAddress calls f for every address of every interface; one that vanishes meanwhile is left out.
func eachAddress(f func(net.Interface, netip.Addr)) {
	links, err := net.Interfaces()
	if err != nil {
		return // as if there were none: the next look sees them
	}
	for _, i := range links {
		addrs, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				f(i, p.Addr().Unmap())
			}
		}
	}
}

// Survey asks for the way to each destination and to the Internet at large. at is when the OS told
// of a change. In tests, source and link come from a simulated host; on a real one they are Source
// and Link. The result's Local is Local's: set it when the host is simulated.
func Survey(
	at time.Time, destinations []netip.AddrPort,
	source func(netip.AddrPort) (netip.Addr, error), link func(netip.Addr) string,
) NetworkChanged {
	links := make(map[netip.Addr]string)
	path := func(to netip.AddrPort) Path {
		a, err := source(to)
		if err != nil {
			return Path{} // no way there; why does not matter
		}
		if _, known := links[a]; !known {
			links[a] = link(a)
		}
		return Path{Source: a, Link: links[a]}
	}
	e := NetworkChanged{At: at, Paths: make(map[netip.AddrPort]Path, len(destinations)), Local: Local()}
	for _, to := range destinations {
		e.Paths[to] = path(to)
	}
	e.Default = path(netip.MustParseAddrPort(defaultDestination4))
	if !e.Default.Up() {
		e.Default = path(netip.MustParseAddrPort(defaultDestination6))
	}
	return e
}
