package ui

import (
	"net/url"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/page"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// firstLoad is how many messages of a chat are fetched when it is opened; more come when the user
// scrolls up to them.
const firstLoad = 200

// view is what the right side shows.
type view int

const (
	viewNobody view = iota
	viewChat
	viewSettings
	viewAccount
	viewSupport
	viewSound
)

// window is the main window and all it has to remember. It belongs to the UI thread.
type window struct {
	app    fyne.App
	win    fyne.Window
	engine Engine
	bind   *binder
	opts   Options

	layer    *widget.Layer
	welcome  *page.Welcome
	shell    *page.Shell
	sidebar  *page.Sidebar
	header   *page.Header
	chat     *page.Chat
	strips   *page.Strips
	settings *page.Settings
	sound    *page.Sound
	account  *page.Welcome // the page that adds an account or signs one in again
	support  *page.Support
	transfer *page.Transfer // the panel in the dialog, if that is one
	files    *page.Files    // as above
	nobody   fyne.CanvasObject
	blank    *fyne.Container

	snap       app.Snapshot
	view       view
	open       string // address of the person shown
	loaded     uint64 // revision of the chat that is shown
	limit      int    // how many of its messages are wanted
	loading    bool
	foreground bool
	shown      bool // a snapshot has come
	mode       theme.Mode
	marking    map[string]uint64 // revisions of chats already marked as read
	hungUp     map[string]bool   // calls the user ended
	wasLive    map[string]bool   // calls that were live in the last snapshot
	toasts     []toast
	welcomed   bool             // the first start was just done
	rings      map[string]*ring // windows of incoming calls
	dialog     *fynewidget.PopUp
	seen       uint64 // revision at which the missed calls were looked at
	clearing   bool   // the history goes when the chance to undo it is over
	stopTrace  func()
	unread     int                      // as written into the title
	notify     func(title, text string) // to the system
	openURL    func(*url.URL) error     // in the system's way
}

func newWindow(a fyne.App, e Engine, b *binder, o Options) *window {
	w := &window{
		app: a, engine: e, bind: b, opts: o, foreground: true, mode: theme.System,
		marking: map[string]uint64{}, hungUp: map[string]bool{}, wasLive: map[string]bool{}, rings: map[string]*ring{},
		stopTrace: func() {},
	}
	w.notify, w.openURL = w.sendNotification, a.OpenURL
	first := e.Snapshot() // so that the first picture is already the right one
	w.mode = theme.ParseMode(first.Settings["theme"])
	a.Settings().SetTheme(theme.New(w.mode))
	w.win = a.NewWindow(o.Title)
	w.win.SetPadded(false)
	w.win.SetMaster()
	w.build()
	w.win.Resize(o.Size)
	w.addShortcuts()
	w.show(first)
	return w
}

func (w *window) build() {
	w.sidebar = page.NewSidebar(w)
	w.header = page.NewHeader(w)
	w.chat = page.NewChat(w)
	w.strips = page.NewStrips(w)
	w.blank = container.NewStack()
	w.nobody = page.NewNobody()
	w.shell = page.NewShell(w.sidebar.Root, w.blank, w.strips.Root, w.nobody)
	w.shell.OnNarrow, w.shell.OnList = w.header.SetNarrow, w.strips.SetCompact
	w.layer = widget.NewLayer(w.blank)
	w.layer.Scroll = w.scroll
	w.win.SetContent(w.layer)
}

// show shows a snapshot.
func (w *window) show(s app.Snapshot) {
	if w.shown && s.Revision < w.snap.Revision {
		return // it was on its way while a verb has shown a newer one
	}
	w.tellOfNews(w.snap, s)
	w.tellOfRecordings(w.snap, s)
	figures := w.shown && w.welcome == nil && page.OnlyFigures(w.snap, s)
	w.snap, w.shown = s, true
	if figures {
		w.showFigures()
		return
	}
	if m := theme.ParseMode(s.Settings["theme"]); m != w.mode {
		w.mode = m
		w.app.Settings().SetTheme(theme.New(m))
		// Fyne draws anew what is on the screen; the pages behind would keep the old colors.
		for _, o := range []fyne.CanvasObject{w.sidebar.Root, w.header.Root, w.chat.Root, w.strips.Root, w.nobody} {
			o.Refresh()
		}
	}
	if len(s.Accounts) == 0 || w.signingIn(s) {
		w.showWelcome()
		return
	}
	w.welcomed = w.welcomed || w.welcome != nil
	w.welcome = nil
	w.root(w.shell)
	w.endedCalls()
	now := w.opts.Now()
	w.strips.Show(s, now)
	w.sidebar.Show(s, w.opened(), now)
	w.showRight()
	w.showRings(now)
	if w.transfer != nil && !w.transfer.Show(s) {
		w.closeDialog() // there is nothing left to transfer
	}
	w.shell.Refresh()
	if w.welcomed && w.view == viewNobody && len(s.Buddies) == 1 && !w.shell.Narrow() {
		w.welcomed = false
		w.Open(s.Buddies[0].Address) // after "just try it" nothing is left to look for
	}
}

// showFigures shows a snapshot that differs from the last one in the figures of calls alone. They
// come four times a second, and each part drawn anew costs the drawing of the whole window.
func (w *window) showFigures() {
	w.strips.Figures(w.snap)
	switch w.view {
	case viewSettings:
		w.settings.Retries(w.snap, w.opts.Now())
	case viewSupport:
		w.support.Show(w.snap, w.opts.Now())
	case viewSound:
		w.sound.Levels(w.snap)
	case viewNobody, viewChat, viewAccount:
	}
}

// scroll is the page shown, if it scrolls; else nil.
func (w *window) scroll() *container.Scroll {
	switch {
	case w.welcome != nil:
		return w.welcome.Scroll
	case w.view == viewSettings:
		return w.settings.Scroll
	case w.view == viewSound:
		return w.sound.Scroll
	case w.view == viewAccount:
		return w.account.Scroll
	}
	return nil
}

// root puts something under the toasts, if it is not there.
func (w *window) root(o fyne.CanvasObject) {
	if w.layer.Content() != o {
		w.layer.SetContent(o)
	}
}

// signingIn tells whether the first start waits for the answer of the server.
func (w *window) signingIn(s app.Snapshot) bool {
	if w.welcome == nil {
		return false
	}
	w.welcome.Show(s)
	return w.welcome != nil && w.welcome.Busy()
}

func (w *window) showWelcome() {
	if w.welcome == nil {
		w.welcome = page.NewWelcome(w, func() { w.show(w.snap) }, false)
	}
	w.root(w.welcome.Root)
}

// opened is the address of the person whose row is marked.
func (w *window) opened() string {
	if w.view != viewChat {
		return ""
	}
	return w.open
}

func (w *window) showRight() {
	switch w.view {
	case viewChat:
		w.header.Show(w.snap, w.open)
		w.shell.SetBody(w.header.Root, w.chat.Root)
		w.loadChat()
	case viewSettings:
		w.settings.Show(w.snap, w.opts.Now())
	case viewAccount:
		w.account.Show(w.snap)
	case viewSupport:
		w.support.Show(w.snap, w.opts.Now())
	case viewSound:
		w.sound.Show(w.snap)
	case viewNobody:
		w.shell.SetBody(w.blank, w.nobody)
	}
}

// loadChat fetches the messages of the open chat when they are others than those shown.
func (w *window) loadChat() {
	chat, ok := page.FindChat(w.snap, w.open)
	if !ok {
		w.chat.Show(nil, w.opts.Now())
		return
	}
	if chat.Revision == w.loaded || w.loading {
		w.markRead(chat)
		return
	}
	w.loading = true
	address, limit := w.open, w.limit
	w.fetch(address, limit, func(messages []app.Message, err error) {
		w.loading = false
		switch {
		case !page.Same(address, w.open) || w.view != viewChat:
			w.showRight() // another person was opened meanwhile
			return
		case err != nil:
			w.fail(err)
			w.loaded = chat.Revision
			return
		}
		w.loaded = chat.Revision
		w.chat.Show(messages, w.opts.Now())
		w.markRead(chat)
		w.showRight() // what came in meanwhile
	})
}

// markRead tells the engine that the user has seen the open chat.
func (w *window) markRead(c app.Chat) {
	if c.Unread == 0 || !w.foreground || w.shell.Narrow() && !w.shell.Detail() || w.marking[c.Peer] == c.Revision {
		return
	}
	w.marking[c.Peer] = c.Revision
	w.verb(w.readVerb(c.Peer))
}

// tick moves the clocks on and takes away old toasts.
func (w *window) tick() {
	now := w.opts.Now()
	if w.strips.Len() > 0 {
		w.strips.Tick(now)
	}
	w.dropToasts(now)
	if w.view == viewSettings {
		w.settings.Tick(now)
	}
	if w.view == viewSound {
		w.sound.Tick(now)
	}
	if w.shown && w.welcome == nil && now.Second() == 0 {
		w.sidebar.Show(w.snap, w.opened(), now) // "14:02" becomes "Yesterday" by itself
	}
}

func (w *window) setForeground(on bool) {
	w.foreground = on
	if on && w.shown && w.welcome == nil {
		w.sidebar.Show(w.snap, w.opened(), w.opts.Now())
		w.showRight()
	}
}

// endedCalls tells why calls are over that the user did not end.
func (w *window) endedCalls() {
	now := map[string]bool{}
	for _, c := range w.snap.Calls {
		if c.State != app.CallEnded {
			now[c.ID] = true
			continue
		}
		if w.wasLive[c.ID] && !w.hungUp[c.ID] && c.Reason != "" {
			w.Tell(page.Sentence(c.Reason), c.Detail)
		}
		delete(w.hungUp, c.ID)
	}
	w.wasLive = now
}

// showPage shows a page that is no person, with a title and a way back.
func (w *window) showPage(v view, title string, body fyne.CanvasObject) {
	w.setView(v)
	w.shell.SetBody(page.NewTitleBar(w, title).Root, body)
	w.shell.SetDetail(true)
	w.sidebar.Show(w.snap, w.opened(), w.opts.Now())
}

// setView notes what the right side shows; what only ran for another view ends.
func (w *window) setView(v view) {
	if w.view == viewSupport && v != viewSupport {
		w.stopTrace()
	}
	w.view = v
}

// Open implements page.Actions.
func (w *window) Open(address string) {
	if !page.Same(address, w.open) {
		w.loaded, w.limit = 0, firstLoad
	}
	w.open = address
	w.setView(viewChat)
	w.chat.Open(address, page.NameOf(w.snap, address))
	w.shell.SetDetail(true)
	w.showRight()
	w.sidebar.Show(w.snap, w.opened(), w.opts.Now())
	w.shell.Refresh()
	if !w.shell.Narrow() || w.shell.Detail() {
		w.win.Canvas().Focus(w.chat.Composer)
	}
}

// Back implements page.Actions.
func (w *window) Back() {
	if w.view == viewSupport || w.view == viewAccount || w.view == viewSound {
		w.ShowSettings() // where they were opened
		return
	}
	if w.view != viewChat {
		w.setView(viewNobody)
		if w.open != "" {
			w.setView(viewChat)
		}
	}
	w.shell.SetDetail(false)
	w.showRight()
	w.sidebar.Show(w.snap, w.opened(), w.opts.Now())
	w.shell.Refresh()
}

// ShowSettings implements page.Actions.
func (w *window) ShowSettings() {
	w.settings = page.NewSettings(w)
	w.settings.Show(w.snap, w.opts.Now())
	w.showPage(viewSettings, lang.L("Settings"), w.settings.Root)
}

// ShowAddAccount implements page.Actions.
func (w *window) ShowAddAccount() {
	w.account = page.NewWelcome(w, w.ShowSettings, true)
	w.showPage(viewAccount, lang.L("Add an account"), w.account.Root)
}

// ShowAccount implements page.Actions.
func (w *window) ShowAccount(address string) {
	for _, a := range w.snap.Accounts {
		if page.Same(a.Address, address) {
			w.account = page.NewWelcome(w, w.ShowSettings, true)
			w.account.Edit(a)
			title := lang.L("Change the account")
			if a.State == app.AccountFailed {
				title = lang.L("Sign in again")
			}
			w.showPage(viewAccount, title, w.account.Root)
			w.Focus(w.account.AccountForm.Password)
		}
	}
}

// ShowAddBuddy implements page.Actions.
func (w *window) ShowAddBuddy(address string) {
	w.closeDialog()
	p := page.NewAddBuddy(w, w.snap, address, w.closeDialog)
	w.dialog = fynewidget.NewModalPopUp(p.Root, w.win.Canvas())
	w.dialog.Show()
	w.win.Canvas().Focus(p.Address)
}

func (w *window) closeDialog() {
	if w.dialog != nil {
		w.dialog.Hide()
		w.dialog, w.transfer, w.files = nil, nil, nil
	}
}

// Menu implements page.Actions.
func (w *window) Menu(items []*fyne.MenuItem, at fyne.Position) {
	fynewidget.ShowPopUpMenuAtPosition(fyne.NewMenu("", items...), w.win.Canvas(), at)
}

// Focus implements page.Actions.
func (w *window) Focus(f fyne.Focusable) { w.win.Canvas().Focus(f) }

// refocus takes the focus away and gives it back, so that a field that got it before the window
// was shown stops what it has begun.
func (w *window) refocus() {
	c := w.win.Canvas()
	if f := c.Focused(); f != nil {
		c.Unfocus()
		c.Focus(f)
	}
}

// Resize implements page.Actions.
func (w *window) Resize() {
	w.shell.Refresh()
	if w.dialog != nil {
		w.dialog.Refresh()
		w.dialog.Resize(w.dialog.MinSize())
	}
	canvas.Refresh(w.layer)
}

// Copy implements page.Actions.
func (w *window) Copy(text string) {
	w.app.Clipboard().SetContent(text)
	w.Tell(lang.L("Copied."), "")
}

var _ page.Actions = (*window)(nil)

// keep is how long a toast stays: long enough to read a sentence twice.
const keep = 7 * time.Second
