package page

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// data is what a translated sentence is filled with.
type data map[string]any

// statuses are the presences a user can choose, in the order of the menu.
func statuses() []app.Presence {
	return []app.Presence{
		app.PresenceOnline, app.PresenceAway, app.PresenceBusy, app.PresenceOnThePhone, app.PresenceLunch,
		app.PresenceOffline,
	}
}

// PresenceWord is a presence in the user's language.
func PresenceWord(p app.Presence) string {
	switch p {
	case app.PresenceOnline:
		return lang.L("Online")
	case app.PresenceAway:
		return lang.L("Away")
	case app.PresenceBusy:
		return lang.L("Busy")
	case app.PresenceOnThePhone:
		return lang.L("On the phone")
	case app.PresenceLunch:
		return lang.L("Gone to lunch")
	case app.PresenceOffline:
		return lang.L("Offline")
	case app.PresenceUnknown:
	}
	return lang.L("Status not known")
}

func glyph(p app.Presence) widget.Presence {
	if p == "" {
		p = app.PresenceUnknown
	}
	return widget.Presence(p)
}

// Same tells whether two addresses as the engine writes them are the same.
func Same(a, b string) bool { return addressKey(a) == addressKey(b) }

// addressKey makes addresses comparable that were written with and without their scheme.
func addressKey(a string) string {
	a = strings.ToLower(a)
	a = strings.TrimPrefix(a, "sip:")
	return strings.TrimSuffix(a, ":5060") // RFC 3261 19.1.2: the default port of sip
}

// ShowAddress writes an address as people do: without its scheme.
func ShowAddress(a string) string {
	return strings.TrimPrefix(strings.TrimPrefix(a, "sip:"), "sips:")
}

// LooksDialable tells whether a text typed into the search field can be called as it stands: an
// address, or a number of at least two digits.
func LooksDialable(q string) bool {
	q = strings.TrimSpace(q)
	if q == "" {
		return false
	}
	if i := strings.IndexByte(q, '@'); i > 0 && i < len(q)-1 {
		return !strings.ContainsAny(q, " \t\n")
	}
	if rest, ok := strings.CutPrefix(strings.ToLower(q), "sip:"); ok {
		return rest != "" && !strings.ContainsAny(rest, " \t\n")
	}
	digits := 0
	for _, r := range q {
		switch {
		case unicode.IsDigit(r), r == '*', r == '#':
			digits++
		case !strings.ContainsRune("+-()/. ", r):
			return false
		}
	}
	return digits >= 2
}

// clock is a time of day.
func clock(t, now time.Time) string { return t.In(now.Location()).Format("15:04") }

func sameDay(a, b time.Time) bool {
	ay, am, ad := a.Date()
	by, bm, bd := b.Date()
	return ay == by && am == bm && ad == bd
}

// ago is how a list tells when something was: the time today, the weekday this week, else the date.
func ago(t, now time.Time) string {
	t = t.In(now.Location())
	switch {
	case t.IsZero():
		return ""
	case sameDay(t, now):
		return t.Format("15:04")
	case sameDay(t, now.AddDate(0, 0, -1)):
		return lang.L("Yesterday")
	case now.Sub(t) < 6*24*time.Hour && now.After(t):
		return weekday(t)
	}
	return t.Format("2006-01-02")
}

// day is how a chat names the day of its messages.
func day(t, now time.Time) string {
	t = t.In(now.Location())
	switch {
	case sameDay(t, now):
		return lang.L("Today")
	case sameDay(t, now.AddDate(0, 0, -1)):
		return lang.L("Yesterday")
	}
	return weekday(t) + ", " + shortDate(t, now)
}

func weekday(t time.Time) string {
	switch t.Weekday() {
	case time.Monday:
		return lang.L("Monday")
	case time.Tuesday:
		return lang.L("Tuesday")
	case time.Wednesday:
		return lang.L("Wednesday")
	case time.Thursday:
		return lang.L("Thursday")
	case time.Friday:
		return lang.L("Friday")
	case time.Saturday:
		return lang.L("Saturday")
	case time.Sunday:
	}
	return lang.L("Sunday")
}

// shortDate is a date without its weekday: "18 November", with the year if that is another.
func shortDate(t, now time.Time) string {
	d := data{"Day": t.Day(), "Month": month(t.Month()), "Year": t.Year()}
	if t.Year() == now.Year() {
		return lang.L("{{.Day}} {{.Month}}", d)
	}
	return lang.L("{{.Day}} {{.Month}} {{.Year}}", d)
}

