package sip

import "time"

// sameHop tells whether a request that belongs to a transaction (a repeat, an ACK, a CANCEL) comes from where the first
// one came from. RFC 3261 9.2 and 17.2.3 leave it to the branch, which whoever saw a packet has.
func (g *guard) sameHop(in *inbound, s *serverTx) bool {
	return g.policy.Load().Off || in.remote.Addr().Unmap() == s.remote.Addr().Unmap()
}

// repeat hands a request that has come before to its transaction.
func (t *transactions) repeat(in *inbound, key string) bool {
	t.mu.Lock()
	s := t.servers[key]
	t.mu.Unlock()
	if s == nil {
		return false
	}
	if !t.guard.sameHop(in, s) {
		t.guard.spoofed.Add(1)
		return true
	}
	if m, ok := s.Connection().(*metered); ok {
		m.earn(in.req)
	}
	_ = s.Receive(in.req)
	return true
}

// strayCancel answers a CANCEL that matches nothing (RFC 3261 9.2), within reason.
func (g *guard) strayCancel(in *inbound) {
	if !g.deservesAnswer(in.remote) || !g.take(in.remote.Addr().Unmap(), "stray", packetRates.stray, time.Now()) {
		g.silenced.Add(1)
		return
	}
	g.u.tx.answerStateless(in, 481)
}

// foreignCancel takes a CANCEL from another address than its INVITE: of a caller that moved while it rings here, or of
// a thief. The caller is asked at its old address.
func (g *guard) foreignCancel(in *inbound, s *serverTx) {
	k := dialogKey{in.req.CallID().Value(), s.tag}
	c, _ := g.u.dialogs.find(k.callID, k.localTag).(*Call)
	asked := false
	if c != nil && c.State() == Incoming && s.answered() == 0 {
		if ok, _ := g.u.dialogs.homes.mayAsk(k, in.remote.Addr().Unmap(), time.Now()); ok {
			asked = g.u.inquire(k, c, in, func(moved bool) {
				if moved {
					g.u.tx.cancel(in, s)
					return
				}
				g.spoofed.Add(1)
			})
		}
	}
	if !asked {
		g.spoofed.Add(1)
	}
}
