package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

// niceness of the lab: other work on the machine must not disturb what is measured. Servers, foreign
// peers and our own program get the same, and so does the process that moves the hosts.
const niceness = -15

// raisePriority sets the niceness of every thread of this process, so that what it starts from now
// on, and threads it makes, have it too. Linux keeps a niceness per thread.
func raisePriority() error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return fmt.Errorf("raise priority: %w", err)
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		// A thread that has ended meanwhile needs none.
		err = syscall.Setpriority(syscall.PRIO_PROCESS, tid, niceness)
		if err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("raise priority: %w", err)
		}
	}
	return nil
}

// The policies of sched(7).
const (
	schedOther      = 0 // the usual
	schedRoundRobin = 2
)

// RealTime puts every thread of this process, and with them what it starts from now on, before all ordinary work of
// the machine, or back among it: for benchmarks of sound, on a machine that has other work too. Programs that spin must
// not run under it.
func RealTime(on bool) error { return realTime("self", on) }

// realTime is RealTime for the process with the number pid, or for this one, "self".
func realTime(pid string, on bool) error {
	tasks, err := os.ReadDir(filepath.Join("/proc", pid, "task"))
	if err != nil {
		return fmt.Errorf("set real time: %w", err)
	}
	policy, priority := schedOther, int32(0)
	if on {
		policy, priority = schedRoundRobin, 1
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			continue
		}
		_, _, errno := syscall.Syscall(syscall.SYS_SCHED_SETSCHEDULER,
			uintptr(tid), uintptr(policy), uintptr(unsafe.Pointer(&priority))) // struct sched_param is one int
		if errno != 0 && errno != syscall.ESRCH { // a thread that has ended meanwhile needs none
			return fmt.Errorf("set real time: %w", errno)
		}
	}
	return nil
}

// process is one long-running program in a namespace. Its output goes to a log file.
type process struct {
	name string
	log  string // path; standard output and standard error
	cmd  *exec.Cmd
	done chan struct{} // closed when the program has ended
	err  error         // how it ended; read after done
}

// startProcess runs argv in the namespace ns with the working directory dir. stdin may be nil.
// extraEnv entries override the lab's environment.
func startProcess(ns, name, dir string, stdin *os.File, extraEnv []string, argv ...string) (*process, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	path := filepath.Join(dir, "log")
	log, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer func() { _ = log.Close() }()
	full := append([]string{"netns", "exec", ns}, argv...)
	cmd := exec.Command("ip", full...) //nolint:noctx // it lives until it is stopped, not as long as a step
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	if stdin != nil { // a nil *os.File must not become a non-nil io.Reader
		cmd.Stdin = stdin
	}
	cmd.Env = append(os.Environ(), extraEnv...)
	// A group of its own: an interrupt from the keyboard reaches the lab only, which then ends its
	// processes in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, log: path, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop asks the program to end, waits up to grace, then kills it. It reports a program that had
// to be killed, unless grace is 0. It may be called again.
func (p *process) stop(grace time.Duration) error {
	if !p.running() {
		return nil
	}
	if grace <= 0 {
		_ = p.cmd.Process.Kill() // it may have ended this instant
		<-p.done
		return nil
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended this instant
	return p.waitOrKill(grace)
}

// waitOrKill waits up to grace for a program that was asked to end in its own way.
func (p *process) waitOrKill(grace time.Duration) error {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	_ = p.cmd.Process.Kill()
	<-p.done
	return fmt.Errorf("%s did not end within %v and was killed", p.name, grace)
}

// running tells whether the program still runs.
func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// output returns the log written so far from byte offset on.
func (p *process) output(offset int64) string { return fileFrom(p.log, offset) }

// fileFrom reads the file at path from offset on; "" when it does not exist.
func fileFrom(path string, offset int64) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return ""
	}
	data, _ := io.ReadAll(file)
	return string(data)
}

// fileSize is the size of the file at path, 0 when it does not exist.
func fileSize(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// errEnded says that a program ended while somebody waited for its output.
var errEnded = errors.New("the program ended")

// waitFile waits until the text of the file from offset on matches pattern and returns the first
// match with its groups. The error quotes the tail of the file.
func (p *process) waitFile(ctx context.Context, path string, offset int64, pattern string) ([]string, error) {
	re := regexp.MustCompile(pattern)
	err := poll(ctx, 20*time.Millisecond, func() (bool, error) {
		if re.MatchString(fileFrom(path, offset)) {
			return true, nil
		}
		if !p.running() {
			return false, errEnded
		}
		return false, nil
	})
	text := fileFrom(path, offset)
	if match := re.FindStringSubmatch(text); match != nil {
		return match, nil
	}
	return nil, fmt.Errorf("%s: wait for %q: %w; its output ends with:\n%s", p.name, pattern, err, tail(text, 1500))
}

// poll calls f every interval until it says yes, fails, or ctx ends.
func poll(ctx context.Context, interval time.Duration, f func() (bool, error)) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		ok, err := f()
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}

// tail is the end of s, at most n bytes.
func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}
