package history

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(path, nil)
	must(t, err)
	return s
}

// call is the n-th call of a test; every second comes in, every fourth is missed.
func call(n int) Call {
	start := time.Date(2024, 1, 1, 0, 0, n, 0, time.UTC)
	c := Call{
		Peer: fmt.Sprintf("sip:p%d@info.test", n), PeerName: fmt.Sprint("P", n), Account: "sip:alice@info.test",
		StartedAt: start, EndedAt: start.Add(time.Minute), Incoming: n%2 == 1, Missed: n%4 == 3,
	}
	if !c.Missed {
		c.AnsweredAt, c.Seen = start.Add(time.Second), true
	}
	return c
}

func add(t testing.TB, s *Store, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		_, err := s.Add(call(n))
		must(t, err)
	}
}

func names(calls []Call) string {
	out := make([]string, len(calls))
	for i, c := range calls {
		out[i] = c.PeerName
	}
	return strings.Join(out, " ")
}

// TestKept: what was added is there again after a restart, newest first, with every field.
func TestKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.journal")
	s := open(t, path)
	want := call(0)
	want.Reason, want.Detail = "Bob hung up.", "200 OK"
	got, err := s.Add(want)
	must(t, err)
	if got.ID == "" {
		t.Fatal("no ID")
	}
	want.ID = got.ID
	add(t, s, 1, 10)
	for _, s := range []*Store{s, open(t, path)} {
		all := s.Recent(0)
		if got := names(all); got != "P9 P8 P7 P6 P5 P4 P3 P2 P1 P0" {
			t.Errorf("all: %s", got)
		}
		if last := all[len(all)-1]; last != want {
			t.Errorf("got %+v, want %+v", last, want)
		}
		if got := names(s.Recent(2)); got != "P9 P8" {
			t.Errorf("two newest: %s", got)
		}
		if s.Missed() != 2 || s.Len() != 10 || s.Damaged() != 0 {
			t.Errorf("missed %d of %d, damaged %d", s.Missed(), s.Len(), s.Damaged())
		}
		if c, ok := s.LastDialled(); !ok || c.PeerName != "P8" {
			t.Errorf("last dialled: %+v, %t", c, ok)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestSeen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.journal")
	s := open(t, path)
	add(t, s, 0, 8)
	must(t, s.SeeAll())
	if s.Missed() != 0 || !s.Recent(1)[0].Seen {
		t.Errorf("missed %d, %+v", s.Missed(), s.Recent(1))
	}
	add(t, s, 8, 12)
	if s = open(t, path); s.Missed() != 1 {
		t.Errorf("missed after a restart: %d, want 1", s.Missed())
	}
	must(t, s.SeeAll())
	before, err := os.Stat(path)
	must(t, err)
	must(t, s.SeeAll())
	if after, err := os.Stat(path); err != nil || after.Size() != before.Size() {
		t.Errorf("looking twice wrote %d bytes, %v", after.Size()-before.Size(), err)
	}
}

// TestClear: nothing is left on disk either.
func TestClear(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "calls.journal")
	must(t, os.WriteFile(path, []byte("{\"call\": broken P77\n"), 0o600))
	must(t, os.WriteFile(path+UnreadableSuffix, []byte("P78"), 0o600))
	s := open(t, path)
	add(t, s, 0, 9)
	must(t, s.Clear())
	if s.Len() != 0 || s.Missed() != 0 || s.Damaged() != 0 {
		t.Errorf("%d calls, %d missed, %d damaged", s.Len(), s.Missed(), s.Damaged())
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	for _, f := range files {
		if data, err := os.ReadFile(f); err != nil || bytes.Contains(data, []byte("P")) {
			t.Errorf("%s still holds %q, %v", f, data, err)
		}
	}
	add(t, s, 9, 10)
	if s = open(t, path); names(s.Recent(0)) != "P9" {
		t.Errorf("after clearing: %s", names(s.Recent(0)))
	}
}

// TestBounded: the newest 5,000 stay, the file does not grow without end, and what is counted is what is there.
func TestBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.journal")
	var text bytes.Buffer
	for n := range MaxCalls + 900 {
		c := call(n)
		c.ID = fmt.Sprint(n)
		line, err := record{Call: &c}.line()
		must(t, err)
		text.Write(line)
	}
	must(t, os.WriteFile(path, text.Bytes(), 0o600))
	s := open(t, path)
	before, err := os.Stat(path)
	must(t, err)
	add(t, s, MaxCalls+900, MaxCalls+1050)
	after, err := os.Stat(path)
	must(t, err)
	if after.Size() >= before.Size() {
		t.Errorf("not compacted: %d bytes, before %d", after.Size(), before.Size())
	}
	for _, s := range []*Store{s, open(t, path)} {
		all := s.Recent(0)
		if len(all) != MaxCalls || all[0].PeerName != fmt.Sprint("P", MaxCalls+1049) || all[MaxCalls-1].PeerName != "P1050" {
			t.Fatalf("%d calls from %s to %s", len(all), all[len(all)-1].PeerName, all[0].PeerName)
		}
		missed := 0
		for _, c := range all {
			if c.Missed && !c.Seen {
				missed++
			}
		}
		if s.Missed() != missed {
			t.Errorf("missed %d, want %d", s.Missed(), missed)
		}
	}
}

