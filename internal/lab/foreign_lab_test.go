//go:build lab

package lab

import (
	"context"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/score"
)

// within bounds one step of a test.
func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// must fails the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestForeignPeersMeet proves the lab itself: two foreign programs register, call and chat.
func TestForeignPeersMeet(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{
		User: "bob", Domain: Info, Buddies: []string{"sip:carol@info.test", "sip:alice@info.test"},
	})
	must(t, err)
	alice, err := l.Mobile(0).StartLinphone(t.Context(), LinphoneConfig{User: "alice", Domain: Info})
	must(t, err)
	bindings, err := l.Bindings(t.Context(), Info, "alice")
	must(t, err)
	t.Logf("alice's bindings: %v", bindings)
	if len(bindings) != 1 {
		t.Errorf("alice has the bindings %v, want one", bindings)
	}

	since := time.Now()
	must(t, alice.Command("call "+bob.AOR))
	event, err := bob.WaitEvent(within(t, 10*time.Second), since, "CALL_ESTABLISHED")
	must(t, err)
	t.Logf("linphonec calls baresip: established after %v", event.At.Sub(since))
	must(t, bob.Hangup(t.Context()))
	_, err = bob.WaitEvent(within(t, 5*time.Second), since, "CALL_CLOSED")
	must(t, err)

	mark := bob.LogSize()
	must(t, alice.Message(bob.AOR, "hello from linphonec"))
	_, err = bob.WaitLog(within(t, 5*time.Second), mark, `hello from linphonec`)
	must(t, err)
	mark = alice.OutputSize()
	must(t, bob.Message(t.Context(), alice.AOR, "hello from baresip"))
	_, err = alice.WaitOutput(within(t, 5*time.Second), mark, `hello from baresip`)
	must(t, err)
}

// suiteCodec is a codec in the words of the programs.
type suiteCodec struct {
	name     string
	baresip  string                         // empty: it has none
	linphone LinphoneCodec                  // without a name: it has none
	source   func(score.SpeechFiles) string // what baresip plays
}

var (
	narrowSpeech = func(f score.SpeechFiles) string { return f.Narrow }
	mediumSpeech = func(f score.SpeechFiles) string { return f.Medium }
	stereoSpeech = func(f score.SpeechFiles) string { return f.Stereo }
)

// codecs of the suite; moreCodecs are proven in plain calls only. Debian's baresip is built without Speex, linphonec has
// L16 at 44.1 kHz only.
var (
	codecs = []suiteCodec{
		{"PCMU", "pcmu", LinphoneCodec{"PCMU", 8000, 1}, narrowSpeech},
		{"opus", "opus/48000/2", LinphoneCodec{"opus", 48000, 2}, stereoSpeech},
	}
	moreCodecs = []suiteCodec{
		{"PCMA", "pcma", LinphoneCodec{"PCMA", 8000, 1}, narrowSpeech},
		{"G722", "g722/16000/1", LinphoneCodec{"G722", 8000, 1}, mediumSpeech},
		{"GSM", "gsm", LinphoneCodec{"GSM", 8000, 1}, narrowSpeech},
		{"speex", "", LinphoneCodec{"speex", 16000, 1}, mediumSpeech},
		{"L16", "l16/16000/1", LinphoneCodec{}, mediumSpeech},
	}
)

// TestForeignSoundArrives proves the sound judge on two baresips.
func TestForeignSoundArrives(t *testing.T) {
	t.Parallel()
	files := suiteSpeech(t)
	for _, codec := range codecs {
		t.Run(codec.name, func(t *testing.T) {
			l := newLab(t, Config{})
			start := func(h *Host, user string) *Baresip {
				b, err := h.StartBaresip(t.Context(), BaresipConfig{
					User: user, Domain: Info, Codecs: []string{codec.baresip}, Source: "aufile," + codec.source(files),
				})
				must(t, err)
				return b
			}
			alice, bob := start(&l.Mobile(0).Host, "alice"), start(l.Correspondent(0), "bob")
			since := time.Now()
			must(t, alice.Dial(t.Context(), bob.AOR))
			_, err := bob.WaitEvent(within(t, 10*time.Second), since, "CALL_ESTABLISHED")
			must(t, err)
			time.Sleep(8 * time.Second)
			must(t, alice.Hangup(t.Context()))
			_, err = bob.WaitEvent(within(t, 5*time.Second), since, "CALL_CLOSED")
			must(t, err)
			for _, end := range []*Baresip{alice, bob} {
				recordings, err := end.Recordings()
				must(t, err)
				if len(recordings) != 1 {
					t.Fatalf("%s has the recordings %v", end.AOR, recordings)
				}
				judge(t, "heard by "+end.AOR, codec.source(files), recordings[0], 7*time.Second)
			}
		})
	}
}

// TestForeignMobileMoves proves the packet judge: linphonec sees its move by a 5 s poll.
func TestForeignMobileMoves(t *testing.T) {
	l := newLab(t, Config{})
	files := suiteSpeech(t)
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{
		User: "bob", Domain: Info, Codecs: []string{"pcmu"}, Source: "aufile," + files.Narrow,
	})
	must(t, err)
	mh := l.Mobile(0)
	alice, err := mh.StartLinphone(t.Context(), LinphoneConfig{User: "alice", Domain: Info, Play: files.Wide})
	must(t, err)
	atMobile, err := mh.Capture()
	must(t, err)
	atPeer, err := l.Correspondent(0).Capture()
	must(t, err)
	since := time.Now()
	must(t, alice.Command("call "+bob.AOR))
	_, err = bob.WaitEvent(within(t, 10*time.Second), since, "CALL_ESTABLISHED")
	must(t, err)
	time.Sleep(2 * time.Second)
	move, err := mh.Roam(t.Context(), 0)
	must(t, err)
	time.Sleep(7 * time.Second)
	mobilePackets, err := atMobile.Stop()
	must(t, err)
	peerPackets, err := atPeer.Stop()
	must(t, err)
	down, up := moved(t, "linphonec", move, mobilePackets, peerPackets)
	if !down.Back() || !up.Back() || down.SinceUp > 6*time.Second {
		t.Error("linphonec's call did not come back within 6 s of a move")
	}
}
