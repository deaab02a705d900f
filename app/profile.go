package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/atomicfile"
)

// Files of a profile folder. buddies.xml and history/ belong to the packages buddies and im.
const (
	fileAccounts = "accounts.json"
	fileSettings = "settings.json"
	fileSecrets  = "secrets.json"
	fileBuddies  = "buddies.xml"
	dirHistory   = "history"
	fileCalls    = "calls.jsonl"
	fileLock     = "lock"
)

// maxProfileFile bounds what is read of one JSON file of the profile (1 MiB: ten thousand settings).
const maxProfileFile = 1 << 20

// DefaultProfile is the folder used when the user names none: peregrine in the place the system has
// for configuration (~/.config, %AppData%, ~/Library/Application Support).
func DefaultProfile() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("find the folder for settings: %w", err)
	}
	return filepath.Join(dir, "peregrine"), nil
}

// errDamaged says that a file of the profile could not be read as what it should be.
var errDamaged = errors.New("damaged file")

// loadJSON reads path into v. A missing file leaves v alone. A damaged one is kept beside itself as
// NAME.damaged-TIME, never overwritten; then the backup is read in its place, and the error wraps
// errDamaged so that the user is told.
func loadJSON(path string, v any) error {
	err := readJSON(path, v)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if !errors.Is(err, errDamaged) {
		return err
	}
	kept := fmt.Sprintf("%s.damaged-%s", path, time.Now().UTC().Format("20060102-150405"))
	if rerr := os.Rename(path, kept); rerr != nil {
		return fmt.Errorf("keep damaged %s: %w", path, rerr)
	}
	if berr := readJSON(path+atomicfile.Backup, v); berr != nil {
		return fmt.Errorf(
			"%s could not be read and was kept as %s: %w",
			filepath.Base(path),
			filepath.Base(kept),
			err,
		)
	}
	return fmt.Errorf("%s could not be read and was kept as %s; the last good copy is used: %w",
		filepath.Base(path), filepath.Base(kept), err)
}

func readJSON(path string, v any) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Size() > maxProfileFile {
		return fmt.Errorf("%w: %s has %d bytes, more than %d", errDamaged, path, info.Size(), maxProfileFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}

// saveJSON writes v to path atomically, readable by the user alone, and keeps the last file as a backup.
func saveJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return atomicfile.WriteKeeping(path, append(data, '\n'), 0o600)
}
