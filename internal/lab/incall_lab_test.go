//go:build lab

package lab

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

// inCall is a call of Peregrine with a talker, captured at the phone's host.
type inCall struct {
	phone   *Phone
	peer    talker
	capture *Capture
	id      string
}

// startInCall lets alice call the talker and waits until sound flows both ways.
func startInCall(t *testing.T, phone *Phone, peer talker) *inCall {
	t.Helper()
	c := &inCall{phone: phone, peer: peer}
	var err error
	c.capture, err = phone.Host.Capture()
	must(t, err)
	must(t, peer.listen())
	mark := phone.Mark()
	c.id, err = phone.Call(t.Context(), peer.address())
	must(t, err)
	_, err = phone.WaitCall(within(t, 10*time.Second), mark, c.id, "established")
	must(t, err)
	must(t, peer.established(within(t, 10*time.Second)))
	c.flows(t, "after the answer", time.Now(), sound, sound)
	return c
}

// flow is what a test wants of one direction.
type flow int

const (
	sound flow = iota
	silence
	anything
)

// fits judges what half a second of a direction held.
func (f flow) fits(packets, loud int) bool {
	switch f {
	case sound:
		return packets >= 20 && loud > 0
	case silence:
		return loud == 0
	case anything:
	}
	return true
}

// flows waits until, per direction, sound has flowed or been away for half a second since a moment.
// Packets with silence in them are no sound; the call must use PCMU.
func (c *inCall) flows(t *testing.T, when string, since time.Time, out, in flow) {
	t.Helper()
	const stretch = 500 * time.Millisecond
	var text string
	err := poll(within(t, 5*time.Second), 50*time.Millisecond, func() (bool, error) {
		if time.Since(since) < stretch {
			return false, nil
		}
		from := time.Now().Add(-stretch)
		nOut, loudOut := c.count(true, from)
		nIn, loudIn := c.count(false, from)
		text = fmt.Sprintf("%s: in %v out %d packets, %d with sound, and in %d, %d with sound", when, stretch, nOut, loudOut, nIn, loudIn)
		return out.fits(nOut, loudOut) && in.fits(nIn, loudIn), nil
	})
	if err != nil {
		t.Error(text)
		return
	}
	t.Logf("%s, %v after", text, time.Since(since).Round(time.Millisecond))
}

// count counts the RTP packets of a direction from a moment on, and those of them that are loud.
func (c *inCall) count(outgoing bool, from time.Time) (packets, loud int) {
	const audible = 200 // of 32768: -44 dB
	for _, p := range wire.Direction(c.capture.Packets(), outgoing) {
		if p.At.Before(from) {
			continue
		}
		packets++
		_, samples := wire.DecodePCMU([]wire.RTP{p})
		if len(samples) > 0 && max(slices.Max(samples), -slices.Min(samples)) > audible {
			loud++
		}
	}
	return packets, loud
}

// sdpDirection finds the direction in the last INVITE or its 200 that went one way since a moment.
func (c *inCall) sdpDirection(outgoing, response bool, since time.Time) string {
	re := regexp.MustCompile(`(?s)^INVITE .*\r\na=(sendrecv|sendonly|recvonly|inactive)\r\n`)
	if response {
		re = regexp.MustCompile(`(?s)^SIP/2\.0 200 .*\r\nCSeq: *\d+ INVITE\r\n.*\r\na=(sendrecv|sendonly|recvonly|inactive)\r\n`)
	}
	last := ""
	for _, p := range c.capture.Packets() {
		if match := re.FindSubmatch(p.Payload); match != nil && p.Outgoing == outgoing && p.At.After(since) {
			last = string(match[1])
		}
	}
	return last
}

// state waits until the verb calls shows the call so.
func (c *inCall) state(t *testing.T, state, heldBy string) {
	t.Helper()
	var call PhoneCall
	err := poll(within(t, 5*time.Second), 20*time.Millisecond, func() (bool, error) {
		var err error
		call, err = c.phone.CallOf(t.Context(), c.id)
		return call.State == state && call.HeldBy == heldBy, err
	})
	if err != nil {
		t.Errorf("the call is %q held by %q, want %q held by %q: %v", call.State, call.HeldBy, state, heldBy, err)
	}
}

