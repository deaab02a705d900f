package app

import (
	"context"
	"strings"
	"sync"

	"github.com/peregrine-softphone/peregrine/sip"
	"github.com/peregrine-softphone/peregrine/sip/shield"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// maxAcquainted bounds the addresses remembered as known. Beyond it new ones are strangers until the next start.
const maxAcquainted = 20000

// acquaintances are the addresses of record the user has to do with. They have a lock of their own: package sip asks
// while packets wait.
type acquaintances struct {
	mu sync.RWMutex
	m  map[string]bool
}

func (a *acquaintances) add(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.m == nil {
		a.m = map[string]bool{}
	}
	if len(a.m) < maxAcquainted {
		a.m[key] = true
	}
}

func (a *acquaintances) has(key string) bool {
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.m[key]
}

// acquaint remembers that the user has to do with somebody.
func (e *Engine) acquaint(who uri.URI) { e.acquainted.add(who.AOR().String()) }

// policy makes the shield of the settings.
func (e *Engine) policy() shield.Policy {
	e.mu.Lock()
	defer e.mu.Unlock()
	on := e.settings.value(SettingShield)
	list := e.settings.value(SettingTrusted)
	trusted, err := parsePrefixes(list)
	if err != nil { // the table's check has seen it
		trusted = nil
	}
	return shield.Policy{
		Off: on == "off", Trusted: trusted,
		Known: func(u uri.URI) bool { return e.acquainted.has(u.AOR().String()) },
	}
}

// suspect is told of a request that came past an account's server, yet to an address that only the server should know:
// most likely a second server of the provider. The user may trust it.
func (e *Engine) suspect(s sip.Suspect) {
	remote := s.Remote.Addr().Unmap().String()
	e.ask(RequestServer, s.From, remote, "", func(ctx context.Context) error { return e.trustPeer(ctx, remote) }, nil)
}

// trustPeer adds an address to the trusted ones.
func (e *Engine) trustPeer(ctx context.Context, address string) error {
	list := e.setting(SettingTrusted)
	if list == "" {
		return e.Set(ctx, SettingTrusted, address)
	}
	for part := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(part) == address {
			return nil
		}
	}
	return e.Set(ctx, SettingTrusted, list+","+address)
}
