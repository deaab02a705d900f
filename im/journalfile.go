package im

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/peregrine-softphone/peregrine/internal/atomicfile"
	"github.com/peregrine-softphone/peregrine/sip/uri"
)

// A journal file begins with a "chat" record that names its peer; "msg", "state" and "read" records follow in the order
// of events. A line that is not such a record (a sector lost at a power cut, say) is skipped and stays in the file; a
// last line without a line end was torn by a crash, was never confirmed to anybody, and is cut off.

const (
	// maxLine bounds a line: MaxBody of text, each byte of it six as an escape, and the rest.
	maxLine = 6*MaxBody + 16<<10
	// compactAt is how many stale records a file may have before it is rewritten, when they are more than half.
	compactAt = 1000
)

func newChatFile(peer uri.URI, path string) *chatFile {
	return &chatFile{peer: peer, path: path, waiting: make(map[string]Message)}
}

// readChatFile reads a journal and cuts off a torn last line.
func readChatFile(path string) (*chatFile, error) {
	var c *chatFile
	size, err := scan(path, func(r record, ok bool) error {
		switch {
		case c == nil && (!ok || r.Chat == nil || r.Chat.Peer.IsZero()):
			return errors.New("first line names no chat")
		case c == nil && r.Chat.Version > journalVersion:
			return fmt.Errorf("written by a newer Peregrine (version %d)", r.Chat.Version)
		case c == nil:
			c = newChatFile(r.Chat.Peer.AOR(), path)
		case !ok:
			c.damaged++
			return nil
		default:
			c.replay(r)
		}
		c.lines++
		return nil
	})
	if err != nil {
		return nil, err
	}
	if c == nil {
		return nil, errors.New("empty file")
	}
	c.size = size
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read message journal: %w", err)
	}
	if info.Size() > size {
		if err := os.Truncate(path, size); err != nil {
			return nil, fmt.Errorf("cut torn line: %w", err)
		}
	}
	return c, nil
}

// scan gives every line of a file to visit, ok false for one that is no record; size is the length of all ended lines.
func scan(path string, visit func(r record, ok bool) error) (size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, fmt.Errorf("read message journal: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	in := bufio.NewReaderSize(f, 64<<10)
	var line []byte
	tooLong, length := false, int64(0)
	for {
		part, err := in.ReadSlice('\n')
		length += int64(len(part))
		if tooLong = tooLong || len(line)+len(part) > maxLine; !tooLong {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return size, nil
		case err != nil:
			return size, fmt.Errorf("read message journal: %w", err)
		}
		var r record
		ok := !tooLong && json.Unmarshal(bytes.TrimSpace(line), &r) == nil
		if err := visit(r, ok); err != nil {
			return size, err
		}
		size += length
		line, tooLong, length = line[:0], false, 0
	}
}

// replay applies a record that was read.
func (c *chatFile) replay(r record) {
	switch {
	case r.Message != nil:
		r.Message.Peer = c.peer
		c.add(*r.Message)
	case r.State != nil:
		m, waiting := c.waiting[r.State.ID]
		c.stale++
		if !waiting {
			c.apply(*r.State, nil)
			return
		}
		r.State.set(&m)
		c.apply(*r.State, &m)
	case r.Read:
		c.stale++
		c.markRead()
	}
}

func (s stateChange) set(m *Message) {
	m.State, m.Cause, m.Code, m.Detail, m.Tries = s.State, s.Cause, s.Code, s.Detail, s.Tries
}

// add takes a new message into memory.
func (c *chatFile) add(m Message) {
	c.count++
	if m.Outgoing && m.State == Waiting {
		c.waiting[m.ID] = m
	}
	if !m.Outgoing && m.State == Delivered {
		c.unread++
	}
	if len(c.tail) >= 2*tailSize {
		c.tail = append(c.tail[:0], c.tail[len(c.tail)-tailSize:]...)
	}
	c.tail = append(c.tail, m)
}

// apply takes a new state into memory; m is the whole message when it is at hand.
func (c *chatFile) apply(s stateChange, m *Message) {
	for i := len(c.tail) - 1; i >= 0; i-- {
		if c.tail[i].ID == s.ID {
			s.set(&c.tail[i])
			whole := c.tail[i]
			m = &whole
			break
		}
	}
	delete(c.waiting, s.ID)
	if s.State == Waiting && m != nil {
		c.waiting[s.ID] = *m
	}
}

func (c *chatFile) markRead() {
	c.unread = 0
	for i := range c.tail {
		if !c.tail[i].Outgoing {
			c.tail[i].State = Read
		}
	}
}

// write appends a record; sync waits until it is on disk. After an error the file is as before.
func (c *chatFile) write(r record, sync bool) error {
	line, err := r.line()
	if err != nil {
		return err
	}
	// Deleted or cut by somebody: what memory has, stays.
	if info, gone := os.Stat(c.path); gone != nil || info.Size() < c.size {
		if err = c.create(c.tail); err != nil {
			return err
		}
		c.count = len(c.tail)
	}
	f, err := os.OpenFile(c.path, os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("write message journal: %w", err)
	}
	_, err = f.WriteAt(line, c.size) // over what a failed write may have left
	if err == nil && sync {
		err = f.Sync()
	}
	if err != nil {
		err = errors.Join(err, f.Truncate(c.size))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write message journal: %w", err)
	}
	c.size += int64(len(line))
	c.lines++
	if r.State != nil || r.Read {
		c.stale++
	}
	return nil
}

// all reads every message of the chat from its file.
func (c *chatFile) all() ([]Message, error) {
	var out []Message
	index := make(map[string]int)
	_, err := scan(c.path, func(r record, ok bool) error {
		switch {
		case !ok:
		case r.Message != nil:
			r.Message.Peer = c.peer
			index[r.Message.ID] = len(out)
			out = append(out, *r.Message)
		case r.State != nil:
			if i, known := index[r.State.ID]; known {
				r.State.set(&out[i])
			}
		case r.Read:
			for i := len(out) - 1; i >= 0 && (out[i].Outgoing || out[i].State != Read); i-- {
				if !out[i].Outgoing {
					out[i].State = Read
				}
			}
		}
		return nil
	})
	return out, err
}

// compact rewrites a file most of whose records are stale. One with damaged lines stays as it is: somebody may mend it.
func (c *chatFile) compact() error {
	if c.damaged > 0 || c.stale < compactAt || c.stale*2 < c.lines {
		return nil
	}
	all, err := c.all()
	if err != nil {
		return err
	}
	return c.create(all)
}

// create writes the file anew with these messages.
func (c *chatFile) create(messages []Message) error {
	records := []record{{Chat: &chatHeader{Version: journalVersion, Peer: c.peer}}}
	for i := range messages {
		records = append(records, record{Message: &messages[i]})
	}
	size := 0
	err := atomicfile.Replace(c.path, 0o600, func(w io.Writer) error {
		out := bufio.NewWriter(w)
		for _, r := range records {
			line, err := r.line()
			if err != nil {
				return err
			}
			size += len(line)
			if _, err := out.Write(line); err != nil {
				return err
			}
		}
		return out.Flush()
	}, nil)
	if err != nil {
		return fmt.Errorf("write message journal: %w", err)
	}
	c.size, c.lines, c.stale = int64(size), len(records), 0
	return nil
}
