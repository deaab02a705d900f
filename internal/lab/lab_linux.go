package lab

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/linkemu"
)

// Config says which lab to build. The zero value of every field has a meaning.
type Config struct {
	Prefix         string             // of all namespaces; empty: "pg" and four random hex digits
	Dir            string             // run folder for configurations, logs, recordings; must exist
	Mobiles        int                // mobile hosts mh, mh2, …; 0: 1; at most 9
	Correspondents int                // hosts ch, ch2, … in the wired network; 0: 1; at most 9
	Link           linkemu.Impairment // of each Wi-Fi uplink, per direction: the round trip grows by twice Delay
	IPv6           bool               // correspondents and info.test have IPv6 too (fd77:3::/64); the Wi-Fis have not
	Keep           bool               // the lab outlives this process (for developers); Sweep leaves it alone
	Debug          int                // Kamailio's debug level
}

// Lab is one running lab. Its methods may be called from several goroutines.
type Lab struct {
	cfg     Config
	record  *record
	mobiles []*Mobile
	hosts   []*Host

	mu     sync.Mutex
	procs  []*process      // in the order of their start
	boxes  [wifis]*os.File // standard input of the delay boxes; nil: a cable, or another process's lab
	closed bool
}

// maxHosts bounds mobiles and correspondents: their addresses end in .100 to .108 and .10 to .18.
const maxHosts = 9

// ErrNotRoot says that the lab cannot make namespaces.
var ErrNotRoot = errors.New("the interop lab makes network namespaces and must run as root: " +
	"use `make interop`, which asks sudo")

// Start builds the lab and starts its DNS server and both proxies. On an error nothing is left
// behind. Labs with different prefixes live side by side.
func Start(ctx context.Context, cfg Config) (*Lab, error) {
	if os.Geteuid() != 0 {
		return nil, ErrNotRoot
	}
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if missing := Missing(); len(missing) > 0 {
		return nil, fmt.Errorf("the interop lab needs programs that are not installed: %v; `make deps` installs them",
			missing)
	}
	if err := raisePriority(); err != nil {
		return nil, err
	}
	rec, err := newRecord(cfg)
	if err != nil {
		return nil, err
	}
	l := &Lab{cfg: cfg, record: rec}
	if err := l.build(ctx); err != nil {
		//nolint:contextcheck // Close works after ctx has ended, too
		return nil, errors.Join(fmt.Errorf("start lab %s: %w", cfg.Prefix, err), l.Close())
	}
	return l, nil
}

func (c *Config) complete() error {
	if c.Prefix == "" {
		var b [2]byte
		if _, err := rand.Read(b[:]); err != nil {
			return fmt.Errorf("choose a lab prefix: %w", err)
		}
		c.Prefix = "pg" + hex.EncodeToString(b[:]) + "-"
	}
	c.Mobiles, c.Correspondents = max(c.Mobiles, 1), max(c.Correspondents, 1)
	if c.Mobiles > maxHosts || c.Correspondents > maxHosts {
		return fmt.Errorf("lab: at most %d mobile hosts and %d correspondents", maxHosts, maxHosts)
	}
	if !validPrefix(c.Prefix) {
		return fmt.Errorf("lab: prefix %q: use 1 to 20 letters, digits and hyphens", c.Prefix)
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return fmt.Errorf("lab: run folder: %w", err)
	}
	c.Dir = dir
	return os.MkdirAll(dir, 0o755)
}

func validPrefix(s string) bool {
	if len(s) < 1 || len(s) > 20 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}

func (l *Lab) build(ctx context.Context) error {
	for i := range l.cfg.Mobiles {
		l.mobiles = append(l.mobiles, newMobile(l, i))
	}
	for i := range l.cfg.Correspondents {
		l.hosts = append(l.hosts, newCorrespondent(l, i))
	}
	if err := l.wireUp(ctx); err != nil {
		return err
	}
	if err := l.record.save(l); err != nil {
		return err
	}
	return l.startServers(ctx)
}

// Close ends every process in the lab's namespaces, deletes the namespaces and forgets the lab.
// It reports what it could not clean up.
func (l *Lab) Close() error {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return nil
	}
	l.closed = true
	procs := l.procs
	l.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), commandTimeout)
	defer cancel()
	err := destroy(ctx, l.cfg.Prefix)
	for _, p := range procs {
		<-p.done // destroy has killed it
	}
	for _, box := range l.boxes {
		if box != nil {
			_ = box.Close() // its reader is gone
		}
	}
	return errors.Join(err, l.record.remove())
}

// Detach lets the processes of a lab with Config.Keep run on after this process.
func (l *Lab) Detach() error { return l.record.save(l) }

// Dir is the run folder.
func (l *Lab) Dir() string { return l.cfg.Dir }

// Prefix is what the names of the lab's namespaces begin with.
func (l *Lab) Prefix() string { return l.cfg.Prefix }

// Mobile is the mobile host with the index i, from 0.
func (l *Lab) Mobile(i int) *Mobile { return l.mobiles[i] }

// Mobiles is the number of mobile hosts.
func (l *Lab) Mobiles() int { return len(l.mobiles) }

// Correspondent is the wired host with the index i, from 0.
func (l *Lab) Correspondent(i int) *Host { return l.hosts[i] }

// Correspondents is the number of wired hosts.
func (l *Lab) Correspondents() int { return len(l.hosts) }

// Core is the router and server host; peers that must answer from the servers' network run there.
func (l *Lab) Core() *Host {
	return &Host{lab: l, name: "core", ns: l.ns("core"), addr: netip.MustParseAddr("10.77.0.1")}
}

func (l *Lab) ns(name string) string { return l.cfg.Prefix + name }

// adopt makes Close wait for p.
func (l *Lab) adopt(p *process) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.procs = append(l.procs, p)
}

// destroy ends all processes in the namespaces that begin with prefix, politely first, and
// deletes the namespaces. A namespace that is already gone is no error.
func destroy(ctx context.Context, prefix string) error {
	names, err := namespaces(prefix)
	if err != nil {
		return err
	}
	signalAll(ctx, names, false)
	deadline, cancel := context.WithTimeout(ctx, 700*time.Millisecond)
	defer cancel()
	// A peer that does not end within the deadline is killed below: its state is of no worth.
	_ = poll(deadline, 30*time.Millisecond, func() (bool, error) { return countAll(ctx, names) == 0, nil })
	signalAll(ctx, names, true)
	var failures []error
	for _, ns := range names {
		if _, err := run(ctx, "", "ip", "netns", "del", ns); err != nil {
			failures = append(failures, err)
		}
		failures = append(failures, os.RemoveAll(filepath.Join("/etc/netns", ns)))
	}
	return errors.Join(failures...)
}
