//go:build lab

package lab

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// iceWords are the words of `account add` for ICE with the lab's coturn.
func iceWords(turn string) []string {
	words := []string{"--ice", "--stun", turnAddress}
	if turn != "" {
		words = append(words, "--turn", turn, "--turn-user", turnUser)
	}
	return words
}

// icePhone starts Peregrine with speech in and a file out. password is that of the TURN server.
func icePhone(t *testing.T, h *Host, user, password string, words []string, env ...string) (p *Phone, heard string) {
	t.Helper()
	files := suiteSpeech(t)
	heard = filepath.Join(h.lab.Dir(), user+".wav")
	p = newPhone(t, h, PhoneConfig{
		Env: env, Name: "phone" + user,
		Set: map[string]string{
			"audio.input": "file:" + files.Wide, "audio.output": "file:" + heard, "codecs": "PCMU",
			"audio.echo": "off", "audio.noise": "off", "audio.gain": "off", // the judges compare with the source
		},
	})
	p.AOR = "sip:" + user + "@" + Info.Name
	if password != "" {
		words = append(words, "--turn-password-stdin")
	}
	mark := p.Mark()
	must(t, p.AddAccount(t.Context(), p.AOR, Password(user)+"\n"+password, "", words...))
	_, err := p.WaitEvent(within(t, 10*time.Second), mark, "registered", func(e PhoneEvent) bool {
		return e.Account != nil && e.Account.State == "registered"
	})
	must(t, err)
	return p, heard
}

// waitPath waits until a call says that its path is of a kind.
func waitPath(t *testing.T, p *Phone, id, kind string) {
	t.Helper()
	var last PhoneCall
	began := time.Now()
	// baresip tries pairs that cannot answer one after the other, up to 12 s in all.
	err := poll(within(t, 20*time.Second), 50*time.Millisecond, func() (bool, error) {
		var err error
		last, err = p.CallOf(t.Context(), id)
		return last.Path == kind, err
	})
	t.Logf("%s: the path is %q after %v", p.AOR, last.Path, time.Since(began).Round(time.Millisecond))
	if err != nil {
		t.Errorf("%s: the path is %q, want %q", p.AOR, last.Path, kind)
	}
}

// TestICEBetweenOurs: two Peregrines in one network talk directly, through a NAT by its address, and through two
// symmetric NATs by the relay.
func TestICEBetweenOurs(t *testing.T) {
	for _, c := range []struct {
		name             string
		alice, bob       string // "": in the wired network; "cone", "symmetric": behind such a NAT
		turn, env        string
		aliceWay, bobWay string
	}{
		{name: "same network", aliceWay: "direct", bobWay: "direct"},
		{name: "one behind a NAT", alice: "cone", aliceWay: "nat", bobWay: "nat"},
		{name: "both behind symmetric NATs", alice: "symmetric", bob: "symmetric", turn: "turn:" + turnAddress, aliceWay: "relay", bobWay: "relay"},
		{name: "relay by TCP", alice: "symmetric", bob: "symmetric", turn: "turn:" + turnAddress + "?transport=tcp", aliceWay: "relay", bobWay: "relay"},
		{name: "relay by TLS", alice: "symmetric", bob: "symmetric", turn: "turns:" + turnName, env: "SSL_CERT_FILE=", aliceWay: "relay", bobWay: "relay"},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := suiteSpeech(t)
			l := newLab(t, Config{Correspondents: 2})
			turn, err := l.StartTURN(within(t, 20*time.Second))
			must(t, err)
			var env []string
			if c.env != "" {
				env = []string{c.env + turn.AuthorityFile()}
			}
			place := func(i int, how string) *Host {
				if how == "" {
					return l.Correspondent(i)
				}
				h, err := l.BehindNAT(t.Context(), i, how == "symmetric")
				must(t, err)
				return h
			}
			alice, heardByAlice := icePhone(t, place(0, c.alice), "alice", Password(turnUser), iceWords(c.turn), env...)
			bob, heardByBob := icePhone(t, place(1, c.bob), "bob", Password(turnUser), iceWords(c.turn), env...)
			must(t, bob.Do(t.Context(), "set", "autoanswer", "on"))
			mark, bobMark := alice.Mark(), bob.Mark()
			since := time.Now()
			id, err := alice.Call(t.Context(), bob.AOR)
			must(t, err)
			_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
			must(t, err)
			t.Logf("established after %v", time.Since(since).Round(time.Millisecond))
			incoming, err := bob.WaitCall(within(t, 5*time.Second), bobMark, "", "established")
			must(t, err)
			waitPath(t, alice, id, c.aliceWay)
			waitPath(t, bob, incoming.ID, c.bobWay)
			time.Sleep(talk)
			must(t, alice.Do(t.Context(), "hangup", id))
			_, err = bob.WaitCall(within(t, 5*time.Second), bobMark, incoming.ID, "ended")
			must(t, err)
			judge(t, "heard by alice", files.Wide, heardByAlice, talk*3/4)
			judge(t, "heard by bob", files.Wide, heardByBob, talk*3/4)
			if t.Failed() {
				t.Logf("coturn:\n%s", tail(turn.Log(0), 3000))
			}
		})
	}
}

