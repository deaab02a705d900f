package ui

import (
	"slices"
	"testing"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	fynetest "fyne.io/fyne/v2/test"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/uitest"
)

// shortcut types a shortcut while the message field has the focus, as most of the time.
func (h *harness) shortcut(name fyne.KeyName, mod fyne.KeyModifier) {
	h.chat.Composer.TypedShortcut(&desktop.CustomShortcut{KeyName: name, Modifier: fyne.KeyModifierShortcutDefault | mod})
}

func TestTransferByKeyboard(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	h.shortcut(fyne.KeyT, 0)
	if h.transfer == nil || h.win.Canvas().Focused() != h.transfer.Search {
		t.Fatal("Ctrl+T does not ask whom to transfer to")
	}
	if !h.transfer.Now.Disabled() || len(h.transfer.Connect) != 0 {
		t.Error("something can be done though nobody is chosen and there is no other call")
	}
	fynetest.Type(h.transfer.Search, "chlo")
	h.key(fyne.KeyReturn)
	h.verb("Transfer sip:chloe@info.test 7")
	h.until("the panel is gone", func() bool { return h.transfer == nil && h.dialog == nil })
	h.until("the strip tells of it", func() bool { return h.says("Asking Bob to call Chloé…") })
	h.e.Transferred("7", app.TransferRinging, "")
	h.until("it rings there", func() bool { return h.says("Bob is calling Chloé, it rings…") })
	h.shortcut(fyne.KeyT, 0)
	if h.transfer != nil {
		t.Error("a call that is being handed on can be handed on again")
	}
}

func TestTransferThatFailsLeadsBack(t *testing.T) {
	h := open(t, uitest.Transferring(uitest.Noon()), wide())
	h.until("it says why", func() bool { return h.says("Farid did not reach Grace. Grace is busy.") })
	back := h.strips.Strip("6").Notes().Back
	if !back.Visible() || back.Text() != "Back to Farid" {
		t.Fatalf("the way back: visible %v, %q", back.Visible(), back.Text())
	}
	fynetest.Tap(back)
	h.verb("Resume 6")
	h.until("the sentence is gone", func() bool { return !h.says("Farid did not reach Grace. Grace is busy.") })
	if h.strips.Strip("7").Notes().Back.Visible() {
		t.Error("a transfer under way offers the way back from a failed one")
	}
}

func TestTransferRefusedByTheEngineStaysOpen(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	h.ShowTransfer("7")
	h.e.Fail(&app.UserError{Sentence: "Bob's program cannot transfer calls.", Detail: "405"})
	h.transfer.Search.SetText("+49 30 123")
	fynetest.Tap(h.transfer.Now)
	h.until("the panel says why", func() bool { return h.says("Bob's program cannot transfer calls.") })
	if h.transfer == nil || h.transfer.Now.Disabled() {
		t.Error("it cannot be tried again")
	}
	if !slices.Contains(h.e.Verbs(), "Transfer +49 30 123 7") {
		t.Errorf("verbs: %q, want the number as typed", h.e.Verbs())
	}
}

func TestConnectTheOtherTwo(t *testing.T) {
	h := open(t, uitest.TwoCalls(uitest.Noon()), wide())
	h.ShowTransfer("7")
	if len(h.transfer.Connect) != 1 || h.transfer.Connect[0].Text() != "Connect Bob with Farid" {
		t.Fatalf("%d calls to connect with", len(h.transfer.Connect))
	}
	fynetest.Tap(h.transfer.Connect[0])
	h.verb("Connect 7 6")
	h.until("the calls are gone", func() bool { return h.strips.Len() == 0 && h.dialog == nil })
}

func TestTransferPanelGoesWithItsCall(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	h.ShowTransfer("7")
	h.e.Cancel("7", "Bob hung up.")
	h.until("the panel is gone", func() bool { return h.dialog == nil && h.transfer == nil })
}

func TestTransferListByArrowsAndMouse(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	h.ShowTransfer("7")
	h.key(fyne.KeyDown)
	h.key(fyne.KeyDown)
	h.key(fyne.KeyUp)
	h.key(fyne.KeyReturn)
	h.verb("Transfer sip:+49301234567@info.test 7") // the first of the recent ones; Bob himself is none
}

func TestTalkTogetherAndTakeOut(t *testing.T) {
	h := open(t, uitest.TwoCalls(uitest.Noon()), wide())
	if !h.strips.CanTalkTogether() || !h.strips.Together.Visible() {
		t.Fatal("two calls cannot be made one conversation")
	}
	h.shortcut(fyne.KeyJ, 0)
	h.verb("Conference")
	h.until("the calls share a card", func() bool { return h.strips.Len() == 1 && h.strips.Conference.Member("7") != nil })
	if h.strips.CanTalkTogether() || !h.says("13:27 · 2 people and you") {
		t.Error("the card does not say who talks")
	}
	fynetest.Tap(h.strips.Conference.Mute)
	h.verb("Mute true 6")
	h.verb("Mute true 7")
	fynetest.Tap(h.strips.Conference.Member("6").TakeOut)
	h.verb("Split 6")
	h.until("both have their strip", func() bool {
		return h.strips.Len() == 2 && h.strips.Strip("6") != nil && h.strips.Strip("6").Resume.Visible()
	})
}

func TestHangUpForAll(t *testing.T) {
	h := open(t, uitest.Conference(uitest.Noon()), wide())
	fynetest.Tap(h.strips.Conference.Hangup)
	h.verb("Hangup 7")
	h.verb("Hangup 6")
	h.until("the held call is left", func() bool { return h.strips.Len() == 1 && h.strips.Strip("5") != nil })
	if len(h.layer.Toasts()) != 0 {
		t.Error("a conversation the user ended is told of")
	}
}

