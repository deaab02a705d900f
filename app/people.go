package app

import (
	"context"
	"slices"
	"time"

	"github.com/peregrine-softphone/peregrine/buddies"
	"github.com/peregrine-softphone/peregrine/presence"
	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// person is a buddy with the presence last heard.
type person struct {
	buddy buddies.Buddy
	state presence.State
	lamp  Lamp // of one whose lamp is watched
	order int  // place in buddies.xml
}

// shownName is what the person is called, never empty.
func (p person) shownName() string {
	if p.buddy.Name != "" {
		return p.buddy.Name
	}
	if p.buddy.Address.User != "" {
		return p.buddy.Address.User
	}
	return p.buddy.Address.Host
}

// accountFor gives the account to reach an address with.
func (e *Engine) accountFor(to uri.URI) (*sip.Account, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.accounts) == 0 {
		return nil, sip.ErrClosed
	}
	a := e.accountForLocked(to)
	if a.sip == nil {
		return nil, sip.ErrClosed
	}
	return a.sip, nil
}

// watchBuddies brings the watched people in line with the buddy list, or with none when there is no
// account to watch them with.
func (e *Engine) watchBuddies() {
	list := e.book.List()
	e.mu.Lock()
	able := slices.ContainsFunc(e.accounts, func(a *account) bool { return a.sip != nil })
	before := e.people
	e.people = make(map[string]person, len(list))
	var added, removed []person
	for i, b := range list {
		key := b.Address.String()
		e.acquainted.add(key)
		p, known := before[key]
		if !known {
			p.state = presence.State{Status: presence.Unknown}
		}
		changed := !known || !p.buddy.Equal(b)
		p.buddy, p.order = b, i
		if !b.WatchLamp || p.lamp == "" {
			p.lamp = LampUnknown
		}
		e.people[key] = p
		added = append(added, p)
		if changed && e.running {
			e.emitBuddyLocked(p)
		}
	}
	for key, p := range before {
		if _, still := e.people[key]; !still {
			removed = append(removed, p)
		}
	}
	if !able { // nobody to watch with: what was heard is no longer known to be true
		removed = append(removed, added...)
		added = nil
		for key, p := range e.people {
			p.state, p.lamp = presence.State{Status: presence.Unknown}, LampUnknown
			e.people[key] = p
		}
	}
	reauthorize := e.lamps.followLocked(e.people, able)
	e.changedLocked()
	e.mu.Unlock()
	if reauthorize {
		e.lamps.notifier.Reauthorize()
	}
	for _, p := range removed {
		e.watcher.Unwatch(p.buddy.Address)
	}
	for _, p := range added {
		e.watcher.Watch(p.buddy.Address)
	}
}

// buddyState is told by the watcher of a buddy's presence.
func (e *Engine) buddyState(target uri.URI, s presence.State) {
	key := target.AOR().String()
	e.mu.Lock()
	p, ok := e.people[key]
	came := ok && p.state.Status != s.Status && reachable(s.Status) && !reachable(p.state.Status)
	if ok {
		p.state = s
		e.people[key] = p
		e.emitBuddyLocked(p)
		e.changedLocked()
	}
	e.mu.Unlock()
	if came {
		e.chats.RetryWaiting(target)
		e.lamps.follower.PeerSeen(target)
	}
}

// reachable tells whether somebody with this status has a program running.
func reachable(s presence.Status) bool { return s != presence.Offline && s != presence.Unknown }

func (e *Engine) emitBuddyLocked(p person) {
	out := buddyOut(p)
	e.emit(Event{Kind: EventBuddy, Buddy: &out})
}

func buddyOut(p person) Buddy {
	out := Buddy{
		Address: p.buddy.Address.String(), Name: p.shownName(), Group: p.buddy.Group, Status: Presence(p.state.Status),
		Note: p.state.Note, Since: p.state.Since, Reason: p.state.Reason, Shared: p.buddy.ShareLamp,
	}
	if p.buddy.WatchLamp {
		out.Lamp = p.lamp
	}
	return out
}

