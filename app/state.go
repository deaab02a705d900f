package app

import (
	"slices"
	"strings"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// Snapshot gives the present state. It is made anew only after a change.
func (e *Engine) Snapshot() Snapshot {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stale {
		e.last = e.composeLocked()
		e.stale = false
	}
	return e.last
}

// composeLocked gathers the state of all parts. The caller holds e.mu.
func (e *Engine) composeLocked() Snapshot {
	s := Snapshot{
		Revision: e.last.Revision + 1, Profile: e.cfg.Profile,
		Accounts: make([]Account, len(e.accounts)), Calls: make([]Call, 0, len(e.calls)),
		Network: e.network, Settings: e.settings.all(), Notices: slices.Clone(e.notices),
		Requests: e.requestsLocked(), Recent: e.recentOut(maxRecent), Missed: e.history.Missed(),
	}
	for i, a := range e.accounts {
		s.Accounts[i] = e.accountLocked(a)
	}
	var ended []Call
	for _, c := range e.calls {
		if c.live() {
			s.Calls = append(s.Calls, *callCopy(c))
		} else {
			ended = append(ended, *callCopy(c))
		}
	}
	s.Calls = append(s.Calls, ended...)
	s.Chats = e.chatsLocked()
	s.Buddies = e.buddiesLocked(s.Chats)
	s.Self = e.selfLocked()
	s.Audio.Input = e.settings.value(SettingInput)
	s.Audio.Output = e.settings.value(SettingOutput)
	s.Audio.Problem, s.Audio.Devices = e.trouble, e.devices.changes
	if e.test != nil {
		s.Audio.Test, s.Audio.Level = e.test.stage, e.test.level
	}
	turned := e.ua.Stats()
	s.Shield = Shield{Silenced: turned.Silenced, Limited: turned.Limited, Spoofed: turned.Spoofed}
	if s.Notices == nil {
		s.Notices = []Notice{}
	}
	return s
}

// callCopy is the record of a call that nobody changes any more. The caller holds e.mu.
func callCopy(c *call) *Call {
	out := c.rec
	out.HandOffs = slices.Clone(c.rec.HandOffs)
	if out.HandOffs == nil {
		out.HandOffs = []HandOff{}
	}
	return &out
}

// nameOfLocked is what a person is called here: the buddy's name, else the display name, else the
// user part of the address. The caller holds e.mu.
func (e *Engine) nameOfLocked(who uri.Address) string {
	if p, ok := e.people[who.URI.AOR().String()]; ok && p.buddy.Name != "" {
		return p.buddy.Name
	}
	if name := strings.TrimSpace(who.Display); name != "" {
		return name
	}
	if who.URI.User != "" {
		return who.URI.User
	}
	return who.URI.Host
}
