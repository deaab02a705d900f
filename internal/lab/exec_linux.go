package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// commandTimeout bounds every short command the lab runs (ip, ethtool, kamcmd, sox): each takes
// milliseconds; a machine under heavy load may need seconds.
const commandTimeout = 30 * time.Second

// run executes a short command and returns its standard output. The error holds the command and
// what it wrote to standard error.
func run(ctx context.Context, stdin string, argv ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s: %w: %s%s", strings.Join(argv, " "), err,
			strings.TrimSpace(stderr.String()), batchLine(stdin, stderr.String()))
	}
	return stdout.String(), nil
}

// batchLine quotes the line of an `ip -batch` script that failed ("Command failed -:7").
func batchLine(script, stderr string) string {
	_, after, found := strings.Cut(stderr, "Command failed -:")
	if !found {
		return ""
	}
	var n int
	if _, err := fmt.Sscan(after, &n); err != nil || n < 1 {
		return ""
	}
	lines := strings.Split(script, "\n")
	if n > len(lines) {
		return ""
	}
	return " [" + lines[n-1] + "]"
}

// inNamespace runs f on a thread that has entered the network namespace ns. Sockets that f opens
// stay in that namespace whoever uses them afterwards. f must not start goroutines that open
// sockets. The thread ends with the call.
func inNamespace(ns string, f func() error) error {
	result := make(chan error, 1)
	go func() {
		// Never unlocked: a locked thread ends with its goroutine, so that no other goroutine
		// ever runs in the foreign namespace.
		runtime.LockOSThread()
		result <- func() error {
			file, err := os.Open(filepath.Join("/run/netns", ns))
			if err != nil {
				return fmt.Errorf("enter namespace %s: %w", ns, err)
			}
			defer func() { _ = file.Close() }()
			if _, _, errno := syscall.RawSyscall(sysSetns, file.Fd(), syscall.CLONE_NEWNET, 0); errno != 0 {
				return fmt.Errorf("enter namespace %s: %w", ns, errno)
			}
			return f()
		}()
	}()
	return <-result
}

// namespacePIDs lists the processes whose network namespace is ns.
func namespacePIDs(ctx context.Context, ns string) ([]int, error) {
	out, err := run(ctx, "", "ip", "netns", "pids", ns)
	if err != nil {
		return nil, err
	}
	var pids []int
	for field := range strings.FieldsSeq(out) {
		var pid int
		if _, err := fmt.Sscan(field, &pid); err == nil && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
