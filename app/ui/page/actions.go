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
	ShowAccount(address string)   // to sign it in again, or to change it
	ShowTransfer(id string)       // whom to hand a call on to
	ShowDetails()                 // the page for support: the SIP trace and figures
	ShowSound()                   // the page of devices, voice, ringtone, codecs and recordings
	Tell(sentence, detail string) // a toast
	Copy(text string)
	Menu(items []*fyne.MenuItem, at fyne.Position)
	Focus(f fyne.Focusable) // gives the keyboard to a part of the page
	Resize()                // a part of the page has become higher or lower

	// Calls.
	Call(address string)
	CallFrom(address, account string) // by this account
	Redial()                          // calls whom was called last
	Answer(id string)
	Decline(id string)
	Hangup(id string)
	Hold(id string)
	Resume(id string)
	Mute(id string, on bool)
	Codec(id, name string)     // "auto": the program chooses
	Record(id string, on bool) // begins to record a call, or ends it
	DTMF(id, digits string)
	Transfer(id, address string, done func(error)) // hands the call on, unseen
	Connect(id, other string, done func(error))    // the two others talk, we leave
	TalkTogether()                                 // all answered calls become one conversation
	Split(id string)                               // out of the conversation, on hold
	SeeMissed()                                    // the user has looked at the missed calls
	ClearHistory()                                 // with a chance to undo it

	// Strangers, and what others ask for. then is called when it has worked; it may be nil.
	Accept(id string, then func())
	Refuse(id string, block bool)
	Block(address string)
	Unblock(address string)
	Blocked(done func([]string, error))

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
	SetDefaultAccount(address string)
	ForgetPin(address string)                  // the key its server showed
	SetLamp(address string, watch, share bool) // busy lamp: see theirs, show ours
	StartDemo(done func(error))
	Set(key, value string)
	Devices(done func([]app.Device, error))
	SoundTest()             // records the user and plays that back; ends it while it runs
	PlayRingtone()          // as a call that comes in
	OpenFolder(path string) // in the system's way
	ChooseFile(extensions []string, chosen func(path string))
	ChooseFolder(start string, chosen func(path string))
	ReadFolder(path string, done func([]FolderEntry, error))
	DismissNotice(id string)
	TraceTo(path string, done func(error)) // writes the SIP trace to a file; "": stops
}
