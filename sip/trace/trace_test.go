package trace

import (
	"bytes"
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func entry(text string) Entry {
	return Entry{
		At: time.Date(2026, 11, 22, 20, 5, 12, 123456000, time.UTC), Transport: "udp", Message: []byte(text),
		Local: netip.MustParseAddrPort("10.0.0.1:5060"), Remote: netip.MustParseAddrPort("[2001:db8::2]:5060"),
	}
}

func TestText(t *testing.T) {
	e := entry("SIP/2.0 200 OK\r\nSubject: \x1b[2Jü\x00\xff\r\n\r\n")
	want := "2026-11-22T20:05:12.123456Z UDP [2001:db8::2]:5060 -> 10.0.0.1:5060 (37 bytes shown)\nSIP/2.0 200 OK\nSubject: ·[2Jü·�\n\n\n"
	var b bytes.Buffer
	if _, err := WriteTo(&b, e); err != nil || b.String() != want {
		t.Errorf("%v\n%q\n%q", err, b.String(), want)
	}
	e.Out, e.Fate = true, Junk
	if got := e.String(); !strings.Contains(got, "10.0.0.1:5060 -> [2001:db8::2]:5060") || !strings.Contains(got, "not understood") {
		t.Errorf("%q", got)
	}
}

func TestLogIsBounded(t *testing.T) {
	var l Log
	for range 3 * defaultEntries {
		l.Add(entry("x"))
	}
	if n := len(l.Recent(1 << 30)); n != defaultEntries {
		t.Errorf("%d entries", n)
	}
	big := strings.Repeat("x", 100<<10)
	for range 100 {
		l.Add(entry(big))
	}
	if n := len(l.Recent(1 << 30)); n*len(big) > defaultBytes || n < 30 {
		t.Errorf("%d large entries", n)
	}
	l.Add(entry("last"))
	if got := l.Recent(1); len(got) != 1 || string(got[0].Message) != "last" || len(l.Recent(-1)) != 0 {
		t.Errorf("%v", got)
	}
}

// A slow reader misses the oldest entries and holds up nobody; the end of the context closes the channel.
func TestSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l Log
		ctx, cancel := context.WithCancel(t.Context())
		slow := l.Subscribe(ctx)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range subscriberDepth {
					l.Add(entry("x"))
				}
			})
		}
		wg.Wait()
		l.Add(entry("last"))
		cancel()
		synctest.Wait()
		var last Entry
		n := 0
		for e := range slow {
			last = e
			n++
		}
		if n != subscriberDepth || string(last.Message) != "last" {
			t.Errorf("%d entries, the last %q", n, last.Message)
		}
		l.Add(entry("nobody listens"))
		if _, open := <-l.Subscribe(ctx); open {
			t.Error("a reader after its end")
		}
		other, stop := context.WithCancel(t.Context())
		defer stop()
		for range maxSubscribers {
			l.Subscribe(other)
		}
		if _, open := <-l.Subscribe(other); open {
			t.Error("too many readers")
		}
	})
}
