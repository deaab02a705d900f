//go:build lab

package lab

import (
	"context"
	"math"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/score"
	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

// secureCase is a call of which encryption is expected.
type secureCase struct {
	name string
	tls  bool     // of all signalling
	peer []string // baresip: a module and a mediaenc; linphonec: media_encryption and its mandatory
	us   []string // words for our account

	// want is the encryption of the call, called that when the peer calls; the same when empty.
	want, called string
}

// encrypted judges a call both ways: what it says of itself, the speech of both ends, and that a listener on the wire
// finds none.
func (c callCase) encrypted(t *testing.T, phoneCalls bool, want string) {
	t.Helper()
	capture, err := c.phone.Host.Capture()
	must(t, err)
	id := c.establish(t, phoneCalls)
	time.Sleep(talk)
	call, err := c.phone.CallOf(t.Context(), id)
	must(t, err)
	for patience := within(t, 8*time.Second); call.Quality.RTTMS == 0 && patience.Err() == nil; { // reports come every 5 s
		time.Sleep(200 * time.Millisecond)
		call, err = c.phone.CallOf(t.Context(), id)
		must(t, err)
	}
	c.end(t, id, phoneCalls)
	packets, err := capture.Stop()
	must(t, err)
	t.Logf("%s %s, %s, %+v", call.Encryption, call.Cipher, call.Codec, call.Quality)
	if call.Encryption != want || (call.Cipher == "") != (want == "none") {
		t.Errorf("encryption %q %q, want %q", call.Encryption, call.Cipher, want)
	}
	if call.Quality.RTTMS == 0 {
		t.Error("no round trip: the reports did not come through")
	}
	judge(t, "heard by alice", c.peerSaid, c.heard, talk*3/4)
	judge(t, "heard by bob", c.said, c.peer.recorded(t), talk*3/4)
	if want == "none" {
		return
	}
	src, err := score.Read(c.said)
	must(t, err)
	for _, outgoing := range []bool{true, false} {
		unintelligible(t, wire.Direction(packets, outgoing), src)
	}
}

// unintelligible fails when a stream of PCMU on the wire is anything but noise to who has no key.
func unintelligible(t *testing.T, stream []wire.RTP, speech score.Sound) {
	t.Helper()
	var counts [256]float64
	total := 0.0
	for _, p := range stream {
		for _, b := range p.Audio {
			counts[b]++
			total++
		}
	}
	entropy := 0.0
	for _, n := range counts {
		if n > 0 {
			entropy -= n / total * math.Log2(n/total)
		}
	}
	_, pcm := wire.DecodePCMU(stream)
	r, err := score.Compare(speech, score.FromPCM(8000, pcm), false)
	t.Logf("on the wire: %.0f bytes, %.3f bits of entropy per byte, as PCMU: %v (%v)", total, entropy, r, err)
	// The entropy of n evenly spread bytes falls short of 8 by about 255/(2 n ln 2).
	if total < 20000 || entropy < 7.97 {
		t.Errorf("%.0f bytes of %.3f bits: not noise", total, entropy)
	}
	if err == nil {
		t.Errorf("the speech is found on the wire: %v", r)
	}
}

// secureAlice starts our side.
func secureAlice(t *testing.T, l *Lab, byTLS bool, input string, words ...string) *Phone {
	t.Helper()
	if byTLS {
		words = append(words, "--transport", "tls", "--ca-file", l.AuthorityFile())
	}
	return newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Account: words, Set: map[string]string{
		"audio.input": "file:" + input, "audio.output": "none", "codecs": "PCMU",
	}})
}

// bothWays calls and is called.
func (c callCase) bothWays(t *testing.T, l *Lab, s secureCase) {
	t.Helper()
	for _, direction := range []string{"alice calls", "bob calls"} {
		t.Run(direction, func(t *testing.T) {
			c.heard = filepath.Join(l.Dir(), strings.ReplaceAll(direction, " ", "-")+".wav")
			must(t, c.phone.Do(t.Context(), "set", "audio.output", "file:"+c.heard))
			want := s.want
			if direction == "bob calls" && s.called != "" {
				want = s.called
			}
			c.encrypted(t, direction == "alice calls", want)
		})
	}
}

func secureBaresip(t *testing.T, l *Lab, byTLS bool, source string, lines []string, params string) *Baresip {
	t.Helper()
	lines = append([]string{"sip_cafile " + l.AuthorityFile()}, lines...)
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{
		User: "bob", Domain: Info, Codecs: []string{"pcmu"}, Source: "aufile," + source, TLS: byTLS, Lines: lines, Params: params,
	})
	must(t, err)
	return bob
}

