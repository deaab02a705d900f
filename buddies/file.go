package buddies

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/peregrine-softphone/peregrine/internal/atomicfile"
)

// errChanged: another program has written the file between our reading and our writing.
var errChanged = errors.New("changed by another program")

// target is the file itself when path is a symbolic link, which an atomic rename would else replace.
func (b *Book) target() string {
	if real, err := filepath.EvalSymlinks(b.path); err == nil {
		return real
	}
	return b.path
}

func (b *Book) backupPath() string { return b.target() + atomicfile.Backup }

// read gives the file and the list in it; both nil when there is no file. On an error data is what was read, as far as
// it was.
func (b *Book) read() (data []byte, l *list, err error) {
	data, err = readBounded(b.target())
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return data, nil, err
	}
	l, err = parseList(data)
	return data, l, err
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return data, fmt.Errorf("read %s: %w", filepath.Base(path), err)
	}
	return data, nil
}

// write replaces the file, whose content must still be old (nil: no file), by out. The lock is held.
func (b *Book) write(old, out []byte) error {
	if len(out) > MaxFile {
		return fmt.Errorf("more than %d MB", MaxFile>>20)
	}
	mode := os.FileMode(0o600)
	if info, err := os.Stat(b.target()); err == nil {
		mode = info.Mode().Perm()
	}
	if old != nil {
		if err := atomicfile.Write(b.backupPath(), old, mode); err != nil {
			return err
		}
	}
	fill := func(w io.Writer) error {
		_, err := w.Write(out)
		return err
	}
	return atomicfile.Replace(b.target(), mode, fill, func() error {
		now, err := readBounded(b.target())
		switch {
		case errors.Is(err, os.ErrNotExist) && old == nil:
			return nil
		case err != nil && !errors.Is(err, os.ErrNotExist):
			return err
		case !bytes.Equal(now, old) || err != nil:
			return errChanged
		}
		return nil
	})
}

// sweep removes the temporary files of programs that died while writing. The lock is held, so nobody writes now.
func (b *Book) sweep() {
	var left []string
	for _, path := range []string{b.target(), b.backupPath()} {
		found, err := filepath.Glob(filepath.Join(filepath.Dir(path), atomicfile.Leftovers(path)))
		if err != nil {
			return // the folder's name is no pattern; nothing depends on the sweeping
		}
		left = append(left, found...)
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			b.log.Info("temporary file not removed", "file", name, "error", err)
		}
	}
}
