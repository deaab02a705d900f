package sip

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// onLoopback runs a user agent on the real sockets of this computer, with a LAN account.
func onLoopback(t *testing.T, user string) (*UA, *Account) {
	t.Helper()
	u, err := New(context.Background(), Config{Handler: &phone{}, Resolver: names{}})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- u.Run(ctx) }()
	<-u.Ready()
	t.Cleanup(func() {
		cancel()
		must(t, <-ended)
	})
	a, err := u.AddAccount(AccountConfig{ID: user, AOR: uri.New(user, "", 0)})
	must(t, err)
	return u, a
}

// closedPort gives an address of this computer where nobody listens.
func closedPort(t *testing.T, ip string) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(ip), 0)))
	must(t, err)
	defer func() { must(t, c.Close()) }()
	return netip.MustParseAddrPort(c.LocalAddr().String())
}

// A closed port ends a request long before timer F (32 s), and a call as well.
func TestClosedPortFailsFast(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			_, a := onLoopback(t, "alice")
			to := uri.New("bob", ip, int(closedPort(t, ip).Port()))
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			_, err := a.Options(ctx, to)
			if !errors.Is(err, ErrPortClosed) || !errors.Is(err, ErrNoAnswer) {
				t.Errorf("OPTIONS: %v", err)
			}
			c, err := a.Invite(ctx, to, &talk{name: "alice"}, CallOptions{})
			must(t, err)
			select {
			case <-c.Done():
			case <-ctx.Done():
				t.Fatal("the call goes on")
			}
			if cause := c.EndCause(); cause.Reason != EndedNoAnswer || !errors.Is(cause.Err, ErrPortClosed) {
				t.Errorf("the call ended as %+v", cause)
			}
		})
	}
}

// The errors of requests to a dead peer do not harm those to a living one.
func TestClosedPortNextToALivingPeer(t *testing.T) {
	_, a := onLoopback(t, "alice")
	bob, _ := onLoopback(t, "bob")
	dead := uri.New("eve", "127.0.0.1", int(closedPort(t, "127.0.0.1").Port()))
	living := uri.New("bob", "127.0.0.1", bob.Port())
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if _, err := a.Options(ctx, dead); !errors.Is(err, ErrPortClosed) {
				t.Errorf("to the dead: %v", err)
			}
		})
		wg.Go(func() {
			for range 20 {
				if code, err := a.Message(ctx, living, "text/plain", []byte("hi")); code != 200 || err != nil {
					t.Errorf("to the living: %d, %v", code, err)
				}
			}
		})
	}
	wg.Wait()
}
