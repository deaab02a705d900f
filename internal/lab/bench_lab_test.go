//go:build lab

package lab

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
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
// Both send the same speech from a file, with the same settings of the encoder.
func callers(b *testing.B, codec string) map[string]func(l *Lab, callee string) calling {
	return map[string]func(l *Lab, callee string) calling{
		"peregrine": func(l *Lab, callee string) calling {
			p := newPhone(b, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
				"audio.input": "file:" + suiteSpeech(b).Wide, "audio.output": "none", "codecs": codecNames[codec],
				"audio.echo": "off", "audio.noise": "off", "audio.gain": "off", // baresip has none of it
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
			p, err := l.Mobile(0).StartBaresip(b.Context(), BaresipConfig{
				User: "alice", Domain: Info, Codecs: []string{codec}, Lines: equalOpus, Source: "aufile," + suiteSpeech(b).Wide,
			})
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
	bob, err := l.Correspondent(0).StartBaresip(b.Context(), BaresipConfig{
		User: "bob", Domain: Info, Codecs: []string{codec}, Lines: equalOpus, Source: "aufile," + suiteSpeech(b).Wide,
	})
	must(b, err)
	programs := callers(b, codec)
	for _, name := range []string{"peregrine", "baresip"} {
		c := programs[name](l, bob.AOR)
		b.Run(name, func(b *testing.B) { run(b, c) })
		c.finish()
	}
}

// BenchmarkCallSetup calls with both programs in turn, so that a noisy moment of the machine hurts both. "wire" is the
// time from the first INVITE to its 200, digest included; "verb" is that from the command on the program's own control
// connection until the call is established and its ACK leaves.
func BenchmarkCallSetup(b *testing.B) {
	l := newLab(b, Config{Mobiles: 2})
	bob, err := l.Correspondent(0).StartBaresip(b.Context(), BaresipConfig{User: "bob", Domain: Info, Codecs: []string{"pcmu"}})
	must(b, err)
	ours := newPhone(b, &l.Mobile(0).Host, PhoneConfig{User: "alice", Domain: Info, Set: map[string]string{
		"audio.input": "tone:440", "audio.output": "none", "codecs": "PCMU",
	}})
	theirs, err := l.Mobile(1).StartBaresip(b.Context(), BaresipConfig{
		User: "carol", Domain: Info, Codecs: []string{"pcmu"}, Quiet: true, Interval: 3600,
	})
	must(b, err)
	control := dialControl(b, ours)
	callers := []*setup{
		{name: "peregrine", host: ours.Host, call: func() { control.call(b, bob.AOR) }},
		{name: "baresip", host: theirs.Host, call: func() { baresipCalls(b, theirs, bob.AOR) }},
	}
	for _, c := range callers {
		c.capture, err = c.host.Capture()
		must(b, err)
	}
	for b.Loop() {
		for _, c := range callers {
			c.verbs = append(c.verbs, time.Now())
			c.call()
		}
	}
	for _, c := range callers {
		packets, err := c.capture.Stop()
		must(b, err)
		calls := setups(packets)
		if len(calls) != len(c.verbs) {
			b.Fatalf("%d of %d calls of %s are in the capture", len(calls), len(c.verbs), c.name)
		}
		var onWire, byVerb []time.Duration
		for i, call := range calls {
			onWire = append(onWire, call.ok.Sub(call.invite))
			byVerb = append(byVerb, call.ack.Sub(c.verbs[i]))
		}
		c.report(b, "wire", onWire)
		c.report(b, "verb", byVerb)
	}
	b.ReportMetric(0, "ns/op") // that of the driver, not of a program
}

// setup is a caller of BenchmarkCallSetup.
type setup struct {
	name    string
	host    *Host
	capture *Capture
	call    func()      // calls, waits until the call is established, and hangs up
	verbs   []time.Time // when it was told to
}

func (s *setup) report(b *testing.B, what string, took []time.Duration) {
	b.Helper()
	if len(took) == 0 {
		b.Fatalf("%s has called nobody", s.name)
	}
	slices.Sort(took)
	b.ReportMetric(milliseconds(took[len(took)/2]), s.name+"-"+what+"-ms-p50")
	b.ReportMetric(milliseconds(took[len(took)*99/100]), s.name+"-"+what+"-ms-p99")
}

func baresipCalls(b *testing.B, p *Baresip, callee string) {
	b.Helper()
	since := time.Now()
	must(b, p.Dial(b.Context(), callee))
	_, err := p.WaitEvent(within(b, 10*time.Second), since, "CALL_ESTABLISHED")
	must(b, err)
	must(b, p.Hangup(b.Context()))
	_, err = p.WaitEvent(within(b, 10*time.Second), since, "CALL_CLOSED")
	must(b, err)
}

// control is a connection to the program's socket (docs/control.md): what a script that makes many calls would use.
type control struct {
	conn net.Conn
	in   *bufio.Scanner
	id   int
}

func dialControl(b *testing.B, p *Phone) *control {
	b.Helper()
	conn, err := net.Dial("unix", filepath.Join(p.Dir, "control.sock"))
	must(b, err)
	b.Cleanup(func() { _ = conn.Close() })
	c := &control{conn: conn, in: bufio.NewScanner(conn)}
	c.in.Buffer(nil, 4<<20)
	c.send(b, "watch", nil)
	return c
}

func (c *control) send(b *testing.B, verb string, args map[string]string) {
	b.Helper()
	c.id++
	line, err := json.Marshal(map[string]any{"id": c.id, "verb": verb, "args": args})
	must(b, err)
	_, err = c.conn.Write(append(line, '\n'))
	must(b, err)
}

// wait reads until a call has the state.
func (c *control) wait(b *testing.B, state string) (id string) {
	b.Helper()
	must(b, c.conn.SetReadDeadline(time.Now().Add(10*time.Second)))
	for c.in.Scan() {
		var line struct {
			Error  json.RawMessage
			Result struct {
				Event string
				Call  json.RawMessage // in answers to verbs it is something else
			}
		}
		must(b, json.Unmarshal(c.in.Bytes(), &line))
		if line.Error != nil {
			b.Fatalf("refused: %s", line.Error)
		}
		if line.Result.Event != "call" {
			continue
		}
		var call PhoneCall
		must(b, json.Unmarshal(line.Result.Call, &call))
		if call.State == state {
			return call.ID
		}
	}
	b.Fatalf("no call that is %s: %v", state, c.in.Err())
	return ""
}

func (c *control) call(b *testing.B, callee string) {
	b.Helper()
	c.send(b, "call", map[string]string{"address": callee})
	id := c.wait(b, "established")
	c.send(b, "hangup", map[string]string{"call": id})
	c.wait(b, "ended")
}

// setupOnWire is when the first INVITE of a call left, its 200 came, and the ACK of that left.
type setupOnWire struct{ invite, ok, ack time.Time }

// setups finds the calls in a capture of a caller.
func setups(packets []wire.Packet) []*setupOnWire {
	ok := regexp.MustCompile(`(?s)^SIP/2\.0 200 .*\r\nCSeq: *\d+ INVITE\r\n`)
	id := regexp.MustCompile(`(?i)\r\n(?:Call-ID|i): *(\S+)`)
	byID := map[string]*setupOnWire{}
	var calls []*setupOnWire
	for _, p := range packets {
		m := id.FindSubmatch(p.Payload)
		if m == nil {
			continue
		}
		call := byID[string(m[1])]
		switch {
		case call == nil && p.Outgoing && bytes.HasPrefix(p.Payload, []byte("INVITE ")):
			call = &setupOnWire{invite: p.At}
			byID[string(m[1])] = call
			calls = append(calls, call)
		case call == nil:
		case call.ok.IsZero() && !p.Outgoing && ok.Match(p.Payload):
			call.ok = p.At
		case call.ack.IsZero() && !call.ok.IsZero() && p.Outgoing && bytes.HasPrefix(p.Payload, []byte("ACK ")):
			call.ack = p.At
		}
	}
	return calls
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
