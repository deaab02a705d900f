package ice

import (
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v3"
	"github.com/pion/turn/v5"
)

// startTURN starts a TURN server on the loopback, for the user "u" with the password "p".
func startTURN(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, err := turn.NewServer(turn.ServerConfig{
		Realm: "test",
		AuthHandler: func(a *turn.RequestAttributes) (string, []byte, bool) {
			return a.Username, turn.GenerateAuthKey("u", "test", "p"), a.Username == "u"
		},
		PacketConnConfigs: []turn.PacketConnConfig{{
			PacketConn: conn, RelayAddressGenerator: &turn.RelayAddressGeneratorStatic{
				RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1",
			},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return "turn:" + conn.LocalAddr().String()
}

// TestRelay talks through the relays of both sides, since nothing else gets through.
func TestRelay(t *testing.T) {
	server := startTURN(t)
	cfg := Config{TURN: server, User: "u", Password: "p", Wait: 300 * time.Millisecond}
	a, b := newPhone(t, cfg), newPhone(t, cfg)
	a.blocked, b.blocked = true, true
	a.settle = 0
	if err := a.Prepare(nil); err != nil {
		t.Fatal(err)
	}
	offer := remoteOf(t, a.description(t))
	if len(offer.of(1)) != 2 || len(offer.of(2)) != 2 {
		t.Fatalf("%d and %d candidates, want host and relay of each component", len(offer.of(1)), len(offer.of(2)))
	}
	if err := b.Prepare(offer); err != nil {
		t.Fatal(err)
	}
	answer := remoteOf(t, b.description(t))
	if err := b.Start(offer, false, false); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(answer, true, false); err != nil {
		t.Fatal(err)
	}
	for component := 1; component <= 2; component++ {
		if path := awaitPath(t, a, component); path.Kind != Relay {
			t.Errorf("component %d of the caller goes %s", component, path.Kind)
		}
		awaitPath(t, b, component)
		talk(t, a, b, component, "by relay")
		talk(t, b, a, component, "and back")
	}
	a.phoneProblems(t)
	// The descriptions named the sockets: the controlling side sends another offer, once.
	if !a.WantsOffer() || a.WantsOffer() || b.WantsOffer() {
		t.Error("want one offer more, from the side that made the first")
	}
	again := a.description(t)
	relay, _ := again.Media[0].Attribute("candidate")
	if r := remoteOf(t, again); r.credentials != offer.credentials || len(r.of(1)) != 1 || !strings.Contains(relay, "typ relay") {
		t.Errorf("the further offer says\n%s", again.Marshal())
	}
	if a.WantsOffer() {
		t.Error("after the further offer, one more is wanted")
	}
}

// refusingTURN is a server that takes nobody's password: it answers every request with an error (RFC 8489 9.2.4).
func refusingTURN(t *testing.T, code stun.ErrorCode) string {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			m := &stun.Message{Raw: slices.Clone(buf[:n])}
			if m.Decode() != nil || m.Type.Method != stun.MethodAllocate {
				continue
			}
			answer := stun.CodeUnauthorized
			if m.Contains(stun.AttrMessageIntegrity) {
				answer = code
			}
			out, err := stun.Build(m, stun.NewType(stun.MethodAllocate, stun.ClassErrorResponse),
				&stun.ErrorCodeAttribute{Code: answer}, stun.NewNonce("n"), stun.NewRealm("test"))
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = conn.WriteTo(out.Raw, from)
		}
	}()
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
	})
	return "turn:" + conn.LocalAddr().String()
}

// TestRefusedRelay: the call goes on without a relay, and the user hears of it once.
func TestRefusedRelay(t *testing.T) {
	for _, c := range []struct {
		name string
		code stun.ErrorCode
		want Problem
	}{
		{"wrong password", stun.CodeUnauthorized, ProblemPassword},
		{"wrong credentials", stun.CodeWrongCredentials, ProblemPassword},
		{"forbidden", stun.CodeForbidden, ProblemPassword},
		{"allocation mismatch", stun.CodeAllocMismatch, ProblemTURN},
		{"quota reached", stun.CodeAllocQuotaReached, ProblemTURN},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Config{TURN: refusingTURN(t, c.code), User: "u", Password: "wrong", Wait: 300 * time.Millisecond}
			a, b := newPhone(t, cfg), newPhone(t, Config{})
			connect(t, a, b, false)
			talk(t, a, b, 1, "hello")
			for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
				a.mu.Lock()
				n := len(a.problems)
				a.mu.Unlock()
				if n > 0 {
					break
				}
			}
			a.phoneProblems(t, c.want)
		})
	}
}
