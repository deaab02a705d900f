package media

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/media/codec"
)

// wire is an in-memory packet network between fake sockets, with delay, jitter, loss and outages.
type wire struct {
	mu     sync.Mutex
	ends   map[netip.AddrPort]*end
	rng    *rand.Rand
	delay  time.Duration
	jitter time.Duration // evenly spread on top of delay
	loss   float64
	down   bool                                            // sending fails as without a route
	count  int                                             // packets carried
	take   func(data []byte, from, to netip.AddrPort) bool // sees each datagram; false: it is lost
}

func newWire(seed uint64) *wire {
	return &wire{
		ends: map[netip.AddrPort]*end{}, rng: rand.New(rand.NewPCG(seed, 1)), delay: 20 * time.Millisecond,
	}
}

type datagram struct {
	data []byte
	from netip.AddrPort
}

// end is one fake socket; like a wildcard socket it has one local address at a time, which a test may change.
type end struct {
	wire   *wire
	addr   netip.AddrPort
	in     chan datagram
	closed chan struct{}
	once   sync.Once
}

func (w *wire) listen(addr string) *end {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := &end{wire: w, addr: netip.MustParseAddrPort(addr), in: make(chan datagram, 1024), closed: make(chan struct{})}
	w.ends[e.addr] = e
	return e
}

// rebind gives the socket another address, as a move of its host does.
func (w *wire) rebind(e *end, addr string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.ends, e.addr)
	e.addr = netip.MustParseAddrPort(addr)
	w.ends[e.addr] = e
}

func (w *wire) set(change func(*wire)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(w)
}

func (e *end) WriteTo(b []byte, to net.Addr) (int, error) {
	w := e.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down {
		return 0, errors.New("network is unreachable")
	}
	w.count++
	if w.take != nil && !w.take(b, e.addr, addrPort(to)) {
		return len(b), nil
	}
	if w.loss > 0 && w.rng.Float64() < w.loss {
		return len(b), nil
	}
	delay := w.delay
	if w.jitter > 0 {
		delay += time.Duration(w.rng.Int64N(int64(w.jitter)))
	}
	d, dst := datagram{append([]byte(nil), b...), e.addr}, addrPort(to)
	time.AfterFunc(delay, func() {
		w.mu.Lock()
		peer := w.ends[dst]
		w.mu.Unlock()
		if peer == nil {
			return
		}
		select {
		case peer.in <- d:
		default:
		}
	})
	return len(b), nil
}

func (e *end) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case d := <-e.in:
		return copy(b, d.data), net.UDPAddrFromAddrPort(d.from), nil
	case <-e.closed:
		return 0, nil, net.ErrClosed
	}
}

func (e *end) Close() error { e.once.Do(func() { close(e.closed) }); return nil }
func (e *end) LocalAddr() net.Addr {
	e.wire.mu.Lock()
	defer e.wire.mu.Unlock()
	return net.UDPAddrFromAddrPort(e.addr)
}
func (e *end) SetDeadline(time.Time) error      { return nil }
func (e *end) SetReadDeadline(time.Time) error  { return nil }
func (e *end) SetWriteDeadline(time.Time) error { return nil }

// singer records a signal that is unlike itself at any shift: a voice of changing pitch with pauses between words.
type singer struct {
	mu   sync.Mutex
	sent []int16
	fail func(at time.Duration) bool
}

func (s *singer) Record(ctx context.Context, push func([]int16)) error {
	frame := make([]int16, deviceSamples)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		s.mu.Lock()
		fail := s.fail
		s.mu.Unlock()
		if fail != nil && fail(time.Since(start)) {
			return errors.New("unplugged")
		}
		s.mu.Lock()
		for i := range frame {
			frame[i] = voice(len(s.sent) + i)
		}
		s.sent = append(s.sent, frame...)
		s.mu.Unlock()
		push(frame)
	}
}

// voice is sample n of the test signal, below 3 kHz.
func voice(n int) int16 {
	t := float64(n) / deviceRate
	word := math.Mod(t, 0.9)
	if word > 0.7 {
		return 0
	}
	// Pitch glides by amounts that never repeat within a test.
	phase := 2 * math.Pi * (140*t + 9*math.Sin(2*math.Pi*0.37*t) + 5*math.Sin(2*math.Pi*1.13*t))
	shape := math.Sin(math.Pi * word / 0.7)
	sum := math.Sin(phase) + 0.6*math.Sin(2*phase) + 0.4*math.Sin(3*phase) + 0.3*math.Sin(7*phase)
	return int16(5000 * shape * sum)
}