// icePeers are foreign programs that do ICE with the lab's coturn, with a relay of it or without.
func icePeers(t *testing.T, relay bool) map[string]func(t *testing.T, h *Host) (talker, string) {
	t.Helper()
	files := suiteSpeech(t)
	return map[string]func(t *testing.T, h *Host) (talker, string){
		"baresip": func(t *testing.T, h *Host) (talker, string) {
			t.Helper()
			server := "stun:" + turnAddress + ":3478"
			if relay {
				server = "turn:" + turnAddress + ":3478;stunuser=" + turnUser + ";stunpass=" + Password(turnUser)
			}
			b, err := h.StartBaresip(t.Context(), BaresipConfig{
				User: "bob", Domain: Info, Codecs: []string{"pcmu"}, Source: "aufile," + files.Narrow,
				Lines: []string{"module ice.so"}, Params: ";medianat=ice;stunserver=" + server,
			})
			must(t, err)
			return &baresipTalker{b: b}, files.Narrow
		},
		"linphonec": func(t *testing.T, h *Host) (talker, string) {
			t.Helper()
			lines := []string{"[net]", "nat_policy_ref=lab", "[nat_policy_0]", "ref=lab", "stun_server=" + turnAddress}
			if relay {
				lines = append(lines, "stun_server_username="+turnUser, "protocols=stun,turn,ice",
					"[auth_info_1]", "username="+turnUser, "passwd="+Password(turnUser), "realm="+turnName)
			} else {
				lines = append(lines, "protocols=stun,ice")
			}
			p, err := h.StartLinphone(t.Context(), LinphoneConfig{
				User: "bob", Domain: Info, Play: files.Wide, Codecs: []LinphoneCodec{{"PCMU", 8000, 1}}, Lines: lines,
			})
			must(t, err)
			return &linphoneTalker{p: p}, files.Wide
		},
	}
}

// TestICEWithOthers calls baresip and linphonec both ways, from behind a NAT; they do ICE too. baresip 1.0 makes no pairs
// of peer-reflexive candidates, which are all that a symmetric NAT leaves without a relay.
func TestICEWithOthers(t *testing.T) {
	peers := icePeers(t, false)
	for _, c := range []struct {
		peer      string
		symmetric bool
	}{{"baresip", false}, {"linphonec", false}, {"linphonec", true}} {
		t.Run(fmt.Sprintf("%s/symmetric=%v", c.peer, c.symmetric), func(t *testing.T) {
			l := newLab(t, Config{})
			turn, err := l.StartTURN(within(t, 20*time.Second))
			must(t, err)
			inside, err := l.BehindNAT(t.Context(), 0, c.symmetric)
			must(t, err)
			bob, bobSays := peers[c.peer](t, l.Correspondent(0))
			alice, _ := icePhone(t, inside, "alice", "", iceWords(""))
			bothWays(t, alice, bob, bobSays, "nat", c.symmetric)
			if t.Failed() {
				t.Logf("coturn:\n%s", tail(turn.Log(0), 2000))
			}
		})
	}
}

