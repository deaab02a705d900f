//go:build lab

package lab

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/linkemu"
	"github.com/peregrine-softphone/peregrine/internal/lab/score"
	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

const (
	// narrow is half of what G.711 needs with its headers.
	narrow = 40000
	// adaptWithin is how long a call may take to fit itself to it, both directions.
	adaptWithin = 5 * time.Second
	// adaptSlowly: a phone that reports every 5 s knows of what we send only that late, and one report is not enough; then
	// a re-INVITE may have to be repeated.
	adaptSlowly = 16 * time.Second
	// repeated is what a re-INVITE loses that has to be repeated because our uplink is still full (T1 and twice T1).
	repeated = 2 * time.Second
	// backWithin bounds the way back: at most one change in a minute, and a probe before it.
	backWithin = 100 * time.Second
	// narrowTime is for how long the bandwidth is low after the change.
	narrowTime = 14 * time.Second
	// drained is how long after a change nothing of the congestion is heard any more: the queue and the jitter buffer.
	drained = 4 * time.Second
)

// adapting is one call that is fitted to the network.
type adapting struct {
	name    string
	link    linkemu.Impairment // what becomes of the good one
	baresip bool               // at the other end; else Peregrine
	within  time.Duration
	back    bool // wait for the way back too
}

// TestAdaptation drops the bandwidth in the middle of a PCMU call: it moves to Opus by re-INVITE, and back after the
// network has healed.
func TestAdaptation(t *testing.T) {
	for _, tt := range []adapting{
		{name: "both", link: linkemu.Impairment{Down: narrow, Up: narrow}, within: adaptWithin, back: true},
		{name: "uplink", link: linkemu.Impairment{Up: narrow}, within: adaptWithin},
		{name: "downlink", link: linkemu.Impairment{Down: narrow}, within: adaptWithin},
		{name: "baresip both", link: linkemu.Impairment{Down: narrow, Up: narrow}, baresip: true, within: adaptWithin, back: true},
		{name: "baresip downlink", link: linkemu.Impairment{Down: narrow}, baresip: true, within: adaptWithin},
		{name: "baresip uplink", link: linkemu.Impairment{Up: narrow}, baresip: true, within: adaptSlowly},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t)
		})
	}
}

func (a adapting) run(t *testing.T) {
	files := suiteSpeech(t)
	good := linkemu.Impairment{Delay: 10 * time.Millisecond}
	l := newLab(t, Config{Link: good})
	heard := [2]string{filepath.Join(l.Dir(), "alice.wav"), filepath.Join(l.Dir(), "bob.wav")}
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
		"audio.input": "file:" + files.Wide, "audio.output": "file:" + heard[0], "codecs": "PCMU,opus",
	}})
	bob := a.peer(t, l, files, heard[1])
	capture, err := l.Mobile(0).Capture()
	must(t, err)
	mark := alice.Mark()
	id, err := alice.Call(t.Context(), bob)
	must(t, err)
	_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	began := time.Now()
	time.Sleep(8 * time.Second) // the round trip is known, and what is no queue

	worse := a.link
	worse.Delay = good.Delay
	must(t, l.Shape(worse))
	drop := time.Now()
	a.waitCodec(t, alice, id, "opus", a.within)
	time.Sleep(narrowTime)
	call, err := alice.CallOf(t.Context(), id)
	must(t, err)
	t.Logf("while narrow: %s, %q, %.0f ms round trip", call.Codec, call.Adaptation, call.Quality.RTTMS)
	must(t, l.Shape(good))
	healed := time.Now()
	if a.back {
		a.waitCodec(t, alice, id, "PCMU", backWithin)
		time.Sleep(3 * time.Second)
	}
	must(t, alice.Do(t.Context(), "hangup", id))
	time.Sleep(500 * time.Millisecond)
	packets, err := capture.Stop()
	must(t, err)
	out := a.changes(t, "sent", wire.Direction(packets, true), drop, healed)
	in := a.changes(t, "received", wire.Direction(packets, false), drop, healed)
	logInvites(t, packets, drop)
	from := max(out.Sub(began), in.Sub(began)) + drained
	for i, who := range []string{"alice", "bob"} {
		if !a.baresip {
			judgeAdapted(t, a.name+": "+who+" while narrow", files.Wide, heard[i], from, healed.Sub(began))
		}
	}
}

