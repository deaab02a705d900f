package atomicfile

import (
	"os"
	"path/filepath"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestWriteKeepsTheLastGoodFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "settings.json")
	for _, data := range []string{"one", "two", "three"} {
		if err := WriteKeeping(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got := read(t, path); got != "three" {
		t.Errorf("file = %q, want three", got)
	}
	if got := read(t, path+Backup); got != "two" {
		t.Errorf("backup = %q, want two", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("%d files left in the folder, want the file and its backup", len(entries))
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, want 0600", info.Mode().Perm())
	}
}

func TestWriteLeavesTheFileWhenTheFolderIsGone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "missing", "settings.json")
	if err := Write(path, []byte("x"), 0o600); err == nil {
		t.Fatal("want an error for a folder that does not exist")
	}
}