// TestICERelayWithOthers does so with both sides behind symmetric NATs: the relay of one of them carries the sound.
func TestICERelayWithOthers(t *testing.T) {
	for name, start := range icePeers(t, true) {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, Config{})
			turn, err := l.StartTURN(within(t, 20*time.Second))
			must(t, err)
			near, err := l.BehindNAT(t.Context(), 0, true)
			must(t, err)
			far, err := l.BehindNAT(t.Context(), 1, true)
			must(t, err)
			bob, bobSays := start(t, far)
			alice, _ := icePhone(t, near, "alice", Password(turnUser), iceWords("turn:"+turnAddress))
			bothWays(t, alice, bob, bobSays, "relay", true)
			if t.Failed() {
				t.Logf("coturn:\n%s", tail(turn.Log(0), 2000))
			}
		})
	}
}

// bothWays calls and is called, and judges the sound. renamed says that the path is none of the descriptions, so that
// ten seconds later another offer names it.
func bothWays(t *testing.T, alice *Phone, bob talker, bobSays, path string, renamed bool) {
	t.Helper()
	files := suiteSpeech(t)
	for _, aliceCalls := range []bool{true, false} {
		c := callCase{phone: alice, peer: bob, codec: "PCMU", said: files.Wide, peerSaid: bobSays}
		c.heard = filepath.Join(alice.Host.lab.Dir(), map[bool]string{true: "out.wav", false: "in.wav"}[aliceCalls])
		must(t, alice.Do(t.Context(), "set", "audio.output", "file:"+c.heard))
		id := c.establish(t, aliceCalls)
		waitPath(t, alice, id, path)
		time.Sleep(talk)
		if renamed {
			time.Sleep(10*time.Second - talk/2)
		}
		call, err := alice.CallOf(t.Context(), id)
		must(t, err)
		t.Logf("%+v, path %s", call.Quality, call.Path)
		c.end(t, id, aliceCalls)
		// baresip says nothing before its checks have ended, which those of our private address delay by 2 s and more.
		judge(t, "heard by alice", c.peerSaid, c.heard, talk/2)
		judge(t, "heard by bob", c.said, bob.recorded(t), talk/2)
	}
}

// TestICEPlainPeer: with a peer that does not do ICE, a phone behind a NAT writes the address of the NAT into its
// descriptions, in offers and in answers: baresip sends nowhere else.
func TestICEPlainPeer(t *testing.T) {
	files := suiteSpeech(t)
	l := newLab(t, Config{})
	_, err := l.StartTURN(within(t, 20*time.Second))
	must(t, err)
	inside, err := l.BehindNAT(t.Context(), 0, false)
	must(t, err)
	b, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{
		User: "bob", Domain: Info, Codecs: []string{"pcmu"}, Source: "aufile," + files.Narrow,
	})
	must(t, err)
	bob := &baresipTalker{b: b}
	alice, _ := icePhone(t, inside, "alice", Password(turnUser), iceWords("turn:"+turnAddress))
	for _, aliceCalls := range []bool{true, false} {
		c := callCase{phone: alice, peer: bob, codec: "PCMU", said: files.Wide, peerSaid: files.Narrow}
		c.heard = filepath.Join(l.Dir(), map[bool]string{true: "out.wav", false: "in.wav"}[aliceCalls])
		must(t, alice.Do(t.Context(), "set", "audio.output", "file:"+c.heard))
		id := c.establish(t, aliceCalls)
		time.Sleep(talk)
		waitPath(t, alice, id, "")
		c.end(t, id, aliceCalls)
		judge(t, "heard by alice", c.peerSaid, c.heard, talk*3/4)
		judge(t, "heard by bob", c.said, bob.recorded(t), talk*3/4)
	}
}

// deadServer answers nothing: the lab's core has a black hole for it.
const deadServer = "10.77.9.9"

