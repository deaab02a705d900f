package sip

// referState is where a referral of ours stands.
//
//	         2xx                NOTIFY 1xx              NOTIFY 2xx
//	asked ---------> accepted ------------> trying ------------------> succeeded
//	  |  \ (a NOTIFY may overtake the 2xx)    |  \ NOTIFY 3xx..6xx
//	  |   \-----------------------------------+   +------------------> failed
//	  | refused, nobody answered                                         ^
//	  +------------------------------------------------------------------+
//
//	accepted, trying --terminated without a word, silence, no subscription--> unknown
type referState int

const (
	referAsked     referState = iota // REFER sent
	referAccepted                    // 2xx, nothing heard of the target
	referTrying                      // the peer calls the target
	referSucceeded                   // the target answered
	referFailed                      // the peer would not, or the target refused
	referUnknown                     // accepted, but nobody says how it went
	referStates                      // how many there are
)

func (s referState) over() bool { return s >= referSucceeded }

// referEvent is what happens to a referral.
type referEvent int

const (
	referOK        referEvent = iota // 2xx to the REFER
	referNoSub                       // 2xx to the REFER without a subscription (RFC 4488)
	referRefused                     // another final response, or none
	notifyProgress                   // NOTIFY with 1xx
	notifySuccess                    // NOTIFY with 2xx
	notifyFailure                    // NOTIFY with 3xx to 6xx
	notifyNothing                    // NOTIFY terminated that says nothing final
	referTimeout                     // nothing came for too long
	referEvents                      // how many there are
)

// referTable says what follows: a row for each state, in it a column for each event. A 2xx without subscription ends
// what is not over: RFC 4488 4 lets no NOTIFY come. An outcome never changes: the first word counts.
//
//nolint:gochecknoglobals // constant table
var referTable = [referStates][referEvents]referState{
	referAsked: {
		referAccepted, referUnknown, referFailed, referTrying, referSucceeded, referFailed, referUnknown, referAsked,
	},
	referAccepted: {
		referAccepted, referUnknown, referFailed, referTrying, referSucceeded, referFailed, referUnknown, referUnknown,
	},
	referTrying: {
		referTrying, referUnknown, referFailed, referTrying, referSucceeded, referFailed, referUnknown, referUnknown,
	},
	referSucceeded: {
		referSucceeded, referSucceeded, referSucceeded, referSucceeded,
		referSucceeded, referSucceeded, referSucceeded, referSucceeded,
	},
	referFailed: {
		referFailed, referFailed, referFailed, referFailed, referFailed, referFailed, referFailed, referFailed,
	},
	referUnknown: {
		referUnknown, referUnknown, referUnknown, referUnknown, referUnknown, referUnknown, referUnknown, referUnknown,
	},
}
