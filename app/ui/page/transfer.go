package page

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// mostRecent is how many of the people called last the panel offers first.
const mostRecent = 3

// Transfer is the panel that hands a call on: to somebody found by name, address or number, unseen,
// or to the other side of another call that is up.
type Transfer struct {
	Root    fyne.CanvasObject
	Search  *widget.Entry
	List    *widget.Feed
	Now     *widget.Button
	Connect []*widget.Button // one for each other call

	act      Actions
	id       string
	call     app.Call
	snap     app.Snapshot
	rows     []transferRow
	chosen   int // row; -1: none
	others   string
	connects *fyne.Container
	box      *fyne.Container
	problem  *problem
	closed   func()
}

// transferRow is somebody the call could go to, or the heading of a group of them.
type transferRow struct {
	group, address, name string
	line, icon           string
	presence             widget.Presence
}

// NewTransfer returns the panel for the call with the given ID; closed is called when it has done its
// work or was dismissed.
func NewTransfer(act Actions, id string, closed func()) *Transfer {
	t := &Transfer{act: act, id: id, closed: closed, problem: newProblem(), chosen: -1}
	t.Search = widget.NewEntry(lang.L("Name, number or address"))
	t.Search.Icon = theme.Icon("search", theme.Quiet)
	t.Search.OnChanged = func(string) { t.searched() }
	t.Search.OnEnter = t.transfer
	t.Search.OnEscape = func() bool { closed(); return true }
	t.Search.OnMove = t.move
	t.List = widget.NewFeed(widget.FeedSource{
		Count: func() int { return len(t.rows) }, Kind: t.kind, Height: t.height, Create: t.create, Update: t.update,
		Key:    func(i int) string { return t.rows[i].group + " " + t.rows[i].address },
		Choose: t.choose,
		Still:  func(i int) bool { return t.rows[i].address == "" },
	})
	t.Now = widget.NewButton("transfer", lang.L("Transfer now"), widget.AccentKind, t.transfer)
	t.connects = container.New(layout.NewCustomPaddedVBoxLayout(2 * theme.Step))
	t.Root = container.New(layout.NewCustomPaddedLayout(16, 20, 24, 24), container.NewStack())
	return t
}

// build puts the parts together once the name of the call is known.
func (t *Transfer) build() {
	title := lang.L("Transfer {{.Name}}", data{"Name": t.call.PeerName})
	head := container.NewBorder(nil, nil, nil,
		widget.NewIconButton("close", lang.L("Close"), widget.Plain, t.closed).Height(36),
		widget.NewText(title, widget.Style{Size: theme.SizeTitle, Bold: true, Shrink: true}))
	list := container.New(&free{
		min: func() fyne.Size { return fyne.NewSize(320, 4.5*widget.PersonHeight) },
		// The rows have their own distance to the edges: with it they would not stand under the field.
		layout: func(s fyne.Size) { put(t.List, -8, 0, s.Width+16, s.Height) },
	}, t.List)
	cancel := widget.NewButton("", lang.L("Cancel"), widget.Plain, t.closed)
	t.box = container.New(layout.NewCustomPaddedVBoxLayout(3*theme.Step), head, t.connects, t.Search, list,
		t.problem.root, container.NewHBox(layout.NewSpacer(), cancel, t.Now))
	t.Root.(*fyne.Container).Objects = []fyne.CanvasObject{t.box}
}

// Show tells the panel of a snapshot, and whether there is still something to transfer.
func (t *Transfer) Show(snap app.Snapshot) bool {
	t.snap = snap
	var others []app.Call
	found := false
	for _, c := range answered(snap) {
		if c.ID == t.id {
			t.call, found = c, true
		} else {
			others = append(others, c)
		}
	}
	if !found || t.call.Transfer != nil && t.call.Transfer.State != app.TransferFailed {
		return false
	}
	if t.box == nil {
		t.build()
	}
	t.showOthers(others)
	t.fill(t.target())
	return true
}

// showOthers offers to connect the other side with that of another call.
func (t *Transfer) showOthers(others []app.Call) {
	ids := make([]string, 0, len(others))
	for _, c := range others {
		ids = append(ids, c.ID)
	}
	key := strings.Join(ids, "\n")
	if key == t.others {
		return
	}
	t.others, t.Connect = key, nil
	t.connects.RemoveAll()
	for _, c := range others {
		names := data{"Name": shortName(t.call.PeerName), "Other": shortName(c.PeerName)}
		b := widget.NewButton("join", lang.L("Connect {{.Name}} with {{.Other}}", names), widget.Tonal, func() {
			t.act.Connect(t.id, c.ID, t.done)
		})
		t.Connect = append(t.Connect, b)
		t.connects.Add(b)
	}
	show(t.connects, len(others) > 0)
}

func (t *Transfer) done(err error) {
	t.Now.Enable()
	if err != nil {
		t.problem.show(ErrorText(err))
		t.act.Resize()
		return
	}
	t.closed()
}

// transfer is Enter in the field, and the button.
func (t *Transfer) transfer() {
	to := t.target()
	if to == "" || t.Now.Disabled() {
		return
	}
	t.problem.hide()
	t.Now.Disable()
	t.act.Transfer(t.id, to, t.done)
}

// searched is called for every change of the field: the first that fits is chosen.
func (t *Transfer) searched() {
	t.fill("")
	if t.Search.Text != "" {
		for i, r := range t.rows {
			if r.address != "" {
				t.chosen = i
				break
			}
		}
	}
	t.showChosen()
}

