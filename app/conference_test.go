package app

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// voices are the tones that the users of the test say, in Hz; codecs of 8 kHz carry them all.
var voices = map[string]float64{"hub": 2300, "bob": 700, "carol": 1300, "dave": 300}

// wavTail gives the last part of what an engine has played.
func wavTail(t *testing.T, path string, d time.Duration) []float64 {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // a player makes it when it begins
		t.Fatal(err)
	}
	n := 2 * int(d.Seconds()*48000)
	if len(data) < n+100 {
		return nil
	}
	var out []float64
	for b := data[len(data)-n:]; len(b) >= 2; b = b[2:] {
		out = append(out, float64(int16(binary.LittleEndian.Uint16(b))))
	}
	return out
}

// amplitude of a frequency, by Goertzel.
func amplitude(pcm []float64, hz float64) float64 {
	w := 2 * math.Cos(2*math.Pi*hz/48000)
	var s1, s2 float64
	for _, x := range pcm {
		s1, s2 = x+w*s1-s2, s1
	}
	return 2 * math.Sqrt(max(s1*s1+s2*s2-w*s1*s2, 0)) / float64(len(pcm))
}

// conversation is hub in calls with others, each with a tone for a voice and a file for an ear.
type conversation struct {
	hub     *Engine
	engines map[string]*Engine
	files   map[string]string
	ports   map[string]int
}

// hears waits until somebody hears exactly these users for a while.
func (c *conversation) hears(t *testing.T, who string, want ...string) {
	t.Helper()
	var got map[string]float64
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(50 * time.Millisecond) { // a file tells nobody that it grew
		got = map[string]float64{}
		pcm := wavTail(t, c.files[who], 300*time.Millisecond)
		ok := pcm != nil
		for name, hz := range voices {
			heard, wanted := 0.0, false
			if pcm != nil {
				heard = amplitude(pcm, hz)
			}
			for _, w := range want {
				wanted = wanted || w == name
			}
			got[name] = heard
			ok = ok && (wanted && heard > 4000 || !wanted && heard < 400)
		}
		if ok {
			return
		}
	}
	t.Fatalf("%s hears %v, want %v", who, got, want)
}

func newConversation(t *testing.T) *conversation {
	t.Helper()
	c := &conversation{files: map[string]string{}, ports: map[string]int{}, engines: map[string]*Engine{}}
	dir := t.TempDir()
	for name := range voices {
		c.ports[name] = freePort(t)
		e, _ := startEngine(t, t.TempDir(), c.ports[name])
		c.files[name] = filepath.Join(dir, name+".wav")
		must(t, e.Set(t.Context(), SettingInput, "tone:"+strconv.Itoa(int(voices[name]))))
		must(t, e.Set(t.Context(), SettingOutput, "file:"+c.files[name]))
		must(t, e.Set(t.Context(), SettingAutoAnswer, "on"))
		must(t, e.AddAccount(t.Context(), AccountSpec{Address: name, Kind: AccountLAN}))
		awaitSnapshot(t, e, "account", func(s Snapshot) bool { return len(s.Accounts) == 1 && s.Accounts[0].State == AccountRegistered })
		c.engines[name] = e
	}
	c.hub = c.engines["hub"]
	return c
}

// call lets hub call somebody, who answers.
func (c *conversation) call(t *testing.T, name string) string {
	t.Helper()
	return c.callFrom(t, c.hub, name)
}

func (c *conversation) callFrom(t *testing.T, e *Engine, name string) string {
	t.Helper()
	id, err := e.Call(t.Context(), "sip:"+name+"@127.0.0.1:"+strconv.Itoa(c.ports[name]), CallOptions{})
	must(t, err)
	await(t, e, id, "established", func(c Call) bool { return c.State == CallEstablished })
	return id
}

// await waits for a state of one of hub's calls.
func (c *conversation) await(t *testing.T, id, what string, ok func(Call) bool) {
	t.Helper()
	await(t, c.hub, id, what, ok)
}

func await(t *testing.T, e *Engine, id, what string, ok func(Call) bool) {
	t.Helper()
	awaitSnapshot(t, e, "call "+id+": "+what, func(s Snapshot) bool {
		for _, c := range s.Calls {
			if c.ID == id {
				return ok(c)
			}
		}
		return false
	})
}