func month(m time.Month) string {
	names := [...]string{
		lang.L(
			"January",
		),
		lang.L("February"),
		lang.L("March"),
		lang.L("April"),
		lang.L("May"),
		lang.L("June"),
		lang.L("July"),
		lang.L("August"),
		lang.L("September"),
		lang.L("October"),
		lang.L("November"),
		lang.L("December"),
	}
	return names[m-time.January]
}

// duration writes how long a call lasts: 03:27, 1:03:27.
func duration(d time.Duration) string {
	s := max(0, int(d/time.Second))
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%02d:%02d", s/60, s%60)
}

// sentence begins a text of the engine with a capital letter, unless it begins with an address.
func sentence(s string) string {
	first, _, _ := strings.Cut(s, " ")
	r := []rune(s)
	if len(r) > 0 && !strings.ContainsAny(strings.TrimRight(first, ".,:;!?…"), ".@:") {
		r[0] = unicode.ToUpper(r[0])
	}
	return string(r)
}

// oneLine makes a text fit for a row.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// trimmed takes away the empty lines and spaces around a message.
func trimmed(s string) string { return strings.TrimSpace(s) }

// CodecName writes a codec as people know it.
func CodecName(c string) string {
	switch strings.ToLower(c) {
	case "":
		return ""
	case "opus":
		return "Opus"
	case "pcmu":
		return "G.711 µ-law"
	case "pcma":
		return "G.711 A-law"
	case "g722":
		return "G.722"
	case "gsm":
		return "GSM"
	case "speex":
		return "Speex"
	case "l16":
		return "L16"
	}
	return c
}

// ErrorText returns the sentence and the details of an error of the engine.
func ErrorText(err error) (text, detail string) {
	if u, ok := errors.AsType[*app.UserError](err); ok {
		return u.Sentence, u.Detail
	}
	return lang.L("That did not work. Try again."), err.Error()
}

// live returns the calls that are not over, in the order of the snapshot.
func live(s app.Snapshot) []app.Call {
	var calls []app.Call
	for _, c := range s.Calls {
		if c.State != app.CallEnded {
			calls = append(calls, c)
		}
	}
	return calls
}

// findBuddy returns the buddy with this address, if there is one.
func findBuddy(s app.Snapshot, address string) (app.Buddy, bool) {
	key := addressKey(address)
	for _, b := range s.Buddies {
		if addressKey(b.Address) == key {
			return b, true
		}
	}
	return app.Buddy{}, false
}

func findChat(s app.Snapshot, address string) (app.Chat, bool) {
	key := addressKey(address)
	for _, c := range s.Chats {
		if addressKey(c.Peer) == key {
			return c, true
		}
	}
	return app.Chat{}, false
}

// NameOf returns how a person is called: as in the buddy list, else as chats and calls know them,
// else by the user part of the address.
func NameOf(s app.Snapshot, address string) string {
	if b, ok := findBuddy(s, address); ok {
		return b.Name
	}
	if c, ok := findChat(s, address); ok && c.PeerName != "" {
		return c.PeerName
	}
	key := addressKey(address)
	for _, c := range s.Calls {
		if addressKey(c.Peer) == key && c.PeerName != "" {
			return c.PeerName
		}
	}
	user, _, _ := strings.Cut(ShowAddress(address), "@")
	return user
}

// free is a layout made of two functions, for the few places that boxes and borders cannot draw.
type free struct {
	min    func() fyne.Size
	layout func(fyne.Size)
}

func (f *free) MinSize([]fyne.CanvasObject) fyne.Size     { return f.min() }
func (f *free) Layout(_ []fyne.CanvasObject, s fyne.Size) { f.layout(s) }

// floors stands three parts on each other, the middle one taking what is left. Fyne's border layout
// does the same but counts its middle first, which would be the order of Tab.
type floors struct{}

func (*floors) MinSize(o []fyne.CanvasObject) fyne.Size {
	var m fyne.Size
	for _, x := range o {
		z := x.MinSize()
		m = fyne.NewSize(max(m.Width, z.Width), m.Height+z.Height)
	}
	return m
}

func (*floors) Layout(o []fyne.CanvasObject, s fyne.Size) {
	// The cards in the upper part wrap: their height is known when they have their width.
	o[0].Resize(fyne.NewSize(s.Width, o[0].MinSize().Height))
	top, foot := o[0].MinSize().Height, o[2].MinSize().Height
	put(o[0], 0, 0, s.Width, top)
	put(o[1], 0, top, s.Width, s.Height-top-foot)
	put(o[2], 0, s.Height-foot, s.Width, foot)
}