// TestSecureBaresip: SDES over TLS and DTLS-SRTP with baresip, both ways.
func TestSecureBaresip(t *testing.T) {
	files := suiteSpeech(t)
	for _, tt := range []secureCase{
		{"SDES", true, []string{"srtp.so", "srtp"}, nil, "sdes", ""},
		{"SDES mandatory", true, []string{"srtp.so", "srtp-mand"}, []string{"--encryption", "required"}, "sdes", ""},
		{"DTLS", false, []string{"dtls_srtp.so", "dtls_srtp"}, nil, "dtls", ""},
		{"DTLS required", false, []string{"dtls_srtp.so", "dtls_srtp"}, []string{"--encryption", "required"}, "dtls", ""},
		{"DTLS asked for second", true, []string{"dtls_srtp.so", "dtls_srtp"}, []string{"--encryption", "required"}, "dtls", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Config{})
			bob := secureBaresip(t, l, tt.tls, files.Narrow, []string{"module " + tt.peer[0]}, ";mediaenc="+tt.peer[1])
			alice := secureAlice(t, l, tt.tls, files.Wide, tt.us...)
			c := callCase{phone: alice, peer: &baresipTalker{b: bob}, host: bob.Host, said: files.Wide, peerSaid: files.Narrow}
			c.bothWays(t, l, tt)
		})
	}
}

func secureLinphone(t *testing.T, l *Lab, byTLS bool, play, encryption, mandatory string) *Linphone {
	t.Helper()
	lines := []string{"[sip]", "media_encryption=" + encryption, "media_encryption_mandatory=" + mandatory}
	if byTLS {
		lines = append(lines, "sip_tls_port=5061", "root_ca="+l.AuthorityFile(), "verify_server_certs=0", "verify_server_cn=0",
			"[proxy_0]", "reg_proxy=<sip:info.test;transport=tls>", "reg_route=<sip:info.test;transport=tls;lr>")
	}
	bob, err := l.Correspondent(0).StartLinphone(t.Context(), LinphoneConfig{User: "bob", Domain: Info, Play: play, Lines: lines})
	must(t, err)
	return bob
}

// TestSecureLinphone is the same with linphonec. It passes over keys in RTP/AVP (it does not know RFC 8643), so only
// what it offers itself is encrypted unless we require it.
func TestSecureLinphone(t *testing.T) {
	files := suiteSpeech(t)
	for _, tt := range []secureCase{
		{"SDES", true, []string{"srtp", "0"}, nil, "none", "sdes"},
		{"SDES mandatory", true, []string{"srtp", "1"}, []string{"--encryption", "required"}, "sdes", ""},
		{"DTLS", false, []string{"dtls", "0"}, nil, "none", "dtls"},
		{"DTLS mandatory", false, []string{"dtls", "1"}, []string{"--encryption", "required"}, "dtls", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Config{})
			bob := secureLinphone(t, l, tt.tls, files.Wide, tt.peer[0], tt.peer[1])
			alice := secureAlice(t, l, tt.tls, files.Wide, tt.us...)
			c := callCase{phone: alice, peer: &linphoneTalker{p: bob}, host: bob.Host, said: files.Wide, peerSaid: files.Wide}
			c.bothWays(t, l, tt)
		})
	}
}

// TestSecureOurselves: AES-GCM between two Peregrines, keys both ways.
func TestSecureOurselves(t *testing.T) {
	files := suiteSpeech(t)
	for _, tt := range []struct {
		name  string
		tls   bool
		words []string
		want  string
	}{
		{"DTLS", false, nil, "dtls"},
		{"SDES", true, []string{"--keys", "sdes"}, "sdes"},
		{"required", true, []string{"--encryption", "required"}, "dtls"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Config{})
			alice := secureAlice(t, l, tt.tls, files.Wide, tt.words...)
			heard := filepath.Join(l.Dir(), "bob.wav")
			words := tt.words
			if tt.tls {
				words = append(words, "--transport", "tls", "--ca-file", l.AuthorityFile())
			}
			bob := newPhone(t, l.Correspondent(0), PhoneConfig{User: "bob", Domain: Info, Account: words, Set: map[string]string{
				"audio.input": "file:" + files.Wide, "audio.output": "file:" + heard, "codecs": "PCMU", "autoanswer": "on",
			}})
			c := callCase{phone: alice, peer: &phoneTalker{p: bob, heard: heard}, host: bob.Host, said: files.Wide, peerSaid: files.Wide}
			c.heard = filepath.Join(l.Dir(), "alice.wav")
			must(t, alice.Do(t.Context(), "set", "audio.output", "file:"+c.heard))
			c.encrypted(t, true, tt.want)
		})
	}
}

