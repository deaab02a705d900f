package app

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// errProfileInUse says that another running instance has this profile.
var errProfileInUse = errors.New("profile in use")

// lockProfile takes the profile for this process until the file is closed or the process ends, however it ends.
func lockProfile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock profile: %w", err)
	}
	const exclusiveNow = windows.LOCKFILE_EXCLUSIVE_LOCK | windows.LOCKFILE_FAIL_IMMEDIATELY
	if err := windows.LockFileEx(windows.Handle(f.Fd()), exclusiveNow, 0, 1, 0, &windows.Overlapped{}); err != nil {
		return nil, errors.Join(errProfileInUse, err, f.Close())
	}
	return f, nil
}
