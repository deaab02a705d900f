package page

import (
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// The kinds of rows of the list.
const (
	rowGroup = iota
	rowPerson
	rowRecord // details of a past call
	rowLink
)

// listRow is one row of the list. What it shows is made only when it becomes visible.
type listRow struct {
	kind   int
	key    string
	group  string // rowGroup: its words
	count  string
	fold   string // rowGroup: the name to fold by; "": cannot be folded
	person func() widget.Person
	choose func()
	action func() // of the icon at the right, if the person has one
	enter  func() // Enter, where that does another thing than a click
	record *recordDetails
	second func(fyne.Position)
}

// The tabs at the foot of the list.
const (
	tabBuddies = iota
	tabRecent
	tabKeypad
)

// Sidebar is the left side of the window: identity, search-or-dial field, the list, the tabs.
type Sidebar struct {
	Root   fyne.CanvasObject
	Search *widget.Entry
	Tabs   *widget.Tabs
	List   *widget.Feed
	Keypad *Keypad

	Requests *Requests

	act     Actions
	id      *identity
	notices *fyne.Container
	empty   fyne.CanvasObject
	stack   *fyne.Container
	recent  recent

	snap   app.Snapshot
	now    time.Time
	open   string // address of the person shown
	rows   []listRow
	folded map[string]bool
	chats  map[string]app.Chat
	hits   []app.Message
	asked  string // the query hits belong to
}

// NewSidebar returns the left side.
func NewSidebar(act Actions) *Sidebar {
	s := &Sidebar{act: act, folded: map[string]bool{}, id: newIdentity(act), notices: container.NewVBox()}
	s.Search = widget.NewEntry(lang.L("Search or dial"))
	s.Search.Icon = theme.Icon("search", theme.Quiet)
	s.Search.OnChanged = func(string) { s.searched() }
	s.Search.OnEnter = s.chooseFirst
	s.Search.OnEscape = func() bool {
		typed := s.Search.Text != ""
		s.Search.SetText("")
		return typed
	}
	s.Search.OnMove = func(fyne.KeyName) { act.Focus(s.List) }
	add := widget.NewIconButton("user-plus", lang.L("Add a buddy"), widget.Plain, func() { s.act.ShowAddBuddy("") }).
		Height(36)
	s.List = widget.NewFeed(widget.FeedSource{
		Count: func() int { return len(s.rows) }, Kind: func(i int) int { return s.rows[i].kind },
		Height: s.height, Create: s.create, Update: s.update,
		Key:    func(i int) string { return s.rows[i].key },
		Choose: func(i int) { s.choose(i) },
		Enter:  s.enter,
		Still:  func(i int) bool { return s.rows[i].kind == rowGroup || s.rows[i].kind == rowRecord },
	})
	s.Tabs = widget.NewTabs(
		[]string{"users", "clock", "keypad"},
		[]string{lang.L("Buddies"), lang.L("Recent"), lang.L("Keypad")},
	)
	s.Tabs.OnChanged = func(int) {
		s.Requests.fold()
		s.seeRecent()
		s.showMissed()
		s.Requests.show(s.snap, s.now)
		s.rebuild()
	}
	s.Keypad = NewKeypad(act)
	s.empty = s.emptyState()
	s.Requests = newRequests(act, func() {
		s.Requests.show(s.snap, s.now)
		s.rebuild()
	})
	s.stack = container.NewStack(s.List, s.empty, s.Keypad.Root, s.Requests.root)
	field := container.New(&free{
		min: func() fyne.Size { return fyne.NewSize(200, 44) },
		layout: func(z fyne.Size) {
			put(s.Search, 12, 0, z.Width-12-52, 36)
			put(add, z.Width-48, 0, 36, 36)
		},
	}, s.Search, add)
	top := container.NewVBox(s.id.root, field, s.notices)
	foot := container.New(layout.NewCustomPaddedVBoxLayout(0), s.Requests.foot, widget.NewHairline(), s.Tabs)
	s.Root = widget.NewSurface(theme.Surface, widget.Insets{}, container.New(&floors{}, top, s.stack, foot))
	return s
}

func (s *Sidebar) emptyState() fyne.CanvasObject {
	return emptyCard("users", lang.L("No buddies yet"),
		lang.L("Add the people you talk to. You see at once who is there."),
		widget.NewButton("user-plus", lang.L("Add a buddy"), widget.AccentKind, func() { s.act.ShowAddBuddy("") }))
}

// Show shows a new snapshot; open is the address of the person at the right.
func (s *Sidebar) Show(snap app.Snapshot, open string, now time.Time) {
	s.snap, s.now, s.open = snap, now, open
	s.chats = make(map[string]app.Chat, len(snap.Chats))
	for _, c := range snap.Chats {
		s.chats[addressKey(c.Peer)] = c
	}
	s.id.show(snap)
	s.showNotices()
	s.seeRecent()
	s.showMissed()
	s.Requests.show(snap, now)
	s.Keypad.Show(snap)
	s.rebuild()
}

// Mailbox is the badge of messages that wait in a mailbox.
func (s *Sidebar) Mailbox() *widget.Button { return s.id.mail }

// Fold closes the cards of requests, and tells whether they were open.
func (s *Sidebar) Fold() bool {
	was := s.Requests.fold()
	if was {
		s.Requests.show(s.snap, s.now)
		s.rebuild()
	}
	return was
}

func (s *Sidebar) rebuild() {
	query := strings.TrimSpace(s.Search.Text)
	keypad := s.Tabs.Chosen() == tabKeypad && query == ""
	cards := s.Requests.Open() && query == ""
	switch {
	case query != "":
		s.rows = s.searchRows(query)
	case s.Tabs.Chosen() == tabRecent:
		s.rows = s.recentRows()
	default:
		s.rows = s.buddyRows()
	}
	show(s.Requests.root, cards)
	show(s.Keypad.Root, keypad && !cards)
	show(s.notices, !keypad || cards) // the keys need the height
	none := !keypad && !cards && len(s.rows) == 0
	show(s.empty, none && query == "" && s.Tabs.Chosen() == tabBuddies)
	show(s.List, !keypad && !cards && !s.empty.Visible())
	s.List.Reload()
}

func (s *Sidebar) height(i int, width float32) float32 {
	switch r := s.rows[i]; r.kind {
	case rowGroup:
		return widget.GroupHeight
	case rowRecord:
		return r.record.height(width)
	case rowLink:
		return linkHeight
	}
	return widget.PersonHeight
}

func (s *Sidebar) create(kind int) fyne.CanvasObject {
	switch kind {
	case rowGroup:
		return widget.NewGroupRow()
	case rowRecord:
		return newRecordRow()
	case rowLink:
		return newLinkRow()
	}
	return widget.NewPersonRow()
}

func (s *Sidebar) update(i int, o fyne.CanvasObject) {
	row := s.rows[i]
	switch w := o.(type) {
	case *widget.GroupRow:
		w.OnTapped = nil
		if row.fold != "" {
			w.OnTapped = func() {
				s.folded[row.fold] = !s.folded[row.fold]
				s.rebuild()
			}
		}
		w.Set(row.group, row.count, s.folded[row.fold])
	case *widget.PersonRow:
		p := row.person()
		p.Focused = s.List.Cursor() == i
		w.OnTapped, w.OnSecondary, w.OnAction = row.choose, row.second, row.action
		w.Set(p)
	case *recordRow:
		w.set(row.record, s.List.Size().Width)
	case *linkRow:
		w.set(row)
	}
}

// enter is Enter at a row that does another thing than a click on it.
func (s *Sidebar) enter(i int) bool {
	if i >= len(s.rows) || s.rows[i].enter == nil {
		return false
	}
	s.rows[i].enter()
	return true
}

func (s *Sidebar) choose(i int) {
	if i < len(s.rows) && s.rows[i].choose != nil {
		s.rows[i].choose()
	}
}

// chooseFirst is Enter in the search field, which has then done its work.
func (s *Sidebar) chooseFirst() {
	for i, r := range s.rows {
		if r.kind == rowPerson {
			s.choose(i)
			s.Search.SetText("")
			return
		}
	}
}

// buddyRows are the buddies by group, then the people one has only written with.
func (s *Sidebar) buddyRows() []listRow {
	var order []string
	groups := map[string][]int{}
	known := make(map[string]bool, len(s.snap.Buddies))
	for i, b := range s.snap.Buddies {
		if _, ok := groups[b.Group]; !ok {
			order = append(order, b.Group)
		}
		groups[b.Group] = append(groups[b.Group], i)
		known[addressKey(b.Address)] = true
	}
	rows := make([]listRow, 0, len(s.snap.Buddies)+len(order)+1)
	for _, g := range order {
		name := g
		if name == "" {
			name = lang.L("Buddies")
		}
		rows = append(
			rows,
			listRow{kind: rowGroup, key: "g:" + g, group: name, count: strconv.Itoa(len(groups[g])), fold: "g:" + g},
		)
		if s.folded["g:"+g] {
			continue
		}
		for _, i := range groups[g] {
			rows = append(rows, s.buddyRow(s.snap.Buddies[i]))
		}
	}
	var others []listRow
	for _, c := range s.snap.Chats {
		if !known[addressKey(c.Peer)] && c.Count > 0 && !c.Stranger {
			others = append(others, s.strangerRow(c))
		}
	}
	if len(others) > 0 {
		rows = append(
			rows,
			listRow{
				kind:  rowGroup,
				key:   "others",
				group: lang.L("Not in your list"),
				count: strconv.Itoa(len(others)),
				fold:  "others",
			},
		)
		if !s.folded["others"] {
			rows = append(rows, others...)
		}
	}
	return rows
}

func (s *Sidebar) buddyRow(b app.Buddy) listRow {
	return listRow{
		kind: rowPerson, key: b.Address, choose: func() { s.act.Open(b.Address) },
		second: func(at fyne.Position) { s.act.Menu(personMenu(s.act, s.snap, b.Address, true), at) },
		person: func() widget.Person {
			p := widget.Person{
				Name: b.Name, Address: b.Address, Presence: glyph(b.Status), Line: b.Note,
				Unread: b.Unread, Lamp: string(b.Lamp), Selected: Same(b.Address, s.open),
			}
			chat, ok := s.chats[addressKey(b.Address)]
			if ok && !chat.Last.At.IsZero() {
				p.Time = ago(chat.Last.At, s.now)
			}
			switch {
			case b.Unread > 0 && ok:
				p.Line = oneLine(chat.Last.Text)
			case p.Line == "":
				p.Line = PresenceWord(b.Status)
			}
			return p
		},
	}
}

func (s *Sidebar) strangerRow(c app.Chat) listRow {
	return listRow{
		kind: rowPerson, key: c.Peer, choose: func() { s.act.Open(c.Peer) },
		second: func(at fyne.Position) { s.act.Menu(personMenu(s.act, s.snap, c.Peer, false), at) },
		person: func() widget.Person {
			return widget.Person{
				Name: NameOf(s.snap, c.Peer), Address: c.Peer, Line: oneLine(c.Last.Text), Time: ago(c.Last.At, s.now),
				Unread: c.Unread, Selected: Same(c.Peer, s.open),
			}
		},
	}
}
