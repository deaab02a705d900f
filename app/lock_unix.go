//go:build !windows

package app

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// errProfileInUse says that another running instance has this profile.
var errProfileInUse = errors.New("profile in use")

// lockProfile takes the profile for this process until the file is closed or the process ends, however it ends.
func lockProfile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock profile: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(errProfileInUse, err, f.Close())
	}
	return f, nil
}
