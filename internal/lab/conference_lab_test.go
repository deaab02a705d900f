//go:build lab

package lab

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/score"
	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

// level is how much of the frequency there is in the last seconds of a sound, as a share of its energy (Goertzel).
func level(s score.Sound, hz float64, last time.Duration) float64 {
	samples := s.Samples
	if n := int(last.Seconds() * float64(s.Rate)); len(samples) > n {
		samples = samples[len(samples)-n:]
	}
	// Windows of 100 ms: a tone through a jitter buffer keeps its phase no longer.
	window := s.Rate / 10
	var part, whole float64
	for at := 0; at+window <= len(samples); at += window {
		coefficient := 2 * math.Cos(2*math.Pi*hz/float64(s.Rate))
		var s1, s2 float64
		for _, x := range samples[at : at+window] {
			s0 := float64(x) + coefficient*s1 - s2
			s2, s1 = s1, s0
			whole += float64(x) * float64(x)
		}
		part += (s1*s1 + s2*s2 - coefficient*s1*s2) * 2 / float64(window)
	}
	if whole == 0 {
		return 0
	}
	return part / whole
}

// toneFile makes a tone for a baresip with G.711, whose own tone generator knows 48 kHz only.
func toneFile(t *testing.T, dir string, hz float64) string {
	t.Helper()
	const rate = 8000
	tone := score.Sound{Rate: rate, Samples: make([]float32, 60*rate)}
	for i := range tone.Samples {
		tone.Samples[i] = float32(0.3 * math.Sin(2*math.Pi*hz*float64(i)/rate))
	}
	path := filepath.Join(dir, fmt.Sprintf("tone%.0f.wav", hz))
	must(t, os.WriteFile(path, score.Encode(tone), 0o644))
	return path
}

// TestConference: alice talks with bob and carol at once. Each sends a tone of its own; each hears the two others and
// not itself. Then carol is taken out and hears nobody, while bob still hears alice.
func TestConference(t *testing.T) {
	t.Parallel()
	const ours, bobs, carols = 440, 660, 940 // Hz
	l := newLab(t, Config{Correspondents: 2})
	var peers []*Baresip
	for i, user := range []string{"bob", "carol"} {
		b, err := l.Correspondent(i).StartBaresip(t.Context(), BaresipConfig{
			User: user, Domain: Info, Codecs: []string{"pcmu"}, Source: "aufile," + toneFile(t, l.Dir(), []float64{bobs, carols}[i]),
		})
		must(t, err)
		peers = append(peers, b)
	}
	heard := filepath.Join(l.Dir(), "conference.wav")
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
		"audio.input": "tone:440", "audio.output": "file:" + heard, "codecs": "PCMU",
	}})
	capture, err := alice.Host.Capture()
	must(t, err)
	var ids []string
	for _, b := range peers {
		mark := alice.Mark()
		id, err := alice.Call(t.Context(), b.AOR)
		must(t, err)
		_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
		must(t, err)
		ids = append(ids, id)
	}
	must(t, alice.Do(t.Context(), "conference"))
	for _, id := range ids {
		must(t, poll(within(t, 5*time.Second), 50*time.Millisecond, func() (bool, error) {
			call, err := alice.CallOf(t.Context(), id)
			return call.Conference && call.State == "established", err
		}))
	}
	time.Sleep(4 * time.Second)
	hears(t, "alice", read(t, heard), []float64{bobs, carols}, nil)
	hears(t, "bob", sentTo(capture, peers[0]), []float64{ours, carols}, []float64{bobs})
	hears(t, "carol", sentTo(capture, peers[1]), []float64{ours, bobs}, []float64{carols})

	must(t, alice.Do(t.Context(), "split", ids[1]))
	time.Sleep(3 * time.Second)
	hears(t, "bob, alone", sentTo(capture, peers[0]), []float64{ours}, []float64{bobs, carols})
	hears(t, "carol, on hold", sentTo(capture, peers[1]), nil, []float64{carols})
	if call, err := alice.CallOf(t.Context(), ids[1]); err != nil || call.State != "held" || call.Conference {
		t.Errorf("carol's call is %+v (%v), want it held and out of the conference", call, err)
	}
	for _, id := range ids {
		must(t, alice.Do(t.Context(), "hangup", id))
	}
}

// sentTo is the sound that went to a peer.
func sentTo(c *Capture, b *Baresip) score.Sound {
	var packets []wire.RTP
	for _, p := range wire.Direction(c.Packets(), true) {
		if p.Dst.Addr() == b.Host.Addr() {
			packets = append(packets, p)
		}
	}
	_, pcm := wire.DecodePCMU(packets)
	return score.FromPCM(8000, pcm)
}

// hears looks for tones in the last two seconds of a sound.
func hears(t *testing.T, who string, s score.Sound, tones, never []float64) {
	t.Helper()
	const last = 2 * time.Second
	for _, hz := range tones {
		got := level(s, hz, last)
		t.Logf("%s hears %.0f Hz with %.2f of the energy", who, hz, got)
		if got < 0.1 {
			t.Errorf("%s hears %.0f Hz with %.3f of the energy, want 0.1 at least", who, hz, got)
		}
	}
	for _, hz := range never {
		if got := level(s, hz, last); got > 0.01 {
			t.Errorf("%s hears %.0f Hz with %.3f of the energy, want none", who, hz, got)
		}
	}
}

func read(t *testing.T, path string) score.Sound {
	t.Helper()
	s, err := score.Read(path)
	must(t, err)
	return s
}
