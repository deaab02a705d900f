//go:build cgo && pulse

// These tests need PulseAudio installed and run real time against a server of their own:
//
//	go test -tags "gles nolibopusfile pulse" -run Pulse ./media/audio

package audio

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pulse is a private sound server with one null sink, "sink".
type pulse struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
}

// startPulse starts the server and points this process at it.
func startPulse(t *testing.T) *pulse {
	t.Helper()
	p := &pulse{t: t, dir: t.TempDir()}
	t.Setenv("PULSE_SERVER", "unix:"+filepath.Join(p.dir, "native"))
	t.Setenv("XDG_RUNTIME_DIR", p.dir)
	t.Setenv("PULSE_RUNTIME_PATH", p.dir)
	t.Setenv("PULSE_STATE_PATH", p.dir)
	t.Setenv("PULSE_COOKIE", filepath.Join(p.dir, "cookie"))
	t.Cleanup(p.kill)
	p.start()
	return p
}

func (p *pulse) start() {
	p.t.Helper()
	socket := filepath.Join(p.dir, "native")
	p.cmd = exec.Command("pulseaudio", "-n", "--daemonize=no", "--system=false", "--use-pid-file=false",
		"--exit-idle-time=-1", "--log-target=stderr",
		"-L", "module-null-sink sink_name=sink rate=48000",
		"-L", "module-null-sink sink_name=other rate=48000",
		"-L", "module-native-protocol-unix auth-anonymous=1 socket="+socket)
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	for range 100 {
		if exec.Command("pactl", "info").Run() == nil {
			if out, err := exec.Command("pactl", "set-default-sink", "sink").CombinedOutput(); err != nil {
				p.t.Fatalf("%s: %v", out, err)
			}
			if out, err := exec.Command("pactl", "set-default-source", "sink.monitor").CombinedOutput(); err != nil {
				p.t.Fatalf("%s: %v", out, err)
			}
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.t.Fatal("pulseaudio does not answer")
}

func (p *pulse) kill() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
	_ = os.Remove(filepath.Join(p.dir, "native"))
}

// monitor reads what the sink plays until the test ends. Its reading also keeps the null sink at low latency.
type monitor struct {
	mu  sync.Mutex
	pcm []int16
	at  []time.Time // when each sample came
}

func (p *pulse) monitor(sink string) *monitor {
	p.t.Helper()
	m := &monitor{}
	cmd := exec.Command("parec", "-d", sink+".monitor", "--latency-msec=10", "--format=s16le", "--rate=48000", "--channels=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := bufio.NewReader(out)
		var b [480]byte
		for {
			if _, err := io.ReadFull(r, b[:]); err != nil {
				return
			}
			now := time.Now()
			m.mu.Lock()
			for i := 0; i < len(b); i += 2 {
				m.pcm = append(m.pcm, int16(binary.LittleEndian.Uint16(b[i:])))
				m.at = append(m.at, now)
			}
			m.mu.Unlock()
		}
	}()
	p.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
	})
	// A null sink that nobody reads sleeps for two seconds at a time: wait until it is awake.
	for range 100 {
		m.mu.Lock()
		n := len(m.pcm)
		m.mu.Unlock()
		if n > Rate/10 {
			return m
		}
		time.Sleep(50 * time.Millisecond)
	}
	p.t.Fatal("the monitor gives nothing")
	return nil
}

// toneShare returns which part of the energy of pcm is the sine of hz, 0 to 1.
func toneShare(pcm []int16, hz float64) float64 {
	var s, c, total float64
	for i, x := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hz * float64(i) / Rate)
		s, c, total = s+float64(x)*sin, c+float64(x)*cos, total+float64(x)*float64(x)
	}
	if total == 0 {
		return 0
	}
	return 2 * (s*s + c*c) / float64(len(pcm)) / total
}

// checkTone asks that nine of ten stretches of 100 ms are the tone and nothing else; the machine may stumble once.
func checkTone(t *testing.T, pcm []int16, hz float64) {
	t.Helper()
	good, all := 0, 0
	for ; len(pcm) >= Rate/10; pcm = pcm[Rate/10:] {
		all++
		if toneShare(pcm[:Rate/10], hz) > 0.99 {
			good++
		}
	}
	t.Logf("%d of %d stretches of 100 ms are clean", good, all)
	if all == 0 || good*10 < all*9 {
		t.Errorf("%d of %d stretches of 100 ms are clean", good, all)
	}
}

