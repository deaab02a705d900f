package lab

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Pactl asks or tells the server something, and gives what it says.
func (s *SoundServer) Pactl(ctx context.Context, words ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "pactl", words...)
	cmd.Env = append(os.Environ(), s.Env()...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("pactl %s: %w: %s", strings.Join(words, " "), err, out)
	}
	return string(out), nil
}

// Unplug takes a sink away, as when its device is pulled out.
func (s *SoundServer) Unplug(ctx context.Context, sink string) error {
	modules, err := s.Pactl(ctx, "list", "short", "modules")
	if err != nil {
		return err
	}
	for line := range strings.Lines(modules) {
		words := strings.Fields(line)
		if len(words) > 2 && words[1] == "module-null-sink" && strings.Contains(line, "sink_name="+sink+" ") {
			_, err := s.Pactl(ctx, "unload-module", words[0])
			return err
		}
	}
	return fmt.Errorf("unplug %s: there is no such sink", sink)
}

// Plug gives the server a sink more. Without rewinds it works in steps of 50 ms from its first moment on, as a sound
// card does; another null sink takes the first two seconds at once.
func (s *SoundServer) Plug(ctx context.Context, sink string) error {
	_, err := s.Pactl(ctx, "load-module", "module-null-sink", "sink_name="+sink, "channels=1",
		fmt.Sprintf("rate=%d", soundRate), "norewinds=1")
	return err
}

// Crash ends the server at once, as kill -9 does.
func (s *SoundServer) Crash() error {
	if err := s.proc.stop(0); err != nil {
		return err
	}
	if err := os.Remove(s.socket()); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("crash PulseAudio: %w", err)
	}
	return nil
}

// Revive starts the server again, with the sinks of StartSound, and waits until it answers.
func (s *SoundServer) Revive(ctx context.Context) error {
	argv := s.proc.cmd.Args[len([]string{"ip", "netns", "exec", "NAMESPACE"}):]
	var err error
	if s.proc, err = startProcess(s.lab.ns("core"), "pulseaudio", s.dir, nil, s.Env(), argv...); err != nil {
		return err
	}
	s.lab.adopt(s.proc)
	return poll(ctx, 10*time.Millisecond, func() (bool, error) {
		_, err := s.Pactl(ctx, "info")
		return err == nil, nil
	})
}

// FirstSound is when something was first heard after a moment; false: nothing yet.
func (e *Ear) FirstSound(after time.Time) (time.Time, bool) {
	const loud, stretch = 500, soundRate / 100 // of 32768, in 10 ms
	e.mu.Lock()
	defer e.mu.Unlock()
	for at := max(int(after.Sub(e.zero)*soundRate/time.Second), 0); at+stretch <= len(e.pcm); at += stretch {
		var power float64
		for _, x := range e.pcm[at : at+stretch] {
			power += float64(x) * float64(x) / stretch
		}
		if power > loud*loud {
			return e.zero.Add(time.Duration(at) * time.Second / soundRate), true
		}
	}
	return time.Time{}, false
}
