//go:build lab

package lab

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// healing is how soon after its device's return a call must sound again.
const healing = time.Second

// pulseCall is a call of alice, who has a microphone and loudspeakers at a sound server, with bob, who says a tone and
// writes down what he hears.
type pulseCall struct {
	server *SoundServer
	alice  *Phone
	id     string
	bob    string // what bob heard, a WAV file
}

func startPulseCall(t *testing.T) *pulseCall {
	t.Helper()
	l := newLab(t, Config{Correspondents: 2})
	server, err := l.StartSound(t.Context())
	must(t, err)
	c := &pulseCall{server: server, bob: filepath.Join(t.TempDir(), "bob.wav")}
	c.plug(t)
	c.alice = newPhone(t, l.Correspondent(0), PhoneConfig{User: "alice", Domain: Info, Env: server.Env(), Set: map[string]string{
		"audio.input": "device:mouth.monitor", "audio.output": "device:ear",
	}})
	bob := newPhone(t, l.Correspondent(1), PhoneConfig{User: "bob", Domain: Info, Set: map[string]string{
		"audio.input": "tone:440", "audio.output": "file:" + c.bob, "autoanswer": "on",
	}})
	must(t, server.Play("mouth", suiteSpeech(t).Wide))
	mark := c.alice.Mark()
	c.id, err = c.alice.Call(t.Context(), bob.AOR)
	must(t, err)
	_, err = c.alice.WaitCall(within(t, 10*time.Second), mark, c.id, "established")
	must(t, err)
	return c
}

// plug gives the server all devices.
func (c *pulseCall) plug(t *testing.T) {
	t.Helper()
	for _, sink := range []string{"mouth", "spare", "ear"} {
		must(t, c.server.Plug(t.Context(), sink))
	}
	c.choose(t, "spare")
}

// choose makes a sink, and the microphone, the server's default.
func (c *pulseCall) choose(t *testing.T, sink string) {
	t.Helper()
	_, err := c.server.Pactl(t.Context(), "set-default-sink", sink)
	must(t, err)
	_, err = c.server.Pactl(t.Context(), "set-default-source", "mouth.monitor")
	must(t, err)
}

// listen listens to a sink until it is gone or the test is over.
func (c *pulseCall) listen(t *testing.T, sink string) *Ear {
	t.Helper()
	ear, err := c.server.Listen(within(t, 10*time.Second), sink)
	must(t, err)
	t.Cleanup(func() { _ = ear.Close() }) // it may have ended with its sink
	return ear
}

// sounds waits until a sink sounds after a moment, and fails when that takes longer than it may.
func (c *pulseCall) sounds(t *testing.T, what, sink string, since time.Time) {
	t.Helper()
	c.hears(t, what, c.listen(t, sink), since)
}

// hears is sounds for somebody who listens already.
func (c *pulseCall) hears(t *testing.T, what string, ear *Ear, since time.Time) {
	t.Helper()
	var at time.Time
	err := poll(within(t, 10*time.Second), 20*time.Millisecond, func() (heard bool, _ error) {
		at, heard = ear.FirstSound(since)
		return heard, nil
	})
	switch took := at.Sub(since).Round(time.Millisecond); {
	case err != nil:
		t.Errorf("%s: no sound within 10 s", what)
	case took > healing:
		t.Errorf("%s: sound after %v, at most %v", what, took, healing)
	default:
		t.Logf("%s: sound after %v", what, took)
	}
	c.lives(t, what)
}

// bobHears waits until what bob wrote down last has speech in it.
func (c *pulseCall) bobHears(t *testing.T, what string) {
	t.Helper()
	const least, loud = 2 * soundRate / 2, 1000 // half a second
	err := poll(within(t, 5*time.Second), 50*time.Millisecond, func() (bool, error) {
		data, err := os.ReadFile(c.bob)
		if err != nil || len(data) < 44+least {
			return false, err
		}
		for b := data[len(data)-least&^1:]; len(b) >= 2; b = b[2:] {
			if x := int16(binary.LittleEndian.Uint16(b)); x > loud || x < -loud {
				return true, nil
			}
		}
		return false, nil
	})
	if err != nil {
		t.Errorf("%s: bob hears nothing of alice: %v", what, err)
	}
}

// lives fails when the call is not what it was.
func (c *pulseCall) lives(t *testing.T, what string) {
	t.Helper()
	call, err := c.alice.CallOf(t.Context(), c.id)
	must(t, err)
	if call.State != "established" {
		t.Errorf("%s: the call is %s: %s", what, call.State, call.Reason)
	}
}

// TestSoundDevices takes the loudspeaker in use away in a call and gives it back, kills PulseAudio and starts it again,
// and changes the system's default: the sound comes back within a second of its device, and the call lives.
func TestSoundDevices(t *testing.T) {
	t.Parallel()
	c := startPulseCall(t)
	spare := c.listen(t, "spare")
	c.sounds(t, "in the beginning", "ear", time.Now())
	c.bobHears(t, "in the beginning")

	gone := time.Now()
	must(t, c.server.Unplug(t.Context(), "ear"))
	c.hears(t, "the loudspeaker is pulled out, the default stands in", spare, gone)
	time.Sleep(2 * time.Second)
	must(t, c.server.Plug(t.Context(), "ear"))
	c.sounds(t, "it is put in again", "ear", time.Now())
	c.bobHears(t, "it is put in again")

	must(t, c.server.Crash())
	time.Sleep(3 * time.Second)
	c.lives(t, "without a sound server")
	must(t, c.server.Revive(within(t, 10*time.Second)))
	c.plug(t)
	c.sounds(t, "the sound server was killed and is started again", "ear", time.Now())
	must(t, c.server.Play("mouth", suiteSpeech(t).Wide))
	c.bobHears(t, "the sound server was killed and is started again")

	must(t, c.alice.Do(t.Context(), "set", "audio.output", "default"))
	c.sounds(t, "the user chooses the default", "spare", time.Now())
	ear := c.listen(t, "ear")
	time.Sleep(time.Second)
	if at, loud := ear.FirstSound(time.Now().Add(-300 * time.Millisecond)); loud {
		t.Errorf("the loudspeaker that nobody chose sounds at %v", at)
	}
	changed := time.Now()
	c.choose(t, "ear")
	c.hears(t, "the system has another default", ear, changed)
	c.bobHears(t, "the system has another default")
}
