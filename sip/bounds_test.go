package sip

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/netsim"
	"github.com/peregrine-softphone/peregrine/sip/resolve"
	"github.com/peregrine-softphone/peregrine/sip/transport"
	"github.com/peregrine-softphone/peregrine/sip/trust"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// desert is a DNS where no name exists.
type desert struct{}

func (desert) NAPTR(context.Context, string) ([]resolve.NAPTR, time.Duration, error) {
	return nil, time.Second, resolve.ErrNotFound
}

func (desert) SRV(context.Context, string) ([]resolve.SRV, time.Duration, error) {
	return nil, time.Second, resolve.ErrNotFound
}

func (desert) Addr(context.Context, string) ([]netip.Addr, time.Duration, error) {
	return nil, time.Second, resolve.ErrNotFound
}

// Whoever asks for a domain that does not exist can tell the user so.
func TestUnknownDomain(t *testing.T) {
	bubble(t, 0, func(t *testing.T, l *lab) {
		p := l.phone("10.0.0.1", func(c *Config) {
			c.Resolver = resolve.New(resolve.Config{DNS: desert{}, Transports: []string{"udp", "tcp"}})
		})
		a, err := p.AddAccount(infoAccount("secret"))
		must(t, err)
		to := uri.New("bob", "nowhere.test", 0)
		_, message := a.Message(t.Context(), to, "text/plain", []byte("hi"))
		_, options := a.Options(t.Context(), to)
		_, subscribe := a.Subscribe(t.Context(), SubscribeRequest{Target: to, Event: "presence", Expires: time.Hour})
		c, err := a.Invite(t.Context(), to, &talk{name: "alice"}, CallOptions{})
		must(t, err)
		<-c.Done()
		register := a.Register(t.Context())
		for name, err := range map[string]error{
			"message": message, "options": options, "subscribe": subscribe, "invite": c.EndCause().Err,
			"register": register, "account state": a.State().Err,
		} {
			if !errors.Is(err, resolve.ErrNotFound) || !errors.Is(err, ErrTransport) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if got := c.EndCause().Reason; got != EndedFailed {
			t.Errorf("the call ended as %v", got)
		}
	})
}

// invitation is a complete INVITE from 10.0.0.2 with more lines in its head.
func invitation(proto, branch, more, body string) string {
	return "INVITE sip:alice@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/" + proto + " 10.0.0.2:5060;branch=z9hG4bK" + branch + "\r\n" +
		more + "Max-Forwards: 70\r\nFrom: <sip:bob@10.0.0.2>;tag=" + branch + "\r\nTo: <sip:alice@10.0.0.1>\r\nCall-ID: " + branch +
		"\r\nCSeq: 1 INVITE\r\nContact: <sip:bob@10.0.0.2>\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
}

func TestRequestsOfAbsurdSize(t *testing.T) {
	const via = "Via: SIP/2.0/UDP 10.9.9.9;branch=z9hG4bK\r\n"
	tests := []struct {
		name, packet string
		want         string // start of the answer; empty: none
	}{
		{"as proxies make them", invitation("UDP", "1", strings.Repeat(via, 70), ""), "SIP/2.0 404"},
		{"10,000 Via in a line each", invitation("UDP", "2", strings.Repeat("v:SIP/2.0/UDP a;branch=z\r\n", 2300), ""), ""},
		{"as many in one line", invitation("UDP", "3", "v: "+strings.Repeat("SIP/2.0/UDP a,", 4000)+"SIP/2.0/UDP a\r\n", ""), ""},
		{"headers nobody knows", invitation("UDP", "4", strings.Repeat("a:\r\n", 10000), ""), ""},
		{"a large body", invitation("UDP", "5", "", strings.Repeat("x", maxBody+1)), "SIP/2.0 413"},
		{"a long name", invitation("UDP", "6", "Subject: "+strings.Repeat("x", 60000)+"\r\n", ""), "SIP/2.0 513"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				u := l.phone("10.0.0.1", nil)
				u.lan("zoe")
				p := l.peer("10.0.0.2:5060")
				p.send("10.0.0.1:5060", tt.packet)
				if tt.want != "" {
					p.await(tt.want)
					return
				}
				time.Sleep(time.Second)
				if s := u.Stats(); s.Junk+s.Dropped != 1 || s.Transactions != 0 || len(p.in) != 0 {
					t.Errorf("%+v, %d answers", s, len(p.in))
				}
			})
		})
	}
}

