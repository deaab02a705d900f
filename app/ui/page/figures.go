package page

import (
	"maps"
	"reflect"
	"slices"

	"github.com/peregrine-softphone/peregrine/app"
)

// OnlyFigures tells whether two snapshots show the same but for the figures of calls and of a sound test, the countdown
// of registrations and their revisions.
func OnlyFigures(a, b app.Snapshot) bool {
	return a.Self == b.Self && a.Network == b.Network && sameAudio(a.Audio, b.Audio) && a.Profile == b.Profile &&
		maps.Equal(a.Settings, b.Settings) && slices.Equal(a.Notices, b.Notices) &&
		sameAccounts(a.Accounts, b.Accounts) && slices.EqualFunc(a.Calls, b.Calls, sameCall) &&
		slices.Equal(a.Chats, b.Chats) && slices.Equal(a.Buddies, b.Buddies) &&
		a.Missed == b.Missed && slices.Equal(a.Requests, b.Requests) && slices.Equal(a.Recent, b.Recent)
}

// sameAudio leaves out how loud a sound test is.
func sameAudio(a, b app.Audio) bool {
	a.Level, b.Level = 0, 0
	return a == b
}

func sameCall(a, b app.Call) bool {
	a.Quality, b.Quality = app.Quality{}, app.Quality{}
	return reflect.DeepEqual(a, b)
}
