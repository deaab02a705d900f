package app

import (
	"bufio"
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/trace"
)

const (
	// maxTraceFile bounds the file of a trace; at a kilobyte a message these are 50,000 messages.
	maxTraceFile = 50 << 20
	// traceRecent is how many of the kept messages a new reader is given first.
	traceRecent = 500
)

// TraceEntry is one SIP message as it came or went. Passwords, keys and the texts of messages are masked.
type TraceEntry struct {
	At        time.Time `json:"at"`
	Out       bool      `json:"out"`       // sent by us
	Transport string    `json:"transport"` // udp, tcp or tls
	Local     string    `json:"local"`
	Remote    string    `json:"remote"`
	Text      string    `json:"text"`
}

// tracer keeps the last SIP messages, masked and in memory only, and gives them to who wants to see them.
type tracer struct {
	e   *Engine
	log trace.Log

	mu      sync.Mutex
	readers int
	file    *os.File
	out     *bufio.Writer
	written int
}

// Trace gives the SIP messages as they come and go, first the recent ones, until ctx ends. A
// slow reader misses some.
func (e *Engine) Trace(ctx context.Context) <-chan TraceEntry {
	t := e.tracer
	ctx, cancel := context.WithCancel(ctx)
	entries := t.log.Subscribe(ctx)
	recent := t.log.Recent(traceRecent)
	t.join(1)
	out := make(chan TraceEntry)
	go func() {
		defer close(out)
		defer t.join(-1)
		defer cancel()
		for _, en := range recent {
			if !t.give(ctx, out, en) {
				return
			}
		}
		for {
			select {
			case en, ok := <-entries:
				if !ok || !t.give(ctx, out, en) {
					return
				}
			case <-e.ended:
				return
			}
		}
	}()
	return out
}

func (t *tracer) give(ctx context.Context, out chan<- TraceEntry, en trace.Entry) bool {
	select {
	case out <- TraceEntry{
		At: en.At, Out: en.Out, Transport: en.Transport, Local: en.Local.String(), Remote: en.Remote.String(),
		Text: string(en.Message),
	}:
		return true
	case <-ctx.Done():
		return false
	case <-t.e.ended:
		return false
	}
}

// join counts readers.
func (t *tracer) join(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.readers += n
	t.collectLocked()
}

// collect begins to keep messages: a trace that has to be switched on before the trouble is of no use after it.
func (t *tracer) collect() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.collectLocked()
}

// collectLocked wants what the shield dropped as well as long as somebody looks; a flood would push the rest out.
func (t *tracer) collectLocked() { t.e.ua.Trace(t.take, t.readers > 0 || t.file != nil) }

// take is given every message. It must not block for long: the file is written through a buffer.
func (t *tracer) take(en trace.Entry) {
	t.log.Add(en)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.out == nil {
		return
	}
	n, err := trace.WriteTo(t.out, en)
	if t.written += n; err == nil && t.written <= maxTraceFile {
		if t.out.Buffered() > 0 {
			err = t.out.Flush() // whoever reads along sees whole messages
		}
	}
	if err != nil || t.written > maxTraceFile {
		t.closeLocked()
		t.e.spawn(func(context.Context) {
			t.e.addNotice("The trace of SIP messages has ended: its file is full or cannot be written.", errText(err))
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func (t *tracer) closeLocked() {
	if t.file == nil {
		return
	}
	_ = t.out.Flush() // what could be written is
	_ = t.file.Close()
	t.file, t.out, t.written = nil, nil, 0
}

// TraceTo writes the SIP messages from now on to a file as well, made anew and readable by the user alone; an empty
// path ends that. The file ends at 50 MB.
func (e *Engine) TraceTo(_ context.Context, path string) error {
	t := e.tracer
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeLocked()
	if path == "" {
		t.collectLocked()
		return nil
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return problem(err, "That is no place for a file.")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return problem(err, "The file %s cannot be written. Choose another place.", path)
	}
	t.file, t.out, t.written = f, bufio.NewWriter(f), 0
	t.collectLocked()
	return nil
}

// close ends the file when the engine ends.
func (t *tracer) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closeLocked()
}
