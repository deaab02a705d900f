package sip

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"syscall"
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
	return addrPort(c.LocalAddr())
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

// extended makes the control message of an error: its type, level, errno and origin.
func extended(kind, level int32, errno uint32, origin byte) []byte {
	head := syscall.Cmsghdr{Level: level, Type: kind}
	head.SetLen(syscall.CmsgLen(extendedErrLen))
	b, err := binary.Append(nil, binary.NativeEndian, head)
	if err != nil {
		panic(err)
	}
	b = binary.NativeEndian.AppendUint32(b, errno)
	b = append(b, origin)
	return append(b, make([]byte, extendedErrLen-5)...)
}

// Only what says that the port is closed counts, and only for the request it quotes.
func TestSaysPortClosed(t *testing.T) {
	tests := []struct {
		name    string
		control []byte
		want    bool
	}{
		{"nothing", nil, false},
		{"port closed", extended(11, 0, 111, 2), true},
		{"port closed over IPv6", extended(25, 41, 111, 3), true},
		{"host unreachable", extended(11, 0, 113, 2), false},
		{"too large for a link", extended(11, 0, 90, 2), false},
		{"made here", extended(11, 0, 111, 1), false},
		{"another message", extended(2, 0, 111, 2), false},
		{"cut off", extended(11, 0, 111, 2)[:20], false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := saysPortClosed(tt.control); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
