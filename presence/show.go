package presence

import (
	"time"
)

// lose keeps the last state for the grace time; an unknown one only learns its reason.
func (w *Follower[S]) lose(b *buddy[S], now time.Time, why Why) {
	if w.pkg.Kind(b.state) == Unclear {
		w.show(b, w.pkg.Unclear(why, b.since), b.since)
		return
	}
	b.graceWhy = why
	if b.graceUntil.IsZero() {
		b.graceUntil = now.Add(graceTime)
	}
}

func (w *Follower[S]) graceOver(b *buddy[S], now time.Time) {
	if !b.graceUntil.IsZero() && !b.graceUntil.After(now) {
		w.unknown(b, now, b.graceWhy)
	}
}

func (w *Follower[S]) unknown(b *buddy[S], now time.Time, why Why) {
	w.show(b, w.pkg.Unclear(why, now), now)
}

// show sets what the user sees and ends a grace time.
func (w *Follower[S]) show(b *buddy[S], s S, since time.Time) {
	b.graceUntil = time.Time{}
	if w.pkg.Same(b.state, s) {
		return
	}
	b.state, b.since = s, since
	if !b.dirty {
		b.dirty = true
		w.changed = append(w.changed, b)
	}
}