// ear collects what is played.
type ear struct {
	mu    sync.Mutex
	heard []int16
}

func (e *ear) Play(ctx context.Context, pull func([]int16)) error {
	frame := make([]int16, deviceSamples)
	// Out of step with the recorder, as real devices are.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		pull(frame)
		e.mu.Lock()
		e.heard = append(e.heard, frame...)
		e.mu.Unlock()
	}
}

// phone is a session with its devices and sockets.
type phone struct {
	*Session
	singer    *singer
	ear       *ear
	rtp, rtcp *end
	digits    chan rune
	host      *string
}

func newPhone(t *testing.T, w *wire, host string, codecs ...string) *phone {
	t.Helper()
	return newPhoneWith(t, w, host, func(*Config) {}, codecs...)
}

// newPhoneWith makes a phone whose configuration is changed before it begins.
func newPhoneWith(t *testing.T, w *wire, host string, change func(*Config), codecs ...string) *phone {
	t.Helper()
	p := &phone{
		singer: &singer{}, ear: &ear{}, digits: make(chan rune, 64), host: &host,
		rtp: w.listen(host + ":4000"), rtcp: w.listen(host + ":4001"),
	}
	var list []codec.Codec
	for _, name := range codecs {
		c, ok := codec.Find(name)
		if !ok {
			t.Fatalf("no codec %s in this build", name)
		}
		list = append(list, c)
	}
	cfg := Config{
		Listen:    func() (net.PacketConn, net.PacketConn, error) { return p.rtp, p.rtcp, nil },
		LocalAddr: func(netip.Addr) netip.Addr { return netip.MustParseAddr(*p.host) },
		Codecs:    list, Recorder: p.singer, Player: p.ear,
		OnDTMF: func(d rune) { p.digits <- d },
	}
	change(&cfg)
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.Session = s
	return p
}

// connect negotiates: a offers.
func connect(t *testing.T, a, b *phone) {
	t.Helper()
	offer, err := a.Offer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := b.Answer(offer)
	if err != nil {
		t.Fatalf("answer to\n%s: %v", offer, err)
	}
	if err := a.Accept(answer); err != nil {
		t.Fatalf("accept\n%s: %v", answer, err)
	}
}

// inCall runs f in a bubble with two phones in a call, and ends it.
func inCall(t *testing.T, codecs []string, f func(t *testing.T, w *wire, a, b *phone)) {
	t.Helper()
	plain := func(*Config) {}
	running(t, plain, plain, codecs, func(t *testing.T, w *wire, a, b *phone) {
		connect(t, a, b)
		f(t, w, a, b)
	})
}

// running runs f in a bubble with two phones of changed configurations, and ends them.
func running(t *testing.T, first, second func(*Config), codecs []string, f func(t *testing.T, w *wire, a, b *phone)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(1)
		a, b := newPhoneWith(t, w, "10.0.0.1", first, codecs...), newPhoneWith(t, w, "10.0.0.2", second, codecs...)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for _, p := range []*phone{a, b} {
			wg.Go(func() {
				if err := p.Run(ctx); err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		}
		f(t, w, a, b)
		cancel()
		wg.Wait()
	})
}

// correlate finds the shift of heard against sent, up to maxShift samples, in the stretch that begins at from and has
// n samples, and the correlation there. Every sixth sample is enough for a signal below 3 kHz.
func correlate(sent, heard []int16, from, n, maxShift int) (shift int, value float64) {
	best := -1.0
	for d := 0; d <= maxShift; d += 6 {
		var xy, xx, yy float64
		for i := from; i < from+n && i+d < len(heard); i += 6 {
			x, y := float64(sent[i]), float64(heard[i+d])
			xy, xx, yy = xy+x*y, xx+x*x, yy+y*y
		}
		if c := xy / math.Sqrt(xx*yy+1); c > best {
			best, shift = c, d
		}
	}
	return shift, best
}

// listen checks that b heard what a sent from second from on, and returns the delay.
func listen(t *testing.T, a, b *phone, from, seconds float64, least float64) time.Duration {
	t.Helper()
	a.singer.mu.Lock()
	defer a.singer.mu.Unlock()
	b.ear.mu.Lock()
	defer b.ear.mu.Unlock()
	shift, c := correlate(a.singer.sent, b.ear.heard, int(from*deviceRate), int(seconds*deviceRate), deviceRate/2)
	delay := time.Duration(shift) * time.Second / deviceRate
	t.Logf("from %.1f s: delay %v, correlation %.3f", from, delay, c)
	if c < least {
		t.Errorf("correlation %.3f, want %.2f", c, least)
	}
	return delay
}
