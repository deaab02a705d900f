package session

// OfferState is where offer and answer of a dialog stand (RFC 3264 4: one offer at a time).
//
//	          +-------------- Answered, Refused --------------+
//	          v                                               |
//	      Stable --Send-----------------------------------> Ours
//	        | ^ ^
//	Receive | | +---Answer, Refused---+
//	        v |                       |
//	     Theirs ----------------------+
//	        | \--AnswerUnacked--> Unacked --Ack--> Stable      (Receive: back to Theirs)
//	        +----Ask-----------> Asked --Answered, Refused--> Stable
type OfferState int

// The states.
const (
	Stable  OfferState = iota // nothing is open
	Ours                      // our offer is out in a request
	Theirs                    // the peer's offer is in hand, or it asked for ours
	Asked                     // our offer is out in a response; the answer comes in ACK or PRACK
	Unacked                   // their offer is answered in a 2xx that has no ACK yet
)

func (s OfferState) String() string {
	return nameOf([]string{"Stable", "Ours", "Theirs", "Asked", "Unacked"}, int(s))
}

// OfferEvent is what happens to offer and answer.
type OfferEvent int

// The events.
const (
	Send          OfferEvent = iota // we want to offer in a request
	Receive                         // a request with an offer came, or an INVITE that wants ours
	Ask                             // our offer goes out in a response
	Answered                        // the answer to our offer came
	Answer                          // our answer goes out, and nothing else is needed
	AnswerUnacked                   // our answer goes out in the first 2xx
	Refused                         // the offer in hand was refused, by them or us, or given up
	Ack                             // the ACK of the 2xx came, or was waited for long enough
)

func (e OfferEvent) String() string {
	return nameOf([]string{
		"Send", "Receive", "Ask", "Answered", "Answer", "AnswerUnacked", "Refused", "Ack",
	}, int(e))
}

// Verdict says what may be done.
type Verdict int

// The verdicts.
const (
	Ignore  Verdict = iota // the event means nothing here
	Go                     // do it
	Wait                   // not now: try again when the state has changed
	Pending                // refuse with 491 (RFC 3261 14.2, RFC 3311 5.2: our own offer is open)
	Busy                   // refuse with 500 and Retry-After (ibid.: theirs is open)
)

func (v Verdict) String() string {
	return nameOf([]string{"Ignore", "Go", "Wait", "Pending", "Busy"}, int(v))
}

//nolint:gochecknoglobals // constant table
var offers = table[OfferState, OfferEvent, Verdict]{
	Stable: {
		Send: {Ours, Go}, Receive: {Theirs, Go}, Ask: {Stable, Ignore}, Answered: {Stable, Ignore},
		Answer: {Stable, Ignore}, AnswerUnacked: {Stable, Ignore}, Refused: {Stable, Ignore}, Ack: {Stable, Ignore},
	},
	Ours: {
		Send: {Ours, Wait}, Receive: {Ours, Pending}, Ask: {Ours, Ignore}, Answered: {Stable, Go},
		Answer: {Ours, Ignore}, AnswerUnacked: {Ours, Ignore}, Refused: {Stable, Go}, Ack: {Ours, Ignore},
	},
	Theirs: {
		Send: {Theirs, Wait}, Receive: {Theirs, Busy}, Ask: {Asked, Go}, Answered: {Theirs, Ignore},
		Answer: {Stable, Go}, AnswerUnacked: {Unacked, Go}, Refused: {Stable, Go},
		Ack: {Theirs, Ignore}, // of the INVITE before: this one overtook it
	},
	Asked: {
		Send: {Asked, Wait}, Receive: {Asked, Pending}, Ask: {Asked, Ignore}, Answered: {Stable, Go},
		Answer: {Asked, Ignore}, AnswerUnacked: {Asked, Ignore}, Refused: {Stable, Go}, Ack: {Asked, Ignore},
	},
	Unacked: {
		// RFC 3261 14.1 has us wait for the ACK; who sends a new offer has seen our 2xx, whatever overtook whatever.
		Send: {Unacked, Wait}, Receive: {Theirs, Go}, Ask: {Unacked, Ignore}, Answered: {Unacked, Ignore},
		Answer: {Unacked, Ignore}, AnswerUnacked: {Unacked, Ignore}, Refused: {Unacked, Ignore}, Ack: {Stable, Go},
	},
}

// Offers is the offer/answer machine. The zero value is ready.
type Offers struct{ state OfferState }

// Step takes an event and says what may be done; on anything but Go the state stays.
func (o *Offers) Step(e OfferEvent) Verdict {
	next, v := offers.step(o.state, e)
	o.state = next
	return v
}

// State gives the present state.
func (o *Offers) State() OfferState { return o.state }
