package page

import (
	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/theme"
	"github.com/peregrine-softphone/peregrine/app/ui/widget"
)

// signInAgain is the link to the form of an account that the server did not take.
func signInAgain(act Actions, a app.Account) []fyne.CanvasObject {
	if a.Kind != app.AccountSIP {
		return nil
	}
	if keyChanged(a) {
		return []fyne.CanvasObject{widget.NewLink(lang.L("Look at it"), act.ShowSettings)}
	}
	return []fyne.CanvasObject{widget.NewLink(lang.L("Sign in again"), func() { act.ShowAccount(a.Address) })}
}

// showNotices fills the quiet cards above the list: what is wrong with accounts, sound and network.
func (s *Sidebar) showNotices() {
	s.notices.RemoveAll()
	for _, a := range s.snap.Accounts {
		if a.State == app.AccountFailed {
			s.notices.Add(
				noticeCard("alert", theme.Attention, sentence(a.Reason), a.Detail, nil, signInAgain(s.act, a)...),
			)
		}
	}
	if len(s.snap.Accounts) > 0 && !s.snap.Network.Up && !s.snap.Network.Since.IsZero() {
		s.notices.Add(
			noticeCard(
				"network-off",
				theme.Attention,
				lang.L("No network. Everything waits until it is back."),
				"",
				nil,
			),
		)
	}
	if s.snap.Audio.Problem != "" {
		s.notices.Add(noticeCard("speaker", theme.Attention, sentence(s.snap.Audio.Problem), "", nil))
	}
	from := max(0, len(s.snap.Notices)-2) // the two newest: the list below must stay in sight
	for _, n := range s.snap.Notices[from:] {
		icon, color := "info", theme.Accent
		if n.Level == "attention" {
			icon, color = "alert", theme.Attention
		}
		s.notices.Add(noticeCard(icon, color, sentence(n.Text), n.Detail, func() { s.act.DismissNotice(n.ID) }))
	}
	s.notices.Refresh()
}
