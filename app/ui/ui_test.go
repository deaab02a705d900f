package ui

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	fynetest "fyne.io/fyne/v2/test"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/uitest"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
	"github.com/peregrine-softphone/peregrine/assets"
)

var _ Engine = (*uitest.Engine)(nil)

// harness is the window on a fixture, with the test as its UI thread: what the window posts there
// runs when the test waits for something.
type harness struct {
	*window
	t      *testing.T
	e      *uitest.Engine
	mu     sync.Mutex
	queue  []func()
	posted chan struct{}
}

func open(t *testing.T, f uitest.Fixture, size fyne.Size) *harness {
	t.Helper()
	h := &harness{t: t, e: uitest.New(f, uitest.Noon), posted: make(chan struct{}, 1)}
	a := fynetest.NewTempApp(t)
	ctx, cancel := context.WithCancel(context.Background())
	b := newBinder(ctx, h.post)
	h.window = newWindow(a, h.e, b, Options{Now: uitest.Noon}.withDefaults())
	h.win.Resize(size)
	b.spawn(func() { b.watch(h.e, h.show) })
	t.Cleanup(func() {
		cancel()
		b.wait()
	})
	if f.Open != "" {
		h.Open(f.Open)
		h.until("the messages are there", func() bool { return h.chat.Feed.Rows() > 0 || len(f.Messages[f.Open]) == 0 })
	}
	return h
}

func (h *harness) post(f func()) {
	h.mu.Lock()
	h.queue = append(h.queue, f)
	h.mu.Unlock()
	select {
	case h.posted <- struct{}{}:
	default:
	}
}

func (h *harness) pump() {
	for {
		h.mu.Lock()
		if len(h.queue) == 0 {
			h.mu.Unlock()
			return
		}
		f := h.queue[0]
		h.queue = h.queue[1:]
		h.mu.Unlock()
		f()
	}
}

// until runs the UI thread until something is true.
func (h *harness) until(what string, done func() bool) {
	h.t.Helper()
	deadline := time.After(5 * time.Second)
	for {
		h.pump()
		if done() {
			return
		}
		select {
		case <-h.posted:
		case <-deadline:
			h.t.Fatalf("in five seconds it has not come true that %s; verbs: %q", what, h.e.Verbs())
		}
	}
}

// verb waits until a verb was called.
func (h *harness) verb(want string) {
	h.t.Helper()
	h.until("the verb "+want+" was called", func() bool { return slices.Contains(h.e.Verbs(), want) })
}

func (h *harness) key(name fyne.KeyName) {
	h.win.Canvas().Focused().TypedKey(&fyne.KeyEvent{Name: name})
}

func wide() fyne.Size { return fyne.NewSize(1040, 720) }

// rowNames are the names of the visible rows of the list.
func (h *harness) rowNames() []string {
	var names []string
	for i := range h.sidebar.List.Rows() {
		if r, ok := h.sidebar.List.Row(i).(*widget.PersonRow); ok {
			names = append(names, r.Person().Name)
		}
	}
	return names
}

func TestEnterSends(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	rows := h.chat.Feed.Rows()
	fynetest.Type(h.chat.Composer, "On my way")
	h.chat.Composer.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	if h.chat.Composer.Text != "" {
		t.Errorf("the field still holds %q", h.chat.Composer.Text)
	}
	h.verb("Message sip:bob@info.test On my way")
	h.until("the bubble is there", func() bool { return h.chat.Feed.Rows() == rows+1 })
	last, ok := h.chat.Feed.Row(rows).(*widget.Bubble)
	if !ok || last.Data().Text != "On my way" || last.Data().Mark != "check" || !last.Data().Outgoing {
		t.Errorf("the last row is not the bubble sent: %+v", h.chat.Feed.Row(rows))
	}
}

func TestMessageThatCannotBeHandedOverComesBack(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.e.Fail(&app.UserError{Sentence: "The disk is full.", Detail: "ENOSPC"})
	fynetest.Type(h.chat.Composer, "Important")
	h.chat.Composer.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
	h.until("the text is back", func() bool { return h.chat.Composer.Text == "Important" })
	if len(h.layer.Toasts()) != 1 {
		t.Errorf("%d toasts, want the one that tells why", len(h.layer.Toasts()))
	}
}

