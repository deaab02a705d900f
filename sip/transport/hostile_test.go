package transport

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/sip/trust"
)

// dial opens a bare stream to a node.
func dial(t *testing.T, h *netsim.Host, addr string) net.Conn {
	t.Helper()
	c, err := h.DialContext(t.Context(), "tcp", addr)
	must(t, err)
	return c
}

// answerOf reads what a node says until it closes.
func answerOf(c net.Conn) string {
	data, _ := io.ReadAll(c)
	return string(data)
}

func TestHostileStreams(t *testing.T) {
	ok := "OPTIONS sip:bob@x SIP/2.0\r\nVia: SIP/2.0/TCP x;branch=z9hG4bK1\r\nFrom: <sip:a@x>;tag=1\r\nTo: <sip:bob@x>\r\n" +
		"Call-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
	tests := []struct {
		name, sent string
		messages   int
		answer     string // beginning of what comes back
	}{
		{"no SIP", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 0, ""},
		{"no line", strings.Repeat("A", 9000), 0, ""},
		{"no end of the header section", ok + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 100), 0, ""},
		{"huge Content-Length", ok + "Content-Length: 4000000000\r\n\r\n", 0, "SIP/2.0 400"},
		{"larger than allowed", ok + "Content-Length: 65536\r\n\r\n", 0, ""},
		{"negative Content-Length", ok + "Content-Length: -1\r\n\r\n", 0, "SIP/2.0 400"},
		{"no Content-Length", ok + "\r\n", 0, "SIP/2.0 400"},
		{"two of them", ok + "Content-Length: 0\r\nl: 5\r\n\r\nhello", 0, "SIP/2.0 400"},
		{"twice the same", ok + "Content-Length: 0\r\nl: 0\r\n\r\n" + "X", 1, ""},
		{"malformed, then a good one", ok + "CSeq: x\r\nContent-Length: 3\r\n\r\nabc" + ok + "Content-Length: 0\r\n\r\n", 1, "SIP/2.0 400"},
		{"malformed for too long", strings.Repeat("X sip:x SIP/2.0\r\nCSeq: x\r\nContent-Length: 0\r\n\r\n", 50) + ok + "Content-Length: 0\r\n\r\n", 0, "SIP/2.0 400"},
		{"TLS to the TCP port", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n\n", 0, ""},
		{"only line breaks", strings.Repeat("\r\n", 100000), 0, "\r\n"},
		{"NULs between messages", "\x00\x00" + ok + "Content-Length: 0\r\n\r\n\x00\x00\r\n", 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, network *netsim.Network) {
				a := start(t, network.NewHost("10.0.0.1"), 5060)
				defer a.stop()
				c := dial(t, network.NewHost("10.0.0.66"), "10.0.0.1:5060")
				_, err := io.WriteString(c, tt.sent)
				must(t, err)
				answer := make(chan string, 1)
				go func() { answer <- answerOf(c) }()
				time.Sleep(11 * time.Minute) // longer than any connection may be silent
				if got := <-answer; !strings.HasPrefix(got, tt.answer) || len(got) > 1000 {
					t.Errorf("answered %.200q, want %q", got, tt.answer)
				}
				if n := len(a.received()); n != tt.messages {
					t.Errorf("%d messages, want %d", n, tt.messages)
				}
				if a.flowCount() != 0 {
					t.Error("the connection stays")
				}
				_ = c.Close()
			})
		})
	}
}

// Whoever sends a byte now and then cannot hold a connection for longer than a message may take.
func TestSlowLoris(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		a := start(t, network.NewHost("10.0.0.1"), 5060)
		defer a.stop()
		c := dial(t, network.NewHost("10.0.0.66"), "10.0.0.1:5060")
		begun := time.Now()
		var wrote int
		for {
			if _, err := io.WriteString(c, "O"); err != nil {
				break
			}
			if wrote++; wrote > 1000 {
				t.Fatal("it may go on for ever")
			}
			time.Sleep(time.Second)
		}
		if d := time.Since(begun); d > messageTime+5*time.Second {
			t.Errorf("held for %v", d)
		}
		_ = c.Close()
	})
}

