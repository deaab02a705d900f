package page

import (
	"strconv"
	"strings"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// The kinds of rows of the list.
const (
	rowGroup = iota
	rowPerson
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

	act     Actions
	id      *identity
	notices *fyne.Container
	empty   fyne.CanvasObject
	keypad  *Keypad
	stack   *fyne.Container

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
		Still:  func(i int) bool { return s.rows[i].kind == rowGroup },
	})
	s.Tabs = widget.NewTabs(
		[]string{"users", "clock", "keypad"},
		[]string{lang.L("Buddies"), lang.L("Recent"), lang.L("Keypad")},
	)
	s.Tabs.OnChanged = func(int) { s.rebuild() }
	s.keypad = NewKeypad(act)
	s.empty = s.emptyState()
	s.stack = container.NewStack(s.List, s.empty, s.keypad.Root)
	field := container.New(&free{
		min: func() fyne.Size { return fyne.NewSize(200, 44) },
		layout: func(z fyne.Size) {
			put(s.Search, 12, 0, z.Width-12-52, 36)
			put(add, z.Width-48, 0, 36, 36)
		},
	}, s.Search, add)
	top := container.NewVBox(s.id.root, field, s.notices)
	foot := container.NewVBox(widget.NewHairline(), s.Tabs)
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
	s.rebuild()
}

func (s *Sidebar) rebuild() {
	query := strings.TrimSpace(s.Search.Text)
	keypad := s.Tabs.Chosen() == tabKeypad && query == ""
	switch {
	case query != "":
		s.rows = s.searchRows(query)
	case s.Tabs.Chosen() == tabRecent:
		s.rows = s.recentRows()
	default:
		s.rows = s.buddyRows()
	}
	show(s.keypad.Root, keypad)
	none := !keypad && len(s.rows) == 0
	show(s.empty, none && query == "" && s.Tabs.Chosen() == tabBuddies)
	show(s.List, !keypad && !s.empty.Visible())
	s.List.Reload()
}

func (s *Sidebar) height(i int, _ float32) float32 {
	if s.rows[i].kind == rowGroup {
		return widget.GroupHeight
	}
	return widget.PersonHeight
}

func (s *Sidebar) create(kind int) fyne.CanvasObject {
	if kind == rowGroup {
		return widget.NewGroupRow()
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
	}
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
		if !known[addressKey(c.Peer)] && c.Count > 0 {
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
		second: func(at fyne.Position) { s.act.Menu(personMenu(s.act, b.Address, true), at) },
		person: func() widget.Person {
			p := widget.Person{
				Name: b.Name, Address: b.Address, Presence: glyph(b.Status), Line: b.Note,
				Unread: b.Unread, Selected: Same(b.Address, s.open),
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
		second: func(at fyne.Position) { s.act.Menu(personMenu(s.act, c.Peer, false), at) },
		person: func() widget.Person {
			return widget.Person{
				Name: NameOf(s.snap, c.Peer), Address: c.Peer, Line: oneLine(c.Last.Text), Time: ago(c.Last.At, s.now),
				Unread: c.Unread, Selected: Same(c.Peer, s.open),
			}
		},
	}
}

// personMenu is what can be done with a person: the menu of the row and of the header.
func personMenu(act Actions, address string, buddy bool) []*fyne.MenuItem {
	item := func(icon, text string, f func()) *fyne.MenuItem {
		m := fyne.NewMenuItem(text, f)
		m.Icon = theme.Icon(icon, theme.Text)
		return m
	}
	items := []*fyne.MenuItem{
		item("phone", lang.L("Call"), func() { act.Call(address) }),
		item("copy", lang.L("Copy the address"), func() { act.Copy(ShowAddress(address)) }),
	}
	if buddy {
		return append(items, item("trash", lang.L("Remove from the list"), func() { act.RemoveBuddy(address) }))
	}
	return append(
		items,
		item("user-plus", lang.L("Add to the list"), func() { act.ShowAddBuddy(ShowAddress(address)) }),
	)
}

// signInAgain is the link to the form of an account that the server did not take.
func signInAgain(act Actions, a app.Account) []fyne.CanvasObject {
	if a.Kind != app.AccountSIP {
		return nil
	}
	return []fyne.CanvasObject{widget.NewLink(lang.L("Sign in again"), func() { act.ShowAccount(a.Address) })}
}

// showNotices fills the quiet cards above the list: what is wrong with accounts, sound and network.
func (s *Sidebar) showNotices() {
	s.notices.RemoveAll()
	for _, a := range s.snap.Accounts {
		if a.State == app.AccountFailed {
			s.notices.Add(
				noticeCard("alert", theme.Attention, sentence(a.Reason), a.Detail, nil, signInAgain(s.act, a)...),
			)
		}
	}
	if len(s.snap.Accounts) > 0 && !s.snap.Network.Up && !s.snap.Network.Since.IsZero() {
		s.notices.Add(
			noticeCard(
				"network-off",
				theme.Attention,
				lang.L("No network. Everything waits until it is back."),
				"",
				nil,
			),
		)
	}
	if s.snap.Audio.Problem != "" {
		s.notices.Add(noticeCard("speaker", theme.Attention, sentence(s.snap.Audio.Problem), "", nil))
	}
	from := max(0, len(s.snap.Notices)-2) // the two newest: the list below must stay in sight
	for _, n := range s.snap.Notices[from:] {
		icon, color := "info", theme.Accent
		if n.Level == "attention" {
			icon, color = "alert", theme.Attention
		}
		s.notices.Add(noticeCard(icon, color, sentence(n.Text), n.Detail, func() { s.act.DismissNotice(n.ID) }))
	}
	s.notices.Refresh()
}