// TestConference: Hub talks with Bob, then with Carol, then with both at once; mutes himself, splits, takes Dave in, and
// is left with one.
func TestConference(t *testing.T) {
	c := newConversation(t)
	toBob, toCarol := c.call(t, "bob"), c.call(t, "carol")
	ctx := t.Context()
	together := func(c Call) bool { return c.Conference && c.State == CallEstablished }
	c.hears(t, "hub", "carol")
	if err := c.hub.Conference(ctx, toBob); err == nil {
		t.Error("a conference of one call")
	}
	if err := c.hub.Split(ctx, toBob); err == nil {
		t.Error("split of a call that is in no conference")
	}
	must(t, c.hub.Mute(ctx, toCarol, true))
	must(t, c.hub.Conference(ctx))
	c.await(t, toBob, "in the conference", together)
	c.await(t, toCarol, "in the conference", together)
	c.hears(t, "bob", "carol") // the user's mute is for all
	c.hears(t, "carol", "bob")
	c.hears(t, "hub", "bob", "carol")
	c.await(t, toBob, "muted", func(c Call) bool { return c.Muted })
	must(t, c.hub.Mute(ctx, toBob, false))
	c.await(t, toCarol, "not muted", func(c Call) bool { return !c.Muted })
	c.hears(t, "bob", "hub", "carol")
	c.hears(t, "carol", "hub", "bob")

	must(t, c.hub.Hold(ctx, toBob)) // one of them: the others talk on
	c.hears(t, "carol", "hub")
	c.hears(t, "hub", "carol")
	must(t, c.hub.Resume(ctx, toBob))
	c.await(t, toCarol, "still talking", together)
	c.hears(t, "carol", "hub", "bob")

	theirs := c.engines["bob"].Snapshot().Calls[0].ID
	must(t, c.engines["bob"].Hold(ctx, theirs)) // one of them holds us
	c.hears(t, "carol", "hub")
	must(t, c.engines["bob"].Resume(ctx, theirs))
	c.hears(t, "carol", "hub", "bob")

	must(t, c.hub.Set(ctx, SettingInput, "none")) // another microphone in mid-talk
	c.hears(t, "carol", "bob")
	must(t, c.hub.Set(ctx, SettingInput, "tone:2300"))
	c.hears(t, "carol", "hub", "bob")

	must(t, c.hub.Split(ctx, toCarol))
	c.await(t, toCarol, "on hold", func(c Call) bool { return !c.Conference && c.State == CallHeld })
	c.await(t, toBob, "an ordinary call", func(c Call) bool { return !c.Conference && c.State == CallEstablished })
	c.hears(t, "bob", "hub") // what hub hears goes to one file from two calls now, and cannot be told

	must(t, c.hub.Conference(ctx, toBob, toCarol)) // and again
	c.hears(t, "carol", "hub", "bob")
	toDave := c.call(t, "dave") // another call: the conference waits
	c.await(t, toBob, "on hold in the conference", func(c Call) bool { return c.Conference && c.State == CallHeld })
	c.hears(t, "dave", "hub")
	must(t, c.hub.Conference(ctx))
	c.hears(t, "dave", "hub", "bob", "carol")
	c.files["hub"] += ".wav" // another speaker; and the call with Dave has begun the file anew
	must(t, c.hub.Set(ctx, SettingOutput, "file:"+c.files["hub"]))
	c.hears(t, "hub", "bob", "carol", "dave")
	must(t, c.hub.Split(ctx, toDave))
	c.hears(t, "carol", "hub", "bob")
	c.hears(t, "dave")
	c.await(t, toCarol, "still in the conference", together)
	must(t, c.hub.Hangup(ctx, toDave))
	must(t, c.hub.Hangup(ctx, toCarol))
	c.await(t, toBob, "left alone", func(c Call) bool { return !c.Conference && c.State == CallEstablished })
	c.hears(t, "bob", "hub")
	c.files["hub"] += ".wav"
	must(t, c.hub.Set(ctx, SettingOutput, "file:"+c.files["hub"]))
	c.hears(t, "hub", "bob")
	c.hub.mu.Lock()
	over := c.hub.conf == nil
	c.hub.mu.Unlock()
	if !over {
		t.Error("the conference goes on with one call")
	}
}

// TestTakenOver: Bob hands Hub on to Dave, who takes Bob's place in the conference, or on hold.
func TestTakenOver(t *testing.T) {
	tests := []struct {
		name       string
		conference bool
		carol      []string // who Carol hears in the end
	}{
		{"in the conference", true, []string{"hub", "dave"}},
		{"on hold", false, []string{"hub"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := newConversation(t)
			ctx := t.Context()
			toBob, toCarol := c.call(t, "bob"), c.call(t, "carol") // the first is on hold now
			if test.conference {
				must(t, c.hub.Conference(ctx))
				c.hears(t, "carol", "hub", "bob")
			}
			bob := c.engines["bob"]
			must(t, c.engines["dave"].Set(ctx, SettingTransfers, transfersAllow))
			fromHub := bob.Snapshot().Calls[0].ID
			toDave := c.callFrom(t, bob, "dave")
			must(t, bob.Connect(ctx, toDave, fromHub))
			c.await(t, toBob, "ended", func(c Call) bool { return c.State == CallEnded && !c.Conference })
			s := awaitSnapshot(t, c.hub, "Dave", func(s Snapshot) bool {
				for _, c := range s.Calls {
					if c.ReferredBy != "" && c.Conference == test.conference && (c.State == CallHeld) != test.conference {
						return true
					}
				}
				return false
			})
			c.await(t, toCarol, "talking", func(c Call) bool {
				return c.State == CallEstablished && c.Conference == test.conference
			})
			c.hears(t, "carol", test.carol...)
			if len(s.Calls) != 3 {
				t.Errorf("%d calls", len(s.Calls))
			}
		})
	}
}
