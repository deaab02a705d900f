//go:build lab

package lab

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/score"
)

// sides reads a stereo WAV file as another program would: by what its head says.
func sides(t *testing.T, path string) (left, right score.Sound) {
	t.Helper()
	data, err := os.ReadFile(path)
	must(t, err)
	const head = 44
	if len(data) < head || binary.LittleEndian.Uint16(data[22:]) != 2 || binary.LittleEndian.Uint32(data[24:]) != soundRate {
		t.Fatalf("%s: not a stereo WAV file of %d Hz", path, soundRate)
	}
	said := int(binary.LittleEndian.Uint32(data[40:]))
	if said > len(data)-head {
		t.Fatalf("%s: the head says %d bytes, there are %d", path, said, len(data)-head)
	}
	var pcm [2][]int16
	for b := data[head : head+said]; len(b) >= 4; b = b[4:] {
		pcm[0] = append(pcm[0], int16(binary.LittleEndian.Uint16(b)))
		pcm[1] = append(pcm[1], int16(binary.LittleEndian.Uint16(b[2:])))
	}
	return score.FromPCM(soundRate, pcm[0]), score.FromPCM(soundRate, pcm[1])
}

// TestRecordings records a call with baresip, in which both sides read aloud: whole on either side of the WAV file, also
// through a change of the codec; and it is whole up to the last moments when the program is killed.
func TestRecordings(t *testing.T) {
	t.Parallel()
	files := suiteSpeech(t)
	l := newLab(t, Config{Correspondents: 2})
	bob, err := l.Correspondent(0).StartBaresip(t.Context(), BaresipConfig{
		User: "bob", Domain: Info, Source: "aufile," + files.Narrow, Codecs: []string{"PCMU/8000/1", "PCMA/8000/1"},
	})
	must(t, err)
	alice := newPhone(t, l.Correspondent(1), PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
		"audio.input": "file:" + files.Wide, "audio.output": "none", "codecs": "PCMU,PCMA",
	}})
	mark := alice.Mark()
	id, err := alice.Call(t.Context(), bob.AOR)
	must(t, err)
	_, err = alice.WaitCall(within(t, 10*time.Second), mark, id, "established")
	must(t, err)
	path := filepath.Join(t.TempDir(), "both.wav")
	must(t, alice.Do(t.Context(), "record", id, "--file", path))
	time.Sleep(5 * time.Second)
	must(t, alice.Do(t.Context(), "codec", id, "PCMA"))
	time.Sleep(5 * time.Second)
	must(t, alice.Do(t.Context(), "record", "stop", id))
	left, right := sides(t, path)
	judgeSide(t, "ours", left, files.Wide)
	judgeSide(t, "theirs", right, files.Narrow)

	opus := filepath.Join(t.TempDir(), "both.opus")
	must(t, alice.Do(t.Context(), "record", id, "--file", opus))
	time.Sleep(3 * time.Second)
	must(t, alice.Do(t.Context(), "record", "stop", id))
	if data, err := os.ReadFile(opus); err != nil || !bytes.HasPrefix(data, []byte("OggS")) || len(data) < 5000 {
		t.Errorf("3 s of Opus are %d bytes, %v", len(data), err)
	}

	killed := filepath.Join(t.TempDir(), "killed.wav")
	must(t, alice.Do(t.Context(), "record", id, "--file", killed))
	time.Sleep(5 * time.Second)
	must(t, alice.Kill())
	left, right = sides(t, killed)
	judgeSide(t, "ours, of a program that was killed", left, files.Wide)
	judgeSide(t, "theirs, of a program that was killed", right, files.Narrow)
	if d := left.Duration(); d < 4*time.Second {
		t.Errorf("of 5 s the killed program left %v", d)
	}
}

// judgeSide compares one side of a recording with what was read aloud.
func judgeSide(t *testing.T, whose string, heard score.Sound, said string) {
	t.Helper()
	source, err := score.Read(said)
	must(t, err)
	r, err := score.Compare(source, heard, true)
	t.Logf("%s, %v: %v", whose, heard.Duration().Round(time.Millisecond), r)
	// A change of the codec may be heard for 60 ms; a cut word at the end of a killed program is a frame.
	if err != nil || r.LongestHole > 60*time.Millisecond {
		t.Errorf("%s: %d of %d frames with speech are silent, %v", whose, r.Silent, r.Speech, err)
	}
}
