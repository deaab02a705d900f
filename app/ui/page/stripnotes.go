package page

import (
	"strings"
	"unicode"

	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// noteButton is the height of the buttons of a note.
const noteButton float32 = 32

// StripNotes are the lines under a call: an announcement before the answer, how a transfer goes, and
// what the other side asks for.
type StripNotes struct {
	Back, Allow, Refuse *widget.Button

	act      Actions
	early    *note
	transfer *note
	asked    *note
	call     app.Call
	request  app.Request
	read     app.Transfer // the failure the user has taken note of
}

func newStripNotes(act Actions) *StripNotes {
	n := &StripNotes{act: act}
	n.Back = widget.NewButton("", "", widget.Tonal, n.back).Height(noteButton)
	n.Allow = widget.NewButton("", lang.L("Allow"), widget.AccentKind, func() { act.Accept(n.request.ID, nil) }).
		Height(noteButton)
	n.Refuse = widget.NewButton("", lang.L("Refuse"), widget.Tonal, func() { act.Refuse(n.request.ID, false) }).
		Height(noteButton)
	n.early = newNote("speaker", theme.Accent)
	n.transfer = newNote("transfer", theme.Accent, n.Back)
	n.asked = newNote("transfer", theme.Attention, n.Allow, n.Refuse)
	return n
}

// back is the way out of a transfer that failed.
func (n *StripNotes) back() {
	if n.call.Transfer != nil {
		n.read = *n.call.Transfer
	}
	if n.call.HeldBy == "us" || n.call.HeldBy == "both" {
		n.act.Resume(n.call.ID)
	}
	n.showTransfer()
	n.act.Resize()
}

// show fills the lines, and tells whether their height may be another.
func (n *StripNotes) show(snap app.Snapshot, c app.Call) bool {
	n.call = c
	changed := n.early.show(n.beforeAnswer(snap, c))
	changed = n.showTransfer() || changed
	return n.showAsked(snap) || changed
}

// beforeAnswer is what there is to say of a call that is not answered.
func (n *StripNotes) beforeAnswer(snap app.Snapshot, c app.Call) string {
	switch {
	case !c.AnsweredAt.IsZero():
		return ""
	case c.EarlySound:
		n.early.icon.Set("speaker", theme.Accent)
		return lang.L("{{.Name}}'s side plays an announcement.", data{"Name": shortName(c.PeerName)})
	case c.ReferredBy != "":
		n.early.icon.Set("transfer", theme.Accent)
		return lang.L("Transferred by {{.Name}}.", data{"Name": NameOf(snap, c.ReferredBy)})
	}
	return ""
}

func (n *StripNotes) showTransfer() bool {
	t := n.call.Transfer
	if t == nil || *t == n.read {
		show(n.Back, false)
		return n.transfer.show("")
	}
	failed := t.State == app.TransferFailed
	show(n.Back, failed)
	n.Back.SetText(lang.L("Back to {{.Name}}", data{"Name": shortName(n.call.PeerName)}))
	if failed {
		n.transfer.icon.Set("alert", theme.Attention)
	} else {
		n.transfer.icon.Set("transfer", theme.Accent)
	}
	n.transfer.buttons.Refresh()
	return n.transfer.show(transferWords(n.call, *t))
}

// transferWords tells how a transfer goes.
func transferWords(c app.Call, t app.Transfer) string {
	to := t.Name
	if to == "" {
		to = ShowAddress(t.To)
	}
	names := data{"Name": shortName(c.PeerName), "To": shortName(to)}
	switch t.State {
	case app.TransferAsked:
		return lang.L("Asking {{.Name}} to call {{.To}}…", names)
	case app.TransferTrying:
		return lang.L("{{.Name}} is calling {{.To}}…", names)
	case app.TransferRinging:
		return lang.L("{{.Name}} is calling {{.To}}, it rings…", names)
	case app.TransferDone:
		return lang.L("{{.Name}} is talking to {{.To}}.", names)
	case app.TransferFailed:
	}
	if t.Reason == "" {
		return lang.L("{{.Name}} did not reach {{.To}}.", names)
	}
	return lang.L("{{.Name}} did not reach {{.To}}.", names) + " " + sentence(t.Reason)
}

func (n *StripNotes) showAsked(snap app.Snapshot) bool {
	n.request = app.Request{}
	for _, r := range snap.Requests {
		if r.Kind == app.RequestTransfer && askedIn(r, n.call) {
			n.request = r
			break
		}
	}
	if n.request.ID == "" {
		return n.asked.show("")
	}
	return n.asked.show(transferAsked(snap, n.request))
}

// askedIn tells whether a transfer is asked for in this call.
func askedIn(r app.Request, c app.Call) bool {
	if r.Call != "" {
		return r.Call == c.ID
	}
	return Same(r.From, c.Peer)
}

// shortName is how a person is called in a sentence: the first of several names, a number as it is.
func shortName(name string) string {
	first, _, more := strings.Cut(name, " ")
	if !more || !strings.ContainsFunc(first, unicode.IsLetter) || len([]rune(first)) < 2 {
		return name
	}
	return first
}
