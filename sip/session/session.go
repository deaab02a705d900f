// Package session has the state machines of a SIP session as tables: the caller's and the callee's side of an INVITE
// (RFC 3261 13), offer and answer (RFC 3264, 3311), reliable provisional responses (RFC 3262) and the session timer
// (RFC 4028). It is pure: no clock, no network, no goroutine. Package sip asks a machine what to do with an event, and
// does it; a machine is used by one goroutine at a time, under the lock of its call.
//
// Each machine is a table of state × event with a cell for every pair; the tests list every cell.
package session

// cell is what an event does in a state.
type cell[S, A comparable] struct {
	next S
	do   A
}

// table has a cell for each state and event.
type table[S, E, A comparable] map[S]map[E]cell[S, A]

// step looks an event up. A pair without a cell, which the tests exclude, changes nothing: A's zero value is to do
// nothing in all tables.
func (t table[S, E, A]) step(state S, event E) (S, A) {
	c, ok := t[state][event]
	if !ok {
		c.next = state
	}
	return c.next, c.do
}

// nameOf gives the name of a constant, for logs and tests.
func nameOf(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return "unknown"
	}
	return names[i]
}
