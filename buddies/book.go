package buddies

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// writeTries is how often an edit starts anew because the file was changed by another program in the same instant.
const writeTries = 5

// Error is a refusal of an edit that a person can read.
type Error struct {
	Sentence string // says what to do next
	Err      error  // cause; may be nil
}

// Error implements error.
func (e *Error) Error() string { return e.Sentence }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Problem is something about the file that the user should know.
//
//nolint:errname // a state that is shown, which only Open returns as an error
type Problem struct {
	Sentence string
	Detail   string // what the reader found, with the line
	// Damaged: the file cannot be read. The list shown is the last good one, edits are refused, the file is left alone.
	// It ends by itself when the file is mended or removed, or by RestoreBackup.
	Damaged bool
}

// Error implements error: the sentence and what the reader found.
func (p *Problem) Error() string {
	if p.Detail == "" {
		return p.Sentence
	}
	return p.Sentence + " (" + p.Detail + ")"
}

// Book is the buddy list. All methods may be called from any goroutine. Edits block for the disk, some milliseconds.
type Book struct {
	path string
	log  *slog.Logger

	mu       sync.Mutex
	list     *list  // last good one
	data     []byte // of the file as last read good; nil: there was none
	suspect  []byte // damaged content seen once by Run; it may be half an edit
	problem  *Problem
	onChange func([]Buddy)
}

// Open reads the list at path (usually buddies.xml in the profile). A file that does not exist is an empty list and is
// written with the first buddy. A damaged one is no error: see Problem; the list is that of the backup then, when there
// is a good one. An error means that the folder cannot be used.
func Open(path string, log *slog.Logger) (*Book, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("open buddy list: %w", err)
	}
	b := &Book{path: path, log: log}
	empty, err := parseList(emptyTree().bytes())
	if err != nil {
		return nil, fmt.Errorf("open buddy list: %w", err)
	}
	b.list = empty
	b.mu.Lock()
	defer b.mu.Unlock()
	data, l, err := b.read()
	switch {
	case err != nil:
		b.damaged(err)
		if backup, err := readBounded(b.backupPath()); err == nil {
			if good, err := parseList(backup); err == nil {
				b.list, b.data = good, backup
			}
		}
	case l != nil:
		b.adopt(data, l)
	}
	return b, nil
}

// List gives the buddies in the order of the file. The slice is the caller's.
func (b *Book) List() []Buddy {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.list.buddies)
}

// Find gives the buddy with an address.
func (b *Book) Find(address uri.URI) (Buddy, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.list.find(address.AOR().String())
}

// Problem is what the user should know about the file; nil when all is well.
func (b *Book) Problem() *Problem {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.problem
}

// OnChange sets what is called with the present list, without locks held, after the list or the problem may have
// changed. There is one. It is called on the goroutine of the edit or of Run.
func (b *Book) OnChange(f func([]Buddy)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.onChange = f
}

// Add puts a buddy at the end of the list. Errors are *Error. ctx bounds the wait for another Peregrine's edit.
func (b *Book) Add(ctx context.Context, buddy Buddy) error {
	buddy = buddy.normal()
	if err := check(buddy); err != nil {
		return err
	}
	key := buddy.Address.String()
	return b.edit(ctx, func(l *list) error {
		if _, found := l.find(key); found {
			return &Error{Sentence: key + " is in your list already."}
		}
		if len(l.buddies) >= MaxBuddies {
			return &Error{Sentence: fmt.Sprintf("The list is full with %d buddies. Remove some first.", MaxBuddies)}
		}
		l.add(buddy)
		return nil
	})
}

// Update changes the buddy with the address of change to what change says; see Replace.
func (b *Book) Update(ctx context.Context, change Buddy) error {
	return b.Replace(ctx, change.Address, change)
}

// Replace changes the buddy with an address to what change says, the address included. Only the fields that differ from
// what Find gives are written; fields that another program has changed meanwhile stay as that one left them. Errors are
// *Error.
func (b *Book) Replace(ctx context.Context, address uri.URI, change Buddy) error {
	change = change.normal()
	if err := check(change); err != nil {
		return err
	}
	key := address.AOR().String()
	base, known := b.Find(address)
	return b.edit(ctx, func(l *list) error {
		there, found := l.find(key)
		if !found {
			return &Error{Sentence: key + " is not in your list any more."}
		}
		if !known {
			base = there
		}
		if to := change.Address.String(); to != key {
			if _, taken := l.find(to); taken {
				return &Error{Sentence: to + " is in your list already."}
			}
		}
		l.update(key, base, change)
		return nil
	})
}

// Remove takes the buddy with an address out of the list. Errors are *Error.
func (b *Book) Remove(ctx context.Context, address uri.URI) error {
	key := address.AOR().String()
	return b.edit(ctx, func(l *list) error {
		if _, found := l.find(key); !found {
			return &Error{Sentence: key + " is not in your list."}
		}
		l.remove(key)
		return nil
	})
}