// TestICETrouble: servers that are dead or refuse our password cost 1.5 s at most, are told of in a sentence, once, and
// the sound flows.
func TestICETrouble(t *testing.T) {
	for _, c := range []struct {
		name, password string
		words          []string
		sentence       string
		most           time.Duration // until the call is established
	}{
		{
			name: "dead STUN server", words: []string{"--ice", "--stun", deadServer},
			sentence: "The STUN server", most: 2200 * time.Millisecond,
		},
		{
			name: "dead TURN server", words: []string{"--ice", "--turn", deadServer, "--turn-user", turnUser},
			password: Password(turnUser), sentence: "cannot be used", most: 2200 * time.Millisecond,
		},
		{
			name: "wrong password", password: "wrong", words: iceWords("turn:" + turnAddress),
			sentence: "did not accept the password", most: time.Second,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, Config{})
			_, err := l.StartTURN(within(t, 20*time.Second))
			must(t, err)
			files := suiteSpeech(t)
			b, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{
				User: "bob", Domain: Info, Codecs: []string{"pcmu"}, Source: "aufile," + files.Narrow,
			})
			must(t, err)
			alice, _ := icePhone(t, &l.Mobile(0).Host, "alice", c.password, c.words)
			mark := alice.Mark()
			for range 2 {
				began := time.Now()
				call := startInCall(t, alice, &baresipTalker{b: b})
				answered := time.Since(began) - 500*time.Millisecond // startInCall listens to the sound for a while
				t.Logf("sound flows %v after the call began", answered.Round(time.Millisecond))
				if answered > c.most {
					t.Errorf("the call took %v to begin, want %v at most", answered, c.most)
				}
				_, err = alice.WaitEvent(within(t, 10*time.Second), mark, "a notice", func(e PhoneEvent) bool {
					return e.Notice != nil && strings.Contains(e.Notice.Text, c.sentence)
				})
				must(t, err)
				must(t, alice.Do(t.Context(), "hangup", call.id))
			}
			status, err := alice.Status(t.Context())
			must(t, err)
			if len(status.Notices) != 1 {
				t.Errorf("two calls left the notices %+v, want one", status.Notices)
			}
		})
	}
}

// TestICEMove: a call with ICE goes on from another network, after a restart (RFC 8445 9).
func TestICEMove(t *testing.T) {
	starts := icePeers(t, false)
	for _, name := range []string{"baresip", "linphonec"} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, Config{})
			_, err := l.StartTURN(within(t, 20*time.Second))
			must(t, err)
			bob, _ := starts[name](t, l.Correspondent(0))
			alice, _ := icePhone(t, &l.Mobile(0).Host, "alice", "", iceWords(""))
			c := startInCall(t, alice, bob)
			waitPath(t, alice, c.id, "direct")
			move, err := l.Mobile(0).Roam(t.Context(), 200*time.Millisecond)
			must(t, err)
			time.Sleep(5 * time.Second)
			c.flows(t, "after the move", move.Up, sound, sound)
			waitPath(t, alice, c.id, "direct")
			must(t, alice.Do(t.Context(), "hangup", c.id))
			must(t, bob.closed(within(t, 5*time.Second)))
		})
	}
}

// TestICEMoveBetweenOurs moves one of two Peregrines in a call with ICE; both hear the other afterwards.
func TestICEMoveBetweenOurs(t *testing.T) {
	l := newLab(t, Config{})
	_, err := l.StartTURN(within(t, 20*time.Second))
	must(t, err)
	alice, _ := icePhone(t, &l.Mobile(0).Host, "alice", "", iceWords(""))
	bob, _ := icePhone(t, l.Correspondent(0), "bob", "", iceWords(""))
	must(t, bob.Do(t.Context(), "set", "autoanswer", "on"))
	mark, bobMark := alice.Mark(), bob.Mark()
	id, err := alice.Call(t.Context(), bob.AOR)
	must(t, err)
	_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	incoming, err := bob.WaitCall(within(t, 5*time.Second), bobMark, "", "established")
	must(t, err)
	waitPath(t, alice, id, "direct")
	for range 2 {
		_, err = l.Mobile(0).Roam(t.Context(), 200*time.Millisecond)
		must(t, err)
		time.Sleep(3 * time.Second)
		for p, call := range map[*Phone]string{alice: id, bob: incoming.ID} {
			before, err := p.CallOf(t.Context(), call)
			must(t, err)
			time.Sleep(time.Second)
			after, err := p.CallOf(t.Context(), call)
			must(t, err)
			n := after.Quality.PacketsReceived - before.Quality.PacketsReceived
			t.Logf("%s gets %d packets in a second, path %s", p.AOR, n, after.Path)
			if n < 40 || after.Path != "direct" || after.State != "established" {
				t.Errorf("%s gets %d packets in a second after the move, path %q: %+v", p.AOR, n, after.Path, after)
			}
		}
	}
	must(t, alice.Do(t.Context(), "hangup", id))
	_, err = bob.WaitCall(within(t, 5*time.Second), bobMark, incoming.ID, "ended")
	must(t, err)
}
