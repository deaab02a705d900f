//nolint:lll // tables of people and of what they said
package uitest

import (
	"fmt"
	"time"

	"github.com/peregrine-softphone/peregrine/app"
)

// Fixture is a state to look at.
type Fixture struct {
	Name     string
	Snapshot app.Snapshot
	Messages map[string][]app.Message
	Devices  []app.Device
	Blocked  []string
	Trace    []app.TraceEntry
	Open     string // address of the person to open at the start; may be ""
}

// Noon is the moment at which the fixtures are taken in tests.
func Noon() time.Time { return time.Date(2026, time.November, 24, 14, 5, 9, 0, time.UTC) }

// All returns every fixture as of now.
func All(now time.Time) []Fixture {
	return []Fixture{
		First(now), Buddies(now), Call(now), Moving(now), Incoming(now), TwoCalls(now), Failed(now), Settings(now), Many(now),
		Waiting(now), Conference(now), Transferring(now), Requests(now), Accounts(now), Secured(now), Unplugged(now),
	}
}

// First is the first start: no account.
func First(time.Time) Fixture {
	return Fixture{Name: "first", Messages: map[string][]app.Message{}, Snapshot: app.Snapshot{Revision: 1, Settings: app.Settings{}}}
}

const (
	bob   = "sip:bob@info.test"
	chloe = "sip:chloe@info.test"
)

func person(group, user, name string, p app.Presence, note string) app.Buddy {
	return app.Buddy{Address: "sip:" + user + "@info.test", Name: name, Group: group, Status: p, Note: note}
}

// Buddies is a quiet afternoon: ten people with all kinds of presence.
func Buddies(now time.Time) Fixture {
	f := Fixture{Name: "buddies", Open: bob, Devices: devices(), Messages: map[string][]app.Message{}}
	f.Snapshot = app.Snapshot{
		Revision: 1,
		Self: app.Self{
			Address: "sip:alice@info.test", DisplayName: "Alice Keller", Status: app.PresenceOnline,
			Chosen: app.PresenceOnline, Note: "at home", Watchers: 7,
		},
		Accounts: []app.Account{{
			Address: "sip:alice@info.test", Kind: app.AccountSIP, DisplayName: "Alice Keller", State: app.AccountRegistered,
			Transport: "udp", Contact: "sip:alice@192.0.2.10:5060", ExpiresIn: 512,
		}},
		Buddies: []app.Buddy{
			person("Favourites", "bob", "Bob Keller", app.PresenceOnline, "Working from home"),
			person("Favourites", "chloe", "Chloé Nguyen", app.PresenceLunch, "back at two"),
			person("Favourites", "elif", "Elif Petrov", app.PresenceOnThePhone, ""),
			person("Team", "dmitri", "Dmitri Okafor", app.PresenceOffline, ""),
			person("Team", "farid", "Farid Quinn", app.PresenceBusy, "In a meeting until 3"),
			person("Team", "grace", "Grace Rossi", app.PresenceAway, ""),
			person("Team", "hiroshi", "Hiroshi Sato", app.PresenceOnline, ""),
			person("Team", "ines", "Inês Tanaka", app.PresenceUnknown, ""),
			person("Family", "jamal", "Jamal Úlfsson", app.PresenceOnline, "Reading, call me any time you like this afternoon"),
			person("Family", "maria", "Maria", app.PresenceOffline, "See you tomorrow"),
		},
		Network:  app.Network{Up: true, Link: "eth0", Address: "192.0.2.10", Since: now.Add(-time.Hour)},
		Audio:    app.Audio{Input: "default", Output: "device:Headset"},
		Settings: app.Settings{"theme": "dark", "autoanswer": "off"},
	}
	f.conversation(now)
	f.pastCalls(now)
	return f
}

