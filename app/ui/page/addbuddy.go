package page

import (
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/layout"
	fynewidget "fyne.io/fyne/v2/widget"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// AddBuddy is the card that adds a person to the list.
type AddBuddy struct {
	Root          fyne.CanvasObject
	Address, Name *widget.Entry
	Group         *fynewidget.SelectEntry
	Submit        *widget.Button

	act     Actions
	problem *problem
	closed  func()
}

// NewAddBuddy returns the card with an address filled in (may be ""); closed is called when it has
// done its work or was dismissed.
func NewAddBuddy(act Actions, s app.Snapshot, address string, closed func()) *AddBuddy {
	a := &AddBuddy{act: act, closed: closed, problem: newProblem()}
	a.Address, a.Name = widget.NewEntry("bob@example.org"), widget.NewEntry(lang.L("As you call them"))
	a.Address.SetText(address)
	a.Group = fynewidget.NewSelectEntry(groupsOf(s))
	a.Group.PlaceHolder = lang.L("Favourites, Family, Team")
	a.Submit = widget.NewButton("user-plus", lang.L("Add"), widget.AccentKind, a.submit)
	a.Address.OnEnter, a.Name.OnEnter = a.submit, a.submit
	escape := func() bool { closed(); return true }
	a.Address.OnEscape, a.Name.OnEscape = escape, escape
	head := container.NewBorder(
		nil,
		nil,
		nil,
		widget.NewIconButton("close", lang.L("Close"), widget.Plain, closed).Height(36),
		widget.NewText(lang.L("Add a buddy"), widget.Style{Size: theme.SizeTitle, Bold: true}),
	)
	width := widget.Gap(0)
	width.(interface{ SetMinSize(fyne.Size) }).SetMinSize(fyne.NewSize(300, 0))
	box := container.New(layout.NewCustomPaddedVBoxLayout(3*theme.Step), head, width,
		field(lang.L("SIP address"), a.Address), field(lang.L("Name"), a.Name), field(lang.L("Group"), a.Group),
		a.problem.root,
		container.NewHBox(layout.NewSpacer(), widget.NewButton("", lang.L("Cancel"), widget.Plain, closed), a.Submit))
	a.Root = container.New(layout.NewCustomPaddedLayout(16, 20, 24, 24), box)
	return a
}

func groupsOf(s app.Snapshot) []string {
	var groups []string
	seen := map[string]bool{"": true}
	for _, b := range s.Buddies {
		if !seen[b.Group] {
			seen[b.Group] = true
			groups = append(groups, b.Group)
		}
	}
	return groups
}

func (a *AddBuddy) submit() {
	if a.Submit.Disabled() {
		return
	}
	address := strings.TrimSpace(a.Address.Text)
	if address == "" {
		a.problem.show(lang.L("Type the address of the person, like bob@example.org."), "")
		return
	}
	a.problem.hide()
	a.Submit.Disable()
	a.act.AddBuddy(address, strings.TrimSpace(a.Name.Text), strings.TrimSpace(a.Group.Text), func(err error) {
		a.Submit.Enable()
		if err != nil {
			a.problem.show(ErrorText(err))
			a.act.Resize()
			return
		}
		a.closed()
	})
}
