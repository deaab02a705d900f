package adapt

// State is where the codec of a call stands.
//
//	         strained               granted               healed
//	Home ---------------> Asking -----------> Away ----------------> Probing
//	 ^ ^                    |                 ^  ^                    |   |
//	 | +---- refused -------+                 |  +----- relapsed -----+   | passed
//	 |                                        |                           v
//	 +--------------- granted ----------------+------- refused ------ Returning
//
// Silenced, by a peer that sends nothing any more, leads from Away and Probing to Returning at once. Replaced, which is
// the user's or the peer's own choice of a codec, leads Home from everywhere.
type State uint8

// The states.
const (
	Home      State = iota // the codec both sides like best, or the user chose
	Asking                 // the peer is being asked for a leaner codec
	Away                   // a leaner codec is in use
	Probing                // more is sent, to see whether the network carries what Home needs
	Returning              // the peer is being asked for the codec of Home
	states
)

// String is the state in a word.
func (s State) String() string {
	return [...]string{"home", "asking", "away", "probing", "returning"}[min(s, Returning)]
}

// event is what moves a State.
type event uint8

const (
	strained event = iota // a codec of fixed rate does not fit, and nothing else helped
	granted               // the re-INVITE went well
	refused               // it did not, or nobody answered
	healed                // nothing is wrong, for long enough
	passed                // as much as Home needs went through
	relapsed              // it did not
	replaced              // the codec is somebody else's choice now
	silenced              // since the change nothing has been heard of the peer
	events
)

// next is the table of the machine.
func next(s State, e event) State {
	switch s {
	case Home:
		return [events]State{Asking, Home, Home, Home, Home, Home, Home, Home}[e]
	case Asking:
		return [events]State{Asking, Away, Home, Asking, Asking, Asking, Home, Asking}[e]
	case Away:
		return [events]State{Away, Away, Away, Probing, Away, Away, Home, Returning}[e]
	case Probing:
		return [events]State{Away, Probing, Probing, Probing, Returning, Away, Home, Returning}[e]
	case Returning:
		return [events]State{Returning, Home, Away, Returning, Returning, Returning, Home, Returning}[e]
	case states:
	}
	return Home
}