func TestDraftsBelongToTheirPerson(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	fynetest.Type(h.chat.Composer, "for Bob")
	h.Open("sip:chloe@info.test")
	if h.chat.Composer.Text != "" {
		t.Errorf("Chloé's field holds %q", h.chat.Composer.Text)
	}
	h.Open("sip:bob@info.test")
	if h.chat.Composer.Text != "for Bob" {
		t.Errorf("Bob's field holds %q, want what was typed", h.chat.Composer.Text)
	}
}

func TestSearchFiltersAndFindsMessages(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.focusSearch()
	fynetest.Type(h.sidebar.Search, "keller")
	if got := h.rowNames(); len(got) == 0 || got[0] != "Bob Keller" || slices.Contains(got, "Maria") {
		t.Errorf("people found: %q", got)
	}
	h.sidebar.Search.SetText("printers")
	h.until("the message is found", func() bool { return slices.Contains(h.rowNames(), "Bob Keller") })
	h.key(fyne.KeyEscape)
	if h.sidebar.Search.Text != "" || !slices.Contains(h.rowNames(), "Chloé Nguyen") {
		t.Error("Escape does not bring the list back")
	}
}

func TestDialRowShowsForAnAddress(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.focusSearch()
	fynetest.Type(h.sidebar.Search, "zoe@enst.test")
	if got := h.rowNames(); len(got) == 0 || got[0] != "zoe@enst.test" {
		t.Fatalf("rows: %q, want the address first", got)
	}
	h.key(fyne.KeyReturn)
	h.verb("Call zoe@enst.test")
}

func TestIncomingCallShowsAndIsAnswered(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.e.Change(func(s *app.Snapshot) { s.Calls = append(s.Calls, uitest.Ringing(uitest.Noon())) })
	h.until("the strip is there", func() bool { return h.strips.Strip("8") != nil })
	if len(h.rings) != 1 {
		t.Fatalf("%d windows for the call, want 1", len(h.rings))
	}
	strip := h.strips.Strip("8")
	if !strip.Answer.Visible() || !strip.Decline.Visible() || strip.Hangup.Visible() || strip.Mute.Visible() {
		t.Error("the strip of a call that rings has the wrong buttons")
	}
	fynetest.Tap(h.rings["8"].card.Answer)
	h.verb("Answer 8")
	h.until("the window of the call is gone", func() bool { return len(h.rings) == 0 })
	if h.open != "sip:chloe@info.test" {
		t.Errorf("open is %q, want the caller", h.open)
	}
	if !strip.Hangup.Visible() || !strip.Mute.Visible() || strip.Answer.Visible() {
		t.Error("the strip of the answered call has the wrong buttons")
	}
}

func TestDeclineEndsTheCall(t *testing.T) {
	h := open(t, uitest.Incoming(uitest.Noon()), wide())
	fynetest.Tap(h.strips.Strip("8").Decline)
	h.verb("Decline 8")
	h.until("no strip is left", func() bool { return h.strips.Len() == 0 })
	if len(h.rings) != 0 || len(h.layer.Toasts()) != 0 {
		t.Errorf("%d windows and %d toasts are left of a call the user declined", len(h.rings), len(h.layer.Toasts()))
	}
}

func TestCallThatEndsByItselfSaysWhy(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	h.e.Change(func(s *app.Snapshot) {
		c := &s.Calls[len(s.Calls)-1]
		c.State, c.Reason, c.Detail = app.CallEnded, "Bob hung up.", "BYE"
	})
	h.until("a toast says why", func() bool { return len(h.layer.Toasts()) == 1 })
}

func TestStripButtonsCallTheirVerbs(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	s := h.strips.Strip("7")
	fynetest.Tap(s.Mute)
	h.verb("Mute true 7")
	h.until("the button shows it", s.Mute.On)
	fynetest.Tap(s.Mute)
	h.verb("Mute false 7")
	fynetest.Tap(s.Hold)
	h.verb("Hold 7")
	h.until("Resume is offered", s.Resume.Visible)
	fynetest.Tap(s.Resume)
	h.verb("Resume 7")
	fynetest.Tap(s.Hangup)
	h.verb("Hangup 7")
}

