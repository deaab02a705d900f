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

// Backup is the suffix of the copy WriteKeeping keeps of the last good file; TempSuffix ends the names of
// files that are being written, and of those a crash left behind.
const (
	Backup     = ".bak"
	TempSuffix = ".tmp"
)

// Write replaces path by data. perm is the mode of the new file. Safe for one writer per path at a time.
func Write(path string, data []byte, perm fs.FileMode) error {
	return Replace(path, perm, bytesOf(data), nil)
}

// WriteKeeping is Write, and keeps the present file as path+Backup.
func WriteKeeping(path string, data []byte, perm fs.FileMode) error {
	return Replace(path, perm, bytesOf(data), func() error { return keep(path) })
}

func bytesOf(data []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}
}

// Replace replaces path by what fill writes: into a temporary file beside it, synced, renamed, the folder
// synced. before, unless nil, is called last, when all is on disk; its error stops the replacement and is
// returned as it is. Safe for one writer per path at a time.
func Replace(path string, perm fs.FileMode, fill func(io.Writer) error, before func() error) error {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, Leftovers(path))
	if err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	defer func() { _ = os.Remove(tmp.Name()) }() // after the rename there is nothing left to remove
	if err := errors.Join(fill(tmp), tmp.Chmod(perm), tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	if before != nil {
		if err := before(); err != nil {
			return err
		}
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return fmt.Errorf("write %s: %w", filepath.Base(path), err)
	}
	return syncDir(dir)
}

// Leftovers is the pattern of the names of temporary files that a crash may leave beside path.
func Leftovers(path string) string { return "." + filepath.Base(path) + "-*" + TempSuffix }

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
