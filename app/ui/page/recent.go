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

// recentRows are the calls that are over and the chats, newest first, by day.
func (s *Sidebar) recentRows() []listRow {
	type event struct {
		at  time.Time
		row listRow
	}
	var events []event
	for _, c := range s.snap.Calls {
		if c.State == app.CallEnded {
			events = append(events, event{c.StartedAt, s.callRow(c)})
		}
	}
	for _, c := range s.snap.Chats {
		if c.Count > 0 {
			events = append(events, event{c.Last.At, s.chatRow(c)})
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
		rows = append(rows, e.row)
	}
	if len(rows) == 0 {
		rows = append(rows, listRow{kind: rowGroup, key: "none", group: lang.L("No calls and no messages yet")})
	}
	return rows
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
				Name: NameOf(
					s.snap,
					c.Peer,
				),
				Address:  c.Peer,
				Presence: s.presenceOf(c.Peer),
				Line:     oneLine(c.Last.Text),
				LineIcon: "message",
				Time:     clock(c.Last.At, s.now),
				Unread:   c.Unread,
			}
		},
	}
}

func (s *Sidebar) callRow(c app.Call) listRow {
	return listRow{
		kind:   rowPerson,
		key:    "call:" + c.ID,
		choose: func() { s.act.Open(c.Peer) },
		action: func() { s.act.Call(c.Peer) },
		second: func(at fyne.Position) {
			_, buddy := findBuddy(s.snap, c.Peer)
			s.act.Menu(personMenu(s.act, c.Peer, buddy), at)
		},
		person: func() widget.Person {
			icon, color, line := callSummary(c)
			return widget.Person{
				Name: c.PeerName, Address: c.Peer, Presence: s.presenceOf(c.Peer), Line: line, LineIcon: icon,
				LineColor: color, Alert: color == theme.Missed, Action: "phone", Time: clock(c.StartedAt, s.now),
			}
		},
	}
}

// callSummary tells a finished call in an icon and a few words.
func callSummary(c app.Call) (icon string, color fyne.ThemeColorName, line string) {
	switch {
	case c.AnsweredAt.IsZero() && c.Incoming:
		return "call-missed", theme.Missed, lang.L("Missed call")
	case c.AnsweredAt.IsZero():
		return "call-out", theme.Quiet, lang.L("Not answered")
	}
	length := data{"Length": duration(c.EndedAt.Sub(c.AnsweredAt))}
	if c.Incoming {
		return "call-in", theme.Good, lang.L("Incoming call, {{.Length}}", length)
	}
	return "call-out", theme.Good, lang.L("Outgoing call, {{.Length}}", length)
}
