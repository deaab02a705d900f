//go:build lab

package lab

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/internal/lab/score"
)

// TestMain refuses to pretend: without root the suite fails with a sentence.
func TestMain(m *testing.M) {
	if handled, err := Child(os.Args[1:]); handled {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(runSuite(m))
}

func runSuite(m *testing.M) int {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, ErrNotRoot)
		return 1
	}
	if os.Getenv("PEREGRINE_LAB_REALTIME") != "" { // on a machine that has other work too
		if err := RealTime(true); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	swept, err := Sweep(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "clean up labs of killed runs:", err)
		return 1
	}
	if len(swept) > 0 {
		fmt.Println("removed labs of killed runs:", swept)
	}
	if suiteDir, err = os.MkdirTemp("", "peregrine-lab-"); err != nil {
		fmt.Fprintln(os.Stderr, "make the suite's folder:", err)
		return 1
	}
	defer os.RemoveAll(suiteDir)
	return m.Run()
}

// newLab starts a lab that ends with the test. What the peers wrote is printed when it failed.
func newLab(t testing.TB, cfg Config) *Lab {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	began := time.Now()
	l, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("lab %s up in %v", l.Prefix(), time.Since(began).Round(time.Millisecond))
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("take the lab down: %v", err)
		}
	})
	return l
}

// speech makes the suite's speech once; it outlives single tests and goes with the suite.
var speech = sync.OnceValues(func() (score.SpeechFiles, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	return score.Speech(ctx, suiteDir)
})

// suiteDir is a folder for what all tests share; made by runSuite before they start.
var suiteDir string

func suiteSpeech(t testing.TB) score.SpeechFiles {
	t.Helper()
	files, err := speech()
	must(t, err)
	return files
}

// peregrinectl is built once for the suite.
var peregrinectl = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	return BuildPhone(ctx, suiteDir)
})

// newPhone starts Peregrine on a host. What it logged is printed when the test failed.
func newPhone(t testing.TB, h *Host, cfg PhoneConfig) *Phone {
	t.Helper()
	binary, err := peregrinectl()
	must(t, err)
	cfg.Binary = binary
	if cfg.Set == nil {
		cfg.Set = map[string]string{"audio.input": "tone:440", "audio.output": "none"}
	}
	p, err := h.StartPhone(t.Context(), cfg)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of %s on %s:\n%s", p.AOR, h.Name(), tail(p.Log(0), 6000))
		}
		if p.Crashed() {
			t.Errorf("%s on %s did not live to the end of the test", p.AOR, h.Name())
		}
	})
	return p
}
