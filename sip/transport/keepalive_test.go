package transport

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/sip/trust"
)

// streamPeer accepts one connection and answers pings for as long as told.
type streamPeer struct {
	ln      net.Listener
	mu      sync.Mutex
	answers bool
	pings   int
	wg      sync.WaitGroup
}

func newStreamPeer(t *testing.T, h *netsim.Host, answers bool) *streamPeer {
	t.Helper()
	ln, err := h.Listen(t.Context(), "tcp", ":5060")
	must(t, err)
	p := &streamPeer{ln: ln, answers: answers}
	p.wg.Go(func() {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		defer func() { _ = conn.Close() }()
		buf := make([]byte, 100)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			p.mu.Lock()
			if string(buf[:n]) == "\r\n\r\n" {
				p.pings++
			}
			says := p.answers
			p.mu.Unlock()
			if says {
				_, _ = io.WriteString(conn, "\r\n")
			}
		}
	})
	return p
}

func (p *streamPeer) set(answers bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answers = answers
}

func (p *streamPeer) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pings
}

func (p *streamPeer) stop() {
	_ = p.ln.Close()
	p.wg.Wait()
}

func isBroken(c Conn) bool {
	select {
	case <-c.Broken():
		return true
	default:
		return false
	}
}

func TestPongs(t *testing.T) {
	tests := []struct {
		name            string
		answers, agreed bool
		thenSilent      bool
		every           time.Duration
		broken          bool
	}{
		{"answers", true, false, false, 0, false},
		{"never answered, never promised", false, false, false, 0, false},
		{"promised and does not", false, true, false, 0, true},
		{"answered and falls silent", true, false, true, 0, true},
		{"at the server's pace", true, true, true, 20 * time.Second, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *netsim.Network) {
				p := newStreamPeer(t, network.NewHost("10.0.0.2"), tt.answers)
				a := start(t, network.NewHost("10.0.0.1"), 5060)
				defer p.stop()
				defer a.stop()
				conn, err := a.Path(t.Context(), target("tcp", "10.0.0.2:5060"), trust.Policy{})
				must(t, err)
				conn.KeepAlive(tt.every, tt.agreed)
				every := tt.every
				if every == 0 {
					every = streamEvery
				}
				time.Sleep(every + pongTimeout + time.Second)
				if got := p.count(); got < 1 || got > 2 {
					t.Errorf("%d pings in %v", got, every)
				}
				if tt.thenSilent {
					if isBroken(conn) {
						t.Fatal("broken too early")
					}
					p.set(false)
					time.Sleep(every + pongTimeout + time.Second)
				}
				if isBroken(conn) != tt.broken {
					t.Errorf("broken: %v", isBroken(conn))
				}
			})
		})
	}
}

// We answer the pings of others, in one piece or in two.
func TestPingsAreAnswered(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		a := start(t, network.NewHost("10.0.0.1"), 5060)
		defer a.stop()
		c := dial(t, network.NewHost("10.0.0.2"), "10.0.0.1:5060")
		defer func() { _ = c.Close() }()
		buf := make([]byte, 10)
		for _, pieces := range [][]string{{"\r\n\r\n"}, {"\r\n", "\r\n"}, {"\r", "\n\r", "\n"}} {
			for _, s := range pieces {
				_, err := io.WriteString(c, s)
				must(t, err)
				time.Sleep(10 * ms)
			}
			n, err := c.Read(buf)
			must(t, err)
			if string(buf[:n]) != "\r\n" {
				t.Errorf("pong %q to %q", buf[:n], pieces)
			}
		}
	})
}

// stunPeer is a STUN server on a datagram socket, beside which SIP could live.
type stunPeer struct {
	pc     net.PacketConn
	mu     sync.Mutex
	mapped netip.AddrPort // zero: silent
	asked  int
	done   chan struct{}
}

func newSTUNPeer(t *testing.T, h *netsim.Host, mapped string) *stunPeer {
	t.Helper()
	pc, err := h.ListenPacket(t.Context(), "udp", ":5060")
	must(t, err)
	p := &stunPeer{pc: pc, done: make(chan struct{})}
	p.set(mapped)
	go func() {
		defer close(p.done)
		buf := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(buf)
			if err != nil {
				return
			}
			p.mu.Lock()
			p.asked++
			if p.mapped.IsValid() && isSTUN(buf[:n]) {
				_, _ = pc.WriteTo(answerTo(buf[:n], p.mapped), from)
			}
			p.mu.Unlock()
		}
	}()
	return p
}

func (p *stunPeer) set(mapped string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mapped, _ = netip.ParseAddrPort(mapped)
}

func (p *stunPeer) stop() {
	_ = p.pc.Close()
	<-p.done
}

// answerTo makes a success response with XOR-MAPPED-ADDRESS.
func answerTo(request []byte, mapped netip.AddrPort) []byte {
	ip := mapped.Addr().AsSlice()
	family := byte(stunFamilyIPv4)
	if len(ip) == 16 {
		family = stunFamilyIPv6
	}
	value := append([]byte{0, family, byte(mapped.Port() >> 8), byte(mapped.Port())}, ip...)
	for i := 2; i < len(value); i++ {
		k := i - 4
		if i < 4 {
			k = i - 2
		}
		value[i] ^= request[4+k]
	}
	out := append([]byte{1, 1, 0, byte(4 + len(value))}, request[4:stunHeader]...)
	return append(append(out, 0, stunXORMapped, 0, byte(len(value))), value...)
}

