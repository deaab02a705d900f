// Package page holds the pages of Peregrine's window: the list of people with the own status, the
// person with chat and composer, the strips of the calls, the first start, the settings and the
// cards. A page is made with its New function and the Actions it may ask for; afterwards its Show
// method gets every new snapshot. Pages decide nothing: they show what the engine says and pass on
// what the user does. Everything here belongs to Fyne's UI thread.
package page

import (
	"fyne.io/fyne/v2"

	"github.com/peregrine-softphone/peregrine/app"
)

// Actions is what pages ask of the window. Each returns at once; the work is done elsewhere, its
// failure is told to the user, and functions given to it are called later on the UI thread.
type Actions interface {
	// Moving about in the window.
	Open(address string) // shows the person with this address
	Back()               // in one column: to the list
	ShowSettings()
	ShowAddBuddy(address string)
	ShowAddAccount()
	ShowAccount(address string)   // to sign it in again
	Tell(sentence, detail string) // a toast
	Copy(text string)
	Menu(items []*fyne.MenuItem, at fyne.Position)
	Focus(f fyne.Focusable) // gives the keyboard to a part of the page
	Resize()                // a part of the page has become higher or lower

	// Calls.
	Call(address string)
	Answer(id string)
	Decline(id string)
	Hangup(id string)
	Hold(id string)
	Resume(id string)
	Mute(id string, on bool)
	Codec(id, name string)
	DTMF(id, digits string)

	// Messages.
	Send(address, text string, failed func())
	Retry(id string)
	Search(query string, found func(query string, hits []app.Message))
	Older(address string) // more of the open chat's history is wanted

	// People, accounts, settings.
	SetPresence(p app.Presence, note string)
	AddBuddy(address, name, group string, done func(error))
	RemoveBuddy(address string)
	AddAccount(spec app.AccountSpec, done func(error))
	RemoveAccount(address string)
	StartDemo(done func(error))
	Set(key, value string)
	Devices(done func([]app.Device, error))
	DismissNotice(id string)
}
