package ui

import (
	"slices"
	"strings"
	"testing"
	"time"

	"fyne.io/fyne/v2"
	fynetest "fyne.io/fyne/v2/test"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/page"
	"github.com/peregrine-softphone/peregrine/app/ui/uitest"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// row is the number and drawing of the row with a name and an action, or -1.
func (h *harness) callRow(name string) (int, *widget.PersonRow) {
	for i := range h.sidebar.List.Rows() {
		if r, ok := h.sidebar.List.Row(i).(*widget.PersonRow); ok && r.Person().Name == name && r.Person().Action != "" {
			return i, r
		}
	}
	return -1, nil
}

func TestMissedCallsAreCountedUntilSeen(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	if got := h.sidebar.Tabs.Badge(1); got != 2 {
		t.Fatalf("%d missed calls are counted, want 2", got)
	}
	h.sidebar.Tabs.Choose(1)
	h.verb("SeeMissed")
	h.until("the engine knows", func() bool { return h.snap.Missed == 0 })
	if h.sidebar.Tabs.Badge(1) != 0 {
		t.Error("they are still counted")
	}
	if _, r := h.callRow("Grace Rossi"); r == nil || !r.Person().Fresh || !r.Person().Alert {
		t.Error("what was missed does not stand out while the tab is open")
	}
	if _, r := h.callRow("Chloé Nguyen"); r == nil || r.Person().Fresh || r.Person().Alert {
		t.Error("an answered call stands out")
	}
	h.sidebar.Tabs.Choose(0)
	h.sidebar.Tabs.Choose(1)
	if _, r := h.callRow("Grace Rossi"); r == nil || r.Person().Fresh || !r.Person().Alert {
		t.Error("what was seen still looks new, or no longer missed")
	}
	if n := count(h.e.Verbs(), "SeeMissed"); n != 1 {
		t.Errorf("SeeMissed was called %d times, want once", n)
	}
}

func count(list []string, what string) int {
	n := 0
	for _, s := range list {
		if s == what {
			n++
		}
	}
	return n
}

func TestMissedCallsAreNotSeenBehindOtherWindows(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.setForeground(false)
	h.sidebar.Tabs.Choose(1)
	h.pump()
	if slices.Contains(h.e.Verbs(), "SeeMissed") {
		t.Fatal("calls were seen while the window was not in front")
	}
	h.setForeground(true)
	h.verb("SeeMissed")
}

func TestDetailsOfAPastCall(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.sidebar.Tabs.Choose(1)
	_, r := h.callRow("+49 30 1234567")
	r.OnTapped()
	for _, want := range []string{"Today, 13:40:09 · rang 00:20", "+49301234567@info.test", "The caller gave up.", "Call back"} {
		if !h.says(want) {
			t.Errorf("the details do not say %q", want)
		}
	}
	if h.open != "sip:bob@info.test" {
		t.Error("looking at a past call leaves the chat")
	}
	_, r = h.callRow("+49 30 1234567")
	r.OnTapped()
	if h.says("rang 00:20") {
		t.Error("a second click does not fold the details")
	}
}

func TestEnterCallsBack(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.sidebar.Tabs.Choose(1)
	i, _ := h.callRow("Grace Rossi")
	h.win.Canvas().Focus(h.sidebar.List)
	h.sidebar.List.SetCursor(i)
	h.key(fyne.KeySpace)
	if !h.says("Grace Rossi gave up after 20 seconds.") && !h.says("Grace Rossi gave up after 20") {
		t.Error("Space does not show the details")
	}
	h.key(fyne.KeyReturn)
	h.verb("Call sip:grace@info.test")
}

func TestHistoryIsClearedUnlessUndone(t *testing.T) {
	now := uitest.Noon()
	h := open(t, uitest.Buddies(now), wide())
	h.opts.Now = func() time.Time { return now }
	h.sidebar.Tabs.Choose(1)
	h.until("seen", func() bool { return h.snap.Missed == 0 })
	h.ClearHistory()
	if i, _ := h.callRow("Grace Rossi"); i >= 0 || len(h.layer.Toasts()) != 1 {
		t.Fatal("the calls are still there, or nothing can be undone")
	}
	h.toasts[0].undo()
	if i, _ := h.callRow("Grace Rossi"); i < 0 || len(h.layer.Toasts()) != 0 {
		t.Fatal("Undo does not bring the calls back")
	}
	h.ClearHistory()
	now = now.Add(keep + time.Second)
	h.tick()
	h.verb("ClearHistory")
	h.until("it is gone", func() bool { return len(h.snap.Recent) == 0 && !h.clearing })
	if n := count(h.e.Verbs(), "ClearHistory"); n != 1 {
		t.Errorf("cleared %d times, want once", n)
	}
}

func TestHistoryIsClearedWhenTheWindowGoes(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.ClearHistory()
	h.flush(t.Context())
	if !slices.Contains(h.e.Verbs(), "ClearHistory") {
		t.Error("what the user asked for is forgotten")
	}
}

func TestRequestsAreALineAndCards(t *testing.T) {
	h := open(t, uitest.Requests(uitest.Noon()), wide())
	if !h.says("3 requests") || len(h.rings) != 0 {
		t.Fatal("strangers are not told of quietly")
	}
	fynetest.Tap(h.sidebar.Requests.Line)
	if !h.sidebar.Requests.Open() || h.sidebar.List.Visible() {
		t.Fatal("the line does not open the cards")
	}
	cards := h.sidebar.Requests.Cards
	fynetest.Tap(cards["r3"].Buttons[0]) // call back
	h.verb("AcceptRequest r3")
	h.verb("Call sip:+49891234567@info.test")
	fynetest.Tap(cards["r2"].Buttons[2]) // block
	h.verb("RefuseRequest r2 true")
	h.until("a toast offers to undo it", func() bool { return len(h.layer.Toasts()) == 1 })
	h.toasts[0].undo()
	h.verb("Unblock sip:zoe@enst.test")
	h.until("one is left", func() bool { return len(h.snap.Requests) == 1 })
	fynetest.Tap(h.sidebar.Requests.Cards["r1"].Buttons[1]) // trust
	h.verb("AcceptRequest r1")
	h.until("the list is back", func() bool { return h.sidebar.List.Visible() && !h.says("request") })
}

func TestMessageOfAStrangerIsReadAndAnswered(t *testing.T) {
	h := open(t, uitest.Requests(uitest.Noon()), wide())
	fynetest.Tap(h.sidebar.Requests.Line)
	if !h.says("100@192.0.2.7") && !h.says("192.0.2.7") {
		t.Error("the server that was passed by is not named")
	}
	fynetest.Tap(h.sidebar.Requests.Cards["r2"].Buttons[0])
	h.verb("AcceptRequest r2")
	h.until("the chat is open", func() bool { return h.open == "sip:zoe@enst.test" && h.win.Canvas().Focused() == h.chat.Composer })
}

func TestEscapeClosesTheRequests(t *testing.T) {
	h := open(t, uitest.Requests(uitest.Noon()), wide())
	fynetest.Tap(h.sidebar.Requests.Line)
	h.typedKey(&fyne.KeyEvent{Name: fyne.KeyEscape})
	if h.sidebar.Requests.Open() || !h.sidebar.List.Visible() {
		t.Error("Escape does not bring the list back")
	}
}

func TestAddingAStrangerAllowsHim(t *testing.T) {
	h := open(t, uitest.Requests(uitest.Noon()), wide())
	fynetest.Tap(h.sidebar.Requests.Line)
	fynetest.Tap(h.sidebar.Requests.Cards["r2"].Buttons[1])
	h.key(fyne.KeyReturn)
	h.verb("AddBuddy zoe@enst.test  ")
	h.verb("AcceptRequest r2")
}

func TestBlockedList(t *testing.T) {
	h := open(t, uitest.Requests(uitest.Noon()), wide())
	h.ShowSettings()
	h.until("the blocked are there", func() bool { return len(h.settings.Blocked.Unblock) == 2 })
	fynetest.Tap(h.settings.Blocked.Unblock["sip:spam@example.net"])
	h.verb("Unblock sip:spam@example.net")
	h.until("one is left", func() bool { return len(h.settings.Blocked.Unblock) == 1 })
}

func TestLamps(t *testing.T) {
	h := open(t, uitest.Requests(uitest.Noon()), wide())
	row, ok := h.sidebar.List.Row(1).(*widget.PersonRow)
	if !ok || row.Person().Lamp != "busy" {
		t.Fatalf("Bob's lamp: %+v", row)
	}
	if !h.says("Online · Line in use · Working from home") {
		t.Error("the header does not tell that Bob's line is in use")
	}
	items := page.PersonMenu(h.window, h.snap, "sip:bob@info.test")
	item := func(label string) *fyne.MenuItem {
		for _, m := range items {
			if m.Label == label {
				return m
			}
		}
		t.Fatalf("no %q in the menu", label)
		return nil
	}
	if !item("Watch the line").Checked || !item("Let Bob see when I am on the phone").Checked {
		t.Error("the menu does not show what is on")
	}
	item("Watch the line").Action()
	h.verb("SetLamp sip:bob@info.test false true")
	h.until("the lamp is gone", func() bool {
		row, ok := h.sidebar.List.Row(1).(*widget.PersonRow)
		return ok && row.Person().Lamp == ""
	})
}

func TestMailbox(t *testing.T) {
	h := open(t, uitest.Requests(uitest.Noon()), wide())
	mail := h.sidebar.Mailbox()
	if !mail.Visible() || mail.Text() != "3" || mail.Label != "3 new in your mailbox. Call it." {
		t.Fatalf("the badge: visible %v, %q, %q", mail.Visible(), mail.Text(), mail.Label)
	}
	fynetest.Tap(mail)
	h.verb("Call sip:mailbox@info.test")
	h.e.Change(func(s *app.Snapshot) { s.Accounts[0].Voicemail = app.Voicemail{Waiting: true, New: -1} })
	h.until("an uncounted mailbox is told of", func() bool { return mail.Text() == "New" })
	fynetest.Tap(mail)
	h.until("it says what to do", func() bool { return len(h.layer.Toasts()) == 1 })
	h.e.Change(func(s *app.Snapshot) { s.Accounts[0].Voicemail = app.Voicemail{} })
	h.until("the badge is gone", func() bool { return !mail.Visible() })
}

func TestStrangersChatIsARequestOnly(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.e.Change(func(s *app.Snapshot) {
		s.Chats = append(s.Chats, app.Chat{
			Peer: "sip:zoe@enst.test", PeerName: "Zoe Martin", Count: 1, Unread: 1, Revision: 1, Stranger: true,
			Last: app.Message{Text: "Hello", At: uitest.Noon()},
		})
	})
	h.until("the chat is there", func() bool { _, ok := page.FindChat(h.snap, "sip:zoe@enst.test"); return ok })
	if slices.Contains(h.rowNames(), "Zoe Martin") || strings.HasPrefix(h.win.Title(), "(4)") {
		t.Error("a stranger's message is counted or listed")
	}
}