// peer starts the other end.
func (a adapting) peer(t *testing.T, l *Lab, files score.SpeechFiles, heard string) string {
	t.Helper()
	if a.baresip {
		// A sound server takes the rate and channels of either codec; a file has one, and baresip falls silent.
		sound, err := l.StartSound(t.Context(), "mouth", "ear")
		must(t, err)
		env, err := sound.ALSA("mouth", "ear")
		must(t, err)
		b, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{
			User: "bob", Domain: Info, Codecs: []string{"pcmu", "opus/48000/2"}, Quiet: true,
			Source: "alsa,mouth", Player: "alsa,ear", Env: env, Lines: []string{"module alsa.so"},
		})
		must(t, err)
		must(t, sound.Play("mouth", files.Wide))
		return b.AOR
	}
	return newPhone(t, l.Correspondent(0), PhoneConfig{User: "bob", Domain: Info, Set: map[string]string{
		"audio.input": "file:" + files.Wide, "audio.output": "file:" + heard, "autoanswer": "on", "codecs": "PCMU,opus",
	}}).AOR
}

// waitCodec waits until a call sends a codec.
func (a adapting) waitCodec(t *testing.T, p *Phone, id, codec string, limit time.Duration) {
	t.Helper()
	last := ""
	err := poll(within(t, limit), 50*time.Millisecond, func() (bool, error) {
		call, err := p.CallOf(t.Context(), id)
		last = call.Codec + ", " + call.State + ": " + call.Adaptation
		return err == nil && strings.EqualFold(call.Codec, codec), err
	})
	if err != nil {
		t.Errorf("no %s within %v: %s", codec, limit, last)
	}
}

// changes checks that a stream went to Opus in time, back if it should, and nowhere else. It tells when.
func (a adapting) changes(t *testing.T, what string, stream []wire.RTP, drop, healed time.Time) (away time.Time) {
	t.Helper()
	n := 0
	for i, p := range stream {
		if i == 0 || p.PayloadType == stream[i-1].PayloadType {
			continue
		}
		n++
		switch n {
		case 1:
			away = p.At
			t.Logf("%s: Opus %v after the drop", what, p.At.Sub(drop).Round(10*time.Millisecond))
		case 2:
			t.Logf("%s: PCMU again %v after the network healed, %v after leaving it", what,
				p.At.Sub(healed).Round(100*time.Millisecond), p.At.Sub(away).Round(100*time.Millisecond))
			if p.At.Before(healed) || p.At.Sub(away) < time.Minute {
				t.Errorf("%s: back too early", what)
			}
		}
	}
	want := 1
	if a.back {
		want = 2
	}
	if n != want {
		t.Errorf("%s: %d changes of the codec, want %d", what, n, want)
	}
	limit := a.within
	if what == "received" && a.link.Up > 0 {
		limit += repeated
	}
	if n == 0 || away.Sub(drop) > limit {
		t.Errorf("%s: no Opus within %v", what, limit)
	}
	return away
}

// logInvites shows how the re-INVITEs fared.
func logInvites(t *testing.T, packets []wire.Packet, drop time.Time) {
	t.Helper()
	for _, p := range packets {
		line, rest, _ := bytes.Cut(p.Payload, []byte("\r\n"))
		if bytes.HasPrefix(line, []byte("INVITE ")) || bytes.HasPrefix(line, []byte("SIP/2.0 ")) && bytes.Contains(rest, []byte(" INVITE\r\n")) {
			t.Logf("%v: %s", p.At.Sub(drop).Round(10*time.Millisecond), line)
		}
	}
}

// judgeAdapted listens to a stretch of a recording.
func judgeAdapted(t *testing.T, what, source, recording string, from, to time.Duration) {
	t.Helper()
	src, err := score.Read(source)
	must(t, err)
	rec, err := score.Read(recording)
	must(t, err)
	at := func(d time.Duration) int {
		return min(int(d.Seconds()*float64(rec.Rate)), len(rec.Samples))
	}
	if from >= to {
		t.Errorf("%s: nothing to listen to from %v to %v", what, from, to)
		return
	}
	rec.Samples = rec.Samples[at(from):at(to)]
	r, err := score.Compare(src, rec, true)
	t.Logf("%s: %v", what, r)
	// Opus at half the bandwidth, and a cut or two of its bitrate: next to nothing is missing.
	if err != nil || r.Silent > r.Speech/50 {
		t.Errorf("%s: %v, %v", what, r, err)
	}
}