func TestFailedMessageOffersRetry(t *testing.T) {
	h := open(t, uitest.Failed(uitest.Noon()), wide())
	last := h.chat.Feed.Rows() - 1
	b, ok := h.chat.Feed.Row(last).(*widget.Bubble)
	if !ok || b.Data().Action != "Try again" || b.Data().Below != "Bob's program cannot receive messages." {
		t.Fatalf("the failed message: %+v", h.chat.Feed.Row(last))
	}
	b.OnAction()
	h.verb("RetryMessage f")
	h.until("it is sent", func() bool {
		b, ok := h.chat.Feed.Row(last).(*widget.Bubble)
		return ok && b.Data().Mark == "check" && b.Data().Action == ""
	})
}

func TestFirstStart(t *testing.T) {
	t.Run("demo", func(t *testing.T) {
		h := open(t, uitest.First(uitest.Noon()), wide())
		fynetest.Tap(h.welcome.Demo)
		h.verb("StartDemo")
		h.until("the list is there", func() bool { return slices.Contains(h.rowNames(), "Echo") })
	})
	t.Run("network", func(t *testing.T) {
		h := open(t, uitest.First(uitest.Noon()), wide())
		fynetest.Tap(h.welcome.LAN)
		fynetest.Type(h.welcome.LANForm.Name, "Alice Keller")
		fynetest.Tap(h.welcome.LANForm.Submit)
		h.verb("AddAccount lan alice.keller")
		h.until("the welcome is over", func() bool { return h.welcome == nil })
	})
	t.Run("account", func(t *testing.T) {
		h := open(t, uitest.First(uitest.Noon()), wide())
		fynetest.Tap(h.welcome.SIP)
		form := h.welcome.AccountForm
		if h.win.Canvas().Focused() != form.Address {
			t.Fatal("the keyboard is not at the address")
		}
		fynetest.Type(form.Address, "alice")
		fynetest.Tap(form.Submit)
		h.pump()
		if len(h.e.Verbs()) != 0 {
			t.Fatalf("an address without a domain was sent on: %q", h.e.Verbs())
		}
		fynetest.Type(form.Address, "@info.test")
		fynetest.Type(form.Password, "secret")
		form.Password.TypedKey(&fyne.KeyEvent{Name: fyne.KeyReturn})
		h.verb("AddAccount sip alice@info.test")
		h.until("the welcome is over", func() bool { return h.welcome == nil })
	})
	t.Run("refused", func(t *testing.T) {
		h := open(t, uitest.First(uitest.Noon()), wide())
		h.e.Fail(&app.UserError{Sentence: "There is no keyring here.", Detail: "dbus"})
		fynetest.Tap(h.welcome.Demo)
		h.verb("StartDemo")
		h.until("the sentence is shown", func() bool {
			return strings.Contains(fynetest.RenderToMarkup(h.win.Canvas()), "There is no keyring here.")
		})
	})
}

func TestNarrowLayout(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), fyne.NewSize(420, 720))
	if !h.shell.Narrow() || h.sidebar.Root.Visible() || !h.chat.Root.Visible() {
		t.Fatal("with a person open the one column does not show the chat")
	}
	if h.strips.Strip("7").Root.Size().Height < 100 {
		t.Error("the strip does not put its buttons under its words")
	}
	h.Back()
	if !h.sidebar.Root.Visible() || h.chat.Root.Visible() {
		t.Error("the arrow does not lead to the list")
	}
	if !h.strips.Root.Visible() || h.strips.Root.Size().Height < 50 {
		t.Error("the strip is not above the list")
	}
	h.win.Resize(wide())
	if !h.sidebar.Root.Visible() || !h.chat.Root.Visible() {
		t.Error("the wide window does not show both sides")
	}
}