// conversation fills the chats.
func (f *Fixture) conversation(now time.Time) {
	yesterday := now.Add(-22 * time.Hour)
	add := func(peer string, at time.Time, out bool, text string, state app.MessageState) {
		id := fmt.Sprintf("%s-%d", peer, len(f.Messages[peer]))
		f.Messages[peer] = append(f.Messages[peer], app.Message{ID: id, Peer: peer, Outgoing: out, Text: text, At: at, State: state})
	}
	add(bob, yesterday, false, "Did you hear back from the printers?", app.MessageRead)
	add(bob, yesterday.Add(time.Minute), true, "Not yet. I'll ask them tomorrow morning.", app.MessageRead)
	add(bob, now.Add(-47*time.Minute), false, "Hi! Are you there?", app.MessageRead)
	add(bob, now.Add(-46*time.Minute), true, "Yes, just back.", app.MessageDelivered)
	add(bob, now.Add(-45*time.Minute), false, "The demo moved to Thursday, can you take the second half?", app.MessageRead)
	add(bob, now.Add(-45*time.Minute), false, "I would rather speak about the hand-over between Wi-Fi and Ethernet, and you show how the call simply goes on.", app.MessageRead)
	add(bob, now.Add(-44*time.Minute), true, "Sure.", app.MessageDelivered)
	add(bob, now.Add(-43*time.Minute), true, "I'll bring the second laptop, then we can unplug the cable in the middle of a sentence.", app.MessageSent)
	add(bob, now.Add(-4*time.Minute), false, "Perfect. Shall we try it now?", app.MessageRead)
	add(chloe, now.Add(-3*time.Hour), true, "Are you coming to the review?", app.MessageSent)
	add("sip:dmitri@info.test", now.Add(-26*time.Hour), false, "I have put the slides on the share.", app.MessageDelivered)
	add("sip:dmitri@info.test", now.Add(-26*time.Hour), false, "Tell me what you think", app.MessageDelivered)
	add("sip:dmitri@info.test", now.Add(-25*time.Hour), false, "and whether the figures are right", app.MessageDelivered)
	add("sip:jamal@info.test", now.Add(-4*24*time.Hour), false, "Happy birthday!", app.MessageRead)
	for _, b := range f.Snapshot.Buddies {
		if m := f.Messages[b.Address]; len(m) > 0 {
			f.Snapshot.Chats = append(f.Snapshot.Chats, app.Chat{Peer: b.Address, PeerName: b.Name, Count: len(m), Revision: 1, Last: m[len(m)-1]})
		}
	}
	for i := range f.Snapshot.Chats {
		if f.Snapshot.Chats[i].Peer == "sip:dmitri@info.test" {
			f.Snapshot.Chats[i].Unread = 3
			f.Snapshot.Buddies[3].Unread = 3
		}
	}
}

func (f *Fixture) pastCalls(now time.Time) {
	past := func(id, peer, name string, incoming bool, ago, talked time.Duration, reason string) app.Record {
		r := app.Record{
			ID: id, Peer: peer, PeerName: name, Account: "sip:alice@info.test", Incoming: incoming, Seen: true,
			StartedAt: now.Add(-ago), EndedAt: now.Add(-ago + 20*time.Second), Reason: reason,
		}
		if talked > 0 {
			r.AnsweredAt = r.StartedAt.Add(6 * time.Second)
			r.EndedAt = r.AnsweredAt.Add(talked)
		}
		r.Missed = incoming && talked == 0
		return r
	}
	f.Snapshot.Recent = []app.Record{
		past("23", "sip:+49301234567@info.test", "+49 30 1234567", true, 25*time.Minute, 0, "The caller gave up."),
		past("22", chloe, "Chloé Nguyen", true, 90*time.Minute, 61*time.Second, "Chloé Nguyen hung up."),
		past("21", "sip:grace@info.test", "Grace Rossi", true, 2*time.Hour, 0, "Grace Rossi gave up after 20 seconds."),
		past("20", bob, "Bob Keller", false, 23*time.Hour, 754*time.Second, "You hung up."),
		past("19", "sip:zoe@enst.test", "Zoe Martin", false, 26*time.Hour, 0, "Zoe Martin is busy. Try again later, or write a message."),
	}
	f.Snapshot.Recent[0].Seen, f.Snapshot.Recent[2].Seen = false, false
	f.Snapshot.Missed = 2
}

func liveCall(now time.Time) app.Call {
	return app.Call{
		ID: "7", Peer: bob, PeerName: "Bob Keller", State: app.CallEstablished, Codec: "opus",
		Codecs: []string{"opus", "PCMU", "PCMA"}, Encryption: "none", StartedAt: now.Add(-215 * time.Second),
		AnsweredAt: now.Add(-207 * time.Second),
		Quality: app.Quality{
			PacketsSent: 10350, PacketsReceived: 10342, Lost: 8, LossPercent: 0.1, JitterMS: 3.2, RTTMS: 24, DelayMS: 40,
			MOS: 4.3, Bars: 4, LevelIn: 0.42, LevelOut: 0.61,
		},
		HandOffs: []app.HandOff{{
			At: now.Add(-95 * time.Second), From: "192.0.2.10", To: "198.51.100.7", Link: "wlan0", FirstOutMS: 21, FirstInMS: 41,
			GapOutMS: 21, GapInMS: 41, InviteMS: 40, RegisterMS: 62,
		}},
	}
}

// Call is a call that goes well.
func Call(now time.Time) Fixture {
	f := Buddies(now)
	f.Name = "call"
	f.Snapshot.Calls = append(f.Snapshot.Calls, liveCall(now))
	f.Snapshot.Self.Status = app.PresenceOnThePhone
	f.Snapshot.Buddies[0].Status = app.PresenceOnThePhone
	return f
}

// Moving is a call whose network is gone.
func Moving(now time.Time) Fixture {
	f := Call(now)
	f.Name = "moving"
	c := &f.Snapshot.Calls[len(f.Snapshot.Calls)-1]
	c.Network, c.Quality.Bars = "network gone, holding your call", 1
	return f
}