// peers starts each foreign program as bob and names it.
var peers = []struct {
	name  string
	start func(t *testing.T, l *Lab) talker
}{
	{"baresip", func(t *testing.T, l *Lab) talker {
		t.Helper()
		b, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{
			User: "bob", Domain: Info, Codecs: []string{"pcmu", "opus/48000/2"}, Source: "aufile," + suiteSpeech(t).Narrow,
		})
		must(t, err)
		return &baresipTalker{b: b}
	}},
	{"linphonec", func(t *testing.T, l *Lab) talker {
		t.Helper()
		p, err := l.Correspondent(0).StartLinphone(t.Context(), LinphoneConfig{User: "bob", Domain: Info, Play: suiteSpeech(t).Wide})
		must(t, err)
		return &linphoneTalker{p: p}
	}},
}

// TestHold: our hold and resume and the peer's. The other side is told by SDP (RFC 3264 8.4), sound
// stops and comes back, `calls` says who holds.
func TestHold(t *testing.T) {
	files := suiteSpeech(t)
	for _, peer := range peers {
		t.Run(peer.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Config{})
			bob := peer.start(t, l)
			alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
				"audio.input": "file:" + files.Wide, "audio.output": "none", "codecs": "PCMU",
			}})
			c := startInCall(t, alice, bob)
			c.ourHold(t)
			c.peersHold(t)
			c.bothHold(t)
			must(t, alice.Do(t.Context(), "hangup", c.id))
			must(t, bob.closed(within(t, 5*time.Second)))
		})
	}
}

func (c *inCall) ourHold(t *testing.T) {
	since := time.Now()
	must(t, c.phone.Do(t.Context(), "hold", c.id))
	t.Logf("hold took %v", time.Since(since).Round(time.Millisecond))
	c.state(t, "held", "us")
	// RFC 3264 8.4: sendonly, or inactive when it is held by the peer too.
	if d := c.sdpDirection(true, false, since); d != "sendonly" && d != "inactive" {
		t.Errorf("our re-INVITE for hold says %q, want sendonly or inactive", d)
	}
	t.Logf("offer %s, answer %s", c.sdpDirection(true, false, since), c.sdpDirection(false, true, since))
	c.flows(t, "held by us", since, anything, silence)
	since = time.Now()
	must(t, c.phone.Do(t.Context(), "resume", c.id))
	c.state(t, "established", "")
	if d := c.sdpDirection(true, false, since); d != "sendrecv" {
		t.Errorf("our re-INVITE for resume says %q, want sendrecv", d)
	}
	c.flows(t, "resumed by us", since, sound, sound)
}

func (c *inCall) peersHold(t *testing.T) {
	since := time.Now()
	must(t, c.peer.hold(t.Context()))
	c.state(t, "held", "peer")
	offer, answer := c.sdpDirection(false, false, since), c.sdpDirection(true, true, since)
	t.Logf("offer %s, answer %s", offer, answer)
	// RFC 3264 6.1: sendonly is answered by recvonly or inactive, inactive by inactive.
	if answer != "inactive" && (offer != "sendonly" || answer != "recvonly") {
		t.Errorf("the peer's %s was answered by %q", offer, answer)
	}
	c.flows(t, "held by the peer", since, silence, anything) // the peer may play music
	since = time.Now()
	must(t, c.peer.resume(t.Context()))
	c.state(t, "established", "")
	c.flows(t, "resumed by the peer", since, sound, sound)
}

// bothHold: the peer holds, we hold, the peer resumes, we resume.
func (c *inCall) bothHold(t *testing.T) {
	must(t, c.peer.hold(t.Context()))
	c.state(t, "held", "peer")
	since := time.Now()
	must(t, c.phone.Do(t.Context(), "hold", c.id))
	c.state(t, "held", "both")
	t.Logf("held by both: offer %s, answer %s", c.sdpDirection(true, false, since), c.sdpDirection(false, true, since))
	must(t, c.peer.resume(t.Context()))
	c.state(t, "held", "us")
	since = time.Now()
	must(t, c.phone.Do(t.Context(), "resume", c.id))
	c.state(t, "established", "")
	c.flows(t, "resumed by both", since, sound, sound)
}

// TestHoldSilencesTheMicrophone: while we hold a call, the peer must not hear the room.
func TestHoldSilencesTheMicrophone(t *testing.T) {
	files := suiteSpeech(t)
	for _, peer := range peers {
		t.Run(peer.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, Config{})
			bob := peer.start(t, l)
			alice := newPhone(t, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
				"audio.input": "file:" + files.Wide, "audio.output": "none", "codecs": "PCMU",
			}})
			c := startInCall(t, alice, bob)
			since := time.Now()
			must(t, c.phone.Do(t.Context(), "hold", c.id))
			c.flows(t, "held by us", since, silence, silence)
		})
	}
}