func TestChatStaysAtItsEndWhenTheStripChanges(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	check := func(when string) {
		t.Helper()
		feed := h.chat.Feed
		last := feed.Row(feed.Rows() - 1)
		if last == nil {
			t.Fatalf("%s: the last message is not visible", when)
		}
		foot := fyne.CurrentApp().Driver().AbsolutePositionForObject(last).Y + last.Size().Height
		end := fyne.CurrentApp().Driver().AbsolutePositionForObject(feed).Y + feed.Size().Height
		if foot < end-1 || foot > end+1 {
			t.Errorf("%s: the last message ends at %v, the column at %v", when, foot, end)
		}
		room := wide().Height - h.header.Root.Size().Height - h.strips.Root.MinSize().Height
		if got := h.chat.Root.Size().Height; got != room {
			t.Errorf("%s: the chat is %v high, there is room for %v", when, got, room)
		}
	}
	check("at first")
	s := h.strips.Strip("7")
	s.ShowDetails(true)
	check("with the details")
	h.chat.Composer.SetText("one\ntwo\nthree\nfour")
	check("with a long text in the field")
	h.chat.Composer.SetText("")
	s.ShowDetails(false)
	check("without the details")
	fynetest.Tap(s.Keypad)
	check("with the keypad")
	h.e.Change(func(s *app.Snapshot) { s.Calls[len(s.Calls)-1].Network = "Network gone, holding your call" })
	h.until("the sentence is there", func() bool { return s.NetworkSays() != "" })
	check("with a sentence about the network")
	fynetest.Tap(s.Hangup)
	h.until("the strip is gone", func() bool { return h.strips.Len() == 0 })
	check("without a strip")
	h.win.Resize(fyne.NewSize(1040, 500))
	h.win.Resize(fyne.NewSize(700, 640))
	h.win.Resize(wide())
	check("after the window was resized")
}

func TestShortcutsWorkWhileTyping(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	h.win.Canvas().Focus(h.chat.Composer)
	typed := func(name fyne.KeyName, mod fyne.KeyModifier) {
		h.chat.Composer.TypedShortcut(&desktop.CustomShortcut{KeyName: name, Modifier: mod})
	}
	typed(fyne.KeyM, fyne.KeyModifierShortcutDefault)
	h.verb("Mute true 7")
	typed(fyne.KeyH, fyne.KeyModifierShortcutDefault)
	h.verb("Hold 7")
	typed(fyne.KeyH, fyne.KeyModifierShortcutDefault|fyne.KeyModifierShift)
	h.verb("Hangup 7")
	typed(fyne.KeyK, fyne.KeyModifierShortcutDefault)
	if h.win.Canvas().Focused() != h.sidebar.Search {
		t.Error("Ctrl+K does not go to the search field")
	}
	h.chat.Composer.TypedKey(&fyne.KeyEvent{Name: fyne.KeyF1})
	if h.dialog == nil {
		t.Error("F1 does not show the keys")
	}
}

func TestTabFollowsReadingOrder(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	c := h.win.Canvas()
	c.Focus(h.sidebar.Search)
	var order []fyne.Focusable
	for range 12 {
		c.FocusNext()
		order = append(order, c.Focused())
	}
	at := func(f fyne.Focusable) int { return slices.Index(order, f) }
	list, call, chat, composer := at(h.sidebar.List), at(h.header.Call), at(h.chat.Feed), at(h.chat.Composer)
	if list < 0 || call <= list || chat <= call || composer <= chat {
		t.Errorf("order of Tab: list %d, Call %d, chat %d, composer %d", list, call, chat, composer)
	}
}

func TestCallShortcutCallsThePersonShown(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.chat.Composer.TypedShortcut(&desktop.CustomShortcut{KeyName: fyne.KeyReturn, Modifier: fyne.KeyModifierShortcutDefault})
	h.verb("Call sip:bob@info.test")
	h.until("the Call button is off during the call", h.header.Call.Disabled)
}

func TestOpenChatIsMarkedRead(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.setForeground(false)
	h.Open("sip:dmitri@info.test")
	h.until("its messages are there", func() bool { return h.chat.Feed.Rows() > 3 })
	if slices.Contains(h.e.Verbs(), "MarkRead sip:dmitri@info.test") {
		t.Fatal("a chat was marked as read while the window was not in front")
	}
	h.setForeground(true)
	h.verb("MarkRead sip:dmitri@info.test")
}

