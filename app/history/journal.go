package history

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/peregrine-softphone/peregrine/internal/atomicfile"
)

const (
	version = 1
	// maxLine bounds a line, in bytes: six texts of maxText, each byte of them six as an escape, and the rest.
	maxLine = 6*6*maxText + 1<<10
	// compactAt is how many records the file may have before it is rewritten: a rewrite every 1,000 calls.
	compactAt = MaxCalls + 1000
	// maxAside bounds the file of damaged lines, in bytes: what a disk has broken is of little use, and must not fill
	// it.
	maxAside = 1 << 20
)

// errNewer says that a file is of a form this program does not know.
var errNewer = errors.New("written by a newer Peregrine")

// record is one line; exactly one of its fields is set.
type record struct {
	History *header `json:"history,omitempty"` // first line
	Call    *Call   `json:"call,omitempty"`
	Seen    bool    `json:"seen,omitzero"` // the user has looked at all the calls above
}

type header struct {
	Version int `json:"version"`
}

func (r record) line() ([]byte, error) {
	line, err := json.Marshal(r)
	return append(line, '\n'), err
}

// valid tells whether a line was a record of a call history.
func (r record) valid() bool {
	return r.History != nil || r.Seen || r.Call != nil && !r.Call.StartedAt.IsZero()
}

// journal is the file.
type journal struct {
	path  string
	size  int64 // of its good part; 0: it does not exist
	lines int   // records in it
}

// damage is what Open found that is no record.
type damage struct {
	lines int    // how many
	text  []byte // they themselves, as far as they are worth keeping
}

func (d *damage) add(line []byte) {
	d.lines++
	if line = bytes.TrimRight(line, "\r\n"); len(d.text)+len(line) < maxAside {
		d.text = append(append(d.text, line...), '\n')
	}
}

// read gives every record to visit and cuts off a torn last line.
func (j *journal) read(visit func(record)) (found damage, err error) {
	f, err := os.Open(j.path)
	if err != nil {
		return found, err
	}
	defer func() { _ = f.Close() }() // only read
	in := bufio.NewReaderSize(f, 64<<10)
	for {
		var line []byte
		var length int64
		if line, length, err = nextLine(in); errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return found, err
		}
		j.size += length
		var r record
		switch {
		case json.Unmarshal(line, &r) != nil || !r.valid():
			found.add(line)
			continue
		case r.History != nil && r.History.Version > version:
			return found, fmt.Errorf("%w (version %d)", errNewer, r.History.Version)
		}
		j.lines++
		visit(r)
	}
	info, err := f.Stat()
	if err != nil {
		return found, err
	}
	if info.Size() > j.size {
		err = os.Truncate(j.path, j.size)
	}
	return found, err
}

// nextLine reads a line with its end, at most maxLine bytes of it; length is that of all of it. A last line without its
// end is io.EOF. The slice is valid until the next call.
func nextLine(in *bufio.Reader) (line []byte, length int64, err error) {
	for {
		part, err := in.ReadSlice('\n')
		length += int64(len(part))
		if len(line) < maxLine {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line[:min(len(line), maxLine)], length, err
		}
	}
}

// append writes a record at the end; all are the calls before it, for a file that is not there (any more). After an
// error the file is as before.
func (j *journal) append(r record, all []Call) error {
	line, err := r.line()
	if err != nil {
		return err
	}
	// Not there yet, deleted or cut by somebody: what memory has, stays.
	if info, gone := os.Stat(j.path); gone != nil || info.Size() < j.size || j.size == 0 {
		if err = j.rewrite(all); err != nil {
			return err
		}
	}
	f, err := os.OpenFile(j.path, os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(line, j.size) // over what a failed write may have left
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		err = errors.Join(err, f.Truncate(j.size))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	j.size += int64(len(line))
	j.lines++
	return nil
}

// rewrite makes the file hold these calls and nothing else.
func (j *journal) rewrite(calls []Call) error {
	size := 0
	err := atomicfile.Replace(j.path, 0o600, func(w io.Writer) error {
		out := bufio.NewWriter(w)
		put := func(r record) error {
			line, err := r.line()
			if err != nil {
				return err
			}
			size += len(line)
			_, err = out.Write(line)
			return err
		}
		if err := put(record{History: &header{Version: version}}); err != nil {
			return err
		}
		for i := range calls {
			if err := put(record{Call: &calls[i]}); err != nil {
				return err
			}
		}
		return out.Flush()
	}, nil)
	if err != nil {
		return err
	}
	j.size, j.lines = int64(size), len(calls)+1
	return nil
}

// keepAside appends damaged lines to the file for them, as far as it has room.
func (j *journal) keepAside(text []byte) error {
	f, err := os.OpenFile(j.path+DamagedSuffix, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < maxAside {
		_, err = f.Write(text)
	}
	return errors.Join(err, f.Sync(), f.Close())
}