// TestSecureRequired: who does not encrypt is refused both ways, with a sentence; nothing is sent.
func TestSecureRequired(t *testing.T) {
	files := suiteSpeech(t)
	l := newLab(t, Config{})
	bob := secureBaresip(t, l, false, files.Narrow, nil, "")
	alice := secureAlice(t, l, false, files.Wide, "--encryption", "required")
	capture, err := alice.Host.Capture()
	must(t, err)
	told := func(t *testing.T, call PhoneCall) {
		t.Helper()
		t.Logf("%s (%s)", call.Reason, call.Detail)
		if !strings.Contains(call.Reason, "does not encrypt, and this account asks for encryption") {
			t.Errorf("the call ended with %q (%s)", call.Reason, call.Detail)
		}
	}
	t.Run("we call", func(t *testing.T) {
		mark := alice.Mark()
		id, err := alice.Call(t.Context(), bob.AOR)
		must(t, err)
		call, err := alice.WaitCall(within(t, 10*time.Second), mark, id, "ended")
		must(t, err)
		told(t, call)
	})
	t.Run("they call", func(t *testing.T) {
		mark, since := alice.Mark(), time.Now()
		must(t, bob.Dial(t.Context(), alice.AOR))
		_, err := bob.WaitEvent(within(t, 5*time.Second), since, "CALL_CLOSED")
		must(t, err)
		call, err := alice.WaitCall(within(t, 5*time.Second), mark, "", "ended") // without having rung
		must(t, err)
		told(t, call)
	})
	packets, err := capture.Stop()
	must(t, err)
	if n := len(wire.Direction(packets, true)); n > 0 {
		t.Errorf("%d packets of sound were sent", n)
	}
}

// TestSecureStripped: somebody on the way took the encryption out of the answer. The call is not made.
func TestSecureStripped(t *testing.T) {
	l := newLab(t, Config{})
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{Name: "alice", Set: map[string]string{"audio.input": "tone:440", "audio.output": "none"}})
	must(t, alice.Do(t.Context(), "account", "add", "alice", "--lan", "--encryption", "required"))
	capture, err := alice.Host.Capture()
	must(t, err)
	s := startSipp(t, l.Correspondent(0), SippConfig{Scenario: "uas_answer"}) // answers RTP/AVP without keys to whatever
	mark := alice.Mark()
	id := callScript(t, alice, s, "ended")
	call, err := alice.WaitCall(within(t, time.Second), mark, id, "ended")
	must(t, err)
	t.Logf("%s (%s)", call.Reason, call.Detail)
	if !strings.Contains(call.Reason, "does not encrypt, and this account asks for encryption") {
		t.Errorf("the call ended with %q", call.Reason)
	}
	expect(t, s) // our BYE came
	packets, err := capture.Stop()
	must(t, err)
	if n := len(wire.Direction(packets, true)); n > 0 {
		t.Errorf("%d packets of sound were sent", n)
	}
	if !regexp.MustCompile(`m=audio \d+ UDP/TLS/RTP/SAVP `).MatchString(s.Messages()) {
		t.Errorf("the offer:\n%s", s.Messages())
	}
}

// phoneTalker is a Peregrine as the other side.
type phoneTalker struct {
	p     *Phone
	heard string
	mark  int64
}

var _ talker = (*phoneTalker)(nil)

func (p *phoneTalker) address() string { return p.p.AOR }

func (p *phoneTalker) listen() error {
	p.mark = p.p.Mark()
	return nil
}

func (p *phoneTalker) dial(ctx context.Context, address string) error {
	_, err := p.p.Call(ctx, address)
	return err
}

func (p *phoneTalker) established(ctx context.Context) error {
	_, err := p.p.WaitCall(ctx, p.mark, "", "established")
	return err
}

func (p *phoneTalker) hangup(ctx context.Context) error { return p.p.Do(ctx, "hangup") }

func (p *phoneTalker) closed(ctx context.Context) error {
	_, err := p.p.WaitCall(ctx, p.mark, "", "ended")
	return err
}

func (p *phoneTalker) hold(ctx context.Context) error   { return p.p.Do(ctx, "hold") }
func (p *phoneTalker) resume(ctx context.Context) error { return p.p.Do(ctx, "resume") }

func (p *phoneTalker) recorded(*testing.T) string { return p.heard }