// TestDamaged: each kind of damage costs what it hit and nothing else.
func TestDamaged(t *testing.T) {
	one := func(n int) string {
		c := call(n)
		c.ID = fmt.Sprint(n)
		line, err := record{Call: &c}.line()
		must(t, err)
		return string(line)
	}
	head := `{"history":{"version":1}}` + "\n"
	tests := []struct {
		name    string
		file    string
		want    string
		damaged int
		aside   string
	}{
		{"torn last line", head + one(1) + one(2)[:40], "P1", 0, ""},
		{"zeros at the end", head + one(1) + strings.Repeat("\x00", 4096), "P1", 0, ""},
		{"line in the middle", head + one(1) + "\x00\x01{\n" + one(2), "P2 P1", 1, "\x00\x01{\n"},
		{"header", "x\n" + one(1) + one(2), "P2 P1", 1, "x\n"},
		{"no header", one(1) + one(2), "P2 P1", 0, ""},
		{"something else", head + `{"msg":{"id":"1"}}` + "\n" + one(2), "P2", 1, `{"msg":{"id":"1"}}` + "\n"},
		{"call without a time", head + `{"call":{"peer":"sip:x"}}` + "\n", "", 1, `{"call":{"peer":"sip:x"}}` + "\n"},
		{"empty file", "", "", 0, ""},
		{
			"endless line", head + one(1) + strings.Repeat("a", 3*maxLine) + "\n" + one(2), "P2 P1", 1,
			strings.Repeat("a", maxLine) + "\n",
		},
		{"more than is kept", head + strings.Repeat("junk\n", maxAside) + one(2), "P2", maxAside, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "calls.journal")
			must(t, os.WriteFile(path, []byte(tt.file), 0o600))
			s := open(t, path)
			if got := names(s.Recent(0)); got != tt.want || s.Damaged() != tt.damaged {
				t.Fatalf("got %q, %d damaged; want %q, %d", got, s.Damaged(), tt.want, tt.damaged)
			}
			aside, _ := os.ReadFile(path + DamagedSuffix)
			if tt.aside != "" && string(aside) != tt.aside || len(aside) > maxAside {
				t.Errorf("kept aside %d bytes, want %d", len(aside), len(tt.aside))
			}
			add(t, s, 50, 51)
			s = open(t, path)
			if got := names(s.Recent(0)); got != strings.TrimSpace("P50 "+tt.want) || s.Damaged() != 0 {
				t.Errorf("opened again: %q, %d damaged", got, s.Damaged())
			}
		})
	}
}

// TestNewer: the file of a newer program is kept for it.
func TestNewer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.journal")
	text := `{"history":{"version":2}}` + "\n" + `{"talk":{}}` + "\n"
	must(t, os.WriteFile(path, []byte(text), 0o600))
	s := open(t, path)
	add(t, s, 0, 1)
	if kept, err := os.ReadFile(path + UnreadableSuffix); err != nil || string(kept) != text || s.Damaged() != 1 {
		t.Errorf("kept %q, %v; damaged %d", kept, err, s.Damaged())
	}
	if got := names(open(t, path).Recent(0)); got != "P0" {
		t.Errorf("new file: %s", got)
	}
}

