package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/score"
)

// soundRate is the rate of the lab's sinks, that of the sound devices of our day.
const soundRate = 48000

// SoundServer is a PulseAudio of the lab's own. A phone's microphone is the monitor of a sink that somebody plays to,
// its loudspeaker another sink; both show at the same moment to everybody who listens, so that the time between is the
// phones' own.
type SoundServer struct {
	lab  *Lab
	dir  string
	proc *process
}

// StartSound starts a PulseAudio with one sink for each name, which play to nobody.
func (l *Lab) StartSound(ctx context.Context, sinks ...string) (*SoundServer, error) {
	s := &SoundServer{lab: l, dir: filepath.Join(l.cfg.Dir, "pulse")}
	argv := []string{
		"pulseaudio", "-n", "--daemonize=no", "--system=false", "--use-pid-file=false", "--exit-idle-time=-1",
		"--realtime=no", // in real time the kernel ends it when the machine is busy
		"--log-level=error", "--log-target=stderr",
	}
	for _, sink := range sinks {
		argv = append(argv, "-L", fmt.Sprintf("module-null-sink sink_name=%s channels=1 rate=%d", sink, soundRate))
	}
	argv = append(argv, "-L", "module-native-protocol-unix auth-anonymous=1 socket="+s.socket())
	var err error
	if s.proc, err = startProcess(l.ns("core"), "pulseaudio", s.dir, nil, s.Env(), argv...); err != nil {
		return nil, err
	}
	l.adopt(s.proc)
	err = poll(ctx, 20*time.Millisecond, func() (bool, error) {
		if !s.proc.running() {
			return false, errEnded
		}
		_, serr := os.Stat(s.socket())
		return serr == nil, nil
	})
	if err != nil {
		return nil, fmt.Errorf("start PulseAudio: %w; its output ends with:\n%s", err, tail(s.proc.output(0), 1500))
	}
	return s, nil
}

// RealTime is RealTime for the server, which otherwise takes its own main thread out of it.
func (s *SoundServer) RealTime() error { return realTime(strconv.Itoa(s.proc.cmd.Process.Pid), true) }

func (s *SoundServer) socket() string { return filepath.Join(s.dir, "native") }

// Env is what makes a program use the server, PulseAudio's own clients and those of ALSA alike.
func (s *SoundServer) Env() []string {
	return []string{
		"XDG_RUNTIME_DIR=" + s.dir, "PULSE_RUNTIME_PATH=" + s.dir, "PULSE_STATE_PATH=" + s.dir,
		"PULSE_COOKIE=" + filepath.Join(s.dir, "cookie"), "PULSE_SERVER=unix:" + s.socket(),
		"DBUS_SESSION_BUS_ADDRESS=",
	}
}

// ALSA gives the environment of a program that knows ALSA only. Its devices "mouth" and "ear", which are "default"
// too, are the monitor of one sink and another sink.
func (s *SoundServer) ALSA(mouth, ear string) ([]string, error) {
	path := filepath.Join(s.dir, "alsa-"+mouth+"-"+ear)
	text := fmt.Sprintf(`</usr/share/alsa/alsa.conf>
pcm.mouth { type pulse server "unix:%[1]s" device "%[2]s.monitor" }
pcm.ear { type pulse server "unix:%[1]s" device "%[3]s" }
pcm.!default { type asym playback.pcm "ear" capture.pcm "mouth" }
ctl.!default { type pulse server "unix:%[1]s" }
`, s.socket(), mouth, ear)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		return nil, fmt.Errorf("configure ALSA: %w", err)
	}
	return append(s.Env(), "ALSA_CONFIG_PATH="+path), nil
}

// Play plays a WAV file to a sink once, as somebody who speaks into the microphone behind it.
func (s *SoundServer) Play(sink, wav string) error {
	p, err := startProcess(s.lab.ns("core"), "paplay "+sink, filepath.Join(s.dir, "play-"+sink), nil, s.Env(),
		"paplay", "--latency-msec=40", "-d", sink, wav)
	if err != nil {
		return err
	}
	s.lab.adopt(p)
	return nil
}

// Ear listens to a sink. To listen also keeps the sink awake: one that nobody listens to sleeps for two seconds at a
// time.
type Ear struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu   sync.Mutex
	pcm  []int16
	zero time.Time // when sample 0 was heard: the earliest moment that an arrival allows
}

// Listen starts to listen and waits until the sink is awake. Close ends it.
func (s *SoundServer) Listen(ctx context.Context, sink string) (*Ear, error) {
	e := &Ear{done: make(chan struct{})}
	//nolint:noctx // it lives until Close
	e.cmd = exec.Command("parec", "-d", sink+".monitor", "--raw", "--latency-msec=10", "--format=s16le",
		fmt.Sprintf("--rate=%d", soundRate), "--channels=1")
	e.cmd.Env = append(os.Environ(), s.Env()...)
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("listen to %s: %w", sink, err)
	}
	if err = e.cmd.Start(); err != nil {
		return nil, fmt.Errorf("listen to %s: %w", sink, err)
	}
	go e.read(out)
	err = poll(ctx, 10*time.Millisecond, func() (bool, error) {
		e.mu.Lock()
		defer e.mu.Unlock()
		return len(e.pcm) > soundRate/10, nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("listen to %s: %w", sink, err), e.Close())
	}
	return e, nil
}

func (e *Ear) read(out io.Reader) {
	defer close(e.done)
	buf := make([]byte, 1<<16)
	kept := 0
	for {
		n, err := out.Read(buf[kept:])
		now := time.Now()
		n += kept
		e.mu.Lock()
		for i := 0; i+1 < n; i += 2 {
			e.pcm = append(e.pcm, int16(binary.LittleEndian.Uint16(buf[i:]))) // signed samples
		}
		heard := time.Duration(len(e.pcm)) * time.Second / soundRate
		if zero := now.Add(-heard); e.zero.IsZero() || zero.Before(e.zero) {
			e.zero = zero
		}
		e.mu.Unlock()
		kept = copy(buf, buf[n&^1:n])
		if err != nil {
			return
		}
	}
}

// Between is what was heard in a stretch of time. Parts that were not heard yet are missing at the end.
func (e *Ear) Between(from, to time.Time) score.Sound {
	e.mu.Lock()
	defer e.mu.Unlock()
	place := func(t time.Time) int {
		return min(max(int(t.Sub(e.zero)*soundRate/time.Second), 0), len(e.pcm))
	}
	return score.FromPCM(soundRate, e.pcm[place(from):place(to)])
}

// Close ends the listening. What was heard stays.
func (e *Ear) Close() error {
	err := e.cmd.Process.Kill()
	<-e.done
	_ = e.cmd.Wait() // it was killed
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}
