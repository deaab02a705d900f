package session

import "time"

// TimerState is where the session timer of a call stands (RFC 4028).
//
//	Off --AgreedOurs--> OurTurn --Due--> Refreshing --agreed--> OurTurn, TheirTurn, Off
//	 |                                    ^   |  |
//	 +--AgreedTheirs--> TheirTurn --Due---+   |  +--Gone--> Finished (BYE)
//	                                      |   v
//	                                      +--Retrying   after GoneButHeard or Failed
type TimerState int

// The states. Any agreement (a 2xx to INVITE or UPDATE) leads to Off, OurTurn or TheirTurn from everywhere.
const (
	Off        TimerState = iota // no timer was agreed
	OurTurn                      // we refresh, at half the interval
	TheirTurn                    // the peer refreshes; we watch
	Refreshing                   // our refresh is under way
	Retrying                     // it failed, the call goes on, and it is tried again
	Finished                     // the call is over
)

func (s TimerState) String() string {
	return nameOf([]string{"Off", "OurTurn", "TheirTurn", "Refreshing", "Retrying", "Finished"}, int(s))
}

// TimerEvent is what happens to it.
type TimerEvent int

// The events.
const (
	AgreedOurs   TimerEvent = iota // a 2xx with Session-Expires names us
	AgreedTheirs                   // it names the peer
	AgreedNone                     // it has none
	Due                            // the clock
	Gone                           // the peer does not know the call, or says nothing
	GoneButHeard                   // the same, but its sound still comes
	Failed                         // any other failure of a refresh: the peer lives
	CallOver                       // the call has ended
)

func (e TimerEvent) String() string {
	return nameOf([]string{
		"AgreedOurs", "AgreedTheirs", "AgreedNone", "Due", "Gone", "GoneButHeard", "Failed", "CallOver",
	}, int(e))
}

// TimerAction is what to do.
type TimerAction int

// The actions.
const (
	Leave     TimerAction = iota // nothing
	Stop                         // stop the clock
	ArmHalf                      // set it to half the interval
	ArmExpiry                    // set it to when the peer is late
	ArmRetry                     // set it to the next try
	Refresh                      // send UPDATE or re-INVITE
	EndCall                      // send BYE
)

func (a TimerAction) String() string {
	return nameOf([]string{"Leave", "Stop", "ArmHalf", "ArmExpiry", "ArmRetry", "Refresh", "EndCall"}, int(a))
}

//nolint:gochecknoglobals // constant table
var timers = table[TimerState, TimerEvent, TimerAction]{
	Off: {
		AgreedOurs: {OurTurn, ArmHalf}, AgreedTheirs: {TheirTurn, ArmExpiry}, AgreedNone: {Off, Stop},
		Due: {Off, Leave}, Gone: {Off, Leave}, GoneButHeard: {Off, Leave}, Failed: {Off, Leave},
		CallOver: {Finished, Stop},
	},
	OurTurn: {
		AgreedOurs: {OurTurn, ArmHalf}, AgreedTheirs: {TheirTurn, ArmExpiry}, AgreedNone: {Off, Stop},
		Due: {Refreshing, Refresh}, Gone: {OurTurn, Leave}, GoneButHeard: {OurTurn, Leave}, Failed: {OurTurn, Leave},
		CallOver: {Finished, Stop},
	},
	TheirTurn: {
		AgreedOurs: {OurTurn, ArmHalf}, AgreedTheirs: {TheirTurn, ArmExpiry}, AgreedNone: {Off, Stop},
		Due:  {Refreshing, Refresh}, // RFC 4028 10 says BYE; we ask first, since a call is worth one request
		Gone: {TheirTurn, Leave}, GoneButHeard: {TheirTurn, Leave}, Failed: {TheirTurn, Leave},
		CallOver: {Finished, Stop},
	},
	Refreshing: {
		AgreedOurs: {OurTurn, ArmHalf}, AgreedTheirs: {TheirTurn, ArmExpiry}, AgreedNone: {Off, Stop},
		Due: {Refreshing, Leave}, Gone: {Finished, EndCall}, GoneButHeard: {Retrying, ArmRetry},
		Failed: {Retrying, ArmRetry}, CallOver: {Finished, Stop},
	},
	Retrying: {
		AgreedOurs: {OurTurn, ArmHalf}, AgreedTheirs: {TheirTurn, ArmExpiry}, AgreedNone: {Off, Stop},
		Due: {Refreshing, Refresh}, Gone: {Retrying, Leave}, GoneButHeard: {Retrying, Leave}, Failed: {Retrying, Leave},
		CallOver: {Finished, Stop},
	},
	Finished: {
		AgreedOurs: {Finished, Leave}, AgreedTheirs: {Finished, Leave}, AgreedNone: {Finished, Leave},
		Due: {Finished, Leave}, Gone: {Finished, Leave}, GoneButHeard: {Finished, Leave}, Failed: {Finished, Leave},
		CallOver: {Finished, Leave},
	},
}

// Timer is the session timer's machine. The zero value is ready.
type Timer struct{ state TimerState }

// Step takes an event and says what to do.
func (t *Timer) Step(e TimerEvent) TimerAction {
	next, do := timers.step(t.state, e)
	t.state = next
	return do
}

// State gives the present state.
func (t *Timer) State() TimerState { return t.state }

const (
	// MinInterval is the least session interval there is (RFC 4028 4).
	MinInterval = 90 * time.Second
	// DefaultInterval is what we ask for (ibid., recommended).
	DefaultInterval = 1800 * time.Second
	// maxInterval bounds what a peer may ask for; a day is longer than calls last.
	maxInterval = 24 * time.Hour
)

// Pause gives how long to set the clock for an action, for an agreed interval.
func Pause(a TimerAction, interval time.Duration) time.Duration {
	interval = max(MinInterval, min(interval, maxInterval))
	switch a {
	case ArmHalf:
		return interval / 2 // RFC 4028 7.2
	case ArmExpiry:
		return interval - min(32*time.Second, interval/3) // RFC 4028 10
	case ArmRetry:
		return max(10*time.Second, min(interval/8, time.Minute))
	case Leave, Stop, Refresh, EndCall:
	}
	return 0
}

// Usable tells whether an interval may be agreed on.
func Usable(interval time.Duration) bool { return interval >= MinInterval && interval <= maxInterval }
