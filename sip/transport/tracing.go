package transport

import (
	"net/netip"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/trace"
)

// tracer is who wants to see messages.
type tracer struct {
	see      func(trace.Entry)
	silenced bool // those too that Admit dropped
}

// Trace gives every message in and out to f, masked, from the goroutine that reads or writes: f must not block.
// silenced says whether messages that Admit dropped are wanted too; a flood of them costs nothing when they are not.
// nil ends it, and then it costs one atomic load a message.
func (l *Layer) Trace(f func(trace.Entry), silenced bool) {
	if f == nil {
		l.tracer.Store(nil)
		return
	}
	l.tracer.Store(&tracer{f, silenced})
}

// traceIn tells of a message that came.
func (l *Layer) traceIn(c Conn, raw []byte, fate trace.Fate) {
	if t := l.tracer.Load(); t != nil && (t.silenced || fate != trace.Silenced) {
		e := l.entry(c, raw, fate == trace.Junk)
		e.Fate = fate
		t.see(e)
	}
}

// fateOf is that of a message which was parsed, or not.
func fateOf(err error) trace.Fate {
	if err != nil {
		return trace.Junk
	}
	return trace.Taken
}

// traceOut tells of a message that is about to be sent.
func (l *Layer) traceOut(c Conn, raw []byte) {
	if t := l.tracer.Load(); t != nil {
		e := l.entry(c, raw, false)
		e.Out = true
		t.see(e)
	}
}

func (l *Layer) entry(c Conn, raw []byte, junk bool) trace.Entry {
	e := trace.Entry{At: time.Now(), Transport: c.Transport(), Local: c.Local(), Remote: c.Remote()}
	if e.Local.Addr().IsUnspecified() { // a datagram leaves from where the kernel decides
		e.Local = netip.AddrPortFrom(l.sources.toward(l.net, e.Remote, e.At), e.Local.Port())
	}
	if junk && !LooksLikeSIP(raw) {
		e.Message = trace.Noise(raw)
		return e
	}
	e.Message = trace.Mask(raw)
	return e
}

const (
	// sourceGood is how long a source address is shown without asking again: asking costs a socket.
	sourceGood = 2 * time.Second
	// maxSources bounds the memory of source addresses.
	maxSources = 256
)

// sources remembers from which of our addresses datagrams leave, for a trace under load. The zero value is ready.
type sources struct {
	mu    sync.Mutex
	known map[netip.Addr]sourceAt
}

type sourceAt struct {
	src   netip.Addr
	until time.Time
}

// toward gives our address toward a peer; unspecified when there is none.
func (s *sources) toward(n Network, remote netip.AddrPort, now time.Time) netip.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k, ok := s.known[remote.Addr()]; ok && now.Before(k.until) {
		return k.src
	}
	src, err := n.Source(remote)
	if err != nil {
		return netip.IPv6Unspecified()
	}
	if s.known == nil || len(s.known) >= maxSources {
		s.known = map[netip.Addr]sourceAt{}
	}
	s.known[remote.Addr()] = sourceAt{src.Unmap(), now.Add(sourceGood)}
	return src.Unmap()
}