// Incoming is a call that rings.
func Incoming(now time.Time) Fixture {
	f := Buddies(now)
	f.Name = "incoming"
	f.Snapshot.Calls = append(f.Snapshot.Calls, Ringing(now))
	return f
}

// Ringing is the call of Incoming.
func Ringing(now time.Time) app.Call {
	return app.Call{
		ID: "8", Peer: chloe, PeerName: "Chloé Nguyen", Incoming: true, State: app.CallIncoming,
		StartedAt: now.Add(-3 * time.Second), Encryption: "none",
	}
}

// TwoCalls is a call, one on hold, and one that rings.
func TwoCalls(now time.Time) Fixture {
	f := Call(now)
	f.Name = "two"
	held := liveCall(now.Add(-10 * time.Minute))
	held.ID, held.Peer, held.PeerName, held.State, held.HeldBy = "6", "sip:farid@info.test", "Farid Quinn", app.CallHeld, "us"
	held.HandOffs = nil
	f.Snapshot.Calls = append(f.Snapshot.Calls, held)
	return f
}

// Failed is a chat with a message that waits and one that failed, and an account that is not signed
// in.
func Failed(now time.Time) Fixture {
	f := Buddies(now)
	f.Name = "failed"
	f.Snapshot.Accounts[0].State = app.AccountFailed
	f.Snapshot.Accounts[0].Reason = "The server did not accept the password. Check it and try again."
	f.Snapshot.Accounts[0].Detail = "401 Unauthorized, realm info.test"
	f.Snapshot.Notices = []app.Notice{{ID: "n1", At: now, Level: "info", Text: "The buddy list was changed by another program and read again."}}
	f.Messages[bob] = append(f.Messages[bob],
		app.Message{ID: "w", Peer: bob, Outgoing: true, Text: "One moment, I am on the train.", At: now.Add(-2 * time.Minute), State: app.MessageWaiting, Reason: "waiting for the network"},
		app.Message{
			ID: "f", Peer: bob, Outgoing: true, Text: "Here is the agenda for Thursday.", At: now.Add(-time.Minute), State: app.MessageFailed,
			Reason: "Bob's program cannot receive messages.", Detail: "405 Method Not Allowed",
		})
	for i := range f.Snapshot.Chats {
		if f.Snapshot.Chats[i].Peer == bob {
			f.Snapshot.Chats[i].Count = len(f.Messages[bob])
			f.Snapshot.Chats[i].Last = f.Messages[bob][len(f.Messages[bob])-1]
		}
	}
	return f
}

// Settings has accounts in every state.
func Settings(now time.Time) Fixture {
	f := Failed(now)
	f.Name = "settings"
	f.Snapshot.Accounts = append(f.Snapshot.Accounts,
		app.Account{Address: "sip:alice@192.0.2.10", Kind: app.AccountLAN, DisplayName: "Alice", State: app.AccountRegistered},
		app.Account{Address: "sip:alice@enst.test", Kind: app.AccountSIP, DisplayName: "Alice", State: app.AccountRegistering})
	return f
}

// Many is a list of 5,000 people and a chat of 10,000 messages.
func Many(now time.Time) Fixture {
	f := Buddies(now)
	f.Name = "many"
	kinds := []app.Presence{
		app.PresenceOnline, app.PresenceAway, app.PresenceBusy, app.PresenceOnThePhone, app.PresenceLunch, app.PresenceOffline, app.PresenceUnknown,
	}
	for i := len(f.Snapshot.Buddies); i < 5000; i++ {
		f.Snapshot.Buddies = append(f.Snapshot.Buddies, app.Buddy{
			Address: fmt.Sprintf("sip:user%04d@info.test", i), Name: fmt.Sprintf("Colleague %d", i), Group: "Company", Status: kinds[i%len(kinds)],
		})
	}
	list := make([]app.Message, 0, 10000)
	for i := range 10000 {
		list = append(list, app.Message{
			ID: fmt.Sprintf("x%d", i), Peer: bob, Outgoing: i%3 == 1, At: now.Add(time.Duration(i-10000) * time.Minute), State: app.MessageSent,
			Text: fmt.Sprintf("Message number %d. %s", i, []string{"Short.", "This one is a little longer, so that it has to wrap in a narrow window at least.", "Yes."}[i%3]),
		})
	}
	f.Messages[bob] = list
	for i := range f.Snapshot.Chats {
		if f.Snapshot.Chats[i].Peer == bob {
			f.Snapshot.Chats[i].Count, f.Snapshot.Chats[i].Last = len(list), list[len(list)-1]
		}
	}
	return f
}

func devices() []app.Device {
	return []app.Device{
		{Setting: "device:Built-in Microphone", Name: "Built-in Microphone", Kind: "input", Default: true},
		{Setting: "device:Headset", Name: "Headset", Kind: "input"},
		{Setting: "device:Built-in Speakers", Name: "Built-in Speakers", Kind: "output", Default: true},
		{Setting: "device:Headset", Name: "Headset", Kind: "output"},
	}
}
