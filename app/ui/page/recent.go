package page

import (
	"sort"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// recent is what the tab of that name remembers between snapshots.
type recent struct {
	open    string          // record whose details are shown; "": none
	fresh   map[string]bool // records the user had not seen when he opened the tab
	cleared bool            // the history is about to go: nothing of it is shown
}

// recentRows are the calls that are over and the chats, newest first, by day.
func (s *Sidebar) recentRows() []listRow {
	type event struct {
		at   time.Time
		rows []listRow
	}
	var events []event
	if !s.recent.cleared {
		for _, r := range s.snap.Recent {
			events = append(events, event{r.StartedAt, s.recordRows(r)})
		}
	}
	calls := len(events)
	for _, c := range s.snap.Chats {
		if c.Count > 0 && !c.Stranger {
			events = append(events, event{c.Last.At, []listRow{s.chatRow(c)}})
		}
	}
	sort.SliceStable(events, func(i, j int) bool { return events[i].at.After(events[j].at) })
	var rows []listRow
	last := ""
	for _, e := range events {
		if d := day(e.at, s.now); d != last {
			rows = append(rows, listRow{kind: rowGroup, key: "d:" + d, group: d})
			last = d
		}
		rows = append(rows, e.rows...)
	}
	if len(rows) == 0 {
		rows = append(rows, listRow{kind: rowGroup, key: "none", group: lang.L("No calls and no messages yet")})
	}
	if calls > 0 {
		link := lang.L("Clear history")
		rows = append(rows, listRow{kind: rowLink, key: "clear", group: link, choose: s.act.ClearHistory})
	}
	return rows
}

// HideHistory shows the list without past calls, or with them again: they can still be brought back.
func (s *Sidebar) HideHistory(on bool) {
	s.recent.cleared = on
	s.rebuild()
	s.showMissed()
}

// seeRecent is the tab of past calls being looked at.
func (s *Sidebar) seeRecent() {
	if s.Tabs.Chosen() != tabRecent {
		s.recent.fresh, s.recent.open = nil, ""
		return
	}
	for _, r := range s.snap.Recent {
		if r.Missed && !r.Seen {
			if s.recent.fresh == nil {
				s.recent.fresh = map[string]bool{}
			}
			s.recent.fresh[r.ID] = true
		}
	}
	if s.snap.Missed > 0 && s.Root.Visible() {
		s.act.SeeMissed()
	}
}

func (s *Sidebar) showMissed() {
	missed := s.snap.Missed
	if s.recent.cleared || s.Tabs.Chosen() == tabRecent {
		missed = 0
	}
	s.Tabs.SetBadge(tabRecent, missed)
}

// presenceOf returns the glyph of a person, or none for one who is not in the list.
func (s *Sidebar) presenceOf(address string) widget.Presence {
	if b, ok := findBuddy(s.snap, address); ok {
		return glyph(b.Status)
	}
	return ""
}

func (s *Sidebar) chatRow(c app.Chat) listRow {
	return listRow{
		kind: rowPerson, key: "chat:" + c.Peer, choose: func() { s.act.Open(c.Peer) },
		person: func() widget.Person {
			return widget.Person{
				Name: NameOf(s.snap, c.Peer), Address: c.Peer, Presence: s.presenceOf(c.Peer),
				Line: oneLine(c.Last.Text), LineIcon: "message", Time: clock(c.Last.At, s.now), Unread: c.Unread,
			}
		},
	}
}

// recordRows is one past call: its row, and its details while they are unfolded.
func (s *Sidebar) recordRows(r app.Record) []listRow {
	key := "call:" + r.ID
	back := func() { s.act.CallFrom(r.Peer, r.Account) }
	row := listRow{
		kind: rowPerson, key: key, choose: func() { s.unfold(r.ID) }, action: back, enter: back,
		second: func(at fyne.Position) {
			_, buddy := findBuddy(s.snap, r.Peer)
			s.act.Menu(personMenu(s.act, s.snap, r.Peer, buddy), at)
		},
		person: func() widget.Person {
			icon, color, line := recordSummary(r)
			return widget.Person{
				Name: s.recordName(r), Address: r.Peer, Presence: s.presenceOf(r.Peer), Line: line, LineIcon: icon,
				LineColor: color, Alert: color == theme.Missed, Fresh: s.recent.fresh[r.ID], Action: "phone",
				Time: clock(r.StartedAt, s.now), Selected: s.recent.open == r.ID,
			}
		},
	}
	if s.recent.open != r.ID {
		return []listRow{row}
	}
	return []listRow{row, {kind: rowRecord, key: key + ":details", record: &recordDetails{s: s, record: r, back: back}}}
}

func (s *Sidebar) recordName(r app.Record) string {
	if r.PeerName != "" {
		return r.PeerName
	}
	return NameOf(s.snap, r.Peer)
}

// unfold shows the details of a past call, or hides them again.
func (s *Sidebar) unfold(id string) {
	if s.recent.open == id {
		id = ""
	}
	s.recent.open = id
	s.rebuild()
}

// recordSummary tells a past call in an icon and a few words.
func recordSummary(r app.Record) (icon string, color fyne.ThemeColorName, line string) {
	switch {
	case r.Missed:
		return "call-missed", theme.Missed, lang.L("Missed call")
	case r.AnsweredAt.IsZero() && r.Incoming:
		return "call-in", theme.Quiet, lang.L("Declined")
	case r.AnsweredAt.IsZero():
		return "call-out", theme.Quiet, lang.L("Not answered")
	}
	length := data{"Length": duration(r.EndedAt.Sub(r.AnsweredAt))}
	if r.Incoming {
		return "call-in", theme.Good, lang.L("Incoming call, {{.Length}}", length)
	}
	return "call-out", theme.Good, lang.L("Outgoing call, {{.Length}}", length)
}

// lastDialled is whom the user called last, or "".
func lastDialled(snap app.Snapshot) string {
	for _, r := range snap.Recent {
		if !r.Incoming {
			return r.Peer
		}
	}
	return ""
}
