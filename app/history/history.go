package history

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/peregrine-softphone/peregrine/internal/atomicfile"
)

// Bounds of a history.
const (
	// MaxCalls is how many calls are kept: several years of ten a day. The oldest go first.
	MaxCalls = 5000
	// maxText bounds each text of a call, in bytes: names and addresses come from strangers.
	maxText = 512
)

// DamagedSuffix ends the name of the file that damaged lines are kept in, UnreadableSuffix that of a whole file that
// a newer Peregrine has written.
const (
	DamagedSuffix    = ".damaged"
	UnreadableSuffix = ".unreadable"
)

// Call is one call that is over.
type Call struct {
	ID         string    `json:"id"`   // unique in the history; made by Add
	Peer       string    `json:"peer"` // address of record
	PeerName   string    `json:"name,omitempty"`
	Account    string    `json:"account,omitempty"`
	Incoming   bool      `json:"incoming,omitzero"`
	Missed     bool      `json:"missed,omitzero"` // came in and nobody took it
	Seen       bool      `json:"seen,omitzero"`   // the user has looked at it
	StartedAt  time.Time `json:"started"`
	AnsweredAt time.Time `json:"answered,omitzero"` // zero: not answered
	EndedAt    time.Time `json:"ended"`
	Reason     string    `json:"reason,omitempty"` // why it ended, in a sentence
	Detail     string    `json:"detail,omitempty"` // code and phrase
}

// bounded is a call as the file may hold it.
func (c Call) bounded() Call {
	for _, s := range []*string{&c.ID, &c.Peer, &c.PeerName, &c.Account, &c.Reason, &c.Detail} {
		*s = cut(*s)
	}
	return c
}

// cut shortens a text to maxText bytes at a character.
func cut(s string) string {
	s = strings.ToValidUTF8(s, string(utf8.RuneError))
	if len(s) <= maxText {
		return s
	}
	end := maxText
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}

// Store is the history of a profile, newest MaxCalls calls. All methods may be called from any goroutine; those that
// change it block for the disk, some milliseconds.
type Store struct {
	mu      sync.Mutex
	file    journal
	calls   []Call // oldest first
	missed  int    // not seen
	damaged int    // lines kept aside by Open
}

// Open reads the history in the file at path, whose folder must exist. A file that does not exist is an empty history.
// A damaged one is no error: see Damaged. A file that a newer Peregrine has written is renamed (UnreadableSuffix) and
// a new one begun. An error means that the file or its folder cannot be used.
func Open(path string, log *slog.Logger) (*Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{file: journal{path: path}}
	removeLeftovers(path, log)
	found, err := s.file.read(s.replay)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, nil // the first call writes it
	case errors.Is(err, errNewer):
		log.Error("history not read, kept aside", "file", filepath.Base(path), "error", err)
		if err = os.Rename(path, path+UnreadableSuffix); err != nil {
			return nil, fmt.Errorf("open history: %w", err)
		}
		return &Store{file: journal{path: path}, damaged: 1}, nil
	case err != nil:
		return nil, fmt.Errorf("open history: %w", err)
	}
	if s.damaged = found.lines; s.damaged > 0 {
		log.Warn("history has unreadable lines, kept aside", "file", filepath.Base(path), "lines", s.damaged)
		if err := s.putAside(found.text); err != nil {
			log.Error("unreadable lines of the history stay in it", "error", err)
		}
	} else if s.file.lines > compactAt {
		if err := s.file.rewrite(s.calls); err != nil {
			log.Warn("history not compacted", "error", err)
		}
	}
	return s, nil
}

func removeLeftovers(path string, log *slog.Logger) {
	old, err := filepath.Glob(filepath.Join(filepath.Dir(path), atomicfile.Leftovers(path)))
	if err != nil {
		return // a folder whose name is a broken pattern: they only take room
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			log.Info("temporary file not removed", "file", filepath.Base(name), "error", err)
		}
	}
}

// replay applies a record that was read.
func (s *Store) replay(r record) {
	switch {
	case r.Call != nil:
		s.take(r.Call.bounded())
	case r.Seen:
		s.see()
	}
}

// take puts a call into memory and lets the oldest go.
func (s *Store) take(c Call) {
	if len(s.calls) >= MaxCalls {
		if old := s.calls[0]; old.Missed && !old.Seen {
			s.missed--
		}
		s.calls = s.calls[1:]
	}
	s.calls = append(s.calls, c)
	if c.Missed && !c.Seen {
		s.missed++
	}
}

func (s *Store) see() {
	for i := range s.calls {
		s.calls[i].Seen = true
	}
	s.missed = 0
}

// putAside moves damaged lines to a file of their own; then the history is whole again.
func (s *Store) putAside(lines []byte) error {
	if err := s.file.keepAside(lines); err != nil {
		return err
	}
	return s.file.rewrite(s.calls)
}

// Add puts a call that has ended into the history and gives it back as kept, with its ID. Texts beyond 512 bytes are
// cut. When it fails the call is in neither memory nor file.
func (s *Store) Add(c Call) (Call, error) {
	c.ID = rand.Text()
	c = c.bounded()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.file.append(record{Call: &c}, s.calls); err != nil {
		return Call{}, fmt.Errorf("add call to history: %w", err)
	}
	s.take(c)
	if s.file.lines > compactAt {
		_ = s.file.rewrite(s.calls) // the call is on disk anyway; the next one tries again
	}
	return c, nil
}

// Recent gives the newest calls, newest first, at most limit; 0 or less: all.
func (s *Store) Recent(limit int) []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	if limit <= 0 || limit > len(s.calls) {
		limit = len(s.calls)
	}
	out := slices.Clone(s.calls[len(s.calls)-limit:])
	slices.Reverse(out)
	return out
}

// Len is how many calls there are.
func (s *Store) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// Missed is how many missed calls the user has not looked at.
func (s *Store) Missed() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.missed
}

// Damaged is how many lines Open could not read; they are kept aside, in the file with DamagedSuffix (or in that with
// UnreadableSuffix). For a notice to the user.
func (s *Store) Damaged() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.damaged
}

// LastDialled is the newest call that went out; ok is false when there is none. For redial.
func (s *Store) LastDialled() (c Call, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range slices.Backward(s.calls) {
		if !c.Incoming {
			return c, true
		}
	}
	return Call{}, false
}

// Knows tells whether the user has dealt with this address: called it, or taken a call of it. Calls that were missed or
// refused do not count, else a stranger would be known from the second call on.
func (s *Store) Knows(peer string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.calls, func(c Call) bool {
		return c.Peer == peer && (!c.Incoming || !c.AnsweredAt.IsZero())
	})
}

// SeeAll notes that the user has looked at all calls.
func (s *Store) SeeAll() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.missed == 0 {
		return nil
	}
	if err := s.file.append(record{Seen: true}, s.calls); err != nil {
		return fmt.Errorf("mark history as seen: %w", err)
	}
	s.see()
	return nil
}

// Clear forgets all calls, in the files too, also those in damaged lines kept aside: who clears a history wants it
// gone.
func (s *Store) Clear() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.file.rewrite(nil); err != nil {
		return fmt.Errorf("clear history: %w", err)
	}
	s.calls, s.missed, s.damaged = nil, 0, 0
	for _, suffix := range []string{DamagedSuffix, UnreadableSuffix} {
		if err := os.Remove(s.file.path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clear history: %w", err)
		}
	}
	return nil
}
