package app

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSettings(t *testing.T) {
	s, err := openSettings(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		key, value string
		ok         bool
	}{
		{SettingInput, "tone:440", true},
		{SettingInput, "file:/tmp/speech.wav", true},
		{SettingInput, "file:", false},
		{SettingInput, "radio", false},
		{SettingOutput, "tone:440", false},
		{SettingOutput, "device:USB Headset", true},
		{SettingAutoAnswer, "on", true},
		{SettingAutoAnswer, "perhaps", false},
		{SettingPort, "65536", false},
		{SettingPort, "5070", true},
		{"no.such.key", "1", false},
	}
	for _, tt := range tests {
		err := s.set(tt.key, tt.value)
		if (err == nil) != tt.ok {
			t.Errorf("set %s=%q: err = %v, want ok = %v", tt.key, tt.value, err, tt.ok)
		}
		var user *UserError
		if err != nil && !errors.As(err, &user) {
			t.Errorf("set %s=%q: %T is no sentence for a person", tt.key, tt.value, err)
		}
		if got, _ := s.get(tt.key); tt.ok && got != tt.value {
			t.Errorf("get %s = %q, want %q", tt.key, got, tt.value)
		}
	}
}

func TestSettingsSurviveAndKeepWhatTheyDoNotKnow(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, fileSettings), `{"theme":"dark","of.a.later.version":"7","autoanswer":"nonsense"}`)
	s, err := openSettings(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := s.get(SettingTheme); got != "dark" {
		t.Errorf("theme = %q, want dark", got)
	}
	if got, _ := s.get(SettingAutoAnswer); got != "off" {
		t.Errorf("autoanswer = %q, want the initial value in place of nonsense", got)
	}
	if err := s.set(SettingTheme, "light"); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, fileSettings))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), `"of.a.later.version": "7"`) {
		t.Errorf("a key of another version was lost: %s", data)
	}
}

func TestDamagedSettings(t *testing.T) {
	for _, damage := range []string{"{", "[]", "\x00\x01", `{"theme":7}`, strings.Repeat(" ", maxProfileFile+1)} {
		dir := t.TempDir()
		path := filepath.Join(dir, fileSettings)
		write(t, path, damage)
		write(t, path+".bak", `{"theme":"dark"}`)
		s, err := openSettings(dir)
		if !errors.Is(err, errDamaged) {
			t.Errorf("err = %v, want errDamaged", err)
		}
		if got, _ := s.get(SettingTheme); got != "dark" {
			t.Errorf("theme = %q, want that of the backup", got)
		}
		kept, err := filepath.Glob(path + ".damaged-*")
		if err != nil || len(kept) != 1 {
			t.Fatalf("kept %v, %v; want the damaged file kept once", kept, err)
		}
		if data, _ := os.ReadFile(kept[0]); string(data) != damage {
			t.Error("the damaged file was changed")
		}
	}
}

func TestProfileLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), fileLock)
	first, err := lockProfile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockProfile(path); !errors.Is(err, errProfileInUse) {
		t.Errorf("second lock: err = %v, want errProfileInUse", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lockProfile(path)
	if err != nil {
		t.Fatalf("lock after release: %v", err)
	}
	again.Close()
}

// brokenKeyring stands for a system without one.
type brokenKeyring struct{}

func (brokenKeyring) Get(string) (string, error) { return "", errors.New("no secret service") }
func (brokenKeyring) Set(string, string) error   { return errors.New("no secret service") }
func (brokenKeyring) Delete(string) error        { return errors.New("no secret service") }

func TestSecrets(t *testing.T) {
	dir := t.TempDir()
	s := newSecrets(dir, brokenKeyring{})
	err := s.put(t.Context(), StoreKeyring, "sip:alice@info.test", "pw")
	var user *UserError
	if !errors.As(err, &user) || !strings.Contains(user.Sentence, "--password-store file") {
		t.Errorf("err = %v, want a sentence that names --password-store file", err)
	}
	if err := s.put(t.Context(), StoreFile, "sip:alice@info.test", "pw"); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, fileSecrets))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode of %s = %v, want 0600", fileSecrets, info.Mode().Perm())
	}
	if got, err := s.get(t.Context(), StoreFile, "sip:alice@info.test"); got != "pw" || err != nil {
		t.Errorf("get = %q, %v", got, err)
	}
	if err := s.remove(t.Context(), StoreFile, "sip:alice@info.test"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.get(t.Context(), StoreFile, "sip:alice@info.test"); !errors.Is(err, errNoSecret) {
		t.Errorf("after remove: err = %v, want errNoSecret", err)
	}
	data, err := os.ReadFile(filepath.Join(dir, fileSecrets+".bak"))
	if err == nil && strings.Contains(string(data), "pw") {
		t.Error("the backup of the secrets still holds a removed password")
	}
}

func TestPresenceIsKept(t *testing.T) {
	dir := t.TempDir()
	for _, first := range []bool{true, false} {
		e, err := New(t.Context(), Config{Profile: dir, Keyring: brokenKeyring{}})
		if err != nil {
			t.Fatal(err)
		}
		if first {
			if err := e.SetPresence(t.Context(), PresenceOffline, "gone fishing"); err != nil {
				t.Fatal(err)
			}
		}
		if s := e.Snapshot().Self; s.Chosen != PresenceOffline || s.Note != "gone fishing" {
			t.Errorf("first start %v: chosen %q, note %q", first, s.Chosen, s.Note)
		}
		e.Close()
	}
}
