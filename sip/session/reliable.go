package session

// ProvisionalState is where the reliable provisional responses of an INVITE that we answer stand (RFC 3262 3): one is
// outstanding at a time.
//
//	Idle --Send--> Sent --Prack--> Idle          Sent, SentSDP --Expired--> Closed (5xx)
//	Idle --SendSDP--> SentSDP --Prack--> Idle    a 2xx waits in SentSDP
//	Sent --Success--> Late --Prack--> Closed     Sent, SentSDP --Failure--> Late
type ProvisionalState int

// The states.
const (
	Idle    ProvisionalState = iota // nothing outstanding
	Sent                            // one without SDP waits for its PRACK
	SentSDP                         // one with SDP does
	Late                            // the final response is out, the PRACK still welcome
	Closed                          // neither
)

func (s ProvisionalState) String() string {
	return nameOf([]string{"Idle", "Sent", "SentSDP", "Late", "Closed"}, int(s))
}

// ProvisionalEvent is what happens to them.
type ProvisionalEvent int

// The events.
const (
	SendPlain   ProvisionalEvent = iota // a provisional response without SDP wants to go out
	SendSDP                             // one with SDP
	Again                               // the retransmission timer
	Prack                               // a PRACK for the outstanding one
	StrayPrack                          // a PRACK for anything else
	SendSuccess                         // a 2xx wants to go out
	SendFailure                         // a 3xx to 6xx went out
	Expired                             // 64*T1 without PRACK
)

func (e ProvisionalEvent) String() string {
	return nameOf([]string{
		"SendPlain", "SendSDP", "Again", "Prack", "StrayPrack", "SendSuccess", "SendFailure", "Expired",
	}, int(e))
}

// ProvisionalAction is what to do.
type ProvisionalAction int

// The actions.
const (
	NoProvisional ProvisionalAction = iota // nothing
	Transmit                               // send it, with the next RSeq
	Retransmit                             // send the outstanding one again
	AcceptPrack                            // 200 to the PRACK
	RejectPrack                            // 481 to the PRACK
	Hold                                   // it must wait for the PRACK
	Pass                                   // it may go
	GiveUp                                 // refuse the INVITE with 5xx
)

func (a ProvisionalAction) String() string {
	return nameOf([]string{
		"NoProvisional", "Transmit", "Retransmit", "AcceptPrack", "RejectPrack", "Hold", "Pass", "GiveUp",
	}, int(a))
}

//nolint:gochecknoglobals // constant table
var provisionals = table[ProvisionalState, ProvisionalEvent, ProvisionalAction]{
	Idle: {
		SendPlain: {Sent, Transmit}, SendSDP: {SentSDP, Transmit}, Again: {Idle, NoProvisional},
		Prack: {Idle, RejectPrack}, StrayPrack: {Idle, RejectPrack}, SendSuccess: {Closed, Pass},
		SendFailure: {Closed, Pass}, Expired: {Idle, NoProvisional},
	},
	Sent: {
		// RFC 3262 3: no second one before the first is acknowledged.
		SendPlain: {Sent, Hold}, SendSDP: {Sent, Hold}, Again: {Sent, Retransmit},
		Prack: {Idle, AcceptPrack}, StrayPrack: {Sent, RejectPrack}, SendSuccess: {Late, Pass},
		SendFailure: {Late, Pass}, Expired: {Closed, GiveUp},
	},
	SentSDP: {
		SendPlain: {SentSDP, Hold}, SendSDP: {SentSDP, Hold}, Again: {SentSDP, Retransmit},
		Prack: {Idle, AcceptPrack}, StrayPrack: {SentSDP, RejectPrack},
		SendSuccess: {SentSDP, Hold}, // ibid.: a 2xx waits for the PRACK of what had a session description
		SendFailure: {Late, Pass}, Expired: {Closed, GiveUp},
	},
	Late: {
		SendPlain: {Late, NoProvisional}, SendSDP: {Late, NoProvisional}, Again: {Late, NoProvisional},
		Prack: {Closed, AcceptPrack}, StrayPrack: {Late, RejectPrack}, SendSuccess: {Late, Pass},
		SendFailure: {Late, Pass}, Expired: {Closed, NoProvisional},
	},
	Closed: {
		SendPlain: {Closed, NoProvisional}, SendSDP: {Closed, NoProvisional}, Again: {Closed, NoProvisional},
		Prack: {Closed, RejectPrack}, StrayPrack: {Closed, RejectPrack}, SendSuccess: {Closed, Pass},
		SendFailure: {Closed, Pass}, Expired: {Closed, NoProvisional},
	},
}

// Provisionals is the sender's machine of reliable provisional responses. The zero value is ready.
type Provisionals struct{ state ProvisionalState }

// Step takes an event and says what to do.
func (p *Provisionals) Step(e ProvisionalEvent) ProvisionalAction {
	next, do := provisionals.step(p.state, e)
	p.state = next
	return do
}

// State gives the present state.
func (p *Provisionals) State() ProvisionalState { return p.state }

// OrderState is whether a dialog has seen a reliable provisional response (RFC 3262 4).
//
//	Fresh --Next--> Following --Next--> Following
type OrderState int

// The states.
const (
	Fresh     OrderState = iota
	Following            // the last RSeq is known
)

func (s OrderState) String() string { return nameOf([]string{"Fresh", "Following"}, int(s)) }

// OrderEvent is how an RSeq compares to the last one.
type OrderEvent int

// The events.
const (
	Next    OrderEvent = iota // the first one, or the last one plus 1
	Repeat                    // the last one
	Older                     // a lower one
	Gap                       // one is missing between
	Invalid                   // 0, or no number
)

func (e OrderEvent) String() string {
	return nameOf([]string{"Next", "Repeat", "Older", "Gap", "Invalid"}, int(e))
}

// OrderAction is what to do with the response.
type OrderAction int

// The actions.
const (
	Skip        OrderAction = iota // as if it had not come
	Acknowledge                    // send PRACK, and process it
)

func (a OrderAction) String() string { return nameOf([]string{"Skip", "Acknowledge"}, int(a)) }

//nolint:gochecknoglobals // constant table
var orders = table[OrderState, OrderEvent, OrderAction]{
	Fresh: {
		Next: {Following, Acknowledge}, Repeat: {Fresh, Skip}, Older: {Fresh, Skip}, Gap: {Fresh, Skip},
		Invalid: {Fresh, Skip},
	},
	Following: {
		// A repeat is answered by its PRACK, which its own transaction repeats.
		Next: {Following, Acknowledge}, Repeat: {Following, Skip}, Older: {Following, Skip},
		Gap:     {Following, Skip}, // RFC 3262 4: it comes again, after the missing one
		Invalid: {Following, Skip},
	},
}

// Order is the receiver's machine of one early dialog. The zero value is ready.
type Order struct {
	state OrderState
	last  uint32
}

// Take judges the RSeq of a reliable provisional response; 0 stands for one that cannot be read.
func (o *Order) Take(rseq uint32) OrderAction {
	next, do := orders.step(o.state, o.compare(rseq))
	o.state = next
	if do == Acknowledge {
		o.last = rseq
	}
	return do
}

// compare never wraps: RFC 3262 3 keeps RSeq below 2**31 at the start, and a phone sends few.
func (o *Order) compare(rseq uint32) OrderEvent {
	switch {
	case rseq == 0:
		return Invalid
	case o.state == Fresh:
		return Next
	case rseq == o.last:
		return Repeat
	case rseq < o.last:
		return Older
	case rseq-o.last == 1:
		return Next
	}
	return Gap
}
