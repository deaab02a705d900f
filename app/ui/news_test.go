package ui

import (
	"slices"
	"strings"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	fynetest "fyne.io/fyne/v2/test"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/page"
	"github.com/peregrine-softphone/peregrine/app/ui/uitest"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

func TestNotifications(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	var sent []string
	h.notify = func(title, text string) { sent = append(sent, title+": "+text) }
	unread := func(n int) func() bool {
		return func() bool {
			total := 0
			for _, c := range h.snap.Chats {
				total += c.Unread
			}
			return total == n
		}
	}
	h.e.Receive("sip:chloe@info.test", "seen in the list")
	h.until("the message is counted", unread(4))
	if len(sent) != 0 {
		t.Errorf("notified while the window was in front: %q", sent)
	}
	h.setForeground(false)
	h.e.Receive("sip:chloe@info.test", "On my way,\nfive minutes.")
	h.until("the message is counted", unread(5))
	h.e.Change(func(s *app.Snapshot) { s.Calls = append(s.Calls, uitest.Ringing(uitest.Noon())) })
	h.until("it rings", func() bool { return len(h.rings) == 1 })
	h.e.Cancel("8", "Chloé gave up.")
	h.until("it no longer rings", func() bool { return len(h.rings) == 0 })
	want := []string{"Chloé Nguyen: On my way, five minutes.", "Missed call: Chloé Nguyen"}
	if !slices.Equal(sent, want) {
		t.Errorf("notifications: %q, want %q", sent, want)
	}
	if h.win.Title() != "(5) Peregrine" {
		t.Errorf("title: %q", h.win.Title())
	}
	h.setForeground(true)
	h.Open("sip:chloe@info.test")
	h.until("the chat is read", unread(3))
	h.Open("sip:dmitri@info.test")
	h.until("all is read", unread(0))
	if h.win.Title() != "Peregrine" {
		t.Errorf("title: %q", h.win.Title())
	}
}

func TestWindowOfACallClosesWhenItEndsElsewhere(t *testing.T) {
	ends := map[string]func(h *harness){
		"cancelled":          func(h *harness) { h.e.Cancel("8", "Chloé gave up.") },
		"answered elsewhere": func(h *harness) { h.e.Cancel("8", "Answered on another of your phones.") },
		"answered here by other means": func(h *harness) {
			if err := h.e.Answer(t.Context(), "8"); err != nil {
				t.Error(err)
			}
		},
		"declined in the strip": func(h *harness) { fynetest.Tap(h.strips.Strip("8").Decline) },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			h := open(t, uitest.Incoming(uitest.Noon()), wide())
			h.until("the window of the call is there", func() bool { return len(h.rings) == 1 })
			windows := len(h.app.Driver().AllWindows())
			end(h)
			h.until("it is gone", func() bool { return len(h.rings) == 0 })
			if got := len(h.app.Driver().AllWindows()); got != windows-1 {
				t.Errorf("%d windows, want %d", got, windows-1)
			}
		})
	}
}

func TestStripsOnEveryPage(t *testing.T) {
	h := open(t, uitest.TwoCalls(uitest.Noon()), wide())
	visible := func(where string) {
		t.Helper()
		for _, name := range []string{"Bob Keller", "Farid Quinn"} {
			if got := strings.Count(fynetest.RenderToMarkup(h.win.Canvas()), ">"+name+"<"); got < 1 {
				t.Errorf("%s: the call with %s is not named", where, name)
			}
		}
		if s := h.strips.Root; !s.Visible() || s.Size().Height < 120 {
			t.Errorf("%s: the strips are %v", where, s.Size())
		}
	}
	h.Open("sip:dmitri@info.test")
	visible("another chat")
	h.ShowSettings()
	visible("settings")
	h.ShowAddAccount()
	visible("adding an account")
	at := fyne.CurrentApp().Driver().AbsolutePositionForObject(h.strips.Strip("6").Root)
	fynetest.TapCanvas(h.win.Canvas(), at.AddXY(420, 20)) // beside the name
	if h.open != "sip:farid@info.test" || h.view != viewChat {
		t.Errorf("a click on the strip leads to %q", h.open)
	}
	if s := h.strips.Strip("6"); !s.Resume.Visible() || s.Mute.Visible() {
		t.Error("the held call has the wrong buttons")
	}
}