// On a stream there is no way past a message that is too large: the connection is closed, and nothing else suffers.
func TestStreamOfAbsurdSize(t *testing.T) {
	tests := []struct{ name, head, part string }{
		{"a body", invitation("TCP", "1", "", strings.Repeat("x", 70000)), ""},
		{"headers without end", strings.TrimSuffix(invitation("TCP", "2", "", ""), "\r\n"), strings.Repeat("a: b\r\n", 1000)},
		{"a line without end", "INVITE sip:alice@10.0.0.1 SIP/2.0\r\nSubject: ", strings.Repeat("x", 4000)},
		{"a start line without end", "INVITE ", strings.Repeat("x", 4000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, ms, func(t *testing.T, l *lab) {
				u := l.phone("10.0.0.1", nil)
				u.lan("alice")
				host := l.net.NewHost("10.0.0.2")
				conn, err := host.DialContext(t.Context(), "tcp", "10.0.0.1:5060")
				must(t, err)
				defer func() { must(t, conn.Close()) }()
				_, err = io.WriteString(conn, tt.head)
				for i := 0; err == nil && i < 100 && tt.part != ""; i++ {
					time.Sleep(ms)
					_, err = io.WriteString(conn, tt.part)
				}
				must(t, conn.SetReadDeadline(time.Now().Add(time.Minute)))
				var late net.Error
				if _, err := io.Copy(io.Discard, conn); errors.As(err, &late) && late.Timeout() {
					t.Error("the connection stays open")
				}
				if s := u.Stats(); s.Junk != 1 || s.Calls != 0 {
					t.Errorf("%+v", s)
				}
			})
		})
	}
}

// A datagram that claims to repeat a request of a TCP connection is not answered over that connection: its peer may
// not read, and then the phone would be deaf.
func TestRepeatByAnotherTransport(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		u := l.phone("10.0.0.1", nil)
		u.lan("alice")
		u.onCall = func(c *Call) { _ = c.Decline(t.Context(), 486) }
		host := l.net.NewHost("10.0.0.2")
		conn, err := host.DialContext(t.Context(), "tcp", "10.0.0.1:5060")
		must(t, err)
		_, err = io.WriteString(conn, invitation("TCP", "1", "", ""))
		must(t, err)
		time.Sleep(time.Second)
		must(t, conn.Close())
		time.Sleep(10 * ms)
		host.SetAddrs() // gone: a new connection to it would take 5 s to fail
		p := l.peer("10.0.0.3:5060")
		p.send("10.0.0.1:5060", invitation("UDP", "1", "", ""))
		asked := time.Now()
		p.request("10.0.0.1:5060", "OPTIONS sip:alice@10.0.0.1", "o", "",
			"From: <sip:peer@10.0.0.3>;tag=p", "To: <sip:alice@10.0.0.1>", "Call-ID: o", "CSeq: 1 OPTIONS")
		p.await("SIP/2.0 200")
		if took := time.Since(asked); took > 100*ms {
			t.Errorf("the next request was answered after %v", took)
		}
	})
}

// Calls that never were one leave the table soon, and strangers cannot fill it.
func TestTablesUnderFlood(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		u := l.phone("10.0.0.1", nil)
		u.lan("alice")
		u.onCall = func(c *Call) { _ = c.Decline(t.Context(), 486) }
		p := l.peer("10.0.0.2:5060")
		for i := range 200 {
			p.send("10.0.0.1:5060", invitation("UDP", fmt.Sprint(i), "", ""))
			time.Sleep(50 * ms)
			p.drain()
		}
		time.Sleep(3 * time.Second)
		if n := u.Stats().Dialogs; n != 0 {
			t.Errorf("%d dialogs", n)
		}
	})
	table := dialogs{m: map[dialogKey]owner{}}
	full := 0
	for i := range maxDialogs {
		if !table.add(dialogKey{callID: fmt.Sprint(i)}, &ServerSubscription{}) {
			full++
		}
	}
	if full != maxDialogs-maxStrangers || !table.add(dialogKey{callID: "call"}, &Call{}) {
		t.Errorf("%d refused, %d in the table", full, table.size())
	}
	table.remove(dialogKey{callID: "0"})
	table.remove(dialogKey{callID: "0"})
	if !table.add(dialogKey{callID: "new"}, &ServerSubscription{}) {
		t.Error("no room after a subscription has ended")
	}
}

// A TCP connection over which nothing came back for a whole transaction is not used again.
func TestDeadConnectionIsReplaced(t *testing.T) {
	bubble(t, ms, func(t *testing.T, l *lab) {
		alice, _, a := pair(l)
		to := bobURI().WithParam("transport", "tcp")
		_, err := a.Options(t.Context(), to)
		must(t, err)
		used := func() transport.Conn {
			f, err := alice.tp.Path(t.Context(), at("tcp", "10.0.0.2:5060")[0], trust.Policy{})
			must(t, err)
			return f
		}
		first := used()
		time.Sleep(time.Minute)
		if used() != first {
			t.Error("a connection at rest was replaced")
		}
		l.net.SetPath("10.0.0.1", "10.0.0.2", netsim.Path{Down: true})
		_, err = a.Options(t.Context(), to)
		wantErr(t, err, ErrNoAnswer)
		l.net.SetPath("10.0.0.1", "10.0.0.2", netsim.Path{Latency: ms})
		if used() == first {
			t.Error("the dead connection stays")
		}
		_, err = a.Options(t.Context(), to)
		must(t, err)
	})
}
