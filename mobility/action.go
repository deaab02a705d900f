package mobility

import (
	"net/netip"
	"time"
)

// Action is something the Machine wants done. A step's actions come in the order of urgency, are to
// be started in that order, and none waits for another's end. The types are below.
type Action interface{ rank() int }

// MoveMedia pins a call's RTP to its new path and sends at once, without waiting for the next frame
// or for signalling. The jitter buffer is kept.
type MoveMedia struct {
	Call       string
	Generation uint64 // to be named in MediaOut and MediaIn
	Path       Path
}

// Abort gives up a request: its answer would come to an address that is gone. The Done event is
// still owed, and should follow at once.
type Abort struct {
	Account, Call string // one of them
	Job           uint64
}

// SwitchSignalling drops TCP and TLS flows of old addresses and computes Contacts anew. UDP sockets
// stay. It comes before the requests of its step.
type SwitchSignalling struct{ Generation uint64 }

// Register sends a REGISTER that replaces the binding of the old address.
type Register struct {
	Account    string
	Job        uint64 // to be named in RegisterDone
	Generation uint64
	Attempt    int // from 1, since the last move
	Path       Path
}

// Reinvite sends a re-INVITE with the new Contact and c= line.
type Reinvite struct {
	Call       string
	Job        uint64 // to be named in ReinviteDone
	Generation uint64
	Attempt    int  // from 1, since the last move
	Path       Path // toward the signalling destination
}

// Probe sends something small to a signalling destination (over UDP a keep-alive, RFC 5626 4.4.1 asks
// for CRLF CRLF): a fresh link may lose its first packet to address resolution, and a request lost
// that way costs 500 ms.
type Probe struct{ To netip.AddrPort }

// RefreshPresence notifies the account's watchers from the new address (target refresh) and renews
// our own subscriptions within their dialogs.
type RefreshPresence struct{ Account string }

// RetryOutbox sends the account's waiting messages.
type RetryOutbox struct{ Account string }

// NetworkState tells that the network as a whole went or came back.
type NetworkState struct {
	Up    bool
	Path  Path      // the default path; zero while down
	Since time.Time // of this state
}

// Report tells how the move of a call or account stands, for the user to see.
type Report struct {
	Account, Call string // one of them
	Move          Move
}

// SetTimer asks for TimerFired at a time; it replaces the one before. Zero: none is needed.
type SetTimer struct{ At time.Time }

func (MoveMedia) rank() int        { return 0 } // media first: it is what the user hears
func (Abort) rank() int            { return 1 }
func (SwitchSignalling) rank() int { return 2 }
func (Reinvite) rank() int         { return 3 }
func (Register) rank() int         { return 3 }
func (Probe) rank() int            { return 4 }
func (RefreshPresence) rank() int  { return 5 }
func (RetryOutbox) rank() int      { return 6 }
func (NetworkState) rank() int     { return 7 }
func (Report) rank() int           { return 8 }
func (SetTimer) rank() int         { return 9 }

// Progress is how far a move has come.
type Progress int

// The stages of a move.
const (
	Held    Progress = iota // there is no way to the other side: waiting for a network, however long
	Moving                  // the other side is being told
	Settled                 // the other side knows
	Refused                 // it answered no in a way that asking again cannot mend; the call goes on
)

// String returns the stage in lower case.
func (p Progress) String() string {
	switch p {
	case Held:
		return "held"
	case Moving:
		return "moving"
	case Settled:
		return "settled"
	case Refused:
		return "refused"
	}
	return "unknown"
}

// Move is the record of one hand-off of one call or account. Times that have not come are zero.
type Move struct {
	Generation uint64
	Progress   Progress
	From, To   Path      // of a call: its media's, if those differ. To is zero while held
	Lost       time.Time // when the old path went away without a new one: the outage runs from here
	At         time.Time // when the OS told of To, or of the loss
	FirstOut   time.Time // first RTP packet sent by To
	FirstIn    time.Time // first RTP packet heard after it
	Sent       time.Time // first REGISTER or re-INVITE
	Answered   time.Time // its 2xx
	Attempts   int       // requests sent
	Code       int       // of the last answer; 0: none, or no answer came
}

// Outage is how long there was no way at all before the new one came.
func (m Move) Outage() time.Duration {
	if m.Lost.IsZero() || !m.To.Up() {
		return 0
	}
	return m.At.Sub(m.Lost)
}

// After returns t as measured from the OS's event, or -1 when t has not come.
func (m Move) After(t time.Time) time.Duration {
	if t.IsZero() {
		return -1
	}
	return t.Sub(m.At)
}
