package app

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/peregrine-softphone/peregrine/presence"
	"github.com/peregrine-softphone/peregrine/presence/dialoginfo"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// lampPace is the least time between changes told to one watcher in the long run (RFC 4235 3.10: once a second).
const lampPace = time.Second

// lamps are the busy lamps: those of others that the user watches, and the user's own, for those who may see it.
type lamps struct {
	e        *Engine
	follower *presence.Follower[lampState]
	notifier *presence.Notifier[ownLamp]

	// Guarded by Engine.mu:
	watched map[string]uri.URI // by address of record
	shared  string             // who may see ours, to notice changes
}

// lampState is the lamp of somebody else.
type lampState struct {
	lamp    dialoginfo.Lamp
	missing bool // unknown because nobody is there
}

// ownLamp is what others see of the user. call is a random name for the time the line is in use (RFC 4235 4.1.2: the
// id of a dialog); it has nothing to do with the real call.
type ownLamp struct {
	lamp dialoginfo.Lamp
	call string
}

func newLamps(e *Engine) *lamps {
	l := &lamps{e: e, watched: map[string]uri.URI{}}
	pkg := lampPackage()
	l.follower = presence.NewFollower(presence.FollowerConfig[lampState]{
		Package: pkg, Subscriber: eventSubscriber{e, pkg.Event, pkg.Accept}, Logger: e.log,
		OnChange: func(target uri.URI, s lampState) { e.lampChanged(target, s.lamp) },
	})
	l.notifier = presence.NewNotifier(presence.NotifierConfig[ownLamp]{
		Offer: lampOffer(), Logger: e.log, Authorize: e.mayWatchLamp, OnSubscribed: l.follower.PeerSubscribed,
	})
	return l
}

// lampPackage is event "dialog" (RFC 4235) as the watching side.
func lampPackage() presence.Package[lampState] {
	return presence.Package[lampState]{
		Event: dialoginfo.Event, Accept: []string{dialoginfo.ContentType},
		Unclear: func(presence.Why, time.Time) lampState { return lampState{lamp: dialoginfo.Unknown} },
		Absent:  func(time.Time) lampState { return lampState{lamp: dialoginfo.Unknown, missing: true} },
		Kind: func(s lampState) presence.Kind {
			switch {
			case s.missing:
				return presence.Absent
			case s.lamp == dialoginfo.Unknown:
				return presence.Unclear
			}
			return presence.Clear
		},
		Same: func(a, b lampState) bool { return a == b },
		NewReader: func() func(presence.Notification, time.Time) presence.Reading[lampState] {
			var table dialoginfo.Table
			return func(n presence.Notification, _ time.Time) presence.Reading[lampState] {
				return readLamp(&table, n)
			}
		},
		// A PBX whose administrator adds an extension answers 404 until then, and nobody tells us.
		AbsentWait: time.Hour,
	}
}

func readLamp(table *dialoginfo.Table, n presence.Notification) presence.Reading[lampState] {
	if !isType(n.ContentType, dialoginfo.ContentType) {
		return presence.Reading[lampState]{}
	}
	doc, err := dialoginfo.Decode(n.Body)
	if err != nil {
		return presence.Reading[lampState]{Err: err}
	}
	again := table.Apply(doc)
	return presence.Reading[lampState]{State: lampState{lamp: table.Lamp()}, Found: true, Again: again}
}

// isType compares a Content-Type without its parameters. A sender that names none means that of the event package.
func isType(contentType, want string) bool {
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.TrimSpace(mediaType)
	return mediaType == "" || strings.EqualFold(mediaType, want)
}

// lampOffer is event "dialog" as the watched side. Every document is full and tells the lamp alone.
func lampOffer() presence.Offer[ownLamp] {
	return presence.Offer[ownLamp]{
		ContentType: dialoginfo.ContentType,
		Encode: func(entity uri.URI, s ownLamp, version uint32) []byte {
			return dialoginfo.Encode(dialoginfo.Plain(entity.AOR().String(), version, s.lamp, s.call))
		},
		Hidden: func(time.Time) ownLamp { return ownLamp{lamp: dialoginfo.Idle, call: rand.Text()} },
		Same:   func(a, b ownLamp) bool { return a.lamp == b.lamp },
		Normal: func(s ownLamp, _ time.Time) ownLamp { return s },
		Pace:   lampPace,
	}
}

// run works until ctx ends; then it says goodbye both ways.
func (l *lamps) run(ctx context.Context) error {
	return runBoth(ctx, l.follower.Run, l.notifier.Run)
}

