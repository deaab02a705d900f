//go:build lab

package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/score"
	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

// judge compares a recording with the speech and fails on holes. It returns the report.
func judge(t *testing.T, what, source, recording string, atLeast time.Duration) score.Report {
	t.Helper()
	src, err := score.Read(source)
	must(t, err)
	rec, err := score.Read(recording)
	must(t, err)
	r, err := score.Compare(src, rec, true)
	if err != nil {
		t.Errorf("%s: %v (%v recorded): %v", what, err, rec.Duration(), r)
		return r
	}
	t.Logf("%s: %v", what, r)
	if r.Silent > 0 {
		t.Errorf("%s: %d silent frames in speech, the first at %v of the recording", what, r.Silent, r.FirstHole)
	}
	if r.Compared < atLeast {
		t.Errorf("%s: only %v of sound, want %v at least", what, r.Compared, atLeast)
	}
	return r
}

// clock finds out when a growing WAV file's first sample was written.
type clock struct {
	path  string
	done  chan struct{}
	group sync.WaitGroup
	zero  time.Time // earliest moment at which sample 0 can have been written
}

// watchGrowth polls the file's size. bytesPerSecond is of its samples.
func watchGrowth(path string, bytesPerSecond int) *clock {
	c := &clock{path: path, done: make(chan struct{})}
	c.group.Go(func() {
		ticker := time.NewTicker(2 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-c.done:
				return
			case <-ticker.C:
			}
			info, err := os.Stat(c.path)
			if err != nil || info.Size() <= score.HeaderLen {
				continue
			}
			now := time.Now()
			written := time.Duration(float64(info.Size()-score.HeaderLen) / float64(bytesPerSecond) * float64(time.Second))
			if zero := now.Add(-written); c.zero.IsZero() || zero.Before(c.zero) {
				c.zero = zero
			}
		}
	})
	return c
}

func (c *clock) stop() time.Time {
	close(c.done)
	c.group.Wait()
	return c.zero
}

// delay measures from the moment a PCMU packet left its sender to the moment its sound was written
// to the receiver's recording: network, jitter buffer, decoder and the output's own step.
func delay(t *testing.T, sent []wire.RTP, recording string, zero time.Time) time.Duration {
	t.Helper()
	start, pcm := wire.DecodePCMU(sent)
	rec, err := score.Read(recording)
	must(t, err)
	r, err := score.Compare(score.FromPCM(8000, pcm), rec, false)
	must(t, err)
	// The recording's first sample would be r.Offset of what was sent, and was written at zero. A
	// packet leaves when its last sample has been taken, 20 ms after its first.
	return zero.Sub(start.Add(r.Offset))
}

// moved judges both directions of a moved call by what arrived at each end.
func moved(t *testing.T, what string, move Move, atMobile, atPeer []wire.Packet) (down, up wire.Gap) {
	t.Helper()
	down = wire.JudgeMove(wire.Direction(atMobile, false), move.Handover(), false)
	up = wire.JudgeMove(wire.Direction(atPeer, false), move.Handover(), true)
	for _, d := range []struct {
		name string
		gap  wire.Gap
	}{{"peer to mobile", down}, {"mobile to peer", up}} {
		if !d.gap.Back() {
			t.Logf("%s, %s: never came back at %v", what, d.name, move.New)
			continue
		}
		t.Logf("%s, %s: silence %.1f ms, first packet %.1f ms after the address was there, %d packets lost",
			what, d.name, milliseconds(d.gap.Silence), milliseconds(d.gap.SinceUp), d.gap.Lost)
	}
	return down, up
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// waitSIP waits until the capture has seen a SIP message over UDP that matches the pattern.
func waitSIP(ctx context.Context, c *Capture, pattern string) error {
	re := regexp.MustCompile(pattern)
	err := poll(ctx, 20*time.Millisecond, func() (bool, error) {
		return countSIP(c.Packets(), re) > 0, nil
	})
	if err != nil {
		return fmt.Errorf("wait for a packet with %s: %w", pattern, err)
	}
	return nil
}

// countSIP counts the messages over UDP that match.
func countSIP(packets []wire.Packet, re *regexp.Regexp) int {
	n := 0
	for _, p := range packets {
		if re.Match(p.Payload) {
			n++
		}
	}
	return n
}

// logSIP prints the SIP messages over UDP that a capture saw from a moment on, for two seconds.
func logSIP(t *testing.T, what string, packets []wire.Packet, from time.Time) {
	t.Helper()
	var out strings.Builder
	cseq := regexp.MustCompile(`(?i)\r\nCSeq: *([^\r]*)`)
	for _, p := range packets {
		after := p.At.Sub(from)
		if after < 0 || after > 2*time.Second || !bytes.Contains(p.Payload, []byte("SIP/2.0")) {
			continue
		}
		line, _, _ := bytes.Cut(p.Payload, []byte("\r\n"))
		number := cseq.FindSubmatch(p.Payload)
		if number == nil {
			continue
		}
		arrow := "<-"
		if p.Outgoing {
			arrow = "->"
		}
		fmt.Fprintf(&out, "%8.1f ms %s %v %s [%s]\n", milliseconds(after), arrow, p.Dst, line, number[1])
	}
	t.Logf("%s:\n%s", what, out.String())
}
