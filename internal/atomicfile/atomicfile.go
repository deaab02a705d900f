// Package atomicfile writes the files of a profile so that a crash or a power cut at any moment
// leaves either the old file or the new one, never a half of either.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Backup is the suffix of the copy WriteKeeping keeps of the last good file.
const Backup = ".bak"

// Write replaces path by data: it writes a temporary file beside it, syncs it, renames, and syncs the
// folder. perm is the mode of the new file. Safe for one writer per path at a time.
func Write(path string, data []byte, perm fs.FileMode) error { return write(path, data, perm, false) }

// WriteKeeping is Write, and keeps the present file as path+Backup.
func WriteKeeping(path string, data []byte, perm fs.FileMode) error {
	return write(path, data, perm, true)
}

func write(path string, data []byte, perm fs.FileMode, backup bool) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // after the rename there is nothing left to remove
	if err := fill(tmp, data, perm); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if backup {
		if err := keep(path); err != nil {
			return fmt.Errorf("back up %s: %w", path, err)
		}
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return syncDir(dir)
}

func fill(f *os.File, data []byte, perm fs.FileMode) error {
	_, err := f.Write(data)
	return errors.Join(err, f.Chmod(perm), f.Sync(), f.Close())
}

// keep makes path+Backup the present content of path. A hard link is atomic; where links are not to
// be had, it copies.
func keep(path string) error {
	bak := path + Backup
	tmp := bak + ".new"
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch err := os.Link(path, tmp); {
	case errors.Is(err, fs.ErrNotExist):
		return nil // the first write: nothing to keep
	case err != nil:
		if err := copyFile(path, tmp); err != nil {
			return err
		}
	}
	return os.Rename(tmp, bak)
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = src.Close() }() // only read
	info, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Sync(), dst.Close())
}
