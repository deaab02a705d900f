//go:build lab

package lab

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

// talk is how long a judged call lasts.
const talk = 6 * time.Second

// callCase is one call between Peregrine and a foreign peer.
type callCase struct {
	phone          *Phone
	peer           talker
	host           *Host // of the peer
	codec          string
	said, peerSaid string // WAV files that the phone and the peer play
	heard          string // WAV file the phone writes
}

// allCodecs is the setting of the phone whose codec the other side chooses.
const allCodecs = "opus,G722,PCMU,PCMA,speex,GSM,L16"

// TestCallsWithBaresip registers with digest and calls both ways, with every codec that both programs have: the speech of
// either end is found whole in the recording of the other, the delay printed.
func TestCallsWithBaresip(t *testing.T) {
	files := suiteSpeech(t)
	for _, codec := range slices.Concat(codecs, moreCodecs) {
		if codec.baresip == "" {
			continue
		}
		t.Run(codec.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Config{})
			bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{
				User: "bob", Domain: Info, Codecs: []string{codec.baresip}, Source: "aufile," + codec.source(files),
				Lines: []string{"module g722.so", "module gsm.so", "module l16.so"},
			})
			must(t, err)
			alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
				"audio.input": "file:" + files.Wide, "audio.output": "none", "codecs": allCodecs,
			}})
			if bindings, err := l.Bindings(t.Context(), Info, "alice"); err != nil || len(bindings) != 1 {
				t.Errorf("alice's bindings at Kamailio: %v (%v), want one", bindings, err)
			}
			for _, direction := range []string{"alice calls", "bob calls"} {
				t.Run(direction, func(t *testing.T) {
					c := callCase{phone: alice, peer: &baresipTalker{b: bob}, host: bob.Host, codec: codec.name, said: files.Wide, peerSaid: codec.source(files)}
					c.heard = filepath.Join(l.Dir(), strings.ReplaceAll(direction, " ", "-")+".wav")
					must(t, alice.Do(t.Context(), "set", "audio.output", "file:"+c.heard))
					c.run(t, direction == "alice calls")
				})
			}
			must(t, alice.Stop(t.Context()))
			if bindings, err := l.Bindings(t.Context(), Info, "alice"); err != nil || len(bindings) != 0 {
				t.Errorf("alice's bindings after quit: %v (%v), want none", bindings, err)
			}
		})
	}
}

// TestCallsWithLinphone is the same with linphonec, which speaks from a WAV file and writes one. It keeps its own codecs
// beside the one enabled, so that ours has that one only.
func TestCallsWithLinphone(t *testing.T) {
	files := suiteSpeech(t)
	for _, codec := range slices.Concat(codecs, moreCodecs) {
		if codec.linphone.Name == "" {
			continue
		}
		t.Run(codec.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Config{})
			bob, err := l.Correspondent(0).StartLinphone(t.Context(), LinphoneConfig{
				User: "bob", Domain: Info, Play: files.Wide, Codecs: []LinphoneCodec{codec.linphone},
			})
			must(t, err)
			alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
				"audio.input": "file:" + files.Wide, "audio.output": "none", "codecs": codec.name,
			}})
			for _, direction := range []string{"alice calls", "bob calls"} {
				t.Run(direction, func(t *testing.T) {
					c := callCase{phone: alice, peer: &linphoneTalker{p: bob}, host: bob.Host, codec: codec.name, said: files.Wide, peerSaid: files.Wide}
					c.heard = filepath.Join(l.Dir(), strings.ReplaceAll(direction, " ", "-")+".wav")
					must(t, alice.Do(t.Context(), "set", "audio.output", "file:"+c.heard))
					c.run(t, direction == "alice calls")
				})
			}
		})
	}
}

func (c callCase) run(t *testing.T, phoneCalls bool) {
	capture, err := c.host.Capture()
	must(t, err)
	grown := watchGrowth(c.heard, 2*48000)
	id := c.establish(t, phoneCalls)
	time.Sleep(talk)
	call, err := c.phone.CallOf(t.Context(), id)
	must(t, err)
	c.end(t, id, phoneCalls)
	zero := grown.stop()
	packets, err := capture.Stop()
	must(t, err)

	if !strings.EqualFold(call.Codec, c.codec) {
		t.Errorf("calls says codec %q, want %s", call.Codec, c.codec)
	}
	t.Logf("calls says: %+v", call.Quality)
	want := uint64(talk/(20*time.Millisecond)) - 25
	if call.Quality.PacketsSent < want || call.Quality.PacketsReceived < want || call.Quality.Lost > 0 {
		t.Errorf("quality %+v, want %d packets each way at least and none lost", call.Quality, want)
	}
	judge(t, "heard by alice", c.peerSaid, c.heard, talk*3/4)
	judge(t, "heard by bob", c.said, c.peer.recorded(t), talk*3/4)
	if c.codec == "PCMU" {
		d := delay(t, wire.Direction(packets, true), c.heard, zero)
		t.Logf("delay from bob's packet on the wire to alice's speaker: %v", d.Round(time.Millisecond))
		// The packet's last sample is 20 ms younger than its first; 200 ms is where talk gets hard.
		if d < -40*time.Millisecond || d > 200*time.Millisecond {
			t.Errorf("delay %v, want less than 200 ms", d)
		}
	}
}

// establish sets the call up and returns the phone's id of it.
func (c callCase) establish(t *testing.T, phoneCalls bool) string {
	t.Helper()
	must(t, c.peer.listen())
	mark, since := c.phone.Mark(), time.Now()
	if phoneCalls {
		id, err := c.phone.Call(t.Context(), c.peer.address())
		must(t, err)
		_, err = c.phone.WaitCall(within(t, 10*time.Second), mark, id, "established")
		must(t, err)
		must(t, c.peer.established(within(t, 10*time.Second)))
		t.Logf("established after %v", time.Since(since).Round(time.Millisecond))
		return id
	}
	must(t, c.peer.dial(t.Context(), c.phone.AOR))
	call, err := c.phone.WaitCall(within(t, 10*time.Second), mark, "", "incoming")
	must(t, err)
	if strings.TrimPrefix(call.Peer, "sip:") != strings.TrimPrefix(c.peer.address(), "sip:") || !call.Incoming {
		t.Errorf("incoming call of %q, want %s: %+v", call.Peer, c.peer.address(), call)
	}
	must(t, c.phone.Do(t.Context(), "answer"))
	_, err = c.phone.WaitCall(within(t, 10*time.Second), mark, call.ID, "established")
	must(t, err)
	must(t, c.peer.established(within(t, 10*time.Second)))
	return call.ID
}

// end hangs up at the caller's side and checks that both sides know.
func (c callCase) end(t *testing.T, id string, phoneHangsUp bool) {
	t.Helper()
	mark := c.phone.Mark()
	if phoneHangsUp {
		must(t, c.phone.Do(t.Context(), "hangup", id))
	} else {
		must(t, c.peer.hangup(t.Context()))
	}
	_, err := c.phone.WaitCall(within(t, 5*time.Second), mark, id, "ended")
	must(t, err)
	must(t, c.peer.closed(within(t, 5*time.Second)))
}
