package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// ErrNotRunning says that no instance runs with this profile.
var ErrNotRunning = errors.New("peregrine is not running with this profile")

// maxSocketPath is what fits in sun_path on every system, its closing zero included (macOS: 104).
const maxSocketPath = 103

// SocketPath is where the instance of a profile listens: control.sock in the profile, or, when that
// path is too long for a socket, a name made from it in a folder of the user's own.
func SocketPath(profile string) (string, error) {
	abs, err := filepath.Abs(profile)
	if err != nil {
		return "", fmt.Errorf("find profile %s: %w", profile, err)
	}
	path := filepath.Join(abs, "control.sock")
	if len(path) <= maxSocketPath {
		return path, nil
	}
	sum := sha256.Sum256([]byte(abs))
	dir := filepath.Join(os.TempDir(), "peregrine-"+strconv.Itoa(os.Getuid()))
	return filepath.Join(dir, hex.EncodeToString(sum[:12])+".sock"), nil
}

// Listen opens the socket of a profile. The caller holds the profile's lock, so a socket file that
// is there already was left by a crash and is removed.
func Listen(ctx context.Context, profile string) (net.Listener, error) {
	path, err := SocketPath(profile)
	if err != nil {
		return nil, err
	}
	if err = ownFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err = os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove old control socket: %w", err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("open control socket: %w", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(fmt.Errorf("protect control socket: %w", err), l.Close())
	}
	return l, nil
}

// ownFolder makes dir when it is missing, and refuses a folder that others may write to: whoever can
// replace the socket could listen in.
func ownFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make folder for the control socket: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("look at folder of the control socket: %w", err)
	}
	if info.Mode().Perm()&0o022 != 0 || !info.IsDir() {
		return fmt.Errorf(
			"folder %s of the control socket may be written by others; make it your own (chmod 700)",
			dir,
		)
	}
	return nil
}

// dialTimeout bounds the connection to a local socket, which takes microseconds when somebody listens.
const dialTimeout = 2 * time.Second

func dial(ctx context.Context, profile string) (net.Conn, error) {
	path, err := SocketPath(profile)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotRunning, err)
	}
	return conn, nil
}
