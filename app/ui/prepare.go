package ui

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Prepare makes the folders in which the toolkit keeps what belongs to the application with the
// given ID. It is to be called before the Fyne application is made.
//
// Peregrine keeps nothing in Fyne's preferences: its settings belong to the engine. Fyne makes the
// file all the same, empty, fills it only when the program ends in order, and complains at the next
// start when that did not happen; nor does it make the folders above its own.
func Prepare(id string) error {
	cache, err := os.UserCacheDir()
	if err != nil {
		return fmt.Errorf("find the cache folder: %w", err)
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return fmt.Errorf("find the configuration folder: %w", err)
	}
	return prepare(filepath.Join(cache, "fyne", id), filepath.Join(config, "fyne", id))
}

func prepare(cache, config string) error {
	for _, dir := range []string{cache, config} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make the toolkit's folder: %w", err)
		}
	}
	path := filepath.Join(config, "preferences.json")
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the toolkit's preferences: %w", err)
	}
	if len(bytes.TrimSpace(old)) > 0 {
		return nil
	}
	if err := os.WriteFile(path, []byte("{}\n"), 0o600); err != nil {
		return fmt.Errorf("write the toolkit's preferences: %w", err)
	}
	return nil
}
