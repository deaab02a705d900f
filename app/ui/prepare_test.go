package ui

import (
	"os"
	"path/filepath"
	"testing"
)

func TestPrepare(t *testing.T) {
	for _, tc := range []struct{ name, before, want string }{
		{"first start", "-", "{}\n"},
		{"killed before the preferences were written", "", "{}\n"},
		{"blank", "\n", "{}\n"},
		{"written", `{"a":1}`, `{"a":1}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			root := t.TempDir()
			cache, config := filepath.Join(root, "cache", "fyne", "id"), filepath.Join(root, "config", "fyne", "id")
			path := filepath.Join(config, "preferences.json")
			if tc.before != "-" {
				if err := os.MkdirAll(config, 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(tc.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := prepare(cache, config); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil || string(got) != tc.want {
				t.Errorf("preferences: %q, %v; want %q", got, err, tc.want)
			}
			if info, err := os.Stat(cache); err != nil || !info.IsDir() {
				t.Errorf("no folder for the cache: %v", err)
			}
		})
	}
}
