package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// recordDir holds one small file per living lab, so that a lab whose process was killed is found
// and cleaned up, and so that the command finds a kept lab again.
const recordDir = "/run/peregrine-lab"

// record is the file of one lab. While the process that owns the lab lives, it holds the file's
// lock: the kernel releases it however the process ends.
type record struct {
	path string
	file *os.File
}

// recorded is the file's content.
type recorded struct {
	Config  Config           `json:"config"`
	Mobiles []recordedMobile `json:"mobiles"`
}

type recordedMobile struct {
	WiFi  int        `json:"wifi"`
	Radio int        `json:"radio"`
	Addr  netip.Addr `json:"addr"`
}

func newRecord(cfg Config) (*record, error) {
	if err := os.MkdirAll(recordDir, 0o755); err != nil {
		return nil, fmt.Errorf("lab record: %w", err)
	}
	path := filepath.Join(recordDir, cfg.Prefix+".json")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("a lab with the prefix %s exists already; `peregrine-lab down` removes it", cfg.Prefix)
	}
	if err != nil {
		return nil, fmt.Errorf("lab record: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lab record: lock %s: %w", path, err), file.Close())
	}
	return &record{path: path, file: file}, nil
}

// save writes the lab's present state.
func (r *record) save(l *Lab) error {
	content := recorded{Config: l.cfg}
	for _, m := range l.mobiles {
		wifi, radio := m.position()
		content.Mobiles = append(content.Mobiles, recordedMobile{WiFi: wifi, Radio: radio, Addr: m.Addr()})
	}
	data, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return fmt.Errorf("lab record: %w", err)
	}
	if err := r.file.Truncate(0); err != nil {
		return fmt.Errorf("lab record: %w", err)
	}
	if _, err := r.file.WriteAt(data, 0); err != nil {
		return fmt.Errorf("lab record: %w", err)
	}
	return nil
}

func (r *record) remove() error {
	return errors.Join(removeFiles(r.path), r.file.Close())
}

// removeFiles removes a record and the control sockets beside it, which a server that was killed
// leaves behind.
func removeFiles(path string) error {
	sockets, err := filepath.Glob(strings.TrimSuffix(path, ".json") + "*.sock")
	failures := []error{err, os.Remove(path)}
	for _, socket := range sockets {
		failures = append(failures, os.Remove(socket))
	}
	return errors.Join(failures...)
}

// Load finds the kept lab with the prefix again.
func Load(prefix string) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, ErrNotRoot
	}
	path := filepath.Join(recordDir, prefix+".json")
	file, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("no lab %s is up: %w", prefix, err)
	}
	var content recorded
	if err := json.NewDecoder(file).Decode(&content); err != nil {
		return nil, errors.Join(fmt.Errorf("lab record %s: %w", path, err), file.Close())
	}
	l := &Lab{cfg: content.Config, record: &record{path: path, file: file}}
	for i, saved := range content.Mobiles {
		m := newMobile(l, i)
		m.wifi, m.radio, m.addr = saved.WiFi, saved.Radio, saved.Addr
		l.mobiles = append(l.mobiles, m)
	}
	for i := range content.Config.Correspondents {
		l.hosts = append(l.hosts, newCorrespondent(l, i))
	}
	return l, nil
}

// Sweep removes labs whose owner was killed before it could clean up. Labs of living processes
// and kept labs stay. It returns the prefixes of those removed.
func Sweep(ctx context.Context) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(recordDir, "*.json"))
	if err != nil {
		return nil, fmt.Errorf("sweep labs: %w", err)
	}
	var swept []string
	var failures []error
	for _, path := range files {
		prefix := strings.TrimSuffix(filepath.Base(path), ".json")
		removed, err := sweepOne(ctx, path, prefix)
		if removed {
			swept = append(swept, prefix)
		}
		failures = append(failures, err)
	}
	return swept, errors.Join(failures...)
}

func sweepOne(ctx context.Context, path, prefix string) (bool, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("sweep lab %s: %w", prefix, err)
	}
	defer func() { _ = file.Close() }()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return false, nil // locked: its owner lives
	}
	var content recorded
	if err := json.NewDecoder(file).Decode(&content); err == nil && content.Config.Keep {
		return false, nil
	}
	return true, errors.Join(destroy(ctx, prefix), removeFiles(path))
}

// namespaces lists the network namespaces whose names begin with prefix.
func namespaces(prefix string) ([]string, error) {
	entries, err := os.ReadDir("/run/netns")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list namespaces: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), prefix) {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// signalAll sends TERM or KILL to every process in the namespaces.
func signalAll(ctx context.Context, names []string, kill bool) {
	signal := syscall.SIGTERM
	if kill {
		signal = syscall.SIGKILL
	}
	for _, ns := range names {
		pids, err := namespacePIDs(ctx, ns)
		if err != nil {
			continue // the namespace is gone, and its processes with it
		}
		for _, pid := range pids {
			_ = syscall.Kill(pid, signal) // it may have ended this instant
		}
	}
}

func countAll(ctx context.Context, names []string) int {
	n := 0
	for _, ns := range names {
		pids, err := namespacePIDs(ctx, ns)
		if err == nil {
			n += len(pids)
		}
	}
	return n
}
