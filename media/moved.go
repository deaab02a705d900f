package media

import (
	"context"
	"time"
)

// Moved tells the session that the network has changed, at the moment at: packets now leave by another path. It sends
// at once by the new one, begins to measure the hand-off, and lets the next Offer name the new address. Nothing that
// was received is thrown away.
func (s *Session) Moved(at time.Time) {
	now := s.now()
	moment := now
	if at.IsZero() {
		at = time.Now()
	} else if since := at.Sub(s.epoch); since > 0 && since < now {
		moment = since
	}
	s.moves.moved(at, moment)
	if s.finder != nil {
		s.finder.moved()
	}
	s.adapting.mu.Lock()
	s.adapting.moved = true
	s.adapting.mu.Unlock()
	s.tx.repeat()
	poke(s.kick)
}

// runKicks sends a few packets more after each move: the first over a fresh link is often lost to address resolution,
// and without another soon after it the path stays shut for a second. With the one that Moved sent they leave at 0,
// 5, 20 and 50 ms.
func (s *Session) runKicks(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.kick:
		}
		s.sendReport(false)
		for _, pause := range []time.Duration{5 * time.Millisecond, 15 * time.Millisecond, 30 * time.Millisecond} {
			timer := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
			if !s.tx.repeat() {
				s.sendReport(false) // we may not send sound: open the path for RTCP at least
			}
		}
	}
}
