package ui

import (
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/page"
)

// What a notification shows of a message, in runes, and how many come for one snapshot: after a long
// absence a server gives all it has kept at once.
const (
	notifyRunes = 200
	notifyMost  = 3
)

// tellOfNews sends notifications of what came in since the last snapshot while no window of ours was
// in front, and writes the number of unread messages into the title.
func (w *window) tellOfNews(old, s app.Snapshot) {
	unread := 0
	for _, c := range s.Chats {
		if !c.Stranger {
			unread += c.Unread
		}
	}
	if unread != w.unread {
		w.unread = unread
		title := w.opts.Title
		if unread > 0 {
			title = "(" + strconv.Itoa(unread) + ") " + title
		}
		w.win.SetTitle(title)
	}
	if w.foreground || !w.shown {
		return
	}
	sent := 0
	tell := func(title, text string) {
		if sent < notifyMost {
			w.notify(title, text)
		}
		sent++
	}
	for _, c := range s.Chats {
		before, _ := page.FindChat(old, c.Peer)
		if c.Unread > before.Unread && !c.Last.Outgoing && !c.Stranger {
			tell(page.NameOf(s, c.Peer), shortened(c.Last.Text))
		}
	}
	for _, c := range waiting(old, s) {
		tell(lang.L("Calls you too"), c.PeerName) // no window of its own tells of it
	}
	for _, c := range missed(old, s) {
		tell(lang.L("Missed call"), c.PeerName)
	}
}

// waiting are the calls that have begun to come in during another one.
func waiting(old, s app.Snapshot) []app.Call {
	known := map[string]bool{}
	for _, c := range old.Calls {
		known[c.ID] = true
	}
	var calls []app.Call
	for _, c := range s.Calls {
		if c.Waiting && c.State == app.CallIncoming && !known[c.ID] {
			calls = append(calls, c)
		}
	}
	return calls
}

// missed are the calls that rang in the old snapshot and ended unanswered in the new one.
func missed(old, s app.Snapshot) []app.Call {
	rang := map[string]bool{}
	for _, c := range old.Calls {
		rang[c.ID] = c.State == app.CallIncoming
	}
	var calls []app.Call
	for _, c := range s.Calls {
		if c.Incoming && c.State == app.CallEnded && c.AnsweredAt.IsZero() && rang[c.ID] {
			calls = append(calls, c)
		}
	}
	return calls
}

// shortened is the beginning of a message, in one line.
func shortened(text string) string {
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) > notifyRunes {
		return string(r[:notifyRunes-1]) + "…"
	}
	return string(r)
}

// sendNotification hands a notification to the system, which may take its time.
func (w *window) sendNotification(title, text string) {
	w.bind.spawn(func() { w.app.SendNotification(fyne.NewNotification(title, text)) })
}