// RestoreBackup ends a damage the user cannot mend: the damaged file is put aside as buddies.xml.damaged-TIME, and the
// list as last read, or that of the backup, is written. Errors are *Error.
func (b *Book) RestoreBackup(ctx context.Context) error {
	b.mu.Lock()
	defer b.notify()
	defer b.mu.Unlock()
	unlock, err := lockFile(ctx, b.target()+".lock")
	if err != nil {
		return &Error{Sentence: "The buddy list is in use by another program. Try again.", Err: err}
	}
	defer unlock()
	if data, l, err := b.read(); err == nil {
		b.adopt(data, l)
		return nil // mended meanwhile
	}
	aside := b.target() + ".damaged-" + time.Now().Format("20060102-150405.000")
	if err := os.Rename(b.target(), aside); err != nil {
		return saveError(err)
	}
	out := b.list.tree.bytes()
	if err := b.write(nil, out); err != nil {
		return saveError(err)
	}
	b.log.InfoContext(ctx, "buddy list restored, damaged file put aside", "file", aside)
	return b.reread(out)
}

func check(buddy Buddy) error {
	switch {
	case buddy.Address.IsZero():
		return &Error{Sentence: "A buddy needs an address, such as bob@example.org."}
	case len(buddy.Name) > MaxName || len(buddy.Group) > MaxName:
		return &Error{Sentence: fmt.Sprintf("Names may have %d letters. Choose a shorter one.", MaxName)}
	case len(buddy.Note) > MaxNote:
		return &Error{Sentence: fmt.Sprintf("A note may have %d letters. Write a shorter one.", MaxNote)}
	}
	return nil
}

func saveError(err error) error {
	const s = "The buddy list could not be saved. Check that the disk is not full and the folder can be written."
	return &Error{Sentence: s, Err: err}
}

// edit applies one change to the file as it is now and writes it.
func (b *Book) edit(ctx context.Context, change func(*list) error) error {
	b.mu.Lock()
	defer b.notify()
	defer b.mu.Unlock()
	unlock, err := lockFile(ctx, b.target()+".lock")
	if err != nil {
		return &Error{Sentence: "The buddy list is in use by another program. Try again.", Err: err}
	}
	defer unlock()
	b.sweep()
	for range writeTries {
		data, l, err := b.read()
		if err != nil {
			b.damaged(err)
			return &Error{Sentence: b.problem.Sentence, Err: err}
		}
		if l == nil { // removed by somebody: the list the user sees is written again
			if l, err = parseList(b.list.tree.bytes()); err != nil {
				return saveError(err)
			}
		}
		if err := change(l); err != nil {
			if data != nil {
				b.adopt(data, l)
			}
			return err
		}
		out := l.tree.bytes()
		switch err := b.write(data, out); {
		case errors.Is(err, errChanged):
			continue
		case err != nil:
			return saveError(err)
		}
		return b.reread(out)
	}
	return &Error{Sentence: "The buddy list keeps being changed by another program. Try again.", Err: errChanged}
}

// reread takes over what was just written.
func (b *Book) reread(out []byte) error {
	l, err := parseList(out)
	if err != nil {
		return saveError(err)
	}
	b.adopt(out, l)
	return nil
}

// adopt makes a good list the present one.
func (b *Book) adopt(data []byte, l *list) {
	if l == nil {
		return
	}
	b.data, b.list, b.problem, b.suspect = data, l, nil, nil
	if l.skipped > 0 {
		b.problem = &Problem{
			Sentence: fmt.Sprintf("%d entries of the buddy list have no usable address and are not shown. "+
				"They stay in %s.", l.skipped, filepath.Base(b.path)),
		}
	}
}

func (b *Book) damaged(err error) {
	b.problem = &Problem{
		Sentence: fmt.Sprintf("The buddy list %s is damaged and will not be touched. "+
			"Mend the file, or restore the last good list.", filepath.Base(b.path)),
		Detail: err.Error(), Damaged: true,
	}
	b.log.Warn("buddy list damaged", "file", b.path, "error", err)
}

// notify calls OnChange. Book.mu is not held.
func (b *Book) notify() {
	b.mu.Lock()
	f, l := b.onChange, slices.Clone(b.list.buddies)
	b.mu.Unlock()
	if f != nil {
		f(l)
	}
}

// reload reads the file after somebody else may have changed it. It reports whether to look again soon: a file that is
// damaged for the first time may be half written.
func (b *Book) reload() (again bool) {
	b.mu.Lock()
	data, l, err := b.read()
	changed := false
	switch {
	case err != nil && !bytes.Equal(b.suspect, data):
		b.suspect, again = data, true
	case err != nil:
		if changed = b.problem == nil || b.problem.Detail != err.Error(); changed {
			b.damaged(err)
		}
	case l == nil: // removed: the list stays in memory and comes back with the next edit
		if changed = b.problem != nil && b.problem.Damaged; changed {
			b.problem = nil
		}
		b.suspect = nil
	case b.problem != nil || !bytes.Equal(data, b.data):
		b.adopt(data, l)
		changed = true
	default:
		b.suspect = nil
	}
	b.mu.Unlock()
	if changed {
		b.notify()
	}
	return again
}