func TestAddBuddyCard(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.ShowAddBuddy("zoe@info.test")
	h.key(fyne.KeyReturn)
	h.verb("AddBuddy zoe@info.test  ")
	h.until("the card is gone", func() bool { return h.dialog == nil })
}

func TestRemovedBuddyCanBeBroughtBack(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.RemoveBuddy("sip:bob@info.test")
	h.verb("RemoveBuddy sip:bob@info.test")
	h.until("undo is offered", func() bool { return len(h.layer.Toasts()) == 1 })
}

func TestSettingsChooseTheTheme(t *testing.T) {
	h := open(t, uitest.Settings(uitest.Noon()), wide())
	h.ShowSettings()
	h.pump()
	for _, v := range h.e.Verbs() {
		if strings.HasPrefix(v, "Set ") {
			t.Fatalf("opening the page changed a setting: %q", v)
		}
	}
	h.settings.Looks.SetSelectedIndex(2)
	h.verb("Set theme light")
	h.until("the window is light", func() bool { return h.mode == theme.Light })
}

// TestThemeReachesHiddenPages: the chat behind the settings has the new colors when it is shown again.
func TestThemeReachesHiddenPages(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.Open("sip:bob@info.test")
	h.until("the chat is there", func() bool { return h.chat.Feed.Rows() > 0 })
	h.ShowSettings()
	h.settings.Looks.SetSelectedIndex(2)
	h.until("the window is light", func() bool { return h.mode == theme.Light })
	h.Open("sip:bob@info.test")
	h.pump()
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject(h.chat.Composer)
	sendX, sendY := int(wide().Width)-20-36+5, int(at.Y+h.chat.Composer.Size().Height/2)
	r, _, _, _ := h.win.Canvas().Capture().At(sendX, sendY).RGBA()
	if r>>8 < 0x80 {
		t.Errorf("the send button is still dark: red %#x at %d,%d", r>>8, sendX, sendY)
	}
}

func TestManyPeopleAndMessagesStayCheap(t *testing.T) {
	h := open(t, uitest.Many(uitest.Noon()), wide())
	if h.sidebar.List.Rows() < 5000 || h.sidebar.List.Live() > 20 {
		t.Errorf("list: %d rows, %d drawn", h.sidebar.List.Rows(), h.sidebar.List.Live())
	}
	if h.chat.Feed.Live() > 30 {
		t.Errorf("chat: %d rows drawn", h.chat.Feed.Live())
	}
	loaded := h.chat.Feed.Rows()
	h.Older("sip:bob@info.test")
	h.until("older messages are there", func() bool { return h.chat.Feed.Rows() > 2*loaded })
}

func TestLatestSnapshotWins(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.pump()
	for i := range 100 {
		h.e.Change(func(s *app.Snapshot) { s.Self.Note = strconv.Itoa(i) })
	}
	h.until("the last note is shown", func() bool { return h.snap.Self.Note == "99" })
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) > 1 {
		t.Errorf("%d updates wait for the UI thread, want at most 1", len(h.queue))
	}
}

func TestEverySentenceIsTranslated(t *testing.T) {
	english, err := assets.Translations.ReadFile("translations/en.json")
	if err != nil {
		t.Fatal(err)
	}
	text := string(english)
	err = filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if key, ok := langKey(n); ok && !strings.Contains(text, strconv.Quote(key)+":") {
				t.Errorf("%s: %q is in no translation", path, key)
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// langKey returns the sentence of a call of lang.L.
func langKey(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return "", false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != "L" {
		return "", false
	}
	return literal(call.Args[0])
}

// literal returns the text of a literal, also of one that is put together of several.
func literal(e ast.Expr) (string, bool) {
	switch x := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(x.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		left, ok := literal(x.X)
		right, fine := literal(x.Y)
		return left + right, ok && fine
	}
	return "", false
}

func BenchmarkSnapshotWith5000Buddies(b *testing.B) {
	a := fynetest.NewTempApp(b)
	e := uitest.New(uitest.Many(uitest.Noon()), uitest.Noon)
	w := newWindow(a, e, newBinder(context.Background(), func(func()) {}), Options{Now: uitest.Noon}.withDefaults())
	w.win.Resize(wide())
	s := e.Snapshot()
	for b.Loop() {
		w.show(s)
	}
}
