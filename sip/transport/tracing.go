package transport

import (
	"net/netip"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/trace"
)

// Trace gives every message in and out to f, masked, from the goroutine that reads or writes: f must not block. nil
// ends it, and then it costs one atomic load a message.
func (l *Layer) Trace(f func(trace.Entry)) {
	if f == nil {
		l.tracer.Store(nil)
		return
	}
	l.tracer.Store(&f)
}

// traceIn tells of a message that came.
func (l *Layer) traceIn(c Conn, raw []byte, fate trace.Fate) {
	if f := l.tracer.Load(); f != nil {
		e := l.entry(c, raw, fate == trace.Junk)
		e.Fate = fate
		(*f)(e)
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
	if f := l.tracer.Load(); f != nil {
		e := l.entry(c, raw, false)
		e.Out = true
		(*f)(e)
	}
}

func (l *Layer) entry(c Conn, raw []byte, junk bool) trace.Entry {
	e := trace.Entry{At: time.Now(), Transport: c.Transport(), Local: c.Local(), Remote: c.Remote()}
	if e.Local.Addr().IsUnspecified() { // a datagram leaves from where the kernel decides
		if src, err := l.net.Source(e.Remote); err == nil {
			e.Local = netip.AddrPortFrom(src.Unmap(), e.Local.Port())
		}
	}
	if junk && !LooksLikeSIP(raw) {
		e.Message = trace.Noise(raw)
		return e
	}
	e.Message = trace.Mask(raw)
	return e
}
