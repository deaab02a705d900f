package app

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// filePeople is where the user's decisions about people are kept.
const filePeople = "people.json"

// maxDecided bounds each list of decided people.
const maxDecided = 2000

// decisions are the people the user has decided about, by address of record. Guarded by Engine.mu.
type decisions struct {
	Blocked []string `json:"blocked"`
	Allowed []string `json:"allowed"` // strangers who may ring
}

func (e *Engine) loadDecisions() error {
	err := loadJSON(filepath.Join(e.cfg.Profile, filePeople), &e.decided)
	for _, key := range e.decided.Allowed {
		e.acquainted.add(key)
	}
	return err
}

// caller is what is known of somebody who calls.
type caller struct {
	blocked bool
	known   bool // a buddy, somebody the user called, wrote to or allowed
}

// verdict is what becomes of a call that comes in.
type verdict int

const (
	verdictRing   verdict = iota
	verdictMissed         // turned away as not available, and kept as a missed call
	verdictAsk            // turned away the same way; the user finds a request
	verdictSilent         // turned away, and nobody is bothered
)

// admit decides about a call that does not take the place of another one. It has the whole rule:
//
//	blocked                                       silent
//	do not disturb                                missed
//	stranger, and the setting "strangers" is ask  ask
//	stranger, and it is refuse                    silent
//	anybody else                                  ring
func admit(c caller, dnd bool, strangers string) verdict {
	switch {
	case c.blocked:
		return verdictSilent
	case !c.known && strangers == strangersRefuse:
		return verdictSilent
	case !c.known && strangers == strangersAsk:
		return verdictAsk
	case dnd:
		return verdictMissed
	}
	return verdictRing
}

// callerLocked looks somebody up. The caller holds e.mu.
func (e *Engine) callerLocked(who uri.URI) caller {
	key := who.AOR().String()
	return caller{blocked: slices.Contains(e.decided.Blocked, key), known: e.knownLocked(key)}
}

// knownLocked tells whether the user has to do with an address: a buddy, somebody he called, wrote to or allowed.
// The caller holds e.mu.
func (e *Engine) knownLocked(key string) bool {
	if _, buddy := e.people[key]; buddy || slices.Contains(e.decided.Allowed, key) {
		return true
	}
	return e.acquainted.has(key)
}

// strangerLocked tells whether an address waits for the user's decision. The caller holds e.mu.
func (e *Engine) strangerLocked(key string) bool {
	return slices.ContainsFunc(e.requests, func(r *request) bool { return r.Kind == RequestMessage && r.From == key })
}

// Block turns everything away that comes from an address, from now on.
func (e *Engine) Block(_ context.Context, address string) error {
	who, err := e.peerOf(address)
	if err != nil {
		return err
	}
	return e.decide(who.AOR().String(), true)
}

// Unblock takes a block away.
func (e *Engine) Unblock(_ context.Context, address string) error {
	who, err := e.peerOf(address)
	if err != nil {
		return err
	}
	key := who.AOR().String()
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Contains(e.decided.Blocked, key) {
		return userErrorf("%s is not blocked.", key)
	}
	next := e.decided
	next.Blocked = without(next.Blocked, key)
	return e.saveDecisionsLocked(next)
}

// Blocked lists the blocked addresses, in alphabetical order.
func (e *Engine) Blocked(context.Context) ([]string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	out := slices.Sorted(slices.Values(e.decided.Blocked))
	if out == nil {
		out = []string{}
	}
	return out, nil
}

// decide blocks or allows an address.
func (e *Engine) decide(key string, block bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := decisions{Blocked: without(e.decided.Blocked, key), Allowed: without(e.decided.Allowed, key)}
	list := &next.Allowed
	if block {
		list = &next.Blocked
	}
	if len(*list) >= maxDecided {
		return userErrorf("There are %d such addresses already. Take one off first.", maxDecided)
	}
	*list = append(*list, key)
	if !block {
		e.acquainted.add(key)
	}
	return e.saveDecisionsLocked(next)
}

func (e *Engine) saveDecisionsLocked(next decisions) error {
	if err := saveJSON(filepath.Join(e.cfg.Profile, filePeople), next); err != nil {
		return saveFailed(err)
	}
	e.decided = next
	e.changedLocked()
	return nil
}

func without(list []string, s string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(x string) bool { return strings.EqualFold(x, s) })
}
