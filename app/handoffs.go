package app

import (
	"context"
	"fmt"
	"time"

	"github.com/peregrine-softphone/peregrine/media"
	"github.com/peregrine-softphone/peregrine/mobility"
)

// maxMoves bounds the hand-offs kept of one call: the newest, an hour of walking.
const maxMoves = 32

// moveRecord is what is known of one hand-off of a call, from signalling; the media adds its times.
type moveRecord struct {
	move       mobility.Move
	registered time.Time // 2xx of the REGISTER of the same move
	told       bool      // the user has read "Back on …"
}

// quietAfter is how long "Back on eth0, 41 ms" stays.
const quietAfter = 4 * time.Second

// Sentences in the panel of a call.
const (
	sentenceGone   = "Network gone, holding your call"
	sentenceMoving = "Moving your call to %s"
)

// networkState is told by the machine that the network came or went.
func (e *Engine) networkState(s mobility.NetworkState) {
	e.mu.Lock()
	e.network = Network{Up: s.Up, Link: s.Path.Link, Since: s.Since}
	if s.Path.Up() {
		e.network.Address = s.Path.Source.String()
	}
	out := e.network
	e.emit(Event{Kind: EventNetwork, Network: &out})
	e.changedLocked()
	e.mu.Unlock()
	if s.Up {
		e.retrySubscriptions()
		e.chats.NetworkBack()
	}
}

// moved is told by the machine how a move stands.
func (e *Engine) moved(r mobility.Report) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if r.Account != "" {
		e.accountMovedLocked(r.Move)
		return
	}
	for _, c := range e.calls {
		if c.id == r.Call && c.live() {
			e.callMovedLocked(c, r.Move)
		}
	}
}

// accountMovedLocked notes the end of a REGISTER in the calls' hand-offs, and that the default way
// may be another one now. The caller holds e.mu.
func (e *Engine) accountMovedLocked(v mobility.Move) {
	if v.To.Up() && !v.To.Source.IsLoopback() && v.To.Source.String() != e.network.Address &&
		v.Progress != mobility.Held {
		e.network.Link, e.network.Address = v.To.Link, v.To.Source.String()
		out := e.network
		e.emit(Event{Kind: EventNetwork, Network: &out})
	}
	if !v.Answered.IsZero() {
		for _, c := range e.calls {
			for _, r := range c.moves {
				if r.move.Generation == v.Generation && r.registered.IsZero() {
					r.registered = v.Answered
				}
			}
		}
	}
	e.changedLocked()
}

// callMovedLocked notes how a call's move stands. The caller holds e.mu.
func (e *Engine) callMovedLocked(c *call, v mobility.Move) {
	n := len(c.moves)
	if n > 0 && (c.moves[n-1].move.Generation == v.Generation || c.moves[n-1].move.Progress == mobility.Held) {
		c.moves[n-1].move = v
	} else {
		c.moves = append(c.moves, &moveRecord{move: v})
		if len(c.moves) > maxMoves {
			c.moves = c.moves[1:]
		}
	}
	switch {
	case v.Progress == mobility.Held:
		c.rec.Network = sentenceGone
	case c.rec.Network == "" || c.rec.Network == sentenceGone:
		c.rec.Network = fmt.Sprintf(sentenceMoving, linkName(v.To))
	}
	e.refreshMediaLocked(c)
	e.emitCallLocked(c)
}

func linkName(p mobility.Path) string {
	if p.Link != "" {
		return p.Link
	}
	return p.Source.String()
}

// tellBackLocked says "Back on eth0, 41 ms" once the first sound has come by the new way. The caller
// holds e.mu.
func (e *Engine) tellBackLocked(c *call) {
	if len(c.moves) == 0 || len(c.rec.HandOffs) != len(c.moves) {
		return
	}
	last := c.moves[len(c.moves)-1]
	h := c.rec.HandOffs[len(c.rec.HandOffs)-1]
	if last.told || h.FirstInMS < 0 || last.move.Progress == mobility.Held {
		return
	}
	last.told = true
	text := fmt.Sprintf("Back on %s, %.0f ms", linkName(last.move.To), h.FirstInMS)
	c.rec.Network = text
	e.emit(Event{Kind: EventHandOff, HandOff: &h, Call: callCopy(c)})
	e.changedLocked()
	e.spawn(func(ctx context.Context) { e.quietLater(ctx, c, text) })
}

// quietLater takes a sentence away after quietAfter, if it still stands.
func (e *Engine) quietLater(ctx context.Context, c *call, text string) {
	timer := time.NewTimer(quietAfter)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if c.rec.Network == text {
		c.rec.Network = ""
		e.emitCallLocked(c)
	}
}

// handOffs joins what signalling and media know of a call's moves; they name a move by the moment
// the system told of it.
func handOffs(moves []*moveRecord, heard []media.HandOff) []HandOff {
	out := make([]HandOff, 0, len(moves))
	for _, r := range moves {
		v := r.move
		h := HandOff{
			At: v.At, To: "", Link: v.To.Link, FirstOutMS: -1, FirstInMS: -1,
			InviteMS: sinceMS(v.At, v.Answered), RegisterMS: sinceMS(v.At, r.registered),
		}
		if v.From.Up() {
			h.From = v.From.Source.String()
		}
		if v.To.Up() {
			h.To = v.To.Source.String()
		}
		for _, m := range heard {
			if !m.At.Equal(v.At) {
				continue
			}
			h.FirstOutMS, h.FirstInMS = durationMS(m.FirstOut), durationMS(m.FirstIn)
			h.GapOutMS, h.GapInMS = durationMS(m.GapOut), durationMS(m.GapIn)
		}
		out = append(out, h)
	}
	return out
}

// sinceMS is the time from a to b in milliseconds; -1 when b has not come.
func sinceMS(a, b time.Time) float64 {
	if b.IsZero() {
		return -1
	}
	return durationMS(b.Sub(a))
}

// durationMS is d in milliseconds; -1 for a negative one, which stands for "not yet".
func durationMS(d time.Duration) float64 {
	if d < 0 {
		return -1
	}
	return float64(d.Microseconds()) / 1000
}