func TestSTUNKeepAlive(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		p := newSTUNPeer(t, network.NewHost("10.0.0.2"), "198.51.100.1:4000")
		a := start(t, network.NewHost("10.0.0.1"), 5060)
		defer p.stop()
		defer a.stop()
		var mu sync.Mutex
		var told []string
		failed := make(chan error, 1)
		go func() {
			failed <- a.KeepAlive(t.Context(), netip.MustParseAddrPort("10.0.0.2:5060"), KeepAlive{STUN: true, Mapped: func(m netip.AddrPort) {
				mu.Lock()
				defer mu.Unlock()
				told = append(told, m.String())
			}})
		}()
		time.Sleep(2 * time.Minute)
		p.set("198.51.100.1:4001") // the NAT has forgotten us
		time.Sleep(time.Minute)
		p.set("")
		begun := time.Now()
		err := <-failed
		if !errors.Is(err, ErrFailed) || time.Since(begun) > datagramEvery+pongTimeout+time.Second {
			t.Errorf("%v after %v", err, time.Since(begun))
		}
		mu.Lock()
		defer mu.Unlock()
		if len(told) != 2 || told[0] != "198.51.100.1:4000" || told[1] != "198.51.100.1:4001" {
			t.Errorf("told %v", told)
		}
		if a.Counters().Junk != 0 || len(a.bindings) != 0 {
			t.Errorf("%d junk, %d bindings", a.Counters().Junk, len(a.bindings))
		}
	})
}

// Without an agreement there are line breaks, and no answer is missed. The end of the context is no failure.
func TestPlainKeepAlive(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		p := newSTUNPeer(t, network.NewHost("10.0.0.2"), "")
		a := start(t, network.NewHost("10.0.0.1"), 5060)
		defer p.stop()
		defer a.stop()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		must(t, a.KeepAlive(ctx, netip.MustParseAddrPort("10.0.0.2:5060"), KeepAlive{}))
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.asked < 4 || p.asked > 5 {
			t.Errorf("%d keep-alives in two minutes", p.asked)
		}
	})
}

// Answers that nobody asked for, from elsewhere, or broken, are junk.
func TestForeignSTUN(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		a := start(t, network.NewHost("10.0.0.1"), 5060)
		defer a.stop()
		var asked []byte
		network.SetFilter(func(d netsim.Datagram) netsim.Verdict {
			if isSTUN(d.Data) && asked == nil {
				asked = append([]byte(nil), d.Data...)
			}
			return netsim.Deliver
		})
		failed := make(chan error, 1)
		go func() {
			_, err := a.Binding(t.Context(), netip.MustParseAddrPort("10.0.0.2:5060"))
			failed <- err
		}()
		time.Sleep(10 * ms)
		synctest.Wait()
		network.SetFilter(nil)
		mallory, err := network.NewHost("10.0.0.66").ListenPacket(t.Context(), "udp", ":5060")
		must(t, err)
		_, err = mallory.WriteTo(answerTo(asked, netip.MustParseAddrPort("203.0.113.9:9")), net.UDPAddrFromAddrPort(netip.MustParseAddrPort("10.0.0.1:5060")))
		must(t, err)
		if err := <-failed; !errors.Is(err, ErrFailed) {
			t.Errorf("%v", err)
		}
		if a.Counters().Junk != 1 {
			t.Errorf("%d junk", a.Counters().Junk)
		}
		_ = mallory.Close()
	})
}

// The sample responses of RFC 5769 2.2 and 2.3.
func TestSTUNSamples(t *testing.T) {
	for sample, want := range map[string]string{
		"0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643" +
			"000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96": "192.0.2.1:32853",
		"010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9fa" +
			"a5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c": "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
	} {
		data, err := hex.DecodeString(sample)
		must(t, err)
		id, mapped, ok := stunAnswer(data)
		if !ok || mapped.String() != want || hex.EncodeToString(id[:]) != "b7e7a701bc34d686fa87dfae" {
			t.Errorf("%v %v, want %s", mapped, ok, want)
		}
	}
}

func FuzzSTUN(f *testing.F) {
	f.Add(answerTo(stunRequest(stunID{1}), netip.MustParseAddrPort("192.0.2.1:5")))
	f.Add(answerTo(stunRequest(stunID{2}), netip.MustParseAddrPort("[2001:db8::1]:5")))
	f.Add([]byte("OPTIONS sip:x SIP/2.0\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		id, mapped, ok := stunAnswer(data)
		if !ok && mapped.IsValid() {
			t.Error("an address out of nothing")
		}
		if ok && (LooksLikeSIP(data) && data[0] > 3 || !isSTUN(data)) {
			t.Errorf("taken for STUN: %x %x", id, data)
		}
	})
}
