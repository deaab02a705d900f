package server

import (
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	maxUsers    = 10000 // with a registration
	maxPerUser  = 10    // devices of one user
	maxContacts = 10    // of one REGISTER
)

// Binding is one registered device of a user.
type Binding struct {
	Contact   uri.Address // as registered, without expires
	Expires   time.Time
	CallID    string
	CSeq      uint32
	Transport string         // "UDP" or "TCP": the way its REGISTER came
	Source    netip.AddrPort // where its REGISTER came from
}

// bindings is the location service (RFC 3261 10). The zero value is ready; safe for concurrent use.
type bindings struct {
	mu    sync.Mutex
	users map[string][]Binding
}

// get gives the live bindings of a user, best q first (RFC 3261 16.6 leaves the order free: all are tried at once).
func (b *bindings) get(user string) []Binding {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.live(user))
}

// byContact finds the live binding a request inside a dialog is for.
func (b *bindings) byContact(target uri.URI) (Binding, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// A contact nearly always carries the user's own name; other users are looked at too, since the bound keeps
	// it cheap.
	for _, list := range b.users {
		for _, one := range list {
			if one.Contact.URI.Equal(target) && time.Now().Before(one.Expires) {
				return one, true
			}
		}
	}
	return Binding{}, false
}

// update changes the bindings of a user in one step: change gets the live ones and gives the new ones, or ok
// false to leave all as it is. full reports that there is no room.
func (b *bindings) update(user string, change func([]Binding) ([]Binding, bool)) (now []Binding, ok, full bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.live(user)
	next, ok := change(slices.Clone(old))
	if !ok {
		return slices.Clone(old), false, false
	}
	if len(next) > maxPerUser || len(old) == 0 && len(next) > 0 && len(b.users) >= maxUsers && !b.makeRoom() {
		return slices.Clone(old), false, true
	}
	if len(next) == 0 {
		delete(b.users, user)
		return nil, true, false
	}
	if b.users == nil {
		b.users = make(map[string][]Binding)
	}
	b.users[user] = next
	return slices.Clone(next), true, false
}

// live drops what has expired. The caller holds the lock.
func (b *bindings) live(user string) []Binding {
	now := time.Now()
	list := slices.DeleteFunc(b.users[user], func(one Binding) bool { return !now.Before(one.Expires) })
	if len(list) == 0 {
		delete(b.users, user)
		return nil
	}
	b.users[user] = list
	return list
}

// makeRoom drops the users whose registrations have all expired.
func (b *bindings) makeRoom() bool {
	for user := range b.users {
		b.live(user)
	}
	return len(b.users) < maxUsers
}

// Bindings gives the registered devices of a user, for tests and displays.
func (s *Server) Bindings(user string) []Binding { return s.bindings.get(user) }

// contactLine writes a binding for the 200 to a REGISTER (RFC 3261 10.3 step 8).
func (b Binding) contactLine(now time.Time) string {
	a := b.Contact
	left := max(b.Expires.Sub(now).Round(time.Second), time.Second)
	a.Params = a.Params.With("expires", strconv.Itoa(int(left/time.Second)))
	return a.String()
}
