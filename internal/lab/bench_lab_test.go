//go:build lab

package lab

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/wire"
)

// The benchmarks print Peregrine beside baresip, measured in the same lab in the same run: the
// absolute figures are those of the machine, their relation is what counts. `make bench` runs them.

// calling is a caller under the benchmark.
type calling struct {
	pid    int
	host   *Host
	call   func(b *testing.B) (hangup func())
	finish func()
}

// callers makes both programs a caller on the mobile host, one after the other, toward the same
// callee, a baresip that answers at once.
func callers(b *testing.B, codec string) map[string]func(l *Lab, callee string) calling {
	return map[string]func(l *Lab, callee string) calling{
		"peregrine": func(l *Lab, callee string) calling {
			p := newPhone(b, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
				"audio.input": "tone:440", "audio.output": "none", "codecs": codecNames[codec],
			}})
			return calling{
				pid: p.proc.cmd.Process.Pid, host: p.Host,
				call: func(b *testing.B) func() {
					mark := p.Mark()
					id, err := p.Call(b.Context(), callee)
					must(b, err)
					_, err = p.WaitCall(within(b, 10*time.Second), mark, id, "established")
					must(b, err)
					return func() { must(b, p.Do(b.Context(), "hangup", id)) }
				},
				finish: func() { must(b, p.Stop(b.Context())) },
			}
		},
		"baresip": func(l *Lab, callee string) calling {
			p, err := l.Mobile(0).StartBaresip(b.Context(), BaresipConfig{User: "alice", Domain: Info, Codecs: []string{codec}})
			must(b, err)
			return calling{
				pid: p.proc.cmd.Process.Pid, host: p.Host,
				call: func(b *testing.B) func() {
					since := time.Now()
					must(b, p.Dial(b.Context(), callee))
					_, err := p.WaitEvent(within(b, 10*time.Second), since, "CALL_ESTABLISHED")
					must(b, err)
					return func() {
						since := time.Now()
						must(b, p.Hangup(b.Context()))
						_, err := p.WaitEvent(within(b, 10*time.Second), since, "CALL_CLOSED")
						must(b, err)
					}
				},
				finish: func() { must(b, p.Stop()) },
			}
		},
	}
}

// codecNames are our names of baresip's codecs.
var codecNames = map[string]string{"pcmu": "PCMU", "opus/48000/2": "opus"}

// eachCaller runs a benchmark with either program as the caller.
func eachCaller(b *testing.B, codec string, run func(b *testing.B, c calling)) {
	l := newLab(b, Config{})
	bob, err := l.Correspondent(0).StartBaresip(b.Context(), BaresipConfig{User: "bob", Domain: Info, Codecs: []string{codec}})
	must(b, err)
	programs := callers(b, codec)
	for _, name := range []string{"peregrine", "baresip"} {
		c := programs[name](l, bob.AOR)
		b.Run(name, func(b *testing.B) { run(b, c) })
		c.finish()
	}
}

// BenchmarkCallSetup is the time from the first INVITE on the wire to its 200, digest included.
func BenchmarkCallSetup(b *testing.B) {
	eachCaller(b, "pcmu", func(b *testing.B, c calling) {
		var took []time.Duration
		for b.Loop() {
			capture, err := c.host.Capture()
			must(b, err)
			hangup := c.call(b)
			packets, err := capture.Stop()
			must(b, err)
			hangup()
			took = append(took, setupTime(b, packets))
		}
		slices.Sort(took)
		b.ReportMetric(milliseconds(took[len(took)/2]), "ms-p50")
		b.ReportMetric(milliseconds(took[len(took)*99/100]), "ms-p99")
		b.ReportMetric(0, "ns/op") // that of the driver, not of the program
	})
}

// setupTime finds the first INVITE and the 200 to an INVITE in a capture.
func setupTime(b *testing.B, packets []wire.Packet) time.Duration {
	b.Helper()
	ok := regexp.MustCompile(`(?s)^SIP/2\.0 200 .*\r\nCSeq: *\d+ INVITE\r\n`)
	var first time.Time
	for _, p := range packets {
		switch {
		case p.Outgoing && first.IsZero() && bytes.HasPrefix(p.Payload, []byte("INVITE ")):
			first = p.At
		case !p.Outgoing && !first.IsZero() && ok.Match(p.Payload):
			return p.At.Sub(first)
		}
	}
	b.Fatal("no INVITE and 200 over UDP in the capture")
	return 0
}

// BenchmarkOpusCall is the processor time of one Opus call, per second of call.
func BenchmarkOpusCall(b *testing.B) {
	const long = 10 * time.Second
	eachCaller(b, "opus/48000/2", func(b *testing.B, c calling) {
		hangup := c.call(b)
		time.Sleep(2 * time.Second) // what a start costs is not what a call costs
		var used, passed time.Duration
		for b.Loop() {
			before, began := processorTime(b, c.pid), time.Now()
			time.Sleep(long)
			used += processorTime(b, c.pid) - before
			passed += time.Since(began)
		}
		hangup()
		b.ReportMetric(milliseconds(used)/passed.Seconds(), "cpu-ms/s")
		b.ReportMetric(residentMB(b, c.pid), "MB-resident")
		b.ReportMetric(0, "ns/op")
	})
}

// processorTime is what a process has used of the processor so far, in steps of 10 ms (proc(5), USER_HZ 100).
func processorTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(b, err)
	_, rest, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	user, err := strconv.Atoi(fields[11])
	must(b, err)
	system, err := strconv.Atoi(fields[12])
	must(b, err)
	return time.Duration(user+system) * 10 * time.Millisecond
}

// residentMB is the resident memory of a process.
func residentMB(b *testing.B, pid int) float64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	must(b, err)
	pages, err := strconv.Atoi(strings.Fields(string(data))[1])
	must(b, err)
	return float64(pages*os.Getpagesize()) / (1 << 20)
}
