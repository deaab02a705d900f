package im

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/peregrine-softphone/peregrine/internal/atomicfile"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

const (
	// tailSize is how many messages of a chat stay in memory: what a chat window shows first, with room to scroll.
	tailSize = 200
	// maxHistory bounds one answer of History.
	maxHistory = 10000

	journalSuffix  = ".jsonl"
	journalVersion = 1
)

// Journal is a Store of append-only files, one per chat, of one JSON record per line (docs in journalfile.go). Every
// record but the read marks is on disk (fsync) before the call returns; a record that a crash has torn is cut off at
// the next start. Only the newest messages of a chat are in memory, older ones are read from its file when asked for.
type Journal struct {
	dir string
	log *slog.Logger

	mu    sync.Mutex
	chats map[string]*chatFile // by AOR
}

var _ Store = (*Journal)(nil)

// chatFile is one chat and its file.
type chatFile struct {
	peer    uri.URI
	path    string
	size    int64 // of the good part of the file
	count   int
	unread  int
	tail    []Message // the newest messages
	waiting map[string]Message
	lines   int // records in the file
	stale   int // of them replaced by later ones
	damaged int // lines that cannot be read; they stay in the file
}

// OpenJournal reads the journals of a folder, which is made (0700) when it does not exist. A file that cannot be read
// at all is left alone and logged; its chat begins a new file.
func OpenJournal(dir string, log *slog.Logger) (*Journal, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open message journal: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("open message journal: %w", err)
	}
	j := &Journal{dir: dir, log: log, chats: make(map[string]*chatFile)}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), atomicfile.TempSuffix) { // of a program that died while compacting
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				log.Info("temporary file not removed", "file", e.Name(), "error", err)
			}
		}
		if e.IsDir() || !strings.HasSuffix(e.Name(), journalSuffix) {
			continue
		}
		c, err := readChatFile(filepath.Join(dir, e.Name()))
		if err != nil {
			log.Error("message journal not read", "file", e.Name(), "error", err)
			continue
		}
		if c.damaged > 0 {
			log.Warn("message journal has unreadable lines", "file", e.Name(), "lines", c.damaged)
		}
		if err := c.compact(); err != nil {
			log.Warn("message journal not compacted", "file", e.Name(), "error", err)
		}
		j.chats[c.peer.String()] = c
	}
	return j, nil
}

// Chats implements Store.
func (j *Journal) Chats() ([]Chat, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make([]Chat, 0, len(j.chats))
	for _, c := range j.chats {
		chat := Chat{Peer: c.peer, Unread: c.unread, Count: c.count}
		if len(c.tail) > 0 {
			chat.Last = c.tail[len(c.tail)-1]
		}
		out = append(out, chat)
	}
	return out, nil
}

// Outbox implements Store.
func (j *Journal) Outbox() ([]Message, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []Message
	for _, c := range j.chats {
		for _, m := range c.waiting {
			out = append(out, m)
		}
	}
	slices.SortStableFunc(out, func(a, b Message) int { return a.At.Compare(b.At) })
	return out, nil
}

// Recent implements Store.
func (j *Journal) Recent(limit int) ([]Message, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []Message
	for _, c := range j.chats {
		for _, m := range c.tail {
			if !m.Outgoing {
				out = append(out, m)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Message) int { return a.At.Compare(b.At) })
	return out[max(0, len(out)-limit):], nil
}

// Append implements Store.
func (j *Journal) Append(m Message) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	c, err := j.chat(m.Peer)
	if err != nil {
		return err
	}
	if err := c.write(record{Message: &m}, true); err != nil {
		return err
	}
	c.add(m)
	return nil
}

// Update implements Store.
func (j *Journal) Update(m Message) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.chats[m.Peer.AOR().String()]
	if c == nil {
		return fmt.Errorf("update message %s: no such chat", m.ID)
	}
	change := stateChange{ID: m.ID, State: m.State, Cause: m.Cause, Code: m.Code, Detail: m.Detail, Tries: m.Tries}
	if err := c.write(record{State: &change}, true); err != nil {
		return err
	}
	c.apply(change, &m)
	return nil
}