// tonePull fills frames with a sine.
func tonePull(hz float64) func([]int16) {
	n := 0
	return func(frame []int16) {
		for i := range frame {
			frame[i] = int16(8000 * math.Sin(2*math.Pi*hz*float64(n)/Rate))
			n++
		}
	}
}

func TestPulsePlaysTone(t *testing.T) {
	p := startPulse(t)
	m := p.monitor("sink")
	player, err := OpenPlayer("default", Options{Stream: "Call", Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	frames := 0
	pull := tonePull(440)
	begin := time.Now()
	if err := player.Play(ctx, func(f []int16) { frames++; pull(f) }); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(begin); took > 3500*time.Millisecond {
		t.Errorf("Play took %v to end", took)
	}
	if frames < 280 || frames > 320 {
		t.Errorf("%d frames in 3 s, want 300", frames)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	first := 0
	for first < len(m.pcm) && m.pcm[first] == 0 {
		first++
	}
	if len(m.pcm)-first < 2*Rate {
		t.Fatalf("%d samples after the first sound", len(m.pcm)-first)
	}
	checkTone(t, m.pcm[first+4800:], 440)
}

// TestPulseLatency plays clicks and measures the time from pull to the monitor.
func TestPulseLatency(t *testing.T) {
	p := startPulse(t)
	m := p.monitor("sink")
	player, err := OpenPlayer("default", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var pulled []time.Time
	frames := 0
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Second)
	defer cancel()
	if err := player.Play(ctx, func(f []int16) {
		clear(f)
		if frames++; frames%50 == 0 {
			f[0] = 30000
			pulled = append(pulled, time.Now())
		}
	}); err != nil {
		t.Fatal(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var delays []time.Duration
	for i, x := range m.pcm {
		if x > 15000 && len(delays) < len(pulled) && (i == 0 || m.pcm[i-1] < 15000) {
			delays = append(delays, m.at[i].Sub(pulled[len(delays)]))
		}
	}
	t.Logf("pull to monitor: %v", delays)
	if len(delays) < 8 {
		t.Fatalf("%d clicks of %d found", len(delays), len(pulled))
	}
	if d := delays[len(delays)/2]; d > 80*time.Millisecond {
		t.Errorf("a click took %v", d)
	}
}

func TestPulseRecords(t *testing.T) {
	p := startPulse(t)
	p.monitor("other")
	play, err := OpenPlayer("device:other", Options{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	rec, err := OpenRecorder("device:other.monitor", Options{Logger: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	played := make(chan error, 1)
	go func() { played <- play.Play(ctx, tonePull(1000)) }()
	var got []int16
	if err := rec.Record(ctx, func(f []int16) { got = append(got, f...) }); err != nil {
		t.Error(err)
	}
	if err := <-played; err != nil {
		t.Error(err)
	}
	if len(got) < 27*Rate/10 {
		t.Fatalf("%d samples in 3 s", len(got))
	}
	checkTone(t, got[len(got)-2*Rate:], 1000)
}

func TestPulseServerDies(t *testing.T) {
	p := startPulse(t)
	p.monitor("sink")
	player, _ := OpenPlayer("default", Options{})
	recorder, _ := OpenRecorder("default", Options{})
	type result struct {
		err error
		at  time.Time
	}
	results := make(chan result, 2)
	go func() { err := player.Play(t.Context(), tonePull(440)); results <- result{err, time.Now()} }()
	go func() { err := recorder.Record(t.Context(), func([]int16) {}); results <- result{err, time.Now()} }()
	time.Sleep(2 * time.Second)
	killed := time.Now()
	p.kill()
	for range 2 {
		select {
		case r := <-results:
			t.Logf("after %v: %v", r.at.Sub(killed), r.err)
			if !errors.Is(r.err, ErrNoSound) {
				t.Errorf("error %v, want ErrNoSound", r.err)
			}
			if d := r.at.Sub(killed); d > time.Second {
				t.Errorf("the error came after %v", d)
			}
		case <-time.After(5 * time.Second):
			panic("still running 5 s after the server's end")
		}
	}
}

// TestPulseComesBack kills and restarts the server under a player that retries.
func TestPulseComesBack(t *testing.T) {
	p := startPulse(t)
	base, _ := OpenPlayer("default", Options{})
	type report struct {
		err error
		at  time.Time
	}
	reports := make(chan report, 10)
	player := RetryPlayer(base, func(err error) { reports <- report{err, time.Now()} })
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- player.Play(ctx, tonePull(440)) }()
	time.Sleep(1500 * time.Millisecond)
	p.kill()
	if err := (<-reports).err; !errors.Is(err, ErrNoSound) && !errors.Is(err, ErrStopped) {
		t.Errorf("report %v, want ErrNoSound or ErrStopped", err)
	}
	dead := time.Now()
	p.start()
	back := time.Now()
	t.Logf("the server took %v to start", back.Sub(dead))
	m := p.monitor("sink")
	r := <-reports
	for errors.Is(r.err, ErrNoSound) || errors.Is(r.err, ErrNoAnswer) {
		r = <-reports
	}
	t.Logf("playing again %v after the server", r.at.Sub(back))
	if r.err != nil {
		t.Errorf("report %v, want nil", r.err)
	}
	time.Sleep(1500 * time.Millisecond)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	clean := 0
	pcm := m.pcm[max(0, len(m.pcm)-Rate):]
	for ; len(pcm) >= Rate/10; pcm = pcm[Rate/10:] {
		if toneShare(pcm[:Rate/10], 440) > 0.99 {
			clean++
		}
	}
	if t.Logf("%d of the last 10 stretches of 100 ms are clean", clean); clean < 5 {
		t.Errorf("%d of the last 10 stretches of 100 ms are clean", clean)
	}
}

// TestPulseHangs stops the server without ending it, under a running player.
func TestPulseHangs(t *testing.T) {
	p := startPulse(t)
	p.monitor("sink")
	player, _ := OpenPlayer("default", Options{})
	done := make(chan error, 1)
	go func() { done <- player.Play(t.Context(), tonePull(440)) }()
	time.Sleep(2 * time.Second)
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	stopped := time.Now()
	select {
	case err := <-done:
		t.Logf("after %v: %v", time.Since(stopped), err)
		if !errors.Is(err, ErrNoAnswer) {
			t.Errorf("error %v, want ErrNoAnswer", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("still running 10 s after the server hangs")
	}
}

func TestPulseDevices(t *testing.T) {
	startPulse(t)
	list, err := new(Host).Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]DeviceInfo{}
	for _, d := range list {
		t.Logf("%+v", d)
		found[d.ID] = d
	}
	if d := found["sink"]; !d.Output || d.Input || !d.Default {
		t.Errorf("sink: %+v", d)
	}
	if d := found["other.monitor"]; !d.Input || d.Output || d.Default {
		t.Errorf("other.monitor: %+v", d)
	}
	player, _ := OpenPlayer("device:nothing of that name", Options{})
	if err := player.Play(t.Context(), func([]int16) {}); !errors.Is(err, ErrNoDevice) {
		t.Errorf("unknown device: %v", err)
	}
}

func TestPulseAbsent(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PULSE_SERVER", "unix:"+filepath.Join(dir, "native"))
	t.Setenv("XDG_RUNTIME_DIR", dir)
	t.Setenv("PULSE_RUNTIME_PATH", dir)
	player, _ := OpenPlayer("default", Options{})
	begin := time.Now()
	err := player.Play(t.Context(), func([]int16) {})
	t.Logf("after %v: %v", time.Since(begin), err)
	if !errors.Is(err, ErrNoSound) {
		t.Errorf("Play without a server: %v, want ErrNoSound", err)
	}
	recorder, _ := OpenRecorder("default", Options{})
	if err = recorder.Record(t.Context(), func([]int16) {}); !errors.Is(err, ErrNoSound) {
		t.Errorf("Record without a server: %v, want ErrNoSound", err)
	}
	if list, err := new(Host).Devices(t.Context()); !errors.Is(err, ErrNoSound) {
		t.Errorf("Devices without a server: %v, %v", list, err)
	}
}