func TestEscapeClosesWhatIsOpen(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	escape := func() { h.chat.Composer.TypedKey(&fyne.KeyEvent{Name: fyne.KeyEscape}) }
	strip := h.strips.Strip("7")
	strip.ShowDetails(true)
	high := h.strips.Root.Size().Height
	h.showKeys()
	escape()
	if h.dialog != nil || h.strips.Root.Size().Height != high {
		t.Fatal("Escape does not close the card of keys alone")
	}
	escape()
	if h.strips.Root.Size().Height >= high {
		t.Error("Escape does not fold the details")
	}
	h.ShowSettings()
	h.typedKey(&fyne.KeyEvent{Name: fyne.KeyEscape})
	if h.view != viewChat {
		t.Error("Escape does not leave the settings")
	}
	h.focusSearch()
	fynetest.Type(h.sidebar.Search, "x")
	h.key(fyne.KeyEscape)
	h.key(fyne.KeyEscape)
	if h.win.Canvas().Focused() != h.chat.Composer {
		t.Error("Escape in the empty search field does not lead back to the message")
	}
}

func TestRecentCalls(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.sidebar.Tabs.Choose(1)
	lines := map[string]*widget.PersonRow{}
	for i := range h.sidebar.List.Rows() {
		if r, ok := h.sidebar.List.Row(i).(*widget.PersonRow); ok && r.Person().Action != "" {
			lines[r.Person().LineIcon+" "+r.Person().Line] = r
		}
	}
	for _, want := range []string{"call-missed Missed call", "call-in Incoming call, 01:01", "call-out Outgoing call, 12:34"} {
		if lines[want] == nil {
			t.Errorf("no row %q in %v", want, lines)
		}
	}
	if r := lines["call-missed Missed call"]; r != nil {
		if !r.Person().Alert {
			t.Error("a missed call does not stand out")
		}
		r.OnAction()
		h.verb("Call sip:grace@info.test")
	}
}

func TestStatusIsOneChoiceAndTheNoteStays(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.SetPresence(app.PresenceOffline, "at home")
	h.verb("SetPresence offline at home")
	h.until("it is told as appearing offline", func() bool {
		return strings.Contains(fynetest.RenderToMarkup(h.win.Canvas()), "Appear offline")
	})
}

func TestShortcutsAreAllListed(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.showKeys()
	card := fynetest.RenderToMarkup(h.win.Canvas())
	for _, k := range h.keys() {
		if !strings.Contains(card, ">"+k.does+"<") {
			t.Errorf("%q is not on the card", k.does)
		}
	}
	for _, k := range []string{"F1", "Esc", "Tab", "Enter"} {
		if !strings.Contains(card, ">"+k+"<") {
			t.Errorf("%s is not on the card", k)
		}
	}
	h.chat.Composer.TypedShortcut(&desktop.CustomShortcut{KeyName: fyne.KeyK, Modifier: fyne.KeyModifierShortcutDefault})
	if h.dialog != nil {
		t.Error("the card stays open when another shortcut is typed")
	}
}

func TestFiguresAloneReachTheDetails(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	h.pump()
	before := h.snap
	h.e.Change(func(s *app.Snapshot) {
		q := &s.Calls[len(s.Calls)-1].Quality
		q.LevelIn, q.Bars, q.LossPercent = 0.9, 2, 7.5
	})
	h.until("the figures are there", func() bool { return h.snap.Calls[len(h.snap.Calls)-1].Quality.Bars == 2 })
	if !page.OnlyFigures(before, h.snap) {
		t.Error("a change of figures counts as another")
	}
	h.strips.Strip("7").ShowDetails(true)
	if !strings.Contains(fynetest.RenderToMarkup(h.win.Canvas()), "7.5 %") {
		t.Error("the details do not show the newest figures")
	}
}
