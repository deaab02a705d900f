package session

// CalleeState is where an INVITE of the peer stands (RFC 3261 13.3, 9.2).
//
//	Arrived --Ringing--> Alerting --PickUp--> Answering --Agreed--> Answered --Acked--> Confirmed
//	   |                    |                     |                    | NotAcked: BYE      |
//	   +--------------------+---------------------+--> Refusing        +---------> Over <---+
//	     declined, cancelled, BYE, ring time over, no PRACK, no agreement
type CalleeState int

// The states.
const (
	Arrived        CalleeState = iota // 100 sent
	Alerting                          // 18x sent
	Answering                         // the user has picked up; the session is being agreed on
	CalleeAnswered                    // 2xx sent, no ACK yet
	Confirmed                         // ACK came
	Over                              // refused, cancelled or ended
)

func (s CalleeState) String() string {
	return nameOf([]string{"Arrived", "Alerting", "Answering", "Answered", "Confirmed", "Over"}, int(s))
}

// CalleeEvent is what happens to an INVITE of the peer.
type CalleeEvent int

// The events.
const (
	RingIt    CalleeEvent = iota // 18x wants to go out
	PickUp                       // the user answers
	Agreed                       // the session description is ready, and no PRACK is missing
	NotAgreed                    // the media session refused the offer
	Decline                      // the user refuses, or hangs up
	Cancelled                    // a CANCEL took effect
	Bye                          // the caller sent BYE
	TooLong                      // it rang for the whole ring time
	NoPrack                      // a reliable response got no PRACK
	Acked                        // the ACK of the 2xx
	NotAcked                     // 64*T1 without it
)

func (e CalleeEvent) String() string {
	return nameOf([]string{
		"RingIt", "PickUp", "Agreed", "NotAgreed", "Decline", "Cancelled", "Bye", "TooLong", "NoPrack", "Acked",
		"NotAcked",
	}, int(e))
}

// CalleeAction is what to do.
type CalleeAction int

// The actions.
const (
	Rest      CalleeAction = iota // nothing
	Alert                         // send the 18x
	Prepare                       // ask the media session
	SendOK                        // send the 2xx
	Refuse                        // send a final refusal; the event knows its code
	End                           // the call is over; the transaction has answered already
	SayBye                        // BYE, after the ACK
	WrongTime                     // the verb does not fit: an error to who called it
)

func (a CalleeAction) String() string {
	return nameOf([]string{"Rest", "Alert", "Prepare", "SendOK", "Refuse", "End", "SayBye", "WrongTime"}, int(a))
}

//nolint:gochecknoglobals // constant table
var callees = table[CalleeState, CalleeEvent, CalleeAction]{
	Arrived: {
		RingIt: {Alerting, Alert}, PickUp: {Answering, Prepare}, Agreed: {Arrived, WrongTime},
		NotAgreed: {Arrived, WrongTime}, Decline: {Over, Refuse}, Cancelled: {Over, End}, Bye: {Over, Refuse},
		TooLong: {Over, Refuse}, NoPrack: {Over, Refuse}, Acked: {Arrived, Rest}, NotAcked: {Arrived, Rest},
	},
	Alerting: {
		RingIt: {Alerting, Alert}, PickUp: {Answering, Prepare}, Agreed: {Alerting, WrongTime},
		NotAgreed: {Alerting, WrongTime}, Decline: {Over, Refuse}, Cancelled: {Over, End}, Bye: {Over, Refuse},
		TooLong: {Over, Refuse}, NoPrack: {Over, Refuse}, Acked: {Alerting, Rest}, NotAcked: {Alerting, Rest},
	},
	Answering: {
		RingIt: {Answering, Alert}, PickUp: {Answering, WrongTime}, Agreed: {CalleeAnswered, SendOK},
		NotAgreed: {Over, Refuse}, Decline: {Over, Refuse}, Cancelled: {Over, End}, Bye: {Over, Refuse},
		TooLong: {Over, Refuse}, NoPrack: {Over, Refuse}, Acked: {Answering, Rest}, NotAcked: {Answering, Rest},
	},
	CalleeAnswered: {
		RingIt: {CalleeAnswered, WrongTime}, PickUp: {CalleeAnswered, WrongTime}, Agreed: {CalleeAnswered, WrongTime},
		NotAgreed: {CalleeAnswered, WrongTime}, Decline: {Over, SayBye},
		Cancelled: {Over, End}, // the CANCEL won the race for the transaction, or it would not be told
		Bye:       {Over, End}, TooLong: {CalleeAnswered, Rest}, NoPrack: {CalleeAnswered, Rest},
		Acked: {Confirmed, Rest}, NotAcked: {Over, SayBye},
	},
	Confirmed: {
		RingIt: {Confirmed, WrongTime}, PickUp: {Confirmed, WrongTime}, Agreed: {Confirmed, WrongTime},
		NotAgreed: {Confirmed, WrongTime}, Decline: {Over, SayBye}, Cancelled: {Confirmed, Rest}, Bye: {Over, End},
		TooLong: {Confirmed, Rest}, NoPrack: {Confirmed, Rest}, Acked: {Confirmed, Rest}, NotAcked: {Confirmed, Rest},
	},
	Over: {
		RingIt: {Over, WrongTime}, PickUp: {Over, WrongTime}, Agreed: {Over, WrongTime}, NotAgreed: {Over, WrongTime},
		Decline: {Over, WrongTime}, Cancelled: {Over, Rest}, Bye: {Over, Rest}, TooLong: {Over, Rest},
		NoPrack: {Over, Rest}, Acked: {Over, Rest}, NotAcked: {Over, Rest},
	},
}

// Callee is the machine of one INVITE of the peer. The zero value is ready.
type Callee struct{ state CalleeState }

// Step takes an event and says what to do.
func (c *Callee) Step(e CalleeEvent) CalleeAction {
	next, do := callees.step(c.state, e)
	c.state = next
	return do
}

// State gives the present state.
func (c *Callee) State() CalleeState { return c.state }
