package ui

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/driver/desktop"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/page"
)

// key is a shortcut with the keys of the platform.
type key struct {
	name fyne.KeyName
	mod  fyne.KeyModifier
	does string
	run  func()
}

// keys are the shortcuts of the window. They work wherever the focus is: Fyne gives shortcuts to the
// focused field first, and widget.Entry hands these back.
func (w *window) keys() []key {
	ctrl := fyne.KeyModifierShortcutDefault
	return []key{
		{fyne.KeyK, ctrl, lang.L("Search or dial"), w.focusSearch},
		{fyne.KeyReturn, ctrl, lang.L("Call the person shown, or answer"), w.callOpen},
		{fyne.KeyM, ctrl, lang.L("Mute"), func() {
			if c, ok := w.focusedCall(); ok {
				w.Mute(c.ID, !c.Muted)
			}
		}},
		{fyne.KeyH, ctrl, lang.L("Hold and resume"), w.toggleHold},
		{fyne.KeyH, ctrl | fyne.KeyModifierShift, lang.L("Hang up"), func() {
			if c, ok := w.focusedCall(); ok {
				w.Hangup(c.ID)
			}
		}},
		{fyne.KeyT, ctrl, lang.L("Transfer the call"), w.transferFocused},
		{fyne.KeyJ, ctrl, lang.L("Talk together"), w.TalkTogether},
		{fyne.KeyR, ctrl, lang.L("Call the last number again"), w.Redial},
		{fyne.KeyR, ctrl | fyne.KeyModifierShift, lang.L("Record the call"), w.toggleRecording},
		{fyne.KeyD, ctrl | fyne.KeyModifierShift, lang.L("Do not disturb"), w.toggleDND},
		{fyne.KeyT, ctrl | fyne.KeyModifierShift, lang.L("Details for support"), w.ShowDetails},
		{fyne.KeyComma, ctrl, lang.L("Settings"), w.ShowSettings},
	}
}

func (w *window) addShortcuts() {
	for _, k := range w.keys() {
		w.win.Canvas().
			AddShortcut(&desktop.CustomShortcut{KeyName: k.name, Modifier: k.mod}, func(fyne.Shortcut) { w.runKey(k) })
	}
	w.layer.OnShortcut = w.typedShortcut
	w.layer.OnKey = w.typedKey
	w.win.Canvas().SetOnTypedKey(w.typedKey)
}

// runKey runs a shortcut, unless the first start is still on.
func (w *window) runKey(k key) {
	if w.welcome == nil && w.shown {
		w.closeDialog()
		k.run()
	}
}

// typedShortcut runs the shortcut of the window that was typed into a field, if it is one.
func (w *window) typedShortcut(s fyne.Shortcut) bool {
	for _, k := range w.keys() {
		if (&desktop.CustomShortcut{KeyName: k.name, Modifier: k.mod}).ShortcutName() == s.ShortcutName() {
			w.runKey(k)
			return true
		}
	}
	return false
}

// typedKey gets the keys that nothing focused had a use for.
func (w *window) typedKey(ev *fyne.KeyEvent) {
	switch ev.Name { //nolint:exhaustive // the other keys mean nothing here
	case fyne.KeyF1:
		w.showKeys()
	case fyne.KeyEscape:
		switch {
		case w.dialog != nil:
			w.closeDialog()
		case w.strips.Fold():
		case w.shown && w.welcome == nil && w.sidebar.Fold():
		case w.view == viewSettings || w.view == viewAccount || w.view == viewSupport ||
			w.view == viewSound || w.shell.Narrow():
			w.Back()
		case w.view == viewChat && w.welcome == nil:
			w.win.Canvas().Focus(w.chat.Composer)
		}
	}
}

func (w *window) focusSearch() {
	if w.shell.Narrow() {
		w.shell.SetDetail(false)
	}
	w.win.Canvas().Focus(w.sidebar.Search)
	w.sidebar.Search.TypedShortcut(&fyne.ShortcutSelectAll{})
}

// callOpen calls the person shown, or answers the call that rings.
func (w *window) callOpen() {
	for _, c := range w.snap.Calls {
		if c.State == app.CallIncoming {
			w.Answer(c.ID)
			return
		}
	}
	if w.view == viewChat {
		w.Call(w.open)
	}
}

func (w *window) toggleHold() {
	c, ok := w.focusedCall()
	switch {
	case !ok:
	case c.HeldBy == "us" || c.HeldBy == "both":
		w.Resume(c.ID)
	default:
		w.Hold(c.ID)
	}
}

// showKeys is F1: all shortcuts on a card.
func (w *window) showKeys() {
	w.closeDialog()
	var rows []page.KeyRow
	for _, k := range w.keys() {
		rows = append(rows, page.KeyRow{Keys: keyWords(k), Does: k.does})
	}
	rows = append(rows,
		page.KeyRow{Keys: []string{"Enter"}, Does: lang.L("Send the message")},
		page.KeyRow{Keys: []string{"Shift", "Enter"}, Does: lang.L("New line in the message")},
		page.KeyRow{Keys: []string{"Tab"}, Does: lang.L("To the next part of the window")},
		page.KeyRow{Keys: []string{"Esc"}, Does: lang.L("Close what is open")},
		page.KeyRow{Keys: []string{"F1"}, Does: lang.L("These keys")},
	)
	w.dialog = fynewidget.NewModalPopUp(page.NewKeys(rows, w.closeDialog), w.win.Canvas())
	w.dialog.Show()
}

func keyWords(k key) []string {
	words := []string{"Ctrl"}
	if fyne.KeyModifierShortcutDefault == fyne.KeyModifierSuper {
		words[0] = "⌘"
	}
	if k.mod&fyne.KeyModifierShift != 0 {
		words = append(words, "Shift")
	}
	name := string(k.name)
	if k.name == fyne.KeyReturn {
		name = "Enter"
	}
	return append(words, name)
}
