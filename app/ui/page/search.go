package page

import (
	"strconv"
	"strings"

	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// mostHits is how many rows of each kind a search shows: more are found by typing on.
const mostHits = 50

// searched is called for every change of the search field.
func (s *Sidebar) searched() {
	query := strings.TrimSpace(s.Search.Text)
	if query != s.asked {
		s.hits, s.asked = nil, query
		if len([]rune(query)) >= 2 {
			s.act.Search(query, s.found)
		}
	}
	s.rebuild()
}

func (s *Sidebar) found(query string, hits []app.Message) {
	if query == strings.TrimSpace(s.Search.Text) {
		s.hits = hits
		s.rebuild()
	}
}

// searchRows are what the search field has found: first the call it can make, then people,
// messages and calls. A lone word that nobody is called by is offered as an address of the own
// domain.
func (s *Sidebar) searchRows(query string) []listRow {
	people := s.foundPeople(query)
	var rows []listRow
	if LooksDialable(query) {
		rows = append(rows, s.dialRows(query)...)
	}
	rows = append(rows, section("people", lang.L("People"), people)...)
	rows = append(rows, section("messages", lang.L("Messages"), s.foundMessages())...)
	rows = append(rows, section("calls", lang.L("Calls"), s.foundCalls(query))...)
	if !LooksDialable(query) && len(people) == 0 && !strings.ContainsAny(query, " \t") {
		dial := section("dial", lang.L("As an address"), s.dialRows(query))
		dial[0].count = ""
		rows = append(rows, dial...)
	}
	return rows
}

func section(key, title string, rows []listRow) []listRow {
	if len(rows) == 0 {
		return nil
	}
	head := listRow{kind: rowGroup, key: "s:" + key, group: title, count: strconv.Itoa(len(rows))}
	return append([]listRow{head}, rows...)
}

func (s *Sidebar) dialRows(query string) []listRow {
	row := func(key, icon, line string, f func()) listRow {
		return listRow{
			kind: rowPerson, key: key + query,
			choose: func() {
				s.Search.SetText("")
				f()
			},
			person: func() widget.Person {
				return widget.Person{Name: query, Address: query, Line: line, LineIcon: icon, LineColor: theme.Accent}
			},
		}
	}
	return []listRow{
		row("call:", "phone", lang.L("Call"), func() { s.act.Call(query) }),
		row("write:", "message", lang.L("Write a message"), func() { s.act.Open(query) }),
	}
}

func (s *Sidebar) foundPeople(query string) []listRow {
	q := strings.ToLower(query)
	var rows []listRow
	seen := map[string]bool{}
	for _, b := range s.snap.Buddies {
		seen[addressKey(b.Address)] = true
		if strings.Contains(strings.ToLower(b.Name), q) || strings.Contains(addressKey(b.Address), q) ||
			strings.Contains(strings.ToLower(b.Note), q) {
			rows = append(rows, s.buddyRow(b))
		}
		if len(rows) >= mostHits {
			return rows
		}
	}
	for _, c := range s.snap.Chats {
		if !seen[addressKey(c.Peer)] && !c.Stranger &&
			(strings.Contains(strings.ToLower(c.PeerName), q) || strings.Contains(addressKey(c.Peer), q)) {
			rows = append(rows, s.strangerRow(c))
		}
	}
	return rows
}

func (s *Sidebar) foundMessages() []listRow {
	var rows []listRow
	for _, m := range s.hits {
		if len(rows) >= mostHits {
			break
		}
		rows = append(rows, listRow{
			kind: rowPerson, key: "m:" + m.ID, choose: func() { s.act.Open(m.Peer) },
			person: func() widget.Person {
				return widget.Person{
					Name: NameOf(
						s.snap,
						m.Peer,
					),
					Address:  m.Peer,
					Line:     oneLine(m.Text),
					LineIcon: "message",
					Time:     ago(m.At, s.now),
				}
			},
		})
	}
	return rows
}

func (s *Sidebar) foundCalls(query string) []listRow {
	q := strings.ToLower(query)
	var rows []listRow
	for _, r := range s.snap.Recent {
		if len(rows) >= mostHits {
			break
		}
		if strings.Contains(strings.ToLower(r.PeerName), q) || strings.Contains(addressKey(r.Peer), q) {
			row := s.recordRows(r)[0]
			row.choose, row.enter = func() { s.act.Open(r.Peer) }, nil
			rows = append(rows, row)
		}
	}
	return rows
}
