package page

import (
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// Strips are the calls, one card each, above everything at the right. The active one is bright, held
// ones are dim. Calls that are one conversation share a card.
type Strips struct {
	Root       *fyne.Container
	Conference *Conference
	Together   *widget.Button // makes one conversation of all answered calls

	act    Actions
	strips map[string]*Strip
	order  []string
	bar    *fyne.Container // what can be done with several calls

	compact bool
	several bool // calls that could be one conversation
}

// conferenceKey stands for the card of a conference among the IDs of calls.
const conferenceKey = "conference"

// NewStrips returns an empty stack: it takes no room until there is a call.
func NewStrips(act Actions) *Strips {
	s := &Strips{
		act: act, strips: map[string]*Strip{}, Root: container.New(layout.NewCustomPaddedVBoxLayout(0)),
		Conference: newConference(act),
	}
	s.Together = widget.NewButton("join", lang.L("Talk together"), widget.Tonal, act.TalkTogether)
	s.bar = container.New(layout.NewCustomPaddedLayout(4, 4, 12, 12), container.NewHBox(layout.NewSpacer(), s.Together))
	return s
}

// SetCompact shows only name, clock and the last button of each call: for the list in one column.
func (s *Strips) SetCompact(on bool) {
	if s.compact == on {
		return
	}
	s.compact, s.Conference.compact = on, on
	for _, strip := range s.strips {
		strip.compact = on
		strip.showButtons()
	}
	for _, m := range s.Conference.members {
		show(m.TakeOut, !on)
	}
	show(s.Conference.Mute, !on)
	show(s.Conference.rows, !on)
	show(s.bar, s.several && !on)
}

// answered are the calls in which somebody talks to the user, also those on hold.
func answered(snap app.Snapshot) []app.Call {
	var calls []app.Call
	for _, c := range snap.Calls {
		if c.State == app.CallEstablished || c.State == app.CallHeld {
			calls = append(calls, c)
		}
	}
	return calls
}

// conference are the calls that are one conversation; one alone is a call like others.
func conference(snap app.Snapshot) []app.Call {
	var calls []app.Call
	for _, c := range live(snap) {
		if c.Conference {
			calls = append(calls, c)
		}
	}
	if len(calls) < 2 {
		return nil
	}
	return calls
}

// Show shows the live calls of a snapshot.
func (s *Strips) Show(snap app.Snapshot, now time.Time) {
	together := conference(snap)
	var order []string
	for _, c := range live(snap) {
		if c.Conference && len(together) > 0 {
			if c.ID == together[0].ID {
				order = append(order, conferenceKey)
			}
			continue
		}
		order = append(order, c.ID)
		if s.strips[c.ID] == nil {
			s.strips[c.ID] = newStrip(s.act, c.ID)
			s.strips[c.ID].compact = s.compact
		}
		s.strips[c.ID].show(snap, c, now)
	}
	if len(together) > 0 {
		s.Conference.show(snap, together, now)
	} else {
		s.Conference.calls = nil
	}
	if strings.Join(order, "\n") != strings.Join(s.order, "\n") {
		s.arrange(order)
	}
	several := len(answered(snap))
	s.several = several > 1 && len(together) < several
	show(s.bar, s.several && !s.compact)
	s.Root.Refresh()
}

// arrange puts the cards in order.
func (s *Strips) arrange(order []string) {
	s.order = order
	kept := make(map[string]*Strip, len(order))
	s.Root.RemoveAll()
	for _, id := range order {
		if id == conferenceKey {
			s.Root.Add(s.Conference.Root)
			continue
		}
		kept[id] = s.strips[id]
		s.Root.Add(s.strips[id].Root)
	}
	s.Root.Add(s.bar)
	s.strips = kept
}

// Figures takes over the figures of the live calls, where nothing else about them has changed. It is
// called several times a second and draws only the bars, if they change; the rest waits for Tick.
func (s *Strips) Figures(snap app.Snapshot) {
	for _, c := range live(snap) {
		if strip := s.strips[c.ID]; strip != nil {
			strip.call = c
			strip.bars.Set(c.Quality.Bars)
			if strip.details.root.Visible() {
				strip.details.facts.levels(c)
			}
		}
	}
	s.Conference.figures(conference(snap))
}

// Tick moves the clocks on; it is called about once a second while there is a call.
func (s *Strips) Tick(now time.Time) {
	for _, strip := range s.strips {
		strip.tick(now)
		strip.details.tick(strip.call)
		if strip.details.root.Visible() {
			strip.details.show(strip.call, now)
		}
	}
	if len(s.Conference.calls) > 0 {
		s.Conference.tick(now)
	}
}

// Fold folds away what is unfolded under the strips, and tells whether there was anything.
func (s *Strips) Fold() bool {
	open := false
	for _, strip := range s.strips {
		open = strip.fold() || open
	}
	return open
}

// Strip returns the strip of a call, or nil.
func (s *Strips) Strip(id string) *Strip { return s.strips[id] }

// CanTalkTogether tells whether there are answered calls that are not one conversation yet.
func (s *Strips) CanTalkTogether() bool { return s.several }

// Len returns how many cards are shown.
func (s *Strips) Len() int { return len(s.order) }