func TestCallWaitingIsQuiet(t *testing.T) {
	h := open(t, uitest.Waiting(uitest.Noon()), wide())
	if len(h.rings) != 0 {
		t.Error("a window bursts into the talk")
	}
	s := h.strips.Strip("8")
	if !s.AnswerHold.Visible() || s.Answer.Visible() || !s.Decline.Visible() {
		t.Fatal("the strip has the wrong buttons")
	}
	fynetest.Tap(s.AnswerHold)
	h.verb("Answer 8")
	h.until("it is answered", func() bool { return !s.AnswerHold.Visible() && s.Mute.Visible() })
}

func TestCallWaitingBehindOtherWindows(t *testing.T) {
	h := open(t, uitest.Call(uitest.Noon()), wide())
	var sent []string
	h.notify = func(title, text string) { sent = append(sent, title+": "+text) }
	h.setForeground(false)
	h.e.Change(func(s *app.Snapshot) {
		c := uitest.Ringing(uitest.Noon())
		c.Waiting = true
		s.Calls = append(s.Calls, c)
	})
	h.until("the strip is there", func() bool { return h.strips.Strip("8") != nil })
	if len(h.rings) != 0 || !slices.Equal(sent, []string{"Calls you too: Chloé Nguyen"}) {
		t.Errorf("%d windows, notifications %q", len(h.rings), sent)
	}
}

func TestBeforeTheAnswer(t *testing.T) {
	h := open(t, uitest.Transferring(uitest.Noon()), wide())
	for _, want := range []string{"Hiroshi's side plays an announcement.", "Signalling encrypted", "Not encrypted"} {
		if !h.says(want) {
			t.Errorf("the strips do not say %q", want)
		}
	}
}

func TestTransferAskedForInACall(t *testing.T) {
	h := open(t, uitest.Transferring(uitest.Noon()), wide())
	notes := h.strips.Strip("9").Notes()
	if !h.says("Jamal asks you to call Chloé.") {
		t.Fatal("the strip does not say what Jamal asks")
	}
	fynetest.Tap(notes.Allow)
	h.verb("AcceptRequest t1")
	h.until("the question is gone", func() bool { return !h.says("Jamal asks you to call Chloé.") })
}

func TestRedial(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.shortcut(fyne.KeyR, 0)
	h.verb("Redial")
	h.verb("Call sip:bob@info.test")
	h.sidebar.Tabs.Choose(2)
	fynetest.Tap(h.sidebar.Keypad.Call)
	if got := h.sidebar.Keypad.Number.Text; got != "bob@info.test" {
		t.Errorf("the empty keypad brings back %q", got)
	}
}

func TestDoNotDisturb(t *testing.T) {
	h := open(t, uitest.Buddies(uitest.Noon()), wide())
	h.shortcut(fyne.KeyD, fyne.KeyModifierShift)
	h.verb("Set dnd on")
	h.until("it is on", func() bool { return h.snap.Self.DND })
	h.ShowSettings()
	if !h.settings.DND.On() {
		t.Error("the settings do not show it")
	}
	fynetest.Tap(h.settings.DND)
	h.verb("Set dnd off")
}

func TestWhichAccountToCallBy(t *testing.T) {
	h := open(t, uitest.Accounts(uitest.Noon()), wide())
	if !h.header.From.Visible() || !h.sidebar.Keypad.From.Visible() {
		t.Fatal("with several accounts none can be chosen")
	}
	h.CallFrom("sip:bob@info.test", "sip:alice@192.0.2.10")
	h.verb("Call sip:bob@info.test {Video:false From:sip:alice@192.0.2.10}")
	one := open(t, uitest.Buddies(uitest.Noon()), wide())
	if one.header.From.Visible() || one.sidebar.Keypad.From.Visible() {
		t.Error("with one account there is something to choose")
	}
}

func TestEverythingOfACallIsReachedByTab(t *testing.T) {
	h := open(t, uitest.Transferring(uitest.Noon()), wide())
	reach := h.reachable()
	s := h.strips
	for name, f := range map[string]fyne.Focusable{
		"Resume": s.Strip("7").Resume, "Back": s.Strip("6").Notes().Back, "Allow": s.Strip("9").Notes().Allow,
		"Refuse": s.Strip("9").Notes().Refuse, "Hang up": s.Strip("10").Hangup, "Talk together": s.Together,
		"requests": h.sidebar.Requests.Line,
	} {
		if !slices.Contains(reach, f) {
			t.Errorf("Tab does not reach %s", name)
		}
	}
	h = open(t, uitest.Conference(uitest.Noon()), wide())
	reach = h.reachable()
	m := h.strips.Conference.Member("6")
	for name, f := range map[string]fyne.Focusable{
		"Mute": h.strips.Conference.Mute, "Take out": m.TakeOut, "Hang up on one": m.Hangup,
	} {
		if !slices.Contains(reach, f) {
			t.Errorf("Tab does not reach %s of the conference", name)
		}
	}
}

// reachable are the parts of the window that Tab comes to.
func (h *harness) reachable() []fyne.Focusable {
	c := h.win.Canvas()
	var found []fyne.Focusable
	for range 120 {
		c.FocusNext()
		if f := c.Focused(); slices.Contains(found, f) {
			break
		} else if f != nil {
			found = append(found, f)
		}
	}
	return found
}
