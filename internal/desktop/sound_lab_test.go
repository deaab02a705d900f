//go:build lab && linux

package desktop

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/score"
)

// rate of all sound here, samples per second.
const rate = 48000

// sound is a sound server with two null sinks: what is played into "microphone" is what the
// program's microphone hears, and "speaker" is what it plays to.
type sound struct {
	t           *testing.T // of the station
	whole       *testing.T // outlives stations
	env         []string
	said, heard *recording // both sinks, from the start on
	speech      string     // WAV file
	speaking    *exec.Cmd
}

// newSound starts a server that ends with the test.
func newSound(t *testing.T) *sound {
	t.Helper()
	dir := t.TempDir()
	s := &sound{t: t, whole: t, env: []string{
		"XDG_RUNTIME_DIR=" + dir, "PULSE_RUNTIME_PATH=" + dir, "PULSE_STATE_PATH=" + dir,
		"PULSE_COOKIE=" + filepath.Join(dir, "cookie"), "PULSE_SERVER=unix:" + filepath.Join(dir, "native"), noBus,
	}}
	server := s.command("pulseaudio", "-n", "--daemonize=no", "--system=false", "--use-pid-file=false",
		"--exit-idle-time=-1", "--log-level=error", "--log-target=stderr",
		"-L", "module-null-sink sink_name=microphone rate=48000",
		"-L", "module-null-sink sink_name=speaker rate=48000",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket="+filepath.Join(dir, "native"))
	start(t, server)
	await(t, "the sound server", func() bool { return s.command("pactl", "info").Run() == nil })
	for _, words := range [][]string{{"set-default-sink", "speaker"}, {"set-default-source", "microphone.monitor"}} {
		if out, err := s.command("pactl", words...).CombinedOutput(); err != nil {
			t.Fatalf("pactl %v: %v: %s", words, err, out)
		}
	}
	files, err := score.Speech(t.Context(), dir)
	must(t, err)
	s.speech = files.Wide
	s.said, s.heard = s.record("microphone"), s.record("speaker")
	return s
}

// command is a program with the priority a desktop gives its sound server (by RealtimeKit, which
// needs a message bus): the sound shall be judged, not what else the machine does.
func (s *sound) command(name string, words ...string) *exec.Cmd {
	cmd := exec.Command("nice", append([]string{"-n", "-11", name}, words...)...)
	cmd.Env = append(os.Environ(), s.env...)
	return cmd
}

// speak plays the speech, three minutes of it, into the microphone until hush.
func (s *sound) speak() {
	s.t.Helper()
	s.speaking = s.command("paplay", "--device=microphone", s.speech)
	start(s.whole, s.speaking)
	from := s.said.length()
	await(s.t, "speech in the microphone", func() bool { return s.said.loudSince(from) })
}

// hush ends the speech.
func (s *sound) hush() {
	_ = s.speaking.Process.Kill()
	_ = s.speaking.Wait()
}

// recording is what a sink plays. Its reading also keeps the sink awake: a null sink that nobody
// reads sleeps for two seconds at a time.
type recording struct {
	of   *sound
	mu   sync.Mutex
	pcm  []int16
	zero time.Time // when sample 0 was played: the earliest moment that any reading allows
}

func (s *sound) record(sink string) *recording {
	s.t.Helper()
	r := &recording{of: s}
	cmd := s.command("parec", "-d", sink+".monitor", "--latency-msec=10", "--format=s16le", "--rate=48000", "--channels=1")
	out, err := cmd.StdoutPipe()
	must(s.t, err)
	start(s.t, cmd)
	go r.read(out)
	await(s.t, "sound from the sink "+sink, func() bool { return r.length() > rate/10 })
	return r
}

func (r *recording) read(from io.Reader) {
	in := bufio.NewReader(from)
	var b [960]byte // 10 ms
	for {
		if _, err := io.ReadFull(in, b[:]); err != nil {
			return // the end of parec
		}
		now := time.Now()
		r.mu.Lock()
		for i := 0; i < len(b); i += 2 {
			r.pcm = append(r.pcm, int16(binary.LittleEndian.Uint16(b[i:])))
		}
		if zero := now.Add(-lasts(len(r.pcm))); r.zero.IsZero() || zero.Before(r.zero) {
			r.zero = zero
		}
		r.mu.Unlock()
	}
}

func lasts(samples int) time.Duration { return time.Duration(samples) * time.Second / rate }

func (r *recording) length() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.pcm)
}

// more waits until the recording is longer by d, and returns where that stretch begins and ends, in
// samples.
func (r *recording) more(d time.Duration) (from, to int) {
	r.of.t.Helper()
	from = r.length()
	to = from + int(d*rate/time.Second)
	for begun := time.Now(); r.length() < to; {
		if time.Since(begun) > d+patience {
			r.of.t.Fatalf("the recording stands still")
		}
		time.Sleep(lookEvery / 10)
	}
	return from, to
}

// part is a stretch of the recording.
func (r *recording) part(from, to int) score.Sound {
	r.mu.Lock()
	defer r.mu.Unlock()
	return score.FromPCM(rate, append([]int16(nil), r.pcm[from:to]...))
}

// at is when a sample was played.
func (r *recording) at(sample int) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.zero.Add(lasts(sample))
}

// sample is the first one played at a time or after it.
func (r *recording) sample(at time.Time) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return min(max(0, int(at.Sub(r.zero)*rate/time.Second)), len(r.pcm))
}

// loud is the level above which there is somebody to be heard: 1 % of the loudest.
const loud = 330

// loudSince tells whether anything was to be heard from a sample on.
func (r *recording) loudSince(from int) bool { return r.loudIn(from, r.length()) }

// loudIn tells it of a stretch.
func (r *recording) loudIn(from, to int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range r.pcm[min(from, to):to] {
		if v > loud || v < -loud {
			return true
		}
	}
	return false
}

// echo compares what was heard in a stretch with what was said before, fails on holes, and returns
// how late it was.
func (s *sound) echo(what string, from, to int) (late time.Duration) {
	s.t.Helper()
	heard := s.heard.part(from, to)
	began := s.heard.at(from)
	first := s.said.sample(began.Add(-3 * time.Second)) // an echo that is later than this is none
	said := s.said.part(first, s.said.sample(began.Add(heard.Duration())))
	r, err := score.Compare(said, heard, false)
	if err != nil {
		s.t.Fatalf("%s: %v: %v", what, err, r)
	}
	late = began.Sub(s.said.at(first).Add(r.Offset))
	s.t.Logf("%s: delay from microphone to speaker, there and back, %v; %v", what, late.Round(time.Millisecond), r)
	if r.Silent > 0 {
		load, _ := os.ReadFile("/proc/loadavg") // who looks for the cause wants to know
		s.t.Errorf("%s: %d of %d frames of speech are silent, the first %v after the beginning; load of the machine %s",
			what, r.Silent, r.Speech, r.FirstHole, load)
	}
	return late
}