// TestFileGone: what is in memory is written again.
func TestFileGone(t *testing.T) {
	for name, spoil := range map[string]func(string) error{
		"removed": os.Remove,
		"cut":     func(path string) error { return os.Truncate(path, 10) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "calls.journal")
			s := open(t, path)
			add(t, s, 0, 3)
			must(t, spoil(path))
			add(t, s, 3, 4)
			if got := names(open(t, path).Recent(0)); got != "P3 P2 P1 P0" {
				t.Errorf("got %s", got)
			}
		})
	}
}

// TestNoRoom: a call that cannot be written is refused and leaves no trace.
func TestNoRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gone", "calls.journal")
	s := open(t, path)
	if _, err := s.Add(call(0)); err == nil || s.Len() != 0 {
		t.Errorf("error %v, %d calls", err, s.Len())
	}
}

func TestKnows(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "calls.journal"))
	add(t, s, 0, 4)
	tests := []struct {
		name, peer string
		want       bool
	}{
		{"called by us", "sip:p0@info.test", true},
		{"answered", "sip:p1@info.test", true},
		{"missed", "sip:p3@info.test", false},
		{"never", "sip:p9@info.test", false},
	}
	for _, tt := range tests {
		if got := s.Knows(tt.peer); got != tt.want {
			t.Errorf("%s: got %t", tt.name, got)
		}
	}
}

// TestLongTexts: what strangers chose is cut at a character.
func TestLongTexts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "calls.journal")
	s := open(t, path)
	c := call(0)
	c.PeerName, c.Reason = strings.Repeat("ü", maxText), "broken \xff\xfe"
	got, err := s.Add(c)
	must(t, err)
	if got.PeerName != strings.Repeat("ü", maxText/2) {
		t.Errorf("name of %d bytes", len(got.PeerName))
	}
	if again := open(t, path).Recent(1)[0]; again != got {
		t.Errorf("got %+v, want %+v", again, got)
	}
}

const killEnv = "PEREGRINE_HISTORY_KILL_PATH"

// TestKilledWriter is the child of TestKill9: it adds calls until it is killed and prints what is safe.
func TestKilledWriter(t *testing.T) {
	path := os.Getenv(killEnv)
	if path == "" {
		return // only TestKill9 gives it something to do
	}
	s := open(t, path)
	for n := s.Len(); ; n++ {
		add(t, s, n, n+1)
		fmt.Printf("safe %d\n", n+1)
	}
}

// TestKill9: after kill -9 at any moment every confirmed call is there, in order, and nothing is damaged.
func TestKill9(t *testing.T) {
	if os.Getenv(killEnv) != "" {
		return
	}
	path := filepath.Join(t.TempDir(), "calls.journal")
	for round := range 15 {
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
		s := open(t, path)
		if s.Len() < safe || s.Damaged() != 0 {
			t.Fatalf("round %d: %d calls, %d are safe, %d damaged", round, s.Len(), safe, s.Damaged())
		}
		for i, c := range s.Recent(0) {
			if want := fmt.Sprint("P", s.Len()-1-i); c.PeerName != want {
				t.Fatalf("round %d: call %d is %s, want %s", round, i, c.PeerName, want)
			}
		}
	}
}

// FuzzOpen: whatever the file holds, it is opened, takes a call, and holds the same calls the next time.
func FuzzOpen(f *testing.F) {
	c := call(3)
	line, err := record{Call: &c}.line()
	must(f, err)
	f.Add([]byte(`{"history":{"version":1}}` + "\n" + string(line) + `{"seen":true}` + "\n"))
	f.Add([]byte("\x00\n{}\n[]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "calls.journal")
		must(t, os.WriteFile(path, data, 0o600))
		s := open(t, path)
		add(t, s, 0, 1)
		again := open(t, path)
		if got, want := names(again.Recent(0)), names(s.Recent(0)); got != want || again.Missed() != s.Missed() {
			t.Fatalf("got %q, want %q; missed %d and %d", got, want, again.Missed(), s.Missed())
		}
	})
}
