package im

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peregrine-softphone/peregrine/sip/uri"
)

func journal(t testing.TB, dir string) *Journal {
	t.Helper()
	j, err := OpenJournal(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func texts(t testing.TB, j *Journal, peer uri.URI, limit int, before string) string {
	t.Helper()
	page, err := j.History(peer, limit, before)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range page {
		out = append(out, m.Text)
	}
	return strings.Join(out, " ")
}

func add(t testing.TB, j *Journal, peer uri.URI, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		m := Message{ID: fmt.Sprint("id", i), Peer: peer, Outgoing: i%2 == 0, Text: fmt.Sprint(i), At: time.Unix(int64(i), 0), State: Sent}
		if !m.Outgoing {
			m.State = Delivered
		}
		if err := j.Append(m); err != nil {
			t.Fatal(err)
		}
	}
}

func only(t testing.TB, dir, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) != 1 {
		t.Fatalf("%s: %q, %v", pattern, files, err)
	}
	return files[0]
}

// TestHistoryPages: also beyond what is in memory.
func TestHistoryPages(t *testing.T) {
	dir, bob := t.TempDir(), mustURI(t, "sip:bob@info.test")
	j := journal(t, dir)
	const n = 3*tailSize + 50
	add(t, j, bob, 0, n)
	for _, j := range []*Journal{j, journal(t, dir)} {
		tests := []struct {
			limit  int
			before string
			want   string
		}{
			{2, "", fmt.Sprintf("%d %d", n-2, n-1)},
			{2, fmt.Sprint("id", n-2), fmt.Sprintf("%d %d", n-4, n-3)},
			{3, "id10", "7 8 9"},
			{3, "id2", "0 1"},
			{3, "id0", ""},
			{3, "nothing", ""},
			{0, "", ""},
		}
		for _, tt := range tests {
			if got := texts(t, j, bob, tt.limit, tt.before); got != tt.want {
				t.Errorf("%d before %q: %q, want %q", tt.limit, tt.before, got, tt.want)
			}
		}
		if got := texts(t, j, bob, n+1, ""); strings.Count(got, " ") != n-1 {
			t.Errorf("%d messages in all, want %d", strings.Count(got, " ")+1, n)
		}
		if m, ok, err := j.Find(bob, "id3"); err != nil || !ok || m.Text != "3" {
			t.Errorf("old message: %+v %v %v", m, ok, err)
		}
		if err := j.Update(Message{ID: "id4", Peer: bob, State: Failed, Cause: CauseAbsent}); err != nil {
			t.Error(err)
		}
		if m, _, _ := j.Find(bob, "id4"); m.State != Failed || m.Text != "4" {
			t.Errorf("old message with a new state: %+v", m)
		}
		chats, err := j.Chats()
		if err != nil || len(chats) != 1 || chats[0].Count != n || chats[0].Unread != n/2 {
			t.Errorf("chats %+v, %v", chats, err)
		}
	}
}

// TestTornAndDamaged: a torn end is cut off, lost sectors cost the lines they hit, nothing else.
func TestTornAndDamaged(t *testing.T) {
	bob := mustURI(t, "sip:bob@info.test")
	tests := []struct {
		name   string
		damage func(data string) string
		want   string
	}{
		{"torn", func(d string) string { return d + `{"msg":{"id":"x","te` }, "0 1 2 3"},
		{"torn in the last line", func(d string) string { return d[:len(d)-5] }, "0 1 2"},
		{"zeros at the end", func(d string) string { return d + strings.Repeat("\x00", 4096) }, "0 1 2 3"},
		{"zeros within", func(d string) string { return strings.Replace(d, `"text":"1"`, strings.Repeat("\x00", 10), 1) }, "0 2 3"},
		{"a line of another kind", func(d string) string { return d + "hello\n" }, "0 1 2 3"},
		{"a huge line", func(d string) string { return d + strings.Repeat("x", 3*maxLine) + "\n" }, "0 1 2 3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			add(t, journal(t, dir), bob, 0, 4)
			file := only(t, dir, "*.jsonl")
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(tt.damage(string(data))), 0o600); err != nil {
				t.Fatal(err)
			}
			j := journal(t, dir)
			if got := texts(t, j, bob, 10, ""); got != tt.want {
				t.Errorf("history %q, want %q", got, tt.want)
			}
			add(t, j, bob, 9, 10)
			if got := texts(t, journal(t, dir), bob, 10, ""); got != tt.want+" 9" {
				t.Errorf("after one more: %q, want %q", got, tt.want+" 9")
			}
		})
	}
}

// TestUnreadableFile is left alone and its chat begins anew.
func TestUnreadableFile(t *testing.T) {
	dir, bob := t.TempDir(), mustURI(t, "sip:bob@info.test")
	add(t, journal(t, dir), bob, 0, 1)
	file := only(t, dir, "*.jsonl")
	for _, content := range []string{"garbage\n", "", `{"chat":{"version":99,"peer":"sip:bob@info.test"}}` + "\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		j := journal(t, dir)
		if chats, _ := j.Chats(); len(chats) != 0 {
			t.Errorf("chats %+v", chats)
		}
		add(t, j, bob, 5, 6)
		if got := texts(t, journal(t, dir), bob, 10, ""); got != "5" {
			t.Errorf("history %q", got)
		}
		kept, err := os.ReadFile(file + ".unreadable")
		if err != nil || string(kept) != content {
			t.Errorf("kept %q, %v", kept, err)
		}
	}
}

