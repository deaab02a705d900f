//go:build lab

package lab

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/score"
	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

// codecGap is the longest silence that a change of the codec in mid-call may tear into either
// direction: two frames, and one for the scheduler.
const codecGap = 60 * time.Millisecond

// changeCodec gives the verb and checks that the call says so.
func changeCodec(t *testing.T, p *Phone, id, codec string) {
	t.Helper()
	since := time.Now()
	must(t, p.Do(t.Context(), "codec", id, codec))
	took := time.Since(since)
	call, err := p.CallOf(t.Context(), id)
	must(t, err)
	t.Logf("codec %s took %v", codec, took.Round(time.Millisecond))
	if call.State != "established" || !strings.EqualFold(call.Codec, codec) {
		t.Errorf("after codec %s the call is %s with %s (can: %v)", codec, call.State, call.Codec, call.Codecs)
	}
}

// switches measures each change of the payload type in a stream: the time between the last packet
// of the old codec and the first of the new one.
func switches(stream []wire.RTP) (gaps []time.Duration, types []uint8) {
	for i, p := range stream {
		if i == 0 || p.PayloadType != stream[i-1].PayloadType {
			types = append(types, p.PayloadType)
			if i > 0 {
				gaps = append(gaps, p.At.Sub(stream[i-1].At))
			}
		}
	}
	return gaps, types
}

// hole compares a recording with its source and gives the longest silence in speech.
func hole(t *testing.T, what, source, recording string, atLeast time.Duration) time.Duration {
	t.Helper()
	src, err := score.Read(source)
	must(t, err)
	rec, err := score.Read(recording)
	must(t, err)
	r, err := score.Compare(src, rec, true)
	if err != nil || r.Compared < atLeast {
		t.Errorf("%s: %v, %v", what, err, r)
	}
	t.Logf("%s: %v", what, r)
	return r.LongestHole
}

// TestCodecChange changes the codec of a running call between PCMU and Opus and back. Between two of
// ours the sound of both directions is judged, with linphonec what we send.
func TestCodecChange(t *testing.T) {
	files := suiteSpeech(t)
	start := func(t *testing.T, h *Host, user, codecs string) (*Phone, string) {
		t.Helper()
		heard := filepath.Join(h.lab.Dir(), user+".wav")
		return newPhone(t, h, PhoneConfig{User: user, Domain: Info, Set: map[string]string{
			"audio.input": "file:" + files.Wide, "audio.output": "file:" + heard, "autoanswer": "on", "codecs": codecs,
		}}), heard
	}
	t.Run("peregrine", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, Config{})
		alice, heardByAlice := start(t, &l.Mobile(0).Host, "alice", "opus,PCMU")
		bob, heardByBob := start(t, l.Correspondent(0), "bob", "opus,PCMU")
		capture, err := alice.Host.Capture()
		must(t, err)
		mark := alice.Mark()
		id, err := alice.Call(t.Context(), bob.AOR)
		must(t, err)
		_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
		must(t, err)
		for _, codec := range []string{"PCMU", "opus", "PCMU"} {
			time.Sleep(2 * time.Second)
			changeCodec(t, alice, id, codec)
		}
		time.Sleep(2 * time.Second)
		must(t, alice.Do(t.Context(), "hangup", id))
		_, err = bob.WaitCall(within(t, 5*time.Second), 0, "", "ended")
		must(t, err)
		packets, err := capture.Stop()
		must(t, err)
		for _, direction := range []struct {
			name     string
			outgoing bool
			heard    string
		}{{"alice to bob", true, heardByBob}, {"bob to alice", false, heardByAlice}} {
			gaps, types := switches(wire.Direction(packets, direction.outgoing))
			t.Logf("%s: payload types %v, gaps on the wire %v", direction.name, types, gaps)
			if len(gaps) != 3 {
				t.Errorf("%s: %d changes of the payload type on the wire, want 3", direction.name, len(gaps))
			}
			if h := hole(t, direction.name, files.Wide, direction.heard, 7*time.Second); h > codecGap {
				t.Errorf("%s: %v of silence in speech, want %v at most", direction.name, h, codecGap)
			}
		}
	})
	t.Run("linphonec", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, Config{})
		bob := peers[1].start(t, l)
		alice, _ := start(t, &l.Mobile(0).Host, "alice", "PCMU,opus")
		c := startInCall(t, alice, bob)
		for _, codec := range []string{"opus", "PCMU"} {
			time.Sleep(2 * time.Second)
			changeCodec(t, alice, c.id, codec)
		}
		time.Sleep(2 * time.Second)
		must(t, alice.Do(t.Context(), "hangup", c.id))
		must(t, bob.closed(within(t, 5*time.Second)))
		packets, err := c.capture.Stop()
		must(t, err)
		gaps, types := switches(wire.Direction(packets, true))
		t.Logf("from us: payload types %v, gaps on the wire %v", types, gaps)
		if len(gaps) != 2 {
			t.Errorf("%d changes of the payload type on the wire, want 2", len(gaps))
		}
		for _, gap := range gaps {
			if gap > codecGap {
				t.Errorf("a gap of %v between the codecs of what we send, want %v at most", gap, codecGap)
			}
		}
		gaps, types = switches(wire.Direction(packets, false))
		t.Logf("from linphonec: payload types %v, gaps on the wire %v", types, gaps)
		// Its recording changes the rate with the codec, so it cannot be judged.
	})
}

