// Package mobility keeps calls alive while the computer changes networks. It notices that the way to
// somebody has changed, and decides what to do about it; it sends nothing itself.
//
// It has two halves. The eyes: a Watcher says only "something changed" and Survey asks the kernel,
// per destination, which source address and link packets would take now. The mind: Machine, a pure
// state machine without clock, sockets or goroutines, which turns events into actions.
//
// Order of calls, all from the one goroutine that owns the Machine:
//
//	changed := make(chan struct{}, 1)
//	go NewWatcher(logger).Watch(ctx, changed)
//	m := NewMachine()
//	on start:     perform(m.Step(now, Survey(now, m.Destinations(), Source, Link)))
//	on changed:   the same
//	on any event: perform(m.Step(now, event)); every Register and Reinvite is answered by one Done event
//	on timer:     perform(m.Step(now, TimerFired{}))
//
// One move, seen from the Machine:
//
//	          OS: "changed"        now = 0            ~1 RTT later
//	               |
//	NetworkChanged v
//	     +---------+----------------------------+
//	     | same way to everybody? nothing to do |
//	     +---------+----------------------------+
//	               | one step, this order, carried out in parallel
//	               +--> MoveMedia        every call: pin to the new path, send at once
//	               +--> Abort            requests that travel on the dead path
//	               +--> SwitchSignalling drop old TCP flows, new Contact
//	               +--> Register   ------------> RegisterDone --> RefreshPresence, RetryOutbox
//	               +--> Reinvite   ------------> ReinviteDone
//	               +--> Probe            0-5-20-50 ms: a fresh link may lose its first packet (ARP)
//	               +--> Report           times so far; again whenever one is added
//
// The life of the one request an account (REGISTER) or call (re-INVITE) may have in flight:
//
//	            move                 pace allows             2xx, refused for good
//	settled -----------> due ------------------------> running -------------------> settled
//	   ^                  ^  ^                         |  |  |
//	   |             move |  | back-off over           |  |  | 408, 481, 5xx, no answer
//	   |                  |  +---------- waiting <-----+--|--+
//	   |                  |                 |             | move while in flight, or overdue
//	   |                held <--------------+             v
//	   |                  ^   no way there             aborting
//	   |                  +-------------------------------+  answered: due, held or waiting
//
// Rules that hold whatever happens (fuzzed in machine_fuzz_test.go): no action ends a call; one
// request in flight per call and account; an answer to anything but the latest request does nothing;
// at most three requests at once and four a second after that, per call and account; when the network
// rests and the servers answer, every peer has been told the present address.
//
// docs/mobility.md explains all this to a newcomer.
package mobility
