package session

// CallerState is where an INVITE of ours stands (RFC 3261 13.2, 9.1).
//
//	Calling --1xx--> Proceeding --1xx with a tag--> Early
//	   |                 |                            |
//	   |  hang-up, move, ring time over: CANCEL, after the first 1xx
//	   v                 v                            v
//	Leaving ----------------- final response -----> Done
//
// A final response, or the end of the transaction, leads from everywhere to Done.
type CallerState int

// The states.
const (
	Calling    CallerState = iota // nothing heard
	Proceeding                    // a provisional response came
	Early                         // there are early dialogs
	Leaving                       // given up; the final response is still due
	Done
)

func (s CallerState) String() string {
	return nameOf([]string{"Calling", "Proceeding", "Early", "Leaving", "Done"}, int(s))
}

// CallerEvent is what happens to an INVITE of ours.
type CallerEvent int

// The events.
const (
	Trying   CallerEvent = iota // 100
	Progress                    // another 1xx without a To tag
	Branched                    // one with a tag: an early dialog
	Pruned                      // 199: an early dialog ended (RFC 6228)
	Accepted                    // 2xx
	Rejected                    // 3xx to 6xx
	TimedOut                    // the transaction ended without a response
	Lost                        // its connection broke
	Silent                      // the server said nothing for too long, and there is another one
	RingOver                    // nobody answered in time
	HungUp                      // the user hung up
	Moved                       // our address changed
	Overdue                     // 64*T1 after the CANCEL
	ShutDown                    // the user agent stops
)

func (e CallerEvent) String() string {
	return nameOf([]string{
		"Trying", "Progress", "Branched", "Pruned", "Accepted", "Rejected", "TimedOut", "Lost", "Silent", "RingOver",
		"HungUp", "Moved", "Overdue", "ShutDown",
	}, int(e))
}

// CallerAction is what to do.
type CallerAction int

// The actions.
const (
	Nothing     CallerAction = iota
	Ring                     // tell that it rings
	Branch                   // the same, and keep the early dialog
	Prune                    // forget the early dialog
	Take                     // the call is up: ACK
	Report                   // hand the refusal to who decides what comes next
	Fail                     // no response will come
	Drop                     // terminate the transaction, and fail
	Cancel                   // send CANCEL, once
	CancelLater              // RFC 3261 9.1: only after a provisional response
	Goodbye                  // ACK and BYE: the 2xx was faster than the CANCEL
	Abandon                  // terminate the transaction, and all is over
)

func (a CallerAction) String() string {
	return nameOf([]string{
		"Nothing", "Ring", "Branch", "Prune", "Take", "Report", "Fail", "Drop", "Cancel", "CancelLater", "Goodbye",
		"Abandon",
	}, int(a))
}

//nolint:gochecknoglobals // constant table
var callers = table[CallerState, CallerEvent, CallerAction]{
	Calling: {
		Trying: {Proceeding, Nothing}, Progress: {Proceeding, Ring}, Branched: {Early, Branch},
		Pruned: {Proceeding, Nothing}, Accepted: {Done, Take}, Rejected: {Done, Report}, TimedOut: {Done, Fail},
		Lost: {Done, Drop}, Silent: {Done, Drop}, RingOver: {Leaving, CancelLater}, HungUp: {Leaving, CancelLater},
		Moved: {Leaving, CancelLater}, Overdue: {Calling, Nothing}, ShutDown: {Done, Abandon},
	},
	Proceeding: {
		Trying: {Proceeding, Nothing}, Progress: {Proceeding, Ring}, Branched: {Early, Branch},
		Pruned: {Proceeding, Prune}, Accepted: {Done, Take}, Rejected: {Done, Report}, TimedOut: {Done, Fail},
		Lost:   {Proceeding, Nothing}, // the answer may come over a new connection (RFC 3261 18.2.2)
		Silent: {Proceeding, Nothing}, RingOver: {Leaving, Cancel}, HungUp: {Leaving, Cancel}, Moved: {Leaving, Cancel},
		Overdue: {Proceeding, Nothing}, ShutDown: {Done, Abandon},
	},
	Early: {
		Trying: {Early, Nothing}, Progress: {Early, Ring}, Branched: {Early, Branch}, Pruned: {Early, Prune},
		Accepted: {Done, Take}, Rejected: {Done, Report}, TimedOut: {Done, Fail}, Lost: {Early, Nothing},
		Silent: {Early, Nothing}, RingOver: {Leaving, Cancel}, HungUp: {Leaving, Cancel}, Moved: {Leaving, Cancel},
		Overdue: {Early, Nothing}, ShutDown: {Done, Abandon},
	},
	Leaving: {
		Trying: {Leaving, Cancel}, Progress: {Leaving, Cancel}, Branched: {Leaving, Cancel}, Pruned: {Leaving, Cancel},
		Accepted: {Done, Goodbye}, Rejected: {Done, Nothing}, TimedOut: {Done, Nothing}, Lost: {Leaving, Nothing},
		Silent: {Leaving, Nothing}, RingOver: {Leaving, Nothing}, HungUp: {Leaving, Nothing}, Moved: {Leaving, Nothing},
		Overdue: {Done, Abandon}, ShutDown: {Done, Abandon},
	},
	Done: {
		Trying: {Done, Nothing}, Progress: {Done, Nothing}, Branched: {Done, Nothing}, Pruned: {Done, Nothing},
		Accepted: {Done, Nothing}, // the watch over forks takes it from here: ACK again, or ACK and BYE
		Rejected: {Done, Nothing}, TimedOut: {Done, Nothing}, Lost: {Done, Nothing}, Silent: {Done, Nothing},
		RingOver: {Done, Nothing}, HungUp: {Done, Nothing}, Moved: {Done, Nothing}, Overdue: {Done, Nothing},
		ShutDown: {Done, Nothing},
	},
}

// Caller is the machine of one INVITE of ours. The zero value is ready.
type Caller struct{ state CallerState }

// Step takes an event and says what to do.
func (c *Caller) Step(e CallerEvent) CallerAction {
	next, do := callers.step(c.state, e)
	c.state = next
	return do
}

// State gives the present state.
func (c *Caller) State() CallerState { return c.state }

// Judge names the event that a response to an INVITE is.
func Judge(code int, tagged bool) CallerEvent {
	switch {
	case code <= 100:
		return Trying
	case code == 199:
		return Pruned
	case code < 200 && tagged:
		return Branched
	case code < 200:
		return Progress
	case code < 300:
		return Accepted
	}
	return Rejected
}