// TestCodecChangeRefused: the peer has PCMU only. The verb says no, and the call stays as it was.
func TestCodecChangeRefused(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	files := suiteSpeech(t)
	b, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{User: "bob", Domain: Info, Codecs: []string{"pcmu"}, Source: "aufile," + files.Narrow})
	must(t, err)
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
		"audio.input": "file:" + files.Wide, "audio.output": "none",
	}})
	c := startInCall(t, alice, &baresipTalker{b: b})
	since := time.Now()
	err = alice.Do(t.Context(), "codec", c.id, "opus")
	t.Logf("the verb said: %v", err)
	refused(t, err)
	c.state(t, "established", "")
	call, err := alice.CallOf(t.Context(), c.id)
	must(t, err)
	if call.Codec != "PCMU" {
		t.Errorf("after the refusal the call has %s, want PCMU", call.Codec)
	}
	c.flows(t, "after the refusal", since, sound, sound)
	if err := alice.Do(t.Context(), "codec", c.id, "no-such-codec"); err == nil {
		t.Error("a codec that does not exist was taken")
	}
	c.flows(t, "after nonsense", time.Now(), sound, sound)
}

// refused checks that a verb said no, with a sentence.
func refused(t *testing.T, err error) {
	t.Helper()
	var verb *VerbError
	if !errors.As(err, &verb) || verb.Code != 1 {
		t.Errorf("the verb gave %v, want a refusal", err)
		return
	}
	text, _, _ := strings.Cut(verb.Sentence, " (")
	sentence(t, text)
}

// TestDTMFAndMute: tones by RFC 4733 are seen by the peer, and a muted microphone is silent.
func TestDTMFAndMute(t *testing.T) {
	t.Parallel()
	l := newLab(t, Config{})
	files := suiteSpeech(t)
	b, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{User: "bob", Domain: Info, Codecs: []string{"pcmu"}, Source: "aufile," + files.Narrow})
	must(t, err)
	alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
		"audio.input": "file:" + files.Wide, "audio.output": "none",
	}})
	c := startInCall(t, alice, &baresipTalker{b: b})
	const digits = "159D*#0"
	since := time.Now()
	must(t, alice.Do(t.Context(), "dtmf", c.id, digits))
	var got string
	err = poll(within(t, 5*time.Second), 50*time.Millisecond, func() (bool, error) {
		got = b.digits(since)
		return len(got) >= len(digits), nil
	})
	t.Logf("baresip got %q after %v", got, time.Since(since).Round(time.Millisecond))
	if err != nil || got != digits {
		t.Errorf("baresip got the tones %q, want %q", got, digits)
	}
	events, marked := telephoneEvents(c.capture.Packets())
	t.Logf("%d packets of telephone-event, %d with the marker bit", events, marked)
	if marked != len(digits) { // RFC 4733 2.5.1.1: the first packet of each event
		t.Errorf("%d packets of telephone-event have the marker bit, want %d", marked, len(digits))
	}

	since = time.Now()
	must(t, alice.Do(t.Context(), "mute", c.id))
	c.flows(t, "muted", since, silence, sound)
	if call, err := alice.CallOf(t.Context(), c.id); err != nil || !call.Muted || call.State != "established" {
		t.Errorf("calls says %+v (%v), want it established and muted", call, err)
	}
	since = time.Now()
	must(t, alice.Do(t.Context(), "unmute", c.id))
	c.flows(t, "unmuted", since, sound, sound)
}

// telephoneEvents counts what we sent that is neither PCMU nor anything else that baresip was offered
// as sound.
func telephoneEvents(packets []wire.Packet) (events, marked int) {
	for _, p := range wire.Direction(packets, true) {
		if p.PayloadType == 0 || len(p.Audio) != 4 { // RFC 4733 2.3: four bytes
			continue
		}
		events++
		if p.Marker {
			marked++
		}
	}
	return events, marked
}

// digits are the tones baresip has told of since a moment.
func (b *Baresip) digits(since time.Time) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := ""
	for _, e := range b.events {
		if e.Type == "CALL_DTMF_START" && !e.At.Before(since) {
			out += e.Param
		}
	}
	return out
}
