package mobility

import (
	"net/netip"
	"time"
)

// Path is the way packets to one destination leave this computer. The zero Path means that there is
// none. Two networks may hand out the same address, so the link belongs to the comparison.
type Path struct {
	Source netip.Addr // source address the kernel would choose
	Link   string     // name of the interface that has it; empty: unknown
}

// Up tells whether there is a way at all.
func (p Path) Up() bool { return p.Source.IsValid() }

// Event is something the Machine is told. The types are below.
type Event interface{ event() }

// NetworkChanged brings the truth about the network; see Survey. It may come as often as one likes:
// without a difference nothing happens.
type NetworkChanged struct {
	At      time.Time               // when the OS told; zero: the time of the step
	Default Path                    // the way to the Internet at large
	Paths   map[netip.AddrPort]Path // by destination; one that is missing is taken as unchanged
	Local   []netip.Addr            // every address this computer has now
	Resumed bool                    // after sleep: everything is in doubt, act as if all had moved
}

// AccountChanged adds an account or changes one.
type AccountChanged struct {
	Account   string
	Registers bool           // false: a LAN account, which has no registrar to tell
	To        netip.AddrPort // registrar or proxy; invalid: follow the default path
	Path      Path           // the present way to To
}

// AccountRemoved forgets an account and its calls' ties to it.
type AccountRemoved struct{ Account string }

// CallChanged adds a call, from its first INVITE on, or changes one.
type CallChanged struct {
	Call      string
	Confirmed bool           // a dialog that may carry a re-INVITE (RFC 3261 14.1)
	Signal    netip.AddrPort // where its requests go
	Media     netip.AddrPort // where its RTP goes; invalid: no media yet
	// The present ways there. They count when the destination is new; else NetworkChanged does.
	SignalPath, MediaPath Path
}

// CallEnded forgets a call.
type CallEnded struct{ Call string }

// RegisterDone answers a Register action, aborted or not.
type RegisterDone struct {
	Account    string
	Job        uint64
	Code       int           // of the final response; 0: none came
	RetryAfter time.Duration // of the response; 0: none
}

// ReinviteDone answers a Reinvite action, aborted or not.
type ReinviteDone struct {
	Call       string
	Job        uint64
	Code       int
	RetryAfter time.Duration
}

// MediaOut tells of the first RTP packet sent by the path of a MoveMedia.
type MediaOut struct {
	Call       string
	Generation uint64
	At         time.Time // zero: the time of the step
}

// MediaIn tells of the first RTP packet that came in by the path of a MoveMedia.
type MediaIn struct {
	Call       string
	Generation uint64
	At         time.Time // zero: the time of the step
}

// TimerFired tells that the time of the last SetTimer has come. Too early or too often does no harm.
type TimerFired struct{}

func (NetworkChanged) event() {}
func (AccountChanged) event() {}
func (AccountRemoved) event() {}
func (CallChanged) event()    {}
func (CallEnded) event()      {}
func (RegisterDone) event()   {}
func (ReinviteDone) event()   {}
func (MediaOut) event()       {}
func (MediaIn) event()        {}
func (TimerFired) event()     {}
