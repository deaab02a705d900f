package page_test

import (
	"slices"
	"testing"

	"github.com/peregrine-softphone/peregrine/app"
	"github.com/peregrine-softphone/peregrine/app/ui/page"
	"github.com/peregrine-softphone/peregrine/app/ui/uitest"
)

func TestOnlyFigures(t *testing.T) {
	last := func(s *app.Snapshot) *app.Call { return &s.Calls[len(s.Calls)-1] }
	for _, tc := range []struct {
		name   string
		change func(s *app.Snapshot)
		want   bool
	}{
		{"nothing", func(*app.Snapshot) {}, true},
		{"revision", func(s *app.Snapshot) { s.Revision++ }, true},
		{"levels", func(s *app.Snapshot) { last(s).Quality.LevelIn = 0.9 }, true},
		{"bars", func(s *app.Snapshot) { last(s).Quality.Bars = 1 }, true},
		{"countdown of a registration", func(s *app.Snapshot) { s.Accounts[0].ExpiresIn-- }, true},
		{"state of a call", func(s *app.Snapshot) { last(s).State = app.CallEnded }, false},
		{"muted", func(s *app.Snapshot) { last(s).Muted = true }, false},
		{"network of a call", func(s *app.Snapshot) { last(s).Network = "Network gone" }, false},
		{"hand-off", func(s *app.Snapshot) { last(s).HandOffs[0].FirstInMS = 42 }, false},
		{"another call", func(s *app.Snapshot) { s.Calls = append(s.Calls, uitest.Ringing(uitest.Noon())) }, false},
		{"account", func(s *app.Snapshot) { s.Accounts[0].State = app.AccountFailed }, false},
		{"presence of a buddy", func(s *app.Snapshot) { s.Buddies[3].Status = app.PresenceOnline }, false},
		{"note", func(s *app.Snapshot) { s.Self.Note = "out" }, false},
		{"chat", func(s *app.Snapshot) { s.Chats[0].Revision++ }, false},
		{"notice", func(s *app.Snapshot) { s.Notices = append(s.Notices, app.Notice{ID: "1"}) }, false},
		{"setting", func(s *app.Snapshot) { s.Settings = app.Settings{"theme": "light"} }, false},
		{"sound", func(s *app.Snapshot) { s.Audio.Problem = "No sound." }, false},
		{"network", func(s *app.Snapshot) { s.Network.Up = false }, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a, b := uitest.Call(uitest.Noon()).Snapshot, uitest.Call(uitest.Noon()).Snapshot
			b.Calls = slices.Clone(b.Calls)
			tc.change(&b)
			if got := page.OnlyFigures(a, b); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