func TestCompaction(t *testing.T) {
	dir, bob := t.TempDir(), mustURI(t, "sip:bob@info.test")
	j := journal(t, dir)
	add(t, j, bob, 0, 4)
	for i := range compactAt + 1 {
		if err := j.Update(Message{ID: "id2", Peer: bob, State: Failed, Cause: CauseNetwork, Tries: i}); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.MarkRead(bob); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		j = journal(t, dir)
		m, _, err := j.Find(bob, "id2")
		if err != nil || m.State != Failed || m.Tries != compactAt {
			t.Errorf("message %+v, %v", m, err)
		}
		if chats, _ := j.Chats(); chats[0].Unread != 0 || chats[0].Count != 4 {
			t.Errorf("chats %+v", chats)
		}
	}
	if info, err := os.Stat(only(t, dir, "*.jsonl")); err != nil || info.Size() > 2000 {
		t.Errorf("%d bytes, %v", info.Size(), err)
	}
	if rest, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(rest) != 0 {
		t.Errorf("left behind: %q", rest)
	}
}

// TestDeletedWhileOpen: somebody deletes the history of a running program.
func TestDeletedWhileOpen(t *testing.T) {
	dir, bob := t.TempDir(), mustURI(t, "sip:bob@info.test")
	j := journal(t, dir)
	add(t, j, bob, 0, 3)
	if err := os.Remove(only(t, dir, "*.jsonl")); err != nil {
		t.Fatal(err)
	}
	add(t, j, bob, 3, 4)
	if got := texts(t, journal(t, dir), bob, 10, ""); got != "0 1 2 3" {
		t.Errorf("history %q", got)
	}
}

// TestDiskFull: a message that cannot be kept is refused, and the journal goes on when there is room.
func TestWriteFails(t *testing.T) {
	dir, bob := t.TempDir(), mustURI(t, "sip:bob@info.test")
	j := journal(t, dir)
	add(t, j, bob, 0, 1)
	file := only(t, dir, "*.jsonl")
	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(file, 0o700); err != nil { // no file can be written there
		t.Fatal(err)
	}
	if err := j.Append(Message{ID: "x", Peer: bob, Text: "x"}); err == nil {
		t.Error("no error")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".away", file); err != nil {
		t.Fatal(err)
	}
	add(t, j, bob, 1, 2)
	if got := texts(t, journal(t, dir), bob, 10, ""); got != "0 1" {
		t.Errorf("history %q", got)
	}
}

const killEnv = "PEREGRINE_IM_KILL_DIR"

// TestKilledWriter is the child of TestKill9: it appends until it is killed and prints what is safe.
func TestKilledWriter(t *testing.T) {
	dir := os.Getenv(killEnv)
	if dir == "" {
		return // only TestKill9 gives it something to do
	}
	bob := mustURI(t, "sip:bob@info.test")
	j := journal(t, dir)
	chats, err := j.Chats()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, c := range chats {
		n = c.Count
	}
	for ; ; n++ {
		id := fmt.Sprint("id", n)
		if err := j.Append(Message{ID: id, Peer: bob, Outgoing: true, Text: strings.Repeat("x", 3000), State: Waiting}); err != nil {
			t.Fatal(err)
		}
		if err := j.Update(Message{ID: id, Peer: bob, State: Sent}); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("safe %s\n", id)
	}
}

// TestKill9: whatever was confirmed before kill -9 is there after it, in its state.
func TestKill9(t *testing.T) {
	if os.Getenv(killEnv) != "" {
		return
	}
	dir, bob := t.TempDir(), mustURI(t, "sip:bob@info.test")
	for round := range 10 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWriter$")
		cmd.Env = append(os.Environ(), killEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		safe, last := 0, ""
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "safe "); ok {
				safe, last = safe+1, id
			}
			if safe == 5+round {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = cmd.Wait() // killed
		j := journal(t, dir)
		if m, ok, err := j.Find(bob, last); err != nil || !ok || m.State != Sent || len(m.Text) != 3000 {
			t.Fatalf("round %d: %s is %v %s %v", round, last, ok, m.State, err)
		}
		chats, err := j.Chats()
		if err != nil || len(chats) != 1 {
			t.Fatalf("round %d: %+v, %v", round, chats, err)
		}
		waiting, err := j.Outbox()
		if err != nil || len(waiting) > round+1 { // one per kill may have been under way
			t.Fatalf("round %d: %d wait, %v", round, len(waiting), err)
		}
	}
}

func FuzzJournal(f *testing.F) {
	f.Add([]byte(`{"chat":{"version":1,"peer":"sip:b@i"}}` + "\n" + `{"msg":{"id":"a","peer":"sip:b@i","text":"x","at":"2026-11-22T10:00:00Z","state":"waiting","outgoing":true}}` + "\n" + `{"state":{"id":"a","state":"sent"}}` + "\n" + `{"read":true}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "x.jsonl")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := readChatFile(path)
		if err != nil {
			return
		}
		again, err := readChatFile(path)
		if err != nil || again.count != c.count || again.unread != c.unread || len(again.waiting) != len(c.waiting) {
			t.Fatalf("read twice: %+v, %+v, %v", c, again, err)
		}
		all, err := c.all()
		if err != nil || len(all) != c.count {
			t.Fatalf("%d messages, %d counted, %v", len(all), c.count, err)
		}
	})
}