// buddiesLocked describes the buddies in the order of the file. The caller holds e.mu.
func (e *Engine) buddiesLocked(chats []Chat) []Buddy {
	unread := make(map[string]int, len(chats))
	for _, c := range chats {
		unread[c.Peer] = c.Unread
	}
	out := make([]Buddy, len(e.people))
	for key, p := range e.people {
		out[p.order] = buddyOut(p)
		out[p.order].Unread = unread[key]
	}
	return out
}

// AddBuddy puts a person on the list, or changes name and group of one who is there; an empty name or
// group stays as it is.
func (e *Engine) AddBuddy(ctx context.Context, address, name, group string) error {
	to, err := e.peerOf(address)
	if err != nil {
		return err
	}
	b := buddies.Buddy{Address: to.AOR(), Name: name, Group: group}
	if old, ok := e.book.Find(b.Address); ok {
		if name != "" {
			old.Name = name
		}
		if group != "" {
			old.Group = group
		}
		err = e.book.Update(ctx, old)
	} else {
		err = e.book.Add(ctx, b)
	}
	if err != nil {
		return userSentence(err)
	}
	e.watchBuddies()
	return nil
}

// RemoveBuddy takes a person off the list.
func (e *Engine) RemoveBuddy(ctx context.Context, address string) error {
	to, err := e.peerOf(address)
	if err != nil {
		return err
	}
	if err := e.book.Remove(ctx, to.AOR()); err != nil {
		return userSentence(err)
	}
	e.watchBuddies()
	return nil
}

// Buddy describes one person of the list.
func (e *Engine) Buddy(address string) (Buddy, error) {
	to, err := e.peerOf(address)
	if err != nil {
		return Buddy{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p, ok := e.people[to.AOR().String()]
	if !ok {
		return Buddy{}, userErrorf("%s is not on your list.", address)
	}
	return buddyOut(p), nil
}

// SetPresence sets what buddies see, and keeps it for the next start. Offline is "appear offline":
// everything works, buddies see you as gone. The note may be empty.
func (e *Engine) SetPresence(_ context.Context, status Presence, note string) error {
	e.mu.Lock()
	err := e.settings.setAll(map[string]string{SettingStatus: string(status), SettingNote: note})
	e.mu.Unlock()
	if err == nil {
		e.showPresence()
	}
	return err
}

// showPresence tells watchers what is true now: what the user chose, or "on the phone" during a call
// for one who is online or away.
func (e *Engine) showPresence() {
	e.mu.Lock()
	status, note := e.chosenLocked()
	if on := e.settings.value(SettingOnPhone); on == "on" && e.talkingLocked() &&
		(status == PresenceOnline || status == PresenceAway) {
		status = PresenceOnThePhone
	}
	next := presence.State{Status: presence.Status(status), Note: note}
	same := next.Status == e.shown.Status && next.Note == e.shown.Note
	if !same {
		next.Since = time.Now()
		e.shown = next
		self := e.selfLocked()
		e.emit(Event{Kind: EventSelf, Self: &self})
	}
	e.showLampLocked()
	e.changedLocked()
	e.mu.Unlock()
	if !same {
		e.agent.Set(next)
	}
}

// chosenLocked is what the user chose to be, and the note. The caller holds e.mu.
func (e *Engine) chosenLocked() (status Presence, note string) {
	word := e.settings.value(SettingStatus)
	note = e.settings.value(SettingNote)
	return Presence(word), note
}

// talkingLocked tells whether there is an answered call. The caller holds e.mu.
func (e *Engine) talkingLocked() bool {
	return slices.ContainsFunc(e.calls, func(c *call) bool { return c.live() && !c.rec.AnsweredAt.IsZero() })
}

// selfLocked describes the user. The caller holds e.mu.
func (e *Engine) selfLocked() Self {
	chosen, note := e.chosenLocked()
	s := Self{Status: Presence(e.shown.Status), Chosen: chosen, Note: note, Watchers: len(e.agent.Watchers())}
	dnd := e.settings.value(SettingDND)
	s.DND = dnd == "on"
	if len(e.accounts) > 0 {
		a := e.accountLocked(e.accounts[0])
		s.Address, s.DisplayName = a.Address, a.DisplayName
	}
	return s
}
