package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// SippConfig says what a sipp does.
type SippConfig struct {
	Scenario string            // name of an embedded scenario without ".xml"; its first comment says what it is
	Name     string            // of its folder on the host; empty: the scenario's
	Port     int               // its SIP port; 0: 5060
	TCP      bool              // one TCP connection instead of UDP
	Remote   netip.AddrPort    // where a caller sends to; invalid: it waits for calls
	Keys     map[string]string // values of the scenario's own keys
	Auth     string            // user for digest, who has the password of a lab user; empty: none
	Runs     int               // calls until it ends, one after the other; 0: 1
	Limit    time.Duration     // it fails when it takes longer; 0: 20 s
}

// Sipp is a running sipp: a peer that does exactly what its scenario says.
type Sipp struct {
	Addr netip.AddrPort
	dir  string
	proc *process
}

// StartSipp starts a scenario on the host. One that waits for calls is ready when this returns.
func (h *Host) StartSipp(ctx context.Context, cfg SippConfig) (*Sipp, error) {
	text, err := files.ReadFile("testdata/sipp/" + cfg.Scenario + ".xml")
	if err != nil {
		return nil, fmt.Errorf("start sipp: %w", err)
	}
	if cfg.Name == "" {
		cfg.Name = cfg.Scenario
	}
	if cfg.Port == 0 {
		cfg.Port = 5060
	}
	if cfg.Limit == 0 {
		cfg.Limit = 20 * time.Second
	}
	s := &Sipp{Addr: netip.AddrPortFrom(h.Addr(), uint16(cfg.Port)), dir: h.dir("sipp-" + cfg.Name)}
	if err = os.MkdirAll(s.dir, 0o755); err != nil {
		return nil, fmt.Errorf("start sipp: %w", err)
	}
	path := filepath.Join(s.dir, "scenario.xml")
	if err = os.WriteFile(path, text, 0o600); err != nil {
		return nil, fmt.Errorf("start sipp: %w", err)
	}
	if s.proc, err = startProcess(h.ns, "sipp "+cfg.Name, s.dir, nil, nil, cfg.argv(s, path)...); err != nil {
		return nil, err
	}
	h.lab.adopt(s.proc)
	return s, s.ready(ctx, cfg)
}

func (cfg SippConfig) argv(s *Sipp, scenario string) []string {
	transport := "u1"
	if cfg.TCP {
		transport = "t1"
	}
	argv := []string{
		"sipp", "-sf", scenario, "-i", s.Addr.Addr().String(), "-p", strconv.Itoa(cfg.Port), "-t", transport,
		"-m", strconv.Itoa(max(cfg.Runs, 1)), "-l", "1", "-nostdin",
		"-trace_msg", "-message_file", s.messages(), "-trace_err", "-error_file", s.errors(),
		"-timeout", strconv.Itoa(int(cfg.Limit.Seconds())), "-timeout_error",
		// What the scenario does not expect fails it; sipp says nothing of its own then.
		"-default_behaviors", "abortunexp",
	}
	if cfg.Auth != "" {
		argv = append(argv, "-au", cfg.Auth, "-ap", Password(cfg.Auth))
	}
	for _, key := range slices.Sorted(maps.Keys(cfg.Keys)) {
		argv = append(argv, "-key", key, cfg.Keys[key])
	}
	if cfg.Remote.IsValid() {
		argv = append(argv, cfg.Remote.String())
	}
	return argv
}

func (s *Sipp) messages() string { return filepath.Join(s.dir, "messages") }
func (s *Sipp) errors() string   { return filepath.Join(s.dir, "errors") }

// ready waits until a sipp that shall be called listens.
func (s *Sipp) ready(ctx context.Context, cfg SippConfig) error {
	if cfg.Remote.IsValid() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, peerStart)
	defer cancel()
	table, port := "udp", fmt.Sprintf(":%04X ", cfg.Port)
	if cfg.TCP {
		table = "tcp"
	}
	err := poll(ctx, 10*time.Millisecond, func() (bool, error) {
		if !s.proc.running() {
			return false, errEnded
		}
		// Sockets of the namespace that the process is in, sipp's as soon as it has bound it.
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", s.proc.cmd.Process.Pid, table))
		return err == nil && strings.Contains(string(data), port), nil
	})
	if err != nil {
		return fmt.Errorf("%s does not listen: %w; its output ends with:\n%s",
			s.proc.name, err, tail(s.proc.output(0), 1500))
	}
	return nil
}

// errScenario says that a scenario did not go as it is written.
var errScenario = errors.New("the scenario failed")

// Wait waits for the end of the scenario. The error holds what sipp complained of and the messages.
func (s *Sipp) Wait(ctx context.Context) error {
	select {
	case <-s.proc.done:
	case <-ctx.Done():
		return fmt.Errorf("%s: %w; its messages:\n%s", s.proc.name, ctx.Err(), s.Messages())
	}
	if s.proc.err != nil {
		return fmt.Errorf("%s: %w (%w): %s\nits messages:\n%s",
			s.proc.name, errScenario, s.proc.err, tail(fileFrom(s.errors(), 0), 1500), s.Messages())
	}
	return nil
}

// WaitMessage waits until sipp has sent or received a message that matches, and returns its groups.
func (s *Sipp) WaitMessage(ctx context.Context, pattern string) ([]string, error) {
	return s.proc.waitFile(ctx, s.messages(), 0, pattern)
}

// Messages is every message sipp sent and received, with times.
func (s *Sipp) Messages() string { return strings.ReplaceAll(fileFrom(s.messages(), 0), "\r", "") }

// Stop ends a sipp that waits for more calls than came.
func (s *Sipp) Stop() error { return s.proc.stop(0) }
