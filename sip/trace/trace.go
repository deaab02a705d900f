// Package trace is the SIP trace that a support person reads: every message in and out with its time and addresses,
// without secrets. Package sip/transport makes the entries, masked by Mask before anybody else sees them; a Log keeps
// the last ones and gives them to readers; WriteTo makes them text.
package trace

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// Entry is one message on the wire.
type Entry struct {
	At            time.Time
	Out           bool   // sent by us
	Transport     string // "udp", "tcp", "tls"
	Local, Remote netip.AddrPort
	Fate          Fate   // of what came
	Message       []byte // masked; never changed once the entry is made
}

// Fate is what became of a message that came.
type Fate int

// The fates.
const (
	Taken    Fate = iota // given to the user agent
	Junk                 // nobody could read it
	Silenced             // dropped by the shield without an answer
)

func (f Fate) String() string {
	switch f {
	case Taken:
		return "taken"
	case Junk:
		return "not understood"
	case Silenced:
		return "dropped without an answer"
	}
	return "unknown"
}

// WriteTo writes an entry as text: a line that says when, where from and where to, the message with line feeds alone,
// and an empty line. It returns what w's Write does.
func WriteTo(w io.Writer, e Entry) (int, error) { return io.WriteString(w, e.String()) }

// String gives the text form of WriteTo:
//
//	2026-11-22T20:05:12.123456Z UDP 10.0.0.1:5060 -> 10.0.0.2:5060 (412 bytes shown)
//	OPTIONS sip:bob@info.test SIP/2.0
//	…
func (e Entry) String() string {
	from, to := e.Remote, e.Local
	if e.Out {
		from, to = to, from
	}
	var b strings.Builder
	note := ""
	if e.Fate != Taken {
		note = ", " + e.Fate.String()
	}
	fmt.Fprintf(&b, "%s %s %s -> %s (%d bytes shown%s)\n", e.At.UTC().Format("2006-01-02T15:04:05.000000Z07:00"),
		strings.ToUpper(e.Transport), from, to, len(e.Message), note)
	b.WriteString(printable(e.Message))
	if n := len(e.Message); n == 0 || e.Message[n-1] != '\n' {
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.String()
}

// printable makes text of a message that no terminal mistakes for commands.
func printable(message []byte) string {
	text := strings.ToValidUTF8(strings.ReplaceAll(string(message), "\r\n", "\n"), "�")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < ' ' || r >= 0x7f && r < 0xa0:
			return '·'
		}
		return r
	}, text)
}

const (
	// defaultEntries and defaultBytes bound a Log whose maker did not care.
	defaultEntries = 1000
	defaultBytes   = 4 << 20
	// subscriberDepth is how many entries wait for a slow reader before it misses some.
	subscriberDepth = 256
	// maxSubscribers bounds the readers of a Log.
	maxSubscribers = 16
)

// Log keeps the last entries. Its methods may be called from any goroutine; Add never blocks. The zero value is ready.
type Log struct {
	mu      sync.Mutex
	entries []Entry
	bytes   int
	readers map[chan Entry]struct{}
}

// Add appends an entry; the oldest ones go when there are more than 1,000, or 4 MiB of them.
func (l *Log) Add(e Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, e)
	l.bytes += len(e.Message)
	drop := 0
	for len(l.entries)-drop > defaultEntries || l.bytes > defaultBytes {
		l.bytes -= len(l.entries[drop].Message)
		l.entries[drop] = Entry{} // or its bytes stay with the array
		drop++
	}
	l.entries = l.entries[drop:]
	for ch := range l.readers {
		select {
		case ch <- e:
		default:
			select { // a slow reader misses the oldest
			case <-ch:
			default:
			}
			select {
			case ch <- e:
			default:
			}
		}
	}
}

// Recent gives the last n entries at most, oldest first.
func (l *Log) Recent(n int) []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	n = max(0, min(n, len(l.entries)))
	return append([]Entry(nil), l.entries[len(l.entries)-n:]...)
}

// Subscribe gives each entry from now on until ctx ends; then the channel is closed. A reader that is too slow misses
// entries. With too many readers the channel is closed at once.
func (l *Log) Subscribe(ctx context.Context) <-chan Entry {
	ch := make(chan Entry, subscriberDepth)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.readers) >= maxSubscribers || ctx.Err() != nil {
		close(ch)
		return ch
	}
	if l.readers == nil {
		l.readers = map[chan Entry]struct{}{}
	}
	l.readers[ch] = struct{}{}
	context.AfterFunc(ctx, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.readers, ch)
		close(ch)
	})
	return ch
}