// runBoth runs two parts and gives the first error when both have ended.
func runBoth(ctx context.Context, a, b func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- b(ctx) }()
	err := a(ctx)
	if other := <-done; err == nil {
		err = other
	}
	return err
}

// followLocked brings the watched lamps in line with the buddy list; able false: there is no account to watch with. It
// reports whether other people may see ours than before. The caller holds e.mu.
func (l *lamps) followLocked(people map[string]person, able bool) (reauthorize bool) {
	wanted := make(map[string]uri.URI)
	var shared []string
	for key, p := range people {
		if p.buddy.WatchLamp && able {
			wanted[key] = p.buddy.Address
			l.follower.Watch(p.buddy.Address)
		}
		shared = append(shared, fmt.Sprint(key, " ", p.buddy.ShareLamp))
	}
	for key, target := range l.watched {
		if _, still := wanted[key]; !still {
			l.follower.Unwatch(target)
		}
	}
	slices.Sort(shared)
	before := l.shared
	l.watched, l.shared = wanted, strings.Join(shared, "\n")
	return l.shared != before
}

// mayWatchLamp decides about a watcher of our lamp. Whom the user allows sees it. Another buddy waits: the user may
// still decide (RFC 6665 4.1.3, "pending"), and the lamp comes on in that moment. Everybody else is refused with 403
// (RFC 4235 3.6: dialog information is sensitive, all subscriptions need authorisation; RFC 6665 4.2.1.3).
func (e *Engine) mayWatchLamp(from uri.URI) presence.Decision {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, ok := e.personLocked(from)
	switch {
	case !ok:
		return presence.Block
	case p.buddy.ShareLamp:
		return presence.Allow
	default:
		return presence.Pending
	}
}

// personLocked finds a buddy by address: the one with the same address of record, else the only one with the same user
// and host, because on a LAN the port of a From differs from the one in the list. The caller holds e.mu.
func (e *Engine) personLocked(who uri.URI) (found person, ok bool) {
	who = who.AOR()
	if found, ok = e.people[who.String()]; ok {
		return found, true
	}
	who.Port = 0
	for _, p := range e.people {
		plain := p.buddy.Address
		plain.Port = 0
		if plain.String() != who.String() {
			continue
		}
		if ok {
			return person{}, false
		}
		found, ok = p, true
	}
	return found, ok
}

// lampChanged is told of the lamp of a buddy.
func (e *Engine) lampChanged(target uri.URI, lamp dialoginfo.Lamp) {
	key := target.AOR().String()
	e.mu.Lock()
	defer e.mu.Unlock()
	p, ok := e.people[key]
	if !ok || p.lamp == Lamp(lamp) {
		return
	}
	p.lamp = Lamp(lamp)
	e.people[key] = p
	e.emitBuddyLocked(p)
	e.changedLocked()
}

// showLampLocked tells the watchers of our lamp what is true now. Who appears offline appears idle. The caller holds
// e.mu.
func (e *Engine) showLampLocked() {
	lamp := dialoginfo.Idle
	if chosen, _ := e.chosenLocked(); chosen != PresenceOffline {
		lamp = e.ownLampLocked()
	}
	now := e.lamps.notifier.State()
	if now.lamp == lamp {
		return
	}
	if now.lamp == dialoginfo.Idle {
		now.call = rand.Text()
	}
	now.lamp = lamp
	e.lamps.notifier.Set(now)
}

// ownLampLocked reduces our calls: one that rings here rings; any other is busy, also while we call somebody. The
// caller holds e.mu.
func (e *Engine) ownLampLocked() dialoginfo.Lamp {
	lamp := dialoginfo.Idle
	for _, c := range e.calls {
		switch {
		case !c.live():
		case c.rec.State != CallIncoming:
			return dialoginfo.Busy
		default:
			lamp = dialoginfo.Ringing
		}
	}
	return lamp
}

// SetLamp says whether the user watches the busy lamp of a buddy, and whether that one may see the user's. It is kept
// in the buddy list.
func (e *Engine) SetLamp(ctx context.Context, address string, watch, share bool) error {
	to, err := e.peerOf(address)
	if err != nil {
		return err
	}
	b, ok := e.book.Find(to.AOR())
	if !ok {
		return userErrorf("%s is not on your list. Add this person first.", address)
	}
	b.WatchLamp, b.ShareLamp = watch, share
	if err := e.book.Update(ctx, b); err != nil {
		return userSentence(err)
	}
	e.watchBuddies()
	return nil
}