// MarkRead implements Store.
func (j *Journal) MarkRead(peer uri.URI) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.chats[peer.AOR().String()]
	if c == nil || c.unread == 0 {
		return nil
	}
	if err := c.write(record{Read: true}, false); err != nil {
		return err
	}
	c.markRead()
	return nil
}

// Find implements Store.
func (j *Journal) Find(peer uri.URI, id string) (Message, bool, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.chats[peer.AOR().String()]
	if c == nil {
		return Message{}, false, nil
	}
	if m, ok := c.waiting[id]; ok {
		return m, true, nil
	}
	sameID := func(m Message) bool { return m.ID == id }
	if i := slices.IndexFunc(c.tail, sameID); i >= 0 {
		return c.tail[i], true, nil
	}
	if c.count == len(c.tail) {
		return Message{}, false, nil
	}
	all, err := c.all()
	if err != nil {
		return Message{}, false, err
	}
	if i := slices.IndexFunc(all, sameID); i >= 0 {
		return all[i], true, nil
	}
	return Message{}, false, nil
}

// History implements Store.
func (j *Journal) History(peer uri.URI, limit int, before string) ([]Message, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	c := j.chats[peer.AOR().String()]
	if c == nil || limit <= 0 {
		return nil, nil
	}
	limit = min(limit, maxHistory)
	if page, ok := pageBefore(c.tail, limit, before); ok && (len(page) == limit || c.count == len(c.tail)) {
		return page, nil
	}
	all, err := c.all()
	if err != nil {
		return nil, err
	}
	page, _ := pageBefore(all, limit, before)
	return page, nil
}

// pageBefore copies at most limit messages that stand before the one with the ID before; ok is false when that one is
// not there.
func pageBefore(all []Message, limit int, before string) (page []Message, ok bool) {
	end := len(all)
	if before != "" {
		end = slices.IndexFunc(all, func(m Message) bool { return m.ID == before })
		if end < 0 {
			return nil, false
		}
	}
	return slices.Clone(all[max(0, end-limit):end]), true
}

// chat gives the file of a peer, a new one when there is none. Journal.mu is held.
func (j *Journal) chat(peer uri.URI) (*chatFile, error) {
	peer = peer.AOR()
	key := peer.String()
	if c := j.chats[key]; c != nil {
		return c, nil
	}
	sum := sha256.Sum256([]byte(key))
	path := filepath.Join(j.dir, hex.EncodeToString(sum[:12])+journalSuffix)
	if _, err := os.Lstat(path); err == nil { // one that could not be read: keep it for whoever can mend it
		if err = os.Rename(path, path+".unreadable"); err != nil {
			return nil, fmt.Errorf("open message journal: %w", err)
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("open message journal: %w", err)
	}
	c := newChatFile(peer, path)
	if err := c.create(nil); err != nil {
		return nil, err
	}
	j.chats[key] = c
	return c, nil
}

// record is one line of a journal; exactly one of its fields is set.
type record struct {
	Chat    *chatHeader  `json:"chat,omitempty"`  // first line
	Message *Message     `json:"msg,omitempty"`   // a new message
	State   *stateChange `json:"state,omitempty"` // of a message above
	Read    bool         `json:"read,omitempty"`  // all received messages above were looked at
}

type chatHeader struct {
	Version int     `json:"version"`
	Peer    uri.URI `json:"peer"`
}

type stateChange struct {
	ID     string `json:"id"`
	State  State  `json:"state"`
	Cause  Cause  `json:"cause,omitempty"`
	Code   int    `json:"code,omitempty"`
	Detail string `json:"detail,omitempty"`
	Tries  int    `json:"tries,omitempty"`
}

func (r record) line() ([]byte, error) {
	line, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write message journal: %w", err)
	}
	return append(line, '\n'), nil
}
