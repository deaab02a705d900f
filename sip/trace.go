package sip

import "github.com/peregrine-softphone/peregrine/sip/trace"

// Trace gives every message in and out to f, secrets masked (see trace.Mask), from the goroutines that read and write
// sockets: f must not block; (*trace.Log).Add is made for it. silenced says whether those are wanted too that the
// shield dropped. nil ends the trace, and then it costs nothing.
func (u *UA) Trace(f func(trace.Entry), silenced bool) { u.tp.Trace(f, silenced) }
