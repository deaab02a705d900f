package buddies

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const killEnv = "PEREGRINE_BUDDIES_KILL_PATH"

// TestKilledWriter is the child of TestKill9: it edits until it is killed and prints what is safe.
func TestKilledWriter(t *testing.T) {
	path := os.Getenv(killEnv)
	if path == "" {
		return // only TestKill9 gives it something to do
	}
	b, err := Open(path, nil)
	must(t, err)
	for n := len(b.List()); ; n++ {
		if err := b.Add(t.Context(), buddy(t, strings.Repeat("x", MaxName), fmt.Sprintf("sip:b%d@x", n))); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("safe %d\n", n+1)
	}
}

// TestKill9: after kill -9 at any moment the file is whole and holds every confirmed buddy, and so is the backup; what another
// program adds meanwhile stays too.
func TestKill9(t *testing.T) {
	if os.Getenv(killEnv) != "" {
		return
	}
	path := filepath.Join(t.TempDir(), "buddies.xml")
	const rounds = 20
	for round := range rounds {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWriter$")
		cmd.Env = append(os.Environ(), killEnv+"="+path)
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		safe, seen := 0, 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if _, err := fmt.Sscanf(lines.Text(), "safe %d", &safe); err != nil {
				continue
			}
			if seen++; seen == 1+round%5 {
				must(t, cmd.Process.Kill())
			}
		}
		_ = cmd.Wait() // killed
		b, err := Open(path, nil)
		must(t, err)
		if p := b.Problem(); p != nil {
			t.Fatalf("round %d: %v", round, p)
		}
		have := make(map[string]bool)
		for _, x := range b.List() {
			have[x.Address.User] = true
			if x.Address.Host == "x" && len(x.Name) != MaxName {
				t.Fatalf("round %d: half a buddy %+v", round, x)
			}
		}
		for i := range safe {
			if u := fmt.Sprintf("b%d", i); !have[u] && !have["other"+u] {
				t.Fatalf("round %d: %s is lost of %d", round, u, safe)
			}
		}
		if backup, err := os.ReadFile(path + ".bak"); err == nil {
			if _, err := parseList(backup); err != nil {
				t.Fatalf("round %d: backup: %v", round, err)
			}
		}
		// Another program's edit between the rounds takes the place of the next number.
		next := fmt.Sprintf("sip:otherb%d@x", len(b.List()))
		must(t, b.Add(t.Context(), buddy(t, strings.Repeat("y", MaxName), next)))
		if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".buddies*.tmp")); len(left) != 0 {
			t.Fatalf("round %d: left behind %q", round, left)
		}
	}
}