// Ten thousand connections of a flood, each with junk or with nothing: never more than the table has room for, a real
// peer still gets in, and all is gone at the end.
func TestJunkConnections(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		host := network.NewHost("10.0.0.1")
		a := start(t, host, 5060)
		defer a.stop()
		steady := start(t, network.NewHost("10.0.0.2"), 5060) // the account's server
		defer steady.stop()
		exchange(t, a, steady, target("tcp", "10.0.0.2:5060"), trust.Policy{})
		friend := start(t, network.NewHost("10.0.0.3"), 5060)
		defer friend.stop()
		exchange(t, friend, a, target("tcp", "10.0.0.1:5060"), trust.Policy{})
		before := runtime.NumGoroutine()
		var conns []net.Conn
		var wg sync.WaitGroup
		attackers := make([]*netsim.Host, 40)
		for i := range attackers {
			attackers[i] = network.NewHost(fmt.Sprintf("10.6.0.%d", i+1))
		}
		for i := range 10000 {
			c := dial(t, attackers[i%len(attackers)], "10.0.0.1:5060")
			if i%3 == 0 {
				_, _ = io.WriteString(c, "junk\r\njunk\r\n\r\n")
			}
			conns = append(conns, c)
			if i%500 == 0 {
				synctest.Wait()
				if n := a.flowCount(); n > maxAccepted+2 {
					t.Fatalf("%d connections", n)
				}
			}
		}
		exchange(t, friend, a, target("tcp", "10.0.0.1:5060"), trust.Policy{})
		exchange(t, a, steady, target("tcp", "10.0.0.2:5060"), trust.Policy{})
		if n := len(friend.received()); n != 2 {
			t.Errorf("the friend has %d answers", n)
		}
		if a.Counters().Evicted == 0 {
			t.Error("nobody was evicted")
		}
		for _, c := range conns {
			wg.Go(func() { _ = c.Close() })
		}
		wg.Wait()
		time.Sleep(time.Minute)
		if n := a.flowCount(); n != 2 {
			t.Errorf("%d connections stay", n)
		}
		if now := runtime.NumGoroutine(); now > before+2 {
			t.Errorf("%d goroutines, %d before", now, before)
		}
	})
}

// One address has its share only.
func TestShareOfOneAddress(t *testing.T) {
	bubble(t, func(t *testing.T, network *netsim.Network) {
		a := start(t, network.NewHost("10.0.0.1"), 5060)
		defer a.stop()
		mallory := network.NewHost("10.0.0.66")
		for range 100 {
			defer func(c net.Conn) { _ = c.Close() }(dial(t, mallory, "10.0.0.1:5060"))
		}
		synctest.Wait()
		if n := a.flowCount(); n != maxAcceptedFrom {
			t.Errorf("%d connections, want %d", n, maxAcceptedFrom)
		}
	})
}

// framesOf cuts data into frames, n bytes at a time.
func framesOf(data []byte, n int) (out []string, held int, err error) {
	var f framer
	for len(data) > 0 {
		k := min(n, len(data))
		f.write(data[:k])
		data = data[k:]
		for {
			kind, raw, err := f.next()
			if err != nil {
				return out, held, err
			}
			held = max(held, len(f.buf))
			if kind == frameNone {
				break
			}
			if kind == frameMessage {
				out = append(out, string(raw))
			}
		}
	}
	return out, held, nil
}

// However a stream is cut into reads, the messages are the same, and little is held.
func FuzzFramer(f *testing.F) {
	one := options("TCP", 5).String()
	f.Add([]byte(one+"\r\n\r\n"+one), 7)
	f.Add([]byte("\r\n\r\n"), 1)
	f.Add([]byte("\r"+one), 1)
	f.Add([]byte("OPTIONS sip:x SIP/2.0\r\nl : 3\r\n\r\nabcOPTIONS sip:x SIP/2.0\r\nl: 0\r\n\r\n"), 2)
	f.Add([]byte("A\x00 SIP/2.0\nContent-Length:9\r\n\r\n"), 3)
	f.Fuzz(func(t *testing.T, data []byte, n int) {
		n = 1 + max(0, n)%100
		whole, _, errWhole := framesOf(data, len(data))
		pieces, held, errPieces := framesOf(data, n)
		if held > maxMessage+n+maxStartLine {
			t.Fatalf("%d bytes held", held)
		}
		if strings.Join(whole, "|") != strings.Join(pieces, "|") || (errWhole == nil) != (errPieces == nil) {
			t.Fatalf("whole %q %v, in pieces %q %v", whole, errWhole, pieces, errPieces)
		}
	})
}