// fill finds anew whom the call could go to; the one with this address stays chosen.
func (t *Transfer) fill(address string) {
	t.rows, t.chosen = t.found(strings.TrimSpace(t.Search.Text)), -1
	for i, r := range t.rows {
		if address != "" && r.address == address {
			t.chosen = i
		}
	}
	t.showChosen()
}

// target is the address chosen, or "".
func (t *Transfer) target() string {
	if t.chosen < 0 || t.chosen >= len(t.rows) {
		return ""
	}
	return t.rows[t.chosen].address
}

func (t *Transfer) showChosen() {
	if t.chosen < 0 {
		t.Now.Disable()
	} else {
		t.Now.Enable()
	}
	t.List.Reload()
}

// found are the people that a text stands for; without one, those called last and all buddies.
func (t *Transfer) found(query string) []transferRow {
	f := &finder{q: strings.ToLower(query), seen: map[string]bool{addressKey(t.call.Peer): true}}
	var rows []transferRow
	if LooksDialable(query) {
		rows = append(rows, transferRow{address: query, name: query, line: lang.L("As typed"), icon: "phone"})
	}
	last := t.foundLast(f)
	people := t.foundPeople(f)
	if query == "" {
		rows = append(rows, headed(lang.L("Recent"), last)...)
		return append(rows, headed(lang.L("Buddies"), people)...)
	}
	rows = append(append(rows, last...), people...)
	if len(rows) == 0 && !strings.ContainsAny(query, " \t") {
		rows = append(rows, transferRow{address: query, name: query, line: lang.L("As an address"), icon: "phone"})
	}
	return rows
}

// headed puts a heading over rows, if there are any.
func headed(group string, rows []transferRow) []transferRow {
	if len(rows) == 0 {
		return nil
	}
	return append([]transferRow{{group: group}}, rows...)
}

// finder tells whether somebody fits what was typed, each only once.
type finder struct {
	q    string
	seen map[string]bool
}

func (f *finder) fits(name, address string) bool {
	key := addressKey(address)
	if f.seen[key] || !strings.Contains(strings.ToLower(name), f.q) && !strings.Contains(key, f.q) {
		return false
	}
	f.seen[key] = true
	return true
}

// foundLast are the people of the last calls.
func (t *Transfer) foundLast(f *finder) []transferRow {
	var rows []transferRow
	for _, r := range t.snap.Recent {
		if len(rows) == mostRecent {
			break
		}
		if !f.fits(r.PeerName, r.Peer) {
			continue
		}
		row := t.person(r.Peer, "clock", ShowAddress(r.Peer))
		if row.presence == "" && r.PeerName != "" {
			row.name = r.PeerName
		}
		rows = append(rows, row)
	}
	return rows
}

// foundPeople are buddies, and while one searches also those one has written with.
func (t *Transfer) foundPeople(f *finder) []transferRow {
	var rows []transferRow
	for _, b := range t.snap.Buddies {
		if len(rows) < mostHits && f.fits(b.Name, b.Address) {
			line := PresenceWord(b.Status)
			if b.Note != "" {
				line += " · " + oneLine(b.Note)
			}
			rows = append(rows, t.person(b.Address, "", line))
		}
	}
	for _, c := range t.snap.Chats {
		if f.q != "" && len(rows) < mostHits && f.fits(c.PeerName, c.Peer) {
			rows = append(rows, t.person(c.Peer, "message", ShowAddress(c.Peer)))
		}
	}
	return rows
}

func (t *Transfer) person(address, icon, line string) transferRow {
	r := transferRow{address: address, name: NameOf(t.snap, address), line: line, icon: icon}
	if b, ok := findBuddy(t.snap, address); ok {
		r.presence = glyph(b.Status)
	}
	return r
}

// move is Up and Down in the field: the choice moves, the keyboard stays.
func (t *Transfer) move(name fyne.KeyName) {
	by := 1
	if name == fyne.KeyUp {
		by = -1
	}
	for i := t.chosen + by; i >= 0 && i < len(t.rows); i += by {
		if t.rows[i].address != "" {
			t.chosen = i
			break
		}
	}
	t.showChosen()
	t.List.Reveal(t.chosen)
}

// choose is a click on a row, or Enter at it: once chooses it, twice transfers.
func (t *Transfer) choose(i int) {
	if i >= len(t.rows) || t.rows[i].address == "" {
		return
	}
	if t.chosen == i && t.List.Cursor() == i {
		t.transfer()
		return
	}
	t.chosen = i
	t.showChosen()
}

func (t *Transfer) kind(i int) int {
	if t.rows[i].address == "" {
		return rowGroup
	}
	return rowPerson
}

func (t *Transfer) height(i int, _ float32) float32 {
	if t.rows[i].address == "" {
		return widget.GroupHeight
	}
	return widget.PersonHeight
}

func (t *Transfer) create(kind int) fyne.CanvasObject {
	if kind == rowGroup {
		return widget.NewGroupRow()
	}
	return widget.NewPersonRow()
}

func (t *Transfer) update(i int, o fyne.CanvasObject) {
	r := t.rows[i]
	switch w := o.(type) {
	case *widget.GroupRow:
		w.Set(r.group, "", false)
	case *widget.PersonRow:
		w.OnTapped, w.OnSecondary, w.OnAction = func() { t.choose(i) }, nil, nil
		p := widget.Person{
			Name: r.name, Address: r.address, Presence: r.presence, Line: r.line, LineIcon: r.icon,
			Selected: i == t.chosen, Focused: t.List.Cursor() == i,
		}
		w.Set(p)
	}
}
