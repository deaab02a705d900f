package page

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// Welcome is the first start: three ways in, one sentence each.
type Welcome struct {
	Root           fyne.CanvasObject
	SIP, LAN, Demo *widget.Tap
	AccountForm    *AccountForm
	LANForm        *LANForm
	Scroll         *container.Scroll

	act      Actions
	stack    *fyne.Container
	problem  *problem
	starting bool
	done     func()
}

// NewWelcome returns the page; done is called when there is an account. With compact set the page
// is shown again from the settings and says no welcome.
func NewWelcome(act Actions, done func(), compact bool) *Welcome {
	w := &Welcome{act: act, problem: newProblem(), stack: container.NewStack()}
	w.SIP = card(
		"server",
		lang.L("My SIP account"),
		lang.L("Sign in with the address and password your provider gave you."),
		func() { w.form(w.AccountForm.Root, lang.L("My SIP account")); act.Focus(w.AccountForm.Address) },
	)
	w.LAN = card(
		"lan",
		lang.L("On this network, without an account"),
		lang.L("Call and write to people on the same network, no server needed."),
		func() { w.form(w.LANForm.Root, lang.L("On this network")); act.Focus(w.LANForm.Name) },
	)
	w.Demo = card(
		"spark",
		lang.L("Just try it"),
		lang.L("A demo domain inside this program, with a buddy named Echo who answers."),
		func() { w.startDemo(done) },
	)
	w.AccountForm = NewAccountForm(act, done, w.choose)
	w.done = done
	w.LANForm = NewLANForm(act, done, w.choose)
	w.stack.Add(w.cards(compact))
	w.Scroll = container.NewVScroll(container.New(&column{most: 460}, w.stack))
	w.Root = widget.NewSurface(theme.Window, widget.Insets{}, flat(w.Scroll))
	return w
}

func card(icon, title, text string, tapped func()) *widget.Tap {
	words := container.New(layout.NewCustomPaddedVBoxLayout(2),
		widget.NewText(title, widget.Style{Size: 16, Bold: true, Shrink: true}),
		tight(paragraph(text, "text", theme.Quiet, fyne.TextAlignLeading)))
	disc := container.NewCenter(widget.NewDisc(icon, theme.Accent, theme.TonalAccent, 48))
	arrow := container.NewCenter(widget.NewIcon("right", theme.Quiet, theme.SizeIcon))
	row := container.New(&gapBorder{gap: 16}, disc, words, arrow)
	return widget.NewTap(title, theme.Surface, theme.RadiusCard, widget.Even(5), row, tapped)
}

func (w *Welcome) cards(compact bool) fyne.CanvasObject {
	box := container.New(layout.NewCustomPaddedVBoxLayout(3 * theme.Step))
	if !compact {
		logo := canvas.NewImageFromResource(theme.AppIcon())
		logo.FillMode = canvas.ImageFillContain
		logo.SetMinSize(fyne.NewSquareSize(72))
		box.Add(widget.Gap(6))
		box.Add(container.NewCenter(logo))
		box.Add(
			container.NewCenter(
				widget.NewText(lang.L("Welcome to Peregrine"), widget.Style{Size: theme.SizeDisplay, Bold: true}),
			),
		)
		box.Add(
			container.NewCenter(
				widget.NewText(lang.L("How do you want to start?"), widget.Style{Size: 15, Color: theme.Quiet}),
			),
		)
		box.Add(widget.Gap(2))
	} else {
		box.Add(widget.Gap(3))
	}
	for _, c := range []fyne.CanvasObject{w.SIP, w.LAN, w.Demo} {
		box.Add(c)
	}
	box.Add(w.problem.root)
	box.Add(widget.Gap(6))
	return box
}

// form shows one of the forms in place of the cards.
func (w *Welcome) form(form fyne.CanvasObject, title string) {
	back := widget.NewIconButton("back", lang.L("Back"), widget.Plain, w.back)
	head := container.NewHBox(back, widget.NewText(title, widget.Style{Size: theme.SizeTitle, Bold: true}))
	if w.AccountForm.edit {
		head.Hide() // the title of the window says it, and has a way back
	}
	box := container.New(layout.NewCustomPaddedVBoxLayout(4*theme.Step), widget.Gap(6), head,
		widget.NewCard(theme.Surface, widget.Even(6), form), widget.Gap(6))
	if len(w.stack.Objects) > 1 {
		w.stack.Objects = w.stack.Objects[:1]
	}
	w.stack.Objects[0].Hide()
	w.stack.Add(box)
	w.Root.Refresh()
}

// Edit shows the form for the password of an account that is there.
func (w *Welcome) Edit(a app.Account) {
	w.AccountForm.cancel = w.done
	w.AccountForm.Edit(a)
	w.form(w.AccountForm.Root, lang.L("My SIP account"))
}

// Show tells the page of a new snapshot.
func (w *Welcome) Show(s app.Snapshot) { w.AccountForm.Show(s) }

// Busy tells whether an account is being signed in.
func (w *Welcome) Busy() bool { return w.AccountForm.Busy() }

// back leaves a form.
func (w *Welcome) back() {
	if w.AccountForm.Root.Visible() && (w.AccountForm.Busy() || w.AccountForm.edit) {
		w.AccountForm.Leave()
		return
	}
	w.choose()
}

// choose goes back to the cards.
func (w *Welcome) choose() {
	w.stack.Objects = w.stack.Objects[:1]
	w.stack.Objects[0].Show()
	w.Root.Refresh()
}

func (w *Welcome) startDemo(done func()) {
	if w.starting {
		return
	}
	w.starting = true
	w.problem.hide()
	w.act.StartDemo(func(err error) {
		w.starting = false
		if err != nil {
			w.problem.show(ErrorText(err))
			w.Root.Refresh()
			return
		}
		done()
	})
}
