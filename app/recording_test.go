package app

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/media/record"
)

// recorded waits until the last 300 ms of a recording have exactly these voices on the left and on the right.
func recorded(t *testing.T, path, what string, left, right []string) {
	t.Helper()
	var got [2]map[string]float64
	for limit := time.Now().Add(patience); time.Now().Before(limit); time.Sleep(50 * time.Millisecond) { // a file tells nobody that it grew
		data, err := os.ReadFile(path)
		must(t, err)
		const n = 4 * 48000 * 3 / 10
		if len(data) < 44+n {
			continue
		}
		var sides [2][]float64
		for i, b := 0, data[len(data)-n:]; i+4 <= n; i += 4 {
			for side := range sides {
				sides[side] = append(sides[side], float64(int16(binary.LittleEndian.Uint16(b[i+2*side:]))))
			}
		}
		ok := true
		for side, want := range [][]string{left, right} {
			got[side] = map[string]float64{}
			for name, hz := range voices {
				level, wanted := amplitude(sides[side], hz), strings.Contains(strings.Join(want, " "), name)
				got[side][name] = level
				ok = ok && (wanted && level > 4000 || !wanted && level < 400)
			}
		}
		if ok {
			return
		}
	}
	t.Fatalf("%s: the recording has %v on the left and %v on the right, want %v and %v", what, got[0], got[1], left, right)
}

// TestRecording: Hub talks with Bob and records it through mute, hold and a conference with Carol, in one file.
func TestRecording(t *testing.T) {
	c := newConversation(t)
	ctx := t.Context()
	toBob := c.call(t, "bob")
	path, err := c.hub.Record(ctx, toBob, "")
	must(t, err)
	folder := filepath.Join(c.hub.cfg.Profile, dirRecordings)
	if ok, _ := regexp.MatchString(`^20\d\d-\d\d-\d\d \d\d-\d\d bob\.wav$`, filepath.Base(path)); !ok || filepath.Dir(path) != folder {
		t.Errorf("the recording is %s", path)
	}
	c.await(t, toBob, "recorded", func(c Call) bool { return c.Recording == path })
	recorded(t, path, "talk", []string{"hub"}, []string{"bob"})
	if _, err := c.hub.Record(ctx, toBob, ""); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a second recording of the call: %v", err)
	}
	must(t, c.hub.Mute(ctx, toBob, true))
	recorded(t, path, "muted", nil, []string{"bob"})
	must(t, c.hub.Mute(ctx, toBob, false))
	must(t, c.hub.Codec(ctx, toBob, "PCMA"))
	recorded(t, path, "another codec", []string{"hub"}, []string{"bob"})
	must(t, c.hub.Hold(ctx, toBob))
	recorded(t, path, "hold", nil, nil)
	toCarol := c.call(t, "carol")
	must(t, c.hub.Conference(ctx))
	recorded(t, path, "conference", []string{"hub", "carol"}, []string{"bob"})
	begun := time.Now()
	must(t, c.hub.StopRecording(ctx, toBob))
	if took := time.Since(begun); took > time.Second {
		t.Errorf("to end it took %v", took)
	}
	c.await(t, toBob, "not recorded", func(c Call) bool { return c.Recording == "" })
	size := fileSize(t, path)
	if err := c.hub.StopRecording(ctx, toBob); err == nil {
		t.Error("ended twice")
	}

	second, err := c.hub.Record(ctx, toCarol, filepath.Join(t.TempDir(), "with carol.wav"))
	must(t, err)
	recorded(t, second, "the other call", []string{"hub", "bob"}, []string{"carol"})
	if _, err := c.hub.Record(ctx, toBob, path); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("over an old recording: %v", err)
	}
	withCarol, err := c.hub.liveCall(toCarol)
	must(t, err)
	c.hub.mu.Lock()
	running := withCarol.recording
	c.hub.mu.Unlock()
	must(t, c.hub.Hangup(ctx, toCarol))
	c.await(t, toCarol, "ended", func(c Call) bool { return c.State == CallEnded && c.Recording == "" })
	select {
	case <-running.done: // nobody writes from here on
	case <-time.After(patience):
		t.Fatal("the recording outlives its call")
	}
	end := fileSize(t, second)
	must(t, c.hub.Resume(ctx, toBob)) // bob's voice is back while nobody records
	must(t, c.hub.Set(ctx, SettingRecFolder, filepath.Join(t.TempDir(), "tidied", "away")))
	third, err := c.hub.Record(ctx, toBob, "")
	must(t, err)
	recorded(t, third, "into a folder that is gone", []string{"hub"}, []string{"bob"})
	if now := fileSize(t, second); now != end || fileSize(t, path) != size {
		t.Error("a recording goes on after its end")
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	must(t, err)
	return info.Size()
}

func TestRecordingNames(t *testing.T) {
	for who, want := range map[string]string{
		"Bob": "Bob", "Zoë Müller (home)": "Zoë Müller (home)", "../../etc/passwd": "_.._etc_passwd",
		"a\x00b\nc/d\\e:f*g": "a_b_c_d_e_f_g", "": "", ". .": "", "sip:bob@x": "sip_bob@x",
		strings.Repeat("ä", 100): strings.Repeat("ä", 60),
	} {
		if got := safeName(who); got != want {
			t.Errorf("%q becomes %q, want %q", who, got, want)
		}
	}
	dir := t.TempDir()
	at := time.Date(2026, 11, 22, 14, 3, 9, 0, time.UTC)
	for _, want := range []string{"2026-11-22 14-03 Bob.wav", "2026-11-22 14-03 Bob (2).wav", "2026-11-22 14-03 Bob (3).wav"} {
		r, err := createRecording(dir, "Bob", record.WAV, at)
		must(t, err)
		if got := filepath.Base(r.Path()); got != want {
			t.Errorf("file %q, want %q", got, want)
		}
	}
	if _, err := createRecording(filepath.Join(dir, "no", "such", "folder.wav"), "Bob", record.WAV, at); err == nil {
		t.Error("a file in no folder was made")
	}
}
