package sip

// regState is where the machine of a registration stands.
//
//	                 start
//	        idle ------------> trying ----------------- accepted ----------------+
//	                           |    ^                                            |
//	   8 s silent, or refused  |    | Register                                   v
//	                           v    |             due (the life is nearly over)
//	        retrying <--due-- waiting <--refused-- refreshing <------------- bound <-+
//	          |   |             ^                     |  |                    |  ^   |
//	          |   +---refused---+                     |  +------accepted------|--+   |
//	          |                 |                     | flow broken,          |      |
//	          |                 |                     | Register, clock jump  |      |
//	          |                 |                     v                       |      |
//	          |                 +-----refused----- doubting <-----------------+      |
//	          |                        8 s silent,    |   flow broken, Register,     |
//	          +<------------------------- lapsed -----+   clock jump                 |
//	          |                                       +---------accepted-------------+
//	          +-----------------------------------------accepted---------------------+
//
//	any --stop--> leaving --left--> gone
//
// refreshing trusts the binding that is there; doubting does not, because our address, our flow or the time may have
// changed under it. retrying is what the user sees as failed while a REGISTER is under way.
type regState int

const (
	regIdle       regState = iota // not begun
	regTrying                     // REGISTER under way; nothing known yet
	regBound                      // registered
	regRefreshing                 // registered, REGISTER under way
	regDoubting                   // registered but perhaps not reachable, REGISTER under way
	regWaiting                    // failed, a pause before the next REGISTER
	regRetrying                   // failed, REGISTER under way
	regLeaving                    // un-REGISTER under way
	regGone                       // over
	regStates                     // how many there are
)

// regEvent is what happens to a registration.
type regEvent int

const (
	regStart     regEvent = iota // the account begins
	regAccepted                  // 2xx
	regRefused                   // another final answer, none within 32 s, or no way to send
	regSilence                   // no answer for silencePatience
	regLapsed                    // the registrar has forgotten us by now
	regDue                       // the refresh, or the end of a pause
	regForced                    // somebody calls Register
	regBroken                    // our flow died, or the address that the server sees us at changed
	regFlapped                   // our flow died soon after another one
	regSuspected                 // another request got no answer from the server we are registered at
	regJumped                    // the wall clock jumped: the computer slept
	regStop                      // the account or the UA ends
	regLeft                      // the un-REGISTER is over
	regEvents                    // how many there are
)

// regAction is what a transition asks for.
type regAction int

const (
	regNothing    regAction = iota
	regSend                 // begin a REGISTER, giving up one under way
	regRest                 // wait for the end of the life
	regPause                // back off
	regUnregister           // give up what is under way and un-REGISTER
	regEnd                  // no more
)

type regMove struct {
	next regState
	do   regAction
}

// step is the table of the diagram above. What is not in it changes nothing.
func (s regState) step(e regEvent) regMove {
	if e == regStop {
		switch s {
		case regIdle:
			return regMove{regGone, regEnd}
		case regTrying, regBound, regRefreshing, regDoubting, regWaiting, regRetrying:
			return regMove{regLeaving, regUnregister}
		case regLeaving, regGone, regStates:
		}
		return regMove{s, regNothing}
	}
	if m, ok := regTable[s][e]; ok {
		return m
	}
	return regMove{s, regNothing}
}

//nolint:gochecknoglobals // constant table
var regTable = [regStates]map[regEvent]regMove{
	regIdle: {regStart: {regTrying, regSend}},
	regTrying: {
		regAccepted: {regBound, regRest},
		regRefused:  {regWaiting, regPause},
		regSilence:  {regRetrying, regNothing},
		regForced:   {regTrying, regSend},
		regJumped:   {regTrying, regSend}, // its timers stood still
	},
	regBound: {
		regDue:       {regRefreshing, regSend},
		regForced:    {regDoubting, regSend},
		regBroken:    {regDoubting, regSend},
		regFlapped:   {regWaiting, regPause}, // RFC 5626 4.5
		regSuspected: {regDoubting, regSend},
		regJumped:    {regDoubting, regSend},
		regLapsed:    {regDoubting, regSend},
	},
	regRefreshing: {
		regAccepted: {regBound, regRest},
		regRefused:  {regWaiting, regPause},
		regForced:   {regDoubting, regSend},
		regBroken:   {regDoubting, regSend},
		regFlapped:  {regWaiting, regPause},
		regJumped:   {regDoubting, regSend},
		regLapsed:   {regRetrying, regNothing},
	},
	regDoubting: { // the end of its own flow is an outcome of the REGISTER, that of the old one no news
		regAccepted: {regBound, regRest},
		regRefused:  {regWaiting, regPause},
		regSilence:  {regRetrying, regNothing},
		regForced:   {regDoubting, regSend},
		regJumped:   {regDoubting, regSend},
		regLapsed:   {regRetrying, regNothing},
	},
	regWaiting: {
		regDue:    {regRetrying, regSend},
		regForced: {regTrying, regSend},
		regJumped: {regRetrying, regSend},
	},
	regRetrying: {
		regAccepted: {regBound, regRest},
		regRefused:  {regWaiting, regPause},
		regForced:   {regTrying, regSend},
		regJumped:   {regRetrying, regSend},
	},
	regLeaving: {regLeft: {regGone, regEnd}},
	regGone:    {},
}

// shown is what the user sees.
func (s regState) shown() Registration {
	switch s {
	case regTrying:
		return Registering
	case regBound, regRefreshing, regDoubting:
		return Registered
	case regWaiting, regRetrying:
		return Failed
	case regIdle, regLeaving, regGone, regStates:
	}
	return Offline
}
