package app

import (
	"context"
	"os"
	"runtime"
)

// Diagnostics are figures for whoever looks into a problem, of one moment.
type Diagnostics struct {
	Goroutines   int    `json:"goroutines"`
	HeapBytes    uint64 `json:"heap_bytes"`      // in use
	Files        int    `json:"files,omitempty"` // open descriptors, sockets too; 0: the system does not tell
	Dialogs      int    `json:"dialogs"`         // SIP dialogs, those of ended calls for half a minute more
	Calls        int    `json:"calls"`           // live ones
	Transactions int    `json:"transactions"`    // under way
	Junk         uint64 `json:"junk"`            // packets that were no SIP, since the start
	Dropped      uint64 `json:"dropped"`         // messages that made no sense or met a full queue
	Oversized    uint64 `json:"oversized"`       // messages too large for a datagram
	Silenced     uint64 `json:"silenced"`        // packets of strangers that got no answer
	Limited      uint64 `json:"limited"`         // requests beyond the rate of their source
	Spoofed      uint64 `json:"spoofed"`         // messages for a dialog or transaction from where it is not
}

// Diagnostics reads the figures.
func (e *Engine) Diagnostics(context.Context) Diagnostics {
	runtime.GC() // else the figure is mostly what nobody uses any more; it costs some milliseconds, once
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	s := e.ua.Stats()
	d := Diagnostics{
		Goroutines: runtime.NumGoroutine(), HeapBytes: m.HeapInuse, Dialogs: s.Dialogs, Calls: s.Calls,
		Transactions: s.Transactions, Junk: s.Junk, Dropped: s.Dropped, Oversized: s.Oversized,
		Silenced: s.Silenced, Limited: s.Limited, Spoofed: s.Spoofed,
	}
	if open, err := os.ReadDir("/proc/self/fd"); err == nil { // Linux
		d.Files = len(open)
	}
	return d
}
