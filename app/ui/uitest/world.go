package uitest

import (
	"context"
	"fmt"
	"time"

	"github.com/peregrine-softphone/peregrine/app"
)

// What the other people and the network do.

// Receive lets a message come in.
func (e *Engine) Receive(from, text string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.next++
	m := app.Message{ID: fmt.Sprint("in", e.next), Peer: from, Text: text, At: e.now(), State: app.MessageDelivered}
	e.messages[from] = append(e.messages[from], m)
	e.change(func(s *app.Snapshot) {
		for i := range s.Buddies {
			if s.Buddies[i].Address == from {
				s.Buddies[i].Unread++
			}
		}
		for i := range s.Chats {
			if c := &s.Chats[i]; c.Peer == from {
				c.Unread, c.Count, c.Revision, c.Last = c.Unread+1, c.Count+1, c.Revision+1, m
				return
			}
		}
		s.Chats = append(s.Chats, app.Chat{Peer: from, PeerName: from, Unread: 1, Count: 1, Revision: 1, Last: m})
	})
}

// Cancel ends a call from the other side.
func (e *Engine) Cancel(id, reason string) {
	e.Change(func(s *app.Snapshot) {
		for i := range s.Calls {
			if c := &s.Calls[i]; c.ID == id {
				c.State, c.EndedAt, c.Reason = app.CallEnded, e.now(), reason
			}
		}
	})
}

// Account changes the state of the account with this address.
func (e *Engine) Account(address string, state app.AccountState, reason, detail string) {
	e.Change(func(s *app.Snapshot) {
		for i := range s.Accounts {
			if a := &s.Accounts[i]; a.Address == address {
				a.State, a.Reason, a.Detail = state, reason, detail
			}
		}
	})
}

// Network lets the network say something about every live call.
func (e *Engine) Network(sentence string) {
	e.Change(func(s *app.Snapshot) {
		for i := range s.Calls {
			if c := &s.Calls[i]; c.State != app.CallEnded {
				c.Network = sentence
			}
		}
	})
}

// liveEvery is how often the real engine measures calls.
const liveEvery = 250 * time.Millisecond

// Live lets the figures of live calls change as those of real ones, until ctx ends.
func (e *Engine) Live(ctx context.Context) {
	tick := time.NewTicker(liveEvery)
	defer tick.Stop()
	for n := uint64(0); ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		e.Change(func(s *app.Snapshot) {
			for i := range s.Calls {
				if q := &s.Calls[i].Quality; s.Calls[i].State == app.CallEstablished {
					q.PacketsSent, q.PacketsReceived = q.PacketsSent+12, q.PacketsReceived+12
					q.LevelIn, q.LevelOut = float64(n%9)/9, float64(n%7)/7
					q.JitterMS, q.RTTMS = 3+float64(n%5), 22+float64(n%11)
					q.RemoteLossPercent, q.DelayMS, q.MOS = float64(n%13)/8, 40+float64(n%17), 4.3-float64(n%13)/20
				}
			}
		})
	}
}

// RefuseAccounts lets the servers of accounts that wait for them refuse, again and again until ctx
// ends.
func (e *Engine) RefuseAccounts(ctx context.Context, after time.Duration) {
	tick := time.NewTicker(after)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		for _, a := range e.Snapshot().Accounts {
			if a.State == app.AccountRegistering {
				e.Account(
					a.Address,
					app.AccountFailed,
					"The server did not accept the password. Check it and try again.",
					"401 Unauthorized",
				)
			}
		}
	}
}
